// Elementwise operators.
#include "frontend/onnx_import.h"

aicc_status import_unary(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  return aicc_set_out(im, n, 0, aicc_b_unary(&im->b, (aicc_op)payload, aicc_in(n, 0)));
}
