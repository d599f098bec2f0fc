// Floats that are quantised: rounded, moved to a zero point, clamped and cast to bytes.
//
//   cast(min(max(round(x / s) + z, lo), hi))
//
// as QuantizeLinear is imported, in any order of the last three. It is the epilogue of every
// product of a quantised network, and taken apart costs as much as the product: a division, clamps
// that keep NaN, and a cast that holds for any float. The same bytes come of
//
//   - clamping first: x to the floats next to lo' * s and hi' * s, of which lo' and hi' are what
//     lo and hi are without z;
//   - a product with r = 1/s and one correction, q + (x - q * s) * r with q = x * r. That is x / s,
//     but that it may be the neighbour of it where x / s lies about 2^-24 units in the last place
//     from the middle of two floats (Markstein, "Computation of elementary functions on the IBM
//     RISC System/6000", 1990). Bytes see that next to n + 1/2 alone, and the floats there are few:
//     all of them are tried when the kernel is made, and what fails is divided;
//   - adding 1.5 * 2^23: the sum's last bits are x rounded to the nearest integer, even at ties.
//
// Where the byte is made a float again at once (DequantizeLinear), the float is that sum less
// 1.5 * 2^23. What cannot be NaN, as sums of integers times scales cannot, is not asked whether it
// is.
#include <math.h>

#include "ir/build.h"
#include "passes/lower.h"

enum { SMALL = 1 << 16, NEAR = 4 };

static const double magic = 0x1.8p23;  // as a float 0x4B400000

// round(x) clamped to lo .. hi, and then |plus| added.
typedef struct rounding {
  const aicc_value *x;
  double lo, hi, plus;
} rounding;

// The number that |x|, of one element, is.
static bool number_of(const lower_kernel *lk, const aicc_value *x, double *number) {
  const aicc_tensor *t = aicc_value_constant(x);
  const bool found =
      t && t->dtype == AICC_F32 && aicc_type_is_single(lk->lw->module, &x->type);
  *number = found ? aicc_get_f64(t->dtype, t->data, 0) : 0;
  return found;
}

static bool integer_of(const lower_kernel *lk, const aicc_value *x, double *number) {
  return number_of(lk, x, number) && *number == floor(*number) && fabs(*number) < SMALL;
}

// Follows |value| down to the rounding of which it is an integer.
static bool read_rounding(const lower_kernel *lk, const aicc_value *value, rounding *out) {
  const aicc_node *def = value->def;
  double number;
  if (!def || def->parent != lk->group || def->in[0]->type.dtype != AICC_F32 ||
      !aicc_type_same_shape(&def->in[0]->type, &value->type)) {
    return false;
  }
  if (def->op == AICC_OP_ROUND) {
    *out = (rounding){.x = def->in[0], .lo = -INFINITY, .hi = INFINITY};
    return true;
  }
  if (def->in_count != 2 || !integer_of(lk, def->in[1], &number) ||
      !read_rounding(lk, def->in[0], out)) {
    return false;
  }
  const double bare = number - out->plus;
  switch (def->op) {
    case AICC_OP_ADD: out->plus += number; return true;
    case AICC_OP_SUB: out->plus -= number; return true;
    case AICC_OP_MAX:
      out->lo = fmax(out->lo, bare);
      out->hi = fmax(out->hi, bare);
      return true;
    case AICC_OP_MIN:
      out->lo = fmin(out->lo, bare);
      out->hi = fmin(out->hi, bare);
      return true;
    default: return false;
  }
}

static bool fits(const rounding *r, aicc_dtype to) {
  const double least = to == AICC_I8 ? -128 : 0;
  return r->lo + r->plus >= least && r->hi + r->plus <= least + 255 && fabs(r->plus) < SMALL;
}

// --- quotients -----------------------------------------------------------------------------------

static float corrected(float x, float scale, float inverse) {
  const float q = x * inverse;
  return fmaf(fmaf(-q, scale, x), inverse, q);
}

// Whether the corrected product rounds as the quotient does, for every x from lo * scale to
// hi * scale.
static bool rounds_alike(const rounding *r, float scale) {
  const float inverse = 1 / scale;
  const double ends[] = {r->lo, r->hi};
  for (int i = 0; i < 2; i++) {
    const float end = (float)ends[i] * scale;
    if (rintf(end / scale) != (float)ends[i] ||
        rintf(corrected(end, scale, inverse)) != (float)ends[i]) {
      return false;
    }
  }
  for (double n = r->lo; n < r->hi; n++) {
    float x = (float)(n + 0.5) * scale;
    for (int i = 0; i < NEAR; i++) {
      x = nextafterf(x, -INFINITY);
    }
    for (int i = 0; i <= 2 * NEAR; i++, x = nextafterf(x, INFINITY)) {
      if (rintf(corrected(x, scale, inverse)) != rintf(x / scale)) {
        return false;
      }
    }
  }
  return true;
}

// The scale that |x| is divided by, where that may be a product; 0: it is not.
static float scale_of(const lower_kernel *lk, const rounding *r) {
  const aicc_node *def = r->x->def;
  double number;
  if (!def || def->parent != lk->group || def->op != AICC_OP_DIV ||
      !aicc_type_same_shape(&def->in[0]->type, &r->x->type) ||
      !number_of(lk, def->in[1], &number)) {
    return 0;
  }
  const float scale = (float)number;
  return scale > 0x1p-60F && scale < 0x1p60F && rounds_alike(r, scale) ? scale : 0;
}

// --- code ----------------------------------------------------------------------------------------

static kir_val number(lower_kernel *lk, double value) {
  return kir_const(&lk->b, AICC_F32, value);
}

static kir_val clamp(lower_kernel *lk, kir_val x, double lo, double hi) {
  kir_builder *b = &lk->b;
  const kir_val least = number(lk, lo), most = number(lk, hi);
  x = kir_select(b, kir_scalar2(b, AICC_OP_LT, x, most), x, most);
  return kir_select(b, kir_scalar2(b, AICC_OP_GT, x, least), x, least);
}

static kir_val quotient(lower_kernel *lk, kir_val x, float scale) {
  kir_builder *b = &lk->b;
  const kir_val inverse = number(lk, 1 / scale), q = kir_mul(b, x, inverse);
  const kir_val rest = kir_fma(b, kir_scalar1(b, AICC_OP_NEG, q), number(lk, scale), x);
  return kir_fma(b, rest, inverse, q);
}

// --- bounds --------------------------------------------------------------------------------------

static double bound_of(const lower_kernel *lk, const aicc_value *x);

static double bound_of_constant(const aicc_tensor *t) {
  double bound = 0;
  int64_t count = 1;
  for (int i = 0; i < t->rank; i++) {
    count *= t->shape[i];
  }
  for (int64_t i = 0; i < count; i++) {
    const double x = fabs(aicc_get_f64(t->dtype, t->data, (size_t)i));
    bound = x <= bound ? bound : x < INFINITY ? x : INFINITY;  // NaN, too, has no bound
  }
  return bound;
}

static double bound_of_cast(const aicc_node *cast) {
  const aicc_dtype from = cast->in[0]->type.dtype;
  return cast->out[0]->type.dtype == AICC_F32 && aicc_dtype_is_int(from)
             ? ldexp(1, (int)aicc_dtype_table[from].bits)
             : INFINITY;
}

// A bound on |x| and on what it is computed from; infinite where none is known or NaN may occur.
static double bound_of(const lower_kernel *lk, const aicc_value *x) {
  const aicc_tensor *t = aicc_value_constant(x);
  const aicc_node *def = x->def;
  if (t && t->dtype == AICC_F32) {
    return bound_of_constant(t);
  }
  if (!def || def->parent != lk->group) {
    return INFINITY;
  }
  if (def->op == AICC_OP_CAST) {
    return bound_of_cast(def);
  }
  if (def->in_count != 2 || aicc_kind_of(def) != AICC_KIND_ELTWISE) {
    return INFINITY;
  }
  const double a = bound_of(lk, def->in[0]), b = a < INFINITY ? bound_of(lk, def->in[1]) : a;
  const double both = def->op == AICC_OP_MUL ? a * b
                      : def->op == AICC_OP_ADD || def->op == AICC_OP_SUB ||
                              def->op == AICC_OP_MAX || def->op == AICC_OP_MIN
                          ? a + b
                          : INFINITY;
  return both < 1e30 ? both : INFINITY;
}

// --- the chain -----------------------------------------------------------------------------------

// The rounded value in f32, on top of |magic|; |*is_number|: 0 where it needs no asking.
static kir_val rounded(lower_kernel *lk, const rounding *r, const kir_val *index,
                       kir_val *is_number) {
  kir_builder *b = &lk->b;
  const float scale = scale_of(lk, r);
  const aicc_value *source = scale > 0 ? r->x->def->in[0] : r->x;
  const kir_val x = lk_elem(lk, source, index);
  const kir_val y =
      scale > 0
          ? quotient(lk, clamp(lk, x, (float)r->lo * scale, (float)r->hi * scale), scale)
          : clamp(lk, x, r->lo, r->hi);
  *is_number = bound_of(lk, source) < INFINITY ? 0 : kir_scalar2(b, AICC_OP_EQ, x, x);
  return kir_add(b, y, number(lk, magic));
}

// What NaN becomes as |to|.
static kir_val of_nan(lower_kernel *lk, aicc_dtype to) {
  return kir_cast(&lk->b, number(lk, NAN), to, false);
}

static bool read_quantised(const lower_kernel *lk, const aicc_node *cast, rounding *r) {
  return cast && cast->op == AICC_OP_CAST && cast->parent == lk->group &&
         cast->in[0]->type.dtype == AICC_F32 && aicc_dtype_is_byte(cast->out[0]->type.dtype) &&
         read_rounding(lk, cast->in[0], r) && fits(r, cast->out[0]->type.dtype);
}

static kir_val as_bytes(lower_kernel *lk, const rounding *r, aicc_dtype to, const kir_val *index) {
  kir_builder *b = &lk->b;
  kir_val is_number;
  const kir_val sum = kir_bitcast(b, rounded(lk, r, index, &is_number), AICC_I32);
  const kir_val result = kir_add(b, sum, kir_const(b, AICC_I32, r->plus - 0x4B400000));
  const kir_val none = kir_cast(b, of_nan(lk, to), AICC_I32, false);
  return kir_cast(b, is_number ? kir_select(b, is_number, result, none) : result, to, false);
}

// Less |zero|.
static kir_val as_floats(lower_kernel *lk, const rounding *r, double zero, aicc_dtype bytes,
                         const kir_val *index) {
  kir_builder *b = &lk->b;
  kir_val is_number;
  const kir_val sum = kir_sub(b, rounded(lk, r, index, &is_number), number(lk, magic));
  const kir_val result = r->plus == zero ? sum : kir_add(b, sum, number(lk, r->plus - zero));
  const kir_val none =
      kir_sub(b, kir_cast(b, of_nan(lk, bytes), AICC_F32, false), number(lk, zero));
  return is_number ? kir_select(b, is_number, result, none) : result;
}

// Floats of quantised bytes, perhaps less a number.
static bool read_floats(const lower_kernel *lk, const aicc_node *node, rounding *r, double *zero,
                        aicc_dtype *bytes) {
  *zero = 0;
  if (node->op == AICC_OP_SUB && integer_of(lk, node->in[1], zero) &&
      aicc_type_same_shape(&node->in[0]->type, &node->out[0]->type)) {
    node = node->in[0]->def;
  }
  if (!node || node->op != AICC_OP_CAST || node->parent != lk->group ||
      node->out[0]->type.dtype != AICC_F32 || !read_quantised(lk, node->in[0]->def, r)) {
    return false;
  }
  *bytes = node->in[0]->type.dtype;
  return true;
}

bool lk_quantise(lower_kernel *lk, const aicc_node *node, const kir_val *index, kir_val *out) {
  rounding r;
  double zero;
  aicc_dtype bytes;
  if (read_quantised(lk, node, &r)) {
    *out = as_bytes(lk, &r, node->out[0]->type.dtype, index);
    return true;
  }
  if (read_floats(lk, node, &r, &zero, &bytes)) {
    *out = as_floats(lk, &r, zero, bytes, index);
    return true;
  }
  return false;
}
