#include "math/math_reference.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static double sigmoid_f64(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt_f64(double x) { return 1 / sqrt(x); }
static long double sigmoid_long(long double x) { return 1 / (1 + expl(-x)); }
static long double rsqrt_long(long double x) { return 1 / sqrtl(x); }

typedef struct reference_row {
  cg_math_fn fn;
  double (*f64)(double);
  long double (*wide)(long double);
} reference_row;

#define ROW(name) {CG_MATH_##name, name, name##l}
static const reference_row unary[] = {
    ROW(exp),   ROW(exp2),  ROW(expm1), ROW(log),  ROW(log2), ROW(log10), ROW(log1p), ROW(tanh),
    ROW(erf),   ROW(erfc),  ROW(sin),   ROW(cos),  ROW(tan),  ROW(asin),  ROW(acos),  ROW(atan),
    ROW(sinh),  ROW(cosh),  ROW(asinh), ROW(acosh), ROW(atanh),
    {CG_MATH_sigmoid, sigmoid_f64, sigmoid_long},
    {CG_MATH_rsqrt, rsqrt_f64, rsqrt_long},
};
#undef ROW

static const reference_row *find_row(cg_math_fn fn) {
  for (size_t i = 0; i < sizeof(unary) / sizeof(unary[0]); i++) {
    if (unary[i].fn == fn) {
      return &unary[i];
    }
  }
  return NULL;
}

double math_reference_f64(cg_math_fn fn, double a, double b) {
  const reference_row *row = find_row(fn);
  if (row) {
    return row->f64(a);
  }
  return fn == CG_MATH_pow ? pow(a, b) : atan2(a, b);
}

long double math_reference_long(cg_math_fn fn, long double a, long double b) {
  const reference_row *row = find_row(fn);
  if (row) {
    return row->wide(a);
  }
  return fn == CG_MATH_pow ? powl(a, b) : atan2l(a, b);
}

// libmvec is looked up at run time: nothing to link, and machines without it still test.
static math_jit *vector_loop(const char *name, int bits, math_loop **out) {
  void *library = dlopen("libmvec.so.1", RTLD_NOW);
  char symbol[64];
  snprintf(symbol, sizeof(symbol), "_ZGVdN4v_%s", name);
  void *callee = library ? dlsym(library, symbol) : NULL;
#if defined(__x86_64__)
  if (callee && __builtin_cpu_supports("avx2")) {
    return math_jit_make_call(callee, bits, 4, out);
  }
#endif
  return NULL;
}

static int is_trig(cg_math_fn fn) {
  return fn == CG_MATH_sin || fn == CG_MATH_cos || fn == CG_MATH_tan;
}

static int is_limited(cg_math_fn fn) {
  return fn == CG_MATH_exp || fn == CG_MATH_log || fn == CG_MATH_sigmoid;
}

math_reference math_reference_make(cg_math_fn fn) {
  math_reference reference = {.fn = fn};
  if (is_trig(fn)) {  // on reduced arguments, which are doubles
    reference.jits[0] = vector_loop("sin", 64, &reference.vector);
    reference.jits[1] = vector_loop("cos", 64, &reference.vector_cos);
  } else if (is_limited(fn)) {
    const char *name = fn == CG_MATH_log ? "log" : "exp";
    reference.jits[0] = vector_loop(name, 64, &reference.vector);
  } else if (cg_math_table[fn].arity == 1) {
    reference.jits[0] = vector_loop(cg_math_table[fn].name, 32, &reference.vector);
  }
  return reference;
}

void math_reference_free(math_reference *reference) {
  math_jit_free(reference->jits[0]);
  math_jit_free(reference->jits[1]);
}

// 2/pi, 64 bits after the point each.
static const uint64_t two_over_pi[5] = {0xa2f9836e4e441529u, 0xfc2757d1f534ddc0u,
                                        0xdb6295993c439041u, 0xfe5163abdebbc561u,
                                        0xb7246e3a424dd2e0u};

// 64 bits of 2/pi from position |start| after the point; zeros before it.
static uint64_t window(int start) {
  if (start <= -64) {
    return 0;
  }
  if (start < 0) {
    return two_over_pi[0] >> -start;
  }
  const uint64_t high = two_over_pi[start / 64];
  const int shift = start % 64;
  return shift ? high << shift | two_over_pi[start / 64 + 1] >> (64 - shift) : high;
}

// |x| = n pi/2 + r for finite x, exactly but for the last rounding: |x| = m 2^(e - 150) with 24-bit
// m, times 128 bits of 2/pi that begin two bits before the point of the product.
static double reduce(float x, int *n) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof(bits));
  const int exponent = (int)(bits >> 23 & 255);
  if (exponent < 126 || exponent == 255) {
    *n = 0;
    return fabs((double)x);
  }
  const uint64_t m = (bits & 0x7fffff) | 0x800000;
  const int start = exponent - 152;
  const uint64_t high = window(start), low = window(start + 64);
  const uint64_t low_product = m * (low >> 32) + (m * (low & UINT32_MAX) >> 32);
  const uint64_t top = m * high + (low_product >> 32);
  const uint64_t rest = low_product << 32;
  *n = (int)((top + (UINT64_C(1) << 61)) >> 62);
  const int64_t fraction = (int64_t)(top << 2 | rest >> 62);
  const double units = (double)(fraction >> 32) * 0x1p-32 +
                       ((double)(fraction & UINT32_MAX) + (double)(rest << 2) * 0x1p-64) * 0x1p-64;
  return units * 0x1.921fb54442d18p+0;
}

static void run_trig(const math_reference *reference, const float *a, double *out, int64_t count) {
  double r[MATH_CHUNK] = {0}, s[MATH_CHUNK], c[MATH_CHUNK];
  int n[MATH_CHUNK];
  for (int64_t i = 0; i < count; i++) {
    r[i] = reduce(a[i], &n[i]);
  }
  if (reference->vector && reference->vector_cos) {
    reference->vector(r, r, s, count);
    reference->vector_cos(r, r, c, count);
  } else {
    for (int64_t i = 0; i < count; i++) {
      s[i] = sin(r[i]);
      c[i] = cos(r[i]);
    }
  }
  for (int64_t i = 0; i < count; i++) {
    const int odd = n[i] & 1;
    const double sine = (n[i] & 2 ? -1.0 : 1.0) * (odd ? c[i] : s[i]);
    const double cosine = ((n[i] + 1) & 2 ? -1.0 : 1.0) * (odd ? s[i] : c[i]);
    const double sign = copysign(1.0, a[i]);
    out[i] = reference->fn == CG_MATH_sin   ? sign * sine
             : reference->fn == CG_MATH_cos ? cosine
                                            : sign * sine / cosine;
    if (!isfinite(a[i])) {
      out[i] = NAN;
    }
  }
}

// The vector library calls scalar code for what it holds special, NaNs and overflow, which is half
// of all floats: exp's arguments are limited to where f32 has long overflowed, log's made positive.
static void run_limited(const math_reference *reference, const float *a, double *out,
                        int64_t count) {
  const cg_math_fn fn = reference->fn;
  double x[MATH_CHUNK] = {0};
  for (int64_t i = 0; i < count; i++) {
    const double value = fn == CG_MATH_log ? fabs((double)a[i]) : (double)a[i];
    const double high = value > 200 && fn != CG_MATH_log ? 200 : value;
    const double both = high < -200 ? -200 : high;
    x[i] = fn == CG_MATH_sigmoid ? -both : both;
  }
  reference->vector(x, x, out, count);
  for (int64_t i = 0; i < count; i++) {
    out[i] = fn == CG_MATH_sigmoid ? 1 / (1 + out[i])
             : fn == CG_MATH_log && a[i] < 0 ? NAN : out[i];
  }
}

void math_reference_run(const math_reference *reference, const float *a, const float *b,
                        double *out, int64_t count) {
  if (is_trig(reference->fn)) {
    run_trig(reference, a, out, count);
  } else if (reference->vector && is_limited(reference->fn)) {
    run_limited(reference, a, out, count);
  } else if (reference->vector) {
    reference->vector(a, a, out, count);
  } else {
    for (int64_t i = 0; i < count; i++) {
      out[i] = math_reference_f64(reference->fn, a[i], b[i]);
    }
  }
}
