#include <math.h>
#include <string.h>

#include "random/generator.h"

// --- what is known of values ---------------------------------------------------------------------

static void bound_room(generator *g) {
  const size_t wanted = g->module->value_count + 1;
  if (wanted > g->bound_capacity) {
    rp_bound *more = AICC_NEW_ARRAY(&g->module->arena, rp_bound, 2 * wanted);
    for (size_t i = 0; i < 2 * wanted; i++) {
      more[i] = i < g->bound_capacity ? g->bounds[i] : (rp_bound){1, 0, -1};
    }
    g->bounds = more;
    g->bound_capacity = 2 * wanted;
  }
}

rp_bound rp_known_bound(generator *g, const aicc_value *x) {
  bound_room(g);
  if (g->bounds[x->id].err >= 0) {
    return g->bounds[x->id];
  }
  if (!x->def) {
    return g->bounds[x->id] = rp_bound_param(x);
  }
  for (int i = 0; i < x->def->in_count; i++) {
    if (x->def->in[i]) {
      (void)rp_known_bound(g, x->def->in[i]);
    }
  }
  rp_bound_node(g->module, x->def, g->bounds);
  return g->bounds[x->id];
}

bool rp_is_exact(generator *g, const aicc_value *x) { return rp_known_bound(g, x).err == 0; }

bool rp_is_number(const aicc_value *x) {
  return aicc_dtype_is_int(x->type.dtype) || aicc_dtype_is_float(x->type.dtype);
}

bool rp_dim_range(generator *g, aicc_dim dim, int64_t *least, int64_t *most) {
  *least = INT64_MAX;
  *most = INT64_MIN;
  for (int i = 0; i < RP_RUNS; i++) {
    const rp_run run = rp_run_of(g->module, i);
    int64_t value = 0;
    if (!rp_dim_value(&run, dim, &value)) {
      return false;
    }
    *least = value < *least ? value : *least;
    *most = value > *most ? value : *most;
  }
  return true;
}

bool rp_small(generator *g, const aicc_dim *dims, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) {
    int64_t least, most;
    if (!rp_dim_range(g, dims[i], &least, &most) || least < 0) {
      return false;
    }
    count *= most > 0 ? most : 1;
    if (count > RP_MAX_ELEMENTS) {
      return false;
    }
  }
  return rank <= 7;
}

// --- leaves --------------------------------------------------------------------------------------

int64_t rp_some_extent(generator *g) {
  static const int64_t extents[] = {1, 2, 3, 4, 5, 7, 8, 9, 13, 16, 17, 31, 33, 6, 3, 0};
  static const int64_t large[] = {48, 63, 64, 65, 96, 100, 127, 130, 256, 257};
  return rp_chance(&g->r, 10) ? large[rp_below(&g->r, 10)] : extents[rp_below(&g->r, 16)];
}

aicc_dtype rp_some_float(generator *g) {
  static const aicc_dtype floats[] = {AICC_F32, AICC_F32, AICC_F32, AICC_F32, AICC_F32,
                                      AICC_F32, AICC_F64, AICC_F16, AICC_BF16};
  return floats[rp_below(&g->r, 9)];
}

aicc_dtype rp_some_dtype(generator *g) {
  static const aicc_dtype others[] = {AICC_I64, AICC_I64, AICC_I32, AICC_I32, AICC_I8,  AICC_I16,
                                      AICC_U8,  AICC_U16, AICC_U32, AICC_U64, AICC_BOOL, AICC_BOOL};
  return rp_chance(&g->r, 70) ? rp_some_float(g) : others[rp_below(&g->r, 12)];
}

aicc_value *rp_param(generator *g, aicc_dtype dtype, const aicc_dim *dims, int rank) {
  const bool wild = aicc_dtype_is_int(dtype) && rp_chance(&g->r, 15);
  const char *name = aicc_arena_printf(&g->module->arena, "%c%d", wild ? 'w' : 'x', g->names++);
  return aicc_region_add_param(g->module, g->module->body, name,
                               aicc_type_tensor(g->module, dtype, dims, rank));
}

static double constant_element(generator *g) {
  static const double numbers[] = {0, 1, -1, 2, 0.5, -0.25, 3, 4};
  return rp_chance(&g->r, 25) ? numbers[rp_below(&g->r, 8)]
                              : (double)rp_below(&g->r, 4001) / 1000 - 2;
}

aicc_value *rp_constant(generator *g, aicc_dtype dtype, const int64_t *shape, int rank) {
  int64_t count = 1;
  for (int i = 0; i < rank; i++) {
    count *= shape[i];
  }
  void *data = aicc_arena_alloc(&g->module->arena, (size_t)(count + 1) * aicc_dtype_size(dtype));
  const bool same = count > RP_LISTED || rp_chance(&g->r, 20);
  double number = constant_element(g);
  for (int64_t i = 0; i < count; i++) {
    number = same ? number : constant_element(g);
    if (aicc_dtype_is_float(dtype)) {
      aicc_set_f64(dtype, data, (size_t)i, number);
    } else {
      const bool natural = aicc_dtype_kind_of(dtype) != AICC_KIND_SIGNED;
      const int64_t whole = (int64_t)(3 * (natural ? fabs(number) : number));
      aicc_set_i64(dtype, data, (size_t)i, dtype == AICC_BOOL ? whole & 1 : whole);
    }
  }
  const aicc_tensor tensor = {.dtype = dtype, .rank = rank, .data = data, .shape = shape};
  return aicc_b_const(&g->b, &tensor);
}

aicc_value *rp_leaf(generator *g, aicc_dtype dtype, const aicc_dim *dims, int rank) {
  int64_t shape[AICC_MAX_RANK + 1] = {0};
  bool known = true;
  for (int i = 0; i < rank; i++) {
    known = known && aicc_dim_is_const(gd(g), dims[i], &shape[i]);
  }
  const bool parameter = g->module->body->param_count < 8 && rp_chance(&g->r, 45);
  return known && !parameter ? rp_constant(g, dtype, shape, rank) : rp_param(g, dtype, dims, rank);
}

// --- picking -------------------------------------------------------------------------------------

aicc_value *rp_pick(generator *g) {
  const int64_t count = (int64_t)g->pool_count;
  const int64_t last = rp_chance(&g->r, 50) && count > 4 ? 4 : count;
  return g->pool[count - 1 - rp_below(&g->r, last)];
}

aicc_value *rp_pick_type(generator *g, bool (*fits)(generator *g, const aicc_value *x)) {
  for (int i = 0; i < 12; i++) {
    aicc_value *x = rp_pick(g);
    if (fits(g, x)) {
      return x;
    }
  }
  return NULL;
}

aicc_value *rp_pick_dtype(generator *g, aicc_dtype dtype) {
  for (int i = 0; i < 12; i++) {
    aicc_value *x = rp_pick(g);
    if (x->type.dtype == dtype) {
      return x;
    }
  }
  return NULL;
}

static aicc_value *pool_partner(generator *g, const aicc_value *x) {
  for (int i = 0; i < 8; i++) {
    aicc_value *y = rp_pick(g);
    aicc_dim dims[AICC_MAX_RANK];
    int rank = 0;
    if (y->type.dtype == x->type.dtype &&
        aicc_dims_broadcast(g->module, &x->type, &y->type, dims, &rank) &&
        rp_small(g, dims, rank)) {
      // Different symbols fit only where they happen to be equal.
      bool sure = true;
      for (int d = 0; d < rank; d++) {
        sure = sure && aicc_dim_kind_of(gd(g), dims[d]) != AICC_DIM_MAX;
      }
      if (sure) {
        return y;
      }
    }
  }
  return NULL;
}

aicc_value *rp_partner(generator *g, aicc_value *x) {
  aicc_value *found = rp_chance(&g->r, 60) ? pool_partner(g, x) : NULL;
  if (found) {
    return found;
  }
  aicc_dim dims[AICC_MAX_RANK];
  const int dropped = rp_chance(&g->r, 35) ? (int)rp_below(&g->r, x->type.rank + 1) : 0;
  const int rank = x->type.rank - dropped;
  for (int i = 0; i < rank; i++) {
    dims[i] = rp_chance(&g->r, 20) ? gconst(g, 1) : x->type.dims[i + dropped];
  }
  return rp_leaf(g, x->type.dtype, dims, rank);
}

aicc_value *rp_indices(generator *g, const aicc_dim *dims, int rank, aicc_dim extent) {
  const aicc_dtype dtype = rp_chance(&g->r, 60) ? AICC_I64 : AICC_I32;
  aicc_value *any = rp_leaf(g, dtype, dims, rank);
  aicc_value *limit = aicc_b_cast(&g->b, aicc_b_from_dim(&g->b, extent), dtype);
  aicc_value *inside = aicc_b_binary(&g->b, AICC_OP_MOD, any, limit);
  // Some count from the end.
  return rp_chance(&g->r, 30) ? aicc_b_binary(&g->b, AICC_OP_SUB, inside, limit) : inside;
}

// --- programs ------------------------------------------------------------------------------------

static aicc_dim some_dim(generator *g) {
  if (g->symbolic && rp_chance(&g->r, 45)) {
    return aicc_dim_symbol(gd(g), rp_chance(&g->r, 70) ? "N" : "M");
  }
  return gconst(g, rp_some_extent(g));
}

static void first_params(generator *g) {
  const int count = 1 + (int)rp_below(&g->r, 3);
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < count;) {
    const int rank = (int)rp_below(&g->r, 5);
    for (int d = 0; d < rank; d++) {
      dims[d] = some_dim(g);
    }
    if (rp_small(g, dims, rank)) {
      aicc_value *x = rp_param(g, rp_some_dtype(g), dims, rank);
      AICC_PUSH(&g->module->arena, g->pool, g->pool_count, g->pool_capacity, x);
      i++;
    }
  }
}

// Worth going on with: no overflow, and precise enough to compare.
static bool worthy(generator *g, const aicc_value *x) {
  const rp_bound b = rp_known_bound(g, x);
  const double m = rp_magnitude(b);
  const aicc_dtype t = x->type.dtype;
  if (!rp_small(g, x->type.dims, x->type.rank)) {
    return false;
  }
  if (!aicc_dtype_is_float(t)) {
    return b.err == 0;
  }
  const double limit = t == AICC_F16 ? 2e4 : 1e12;
  const double share = t == AICC_F16 || t == AICC_BF16 ? 0.2 : 0.01;
  return isfinite(m) && m < limit && b.err <= share * fmax(m, 0.1);
}

// Takes back what a maker that failed, or made nothing worthy, has added.
static void undo(generator *g, aicc_node *last, int params) {
  while (g->module->body->last != last) {
    aicc_node_unlink(g->module->body->last);
  }
  g->module->body->param_count = params;
  aicc_diags_deinit(&g->diags);
  aicc_diags_init(&g->diags);
}

static bool grow(generator *g) {
  aicc_node *const last = g->module->body->last;
  const int params = g->module->body->param_count;
  const bool move = rp_chance(&g->r, 40);
  const rp_maker make = move ? rp_move_makers[rp_below(&g->r, rp_move_maker_count)]
                             : rp_compute_makers[rp_below(&g->r, rp_compute_maker_count)];
  aicc_value *x = make(g);
  if (!x || !worthy(g, x)) {
    undo(g, last, params);
    return false;
  }
  if (!x->def || g->module->body->last == last) {
    return false;  // nothing new
  }
  AICC_PUSH(&g->module->arena, g->pool, g->pool_count, g->pool_capacity, x);
  return true;
}

// Everything nothing uses, up to a few, the last ones first.
static void choose_results(generator *g) {
  aicc_value *results[6];
  int count = 0;
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  const uint32_t *uses = aicc_count_uses(g->module, &scratch);
  for (size_t i = g->pool_count; i-- > 0 && count < 6;) {
    if (uses[g->pool[i]->id] == 0 || i + 1 == g->pool_count || rp_chance(&g->r, 8)) {
      results[count++] = g->pool[i];
    }
  }
  aicc_arena_deinit(&scratch);
  aicc_region_set_results(g->module, g->module->body, results, count);
  g->module->result_names = AICC_NEW_ARRAY(&g->module->arena, const char *, count);
  for (int i = 0; i < count; i++) {
    g->module->result_names[i] = aicc_arena_printf(&g->module->arena, "r%d", i);
  }
}

aicc_module *rp_generate(uint64_t seed) {
  generator g = {.r = {seed * 2654435761u + 12345}};
  const bool nans = rp_chance(&g.r, 12);
  char name[32];
  snprintf(name, sizeof name, "%s%llu", nans ? "nan" : "p", (unsigned long long)seed);
  g.module = aicc_module_create(name);
  g.symbolic = rp_chance(&g.r, 45);
  aicc_diags_init(&g.diags);
  g.b = (aicc_builder){.module = g.module, .region = g.module->body, .diags = &g.diags};
  first_params(&g);
  const int wanted = 2 + (int)rp_below(&g.r, 14);
  for (int tries = 0, made = 0; made < wanted && tries < 30 * wanted; tries++) {
    made += grow(&g);
  }
  choose_results(&g);
  aicc_diags_deinit(&g.diags);
  return g.module;
}
