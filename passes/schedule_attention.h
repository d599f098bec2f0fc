// Schedules of attention on GPUs as data: how queries and keys are cut into blocks.
//
// The text form stands in the `schedule` attribute of the operator's group, in --opt-report and in
// the printed plan:
//
//   flash 64x32 warps 4       64 queries by 32 keys of a block of 4 warps, by multiply-adds
//   flash 64x64 warps 4 mma   by matrix instructions
//   few heads 4 lanes 8 warps 4
//                             one query of 4 heads that share keys; the keys are divided among the
//                             warps and, within them, among groups of 8 lanes
//
// Constant tables; thread-safe.
#ifndef AICC_PASSES_SCHEDULE_ATTENTION_H
#define AICC_PASSES_SCHEDULE_ATTENTION_H

#include "ir/machine.h"

enum {
  AICC_ATTENTION_HEAD_MAX = 256,  // elements of a head, of q and k as of v
  AICC_ATTENTION_FEW_HEADS = 8,   // of a task of few queries, at most
  AICC_ATTENTION_TEXT = 64        // bytes of a text form, at most
};

typedef enum aicc_attention_kind {
  AICC_ATTENTION_SIMT,
  AICC_ATTENTION_MMA,
  AICC_ATTENTION_FEW
} aicc_attention_kind;

typedef struct aicc_attention_schedule {
  aicc_attention_kind kind;
  int warps;
  int rows, keys;    // SIMT, MMA: of a block
  int heads, lanes;  // FEW: of a task; that share a key
} aicc_attention_schedule;

// What a schedule has to fit.
typedef struct aicc_attention_shape {
  aicc_dtype type;  // of q, k and v
  int d, e;         // sizes of a head: of q and k, of v
  int64_t queries;  // -1: not known
  int per_group;    // heads that share keys and values
  bool tf32;        // f32 may be rounded to it
  int64_t lines;    // heads of all batches, about; 0: not known
} aicc_attention_shape;

// The instruction that multiplies such matrices; false: the machine has none.
bool aicc_attention_mma(const aicc_machine *machine, const aicc_attention_shape *shape,
                        kir_mma_kind *kind);
// Bytes of shared memory.
int64_t aicc_attention_bytes(const aicc_attention_schedule *s, const aicc_attention_shape *shape);
// NULL where the schedule can run, else the rule it breaks.
const char *aicc_attention_refusal(const aicc_attention_schedule *s,
                                   const aicc_attention_shape *shape,
                                   const aicc_machine *machine);
// The best one known for blocks of queries; false: none can run.
bool aicc_attention_choose(const aicc_attention_shape *shape, const aicc_machine *machine,
                           aicc_attention_schedule *out);
// And for few queries; false: none can run.
bool aicc_attention_choose_few(const aicc_attention_shape *shape, const aicc_machine *machine,
                               aicc_attention_schedule *out);
// False where |text| is no schedule of attention.
bool aicc_attention_parse(const char *text, aicc_attention_schedule *out);
void aicc_attention_print(const aicc_attention_schedule *s, char text[AICC_ATTENTION_TEXT]);

#endif
