// Building what only GPUs have: blocks of warps, vector accesses, asynchronous copies, matrices.
#include "ir/kir.h"

static const kir_value_info *info_of(const kir_builder *b, kir_val v) {
  AICC_ASSERT(v != 0 && v < b->kernel->value_count);
  return &b->kernel->values[v];
}

static bool is_index(const kir_builder *b, kir_val v) {
  const kir_value_info *info = info_of(b, v);
  return info->kind == KIR_VALUE && info->dtype == AICC_I64;
}

// Elements |at| .. |at| + |count| - 1 of an array exist.
static bool has_elements(const kir_builder *b, kir_val array, int64_t at, int64_t count) {
  const kir_value_info *info = info_of(b, array);
  return info->kind == KIR_ARRAY_VALUE && at >= 0 && count > 0 &&
         (uint64_t)at + (uint64_t)count <= info->def->imm;
}

static bool is_local(const kir_builder *b, kir_val v) {
  const kir_value_info *info = info_of(b, v);
  return info->kind == KIR_BUFFER && info->def != NULL;
}

kir_val kir_warp(kir_builder *b) {
  const kir_value_info info = {.kind = KIR_VALUE, .dtype = AICC_I64};
  return kir_append(b, (kir_inst){.op = KIR_WARP}, &info)->result;
}

bool kir_copy_fits(aicc_dtype dtype, int64_t count) {
  const size_t size = aicc_dtype_size(dtype);
  for (size_t bytes = 4; bytes <= 16; bytes *= 2) {
    if (count > 0 && (uint64_t)count * size == bytes) {
      return aicc_dtype_kind_of(dtype) <= AICC_KIND_FLOAT8;
    }
  }
  return false;
}

bool kir_vector_fits(aicc_dtype dtype, int64_t count) {
  return kir_copy_fits(dtype, count) ||
         (count == 1 && aicc_dtype_kind_of(dtype) <= AICC_KIND_FLOAT8);
}

// --- vectors -------------------------------------------------------------------------------------

static void vector(kir_builder *b, kir_op op, kir_val array, int64_t at, int64_t count,
                   kir_val buffer, kir_val index) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  AICC_ASSERT(has_elements(b, array, at, count));
  AICC_ASSERT(info_of(b, array)->dtype == info_of(b, buffer)->dtype);
  AICC_ASSERT(kir_vector_fits(info_of(b, buffer)->dtype, count));
  kir_append(b, (kir_inst){.op = op, .buffer = buffer, .arrays = {array}, .at = {(int32_t)at},
                           .count = (int32_t)count, .arg_count = 1, .args = {index}}, NULL);
}

void kir_vload(kir_builder *b, kir_val array, int64_t at, int64_t count, kir_val buffer,
               kir_val index) {
  AICC_ASSERT(info_of(b, array)->varying || !info_of(b, index)->varying);
  vector(b, KIR_VLOAD, array, at, count, buffer, index);
}

void kir_vstore(kir_builder *b, kir_val buffer, kir_val index, kir_val array, int64_t at,
                int64_t count) {
  AICC_ASSERT(!info_of(b, array)->varying || info_of(b, index)->varying);
  vector(b, KIR_VSTORE, array, at, count, buffer, index);
}

// --- asynchronous copies -------------------------------------------------------------------------

void kir_copy_async(kir_builder *b, kir_val local, kir_val local_index, kir_val source,
                    kir_val source_index, int64_t count, kir_val guard) {
  const kir_value_info *to = info_of(b, local), *from = info_of(b, source);
  AICC_ASSERT(is_local(b, local) && from->kind == KIR_BUFFER && from->def == NULL);
  AICC_ASSERT(to->dtype == from->dtype && kir_copy_fits(to->dtype, count));
  AICC_ASSERT(is_index(b, local_index) && is_index(b, source_index));
  kir_inst inst = {.op = KIR_COPY_ASYNC, .buffer = local, .source = source,
                   .count = (int32_t)count, .arg_count = 2, .args = {local_index, source_index}};
  if (guard != 0) {
    AICC_ASSERT(info_of(b, guard)->kind == KIR_VALUE && info_of(b, guard)->dtype == AICC_BOOL);
    inst.args[inst.arg_count++] = guard;
  }
  kir_append(b, inst, NULL);
}

void kir_commit(kir_builder *b) { kir_append(b, (kir_inst){.op = KIR_COMMIT}, NULL); }

void kir_wait(kir_builder *b, int64_t pending) {
  AICC_ASSERT(pending >= 0 && pending <= KIR_WAIT_MAX);
  kir_append(b, (kir_inst){.op = KIR_WAIT, .imm = (uint64_t)pending}, NULL);
}

// --- matrices ------------------------------------------------------------------------------------

void kir_ldmatrix(kir_builder *b, kir_val array, int64_t at, int matrices, bool transposed,
                  kir_val buffer, kir_val index) {
  AICC_ASSERT(matrices == 1 || matrices == 2 || matrices == 4);
  AICC_ASSERT(has_elements(b, array, at, matrices) && info_of(b, array)->dtype == AICC_U32);
  AICC_ASSERT(info_of(b, array)->varying && is_local(b, buffer) && is_index(b, index));
  kir_append(b, (kir_inst){.op = KIR_LDMATRIX, .buffer = buffer, .arrays = {array},
                           .at = {(int32_t)at}, .count = matrices, .transposed = transposed,
                           .arg_count = 1, .args = {index}}, NULL);
}

void kir_mma(kir_builder *b, kir_mma_kind kind, kir_val d, int64_t d_at, kir_val a, int64_t a_at,
             kir_val b_array, int64_t b_at) {
  const kir_mma_info *mma = &kir_mma_infos[kind];
  AICC_ASSERT(has_elements(b, d, d_at, mma->d_registers) && info_of(b, d)->dtype == mma->d);
  AICC_ASSERT(has_elements(b, a, a_at, mma->a_registers) && info_of(b, a)->dtype == AICC_U32);
  AICC_ASSERT(has_elements(b, b_array, b_at, mma->b_registers) &&
              info_of(b, b_array)->dtype == AICC_U32);
  AICC_ASSERT(info_of(b, d)->varying);
  kir_append(b, (kir_inst){.op = KIR_MMA, .mma = kind, .arrays = {d, a, b_array},
                           .at = {(int32_t)d_at, (int32_t)a_at, (int32_t)b_at}}, NULL);
}

kir_val kir_exchange(kir_builder *b, kir_val x, int64_t distance) {
  AICC_ASSERT(info_of(b, x)->kind == KIR_VALUE && distance > 0 &&
              (distance & (distance - 1)) == 0);
  if (!info_of(b, x)->varying) {
    return x;
  }
  const kir_value_info info = {
      .kind = KIR_VALUE, .dtype = info_of(b, x)->dtype, .varying = true};
  return kir_append(b, (kir_inst){.op = KIR_EXCHANGE, .imm = (uint64_t)distance, .arg_count = 1,
                                  .args = {x}}, &info)->result;
}

kir_val kir_power2(kir_builder *b, kir_val x) {
  AICC_ASSERT(info_of(b, x)->kind == KIR_VALUE && info_of(b, x)->dtype == AICC_F32);
  const kir_value_info info = {
      .kind = KIR_VALUE, .dtype = AICC_F32, .varying = info_of(b, x)->varying};
  return kir_append(b, (kir_inst){.op = KIR_POWER2, .arg_count = 1, .args = {x}}, &info)->result;
}
