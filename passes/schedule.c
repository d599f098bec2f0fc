#include "passes/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "passes/schedule_map.h"

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

// Whether |text| is a schedule for groups of |kind|.
static bool is_schedule_of(const char *kind, const char *text) {
  aicc_schedule contract;
  aicc_map_schedule map;
  aicc_row_schedule row;
  return strcmp(kind, "contract") == 0 ? aicc_schedule_parse(text, &contract)
         : strcmp(kind, "map") == 0    ? aicc_map_schedule_parse(text, &map)
         : strcmp(kind, "row") == 0    ? aicc_row_schedule_parse(text, &row)
                                       : false;
}

static bool is_schedule(const char *text) {
  return is_schedule_of("contract", text) || is_schedule_of("map", text) ||
         is_schedule_of("row", text);
}

static bool is_meant(const aicc_node *group, const char *which, const char *schedule) {
  const char *kind = aicc_get_string(group, AICC_ATTR_KIND, "");
  if (!is_schedule_of(kind, schedule)) {
    return false;
  }
  if (strcmp(which, kind) == 0) {
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
                        const char *schedule) {
  int found = 0;
  for (aicc_node *node = region->first; node; node = node->next) {
    if (node->op == AICC_OP_GROUP && is_meant(node, which, schedule)) {
      aicc_set_string(module, node, AICC_ATTR_SCHEDULE, schedule);
      found++;
    }
    for (int i = 0; i < node->region_count && node->op != AICC_OP_GROUP; i++) {
      found += force_region(module, node->regions[i], which, schedule);
    }
  }
  return found;
}

// " rows=64" has an '=' of its own, and names of nodes may.
int aicc_schedule_force(aicc_module *module, const char *item) {
  for (const char *equals = strchr(item, '='); equals; equals = strchr(equals + 1, '=')) {
    if (equals != item && is_schedule(equals + 1)) {
      const char *which = aicc_arena_printf(&module->arena, "%.*s", (int)(equals - item), item);
      return force_region(module, module->body, which, equals + 1);
    }
  }
  return -1;
}
