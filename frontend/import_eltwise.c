// Elementwise arithmetic, comparisons and logic.
#include <math.h>
#include <string.h>

#include "frontend/import_float.h"
#include "frontend/onnx_import.h"

aicc_status import_unary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  return aicc_set_out(im, n, 0, aicc_b_unary(&im->b, (aicc_op)payload, aicc_in(n, 0)));
}

aicc_status import_binary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  return aicc_set_out(im, n, 0,
                      aicc_b_binary(&im->b, (aicc_op)payload, aicc_in(n, 0), aicc_in(n, 1)));
}

// Strings are compared by a library kernel.
aicc_status import_equal(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *in[] = {aicc_in(n, 0), aicc_in(n, 1)};
  aicc_dim dims[AICC_MAX_RANK];
  int rank;
  if (in[0]->type.dtype != AICC_STR || in[1]->type.dtype != AICC_STR) {
    return import_binary(im, n, payload);
  }
  if (!aicc_dims_broadcast(im->module, &in[0]->type, &in[1]->type, dims, &rank)) {
    return aicc_invalid(im, n, "the shapes do not broadcast");
  }
  const aicc_type type = aicc_type_tensor(im->module, AICC_BOOL, dims, rank);
  aicc_node *node = aicc_b_opaque(&im->b, "string_equal", in, 2, &type, 1);
  return aicc_set_out(im, n, 0, node ? node->out[0] : NULL);
}

// --- before version 7 ----------------------------------------------------------------------------

// |y| with ones behind its dimensions, so that they stand at |axis| of |x|.
static aicc_value *align_at(aicc_importer *im, const aicc_value *x, aicc_value *y, int axis) {
  aicc_dim dims[AICC_MAX_RANK];
  const int rank = x->type.rank - axis;
  for (int i = 0; i < rank; i++) {
    dims[i] = i < y->type.rank ? y->type.dims[i] : aicc_dim_const(im->dims, 1);
  }
  return aicc_b_reshape(&im->b, y, dims, rank);
}

aicc_status import_binary_axis(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *x = aicc_in(n, 0), *y = aicc_in(n, 1);
  const int64_t broadcast = aicc_onnx_int(n, "broadcast", 0);
  const bool has_axis = aicc_onnx_has(n, "axis");
  if (broadcast && has_axis) {
    int axis;
    AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), x->type.rank, &axis));
    if (axis + y->type.rank > x->type.rank) {
      return aicc_invalid(im, n, "the second operand has too many dimensions for axis %d", axis);
    }
    y = align_at(im, x, y, axis);
  }
  return aicc_set_out(im, n, 0, aicc_b_binary(&im->b, (aicc_op)payload, x, y));
}

// --- single operators ----------------------------------------------------------------------------

aicc_status import_is_inf(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const bool positive = aicc_onnx_int(n, "detect_positive", 1) != 0;
  const bool negative = aicc_onnx_int(n, "detect_negative", 1) != 0;
  aicc_value *x = aicc_widen(im, aicc_in(n, 0));
  if (!x) {
    return AICC_INVALID;
  }
  if (!positive && !negative) {
    aicc_value *no = aicc_b_scalar(&im->b, AICC_BOOL, 0);
    return aicc_set_out(im, n, 0, aicc_b_broadcast(&im->b, no, x->type.dims, x->type.rank));
  }
  if (positive && negative) {
    x = aicc_b_unary(&im->b, AICC_OP_ABS, x);
  }
  const double infinite = positive ? (double)INFINITY : -(double)INFINITY;
  aicc_value *limit = aicc_b_scalar_like(&im->b, x, infinite);
  return aicc_set_out(im, n, 0, aicc_b_binary(&im->b, AICC_OP_EQ, x, limit));
}

aicc_status import_bit_shift(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const char *direction = aicc_onnx_string(n, "direction", "");
  const bool left = strcmp(direction, "LEFT") == 0;
  if (!left && strcmp(direction, "RIGHT") != 0) {
    return aicc_invalid(im, n, "direction is '%s', neither LEFT nor RIGHT", direction);
  }
  return import_binary(im, n, left ? AICC_OP_SHL : AICC_OP_SHR);
}

aicc_status import_mod(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const bool fmod_rule = aicc_onnx_int(n, "fmod", 0) != 0;
  return import_binary(im, n, fmod_rule ? AICC_OP_FMOD : AICC_OP_MOD);
}

// --- any number of operands ----------------------------------------------------------------------

static aicc_value *fold_all(aicc_importer *im, const aicc_onnx_node *n, aicc_op op) {
  aicc_value *all = aicc_in(n, 0);
  for (int i = 1; i < n->in_count; i++) {
    all = aicc_b_binary(&im->b, op, all, aicc_in(n, i));
  }
  return all;
}

aicc_status import_variadic(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  return aicc_set_out(im, n, 0, fold_all(im, n, (aicc_op)payload));
}

aicc_status import_mean(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *sum = fold_all(im, n, AICC_OP_ADD);
  aicc_value *count = aicc_b_scalar_like(&im->b, sum, n->in_count);
  return aicc_set_out(im, n, 0, aicc_b_binary(&im->b, AICC_OP_DIV, sum, count));
}

// --- Clip ----------------------------------------------------------------------------------------

// max(x, low), then min with high: where low > high, high wins.
static aicc_status clip_to(aicc_importer *im, const aicc_onnx_node *n, aicc_value *low,
                           aicc_value *high) {
  aicc_value *x = aicc_in(n, 0);
  if (low) {
    x = aicc_b_binary(&im->b, AICC_OP_MAX, x, low);
  }
  if (high) {
    x = aicc_b_binary(&im->b, AICC_OP_MIN, x, high);
  }
  return aicc_set_out(im, n, 0, x);
}

aicc_status import_clip(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  return clip_to(im, n, aicc_in(n, 1), aicc_in(n, 2));
}

aicc_status import_clip_attr(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = aicc_in(n, 0), *low = NULL, *high = NULL;
  if (aicc_onnx_has(n, "min")) {
    low = aicc_b_scalar_like(&im->b, x, (double)aicc_onnx_float(n, "min", 0));
  }
  if (aicc_onnx_has(n, "max")) {
    high = aicc_b_scalar_like(&im->b, x, (double)aicc_onnx_float(n, "max", 0));
  }
  return clip_to(im, n, low, high);
}
