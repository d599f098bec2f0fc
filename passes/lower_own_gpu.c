// Operators along one axis as GPUs run them: a block of warps has a line, or pieces of a tensor
// meet in a second kernel. Where the CPU's form has lanes and tasks enough, it is used on GPUs too.
#include <string.h>

#include "passes/lower_own.h"

enum { PIECE = 1024 };

bool own_is_gpu(const own *o) { return o->lw->machine->kind == AICC_MACHINE_GPU; }

static aicc_dim times(own *o, aicc_dim a, aicc_dim b) { return aicc_dim_mul(o->dims, a, b); }

int own_gpu_warps(const own *o, aicc_dim n) {
  enum { WARP_LINE = 512 };
  const int most = o->lw->machine->warps_max > 0 ? o->lw->machine->warps_max : 1;
  int64_t length;
  if (!aicc_dim_is_const(o->dims, n, &length)) {
    return most;
  }
  int warps = 1;
  while (warps < most && warps * WARP_LINE < length) {
    warps *= 2;
  }
  return warps;
}

void own_gpu_lines(own_kernel *k, const own_lines *l, int per_element) {
  own *o = k->o;
  const int warps = own_gpu_warps(o, l->n);
  own_bind(k, "WARPS=%d", warps);
  own_bind(k, "PAIRS=%d", 2 * warps);
  own_size(k, "n", l->n);
  own_size(k, "inner", l->inner);
  const aicc_dim work = times(o, times(o, l->outer, l->n), l->inner);
  own_launch(k, times(o, l->outer, l->inner),
             aicc_dim_floordiv(o->dims, times(o, work, own_const(o, per_element)),
                               own_const(o, 10)));
}

// Lanes exchange totals of ever larger groups; the one with the higher number adds its neighbour's
// to what comes before it.
void own_gpu_scan(own_kernel *k, const char *op) {
  const char *text = "";
  for (int by = 1; by < k->o->lw->machine->width; by *= 2) {
    text = aicc_arena_printf(k->o->arena,
                             "%s%%other%d = exchange(%%sum, %d)\n"
                             "%%before = select(mod(lane / %d, 2) == 1, %s(%%other%d, %%before), "
                             "%%before)\n"
                             "%%sum = %s(%%sum, %%other%d)\n",
                             text, by, by, by, op, by, op, by);
  }
  own_bind(k, "SCAN=%s", text);
}

void own_gpu_cumulate(own_kernel *k, const own_lines *l, const char *op) {
  own_gpu_scan(k, op);
  own_gpu_lines(k, l, 15);
}

// --- non-zero elements ---------------------------------------------------------------------------

static own_kernel piecewise(own *o, const char *name) {
  const aicc_dtype dtype = own_type(o, 0)->dtype;
  own_kernel k = own_begin(o, name);
  own_bind(&k, "T=%s", aicc_dtype_name(dtype));
  own_bind(&k, "C=%s", own_compute(dtype));
  own_bind(&k, "ZERO=%s", dtype == AICC_BOOL ? "false" : "0");
  own_bind(&k, "CHUNK=%d", PIECE);
  own_buffer(&k, "x", own_operand(o, 0));
  own_size(&k, "n", own_count(o, own_type(o, 0)));
  return k;
}

static aicc_dim pieces_of(own *o) {
  return aicc_dim_ceildiv(o->dims, own_count(o, own_type(o, 0)), own_const(o, PIECE));
}

static aicc_slot count_pieces(own *o) {
  const aicc_dim pieces = pieces_of(o);
  const aicc_slot counts = aicc_lower_temporary(o->lw, AICC_I64, &pieces, 1, "counts");
  own_kernel k = piecewise(o, "nonzero_counts");
  own_buffer(&k, "counts", counts);
  own_launch(&k, pieces, own_count(o, own_type(o, 0)));
  return counts;
}

void own_gpu_count_nonzero(own *o) {
  const aicc_slot counts = count_pieces(o);
  own_kernel k = own_begin(o, "nonzero_total");
  own_buffer(&k, "counts", counts);
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "n", pieces_of(o));
  own_launch(&k, own_const(o, 1), pieces_of(o));
}

void own_gpu_nonzero(own *o, const char *sizes, const char *stores) {
  const aicc_type *x = own_type(o, 0);
  const aicc_dim pieces = pieces_of(o);
  const aicc_slot counts = count_pieces(o);
  const aicc_slot starts = aicc_lower_temporary(o->lw, AICC_I64, &pieces, 1, "starts");
  own_kernel sum = own_begin(o, "cumulate_block");
  static const char *const words[] = {"T=i64", "C=i64", "OP=add", "START=0", "ZERO=0",
                                      "REVERSE=false", "EXCLUSIVE=true"};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
    own_bind(&sum, "%s", words[i]);
  }
  own_buffer(&sum, "x", counts);
  own_buffer(&sum, "y", starts);
  const own_lines line = {own_const(o, 1), pieces, own_const(o, 1)};
  own_gpu_cumulate(&sum, &line, "add");
  own_kernel k = piecewise(o, "nonzero_pieces");
  own_gpu_scan(&k, "add");
  own_bind(&k, x->dtype == AICC_BOOL ? "NOTHING=false" : "NOTHING=cast<%s>(0)",
           aicc_dtype_name(x->dtype));
  own_bind(&k, "SIZES=%s", sizes);
  own_bind(&k, "STORES=%s", stores);
  own_buffer(&k, "starts", starts);
  own_buffer(&k, "y", own_result(o, 0));
  for (int d = 0; d < x->rank; d++) {
    own_size(&k, aicc_arena_printf(o->arena, "d%d", d), x->dims[d]);
  }
  own_size(&k, "columns", o->node->out[0]->type.dims[1]);
  own_launch(&k, pieces, own_count(o, x));
}
