#include "passes/schedule_map.h"

#include <stdlib.h>
#include <string.h>

enum { VECTOR_MAX = 8, TASK_MAX = 1 << 20, LANES_MAX = 64, WARPS_MAX = 8, SPLIT_MAX = 4096 };

// "WORD N" at the cursor, with a space before it unless it stands first.
static bool read_item(const char **at, const char *start, const char *word, int limit, int *out) {
  const char *text = *at;
  if (text != start && *text++ != ' ') {
    return false;
  }
  const size_t length = strlen(word);
  if (strncmp(text, word, length) != 0 || text[length] != ' ' || text[length + 1] < '1' ||
      text[length + 1] > '9') {
    return false;
  }
  char *end = NULL;
  const long value = strtol(text + length + 1, &end, 10);
  *at = end;
  *out = (int)value;
  return value <= limit;
}

static bool is_power(int value) { return (value & (value - 1)) == 0; }

bool aicc_map_schedule_parse(const char *text, aicc_map_schedule *out) {
  const char *at = text;
  *out = (aicc_map_schedule){.tile = strcmp(text, "tile") == 0};
  if (out->tile) {
    return true;
  }
  if (read_item(&at, text, "task", TASK_MAX, &out->task)) {
    return *at == 0;
  }
  at = text;
  out->task = 0;
  return read_item(&at, text, "vector", VECTOR_MAX, &out->vector) && is_power(out->vector) &&
         (*at == 0 || (read_item(&at, text, "task", TASK_MAX, &out->task) && *at == 0 &&
                       out->task % out->vector == 0));
}

bool aicc_row_schedule_parse(const char *text, aicc_row_schedule *out) {
  const char *at = text;
  *out = (aicc_row_schedule){.warps = 1, .split = 1};
  if (read_item(&at, text, "lanes", LANES_MAX, &out->lanes)) {
    return *at == 0 && is_power(out->lanes);
  }
  at = text;
  out->lanes = 0;
  if (read_item(&at, text, "task", TASK_MAX, &out->task)) {
    return *at == 0;
  }
  at = text;
  out->task = 0;
  return read_item(&at, text, "warps", WARPS_MAX, &out->warps) && is_power(out->warps) &&
         (*at == 0 || (read_item(&at, text, "split", SPLIT_MAX, &out->split) && *at == 0));
}

const char *aicc_map_schedule_print(const aicc_map_schedule *schedule, aicc_arena *arena) {
  if (schedule->tile) {
    return "tile";
  }
  if (schedule->vector == 0) {
    return aicc_arena_printf(arena, "task %d", schedule->task);
  }
  return schedule->task > 0
             ? aicc_arena_printf(arena, "vector %d task %d", schedule->vector, schedule->task)
             : aicc_arena_printf(arena, "vector %d", schedule->vector);
}

const char *aicc_row_schedule_print(const aicc_row_schedule *schedule, aicc_arena *arena) {
  if (schedule->task > 0) {
    return aicc_arena_printf(arena, "task %d", schedule->task);
  }
  if (schedule->lanes > 0) {
    return aicc_arena_printf(arena, "lanes %d", schedule->lanes);
  }
  return schedule->split > 1
             ? aicc_arena_printf(arena, "warps %d split %d", schedule->warps, schedule->split)
             : aicc_arena_printf(arena, "warps %d", schedule->warps);
}
