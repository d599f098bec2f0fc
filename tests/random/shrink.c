// A failing program made smaller: results dropped, values cut to parameters, nodes left out, as
// long as it fails at the same stage.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "passes/pass.h"
#include "random/program.h"

char *rp_text_of(const aicc_module *module) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  AICC_ASSERT(out);
  aicc_module_print(module, out);
  fclose(out);
  return text;
}

static aicc_module *parse(const char *text) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(text, strlen(text), "program", &diags);
  aicc_diags_deinit(&diags);
  return module;
}

static void drop_dead(aicc_module *module) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  const aicc_pass_options options = {0};
  const aicc_status status = aicc_run_passes(module, "dce", &options, &diags);
  (void)status;  // a program that cannot be cleaned is tried as it is
  aicc_region *body = module->body;
  const uint32_t *uses = aicc_count_uses(module, &module->arena);
  int kept = 0;
  for (int i = 0; i < body->param_count; i++) {
    aicc_value *param = body->params[i];
    if (uses[param->id] > 0) {
      param->index = kept;
      body->params[kept++] = param;
    }
  }
  body->param_count = kept;
  aicc_diags_deinit(&diags);
}

static aicc_node *nth_node(const aicc_module *module, int index) {
  aicc_node *node = module->body->first;
  while (node && index-- > 0) {
    node = node->next;
  }
  return node;
}

// Each edit makes one thing simpler; false: there is no thing |index|, so nothing to try beyond it.
typedef bool (*edit_fn)(aicc_module *module, int index);

static bool drop_result(aicc_module *module, int index) {
  aicc_region *body = module->body;
  if (index >= body->result_count || body->result_count == 1) {
    return false;
  }
  for (int i = index; i + 1 < body->result_count; i++) {
    body->results[i] = body->results[i + 1];
    module->result_names[i] = module->result_names[i + 1];
  }
  body->result_count--;
  return true;
}

static bool cut_to_params(aicc_module *module, int index) {
  aicc_node *node = nth_node(module, index);
  for (int i = 0; node && i < node->out_count; i++) {
    aicc_value *value = node->out[i];
    const char *name = aicc_arena_printf(&module->arena, "y%u_%d", node->id, index);
    aicc_value_replace(module, value,
                       aicc_region_add_param(module, module->body, name, value->type));
  }
  return node != NULL;
}

static bool pass_operand(aicc_module *module, int index, int operand) {
  aicc_node *node = nth_node(module, index);
  if (node && node->out_count == 1 && operand < node->in_count && node->in[operand] &&
      aicc_type_equal(&node->in[operand]->type, &node->out[0]->type)) {
    aicc_value_replace(module, node->out[0], node->in[operand]);
  }
  return node != NULL;
}

static bool pass_first(aicc_module *module, int index) { return pass_operand(module, index, 0); }
static bool pass_second(aicc_module *module, int index) { return pass_operand(module, index, 1); }

// A result in the middle in place of the one at the end.
static bool result_earlier(aicc_module *module, int index) {
  aicc_region *body = module->body;
  const aicc_node *def = body->results[0]->def;
  if (body->result_count != 1 || !def || index >= def->in_count) {
    return false;
  }
  body->results[0] = def->in[index] && def->in[index]->def ? def->in[index] : body->results[0];
  return true;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static bool still_fails(const char *text, const rp_verdict *wanted) {
  rp_verdict verdict;
  const rp_stage last = wanted->stage == RP_COMPILED ? RP_CODEGEN : wanted->stage;
  verdict.target = wanted->target;
  rp_judge(text, last, &verdict);
  return verdict.outcome == wanted->outcome && verdict.stage == wanted->stage;
}

// The text after one edit, if it is another text; NULL otherwise.
static char *edited(const char *text, edit_fn edit, int index, bool *more) {
  aicc_module *module = parse(text);
  *more = module && edit(module, index);
  char *result = NULL;
  if (*more) {
    drop_dead(module);
    result = rp_text_of(module);
    if (strcmp(result, text) == 0) {
      free(result);
      result = NULL;
    }
  }
  if (module) {
    aicc_module_destroy(module);
  }
  return result;
}

static char *try_edits(char *text, edit_fn edit, const rp_verdict *verdict, double until,
                       bool *progress) {
  bool more = true;
  for (int index = 0; more && now() < until;) {
    char *smaller = edited(text, edit, index, &more);
    if (smaller && still_fails(smaller, verdict)) {
      free(text);
      text = smaller;
      *progress = true;
      continue;
    }
    free(smaller);
    index++;
  }
  return text;
}

char *rp_shrink(const char *text, const rp_verdict *verdict, double seconds) {
  static const edit_fn edits[] = {drop_result, result_earlier, pass_first, pass_second,
                                  cut_to_params};
  const double until = now() + seconds;
  char *best = strdup(text);
  AICC_ASSERT(best);
  bool progress = true;
  for (int round = 0; progress && round < 6; round++) {
    progress = false;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
      best = try_edits(best, edits[i], verdict, until, &progress);
    }
  }
  return best;
}
