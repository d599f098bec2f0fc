// Operators along one axis, and those that count: argmax, running totals, top k, non-zero elements,
// random numbers.
#include <string.h>

#include "passes/lower_own.h"

enum { SMALL_K = 48, SMALL_K_GPU = 256 };

static own_lines lines_of(own *o, const aicc_type *type) {
  if (type->rank == 0) {
    return (own_lines){own_const(o, 1), own_const(o, 1), own_const(o, 1)};
  }
  int64_t axis = aicc_get_int(o->node, AICC_ATTR_AXIS, 0);
  axis += axis < 0 ? type->rank : 0;
  return (own_lines){own_product(o, type, 0, (int)axis), type->dims[axis],
                 own_product(o, type, (int)axis + 1, type->rank)};
}

static void bind_types(own_kernel *k, aicc_dtype dtype) {
  own_bind(k, "T=%s", aicc_dtype_name(dtype));
  own_bind(k, "C=%s", own_compute(dtype));
  own_bind(k, "FLOAT=%s", aicc_dtype_is_float(lk_compute_type(dtype)) ? "true" : "false");
}

static aicc_dim times(own *o, aicc_dim a, aicc_dim b) { return aicc_dim_mul(o->dims, a, b); }

// Tasks over outer lines and pieces of the dimensions inside the axis, lanes over the latter.
static void launch_columns(own_kernel *k, const own_lines *l) {
  own *o = k->o;
  const int chunk = (own_is_gpu(o) ? 1 : 4) * o->lw->machine->width;
  const aicc_dim chunks = aicc_dim_ceildiv(o->dims, l->inner, own_const(o, chunk));
  own_bind(k, "CHUNK=%d", chunk);
  own_size(k, "n", l->n);
  own_size(k, "inner", l->inner);
  own_size(k, "chunks", chunks);
  const aicc_dim work = times(o, times(o, l->outer, l->n), l->inner);
  own_launch(k, times(o, l->outer, chunks), aicc_dim_floordiv(o->dims, work, own_const(o, 4)));
}

// Tasks over blocks of rows; |per_element|: tenths of a nanosecond.
static void launch_rows(own_kernel *k, const own_lines *l, int per_element) {
  own *o = k->o;
  const aicc_dim block = own_block(o, l->n);
  own_size(k, "rows", l->outer);
  own_size(k, "n", l->n);
  own_size(k, "block", block);
  const aicc_dim work = times(o, times(o, l->outer, l->n), own_const(o, per_element));
  own_launch(k, aicc_dim_ceildiv(o->dims, l->outer, block),
             aicc_dim_floordiv(o->dims, work, own_const(o, 10)));
}

void own_lower_arg(own *o) {
  const aicc_type *x = own_type(o, 0);
  const own_lines l = lines_of(o, x);
  const bool most = o->node->op == AICC_OP_ARGMAX, rows = aicc_dim_is(o->dims, l.inner, 1);
  const bool last = aicc_get_int(o->node, AICC_ATTR_LAST, 0) != 0;
  const bool block = own_is_gpu(o) && rows;
  own_kernel k = own_begin(o, block ? "arg_block" : rows ? "arg_rows" : "arg_columns");
  bind_types(&k, x->dtype);
  own_bind(&k, "REACHED=%s", most ? (last ? "ge" : "gt") : last ? "le" : "lt");
  own_bind(&k, "WORST=%s", most ? "lowest" : "highest");
  own_bind(&k, "BEST=%s", most ? "max" : "min");
  own_bind(&k, "LAST=%s", last ? "true" : "false");
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "y", own_result(o, 0));
  if (block) {
    own_gpu_lines(&k, &l, 3);
  } else if (rows) {
    launch_rows(&k, &l, 3);
  } else {
    launch_columns(&k, &l);
  }
}

void own_lower_cumulate(own *o) {
  const aicc_type *x = own_type(o, 0);
  const own_lines l = lines_of(o, x);
  const bool rows = aicc_dim_is(o->dims, l.inner, 1);
  const bool product = strcmp(aicc_get_string(o->node, AICC_ATTR_OP, "sum"), "prod") == 0;
  const bool block = own_is_gpu(o) && rows;
  own_kernel k = own_begin(o, block ? "cumulate_block" : rows ? "cumulate_rows" : "cumulate");
  bind_types(&k, x->dtype);
  own_bind(&k, "OP=%s", product ? "mul" : "add");
  own_bind(&k, "START=%d", product ? 1 : 0);
  own_bind(&k, "REVERSE=%s", aicc_get_int(o->node, AICC_ATTR_REVERSE, 0) ? "true" : "false");
  own_bind(&k, "EXCLUSIVE=%s", aicc_get_int(o->node, AICC_ATTR_EXCLUSIVE, 0) ? "true" : "false");
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "y", own_result(o, 0));
  if (block) {
    own_bind(&k, "ZERO=cast<%s>(0)", aicc_dtype_name(x->dtype));
    own_gpu_cumulate(&k, &l, product ? "mul" : "add");
  } else if (rows) {
    launch_rows(&k, &l, 15);
  } else {
    launch_columns(&k, &l);
  }
}

void own_lower_topk(own *o) {
  const aicc_type *x = own_type(o, 0);
  const own_lines l = lines_of(o, x), picked = lines_of(o, &o->node->out[0]->type);
  const bool most = aicc_get_int(o->node, AICC_ATTR_LARGEST, 1) != 0;
  const aicc_dim count = times(o, l.outer, l.inner);
  int64_t small = 0;
  const bool gpu = own_is_gpu(o);
  const bool select = aicc_dim_is_const(o->dims, picked.n, &small) &&
                      small <= (gpu ? SMALL_K_GPU : SMALL_K);
  own_kernel k = own_begin(o, gpu      ? (select ? "topk_block" : "topk_merge")
                              : select ? "topk_select"
                                       : "topk_sort");
  bind_types(&k, x->dtype);
  own_bind(&k, "OVER=%s", most ? "gt" : "lt");
  own_bind(&k, "WORST=%s", most ? "lowest" : "highest");
  own_bind(&k, "BEST=%s", most ? "max" : "min");
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "values", own_result(o, 0));
  own_buffer(&k, "indices", own_result(o, 1));
  own_size(&k, "k", picked.n);
  aicc_dim work = times(o, times(o, count, l.n), select ? picked.n : own_const(o, 100));
  if (!select) {
    const aicc_dim all[] = {count, l.n};
    own_buffer(&k, "a", aicc_lower_temporary(o->lw, AICC_I32, all, 2, "sort_a"));
    own_buffer(&k, "b", aicc_lower_temporary(o->lw, AICC_I32, all, 2, "sort_b"));
  } else {
    work = aicc_dim_floordiv(o->dims, work, own_const(o, 3));
  }
  if (gpu) {
    own_gpu_lines(&k, &l, 1000);
    return;
  }
  own_size(&k, "n", l.n);
  own_size(&k, "inner", l.inner);
  own_launch(&k, count, work);
}

// --- non-zero elements ---------------------------------------------------------------------------

static own_kernel counting(own *o, const char *name) {
  const aicc_dtype dtype = own_type(o, 0)->dtype;
  own_kernel k = own_begin(o, name);
  bind_types(&k, dtype);
  own_bind(&k, "ZERO=%s", dtype == AICC_BOOL ? "false" : "0");
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "n", own_count(o, own_type(o, 0)));
  return k;
}

void own_lower_count_nonzero(own *o) {
  if (own_is_gpu(o)) {
    own_gpu_count_nonzero(o);
    return;
  }
  own_kernel k = counting(o, "count_nonzero");
  own_launch(&k, own_const(o, 1),
             aicc_dim_floordiv(o->dims, own_count(o, own_type(o, 0)), own_const(o, 8)));
}

void own_lower_nonzero(own *o) {
  const aicc_type *x = own_type(o, 0);
  const aicc_type *y = &o->node->out[0]->type;
  const char *stores = "", *sizes = "";
  for (int d = 0; d < x->rank; d++) {
    sizes = aicc_arena_printf(o->arena, "%s, %%d%d: i64", sizes, d);
  }
  stores = "%r0 = %i\n";
  for (int d = x->rank - 1; d >= 0; d--) {
    const int left = x->rank - d;
    stores = aicc_arena_printf(
        o->arena,
        "%s%%r%d = %%r%d / %%d%d\n"
        "%%y[%d * %%columns + %%found] = %%r%d - %%r%d * %%d%d\n",
        stores, left, left - 1, d, d, left - 1, left, d);
  }
  if (own_is_gpu(o)) {
    own_gpu_nonzero(o, sizes, stores);
    return;
  }
  own_kernel k = counting(o, "nonzero");
  for (int d = 0; d < x->rank; d++) {
    own_size(&k, aicc_arena_printf(o->arena, "d%d", d), x->dims[d]);
  }
  own_bind(&k, "SIZES=%s", sizes);
  own_bind(&k, "STORES=%s", stores);
  own_size(&k, "columns", y->dims[1]);
  own_launch(&k, own_const(o, 1), own_count(o, x));
}

// --- random numbers ------------------------------------------------------------------------------

void own_lower_random(own *o) {
  const int chunk = own_is_gpu(o) ? 512 : 8192;
  const aicc_type *y = &o->node->out[0]->type;
  const bool normal =
      strcmp(aicc_get_string(o->node, AICC_ATTR_MODE, "uniform"), "normal") == 0;
  own_kernel k = own_begin(o, "random");
  own_bind(&k, "T=%s", aicc_dtype_name(y->dtype));
  own_bind(&k, "SEED=%lld", (long long)aicc_get_int(o->node, AICC_ATTR_SEED, 0));
  own_bind(&k, "NORMAL=%s", normal ? "true" : "false");
  own_bind(&k, "CHUNK=%d", chunk);
  const aicc_dim count = own_count(o, y);
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "n", count);
  own_launch(&k, aicc_dim_ceildiv(o->dims, count, own_const(o, chunk)),
             times(o, count, own_const(o, 3)));
}
