// Reading and writing elements where indices say.
#include <string.h>

#include "frontend/import_move.h"

aicc_status import_gather(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int axis = 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), aicc_in(n, 0)->type.rank, &axis));
  return aicc_set_out(im, n, 0, aicc_b_gather(&im->b, aicc_in(n, 0), aicc_in(n, 1), axis));
}

aicc_status import_gather_elements(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int axis = 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), aicc_in(n, 0)->type.rank, &axis));
  aicc_node *node = aicc_node_create(im->module, AICC_OP_GATHER_ELEMENTS, n->in, 2, 1);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, axis);
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}

aicc_status import_gather_nd(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_node *node = aicc_node_create(im->module, AICC_OP_GATHER_ND, n->in, 2, 1);
  aicc_set_int(im->module, node, AICC_ATTR_BATCH_DIMS, aicc_onnx_int(n, "batch_dims", 0));
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}

static aicc_status set_reduction(aicc_importer *im, const aicc_onnx_node *n, aicc_node *node) {
  static const char *const known[] = {"none", "add", "mul", "min", "max"};
  const char *reduction = aicc_onnx_string(n, "reduction", "none");
  for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
    if (strcmp(known[i], reduction) == 0) {
      aicc_set_string(im->module, node, AICC_ATTR_REDUCTION, known[i]);
      return AICC_OK;
    }
  }
  return aicc_invalid(im, n, "there is no reduction '%s'", reduction);
}

aicc_status import_scatter_elements(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int axis = 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), aicc_in(n, 0)->type.rank, &axis));
  aicc_node *node = aicc_node_create(im->module, AICC_OP_SCATTER_ELEMENTS, n->in, 3, 1);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, axis);
  AICC_TRY(set_reduction(im, n, node));
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}

aicc_status import_scatter_nd(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_node *node = aicc_node_create(im->module, AICC_OP_SCATTER_ND, n->in, 3, 1);
  AICC_TRY(set_reduction(im, n, node));
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}

aicc_status import_where(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  return aicc_set_out(im, n, 0,
                      aicc_b_select(&im->b, aicc_in(n, 0), aicc_in(n, 1), aicc_in(n, 2)));
}

// Columns of the last dimension; a vector counts as one row.
aicc_status import_array_feature_extractor(aicc_importer *im, const aicc_onnx_node *n,
                                           int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0), *indices = aicc_in(n, 1);
  indices = aicc_as_vector(im, indices, aicc_type_count(im->module, &indices->type));
  x = x->type.rank == 1 ? aicc_b_unsqueeze(&im->b, x, 0) : x;
  return aicc_set_out(im, n, 0, aicc_b_gather(&im->b, x, indices, -1));
}
