#include "tools/compare.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

// Elements that differ, and the worst of them.
typedef struct difference {
  int64_t count, first, worst;
  double error;  // of the worst; infinite for NaN against a number
} difference;

static const char *shape_text(const aicc_eval_value *value, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "%s[", aicc_dtype_name(value->dtype));
  for (int d = 0; d < value->rank && used < size; d++) {
    used += (size_t)snprintf(text + used, size - used, "%s%lld", d ? "," : "",
                             (long long)value->shape[d]);
  }
  if (used < size) {
    snprintf(text + used, size - used, "]");
  }
  return text;
}

static void note(difference *out, int64_t index, double error) {
  if (out->count++ == 0) {
    out->first = index;
  }
  if (out->count == 1 || error > out->error) {
    out->worst = index;
    out->error = error;
  }
}

static bool is_real(aicc_dtype dtype) {
  const aicc_dtype_kind kind = aicc_dtype_kind_of(dtype);
  return kind == AICC_KIND_FLOAT || kind == AICC_KIND_FLOAT8 || kind == AICC_KIND_COMPLEX;
}

// Element |index| as a double; a complex tensor has two of them per element.
static double real_at(const aicc_eval_value *value, int64_t index) {
  const aicc_dtype dtype = value->dtype == AICC_C64    ? AICC_F32
                           : value->dtype == AICC_C128 ? AICC_F64
                                                       : value->dtype;
  return aicc_get_f64(dtype, value->data, (size_t)index);
}

static void compare_reals(const aicc_eval_value *got, const aicc_eval_value *expected,
                          int64_t count, const aicc_tolerance *tolerance, difference *out) {
  double largest = 0;
  for (int64_t i = 0; tolerance->mtol > 0 && i < count; i++) {
    const double magnitude = fabs(real_at(expected, i));
    largest = isfinite(magnitude) && magnitude > largest ? magnitude : largest;
  }
  const double least = expected->dtype == AICC_BF16 ? tolerance->bf16_rtol : 0;
  const double rtol = tolerance->rtol > least ? tolerance->rtol : least;
  const double base = tolerance->atol + tolerance->mtol * largest;
  for (int64_t i = 0; i < count; i++) {
    const double a = real_at(got, i), b = real_at(expected, i);
    if (a == b || (isnan(a) && isnan(b))) {
      continue;
    }
    const double error = fabs(a - b);
    if (!(error <= base + rtol * fabs(b)) || isinf(a) || isinf(b)) {
      note(out, i, isfinite(error) ? error : INFINITY);
    }
  }
}

static void compare_strings(const aicc_eval_value *got, const aicc_eval_value *expected,
                            int64_t count, difference *out) {
  const aicc_str *a = got->data, *b = expected->data;
  for (int64_t i = 0; i < count; i++) {
    if (a[i].size != b[i].size || memcmp(a[i].data, b[i].data, a[i].size) != 0) {
      note(out, i, 1);
    }
  }
}

static void compare_integers(const aicc_eval_value *got, const aicc_eval_value *expected,
                             int64_t count, difference *out) {
  for (int64_t i = 0; i < count; i++) {
    const int64_t a = aicc_get_i64(got->dtype, got->data, (size_t)i);
    const int64_t b = aicc_get_i64(expected->dtype, expected->data, (size_t)i);
    if (a != b) {
      note(out, i, fabs((double)a - (double)b));
    }
  }
}

static void element_text(const aicc_eval_value *value, int64_t index, char *text, size_t size) {
  if (value->dtype == AICC_STR) {
    const aicc_str *string = (const aicc_str *)value->data + index;
    snprintf(text, size, "'%.*s'", (int)(string->size < 30 ? string->size : 30), string->data);
  } else if (is_real(value->dtype)) {
    snprintf(text, size, "%.9g", real_at(value, index));
  } else {
    snprintf(text, size, "%lld", (long long)aicc_get_i64(value->dtype, value->data, (size_t)index));
  }
}

static bool compare_tensors(const aicc_eval_value *got, const aicc_eval_value *expected,
                            const aicc_tolerance *tolerance, char *text, size_t size) {
  if (got->dtype != expected->dtype || got->rank != expected->rank ||
      (got->rank > 0 &&
       memcmp(got->shape, expected->shape, (size_t)got->rank * sizeof *got->shape) != 0)) {
    char a[200], b[200];
    snprintf(text, size, "it is %s, expected was %s", shape_text(got, a, sizeof a),
             shape_text(expected, b, sizeof b));
    return false;
  }
  int64_t count = aicc_eval_value_count(got);
  count *= aicc_dtype_kind_of(got->dtype) == AICC_KIND_COMPLEX ? 2 : 1;
  difference d = {0};
  if (got->dtype == AICC_STR) {
    compare_strings(got, expected, count, &d);
  } else if (is_real(got->dtype)) {
    compare_reals(got, expected, count, tolerance, &d);
  } else {
    compare_integers(got, expected, count, &d);
  }
  if (d.count == 0) {
    return true;
  }
  char a[64], b[64];
  element_text(got, d.worst, a, sizeof a);
  element_text(expected, d.worst, b, sizeof b);
  snprintf(text, size,
           "%lld of %lld elements differ, the first is %lld; the worst is %lld: %s, "
           "expected was %s",
           (long long)d.count, (long long)count, (long long)d.first, (long long)d.worst, a, b);
  return false;
}

bool aicc_compare(const aicc_eval_value *got, const aicc_eval_value *expected,
                  const aicc_tolerance *tolerance, char *text, size_t size) {
  text[0] = 0;
  // An optional that holds something is compared as that.
  if (expected->kind == AICC_TYPE_OPTIONAL && expected->item_count == 1 &&
      got->kind != AICC_TYPE_OPTIONAL) {
    return aicc_compare(got, &expected->items[0], tolerance, text, size);
  }
  if (got->kind != expected->kind) {
    static const char *const kinds[] = {"a tensor", "a sequence", "an empty optional"};
    snprintf(text, size, "it is %s, expected was %s", kinds[got->kind], kinds[expected->kind]);
    return false;
  }
  if (got->kind == AICC_TYPE_TENSOR) {
    return compare_tensors(got, expected, tolerance, text, size);
  }
  if (got->item_count != expected->item_count) {
    snprintf(text, size, "it has %lld items, expected were %lld", (long long)got->item_count,
             (long long)expected->item_count);
    return false;
  }
  for (int64_t i = 0; i < got->item_count; i++) {
    const size_t used = (size_t)snprintf(text, size, "item %lld: ", (long long)i);
    if (!aicc_compare(&got->items[i], &expected->items[i], tolerance, text + used, size - used)) {
      return false;
    }
  }
  text[0] = 0;
  return true;
}
