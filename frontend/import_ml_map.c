// Maps, which are no tensors: ZipMap makes a matrix of them, what takes one is refused.
#include <string.h>

#include "frontend/import_internal.h"
#include "frontend/import_ml.h"

static int compare_labels(const aicc_ml_labels *labels, int64_t a, int64_t b) {
  if (labels->strings) {
    return strcmp(labels->strings[a], labels->strings[b]);
  }
  return (labels->ints[a] > labels->ints[b]) - (labels->ints[a] < labels->ints[b]);
}

// Indices of the labels in ascending order. True where that is their own.
static bool sort_labels(const aicc_ml_labels *labels, int64_t *order) {
  bool sorted = true;
  for (int i = 0; i < labels->count; i++) {
    int at = i;
    for (; at > 0 && compare_labels(labels, order[at - 1], i) > 0; at--) {
      order[at] = order[at - 1];
      sorted = false;
    }
    order[at] = i;
  }
  return sorted;
}

static const char *label_list(aicc_importer *im, const aicc_ml_labels *labels,
                              const int64_t *order) {
  enum { SHOWN = 8 };
  const char *text = "";
  for (int i = 0; i < labels->count && i < SHOWN; i++) {
    const char *comma = i ? ", " : "";
    text = labels->strings ? aicc_arena_printf(&im->scratch, "%s%s'%s'", text, comma,
                                               labels->strings[order[i]])
                           : aicc_arena_printf(&im->scratch, "%s%s%lld", text, comma,
                                               (long long)labels->ints[order[i]]);
  }
  return labels->count > SHOWN ? aicc_arena_printf(&im->scratch, "%s, ..", text) : text;
}

// A map from labels to numbers for each row. There are no maps here: the result is the matrix of
// the numbers, in ascending order of the labels, so that it says the same whatever their order.
aicc_status import_zip_map(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_ml_labels labels;
  AICC_TRY(aicc_need_tensors(im, n));
  AICC_TRY(aicc_ml_read_labels(im, n, "classlabels_int64s", "classlabels_strings", &labels));
  aicc_value *x = aicc_ml_rows(im, n, aicc_in(n, 0));
  if (!x) {
    return AICC_INVALID;
  }
  int64_t columns;
  if (labels.count == 0 || (aicc_dim_is_const(im->dims, x->type.dims[1], &columns) &&
                            columns != labels.count)) {
    return aicc_invalid(im, n, "%d labels for the input's columns", labels.count);
  }
  int64_t *order = AICC_NEW_ARRAY(&im->scratch, int64_t, labels.count);
  const bool sorted = sort_labels(&labels, order);
  AICC_EMIT(im->diags, E0350, aicc_import_loc(im), label_list(im, &labels, order));
  if (!sorted) {
    x = aicc_b_gather(&im->b, x, aicc_ml_i64s(im, AICC_I64, order, labels.count), 1);
  }
  return aicc_set_out(im, n, 0, x);
}

// DictVectorizer and CastMap take a map.
aicc_status import_of_map(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  return aicc_unsupported(im, n, "maps; give the features as a tensor");
}
