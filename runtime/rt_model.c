#include "rt_model.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu_features.h"
#include "rt_tensor.h"

_Static_assert(sizeof(aicc_rt_origin) == sizeof(aicc_abi_origin) &&
                   offsetof(aicc_rt_origin, op) == offsetof(aicc_abi_origin, op),
               "origins are handed out as they are");

static const char *or_empty(const char *text) { return text != NULL ? text : ""; }

aicc_abi_plan aicc_rt_model_plan(const aicc_abi_model *m, uint32_t index) {
  if (index > 0) {
    return m->plans[index - 1];
  }
  return (aicc_abi_plan){.size = sizeof(aicc_abi_plan),
                         .width = m->width,
                         .kernel_count = m->kernel_count,
                         .buffer_count = m->buffer_count,
                         .segment_count = m->segment_count,
                         .kernels = m->kernels,
                         .buffers = m->buffers,
                         .run = m->run,
                         .weights_begin = m->weights_begin,
                         .weights_end = m->weights_end};
}

// ---- the table of the model --------------------------------------------------------------------

static aicc_rt_status bad(const aicc_rt_model *model, aicc_rt_error *error, const char *what) {
  return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: the model's table is wrong: %s", model->path,
                      what);
}

static bool tensors_are_sane(const aicc_abi_tensor *tensors, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const aicc_abi_tensor *t = &tensors[i];
    if (t->name == NULL || aicc_rt_dtype_of(t->dtype)->name == NULL ||
        t->kind > AICC_ABI_KIND_OPTIONAL_SEQUENCE || t->rank < -1 || t->rank > AICC_RT_MAX_RANK ||
        (t->rank > 0 && t->dims == NULL)) {
      return false;
    }
  }
  return true;
}

static bool buffers_are_sane(const aicc_abi_plan *plan) {
  for (uint32_t i = 0; i < plan->buffer_count; i++) {
    const aicc_abi_buffer *buffer = &plan->buffers[i];
    if (buffer->segment >= plan->segment_count || buffer->last < buffer->first) {
      return false;
    }
  }
  return true;
}

static bool image_is_sane(const aicc_abi_model *m, const aicc_abi_image *image) {
  if (image->plan > m->plan_count || image->target == NULL ||
      (image->data == NULL && image->kind != AICC_ABI_IMAGE_CPU)) {
    return false;
  }
  const uint32_t kernels = aicc_rt_model_plan(m, image->plan).kernel_count;
  return image->first_kernel <= kernels && image->kernel_count <= kernels - image->first_kernel;
}

static aicc_rt_status check_table(const aicc_rt_model *model, aicc_rt_error *error) {
  const aicc_abi_model *m = model->abi;
  if (m->size < sizeof *m || m->version < AICC_ABI_OLDEST || m->version > AICC_ABI_VERSION ||
      m->run == NULL) {
    return bad(model, error, "version, size or entry point");
  }
  if ((m->input_count > 0 && m->inputs == NULL) || (m->output_count > 0 && m->outputs == NULL) ||
      (m->kernel_count > 0 && m->kernels == NULL) || (m->image_count > 0 && m->images == NULL) ||
      (m->buffer_count > 0 && m->buffers == NULL) || (m->plan_count > 0 && m->plans == NULL) ||
      (m->constant_count > 0 && (m->constants == NULL || m->weights == NULL))) {
    return bad(model, error, "a list is missing");
  }
  if (!tensors_are_sane(m->inputs, m->input_count) ||
      !tensors_are_sane(m->outputs, m->output_count)) {
    return bad(model, error, "inputs or outputs");
  }
  const uint64_t weights_size = m->weights != NULL ? m->weights->size : 0;
  for (uint32_t i = 0; i <= m->plan_count; i++) {
    const aicc_abi_plan plan = aicc_rt_model_plan(m, i);
    if (plan.run == NULL || (plan.kernel_count > 0 && plan.kernels == NULL) ||
        (plan.buffer_count > 0 && plan.buffers == NULL) || !buffers_are_sane(&plan) ||
        plan.weights_begin > plan.weights_end || plan.weights_end > weights_size) {
      return bad(model, error, "buffers or kernels");
    }
  }
  for (uint32_t i = 0; i < m->image_count; i++) {
    if (!image_is_sane(m, &m->images[i])) {
      return bad(model, error, "images");
    }
  }
  for (uint32_t i = 0; i < m->constant_count; i++) {
    const aicc_abi_constant *c = &m->constants[i];
    if (c->offset > weights_size || c->size > weights_size - c->offset) {
      return bad(model, error, "constants");
    }
  }
  return AICC_RT_OK;
}

static aicc_rt_status check_cpu(const aicc_rt_model *model, aicc_rt_error *error) {
  char list[200] = "";
  aicc_rt_text missing = {list, sizeof list, 0};
  for (const char *const *f = model->abi->cpu_features; f != NULL && *f != NULL; f++) {
    if (aicc_rt_cpu_feature(*f) != AICC_RT_HAS) {
      aicc_rt_text_add(&missing, "%s%s", missing.used > 0 ? ", " : "", *f);
    }
  }
  if (missing.used > 0) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE,
                        "%s: the model's CPU code needs instructions that this machine lacks: %s. "
                        "Compile it for an older CPU",
                        model->path, list);
  }
  return AICC_RT_OK;
}

// ---- loading -----------------------------------------------------------------------------------

static aicc_rt_status load_library(aicc_rt_model *model, aicc_rt_error *error) {
  // dlopen looks for a name without a slash in the system's folders.
  char *resolved = realpath(model->path, NULL);
  if (resolved == NULL) {
    return aicc_rt_fail(error, AICC_RT_IO, "%s: the path cannot be resolved", model->path);
  }
  model->library = dlopen(resolved, RTLD_NOW | RTLD_LOCAL);
  free(resolved);
  if (model->library == NULL) {
    const char *why = dlerror();
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: %s", model->path, or_empty(why));
  }
  void *symbol = dlsym(model->library, AICC_ABI_QUERY_SYMBOL);
  if (symbol == NULL) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: a shared object without the symbol %s",
                        model->path, AICC_ABI_QUERY_SYMBOL);
  }
  aicc_abi_query_fn query = NULL;
  memcpy(&query, &symbol, sizeof query);  // ISO C has no cast from object to function pointers
  model->abi = query(AICC_ABI_VERSION);
  if (model->abi == NULL) {
    return aicc_rt_fail(error, AICC_RT_VERSION,
                        "%s: the model needs a newer runtime than this one (model ABI %u)",
                        model->path, AICC_ABI_VERSION);
  }
  return AICC_RT_OK;
}

static aicc_rt_status map_beside(aicc_rt_model *model, const char *beside, const char *name,
                                 aicc_rt_error *error) {
  const char *slash = strrchr(beside, '/');
  const size_t folder = slash != NULL ? (size_t)(slash - beside) + 1 : 0;
  const size_t size = folder + strlen(name) + 1;
  char *path = aicc_rt_new_bytes(&model->allocator, size);
  if (path == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "%s: no memory", model->path);
  }
  memcpy(path, beside, folder);
  memcpy(path + folder, name, size - folder);
  aicc_rt_status status = AICC_RT_OK;
  if (access(path, F_OK) != 0 && errno == ENOENT) {
    status = aicc_rt_fail(error, AICC_RT_IO,
                          "%s: the model's weights are in a file of their own, %s, which is not "
                          "there; it belongs beside the model", model->path, path);
  } else {
    status = aicc_rt_file_map(path, &model->weights_file, error);
  }
  aicc_rt_delete(&model->allocator, path, size, 1);
  return status;
}

// Beside the path that was given or, where that is a link, beside the file itself.
static aicc_rt_status map_sibling(aicc_rt_model *model, const char *name, aicc_rt_error *error) {
  if (strchr(name, '/') != NULL || name[0] == 0) {
    return bad(model, error, "the name of the weights' file");
  }
  aicc_rt_error first;
  aicc_rt_status status = map_beside(model, model->path, name, &first);
  char *resolved = status == AICC_RT_IO ? realpath(model->path, NULL) : NULL;
  if (resolved != NULL) {
    aicc_rt_error other;
    status = map_beside(model, resolved, name, &other) == AICC_RT_OK ? AICC_RT_OK : status;
    free(resolved);
  }
  return status == AICC_RT_OK ? status : aicc_rt_fail(error, status, "%s", first.text);
}

static aicc_rt_status find_weights(aicc_rt_model *model, const aicc_abi_footer *footer, bool verify,
                                   aicc_rt_error *error) {
  const aicc_abi_weights *weights = model->abi->weights;
  if (weights == NULL || weights->size == 0) {
    return AICC_RT_OK;
  }
  if (weights->file != NULL) {
    const aicc_rt_status status = map_sibling(model, weights->file, error);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  const char *name = weights->file != NULL ? weights->file : model->path;
  const aicc_rt_file *file = weights->file != NULL ? &model->weights_file : &model->file;
  if (footer->weights_size != weights->size || footer->weights_offset % AICC_ABI_WEIGHTS_ALIGN ||
      footer->weights_offset > file->size || weights->size > file->size - footer->weights_offset) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL,
                        "%s: the weights are not whole: %llu bytes from byte %llu of %llu", name,
                        (unsigned long long)weights->size,
                        (unsigned long long)footer->weights_offset, (unsigned long long)file->size);
  }
  model->weights = file->data + footer->weights_offset;
  if (verify && footer->weights_hash != 0 &&
      aicc_abi_hash(model->weights, weights->size) != footer->weights_hash) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: the weights are damaged", name);
  }
  return AICC_RT_OK;
}

// ---- description -------------------------------------------------------------------------------

static aicc_rt_tensor_info *describe_tensors(const aicc_rt_allocator *allocator,
                                             const aicc_abi_tensor *tensors, uint32_t count) {
  aicc_rt_tensor_info *infos = aicc_rt_new(allocator, count, sizeof *infos);
  for (uint32_t i = 0; infos != NULL && i < count; i++) {
    const aicc_abi_tensor *t = &tensors[i];
    const aicc_rt_dtype *dtype = aicc_rt_dtype_of(t->dtype);
    infos[i] = (aicc_rt_tensor_info){t->name, dtype->dl, dtype->name, (aicc_rt_kind)t->kind,
                                     t->rank, t->dims,   t->symbols};
  }
  return infos;
}

static aicc_rt_kernel_info *describe_kernels(const aicc_rt_allocator *allocator,
                                             const aicc_abi_plan *plan) {
  aicc_rt_kernel_info *infos = aicc_rt_new(allocator, plan->kernel_count, sizeof *infos);
  for (uint32_t i = 0; infos != NULL && i < plan->kernel_count; i++) {
    const aicc_abi_kernel *k = &plan->kernels[i];
    infos[i] = (aicc_rt_kernel_info){
        .name = or_empty(k->name),
        .kind = or_empty(k->kind),
        .origins = (const aicc_rt_origin *)k->origins,
        .origin_count = k->origins != NULL ? k->origin_count : 0,
        .scratch_bytes = k->scratch_bytes,
        .block_threads = k->block_threads,
        .task_warps = k->task_warps,
        .shared_bytes = k->shared_bytes,
        .dynamic_shared_bytes = k->dynamic_shared_bytes,
    };
  }
  return infos;
}

// NULL: no memory. A list without its kernels is deleted as such.
static aicc_rt_plan_info *describe_plans(const aicc_rt_allocator *allocator,
                                         const aicc_abi_model *m) {
  aicc_rt_plan_info *infos = aicc_rt_new(allocator, m->plan_count + 1u, sizeof *infos);
  for (uint32_t i = 0; infos != NULL && i <= m->plan_count; i++) {
    const aicc_abi_plan plan = aicc_rt_model_plan(m, i);
    infos[i] = (aicc_rt_plan_info){.width = plan.width,
                                   .kernel_count = plan.kernel_count,
                                   .kernels = describe_kernels(allocator, &plan)};
  }
  return infos;
}

static aicc_rt_image_info *describe_images(const aicc_rt_allocator *allocator,
                                           const aicc_abi_model *m) {
  static const char *const formats[] = {"cpu", "ptx", "cubin", "hsaco", "spirv"};
  aicc_rt_image_info *infos = aicc_rt_new(allocator, m->image_count, sizeof *infos);
  for (uint32_t i = 0; infos != NULL && i < m->image_count; i++) {
    const aicc_abi_image *image = &m->images[i];
    const bool known = image->kind < sizeof formats / sizeof formats[0];
    infos[i] = (aicc_rt_image_info){.target = or_empty(image->target),
                                    .format = known ? formats[image->kind] : "?",
                                    .size = image->size,
                                    .plan = image->plan,
                                    .first_kernel = image->first_kernel,
                                    .kernel_count = image->kernel_count};
  }
  return infos;
}

static aicc_rt_constant_info *describe_constants(const aicc_rt_model *model) {
  const aicc_abi_model *m = model->abi;
  aicc_rt_constant_info *infos = aicc_rt_new(&model->allocator, m->constant_count, sizeof *infos);
  for (uint32_t i = 0; infos != NULL && i < m->constant_count; i++) {
    const aicc_abi_constant *c = &m->constants[i];
    const char *dtype = aicc_rt_dtype_of(c->dtype)->name;
    infos[i] = (aicc_rt_constant_info){or_empty(c->name), or_empty(dtype), c->size,
                                       model->weights != NULL ? model->weights + c->offset : NULL};
  }
  return infos;
}

static aicc_rt_status describe(aicc_rt_model *model, aicc_rt_error *error) {
  const aicc_abi_model *m = model->abi;
  const aicc_rt_allocator *allocator = &model->allocator;
  model->plans = describe_plans(allocator, m);
  model->info = (aicc_rt_model_info){
      .path = model->path,
      .name = or_empty(m->name),
      .compiler = or_empty(m->compiler),
      .abi_version = m->version,
      .input_count = m->input_count,
      .output_count = m->output_count,
      .kernel_count = m->kernel_count,
      .image_count = m->image_count,
      .constant_count = m->constant_count,
      .inputs = describe_tensors(allocator, m->inputs, m->input_count),
      .outputs = describe_tensors(allocator, m->outputs, m->output_count),
      .kernels = model->plans != NULL ? model->plans[0].kernels : NULL,
      .images = describe_images(allocator, m),
      .constants = describe_constants(model),
      .weights_bytes = m->weights != NULL ? m->weights->size : 0,
      .plan_count = model->plans != NULL ? m->plan_count + 1u : 0,
      .plans = model->plans,
  };
  const aicc_rt_model_info *info = &model->info;
  bool whole = true;
  for (uint32_t i = 0; i < info->plan_count; i++) {
    whole = whole && info->plans[i].kernels != NULL;
  }
  if (!whole || info->inputs == NULL || info->outputs == NULL || info->kernels == NULL ||
      info->images == NULL || info->constants == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "%s: no memory to describe the model", model->path);
  }
  return AICC_RT_OK;
}

// The lists of the description are const to everyone else.
static void delete_list(const aicc_rt_allocator *allocator, const void *list, size_t count,
                        size_t size) {
  void *memory = NULL;
  memcpy(&memory, &list, sizeof memory);
  aicc_rt_delete(allocator, memory, count, size);
}

static void delete_description(const aicc_rt_model *model) {
  const aicc_rt_model_info *i = &model->info;
  const aicc_rt_allocator *allocator = &model->allocator;
  delete_list(allocator, i->inputs, i->input_count, sizeof *i->inputs);
  delete_list(allocator, i->outputs, i->output_count, sizeof *i->outputs);
  for (uint32_t p = 0; p < i->plan_count; p++) {
    delete_list(allocator, i->plans[p].kernels, i->plans[p].kernel_count,
                sizeof *i->plans[p].kernels);
  }
  delete_list(allocator, i->plans, i->plan_count, sizeof *i->plans);
  delete_list(allocator, i->images, i->image_count, sizeof *i->images);
  delete_list(allocator, i->constants, i->constant_count, sizeof *i->constants);
}

// ---- public ------------------------------------------------------------------------------------

static aicc_rt_status open_model(aicc_rt_model *model, bool verify, aicc_rt_error *error) {
  aicc_abi_footer footer;
  aicc_rt_status status = aicc_rt_file_map(model->path, &model->file, error);
  if (status == AICC_RT_OK) {
    status = aicc_rt_file_check(&model->file, model->path, &footer, error);
  }
  if (status == AICC_RT_OK) {
    status = load_library(model, error);
  }
  if (status == AICC_RT_OK) {
    status = check_table(model, error);
  }
  if (status == AICC_RT_OK) {
    status = check_cpu(model, error);
  }
  if (status == AICC_RT_OK) {
    status = find_weights(model, &footer, verify, error);
  }
  return status != AICC_RT_OK ? status : describe(model, error);
}

aicc_rt_model *aicc_rt_model_open(const char *path, const aicc_rt_model_options *options,
                                  aicc_rt_error *error) {
  const aicc_rt_allocator *allocator =
      options != NULL && options->allocator != NULL ? options->allocator : &aicc_rt_allocator_libc;
  if (path == NULL) {
    aicc_rt_fail(error, AICC_RT_INVALID, "no path was given");
    return NULL;
  }
  aicc_rt_model *model = aicc_rt_new(allocator, 1, sizeof *model);
  if (model == NULL) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "%s: no memory", path);
    return NULL;
  }
  model->allocator = *allocator;
  atomic_init(&model->references, 1);
  pthread_mutex_init(&model->lock, NULL);
  model->path = aicc_rt_new_text(allocator, path);
  const aicc_rt_status status =
      model->path == NULL ? aicc_rt_fail(error, AICC_RT_MEMORY, "%s: no memory", path)
                          : open_model(model, options != NULL && options->verify_weights, error);
  if (status != AICC_RT_OK) {
    aicc_rt_model_close(model);
    return NULL;
  }
  aicc_rt_ok(error);
  return model;
}

void aicc_rt_model_retain(aicc_rt_model *model) { atomic_fetch_add(&model->references, 1); }

void aicc_rt_model_close(aicc_rt_model *model) {
  if (model == NULL || atomic_fetch_sub(&model->references, 1) > 1) {
    return;
  }
  delete_description(model);
  if (model->library != NULL) {
    dlclose(model->library);
  }
  aicc_rt_file_unmap(&model->weights_file);
  aicc_rt_file_unmap(&model->file);
  pthread_mutex_destroy(&model->lock);
  const aicc_rt_allocator allocator = model->allocator;
  if (model->path != NULL) {
    aicc_rt_delete(&allocator, model->path, strlen(model->path) + 1, 1);
  }
  aicc_rt_delete(&allocator, model, 1, sizeof *model);
}

const aicc_rt_model_info *aicc_rt_model_describe(const aicc_rt_model *model) {
  return &model->info;
}

static int32_t find_tensor(const aicc_rt_tensor_info *tensors, uint32_t count, const char *name) {
  for (uint32_t i = 0; name != NULL && i < count; i++) {
    if (strcmp(tensors[i].name, name) == 0) {
      return (int32_t)i;
    }
  }
  return -1;
}

int32_t aicc_rt_model_find_input(const aicc_rt_model *model, const char *name) {
  return find_tensor(model->info.inputs, model->info.input_count, name);
}

int32_t aicc_rt_model_find_output(const aicc_rt_model *model, const char *name) {
  return find_tensor(model->info.outputs, model->info.output_count, name);
}
