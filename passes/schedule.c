#include "passes/schedule.h"

#include <stdlib.h>
#include <string.h>

#include "passes/schedule_attention.h"
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

// What follows |word| at the cursor.
static bool skip(const char **at, const char *word) {
  const size_t length = strlen(word);
  if (strncmp(*at, word, length) != 0) {
    return false;
  }
  *at += length;
  return true;
}

static bool read_pair(const char **at, int limit, int *x, int *y) {
  return read_count(at, limit, x) && skip(at, "x") && read_count(at, limit, y);
}

static bool parse_block(const char *text, aicc_schedule *out) {
  enum { TASK_ROWS_MAX = 1 << 20 };
  if (!read_count(&text, AICC_SCHEDULE_ROWS_MAX, &out->mr) || !skip(&text, "x") ||
      !read_count(&text, AICC_SCHEDULE_VECTORS_MAX, &out->nv)) {
    return false;
  }
  if (*text == 0) {
    return true;
  }
  return skip(&text, " rows=") && read_count(&text, TASK_ROWS_MAX, &out->rows) && *text == 0 &&
         out->rows % out->mr == 0;
}

enum { TILE_MIN = 8, TILE_MAX = 256, STEP_MIN = 4, STEP_MAX = 128, ACROSS_MAX = 16 };
enum { STAGES_MIN = 2, STAGES_MAX = 6, SPLIT_MAX = 64 };
enum { STREAM_WARPS_MAX = 16, STREAM_LANES_MAX = 4 };

// MxNxK, then threads or warps, stages, split.
static bool parse_tile(const char *text, const char *across, aicc_schedule *out) {
  out->split = 1;
  if (!read_pair(&text, TILE_MAX, &out->m, &out->n) || !skip(&text, "x") ||
      !read_count(&text, STEP_MAX, &out->k) || !skip(&text, across) ||
      !read_pair(&text, ACROSS_MAX, &out->across_m, &out->across_n) ||
      !skip(&text, " stages ") || !read_count(&text, STAGES_MAX, &out->stages)) {
    return false;
  }
  if (skip(&text, " split ") && !read_count(&text, SPLIT_MAX, &out->split)) {
    return false;
  }
  return *text == 0 && out->m >= TILE_MIN && out->n >= TILE_MIN && out->k >= STEP_MIN &&
         out->stages >= STAGES_MIN && out->m % out->across_m == 0 && out->n % out->across_n == 0;
}

static bool parse_stream(const char *text, aicc_schedule *out) {
  out->split = 1;
  if (!read_count(&text, AICC_SCHEDULE_STREAM_ROWS_MAX, &out->rows) || !skip(&text, " warps ") ||
      !read_count(&text, STREAM_WARPS_MAX, &out->warps) ||
      (skip(&text, " lanes ") && !read_count(&text, STREAM_LANES_MAX, &out->lanes)) ||
      (skip(&text, " split ") && !read_count(&text, SPLIT_MAX, &out->split))) {
    return false;
  }
  return *text == 0 && out->lanes != 3;
}

bool aicc_schedule_parse(const char *text, aicc_schedule *out) {
  *out = (aicc_schedule){.kind = AICC_SCHEDULE_BLOCK};
  if (skip(&text, "simt ")) {
    out->kind = AICC_SCHEDULE_SIMT;
    return parse_tile(text, " threads ", out);
  }
  if (skip(&text, "mma ")) {
    out->kind = AICC_SCHEDULE_MMA;
    return parse_tile(text, " warps ", out);
  }
  if (skip(&text, "rows ")) {
    out->kind = AICC_SCHEDULE_STREAM;
    return parse_stream(text, out);
  }
  return parse_block(text, out);
}

const char *aicc_schedule_print(const aicc_schedule *s, aicc_arena *arena) {
  const bool simt = s->kind == AICC_SCHEDULE_SIMT;
  const char *text;
  if (s->kind == AICC_SCHEDULE_BLOCK) {
    return s->rows > 0 ? aicc_arena_printf(arena, "%dx%d rows=%d", s->mr, s->nv, s->rows)
                       : aicc_arena_printf(arena, "%dx%d", s->mr, s->nv);
  }
  if (s->kind == AICC_SCHEDULE_STREAM) {
    text = aicc_arena_printf(arena, "rows %d warps %d", s->rows, s->warps);
    text = s->lanes > 0 ? aicc_arena_printf(arena, "%s lanes %d", text, s->lanes) : text;
  } else {
    text = aicc_arena_printf(arena, "%s %dx%dx%d %s %dx%d stages %d", simt ? "simt" : "mma", s->m,
                             s->n, s->k, simt ? "threads" : "warps", s->across_m, s->across_n,
                             s->stages);
  }
  return s->split > 1 ? aicc_arena_printf(arena, "%s split %d", text, s->split) : text;
}

// Whether |text| is a schedule for groups of a |sort|.
static bool is_schedule_of(const char *sort, const char *text) {
  aicc_schedule contract;
  aicc_attention_schedule attention;
  aicc_map_schedule map;
  aicc_row_schedule row;
  return strcmp(sort, "contract") == 0    ? aicc_schedule_parse(text, &contract)
         : strcmp(sort, "map") == 0       ? aicc_map_schedule_parse(text, &map)
         : strcmp(sort, "row") == 0       ? aicc_row_schedule_parse(text, &row)
         : strcmp(sort, "attention") == 0 ? aicc_attention_parse(text, &attention)
                                          : false;
}

static bool is_schedule(const char *text) {
  return is_schedule_of("contract", text) || is_schedule_of("map", text) ||
         is_schedule_of("row", text) || is_schedule_of("attention", text);
}

// "contract", "map", "row" or, of groups around that operator, "attention": what schedules are for.
static const char *sort_of(const aicc_node *group) {
  for (const aicc_node *node = group->regions[0]->first; node; node = node->next) {
    if (node->op == AICC_OP_ATTENTION) {
      return "attention";
    }
  }
  return aicc_get_string(group, AICC_ATTR_KIND, "");
}

static bool is_meant(const aicc_node *group, const char *which, const char *schedule) {
  const char *sort = sort_of(group);
  if (!is_schedule_of(sort, schedule)) {
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
