#include "tools/print.h"

// Tensors of more elements show this many at each end of every dimension.
#define PRINT_ELEMENTS 1000
#define PRINT_EDGE 3

typedef struct printer {
  FILE *out;
  const aicc_eval_value *value;
  bool abbreviate;
} printer;

static void print_element(const printer *p, size_t index) {
  const aicc_eval_value *value = p->value;
  const aicc_dtype dtype = value->dtype;
  switch (aicc_dtype_kind_of(dtype)) {
    case AICC_KIND_FLOAT:
    case AICC_KIND_FLOAT8:
      fprintf(p->out, "%.7g", aicc_get_f64(dtype, value->data, index));
      break;
    case AICC_KIND_BOOL:
      fputs(aicc_get_i64(dtype, value->data, index) ? "true" : "false", p->out);
      break;
    case AICC_KIND_COMPLEX: {
      const aicc_dtype part = dtype == AICC_C64 ? AICC_F32 : AICC_F64;
      fprintf(p->out, "%.7g%+.7gi", aicc_get_f64(part, value->data, 2 * index),
              aicc_get_f64(part, value->data, 2 * index + 1));
      break;
    }
    case AICC_KIND_STRING: {
      const aicc_str *string = (const aicc_str *)value->data + index;
      fprintf(p->out, "'%.*s'", (int)string->size, string->data);
      break;
    }
    default:
      if (dtype == AICC_U64) {
        fprintf(p->out, "%llu", (unsigned long long)aicc_get_i64(dtype, value->data, index));
      } else {
        fprintf(p->out, "%lld", (long long)aicc_get_i64(dtype, value->data, index));
      }
  }
}

static void print_level(const printer *p, int axis, size_t index) {
  const aicc_eval_value *value = p->value;
  if (axis == value->rank) {
    print_element(p, index);
    return;
  }
  const int64_t dim = value->shape[axis];
  const bool last = axis == value->rank - 1;
  putc('[', p->out);
  for (int64_t i = 0; i < dim; i++) {
    if (i > 0 && last) {
      fputs(", ", p->out);
    } else if (i > 0) {
      fprintf(p->out, "\n%*s", axis + 3, "");
    }
    if (p->abbreviate && dim > 2 * PRINT_EDGE && i == PRINT_EDGE) {
      fputs("...", p->out);
      i = dim - PRINT_EDGE - 1;
      continue;
    }
    print_level(p, axis + 1, index * (size_t)dim + (size_t)i);
  }
  putc(']', p->out);
}

static void print_tensor(FILE *out, const aicc_eval_value *value) {
  fprintf(out, "%s[", aicc_dtype_name(value->dtype));
  for (int d = 0; d < value->rank; d++) {
    fprintf(out, "%s%lld", d ? "," : "", (long long)value->shape[d]);
  }
  fputs("]\n  ", out);
  const int64_t count = aicc_eval_value_count(value);
  const printer p = {out, value, count > PRINT_ELEMENTS};
  if (count == 0) {
    fputs("(no elements)", out);
  } else {
    print_level(&p, 0, 0);
  }
  putc('\n', out);
}

void aicc_print_value(FILE *out, const char *name, const aicc_eval_value *value) {
  fprintf(out, "%s: ", name);
  if (value->kind == AICC_TYPE_TENSOR) {
    print_tensor(out, value);
    return;
  }
  if (value->kind == AICC_TYPE_OPTIONAL) {
    fputs("absent\n", out);
    return;
  }
  fprintf(out, "sequence of %lld\n", (long long)value->item_count);
  for (int64_t i = 0; i < value->item_count; i++) {
    char item[32];
    snprintf(item, sizeof item, " [%lld]", (long long)i);
    aicc_print_value(out, item, &value->items[i]);
  }
}

void aicc_print_bytes(FILE *out, uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) {
    fprintf(out, "%llu bytes", (unsigned long long)bytes);
    return;
  }
  double value = (double)bytes / 1024;
  int unit = 0;
  for (; value >= 1024 && unit < 3; unit++) {
    value /= 1024;
  }
  fprintf(out, "%.4g %s", value, units[unit]);
}
