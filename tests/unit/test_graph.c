// Graphs and the builder: links, uses, replacement, attributes, origins, folds.
#include <string.h>

#include "check_main.h"
#include "ir/build.h"

typedef struct fixture {
  aicc_module *module;
  aicc_diags diags;
  aicc_builder b;
  aicc_value *x;  // f32[N, 4]
} fixture;

static aicc_type type_n4(aicc_module *module) {
  const aicc_dim dims[] = {aicc_dim_symbol(module->dims, "N"), aicc_dim_const(module->dims, 4)};
  return aicc_type_tensor(module, AICC_F32, dims, 2);
}

static void start(fixture *f) {
  *f = (fixture){.module = aicc_module_create("test")};
  aicc_diags_init(&f->diags);
  f->x = aicc_region_add_param(f->module, f->module->body, "x", type_n4(f->module));
  f->b = (aicc_builder){.module = f->module, .region = f->module->body, .diags = &f->diags};
}

static void finish(fixture *f) {
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
}

START_TEST(nodes_are_kept_in_order) {
  fixture f;
  start(&f);
  aicc_value *a = aicc_b_unary(&f.b, AICC_OP_NEG, f.x);
  aicc_value *c = aicc_b_unary(&f.b, AICC_OP_EXP, a);
  f.b.before = c->def;
  aicc_value *between = aicc_b_unary(&f.b, AICC_OP_ABS, a);
  const aicc_region *body = f.module->body;
  ck_assert_ptr_eq(body->first, a->def);
  ck_assert_ptr_eq(a->def->next, between->def);
  ck_assert_ptr_eq(between->def->next, c->def);
  ck_assert_ptr_eq(body->last, c->def);
  aicc_node_unlink(between->def);
  ck_assert_ptr_eq(a->def->next, c->def);
  ck_assert_ptr_eq(c->def->prev, a->def);
  aicc_node_unlink(a->def);
  aicc_node_unlink(c->def);
  ck_assert_ptr_null(body->first);
  ck_assert_ptr_null(body->last);
  finish(&f);
}
END_TEST

START_TEST(uses_are_counted_and_replaced_in_regions_too) {
  fixture f;
  start(&f);
  aicc_value *a = aicc_b_unary(&f.b, AICC_OP_NEG, f.x);
  aicc_node *group = aicc_node_create(f.module, AICC_OP_GROUP, NULL, 0, 1);
  aicc_region *region = aicc_region_create(f.module, group);
  aicc_node_add_region(f.module, group, region);
  aicc_builder inner = f.b;
  inner.region = region;
  aicc_value *sum = aicc_b_binary(&inner, AICC_OP_ADD, a, a);
  aicc_region_set_results(f.module, region, &sum, 1);
  aicc_value *y = aicc_b_finish(&f.b, group);
  ck_assert_ptr_nonnull(y);
  aicc_value *const results[] = {y, a};
  aicc_region_set_results(f.module, f.module->body, results, 2);

  uint32_t *uses = aicc_count_uses(f.module, &f.module->arena);
  ck_assert_uint_eq(uses[a->id], 3);
  ck_assert_uint_eq(uses[sum->id], 1);
  aicc_value_replace(f.module, a, f.x);
  uses = aicc_count_uses(f.module, &f.module->arena);
  ck_assert_uint_eq(uses[a->id], 0);
  ck_assert_uint_eq(uses[f.x->id], 4);

  // A chain of replacements in one walk.
  aicc_value **map = AICC_NEW_ARRAY(&f.module->arena, aicc_value *, f.module->value_count);
  map[f.x->id] = a;
  map[y->id] = sum;
  aicc_values_replace(f.module, map);
  ck_assert_ptr_eq(f.module->body->results[0], sum);
  ck_assert_ptr_eq(f.module->body->results[1], a);
  finish(&f);
}
END_TEST

START_TEST(attributes_are_sorted_replaced_and_removed) {
  fixture f;
  start(&f);
  aicc_node *node = aicc_node_create(f.module, AICC_OP_OPAQUE, NULL, 0, 0);
  for (int i = AICC_ATTR_KEY_COUNT - 1; i >= 0; i--) {
    if (aicc_attr_table[i].kind == AICC_ATTR_KIND_INT) {
      aicc_set_int(f.module, node, (aicc_attr_key)i, i);
    }
  }
  const int count = node->attr_count;
  ck_assert_int_gt(count, 10);
  for (int i = 1; i < count; i++) {
    ck_assert_int_lt((int)node->attrs[i - 1].key, (int)node->attrs[i].key);
  }
  aicc_set_int(f.module, node, AICC_ATTR_AXIS, 77);
  ck_assert_int_eq(node->attr_count, count);
  ck_assert_int_eq(aicc_get_int(node, AICC_ATTR_AXIS, 0), 77);
  aicc_attr_remove(node, AICC_ATTR_AXIS);
  ck_assert_int_eq(node->attr_count, count - 1);
  ck_assert_int_eq(aicc_get_int(node, AICC_ATTR_AXIS, -5), -5);
  finish(&f);
}
END_TEST

START_TEST(origins_are_a_sorted_set) {
  fixture f;
  start(&f);
  const aicc_origin one[] = {{"b", "Add", 7}, {"a", "Relu", 3}}, two[] = {{"c", "Mul", 5}, one[0]};
  f.b.origins = one;
  f.b.origin_count = 2;
  aicc_node *node = aicc_b_unary(&f.b, AICC_OP_NEG, f.x)->def;
  aicc_node_add_origins(f.module, node, two, 2);
  ck_assert_int_eq(node->origin_count, 3);
  ck_assert_str_eq(node->origins[0].node, "a");
  ck_assert_str_eq(node->origins[1].node, "c");
  ck_assert_str_eq(node->origins[2].node, "b");
  finish(&f);
}
END_TEST

START_TEST(what_changes_nothing_makes_no_node) {
  fixture f;
  start(&f);
  const aicc_dim *dims = f.x->type.dims;
  const aicc_dim zero = aicc_dim_const(f.module->dims, 0), zeros[] = {zero, zero};
  const int64_t same[] = {0, 1}, steps[] = {1, 1};
  ck_assert_ptr_eq(aicc_b_reshape(&f.b, f.x, dims, 2), f.x);
  ck_assert_ptr_eq(aicc_b_transpose(&f.b, f.x, same), f.x);
  ck_assert_ptr_eq(aicc_b_broadcast(&f.b, f.x, dims, 2), f.x);
  ck_assert_ptr_eq(aicc_b_slices(&f.b, f.x, zeros, steps, dims), f.x);
  ck_assert_ptr_eq(aicc_b_pad(&f.b, f.x, NULL, zeros, zeros, "edge"), f.x);
  ck_assert_ptr_eq(aicc_b_concat(&f.b, &f.x, 1, 0), f.x);
  ck_assert_ptr_eq(aicc_b_cast(&f.b, f.x, AICC_F32), f.x);
  ck_assert_ptr_eq(aicc_b_reduce(&f.b, AICC_OP_REDUCE_SUM, f.x, same, 0, true), f.x);
  ck_assert_ptr_null(f.module->body->first);
  ck_assert_uint_eq(f.diags.count, 0);
  finish(&f);
}
END_TEST

START_TEST(bad_operands_are_reported_once) {
  fixture f;
  start(&f);
  const aicc_dim three = aicc_dim_const(f.module->dims, 3);
  aicc_value *i = aicc_b_iota(&f.b, AICC_F32, &three, 1, 0);
  aicc_value *bad = aicc_b_binary(&f.b, AICC_OP_ADD, f.x, i);  // 4 against 3
  ck_assert_ptr_null(bad);
  ck_assert_uint_eq(f.diags.error_count, 1);
  ck_assert_ptr_null(aicc_b_unary(&f.b, AICC_OP_NEG, bad));
  ck_assert_ptr_null(aicc_b_select(&f.b, bad, f.x, f.x));
  ck_assert_ptr_null(aicc_b_concat(&f.b, &bad, 1, 0));
  ck_assert_uint_eq(f.diags.error_count, 1);
  const int64_t axes[] = {0, -2};
  ck_assert_ptr_null(aicc_b_reduce(&f.b, AICC_OP_REDUCE_MAX, f.x, axes, 2, true));
  ck_assert_uint_eq(f.diags.error_count, 2);
  ck_assert_ptr_null(aicc_b_squeeze(&f.b, f.x, 1));
  ck_assert_uint_eq(f.diags.error_count, 3);
  // What failed is not left behind in the graph.
  ck_assert_ptr_eq(f.module->body->first, i->def);
  ck_assert_ptr_eq(f.module->body->last, i->def);
  finish(&f);
}
END_TEST

START_TEST(sizes_that_are_data_become_symbols_behind_their_tensor) {
  fixture f;
  start(&f);
  const aicc_dim two = aicc_dim_const(f.module->dims, 2);
  aicc_value *n = aicc_region_add_param(f.module, f.module->body, "n",
                                        aicc_type_tensor(f.module, AICC_I64, &two, 1));
  aicc_b_unary(&f.b, AICC_OP_NEG, f.x);
  aicc_value *m = aicc_b_unary(&f.b, AICC_OP_NEG, n);
  aicc_value *last = aicc_b_unary(&f.b, AICC_OP_ABS, f.x);
  const aicc_dim *dims, *again;
  int count;
  ck_assert(aicc_b_as_dims(&f.b, m, &dims, &count));
  ck_assert_int_eq(count, 2);
  ck_assert_int_eq(m->def->next->op, AICC_OP_DEF_DIM);
  ck_assert_int_eq(aicc_get_int(m->def->next, AICC_ATTR_INDEX, -1), 0);
  ck_assert_int_eq(aicc_get_int(m->def->next->next, AICC_ATTR_INDEX, -1), 1);
  ck_assert_ptr_eq(m->def->next->next->next, last->def);
  int64_t lower, upper;
  aicc_dim_bounds(f.module->dims, dims[0], &lower, &upper);
  ck_assert_int_lt(lower, 0);
  ck_assert(aicc_b_as_dims(&f.b, m, &again, &count));
  ck_assert_ptr_eq(again, dims);
  ck_assert(!aicc_b_as_dims(&f.b, f.x, &dims, &count));
  ck_assert_uint_eq(f.diags.error_count, 1);
  finish(&f);
}
END_TEST

START_TEST(buffers_are_kept_once_and_released) {
  fixture f;
  start(&f);
  aicc_buf *buf = aicc_buf_create_copy("abcdefgh", 8);
  const int64_t shape[] = {8};
  const aicc_tensor tensor = {
      .dtype = AICC_U8, .rank = 1, .shape = shape, .data = aicc_buf_data(buf), .buf = buf};
  aicc_b_const(&f.b, &tensor);
  aicc_value *c = aicc_b_const(&f.b, &tensor);
  aicc_buf_release(buf);
  ck_assert_uint_eq(f.module->buf_count, 1);
  ck_assert_mem_eq(aicc_value_constant(c)->data, "abcdefgh", 8);
  ck_assert_ptr_null(aicc_value_constant(f.x));
  finish(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("graph");
  TCase *t = tcase_create("graph");
  tcase_add_test(t, nodes_are_kept_in_order);
  tcase_add_test(t, uses_are_counted_and_replaced_in_regions_too);
  tcase_add_test(t, attributes_are_sorted_replaced_and_removed);
  tcase_add_test(t, origins_are_a_sorted_set);
  tcase_add_test(t, what_changes_nothing_makes_no_node);
  tcase_add_test(t, bad_operands_are_reported_once);
  tcase_add_test(t, sizes_that_are_data_become_symbols_behind_their_tensor);
  tcase_add_test(t, buffers_are_kept_once_and_released);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
