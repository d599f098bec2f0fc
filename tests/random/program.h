// Random programs: seeded graphs, their inputs, how exact their results can be, and the judge that
// runs one through every way there is to run it.
//
// A program is a module whose name tells how its inputs are made: "p17" or "nan17" (floats with
// nan, infinities and zeros of both signs), 17 being the seed of the data. Symbols of its
// dimensions take RP_RUNS sets of values. Constants of more than RP_LISTED elements are uniform in
// the text, which lists no more than that, and get their elements by hashing before the program is
// used (rp_fill_constants). So a program is told by its text alone, shrunk or not.
#ifndef AICC_TESTS_RANDOM_PROGRAM_H
#define AICC_TESTS_RANDOM_PROGRAM_H

#include "ir/eval.h"

enum { RP_RUNS = 3, RP_MAX_ELEMENTS = 12000, RP_TEXT = 6000,
       RP_LISTED = 64 };

// --- numbers by hashing --------------------------------------------------------------------------

typedef struct rp_random {
  uint64_t state;
} rp_random;

uint64_t rp_next(rp_random *r);
int64_t rp_below(rp_random *r, int64_t limit);  // 0 .. limit - 1; limit > 0
static inline bool rp_chance(rp_random *r, int percent) { return rp_below(r, 100) < percent; }
uint64_t rp_hash(uint64_t seed, const char *text);

// --- data.c: values of symbols and inputs --------------------------------------------------------

typedef struct rp_run {
  const aicc_module *module;
  uint64_t seed;
  int number;  // of the run: 0 .. RP_RUNS - 1
} rp_run;

rp_run rp_run_of(const aicc_module *module, int number);
bool rp_has_symbols(const aicc_module *module);
int64_t rp_symbol_value(const rp_run *run, const char *symbol);
bool rp_dim_value(const rp_run *run, aicc_dim dim, int64_t *value);
bool rp_make_input(const rp_run *run, const aicc_value *param, aicc_diags *diags,
                   aicc_eval_value *out);
void rp_fill_constants(aicc_module *module);
int64_t rp_tensor_count(const aicc_tensor *tensor);
bool rp_is_wild(const aicc_value *param);  // integers of all sizes, not small ones

// --- bounds.c: what values can be ----------------------------------------------------------------

// |err| bounds the difference between two right ways to compute a value: rounding of every step,
// carried along; infinite where a step (a comparison, a rounding to integers) is not continuous and
// its operand not exact. 0: exact, the same bits however computed.
typedef struct rp_bound {
  double lo, hi, err;
} rp_bound;

// Of the results of |node|, from those of its operands, by value id.
void rp_bound_node(const aicc_module *module, const aicc_node *node, rp_bound *bounds);
rp_bound rp_bound_param(const aicc_value *param);
rp_bound *rp_bounds(const aicc_module *module, aicc_arena *arena);  // of every value of the body
double rp_magnitude(rp_bound b);

// --- generate.c ----------------------------------------------------------------------------------

aicc_module *rp_generate(uint64_t seed);

// --- judge.c -------------------------------------------------------------------------------------

typedef enum rp_stage {
  RP_START,     // parsing the text, evaluating it as it is
  RP_VERIFY,
  RP_PASSES,
  RP_LOWER,
  RP_KERNELS,   // through the kernel interpreter
  RP_CODEGEN,
  RP_COMPILED,  // through the runtime
  RP_DONE,
} rp_stage;

typedef enum rp_outcome { RP_GOOD, RP_BAD, RP_SKIPPED, RP_CRASHED } rp_outcome;

typedef struct rp_verdict {
  const char *target;  // given: what is compiled for; NULL: this machine
  rp_outcome outcome;
  rp_stage stage;
  char text[RP_TEXT];
} rp_verdict;

const char *rp_stage_name(rp_stage stage);
// Judges the program |text| in a process of its own, up to and with |last|, for verdict->target.
void rp_judge(const char *text, rp_stage last, rp_verdict *verdict);

// Runs the plan of |run->module| with the kernel interpreter; fills |outputs|. False after writing
// why to |why|; *supported is false where the plan has steps this does not run.
typedef struct rp_plan_result {
  aicc_dtype dtype;
  int64_t count;
  const void *data;
  const uint8_t *init;  // NULL: all written
} rp_plan_result;
struct aicc_plan;
bool rp_plan_run(const struct aicc_plan *plan, const rp_run *run, const aicc_eval_value *inputs,
                 aicc_arena *arena, rp_plan_result *outputs, bool *supported, aicc_diags *diags);

// --- shrink.c ------------------------------------------------------------------------------------

// A smaller program that fails in the same way; malloc'd.
char *rp_shrink(const char *text, const rp_verdict *verdict, double seconds);
char *rp_text_of(const aicc_module *module);  // malloc'd

#endif
