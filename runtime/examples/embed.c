// How an application runs a model: load it, look at its inputs, run it, read the result.
//
//   cc embed.c -I../include -laicc-rt -ldl -lpthread -o embed && ./embed model.so
//
// Fills every input with ones; symbolic dimensions become 1.
#include <aicc/runtime.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const aicc_rt_error *error) {
  fprintf(stderr, "%s: %s\n", aicc_rt_status_name(error->code), error->text);
  return 1;
}

// An input of ones, as far as this small program goes: f32 tensors. NULL: beyond it.
static float *make_input(const aicc_rt_tensor_info *info, DLTensor *tensor, int64_t *dims) {
  size_t count = 1;
  for (int32_t i = 0; i < info->rank; i++) {
    dims[i] = info->dims[i] < 0 ? 1 : info->dims[i];
    count *= (size_t)dims[i];
  }
  if (info->dtype.code != kDLFloat || info->dtype.bits != 32 || info->kind != AICC_RT_TENSOR) {
    return NULL;
  }
  float *data = malloc((count > 0 ? count : 1) * sizeof *data);
  for (size_t i = 0; data != NULL && i < count; i++) {
    data[i] = 1;
  }
  *tensor = (DLTensor){
      .data = data, .device = {kDLCPU, 0}, .ndim = info->rank, .dtype = info->dtype, .shape = dims};
  return data;
}

static void print_output(const char *name, const DLTensor *tensor) {
  size_t count = 1;
  for (int32_t i = 0; i < tensor->ndim; i++) {
    count *= (size_t)tensor->shape[i];
  }
  printf("%s:", name);
  for (size_t i = 0; tensor->dtype.code == kDLFloat && i < count && i < 8; i++) {
    printf(" %g", (double)((const float *)tensor->data)[i]);
  }
  printf("%s\n", count > 8 ? " ..." : "");
}

enum { MAX_INPUTS = 16, MAX_RANK = 32 };

static int run(aicc_rt_session *session, const aicc_rt_model_info *info, float **data) {
  static int64_t dims[MAX_INPUTS][MAX_RANK];
  aicc_rt_error error;
  if (info->input_count > MAX_INPUTS) {
    fprintf(stderr, "more than %d inputs\n", MAX_INPUTS);
    return 1;
  }
  for (uint32_t i = 0; i < info->input_count; i++) {
    DLTensor tensor;
    data[i] = make_input(&info->inputs[i], &tensor, dims[i]);
    if (data[i] == NULL) {
      fprintf(stderr, "input '%s' is no f32 tensor\n", info->inputs[i].name);
      return 1;
    }
    if (aicc_rt_session_set_input(session, i, &tensor, &error) != AICC_RT_OK) {
      return fail(&error);
    }
  }
  if (aicc_rt_session_run(session, &error) != AICC_RT_OK) {
    return fail(&error);
  }
  for (uint32_t i = 0; i < info->output_count; i++) {
    DLTensor output;
    if (aicc_rt_session_output(session, i, &output, &error) != AICC_RT_OK) {
      return fail(&error);
    }
    print_output(info->outputs[i].name, &output);
  }
  return 0;
}

int main(int argc, char **argv) {
  aicc_rt_error error;
  if (argc != 2) {
    fprintf(stderr, "usage: embed MODEL.so\n");
    return 1;
  }
  aicc_rt_model *model = aicc_rt_model_open(argv[1], NULL, &error);
  if (model == NULL) {
    return fail(&error);
  }
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", NULL, &error);
  if (session == NULL) {
    aicc_rt_model_close(model);
    return fail(&error);
  }
  float *data[MAX_INPUTS] = {NULL};
  const int result = run(session, aicc_rt_model_describe(model), data);
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
  for (int i = 0; i < MAX_INPUTS; i++) {
    free(data[i]);
  }
  return result;
}
