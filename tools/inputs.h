// The inputs of a run as the command line gives them: files, literals, seeded random numbers.
//
//   name=@file.npy          a NumPy file
//   name=@file.bin          raw bytes of the declared type; the shape must be known
//   name=2x3xf32=1,2,3,...  shape, type and elements (one: all of them); scalars: name=f32=1
//   name=0                  every element 0
#ifndef AICC_TOOLS_INPUTS_H
#define AICC_TOOLS_INPUTS_H

#include "aicc/runtime.h"
#include "ir/eval.h"

enum { AICC_INPUTS_SPECS_MAX = 256 };

// What was asked for; texts are borrowed from the command line.
typedef struct aicc_input_specs {
  const char *inputs[AICC_INPUTS_SPECS_MAX];  // "name=..."
  const char *dims[AICC_INPUTS_SPECS_MAX];    // "n=4": a symbol's value
  const char *shapes[AICC_INPUTS_SPECS_MAX];  // "x:1x3x8x8,y:4"
  int input_count, dim_count, shape_count;
  bool random;                                // fill what is not given
  bool empty_sequences;                       // sequences that are not given have no items
  uint64_t seed;
} aicc_input_specs;

typedef struct aicc_inputs {
  aicc_eval_value *values;
  bool *given;
  uint32_t count;
} aicc_inputs;

// A value per input of the model. Random ones: floats from -1 to 1, integers and bool 0 or 1 (so
// that they are valid indices nearly anywhere), strings of one letter. Symbols that nothing fixes
// are 1: said on |note| (NULL: nowhere). All faults are said at once. The caller deinits |out|,
// after a failure too.
AICC_MUST_USE aicc_status aicc_inputs_make(const aicc_rt_model_info *model,
                                           const aicc_input_specs *specs, FILE *note,
                                           aicc_diags *diags, aicc_inputs *out);
void aicc_inputs_deinit(aicc_inputs *inputs);

// Hands all values over to |session|.
AICC_MUST_USE aicc_status aicc_inputs_set(const aicc_inputs *inputs,
                                          const aicc_rt_model_info *model,
                                          aicc_rt_session *session, aicc_diags *diags);

// Splits "name=rest" where |name| is one of |tensors| (names may contain '='). NULL: none is.
const char *aicc_inputs_split(const char *spec, const aicc_rt_tensor_info *tensors, uint32_t count,
                              uint32_t *index);

#endif
