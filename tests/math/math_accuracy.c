// Measures the error of cg_math's functions and compares it with the bounds of math_ops.def.
//
//   math_accuracy [--full | --sample] [--table] [NAME...]
//   math_accuracy --speed [NAME...]   only nanoseconds per f32, vector code, one core
//
// f32: every input of exp, log, tanh, erf, sigmoid, sin and cos (with --full: of every function of
// one operand), every 17th of the others (with --sample: of all), random pairs for pow and atan2;
// special values for all. f64: a random sample against long double. Exit code 1 where a bound is
// passed.
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/math_jit.h"
#include "math/math_reference.h"

enum { LANES_F32 = 16, LANES_F64 = 8, SAMPLE_STRIDE = 17, PAIR_CHUNKS = 4000, F64_CHUNKS = 200 };

// The worst error seen, in units in the last place of the exact result, and where.
typedef struct worst_case {
  double ulps, a, b, got, want;
} worst_case;

typedef struct measurement {
  worst_case f32, f64;
  uint64_t f32_count;
  bool every_input;
} measurement;

static double ulp_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  bits &= UINT64_C(0x7ff0000000000000);
  double power;
  memcpy(&power, &bits, sizeof(power));
  return (power > 0x1p-126 ? power : 0x1p-126) * 0x1p-23;
}

// Infinity counts as 2^128, where the next float would be.
static double limit(double value) {
  const double low = value < -0x1p128 ? -0x1p128 : value;
  return low > 0x1p128 ? 0x1p128 : low;
}

static double error_f32(float got, double want) {
  const double nan_error = (got != got) != (want != want) ? 1e30 : 0;
  const double error = fabs(limit((double)got) - limit(want)) / ulp_of(limit(want));
  return (error == error ? error : 0) + nan_error;
}

static void note_errors(const float *a, const float *b, const float *got, const double *want,
                        int64_t count, worst_case *worst) {
  double highest = 0;
  for (int64_t i = 0; i < count; i++) {
    const double error = error_f32(got[i], want[i]);
    highest = error > highest ? error : highest;
  }
  if (highest <= worst->ulps) {
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    if (error_f32(got[i], want[i]) == highest) {
      *worst = (worst_case){highest, a[i], b[i], got[i], want[i]};
      return;
    }
  }
}

static float from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}

static int parity(cg_math_fn fn) {
  static const cg_math_fn odd[] = {CG_MATH_tanh, CG_MATH_erf,  CG_MATH_sin,   CG_MATH_tan,
                                   CG_MATH_asin, CG_MATH_atan, CG_MATH_sinh,  CG_MATH_asinh,
                                   CG_MATH_atanh};
  for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
    if (fn == odd[i]) {
      return -1;
    }
  }
  return fn == CG_MATH_cos || fn == CG_MATH_cosh ? 1 : 0;
}

// An odd or even function's values at -x are held against those at x, bit for bit; for the others
// the negative half is measured like the positive one.
static bool mirrors(math_loop *loop, int sign, const float *a, const float *got) {
  float negative[MATH_CHUNK], mirrored[MATH_CHUNK];
  for (int i = 0; i < MATH_CHUNK; i++) {
    negative[i] = -a[i];
  }
  loop(negative, negative, mirrored, MATH_CHUNK);
  for (int i = 0; i < MATH_CHUNK; i++) {
    mirrored[i] = sign < 0 ? -mirrored[i] : mirrored[i];
    if (got[i] == got[i] && memcmp(&mirrored[i], &got[i], sizeof(float)) != 0) {
      fprintf(stderr, "not symmetric at %a: %a and %a\n", (double)a[i], (double)got[i],
              (double)mirrored[i]);
      return false;
    }
  }
  return true;
}

static bool measure_unary(cg_math_fn fn, math_loop *loop, uint32_t stride, measurement *out) {
  math_reference reference = math_reference_make(fn);
  const int sign = parity(fn);
  const uint64_t total = sign ? UINT64_C(1) << 31 : UINT64_C(1) << 32;
  float a[MATH_CHUNK], got[MATH_CHUNK];
  double want[MATH_CHUNK];
  bool ok = true;
  for (uint64_t start = 0; start < total && ok; start += (uint64_t)stride * MATH_CHUNK) {
    for (uint64_t i = 0; i < MATH_CHUNK; i++) {
      const uint64_t bits = start + i * stride;
      a[i] = from_bits((uint32_t)(bits < total ? bits : total - 1));
    }
    loop(a, a, got, MATH_CHUNK);
    math_reference_run(&reference, a, a, want, MATH_CHUNK);
    note_errors(a, a, got, want, MATH_CHUNK, &out->f32);
    ok = !sign || mirrors(loop, sign, a, got);
  }
  out->f32_count = (UINT64_C(1) << 32) / stride;
  out->every_input = stride == 1;
  math_reference_free(&reference);
  return ok;
}

static uint64_t next_random(uint64_t *state) {
  *state += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t z = *state;
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

// Any bits; or magnitudes around 1, where most functions live; or small integers and halves.
static double random_value(uint64_t *state, int kind, int bits) {
  const uint64_t r = next_random(state);
  if (kind == 0) {
    double wide;
    memcpy(&wide, &r, sizeof(wide));
    return bits == 64 ? wide : (double)from_bits((uint32_t)r);
  }
  if (kind == 1) {
    const double magnitude = ldexp(1 + (double)(r >> 12) * 0x1p-52, (int)(r & 31) - 20);
    return r & 32 ? -magnitude : magnitude;
  }
  return (double)((int)(r % 401) - 200) * 0.5;
}

static void measure_pairs(cg_math_fn fn, math_loop *loop, measurement *out) {
  math_reference reference = math_reference_make(fn);
  uint64_t state = 1;
  float a[MATH_CHUNK], b[MATH_CHUNK], got[MATH_CHUNK];
  double want[MATH_CHUNK];
  for (int chunk = 0; chunk < PAIR_CHUNKS; chunk++) {
    for (int i = 0; i < MATH_CHUNK; i++) {
      a[i] = (float)random_value(&state, chunk % 3, 32);
      b[i] = (float)random_value(&state, chunk / 3 % 3, 32);
    }
    loop(a, b, got, MATH_CHUNK);
    math_reference_run(&reference, a, b, want, MATH_CHUNK);
    note_errors(a, b, got, want, MATH_CHUNK, &out->f32);
  }
  out->f32_count = (uint64_t)PAIR_CHUNKS * MATH_CHUNK;
  math_reference_free(&reference);
}

// The range in which f64 trigonometry is promised (cg_math.h).
static bool in_range_f64(cg_math_fn fn, double a) {
  const bool trig = fn == CG_MATH_sin || fn == CG_MATH_cos || fn == CG_MATH_tan;
  return !trig || !(fabs(a) >= 0x1p45);
}

static double error_f64(double got, long double want) {
  if (got != got || want != want) {
    return (got != got) == (want != want) ? 0 : 1e30;
  }
  const long double top = 0x1p1023L * 2;
  const long double w = want > top ? top : want < -top ? -top : want;
  const long double g = (long double)got > top ? top : (long double)got < -top ? -top : got;
  int exponent;
  frexpl(w, &exponent);
  const int last = exponent - 53 > -1074 && w != 0 ? exponent - 53 : -1074;
  return (double)(fabsl(g - w) * ldexpl(1, -last));
}

static bool measure_f64(cg_math_fn fn, measurement *out) {
  math_loop *loop;
  math_jit *jit = math_jit_make(fn, 64, LANES_F64, &loop);
  if (!jit) {
    return false;
  }
  uint64_t state = 2;
  double a[MATH_CHUNK], b[MATH_CHUNK], got[MATH_CHUNK];
  for (int chunk = 0; chunk < F64_CHUNKS; chunk++) {
    for (int i = 0; i < MATH_CHUNK; i++) {
      a[i] = random_value(&state, chunk % 3, 64);
      b[i] = random_value(&state, chunk / 3 % 3, 64);
    }
    loop(a, b, got, MATH_CHUNK);
    for (int i = 0; i < MATH_CHUNK; i++) {
      const bool in_range = in_range_f64(fn, a[i]);
      const long double want = in_range ? math_reference_long(fn, a[i], b[i]) : NAN;
      const double error = error_f64(got[i], want);
      if (error > out->f64.ulps) {
        out->f64 = (worst_case){error, a[i], b[i], got[i], (double)want};
      }
    }
  }
  math_jit_free(jit);
  return true;
}

static const float specials[] = {0.0f,     -0.0f,     INFINITY,  -INFINITY, NAN,      1.0f,
                                 -1.0f,    0.5f,      -0.5f,     2.0f,      -2.0f,    3.0f,
                                 -3.0f,    2.5f,      -2.5f,     FLT_MAX,   -FLT_MAX, FLT_MIN,
                                 -FLT_MIN, 0x1p-149f, -0x1p-149f, 0x1p-130f, 0x1p24f,  -0x1p24f,
                                 0x1p25f,  0x1.fffffep23f, 0x1.fffffep-1f, 0x1.000002p0f, 89.0f,
                                 -104.0f,  1e30f,     -1e30f};
enum { SPECIAL_COUNT = sizeof(specials) / sizeof(specials[0]) };

// Signs of zeros and infinities, and NaN exactly where C has NaN, over all pairs of specials; and
// scalar code gives the very bits of vector code.
static bool check_specials(cg_math_fn fn, math_loop *loop) {
  math_loop *scalar;
  math_jit *jit = math_jit_make(fn, 32, 0, &scalar);
  if (!jit) {
    return false;
  }
  bool ok = true;
  for (int i = 0; i < SPECIAL_COUNT; i++) {
    float a[SPECIAL_COUNT], b[SPECIAL_COUNT], got[SPECIAL_COUNT], one[SPECIAL_COUNT];
    for (int j = 0; j < SPECIAL_COUNT; j++) {
      a[j] = specials[i];
      b[j] = specials[j];
    }
    loop(a, b, got, SPECIAL_COUNT);
    scalar(a, b, one, SPECIAL_COUNT);
    for (int j = 0; j < SPECIAL_COUNT; j++) {
      const double want = math_reference_f64(fn, a[j], b[j]);
      const bool nan = want != want;
      const bool same = nan ? got[j] != got[j]
                            : (signbit(got[j]) != 0) == (signbit(want) != 0) &&
                                  error_f32(got[j], want) <= cg_math_table[fn].ulp_f32;
      if (!same || (!nan && memcmp(&one[j], &got[j], sizeof(float)) != 0)) {
        fprintf(stderr, "%s(%a, %a): %a (scalar %a), should be %a\n", cg_math_table[fn].name,
                (double)a[j], (double)b[j], (double)got[j], (double)one[j], want);
        ok = false;
      }
    }
  }
  math_jit_free(jit);
  return ok;
}

static bool measured_fully(cg_math_fn fn) {
  return fn == CG_MATH_exp || fn == CG_MATH_log || fn == CG_MATH_tanh || fn == CG_MATH_erf ||
         fn == CG_MATH_sigmoid || fn == CG_MATH_sin || fn == CG_MATH_cos;
}

static bool report(cg_math_fn fn, const char *type, const worst_case *worst, double bound) {
  if (worst->ulps <= bound) {
    return true;
  }
  fprintf(stderr, "%s %s: %.3g ulp, more than %g: (%a, %a) gives %a, should be %a\n",
          cg_math_table[fn].name, type, worst->ulps, bound, worst->a, worst->b, worst->got,
          worst->want);
  return false;
}

typedef struct options {
  bool full, sample, table, speed;
} run_options;

static bool check(cg_math_fn fn, const run_options *options) {
  math_loop *loop;
  math_jit *jit = math_jit_make(fn, 32, LANES_F32, &loop);
  if (!jit) {
    return false;
  }
  const clock_t start = clock();
  const cg_math_info *info = &cg_math_table[fn];
  measurement m = {0};
  bool ok = check_specials(fn, loop);
  if (info->arity == 1) {
    const bool every = options->full || (measured_fully(fn) && !options->sample);
    ok = measure_unary(fn, loop, every ? 1 : SAMPLE_STRIDE, &m) && ok;
  } else {
    measure_pairs(fn, loop, &m);
  }
  ok = report(fn, "f32", &m.f32, info->ulp_f32) && ok;
  // Elsewhere long double is no wider than double and proves nothing.
  const bool wide = LDBL_MANT_DIG > DBL_MANT_DIG;
  ok = (!wide || measure_f64(fn, &m)) && ok;
  ok = report(fn, "f64", &m.f64, info->ulp_f64) && ok;
  const char *form = options->table ? "| %s | %.2f | %g | %s | %.2f | %g |\n"
                           : "%-8s f32 %.2f (<= %g, %s)  f64 %.2f (<= %g)";
  printf(form, info->name, m.f32.ulps, info->ulp_f32,
         m.every_input       ? "every input"
         : info->arity == 1 ? "every 17th input"
                             : "16 million pairs",
         m.f64.ulps, info->ulp_f64);
  if (!options->table) {
    printf("  at %a  %.1f s\n", m.f32.a, (double)(clock() - start) / CLOCKS_PER_SEC);
  }
  fflush(stdout);
  math_jit_free(jit);
  return ok;
}

static bool time_loop(cg_math_fn fn) {
  enum { ROUNDS = 2000 };
  math_loop *loop;
  math_jit *jit = math_jit_make(fn, 32, LANES_F32, &loop);
  if (!jit) {
    return false;
  }
  float a[MATH_CHUNK], out[MATH_CHUNK];
  for (int i = 0; i < MATH_CHUNK; i++) {
    a[i] = (float)(i + 1) / (float)MATH_CHUNK;
  }
  double best = 1e9;
  for (int attempt = 0; attempt < 5; attempt++) {
    const clock_t start = clock();
    for (int round = 0; round < ROUNDS; round++) {
      loop(a, a, out, MATH_CHUNK);
    }
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    best = seconds < best ? seconds : best;
  }
  printf("%-8s %.2f ns\n", cg_math_table[fn].name,
         best * 1e9 / ((double)ROUNDS * (double)MATH_CHUNK));
  math_jit_free(jit);
  return true;
}

static bool wanted(const char *name, int argc, char **argv) {
  bool any = false;
  for (int i = 1; i < argc; i++) {
    any = any || argv[i][0] != '-';
    if (strcmp(argv[i], name) == 0) {
      return true;
    }
  }
  return !any;
}

int main(int argc, char **argv) {
  run_options options = {0};
  bool ok = true;
  for (int i = 1; i < argc; i++) {
    options.full = options.full || strcmp(argv[i], "--full") == 0;
    options.sample = options.sample || strcmp(argv[i], "--sample") == 0;
    options.speed = options.speed || strcmp(argv[i], "--speed") == 0;
    options.table = options.table || strcmp(argv[i], "--table") == 0;
  }
  if (options.table) {
    printf("| function | f32 ulp | bound | measured over | f64 ulp (sample) | bound |\n"
           "|---|---|---|---|---|---|\n");
  }
  int run = 0;
  for (int fn = 0; fn < CG_MATH_COUNT; fn++) {
    if (wanted(cg_math_table[fn].name, argc, argv)) {
      const cg_math_fn one = (cg_math_fn)fn;
      ok = (options.speed ? time_loop(one) : check(one, &options)) && ok;
      run++;
    }
  }
  return ok && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
