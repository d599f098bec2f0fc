#include "codegen/codegen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aicc/abi.h"
#include "codegen/cg_host.h"
#include "codegen/cubin.h"
#include "codegen/gpu_image.h"
#include "codegen/model_file.h"
#include "codegen/worker.h"

enum { MOST_KERNELS_PER_JOB = 8, LEAST_JOBS = 8 };

// A plan and what is derived from it, for all machines that share it.
typedef struct plan_code {
  const aicc_plan *plan;
  uint64_t *offsets;      // of constants
  cg_kernel_info *infos;
  const char **symbols;   // functions of kernels
  uint32_t width;
} plan_code;

// Kernels [first, first + count) of a plan for a target; count 0: the host program.
typedef struct unit {
  const cg_target *target;
  size_t plan, first, count;
  const cg_target **cubins;  // NVIDIA: what the PTX is assembled for
  size_t cubin_count;
} unit;

// What jobs read.
typedef struct compile {
  const aicc_codegen_options *options;
  plan_code *plans;       // the first is the model's own
  size_t plan_count;
  cg_weights weights;
  unit *units;
  size_t unit_count, unit_capacity;
  cg_image *images;
  size_t image_count, image_capacity;
} compile;

// --- weights -------------------------------------------------------------------------------------

static aicc_status fill_packed(void *user, uint64_t offset, void *to, size_t size,
                               aicc_diags *diags AICC_UNUSED) {
  aicc_plan_const_bytes(user, offset, size, to);
  return AICC_OK;
}

static aicc_view view_of(const aicc_tensor *tensor, uint64_t bytes) {
  const uint8_t *base = aicc_buf_data(tensor->buf), *data = tensor->data;
  return (aicc_view){.buf = tensor->buf, .offset = (size_t)(data - base), .size = bytes};
}

static uint64_t tensor_bytes(const aicc_tensor *tensor) {
  uint64_t bytes = aicc_dtype_size(tensor->dtype);
  for (int i = 0; i < tensor->rank; i++) {
    bytes *= (uint64_t)tensor->shape[i];
  }
  return bytes;
}

// What is read for a packed constant.
static aicc_view source_of(const aicc_tensor *tensor) {
  return tensor->buf == NULL ? (aicc_view){0} : view_of(tensor, tensor_bytes(tensor));
}

// In pieces, of which those of a file leave memory behind them.
static bool same_bytes(const aicc_tensor *a, const aicc_tensor *b, uint64_t size) {
  const unsigned char *x = a->data, *y = b->data;
  bool same = true;
  for (uint64_t at = 0; at < size && same; at += CG_WEIGHTS_CHUNK) {
    const size_t piece = (size_t)(size - at < CG_WEIGHTS_CHUNK ? size - at : CG_WEIGHTS_CHUNK);
    same = memcmp(x + at, y + at, piece) == 0;
    const aicc_tensor *const both[] = {a, b};
    for (int i = 0; i < 2; i++) {
      if (both[i]->buf != NULL) {
        aicc_view read = view_of(both[i], piece);
        read.offset += (size_t)at;
        aicc_view_forget(read);
      }
    }
  }
  return same;
}

// Graphs of several machines may each have computed what is the same constant.
static bool same_tensor(const aicc_tensor *a, const aicc_tensor *b) {
  if (a == b) {
    return true;
  }
  const uint64_t size = tensor_bytes(a);
  return a->dtype == b->dtype && size == tensor_bytes(b) &&
         (a->data == b->data || same_bytes(a, b, size));
}

// A constant of plans [first, end) that is stored just like this one. |offset|: NULL, or set to
// its place.
static bool find_stored(const compile *job, size_t first, size_t end,
                        const aicc_plan_const *constant, uint64_t *offset) {
  for (size_t p = first; p < end; p++) {
    const aicc_plan *other = job->plans[p].plan;
    for (size_t i = 0; i < other->const_count; i++) {
      if (aicc_pack_equal(other->consts[i].pack, constant->pack) &&
          same_tensor(other->consts[i].tensor, constant->tensor)) {
        if (offset != NULL) {
          *offset = job->plans[p].offsets[i];
        }
        return true;
      }
    }
  }
  return false;
}

static uint64_t add_weight(compile *job, aicc_plan_const *constant) {
  const aicc_tensor *tensor = constant->tensor;
  if (constant->pack != NULL) {
    return cg_weights_add_made(&job->weights, constant->size, fill_packed, constant,
                               source_of(tensor));
  }
  return tensor->buf == NULL
             ? cg_weights_add(&job->weights, tensor->data, constant->size)
             : cg_weights_add_view(&job->weights, view_of(tensor, constant->size));
}

// |shared|: those that later plans read too.
static void add_weights_where(compile *job, size_t index, bool shared) {
  const aicc_plan *plan = job->plans[index].plan;
  uint64_t *offsets = job->plans[index].offsets;
  for (size_t i = 0; i < plan->const_count; i++) {
    aicc_plan_const *constant = &plan->consts[i];
    if (constant->tensor->dtype == AICC_STR) {
      offsets[i] = 0;  // in the shared object itself
    } else if (find_stored(job, index + 1, job->plan_count, constant, NULL) == shared &&
               !find_stored(job, 0, index, constant, &offsets[i])) {
      offsets[i] = add_weight(job, constant);
    }
  }
}

// What is a plan's alone comes before what later ones read, too, so that the constants of each lie
// together (aicc_abi_plan.weights_begin): a device is given no more than that.
static void add_weights(compile *job) {
  for (size_t i = 0; i < job->plan_count; i++) {
    add_weights_where(job, i, false);
    add_weights_where(job, i, true);
  }
}

// --- jobs ----------------------------------------------------------------------------------------

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

static aicc_status dump_kernel(const char *folder, const char *name, const kir_kernel *kernel,
                               aicc_diags *diags) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  AICC_ASSERT(out != NULL);
  kir_print(kernel, out);
  fclose(out);
  const aicc_status status = write_text(folder, name, "kir", text, size, diags);
  free(text);
  return status;
}

// Optimises the open module and hands its object, or the images of a GPU, over.
static aicc_status finish_module(cg *c, const unit *u, const char *dump_name,
                                 const char *dump_dir, cg_reply *reply) {
  AICC_TRY(cg_optimize(c));
  if (dump_dir != NULL) {
    AICC_TRY(dump_module(c, dump_dir, dump_name));
  }
  if (c->target->machine.kind == AICC_MACHINE_GPU) {
    return cg_gpu_images(c, u->cubins, u->cubin_count, reply);
  }
  LLVMMemoryBufferRef object = NULL;
  AICC_TRY(cg_emit(c, false, &object));
  cg_reply_add(reply, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
  LLVMDisposeMemoryBuffer(object);
  return AICC_OK;
}

static aicc_status host_module(const compile *job, const unit *u, cg *c, cg_reply *reply) {
  const char *file = job->options->weights_path;
  const plan_code *own = &job->plans[0];
  cg_tables tables = {
      .plan = own->plan, .offsets = own->offsets, .infos = own->infos, .width = own->width,
      .symbols = job->options->host_only ? NULL : own->symbols,
      .gpu_symbols = job->options->host_only ? own->symbols : NULL,
      .images = job->images, .image_count = job->image_count, .weights_size = job->weights.size,
      .weights_file = file != NULL ? cg_model_file_name(file) : NULL};
  LLVMValueRef run = NULL;
  AICC_TRY(cg_emit_run(c, own->plan, own->offsets, job->options->host_only, &run));
  cg_plan_table *others = AICC_NEW_ARRAY(c->arena, cg_plan_table, job->plan_count);
  for (size_t i = 1; i < job->plan_count; i++) {
    const plan_code *code = &job->plans[i];
    others[i - 1] = (cg_plan_table){.plan = code->plan, .offsets = code->offsets,
                                    .infos = code->infos, .symbols = code->symbols,
                                    .width = code->width};
    AICC_TRY(cg_emit_run(c, code->plan, code->offsets, true, &others[i - 1].run));
  }
  tables.others = others;
  tables.other_count = job->plan_count - 1;
  cg_emit_tables(c, &tables, run);
  return finish_module(c, u, "host", job->options->dump_dir, reply);
}

static const char *unit_name(const compile *job, const unit *u) {
  return u->count == 0 ? "host program" : job->plans[u->plan].plan->kernels[u->first]->name;
}

// What a kernel is dumped as: "matmul_8", the second of that name (for few rows, say) "matmul_8-2";
// where a model has kernels for several machines the name of its target stands behind it.
static const char *name_in_dump(const compile *job, const unit *u, aicc_arena *arena) {
  const aicc_plan *plan = job->plans[u->plan].plan;
  const char *name = plan->kernels[u->first]->name;
  size_t same = 1;
  for (size_t i = 0; i < u->first; i++) {
    same += strcmp(plan->kernels[i]->name, name) == 0;
  }
  const char *number = same > 1 ? aicc_arena_printf(arena, "-%zu", same) : "";
  const bool several = job->options->gpu_count > 0;
  return aicc_arena_printf(arena, "%s%s%s%s", name, number, several ? "." : "",
                           several ? u->target->machine.name : "");
}

static aicc_status kernel_module(const compile *job, const unit *u, cg *c, cg_reply *reply) {
  const plan_code *code = &job->plans[u->plan];
  const char *name = job->options->dump_dir != NULL ? name_in_dump(job, u, c->arena) : NULL;
  for (size_t i = u->first; i < u->first + u->count; i++) {
    if (name != NULL) {  // one kernel a module then
      AICC_TRY(dump_kernel(job->options->dump_dir, name, code->plan->kernels[i], c->diags));
    }
    AICC_TRY(cg_emit_kernel(c, code->plan->kernels[i], code->symbols[i]));
  }
  return finish_module(c, u, name, job->options->dump_dir, reply);
}

typedef struct stage {
  const compile *job;
  size_t first;  // unit of job 0
} stage;

static aicc_status run_job(void *user, size_t index, cg_reply *reply, aicc_diags *diags) {
  const stage *s = user;
  const unit *u = &s->job->units[s->first + index];
  aicc_arena arena;
  aicc_arena_init(&arena);
  cg c;
  // The host program runs each of its instructions once: no time is spent on it.
  const int level = u->count == 0 ? 1 : s->job->options->opt_level;
  aicc_status status = cg_open(&c, u->target, unit_name(s->job, u), level, &arena, diags);
  if (status == AICC_OK) {
    status = u->count == 0 ? host_module(s->job, u, &c, reply)
                           : kernel_module(s->job, u, &c, reply);
    cg_close(&c);
  }
  aicc_arena_deinit(&arena);
  return status;
}

// --- the whole -----------------------------------------------------------------------------------

// It does not depend on the number of processes: the same model gives the same file on any machine.
static size_t choose_chunk(const aicc_plan *plan, const aicc_codegen_options *options) {
  if (options->dump_dir != NULL) {
    return 1;
  }
  const size_t chunk = plan->kernel_count / LEAST_JOBS;
  return chunk < 1 ? 1 : chunk > MOST_KERNELS_PER_JOB ? MOST_KERNELS_PER_JOB : chunk;
}

static void add_unit(compile *job, aicc_arena *arena, unit u) {
  AICC_PUSH(arena, job->units, job->unit_count, job->unit_capacity, u);
}

// |like|: target, plan and cubins of all of them.
static void add_units(compile *job, aicc_arena *arena, unit like) {
  const cg_target *target = like.target;
  const size_t plan = like.plan;
  const size_t count = job->plans[plan].plan->kernel_count;
  // Each image of a GPU is loaded by itself: there had better be few.
  const bool gpu = target->machine.kind == AICC_MACHINE_GPU && job->options->dump_dir == NULL;
  const size_t chunk =
      gpu ? MOST_KERNELS_PER_JOB : choose_chunk(job->plans[plan].plan, job->options);
  for (size_t i = 0; i < count; i += chunk) {
    const size_t rest = count - i;
    like.first = i;
    like.count = rest < chunk ? rest : chunk;
    add_unit(job, arena, like);
  }
}

static aicc_loc kernel_loc(const aicc_plan *plan, const kir_kernel *kernel) {
  aicc_loc loc = {.file = plan->module->file};
  if (kernel->origin_count > 0) {
    loc.node = kernel->origins[0].node;
    loc.op = kernel->origins[0].op;
  }
  return loc;
}

// Runs units [first, first + count); their results.
static aicc_status run_units(const compile *job, size_t first, size_t count, cg_result *results,
                             aicc_arena *arena, aicc_diags *diags) {
  const char **names = AICC_NEW_ARRAY(arena, const char *, count);
  aicc_loc *locs = AICC_NEW_ARRAY(arena, aicc_loc, count);
  for (size_t i = 0; i < count; i++) {
    const unit *u = &job->units[first + i];
    const aicc_plan *plan = job->plans[u->plan].plan;
    names[i] = unit_name(job, u);
    locs[i] = u->count > 0 ? kernel_loc(plan, plan->kernels[u->first]) : (aicc_loc){0};
  }
  stage s = {.job = job, .first = first};
  const cg_jobs jobs = {.count = count, .run = run_job, .user = &s, .names = names, .locs = locs,
                        .processes = job->options->processes};
  return cg_jobs_run(&jobs, results, arena, diags);
}

static void add_image(compile *job, aicc_arena *arena, cg_image image) {
  AICC_PUSH(arena, job->images, job->image_count, job->image_capacity, image);
}

static void note_registers(const compile *job, const unit *u, const cg_gpu_blob *blob) {
  const plan_code *code = &job->plans[u->plan];
  for (size_t g = 0; g < job->options->gpu_count; g++) {
    const aicc_codegen_gpu *gpu = &job->options->gpus[g];
    if (gpu->registers == NULL || gpu->target != blob->target || gpu->plan != code->plan) {
      continue;
    }
    for (size_t i = u->first; i < u->first + u->count; i++) {
      gpu->registers[i] = cg_cubin_registers(blob->data, (size_t)blob->size, code->symbols[i]);
    }
  }
}

static void take_images(compile *job, aicc_arena *arena, const unit *u, const cg_result *result) {
  const unsigned char *at = result->data, *end = at + result->size;
  cg_gpu_blob blob;
  while (cg_gpu_image_next(&at, end, &blob)) {
    if (blob.kind == AICC_ABI_IMAGE_CUBIN) {
      note_registers(job, u, &blob);
    }
    add_image(job, arena,
              (cg_image){.kind = blob.kind, .plan = (uint32_t)u->plan,
                         .first_kernel = (uint32_t)u->first, .kernel_count = (uint32_t)u->count,
                         .target = blob.target->machine.name, .data = blob.data,
                         .size = (size_t)blob.size});
  }
}

// The host program holds the images of GPUs: it is made together with the kernels of the CPU where
// there are none, else after them.
static aicc_status compile_all(compile *job, cg_object **objects, size_t *count,
                               aicc_arena *arena, aicc_diags *diags) {
  const aicc_codegen_options *options = job->options;
  const size_t first = options->gpu_count > 0 ? 1 : 0, rest = job->unit_count - first;
  cg_result *results = AICC_NEW_ARRAY(arena, cg_result, job->unit_count);
  *objects = AICC_NEW_ARRAY(arena, cg_object, job->unit_count);
  *count = 0;
  if (!options->host_only) {
    add_image(job, arena,
              (cg_image){.kind = AICC_ABI_IMAGE_CPU, .target = options->target->machine.name,
                         .kernel_count = (uint32_t)job->plans[0].plan->kernel_count});
  }
  AICC_TRY(run_units(job, first, rest, results + first, arena, diags));
  for (size_t i = first; i < job->unit_count; i++) {
    if (job->units[i].target->machine.kind == AICC_MACHINE_GPU) {
      take_images(job, arena, &job->units[i], &results[i]);
    }
  }
  if (first > 0) {
    AICC_TRY(run_units(job, 0, first, results, arena, diags));
  }
  for (size_t i = 0; i < job->unit_count; i++) {
    if (job->units[i].target->machine.kind == AICC_MACHINE_CPU) {
      (*objects)[(*count)++] = (cg_object){.data = results[i].data, .size = results[i].size};
    }
  }
  return AICC_OK;
}

static size_t add_plan(compile *job, aicc_arena *arena, const aicc_plan *plan,
                       const cg_target *target) {
  for (size_t i = 0; i < job->plan_count; i++) {
    if (job->plans[i].plan == plan) {
      return i;
    }
  }
  const size_t index = job->plan_count++;
  plan_code *code = &job->plans[index];
  *code = (plan_code){.plan = plan, .width = (uint32_t)target->machine.width};
  code->offsets = AICC_NEW_ARRAY(arena, uint64_t, plan->const_count + 1);
  code->infos = AICC_NEW_ARRAY(arena, cg_kernel_info, plan->kernel_count + 1);
  code->symbols = AICC_NEW_ARRAY(arena, const char *, plan->kernel_count + 1);
  for (size_t i = 0; i < plan->kernel_count; i++) {
    code->infos[i] = cg_kernel_info_of(target, plan->kernels[i]);
    code->symbols[i] = aicc_arena_printf(arena, "k%zu_%s", i, plan->kernels[i]->name);
  }
  return index;
}

static bool is_plain(const cg_target *target) { return cg_target_portable(target) == target; }

// The target whose PTX all NVIDIA targets of |plan| share: the least that newer GPUs run too.
static const cg_target *ptx_target(const aicc_codegen_options *options, const aicc_plan *plan) {
  const cg_target *best = NULL;
  for (size_t i = 0; i < options->gpu_count; i++) {
    const cg_target *target = options->gpus[i].target;
    if (options->gpus[i].plan == plan && target->family == CG_FAMILY_NVPTX &&
        (best == NULL || is_plain(target) > is_plain(best) ||
         (is_plain(target) == is_plain(best) && target < best))) {
      best = target;
    }
  }
  return best;
}

static void add_gpu_units(compile *job, aicc_arena *arena, size_t index) {
  const aicc_codegen_options *options = job->options;
  const aicc_codegen_gpu *gpu = &options->gpus[index];
  unit like = {.target = gpu->target, .plan = add_plan(job, arena, gpu->plan, gpu->target)};
  if (gpu->target->family == CG_FAMILY_NVPTX) {
    if (ptx_target(options, gpu->plan) != gpu->target) {
      return;
    }
    like.cubins = AICC_NEW_ARRAY(arena, const cg_target *, options->gpu_count);
    for (size_t i = 0; i < options->gpu_count; i++) {
      if (options->gpus[i].plan == gpu->plan && !options->gpus[i].portable_only &&
          options->gpus[i].target->family == CG_FAMILY_NVPTX) {
        like.cubins[like.cubin_count++] = options->gpus[i].target;
      }
    }
  }
  add_units(job, arena, like);
}

// "sm_80: PTX, 45678 bytes; cubin, 12345 bytes": a line for each GPU target.
static void report_images(const compile *job, FILE *out) {
  static const char *const kinds[] = {[AICC_ABI_IMAGE_CUBIN] = "cubin",
                                      [AICC_ABI_IMAGE_PTX] = "PTX",
                                      [AICC_ABI_IMAGE_HSACO] = "code object",
                                      [AICC_ABI_IMAGE_SPIRV] = "SPIR-V"};
  for (size_t g = 0; g < job->options->gpu_count; g++) {
    const char *target = job->options->gpus[g].target->machine.name;
    const char *before = ":";
    fprintf(out, "%s", target);
    for (uint32_t kind = AICC_ABI_IMAGE_PTX; kind <= AICC_ABI_IMAGE_SPIRV; kind++) {
      size_t bytes = 0;
      for (size_t i = 0; i < job->image_count; i++) {
        const cg_image *image = &job->images[i];
        bytes += image->kind == kind && strcmp(image->target, target) == 0 ? image->size : 0;
      }
      if (bytes > 0) {
        fprintf(out, "%s %s, %zu bytes", before, kinds[kind], bytes);
        before = ";";
      }
    }
    const aicc_codegen_gpu *gpu = &job->options->gpus[g];
    const cg_target *shared = ptx_target(job->options, gpu->plan);
    if (gpu->target->family == CG_FAMILY_NVPTX && shared != gpu->target) {
      fprintf(out, "%s the PTX of %s", before, shared->machine.name);
      before = ";";
    }
    fputs(strcmp(before, ":") == 0 ? ": no kernels\n" : "\n", out);
  }
}

static aicc_status generate(const aicc_plan *plan, const aicc_codegen_options *options,
                            aicc_arena *arena, aicc_diags *diags) {
  compile job = {.options = options};
  cg_weights_init(&job.weights, arena);
  job.plans = AICC_NEW_ARRAY(arena, plan_code, options->gpu_count + 1);
  add_unit(&job, arena, (unit){.target = options->target});
  add_plan(&job, arena, plan, options->host_only ? options->gpus[0].target : options->target);
  if (!options->host_only) {
    add_units(&job, arena, (unit){.target = options->target});
  }
  for (size_t i = 0; i < options->gpu_count; i++) {
    add_gpu_units(&job, arena, i);
  }
  add_weights(&job);
  cg_model_file file = {.weights = &job.weights, .path = options->path,
                        .weights_path = options->weights_path, .unhashed = options->unhashed};
  cg_object *objects = NULL;
  AICC_TRY(compile_all(&job, &objects, &file.object_count, arena, diags));
  file.objects = objects;
  AICC_TRY(cg_model_file_write(&file, diags));
  if (options->report != NULL) {
    report_images(&job, options->report);
  }
  return AICC_OK;
}

aicc_status aicc_codegen(const aicc_plan *plan, const aicc_codegen_options *options,
                         aicc_diags *diags) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  const aicc_status status = generate(plan, options, &arena, diags);
  aicc_arena_deinit(&arena);
  return status;
}
