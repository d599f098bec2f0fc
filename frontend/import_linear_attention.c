// LinearAttention: a recurrence over tokens, as a loop of one token each.
#include <string.h>

#include "frontend/import_attention.h"

// Operands in f32: q [B,T,G,r,d], k [B,T,G,1,d], v [B,T,G,1,e], decay [B,T,G,d or 1,1], beta
// [B,T,G or 1,1,1]. The state is [B,G,d,e].
typedef struct linear {
  aicc_value *q, *k, *v;
  aicc_value *decay, *beta;  // NULL where the rule has none
  double scale;
} linear;

// |x| as [B,T,d..], in f32.
static aicc_value *unpack(aicc_builder *b, aicc_value *x, const aicc_dim *inner) {
  const aicc_dim dims[] = {x->type.dims[0], x->type.dims[1], inner[0], inner[1], inner[2]};
  return aicc_b_reshape(b, aicc_b_cast(b, x, AICC_F32), dims, 5);
}

static aicc_status read_gates(aicc_importer *im, const aicc_onnx_node *n, aicc_dim groups,
                              linear *l) {
  static const char *const rules[] = {"linear", "gated", "delta", "gated_delta"};
  const char *rule = aicc_onnx_string(n, "update_rule", "gated_delta");
  aicc_value *decay = aicc_in(n, 4), *beta = aicc_in(n, 5);
  int kind = 0;
  while (kind < 4 && strcmp(rule, rules[kind]) != 0) {
    kind++;
  }
  const bool decays = (kind & 1) != 0, corrects = (kind & 2) != 0;
  if (kind == 4 || decays != (decay != NULL) || corrects != (beta != NULL) ||
      (decay && decay->type.rank != 3) || (beta && beta->type.rank != 3)) {
    return aicc_invalid(im, n, "update_rule is '%s', which the operands do not fit", rule);
  }
  const aicc_dim one = aicc_dim_const(im->dims, 1);
  if (decay) {
    const aicc_dim width = aicc_dim_floordiv(im->dims, decay->type.dims[2], groups);
    l->decay = unpack(&im->b, decay, (aicc_dim[]){groups, width, one});
  }
  if (beta) {
    l->beta = unpack(&im->b, beta, (aicc_dim[]){beta->type.dims[2], one, one});
  }
  return AICC_OK;
}

static aicc_status read_linear(aicc_importer *im, const aicc_onnx_node *n, linear *l) {
  const int64_t heads = aicc_onnx_int(n, "q_num_heads", 0);
  const int64_t groups = aicc_onnx_int(n, "kv_num_heads", 0);
  aicc_value *q = aicc_in(n, 0), *k = aicc_in(n, 1), *v = aicc_in(n, 2);
  aicc_onnx_int(n, "chunk_size", 64);  // how a kernel may go about it
  if (heads < 1 || groups < 1 || heads % groups || q->type.rank != 3 || k->type.rank != 3 ||
      v->type.rank != 3) {
    return aicc_invalid(im, n,
                          "the numbers of heads do not fit, or operands have not 3 dimensions");
  }
  const aicc_dim g = aicc_dim_const(im->dims, groups), one = aicc_dim_const(im->dims, 1);
  const aicc_dim r = aicc_dim_const(im->dims, heads / groups);
  const aicc_dim d = aicc_dim_floordiv(im->dims, k->type.dims[2], g);
  const aicc_dim e = aicc_dim_floordiv(im->dims, v->type.dims[2], g);
  l->q = unpack(&im->b, q, (aicc_dim[]){g, r, d});
  l->k = unpack(&im->b, k, (aicc_dim[]){g, one, d});
  l->v = unpack(&im->b, v, (aicc_dim[]){g, one, e});
  l->scale = (double)aicc_onnx_float(n, "scale", 0);
  if (l->scale == 0) {
    AICC_TRY(aicc_usual_scale(im, n, d, &l->scale));
  }
  AICC_TRY(read_gates(im, n, g, l));
  return l->q && l->k && l->v ? AICC_OK : AICC_INVALID;
}

// One token: the state after it, and what it reads, [B,G,r,e].
static aicc_value *step(aicc_builder *b, const linear *l, aicc_value *token, aicc_value *state,
                        aicc_value **read) {
  aicc_value *q = aicc_b_gather(b, l->q, token, 1), *k = aicc_b_gather(b, l->k, token, 1);
  aicc_value *v = aicc_b_gather(b, l->v, token, 1);
  if (l->decay) {
    state = aicc_mul(b, state,
                     aicc_b_unary(b, AICC_OP_EXP, aicc_b_gather(b, l->decay, token, 1)));
  }
  if (l->beta) {
    aicc_value *missing = aicc_sub(b, v, aicc_b_matmul(b, k, state));
    v = aicc_mul(b, missing, aicc_b_gather(b, l->beta, token, 1));
  }
  state = aicc_add(b, state, aicc_matmul_trans(b, k, v, true, false));
  *read = aicc_mul_number(b, aicc_b_matmul(b, q, state), l->scale);
  return state;
}

// All tokens: the last state, and what each reads, [T,B,G,r,e].
static aicc_value *run_loop(aicc_builder *b, const linear *l, aicc_value *state,
                            aicc_value **reads) {
  aicc_module *module = b->module;
  const aicc_dim tokens = l->q->type.dims[1];
  aicc_value *const in[] = {aicc_b_from_dim(b, tokens), aicc_b_scalar(b, AICC_BOOL, 1), state};
  aicc_node *node = aicc_node_create(module, AICC_OP_LOOP, in, 3, 2);
  aicc_region *region = aicc_region_create(module, node);
  aicc_node_add_region(module, node, region);
  aicc_value *token = aicc_region_add_param(module, region, NULL,
                                            aicc_type_tensor(module, AICC_I64, NULL, 0));
  aicc_value *go = aicc_region_add_param(module, region, NULL,
                                         aicc_type_tensor(module, AICC_BOOL, NULL, 0));
  aicc_value *before = aicc_region_add_param(module, region, NULL, state->type), *read;
  aicc_builder body = *b;
  body.region = region;
  body.before = NULL;
  aicc_value *after = step(&body, l, token, before, &read);
  if (!after || !read) {
    return NULL;
  }
  aicc_value *const results[] = {go, after, read};
  aicc_region_set_results(module, region, results, 3);
  aicc_dim dims[AICC_MAX_RANK] = {tokens};
  memcpy(&dims[1], read->type.dims, (size_t)read->type.rank * sizeof *dims);
  node->out[0]->type = state->type;
  node->out[1]->type = aicc_type_tensor(module, AICC_F32, dims, read->type.rank + 1);
  *reads = node->out[1];
  return aicc_b_finish(b, node);
}

aicc_status import_linear_attention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  static const int64_t perm[] = {1, 0, 2, 3, 4};
  (void)payload;
  aicc_builder *b = &im->b;
  linear l = {.q = NULL};
  AICC_TRY(read_linear(im, n, &l));
  aicc_value *past = aicc_in(n, 3);
  const aicc_dtype dtype = aicc_in(n, 0)->type.dtype;
  const aicc_dim *q = l.q->type.dims, *v = l.v->type.dims;
  const aicc_dim shape[] = {q[0], q[2], q[4], v[4]};
  aicc_value *state = past ? aicc_b_cast(b, past, AICC_F32) : aicc_filled(b, AICC_F32, 0, shape, 4);
  aicc_value *reads = NULL;
  if (!state || state->type.rank != 4) {
    return aicc_invalid(im, n, "the state must have 4 dimensions");
  }
  if (aicc_dim_is(im->dims, q[1], 1)) {
    state = step(b, &l, aicc_b_scalar_i64(b, AICC_I64, 0), state, &reads);
    reads = aicc_b_unsqueeze(b, reads, 0);
  } else {
    state = run_loop(b, &l, state, &reads);
  }
  if (!state || !reads) {
    return AICC_INVALID;
  }
  const aicc_dim heads = aicc_dim_mul(im->dims, q[2], q[3]);
  const aicc_dim joined[] = {q[0], q[1], aicc_dim_mul(im->dims, heads, v[4])};
  aicc_value *y = aicc_b_reshape(b, aicc_b_transpose(b, reads, perm), joined, 3);
  AICC_TRY(aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, dtype) : NULL));
  return aicc_set_out(im, n, 1, aicc_b_cast(b, state, past ? past->type.dtype : dtype));
}
