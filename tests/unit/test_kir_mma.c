// Where elements of matrices lie in the registers of a warp: against tables written down from the
// PTX ISA ("Matrix Fragments for mma.m16n8k8 / k16 / k32"), and as permutations.
#include <stdio.h>
#include <string.h>

#include "check_main.h"
#include "ir/kir_mma.h"

typedef struct place {
  int row, column;
} place;

// Of lane |lane|: the elements of A, B, D in the order of its registers, lowest bits first.
typedef struct lane_table {
  kir_mma_kind kind;
  int lane;
  place a[16], b[8], d[4];
} lane_table;

static const lane_table tables[] = {
    {KIR_MMA_F16_K8, 0,
     {{0, 0}, {0, 1}, {8, 0}, {8, 1}},
     {{0, 0}, {1, 0}},
     {{0, 0}, {0, 1}, {8, 0}, {8, 1}}},
    {KIR_MMA_F16_K8, 14,
     {{3, 4}, {3, 5}, {11, 4}, {11, 5}},
     {{4, 3}, {5, 3}},
     {{3, 4}, {3, 5}, {11, 4}, {11, 5}}},
    {KIR_MMA_F16, 0,
     {{0, 0}, {0, 1}, {8, 0}, {8, 1}, {0, 8}, {0, 9}, {8, 8}, {8, 9}},
     {{0, 0}, {1, 0}, {8, 0}, {9, 0}},
     {{0, 0}, {0, 1}, {8, 0}, {8, 1}}},
    {KIR_MMA_F16, 5,
     {{1, 2}, {1, 3}, {9, 2}, {9, 3}, {1, 10}, {1, 11}, {9, 10}, {9, 11}},
     {{2, 1}, {3, 1}, {10, 1}, {11, 1}},
     {{1, 2}, {1, 3}, {9, 2}, {9, 3}}},
    {KIR_MMA_BF16, 31,
     {{7, 6}, {7, 7}, {15, 6}, {15, 7}, {7, 14}, {7, 15}, {15, 14}, {15, 15}},
     {{6, 7}, {7, 7}, {14, 7}, {15, 7}},
     {{7, 6}, {7, 7}, {15, 6}, {15, 7}}},
    {KIR_MMA_TF32, 6,
     {{1, 2}, {9, 2}, {1, 6}, {9, 6}},
     {{2, 1}, {6, 1}},
     {{1, 4}, {1, 5}, {9, 4}, {9, 5}}},
    {KIR_MMA_S8, 0,
     {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {8, 0}, {8, 1}, {8, 2}, {8, 3},
      {0, 16}, {0, 17}, {0, 18}, {0, 19}, {8, 16}, {8, 17}, {8, 18}, {8, 19}},
     {{0, 0}, {1, 0}, {2, 0}, {3, 0}, {16, 0}, {17, 0}, {18, 0}, {19, 0}},
     {{0, 0}, {0, 1}, {8, 0}, {8, 1}}},
    {KIR_MMA_U8S8, 27,
     {{6, 12}, {6, 13}, {6, 14}, {6, 15}, {14, 12}, {14, 13}, {14, 14}, {14, 15},
      {6, 28}, {6, 29}, {6, 30}, {6, 31}, {14, 28}, {14, 29}, {14, 30}, {14, 31}},
     {{12, 6}, {13, 6}, {14, 6}, {15, 6}, {28, 6}, {29, 6}, {30, 6}, {31, 6}},
     {{6, 6}, {6, 7}, {14, 6}, {14, 7}}},
};

static void check_place(kir_mma_place is, place wanted, const char *what, int element) {
  ck_assert_msg(is.row == wanted.row && is.column == wanted.column,
                "%s %d is at (%d, %d), not (%d, %d)", what, element, is.row, is.column, wanted.row,
                wanted.column);
}

START_TEST(lanes_hold_what_the_tables_say) {
  for (size_t t = 0; t < sizeof tables / sizeof *tables; t++) {
    const lane_table *table = &tables[t];
    const kir_mma_info *info = &kir_mma_infos[table->kind];
    const int per = info->per_register;
    for (int i = 0; i < info->a_registers * per; i++) {
      check_place(kir_mma_place_a(table->kind, table->lane, i / per, i % per), table->a[i], "A", i);
    }
    for (int i = 0; i < info->b_registers * per; i++) {
      check_place(kir_mma_place_b(table->kind, table->lane, i / per, i % per), table->b[i], "B", i);
    }
    for (int i = 0; i < info->d_registers; i++) {
      check_place(kir_mma_place_d(table->kind, table->lane, i), table->d[i], "D", i);
    }
  }
}
END_TEST

static void count_place(int *counts, kir_mma_place p, int rows, int columns) {
  ck_assert(p.row >= 0 && p.row < rows && p.column >= 0 && p.column < columns);
  counts[p.row * columns + p.column]++;
}

static void check_once(const int *counts, int size) {
  for (int i = 0; i < size; i++) {
    ck_assert_int_eq(counts[i], 1);
  }
}

START_TEST(a_warp_holds_every_element_once) {
  for (int kind = 0; kind < KIR_MMA_COUNT; kind++) {
    const kir_mma_info *info = &kir_mma_infos[kind];
    int a[16 * 32] = {0}, b[32 * 8] = {0}, d[16 * 8] = {0};
    for (int lane = 0; lane < 32; lane++) {
      for (int e = 0; e < info->per_register; e++) {
        for (int r = 0; r < info->a_registers; r++) {
          count_place(a, kir_mma_place_a((kir_mma_kind)kind, lane, r, e), info->m, info->k);
        }
        for (int r = 0; r < info->b_registers; r++) {
          count_place(b, kir_mma_place_b((kir_mma_kind)kind, lane, r, e), info->k, info->n);
        }
      }
      for (int i = 0; i < info->d_registers; i++) {
        count_place(d, kir_mma_place_d((kir_mma_kind)kind, lane, i), info->m, info->n);
      }
    }
    check_once(a, info->m * info->k);
    check_once(b, info->k * info->n);
    check_once(d, info->m * info->n);
  }
}
END_TEST

START_TEST(rows_say_what_their_names_say) {
  for (int kind = 0; kind < KIR_MMA_COUNT; kind++) {
    const kir_mma_info *info = &kir_mma_infos[kind];
    char name[32];
    snprintf(name, sizeof name, "m%dn%dk%d.", info->m, info->n, info->k);
    ck_assert_int_eq(strncmp(info->mnemonic, name, strlen(name)), 0);
    const int bits = info->a == AICC_F32 ? 32 : info->d == AICC_I32 ? 8 : 16;
    ck_assert_int_eq(info->per_register * bits, 32);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_mma");
  TCase *cases = tcase_create("all");
  tcase_add_test(cases, lanes_hold_what_the_tables_say);
  tcase_add_test(cases, a_warp_holds_every_element_once);
  tcase_add_test(cases, rows_say_what_their_names_say);
  suite_add_tcase(suite, cases);
  return suite;
}

AICC_TEST_MAIN(make_suite)
