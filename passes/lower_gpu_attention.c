// Attention on GPUs: tasks, and the loop over blocks of keys (gpu_attention.h).
//
//   q, and the first block of k                               on their way to shared memory
//   for a block of keys:
//     wait for k; block of v on its way;      scores = q k
//     wait for v; next block of k on its way; softmax; sums += weights v
//
// so that copies run beside products, with one tile each for k and v. Copies that machines do not
// have are loads and stores in the same places.
#include "passes/gpu_attention.h"

static int pad(int64_t count, int to) { return (int)((count + to - 1) / to * to); }

// Tiles are padded so that no two lines that are read together begin in one bank.
static void plan_tiles(flash *f) {
  enum { PIECE = 16, SIMT_PAD = 4, V_COLUMNS = 32 };
  const attend *a = &f->a;
  const int d = pad(a->d, flash_is_mma(f) ? 16 : 4),
            e = pad(a->e, flash_is_mma(f) ? 16 : V_COLUMNS);
  const int more = flash_is_mma(f) ? PIECE / (int)aicc_dtype_size(f->type) : SIMT_PAD;
  flash_plan_tile(f, &f->q, a->q, f->s.rows, (int)a->d, d, d + more);
  flash_plan_tile(f, &f->k, a->k, f->s.keys, (int)a->d, d, d + more);
  flash_plan_tile(f, &f->v, a->v, f->s.keys, (int)a->e, e, flash_is_mma(f) ? e + more : e);
}

static void place_task(flash *f, aicc_dim blocks) {
  attend *a = &f->a;
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  f->first = flash_times(f, attend_task(a, blocks), f->s.rows);
  f->warp = kir_warp(b);
  f->lane = kir_lane(b);
  f->thread = kir_add(b, flash_times(f, f->warp, f->machine->width), f->lane);
  f->end = a->t_size;
  if (a->causal) {  // the block's last row sees the most
    const kir_val rows = attend_least(a, flash_plus(f, f->first, f->s.rows), a->s_size);
    f->end = attend_least(a, f->end, kir_add(b, rows, lk_dim(lk, a->past)));
  }
}

static void key_block(flash *f, kir_val t0) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  kir_wait(b, 0);
  kir_barrier(b);  // k is there, and nothing reads the last block of v any more
  flash_fill(f, &f->v, a->g, t0, f->end);
  kir_commit(b);
  (flash_is_mma(f) ? flash_mma_scores : flash_simt_scores)(f);
  flash_finish_scores(f, t0);
  kir_wait(b, 0);
  kir_barrier(b);
  flash_fill(f, &f->k, a->g, flash_plus(f, t0, f->s.keys), f->end);
  kir_commit(b);
  flash_soften(f);
  (flash_is_mma(f) ? flash_mma_sums : flash_simt_sums)(f);
}

static void emit(flash *f, aicc_slot result) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  plan_tiles(f);
  (flash_is_mma(f) ? flash_mma_begin : flash_simt_begin)(f);
  flash_begin_soft(f);
  flash_fill(f, &f->q, a->h, f->first, a->s_size);
  kir_commit(b);
  flash_fill(f, &f->k, a->g, flash_i64(f, 0), f->end);
  kir_commit(b);
  if (f->q_fragments) {
    kir_wait(b, 1);
    kir_barrier(b);
    flash_mma_queries(f);
  }
  const size_t mark = lk_mark(&a->lk);
  const kir_val t0 = kir_for(b, KIR_SERIAL, flash_i64(f, 0), f->end, flash_i64(f, f->s.keys));
  key_block(f, t0);
  lk_end(&a->lk);
  lk_forget(&a->lk, mark);
  kir_wait(b, 0);
  flash_store(f, result);
}

// --- the kernels ---------------------------------------------------------------------------------

static aicc_attention_shape shape_of(const own *o, const attend *a) {
  aicc_attention_shape shape = {.type = a->q->type.dtype, .d = (int)a->d, .e = (int)a->e,
                                .queries = -1, .per_group = (int)a->per_group,
                                .tf32 = o->lw->module->tf32};
  int64_t queries;
  if (aicc_dim_is_const(o->dims, a->q->type.dims[2], &queries)) {
    shape.queries = queries;
  }
  int64_t batches;
  shape.lines = aicc_dim_is_const(o->dims, a->q->type.dims[0], &batches) ? batches * a->heads
                                                                         : a->heads;
  return shape;
}

static void launch(own *o, const attend *read, const aicc_attention_schedule *schedule,
                   aicc_dim s, aicc_slot result) {
  aicc_dims *dims = o->dims;
  flash f = {.a = *read, .o = o, .machine = o->lw->machine, .s = *schedule};
  attend *a = &f.a;
  char text[AICC_ATTENTION_TEXT];
  f.type = flash_is_mma(&f) ? a->q->type.dtype : AICC_F32;
  if (flash_is_mma(&f)) {
    const aicc_attention_shape shape = shape_of(o, a);
    const bool found = aicc_attention_mma(f.machine, &shape, &f.mma);
    AICC_ASSERT(found);
  }
  aicc_attention_print(schedule, text);
  lk_begin(&a->lk, o->lw, aicc_arena_printf(o->arena, "attention_%u", o->group->id), "own",
           o->group);
  a->lk.schedule = aicc_arena_strdup(o->arena, text);
  a->lk.kernel->warps = f.s.warps;
  f.threads = f.s.warps * f.machine->width;
  const aicc_dim rows = own_const(o, f.s.rows);
  place_task(&f, aicc_dim_ceildiv(dims, a->q->type.dims[2], rows));
  emit(&f, result);
  const aicc_dim tasks[] = {a->q->type.dims[0], own_const(o, a->heads),
                            aicc_dim_ceildiv(dims, s, rows)};
  const aicc_dim work[] = {a->q->type.dims[0], own_const(o, a->heads * (a->d + a->e + 32)), s,
                           a->k->type.dims[2]};
  a->lk.flops = attend_flops(a);
  lk_launch(&a->lk, aicc_dim_product(dims, tasks, 3),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, work, 4), own_const(o, 24)));
}

static void launch_forced(own *o, const attend *a, const aicc_attention_shape *shape,
                          const char *text) {
  aicc_attention_schedule s;
  const char *refusal = aicc_attention_parse(text, &s)
                            ? aicc_attention_refusal(&s, shape, o->lw->machine)
                            : "it is no schedule of attention";
  if (refusal) {
    aicc_lower_unsupported(o->lw, a->node,
                           aicc_arena_printf(o->arena, "the schedule '%s' cannot run: %s", text,
                                             refusal));
    return;
  }
  const aicc_slot result = aicc_lower_result(o->lw, o->group->out[0]);
  (s.kind == AICC_ATTENTION_FEW ? attend_few : launch)(o, a, &s, a->q->type.dims[2], result);
}

void own_lower_attention_gpu(own *o, const attend *a) {
  enum { FEW_QUERIES = 8 };  // fewer have a kernel of their own
  aicc_dims *dims = o->dims;
  const aicc_attention_shape shape = shape_of(o, a);
  const char *forced = aicc_get_string(o->group, AICC_ATTR_SCHEDULE, NULL);
  aicc_attention_schedule many, few;
  if (forced) {
    launch_forced(o, a, &shape, forced);
    return;
  }
  if (!aicc_attention_choose(&shape, o->lw->machine, &many)) {
    aicc_lower_unsupported(o->lw, a->node, "no block of queries fits the machine's memory");
    return;
  }
  const aicc_slot result = aicc_lower_result(o->lw, o->group->out[0]);
  const aicc_dim s = a->q->type.dims[2], zero = own_const(o, 0);
  const bool has_few = aicc_attention_choose_few(&shape, o->lw->machine, &few);
  const aicc_dim is_few = has_few ? aicc_dim_lt(dims, s, own_const(o, FEW_QUERIES)) : zero;
  if (!aicc_dim_is(dims, is_few, 1)) {
    launch(o, a, &many, aicc_dim_select(dims, is_few, zero, s), result);
  }
  if (!aicc_dim_is(dims, is_few, 0)) {
    attend_few(o, a, &few, aicc_dim_select(dims, is_few, s, zero), result);
  }
}
