// Types of values: construction, comparison, text and broadcasting.
#include <string.h>

#include "ir/graph.h"

aicc_type aicc_type_tensor(aicc_module *module, aicc_dtype dtype, const aicc_dim *dims, int rank) {
  // Never NULL: a stated type is told from a missing one by its dims.
  aicc_dim *copy = AICC_NEW_ARRAY(&module->arena, aicc_dim, rank > 0 ? rank : 1);
  for (int i = 0; i < rank; i++) {
    copy[i] = dims[i];
  }
  return (aicc_type){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = rank, .dims = copy};
}

bool aicc_type_same_shape(const aicc_type *a, const aicc_type *b) {
  return a->rank == b->rank &&
         (a->rank <= 0 || memcmp(a->dims, b->dims, sizeof(aicc_dim) * (size_t)a->rank) == 0);
}

bool aicc_type_is_single(const aicc_module *module, const aicc_type *type) {
  for (int i = 0; i < type->rank; i++) {
    if (!aicc_dim_is(module->dims, type->dims[i], 1)) {
      return false;
    }
  }
  return true;
}

bool aicc_type_equal(const aicc_type *a, const aicc_type *b) {
  if (a->kind != b->kind) {
    return false;
  }
  if (a->kind != AICC_TYPE_TENSOR) {
    return a->element && b->element ? aicc_type_equal(a->element, b->element)
                                    : a->element == b->element;
  }
  return a->dtype == b->dtype && aicc_type_same_shape(a, b);
}

aicc_dim aicc_type_count(aicc_module *module, const aicc_type *type) {
  return aicc_dim_product(module->dims, type->dims, type->rank);
}

bool aicc_type_static_shape(const aicc_module *module, const aicc_type *type, int64_t *shape) {
  if (type->kind != AICC_TYPE_TENSOR || type->rank < 0) {
    return false;
  }
  for (int i = 0; i < type->rank; i++) {
    if (!aicc_dim_is_const(module->dims, type->dims[i], &shape[i])) {
      return false;
    }
  }
  return true;
}

char *aicc_type_print(const aicc_module *module, const aicc_type *type, aicc_arena *arena) {
  if (type->kind != AICC_TYPE_TENSOR) {
    const char *name = type->kind == AICC_TYPE_SEQUENCE ? "seq" : "opt";
    const char *element = type->element ? aicc_type_print(module, type->element, arena) : "?";
    return aicc_arena_printf(arena, "%s<%s>", name, element);
  }
  char *text = aicc_arena_printf(arena, "%s[%s", aicc_dtype_name(type->dtype),
                                 type->rank < 0 ? "?" : "");
  for (int i = 0; i < type->rank; i++) {
    text = aicc_arena_printf(arena, "%s%s%s", text, i ? ", " : "",
                             aicc_dim_print(module->dims, type->dims[i], arena));
  }
  return aicc_arena_printf(arena, "%s]", text);
}

// min(1, n), of a slice that takes one of n.
static bool at_most_one(const aicc_dims *dims, aicc_dim d) {
  int64_t upper = 0;
  aicc_dim_bounds(dims, d, NULL, &upper);
  return upper <= 1;
}

bool aicc_dim_broadcast(aicc_module *module, aicc_dim a, aicc_dim b, aicc_dim *out) {
  aicc_dims *dims = module->dims;
  const bool a_const = aicc_dim_is_const(dims, a, NULL), b_const = aicc_dim_is_const(dims, b, NULL);
  if (a == b || aicc_dim_is(dims, b, 1)) {
    *out = a;
    return true;
  }
  if (aicc_dim_is(dims, a, 1)) {
    *out = b;
    return true;
  }
  const aicc_dim two = aicc_dim_const(dims, 2);
  const bool a_is_one = !aicc_dim_ge(dims, a, two) && !a_const;  // may be
  const bool b_is_one = !aicc_dim_ge(dims, b, two) && !b_const;
  if (!a_is_one && !b_is_one && aicc_dim_is(dims, aicc_dim_eq(dims, a, b), 0)) {
    return false;
  }
  if (a_const || b_const) {
    *out = a_const ? a : b;
  } else if (a_is_one != b_is_one) {
    *out = a_is_one ? b : a;  // the one that is at least 2 holds
  } else if (at_most_one(dims, a) != at_most_one(dims, b)) {
    *out = at_most_one(dims, a) ? b : a;
  } else {
    *out = aicc_dim_max(dims, a, b);
  }
  return true;
}

bool aicc_dims_broadcast(aicc_module *module, const aicc_type *a, const aicc_type *b,
                         aicc_dim *dims, int *rank) {
  *rank = a->rank > b->rank ? a->rank : b->rank;
  for (int i = 1; i <= *rank; i++) {  // from the last dimension
    const aicc_dim one = aicc_dim_const(module->dims, 1);
    const aicc_dim x = i <= a->rank ? a->dims[a->rank - i] : one;
    const aicc_dim y = i <= b->rank ? b->dims[b->rank - i] : one;
    if (!aicc_dim_broadcast(module, x, y, &dims[*rank - i])) {
      return false;
    }
  }
  return true;
}
