// The narrow pass: contractions of 8-bit integers, for machines that have matrix instructions of
// them.
//
// Quantised operators are imported as they are defined: (x - p) . (y - q) in i32, x and y cast from
// bytes, p and q their zero points. With sums over k this is
//
//   x . y - p * (sum of y) - q * (sum of x - k * p)
//
// where x . y multiplies bytes ({to = i32}). i32 wraps, so that the result is the same, bit for
// bit. The sum of a constant is computed here; a zero point that is 0 costs nothing. The padding of
// a convolution stands for p, not for 0, where there is a p: then it becomes a node.
//
// Constants are bytes again where their range is at most 255, whatever zero point was taken off.
// What does not fit stays in i32: zero points of each input channel. Depthwise filters have so few
// taps that f32 holds their sums exactly: they become convolutions of floats.
//
// CPUs multiply unsigned bytes x, rows that lie along k, by signed constants y alone: 128 is
// added to an x of i8 and its zero point, and taken off a y of u8.
#include <string.h>

#include "ir/build.h"
#include "passes/narrow.h"
#include "passes/rewrite.h"

typedef struct narrow {
  aicc_pass_context *pass;
  aicc_module *module;
  aicc_builder b;
  aicc_rewrite rewrite;
  bool words;  // the machine is a CPU
  size_t count;
} narrow;

// bytes - zero: a tensor of i32 as the contraction sees it.
typedef struct operand {
  aicc_value *bytes;
  aicc_value *zero;  // i32, broadcasts to |bytes|; NULL: 0
  bool constant;
} operand;

// --- operands ------------------------------------------------------------------------------------

static int64_t elements_of(const aicc_tensor *t) {
  int64_t count = 1;
  for (int i = 0; i < t->rank; i++) {
    count *= t->shape[i];
  }
  return count;
}

// |t| (integers that |type| holds after |less| is taken off) as a constant of |type|.
static aicc_value *constant_of(narrow *n, const aicc_tensor *t, aicc_dtype type, int64_t less) {
  const int64_t count = elements_of(t);
  const size_t bytes = (size_t)count * aicc_dtype_size(type);
  aicc_buf *buf = aicc_buf_create_large(bytes + 1);
  uint8_t *data = aicc_buf_data_mut(buf);
  for (int64_t i = 0; i < count; i++) {
    aicc_set_i64(type, data, (size_t)i, aicc_get_i64(t->dtype, t->data, (size_t)i) - less);
  }
  aicc_module_keep_buf(n->module, buf);
  aicc_buf_release(buf);
  const aicc_tensor narrowed = {
      .dtype = type, .rank = t->rank, .shape = t->shape, .data = data, .buf = buf};
  return aicc_b_const(&n->b, &narrowed);
}

// |t| - |zero| as bytes and a zero point, best none; false: they span more.
static bool narrow_constant(narrow *n, const aicc_tensor *t, int64_t zero, operand *out) {
  const int64_t count = elements_of(t);
  int64_t least = 0, most = 0;
  for (int64_t i = 0; i < count; i++) {
    const int64_t x = aicc_get_i64(t->dtype, t->data, (size_t)i) - zero;
    least = x < least ? x : least;
    most = x > most ? x : most;
  }
  if (most - least > 255) {
    return false;
  }
  const bool small = least >= -128 && most <= 127, fits = small || (least == 0 && !n->words);
  const bool is_signed = small || n->words;
  const int64_t less = fits ? 0 : is_signed ? least + 128 : least;
  *out = (operand){.constant = true};
  out->bytes = constant_of(n, t, is_signed ? AICC_I8 : AICC_U8, zero + less);
  out->zero = fits ? NULL : aicc_b_scalar_i64(&n->b, AICC_I32, -less);
  return true;
}

static aicc_value *bytes_of(const aicc_value *x) {
  const aicc_node *def = x->def;
  return def && def->op == AICC_OP_CAST && aicc_dtype_is_byte(def->in[0]->type.dtype) ? def->in[0]
                                                                                      : NULL;
}

static bool read_operand(narrow *n, aicc_value *x, operand *out) {
  const aicc_tensor *tensor = x->def && x->def->op == AICC_OP_CONST
                                  ? aicc_get_tensor(x->def, AICC_ATTR_VALUE)
                                  : NULL;
  if (tensor) {
    return narrow_constant(n, tensor, 0, out);
  }
  *out = (operand){.bytes = bytes_of(x)};
  if (!out->bytes && x->def && x->def->op == AICC_OP_SUB) {
    out->bytes = bytes_of(x->def->in[0]);
    out->zero = x->def->in[1];
  }
  if (!out->bytes || !aicc_type_same_shape(&out->bytes->type, &x->type)) {
    return false;
  }
  const aicc_node *def = out->bytes->def;
  out->constant = def && def->op == AICC_OP_CONST;
  const aicc_tensor *zero = out->zero ? aicc_value_constant(out->zero) : NULL;
  if (out->constant && (!out->zero || (zero && elements_of(zero) == 1))) {
    const int64_t number = zero ? aicc_get_i64(zero->dtype, zero->data, 0) : 0;
    operand better;
    if (narrow_constant(n, aicc_get_tensor(def, AICC_ATTR_VALUE), number, &better)) {
      *out = better;
    }
  }
  return true;
}

static aicc_value *plus(narrow *n, aicc_value *zero, int64_t number) {
  const aicc_tensor *t = zero ? aicc_value_constant(zero) : NULL;
  aicc_value *shift = t ? NULL : aicc_b_scalar_i64(&n->b, AICC_I32, number);
  return t      ? constant_of(n, t, AICC_I32, -number)
         : zero ? aicc_b_binary(&n->b, AICC_OP_ADD, zero, shift)
                : shift;
}

// x of i8 as u8, in place.
static void without_sign(narrow *n, operand *x) {
  aicc_value *wide = aicc_b_cast(&n->b, x->bytes, AICC_I32);
  const aicc_value *byte = x->zero ? bytes_of(x->zero) : NULL;
  x->bytes = aicc_b_cast(&n->b, plus(n, wide, 128), AICC_U8);
  x->zero = plus(n, x->zero, 128);
  if (byte && byte->type.dtype == AICC_I8) {  // its zero point is a byte, too
    x->zero = aicc_b_cast(&n->b, aicc_b_cast(&n->b, x->zero, AICC_U8), AICC_I32);
  }
}

// A constant of u8 as i8, in place.
static void with_sign(narrow *n, operand *x) {
  x->bytes = constant_of(n, aicc_get_tensor(x->bytes->def, AICC_ATTR_VALUE), AICC_I8, 128);
  x->zero = plus(n, x->zero, -128);
}

// Both operands of |node|; false: they are not bytes that the machine multiplies.
static bool read_operands(narrow *n, const aicc_node *node, operand *x, operand *y) {
  if (!read_operand(n, node->in[0], x) || !read_operand(n, node->in[1], y) ||
      (x->constant && y->constant) || (n->words && !y->constant)) {
    return false;
  }
  if (n->words && x->bytes->type.dtype == AICC_I8) {
    without_sign(n, x);
  }
  if (n->words && y->bytes->type.dtype == AICC_U8) {
    with_sign(n, y);
  }
  return true;
}

// --- sums ----------------------------------------------------------------------------------------

// Sums of a constant over |axes|, which stay as 1.
static aicc_value *sum_constant(narrow *n, const aicc_tensor *t, const bool *summed) {
  int64_t shape[AICC_MAX_RANK], count = 1;
  for (int i = 0; i < t->rank; i++) {
    shape[i] = summed[i] ? 1 : t->shape[i];
    count *= shape[i];
  }
  int32_t *sums = AICC_NEW_ARRAY(&n->module->arena, int32_t, count + 1);
  const int64_t all = elements_of(t);
  for (int64_t i = 0; i < all; i++) {
    int64_t rest = i, at = 0, pitch = 1;
    for (int d = t->rank - 1; d >= 0; d--) {
      at += summed[d] ? 0 : rest % t->shape[d] * pitch;
      pitch *= shape[d];
      rest /= t->shape[d];
    }
    const uint32_t x = (uint32_t)aicc_get_i64(t->dtype, t->data, (size_t)i);
    sums[at] = (int32_t)((uint32_t)sums[at] + x);
  }
  const aicc_tensor result = {
      .dtype = AICC_I32,
      .rank = t->rank,
      .shape = aicc_arena_memdup(&n->module->arena, shape, sizeof shape),
      .data = sums};
  return aicc_b_const(&n->b, &result);
}

static aicc_value *sum_over(narrow *n, const operand *x, const bool *summed) {
  if (x->constant) {
    return sum_constant(n, aicc_get_tensor(x->bytes->def, AICC_ATTR_VALUE), summed);
  }
  int64_t axes[AICC_MAX_RANK];
  int count = 0;
  for (int i = 0; i < x->bytes->type.rank; i++) {
    if (summed[i]) {
      axes[count++] = i;
    }
  }
  aicc_value *wide = aicc_b_cast(&n->b, x->bytes, AICC_I32);
  return aicc_b_reduce(&n->b, AICC_OP_REDUCE_SUM, wide, axes, count, true);
}

static aicc_value *binary(narrow *n, aicc_op op, aicc_value *x, aicc_value *y) {
  return x && y ? aicc_b_binary(&n->b, op, x, y) : NULL;
}

// |product| - p * y_sum - q * (x_sum - k * p).
static aicc_value *corrected(narrow *n, aicc_value *product, aicc_value *p, aicc_value *y_sum,
                             aicc_value *q, aicc_value *x_sum, aicc_dim k) {
  if (p) {
    product = binary(n, AICC_OP_SUB, product, binary(n, AICC_OP_MUL, y_sum, p));
  }
  if (q) {
    if (p) {
      aicc_value *size = aicc_b_cast(&n->b, aicc_b_from_dim(&n->b, k), AICC_I32);
      x_sum = binary(n, AICC_OP_SUB, x_sum, binary(n, AICC_OP_MUL, p, size));
    }
    product = binary(n, AICC_OP_SUB, product, binary(n, AICC_OP_MUL, x_sum, q));
  }
  return product;
}

static void finish(narrow *n, aicc_node *node, aicc_value *result) {
  aicc_rewrite_replace(&n->rewrite, node->out[0], result);
  aicc_node_unlink(node);
  n->count++;
}

// --- matrix multiplies ---------------------------------------------------------------------------

// Whether the zero point does not depend on k, dimension |k_axis| of |x| from its end.
static bool suits(const narrow *n, const operand *x, int k_axis, bool transposed) {
  const aicc_type *zero = x->zero ? &x->zero->type : NULL;
  if (!zero || aicc_type_is_single(n->module, &x->zero->type)) {
    return true;
  }
  // Transposed, rows would be columns of the zero point, which the result has the other way around.
  return !transposed && (zero->rank < k_axis ||
                         aicc_dim_is(n->module->dims, zero->dims[zero->rank - k_axis], 1));
}

// A sum with k as 1, in the result's order of dimensions.
static aicc_value *matrix_sum(narrow *n, const operand *x, int k_axis, bool transposed) {
  const int rank = x->bytes->type.rank;
  bool summed[AICC_MAX_RANK] = {false};
  summed[rank - k_axis] = true;
  aicc_value *sum = sum_over(n, x, summed);
  if (!transposed || !sum) {
    return sum;
  }
  int64_t perm[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    perm[i] = i;
  }
  perm[rank - 2] = rank - 1;
  perm[rank - 1] = rank - 2;
  return aicc_b_transpose(&n->b, sum, perm);
}

static void narrow_matmul(narrow *n, aicc_node *node) {
  const bool trans_a = aicc_get_int(node, AICC_ATTR_TRANS_A, 0) != 0;
  const bool trans_b = aicc_get_int(node, AICC_ATTR_TRANS_B, 0) != 0;
  const int a_k = trans_a ? 2 : 1, b_k = trans_b ? 1 : 2;  // from the end
  operand a, b;
  if (!read_operands(n, node, &a, &b) || aicc_narrow_refuses(n->pass, node, b.zero != NULL) ||
      !suits(n, &a, a_k, trans_a) || !suits(n, &b, b_k, trans_b)) {
    return;
  }
  aicc_value *in[] = {a.bytes, b.bytes};
  aicc_node *bytes = aicc_node_create(n->module, AICC_OP_MATMUL, in, 2, 1);
  aicc_attrs_copy(n->module, bytes, node);
  aicc_set_dtype(n->module, bytes, AICC_ATTR_TO, AICC_I32);
  aicc_value *product = aicc_b_finish(&n->b, bytes);
  const aicc_dim k = a.bytes->type.dims[a.bytes->type.rank - a_k];
  aicc_value *b_sum = a.zero ? matrix_sum(n, &b, b_k, trans_b) : NULL;
  aicc_value *a_sum = b.zero ? matrix_sum(n, &a, a_k, trans_a) : NULL;
  product = corrected(n, product, a.zero, b_sum, b.zero, a_sum, k);
  if (product) {
    finish(n, node, product);
  }
}

// --- convolutions --------------------------------------------------------------------------------

// The zero point as a byte of the type that it is the zero of; NULL: it may be none.
static aicc_value *zero_byte(narrow *n, const operand *x) {
  const aicc_dtype type = x->bytes->type.dtype;
  const aicc_tensor *constant = aicc_value_constant(x->zero);
  aicc_value *byte = bytes_of(x->zero);
  if (constant) {
    const int64_t number = aicc_get_i64(constant->dtype, constant->data, 0);
    const int64_t least = type == AICC_I8 ? -128 : 0;
    return number >= least && number <= least + 255 ? aicc_b_scalar_i64(&n->b, type, number)
                                                    : NULL;
  }
  return byte && byte->type.dtype == type ? aicc_b_reshape(&n->b, byte, NULL, 0) : NULL;
}

// What padding is needed before and behind each spatial dimension; false: none.
static bool padding_of(narrow *n, const aicc_node *node, aicc_dim *low, aicc_dim *high) {
  aicc_dims *dims = n->module->dims;
  const aicc_type *x = &node->in[0]->type;
  int count;
  const int64_t *strides = aicc_get_ints(node, AICC_ATTR_STRIDES, &count);
  const int64_t *dilations = aicc_get_ints(node, AICC_ATTR_DILATIONS, &count);
  const aicc_dim *pads = aicc_get_dims(node, AICC_ATTR_PADS, &count);
  const aicc_dim zero = aicc_dim_const(dims, 0), one = aicc_dim_const(dims, 1);
  bool needed = false;
  low[0] = low[1] = high[0] = high[1] = zero;
  for (int i = 0; i + 2 < x->rank; i++) {
    const aicc_dim taps = aicc_dim_sub(dims, node->in[1]->type.dims[2 + i], one);
    const aicc_dim steps = aicc_dim_sub(dims, node->out[0]->type.dims[2 + i], one);
    const aicc_dim moved =
        aicc_dim_mul(dims, steps, aicc_dim_const(dims, strides ? strides[i] : 1));
    const aicc_dim wide =
        aicc_dim_mul(dims, taps, aicc_dim_const(dims, dilations ? dilations[i] : 1));
    const aicc_dim reach = aicc_dim_add(dims, aicc_dim_add(dims, moved, wide), one);
    low[2 + i] = pads ? pads[i] : zero;
    const aicc_dim behind =
        aicc_dim_sub(dims, aicc_dim_sub(dims, reach, x->dims[2 + i]), low[2 + i]);
    high[2 + i] = aicc_dim_ge(dims, zero, behind) ? zero : aicc_dim_max(dims, zero, behind);
    needed |= !aicc_dim_is(dims, low[2 + i], 0) || !aicc_dim_is(dims, high[2 + i], 0);
  }
  return needed;
}

// The convolution of |x| by |w| as |node| is one, in i32; |biased|: with its bias.
static aicc_value *conv_bytes(narrow *n, const aicc_node *node, aicc_value *x, aicc_value *w,
                              bool padded, bool biased) {
  const bool has_bias = biased && node->in_count > 2 && node->in[2];
  aicc_value *in[] = {x, w, has_bias ? node->in[2] : NULL};
  aicc_node *conv = aicc_node_create(n->module, AICC_OP_CONV, in, has_bias ? 3 : 2, 1);
  aicc_attrs_copy(n->module, conv, node);
  aicc_set_dtype(n->module, conv, AICC_ATTR_TO, AICC_I32);
  if (padded) {
    aicc_attr_remove(conv, AICC_ATTR_PADS);
  }
  aicc_dim dims[AICC_MAX_RANK];
  const aicc_type *type = &node->out[0]->type;
  memcpy(dims, type->dims, (size_t)type->rank * sizeof *dims);
  dims[1] = w->type.dims[0];
  conv->out[0]->type = aicc_type_tensor(n->module, AICC_I32, dims, type->rank);
  return aicc_b_finish(&n->b, conv);
}

// Sums of each window of |x|, of one channel: a convolution by ones.
static aicc_value *window_sums(narrow *n, const aicc_node *node, aicc_value *x, bool padded) {
  aicc_dims *dims = n->module->dims;
  const aicc_type *w = &node->in[1]->type;
  int64_t shape[AICC_MAX_RANK], count = 1;
  shape[0] = 1;
  for (int i = 1; i < w->rank; i++) {
    if (!aicc_dim_is_const(dims, w->dims[i], &shape[i])) {
      return NULL;
    }
    count *= shape[i];
  }
  uint8_t *ones = aicc_arena_alloc(&n->module->arena, (size_t)count);
  memset(ones, 1, (size_t)count);
  const aicc_tensor tensor = {
      .dtype = AICC_I8,
      .rank = w->rank,
      .shape = aicc_arena_memdup(&n->module->arena, shape, sizeof shape),
      .data = ones};
  return conv_bytes(n, node, x, aicc_b_const(&n->b, &tensor), padded, false);
}

// A zero point of the filters as [filters, 1..], from [filters, 1, 1..]; of one element as it is.
static aicc_value *filter_zero(narrow *n, aicc_value *zero, int rank) {
  aicc_dims *dims = n->module->dims;
  if (!zero || aicc_type_is_single(n->module, &zero->type)) {
    return zero ? aicc_b_reshape(&n->b, zero, NULL, 0) : NULL;
  }
  aicc_dim shape[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    if (zero->type.rank != rank || (i > 0 && !aicc_dim_is(dims, zero->type.dims[i], 1))) {
      return NULL;
    }
    shape[i] = aicc_dim_const(dims, 1);
  }
  shape[0] = zero->type.dims[0];
  return aicc_b_reshape(&n->b, zero, shape, rank - 1);  // beside [N, M, s..]
}

// Sums of each filter, beside [N, M, s..].
static aicc_value *filter_sums(narrow *n, const operand *w, int rank) {
  bool summed[AICC_MAX_RANK] = {false};
  for (int i = 1; i < rank; i++) {
    summed[i] = true;
  }
  return aicc_b_leading(&n->b, sum_over(n, w, summed), rank - 1);
}

// --- few terms -----------------------------------------------------------------------------------

// Whether every element of |t| lies from |least| to |most|.
static bool is_within(const aicc_tensor *t, int64_t least, int64_t most) {
  for (int64_t i = 0; i < elements_of(t); i++) {
    const int64_t x = aicc_get_i64(t->dtype, t->data, (size_t)i);
    if (x < least || x > most) {
      return false;
    }
  }
  return true;
}

// Whether differences from the zero point are at most 255: it is a byte as they are.
static bool zero_fits(const operand *x) {
  const aicc_tensor *t = x->zero ? aicc_value_constant(x->zero) : NULL;
  const aicc_value *byte = x->zero ? bytes_of(x->zero) : NULL;
  const aicc_dtype type = x->bytes->type.dtype;
  const int64_t least = type == AICC_I8 ? -128 : 0;
  return t ? is_within(t, least, least + 255) : !x->zero || (byte && byte->type.dtype == type);
}

// |x|, integers of i32, in f32; NULL: they might be larger than 255.
static aicc_value *small_floats(narrow *n, aicc_value *x) {
  const aicc_tensor *t = aicc_value_constant(x);
  operand bytes;
  if (t) {
    return is_within(t, -255, 255) ? aicc_b_cast(&n->b, x, AICC_F32) : NULL;
  }
  if (!read_operand(n, x, &bytes) || !zero_fits(&bytes)) {
    return NULL;
  }
  aicc_value *wide = aicc_b_cast(&n->b, bytes.bytes, AICC_F32);
  return bytes.zero ? binary(n, AICC_OP_SUB, wide, aicc_b_cast(&n->b, bytes.zero, AICC_F32))
                    : wide;
}

// Groups of few channels fill no matrix.
static bool is_thin(const aicc_module *module, const aicc_node *node) {
  int64_t channels = 0;
  aicc_dim_is_const(module->dims, node->in[1]->type.dims[1], &channels);
  return aicc_get_int(node, AICC_ATTR_GROUP, 1) > 1 && channels < 4;
}

// A convolution of so few terms that f32 holds every sum of products of differences of bytes.
static void float_conv(narrow *n, aicc_node *node) {
  int64_t terms;
  const aicc_type *filters = &node->in[1]->type;
  const aicc_dim k = aicc_dim_product(n->module->dims, filters->dims + 1, filters->rank - 1);
  const bool few = aicc_dim_is_const(n->module->dims, k, &terms) && terms * 255 * 255 < 1 << 24;
  aicc_value *x = few ? small_floats(n, node->in[0]) : NULL;
  aicc_value *w = x ? small_floats(n, node->in[1]) : NULL;
  if (!w) {
    return;
  }
  aicc_value *in[] = {x, w};
  aicc_node *conv = aicc_node_create(n->module, AICC_OP_CONV, in, 2, 1);
  aicc_attrs_copy(n->module, conv, node);
  const aicc_type *type = &node->out[0]->type;
  conv->out[0]->type = aicc_type_tensor(n->module, AICC_F32, type->dims, type->rank);
  aicc_value *sum = aicc_b_cast(&n->b, aicc_b_finish(&n->b, conv), AICC_I32);
  if (node->in_count > 2 && node->in[2]) {
    sum = binary(n, AICC_OP_ADD, sum, aicc_b_leading(&n->b, node->in[2], type->rank - 1));
  }
  if (sum) {
    finish(n, node, sum);
  }
}

static void narrow_conv(narrow *n, aicc_node *node) {
  const int rank = node->in[0]->type.rank;
  operand x, w;
  if (is_thin(n->module, node)) {
    float_conv(n, node);
    return;
  }
  if (!read_operands(n, node, &x, &w) || aicc_narrow_refuses(n->pass, node, w.zero != NULL) ||
      (x.zero && !aicc_type_is_single(n->module, &x.zero->type))) {
    return;
  }
  aicc_value *q = filter_zero(n, w.zero, rank);
  aicc_value *p = x.zero ? aicc_b_reshape(&n->b, x.zero, NULL, 0) : NULL;
  if (w.zero && !q) {
    return;
  }
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  aicc_value *bytes = x.bytes;
  const bool padded = x.zero && padding_of(n, node, low, high);
  if (padded) {
    aicc_value *fill = zero_byte(n, &x);
    bytes = fill ? aicc_b_pad(&n->b, bytes, fill, low, high, "constant") : NULL;
  }
  aicc_value *x_sum = bytes && q ? window_sums(n, node, bytes, padded) : NULL;
  if (!bytes || (q && !x_sum)) {
    return;
  }
  const aicc_dim k = aicc_dim_product(n->module->dims, w.bytes->type.dims + 1, rank - 1);
  aicc_value *w_sum = p ? filter_sums(n, &w, rank) : NULL;
  aicc_value *product = conv_bytes(n, node, bytes, w.bytes, padded, true);
  product = corrected(n, product, p, w_sum, q, x_sum, k);
  if (product) {
    finish(n, node, product);
  }
}

// --- what is taken -------------------------------------------------------------------------------

static const char *refused_conv(const aicc_pass_context *pass, const aicc_node *node,
                                bool has_zero) {
  const int rank = node->in[0]->type.rank;
  const bool nchw = strcmp(aicc_get_string(node, AICC_ATTR_LAYOUT, "nchw"), "nchw") == 0;
  const bool grouped = aicc_get_int(node, AICC_ATTR_GROUP, 1) > 1;
  return !nchw || rank < 3 || rank > 5 ? "it does not run over one to three dimensions"
         : is_thin(pass->module, node) ? "its groups have fewer than 4 channels"
         : grouped && has_zero         ? "it has groups, and its filters a zero point"
                                       : NULL;
}

const char *aicc_narrow_refuses(const aicc_pass_context *pass, const aicc_node *node,
                                bool has_zero) {
  if (node->op == AICC_OP_CONV) {
    return refused_conv(pass, node, has_zero);
  }
  return pass->machine->kind == AICC_MACHINE_CPU && aicc_get_int(node, AICC_ATTR_TRANS_A, 0) != 0
             ? "its first operand is transposed"
             : NULL;
}

// --- the pass ------------------------------------------------------------------------------------

static void visit(void *context, aicc_node *node) {
  narrow *n = context;
  aicc_rewrite_operands(&n->rewrite, node);
  if ((node->op != AICC_OP_MATMUL && node->op != AICC_OP_CONV) ||
      node->out[0]->type.dtype != AICC_I32 || node->in[0]->type.dtype != AICC_I32) {
    return;
  }
  n->b.region = node->parent;
  n->b.before = node;
  n->b.origins = node->origins;
  n->b.origin_count = node->origin_count;
  (node->op == AICC_OP_MATMUL ? narrow_matmul : narrow_conv)(n, node);
}

aicc_status aicc_pass_narrow(aicc_pass_context *pass) {
  if (!pass->machine || !aicc_machine_multiplies_bytes(pass->machine)) {
    return AICC_OK;
  }
  narrow n = {.pass = pass, .module = pass->module,
              .words = pass->machine->kind == AICC_MACHINE_CPU};
  n.b = (aicc_builder){.module = pass->module, .diags = pass->diags};
  aicc_rewrite_init(&n.rewrite, pass->module, pass->scratch);
  aicc_region_visit(pass->module->body, visit, &n);
  aicc_rewrite_finish(&n.rewrite);
  aicc_pass_report(pass, "narrow", "%zu contractions of bytes", n.count);
  return AICC_OK;
}
