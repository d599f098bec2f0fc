#include "passes/schedule_attention.h"

#include <stdio.h>
#include <string.h>

enum {
  LANES_ROW = 8,   // of multiply-adds: lanes that share a row
  ROWS_LANE = 8,   // rows of a lane, at most
  MMA_ROWS = 16,
  FEW_MAX = 96,        // of few queries: registers of a lane for queries and sums, at most
  SUMS_MAX = 160,      // registers of a lane for scores and sums, at most: more would be spilled
  SUMS_MAX_OLD = 136   // where products come in halves, and more operands are under way
};

bool aicc_attention_mma(const aicc_machine *machine, const aicc_attention_shape *shape,
                        kir_mma_kind *kind) {
  static const kir_mma_kind kinds[] = {KIR_MMA_F16, KIR_MMA_BF16, KIR_MMA_F16_K8, KIR_MMA_TF32};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if ((machine->mma >> kinds[i] & 1) && kir_mma_infos[kinds[i]].a == shape->type &&
        (kinds[i] != KIR_MMA_TF32 || shape->tf32)) {
      *kind = kinds[i];
      return true;
    }
  }
  return false;
}

static int64_t padded(int64_t count, int64_t to) { return (count + to - 1) / to * to; }

// Elements of 16 bytes, which are what a lane loads at a time.
static int piece_of(aicc_dtype type) { return (int)(16 / aicc_dtype_size(type)); }

// Rows are padded against bank conflicts as lower_gpu_attention.c lays them out.
int64_t aicc_attention_bytes(const aicc_attention_schedule *s, const aicc_attention_shape *shape) {
  if (s->kind == AICC_ATTENTION_FEW) {
    return (int64_t)s->warps * s->heads * (shape->e + 2) * 4;
  }
  if (s->kind == AICC_ATTENTION_MMA) {
    const int piece = piece_of(shape->type);
    const int64_t d = padded(shape->d, 16) + piece, e = padded(shape->e, 16) + piece;
    return 16 / piece * (s->rows * d + s->keys * (d + e));
  }
  const int64_t d = padded(shape->d, 4) + 4, e = padded(shape->e, 32);
  return 4 * (s->rows * d + s->keys * (d + e) + s->rows * (s->keys + 4));
}

static const char *refuse_mma(const aicc_attention_schedule *s, const aicc_attention_shape *shape,
                              const aicc_machine *machine) {
  kir_mma_kind kind;
  if (s->rows % (s->warps * MMA_ROWS) != 0) {
    return "each warp needs a multiple of 16 rows";
  }
  if (s->keys % 16 != 0) {
    return "keys come in multiples of 16";
  }
  if (!aicc_attention_mma(machine, shape, &kind)) {
    return "the machine has no matrix instruction for this type (for f32, only with --tf32)";
  }
  const int64_t tiles = s->rows / (s->warps * MMA_ROWS);
  return tiles * (padded(shape->e, 16) + s->keys) / 2 >
                 (kind == KIR_MMA_F16_K8 ? SUMS_MAX_OLD : SUMS_MAX)
             ? "a lane's sums and scores do not fit registers" : NULL;
}

static const char *refuse_simt(const aicc_attention_schedule *s, const aicc_attention_shape *shape,
                               const aicc_machine *machine) {
  const int rows = s->warps * machine->width / LANES_ROW;
  if (s->rows % rows != 0) {
    return "each warp needs a multiple of the rows that its lanes share in eights";
  }
  if (s->keys % LANES_ROW != 0) {
    return "keys come in multiples of 8";
  }
  const int64_t each = s->rows / rows;
  return each > ROWS_LANE || each * (padded(shape->e, 32) + s->keys) / LANES_ROW > SUMS_MAX
             ? "a lane's sums and scores do not fit registers" : NULL;
}

static const char *refuse_few(const aicc_attention_schedule *s, const aicc_attention_shape *shape,
                              const aicc_machine *machine) {
  const int64_t lane = (int64_t)s->lanes * piece_of(shape->type);
  if (shape->per_group % s->heads != 0) {
    return "its heads do not divide those that share keys";
  }
  if ((s->lanes & (s->lanes - 1)) != 0 || s->lanes < 2 || s->lanes > machine->width) {
    return "the lanes that share a key are a power of two from 2, and within a warp";
  }
  return s->heads * (padded(shape->d, lane) + padded(shape->e, lane)) / s->lanes > FEW_MAX
             ? "a lane's queries and sums do not fit registers" : NULL;
}

const char *aicc_attention_refusal(const aicc_attention_schedule *s,
                                   const aicc_attention_shape *shape,
                                   const aicc_machine *machine) {
  static const char *(*const rules[])(const aicc_attention_schedule *,
                                      const aicc_attention_shape *, const aicc_machine *) = {
      [AICC_ATTENTION_SIMT] = refuse_simt,
      [AICC_ATTENTION_MMA] = refuse_mma,
      [AICC_ATTENTION_FEW] = refuse_few,
  };
  if (s->warps > machine->warps_max) {
    return "the machine's blocks have fewer warps";
  }
  const char *why = rules[s->kind](s, shape, machine);
  return why ? why
         : aicc_attention_bytes(s, shape) > machine->shared_bytes
             ? "its tiles do not fit shared memory" : NULL;
}

// From the best to the least demanding; |head| is the largest size of a head they are meant for.
typedef struct candidate {
  int head;
  int64_t queries;  // as few are enough
  aicc_attention_schedule s;
} candidate;

static const candidate candidates[] = {
    {64, 65, {AICC_ATTENTION_MMA, 4, 128, 32, 0, 0}},
    {64, 33, {AICC_ATTENTION_MMA, 4, 64, 64, 0, 0}},
    {64, 0, {AICC_ATTENTION_MMA, 2, 32, 64, 0, 0}},
    {128, 65, {AICC_ATTENTION_MMA, 8, 128, 64, 0, 0}},
    {128, 33, {AICC_ATTENTION_MMA, 4, 64, 64, 0, 0}},
    {128, 0, {AICC_ATTENTION_MMA, 2, 32, 64, 0, 0}},
    {256, 33, {AICC_ATTENTION_MMA, 4, 64, 32, 0, 0}},
    {256, 0, {AICC_ATTENTION_MMA, 2, 32, 32, 0, 0}},
    {256, 0, {AICC_ATTENTION_MMA, 4, 64, 16, 0, 0}},
    {256, 0, {AICC_ATTENTION_MMA, 2, 32, 16, 0, 0}},
    {256, 33, {AICC_ATTENTION_SIMT, 4, 64, 32, 0, 0}},
    {256, 0, {AICC_ATTENTION_SIMT, 2, 32, 32, 0, 0}},
    {256, 0, {AICC_ATTENTION_SIMT, 2, 32, 16, 0, 0}},
    {256, 0, {AICC_ATTENTION_SIMT, 2, 16, 16, 0, 0}},
};

// Whether blocks of |rows| queries are enough for a GPU.
static bool gives_enough(const aicc_attention_shape *shape, int rows) {
  enum { TASKS_ENOUGH = 108 };
  return shape->queries < 0 || shape->lines == 0 ||
         (shape->queries + rows - 1) / rows * shape->lines >= TASKS_ENOUGH;
}

bool aicc_attention_choose(const aicc_attention_shape *shape, const aicc_machine *machine,
                           aicc_attention_schedule *out) {
  const int head = shape->d > shape->e ? shape->d : shape->e;
  const candidate *first = NULL;
  for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
    const candidate *c = &candidates[i];
    const bool many = shape->queries < 0 || shape->queries >= c->queries;
    if (head > c->head || !many || aicc_attention_refusal(&c->s, shape, machine)) {
      continue;
    }
    if (first && (c->head != first->head || c->s.kind != first->s.kind)) {
      break;
    }
    first = first ? first : c;
    *out = c->s;
    if (gives_enough(shape, c->s.rows)) {
      break;
    }
  }
  return first != NULL;
}

bool aicc_attention_choose_few(const aicc_attention_shape *shape, const aicc_machine *machine,
                               aicc_attention_schedule *out) {
  enum { WARPS = 4, LANES_ENOUGH = 8 };  // 8 lanes read 128 neighbouring bytes
  const int head = shape->d > shape->e ? shape->d : shape->e;
  int least = LANES_ENOUGH;
  while (least > 2 && least / 2 * piece_of(shape->type) >= head) {
    least /= 2;
  }
  *out = (aicc_attention_schedule){AICC_ATTENTION_FEW, .warps = WARPS};
  for (out->heads = AICC_ATTENTION_FEW_HEADS; out->heads > 0; out->heads--) {
    for (out->lanes = least; out->lanes <= machine->width; out->lanes *= 2) {
      if (!aicc_attention_refusal(out, shape, machine)) {
        return true;
      }
    }
  }
  return false;
}

// --- text ----------------------------------------------------------------------------------------

void aicc_attention_print(const aicc_attention_schedule *s, char text[AICC_ATTENTION_TEXT]) {
  if (s->kind == AICC_ATTENTION_FEW) {
    snprintf(text, AICC_ATTENTION_TEXT, "few heads %d lanes %d warps %d", s->heads, s->lanes,
             s->warps);
    return;
  }
  snprintf(text, AICC_ATTENTION_TEXT, "flash %dx%d warps %d%s", s->rows, s->keys, s->warps,
           s->kind == AICC_ATTENTION_MMA ? " mma" : "");
}

static bool in_range(int value, int most) { return value >= 1 && value <= most; }

static bool parse_flash(const char *text, aicc_attention_schedule *out) {
  enum { ROWS_MAX = 1024 };
  const size_t length = strlen(text);
  *out = (aicc_attention_schedule){0};
  if (sscanf(text, "flash %4dx%4d warps %2d", &out->rows, &out->keys, &out->warps) != 3) {
    return false;
  }
  out->kind = length > 4 && strcmp(text + length - 4, " mma") == 0 ? AICC_ATTENTION_MMA
                                                                    : AICC_ATTENTION_SIMT;
  return in_range(out->rows, ROWS_MAX) && in_range(out->keys, ROWS_MAX);
}

static bool parse_few(const char *text, aicc_attention_schedule *out) {
  enum { LANES_MAX = 64 };
  *out = (aicc_attention_schedule){.kind = AICC_ATTENTION_FEW};
  return sscanf(text, "few heads %2d lanes %2d warps %2d", &out->heads, &out->lanes,
                &out->warps) == 3 &&
         in_range(out->heads, AICC_ATTENTION_FEW_HEADS) && in_range(out->lanes, LANES_MAX);
}

// As it is printed and no other way, so that equal schedules are equal texts.
bool aicc_attention_parse(const char *text, aicc_attention_schedule *out) {
  enum { WARPS_MAX = 32 };
  char again[AICC_ATTENTION_TEXT];
  if ((!parse_flash(text, out) && !parse_few(text, out)) || !in_range(out->warps, WARPS_MAX)) {
    return false;
  }
  aicc_attention_print(out, again);
  return strcmp(again, text) == 0;
}
