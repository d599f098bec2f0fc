// QuantizeLinear, DequantizeLinear, DynamicQuantizeLinear and QLinearMatMul.
#include "frontend/import_quant.h"

// --- formulas ------------------------------------------------------------------------------------

aicc_value *aicc_quant_spread(aicc_builder *b, aicc_value *p, int rank, int axis) {
  if (!p || aicc_is_one_element(b, p)) {
    return p ? aicc_b_reshape(b, p, NULL, 0) : NULL;
  }
  return p->type.rank == 1 && rank > 0 ? aicc_along(b, p, rank, axis) : p;
}

aicc_value *aicc_dequantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero) {
  if (!x || !scale) {
    return NULL;
  }
  if (zero && !aicc_is_number(zero, 0)) {
    // Types of 32 bits do not fit f32 exactly before the difference is taken.
    const aicc_dtype between = aicc_dtype_size(x->type.dtype) >= 4 ? AICC_I32 : AICC_F32;
    x = aicc_sub(b, aicc_b_cast(b, x, between), aicc_b_cast(b, zero, between));
  }
  return x ? aicc_mul(b, aicc_b_cast(b, x, AICC_F32), aicc_b_cast(b, scale, AICC_F32)) : NULL;
}

static void integer_limits(aicc_dtype to, double *least, double *most) {
  const int bits = aicc_dtype_table[to].bits;
  const bool is_signed = aicc_dtype_kind_of(to) == AICC_KIND_SIGNED;
  *least = is_signed ? -(double)((int64_t)1 << (bits - 1)) : 0;
  *most = (double)(((int64_t)1 << (is_signed ? bits - 1 : bits)) - 1);
}

aicc_value *aicc_requantise(aicc_builder *b, aicc_value *x, aicc_value *zero, aicc_dtype to) {
  if (!x) {
    return NULL;
  }
  double least, most;
  integer_limits(to, &least, &most);
  // f32 holds every integer of the narrow types, which f16 does not.
  x = aicc_b_cast(b, aicc_b_unary(b, AICC_OP_ROUND, x), AICC_F32);
  if (zero && !aicc_is_number(zero, 0)) {
    x = aicc_add(b, x, aicc_b_cast(b, zero, AICC_F32));
  }
  x = aicc_max(b, x, aicc_b_scalar(b, AICC_F32, least));
  x = aicc_min(b, x, aicc_b_scalar(b, AICC_F32, most));
  return x ? aicc_b_cast(b, x, to) : NULL;
}

aicc_value *aicc_quantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero,
                          aicc_dtype to) {
  return aicc_requantise(b, aicc_div(b, x, scale), zero, to);
}

aicc_quantised aicc_quantise_dynamic(aicc_builder *b, aicc_value *x, int own) {
  aicc_value *null = aicc_b_scalar(b, AICC_F32, 0);
  int64_t axes[AICC_MAX_RANK];
  int count = 0;
  for (int i = own; x && own > 0 && i < x->type.rank; i++) {
    axes[count++] = i;
  }
  const bool keep = own > 0;
  const int64_t *which = keep ? axes : NULL;
  aicc_value *least = aicc_b_reduce(b, AICC_OP_REDUCE_MIN, x, which, count, keep);
  aicc_value *most = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, x, which, count, keep);
  least = aicc_min(b, least, null);
  most = aicc_max(b, most, null);
  aicc_value *range = aicc_sub(b, most, least);
  // Where all is zero any scale will do, but 0.
  aicc_value *scale =
      aicc_b_select(b, aicc_b_binary(b, AICC_OP_EQ, range, null), aicc_b_scalar(b, AICC_F32, 1),
                    aicc_div_number(b, range, 255));
  aicc_value *zero = aicc_requantise(b, aicc_div(b, aicc_sub(b, null, least), scale), NULL,
                                     AICC_U8);
  return (aicc_quantised){
      .y = aicc_quantise(b, x, scale, zero, AICC_U8), .scale = scale, .zero = zero};
}

aicc_value *aicc_in_dequantised(aicc_importer *im, const aicc_onnx_node *n, int i) {
  aicc_builder *b = &im->b;
  return aicc_dequantise(b, aicc_in(n, i), aicc_quant_spread(b, aicc_in(n, i + 1), 0, 0),
                         aicc_quant_spread(b, aicc_in(n, i + 2), 0, 0));
}

aicc_status aicc_set_quantised(aicc_importer *im, const aicc_onnx_node *n, int i, aicc_value *y,
                               aicc_dtype otherwise) {
  aicc_builder *b = &im->b;
  aicc_value *zero = aicc_in(n, i + 1);
  const aicc_dtype to = zero ? zero->type.dtype : otherwise;
  if (!aicc_dtype_is_int(to) || aicc_dtype_size(to) > 2) {
    return aicc_unsupported(im, n, "a result of type %s", aicc_dtype_name(to));
  }
  return aicc_set_out(im, n, 0,
                      aicc_quantise(b, y, aicc_quant_spread(b, aicc_in(n, i), 0, 0),
                                    aicc_quant_spread(b, zero, 0, 0), to));
}

// --- scales per tensor, axis or block ------------------------------------------------------------

typedef struct blocks {
  int axis;
  int64_t size;  // 0: not blocked
} blocks;

static aicc_status read_blocks(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                               const aicc_value *scale, blocks *out) {
  *out = (blocks){.size = aicc_onnx_int(n, "block_size", 0)};
  const int64_t axis = aicc_onnx_int(n, "axis", 1);
  const bool is_single = aicc_is_one_element(&im->b, scale);
  if (is_single && out->size == 0) {
    return AICC_OK;  // the axis does not matter, and may be out of range
  }
  if (!is_single && scale->type.rank == 1 && x->type.rank == 1) {
    out->axis = 0;  // the default axis, 1, is not one of x's
  } else {
    AICC_TRY(aicc_axis(im, n, axis, x->type.rank, &out->axis));
  }
  if (out->size == 0 && scale->type.rank == 1) {
    return AICC_OK;
  }
  if (out->size <= 0 || scale->type.rank != x->type.rank) {
    return aicc_invalid(im, n, "a scale of %d dimensions with block_size %lld", scale->type.rank,
                        (long long)out->size);
  }
  return AICC_OK;
}

aicc_value *aicc_quant_repeat(aicc_builder *b, aicc_value *p, const aicc_value *x, int axis,
                              int64_t block) {
  if (!p) {
    return NULL;
  }
  aicc_dims *dims = b->module->dims;
  aicc_dim shape[AICC_MAX_RANK + 1];
  const int rank = p->type.rank;
  const aicc_dim size = aicc_dim_const(dims, block), count = p->type.dims[axis];
  for (int i = 0; i <= rank; i++) {
    shape[i] = i <= axis ? p->type.dims[i] : i == axis + 1 ? size : p->type.dims[i - 1];
  }
  p = aicc_b_broadcast(b, aicc_b_unsqueeze(b, p, axis + 1), shape, rank + 1);
  for (int i = 0; p && i < rank; i++) {
    shape[i] = i == axis ? aicc_dim_mul(dims, count, size) : x->type.dims[i];
  }
  p = aicc_b_reshape(b, p, shape, rank);
  return p ? aicc_b_slice(b, p, axis, aicc_dim_const(dims, 0), x->type.dims[axis], 1) : NULL;
}

static aicc_value *spread(aicc_builder *b, aicc_value *p, const aicc_value *x, const blocks *k) {
  return k->size ? aicc_quant_repeat(b, p, x, k->axis, k->size)
                 : aicc_quant_spread(b, p, x->type.rank, k->axis);
}

// --- operators -----------------------------------------------------------------------------------

static aicc_status read_dtype(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                              aicc_dtype otherwise, aicc_dtype *out) {
  const int64_t type = aicc_onnx_int(n, name, 0);
  *out = otherwise;
  if (type != 0 && !aicc_dtype_from_onnx((int)type, out)) {
    return aicc_unsupported(im, n, "%s %lld", name, (long long)type);
  }
  return AICC_OK;
}

static bool is_small_float(aicc_dtype t) { return aicc_dtype_kind_of(t) == AICC_KIND_FLOAT8; }

aicc_status import_quantize_linear(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *scale = aicc_in(n, 1), *zero = aicc_in(n, 2);
  const int64_t saturate = aicc_onnx_int(n, "saturate", 1);
  blocks k;
  aicc_dtype to, precision;
  AICC_TRY(read_blocks(im, n, x, scale, &k));
  AICC_TRY(read_dtype(im, n, "output_dtype", zero ? zero->type.dtype : AICC_U8, &to));
  const aicc_dtype scale_type = scale->type.dtype;
  const bool divides = aicc_dtype_is_float(scale_type);
  AICC_TRY(read_dtype(im, n, "precision", divides ? scale_type : AICC_F32, &precision));
  if (!aicc_dtype_is_float(precision)) {
    return aicc_unsupported(im, n, "division in %s", aicc_dtype_name(precision));
  }
  scale = aicc_b_cast(b, spread(b, scale, x, &k), precision);
  aicc_value *y = aicc_div(b, aicc_b_cast(b, x, precision), scale);
  if (is_small_float(to)) {
    y = y ? aicc_b_cast(b, y, to) : NULL;
    if (y && !saturate) {
      aicc_set_int(im->module, y->def, AICC_ATTR_SATURATE, 0);
    }
    return aicc_set_out(im, n, 0, y);
  }
  if (!aicc_dtype_is_int(to) || aicc_dtype_size(to) > 2) {
    return aicc_unsupported(im, n, "a result of type %s", aicc_dtype_name(to));
  }
  return aicc_set_out(im, n, 0, aicc_requantise(b, y, spread(b, zero, x, &k), to));
}

aicc_status import_dequantize_linear(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *scale = aicc_in(n, 1), *zero = aicc_in(n, 2);
  blocks k;
  aicc_dtype to;
  AICC_TRY(read_blocks(im, n, x, scale, &k));
  AICC_TRY(read_dtype(im, n, "output_dtype", scale->type.dtype, &to));
  zero = is_small_float(x->type.dtype) ? NULL : zero;  // those have none but 0
  aicc_value *y = aicc_dequantise(b, x, spread(b, scale, x, &k), spread(b, zero, x, &k));
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, to) : NULL);
}

aicc_status import_dynamic_quantize_linear(aicc_importer *im, const aicc_onnx_node *n,
                                           int payload) {
  (void)payload;
  const aicc_quantised q = aicc_quantise_dynamic(&im->b, aicc_in(n, 0), 0);
  AICC_TRY(aicc_set_out(im, n, 0, q.y));
  AICC_TRY(aicc_set_out(im, n, 1, q.scale));
  return aicc_set_out(im, n, 2, q.zero);
}

// A scale or zero point of a matrix: one element, one per row (|axis| rank - 2) or per column.
static aicc_value *of_matrix(aicc_builder *b, aicc_value *p, const aicc_value *matrix, bool rows) {
  const int rank = matrix->type.rank;
  return aicc_quant_spread(b, p, rank, rows && rank > 1 ? rank - 2 : rank - 1);
}

aicc_status import_qlinear_matmul(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 3), *zero = aicc_in(n, 7);
  const aicc_dtype to = zero->type.dtype;
  if (x->type.rank < 2 || y->type.rank < 2) {
    return aicc_unsupported(im, n, "operands of less than 2 dimensions");
  }
  if (is_small_float(to) || is_small_float(x->type.dtype) || is_small_float(y->type.dtype)) {
    return aicc_unsupported(im, n, "operands of type %s", aicc_dtype_name(to));
  }
  aicc_value *left = aicc_without_zero(b, x, aicc_in(n, 2), x->type.rank - 2);
  aicc_value *right = aicc_without_zero(b, y, aicc_in(n, 5), y->type.rank - 1);
  aicc_value *z = aicc_b_cast(b, aicc_b_matmul(b, left, right), AICC_F32);
  if (!z) {
    return AICC_INVALID;
  }
  aicc_value *scale = aicc_mul(b, of_matrix(b, aicc_in(n, 1), z, true),
                               of_matrix(b, aicc_in(n, 4), z, false));
  scale = aicc_div(b, scale, of_matrix(b, aicc_in(n, 6), z, true));
  z = aicc_mul(b, z, scale ? aicc_b_cast(b, scale, AICC_F32) : NULL);
  if (!z) {
    return AICC_INVALID;
  }
  return aicc_set_out(im, n, 0, aicc_requantise(b, z, of_matrix(b, zero, z, true), to));
}
