// The cells of RNN, GRU and LSTM: one step of them, in primitives.
//
// With two directions values have a first dimension of 2 for them, forward and backward; with one
// they have none. Below, [D,] stands for that dimension.
#ifndef AICC_FRONTEND_IMPORT_RECURRENT_H
#define AICC_FRONTEND_IMPORT_RECURRENT_H

#include "frontend/import_control.h"
#include "frontend/import_quant.h"

typedef enum aicc_cell_kind { AICC_CELL_RNN, AICC_CELL_GRU, AICC_CELL_LSTM } aicc_cell_kind;

typedef struct aicc_activation {
  const char *name;
  double alpha, beta;
} aicc_activation;

enum { AICC_CELL_ACTIVATIONS = 3 };  // at most, of one direction

typedef struct aicc_cell {
  aicc_importer *im;
  aicc_cell_kind kind;
  int gates;
  int directions;
  aicc_dim hidden;
  aicc_value *recurrent;       // [D,] gates * hidden, hidden; NULL: |quantised| is it
  aicc_quantised quantised;    // [D,] hidden, gates * hidden, the state is quantised in each step
  aicc_value *hidden_bias;     // GRU, linear before reset: [D, 1,] hidden; may be NULL
  aicc_value *peephole[3];     // LSTM, of the gates i, o, f: [D, 1,] hidden; may be NULL
  aicc_activation activations[2][AICC_CELL_ACTIVATIONS];  // per direction: f, g, h
  double clip;                 // of what goes into activations; 0: none
  bool linear_before_reset, input_forget;
} aicc_cell;

// Reads the attributes of activations. Reports names that are none.
AICC_MUST_USE aicc_status aicc_cell_read_activations(aicc_cell *cell, const aicc_onnx_node *n);

// One step: |x| is the input's part of the gates with the biases, [D,] batch, gates * hidden; |h|
// and |c| (LSTM) the state, [D,] batch, hidden. Values are NULL after a failure that was reported.
void aicc_cell_step(const aicc_cell *cell, aicc_value *x, aicc_value *h, aicc_value *c,
                    aicc_value **next_h, aicc_value **next_c);

#endif
