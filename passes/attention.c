// The attention pass: softmax(q k^T) v as one operator, where exporters write it in pieces.
//
//   matmul(q, k, trans_b)                               scores
//   in any order: mul by one number, cap * tanh(x / cap), add a bias, select(mask, x, less)
//   x - reduce_max(x); exp; reduce_sum; quotient        softmax over the last axis
//   select(isnan(p), 0, p), or zeros where the maximum is -inf
//   matmul(p, v)
//
// Products of rank 4 are [batch, heads, ..]; of rank 3 the batch and the heads are one axis, which
// views between the products may take apart (scores for a mask, DeBERTa) or leave alone.
//
// Numbers by which q and k are multiplied join the scale; keys and values copied for several query
// heads are taken before the copy. Not taken: scores or probabilities that are used otherwise too,
// sizes of heads that are not known, other types than f32, f16 and, on GPUs, bf16. Of 16-bit types
// the scaled q and k and the probabilities are no longer rounded: results differ by roundings, and
// come nearer to the true ones. On CPUs bf16 stays in pieces: its roundings are seen in results
// (the official cases expect them), and there is no matrix instruction to gain.
//
// On GPUs heads also have to fit what a block of the machine has (schedule_attention.h).
#include <math.h>
#include <string.h>

#include "passes/attention_causal.h"
#include "passes/schedule_attention.h"
#include "passes/simplify.h"

enum { MAX_HEAD = AICC_ATTENTION_HEAD_MAX };

typedef struct attention {
  aicc_pass_context *pass;
  aicc_module *module;
  aicc_builder b;
  uint32_t *uses;
  // of the one at hand
  aicc_value *q, *k, *v, *bias, *mask, *scores;
  int bias_over, mask_over;   // the rank of the scores that each meets
  aicc_dim lead[2];           // batch and heads, where views show them; else AICC_DIM_NONE
  double scale, softcap, fill;
  bool causal;
  aicc_dim past;              // of a causal limit
  const char *mode;
  int count;
} attention;

static aicc_node *def_of(const aicc_value *value, aicc_op op) {
  return value && value->def && value->def->op == op ? value->def : NULL;
}

static aicc_value *without_casts(aicc_value *value) {
  while (def_of(value, AICC_OP_CAST) && aicc_dtype_is_float(value->type.dtype) &&
         aicc_dtype_is_float(value->def->in[0]->type.dtype)) {
    value = value->def->in[0];
  }
  return value;
}

// x of x * number or number * x.
static aicc_value *times_number(const aicc_value *value, double *number) {
  aicc_node *mul = def_of(value, AICC_OP_MUL);
  for (int i = 0; mul && i < 2; i++) {
    if (aicc_simplify_splat(mul->in[1 - i], number) &&
        mul->in[i]->type.rank == value->type.rank) {
      return mul->in[i];
    }
  }
  aicc_node *div = def_of(value, AICC_OP_DIV);
  if (div && aicc_simplify_splat(div->in[1], number) && *number != 0 &&
      div->in[0]->type.rank == value->type.rank) {
    *number = 1 / *number;
    return div->in[0];
  }
  return NULL;
}

static bool single(const attention *a, const aicc_value *value) { return a->uses[value->id] == 1; }

// --- batch and heads in one axis -----------------------------------------------------------------

// x of a view of matrices x that joins or parts batch and heads.
static aicc_value *under_view(const aicc_value *value) {
  const aicc_node *view = def_of(value, AICC_OP_RESHAPE);
  const aicc_type *from = view ? &view->in[0]->type : NULL, *to = &value->type;
  return from && from->rank + to->rank == 7 && (from->rank == 3 || from->rank == 4) &&
                 from->dims[from->rank - 1] == to->dims[to->rank - 1] &&
                 from->dims[from->rank - 2] == to->dims[to->rank - 2]
             ? view->in[0] : NULL;
}

// The same, and the view says how many of each there are.
static aicc_value *through_view(attention *a, const aicc_value *value) {
  aicc_value *x = value ? under_view(value) : NULL;
  const aicc_dim *lead = x ? (x->type.rank == 4 ? x->type.dims : value->type.dims) : NULL;
  if (!lead || (a->lead[0] != AICC_DIM_NONE && (a->lead[0] != lead[0] || a->lead[1] != lead[1]))) {
    return NULL;
  }
  a->lead[0] = lead[0];
  a->lead[1] = lead[1];
  return x;
}

// [batch, heads, rows, columns] of matrices of rank 3.
static aicc_value *part(attention *a, aicc_value *value) {
  const aicc_type *type = &value->type;
  if (type->rank != 3) {
    return value;
  }
  const aicc_dim dims[] = {a->lead[0], a->lead[1], type->dims[1], type->dims[2]};
  const aicc_node *join = def_of(value, AICC_OP_RESHAPE);
  const bool was_apart = join && join->in[0]->type.rank == 4 &&
                         memcmp(join->in[0]->type.dims, dims, sizeof dims) == 0;
  return was_apart ? join->in[0] : aicc_b_reshape(&a->b, value, dims, 4);
}

// What broadcasts to scores of rank |over|, for those of rank 4.
static aicc_value *part_bias(attention *a, aicc_value *bias, int over) {
  if (over != 3 || bias->type.rank != 3) {
    return bias;
  }
  return aicc_dim_is(a->module->dims, bias->type.dims[0], 1) ? aicc_b_unsqueeze(&a->b, bias, 0)
                                                             : part(a, bias);
}

// --- softmax -------------------------------------------------------------------------------------

static bool over_last(const aicc_node *reduce) {
  int count;
  const int64_t *axes = aicc_get_ints(reduce, AICC_ATTR_AXES, &count);
  return count == 1 && axes[0] == reduce->in[0]->type.rank - 1 &&
         aicc_get_int(reduce, AICC_ATTR_KEEPDIMS, 1);
}

// e of e / sum(e), or e * recip(sum(e)).
static aicc_value *quotient(const aicc_value *p) {
  aicc_node *div = def_of(p, AICC_OP_DIV), *mul = def_of(p, AICC_OP_MUL);
  for (int i = 0; i < 2; i++) {
    aicc_value *e = div && i == 0 ? div->in[0] : mul ? mul->in[i] : NULL;
    const aicc_node *recip = mul ? def_of(mul->in[1 - i], AICC_OP_RECIP) : NULL;
    const aicc_node *sum = def_of(div ? div->in[1] : recip ? recip->in[0] : NULL,
                                  AICC_OP_REDUCE_SUM);
    if (e && sum && sum->in[0] == e && over_last(sum)) {
      return e;
    }
  }
  return NULL;
}

static bool is_number(const aicc_value *value, double wanted) {
  double number;
  return value && aicc_simplify_splat(value, &number) && number == wanted;
}

// Whether |condition| is maximum == -inf.
static bool is_hidden(const aicc_value *condition, const aicc_node *max) {
  const aicc_node *eq = def_of(condition, AICC_OP_EQ);
  return eq && max && eq->in[0] == max->out[0] && is_number(eq->in[1], -(double)INFINITY);
}

// The scores under exp(x - shift), where the shift is their maximum or, of hidden rows, zero.
static aicc_value *exponent(const aicc_value *e, const aicc_value *hidden) {
  const aicc_node *exp = def_of(e, AICC_OP_EXP);
  const aicc_node *sub = exp ? def_of(exp->in[0], AICC_OP_SUB) : NULL;
  if (!sub) {
    return NULL;
  }
  const aicc_node *shift = def_of(sub->in[1], AICC_OP_SELECT);
  const aicc_node *max = def_of(hidden && shift ? shift->in[2] : sub->in[1], AICC_OP_REDUCE_MAX);
  const bool fits = max && over_last(max) && max->in[0] == sub->in[0] &&
                    (!hidden || (shift && shift->in[0] == hidden && is_hidden(hidden, max) &&
                                 is_number(shift->in[1], 0)));
  return fits ? sub->in[0] : NULL;
}

// The scores of which |p| is the softmax.
static aicc_value *softmax_of(attention *a, aicc_value *p) {
  p = without_casts(p);
  a->mode = "nan";
  const aicc_value *hidden = NULL;
  const aicc_node *select = def_of(p, AICC_OP_SELECT);
  if (select && is_number(select->in[1], 0)) {
    const aicc_node *nan = def_of(select->in[0], AICC_OP_ISNAN);
    const bool guard = nan && nan->in[0] == select->in[2];
    a->mode = guard ? "guard" : "zero";
    hidden = guard ? NULL : select->in[0];
    p = without_casts(select->in[2]);
  }
  aicc_value *e = quotient(p);
  aicc_value *x = e && a->uses[e->id] == 2 ? exponent(e, hidden) : NULL;
  return x && a->uses[x->id] == 2 ? x : NULL;
}

// --- scores --------------------------------------------------------------------------------------

static bool leads_to_product(const aicc_value *value, int depth) {
  value = without_casts((aicc_value *)value);
  const aicc_value *whole = under_view(value);
  value = whole ? without_casts((aicc_value *)whole) : value;
  double number;
  if (def_of(value, AICC_OP_MATMUL) || depth > 4) {
    return depth <= 4;
  }
  const aicc_value *x = times_number(value, &number);
  const aicc_node *tanh = def_of(value, AICC_OP_TANH);
  return leads_to_product(x ? x : tanh ? tanh->in[0] : NULL, depth + 1) && (x || tanh);
}

// x of cap * tanh(x / cap).
static aicc_value *capped(attention *a, aicc_value *value) {
  double cap, inverse;
  aicc_value *bent = times_number(value, &cap);
  aicc_node *tanh = def_of(bent, AICC_OP_TANH);
  aicc_value *x = tanh && single(a, bent) ? times_number(tanh->in[0], &inverse) : NULL;
  if (!x || !(cap > 0) || !(inverse > 0) || !single(a, tanh->in[0])) {
    return NULL;
  }
  // cap tanh(s x / cap) for whatever was multiplied into one number: s = inverse * cap.
  a->softcap = cap;
  a->scale *= inverse * cap;
  return x;
}

// The operand of add or select that leads on to the product; the other becomes bias or mask.
static aicc_value *biased(attention *a, aicc_value *value) {
  aicc_node *add = def_of(value, AICC_OP_ADD), *select = def_of(value, AICC_OP_SELECT);
  if (select && !a->mask && aicc_simplify_splat(select->in[2], &a->fill) && a->fill < -1e4) {
    a->mask = select->in[0];
    a->mask_over = value->type.rank;
    return select->in[1];
  }
  for (int i = 0; add && !a->bias && i < 2; i++) {
    if (leads_to_product(add->in[i], 0)) {
      a->bias = add->in[1 - i];
      a->bias_over = value->type.rank;
      return add->in[i];
    }
  }
  return NULL;
}

// From the softmax's operand down to the product of q and k: biases, then the cap, then scales.
static aicc_node *product_of(attention *a, aicc_value *value) {
  value = without_casts(value);
  for (aicc_value *next; (next = biased(a, value)) || (next = through_view(a, value));
       value = next) {
    next = without_casts(next);
    if (!single(a, next)) {
      return NULL;
    }
  }
  aicc_value *uncapped = capped(a, value);
  value = uncapped ? uncapped : value;
  double number;
  for (aicc_value *x; (x = times_number(value, &number)) || (x = through_view(a, value));
       value = x) {
    a->scale *= value->def->op == AICC_OP_RESHAPE ? 1 : number;
    if (!single(a, x)) {
      return NULL;
    }
  }
  value = without_casts(value);
  aicc_node *product = def_of(value, AICC_OP_MATMUL);
  return product && (value == a->scores || single(a, value)) &&
                 !aicc_get_int(product, AICC_ATTR_TRANS_A, 0) &&
                 aicc_get_int(product, AICC_ATTR_TRANS_B, 0)
             ? product
             : NULL;
}

// --- operands ------------------------------------------------------------------------------------

// k of k copied for each head that uses it: reshape(broadcast(reshape(k))).
static aicc_value *before_copies(const attention *a, aicc_value *value) {
  const aicc_dims *dims = a->module->dims;
  const aicc_node *join = def_of(value, AICC_OP_RESHAPE);
  const aicc_node *copy = join ? def_of(join->in[0], AICC_OP_BROADCAST) : NULL;
  const aicc_node *open = copy ? def_of(copy->in[0], AICC_OP_RESHAPE) : NULL;
  if (!open || open->in[0]->type.rank != 4 || copy->out[0]->type.rank != 5 ||
      open->out[0]->type.rank != 5 || value->type.rank != 4) {
    return value;
  }
  const aicc_dim *from = open->in[0]->type.dims, *wide = copy->out[0]->type.dims;
  const aicc_dim *to = value->type.dims, *unit = open->out[0]->type.dims;
  int64_t groups, each, heads;
  const bool known = aicc_dim_is_const(dims, from[1], &groups) &&
                     aicc_dim_is_const(dims, wide[2], &each) &&
                     aicc_dim_is_const(dims, to[1], &heads);
  const bool fits = known && heads == groups * each && aicc_dim_is(dims, unit[2], 1) &&
                    unit[1] == from[1] && wide[1] == from[1] && unit[0] == from[0] &&
                    wide[0] == from[0] && to[0] == from[0] && unit[3] == from[2] &&
                    wide[3] == from[2] && to[2] == from[2] && unit[4] == from[3] &&
                    wide[4] == from[3] && to[3] == from[3];
  return fits ? open->in[0] : value;
}

// |value| without the numbers that it is multiplied by, under transposes too: they join the scale.
static aicc_value *strip(attention *a, aicc_value *value, bool shared) {
  double number;
  for (;;) {
    aicc_value *x = shared ? before_copies(a, value) : value;
    const aicc_node *transpose = def_of(value, AICC_OP_TRANSPOSE);
    int rank;
    if (x != value) {
      value = x;
    } else if ((x = times_number(value, &number)) != NULL) {
      a->scale *= number;
      value = x;
    } else if (transpose && (x = times_number(transpose->in[0], &number)) != NULL) {
      a->scale *= number;
      value = aicc_b_transpose(&a->b, x, aicc_get_ints(transpose, AICC_ATTR_PERM, &rank));
    } else {
      return value;
    }
  }
}

static bool machine_takes(const attention *a, aicc_dtype type, int64_t d, int64_t e) {
  const aicc_machine *machine = a->pass->machine;
  if (d > MAX_HEAD || e > MAX_HEAD) {
    return false;
  }
  if (!machine || machine->kind == AICC_MACHINE_CPU) {
    return type == AICC_F32 || type == AICC_F16;
  }
  const aicc_attention_shape shape = {
      .type = type, .d = (int)d, .e = (int)e, .queries = -1, .per_group = 1};
  aicc_attention_schedule schedule;
  return aicc_attention_choose(&shape, machine, &schedule);
}

static bool fits(const attention *a) {
  const aicc_dims *dims = a->module->dims;
  const aicc_type *q = &a->q->type, *k = &a->k->type, *v = &a->v->type;
  const aicc_dtype type = q->dtype;
  int64_t heads, groups, d, e;
  if (q->rank != 4 || k->rank != 4 || v->rank != 4 || k->dtype != type || v->dtype != type ||
      (type != AICC_F32 && type != AICC_F16 && type != AICC_BF16)) {
    return false;
  }
  if (a->lead[0] != q->dims[0] || a->lead[1] != q->dims[1]) {
    return false;
  }
  return aicc_dim_is_const(dims, q->dims[1], &heads) && heads > 0 &&
         aicc_dim_is_const(dims, k->dims[1], &groups) && groups > 0 && heads % groups == 0 &&
         k->dims[1] == v->dims[1] && q->dims[0] == k->dims[0] && q->dims[0] == v->dims[0] &&
         k->dims[2] == v->dims[2] && q->dims[3] == k->dims[3] &&
         aicc_dim_is_const(dims, q->dims[3], &d) && d > 0 &&
         aicc_dim_is_const(dims, v->dims[3], &e) && e > 0 && machine_takes(a, type, d, e);
}

// The mask joins the bias: the fill where it is false. Where scores are small beside the fill, as
// softmax needs them to be, adding is selecting.
static aicc_value *make_bias(attention *a) {
  aicc_value *bias = a->bias;
  while (def_of(bias, AICC_OP_BROADCAST)) {  // it broadcasts by itself
    bias = bias->def->in[0];
  }
  bias = bias ? part_bias(a, bias, a->bias_over) : NULL;
  if (a->mask) {
    const aicc_dtype type = bias ? bias->type.dtype : a->q->type.dtype;
    aicc_value *fill = aicc_b_scalar(&a->b, type, a->fill);
    aicc_value *mask = part_bias(a, a->mask, a->mask_over);
    bias = aicc_b_select(&a->b, mask, bias ? bias : aicc_b_scalar(&a->b, type, 0), fill);
  }
  return bias && bias->type.rank <= 4 ? bias : NULL;
}

// A bias that is 0 or a low number is a mask.
static void unfold_bias(attention *a) {
  const aicc_node *select = def_of(a->bias, AICC_OP_SELECT);
  double fill;
  if (!a->mask && select && is_number(select->in[1], 0) &&
      aicc_simplify_splat(select->in[2], &fill) && fill < -1e4) {
    a->mask = select->in[0];
    a->mask_over = a->bias_over;
    a->fill = fill;
    a->bias = NULL;
  }
}

// Kernels skip the keys that a causal limit hides. What is hidden by -inf stays so; a finite number
// is one too low to be seen only where each row has a key that is not hidden.
static void take_limit(attention *a) {
  aicc_dims *dims = a->module->dims;
  const aicc_type *scores = &a->scores->type;
  aicc_causal found;
  if (!a->mask || scores->rank < 2 ||
      !aicc_find_causal(&a->b, a->mask, scores->dims[scores->rank - 2],
                        scores->dims[scores->rank - 1], &found)) {
    return;
  }
  const bool always = !found.rest && !a->bias &&
                      aicc_dim_ge(dims, found.past, aicc_dim_const(dims, 0));
  if (always || isinf(a->fill)) {
    a->causal = true;
    a->past = found.past;
    a->mask = found.rest;
  }
}

static aicc_node *make_node(attention *a) {
  unfold_bias(a);
  take_limit(a);
  aicc_value *bias = make_bias(a);
  aicc_value *in[] = {a->q, a->k, a->v, bias};
  aicc_node *node = aicc_node_create(a->module, AICC_OP_ATTENTION, in, bias ? 4 : 3, 1);
  aicc_set_float(a->module, node, AICC_ATTR_SCALE, a->scale);
  if (a->softcap > 0) {
    aicc_set_float(a->module, node, AICC_ATTR_SOFTCAP, a->softcap);
  }
  if (a->causal) {
    aicc_set_int(a->module, node, AICC_ATTR_CAUSAL, 1);
    aicc_set_dims(a->module, node, AICC_ATTR_PAST, &a->past, 1);
  }
  aicc_set_string(a->module, node, AICC_ATTR_MODE, a->mode);
  const aicc_type *q = &a->q->type;
  const aicc_dim dims[] = {q->dims[0], q->dims[1], q->dims[2], a->v->type.dims[3]};
  node->out[0]->type = aicc_type_tensor(a->module, q->dtype, dims, 4);
  return aicc_b_finish(&a->b, node) ? node : NULL;
}

// The softmax's operand and the product of q and k under the product |node| with v.
static aicc_node *find_product(attention *a, const aicc_node *node) {
  a->bias = a->mask = NULL;
  a->scale = 1;
  a->softcap = 0;
  a->causal = false;
  a->lead[0] = a->lead[1] = AICC_DIM_NONE;
  aicc_value *p = through_view(a, node->in[0]);
  if (!single(a, node->in[0]) || (p && !single(a, p))) {
    return NULL;
  }
  a->scores = softmax_of(a, p ? p : node->in[0]);
  aicc_node *product = a->scores ? product_of(a, a->scores) : NULL;
  if (!product || product->parent != node->parent ||
      product->out[0]->type.rank != node->out[0]->type.rank) {
    return NULL;
  }
  const aicc_type *type = &product->out[0]->type;
  if (a->lead[0] == AICC_DIM_NONE) {
    a->lead[0] = type->dims[0];
    a->lead[1] = type->rank == 4 ? type->dims[1] : aicc_dim_const(a->module->dims, 1);
  }
  return product;
}

static void visit(void *context, aicc_node *node) {
  attention *a = context;
  const int rank = node->op == AICC_OP_MATMUL ? node->out[0]->type.rank : 0;
  if ((rank != 3 && rank != 4) || aicc_get_int(node, AICC_ATTR_TRANS_A, 0) ||
      aicc_get_int(node, AICC_ATTR_TRANS_B, 0)) {
    return;
  }
  aicc_node *product = find_product(a, node);
  if (!product) {
    return;
  }
  a->b.region = node->parent;
  a->b.before = node;
  a->b.origins = node->origins;
  a->b.origin_count = node->origin_count;
  a->q = part(a, strip(a, product->in[0], false));
  a->k = part(a, strip(a, product->in[1], true));
  a->v = part(a, before_copies(a, node->in[1]));
  if (!fits(a) || node->out[0]->type.dtype != a->q->type.dtype) {
    aicc_pass_report(a->pass, "attention",
                     "sizes or types of a softmax between products do not fit");
    return;
  }
  aicc_node *made = make_node(a);
  if (made) {
    aicc_node_add_origins(a->module, made, product->origins, product->origin_count);
    aicc_value *result = made->out[0];
    if (rank == 3) {
      const aicc_type *type = &node->out[0]->type;
      result = aicc_b_reshape(&a->b, result, type->dims, type->rank);
    }
    aicc_value_replace(a->module, node->out[0], result);
    aicc_node_unlink(node);
    a->count++;
  }
}

aicc_status aicc_pass_attention(aicc_pass_context *pass) {
  attention a = {.pass = pass, .module = pass->module};
  a.b = (aicc_builder){.module = pass->module, .diags = pass->diags};
  a.uses = aicc_count_uses(pass->module, pass->scratch);
  aicc_region_visit(pass->module->body, visit, &a);
  aicc_pass_report(pass, "attention", "%d found", a.count);
  return AICC_OK;
}
