// Library kernels of ai.onnx.ml, of quantised language models, of signals and sets.
#include <string.h>

#include "passes/lower_own.h"

static aicc_dim times(own *o, aicc_dim a, aicc_dim b) { return aicc_dim_mul(o->dims, a, b); }

static const char *truth(bool value) { return value ? "true" : "false"; }

static void bind_type(own_kernel *k, const char *name, int operand) {
  const bool has = own_has(k->o, operand);
  own_bind(k, "%s=%s", name, has ? aicc_dtype_name(own_type(k->o, operand)->dtype) : "f32");
}

// The type elements are compared in: bool as a number.
static const char *compared(aicc_dtype dtype) {
  return dtype == AICC_BOOL ? "u8" : own_compute(dtype);
}

static bool known(own *o, aicc_dim dim, const char *what, int64_t *value) {
  if (aicc_dim_is_const(o->dims, dim, value)) {
    return true;
  }
  aicc_lower_unsupported(o->lw, o->node,
                         aicc_arena_printf(o->arena, "%s must be known when it is compiled", what));
  return false;
}

// --- trees ---------------------------------------------------------------------------------------

// Lanes of a GPU share a row's trees, as many as there are trees for. Their scores are in memory of
// the task; where targets are many, a lane has a row and its scores are in a temporary.
static void launch_tree_lanes(own_kernel *k, int64_t targets, aicc_dtype compute) {
  enum { LOCAL_BYTES = 8192 };
  own *o = k->o;
  const int width = o->lw->machine->width;
  const aicc_dim rows = own_type(o, 0)->dims[0], trees = own_type(o, 6)->dims[0];
  const bool is_local =
      targets * width * (int64_t)aicc_dtype_size(compute) <= LOCAL_BYTES;
  int64_t count = width, lanes = 1;
  (void)aicc_dim_is_const(o->dims, trees, &count);
  const char *join = "";
  for (; is_local && lanes < width && 2 * lanes <= count; lanes *= 2) {
    join = aicc_arena_printf(o->arena, "%s%%score = $COMBINE(%%score, exchange(%%score, %lld))\n",
                             join, (long long)lanes);
  }
  own_bind(k, "JOIN=%s", join);
  own_bind(k, "L=%lld", (long long)lanes);
  if (is_local) {
    own_bind(k, "SCORES=");
    own_bind(k, "DECLARE=%%scores = local %lld : %s", (long long)(targets * width),
             aicc_dtype_name(compute));
    own_bind(k, "AT=%%k * $W + lane");
  } else {
    const aicc_dim shape[] = {own_const(o, targets), rows};
    own_bind(k, "SCORES=, %%scores: %s* read write", aicc_dtype_name(compute));
    own_bind(k, "DECLARE=");
    own_bind(k, "AT=%%k * %%rows + %%row");
    own_buffer(k, "scores", aicc_lower_temporary(o->lw, compute, shape, 2, "tree_scores"));
  }
  own_launch(k, aicc_dim_ceildiv(o->dims, times(o, rows, own_const(o, lanes)), own_const(o, width)),
             times(o, times(o, rows, trees), own_const(o, 60)));
}

void own_lower_tree_ensemble(own *o) {
  static const char *const combine[] = {"add", "add", "min", "max"};
  static const char *const start[] = {"0", "0", "inf", "-inf"};
  const aicc_type *x = own_type(o, 0), *y = &o->node->out[0]->type;
  const int64_t aggregate = own_int(o, 0, 0);
  int64_t targets = 0;
  if (!known(o, y->dims[1], "the number of targets", &targets)) {
    return;
  }
  own_kernel k = own_begin(o, own_is_gpu(o) ? "tree_ensemble_lanes" : "tree_ensemble");
  const bool wide = x->dtype == AICC_F64 || own_type(o, 2)->dtype == AICC_F64 ||
                    own_type(o, 5)->dtype == AICC_F64;
  own_bind(&k, "C=%s", wide ? "f64" : "f32");
  bind_type(&k, "X", 0);
  bind_type(&k, "H", 2);
  bind_type(&k, "V", 5);
  bind_type(&k, "M", 7);
  bind_type(&k, "B", 8);
  own_bind(&k, "Y=%s", aicc_dtype_name(y->dtype));
  own_bind(&k, "K=%lld", (long long)(targets > 0 ? targets : 1));
  own_bind(&k, "COMBINE=%s", combine[aggregate & 3]);
  own_bind(&k, "START=%s", start[aggregate & 3]);
  own_bind(&k, "AVERAGE=%s", truth(aggregate == 1));
  own_bind(&k, "EXTREME=%s", truth(aggregate > 1));
  static const char *const names[] = {"x", "nodes", "thresholds", "missing", "targets", "weights",
                                      "roots"};
  for (int i = 0; i < 7; i++) {
    own_buffer(&k, names[i], own_operand(o, i));
  }
  own_optional(&k, "members", 7);
  own_optional(&k, "base", 8);
  own_buffer(&k, "y", own_result(o, 0));
  const aicc_dim trees = own_type(o, 6)->dims[0];
  const aicc_dim block = own_block(o, times(o, trees, own_const(o, 8)));
  own_size(&k, "rows", x->dims[0]);
  own_size(&k, "features", x->dims[1]);
  own_size(&k, "trees", trees);
  if (own_is_gpu(o)) {
    launch_tree_lanes(&k, targets > 0 ? targets : 1, wide ? AICC_F64 : AICC_F32);
    return;
  }
  own_size(&k, "block", block);
  own_launch(&k, aicc_dim_ceildiv(o->dims, x->dims[0], block),
             times(o, times(o, x->dims[0], trees), own_const(o, 60)));
}

// --- support vectors -----------------------------------------------------------------------------

void own_lower_svm_classifier(own *o) {
  const aicc_type *x = own_type(o, 0), *vectors = own_type(o, 1);
  int ints = 0;
  aicc_get_ints(o->node, AICC_ATTR_INTS, &ints);
  const int64_t classes = ints - 1, pairs = classes * (classes - 1) / 2;
  int64_t count = 0;
  if (!known(o, vectors->dims[0], "the number of support vectors", &count)) {
    return;
  }
  for (int i = 1; i < o->node->in_count; i++) {
    if (own_has(o, i) && own_type(o, i)->dtype != x->dtype) {
      aicc_lower_unsupported(o->lw, o->node, "operands of several types");
      return;
    }
  }
  int64_t *starts = AICC_NEW_ARRAY(o->arena, int64_t, classes + 1);
  for (int64_t i = 0; i < classes; i++) {
    starts[i + 1] = starts[i] + own_int(o, (int)i + 1, 0);
  }
  own_kernel k = own_begin(o, "svm_classifier");
  own_bind(&k, "T=%s", aicc_dtype_name(x->dtype));
  own_bind(&k, "KERNEL=%lld", (long long)own_int(o, 0, 0));
  own_bind(&k, "K=%lld", (long long)classes);
  own_bind(&k, "PAIRS=%lld", (long long)pairs);
  own_bind(&k, "P=%lld", (long long)(pairs > 0 ? pairs : 1));
  own_bind(&k, "V=%lld", (long long)(count > 0 ? count : 1));
  own_bind(&k, "ROUNDS=%lld", (long long)(classes > 100 ? classes : 100));
  own_bind_float(&k, "GAMMA", own_float(o, 0, 0));
  own_bind_float(&k, "COEF0", own_float(o, 1, 0));
  own_bind_float(&k, "DEGREE", own_float(o, 2, 0));
  static const char *const names[] = {"x", "vectors", "coefficients", "rho"};
  for (int i = 0; i < 4; i++) {
    own_buffer(&k, names[i], own_operand(o, i));
  }
  own_optional(&k, "prob_a", 4);
  own_optional(&k, "prob_b", 5);
  own_buffer(&k, "starts", own_table(o, AICC_I64, starts, classes + 1, "svm_starts"));
  own_buffer(&k, "y", own_result(o, 0));
  own_buffer(&k, "label", own_result(o, 1));
  own_size(&k, "features", x->dims[1]);
  own_size(&k, "count", vectors->dims[0]);
  const aicc_dim work = times(o, times(o, x->dims[0], vectors->dims[0]), x->dims[1]);
  own_launch(&k, x->dims[0], work);
}

// --- label_encoder -------------------------------------------------------------------------------

void own_lower_label_encoder(own *o) {
  enum { CHUNK = 1024 };
  const aicc_type *x = own_type(o, 0);
  if (own_type(o, 1)->dtype != x->dtype) {
    aicc_lower_unsupported(o->lw, o->node, "keys of another type than the operand");
    return;
  }
  if (x->dtype == AICC_STR) {
    own_lower_label_encoder_text(o);
    return;
  }
  own_kernel k = own_begin(o, "label_encoder");
  own_bind(&k, "T=%s", aicc_dtype_name(x->dtype));
  own_bind(&k, "C=%s", compared(x->dtype));
  bind_type(&k, "V", 2);
  own_bind(&k, "CHUNK=%d", CHUNK);
  static const char *const names[] = {"x", "keys", "values", "default"};
  for (int i = 0; i < 4; i++) {
    own_buffer(&k, names[i], own_operand(o, i));
  }
  own_buffer(&k, "y", own_result(o, 0));
  const aicc_dim n = own_count(o, x), pairs = own_count(o, own_type(o, 1));
  own_size(&k, "n", n);
  own_size(&k, "pairs", pairs);
  own_launch(&k, aicc_dim_ceildiv(o->dims, n, own_const(o, CHUNK)), times(o, n, pairs));
}

// --- matmul_nbits --------------------------------------------------------------------------------

typedef struct nbits {
  own *o;
  int64_t inner, n, bits, block, blocks;
  aicc_dtype compute;
  bool pairs;
  aicc_slot p, y;
  aicc_dim rows;
} nbits;

static void bind_nbits(own_kernel *k, const nbits *m) {
  own_bind(k, "T=%s", aicc_dtype_name(own_type(m->o, 0)->dtype));
  own_bind(k, "C=%s", aicc_dtype_name(m->compute));
  own_bind(k, "BLOCK=%lld", (long long)m->block);
  own_bind(k, "PAIRS=%s", truth(m->pairs));
  own_buffer(k, "p", m->p);
  own_size(k, "blocks", own_const(m->o, m->blocks));
}

// Rows |from| .. |to| in tiles of |tile|; nothing is launched where there are none.
static void launch_tiles(const nbits *m, int tile, aicc_dim from, aicc_dim to) {
  enum { COLUMNS = 24 };
  const bool many = m->o->lw->machine->registers >= 32;
  const int columns = tile == 1 ? 4 : many ? 3 : 2;  // accumulators have to stay in registers
  own *o = m->o;
  own_kernel k = own_begin(o, "matmul_nbits");
  bind_nbits(&k, m);
  bind_type(&k, "S", 2);
  bind_type(&k, "Z", 3);
  bind_type(&k, "B", 4);
  own_bind(&k, "ROWS=%d", tile);
  own_bind(&k, "COLS=%d", columns);
  own_bind(&k, "COLUMNS=%d", COLUMNS);
  own_bind(&k, "BITS=%lld", (long long)m->bits);
  own_bind(&k, "BYTES=%lld", (long long)((m->block * m->bits + 7) / 8));
  own_bind(&k, "ZBYTES=%lld", (long long)((m->blocks * m->bits + 7) / 8));
  own_bind(&k, "MASK=%d", (1 << m->bits) - 1);
  own_bind(&k, "MIDDLE=%d", 1 << (m->bits - 1));
  own_bind(&k, "PACKED=%s", truth(own_has(o, 3) && own_type(o, 3)->dtype == AICC_U8));
  own_buffer(&k, "b", own_operand(o, 1));
  own_buffer(&k, "scales", own_operand(o, 2));
  own_optional(&k, "zeros", 3);
  own_optional(&k, "bias", 4);
  own_buffer(&k, "y", m->y);
  own_size(&k, "n", own_const(o, m->n));
  own_size(&k, "from", from);
  own_size(&k, "to", to);
  const aicc_dim rows = aicc_dim_sub(o->dims, to, from);
  const aicc_dim any = aicc_dim_min(o->dims, rows, own_const(o, 1));
  k.flops = times(o, rows, own_const(o, 2 * m->inner * m->n));
  own_launch(&k, times(o, any, own_const(o, (m->n + COLUMNS - 1) / COLUMNS)),
             times(o, rows, own_const(o, m->inner * m->n / 24 + 1)));
}

void own_lower_matmul_nbits(own *o) {
  if (own_gpu_nbits(o)) {
    return;
  }
  const int rows_at_once = o->lw->machine->registers >= 32 ? 8 : 4;
  const aicc_type *a = own_type(o, 0);
  nbits m = {.o = o, .inner = own_int(o, 0, 0), .n = own_int(o, 1, 0), .bits = own_int(o, 2, 4),
             .block = own_int(o, 3, 32), .compute = lk_compute_type(a->dtype),
             .rows = own_product(o, a, 0, a->rank - 1)};
  m.blocks = (m.inner + m.block - 1) / m.block;
  m.pairs = m.bits == 4 && m.block % 2 == 0;
  const aicc_dim shape[] = {m.rows, own_const(o, m.blocks * m.block)};
  m.p = aicc_lower_temporary(o->lw, m.compute, shape, 2, "nbits_rows");
  own_kernel k = own_begin(o, "nbits_prepare");
  bind_nbits(&k, &m);
  own_bind(&k, "HALF=%lld", (long long)(m.block / 2));
  own_bind(&k, "ROUNDED=%s", truth(own_int(o, 4, 0) == 8));
  own_buffer(&k, "a", own_operand(o, 0));
  own_size(&k, "k", own_const(o, m.inner));
  own_launch(&k, m.rows, times(o, m.rows, own_const(o, m.inner / 4 + 1)));
  m.y = own_result(o, 0);
  const aicc_dim tile = own_const(o, rows_at_once);
  const aicc_dim whole = times(o, aicc_dim_floordiv(o->dims, m.rows, tile), tile);
  if (!aicc_dim_is(o->dims, whole, 0)) {
    launch_tiles(&m, rows_at_once, own_const(o, 0), whole);
  }
  if (whole != m.rows) {
    launch_tiles(&m, 1, whole, m.rows);
  }
}

// --- signals and matrices ------------------------------------------------------------------------

void own_lower_dft(own *o) {
  const aicc_type *x = own_type(o, 0), *y = &o->node->out[0]->type;
  const int64_t given = own_int(o, 0, 0);
  const int axis = (int)(given < 0 ? given + x->rank : given);
  const bool inverse = own_int(o, 1, 0) != 0, half = inverse && own_int(o, 2, 0) != 0;
  int64_t parts_in = 0, parts_out = 0;
  if (!known(o, x->dims[x->rank - 1], "the last dimension", &parts_in) ||
      !known(o, y->dims[y->rank - 1], "the last dimension", &parts_out)) {
    return;
  }
  const aicc_dim length = half ? y->dims[axis] : x->dims[axis];
  const char *compute = own_compute(x->dtype);
  const aicc_dim table_shape[] = {times(o, length, own_const(o, 2))};
  const aicc_slot table = aicc_lower_temporary(o->lw, lk_compute_type(x->dtype), table_shape, 1,
                                               "dft_table");
  own_kernel t = own_begin(o, "dft_table");
  own_bind(&t, "A=%s", compute);
  own_buffer(&t, "table", table);
  own_size(&t, "length", length);
  own_launch(&t, own_const(o, 1), times(o, length, own_const(o, 20)));
  own_kernel k = own_begin(o, "dft");
  own_bind(&k, "T=%s", aicc_dtype_name(x->dtype));
  own_bind(&k, "A=%s", compute);
  own_bind(&k, "PARTS_IN=%lld", (long long)parts_in);
  own_bind(&k, "PARTS_OUT=%lld", (long long)parts_out);
  own_bind(&k, "HALF=%s", truth(half));
  own_bind(&k, "INVERSE=%s", truth(inverse));
  own_bind(&k, "SIGN=%s", inverse ? "1.0" : "-1.0");
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "table", table);
  own_buffer(&k, "y", own_result(o, 0));
  const aicc_dim inner = own_product(o, x, axis + 1, x->rank - 1);
  const aicc_dim lines = times(o, own_product(o, x, 0, axis), inner);
  own_size(&k, "in", x->dims[axis]);
  own_size(&k, "out", y->dims[axis]);
  own_size(&k, "inner", inner);
  own_size(&k, "length", length);
  own_launch(&k, lines, times(o, times(o, lines, y->dims[axis]), length));
}

void own_lower_det(own *o) {
  const aicc_type *x = own_type(o, 0);
  const aicc_dim n = x->dims[x->rank - 1], count = own_product(o, x, 0, x->rank - 2);
  own_kernel k = own_begin(o, "det");
  own_bind(&k, "T=%s", aicc_dtype_name(x->dtype));
  own_bind(&k, "C=%s", own_compute(x->dtype));
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "a", aicc_lower_temporary(o->lw, lk_compute_type(x->dtype), x->dims, x->rank,
                                           "det_copy"));
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "n", n);
  own_launch(&k, count, times(o, times(o, own_count(o, x), n), own_const(o, 1)));
}

static const char compare_numbers[] =
    "%v = cast<$C>(%x[%va])\n"
    "%w = cast<$C>(%x[%wa])\n"
    "%order = i64(%v > %w) - i64(%v < %w)\n"
    "if $FLOAT { %order = %order + i64(%v != %v) - i64(%w != %w) }\n";

// Bytewise, then by length.
static const char compare_strings[] =
    "%vs = i64(%words[2 * %va + 1])\n"
    "%ws = i64(%words[2 * %wa + 1])\n"
    "var %k = 0\n"
    "while %order == 0 && %k < min(%vs, %ws) {\n"
    "  %c = %memory[i64(%words[2 * %va]) + %k]\n"
    "  %d = %memory[i64(%words[2 * %wa]) + %k]\n"
    "  %order = i64(%c > %d) - i64(%c < %d)\n"
    "  %k += 1\n"
    "}\n"
    "if %order == 0 { %order = i64(%vs > %ws) - i64(%vs < %ws) }\n";

// Binds |macro| to one of two texts; strings are read as words and by address.
static void bind_elements(own_kernel *k, const char *macro, bool strings, const char *for_strings,
                          const char *for_numbers) {
  own_bind(k, "%s=%s", macro, strings ? for_strings : for_numbers);
  if (strings) {
    own_memory(k);
  } else {
    own_bind(k, "%%memory=local");
  }
}

// Temporaries of the kernel, sizes, and the launch: on a GPU a block of as many warps as there can
// be.
static void launch_unique(own_kernel *k, aicc_dim size, aicc_dim outer, aicc_dim inner) {
  static const char *const spare[] = {"a", "b", "group", "number"};
  own *o = k->o;
  const bool gpu = own_is_gpu(o);
  for (int i = 0; i < (gpu ? 4 : 3); i++) {
    own_buffer(k, spare[i], aicc_lower_temporary(o->lw, AICC_I32, &size, 1, spare[i]));
  }
  own_size(k, "outer", outer);
  own_size(k, "size", size);
  if (gpu) {
    own_gpu_scan(k, "add");
    own_bind(k, "WARPS=%d", own_gpu_warps(o, size));
  }
  own_size(k, "inner", inner);
  own_launch(k, own_const(o, 1),
             times(o, times(o, outer, times(o, size, inner)), own_const(o, 100)));
}

void own_lower_unique(own *o) {
  const aicc_type *x = own_type(o, 0);
  const bool flat = own_int(o, 0, 1) != 0, gpu = own_is_gpu(o);
  const int64_t given = own_int(o, 1, 0);
  const int axis = (int)(given < 0 ? given + x->rank : given);
  const aicc_dim one = own_const(o, 1), size = flat ? own_count(o, x) : x->dims[axis];
  const char *zero = x->dtype == AICC_BOOL ? "false" : "0";
  own_kernel k = own_begin(o, gpu ? "unique_block" : "unique");
  own_bind(&k, "T=%s", aicc_dtype_name(x->dtype));
  own_bind(&k, "C=%s", compared(x->dtype));
  own_bind(&k, "FLOAT=%s", truth(aicc_dtype_is_float(lk_compute_type(x->dtype))));
  own_bind(&k, "ZERO=%s", zero);
  own_bind(&k, "SORTED=%s", truth(own_int(o, 2, 1) != 0));
  own_buffer(&k, "x", own_operand(o, 0));
  const bool strings = x->dtype == AICC_STR;
  if (gpu) {
    own_bind(&k, "COMPARE=%s", compare_numbers);
  } else {
    bind_elements(&k, "COMPARE", strings, compare_strings, compare_numbers);
    if (strings) {
      own_buffer(&k, "words", own_operand(o, 0));
    } else {
      own_bind(&k, "%%words=local");
    }
  }
  static const char *const results[] = {"values", "first", "inverse", "counts", "found"};
  for (int i = 0; i < 5; i++) {
    own_buffer(&k, results[i], own_result(o, i));
  }
  launch_unique(&k, size, flat ? one : own_product(o, x, 0, axis),
                flat ? one : own_product(o, x, axis + 1, x->rank));
}

// --- tfidf ---------------------------------------------------------------------------------------

// Weights of the result's columns, from a constant operand of weights per n-gram.
static bool column_weights(own *o, int64_t grams, const int64_t *columns, int64_t width,
                           float *out) {
  for (int64_t c = 0; c < width; c++) {
    out[c] = 1;
  }
  if (!own_has(o, 2)) {
    return true;
  }
  const aicc_node *def = o->node->in[2]->def;
  if (def == NULL || def->op != AICC_OP_CONST) {
    aicc_lower_unsupported(o->lw, o->node, "the weights must be constant");
    return false;
  }
  const aicc_tensor *tensor = aicc_get_tensor(def, AICC_ATTR_VALUE);
  for (int64_t i = 0; i < grams && i < tensor->shape[0]; i++) {
    if (columns[i] >= 0 && columns[i] < width) {
      out[columns[i]] = (float)aicc_get_f64(tensor->dtype, tensor->data, (size_t)i);
    }
  }
  return true;
}

static const char same_numbers[] = "%same = %same && i64(%x[%xa]) == i64(%pool[%pa])\n";

static const char same_strings[] =
    "%bytes = i64(%x[2 * %xa + 1])\n"
    "%same = %same && %bytes == i64(%pool[2 * %pa + 1])\n"
    "var %b = 0\n"
    "while %same && %b < %bytes {\n"
    "  %same = %memory[i64(%x[2 * %xa]) + %b] == %memory[i64(%pool[2 * %pa]) + %b]\n"
    "  %b += 1\n"
    "}\n";

void own_lower_tfidf(own *o) {
  const aicc_type *x = own_type(o, 0), *y = &o->node->out[0]->type;
  int ints = 0;
  const int64_t *all = aicc_get_ints(o->node, AICC_ATTR_INTS, &ints);
  const int64_t most = own_int(o, 2, 1), lengths = own_int(o, 4, 0), grams = ints - 5 - lengths;
  int64_t width = 0, pool = 0;
  if (!known(o, y->dims[y->rank - 1], "the number of columns", &width) ||
      !known(o, own_type(o, 1)->dims[0], "the size of the pool", &pool)) {
    return;
  }
  const int64_t start_count = (most > lengths ? most : lengths) + 1;
  int64_t *starts = AICC_NEW_ARRAY(o->arena, int64_t, start_count);
  for (int64_t i = 0; i < start_count; i++) {
    starts[i] = i < lengths ? all[5 + i] : pool;
  }
  int64_t *columns = AICC_NEW_ARRAY(o->arena, int64_t, grams + 1);
  memcpy(columns, all + 5 + lengths, sizeof *columns * (size_t)grams);
  columns[grams] = -1;
  float *weights = AICC_NEW_ARRAY(o->arena, float, width + 1);
  if (!column_weights(o, grams, columns, width, weights)) {
    return;
  }
  own_kernel k = own_begin(o, "tfidf");
  const bool strings = x->dtype == AICC_STR;
  own_bind(&k, "T=%s", strings ? "u64" : aicc_dtype_name(x->dtype));
  own_bind(&k, "P=%s", strings ? "u64" : aicc_dtype_name(own_type(o, 1)->dtype));
  bind_elements(&k, "SAME", strings, same_strings, same_numbers);
  own_bind(&k, "MODE=%lld", (long long)own_int(o, 0, 0));
  own_bind(&k, "LEAST=%lld", (long long)own_int(o, 1, 1));
  own_bind(&k, "MOST=%lld", (long long)most);
  own_bind(&k, "SKIPS=%lld", (long long)own_int(o, 3, 0));
  own_buffer(&k, "x", own_operand(o, 0));
  own_buffer(&k, "pool", own_operand(o, 1));
  own_buffer(&k, "starts", own_table(o, AICC_I64, starts, start_count, "tfidf_starts"));
  own_buffer(&k, "columns", own_table(o, AICC_I64, columns, grams + 1, "tfidf_columns"));
  own_buffer(&k, "scale", own_table(o, AICC_F32, weights, width + 1, "tfidf_weights"));
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "size", x->dims[x->rank - 1]);
  own_size(&k, "width", y->dims[y->rank - 1]);
  const aicc_dim rows = own_product(o, x, 0, x->rank - 1);
  own_launch(&k, rows, times(o, own_count(o, x), own_const(o, 10 * (grams + 1))));
}
