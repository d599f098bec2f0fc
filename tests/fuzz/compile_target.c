#include "fuzz/model_target.h"

#include "frontend/onnx_import.h"
#include "passes/lower.h"
#include "passes/pass.h"

// 8 lanes and 16 registers: an ordinary CPU.
static const aicc_machine machine = {.name = "fuzz", .width = 8, .registers = 16,
                                     .l1_bytes = 32768, .l2_bytes = 1 << 20, .flops_per_ns = 32,
                                     .bytes_per_ns = 10};

static bool optimise_and_lower(aicc_module *module, aicc_diags *diags) {
  const aicc_pass_options options = {.machine = &machine, .check = true};
  const aicc_status status = aicc_run_passes(module, aicc_pipeline_default, &options, diags);
  AICC_ASSERT(status != AICC_INTERNAL);
  AICC_ASSERT((status == AICC_OK) == (diags->error_count == 0));
  if (status != AICC_OK) {
    return false;
  }
  aicc_plan *plan = aicc_lower_module(module, &machine, NULL, diags);
  AICC_ASSERT((plan != NULL) == (diags->error_count == 0));
  const bool lowered = plan != NULL;
  aicc_plan_destroy(plan);
  return lowered;
}

bool aicc_fuzz_compile(const uint8_t *data, size_t size) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_buf *buf = aicc_buf_create_copy(data, size);
  aicc_onnx_file *file = NULL;
  bool lowered = false;
  if (aicc_onnx_file_from_buf(buf, "fuzz.onnx", NULL, AICC_ONNX_MODEL, &diags, &file) == AICC_OK) {
    aicc_module *module = NULL;
    const aicc_status status = aicc_import(file, NULL, &diags, &module);
    AICC_ASSERT(status != AICC_INTERNAL);
    AICC_ASSERT((status == AICC_OK) == (diags.error_count == 0));
    aicc_onnx_file_close(file);
    if (status == AICC_OK) {
      lowered = optimise_and_lower(module, &diags);
      aicc_module_destroy(module);
    }
  }
  aicc_buf_release(buf);
  aicc_diags_deinit(&diags);
  return lowered;
}
