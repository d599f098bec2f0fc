#include "tools/inspect.h"

#include "tools/json.h"
#include "tools/print.h"

static const char *const kind_names[] = {"tensor", "sequence", "optional", "optional sequence"};

static void print_type(FILE *out, const aicc_rt_tensor_info *info) {
  if (info->kind != AICC_RT_TENSOR) {
    fprintf(out, "%s of ", kind_names[info->kind]);
  }
  fprintf(out, "%s[", info->dtype_name);
  for (int32_t d = 0; d < info->rank; d++) {
    const char *symbol = info->symbols != NULL ? info->symbols[d] : NULL;
    fputs(d ? "," : "", out);
    if (info->dims[d] >= 0) {
      fprintf(out, "%lld", (long long)info->dims[d]);
    } else {
      fputs(symbol != NULL ? symbol : "?", out);
    }
  }
  fputs(info->rank < 0 ? "...]" : "]", out);
}

static void print_tensors(FILE *out, const char *title, const aicc_rt_tensor_info *tensors,
                          uint32_t count) {
  fprintf(out, "%s:\n", title);
  for (uint32_t i = 0; i < count; i++) {
    fprintf(out, "  %-28s ", tensors[i].name);
    print_type(out, &tensors[i]);
    putc('\n', out);
  }
}

static void print_origins(FILE *out, const aicc_rt_kernel_info *kernel) {
  for (uint32_t i = 0; i < kernel->origin_count; i++) {
    fprintf(out, "%s%s (%s)", i ? " + " : "", kernel->origins[i].node, kernel->origins[i].op);
  }
}

static void print_memory_row(FILE *out, const char *name, uint64_t bytes) {
  fprintf(out, "  %-28s ", name);
  aicc_print_bytes(out, bytes);
  putc('\n', out);
}

static void print_memory(FILE *out, const aicc_rt_model_info *model, const aicc_rt_memory *memory,
                         const char *missing) {
  fprintf(out, "memory:\n");
  print_memory_row(out, "weights (mapped)", model->weights_bytes);
  if (memory != NULL) {
    print_memory_row(out, "arena", memory->arena_bytes);
    print_memory_row(out, "largest sum of live buffers", memory->live_bytes);
    print_memory_row(out, "scratch", memory->scratch_bytes);
  } else {
    fprintf(out, "  %-28s %s\n", "arena", missing);
  }
}

static void print_images(FILE *out, const aicc_rt_model_info *model) {
  fprintf(out, "images:\n");
  for (uint32_t i = 0; i < model->image_count; i++) {
    const aicc_rt_image_info *image = &model->images[i];
    fprintf(out, "  %-28s %s, %u kernels from %u on of plan %u, ", image->target, image->format,
            image->kernel_count, image->first_kernel, image->plan);
    if (image->size == 0) {
      fputs("in the shared object\n", out);
    } else {
      aicc_print_bytes(out, image->size);
      putc('\n', out);
    }
  }
}

// How it is launched: what a kernel of the CPU has none of.
static void print_launch(FILE *out, const aicc_rt_kernel_info *kernel) {
  if (kernel->block_threads == 0) {
    return;
  }
  fprintf(out, "  [%u threads, %s, shared %u", kernel->block_threads,
          kernel->task_warps == 1 ? "a task a warp" : "a task a block", kernel->shared_bytes);
  if (kernel->dynamic_shared_bytes > 0) {
    fprintf(out, " + %u", kernel->dynamic_shared_bytes);
  }
  fprintf(out, ", scratch %u]", kernel->scratch_bytes);
}

static void print_plan(FILE *out, const aicc_rt_plan_info *plan, uint32_t index, uint32_t count) {
  fprintf(out, "kernels: %u", plan->kernel_count);
  if (count > 1) {
    fprintf(out, " (plan %u, for %u lanes)", index, plan->width);
  }
  putc('\n', out);
  for (uint32_t i = 0; i < plan->kernel_count; i++) {
    fprintf(out, "  %-28s %-10s ", plan->kernels[i].name, plan->kernels[i].kind);
    print_origins(out, &plan->kernels[i]);
    print_launch(out, &plan->kernels[i]);
    putc('\n', out);
  }
}

void aicc_inspect_text(FILE *out, const aicc_rt_model_info *model, const aicc_rt_memory *memory,
                       const char *missing) {
  fprintf(out, "%s: '%s', made by %s, model ABI %u\n", model->path, model->name, model->compiler,
          model->abi_version);
  print_tensors(out, "inputs", model->inputs, model->input_count);
  print_tensors(out, "outputs", model->outputs, model->output_count);
  print_memory(out, model, memory, missing);
  print_images(out, model);
  fprintf(out, "constants: %u\n", model->constant_count);
  for (uint32_t i = 0; i < model->plan_count; i++) {
    print_plan(out, &model->plans[i], i, model->plan_count);
  }
}

// ---- JSON --------------------------------------------------------------------------------------

static void json_field(FILE *out, const char *key, const char *text, const char *after) {
  fprintf(out, "\"%s\": ", key);
  aicc_json_string(out, text);
  fputs(after, out);
}

static void json_tensors(FILE *out, const char *key, const aicc_rt_tensor_info *tensors,
                         uint32_t count) {
  fprintf(out, "  \"%s\": [", key);
  for (uint32_t i = 0; i < count; i++) {
    const aicc_rt_tensor_info *t = &tensors[i];
    fputs(i ? ",\n    {" : "\n    {", out);
    json_field(out, "name", t->name, ", ");
    json_field(out, "kind", kind_names[t->kind], ", ");
    json_field(out, "dtype", t->dtype_name, ", \"shape\": ");
    fputs(t->rank < 0 ? "null" : "[", out);
    for (int32_t d = 0; d < t->rank; d++) {
      fputs(d ? ", " : "", out);
      if (t->dims[d] >= 0) {
        fprintf(out, "%lld", (long long)t->dims[d]);
      } else {
        aicc_json_string(out, t->symbols != NULL ? t->symbols[d] : NULL);
      }
    }
    fputs(t->rank < 0 ? "}" : "]}", out);
  }
  fputs("\n  ],\n", out);
}

static void json_kernels(FILE *out, const aicc_rt_plan_info *plan) {
  fputs("[", out);
  for (uint32_t i = 0; i < plan->kernel_count; i++) {
    const aicc_rt_kernel_info *k = &plan->kernels[i];
    fputs(i ? ",\n    {" : "\n    {", out);
    json_field(out, "name", k->name, ", ");
    json_field(out, "kind", k->kind, ", ");
    fprintf(out,
            "\"scratch_bytes\": %u, \"block_threads\": %u, \"task_warps\": %u, "
            "\"shared_bytes\": %u, \"dynamic_shared_bytes\": %u, \"nodes\": [",
            k->scratch_bytes, k->block_threads, k->task_warps, k->shared_bytes,
            k->dynamic_shared_bytes);
    for (uint32_t n = 0; n < k->origin_count; n++) {
      fputs(n ? ", {" : "{", out);
      json_field(out, "node", k->origins[n].node, ", ");
      json_field(out, "op", k->origins[n].op, "}");
    }
    fputs("]}", out);
  }
  fputs("\n  ]", out);
}

static void json_plans(FILE *out, const aicc_rt_model_info *model) {
  fputs("  \"kernels\": ", out);
  json_kernels(out, &model->plans[0]);
  fputs(",\n  \"plans\": [", out);
  for (uint32_t i = 1; i < model->plan_count; i++) {
    fprintf(out, "%s{\"width\": %u, \"kernels\": ", i > 1 ? ", " : "", model->plans[i].width);
    json_kernels(out, &model->plans[i]);
    fputs("}", out);
  }
  fputs("]\n", out);
}

void aicc_inspect_json(FILE *out, const aicc_rt_model_info *model, const aicc_rt_memory *memory) {
  fputs("{\n  \"schema\": 1,\n  ", out);
  json_field(out, "path", model->path, ",\n  ");
  json_field(out, "name", model->name, ",\n  ");
  json_field(out, "compiler", model->compiler, ",\n");
  fprintf(out, "  \"abi_version\": %u,\n", model->abi_version);
  json_tensors(out, "inputs", model->inputs, model->input_count);
  json_tensors(out, "outputs", model->outputs, model->output_count);
  fprintf(out, "  \"constants\": %u,\n", model->constant_count);
  fprintf(out, "  \"memory\": {\"weights_bytes\": %llu", (unsigned long long)model->weights_bytes);
  if (memory != NULL) {
    fprintf(out, ", \"arena_bytes\": %llu, \"live_bytes\": %llu, \"scratch_bytes\": %llu",
            (unsigned long long)memory->arena_bytes, (unsigned long long)memory->live_bytes,
            (unsigned long long)memory->scratch_bytes);
  }
  fputs("},\n  \"images\": [", out);
  for (uint32_t i = 0; i < model->image_count; i++) {
    fputs(i ? ", {" : "{", out);
    json_field(out, "target", model->images[i].target, ", ");
    json_field(out, "format", model->images[i].format, ", ");
    fprintf(out,
            "\"plan\": %u, \"first_kernel\": %u, \"kernel_count\": %u, \"size\": %llu}",
            model->images[i].plan, model->images[i].first_kernel, model->images[i].kernel_count,
            (unsigned long long)model->images[i].size);
  }
  fputs("],\n", out);
  json_plans(out, model);
  fputs("}\n", out);
}
