#include "passes/schedule_attention.h"

#include <stdio.h>
#include <string.h>

enum {
  LANES_ROW = 8,   // of multiply-adds: lanes that share a row
  ROWS_LANE = 8,   // rows of a lane, at most
  MMA_ROWS = 16,
  MMA_SUMS = 192   // 32-bit registers of a lane for scores and sums, at most
};

bool aicc_attention_mma(const aicc_machine *machine, aicc_dtype type, kir_mma_kind *kind) {
  static const kir_mma_kind kinds[] = {KIR_MMA_F16, KIR_MMA_BF16, KIR_MMA_F16_K8};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if ((machine->mma >> kinds[i] & 1) && kir_mma_infos[kinds[i]].a == type) {
      *kind = kinds[i];
      return true;
    }
  }
  return false;
}

static int64_t padded(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

// Rows are padded against bank conflicts as lower_gpu_attention.c lays them out.
int64_t aicc_attention_bytes(const aicc_attention_schedule *s, const aicc_attention_shape *shape) {
  if (s->mma) {
    const int64_t d = padded(shape->d, 16) + 8, e = padded(shape->e, 16) + 8;
    return 2 * (s->rows * d + s->keys * (d + e));
  }
  const int64_t d = padded(shape->d, 4) + 4, e = padded(shape->e, 32);
  return 4 * (s->rows * d + s->keys * (d + e) + s->rows * (s->keys + 4));
}

const char *aicc_attention_refusal(const aicc_attention_schedule *s,
                                   const aicc_attention_shape *shape,
                                   const aicc_machine *machine) {
  kir_mma_kind kind;
  const int lanes_rows = machine->width / LANES_ROW;
  const int warp_rows = s->mma ? MMA_ROWS : lanes_rows;
  if (s->warps > machine->warps_max) {
    return "the machine's blocks have fewer warps";
  }
  if (s->rows % (s->warps * warp_rows) != 0) {
    return s->mma ? "each warp needs a multiple of 16 rows"
                  : "each warp needs a multiple of rows that its lanes share in eights";
  }
  if (s->keys % (s->mma ? 16 : 8) != 0) {
    return s->mma ? "keys come in multiples of 16" : "keys come in multiples of 8";
  }
  const int tiles = s->rows / (s->warps * warp_rows);
  if (s->mma && !aicc_attention_mma(machine, shape->type, &kind)) {
    return "the machine has no matrix instruction for this type";
  }
  if (s->mma ? tiles * (padded(shape->e, 16) + s->keys) / 2 > MMA_SUMS
             : tiles > ROWS_LANE || tiles * (padded(shape->e, 32) + s->keys) / 8 > MMA_SUMS) {
    return "a lane's sums and scores do not fit registers";
  }
  return aicc_attention_bytes(s, shape) > machine->shared_bytes
             ? "its tiles do not fit shared memory" : NULL;
}

// From the best to the least demanding; |head| is the largest size of a head they are meant for.
typedef struct candidate {
  int head;
  int64_t queries;  // as few are enough
  aicc_attention_schedule s;
} candidate;

static const candidate candidates[] = {
    {64, 65, {.rows = 128, .keys = 64, .warps = 4, .mma = true}},
    {64, 33, {.rows = 64, .keys = 64, .warps = 4, .mma = true}},
    {64, 0, {.rows = 32, .keys = 64, .warps = 2, .mma = true}},
    {128, 65, {.rows = 128, .keys = 64, .warps = 8, .mma = true}},
    {128, 33, {.rows = 64, .keys = 64, .warps = 4, .mma = true}},
    {128, 0, {.rows = 32, .keys = 64, .warps = 2, .mma = true}},
    {256, 33, {.rows = 64, .keys = 32, .warps = 4, .mma = true}},
    {256, 0, {.rows = 32, .keys = 32, .warps = 2, .mma = true}},
    {256, 33, {.rows = 64, .keys = 32, .warps = 4}},
    {256, 0, {.rows = 32, .keys = 32, .warps = 2}},
    {256, 0, {.rows = 32, .keys = 16, .warps = 2}},
    {256, 0, {.rows = 16, .keys = 16, .warps = 1}},
    {256, 0, {.rows = 32, .keys = 16, .warps = 1}},
};

bool aicc_attention_choose(const aicc_attention_shape *shape, const aicc_machine *machine,
                           aicc_attention_schedule *out) {
  const int head = shape->d > shape->e ? shape->d : shape->e;
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    const candidate *c = &candidates[i];
    const bool many = shape->queries < 0 || shape->queries >= c->queries;
    if (head <= c->head && many && !aicc_attention_refusal(&c->s, shape, machine)) {
      *out = c->s;
      return true;
    }
  }
  return false;
}

// --- text -----------------------------------------------------------------------------------------

void aicc_attention_print(const aicc_attention_schedule *s, char text[AICC_ATTENTION_TEXT]) {
  snprintf(text, AICC_ATTENTION_TEXT, "flash %dx%d warps %d%s", s->rows, s->keys, s->warps,
           s->mma ? " mma" : "");
}

// As it is printed and no other way, so that equal schedules are equal texts.
bool aicc_attention_parse(const char *text, aicc_attention_schedule *out) {
  enum { ROWS_MAX = 1024, WARPS_MAX = 32 };
  char again[AICC_ATTENTION_TEXT];
  *out = (aicc_attention_schedule){0};
  if (sscanf(text, "flash %4dx%4d warps %2d", &out->rows, &out->keys, &out->warps) != 3 ||
      out->rows < 1 || out->rows > ROWS_MAX || out->keys < 1 || out->keys > ROWS_MAX ||
      out->warps < 1 || out->warps > WARPS_MAX) {
    return false;
  }
  const size_t length = strlen(text);
  out->mma = length > 4 && strcmp(text + length - 4, " mma") == 0;
  aicc_attention_print(out, again);
  return strcmp(again, text) == 0;
}
