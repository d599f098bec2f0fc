// The unscale pass: products of dequantised bytes, for machines that have matrix instructions of
// bytes.
//
// Exporters write a quantised product as one of floats between DequantizeLinear and QuantizeLinear:
// ((x - p) * s) . ((w - q) * t), x and w bytes, w a weight. Its scales come out of the sum,
//
//   f32((x - p) . (w - q)) * (s * t)
//
// in i32, which is what QLinearConv and QLinearMatMul are imported as; the pass narrow goes on from
// there. The sum is exact, so that no order of its terms can be seen; it is rounded once.
//
// What stays in f32: products of two activations, depthwise filters, scales or zero points that
// vary along k, sums of so many terms that i32 might not hold them.
#include "ir/build.h"
#include "passes/narrow.h"
#include "passes/rewrite.h"

// 255 * 255 * TERMS_MOST < 2^31.
enum { TERMS_MOST = 1 << 15 };

typedef struct unscale {
  aicc_pass_context *pass;
  aicc_module *module;
  aicc_builder b;
  aicc_rewrite rewrite;
  size_t count;
} unscale;

// (bytes - zero) * scale
typedef struct scaled {
  aicc_value *bytes, *scale;
  int64_t zero;
} scaled;

// The one integer that all elements of a constant are.
static bool is_number(const aicc_value *x, int64_t *number) {
  const aicc_tensor *t = aicc_value_constant(x);
  if (!t || t->dtype != AICC_F32) {
    return false;
  }
  const float *elements = t->data;
  int64_t count = 1;
  for (int i = 0; i < t->rank; i++) {
    count *= t->shape[i];
  }
  for (int64_t i = 0; i < count; i++) {
    if (elements[i] != elements[0]) {
      return false;
    }
  }
  if (count == 0 || !(elements[0] >= -255 && elements[0] <= 255)) {
    return false;
  }
  *number = (int64_t)elements[0];
  return (float)*number == elements[0];
}

static bool read_bytes(aicc_value *x, scaled *out) {
  const aicc_node *def = x->def;
  if (def && def->op == AICC_OP_SUB) {
    if (!is_number(def->in[1], &out->zero)) {
      return false;
    }
    def = def->in[0]->def;
  }
  if (!def || def->op != AICC_OP_CAST || !aicc_dtype_is_byte(def->in[0]->type.dtype)) {
    return false;
  }
  out->bytes = def->in[0];
  return true;
}

static bool read_scaled(const aicc_value *x, scaled *out) {
  const aicc_node *def = x->def;
  for (int i = 0; i < 2 && def && def->op == AICC_OP_MUL; i++) {
    *out = (scaled){.scale = def->in[1 - i]};
    if (read_bytes(def->in[i], out) && aicc_type_same_shape(&out->bytes->type, &x->type)) {
      return true;
    }
  }
  return false;
}

// Whether the weight's bytes lie in the file, perhaps transposed or reshaped.
static bool is_weight(const aicc_value *x) {
  while (x->def && (x->def->op == AICC_OP_TRANSPOSE || x->def->op == AICC_OP_RESHAPE)) {
    x = x->def->in[0];
  }
  return aicc_value_constant(x) != NULL;
}

// A scale of the weight as the result sees it, where it varies along |axis| of |w| alone: along
// dimension |place| of the result from its end.
static aicc_value *weight_scale(unscale *u, const scaled *w, int axis, int place) {
  aicc_dims *dims = u->module->dims;
  const aicc_type *type = &w->scale->type;
  if (aicc_type_is_single(u->module, &w->scale->type)) {
    return aicc_b_reshape(&u->b, w->scale, NULL, 0);
  }
  aicc_dim shape[AICC_MAX_RANK];
  const int missing = w->bytes->type.rank - type->rank;
  for (int i = 0; i < type->rank; i++) {
    if (i + missing != axis && !aicc_dim_is(dims, type->dims[i], 1)) {
      return NULL;
    }
  }
  for (int i = 0; i < place; i++) {
    shape[i] = i == 0 ? type->dims[axis - missing] : aicc_dim_const(dims, 1);
  }
  return aicc_b_reshape(&u->b, w->scale, shape, place);
}

static aicc_value *difference(unscale *u, const scaled *x) {
  aicc_value *wide = aicc_b_cast(&u->b, x->bytes, AICC_I32);
  return x->zero == 0 || !wide
             ? wide
             : aicc_b_binary(&u->b, AICC_OP_SUB, wide,
                             aicc_b_scalar_i64(&u->b, AICC_I32, x->zero));
}

// |product|, of f32, with the scales; |scale| broadcasts to it.
static void finish(unscale *u, aicc_node *node, const scaled *x, const scaled *w,
                   aicc_value *scale, int bias_rank) {
  aicc_builder *b = &u->b;
  aicc_value *in[] = {difference(u, x), difference(u, w)};
  aicc_node *sum = aicc_node_create(u->module, node->op, in, 2, 1);
  aicc_attrs_copy(u->module, sum, node);
  const aicc_type *type = &node->out[0]->type;
  sum->out[0]->type = aicc_type_tensor(u->module, AICC_I32, type->dims, type->rank);
  aicc_value *y = aicc_b_cast(b, aicc_b_finish(b, sum), AICC_F32);
  aicc_value *both =
      aicc_b_binary(b, AICC_OP_MUL, scale, aicc_b_reshape(b, x->scale, NULL, 0));
  y = y && both ? aicc_b_binary(b, AICC_OP_MUL, y, both) : NULL;
  if (y && node->in_count > 2 && node->in[2]) {
    y = aicc_b_binary(b, AICC_OP_ADD, y, aicc_b_leading(b, node->in[2], bias_rank));
  }
  if (y) {
    aicc_rewrite_replace(&u->rewrite, node->out[0], y);
    aicc_node_unlink(node);
    u->count++;
  }
}

// --- matrix multiplies and convolutions ----------------------------------------------------------

static bool few_terms(const unscale *u, aicc_dim k) {
  int64_t terms;
  return aicc_dim_is_const(u->module->dims, k, &terms) && terms <= TERMS_MOST;
}

// Both operands of a product of dequantised bytes; false: it is none.
static bool read_operands(const aicc_node *node, scaled *x, scaled *w) {
  return read_scaled(node->in[0], x) && read_scaled(node->in[1], w);
}

// Why a product of dequantised bytes, whose sums have |k| terms, is not one of bytes; NULL: it is.
static const char *kept(const unscale *u, const aicc_node *node, const scaled *x, const scaled *w,
                        aicc_dim k) {
  const bool one_scale = aicc_type_is_single(u->module, &x->scale->type);
  // u8 becomes i8 there: with a zero point, unless it had a fitting one.
  const bool moves = u->pass->machine->kind == AICC_MACHINE_CPU && w->bytes->type.dtype == AICC_U8;
  return !is_weight(w->bytes) ? "both operands are activations"
         : !one_scale         ? "the activations have several scales"
         : !few_terms(u, k)   ? "its sums might not fit i32"
                              : aicc_narrow_refuses(u->pass, node, w->zero != 0 || moves);
}

static const char *unscale_matmul(unscale *u, aicc_node *node) {
  const bool trans_b = aicc_get_int(node, AICC_ATTR_TRANS_B, 0) != 0;
  scaled x, w;
  if (!read_operands(node, &x, &w) || node->in[0]->type.rank < 2 || node->in[1]->type.rank < 2) {
    return NULL;
  }
  const aicc_type *type = &w.bytes->type;
  const int k_axis = trans_b ? 1 : 0;
  const char *why = kept(u, node, &x, &w, type->dims[type->rank - 2 + k_axis]);
  if (why) {
    return why;
  }
  const bool plain = type->rank == 2 || aicc_type_is_single(u->module, &w.scale->type);
  aicc_value *scale = plain ? weight_scale(u, &w, 1 - k_axis, 1) : NULL;
  if (!scale) {
    return "the weight's scales vary along the sum or the batch";
  }
  finish(u, node, &x, &w, scale, 0);
  return NULL;
}

static const char *unscale_conv(unscale *u, aicc_node *node) {
  aicc_dims *dims = u->module->dims;
  const int rank = node->in[0]->type.rank;
  scaled x, w;
  if (!read_operands(node, &x, &w)) {
    return NULL;
  }
  const aicc_dim k = aicc_dim_product(dims, w.bytes->type.dims + 1, rank - 1);
  const char *why = kept(u, node, &x, &w, k);
  if (why) {
    return why;
  }
  aicc_value *scale = weight_scale(u, &w, 0, rank - 1);
  if (!scale) {
    return "the filters' scales vary along the sum";
  }
  finish(u, node, &x, &w, scale, rank - 1);
  return NULL;
}

// --- the pass ------------------------------------------------------------------------------------

static void visit(void *context, aicc_node *node) {
  unscale *u = context;
  aicc_rewrite_operands(&u->rewrite, node);
  if ((node->op != AICC_OP_MATMUL && node->op != AICC_OP_CONV) ||
      node->out[0]->type.dtype != AICC_F32) {
    return;
  }
  u->b.region = node->parent;
  u->b.before = node;
  u->b.origins = node->origins;
  u->b.origin_count = node->origin_count;
  const char *why = (node->op == AICC_OP_MATMUL ? unscale_matmul : unscale_conv)(u, node);
  if (why && node->origin_count > 0) {
    aicc_pass_report(u->pass, "unscale", "%s (%s) stays in floats: %s", node->origins[0].node,
                     node->origins[0].op, why);
  }
}

aicc_status aicc_pass_unscale(aicc_pass_context *pass) {
  if (!pass->machine || !aicc_machine_multiplies_bytes(pass->machine)) {
    return AICC_OK;
  }
  unscale u = {.pass = pass, .module = pass->module};
  u.b = (aicc_builder){.module = pass->module, .diags = pass->diags};
  aicc_rewrite_init(&u.rewrite, pass->module, pass->scratch);
  aicc_region_visit(pass->module->body, visit, &u);
  aicc_rewrite_finish(&u.rewrite);
  aicc_pass_report(pass, "unscale", "%zu products of dequantised bytes", u.count);
  return AICC_OK;
}
