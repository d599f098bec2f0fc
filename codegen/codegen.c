#include "codegen/codegen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "codegen/cg_host.h"
#include "codegen/model_file.h"
#include "codegen/worker.h"

enum { MOST_KERNELS_PER_JOB = 8, JOBS_PER_PROCESS = 3 };

// What jobs read. Job 0 is the host program; job j > 0 compiles kernels [(j - 1) * chunk, j * chunk).
typedef struct compile {
  const aicc_plan *plan;
  const aicc_codegen_options *options;
  const uint64_t *offsets;      // of constants
  const cg_weights *weights;
  const cg_kernel_info *infos;
  const char *const *symbols;   // functions of kernels
  size_t chunk;
} compile;

// --- weights --------------------------------------------------------------------------------------

static aicc_status fill_packed(void *user, uint64_t offset, void *to, size_t size,
                               aicc_diags *diags AICC_UNUSED) {
  aicc_plan_const_bytes(user, offset, size, to);
  return AICC_OK;
}

static aicc_view view_of(const aicc_plan_const *constant) {
  const aicc_tensor *tensor = constant->tensor;
  const uint8_t *base = aicc_buf_data(tensor->buf), *data = tensor->data;
  return (aicc_view){.buf = tensor->buf, .offset = (size_t)(data - base), .size = constant->size};
}

static void add_weights(const aicc_plan *plan, cg_weights *weights, uint64_t *offsets) {
  for (size_t i = 0; i < plan->const_count; i++) {
    aicc_plan_const *constant = &plan->consts[i];
    if (constant->tensor->dtype == AICC_STR) {
      offsets[i] = 0;  // in the shared object itself
    } else if (constant->pack == NULL && constant->tensor->buf == NULL) {
      offsets[i] = cg_weights_add(weights, constant->tensor->data, constant->size);
    } else if (constant->pack == NULL) {
      offsets[i] = cg_weights_add_view(weights, view_of(constant));
    } else {
      offsets[i] = cg_weights_add_made(weights, constant->size, fill_packed, constant);
    }
  }
}

// --- jobs -----------------------------------------------------------------------------------------

static aicc_status write_text(const char *folder, const char *name, const char *suffix,
                              const char *text, size_t size, aicc_diags *diags) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
  FILE *file = fopen(path, "w");
  const bool done = file != NULL && fwrite(text, 1, size, file) == size;
  if (file == NULL || (fclose(file) != 0) || !done) {
    AICC_EMIT(diags, E0605, NULL, path, strerror(errno));
    return AICC_IO;
  }
  return AICC_OK;
}

// The module in hand as NAME.ll and NAME.s.
static aicc_status dump_module(cg *c, const char *folder, const char *name) {
  char *text = LLVMPrintModuleToString(c->module);
  aicc_status status = write_text(folder, name, "ll", text, strlen(text), c->diags);
  LLVMDisposeMessage(text);
  if (status != AICC_OK) {
    return status;
  }
  LLVMMemoryBufferRef assembly = NULL;
  AICC_TRY(cg_emit(c, true, &assembly));
  status = write_text(folder, name, "s", LLVMGetBufferStart(assembly),
                      LLVMGetBufferSize(assembly), c->diags);
  LLVMDisposeMemoryBuffer(assembly);
  return status;
}

static aicc_status dump_kernel(const char *folder, const kir_kernel *kernel, aicc_diags *diags) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  AICC_ASSERT(out != NULL);
  kir_print(kernel, out);
  fclose(out);
  const aicc_status status = write_text(folder, kernel->name, "kir", text, size, diags);
  free(text);
  return status;
}

// Optimises the open module and hands its object over.
static aicc_status finish_module(cg *c, const char *dump_name, const char *dump_dir,
                                 cg_reply *reply) {
  AICC_TRY(cg_optimize(c));
  if (dump_dir != NULL) {
    AICC_TRY(dump_module(c, dump_dir, dump_name));
  }
  LLVMMemoryBufferRef object = NULL;
  AICC_TRY(cg_emit(c, false, &object));
  cg_reply_add(reply, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
  LLVMDisposeMemoryBuffer(object);
  return AICC_OK;
}

static aicc_status host_module(const compile *job, cg *c, cg_reply *reply) {
  const cg_image image = {.kind = AICC_ABI_IMAGE_CPU, .target = c->target->machine.name};
  const char *file = job->options->weights_path;
  const cg_tables tables = {
      .plan = job->plan, .offsets = job->offsets, .infos = job->infos, .symbols = job->symbols,
      .images = &image, .image_count = 1, .weights_size = job->weights->size,
      .weights_file = file != NULL ? cg_model_file_name(file) : NULL};
  LLVMValueRef run = NULL;
  AICC_TRY(cg_emit_run(c, job->plan, job->offsets, &run));
  cg_emit_tables(c, &tables, run);
  return finish_module(c, "host", job->options->dump_dir, reply);
}

static aicc_status kernel_module(const compile *job, size_t index, cg *c, cg_reply *reply) {
  const aicc_plan *plan = job->plan;
  const size_t first = (index - 1) * job->chunk;
  for (size_t i = first; i < first + job->chunk && i < plan->kernel_count; i++) {
    if (job->options->dump_dir != NULL) {
      AICC_TRY(dump_kernel(job->options->dump_dir, plan->kernels[i], c->diags));
    }
    AICC_TRY(cg_emit_kernel(c, plan->kernels[i], job->symbols[i]));
  }
  return finish_module(c, plan->kernels[first]->name, job->options->dump_dir, reply);
}

static aicc_status run_job(void *user, size_t index, cg_reply *reply, aicc_diags *diags) {
  const compile *job = user;
  aicc_arena arena;
  aicc_arena_init(&arena);
  cg c;
  // The host program runs each of its instructions once: no time is spent on it.
  const int level = index == 0 ? 1 : job->options->opt_level;
  const char *name = index == 0 ? "host" : job->plan->kernels[(index - 1) * job->chunk]->name;
  aicc_status status = cg_open(&c, job->options->target, name, level, &arena, diags);
  if (status == AICC_OK) {
    status = index == 0 ? host_module(job, &c, reply) : kernel_module(job, index, &c, reply);
    cg_close(&c);
  }
  aicc_arena_deinit(&arena);
  return status;
}

// --- the whole ------------------------------------------------------------------------------------

static size_t choose_chunk(const aicc_plan *plan, const aicc_codegen_options *options) {
  if (options->dump_dir != NULL) {
    return 1;
  }
  const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
  const size_t processes = options->processes > 0 ? options->processes : cpus > 0 ? (size_t)cpus : 1;
  const size_t chunk = plan->kernel_count / (processes * JOBS_PER_PROCESS);
  return chunk < 1 ? 1 : chunk > MOST_KERNELS_PER_JOB ? MOST_KERNELS_PER_JOB : chunk;
}

static aicc_loc kernel_loc(const aicc_plan *plan, const kir_kernel *kernel) {
  aicc_loc loc = {.file = plan->module->file};
  if (kernel->origin_count > 0) {
    loc.node = kernel->origins[0].node;
    loc.op = kernel->origins[0].op;
  }
  return loc;
}

static aicc_status compile_all(compile *job, cg_object **objects, size_t *count,
                               aicc_arena *arena, aicc_diags *diags) {
  const aicc_plan *plan = job->plan;
  *count = 1 + (plan->kernel_count + job->chunk - 1) / job->chunk;
  const char **names = AICC_NEW_ARRAY(arena, const char *, *count);
  aicc_loc *locs = AICC_NEW_ARRAY(arena, aicc_loc, *count);
  names[0] = "host program";
  for (size_t i = 1; i < *count; i++) {
    names[i] = plan->kernels[(i - 1) * job->chunk]->name;
    locs[i] = kernel_loc(plan, plan->kernels[(i - 1) * job->chunk]);
  }
  const cg_jobs jobs = {.count = *count, .run = run_job, .user = job, .names = names,
                        .locs = locs, .processes = job->options->processes};
  cg_result *results = AICC_NEW_ARRAY(arena, cg_result, *count);
  AICC_TRY(cg_jobs_run(&jobs, results, arena, diags));
  *objects = AICC_NEW_ARRAY(arena, cg_object, *count);
  for (size_t i = 0; i < *count; i++) {
    (*objects)[i] = (cg_object){.data = results[i].data, .size = results[i].size};
  }
  return AICC_OK;
}

static aicc_status generate(const aicc_plan *plan, const aicc_codegen_options *options,
                            aicc_arena *arena, aicc_diags *diags) {
  cg_weights weights;
  cg_weights_init(&weights, arena);
  uint64_t *offsets = AICC_NEW_ARRAY(arena, uint64_t, plan->const_count + 1);
  add_weights(plan, &weights, offsets);
  cg_kernel_info *infos = AICC_NEW_ARRAY(arena, cg_kernel_info, plan->kernel_count + 1);
  const char **symbols = AICC_NEW_ARRAY(arena, const char *, plan->kernel_count + 1);
  for (size_t i = 0; i < plan->kernel_count; i++) {
    infos[i] = cg_kernel_info_of(options->target, plan->kernels[i]);
    symbols[i] = aicc_arena_printf(arena, "k%zu_%s", i, plan->kernels[i]->name);
  }
  compile job = {.plan = plan, .options = options, .offsets = offsets, .weights = &weights,
                 .infos = infos, .symbols = symbols, .chunk = choose_chunk(plan, options)};
  cg_model_file file = {.weights = &weights, .path = options->path,
                        .weights_path = options->weights_path, .unhashed = options->unhashed};
  cg_object *objects = NULL;
  AICC_TRY(compile_all(&job, &objects, &file.object_count, arena, diags));
  file.objects = objects;
  return cg_model_file_write(&file, diags);
}

aicc_status aicc_codegen(const aicc_plan *plan, const aicc_codegen_options *options,
                         aicc_diags *diags) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  const aicc_status status = generate(plan, options, &arena, diags);
  aicc_arena_deinit(&arena);
  return status;
}
