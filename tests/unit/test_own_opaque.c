// Library kernels of opaque operators, each against the graph interpreter.
#include "check_main.h"
#include "own_cases.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static aicc_dim dim(aicc_module *module, int64_t value) {
  return aicc_dim_const(module->dims, value);
}

// An opaque node over the case's inputs; |ints| from the case's parameters.
static aicc_node *opaque(aicc_module *module, aicc_value *const *in, const own_case *c,
                         const char *name, const int64_t *ints, int int_count, int floats,
                         int results) {
  aicc_node *node = own_node(module, AICC_OP_OPAQUE, in, c->in_count, results);
  aicc_set_string(module, node, AICC_ATTR_NAME, name);
  aicc_set_ints(module, node, AICC_ATTR_INTS, ints, int_count);
  aicc_set_floats(module, node, AICC_ATTR_FLOATS, c->f, floats);
  return node;
}

// p: center, most rows
static aicc_node *make_nms(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "non_max_suppression", c->p, 1, 0, 2);
  const aicc_dim dims[] = {dim(module, c->p[1]), dim(module, 3)};
  own_set_type(module, node, 0, AICC_I64, dims, 2);
  own_set_type(module, node, 1, AICC_I64, NULL, 0);
  return node;
}

static const int64_t three[] = {3}, hundred[] = {100};
static const float half[] = {0.5f}, tenth[] = {0.1f}, low[] = {0.02f};

START_TEST(non_max_suppression) {
  static const own_case cases[] = {
      {"nms", make_nms,
       {{AICC_F32, 3, {2, 37, 4}, OWN_UNIT}, {AICC_F32, 3, {2, 3, 37}, OWN_UNIT},
        {AICC_I64, 0, .data = hundred}, {AICC_F32, 0, .data = tenth}, {AICC_F32, 0, .data = half}},
       5, {0, 200}},
      {"nms by center", make_nms,
       {{AICC_F32, 3, {1, 21, 4}, OWN_UNIT}, {AICC_F32, 3, {1, 2, 21}, OWN_UNIT},
        {AICC_I64, 0, .data = three}, {AICC_F32, 0, .data = half}, {AICC_F32, 0, .data = tenth}},
       5, {1, 6}},
      {"nms without room", make_nms,
       {{AICC_F32, 3, {1, 21, 4}, OWN_UNIT}, {AICC_F32, 3, {1, 2, 21}, OWN_UNIT},
        {AICC_I64, 0, .data = hundred}, {AICC_F32, 0, .data = low}, {.absent = true}},
       5, {0, 3}},
      {"nms of no classes", make_nms,
       {{AICC_F32, 3, {1, 5, 4}, OWN_UNIT}, {AICC_F32, 3, {1, 0, 5}}, {AICC_I64, 0, .data = three}},
       3, {0, 6}},
      {"nms of no boxes", make_nms,
       {{AICC_F32, 3, {1, 0, 4}}, {AICC_F32, 3, {1, 2, 0}}, {AICC_I64, 0, .data = three},
        {AICC_F32, 0, .data = half}},
       4, {0, 6}},
      {"nms of nothing", make_nms,
       {{AICC_F32, 3, {1, 5, 4}, OWN_UNIT}, {AICC_F32, 3, {1, 2, 5}, OWN_UNIT}}, 2, {0, 6}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: ratio, half pixel, max, bins h, bins w; f: scale
static aicc_node *make_roi_align(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "roi_align", c->p, 3, 1, 1);
  const aicc_dim dims[] = {in[1]->type.dims[0], in[0]->type.dims[1], dim(module, c->p[3]),
                           dim(module, c->p[4])};
  own_set_type(module, node, 0, in[0]->type.dtype, dims, 4);
  return node;
}

static const float rois[] = {0, 0, 6, 6, 1.5f, 2.25f, 7, 3, -3, -2, 12, 11};
static const double rois64[] = {0, 0, 6, 6, 1.5, 2.25, 7, 3};

// p: bins h, bins w; f: scale
static aicc_node *make_max_roi_pool(aicc_module *module, aicc_value *const *in,
                                    const own_case *c) {
  aicc_node *node = opaque(module, in, c, "max_roi_pool", NULL, 0, 1, 1);
  const aicc_dim dims[] = {in[1]->type.dims[0], in[0]->type.dims[1], dim(module, c->p[0]),
                           dim(module, c->p[1])};
  own_set_type(module, node, 0, in[0]->type.dtype, dims, 4);
  return node;
}

static const float pool_rois[] = {0, 0, 0, 6, 6, 1, 1, 2, 7, 3, 1, 5, 5, 4, 4};

START_TEST(regions) {
  static const own_case cases[] = {
      {"roi_align", make_roi_align,
       {{AICC_F32, 4, {2, 3, 9, 8}}, {AICC_F32, 2, {3, 4}, .data = rois},
        {AICC_I64, 1, {3}, OWN_INDEX, 0, 2}},
       3, {2, 1, 0, 3, 5}, {1}},
      {"roi_align max", make_roi_align,
       {{AICC_F32, 4, {2, 3, 9, 8}}, {AICC_F32, 2, {3, 4}, .data = rois},
        {AICC_I64, 1, {3}, OWN_INDEX, 0, 2}},
       3, {0, 0, 1, 2, 2}, {0.5}},
      {"roi_align f64", make_roi_align,
       {{AICC_F64, 4, {1, 2, 9, 8}}, {AICC_F64, 2, {2, 4}, .data = rois64},
        {AICC_I64, 1, {2}, OWN_INDEX, 0, 1}},
       3, {0, 1, 0, 2, 3}, {0.75}},
      {"max_roi_pool", make_max_roi_pool,
       {{AICC_F32, 4, {2, 3, 9, 8}}, {AICC_F32, 2, {3, 5}, .data = pool_rois}}, 2, {2, 3}, {1}},
      {"max_roi_pool scaled", make_max_roi_pool,
       {{AICC_F32, 4, {2, 1, 9, 8}}, {AICC_F32, 2, {3, 5}, .data = pool_rois}}, 2, {4, 4}, {0.5}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: groups, offset groups, stride h, w, dilation h, w, pad h, w, out h, out w
static aicc_node *make_deform_conv(aicc_module *module, aicc_value *const *in,
                                   const own_case *c) {
  aicc_node *node = opaque(module, in, c, "deform_conv", c->p, 8, 0, 1);
  const aicc_dim dims[] = {in[0]->type.dims[0], in[1]->type.dims[0], in[2]->type.dims[2],
                           in[2]->type.dims[3]};
  own_set_type(module, node, 0, in[0]->type.dtype, dims, 4);
  return node;
}

START_TEST(deform_conv) {
  static const own_case cases[] = {
      {"deform_conv", make_deform_conv,
       {{AICC_F32, 4, {2, 4, 7, 9}}, {AICC_F32, 4, {6, 2, 3, 2}},
        {AICC_F32, 4, {2, 2 * 6 * 2, 4, 8}, OWN_FINE}, {AICC_F32, 1, {6}},
        {AICC_F32, 4, {2, 2 * 6, 4, 8}, OWN_UNIT}},
       5, {2, 2, 2, 1, 1, 1, 1, 0}},
      {"deform_conv plain", make_deform_conv,
       {{AICC_F64, 4, {1, 1, 5, 5}}, {AICC_F64, 4, {1, 1, 2, 2}},
        {AICC_F64, 4, {1, 8, 4, 4}, OWN_FINE}},
       3, {1, 1, 1, 1, 1, 1, 0, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: aggregate, targets
static aicc_node *make_trees(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "tree_ensemble", c->p, 1, 0, 1);
  const aicc_dim dims[] = {in[0]->type.dims[0], dim(module, c->p[1])};
  own_set_type(module, node, 0, in[5]->type.dtype, dims, 2);
  return node;
}

// Two trees over three features: (feature, mode, true, false, first, count).
static const int32_t tree_nodes[] = {0, 0, 1, 2, 0, 0,  0, 6, 0, 0, 0, 2,  1, 3, 3, 4, 0, 0,
                                     0, 6, 0, 0, 2, 1,  2, 7, 5, 6, 0, 3,  0, 6, 0, 0, 3, 1,
                                     0, 6, 0, 0, 4, 0,  2, 5, 8, 9, 0, 0,  0, 6, 0, 0, 4, 1,
                                     0, 6, 0, 0, 5, 1};
static const float tree_thresholds[] = {0.5f, 0, 1, 0, 0, 0, 0, 0.5f, 0, 0};
static const uint8_t tree_missing[] = {1, 0, 0, 0, 0, 0, 0, 0, 0, 0};
static const int32_t leaf_targets[] = {0, 1, 2, 0, 1, 2}, tree_roots[] = {0, 7};
static const float leaf_weights[] = {0.5f, -1, 2, 3, 0.25f, -4};
static const float tree_members[] = {-1, 0.5f, 2}, tree_base[] = {0.1f, 0.2f, 0.3f};

static const int32_t many_roots[37] = {0, 7, 2, 4, 7, 0, 0, 7, [30] = 7, [33] = 4, [36] = 7};

#define TREES(dtype)                                                                            \
  {(dtype), 2, {9, 3}}, {AICC_I32, 2, {10, 6}, .data = tree_nodes},                             \
      {AICC_F32, 1, {10}, .data = tree_thresholds}, {AICC_U8, 1, {10}, .data = tree_missing},   \
      {AICC_I32, 1, {6}, .data = leaf_targets}, {AICC_F32, 1, {6}, .data = leaf_weights},       \
      {AICC_I32, 1, {2}, .data = tree_roots}

static const float with_nan[] = {NAN, 0, 0, 1, NAN, 2, 0, 1, NAN, 1, 2, NAN, 2, 2, 2, 0, 0, 0,
                                 1, 0, -1, 1, 0, 3, NAN, NAN, NAN};

START_TEST(tree_ensemble) {
  static const own_case cases[] = {
      {"trees", make_trees,
       {TREES(AICC_F32), {AICC_F32, 1, {3}, .data = tree_members},
        {AICC_F32, 1, {3}, .data = tree_base}},
       9, {0, 3}},
      {"trees with many targets", make_trees,
       {TREES(AICC_F32), {AICC_F32, 1, {3}, .data = tree_members}}, 8, {0, 70}},
      {"many trees", make_trees,
       {{AICC_F32, 2, {43, 3}}, {AICC_I32, 2, {10, 6}, .data = tree_nodes},
        {AICC_F32, 1, {10}, .data = tree_thresholds}, {AICC_U8, 1, {10}, .data = tree_missing},
        {AICC_I32, 1, {6}, .data = leaf_targets}, {AICC_F32, 1, {6}, .data = leaf_weights},
        {AICC_I32, 1, {37}, .data = many_roots}, {AICC_F32, 1, {3}, .data = tree_members}},
       8, {0, 3}},
      {"trees average", make_trees,
       {TREES(AICC_F64), {AICC_F32, 1, {3}, .data = tree_members}}, 8, {1, 3}},
      {"trees min", make_trees,
       {TREES(AICC_F32), {AICC_F32, 1, {3}, .data = tree_members}}, 8, {2, 4}},
      {"trees max of ints", make_trees,
       {TREES(AICC_I64), {AICC_F32, 1, {3}, .data = tree_members},
        {AICC_F32, 1, {3}, .data = tree_base}},
       9, {3, 3}},
      {"trees with nan", make_trees,
       {{AICC_F32, 2, {9, 3}, .data = with_nan},
        {AICC_I32, 2, {10, 6}, .data = tree_nodes},
        {AICC_F32, 1, {10}, .data = tree_thresholds},
        {AICC_U8, 1, {10}, .data = tree_missing},
        {AICC_I32, 1, {6}, .data = leaf_targets},
        {AICC_F32, 1, {6}, .data = leaf_weights},
        {AICC_I32, 1, {2}, .data = tree_roots},
        {AICC_F32, 1, {3}, .data = tree_members}},
       8, {0, 3}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: kernel, vectors per class .., 0; classes in p[9]; f: gamma, coef0, degree
static aicc_node *make_svm(aicc_module *module, aicc_value *const *in, const own_case *c) {
  const int64_t classes = c->p[9];
  aicc_node *node = opaque(module, in, c, "svm_classifier", c->p, (int)classes + 1, 3, 2);
  const aicc_dim dims[] = {in[0]->type.dims[0],
                           dim(module, c->in_count > 4 ? classes : classes * (classes - 1) / 2)};
  own_set_type(module, node, 0, in[0]->type.dtype, dims, 2);
  own_set_type(module, node, 1, AICC_I64, dims, 1);
  return node;
}

#define SVM                                                                                   \
  {AICC_F32, 2, {5, 6}}, {AICC_F32, 2, {7, 6}, .fixed = true}, {AICC_F32, 2, {2, 7}, OWN_FINE}, \
      {AICC_F32, 1, {3}, OWN_FINE}

START_TEST(svm_classifier) {
  static const own_case cases[] = {
      {"svm linear", make_svm, {SVM}, 4, {0, 2, 4, 1, [9] = 3}, {0, 0, 0}},
      {"svm poly", make_svm, {SVM}, 4, {1, 2, 4, 1, [9] = 3}, {0.25, 0.5, 3}},
      {"svm rbf", make_svm,
       {SVM, {AICC_F32, 1, {3}, OWN_FINE}, {AICC_F32, 1, {3}, OWN_FINE}}, 6,
       {2, 2, 4, 1, [9] = 3}, {0.1, 0, 0}},
      {"svm sigmoid", make_svm,
       {SVM, {AICC_F32, 1, {3}, OWN_UNIT}, {AICC_F32, 1, {3}, OWN_UNIT}}, 6,
       {3, 2, 4, 1, [9] = 3}, {0.2, 0.5, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static aicc_node *make_labels(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "label_encoder", NULL, 0, 0, 1);
  own_set_type(module, node, 0, in[2]->type.dtype, in[0]->type.dims, in[0]->type.rank);
  return node;
}

static const float float_keys[] = {0.5f, NAN, 2, 0.5f};
static const int64_t int_keys[] = {1, 0, 2}, int_values[] = {10, 20, 30}, other[] = {-7};

START_TEST(label_encoder) {
  static const own_case cases[] = {
      {"labels", make_labels,
       {{AICC_F32, 2, {9, 3}, .data = with_nan}, {AICC_F32, 1, {4}, .data = float_keys},
        {AICC_F32, 1, {4}, OWN_FINE}, {AICC_F32, 0, {0}, OWN_FINE}},
       4},
      {"int labels", make_labels,
       {{AICC_I64, 1, {50}}, {AICC_I64, 1, {3}, .data = int_keys},
        {AICC_I64, 1, {3}, .data = int_values}, {AICC_I64, 0, .data = other}},
       4},
      {"no labels", make_labels,
       {{AICC_I64, 1, {5}}, {AICC_I64, 1, {0}}, {AICC_F32, 1, {0}}, {AICC_F32, 0, {0}, OWN_FINE}},
       4},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: K, N, bits, block
static aicc_node *make_nbits(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "matmul_nbits", c->p, 5, 0, 1);
  aicc_dim dims[OWN_RANK];
  memcpy(dims, in[0]->type.dims, sizeof *dims * (size_t)in[0]->type.rank);
  dims[in[0]->type.rank - 1] = dim(module, c->p[1]);
  own_set_type(module, node, 0, in[0]->type.dtype, dims, in[0]->type.rank);
  return node;
}

#define BYTES OWN_INDEX, 0, 256

START_TEST(matmul_nbits) {
  static const own_case cases[] = {
      {"4 bits", make_nbits,
       {{AICC_F32, 2, {1, 64}}, {AICC_U8, 3, {5, 2, 16}, BYTES}, {AICC_F32, 1, {10}, OWN_UNIT}}, 3,
       {64, 5, 4, 32}},
      {"4 bits, activations of 8", make_nbits,
       {{AICC_F32, 2, {3, 64}}, {AICC_U8, 3, {5, 2, 16}, BYTES}, {AICC_F32, 1, {10}, OWN_UNIT}}, 3,
       {64, 5, 4, 32, 8}},
      {"4 bits, zeros, bias", make_nbits,
       {{AICC_F32, 3, {2, 3, 71}}, {AICC_U8, 3, {17, 5, 8}, BYTES},
        {AICC_F32, 1, {85}, OWN_UNIT}, {AICC_U8, 1, {17 * 3}, BYTES}, {AICC_F32, 1, {17}}},
       5, {71, 17, 4, 16}},
      {"4 bits, f16, float zeros", make_nbits,
       {{AICC_F16, 2, {3, 64}}, {AICC_U8, 3, {6, 2, 16}, BYTES},
        {AICC_F16, 1, {12}, OWN_UNIT}, {AICC_F16, 1, {12}, OWN_FINE}},
       4, {64, 6, 4, 32}},
      {"8 bits", make_nbits,
       {{AICC_F32, 2, {5, 40}}, {AICC_U8, 3, {4, 3, 16}, BYTES}, {AICC_F32, 1, {12}, OWN_UNIT},
        {AICC_U8, 1, {12}, BYTES}},
       4, {40, 4, 8, 16}},
      {"2 bits", make_nbits,
       {{AICC_F32, 2, {2, 32}}, {AICC_U8, 3, {4, 2, 4}, BYTES}, {AICC_F32, 1, {8}, OWN_UNIT},
        {AICC_U8, 1, {4}, BYTES}},
       4, {32, 4, 2, 16}},
      {"3 bits", make_nbits,
       {{AICC_F32, 2, {2, 32}}, {AICC_U8, 3, {4, 2, 6}, BYTES}, {AICC_F32, 1, {8}, OWN_UNIT},
        {AICC_U8, 1, {4}, BYTES}},
       4, {32, 4, 3, 16}},
      {"tiles of rows", make_nbits,
       {{AICC_F32, 2, {19, 64}}, {AICC_U8, 3, {27, 2, 16}, BYTES}, {AICC_F32, 1, {54}, OWN_UNIT}},
       3, {64, 27, 4, 32}},
      // Many rows round weights to the type: scales that lose nothing.
      {"words, f16", make_nbits,
       {{AICC_F16, 2, {1, 256}}, {AICC_U8, 3, {21, 8, 16}, BYTES},
        {AICC_F16, 1, {21 * 8}, OWN_UNIT}}, 3, {256, 21, 4, 32}},
      {"words, bf16, zeros, bias", make_nbits,
       {{AICC_BF16, 3, {2, 10, 384}}, {AICC_U8, 3, {9, 12, 16}, BYTES},
        {AICC_BF16, 1, {9 * 12}}, {AICC_U8, 1, {9 * 6}, BYTES}, {AICC_BF16, 1, {9}}},
       5, {384, 9, 4, 32}},
      {"words, f16, blocks of 128, float zeros", make_nbits,
       {{AICC_F16, 2, {17, 384}}, {AICC_U8, 3, {16, 3, 64}, BYTES},
        {AICC_F16, 1, {16 * 3}, OWN_UNIT}, {AICC_F16, 1, {16 * 3}, OWN_FINE}},
       4, {384, 16, 4, 128}},
      {"words, f16, blocks of 64, odd number of zeros", make_nbits,
       {{AICC_F16, 2, {5, 128 * 5}}, {AICC_U8, 3, {8, 10, 32}, BYTES},
        {AICC_F32, 1, {8 * 10}, OWN_UNIT}, {AICC_U8, 1, {8 * 5}, BYTES}},
       4, {128 * 5, 8, 4, 64}},
      {"words, f16, many rows", make_nbits,
       {{AICC_F16, 2, {70, 128}}, {AICC_U8, 3, {24, 4, 16}, BYTES},
        {AICC_F16, 1, {24 * 4}}, {AICC_U8, 1, {24 * 2}, BYTES}, {AICC_F16, 1, {24}}},
       5, {128, 24, 4, 32}},
      {"words, f32", make_nbits,
       {{AICC_F32, 2, {3, 128}}, {AICC_U8, 3, {10, 4, 16}, BYTES},
        {AICC_F32, 1, {10 * 4}, OWN_UNIT}}, 3, {128, 10, 4, 32}},
      {"no rows of words", make_nbits,
       {{AICC_F16, 2, {0, 128}}, {AICC_U8, 3, {10, 4, 16}, BYTES},
        {AICC_F16, 1, {10 * 4}, OWN_UNIT}}, 3, {128, 10, 4, 32}},
      {"no rows", make_nbits,
       {{AICC_F32, 2, {0, 64}}, {AICC_U8, 3, {5, 2, 16}, BYTES}, {AICC_F32, 1, {10}, OWN_UNIT}}, 3,
       {64, 5, 4, 32}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: axis, inverse, onesided, length of the result's axis, parts of the result
static aicc_node *make_dft(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "dft", c->p, 3, 0, 1);
  aicc_dim dims[OWN_RANK];
  const int rank = in[0]->type.rank;
  memcpy(dims, in[0]->type.dims, sizeof *dims * (size_t)rank);
  dims[c->p[0]] = dim(module, c->p[3]);
  dims[rank - 1] = dim(module, c->p[4]);
  own_set_type(module, node, 0, in[0]->type.dtype, dims, rank);
  return node;
}

static aicc_node *make_det(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "det", NULL, 0, 0, 1);
  own_set_type(module, node, 0, in[0]->type.dtype, in[0]->type.dims, in[0]->type.rank - 2);
  return node;
}

START_TEST(signals) {
  static const own_case cases[] = {
      {"dft real", make_dft, {{AICC_F32, 3, {3, 17, 1}, OWN_FINE, .fixed = true}}, 1,
       {1, 0, 0, 17, 2}},
      {"dft onesided", make_dft, {{AICC_F32, 3, {2, 16, 1}, OWN_FINE, .fixed = true}}, 1,
       {1, 0, 1, 9, 2}},
      {"dft complex axis 0", make_dft, {{AICC_F64, 3, {6, 5, 2}, OWN_FINE, .fixed = true}}, 1,
       {0, 0, 0, 6, 2}},
      {"inverse", make_dft, {{AICC_F32, 3, {3, 10, 2}, OWN_FINE, .fixed = true}}, 1,
       {1, 1, 0, 10, 2}},
      {"inverse of a half", make_dft, {{AICC_F32, 3, {3, 6, 2}, OWN_FINE, .fixed = true}}, 1,
       {1, 1, 1, 10, 1}},
      {"det", make_det, {{AICC_F32, 3, {3, 5, 5}}}, 1},
      {"det of one", make_det, {{AICC_F64, 2, {1, 1}}}, 1},
      {"det of none", make_det, {{AICC_F64, 2, {0, 0}}}, 1},
  };
  own_run_case(&cases[0], false, 4, NULL);
  for (size_t i = 0; i < COUNT(cases); i++) {
    own_run_case(&cases[i], false, 4, NULL);
    // A square matrix has one size, which two symbols would not say.
    if (cases[i].make != make_det) {
      own_run_case(&cases[i], true, 16, NULL);
      own_run_case(&cases[i], true, 0, NULL);
    }
  }
}
END_TEST

// p: flat, axis, sorted
static aicc_node *make_unique(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "unique", c->p, 3, 0, 5);
  const aicc_type *x = &in[0]->type;
  const aicc_dim all = aicc_type_count(module, x);
  const aicc_dim size = c->p[0] ? all : x->dims[c->p[1]];
  own_set_type(module, node, 0, x->dtype, c->p[0] ? &all : x->dims, c->p[0] ? 1 : x->rank);
  for (int i = 1; i < 4; i++) {
    own_set_type(module, node, i, AICC_I64, &size, 1);
  }
  own_set_type(module, node, 4, AICC_I64, NULL, 0);
  return node;
}

START_TEST(unique) {
  static const own_case cases[] = {
      {"unique", make_unique, {{AICC_F32, 2, {4, 9}}}, 1, {1, 0, 1}},
      {"unique in order", make_unique, {{AICC_I64, 1, {23}}}, 1, {1, 0, 0}},
      {"unique rows", make_unique, {{AICC_I32, 2, {19, 2}, OWN_INDEX, 0, 3}}, 1, {0, 0, 1}},
      {"unique columns", make_unique, {{AICC_U8, 3, {2, 11, 1}, OWN_INDEX, 0, 2}}, 1, {0, 1, 0}},
      {"unique of many", make_unique, {{AICC_F32, 1, {1500}, OWN_INDEX, -300, 300}}, 1, {1, 0, 1}},
      {"unique of many in order", make_unique, {{AICC_I32, 1, {1300}, OWN_INDEX, 0, 500}}, 1,
       {1, 0, 0}},
      {"unique slices in order", make_unique, {{AICC_F16, 3, {2, 90, 3}, OWN_INDEX, 0, 2}}, 1,
       {0, 1, 0}},
      {"unique bool", make_unique, {{AICC_BOOL, 1, {7}, OWN_INDEX, 0, 2}}, 1, {1, 0, 1}},
      {"unique nan", make_unique, {{AICC_F32, 2, {9, 3}, .data = with_nan}}, 1, {1, 0, 1}},
      {"unique of one", make_unique, {{AICC_F16, 1, {1}}}, 1, {1, 0, 1}},
      {"unique of none", make_unique, {{AICC_F32, 1, {0}}}, 1, {1, 0, 1}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: mode, least, most, skips, lengths, starts .., columns ..; width in p[39], ints in p[38]
static aicc_node *make_tfidf(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "tfidf", c->p, (int)c->p[38], 0, 1);
  const int rank = in[0]->type.rank;
  aicc_dim dims[2] = {in[0]->type.dims[0], 0};
  dims[rank - 1] = dim(module, c->p[39]);
  own_set_type(module, node, 0, AICC_F32, dims, rank);
  return node;
}

static const int64_t grams[] = {2, 3, 1, 2, 2, 2, 3, 1};

START_TEST(tfidf) {
  static const own_case cases[] = {
      {"tf", make_tfidf,
       {{AICC_I32, 2, {3, 13}, OWN_INDEX, 1, 4},
        {AICC_I64, 1, {8}, .data = grams, .fixed = true}},
       2, {0, 1, 2, 1, 2, 0, 2, 0, 1, 2, 3, 4, [38] = 12, [39] = 5}},
      {"idf", make_tfidf,
       {{AICC_I64, 1, {13}, OWN_INDEX, 1, 4},
        {AICC_I64, 1, {8}, .data = grams, .fixed = true}},
       2, {1, 2, 2, 0, 2, 0, 2, 4, 1, 2, 3, 0, [38] = 12, [39] = 6}},
      {"short rows", make_tfidf,
       {{AICC_I64, 2, {2, 1}, OWN_INDEX, 1, 4},
        {AICC_I64, 1, {8}, .data = grams, .fixed = true}},
       2, {0, 1, 2, 3, 2, 0, 2, 0, 1, 2, 3, 4, [38] = 12, [39] = 5}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: mode, padding, align corners
static aicc_node *make_grid_sample(aicc_module *module, aicc_value *const *in,
                                   const own_case *c) {
  aicc_node *node = opaque(module, in, c, "grid_sample", c->p, 3, 0, 1);
  const aicc_type *x = &in[0]->type, *grid = &in[1]->type;
  aicc_dim dims[OWN_RANK] = {x->dims[0], x->dims[1]};
  memcpy(dims + 2, grid->dims + 1, sizeof *dims * (size_t)(x->rank - 2));
  own_set_type(module, node, 0, x->dtype, dims, x->rank);
  return node;
}

START_TEST(grid_sample) {
  // Every mode, padding and alignment, in one, two and three dimensions.
  for (int64_t i = 0; i < 18; i++) {
    const int64_t mode = i % 3, padding = i / 3 % 3, align = i / 9;
    const own_case cases[] = {
        {"grid_sample", make_grid_sample,
         {{AICC_F32, 4, {2, 3, 5, 7}, OWN_FINE}, {AICC_F32, 4, {2, 4, 6, 2}, OWN_FINE}}, 2,
         {mode, padding, align}},
        {"grid_sample 1-d", make_grid_sample,
         {{AICC_F64, 3, {1, 2, 6}, OWN_FINE}, {AICC_F64, 3, {1, 33, 1}, OWN_FINE}}, 2,
         {mode, padding, align}},
        {"grid_sample 3-d", make_grid_sample,
         {{AICC_F32, 5, {1, 2, 3, 4, 1}, OWN_FINE}, {AICC_F32, 5, {1, 2, 2, 3, 3}, OWN_FINE}}, 2,
         {mode, padding, align}},
    };
    own_run_cases(cases, COUNT(cases));
  }
}
END_TEST

// p: k, block, dilations, low, strides, high; p[39]: ints
static aicc_node *make_col2im(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "col2im", c->p, (int)c->p[39], 0, 1);
  aicc_dim dims[OWN_RANK] = {in[0]->type.dims[0], dim(module, 2)};
  for (int d = 0; d < c->p[0]; d++) {
    dims[2 + d] = dim(module, c->p[20 + d]);
  }
  own_set_type(module, node, 0, in[0]->type.dtype, dims, 2 + (int)c->p[0]);
  return node;
}

START_TEST(col2im) {
  static const own_case cases[] = {
      {"col2im", make_col2im, {{AICC_F32, 3, {2, 2 * 6, 5 * 4}, .fixed = true}}, 1,
       {2, 2, 3, 1, 2, 0, 1, 1, 2, 0, 2, [20] = 6, [21] = 8, [39] = 11}},
      {"col2im 1-d", make_col2im, {{AICC_F64, 3, {1, 2 * 3, 4}, .fixed = true}}, 1,
       {1, 3, 1, 0, 3, 0, [20] = 12, [39] = 6}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("own_opaque");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 280);
  tcase_add_test(tests, non_max_suppression);
  tcase_add_test(tests, regions);
  tcase_add_test(tests, deform_conv);
  tcase_add_test(tests, tree_ensemble);
  tcase_add_test(tests, svm_classifier);
  tcase_add_test(tests, label_encoder);
  tcase_add_test(tests, matmul_nbits);
  tcase_add_test(tests, signals);
  tcase_add_test(tests, unique);
  tcase_add_test(tests, tfidf);
  tcase_add_test(tests, grid_sample);
  tcase_add_test(tests, col2im);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
