// Type rules of operators that move elements, and checks of those with a stated type.
#include "ir/infer.h"

static aicc_status need_int_indices(const aicc_module *module, const aicc_node *node,
                                    aicc_diags *diags) {
  return aicc_dtype_is_int(node->in[1]->type.dtype)
             ? AICC_OK
             : aicc_infer_fail(module, node, diags, "indices must be integers");
}

aicc_status aicc_infer_transpose(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *type = &node->in[0]->type;
  int count = 0;
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_PERM));
  const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &count);
  bool seen[AICC_MAX_RANK] = {false}, valid = count == type->rank;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; valid && i < count; i++) {
    valid = perm[i] >= 0 && perm[i] < type->rank && !seen[perm[i]];
    if (valid) {
      seen[perm[i]] = true;
      dims[i] = type->dims[perm[i]];
    }
  }
  if (!valid) {
    return aicc_infer_fail(module, node, diags, "perm is no permutation of the %d dimensions",
                           type->rank);
  }
  node->out[0]->type = aicc_type_tensor(module, type->dtype, dims, type->rank);
  return AICC_OK;
}

aicc_status aicc_infer_concat(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *first = &node->in[0]->type;
  int axis = 0;
  AICC_TRY(aicc_infer_axis(module, node, diags, first->rank, &axis));
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < first->rank; i++) {
    dims[i] = first->dims[i];
  }
  for (int k = 1; k < node->in_count; k++) {
    const aicc_type *type = &node->in[k]->type;
    AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, k));
    if (type->rank != first->rank) {
      return aicc_infer_fail(module, node, diags, "operands 0 and %d have different ranks", k);
    }
    for (int i = 0; i < first->rank; i++) {
      if (i == axis) {
        dims[i] = aicc_dim_add(module->dims, dims[i], type->dims[i]);
      } else if (aicc_dims_differ(module, dims[i], type->dims[i])) {
        return aicc_infer_fail(module, node, diags, "operands 0 and %d differ in dimension %d", k,
                               i);
      } else if (aicc_dim_is_const(module->dims, type->dims[i], NULL)) {
        dims[i] = type->dims[i];  // they are equal when the model runs
      }
    }
  }
  node->out[0]->type = aicc_type_tensor(module, first->dtype, dims, first->rank);
  return AICC_OK;
}

aicc_status aicc_infer_gather(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *indices = &node->in[1]->type;
  int axis = 0, rank = 0;
  AICC_TRY(need_int_indices(module, node, diags));
  AICC_TRY(aicc_infer_axis(module, node, diags, x->rank, &axis));
  if (x->rank - 1 + indices->rank > AICC_MAX_RANK) {
    return aicc_infer_fail(module, node, diags, "the result has rank %d; aicc's limit is %d",
                           x->rank - 1 + indices->rank, AICC_MAX_RANK);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < axis; i++) {
    dims[rank++] = x->dims[i];
  }
  for (int i = 0; i < indices->rank; i++) {
    dims[rank++] = indices->dims[i];
  }
  for (int i = axis + 1; i < x->rank; i++) {
    dims[rank++] = x->dims[i];
  }
  node->out[0]->type = aicc_type_tensor(module, x->dtype, dims, rank);
  return AICC_OK;
}

aicc_status aicc_infer_gather_elements(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *indices = &node->in[1]->type;
  int axis = 0;
  AICC_TRY(need_int_indices(module, node, diags));
  AICC_TRY(aicc_infer_axis(module, node, diags, x->rank, &axis));
  if (x->rank != indices->rank) {
    return aicc_infer_fail(module, node, diags, "the tensor and the indices need one rank");
  }
  node->out[0]->type = aicc_type_tensor(module, x->dtype, indices->dims, indices->rank);
  return AICC_OK;
}

aicc_status aicc_infer_gather_nd(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *indices = &node->in[1]->type;
  const int64_t batch = aicc_get_int(node, AICC_ATTR_BATCH_DIMS, 0);
  int64_t depth = 0;
  AICC_TRY(need_int_indices(module, node, diags));
  if (indices->rank < 1 || batch < 0 || batch >= indices->rank ||
      !aicc_dim_is_const(module->dims, indices->dims[indices->rank - 1], &depth) ||
      batch + depth > x->rank) {
    return aicc_infer_fail(module, node, diags,
                           "the last dimension of the indices must be a constant of at most "
                           "rank(x) - batch_dims");
  }
  const int tail = x->rank - (int)(batch + depth);
  aicc_dim dims[AICC_MAX_RANK];
  if (indices->rank - 1 + tail > AICC_MAX_RANK) {
    return aicc_infer_fail(module, node, diags, "the result has rank %d; aicc's limit is %d",
                           indices->rank - 1 + tail, AICC_MAX_RANK);
  }
  int rank = 0;
  for (; rank < indices->rank - 1; rank++) {
    dims[rank] = indices->dims[rank];
  }
  for (int i = x->rank - tail; i < x->rank; i++) {
    dims[rank++] = x->dims[i];
  }
  node->out[0]->type = aicc_type_tensor(module, x->dtype, dims, rank);
  return AICC_OK;
}

static aicc_status need_count(const aicc_module *module, const aicc_node *node, aicc_diags *diags,
                              aicc_attr_key key, int count) {
  AICC_TRY(aicc_infer_need_attr(module, node, diags, key));
  const aicc_attr *attr = aicc_attr_find(node, key);
  return attr->count == count
             ? AICC_OK
             : aicc_infer_fail(module, node, diags, "'%s' needs %d values, %d given",
                               aicc_attr_table[key].name, count, attr->count);
}

aicc_status aicc_infer_window(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_KERNEL));
  const int spatial = aicc_attr_find(node, AICC_ATTR_KERNEL)->count;
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_STRIDES, spatial));
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_DILATIONS, spatial));
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_PADS, spatial));
  AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, 1));
  const aicc_type *x = &node->in[0]->type, *result = &node->out[0]->type;
  if (!result->dims || result->rank != x->rank + spatial || x->rank < spatial) {
    return aicc_infer_fail(module, node, diags,
                           "the result needs the tensor's rank and one dimension more for each of "
                           "the %d kernel sizes",
                           spatial);
  }
  return AICC_OK;
}

// --- stated types --------------------------------------------------------------------------------

static aicc_status fail_stated(const aicc_module *module, const aicc_node *node, aicc_diags *diags,
                               const char *reason) {
  return aicc_infer_fail(module, node, diags, "%s %s", reason,
                         aicc_type_print(module, &node->out[0]->type, &diags->arena));
}

static aicc_status check_reshape(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_dim have = aicc_type_count(module, &node->in[0]->type);
  const aicc_dim want = aicc_type_count(module, &node->out[0]->type);
  int64_t a = 0, b = 0;
  if (aicc_dim_is_const(module->dims, have, &a) && aicc_dim_is_const(module->dims, want, &b) &&
      a != b) {
    return fail_stated(module, node, diags, "another number of elements than in");
  }
  return AICC_OK;
}

static aicc_status check_broadcast(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *result = &node->out[0]->type;
  bool fits = x->rank <= result->rank;
  for (int i = 1; fits && i <= x->rank; i++) {
    const aicc_dim from = x->dims[x->rank - i], to = result->dims[result->rank - i];
    fits = aicc_dim_is(module->dims, from, 1) ||
           !aicc_dim_is(module->dims, aicc_dim_eq(module->dims, from, to), 0) ||
           !(aicc_dim_is_const(module->dims, from, NULL));
  }
  return fits ? AICC_OK : fail_stated(module, node, diags, "it does not broadcast to");
}

static aicc_status check_slice(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const int rank = node->in[0]->type.rank;
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_STARTS, rank));
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_STEPS, rank));
  int count = 0;
  const int64_t *steps = aicc_get_ints(node, AICC_ATTR_STEPS, &count);
  for (int i = 0; i < count; i++) {
    if (steps[i] == 0) {
      return aicc_infer_fail(module, node, diags, "step %d is 0", i);
    }
  }
  return node->out[0]->type.rank == rank ? AICC_OK
                                         : fail_stated(module, node, diags, "another rank than in");
}

static aicc_status check_pad(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const int rank = node->in[0]->type.rank;
  AICC_TRY(need_count(module, node, diags, AICC_ATTR_LOW, rank));
  const bool constant = aicc_get_string(node, AICC_ATTR_MODE, "constant")[0] == 'c';
  if (constant && (node->in_count < 2 || !node->in[1])) {
    return aicc_infer_fail(module, node, diags, "constant padding needs the fill operand");
  }
  if (node->in_count == 2 && node->in[1]) {
    AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, 1));
  }
  return node->out[0]->type.rank == rank ? AICC_OK
                                         : fail_stated(module, node, diags, "another rank than in");
}

static aicc_status check_axis_of_result(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  int axis = 0;
  const int rank = node->out[0]->type.rank;
  return aicc_infer_axis(module, node, diags, rank > 0 ? rank : 1, &axis);
}

static aicc_status check_same_rank(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  return node->out[0]->type.rank == node->in[0]->type.rank
             ? AICC_OK
             : fail_stated(module, node, diags, "another rank than in");
}

static aicc_status check_topk(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(check_axis_of_result(module, node, diags));
  AICC_TRY(check_same_rank(module, node, diags));
  const int64_t axis = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  int64_t have = 0, wanted = 0;
  if (node->in[0]->type.rank > 0 &&
      aicc_dim_is_const(module->dims, node->in[0]->type.dims[axis], &have) &&
      aicc_dim_is_const(module->dims, node->out[0]->type.dims[axis], &wanted) && wanted > have) {
    return aicc_infer_fail(module, node, diags, "%lld elements are wanted of an axis of %lld",
                           (long long)wanted, (long long)have);
  }
  return AICC_OK;
}

aicc_status aicc_check_move(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_op_kind kind = aicc_kind_of(node);
  if ((kind == AICC_KIND_MOVE || kind == AICC_KIND_VIEW) &&
      node->out[0]->type.dtype != node->in[0]->type.dtype) {
    return fail_stated(module, node, diags, "another element type than in");
  }
  switch (node->op) {
    case AICC_OP_RESHAPE: return check_reshape(module, node, diags);
    case AICC_OP_BROADCAST: return check_broadcast(module, node, diags);
    case AICC_OP_SLICE: return check_slice(module, node, diags);
    case AICC_OP_PAD: return check_pad(module, node, diags);
    case AICC_OP_IOTA: return check_axis_of_result(module, node, diags);
    case AICC_OP_TOPK: return check_topk(module, node, diags);
    case AICC_OP_RESIZE: return check_same_rank(module, node, diags);
    default: return AICC_OK;
  }
}
