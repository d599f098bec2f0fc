#include "ir/opaque.h"

#include <string.h>

const aicc_opaque_info aicc_opaque_table[AICC_OPAQUE_COUNT] = {
#define AICC_OPAQUE(name, mnemonic, least, most, results) {#mnemonic, least, most, results},
#include "ir/opaque.def"
#undef AICC_OPAQUE
};

bool aicc_opaque_of(const aicc_node *node, aicc_opaque *out) {
  const char *name = aicc_get_string(node, AICC_ATTR_NAME, "");
  for (int i = 0; i < AICC_OPAQUE_COUNT; i++) {
    if (strcmp(aicc_opaque_table[i].name, name) == 0) {
      *out = (aicc_opaque)i;
      return true;
    }
  }
  return false;
}
