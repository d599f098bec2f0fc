// Softmax and its relatives, running totals, greatest elements.
#include "frontend/import_float.h"

// --- Softmax, LogSoftmax -------------------------------------------------------------------------

static aicc_status softmax_over(aicc_importer *im, const aicc_onnx_node *n, const int64_t *axes,
                                int count, bool logarithm) {
  aicc_value *x = aicc_widen(im, aicc_in(n, 0));
  aicc_value *most = aicc_b_reduce(&im->b, AICC_OP_REDUCE_MAX, x, axes, count, true);
  aicc_value *shifted = aicc_f_sub(im, x, most);
  aicc_value *powers = aicc_f_unary(im, AICC_OP_EXP, shifted);
  aicc_value *sum = aicc_b_reduce(&im->b, AICC_OP_REDUCE_SUM, powers, axes, count, true);
  aicc_value *y = logarithm ? aicc_f_sub(im, shifted, aicc_f_unary(im, AICC_OP_LOG, sum))
                            : aicc_f_div(im, powers, sum);
  return aicc_set_out_like_in(im, n, y);
}

aicc_status import_softmax(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), aicc_in(n, 0)->type.rank, &axis));
  const int64_t axes[] = {axis};
  return softmax_over(im, n, axes, 1, payload != 0);
}

// The axis before version 13: from it on, all dimensions are one. rank itself is allowed.
static aicc_status flat_axis(aicc_importer *im, const aicc_onnx_node *n, int *out) {
  const int rank = aicc_in(n, 0)->type.rank;
  const int64_t axis = aicc_onnx_int(n, "axis", 1);
  if (axis == rank) {
    *out = rank;
    return AICC_OK;
  }
  return aicc_axis(im, n, axis, rank, out);
}

aicc_status import_softmax_flat(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  int64_t axes[AICC_MAX_RANK];
  int axis, count = 0;
  AICC_TRY(flat_axis(im, n, &axis));
  for (int i = axis; i < aicc_in(n, 0)->type.rank; i++) {
    axes[count++] = i;
  }
  return softmax_over(im, n, axes, count, payload != 0);
}

// --- Hardmax -------------------------------------------------------------------------------------

// 1 at the first of the greatest elements along |axis|, else 0.
static aicc_value *hardmax(aicc_importer *im, aicc_value *x, int axis) {
  aicc_value *first = aicc_b_arg(&im->b, AICC_OP_ARGMAX, x, axis, true, false);
  aicc_value *index = aicc_b_iota(&im->b, AICC_I64, x->type.dims, x->type.rank, axis);
  aicc_value *hit = aicc_b_binary(&im->b, AICC_OP_EQ, index, first);
  return aicc_b_cast(&im->b, hit, x->type.dtype);
}

aicc_status import_hardmax(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = aicc_in(n, 0);
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), x->type.rank, &axis));
  return aicc_set_out(im, n, 0, hardmax(im, x, axis));
}

aicc_status import_hardmax_flat(aicc_importer *im, const aicc_onnx_node *n,
                                int payload AICC_UNUSED) {
  aicc_value *x = aicc_in(n, 0);
  int axis;
  AICC_TRY(flat_axis(im, n, &axis));
  const aicc_dim flat[] = {
      aicc_dim_product(im->dims, x->type.dims, axis),
      aicc_dim_product(im->dims, x->type.dims + axis, x->type.rank - axis),
  };
  aicc_value *rows = aicc_b_reshape(&im->b, x, flat, 2);
  aicc_value *y = rows ? hardmax(im, rows, 1) : NULL;
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, y, x->type.dims, x->type.rank));
}

// --- CumSum, CumProd -----------------------------------------------------------------------------

static aicc_value *cumulate(aicc_importer *im, const aicc_onnx_node *n, int axis, bool product) {
  aicc_value *x = aicc_in(n, 0);
  aicc_node *node = aicc_node_create(im->module, AICC_OP_CUMULATE, &x, 1, 1);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, axis);
  aicc_set_string(im->module, node, AICC_ATTR_OP, product ? "prod" : "sum");
  aicc_set_int(im->module, node, AICC_ATTR_EXCLUSIVE, aicc_onnx_int(n, "exclusive", 0) != 0);
  aicc_set_int(im->module, node, AICC_ATTR_REVERSE, aicc_onnx_int(n, "reverse", 0) != 0);
  return aicc_b_finish(&im->b, node);
}

// An axis that is data: all of them are computed, and the axis chooses.
static aicc_value *cumulate_any(aicc_importer *im, const aicc_onnx_node *n, bool product) {
  aicc_value *axis = aicc_b_reshape(&im->b, aicc_in(n, 1), NULL, 0);
  const int rank = aicc_in(n, 0)->type.rank;
  aicc_value *y = cumulate(im, n, 0, product);
  for (int i = 1; i < rank; i++) {
    aicc_value *front = aicc_f_compare_c(im, AICC_OP_EQ, axis, i);
    aicc_value *back = aicc_f_compare_c(im, AICC_OP_EQ, axis, i - rank);
    aicc_value *here = aicc_b_binary(&im->b, AICC_OP_OR, front, back);
    y = aicc_b_select(&im->b, here, cumulate(im, n, i, product), y);
  }
  return y;
}

aicc_status import_cumulate(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  const int rank = aicc_in(n, 0)->type.rank;
  if (!aicc_in_known(im, n, 1) && rank > 0) {
    return aicc_set_out(im, n, 0, cumulate_any(im, n, payload != 0));
  }
  const int64_t *axes;
  int count, axis;
  AICC_TRY(aicc_in_ints(im, n, 1, "axes", &axes, &count));
  if (count != 1) {
    return aicc_invalid(im, n, "the axis must be one number, %d are given", count);
  }
  AICC_TRY(aicc_axis(im, n, axes[0], rank, &axis));
  return aicc_set_out(im, n, 0, cumulate(im, n, axis, payload != 0));
}

// --- TopK ----------------------------------------------------------------------------------------

static aicc_status topk(aicc_importer *im, const aicc_onnx_node *n, aicc_dim k) {
  aicc_value *x = aicc_in(n, 0);
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), x->type.rank, &axis));
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    dims[i] = i == axis ? k : x->type.dims[i];
  }
  aicc_node *node = aicc_node_create(im->module, AICC_OP_TOPK, &x, 1, 2);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, axis);
  aicc_set_int(im->module, node, AICC_ATTR_LARGEST, aicc_onnx_int(n, "largest", 1) != 0);
  aicc_set_int(im->module, node, AICC_ATTR_SORTED, aicc_onnx_int(n, "sorted", 1) != 0);
  node->out[0]->type = aicc_type_tensor(im->module, x->type.dtype, dims, x->type.rank);
  node->out[1]->type = aicc_type_tensor(im->module, AICC_I64, dims, x->type.rank);
  aicc_value *values = aicc_b_finish(&im->b, node);
  AICC_TRY(aicc_set_out(im, n, 0, values));
  return aicc_set_out(im, n, 1, node->out[1]);
}

aicc_status import_topk(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const aicc_dim *k;
  int count;
  AICC_TRY(aicc_in_dims(im, n, 1, &k, &count));
  if (count != 1) {
    return aicc_invalid(im, n, "k must be one number, %d are given", count);
  }
  return topk(im, n, k[0]);
}

aicc_status import_topk_attr(aicc_importer *im, const aicc_onnx_node *n,
                             int payload AICC_UNUSED) {
  if (!aicc_onnx_has(n, "k")) {
    return aicc_invalid(im, n, "attribute 'k' is missing");
  }
  return topk(im, n, aicc_dim_const(im->dims, aicc_onnx_int(n, "k", 0)));
}
