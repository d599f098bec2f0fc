// Matrix products: MatMul, Gemm, their integer and Microsoft forms; distances.
#include <string.h>

#include "frontend/import_quant.h"

// NumPy's rule for vectors: a row on the left, a column on the right, which the result does not
// keep.
static aicc_value *matmul_vectors(aicc_builder *b, aicc_value *x, aicc_value *y) {
  const bool row = x->type.rank == 1, column = y->type.rank == 1;
  aicc_value *z = aicc_b_matmul(b, row ? aicc_b_unsqueeze(b, x, 0) : x,
                                column ? aicc_b_unsqueeze(b, y, 1) : y);
  z = column ? aicc_b_squeeze(b, z, -1) : z;
  return row ? aicc_b_squeeze(b, z, column ? -1 : -2) : z;
}

static aicc_status refuse_scalars(aicc_importer *im, const aicc_onnx_node *n) {
  if (aicc_in(n, 0)->type.rank == 0 || aicc_in(n, 1)->type.rank == 0) {
    return aicc_invalid(im, n, "a scalar cannot be multiplied as a matrix");
  }
  return AICC_OK;
}

aicc_status import_matmul(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(refuse_scalars(im, n));
  return aicc_set_out(im, n, 0, matmul_vectors(&im->b, aicc_in(n, 0), aicc_in(n, 1)));
}

aicc_status import_matmul_integer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(refuse_scalars(im, n));
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 1);
  const int row = x->type.rank > 1 ? x->type.rank - 2 : 0;
  aicc_value *left = aicc_without_zero(b, x, aicc_in(n, 2), row);
  aicc_value *right = aicc_without_zero(b, y, aicc_in(n, 3), y->type.rank - 1);
  return aicc_set_out(im, n, 0, left && right ? matmul_vectors(b, left, right) : NULL);
}

// Factors apply to integers only where they are integers themselves.
static aicc_status check_factor(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                                float factor) {
  const aicc_dtype dtype = aicc_in(n, 0)->type.dtype;
  if (!aicc_dtype_is_float(dtype) && factor != (float)(int64_t)factor) {
    return aicc_unsupported(im, n, "a fraction as %s for integers", name);
  }
  return AICC_OK;
}

// Payload: 1 for FusedGemm, which has an activation.
aicc_status import_gemm(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 1), *c = aicc_in(n, 2);
  const float alpha = aicc_onnx_float(n, "alpha", 1), beta = aicc_onnx_float(n, "beta", 1);
  const bool trans_x = aicc_onnx_int(n, "transA", 0) != 0;
  const bool trans_y = aicc_onnx_int(n, "transB", 0) != 0;
  aicc_onnx_int(n, "broadcast", 0);  // before version 7; shapes tell
  if (x->type.rank != 2 || y->type.rank != 2) {
    return aicc_invalid(im, n, "Gemm multiplies matrices, not tensors of %d and %d dimensions",
                        x->type.rank, y->type.rank);
  }
  AICC_TRY(check_factor(im, n, "alpha", alpha));
  AICC_TRY(check_factor(im, n, "beta", beta));
  aicc_value *z = aicc_matmul_trans(b, x, y, trans_x, trans_y);
  z = aicc_mul_number(b, z, (double)alpha);
  if (c && beta != 0) {
    z = aicc_add(b, z, aicc_mul_number(b, c, (double)beta));
  }
  if (payload) {
    const float parameters[] = {aicc_onnx_float(n, "activation_alpha", 0),
                                aicc_onnx_float(n, "activation_beta", 0)};
    const int count = aicc_onnx_has(n, "activation_beta")    ? 2
                      : aicc_onnx_has(n, "activation_alpha") ? 1
                                                             : 0;
    AICC_TRY(aicc_fused_activation(im, n, aicc_onnx_string(n, "activation", ""), parameters, count,
                                   z, &z));
  }
  return aicc_set_out(im, n, 0, z);
}

aicc_status import_fused_matmul(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(refuse_scalars(im, n));
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 1);
  // Vectors are never transposed.
  const bool trans_x = aicc_onnx_int(n, "transA", 0) != 0 && x->type.rank > 1;
  const bool trans_y = aicc_onnx_int(n, "transB", 0) != 0 && y->type.rank > 1;
  const double alpha = (double)aicc_onnx_float(n, "alpha", 1);
  if (aicc_onnx_int(n, "transBatchA", 0) || aicc_onnx_int(n, "transBatchB", 0)) {
    return aicc_unsupported(im, n, "transBatchA and transBatchB");
  }
  if ((trans_x || trans_y) && (x->type.rank == 1 || y->type.rank == 1)) {
    return aicc_unsupported(im, n, "transposing one operand where the other is a vector");
  }
  aicc_value *z = trans_x || trans_y ? aicc_matmul_trans(&im->b, x, y, trans_x, trans_y)
                                     : matmul_vectors(&im->b, x, y);
  return aicc_set_out(im, n, 0, aicc_mul_number(&im->b, z, alpha));
}

// x[.., K] times B[N, blocks, bytes], which a library kernel unpacks (ir/opaque.def).
aicc_status import_matmul_nbits(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0), *zero = aicc_in(n, 3), *bias = aicc_in(n, 5);
  const int64_t k = aicc_onnx_int(n, "K", 0), columns = aicc_onnx_int(n, "N", 0);
  const int64_t bits = aicc_onnx_int(n, "bits", 4), block = aicc_onnx_int(n, "block_size", 0);
  // Level 4 allows activations of 8 bits, and ONNX Runtime's answers are of such.
  const int64_t activations = aicc_onnx_int(n, "accuracy_level", 0) == 4 ? 8 : 0;
  if (aicc_onnx_int(n, "weight_prepacked", 0)) {
    return aicc_unsupported(im, n, "weights that are packed for another runtime");
  }
  if (bits != 2 && bits != 4 && bits != 8) {
    return aicc_unsupported(im, n, "weights of %lld bits; 2, 4 and 8 are", (long long)bits);
  }
  if (x->type.rank < 1 || k <= 0 || columns <= 0 || block < 16 || (block & (block - 1))) {
    return aicc_invalid(im, n, "K, N or block_size is out of range");
  }
  if (aicc_in(n, 4)) {
    return aicc_matmul_grouped(im, n, k, columns, bits, block);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    dims[i] = i == x->type.rank - 1 ? aicc_dim_const(im->dims, columns) : x->type.dims[i];
  }
  const aicc_type type = aicc_type_tensor(im->module, x->type.dtype, dims, x->type.rank);
  aicc_value *const in[] = {x, aicc_in(n, 1), aicc_in(n, 2), zero, bias};
  const int64_t ints[] = {k, columns, bits, block, activations};
  aicc_node *node = aicc_b_opaque(&im->b, "matmul_nbits", in, bias ? 5 : zero ? 4 : 3, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 5);
  return aicc_set_out(im, n, 0, node->out[0]);
}

// --- distances -----------------------------------------------------------------------------------

// com.microsoft CDist: of each row of a from each row of b.
aicc_status import_cdist(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 1);
  const char *metric = aicc_onnx_string(n, "metric", "sqeuclidean");
  const bool root = strcmp(metric, "euclidean") == 0;
  const int64_t last = 2;
  if (!root && strcmp(metric, "sqeuclidean") != 0) {
    return aicc_unsupported(im, n, "metric '%s'", metric);
  }
  if (x->type.rank != 2 || y->type.rank != 2) {
    return aicc_invalid(im, n, "CDist takes matrices");
  }
  // From differences: products lose what is small between rows that are nearly equal.
  aicc_value *d = aicc_sub(b, aicc_b_unsqueeze(b, x, 1), aicc_b_unsqueeze(b, y, 0));
  d = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_mul(b, d, d), &last, 1, false);
  return aicc_set_out(im, n, 0, root ? aicc_b_unary(b, AICC_OP_SQRT, d) : d);
}
