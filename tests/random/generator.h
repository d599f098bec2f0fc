// The generator's state, shared by its makers: each maker adds a few nodes and returns a value, or
// NULL where the operands at hand do not suit it.
#ifndef AICC_TESTS_RANDOM_GENERATOR_H
#define AICC_TESTS_RANDOM_GENERATOR_H

#include "ir/build.h"
#include "random/program.h"

typedef struct generator {
  rp_random r;
  aicc_module *module;
  aicc_builder b;
  aicc_diags diags;
  aicc_value **pool;
  size_t pool_count, pool_capacity;
  rp_bound *bounds;        // by value id
  size_t bound_capacity;
  bool symbolic;
  int names;
} generator;

typedef aicc_value *(*rp_maker)(generator *g);

// --- operands ------------------------------------------------------------------------------------

static inline aicc_dims *gd(generator *g) { return g->module->dims; }
static inline aicc_dim gconst(generator *g, int64_t value) { return aicc_dim_const(gd(g), value); }
rp_bound rp_known_bound(generator *g, const aicc_value *x);  // bounds nodes made since, too
bool rp_is_exact(generator *g, const aicc_value *x);
aicc_value *rp_pick(generator *g);                      // recent ones more often
aicc_value *rp_pick_type(generator *g, bool (*fits)(generator *g, const aicc_value *x));
aicc_value *rp_pick_dtype(generator *g, aicc_dtype dtype);
aicc_dtype rp_some_dtype(generator *g);
aicc_dtype rp_some_float(generator *g);
int64_t rp_some_extent(generator *g);
aicc_value *rp_param(generator *g, aicc_dtype dtype, const aicc_dim *dims, int rank);
// A parameter, or a constant where the dims allow.
aicc_value *rp_leaf(generator *g, aicc_dtype dtype, const aicc_dim *dims, int rank);
aicc_value *rp_constant(generator *g, aicc_dtype dtype, const int64_t *shape, int rank);
// Of |x|'s type, to be combined with it: from the pool, or a leaf of dims that broadcast to x's.
aicc_value *rp_partner(generator *g, aicc_value *x);
// Integers of the given dims that index |extent| elements.
aicc_value *rp_indices(generator *g, const aicc_dim *dims, int rank, aicc_dim extent);
bool rp_is_number(const aicc_value *x);
bool rp_small(generator *g, const aicc_dim *dims, int rank);  // at most RP_MAX_ELEMENTS in all runs
bool rp_dim_range(generator *g, aicc_dim dim, int64_t *least, int64_t *most);  // over the runs

extern const rp_maker rp_move_makers[];
extern const int rp_move_maker_count;
extern const rp_maker rp_compute_makers[];
extern const int rp_compute_maker_count;

#endif
