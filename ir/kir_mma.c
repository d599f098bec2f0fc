#include "ir/kir_mma.h"

const kir_mma_info kir_mma_infos[KIR_MMA_COUNT] = {
#define KIR_MMA(name, text, m_, n_, k_, a_, b_, d_, per, ra, rb, rd)                        \
  [KIR_MMA_##name] = {.mnemonic = text, .m = m_, .n = n_, .k = k_, .a = AICC_##a_,          \
                      .b = AICC_##b_, .d = AICC_##d_, .per_register = per,                  \
                      .a_registers = ra, .b_registers = rb, .d_registers = rd},
#include "ir/kir_mma.def"
#undef KIR_MMA
};

kir_mma_place kir_mma_place_a(kir_mma_kind kind, int lane, int r, int e) {
  const int per = kir_mma_infos[kind].per_register;
  return (kir_mma_place){.row = lane / 4 + 8 * (r % 2),
                         .column = lane % 4 * per + r / 2 * 4 * per + e};
}

kir_mma_place kir_mma_place_b(kir_mma_kind kind, int lane, int r, int e) {
  const int per = kir_mma_infos[kind].per_register;
  return (kir_mma_place){.row = lane % 4 * per + r * 4 * per + e, .column = lane / 4};
}

kir_mma_place kir_mma_place_d(kir_mma_kind kind, int lane, int i) {
  (void)kind;
  return (kir_mma_place){.row = lane / 4 + 8 * (i / 2), .column = 2 * (lane % 4) + i % 2};
}
