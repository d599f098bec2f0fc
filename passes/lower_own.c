// Operators with kernels of their own: a group of one operator, its operands in memory.
//
// Kernels are texts of passes/kernels, with element types and parameters bound by name; sizes known
// when aicc runs become constants in them. Kernels whose shape depends on ranks are made with the
// builder in the files beside this one.
#include "passes/lower_own.h"

#include <stdarg.h>
#include <string.h>

#include "ir/opaque.h"
#include "passes/kernel_texts.h"

// --- operands and sizes --------------------------------------------------------------------------

bool own_has(const own *o, int operand) {
  return operand < o->node->in_count && o->node->in[operand] != NULL;
}

const aicc_type *own_type(const own *o, int operand) { return &o->node->in[operand]->type; }

aicc_slot own_operand(own *o, int operand) { return aicc_lower_slot(o->lw, o->node->in[operand]); }

aicc_slot own_result(own *o, int result) {
  const aicc_region *body = o->group->regions[0];
  const aicc_value *value = o->node->out[result];
  for (int i = 0; i < body->result_count; i++) {
    if (body->results[i] == value) {
      return aicc_lower_result(o->lw, o->group->out[i]);
    }
  }
  return aicc_lower_temporary(o->lw, value->type.dtype, value->type.dims, value->type.rank,
                              "unused");
}

aicc_dim own_const(own *o, int64_t value) { return aicc_dim_const(o->dims, value); }

aicc_dim own_product(own *o, const aicc_type *type, int from, int to) {
  return aicc_dim_product(o->dims, type->dims + from, to - from);
}

aicc_dim own_count(own *o, const aicc_type *type) { return own_product(o, type, 0, type->rank); }

aicc_dim own_block(own *o, aicc_dim work) {
  const aicc_dim one = own_const(o, 1);
  if (own_is_gpu(o)) {
    return one;  // tasks are warps: there had better be many
  }
  const aicc_dim rows =
      aicc_dim_floordiv(o->dims, own_const(o, 8192), aicc_dim_max(o->dims, work, one));
  return aicc_dim_max(o->dims, rows, one);
}

const char *own_compute(aicc_dtype dtype) { return aicc_dtype_name(lk_compute_type(dtype)); }

int64_t own_int(const own *o, int index, int64_t otherwise) {
  int count = 0;
  const int64_t *ints = aicc_get_ints(o->node, AICC_ATTR_INTS, &count);
  return ints != NULL && index < count ? ints[index] : otherwise;
}

double own_float(const own *o, int index, double otherwise) {
  int count = 0;
  const double *floats = aicc_get_floats(o->node, AICC_ATTR_FLOATS, &count);
  return floats != NULL && index < count ? floats[index] : otherwise;
}

aicc_slot own_table(own *o, aicc_dtype dtype, const void *data, int64_t count, const char *name) {
  aicc_tensor *tensor = AICC_NEW(o->arena, aicc_tensor);
  const size_t size = (size_t)count * aicc_dtype_size(dtype);
  *tensor = (aicc_tensor){.dtype = dtype, .rank = 1};
  tensor->shape = aicc_arena_memdup(o->arena, &count, sizeof count);
  tensor->data = aicc_arena_memdup(o->arena, data, size);
  const aicc_plan_const constant = {.name = name, .tensor = tensor};
  return aicc_lower_constant(o->lw, &constant);
}

void own_copy(own *o, aicc_slot to, aicc_slot from) {
  aicc_step *step = aicc_lower_step(o->lw, AICC_STEP_COPY);
  step->slot = to;
  step->slot2 = from;
  step->dim = o->lw->plan->slots[to].bytes;
}

// --- launches of library text --------------------------------------------------------------------

own_kernel own_begin(own *o, const char *name) {
  own_kernel k = {.o = o, .name = name};
  own_bind(&k, "W=%d", o->lw->machine->width);
  return k;
}

void own_bind(own_kernel *k, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *binding = aicc_arena_vprintf(k->o->arena, format, args);
  va_end(args);
  AICC_PUSH(k->o->arena, k->bindings, k->binding_count, k->binding_capacity, binding);
}

// Enough digits for every type; always with a point or exponent, so that it reads as a float.
void own_bind_float(own_kernel *k, const char *name, double value) {
  char text[64];
  snprintf(text, sizeof text, "%.17g", value);
  const bool whole = strpbrk(text, ".en") == NULL;  // inf and nan are words of the text
  own_bind(k, "%s=%s%s", name, text, whole ? ".0" : "");
}

static void add_arg(own_kernel *k, own_arg arg) {
  AICC_PUSH(k->o->arena, k->args, k->arg_count, k->arg_capacity, arg);
}

void own_buffer(own_kernel *k, const char *name, aicc_slot slot) {
  add_arg(k, (own_arg){.name = name, .is_slot = true, .slot = slot});
}

void own_memory(own_kernel *k) {
  add_arg(k, (own_arg){.name = "memory", .is_raw = true, .dim = own_const(k->o, 0)});
}

void own_address(own_kernel *k, const char *name, aicc_slot slot) {
  add_arg(k, (own_arg){.name = name, .is_slot = true, .is_raw = true, .slot = slot});
}

void own_optional(own_kernel *k, const char *name, int operand) {
  const bool has = own_has(k->o, operand);
  own_bind(k, "HAS_%s=%s", name, has ? "true" : "false");
  if (has) {
    own_buffer(k, name, own_operand(k->o, operand));
  } else {
    own_bind(k, "%%%s=local", name);
  }
}

void own_size(own_kernel *k, const char *name, aicc_dim dim) {
  int64_t value;
  if (aicc_dim_is_const(k->o->dims, dim, &value)) {
    own_bind(k, "%%%s=%lld", name, (long long)value);
  } else {
    add_arg(k, (own_arg){.name = name, .dim = dim});
  }
}

static const aicc_kernel_text *text_of(const char *name) {
  const aicc_kernel_text *row = aicc_kernel_texts;
  while (row->name != NULL && strcmp(row->name, name) != 0) {
    row++;
  }
  AICC_ASSERT(row->name != NULL);
  return row;
}

static const own_arg *find_arg(const own_kernel *k, const char *name) {
  for (size_t i = 0; i < k->arg_count; i++) {
    if (strcmp(k->args[i].name, name) == 0) {
      return &k->args[i];
    }
  }
  return NULL;
}

void own_launch(own_kernel *k, aicc_dim grid, aicc_dim cost) {
  own *o = k->o;
  const aicc_kernel_text *row = text_of(k->name);
  const char *file = aicc_arena_printf(o->arena, "%s.kir", k->name);
  lower_kernel lk = {.lw = o->lw, .group = o->group->regions[0], .flops = k->flops};
  lk.kernel = kir_parse(o->arena, row->text, row->size, file, k->bindings, (int)k->binding_count,
                        o->lw->diags);
  if (lk.kernel == NULL || kir_verify(lk.kernel, o->lw->diags) != AICC_OK) {
    o->lw->failed = true;
    return;
  }
  lk.kernel->name = aicc_arena_printf(o->arena, "%s_%u", k->name, o->group->id);
  lk.kernel->kind = "own";
  lk.kernel->width = o->lw->machine->width;
  lk.kernel->origins = o->group->origins;
  lk.kernel->origin_count = o->group->origin_count;
  for (int i = 0; i < lk.kernel->param_count; i++) {
    const kir_param *param = &lk.kernel->params[i];
    const own_arg *arg = find_arg(k, lk.kernel->values[param->value].name);
    AICC_ASSERT(arg != NULL && (arg->is_raw || arg->is_slot == param->is_buffer));
    const aicc_step_arg step = {.is_slot = arg->is_slot, .slot = arg->slot, .dim = arg->dim};
    AICC_PUSH(o->arena, lk.args, lk.arg_count, lk.arg_capacity, step);
  }
  lk_launch(&lk, grid, cost);
}

// --- dispatch ------------------------------------------------------------------------------------

static own_fn operator_rule(aicc_op op) {
  switch (op) {
    case AICC_OP_ARGMAX:
    case AICC_OP_ARGMIN: return own_lower_arg;
    case AICC_OP_CUMULATE: return own_lower_cumulate;
    case AICC_OP_TOPK: return own_lower_topk;
    case AICC_OP_SCATTER_ELEMENTS: return own_lower_scatter_elements;
    case AICC_OP_SCATTER_ND: return own_lower_scatter_nd;
    case AICC_OP_COUNT_NONZERO: return own_lower_count_nonzero;
    case AICC_OP_NONZERO: return own_lower_nonzero;
    case AICC_OP_RANDOM: return own_lower_random;
    case AICC_OP_ATTENTION: return own_lower_attention;
    default: return NULL;
  }
}

static const own_fn opaque_rules[AICC_OPAQUE_COUNT] = {
    [AICC_OPAQUE_NON_MAX_SUPPRESSION] = own_lower_non_max_suppression,
    [AICC_OPAQUE_ROI_ALIGN] = own_lower_roi_align,
    [AICC_OPAQUE_MAX_ROI_POOL] = own_lower_max_roi_pool,
    [AICC_OPAQUE_DEFORM_CONV] = own_lower_deform_conv,
    [AICC_OPAQUE_TREE_ENSEMBLE] = own_lower_tree_ensemble,
    [AICC_OPAQUE_SVM_CLASSIFIER] = own_lower_svm_classifier,
    [AICC_OPAQUE_LABEL_ENCODER] = own_lower_label_encoder,
    [AICC_OPAQUE_MATMUL_NBITS] = own_lower_matmul_nbits,
    [AICC_OPAQUE_DFT] = own_lower_dft,
    [AICC_OPAQUE_DET] = own_lower_det,
    [AICC_OPAQUE_UNIQUE] = own_lower_unique,
    [AICC_OPAQUE_TFIDF] = own_lower_tfidf,
    [AICC_OPAQUE_GRID_SAMPLE] = own_lower_grid_sample,
    [AICC_OPAQUE_COL2IM] = own_lower_col2im,
    [AICC_OPAQUE_STRING_EQUAL] = own_lower_string_equal,
    [AICC_OPAQUE_STRING_CONCAT] = own_lower_string_concat,
    [AICC_OPAQUE_STRING_NORMALIZER] = own_lower_string_normalizer,
    [AICC_OPAQUE_STRING_SPLIT_COUNT] = own_lower_string_split_count,
    [AICC_OPAQUE_STRING_SPLIT] = own_lower_string_split,
    [AICC_OPAQUE_STRING_TOKENIZE_COUNT] = own_lower_string_tokenize_count,
    [AICC_OPAQUE_STRING_TOKENIZE] = own_lower_string_tokenize,
    [AICC_OPAQUE_REGEX_FULL_MATCH] = own_lower_regex_full_match,
};

// NULL: no kernel is written for it.
static own_fn rule_of(const aicc_node *node) {
  aicc_opaque kernel;
  if (node->op == AICC_OP_OPAQUE) {
    return aicc_opaque_of(node, &kernel) ? opaque_rules[kernel] : NULL;
  }
  return operator_rule(node->op);
}

// Whether the kernel of this operator takes strings: those made for them, and plain moves.
static bool takes_strings(const aicc_node *node) {
  aicc_opaque kernel;
  if (node->op != AICC_OP_OPAQUE || !aicc_opaque_of(node, &kernel)) {
    return node->op == AICC_OP_SCATTER_ELEMENTS || node->op == AICC_OP_SCATTER_ND;
  }
  switch (kernel) {
    case AICC_OPAQUE_UNIQUE:
    case AICC_OPAQUE_TFIDF:
    case AICC_OPAQUE_LABEL_ENCODER:
    case AICC_OPAQUE_STRING_EQUAL:
    case AICC_OPAQUE_STRING_CONCAT:
    case AICC_OPAQUE_STRING_NORMALIZER:
    case AICC_OPAQUE_STRING_SPLIT_COUNT:
    case AICC_OPAQUE_STRING_SPLIT:
    case AICC_OPAQUE_STRING_TOKENIZE_COUNT:
    case AICC_OPAQUE_STRING_TOKENIZE:
    case AICC_OPAQUE_REGEX_FULL_MATCH: return true;
    default: return false;
  }
}

// The type that keeps this operator from having a kernel; NULL: none does.
static const char *refused_type(const own *o) {
  const aicc_node *node = o->node;
  const bool strings = takes_strings(node);
  for (int i = 0; i < node->in_count + node->out_count; i++) {
    const aicc_value *value = i < node->in_count ? node->in[i] : node->out[i - node->in_count];
    const aicc_dtype dtype = value != NULL ? value->type.dtype : AICC_F32;
    if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8 && !(strings && dtype == AICC_STR)) {
      return aicc_dtype_name(dtype);
    }
  }
  return NULL;
}

void aicc_lower_own(aicc_lower *lw, aicc_node *group) {
  own o = {.lw = lw, .group = group, .node = group->regions[0]->last,
           .arena = &lw->plan->arena, .dims = lw->module->dims};
  if (o.node->op == AICC_OP_TRANSPOSE) {  // of attention's result
    o.node = o.node->in[0]->def;
  }
  const own_fn rule = rule_of(o.node);
  const char *type = refused_type(&o);
  if (rule == NULL || type != NULL) {
    aicc_lower_unsupported(lw, o.node,
                           rule == NULL ? "no kernel is written for this operator"
                                        : aicc_arena_printf(o.arena, "elements of type %s", type));
    return;
  }
  rule(&o);
}
