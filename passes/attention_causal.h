// Causal masks, where exporters compute them from positions.
#ifndef AICC_PASSES_ATTENTION_CAUSAL_H
#define AICC_PASSES_ATTENTION_CAUSAL_H

#include "ir/build.h"

typedef struct aicc_causal {
  aicc_dim past;      // query i sees key j where j <= i + past
  aicc_value *rest;   // what else the mask asks for; NULL: nothing
} aicc_causal;

// Whether |mask|, a bool that broadcasts to [.., queries, keys], is a causal limit, or one and
// more: what else joins it by "and", at any depth, is made one mask by |b|. Thread-compatible.
bool aicc_find_causal(aicc_builder *b, aicc_value *mask, aicc_dim queries, aicc_dim keys,
                      aicc_causal *out);

#endif
