// Results of convolutions that stand inside the padding which the next one needs (CPUs): the fuse
// pass has taken the pad nodes into the group. The kernel stores elements where they stand in the
// padded tensor, and a small kernel of its own fills the border.
#include <string.h>

#include "passes/lower.h"

// The pad node that result |value| of a group's body is; NULL: it is another.
static const aicc_node *pad_of(const aicc_region *body, const aicc_value *value) {
  const aicc_node *def = value->def;
  return def && def->parent == body && def->op == AICC_OP_PAD ? def : NULL;
}

const aicc_value *lk_unpadded(const aicc_region *body, const aicc_value *value) {
  const aicc_node *pad = pad_of(body, value);
  return pad ? pad->in[0] : value;
}

// The whole index of an element whose leading ones are a row number (aicc_contract_flat_index).
static void unflatten(lower_kernel *lk, const aicc_type *type, const kir_val *index,
                      kir_val *out) {
  const aicc_type leading = {.rank = type->rank - 1, .dims = type->dims};
  kir_val extents[AICC_MAX_RANK];
  for (int i = 0; i < leading.rank; i++) {
    extents[i] = lk_dim(lk, type->dims[i]);
  }
  lk_split(lk, lk_linear(lk, &leading, index), extents, leading.rank, out);
  out[leading.rank] = index[leading.rank];
}

static kir_val padded_place(lower_kernel *lk, const aicc_node *pad, const kir_val *index,
                            bool flat) {
  const aicc_type *in = &pad->in[0]->type;
  int rank;
  const aicc_dim *low = aicc_get_dims(pad, AICC_ATTR_LOW, &rank);
  kir_val at[AICC_MAX_RANK];
  memcpy(at, index, (size_t)rank * sizeof *at);
  if (flat) {
    unflatten(lk, in, index, at);
  }
  for (int i = 0; i < rank; i++) {
    at[i] = kir_add(&lk->b, at[i], lk_dim(lk, low[i]));
  }
  return lk_linear(lk, &pad->out[0]->type, at);
}

void lk_store_results(lower_kernel *lk, const aicc_node *group, const kir_val *index, bool flat) {
  const aicc_region *body = group->regions[0];
  for (int i = 0; i < body->result_count; i++) {
    const aicc_node *pad = pad_of(body, body->results[i]);
    const aicc_value *value = lk_unpadded(body, body->results[i]);
    const aicc_slot slot = aicc_lower_slot(lk->lw, group->out[i]);
    const kir_val result = lk_elem(lk, value, index);
    const kir_val place = pad ? padded_place(lk, pad, index, flat)
                              : lk_linear(lk, &value->type, index);
    lk_store(lk, lk_buffer(lk, slot, KIR_WRITE), value->type.dtype, place, result);
  }
}

// --- borders -------------------------------------------------------------------------------------

// Whether row |at| of all dimensions but the last two has elements of the tensor inside; 0: always.
static kir_val has_inside(lower_kernel *lk, const aicc_node *pad, const kir_val *at,
                          const aicc_dim *low) {
  kir_builder *b = &lk->b;
  const aicc_type *in = &pad->in[0]->type, *out = &pad->out[0]->type;
  kir_val inside = 0;
  for (int i = 0; i + 2 < in->rank; i++) {
    if (in->dims[i] == out->dims[i]) {
      continue;
    }
    const kir_val from = lk_dim(lk, low[i]), to = kir_add(b, from, lk_dim(lk, in->dims[i]));
    const kir_val here = kir_scalar2(b, AICC_OP_AND, kir_scalar2(b, AICC_OP_GE, at[i], from),
                                     kir_scalar2(b, AICC_OP_LT, at[i], to));
    inside = inside ? kir_scalar2(b, AICC_OP_AND, inside, here) : here;
  }
  return inside;
}

static void fill(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val begin, kir_val from,
                 kir_val to, kir_val value) {
  const kir_val i = lk_for(lk, KIR_LANES, from, to);
  lk_store(lk, buffer, dtype, kir_add(&lk->b, begin, i), value);
  lk_end(lk);
}

// A task fills what is not inside of a row along the last two dimensions.
static void lower_border(aicc_lower *lw, const aicc_node *group, int result,
                         const aicc_node *pad) {
  aicc_dims *dims = lw->module->dims;
  const aicc_type *in = &pad->in[0]->type, *out = &pad->out[0]->type;
  const int wide = out->rank - 2;
  int rank;
  const aicc_dim *low = aicc_get_dims(pad, AICC_ATTR_LOW, &rank);
  lower_kernel lk;
  lk_begin(&lk, lw, aicc_arena_printf(&lw->plan->arena, "border_%u", group->id), "map", group);
  kir_builder *b = &lk.b;
  const kir_val to = lk_buffer(&lk, aicc_lower_slot(lw, group->out[result]), KIR_WRITE);
  kir_val extents[AICC_MAX_RANK], at[AICC_MAX_RANK];
  for (int i = 0; i < wide; i++) {
    extents[i] = lk_dim(&lk, out->dims[i]);
  }
  lk_split(&lk, kir_task(b), extents, wide, at);
  const kir_val zero = lk_i64(&lk, 0), columns = lk_dim(&lk, out->dims[wide + 1]);
  const kir_val row = kir_mul(b, lk_dim(&lk, out->dims[wide]), columns);
  const kir_val begin = kir_mul(b, kir_task(b), row);
  kir_val left = kir_mul(b, lk_dim(&lk, low[wide]), columns);
  kir_val right = kir_add(b, left, kir_mul(b, lk_dim(&lk, in->dims[wide]), columns));
  const kir_val inside = has_inside(&lk, pad, at, low);
  if (inside) {
    left = kir_select(b, inside, left, row);
    right = kir_select(b, inside, right, row);
  }
  const kir_val value = pad->in_count > 1 && pad->in[1]
                            ? lk_elem(&lk, pad->in[1], NULL)
                            : kir_const(b, lk_compute_type(out->dtype), 0);
  fill(&lk, to, out->dtype, begin, zero, left, value);
  fill(&lk, to, out->dtype, begin, right, row, value);
  const aicc_dim added =
      aicc_dim_sub(dims, aicc_type_count(lw->module, out), aicc_type_count(lw->module, in));
  lk_launch(&lk, aicc_dim_product(dims, out->dims, wide),
            aicc_dim_floordiv(dims, added, aicc_dim_const(dims, 8)));
}

void aicc_lower_borders(aicc_lower *lw, const aicc_node *group) {
  const aicc_region *body = group->regions[0];
  for (int i = 0; i < body->result_count; i++) {
    const aicc_node *pad = pad_of(body, body->results[i]);
    if (pad) {
      AICC_ASSERT(lw->machine->kind == AICC_MACHINE_CPU);  // the others' kernels do not know of it
      lower_border(lw, group, i, pad);
    }
  }
}
