// The kernel interpreter's values: cells, scalar arithmetic, and what lanes give each other.
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "ir/kir_interp.h"
#include "ir/scalar.h"

void ki_fail(ki_state *t, const char *format, ...) {
  if (!t->failed) {
    va_list args;
    va_start(args, format);
    const char *text = aicc_arena_vprintf(&t->arena, format, args);
    va_end(args);
    if (t->kernel->warps > 1) {
      text = aicc_arena_printf(&t->arena, "warp %d: %s", t->w->number, text);
    }
    const aicc_loc loc = {0};
    AICC_EMIT(t->diags, E0713, &loc, t->kernel->name, (long long)t->task, text);
  }
  t->failed = true;
}

const char *ki_name(ki_state *t, kir_val v) {
  const char *name = t->kernel->values[v].name;
  return name != NULL ? aicc_arena_printf(&t->arena, "%%%s", name)
                      : aicc_arena_printf(&t->arena, "%%%u", v);
}

static bool holds_float(aicc_dtype dtype) {
  return aicc_dtype_is_float(dtype) || aicc_dtype_kind_of(dtype) == AICC_KIND_FLOAT8;
}

// The address of an element. Kernels on strings follow pointers through a buffer at address 0, so
// this is no pointer arithmetic.
static void *element(aicc_dtype dtype, const void *data, size_t index) {
  return (void *)((uintptr_t)data + index * aicc_dtype_size(dtype));
}

ki_cell ki_read_cell(aicc_dtype dtype, const void *data, size_t index) {
  const void *at = element(dtype, data, index);
  if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8) {
    ki_cell bytes = {.words = {0, 0}};
    const size_t size = aicc_dtype_size(dtype);
    memcpy(bytes.words, at, size);
    return bytes;
  }
  return holds_float(dtype) ? (ki_cell){.f = aicc_get_f64(dtype, at, 0)}
                            : (ki_cell){.i = aicc_get_i64(dtype, at, 0)};
}

void ki_write_cell(aicc_dtype dtype, void *data, size_t index, ki_cell value) {
  void *at = element(dtype, data, index);
  if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8) {
    memcpy(at, value.words, aicc_dtype_size(dtype));
  } else if (holds_float(dtype)) {
    aicc_set_f64(dtype, at, 0, value.f);
  } else {
    aicc_set_i64(dtype, at, 0, value.i);
  }
}

// --- scalar arithmetic ---------------------------------------------------------------------------

ki_cell ki_rounded(aicc_dtype dtype, double value) {
  uint64_t bits = 0;
  if (dtype == AICC_F64) {
    return (ki_cell){.f = value};
  }
  aicc_set_f64(dtype, &bits, 0, value);
  return (ki_cell){.f = aicc_get_f64(dtype, &bits, 0)};
}

static ki_cell cast_cell(ki_cell x, aicc_dtype from, aicc_dtype to, bool saturate) {
  if (!holds_float(from)) {
    return holds_float(to) ? ki_rounded(to, aicc_scalar_from_int(x.i, from))
                           : (ki_cell){.i = aicc_scalar_wrap(x.i, to)};
  }
  if (!holds_float(to)) {
    return (ki_cell){.i = aicc_scalar_to_int(x.f, to)};
  }
  if (aicc_dtype_kind_of(to) != AICC_KIND_FLOAT8) {
    return ki_rounded(to, x.f);
  }
  const uint8_t bits = aicc_f32_to_f8(to, (float)x.f, saturate);
  return (ki_cell){.f = (double)aicc_f8_to_f32(to, bits)};
}

static ki_cell bitcast_cell(ki_cell x, aicc_dtype from, aicc_dtype to) {
  uint64_t bits = 0;
  ki_write_cell(from, &bits, 0, x);
  return ki_read_cell(to, &bits, 0);
}

ki_cell ki_scalar(const kir_inst *inst, aicc_dtype operand, aicc_dtype result,
                        const ki_cell *args) {
  switch (inst->scalar_op) {
    case AICC_OP_SELECT: return args[0].i != 0 ? args[1] : args[2];
    case AICC_OP_CAST: return cast_cell(args[0], operand, result, inst->saturate);
    case AICC_OP_BITCAST: return bitcast_cell(args[0], operand, result);
    default: break;
  }
  if (!holds_float(operand)) {
    return (ki_cell){.i = aicc_scalar_i64(inst->scalar_op, operand, args[0].i, args[1].i)};
  }
  const double value = aicc_scalar_f64(inst->scalar_op, args[0].f, args[1].f);
  return result == AICC_BOOL ? (ki_cell){.i = value != 0} : ki_rounded(result, value);
}

static ki_cell fma_cell(aicc_dtype dtype, const ki_cell *args) {
  return (ki_cell){.f = dtype == AICC_F32 ? (double)fmaf((float)args[0].f, (float)args[1].f,
                                                      (float)args[2].f)
                                       : fma(args[0].f, args[1].f, args[2].f)};
}

void ki_each_lane(ki_state *t, const kir_inst *inst, ki_lane_fn one) {
  ki_cell *out = ki_cells(t, inst->result);
  const bool many = ki_varying(t, inst->result);
  for (int lane = 0; lane < t->width && !t->failed; lane++) {
    if (!many && lane > 0) {
      out[lane] = out[0];
    } else if (!many || t->w->active[lane]) {
      ki_cell args[3] = {{0}};
      for (int i = 0; i < inst->arg_count; i++) {
        args[i] = ki_cells(t, inst->args[i])[lane];
      }
      out[lane] = one(t, inst, args, lane);
    }
  }
}

static ki_cell lane_scalar(ki_state *t, const kir_inst *inst, const ki_cell *args,
                           int lane AICC_UNUSED) {
  const int typed = inst->scalar_op == AICC_OP_SELECT ? 1 : 0;
  return ki_scalar(inst, ki_dtype(t, inst->args[typed]), ki_dtype(t, inst->result), args);
}

static ki_cell lane_fma(ki_state *t, const kir_inst *inst, const ki_cell *args,
                        int lane AICC_UNUSED) {
  return fma_cell(ki_dtype(t, inst->result), args);
}

void ki_run_scalar(ki_state *t, const kir_inst *inst) {
  ki_each_lane(t, inst, inst->op == KIR_FMA ? lane_fma : lane_scalar);
}

static ki_cell lane_dot4(ki_state *t AICC_UNUSED, const kir_inst *inst AICC_UNUSED,
                         const ki_cell *args, int lane AICC_UNUSED) {
  uint32_t sum = (uint32_t)args[2].i;
  for (int i = 0; i < 4; i++) {
    const uint8_t x = (uint8_t)(args[0].i >> 8 * i);
    const int8_t y = (int8_t)(args[1].i >> 8 * i);
    sum += (uint32_t)(x * y);
  }
  return (ki_cell){.i = (int32_t)sum};
}

void ki_run_dot4(ki_state *t, const kir_inst *inst) { ki_each_lane(t, inst, lane_dot4); }

static ki_cell lane_power2(ki_state *t AICC_UNUSED, const kir_inst *inst AICC_UNUSED,
                           const ki_cell *args, int lane AICC_UNUSED) {
  return args[0].f < -126 ? (ki_cell){.f = 0} : ki_rounded(AICC_F32, exp2(args[0].f));
}

void ki_run_power2(ki_state *t, const kir_inst *inst) { ki_each_lane(t, inst, lane_power2); }

void ki_run_reduce(ki_state *t, const kir_inst *inst) {
  const aicc_dtype dtype = ki_dtype(t, inst->result);
  const kir_inst fold = {.op = KIR_SCALAR, .scalar_op = inst->scalar_op};
  const ki_cell *x = ki_cells(t, inst->args[0]);
  ki_cell *out = ki_cells(t, inst->result), sum = {0};
  bool first = true;
  for (int lane = 0; lane < t->width; lane++) {
    if (t->w->active[lane]) {
      const ki_cell pair[2] = {sum, x[lane]};
      sum = first ? x[lane] : ki_scalar(&fold, dtype, dtype, pair);
      first = false;
    }
  }
  for (int lane = 0; lane < t->width; lane++) {
    out[lane] = sum;
  }
}

void ki_run_exchange(ki_state *t, const kir_inst *inst) {
  const ki_cell *x = ki_cells(t, inst->args[0]);
  ki_cell *out = ki_cells(t, inst->result);
  if (inst->imm >= (uint64_t)t->width || (t->width & (t->width - 1)) != 0) {
    ki_fail(t, "exchange by %llu of %d lanes", (unsigned long long)inst->imm, t->width);
    return;
  }
  for (int lane = 0; lane < t->width; lane++) {
    out[lane] = x[lane ^ (int)inst->imm];
  }
}
