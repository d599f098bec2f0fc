// Moves whose indices are data, and the scatters, their inverse.
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

static aicc_status out_of_range(const aicc_eval_call *call, int64_t index, int64_t size) {
  return aicc_eval_fail(call, "index %lld of an axis of %lld", (long long)index, (long long)size);
}

aicc_status aicc_eval_op_gather(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  int axis;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, x->rank, &axis));
  const int64_t *indices = aicc_eval_all_i64(call, call->in[1]);
  const int64_t picks = aicc_eval_value_count(call->in[1]);
  const int64_t outer = aicc_eval_product(x->shape, axis);
  const size_t block = (size_t)aicc_eval_product(x->shape + axis + 1, x->rank - axis - 1) *
                       aicc_dtype_size(x->dtype);
  char *to = call->out[0].data;
  for (int64_t o = 0; o < outer; o++) {
    const char *from = (const char *)x->data + (size_t)(o * x->shape[axis]) * block;
    for (int64_t i = 0; i < picks; i++, to += block) {
      const int64_t index = aicc_eval_index(indices[i], x->shape[axis]);
      if (index < 0) {
        return out_of_range(call, indices[i], x->shape[axis]);
      }
      memcpy(to, from + (size_t)index * block, block);
    }
  }
  return AICC_OK;
}

// Offset in |x| of position |index| with coordinate |axis| replaced by |along|.
static int64_t offset_along(const int64_t *index, int rank, const int64_t *strides, int axis,
                            int64_t along) {
  int64_t at = 0;
  for (int d = 0; d < rank; d++) {
    at += (d == axis ? along : index[d]) * strides[d];
  }
  return at;
}

static void advance(int64_t *index, const int64_t *shape, int rank) {
  for (int d = rank - 1; d >= 0 && ++index[d] == shape[d]; d--) {
    index[d] = 0;
  }
}

aicc_status aicc_eval_op_gather_elements(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *where = call->in[1];
  int axis;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, x->rank, &axis));
  const int64_t *indices = aicc_eval_all_i64(call, where);
  const int64_t count = aicc_eval_value_count(where);
  const size_t size = aicc_dtype_size(x->dtype);
  int64_t strides[AICC_MAX_RANK], index[AICC_MAX_RANK] = {0};
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  for (int64_t i = 0; i < count; i++) {
    const int64_t along = aicc_eval_index(indices[i], x->shape[axis]);
    if (along < 0) {
      return out_of_range(call, indices[i], x->shape[axis]);
    }
    const int64_t at = offset_along(index, x->rank, strides, axis, along);
    memcpy((char *)call->out[0].data + (size_t)i * size,
           (const char *)x->data + (size_t)at * size, size);
    advance(index, where->shape, where->rank);
  }
  return AICC_OK;
}

// Offset of the block that |tuple| names in dimensions |first| .. of x; -1: out of range.
static int64_t tuple_offset(const aicc_eval_value *x, const int64_t *strides, int first,
                            const int64_t *tuple, int64_t size) {
  int64_t at = 0;
  for (int64_t d = 0; d < size; d++) {
    const int64_t index = aicc_eval_index(tuple[d], x->shape[first + d]);
    if (index < 0) {
      return -1;
    }
    at += index * strides[first + d];
  }
  return at;
}

aicc_status aicc_eval_op_gather_nd(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *where = call->in[1];
  const int batch_dims = (int)aicc_get_int(call->node, AICC_ATTR_BATCH_DIMS, 0);
  const int64_t tuple = where->rank ? where->shape[where->rank - 1] : 0;
  if (where->rank == 0 || batch_dims + tuple > x->rank || batch_dims >= where->rank) {
    return aicc_eval_fail(call, "the indices do not fit the operand's rank");
  }
  int64_t strides[AICC_MAX_RANK];
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  const int64_t *indices = aicc_eval_all_i64(call, where);
  const int64_t batches = aicc_eval_product(where->shape, batch_dims);
  const int64_t picks =
      aicc_eval_product(where->shape + batch_dims, where->rank - 1 - batch_dims);
  const int64_t batch_size = aicc_eval_product(x->shape + batch_dims, x->rank - batch_dims);
  const int used = batch_dims + (int)tuple;
  const int64_t block = aicc_eval_product(x->shape + used, x->rank - used);
  const size_t size = aicc_dtype_size(x->dtype), bytes = (size_t)block * size;
  char *to = call->out[0].data;
  for (int64_t i = 0; i < batches * picks; i++, to += bytes) {
    const int64_t at = tuple_offset(x, strides, batch_dims, indices + i * tuple, tuple);
    if (at < 0) {
      return aicc_eval_fail(call, "tuple %lld of the indices is out of range", (long long)i);
    }
    memcpy(to, (const char *)x->data + (size_t)(i / picks * batch_size + at) * size, bytes);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_reverse_sequence(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  int time;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, x->rank, &time));
  const int batch = (int)aicc_get_int(call->node, AICC_ATTR_BATCH_DIMS, 1);
  const int64_t *lengths = aicc_eval_all_i64(call, call->in[1]);
  const int64_t count = aicc_eval_value_count(x);
  const size_t size = aicc_dtype_size(x->dtype);
  int64_t strides[AICC_MAX_RANK], index[AICC_MAX_RANK] = {0};
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  for (int64_t i = 0; i < count; i++) {
    const int64_t length = lengths[index[batch]], t = index[time];
    if (length < 0 || length > x->shape[time]) {
      return out_of_range(call, length, x->shape[time]);
    }
    const int64_t at =
        offset_along(index, x->rank, strides, time, t < length ? length - 1 - t : t);
    memcpy((char *)call->out[0].data + (size_t)i * size,
           (const char *)x->data + (size_t)at * size, size);
    advance(index, x->shape, x->rank);
  }
  return AICC_OK;
}

// --- scatters ------------------------------------------------------------------------------------

// How an update meets what is there: ASSIGN (select stands for it) or an operator of scalar.h.
static aicc_status reduction_of(const aicc_eval_call *call, aicc_op *out) {
  static const struct {
    const char *name;
    aicc_op op;
  } table[] = {{"none", AICC_OP_SELECT}, {"add", AICC_OP_ADD}, {"mul", AICC_OP_MUL},
               {"min", AICC_OP_MIN},     {"max", AICC_OP_MAX}};
  const char *name = aicc_get_string(call->node, AICC_ATTR_REDUCTION, "none");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, name) == 0) {
      *out = table[i].op;
      return AICC_OK;
    }
  }
  return aicc_eval_unsupported(call, "reduction '%s' is not known", name);
}

// out[at .. at + count] op= updates[from ..]; one rounding per update.
static void scatter_block(aicc_op op, aicc_eval_value *out, int64_t at,
                          const aicc_eval_value *updates, int64_t from, int64_t count) {
  const aicc_dtype t = out->dtype;
  const size_t size = aicc_dtype_size(t);
  if (op == AICC_OP_SELECT) {
    memcpy((char *)out->data + (size_t)at * size,
           (const char *)updates->data + (size_t)from * size, (size_t)count * size);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    const size_t to = (size_t)(at + i), source = (size_t)(from + i);
    if (aicc_eval_is_int(t)) {
      aicc_set_i64(t, out->data, to,
                   aicc_scalar_i64(op, t, aicc_get_i64(t, out->data, to),
                                   aicc_get_i64(t, updates->data, source)));
    } else {
      aicc_set_f64(t, out->data, to,
                   aicc_scalar_f64(op, aicc_get_f64(t, out->data, to),
                                   aicc_get_f64(t, updates->data, source)));
    }
  }
}

static void copy_operand(aicc_eval_call *call) {
  memcpy(call->out[0].data, call->in[0]->data,
         (size_t)aicc_eval_value_count(call->in[0]) * aicc_dtype_size(call->in[0]->dtype));
}

aicc_status aicc_eval_op_scatter_elements(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *where = call->in[1], *updates = call->in[2];
  int axis;
  aicc_op op;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, x->rank, &axis));
  AICC_TRY(reduction_of(call, &op));
  copy_operand(call);
  const int64_t *indices = aicc_eval_all_i64(call, where);
  const int64_t count = aicc_eval_value_count(where);
  if (aicc_eval_value_count(updates) != count) {
    return aicc_eval_fail(call, "updates and indices differ in shape");
  }
  int64_t strides[AICC_MAX_RANK], index[AICC_MAX_RANK] = {0};
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  for (int64_t i = 0; i < count; i++) {
    const int64_t along = aicc_eval_index(indices[i], x->shape[axis]);
    if (along < 0) {
      return out_of_range(call, indices[i], x->shape[axis]);
    }
    scatter_block(op, &call->out[0], offset_along(index, x->rank, strides, axis, along), updates,
                  i, 1);
    advance(index, where->shape, where->rank);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_scatter_nd(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *where = call->in[1], *updates = call->in[2];
  const int64_t tuple = where->rank ? where->shape[where->rank - 1] : 0;
  aicc_op op;
  AICC_TRY(reduction_of(call, &op));
  if (where->rank == 0 || tuple > x->rank) {
    return aicc_eval_fail(call, "the indices do not fit the operand's rank");
  }
  copy_operand(call);
  const int64_t *indices = aicc_eval_all_i64(call, where);
  const int64_t picks = aicc_eval_product(where->shape, where->rank - 1);
  const int64_t block = aicc_eval_product(x->shape + tuple, x->rank - (int)tuple);
  if (aicc_eval_value_count(updates) != picks * block) {
    return aicc_eval_fail(call, "updates do not fit the indices");
  }
  int64_t strides[AICC_MAX_RANK];
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  for (int64_t i = 0; i < picks; i++) {
    const int64_t at = tuple_offset(x, strides, 0, indices + i * tuple, tuple);
    if (at < 0) {
      return aicc_eval_fail(call, "tuple %lld of the indices is out of range", (long long)i);
    }
    scatter_block(op, &call->out[0], at, updates, i * block, block);
  }
  return AICC_OK;
}
