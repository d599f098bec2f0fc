#include "passes/lower_vector.h"

enum { VECTOR_BYTES = 16, MAX_DEPTH = 24 };

// --- what an index is made of --------------------------------------------------------------------

static const kir_inst *def_of(const lower_kernel *lk, kir_val v) {
  return lk->kernel->values[v].def;
}

// A value made before place cannot follow from it; ids count up.
static bool depends(const lower_kernel *lk, kir_val v, int depth) {
  const kir_val place = lk->vector->place;
  if (v <= place) {
    return v == place;
  }
  const kir_inst *def = def_of(lk, v);
  if (def == NULL) {
    return false;
  }
  if (depth == MAX_DEPTH || (def->op != KIR_SCALAR && def->op != KIR_LOAD &&
                             def->op != KIR_LOAD_OR && def->op != KIR_CONST)) {
    return true;
  }
  for (int i = 0; i < def->arg_count; i++) {
    if (depends(lk, def->args[i], depth + 1)) {
      return true;
    }
  }
  return false;
}

static bool dim_is_multiple(const lower_kernel *lk, kir_val param, int64_t count) {
  for (size_t i = 0; i < lk->arg_count; i++) {
    if (lk->param_of_arg[i] == param && !lk->args[i].is_slot) {
      return aicc_dim_divisible(lk->lw->module->dims, lk->args[i].dim, count);
    }
  }
  return false;
}

static bool is_multiple(const lower_kernel *lk, kir_val v, int64_t count, int depth) {
  int64_t constant;
  if (kir_is_const_i64(&lk->b, v, &constant)) {
    return constant % count == 0;
  }
  if (lk->vector && v == lk->vector->place) {
    return count <= lk->vector->count;
  }
  const kir_inst *def = def_of(lk, v);
  if (def == NULL) {
    return dim_is_multiple(lk, v, count);
  }
  if (depth == MAX_DEPTH || def->op != KIR_SCALAR) {
    return false;
  }
  const bool first = def->arg_count > 0 && is_multiple(lk, def->args[0], count, depth + 1);
  switch (def->scalar_op) {
    case AICC_OP_MUL: return first || is_multiple(lk, def->args[1], count, depth + 1);
    case AICC_OP_ADD: case AICC_OP_SUB: case AICC_OP_MIN: case AICC_OP_MAX:
      return first && is_multiple(lk, def->args[1], count, depth + 1);
    case AICC_OP_SELECT:
      return is_multiple(lk, def->args[1], count, depth + 1) &&
             is_multiple(lk, def->args[2], count, depth + 1);
    default: return false;
  }
}

bool lk_is_multiple(const lower_kernel *lk, kir_val v, int64_t count) {
  return is_multiple(lk, v, count, 0);
}

typedef struct sum {
  int places;        // how often place counts
  int64_t constant;
  bool aligned;      // the rest is a multiple of the vector's length and the same in all copies
} sum;

static void take_apart(const lower_kernel *lk, kir_val v, int sign, int depth, sum *s) {
  int64_t constant;
  if (v == lk->vector->place) {
    s->places += sign;
    return;
  }
  if (kir_is_const_i64(&lk->b, v, &constant)) {
    s->constant += sign * constant;
    return;
  }
  const kir_inst *def = def_of(lk, v);
  const bool adds = def && def->op == KIR_SCALAR &&
                    (def->scalar_op == AICC_OP_ADD || def->scalar_op == AICC_OP_SUB);
  if (adds && depth < MAX_DEPTH) {
    take_apart(lk, def->args[0], sign, depth + 1, s);
    take_apart(lk, def->args[1], def->scalar_op == AICC_OP_ADD ? sign : -sign, depth + 1, s);
    return;
  }
  s->aligned &= !depends(lk, v, 0) && is_multiple(lk, v, lk->vector->count, 0);
}

// Whether |linear| is where a vector's element |copy| stands.
static bool is_element(const lower_kernel *lk, kir_val linear) {
  sum s = {.aligned = true};
  take_apart(lk, linear, 1, 0, &s);
  return s.aligned && s.places == 1 &&
         (s.constant - lk->vector->copy) % lk->vector->count == 0;
}

// --- accesses ------------------------------------------------------------------------------------

// Elements that one access moves; 0: none fits.
static int piece_of(const lk_vector *v, aicc_dtype dtype) {
  const int most = VECTOR_BYTES / (int)aicc_dtype_size(dtype);
  const int count = v->count < most ? v->count : most;
  return count > 1 && kir_vector_fits(dtype, count) ? count : 0;
}

void lk_vector_begin(lower_kernel *lk, lk_vector *v, int count, kir_val place) {
  *v = (lk_vector){.count = count, .place = place, .depth = lk->b.depth};
  lk->vector = count > 1 ? v : NULL;
}

void lk_vector_copy(lower_kernel *lk, int copy) {
  if (lk->vector != NULL) {
    lk->vector->copy = copy;
    lk->vector->next = lk->vector->next_store = 0;
  }
}

void lk_vector_end(lower_kernel *lk) { lk->vector = NULL; }

static kir_val load_vector(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear) {
  const lk_vector *v = lk->vector;
  const int piece = piece_of(v, dtype);
  const kir_val array = kir_array(&lk->b, dtype, v->count, true);
  if (lk->guard) {
    kir_if(&lk->b, lk->guard);
  }
  for (int at = 0; at < v->count; at += piece) {
    kir_vload(&lk->b, array, at, piece, buffer, kir_add(&lk->b, linear, lk_i64(lk, at)));
  }
  if (lk->guard) {
    kir_end(&lk->b);
  }
  return array;
}

bool lk_vector_load_element(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear,
                            kir_val *out) {
  lk_vector *v = lk->vector;
  if (v == NULL || lk->b.depth != v->depth || !depends(lk, linear, 0)) {
    return false;
  }
  if (v->copy == 0) {
    const bool wide = piece_of(v, dtype) > 0 && is_element(lk, linear) &&
                      (lk->guard == 0 || !depends(lk, lk->guard, 0));
    const lk_vector_load load = {.buffer = buffer,
                                 .array = wide ? load_vector(lk, buffer, dtype, linear) : 0};
    AICC_PUSH(&lk->lw->plan->arena, v->loads, v->load_count, v->load_capacity, load);
  }
  AICC_ASSERT(v->next < v->load_count && v->loads[v->next].buffer == buffer);
  const kir_val array = v->loads[v->next++].array;
  if (array == 0) {
    return false;
  }
  AICC_ASSERT(is_element(lk, linear));
  *out = kir_aget(&lk->b, array, lk_i64(lk, v->copy));
  return true;
}

static void store_wide(lower_kernel *lk, kir_val buffer, aicc_dtype dtype,
                       const lk_vector_store_to *store) {
  const lk_vector *v = lk->vector;
  const int piece = piece_of(v, dtype);
  if (lk->guard) {
    kir_if(&lk->b, lk->guard);
  }
  for (int at = 0; at < v->count; at += piece) {
    kir_vstore(&lk->b, buffer, kir_add(&lk->b, store->first, lk_i64(lk, at)), store->array, at,
               piece);
  }
  if (lk->guard) {
    kir_end(&lk->b);
  }
}

static void store_one(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear,
                      kir_val value) {
  if (lk->guard) {
    kir_if(&lk->b, lk->guard);
  }
  lk_store(lk, buffer, dtype, linear, value);
  if (lk->guard) {
    kir_end(&lk->b);
  }
}

void lk_vector_store(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear,
                     kir_val value) {
  lk_vector *v = lk->vector;
  if (v == NULL) {
    store_one(lk, buffer, dtype, linear, value);
    return;
  }
  if (v->copy == 0) {
    const bool wide = piece_of(v, dtype) > 0 && is_element(lk, linear) &&
                      (lk->guard == 0 || !depends(lk, lk->guard, 0));
    const lk_vector_store_to store = {
        .array = wide ? kir_array(&lk->b, dtype, v->count, true) : 0, .first = linear};
    AICC_PUSH(&lk->lw->plan->arena, v->stores, v->store_count, v->store_capacity, store);
  }
  AICC_ASSERT(v->next_store < v->store_count);
  const lk_vector_store_to *store = &v->stores[v->next_store++];
  if (store->array == 0) {
    store_one(lk, buffer, dtype, linear, value);
    return;
  }
  kir_aset(&lk->b, store->array, lk_i64(lk, v->copy), kir_cast(&lk->b, value, dtype, false));
  if (v->copy == v->count - 1) {
    store_wide(lk, buffer, dtype, store);
  }
}

// --- how many ------------------------------------------------------------------------------------

static size_t largest_element(const lower_kernel *lk, aicc_dtype dtype) {
  size_t largest = aicc_dtype_size(dtype);
  for (const aicc_node *node = lk->group->first; node; node = node->next) {
    for (int i = 0; i < node->in_count; i++) {
      const aicc_node *def = node->in[i] ? node->in[i]->def : NULL;
      if (node->in[i] && node->in[i]->type.rank > 0 && !(def && def->parent == lk->group)) {
        const size_t size = aicc_dtype_size(node->in[i]->type.dtype);
        largest = size > largest ? size : largest;
      }
    }
  }
  return largest;
}

int lk_vector_choose(const lower_kernel *lk, aicc_dtype dtype, aicc_dim last, int cost) {
  enum { HEAVY_COST = 64, HUGE_COST = 400 };
  if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8 || cost > HUGE_COST) {
    return 1;
  }
  int count = largest_element(lk, dtype) <= 2 && cost <= HEAVY_COST ? LK_VECTOR_MAX : 4;
  while (last && !aicc_dim_divisible(lk->lw->module->dims, last, count)) {
    count /= 2;
  }
  return count;
}
