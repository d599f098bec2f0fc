// Library kernels of signals and sets: discrete Fourier transform, determinant, unique elements.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval_opaque.h"
#include "ir/scalar.h"

// --- dft -----------------------------------------------------------------------------------------

typedef struct dft {
  int64_t outer, in, out, inner;  // sizes around and of the axis; inner without the last dimension
  int in_parts, out_parts;        // 1: real, 2: real and imaginary
  int64_t length;
  bool inverse, onesided;
  const double *cosine, *sine;    // of 2 pi i / length
} dft;

// Element |k| of a spectrum of which the first half is stored: the other half is its conjugate.
static void input_at(const dft *t, const double *x, int64_t k, double *re, double *im) {
  const bool mirrored = t->inverse && t->onesided && k >= t->in;
  const int64_t at = (mirrored ? t->length - k : k) * t->inner * t->in_parts;
  *re = x[at];
  *im = t->in_parts == 2 ? x[at + 1] : 0;
  *im = mirrored ? -*im : *im;
}

static void transform_line(const dft *t, const double *x, double *y) {
  const double sign = t->inverse ? 1 : -1, scale = t->inverse ? 1 / (double)t->length : 1;
  for (int64_t o = 0; o < t->out; o++) {
    double re = 0, im = 0;
    for (int64_t k = 0; k < t->length; k++) {
      double a, b;
      input_at(t, x, k, &a, &b);
      const int64_t angle = (int64_t)((uint64_t)o * (uint64_t)k % (uint64_t)t->length);
      const double c = t->cosine[angle], s = sign * t->sine[angle];
      re += a * c - b * s;
      im += a * s + b * c;
    }
    y[o * t->inner * t->out_parts] = re * scale;
    if (t->out_parts == 2) {
      y[o * t->inner * t->out_parts + 1] = im * scale;
    }
  }
}

static aicc_status read_dft(const aicc_eval_call *call, dft *t) {
  const aicc_eval_value *x = call->in[0], *out = &call->out[0];
  const int64_t axis = aicc_eval_index(aicc_eval_opaque_int(call, 0, 0), x->rank);
  if (x->rank < 2 || out->rank != x->rank || axis < 0 || axis == x->rank - 1) {
    return aicc_eval_fail(call, "the axis does not fit the operand");
  }
  *t = (dft){.outer = aicc_eval_product(x->shape, (int)axis),
             .in = x->shape[axis],
             .out = out->shape[axis],
             .inner = aicc_eval_product(x->shape + axis + 1, x->rank - (int)axis - 2),
             .in_parts = (int)x->shape[x->rank - 1],
             .out_parts = (int)out->shape[x->rank - 1],
             .inverse = aicc_eval_opaque_int(call, 1, 0) != 0,
             .onesided = aicc_eval_opaque_int(call, 2, 0) != 0};
  t->length = t->inverse && t->onesided ? t->out : t->in;
  const bool short_half = t->inverse && t->onesided && t->in < t->length / 2 + 1;
  if (t->in_parts < 1 || t->in_parts > 2 || t->out_parts < 1 || t->out_parts > 2 || short_half ||
      t->length == 0) {
    return aicc_eval_fail(call, "the operand is no signal, or too short a half of a spectrum");
  }
  double *cosine = AICC_NEW_ARRAY(call->arena, double, t->length);
  double *sine = AICC_NEW_ARRAY(call->arena, double, t->length);
  for (int64_t i = 0; i < t->length; i++) {
    const double angle = 6.283185307179586 * (double)i / (double)t->length;
    cosine[i] = cos(angle);
    sine[i] = sin(angle);
  }
  t->cosine = cosine;
  t->sine = sine;
  return AICC_OK;
}

aicc_status aicc_eval_opaque_dft(aicc_eval_call *call) {
  dft t = {0};
  AICC_TRY(read_dft(call, &t));
  const int64_t count = aicc_eval_value_count(&call->out[0]);
  const double *x = aicc_eval_all_f64(call, call->in[0]);
  double *y = AICC_NEW_ARRAY(call->arena, double, count + 1);
  for (int64_t i = 0; i < t.outer * t.inner; i++) {
    const int64_t o = i / t.inner, n = i % t.inner;
    transform_line(&t, x + (o * t.in * t.inner + n) * t.in_parts,
                   y + (o * t.out * t.inner + n) * t.out_parts);
  }
  aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, 0, count, y);
  return AICC_OK;
}

// --- det -----------------------------------------------------------------------------------------

// By elimination with the largest pivot; |a| is destroyed.
static double determinant(double *a, int64_t n) {
  double product = 1;
  for (int64_t k = 0; k < n; k++) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; i++) {
      best = fabs(a[i * n + k]) > fabs(a[best * n + k]) ? i : best;
    }
    for (int64_t j = 0; j < n && best != k; j++) {
      const double swap = a[k * n + j];
      a[k * n + j] = a[best * n + j];
      a[best * n + j] = swap;
    }
    const double pivot = a[k * n + k];
    product *= best != k ? -pivot : pivot;
    for (int64_t i = k + 1; i < n && pivot != 0; i++) {
      const double factor = a[i * n + k] / pivot;
      for (int64_t j = k; j < n; j++) {
        a[i * n + j] -= factor * a[k * n + j];
      }
    }
  }
  return product;
}

aicc_status aicc_eval_opaque_det(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const int64_t n = x->rank >= 2 ? x->shape[x->rank - 1] : -1;
  if (x->rank < 2 || x->shape[x->rank - 2] != n) {
    return aicc_eval_fail(call, "the matrices are not square");
  }
  double *data = aicc_eval_all_f64(call, x);
  const int64_t count = aicc_eval_value_count(&call->out[0]);
  for (int64_t i = 0; i < count; i++) {
    const double value = determinant(data + i * n * n, n);
    aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, i, 1, &value);
  }
  return AICC_OK;
}

// --- unique --------------------------------------------------------------------------------------

// Slices along one axis: slice |i| has |outer| runs of |inner| elements.
typedef struct slices {
  const aicc_eval_value *x;
  int64_t outer, size, inner;
} slices;

static int compare_elements(const aicc_eval_value *x, int64_t a, int64_t b) {
  if (x->dtype == AICC_STR) {
    const aicc_str *strings = x->data;
    return aicc_eval_compare_str(&strings[a], &strings[b]);
  }
  if (aicc_eval_is_int(x->dtype)) {
    const int64_t i = aicc_get_i64(x->dtype, x->data, (size_t)a);
    const int64_t j = aicc_get_i64(x->dtype, x->data, (size_t)b);
    return (int)aicc_scalar_i64(AICC_OP_GT, x->dtype, i, j) -
           (int)aicc_scalar_i64(AICC_OP_LT, x->dtype, i, j);
  }
  const double i = aicc_get_f64(x->dtype, x->data, (size_t)a);
  const double j = aicc_get_f64(x->dtype, x->data, (size_t)b);
  const int nan = isnan(i) - isnan(j);
  return nan ? nan : (i > j) - (i < j);
}

static int compare_slices(const slices *s, int64_t a, int64_t b) {
  for (int64_t i = 0; i < s->outer * s->inner; i++) {
    const int64_t row = i / s->inner * s->size, at = i % s->inner;
    const int order =
        compare_elements(s->x, (row + a) * s->inner + at, (row + b) * s->inner + at);
    if (order) {
      return order;
    }
  }
  return 0;
}

// qsort has no context argument in C17: a merge sort of slice numbers, stable.
static void sort_slices(const slices *s, int64_t *order, int64_t *spare, int64_t count) {
  if (count < 2) {
    return;
  }
  const int64_t half = count / 2;
  sort_slices(s, order, spare, half);
  sort_slices(s, order + half, spare, count - half);
  memcpy(spare, order, sizeof *order * (size_t)half);
  int64_t left = 0, right = half;
  for (int64_t i = 0; i < count && left < half; i++) {
    const bool take_left = right == count || compare_slices(s, spare[left], order[right]) <= 0;
    order[i] = take_left ? spare[left++] : order[right++];
  }
}

static int by_number(const void *a, const void *b) {
  const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

typedef struct unique {
  int64_t count;
  int64_t *first, *inverse, *counts;
} unique;

// Groups equal slices; first[] holds each group's first slice, in the order of the result.
static void find_unique(const aicc_eval_call *call, const slices *s, bool sorted, unique *u) {
  int64_t *order = AICC_NEW_ARRAY(call->arena, int64_t, s->size + 1);
  int64_t *spare = AICC_NEW_ARRAY(call->arena, int64_t, s->size + 1);
  int64_t *group_of = AICC_NEW_ARRAY(call->arena, int64_t, s->size + 1);
  for (int64_t i = 0; i < s->size; i++) {
    order[i] = i;
  }
  sort_slices(s, order, spare, s->size);
  int64_t first = 0;  // of the group: the sort is stable
  for (int64_t i = 0; i < s->size; i++) {
    if (i == 0 || compare_slices(s, order[i - 1], order[i]) != 0) {
      first = order[i];
      u->first[u->count++] = first;
    }
    group_of[order[i]] = first;
  }
  if (!sorted) {
    qsort(u->first, (size_t)u->count, sizeof *u->first, by_number);
  }
  int64_t *place = spare;  // of a group in the result, by its first slice
  for (int64_t i = 0; i < u->count; i++) {
    place[u->first[i]] = i;
  }
  for (int64_t i = 0; i < s->size; i++) {
    u->inverse[i] = place[group_of[i]];
    u->counts[u->inverse[i]]++;
  }
}

static void store_all(aicc_eval_value *out, const int64_t *values) {
  aicc_eval_store_i64(out->dtype, out->data, 0, aicc_eval_value_count(out), values);
}

aicc_status aicc_eval_opaque_unique(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const bool flat = aicc_eval_opaque_int(call, 0, 1) != 0;
  slices s = {x, 1, aicc_eval_value_count(x), 1};
  if (!flat) {
    const int64_t axis = aicc_eval_index(aicc_eval_opaque_int(call, 1, 0), x->rank);
    if (axis < 0) {
      return aicc_eval_fail(call, "axis out of range");
    }
    s = (slices){x, aicc_eval_product(x->shape, (int)axis), x->shape[axis],
                 aicc_eval_product(x->shape + axis + 1, x->rank - (int)axis - 1)};
  }
  for (int i = 1; i < 4; i++) {
    if (aicc_eval_value_count(&call->out[i]) != s.size) {
      return aicc_eval_fail(call, "result %d has no room for %lld", i, (long long)s.size);
    }
  }
  unique u = {0, AICC_NEW_ARRAY(call->arena, int64_t, s.size + 1),
              AICC_NEW_ARRAY(call->arena, int64_t, s.size + 1),
              AICC_NEW_ARRAY(call->arena, int64_t, s.size + 1)};
  find_unique(call, &s, aicc_eval_opaque_int(call, 2, 1) != 0, &u);
  const size_t bytes = (size_t)s.inner * aicc_dtype_size(x->dtype);
  memset(call->out[0].data, 0, bytes * (size_t)(s.outer * s.size));
  for (int64_t i = 0; i < s.outer * u.count; i++) {
    const int64_t row = i / u.count * s.size, at = i % u.count;
    memcpy((char *)call->out[0].data + (size_t)(row + at) * bytes,
           (const char *)x->data + (size_t)(row + u.first[at]) * bytes, bytes);
  }
  store_all(&call->out[1], u.first);
  store_all(&call->out[2], u.inverse);
  store_all(&call->out[3], u.counts);
  aicc_set_i64(call->out[4].dtype, call->out[4].data, 0, u.count);
  return AICC_OK;
}
