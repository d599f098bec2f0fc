// Quantised operators of com.microsoft: dequantise, compute in f32, quantise.
#include "frontend/import_quant.h"
#include "frontend/import_window.h"

// States |y| quantised with inputs |i| and i + 1, as x's type without a zero point.
static aicc_status set_quantised(aicc_importer *im, const aicc_onnx_node *n, int i,
                                 aicc_value *y) {
  return aicc_set_quantised(im, n, i, y, aicc_in(n, 0)->type.dtype);
}

aicc_status import_qlinear_binary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *x = aicc_in_dequantised(im, n, 0), *y = aicc_in_dequantised(im, n, 3);
  return set_quantised(im, n, 6, aicc_b_binary(&im->b, (aicc_op)payload, x, y));
}

aicc_status import_qlinear_unary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  return set_quantised(im, n, 3,
                       aicc_b_unary(&im->b, (aicc_op)payload, aicc_in_dequantised(im, n, 0)));
}

aicc_status import_qlinear_leaky_relu(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const double alpha = (double)aicc_onnx_float(n, "alpha", 0.01F);
  aicc_value *x = aicc_in_dequantised(im, n, 0);
  aicc_value *negative = x ? aicc_b_binary(b, AICC_OP_LT, x, aicc_b_scalar_like(b, x, 0)) : NULL;
  return set_quantised(im, n, 3, aicc_b_select(b, negative, aicc_mul_number(b, x, alpha), x));
}

aicc_status import_qlinear_softmax(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in_dequantised(im, n, 0);
  int axis;
  if (aicc_onnx_int(n, "opset", 13) < 13) {
    return aicc_unsupported(im, n, "softmax over several dimensions");
  }
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), aicc_in(n, 0)->type.rank, &axis));
  return set_quantised(im, n, 3, aicc_softmax(&im->b, x, axis));
}

aicc_status import_qlinear_global_average_pool(aicc_importer *im, const aicc_onnx_node *n,
                                               int payload) {
  (void)payload;
  const int rank = aicc_in(n, 0)->type.rank;
  const bool last = aicc_onnx_int(n, "channels_last", 0) != 0;
  int64_t axes[AICC_MAX_RANK];
  if (rank < 3) {
    return aicc_invalid(im, n, "a pool over %d dimensions", rank);
  }
  for (int i = 0; i < rank - 2; i++) {
    axes[i] = i + (last ? 1 : 2);
  }
  return set_quantised(im, n, 3, aicc_mean(&im->b, aicc_in_dequantised(im, n, 0), axes, rank - 2));
}

aicc_status import_qlinear_average_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  const bool last = aicc_onnx_int(n, "channels_last", 0) != 0;
  aicc_value *x = aicc_in_dequantised(im, n, 0), *y;
  x = last ? aicc_channels_first(&im->b, x) : x;
  AICC_TRY(aicc_average_pool(im, n, x, &y));
  return set_quantised(im, n, 3, last ? aicc_channels_last(&im->b, y) : y);
}

aicc_status import_qlinear_where(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *y = aicc_b_select(&im->b, aicc_in(n, 0), aicc_in_dequantised(im, n, 1),
                                aicc_in_dequantised(im, n, 4));
  return aicc_set_quantised(im, n, 7, y, aicc_in(n, 1)->type.dtype);
}

aicc_status import_qlinear_concat(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const int count = (n->in_count - 2) / 3;
  if (n->in_count != 2 + 3 * count || count < 1 || !aicc_in(n, 2)) {
    return aicc_invalid(im, n, "%d inputs are not 2 and 3 for each tensor", n->in_count);
  }
  aicc_value **items = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  for (int i = 0; i < count; i++) {
    items[i] = aicc_in_dequantised(im, n, 2 + 3 * i);
  }
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), aicc_in(n, 2)->type.rank, &axis));
  aicc_value *zero = aicc_in(n, 1);
  aicc_value *y = aicc_b_concat(b, items, count, axis);
  return aicc_set_out(im, n, 0, aicc_quantise(b, y, aicc_quant_spread(b, aicc_in(n, 0), 0, 0),
                                              aicc_quant_spread(b, zero, 0, 0),
                                              zero->type.dtype));
}

// a, its scale and zero point, b likewise, c in i32 with scale a * b, scale and zero point of the
// result. Without them the result is f32.
aicc_status import_qgemm(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 3), *c = aicc_in(n, 6);
  const bool trans_x = aicc_onnx_int(n, "transA", 0) != 0;
  const bool trans_y = aicc_onnx_int(n, "transB", 0) != 0;
  const double alpha = (double)aicc_onnx_float(n, "alpha", 1);
  if (x->type.rank != 2 || y->type.rank != 2) {
    return aicc_invalid(im, n, "QGemm multiplies matrices");
  }
  aicc_value *left = aicc_without_zero(b, x, aicc_in(n, 2), trans_x ? 1 : 0);
  aicc_value *right = aicc_without_zero(b, y, aicc_in(n, 5), trans_y ? 0 : 1);
  aicc_value *z = aicc_matmul_trans(b, left, right, trans_x, trans_y);
  z = c ? aicc_add(b, z, c) : z;
  aicc_value *scale = aicc_mul(b, aicc_quant_spread(b, aicc_in(n, 1), 0, 0),
                               aicc_quant_spread(b, aicc_in(n, 4), 2, 1));
  scale = scale ? aicc_mul_number(b, scale, alpha) : NULL;
  z = z ? aicc_mul(b, aicc_b_cast(b, z, AICC_F32), scale) : NULL;
  return aicc_in(n, 7) ? set_quantised(im, n, 7, z) : aicc_set_out(im, n, 0, z);
}

aicc_value *aicc_scaled_product(aicc_builder *b, aicc_value *x, aicc_value *x_zero, aicc_value *y,
                                aicc_value *y_zero, aicc_value *x_scale, aicc_value *y_scale,
                                aicc_value *bias) {
  if (!x || !y) {
    return NULL;
  }
  aicc_value *left = aicc_without_zero(b, x, x_zero, x->type.rank - 2);
  aicc_value *right = aicc_without_zero(b, y, y_zero, y->type.rank - 1);
  aicc_value *z = aicc_b_matmul(b, left, right);
  if (!z) {
    return NULL;
  }
  aicc_value *scale =
      aicc_mul(b, aicc_quant_spread(b, x_scale, z->type.rank, z->type.rank - 2),
               aicc_quant_spread(b, y_scale, z->type.rank, z->type.rank - 1));
  z = aicc_mul(b, aicc_b_cast(b, z, AICC_F32), scale);
  return bias ? aicc_add(b, z, bias) : z;
}

static aicc_status need_matrices(aicc_importer *im, const aicc_onnx_node *n) {
  return aicc_in(n, 0)->type.rank < 2 || aicc_in(n, 1)->type.rank < 2
             ? aicc_unsupported(im, n, "operands of less than 2 dimensions") : AICC_OK;
}

aicc_status import_dynamic_quantize_matmul(aicc_importer *im, const aicc_onnx_node *n,
                                           int payload) {
  (void)payload;
  AICC_TRY(need_matrices(im, n));
  const aicc_quantised q = aicc_quantise_dynamic(&im->b, aicc_in(n, 0), 0);
  aicc_value *y = aicc_scaled_product(&im->b, q.y, q.zero, aicc_in(n, 1), aicc_in(n, 3), q.scale,
                                      aicc_in(n, 2), aicc_in(n, 4));
  return aicc_set_out(im, n, 0, y);
}

aicc_status import_matmul_integer_to_float(aicc_importer *im, const aicc_onnx_node *n,
                                           int payload) {
  (void)payload;
  AICC_TRY(need_matrices(im, n));
  aicc_value *y = aicc_scaled_product(&im->b, aicc_in(n, 0), aicc_in(n, 4), aicc_in(n, 1),
                                      aicc_in(n, 5), aicc_in(n, 2), aicc_in(n, 3), aicc_in(n, 6));
  return aicc_set_out(im, n, 0, y);
}
