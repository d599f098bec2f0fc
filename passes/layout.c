// The layout pass: channels last.
//
// 1. Convolutions become NHWC, transposed ones plain ones (layout_conv.c).
// 2. Transposes sink: f(transpose(x)) becomes transpose(f'(x)) for elementwise work,
// concatenations,
//    pads, slices, reductions and windows, so that they meet and cancel.
// 3. A transpose of the last two dimensions of a matrix operand becomes trans_b.
//
// Never makes more transposes than it removes: 2 applies where every operand is such a transpose, a
// constant, or constant over all dimensions but one.
#include <string.h>

#include "passes/layout.h"
#include "passes/pass.h"

void aicc_layout_at(aicc_layout *l, aicc_node *node) {
  l->b.region = node->parent;
  l->b.before = node;
  l->b.origins = node->origins;
  l->b.origin_count = node->origin_count;
}

static bool is_identity(const int64_t *perm, int rank) {
  for (int i = 0; i < rank; i++) {
    if (perm[i] != i) {
      return false;
    }
  }
  return true;
}

static const int64_t *perm_of(const aicc_value *value) {
  int rank;
  return value && value->def && value->def->op == AICC_OP_TRANSPOSE
             ? aicc_get_ints(value->def, AICC_ATTR_PERM, &rank)
             : NULL;
}

// transpose(x), looking through a transpose that makes x.
aicc_value *aicc_layout_transposed(aicc_layout *l, aicc_value *x, const int64_t *perm) {
  const int rank = x->type.rank;
  int64_t both[AICC_MAX_RANK];
  const int64_t *inner = perm_of(x);
  for (int i = 0; i < rank; i++) {
    both[i] = inner ? inner[perm[i]] : perm[i];
  }
  aicc_value *source = inner ? x->def->in[0] : x;
  return is_identity(both, rank) ? source : aicc_b_transpose(&l->b, source, both);
}

// --- 2. sinking ----------------------------------------------------------------------------------

// |value| (broadcast against rank |rank|) as an operand beside untransposed ones, or NULL: it would
// cost a transpose. |perm| is the sinking transpose's.
static aicc_value *beside(aicc_layout *l, aicc_value *value, const int64_t *perm, int rank) {
  const aicc_dims *dims = l->module->dims;
  const int64_t *own = perm_of(value);
  if (own && value->type.rank == rank && memcmp(own, perm, (size_t)rank * sizeof *own) == 0) {
    return value->def->in[0];
  }
  const int lead = rank - value->type.rank;
  int wide = 0;
  int64_t elements = 1, extent;
  for (int i = 0; i < value->type.rank; i++) {
    const bool known = aicc_dim_is_const(dims, value->type.dims[i], &extent);
    wide += !(known && extent == 1);
    elements = known && elements >= 0 ? elements * extent : -1;
  }
  if (wide == 0 && value->type.rank == 0) {
    return value;
  }
  const bool constant = value->def && value->def->op == AICC_OP_CONST;
  if (wide > 1 && !(constant && elements >= 0 && elements <= 1 << 16)) {
    return NULL;
  }
  // Dimension i of the source shows where perm's inverse puts it.
  aicc_dim full[AICC_MAX_RANK], shape[AICC_MAX_RANK];
  int64_t inverse[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    full[i] = i < lead ? aicc_dim_const(l->module->dims, 1) : value->type.dims[i - lead];
    inverse[perm[i]] = i;
  }
  if (wide <= 1) {
    for (int i = 0; i < rank; i++) {
      shape[i] = full[inverse[i]];
    }
    return aicc_b_reshape(&l->b, value, shape, rank);
  }
  return aicc_b_transpose(&l->b, aicc_b_reshape(&l->b, value, full, rank), inverse);
}

static const int64_t *sinking_perm(const aicc_node *node, int rank) {
  for (int i = 0; i < node->in_count; i++) {
    const int64_t *perm = perm_of(node->in[i]);
    if (perm && node->in[i]->type.rank == rank) {
      return perm;
    }
  }
  return NULL;
}

// A copy of |node| on other operands.
static aicc_node *rebuilt(aicc_layout *l, const aicc_node *node, aicc_value **in) {
  aicc_node *copy = aicc_node_create(l->module, node->op, in, node->in_count, 1);
  aicc_attrs_copy(l->module, copy, node);
  return copy;
}

// The type of |node|'s result before the transpose that will follow it.
static aicc_type source_type(aicc_layout *l, const aicc_node *node, const int64_t *perm) {
  const aicc_type *type = &node->out[0]->type;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    dims[perm[i]] = type->dims[i];
  }
  return aicc_type_tensor(l->module, type->dtype, dims, type->rank);
}

static void replace_by(aicc_layout *l, aicc_node *node, aicc_node *copy, const int64_t *perm) {
  copy->out[0]->type = source_type(l, node, perm);
  aicc_value *result = aicc_b_finish(&l->b, copy);
  aicc_value_replace(l->module, node->out[0], aicc_b_transpose(&l->b, result, perm));
  aicc_node_unlink(node);
}

static void sink_eltwise(aicc_layout *l, aicc_node *node) {
  const int rank = node->out[0]->type.rank;
  const int64_t *perm = sinking_perm(node, rank);
  if (!perm) {
    return;
  }
  aicc_layout_at(l, node);
  aicc_value *in[3];
  for (int i = 0; i < node->in_count; i++) {
    in[i] = beside(l, node->in[i], perm, rank);
    if (!in[i]) {
      return;
    }
  }
  replace_by(l, node, rebuilt(l, node, in), perm);
}

static void sink_concat(aicc_layout *l, aicc_node *node) {
  const int rank = node->out[0]->type.rank;
  const int64_t *perm = sinking_perm(node, rank);
  aicc_value **in = AICC_NEW_ARRAY(&l->module->arena, aicc_value *, node->in_count);
  for (int i = 0; i < node->in_count; i++) {
    const int64_t *own = perm_of(node->in[i]);
    if (!perm || !own || memcmp(own, perm, (size_t)rank * sizeof *own) != 0) {
      return;
    }
    in[i] = node->in[i]->def->in[0];
  }
  aicc_layout_at(l, node);
  aicc_node *copy = rebuilt(l, node, in);
  aicc_set_int(l->module, copy, AICC_ATTR_AXIS, perm[aicc_get_int(node, AICC_ATTR_AXIS, 0)]);
  replace_by(l, node, copy, perm);
}

static void permute_dims(aicc_layout *l, aicc_node *copy, aicc_attr_key key, const int64_t *perm) {
  int rank;
  const aicc_dim *items = aicc_get_dims(copy, key, &rank);
  aicc_dim out[AICC_MAX_RANK];
  for (int i = 0; items && i < rank; i++) {
    out[perm[i]] = items[i];
  }
  if (items) {
    aicc_set_dims(l->module, copy, key, out, rank);
  }
}

static void permute_ints(aicc_layout *l, aicc_node *copy, aicc_attr_key key, const int64_t *perm) {
  int rank;
  const int64_t *items = aicc_get_ints(copy, key, &rank);
  int64_t out[AICC_MAX_RANK];
  for (int i = 0; items && i < rank; i++) {
    out[perm[i]] = items[i];
  }
  if (items) {
    aicc_set_ints(l->module, copy, key, out, rank);
  }
}

static void sink_place(aicc_layout *l, aicc_node *node) {
  const int64_t *perm = perm_of(node->in[0]);
  if (!perm) {
    return;
  }
  aicc_layout_at(l, node);
  aicc_value *in[2] = {node->in[0]->def->in[0], node->in_count > 1 ? node->in[1] : NULL};
  aicc_node *copy = rebuilt(l, node, in);
  permute_dims(l, copy, AICC_ATTR_LOW, perm);
  permute_dims(l, copy, AICC_ATTR_STARTS, perm);
  permute_ints(l, copy, AICC_ATTR_STEPS, perm);
  replace_by(l, node, copy, perm);
}

static void sink_reduce(aicc_layout *l, aicc_node *node) {
  const int64_t *perm = perm_of(node->in[0]);
  if (!perm || !aicc_get_int(node, AICC_ATTR_KEEPDIMS, 1)) {
    return;
  }
  aicc_layout_at(l, node);
  int count;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  bool reduced[AICC_MAX_RANK] = {0};
  int64_t moved[AICC_MAX_RANK];
  for (int i = 0; i < count; i++) {
    reduced[perm[axes[i]]] = true;
  }
  count = 0;
  for (int i = 0; i < node->in[0]->type.rank; i++) {
    if (reduced[i]) {
      moved[count++] = i;
    }
  }
  aicc_node *copy = rebuilt(l, node, &node->in[0]->def->in[0]);
  aicc_set_ints(l->module, copy, AICC_ATTR_AXES, moved, count);
  replace_by(l, node, copy, perm);
}

// reduce(window(transpose(x))) over exactly the window dimensions: x's spatial dimensions lie
// inside its channels, which a window with layout nhwc takes.
static void sink_pool(aicc_layout *l, aicc_node *node) {
  aicc_node *window = node->in[0]->def;
  const int64_t *perm = window ? perm_of(window->in[0]) : NULL;
  int count, spatial;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  aicc_get_ints(window, AICC_ATTR_KERNEL, &spatial);
  const int rank = window->in[0]->type.rank, whole = window->out[0]->type.rank;
  int64_t wanted[AICC_MAX_RANK];
  aicc_layout_channels_first(wanted, rank);
  if (!perm || rank != spatial + 2 || count != spatial || axes[0] != whole - spatial ||
      aicc_get_int(node, AICC_ATTR_KEEPDIMS, 1) ||
      memcmp(perm, wanted, (size_t)rank * sizeof *perm) != 0) {
    return;
  }
  aicc_layout_at(l, node);
  aicc_value *in[] = {window->in[0]->def->in[0], window->in[1]};
  aicc_node *copy = rebuilt(l, window, in);
  aicc_set_string(l->module, copy, AICC_ATTR_LAYOUT, "nhwc");
  int64_t full[AICC_MAX_RANK];
  for (int i = 0; i < whole; i++) {
    full[i] = i < rank ? wanted[i] : i;
  }
  copy->out[0]->type = source_type(l, window, full);
  aicc_value *windows = aicc_b_finish(&l->b, copy);
  replace_by(l, node, rebuilt(l, node, &windows), wanted);
}

// --- 3. matrix operands --------------------------------------------------------------------------

static void fold_matrix_transpose(aicc_layout *l, aicc_node *node) {
  const int64_t *perm = perm_of(node->in[1]);
  const int rank = node->in[1]->type.rank;
  if (!perm || rank < 2 || perm[rank - 1] == rank - 1) {
    return;
  }
  int64_t rest[AICC_MAX_RANK];
  memcpy(rest, perm, (size_t)rank * sizeof *rest);
  rest[rank - 1] = perm[rank - 2];
  rest[rank - 2] = perm[rank - 1];
  // What remains must keep the last dimension in place, or nothing is won.
  if (rest[rank - 1] != rank - 1) {
    return;
  }
  aicc_layout_at(l, node);
  node->in[1] = is_identity(rest, rank) ? node->in[1]->def->in[0]
                                        : aicc_b_transpose(&l->b, node->in[1]->def->in[0], rest);
  aicc_set_int(l->module, node, AICC_ATTR_TRANS_B, !aicc_get_int(node, AICC_ATTR_TRANS_B, 0));
}

// --- the pass ------------------------------------------------------------------------------------

static void merge_transposes(aicc_layout *l, aicc_node *node) {
  if (!perm_of(node->in[0])) {
    return;
  }
  aicc_layout_at(l, node);
  int rank;
  const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &rank);
  aicc_value_replace(l->module, node->out[0], aicc_layout_transposed(l, node->in[0], perm));
  aicc_node_unlink(node);
}

static void visit(void *context, aicc_node *node) {
  aicc_layout *l = context;
  switch (node->op) {
    case AICC_OP_CONV: aicc_layout_conv(l, node); return;
    case AICC_OP_CONV_TRANSPOSE: aicc_layout_conv_transpose(l, node); return;
    case AICC_OP_CONCAT: sink_concat(l, node); return;
    case AICC_OP_PAD:
    case AICC_OP_SLICE: sink_place(l, node); return;
    case AICC_OP_MATMUL: fold_matrix_transpose(l, node); return;
    case AICC_OP_TRANSPOSE: merge_transposes(l, node); return;
    case AICC_OP_ARGMAX:
    case AICC_OP_ARGMIN: return;
    default: break;
  }
  if (aicc_kind_of(node) == AICC_KIND_ELTWISE) {
    sink_eltwise(l, node);
  } else if (aicc_kind_of(node) == AICC_KIND_REDUCE) {
    const bool pool = node->in[0]->def && node->in[0]->def->op == AICC_OP_WINDOW;
    (pool ? sink_pool : sink_reduce)(l, node);
  }
}

aicc_status aicc_pass_layout(aicc_pass_context *pass) {
  aicc_layout l = {.module = pass->module};
  l.pads_inside = pass->machine && pass->machine->kind == AICC_MACHINE_GPU;
  l.b = (aicc_builder){.module = pass->module, .diags = pass->diags};
  aicc_region_visit(pass->module->body, visit, &l);
  return AICC_OK;
}
