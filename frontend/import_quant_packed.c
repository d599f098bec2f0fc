// Weights of a few bits that are packed in bytes, where no library kernel unpacks them: rows of
// tables (GatherBlockQuantized), bitsandbytes' matrices (MatMulBnb4), and MatMulNBits whose columns
// are grouped by an index.
#include "frontend/import_quant.h"

aicc_value *aicc_unpack_bytes(aicc_builder *b, aicc_value *x, int64_t bits) {
  if (!x || bits == 8) {
    return x;
  }
  aicc_dims *dims = b->module->dims;
  const int rank = x->type.rank;
  const aicc_dim each = aicc_dim_const(dims, 8 / bits);
  aicc_value *shift = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, &each, 1, 0), AICC_U8);
  shift = aicc_mul(b, shift, aicc_b_scalar_i64(b, AICC_U8, bits));
  aicc_value *y = aicc_b_binary(b, AICC_OP_SHR, aicc_b_unsqueeze(b, x, rank), shift);
  y = aicc_b_binary(b, AICC_OP_AND, y, aicc_b_scalar_i64(b, AICC_U8, (1 << bits) - 1));
  aicc_dim shape[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    shape[i] = x->type.dims[i];
  }
  shape[rank - 1] = aicc_dim_mul(dims, shape[rank - 1], each);
  return aicc_b_reshape(b, y, shape, rank);
}

static aicc_value *first_columns(aicc_builder *b, aicc_value *x, aicc_dim size) {
  const int last = x ? x->type.rank - 1 : 0;
  return x ? aicc_b_slice(b, x, last, aicc_dim_const(b->module->dims, 0), size, 1) : NULL;
}

// --- GatherBlockQuantized ------------------------------------------------------------------------

aicc_status import_gather_block_quantized(aicc_importer *im, const aicc_onnx_node *n,
                                          int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *data = aicc_in(n, 0), *at = aicc_in(n, 1), *scales = aicc_in(n, 2);
  aicc_value *zeros = aicc_in(n, 3);
  const int rank = data->type.rank;
  const int64_t block = aicc_onnx_int(n, "block_size", 128), bits = aicc_onnx_int(n, "bits", 4);
  int along, axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "gather_axis", 0), rank, &along));
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "quantize_axis", 1), rank, &axis));
  const bool packed = data->type.dtype == AICC_U8 && bits < 8;
  if (along == axis || scales->type.rank != rank || block < 1 || (packed && axis != rank - 1)) {
    return aicc_invalid(im, n, "blocks along the gathered axis, or packed ones not along the last");
  }
  if (packed && bits != 2 && bits != 4) {
    return aicc_unsupported(im, n, "elements of %lld bits", (long long)bits);
  }
  aicc_value *rows = aicc_b_gather(b, data, at, along);
  aicc_value *row_scales = aicc_b_gather(b, scales, at, along);
  aicc_value *row_zeros = zeros ? aicc_b_gather(b, zeros, at, along) : NULL;
  rows = packed ? aicc_unpack_bytes(b, rows, bits) : rows;
  if (!rows || !row_scales || (zeros && !row_zeros)) {
    return AICC_INVALID;
  }
  const int to = axis > along ? axis + at->type.rank - 1 : axis;
  if (zeros && packed) {
    row_zeros = first_columns(b, aicc_unpack_bytes(b, row_zeros, bits), row_scales->type.dims[to]);
  } else if (!zeros && data->type.dtype == AICC_U8) {
    row_zeros = aicc_b_scalar_i64(b, AICC_U8, (int64_t)1 << (bits - 1));
  }
  if (zeros) {
    row_zeros = aicc_quant_repeat(b, row_zeros, rows, to, block);
  }
  aicc_value *y = aicc_dequantise(b, rows, aicc_quant_repeat(b, row_scales, rows, to, block),
                                  row_zeros);
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, scales->type.dtype) : NULL);
}

// --- products ------------------------------------------------------------------------------------

// x times the transpose of weights [columns, k] in f32, in x's type.
static aicc_status set_product(aicc_importer *im, const aicc_onnx_node *n, aicc_value *weights,
                               aicc_value *bias) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  aicc_value *y = aicc_matmul_trans(b, aicc_widen(b, x),
                                    weights ? aicc_widen(b, weights) : NULL, false, true);
  y = bias ? aicc_add(b, y, aicc_widen(b, bias)) : y;
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, x->type.dtype) : NULL);
}

// Columns |groups| of |p| [columns, blocks]: for each k that of its group.
static aicc_value *of_groups(aicc_builder *b, aicc_value *p, aicc_value *groups, aicc_dim columns,
                             aicc_dim blocks) {
  const aicc_dim shape[] = {columns, blocks};
  return aicc_b_gather(b, aicc_b_reshape(b, p, shape, 2), groups, 1);
}

aicc_status aicc_matmul_grouped(aicc_importer *im, const aicc_onnx_node *n, int64_t k,
                                int64_t columns, int64_t bits, int64_t block) {
  aicc_builder *b = &im->b;
  aicc_value *zeros = aicc_in(n, 3), *groups = aicc_in(n, 4);
  const aicc_dim width = aicc_dim_const(im->dims, columns), inner = aicc_dim_const(im->dims, k);
  const int64_t count = (k + block - 1) / block;
  const aicc_dim blocks = aicc_dim_const(im->dims, count);
  const aicc_dim bytes[] = {width, aicc_dim_const(im->dims, count * block * bits / 8)};
  aicc_value *q = aicc_unpack_bytes(b, aicc_b_reshape(b, aicc_in(n, 1), bytes, 2), bits);
  q = first_columns(b, q, inner);
  groups = first_columns(b, groups, inner);
  aicc_value *zero = aicc_b_scalar_i64(b, AICC_U8, (int64_t)1 << (bits - 1));
  if (zeros && zeros->type.dtype == AICC_U8) {
    const aicc_dim packed[] = {width, aicc_dim_const(im->dims, (count * bits + 7) / 8)};
    aicc_value *all = aicc_unpack_bytes(b, aicc_b_reshape(b, zeros, packed, 2), bits);
    zero = of_groups(b, first_columns(b, all, blocks), groups, width, blocks);
  } else if (zeros) {
    zero = of_groups(b, zeros, groups, width, blocks);
  }
  aicc_value *scale = of_groups(b, aicc_in(n, 2), groups, width, blocks);
  return set_product(im, n, aicc_dequantise(b, q, scale, zero), aicc_in(n, 5));
}

// What a code of four bits stands for, as bitsandbytes has it: FP4 and NF4.
static const float bnb_codes[2][16] = {
    {0, 5.208333333e-03F, 0.66666667F, 1, 0.33333333F, 0.5F, 0.16666667F, 0.25F, 0,
     -5.208333333e-03F, -0.66666667F, -1, -0.33333333F, -0.5F, -0.16666667F, -0.25F},
    {-1, -0.6961928009986877F, -0.5250730514526367F, -0.39491748809814453F, -0.28444138169288635F,
     -0.18477343022823334F, -0.09105003625154495F, 0, 0.07958029955625534F, 0.16093020141124725F,
     0.24611230194568634F, 0.33791524171829224F, 0.44070982933044434F, 0.5626170039176941F,
     0.7229568362236023F, 1},
};

static aicc_value *bnb_table(aicc_importer *im, int type) {
  static const int64_t size = 16;  // static, as the module refers to them
  const aicc_tensor table = {
      .dtype = AICC_F32, .rank = 1, .shape = &size, .data = bnb_codes[type]};
  return aicc_b_const(&im->b, &table);
}

// The matrix lies row by row, high bits first, with a factor for each |block| of it.
aicc_status import_matmul_bnb4(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const int64_t k = aicc_onnx_int(n, "K", 0), columns = aicc_onnx_int(n, "N", 0);
  const int64_t block = aicc_onnx_int(n, "block_size", 0), type = aicc_onnx_int(n, "quant_type", 1);
  aicc_onnx_int(n, "training_mode", 0);
  if (!aicc_onnx_int(n, "transB", 1)) {
    return aicc_unsupported(im, n, "a matrix that is not transposed");
  }
  if (k < 1 || columns < 1 || block < 1 || type < 0 || type > 1) {
    return aicc_invalid(im, n, "K, N, block_size or quant_type is out of range");
  }
  const int64_t count = k * columns;
  aicc_dims *dims = im->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0), one = aicc_dim_const(dims, 1);
  const aicc_dim two = aicc_dim_const(dims, 2), all = aicc_dim_const(dims, count);
  const aicc_dim bytes[] = {aicc_dim_const(dims, (count + 1) / 2), one};
  aicc_value *pairs = aicc_unpack_bytes(b, aicc_b_reshape(b, aicc_in(n, 1), bytes, 2), 4);
  pairs = pairs ? aicc_b_slice(b, pairs, 1, one, two, -1) : NULL;
  const aicc_dim codes = aicc_dim_mul(dims, bytes[0], two);
  const aicc_dim matrix[] = {aicc_dim_const(dims, columns), aicc_dim_const(dims, k)};
  aicc_value *code = aicc_b_reshape(b, pairs, &codes, 1);
  code = code ? aicc_b_slice(b, code, 0, zero, all, 1) : NULL;
  aicc_value *value = aicc_b_gather(b, bnb_table(im, (int)type),
                                    code ? aicc_b_cast(b, code, AICC_I32) : NULL, 0);
  aicc_value *factor = aicc_quant_repeat(b, aicc_widen(b, aicc_in(n, 2)), value, 0, block);
  return set_product(im, n, aicc_b_reshape(b, aicc_mul(b, value, factor), matrix, 2), NULL);
}
