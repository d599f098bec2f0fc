// Fourier transforms, windows, mel filters, determinants.
#include <math.h>

#include "frontend/import_math.h"

// --- Fourier transforms --------------------------------------------------------------------------

// Cuts or fills |axis| to |size| elements.
static aicc_value *fit_axis(aicc_builder *b, aicc_value *x, int axis, aicc_dim size) {
  aicc_dims *dims = b->module->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0);
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  if (!x || x->type.dims[axis] == size) {
    return x;
  }
  for (int i = 0; i < x->type.rank; i++) {
    low[i] = high[i] = zero;
  }
  high[axis] = aicc_dim_max(dims, aicc_dim_sub(dims, size, x->type.dims[axis]), zero);
  aicc_value *filled = aicc_b_pad(b, x, aicc_b_scalar_like(b, x, 0), low, high, "constant");
  return aicc_b_slice(b, filled, axis, zero, size, 1);
}

// size / 2 + 1
static aicc_dim half_size(aicc_dims *dims, aicc_dim size) {
  return aicc_dim_add(dims, aicc_dim_floordiv(dims, size, aicc_dim_const(dims, 2)),
                      aicc_dim_const(dims, 1));
}

static aicc_value *transform(aicc_importer *im, aicc_value *x, int axis, aicc_dim size,
                             bool inverse, bool onesided) {
  if (!x) {
    return NULL;
  }
  aicc_dims *dims = im->dims;
  const int rank = x->type.rank;
  aicc_dim shape[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    shape[i] = x->type.dims[i];
  }
  shape[axis] = onesided && !inverse ? half_size(dims, size) : size;
  shape[rank - 1] = aicc_dim_const(dims, inverse && onesided ? 1 : 2);
  const aicc_type type = aicc_type_tensor(im->module, x->type.dtype, shape, rank);
  aicc_node *node = aicc_b_opaque(&im->b, "dft", &x, 1, &type, 1);
  if (!node) {
    return NULL;
  }
  const int64_t ints[] = {axis, inverse, onesided};
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 3);
  return node->out[0];
}

typedef struct fourier {
  aicc_importer *im;
  aicc_value *x;
  bool inverse, onesided;
  aicc_dim length;  // AICC_DIM_NONE: that of the axis
} fourier;

// Elements of the signal, if it runs along |axis|.
static aicc_dim signal_size(const fourier *f, int axis) {
  aicc_dims *dims = f->im->dims;
  const aicc_dim size = f->x->type.dims[axis];
  if (f->length != AICC_DIM_NONE) {
    return f->length;
  }
  if (!f->inverse || !f->onesided) {
    return size;
  }
  // Half a spectrum; no signal is empty.
  const aicc_dim one = aicc_dim_const(dims, 1);
  return aicc_dim_max(
      dims, aicc_dim_mul(dims, aicc_dim_sub(dims, size, one), aicc_dim_const(dims, 2)), one);
}

static aicc_value *transform_along(const fourier *f, int axis) {
  const aicc_dim size = signal_size(f, axis);
  const bool half = f->inverse && f->onesided;
  aicc_value *whole =
      fit_axis(&f->im->b, f->x, axis, half ? half_size(f->im->dims, size) : size);
  return transform(f->im, whole, axis, size, f->inverse, f->onesided);
}

// The axis is known only when the model runs: the transforms along all of them are filled to one
// shape, and the right one is selected and cut. |axis| counts from the start.
static aicc_value *transform_any(const fourier *f, aicc_dim axis) {
  aicc_builder *b = &f->im->b;
  aicc_dims *dims = f->im->dims;
  const int rank = f->x->type.rank;
  aicc_value *all[AICC_MAX_RANK], *y = NULL, *chosen = aicc_size_number(b, AICC_I64, axis);
  aicc_dim most[AICC_MAX_RANK], size[AICC_MAX_RANK];
  for (int i = 0; i < rank - 1; i++) {
    all[i] = transform_along(f, i);
    if (!all[i]) {
      return NULL;
    }
    const aicc_dim along = all[i]->type.dims[i], across = f->x->type.dims[i];
    most[i] = aicc_dim_max(dims, along, across);
    const aicc_dim is_axis = aicc_dim_eq(dims, axis, aicc_dim_const(dims, i));
    size[i] = aicc_dim_select(dims, is_axis, along, across);
  }
  for (int i = 0; i < rank - 1; i++) {
    aicc_value *part = all[i];
    for (int k = 0; k < rank - 1; k++) {
      part = fit_axis(b, part, k, most[k]);
    }
    aicc_value *is_it = aicc_b_binary(b, AICC_OP_EQ, chosen, aicc_b_scalar_i64(b, AICC_I64, i));
    y = i ? aicc_b_select(b, is_it, part, y) : part;
  }
  for (int i = 0; i < rank - 1; i++) {
    y = fit_axis(b, y, i, size[i]);
  }
  return y;
}

// Payload: 1 since version 20, where the axis is an input.
aicc_status import_dft(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_dims *dims = im->dims;
  fourier f = {.im = im, .x = aicc_in(n, 0), .length = AICC_DIM_NONE};
  f.inverse = aicc_onnx_int(n, "inverse", 0) != 0;
  f.onesided = aicc_onnx_int(n, "onesided", 0) != 0;
  const int rank = f.x->type.rank;
  int axis, count;
  int64_t value = payload ? -2 : aicc_onnx_int(n, "axis", 1);
  const aicc_dim *length, *axes;
  if (rank < 2) {
    return aicc_invalid(im, n, "the input has %d dimensions; at least 2 are needed", rank);
  }
  AICC_TRY(aicc_in_dims(im, n, 1, &length, &count));
  f.length = length && count == 1 ? length[0] : AICC_DIM_NONE;
  AICC_TRY(aicc_in_dims(im, n, payload ? 2 : n->in_count, &axes, &count));
  if (axes && count == 1 && !aicc_dim_is_const(dims, axes[0], &value)) {
    const aicc_dim behind = aicc_dim_add(dims, axes[0], aicc_dim_const(dims, rank));
    const aicc_dim negative = aicc_dim_lt(dims, axes[0], aicc_dim_const(dims, 0));
    const aicc_dim from_start = aicc_dim_select(dims, negative, behind, axes[0]);
    return aicc_set_out(im, n, 0, transform_any(&f, from_start));
  }
  AICC_TRY(aicc_axis(im, n, value, rank, &axis));
  if (axis == rank - 1) {
    return aicc_invalid(im, n, "the axis is that of real and imaginary parts");
  }
  return aicc_set_out(im, n, 0, transform_along(&f, axis));
}

// One size operand.
static aicc_status size_operand(aicc_importer *im, const aicc_onnx_node *n, int i, aicc_dim *out) {
  const aicc_dim *sizes;
  int count;
  AICC_TRY(aicc_in_dims(im, n, i, &sizes, &count));
  if (!sizes || count != 1) {
    return aicc_invalid(im, n, "input %d must be one number", i);
  }
  *out = sizes[0];
  return AICC_OK;
}

// signal[B,N,parts] cut into frames [B,F,L,parts], |step| apart.
static aicc_value *cut_frames(aicc_importer *im, aicc_value *signal, aicc_dim length,
                              aicc_dim step) {
  aicc_builder *b = &im->b;
  aicc_dims *dims = im->dims;
  const aicc_dim one = aicc_dim_const(dims, 1);
  const aicc_dim room = aicc_dim_sub(dims, signal->type.dims[1], length);
  const aicc_dim frames[] = {aicc_dim_add(dims, aicc_dim_floordiv(dims, room, step), one), one};
  const aicc_dim row[] = {one, length};
  aicc_value *starts = aicc_mul(b, aicc_b_iota(b, AICC_I64, frames, 2, 0),
                                aicc_size_number(b, AICC_I64, step));
  return aicc_b_gather(b, signal, aicc_add(b, starts, aicc_b_iota(b, AICC_I64, row, 2, 1)), 1);
}

aicc_status import_stft(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *signal = aicc_in(n, 0), *window = aicc_in(n, 2);
  const bool onesided = aicc_onnx_int(n, "onesided", 1) != 0;
  aicc_dim step, length;
  AICC_TRY(size_operand(im, n, 1, &step));
  if (signal->type.rank == 2) {
    signal = aicc_b_unsqueeze(b, signal, 2);
  }
  if (!signal || signal->type.rank != 3 || (window && window->type.rank != 1)) {
    return aicc_invalid(im, n, "the signal must have 3 dimensions, and the window one");
  }
  if (aicc_in(n, 3)) {
    AICC_TRY(size_operand(im, n, 3, &length));
  } else {
    length = window ? window->type.dims[0] : signal->type.dims[1];
  }
  aicc_value *frames = cut_frames(im, signal, length, step);
  frames = window ? aicc_mul(b, frames, aicc_along(b, window, 4, 2)) : frames;
  return aicc_set_out(im, n, 0, transform(im, frames, 2, length, false, onesided));
}

// --- windows -------------------------------------------------------------------------------------

// Payload: 0 Hann, 1 Hamming, 2 Blackman: c0 - c1 cos(2 pi i / n) + c2 cos(4 pi i / n).
aicc_status import_window_function(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  static const double terms[3][3] = {
      {0.5, 0.5, 0}, {25.0 / 46, 21.0 / 46, 0}, {0.42, 0.5, 0.08}};
  static const double pi = 3.14159265358979323846;
  aicc_builder *b = &im->b;
  const bool periodic = aicc_onnx_int(n, "periodic", 1) != 0;
  aicc_dtype dtype;
  aicc_dim size;
  if (!aicc_dtype_from_onnx((int)aicc_onnx_int(n, "output_datatype", 1), &dtype)) {
    return aicc_unsupported(im, n, "a result of this type");
  }
  AICC_TRY(size_operand(im, n, 0, &size));
  const aicc_dtype wide = dtype == AICC_F64 ? AICC_F64 : AICC_F32;
  const aicc_dim steps =
      periodic ? size : aicc_dim_sub(im->dims, size, aicc_dim_const(im->dims, 1));
  aicc_value *at = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, &size, 1, 0), wide);
  aicc_value *angle = aicc_div(b, aicc_mul_number(b, at, 2 * pi), aicc_size_number(b, wide, steps));
  aicc_value *y = aicc_mul_number(b, aicc_b_unary(b, AICC_OP_COS, angle), -terms[payload][1]);
  y = aicc_add_number(b, y, terms[payload][0]);
  if (terms[payload][2] != 0) {
    aicc_value *second = aicc_b_unary(b, AICC_OP_COS, aicc_mul_number(b, angle, 2));
    y = aicc_add(b, y, aicc_mul_number(b, second, terms[payload][2]));
  }
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, dtype) : NULL);
}

// --- mel filters ---------------------------------------------------------------------------------

// A scalar operand in f64.
static aicc_value *scalar_operand(aicc_builder *b, const aicc_onnx_node *n, int i) {
  return aicc_b_cast(b, aicc_b_reshape(b, aicc_in(n, i), NULL, 0), AICC_F64);
}

static aicc_value *to_mel(aicc_builder *b, aicc_value *hertz) {
  return aicc_mul_number(b, aicc_b_unary(b, AICC_OP_LOG1P, aicc_div_number(b, hertz, 700)),
                         2595 / log(10));
}

// The spectrogram bins of the |count| = filters + 2 edges, whole numbers in f64[count].
static aicc_value *mel_edges(aicc_builder *b, const aicc_onnx_node *n, aicc_dim count) {
  aicc_value *low = to_mel(b, scalar_operand(b, n, 3)), *high = to_mel(b, scalar_operand(b, n, 4));
  aicc_value *step = aicc_div(b, aicc_sub(b, high, low), aicc_size_number(b, AICC_F64, count));
  aicc_value *at = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, &count, 1, 0), AICC_F64);
  aicc_value *mel = aicc_add(b, aicc_mul(b, at, step), low);
  aicc_value *hertz = aicc_mul_number(
      b, aicc_b_unary(b, AICC_OP_EXPM1, aicc_mul_number(b, mel, log(10) / 2595)), 700);
  aicc_value *scale = aicc_add_number(b, scalar_operand(b, n, 1), 1);
  aicc_value *bin = aicc_div(b, aicc_mul(b, hertz, scale), scalar_operand(b, n, 2));
  return aicc_b_unary(b, AICC_OP_FLOOR, bin);
}

// Triangles between |low|, |center| and |high| at the bins |at|; where low is center, center is 1.
static aicc_value *triangles(aicc_builder *b, aicc_value *at, aicc_value *low, aicc_value *center,
                             aicc_value *high) {
  aicc_value *zero = aicc_b_scalar(b, AICC_F64, 0), *one = aicc_b_scalar(b, AICC_F64, 1);
  aicc_value *rising = aicc_div(b, aicc_sub(b, at, low), aicc_sub(b, center, low));
  aicc_value *falling = aicc_div(b, aicc_sub(b, high, at), aicc_sub(b, high, center));
  aicc_value *left = aicc_b_binary(b, AICC_OP_AND, aicc_b_binary(b, AICC_OP_GE, at, low),
                                   aicc_b_binary(b, AICC_OP_LT, at, center));
  aicc_value *right = aicc_b_binary(b, AICC_OP_AND, aicc_b_binary(b, AICC_OP_GT, at, center),
                                    aicc_b_binary(b, AICC_OP_LT, at, high));
  aicc_value *sides = aicc_b_select(b, left, rising, aicc_b_select(b, right, falling, zero));
  return aicc_b_select(b, aicc_b_binary(b, AICC_OP_EQ, at, center), one, sides);
}

aicc_status import_mel_weight_matrix(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_dims *dims = im->dims;
  aicc_dim filters, length;
  aicc_dtype dtype;
  if (!aicc_dtype_from_onnx((int)aicc_onnx_int(n, "output_datatype", 1), &dtype)) {
    return aicc_unsupported(im, n, "a result of this type");
  }
  AICC_TRY(size_operand(im, n, 0, &filters));
  AICC_TRY(size_operand(im, n, 1, &length));
  const aicc_dim count = aicc_dim_add(dims, filters, aicc_dim_const(dims, 2));
  aicc_value *edges = mel_edges(b, n, count), *parts[3];
  for (int i = 0; i < 3; i++) {
    aicc_value *part = aicc_b_slice(b, edges, 0, aicc_dim_const(dims, i), filters, 1);
    parts[i] = aicc_along(b, part, 2, 1);
  }
  const aicc_dim bins[] = {half_size(dims, length), aicc_dim_const(dims, 1)};
  aicc_value *at = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, bins, 2, 0), AICC_F64);
  aicc_value *y = triangles(b, at, parts[0], parts[1], parts[2]);
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, dtype) : NULL);
}

// --- determinants --------------------------------------------------------------------------------

aicc_status import_det(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0);
  if (x->type.rank < 2) {
    return aicc_invalid(im, n, "the input has %d dimensions; at least 2 are needed", x->type.rank);
  }
  const aicc_type type =
      aicc_type_tensor(im->module, x->type.dtype, x->type.dims, x->type.rank - 2);
  aicc_node *node = aicc_b_opaque(&im->b, "det", &x, 1, &type, 1);
  return node ? aicc_set_out(im, n, 0, node->out[0]) : AICC_INVALID;
}
