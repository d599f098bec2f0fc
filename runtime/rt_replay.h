// Runs that are repeated from a recording: those of the same shapes and addresses as one before,
// whose course did not depend on data. The first run of its kind is only noted, the second
// recorded.
#ifndef AICC_RT_REPLAY_H
#define AICC_RT_REPLAY_H

#include "rt_device.h"

// Runs remembered.
#define AICC_RT_REPLAYS 4

struct aicc_rt_replay_output;

typedef struct aicc_rt_replay_entry {
  uint64_t *key;   // shapes and addresses; NULL: unused
  uint64_t used;   // clock of the last use
  uint64_t moves;  // of the arena
  aicc_rt_replay *replay;  // NULL: noted
  bool refused;            // cannot be recorded
  struct aicc_rt_replay_output *outputs;
  aicc_rt_memory memory;   // planned for it: arena_bytes and live_bytes
} aicc_rt_replay_entry;

typedef struct aicc_rt_replays {
  uint64_t *key;  // of the run in progress
  size_t words;
  uint64_t clock;
  aicc_rt_replay_entry entries[AICC_RT_REPLAYS];
  const aicc_rt_replay_entry *last;  // what the last run repeated; NULL: it called the model
} aicc_rt_replays;

struct aicc_rt_session;

// Runs the model on its inputs, which are on the device: repeats, records, or calls it.
aicc_rt_status aicc_rt_replay_run(struct aicc_rt_session *session);
void aicc_rt_replays_deinit(struct aicc_rt_session *session);

#endif
