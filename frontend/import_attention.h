// Attention in primitives, as exporters write it: matmul, scale, soft cap, bias, softmax, matmul.
#ifndef AICC_FRONTEND_IMPORT_ATTENTION_H
#define AICC_FRONTEND_IMPORT_ATTENTION_H

#include "frontend/import_math.h"

typedef struct aicc_attend {
  aicc_value *q, *k, *v;  // [B,H,S,D], [B,G,T,D], [B,G,T,E]; G divides H
  double scale;
  double softcap;         // 0: none
  aicc_value *bias;       // added to the scores, broadcast to [B,H,S,T]; may be NULL
  aicc_value *allowed;    // bool, broadcast to [B,H,S,T]; may be NULL
  aicc_value *sink;       // a score that takes its share of each row's sum and gives no value:
                          // [H,1,1], or a scalar; may be NULL
  bool may_hide_row;      // a row may have nothing that is allowed: its result is 0
  aicc_dtype precision;   // of the softmax
} aicc_attend;

typedef struct aicc_attended {
  aicc_value *y;        // [B,H,S,E]
  aicc_value *raw;      // scores [B,H,S,T] before the soft cap,
  aicc_value *capped;   // before the bias,
  aicc_value *biased;   // with it,
  aicc_value *weights;  // after the softmax, in q's type
} aicc_attended;

// *scale: 1 / sqrt of the head size, which must be known when compiling.
aicc_status aicc_usual_scale(aicc_importer *im, const aicc_onnx_node *n, aicc_dim head_size,
                             double *scale);

// Values are NULL after a failure that the builder reported.
aicc_attended aicc_build_attention(aicc_builder *b, const aicc_attend *a);

// [B,S,H*D] -> [B,H,S,D] and back.
aicc_value *aicc_split_heads(aicc_builder *b, aicc_value *x, aicc_dim heads);
aicc_value *aicc_join_heads(aicc_builder *b, aicc_value *x);
// Each of G heads H / G times, next to each other.
aicc_value *aicc_repeat_heads(aicc_builder *b, aicc_value *x, aicc_dim heads);

// Positions 0.. as i64: of queries [S, 1], of keys [1, T].
aicc_value *aicc_query_positions(aicc_builder *b, aicc_dim size);
aicc_value *aicc_key_positions(aicc_builder *b, aicc_dim size);

// Rotates the pairs of the first 2 W elements of x[B,H,S,D] by the angles in rows |ids| (i64 [B,S])
// of the tables, which are [positions, W] with W known.
aicc_value *aicc_rotate_heads(aicc_builder *b, aicc_value *x, aicc_value *cosine, aicc_value *sine,
                              aicc_value *ids, bool interleaved);

// Positions start, start + 1, .. along |axis| of a tensor of |dims| get the positions of |update|:
// which ones do, and what they get. It is a gather: position p reads p - start. |start| is i64
// [B,1..]; NULL: 0.
typedef struct aicc_written {
  aicc_value *written;  // bool, broadcast to the tensor
  aicc_value *rows;     // the update where written, else anything
} aicc_written;
aicc_written aicc_write_rows(aicc_builder *b, aicc_value *update, aicc_value *start,
                             const aicc_dim *dims, int axis, bool circular);
// x AND y; one of them where the other is NULL.
aicc_value *aicc_both(aicc_builder *b, aicc_value *x, aicc_value *y);

#endif
