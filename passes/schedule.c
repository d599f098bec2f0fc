#include "passes/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "passes/schedule_attention.h"

static bool read_count(const char **at, int limit, int *out) {
  char *end = NULL;
  if (**at < '1' || **at > '9') {
    return false;
  }
  const long value = strtol(*at, &end, 10);
  *at = end;
  *out = (int)value;
  return value <= limit;
}

bool aicc_schedule_parse(const char *text, aicc_schedule *out) {
  enum { TASK_ROWS_MAX = 1 << 20 };
  *out = (aicc_schedule){0};
  if (!read_count(&text, AICC_SCHEDULE_ROWS_MAX, &out->mr) || *text++ != 'x' ||
      !read_count(&text, AICC_SCHEDULE_VECTORS_MAX, &out->nv)) {
    return false;
  }
  if (*text == 0) {
    return true;
  }
  static const char rows[] = " rows=";
  if (strncmp(text, rows, sizeof rows - 1) != 0) {
    return false;
  }
  text += sizeof rows - 1;
  return read_count(&text, TASK_ROWS_MAX, &out->rows) && *text == 0 && out->rows % out->mr == 0;
}

// Whether |group| is of the |sort| "contract" or "attention".
static bool is_of_sort(const aicc_node *group, const char *sort) {
  if (strcmp(sort, "contract") == 0) {
    return strcmp(aicc_get_string(group, AICC_ATTR_KIND, ""), sort) == 0;
  }
  const aicc_node *node = group->regions[0]->first;
  while (node && node->op != AICC_OP_ATTENTION) {
    node = node->next;
  }
  return node != NULL;
}

static bool is_meant(const aicc_node *group, const char *which, const char *sort) {
  if (!is_of_sort(group, sort)) {
    return false;
  }
  if (strcmp(which, sort) == 0) {
    return true;
  }
  for (int i = 0; i < group->origin_count; i++) {
    if (strcmp(group->origins[i].node, which) == 0) {
      return true;
    }
  }
  return false;
}

static int force_region(aicc_module *module, aicc_region *region, const char *which,
                        const char *sort, const char *schedule) {
  int found = 0;
  for (aicc_node *node = region->first; node; node = node->next) {
    if (node->op == AICC_OP_GROUP && is_meant(node, which, sort)) {
      aicc_set_string(module, node, AICC_ATTR_SCHEDULE, schedule);
      found++;
    }
    for (int i = 0; i < node->region_count && node->op != AICC_OP_GROUP; i++) {
      found += force_region(module, node->regions[i], which, sort, schedule);
    }
  }
  return found;
}

// " rows=64" has an '=' of its own, and names of nodes may.
int aicc_schedule_force(aicc_module *module, const char *item) {
  aicc_schedule parsed;
  aicc_attention_schedule attention;
  for (const char *equals = strchr(item, '='); equals; equals = strchr(equals + 1, '=')) {
    const char *sort = aicc_schedule_parse(equals + 1, &parsed)            ? "contract"
                       : aicc_attention_parse(equals + 1, &attention) ? "attention" : NULL;
    if (equals != item && sort) {
      const char *which = aicc_arena_printf(&module->arena, "%.*s", (int)(equals - item), item);
      return force_region(module, module->body, which, sort, equals + 1);
    }
  }
  return -1;
}
