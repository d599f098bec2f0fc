#include "ir/build.h"

#include <string.h>

aicc_value *aicc_b_finish(aicc_builder *b, aicc_node *node) {
  if (b->before) {
    aicc_node_insert_before(b->before, node);
  } else {
    aicc_node_append(b->region, node);
  }
  if (b->origin_count) {
    aicc_node_add_origins(b->module, node, b->origins, b->origin_count);
  }
  if (aicc_infer(b->module, node, b->diags) != AICC_OK) {
    aicc_node_unlink(node);
    return NULL;
  }
  return node->out_count ? node->out[0] : NULL;
}

// --- elementwise ---------------------------------------------------------------------------------

aicc_value *aicc_b_unary(aicc_builder *b, aicc_op op, aicc_value *x) {
  return x ? aicc_b_finish(b, aicc_node_create(b->module, op, &x, 1, 1)) : NULL;
}

aicc_value *aicc_b_binary(aicc_builder *b, aicc_op op, aicc_value *x, aicc_value *y) {
  if (!x || !y) {
    return NULL;
  }
  aicc_value *const in[] = {x, y};
  return aicc_b_finish(b, aicc_node_create(b->module, op, in, 2, 1));
}

aicc_value *aicc_b_select(aicc_builder *b, aicc_value *c, aicc_value *x, aicc_value *y) {
  if (!c || !x || !y) {
    return NULL;
  }
  aicc_value *const in[] = {c, x, y};
  return aicc_b_finish(b, aicc_node_create(b->module, AICC_OP_SELECT, in, 3, 1));
}

aicc_value *aicc_b_cast(aicc_builder *b, aicc_value *x, aicc_dtype to) {
  if (!x || x->type.dtype == to) {
    return x;
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_CAST, &x, 1, 1);
  aicc_set_dtype(b->module, node, AICC_ATTR_TO, to);
  return aicc_b_finish(b, node);
}

// --- sources -------------------------------------------------------------------------------------

aicc_value *aicc_b_const(aicc_builder *b, const aicc_tensor *tensor) {
  aicc_node *node = aicc_node_create(b->module, AICC_OP_CONST, NULL, 0, 1);
  aicc_set_tensor(b->module, node, AICC_ATTR_VALUE, tensor);
  return aicc_b_finish(b, node);
}

// A tensor of rank 0 whose one element |data| of the arena is.
static aicc_value *const_scalar(aicc_builder *b, aicc_dtype dtype, const void *data) {
  static const int64_t no_shape[1];
  const aicc_tensor tensor = {.dtype = dtype, .shape = no_shape, .data = data};
  return aicc_b_const(b, &tensor);
}

aicc_value *aicc_b_scalar(aicc_builder *b, aicc_dtype dtype, double value) {
  const aicc_dtype_kind kind = aicc_dtype_kind_of(dtype);
  if (kind == AICC_KIND_STRING || kind == AICC_KIND_COMPLEX) {
    AICC_EMIT(b->diags, E0203, &b->loc, "const",
              aicc_arena_printf(&b->diags->arena, "the operator computes with real numbers, not %s",
                                aicc_dtype_name(dtype)));
    return NULL;
  }
  void *data = aicc_arena_alloc(&b->module->arena, aicc_dtype_size(dtype));
  aicc_set_f64(dtype, data, 0, value);
  return const_scalar(b, dtype, data);
}

aicc_value *aicc_b_scalar_like(aicc_builder *b, const aicc_value *x, double value) {
  return x ? aicc_b_scalar(b, x->type.dtype, value) : NULL;
}

aicc_value *aicc_b_scalar_i64(aicc_builder *b, aicc_dtype dtype, int64_t value) {
  void *data = aicc_arena_alloc(&b->module->arena, aicc_dtype_size(dtype));
  aicc_set_i64(dtype, data, 0, value);
  return const_scalar(b, dtype, data);
}

aicc_value *aicc_b_const_i64s(aicc_builder *b, const int64_t *values, int count) {
  const int64_t shape[] = {count};
  const aicc_tensor tensor = {
      .dtype = AICC_I64,
      .rank = 1,
      .shape = shape,
      .data = aicc_arena_memdup(&b->module->arena, values, (size_t)count * sizeof *values),
  };
  return aicc_b_const(b, &tensor);
}

aicc_value *aicc_b_from_dims(aicc_builder *b, const aicc_dim *dims, int count) {
  int64_t *values = AICC_NEW_ARRAY(&b->module->arena, int64_t, count);
  int known = 0;
  while (known < count && aicc_dim_is_const(b->module->dims, dims[known], &values[known])) {
    known++;
  }
  if (known == count) {
    return aicc_b_const_i64s(b, values, count);
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_FROM_DIMS, NULL, 0, 1);
  aicc_set_dims(b->module, node, AICC_ATTR_DIMS, dims, count);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_from_dim(aicc_builder *b, aicc_dim dim) {
  int64_t value;
  if (aicc_dim_is_const(b->module->dims, dim, &value)) {
    return aicc_b_scalar_i64(b, AICC_I64, value);
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_FROM_DIMS, NULL, 0, 1);
  aicc_set_dims(b->module, node, AICC_ATTR_DIMS, &dim, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, 0);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_iota(aicc_builder *b, aicc_dtype dtype, const aicc_dim *dims, int rank,
                        int axis) {
  aicc_node *node = aicc_node_create(b->module, AICC_OP_IOTA, NULL, 0, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, axis);
  node->out[0]->type = aicc_type_tensor(b->module, dtype, dims, rank);
  return aicc_b_finish(b, node);
}

// --- reductions and contractions -----------------------------------------------------------------

// Sorts |axes| (negative ones count from the end) into |out|; false where one is out of range or
// stands twice.
static bool normalise_axes(const int64_t *axes, int count, int rank, int64_t *out) {
  for (int i = 0; i < count; i++) {
    const int64_t axis = axes[i] < 0 ? axes[i] + rank : axes[i];
    if (axis < 0 || axis >= rank) {
      return false;
    }
    int at = i;
    for (; at > 0 && out[at - 1] > axis; at--) {
      out[at] = out[at - 1];
    }
    if (at > 0 && out[at - 1] == axis) {
      return false;
    }
    out[at] = axis;
  }
  return true;
}

aicc_value *aicc_b_reduce(aicc_builder *b, aicc_op op, aicc_value *x, const int64_t *axes,
                          int count, bool keepdims) {
  if (!x) {
    return NULL;
  }
  int64_t sorted[AICC_MAX_RANK];
  const int rank = x->type.rank;
  if (!axes) {
    count = rank;
    for (int i = 0; i < rank; i++) {
      sorted[i] = i;
    }
  } else if (count > rank || !normalise_axes(axes, count, rank, sorted)) {
    AICC_EMIT(b->diags, E0203, &b->loc, aicc_op_table[op].name,
              "an axis is out of range, or is named twice");
    return NULL;
  }
  if (count == 0) {
    return x;
  }
  aicc_node *node = aicc_node_create(b->module, op, &x, 1, 1);
  aicc_set_ints(b->module, node, AICC_ATTR_AXES, sorted, count);
  aicc_set_int(b->module, node, AICC_ATTR_KEEPDIMS, keepdims);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_arg(aicc_builder *b, aicc_op op, aicc_value *x, int axis, bool keepdims,
                       bool last) {
  if (!x) {
    return NULL;
  }
  aicc_node *node = aicc_node_create(b->module, op, &x, 1, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, axis < 0 ? axis + x->type.rank : axis);
  aicc_set_int(b->module, node, AICC_ATTR_KEEPDIMS, keepdims);
  aicc_set_int(b->module, node, AICC_ATTR_LAST, last);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_matmul(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_MATMUL, x, y);
}

// --- kernels of their own ------------------------------------------------------------------------

aicc_node *aicc_b_opaque(aicc_builder *b, const char *name, aicc_value *const *in, int in_count,
                         const aicc_type *types, int out_count) {
  aicc_node *node = aicc_node_create(b->module, AICC_OP_OPAQUE, in, in_count, out_count);
  aicc_set_string(b->module, node, AICC_ATTR_NAME, name);
  for (int i = 0; i < out_count; i++) {
    node->out[i]->type = types[i];
  }
  return aicc_b_finish(b, node) || out_count == 0 ? node : NULL;
}

// --- elements as expressions ---------------------------------------------------------------------

const aicc_tensor *aicc_value_constant(const aicc_value *x) {
  if (!x || !x->def || x->def->op != AICC_OP_CONST) {
    return NULL;
  }
  return aicc_get_tensor(x->def, AICC_ATTR_VALUE);
}

// |x|'s elements, with fresh symbols for those that are not known, defined right behind |x|, so
// that everything that may use |x| may use them.
static const aicc_dim *define_elements(aicc_builder *b, aicc_value *x, int count) {
  aicc_builder at = *b;
  at.region = x->def ? x->def->parent : x->region;
  at.before = x->def ? x->def->next : at.region->first;
  aicc_dim *dims = AICC_NEW_ARRAY(&b->module->arena, aicc_dim, count);
  for (int i = 0; i < count; i++) {
    dims[i] = x->partial ? x->partial[i] : AICC_DIM_NONE;
    if (dims[i] != AICC_DIM_NONE) {
      continue;
    }
    dims[i] = aicc_dim_fresh(b->module->dims, "s");
    if (aicc_dtype_kind_of(x->type.dtype) == AICC_KIND_SIGNED) {
      aicc_dim_set_lower(b->module->dims, dims[i], INT64_MIN);  // data, not a size
    }
    aicc_dim_set_lower(b->module->dims, dims[i], INT64_MIN);
    aicc_node *node = aicc_node_create(b->module, AICC_OP_DEF_DIM, &x, 1, 0);
    aicc_set_int(b->module, node, AICC_ATTR_INDEX, i);
    aicc_set_dims(b->module, node, AICC_ATTR_SYMBOL, &dims[i], 1);
    aicc_b_finish(&at, node);
    // The next definition goes behind this one.
    at.before = node->parent ? node->next : at.before;
  }
  x->partial = dims;
  return dims;
}

static bool all_known(const aicc_value *x, int count) {
  for (int i = 0; i < count; i++) {
    if (!x->partial || x->partial[i] == AICC_DIM_NONE) {
      return false;
    }
  }
  return true;
}

static bool refuse_as_dims(aicc_builder *b, const aicc_value *x, const char *reason) {
  const char *name = x->def ? aicc_op_info_of(x->def)->name : x->name ? x->name : "input";
  AICC_EMIT(b->diags, E0203, &b->loc, name, reason);
  return false;
}

bool aicc_b_as_dims(aicc_builder *b, aicc_value *x, const aicc_dim **dims, int *count) {
  if (!x) {
    return false;
  }
  if (x->type.kind != AICC_TYPE_TENSOR ||
      !(aicc_dtype_is_int(x->type.dtype) || x->type.dtype == AICC_BOOL)) {
    return refuse_as_dims(b, x, "sizes must be an integer tensor");
  }
  int64_t elements;
  if (!aicc_dim_is_const(b->module->dims, aicc_type_count(b->module, &x->type), &elements)) {
    return refuse_as_dims(b, x, "a list of sizes must have a length that is known at compile time");
  }
  if (elements > AICC_PARTIAL_MAX) {
    return refuse_as_dims(b, x, "a list of sizes may not have more than 1024 elements");
  }
  *count = (int)elements;
  const bool known = all_known(x, *count);
  if (!known && x->type.dtype == AICC_BOOL) {
    return refuse_as_dims(b, x, "sizes must be an integer tensor");
  }
  *dims = known ? x->partial : define_elements(b, x, *count);
  return true;
}
