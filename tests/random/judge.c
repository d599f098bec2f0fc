// One program through every way to run it, each compared with the interpreter on the program as it
// is. In a process of its own: an assertion, a fault or an endless loop is a verdict like others.
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aicc/runtime.h"
#include "codegen/codegen.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "random/program.h"
#include "time_limit.h"

enum { JUDGE_SECONDS = 60 };

typedef struct judge {
  const char *text;
  rp_stage last;
  rp_verdict *verdict;  // shared with the parent
  aicc_arena arena;
  aicc_diags diags;
  aicc_module *module;  // as it is
  rp_bound *bounds;
  aicc_eval_value *inputs[RP_RUNS], *wanted[RP_RUNS];
  bool runs[RP_RUNS];   // the interpreter takes these inputs
  const cg_target *target;
} judge;

const char *rp_stage_name(rp_stage stage) {
  static const char *const names[] = {"start",   "verify",          "passes",       "lowering",
                                      "kernels", "code generation", "compiled code", "done"};
  return names[stage];
}

// --- verdicts ------------------------------------------------------------------------------------

static bool say(judge *j, rp_outcome outcome, const char *format, ...) AICC_PRINTF(3, 4);

static bool say(judge *j, rp_outcome outcome, const char *format, ...) {
  char *text = j->verdict->text;
  va_list args;
  va_start(args, format);
  vsnprintf(text, RP_TEXT, format, args);
  va_end(args);
  const size_t length = strlen(text);
  FILE *out = fmemopen(text + length, RP_TEXT - length, "w");
  if (out) {
    fputc('\n', out);
    aicc_diags_print(&j->diags, out);
    fclose(out);
  }
  j->verdict->outcome = outcome;
  return false;
}

static bool only_unsupported(const aicc_diags *diags) {
  for (size_t i = 0; i < diags->count; i++) {
    const char *name = aicc_diag_name(diags->items[i].id);
    if (diags->items[i].severity == AICC_ERROR && strcmp(name, "E0750") != 0) {
      return false;
    }
  }
  return diags->count > 0;
}

// --- comparing -----------------------------------------------------------------------------------

static bool close_enough(aicc_dtype dtype, double want, double got, double err) {
  if (isnan(want) || isnan(got)) {
    return isnan(want) && isnan(got);
  }
  if (want == got) {
    return true;
  }
  return aicc_dtype_is_float(dtype) && fabs(want - got) <= err * 1.01;
}

static bool compare(judge *j, int run, int result, aicc_dtype dtype, int64_t count,
                    const void *data, const char *how) {
  const aicc_eval_value *want = &j->wanted[run][result];
  const rp_bound bound = j->bounds[j->module->body->results[result]->id];
  if (dtype != want->dtype || count != aicc_eval_value_count(want)) {
    return say(j, RP_BAD, "%s, run %d: result %d is %lld %s, not %lld %s", how, run, result,
               (long long)count, aicc_dtype_name(dtype), (long long)aicc_eval_value_count(want),
               aicc_dtype_name(want->dtype));
  }
  for (size_t i = 0; i < (size_t)count && isfinite(bound.err); i++) {
    const bool same = aicc_dtype_is_float(dtype)
                          ? close_enough(dtype, aicc_get_f64(dtype, want->data, i),
                                         aicc_get_f64(dtype, data, i), bound.err)
                          : aicc_get_i64(dtype, want->data, i) == aicc_get_i64(dtype, data, i);
    if (!same) {
      return say(j, RP_BAD, "%s, run %d: element %zu of result %d is %.9g, not %.9g (+- %.3g)",
                 how, run, i, result, aicc_get_f64(dtype, data, i),
                 aicc_get_f64(dtype, want->data, i), bound.err);
    }
  }
  return true;
}

// --- stages --------------------------------------------------------------------------------------

static aicc_module *parse(judge *j) {
  aicc_module *module = aicc_module_parse(j->text, strlen(j->text), "program", &j->diags);
  if (!module) {
    say(j, RP_BAD, "the program's text does not parse");
    return NULL;
  }
  rp_fill_constants(module);
  return module;
}

static aicc_eval_value *values(judge *j, int count) {
  return AICC_NEW_ARRAY(&j->arena, aicc_eval_value, count + 1);
}

static void run_as_it_is(judge *j, int number) {
  const aicc_region *body = j->module->body;
  const rp_run run = rp_run_of(j->module, number);
  j->inputs[number] = values(j, body->param_count);
  j->wanted[number] = values(j, body->result_count);
  bool good = true;
  for (int i = 0; i < body->param_count; i++) {
    good = good && rp_make_input(&run, body->params[i], &j->diags, &j->inputs[number][i]);
  }
  j->runs[number] = good && aicc_eval_graph(j->module, j->inputs[number], j->wanted[number],
                                            &j->diags) == AICC_OK;
  if (!j->runs[number]) {
    say(j, RP_SKIPPED, "the interpreter refuses run %d", number);
  }
  aicc_diags_deinit(&j->diags);
  aicc_diags_init(&j->diags);
}

static bool start(judge *j) {
  j->module = parse(j);
  if (!j->module) {
    return false;
  }
  j->bounds = rp_bounds(j->module, &j->arena);
  const int runs = rp_has_symbols(j->module) ? RP_RUNS : 1;
  bool any = false;
  for (int i = 0; i < runs; i++) {
    run_as_it_is(j, i);
    any = any || j->runs[i];
  }
  if (!any) {
    j->verdict->outcome = RP_SKIPPED;
  }
  return any;
}

static bool verify(judge *j) {
  return aicc_verify(j->module, &j->diags) == AICC_OK ||
         say(j, RP_BAD, "the program as it is does not verify");
}

static bool same_results(judge *j, const aicc_module *module, const char *how) {
  for (int run = 0; run < RP_RUNS; run++) {
    aicc_eval_value *got = values(j, module->body->result_count);
    if (!j->runs[run]) {
      continue;
    }
    if (aicc_eval_graph(module, j->inputs[run], got, &j->diags) != AICC_OK) {
      return say(j, RP_BAD, "%s, run %d: the interpreter refuses it", how, run);
    }
    for (int i = 0; i < module->body->result_count; i++) {
      if (!compare(j, run, i, got[i].dtype, aicc_eval_value_count(&got[i]), got[i].data, how)) {
        return false;
      }
    }
  }
  return true;
}

// The first |count| passes of the usual ones; "" beyond the end.
static const char *first_passes(judge *j, int count) {
  const char *end = aicc_pipeline_default;
  for (int i = 0; i < count; i++) {
    const char *comma = strchr(end, ',');
    if (!comma) {
      return i == count - 1 ? aicc_pipeline_default : "";
    }
    end = comma + 1;
  }
  return aicc_arena_printf(&j->arena, "%.*s", (int)(end - 1 - aicc_pipeline_default),
                           aicc_pipeline_default);
}

static bool run_passes(judge *j, aicc_module *module, const char *list) {
  const aicc_pass_options options = {.machine = &j->target->machine, .check = true};
  return aicc_run_passes(module, list, &options, &j->diags) == AICC_OK ||
         say(j, RP_BAD, "passes %s fail", list);
}

// Finds the pass after which the results are wrong; the verdict has been given.
static void find_culprit(judge *j) {
  char *found = aicc_arena_strdup(&j->arena, j->verdict->text);
  const char *list;
  for (int count = 1; *(list = first_passes(j, count)); count++) {
    aicc_module *module = parse(j);
    const bool good = module && run_passes(j, module, list) && same_results(j, module, list);
    aicc_module_destroy(module);
    if (!good) {
      return;
    }
  }
  snprintf(j->verdict->text, RP_TEXT, "%s", found);
}

static aicc_module *optimised(judge *j) {
  aicc_module *module = parse(j);
  if (module && !run_passes(j, module, aicc_pipeline_default)) {
    aicc_module_destroy(module);
    return NULL;
  }
  return module;
}

static bool passes(judge *j, aicc_module *module) {
  if (!same_results(j, module, "after the passes")) {
    find_culprit(j);
    return false;
  }
  return true;
}

static bool unwritten(judge *j, const rp_plan_result *result, int index, int run,
                      const char *how) {
  for (int64_t i = 0; result->init && i < result->count; i++) {
    if (!result->init[i]) {
      say(j, RP_BAD, "%s, run %d: element %lld of result %d is never written", how, run,
          (long long)i, index);
      return true;
    }
  }
  return false;
}

static bool kernels(judge *j, const aicc_plan *plan, const char *how) {
  const int count = j->module->body->result_count;
  for (int number = 0; number < RP_RUNS; number++) {
    const rp_run run = rp_run_of(j->module, number);
    rp_plan_result *got = AICC_NEW_ARRAY(&j->arena, rp_plan_result, count + 1);
    bool supported = true;
    if (!j->runs[number]) {
      continue;
    }
    if (!rp_plan_run(plan, &run, j->inputs[number], &j->arena, got, &supported, &j->diags)) {
      return supported ? say(j, RP_BAD, "%s, run %d: a step fails", how, number) : true;
    }
    for (int i = 0; i < count; i++) {
      if (unwritten(j, &got[i], i, number, how) ||
          !compare(j, number, i, got[i].dtype, got[i].count, got[i].data, how)) {
        return false;
      }
    }
  }
  return true;
}

static DLDataType dl_type(aicc_dtype dtype) {
  const uint8_t code = dtype == AICC_BF16                                      ? kDLBfloat
                       : aicc_dtype_is_float(dtype)                            ? kDLFloat
                       : dtype == AICC_BOOL                                    ? kDLBool
                       : aicc_dtype_kind_of(dtype) == AICC_KIND_UNSIGNED       ? kDLUInt
                                                                               : kDLInt;
  return (DLDataType){.code = code, .bits = (uint8_t)(8 * aicc_dtype_size(dtype)), .lanes = 1};
}

static bool session_run(judge *j, aicc_rt_session *session, int run, const char *how) {
  const aicc_region *body = j->module->body;
  aicc_rt_error error;
  for (int i = 0; i < body->param_count; i++) {
    aicc_eval_value *in = &j->inputs[run][i];
    const DLTensor tensor = {.data = in->data, .device = {.device_type = kDLCPU},
                             .ndim = in->rank, .dtype = dl_type(in->dtype), .shape = in->shape};
    if (aicc_rt_session_set_input(session, (uint32_t)i, &tensor, &error) != AICC_RT_OK) {
      return say(j, RP_BAD, "%s, run %d: input %d: %s", how, run, i, error.text);
    }
  }
  if (aicc_rt_session_run(session, &error) != AICC_RT_OK) {
    return say(j, RP_BAD, "%s, run %d: %s", how, run, error.text);
  }
  for (int i = 0; i < body->result_count; i++) {
    const aicc_eval_value *want = &j->wanted[run][i];
    DLTensor got;
    if (aicc_rt_session_output(session, (uint32_t)i, &got, &error) != AICC_RT_OK) {
      return say(j, RP_BAD, "%s, run %d: output %d: %s", how, run, i, error.text);
    }
    int64_t count = got.ndim == want->rank ? 1 : -1;
    for (int d = 0; count >= 0 && d < got.ndim; d++) {
      count = got.shape[d] == want->shape[d] ? count * got.shape[d] : -1;
    }
    if (!compare(j, run, i, want->dtype, count, got.data, how)) {
      return false;
    }
  }
  return true;
}

static bool sessions(judge *j, aicc_rt_model *model) {
  for (uint32_t threads = 1; threads <= 2; threads++) {
    aicc_rt_error error;
    const aicc_rt_session_options options = {.threads = threads};
    aicc_rt_session *session = aicc_rt_session_create(model, "cpu", &options, &error);
    const char *how = threads == 1 ? "one thread" : "two threads";
    bool good = session != NULL || say(j, RP_BAD, "%s: %s", how, error.text);
    // Back to the first shape at the end.
    for (int i = 0; good && i <= RP_RUNS; i++) {
      good = !j->runs[i % RP_RUNS] || session_run(j, session, i % RP_RUNS, how);
    }
    aicc_rt_session_destroy(session);
    if (!good) {
      return false;
    }
  }
  return true;
}

static bool compiled(judge *j, const aicc_plan *plan) {
  char path[64];
  snprintf(path, sizeof path, "/tmp/aicc_random.%d.so", (int)getpid());
  const aicc_codegen_options options = {
      .target = j->target, .path = path, .processes = 1, .opt_level = 2};
  if (aicc_codegen(plan, &options, &j->diags) != AICC_OK) {
    return say(j, RP_BAD, "code generation fails");
  }
  j->verdict->stage = RP_COMPILED;
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  const bool good = model ? sessions(j, model) : say(j, RP_BAD, "%s", error.text);
  aicc_rt_model_close(model);
  unlink(path);
  return good;
}

static bool lowered(judge *j, aicc_module *module) {
  aicc_plan *plan = aicc_lower_module(module, &j->target->machine, NULL, &j->diags);
  if (!plan) {
    return say(j, only_unsupported(&j->diags) ? RP_SKIPPED : RP_BAD, "it is not lowered");
  }
  bool good = true;
  if (j->last >= RP_KERNELS) {
    j->verdict->stage = RP_KERNELS;
    good = kernels(j, plan, "kernels");
  }
  const bool runs =
      j->target->machine.kind == AICC_MACHINE_CPU;  // of a GPU, kernels are interpreted
  if (good && runs && j->last >= RP_CODEGEN) {
    j->verdict->stage = RP_CODEGEN;
    good = compiled(j, plan);
  }
  aicc_plan_destroy(plan);
  return good;
}

static bool all_stages(judge *j) {
  if (!start(j)) {
    return false;
  }
  j->verdict->stage = RP_VERIFY;
  if (!verify(j)) {
    return false;
  }
  j->verdict->stage = RP_PASSES;
  aicc_module *module = optimised(j);
  if (!module || !passes(j, module)) {
    return false;
  }
  j->verdict->stage = RP_LOWER;
  return j->last < RP_LOWER || lowered(j, module);
}

static void judge_here(const char *text, rp_stage last, rp_verdict *verdict) {
  judge j = {.text = text, .last = last, .verdict = verdict,
             .target = cg_target_find(verdict->target ? verdict->target : "native")};
  aicc_arena_init(&j.arena);
  aicc_diags_init(&j.diags);
  if (all_stages(&j)) {
    verdict->outcome = RP_GOOD;
    verdict->stage = RP_DONE;
  }
}

void rp_judge(const char *text, rp_stage last, rp_verdict *verdict) {
  rp_verdict *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  AICC_ASSERT(shared != MAP_FAILED);
  shared->outcome = RP_CRASHED;
  shared->target = verdict->target;
  fflush(NULL);
  const pid_t child = fork();
  AICC_ASSERT(child >= 0);
  if (child == 0) {
    limit_time(JUDGE_SECONDS);
    judge_here(text, last, shared);
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (status != 0) {
    shared->outcome = RP_CRASHED;
    shared->target = verdict->target;
    snprintf(shared->text, RP_TEXT, WIFSIGNALED(status) ? "killed by signal %d" : "exit code %d",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    char path[64];
    snprintf(path, sizeof path, "/tmp/aicc_random.%d.so", (int)child);
    unlink(path);
  }
  *verdict = *shared;
  munmap(shared, sizeof *shared);
}
