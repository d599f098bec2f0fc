// Operators with kernels of their own. Those without one yet are refused by name.
#include "passes/lower.h"

void aicc_lower_own(aicc_lower *lw, aicc_node *group) {
  aicc_lower_unsupported(lw, group->regions[0]->first, "it has no kernel");
}
