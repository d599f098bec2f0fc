// The const_fold pass: computes what is known at compile time.
//
// Two ways: a node whose operands are all constants runs through the reference interpreter; an
// integer tensor whose elements are known expressions (sizes of dimensions) becomes a constant or a
// from_dims, which cuts the shape arithmetic of exporters off the graph.
//
// Limits, so that a fold never costs more than it saves:
//   - a result over 1 MB may be at most as large as the constants it comes from, so that
//     a broadcast or a widening cast of weights stays for the kernels to do;
//   - all results over 1 MB together may take 256 MB: folds copy weights, to the heap or, where
//     they are large, to a file (aicc_buf_create_large).
// While the graph is for all machines, weights of bytes are not widened: some multiply bytes.
// A node that cannot be evaluated (an index out of range) is left for run time to report.
#include <string.h>

#include "ir/build.h"
#include "ir/eval.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

enum { LARGE_BYTES = 1 << 20, BUDGET_BYTES = 256 << 20, MAX_IOTA = 1 << 12 };

typedef struct fold {
  aicc_pass_context *pass;
  aicc_rewrite rewrite;
  bool *defines;  // per value: some def_dim reads it, its partial value may name that symbol
  int64_t spent;  // bytes of large results
  size_t computed, sized;
} fold;

static int64_t bytes_of(const aicc_type *type, const int64_t *shape) {
  int64_t bytes = (int64_t)aicc_dtype_size(type->dtype);
  for (int d = 0; d < type->rank; d++) {
    if (aicc_mul_overflow(bytes, shape[d], &bytes)) {
      return INT64_MAX;
    }
  }
  return bytes;
}

static bool is_static(const aicc_module *module, const aicc_value *value, int64_t *bytes) {
  int64_t shape[AICC_MAX_RANK];
  if (value->type.kind != AICC_TYPE_TENSOR || value->type.rank < 0 ||
      !aicc_type_static_shape(module, &value->type, shape)) {
    return false;
  }
  *bytes = bytes_of(&value->type, shape);
  return true;
}

static bool constant_attrs(const aicc_module *module, const aicc_node *node) {
  for (int a = 0; a < node->attr_count; a++) {
    const aicc_attr *attr = &node->attrs[a];
    for (int i = 0; i < attr->count; i++) {
      if (aicc_attr_table[attr->key].kind == AICC_ATTR_KIND_DIMS &&
          !aicc_dim_is_const(module->dims, attr->dims[i], NULL)) {
        return false;
      }
    }
  }
  return true;
}

// Bytes of the constant operands; false: some operand is no constant.
static bool constant_operands(const aicc_module *module, const aicc_node *node, int64_t *bytes) {
  *bytes = 0;
  for (int i = 0; i < node->in_count; i++) {
    int64_t size = 0;
    if (node->in[i] && (!aicc_value_constant(node->in[i]) ||
                        !is_static(module, node->in[i], &size))) {
      return false;
    }
    *bytes += node->in[i] ? size : 0;
  }
  return true;
}

static bool foldable_kind(const aicc_node *node, int64_t bytes) {
  switch (aicc_kind_of(node)) {
    case AICC_KIND_CONTROL: return false;
    case AICC_KIND_SOURCE:
      return node->op == AICC_OP_FROM_DIMS ||
             (node->op == AICC_OP_IOTA && bytes <= MAX_IOTA);
    default: return true;
  }
}

// Whether |value| is read by |region| from |node| on, or in the regions inside; *other: by anything
// but a matrix multiply as its second operand.
static bool is_read(const aicc_region *region, const aicc_node *node, const aicc_value *value,
                    bool *other) {
  bool any = false;
  for (int i = 0; i < region->result_count; i++) {
    any = any || region->results[i] == value;
  }
  *other = *other || any;
  for (; node; node = node->next) {
    for (int i = 0; i < node->in_count; i++) {
      if (node->in[i] == value) {
        any = true;
        *other = *other || node->op != AICC_OP_MATMUL || i != 1;
      }
    }
    for (int r = 0; r < node->region_count; r++) {
      any = is_read(node->regions[r], node->regions[r]->first, value, other) || any;
    }
  }
  return any;
}

// A large result that is better not stored: one that nothing reads, or a weight turned for matrix
// multiplies alone, which read it either way: turning it here would only cost a second copy.
static bool is_wasted(const aicc_node *node) {
  int rank;
  const int64_t *perm =
      node->op == AICC_OP_TRANSPOSE ? aicc_get_ints(node, AICC_ATTR_PERM, &rank) : NULL;
  bool any = false, other = !perm || rank != 2 || perm[0] != 1;
  for (int i = 0; i < node->out_count; i++) {
    any = is_read(node->parent, node->next, node->out[i], &other) || any;
  }
  return !any || !other;
}

// Zero points of channels are vectors, whatever their rank: no weights.
static bool widens_weight(const aicc_module *module, const aicc_node *node) {
  if (node->op != AICC_OP_CAST || !aicc_dtype_is_byte(node->in[0]->type.dtype) ||
      node->out[0]->type.dtype != AICC_F32) {
    return false;
  }
  int wide = 0;
  for (int i = 0; i < node->out[0]->type.rank; i++) {
    wide += !aicc_dim_is(module->dims, node->out[0]->type.dims[i], 1);
  }
  return wide > 1;
}

// Whether the node widens a weight of bytes, or is the difference of one from a zero point.
static bool is_of_weight(const aicc_module *module, const aicc_node *node) {
  const aicc_node *def = node->op == AICC_OP_SUB ? node->in[0]->def : node;
  return def && widens_weight(module, def);
}

static bool should_compute(const fold *f, const aicc_node *node) {
  const aicc_module *module = f->pass->module;
  int64_t operands, results = 0, size;
  for (int i = 0; i < node->out_count; i++) {
    if (!is_static(module, node->out[i], &size) || size > BUDGET_BYTES) {
      return false;
    }
    results += size;
  }
  return node->out_count > 0 && foldable_kind(node, results) && constant_attrs(module, node) &&
         constant_operands(module, node, &operands) &&
         (results <= LARGE_BYTES ||
          (!is_wasted(node) && results <= operands && f->spent + results <= BUDGET_BYTES));
}

static void add_const(fold *f, aicc_node *node, int index, const aicc_eval_value *result) {
  aicc_module *module = f->pass->module;
  const aicc_tensor tensor = {
      .dtype = result->dtype,
      .rank = result->rank,
      .shape = aicc_arena_memdup(&module->arena, result->shape,
                                 sizeof(int64_t) * ((size_t)result->rank + 1)),
      .data = result->data,
      .buf = result->buf,
  };
  if (result->buf) {
    aicc_module_keep_buf(module, result->buf);
  }
  aicc_node *constant = aicc_node_create(module, AICC_OP_CONST, NULL, 0, 1);
  aicc_set_tensor(module, constant, AICC_ATTR_VALUE, &tensor);
  aicc_node_add_origins(module, constant, node->origins, node->origin_count);
  aicc_node_insert_before(node, constant);
  if (aicc_infer(module, constant, f->pass->diags) == AICC_OK) {
    constant->out[0]->name = node->out[index]->name;
    aicc_rewrite_replace(&f->rewrite, node->out[index], constant->out[0]);
  }
}

// Large bytes leave memory until they are written to the model.
static void forget(const aicc_eval_value *value) {
  const int64_t bytes = aicc_eval_value_count(value) * (int64_t)aicc_dtype_size(value->dtype);
  if (value->buf && bytes > LARGE_BYTES) {
    const size_t offset = (size_t)((const uint8_t *)value->data - aicc_buf_data(value->buf));
    aicc_view_forget((aicc_view){.buf = value->buf, .offset = offset, .size = (size_t)bytes});
  }
}

static bool compute(fold *f, aicc_node *node) {
  aicc_module *module = f->pass->module;
  aicc_arena *scratch = f->pass->scratch;
  aicc_eval_value *in = AICC_NEW_ARRAY(scratch, aicc_eval_value, node->in_count + 1);
  aicc_eval_value *out = AICC_NEW_ARRAY(scratch, aicc_eval_value, node->out_count + 1);
  const aicc_eval_value **operands =
      AICC_NEW_ARRAY(scratch, const aicc_eval_value *, node->in_count + 1);
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i]) {
      aicc_eval_value_from_tensor(aicc_value_constant(node->in[i]), &in[i]);
      operands[i] = &in[i];
    }
  }
  aicc_diags quiet;
  aicc_diags_init(&quiet);
  const bool done = aicc_eval_node(module, node, operands, out, &quiet) == AICC_OK;
  aicc_diags_deinit(&quiet);
  for (int i = 0; i < node->out_count && done; i++) {
    const int64_t bytes =
        aicc_eval_value_count(&out[i]) * (int64_t)aicc_dtype_size(out[i].dtype);
    f->spent += bytes > LARGE_BYTES ? bytes : 0;
    add_const(f, node, i, &out[i]);
    forget(&out[i]);
    aicc_eval_value_deinit(&out[i]);
  }
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i]) {
      forget(&in[i]);
    }
    aicc_eval_value_deinit(&in[i]);
  }
  f->computed += done;
  return done;
}

// --- sizes ---------------------------------------------------------------------------------------

// All elements of the node's result, where each is a known expression.
static const aicc_dim *known_elements(const fold *f, const aicc_node *node, int64_t *count) {
  const aicc_value *value = node->out_count == 1 ? node->out[0] : NULL;
  int64_t bytes;
  if (!value || !value->partial || f->defines[value->id] ||
      aicc_kind_of(node) == AICC_KIND_SOURCE || aicc_kind_of(node) == AICC_KIND_CONTROL ||
      !is_static(f->pass->module, value, &bytes)) {
    return NULL;
  }
  *count = bytes / (int64_t)aicc_dtype_size(value->type.dtype);
  for (int64_t i = 0; i < *count; i++) {
    if (value->partial[i] == AICC_DIM_NONE) {
      return NULL;
    }
  }
  return value->partial;
}

// Casts and reshapes of a from_dims are what make_sizes makes.
static bool is_sizes(const aicc_node *node) {
  while (node && (node->op == AICC_OP_CAST || node->op == AICC_OP_RESHAPE)) {
    node = node->in[0]->def;
  }
  return node && node->op == AICC_OP_FROM_DIMS;
}

// A from_dims in the shape and type of the node's result.
static bool make_sizes(fold *f, aicc_node *node) {
  int64_t count;
  const aicc_dim *elements = known_elements(f, node, &count);
  if (!elements || is_sizes(node) || count > AICC_PARTIAL_MAX) {
    return false;
  }
  aicc_value *old = node->out[0];
  aicc_builder b = {.module = f->pass->module,
                    .region = node->parent,
                    .before = node,
                    .diags = f->pass->diags,
                    .origins = node->origins,
                    .origin_count = node->origin_count};
  aicc_value *sizes = old->type.rank == 0 ? aicc_b_from_dim(&b, elements[0])
                                          : aicc_b_from_dims(&b, elements, (int)count);
  sizes = old->type.rank > 1 ? aicc_b_reshape(&b, sizes, old->type.dims, old->type.rank) : sizes;
  sizes = aicc_b_cast(&b, sizes, old->type.dtype);
  if (!sizes) {
    return false;
  }
  aicc_rewrite_replace(&f->rewrite, old, sizes);
  f->sized++;
  return true;
}

static void fold_region(fold *f, aicc_region *region);

static void fold_node(fold *f, aicc_node *node) {
  aicc_rewrite_operands(&f->rewrite, node);
  for (int r = 0; r < node->region_count; r++) {
    fold_region(f, node->regions[r]);
  }
  if (!f->pass->own && is_of_weight(f->pass->module, node)) {
    return;
  }
  const bool done = should_compute(f, node) ? compute(f, node) : make_sizes(f, node);
  if (done) {
    aicc_node_unlink(node);
  }
}

static void fold_region(fold *f, aicc_region *region) {
  for (aicc_node *node = region->first, *next; node; node = next) {
    next = node->next;
    fold_node(f, node);
  }
}

static void note_definition(void *context, aicc_node *node) {
  if (node->op == AICC_OP_DEF_DIM && node->in[0]) {
    ((fold *)context)->defines[node->in[0]->id] = true;
  }
}

aicc_status aicc_pass_const_fold(aicc_pass_context *pass) {
  aicc_module *module = pass->module;
  fold f = {.pass = pass, .defines = AICC_NEW_ARRAY(pass->scratch, bool, module->value_count + 1)};
  aicc_rewrite_init(&f.rewrite, module, pass->scratch);
  const size_t errors = pass->diags->error_count;
  aicc_region_visit(module->body, note_definition, &f);
  fold_region(&f, module->body);
  aicc_rewrite_finish(&f.rewrite);
  aicc_pass_report(pass, "const_fold",
                   "%zu nodes computed (%lld bytes of large results), %zu sizes", f.computed,
                   (long long)f.spent, f.sized);
  return pass->diags->error_count == errors ? AICC_OK : AICC_INTERNAL;
}
