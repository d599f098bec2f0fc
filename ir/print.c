// Printer of modules. Values without a name are numbered in the order of the text, so that printing
// what was parsed gives the same text again.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/lex.h"
#include "ir/names.h"
#include "ir/text.h"

typedef struct printer {
  const aicc_module *module;
  const aicc_module_print_options *options;
  FILE *out;
  aicc_arena arena;
  const char **names;  // per value id; NULL: not printed yet, or by number
  uint32_t *numbers;   // per value id, where the name is NULL
  uint32_t next;
  aicc_names taken;    // names in use
} printer;

// --- names ---------------------------------------------------------------------------------------

// Gives |value| its name in the text: its own, with a number behind where another has that.
static void name_value(printer *p, const aicc_value *value) {
  if (!value->name) {
    p->numbers[value->id] = p->next++;
    return;
  }
  const char *name = value->name;
  for (int i = 1; !aicc_names_add(&p->taken, &p->arena, name, p); i++) {
    name = aicc_arena_printf(&p->arena, "%s.%d", value->name, i);
  }
  p->names[value->id] = name;
}

static void print_value(const printer *p, const aicc_value *value) {
  fputc('%', p->out);
  if (p->names[value->id]) {
    aicc_print_name(p->names[value->id], p->out);
  } else {
    fprintf(p->out, "%" PRIu32, p->numbers[value->id]);
  }
}

// --- parts of a node -----------------------------------------------------------------------------

static void print_type(printer *p, const aicc_type *type) {
  fputs(aicc_type_print(p->module, type, &p->arena), p->out);
}

static void print_double(double value, FILE *out) {
  if (isnan(value)) {
    fputs("nan", out);
  } else if (isinf(value)) {
    fputs(value < 0 ? "-inf" : "inf", out);
  } else {
    fprintf(out, "%a", value);
  }
}

static void print_item(printer *p, const aicc_attr *attr, int i) {
  switch (aicc_attr_table[attr->key].kind) {
    case AICC_ATTR_KIND_INTS: fprintf(p->out, "%" PRId64, attr->ints[i]); break;
    case AICC_ATTR_KIND_FLOATS: print_double(attr->floats[i], p->out); break;
    case AICC_ATTR_KIND_STRINGS:
      aicc_print_string(attr->strings[i], strlen(attr->strings[i]), p->out);
      break;
    default: fputs(aicc_dim_print(p->module->dims, attr->dims[i], &p->arena), p->out); break;
  }
}

static void print_list(printer *p, const aicc_attr *attr) {
  fputc('[', p->out);
  for (int i = 0; i < attr->count; i++) {
    fputs(i ? ", " : "", p->out);
    print_item(p, attr, i);
  }
  fputc(']', p->out);
}

static void print_attr(printer *p, const aicc_attr *attr) {
  fprintf(p->out, "%s = ", aicc_attr_table[attr->key].name);
  switch (aicc_attr_table[attr->key].kind) {
    case AICC_ATTR_KIND_INT: fprintf(p->out, "%" PRId64, attr->i); break;
    case AICC_ATTR_KIND_FLOAT: print_double(attr->f, p->out); break;
    case AICC_ATTR_KIND_STRING: aicc_print_string(attr->s, strlen(attr->s), p->out); break;
    case AICC_ATTR_KIND_DTYPE: fputs(aicc_dtype_name(attr->dtype), p->out); break;
    case AICC_ATTR_KIND_TENSOR: aicc_tensor_print(attr->tensor, p->options->full, p->out); break;
    default: print_list(p, attr); break;
  }
}

static void print_attrs(printer *p, const aicc_node *node) {
  if (node->attr_count == 0) {
    return;
  }
  fputs(" {", p->out);
  for (int i = 0; i < node->attr_count; i++) {
    fputs(i ? ", " : "", p->out);
    print_attr(p, &node->attrs[i]);
  }
  fputc('}', p->out);
}

static bool is_plain_word(const char *text) {
  const size_t length = strlen(text);
  return length > 0 &&
         strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.") ==
             length &&
         !(text[0] >= '0' && text[0] <= '9') && text[0] != '.';
}

static void print_word(const char *text, FILE *out) {
  if (is_plain_word(text)) {
    fputs(text, out);
  } else {
    aicc_print_string(text, strlen(text), out);
  }
}

static void print_origins(printer *p, const aicc_node *node) {
  for (int i = 0; i < node->origin_count && !p->options->no_origins; i++) {
    const aicc_origin *origin = &node->origins[i];
    fputs(i ? ", " : " from ", p->out);
    aicc_print_string(origin->node, strlen(origin->node), p->out);
    fputc(' ', p->out);
    print_word(origin->op, p->out);
    fprintf(p->out, " %d", origin->index);
  }
}

static void print_operands(printer *p, const aicc_node *node) {
  for (int i = 0; i < node->in_count; i++) {
    fputs(i ? ", " : " ", p->out);
    if (node->in[i]) {
      print_value(p, node->in[i]);
    } else {
      fputc('_', p->out);
    }
  }
}

static void print_results(printer *p, const aicc_node *node) {
  for (int i = 0; i < node->out_count; i++) {
    fputs(i ? ", " : "", p->out);
    print_value(p, node->out[i]);
  }
  fputs(node->out_count ? " = " : "", p->out);
}

static void print_head(printer *p, const aicc_node *node) {
  fputs(aicc_op_info_of(node)->name, p->out);
  print_operands(p, node);
  print_attrs(p, node);
  fputs(node->out_count ? " : " : node->region_count ? " : ()" : "", p->out);
  for (int i = 0; i < node->out_count; i++) {
    fputs(i ? ", " : "", p->out);
    print_type(p, &node->out[i]->type);
  }
}

// --- regions -------------------------------------------------------------------------------------

static void indent(const printer *p, int depth) { fprintf(p->out, "%*s", 2 * depth, ""); }

static void print_params(printer *p, const aicc_region *region) {
  fputc('(', p->out);
  for (int i = 0; i < region->param_count; i++) {
    fputs(i ? ", " : "", p->out);
    name_value(p, region->params[i]);
    print_value(p, region->params[i]);
    fputs(": ", p->out);
    print_type(p, &region->params[i]->type);
  }
  fputc(')', p->out);
}

static void print_nodes(printer *p, const aicc_region *region, int depth);

static void print_region(printer *p, const aicc_region *region, int depth) {
  fputs(" {", p->out);
  if (region->param_count) {
    fputc(' ', p->out);
    print_params(p, region);
  }
  fputc('\n', p->out);
  print_nodes(p, region, depth + 1);
  indent(p, depth + 1);
  fputs("yield", p->out);
  for (int i = 0; i < region->result_count; i++) {
    fputs(i ? ", " : " ", p->out);
    print_value(p, region->results[i]);
  }
  fputc('\n', p->out);
  indent(p, depth);
  fputc('}', p->out);
}

static void print_nodes(printer *p, const aicc_region *region, int depth) {
  for (const aicc_node *node = region->first; node; node = node->next) {
    indent(p, depth);
    for (int i = 0; i < node->out_count; i++) {
      name_value(p, node->out[i]);
    }
    print_results(p, node);
    print_head(p, node);
    print_origins(p, node);
    for (int i = 0; i < node->region_count; i++) {
      print_region(p, node->regions[i], depth);
    }
    fputc('\n', p->out);
  }
}

// --- modules -------------------------------------------------------------------------------------

static void print_symbols(printer *p) {
  const aicc_dims *dims = p->module->dims;
  bool any = false;
  for (aicc_dim d = 1; d <= aicc_dim_count(dims); d++) {
    if (aicc_dim_kind_of(dims, d) != AICC_DIM_SYMBOL) {
      continue;
    }
    int64_t lower, upper;
    aicc_dim_bounds(dims, d, &lower, &upper);
    fprintf(p->out, "%s%s", any ? ", " : "dims ", aicc_dim_print(dims, d, &p->arena));
    if (lower == INT64_MIN) {
      fputs(" any", p->out);
    } else if (lower != 0) {
      fprintf(p->out, " >= %" PRId64, lower);
    }
    any = true;
  }
  fputs(any ? "\n" : "", p->out);
}

// The header names results that the text has not defined yet: names are given in a dry run before.
static void name_region(printer *p, const aicc_region *region) {
  for (int i = 0; i < region->param_count; i++) {
    name_value(p, region->params[i]);
  }
  for (const aicc_node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->out_count; i++) {
      name_value(p, node->out[i]);
    }
    for (int i = 0; i < node->region_count; i++) {
      name_region(p, node->regions[i]);
    }
  }
}

static void start_names(printer *p) {
  p->next = 0;
  p->taken = (aicc_names){0};
}

static void print_results_header(printer *p) {
  const aicc_module *module = p->module;
  fputs(" -> (", p->out);
  for (int i = 0; i < module->body->result_count; i++) {
    fputs(i ? ", " : "", p->out);
    if (module->result_names && module->result_names[i]) {
      print_word(module->result_names[i], p->out);
      fputs(": ", p->out);
    }
    print_value(p, module->body->results[i]);
  }
  fputc(')', p->out);
}

static void printer_init(printer *p, const aicc_module *module,
                         const aicc_module_print_options *options, FILE *out) {
  *p = (printer){.module = module, .options = options, .out = out};
  aicc_arena_init(&p->arena);
  p->names = AICC_NEW_ARRAY(&p->arena, const char *, module->value_count);
  p->numbers = AICC_NEW_ARRAY(&p->arena, uint32_t, module->value_count);
}

void aicc_module_print_with(const aicc_module *module, const aicc_module_print_options *options,
                            FILE *out) {
  printer p;
  printer_init(&p, module, options, out);
  name_region(&p, module->body);
  start_names(&p);
  if (module->opset) {
    fprintf(out, "opset %d\n", module->opset);
  }
  print_symbols(&p);
  fputs("graph @", out);
  aicc_print_name(module->name, out);
  print_params(&p, module->body);
  print_results_header(&p);
  fputs(" {\n", out);
  print_nodes(&p, module->body, 1);
  fputs("}\n", out);
  aicc_arena_deinit(&p.arena);
}

void aicc_module_print(const aicc_module *module, FILE *out) {
  const aicc_module_print_options options = {0};
  aicc_module_print_with(module, &options, out);
}

void aicc_node_print(const aicc_module *module, const aicc_node *node, FILE *out) {
  static const aicc_module_print_options options = {.no_origins = true};
  printer p;
  printer_init(&p, module, &options, out);
  for (uint32_t id = 0; id < module->value_count; id++) {
    p.numbers[id] = id;
  }
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i]) {
      p.names[node->in[i]->id] = node->in[i]->name;
    }
  }
  for (int i = 0; i < node->out_count; i++) {
    p.names[node->out[i]->id] = node->out[i]->name;
  }
  print_results(&p, node);
  print_head(&p, node);
  aicc_arena_deinit(&p.arena);
}
