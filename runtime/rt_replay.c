#include "rt_replay.h"

#include <string.h>

#include "rt_session.h"

// What the model said of an output.
typedef struct aicc_rt_replay_output {
  void *data;
  int64_t bytes;
  int32_t rank;
  bool absent;
  int64_t dims[AICC_RT_MAX_RANK];
} replay_output;

enum { INPUT_WORDS = 2 + AICC_RT_MAX_RANK, OUTPUT_WORDS = 2 };

static uint32_t output_count(const aicc_rt_session *session) {
  return session->model->info.output_count;
}

// Sequences are made anew by every run.
static bool has_sequences(const aicc_rt_session *session) {
  for (uint32_t i = 0; i < session->model->info.input_count; i++) {
    if (session->inputs[i].items != NULL) {
      return true;
    }
  }
  return false;
}

static void make_key(aicc_rt_session *session) {
  uint64_t *at = session->replays.key;
  memset(at, 0, session->replays.words * sizeof *at);
  for (uint32_t i = 0; i < session->model->info.input_count; i++, at += INPUT_WORDS) {
    at[0] = (uint64_t)(uintptr_t)session->input_data[i];
    at[1] = (uint64_t)session->input_ranks[i];
    for (int32_t d = 0; session->input_dims[i] != NULL && d < session->input_ranks[i]; d++) {
      at[2 + d] = (uint64_t)session->input_dims[i][d];
    }
  }
  for (uint32_t i = 0; i < output_count(session); i++, at += OUTPUT_WORDS) {
    const aicc_rt_binding *tensor = &session->outputs[i].tensor;
    at[0] = tensor->set ? 1u + tensor->on_device : 0;
    at[1] = tensor->set ? (uint64_t)(uintptr_t)tensor->data : 0;
  }
}

static void forget(aicc_rt_session *session, aicc_rt_replay_entry *entry) {
  if (entry->replay != NULL) {
    session->ops->forget(session->device, entry->replay);
  }
  entry->replay = NULL;
  entry->refused = false;
}

// The entry of this run; NULL where it is the first of its kind.
static aicc_rt_replay_entry *find(aicc_rt_session *session) {
  aicc_rt_replays *replays = &session->replays;
  for (int i = 0; i < AICC_RT_REPLAYS; i++) {
    aicc_rt_replay_entry *entry = &replays->entries[i];
    if (entry->key != NULL && entry->used > 0 &&
        memcmp(entry->key, replays->key, replays->words * sizeof *replays->key) == 0) {
      if (entry->moves != session->arena.moves) {
        forget(session, entry);
        entry->moves = session->arena.moves;
      }
      entry->used = ++replays->clock;
      return entry;
    }
  }
  return NULL;
}

// Notes that a run like this one happened. Without memory for it there are no repetitions.
static void note(aicc_rt_session *session) {
  aicc_rt_replays *replays = &session->replays;
  aicc_rt_replay_entry *oldest = &replays->entries[0];
  for (int i = 1; i < AICC_RT_REPLAYS; i++) {
    oldest = replays->entries[i].used < oldest->used ? &replays->entries[i] : oldest;
  }
  forget(session, oldest);
  oldest->used = 0;
  if (oldest->key == NULL) {
    oldest->key = aicc_rt_new(&session->allocator, replays->words, sizeof *oldest->key);
  }
  if (oldest->outputs == NULL) {
    oldest->outputs =
        aicc_rt_new(&session->allocator, output_count(session), sizeof *oldest->outputs);
  }
  if (oldest->key != NULL && oldest->outputs != NULL) {
    memcpy(oldest->key, replays->key, replays->words * sizeof *oldest->key);
    oldest->used = ++replays->clock;
    oldest->moves = session->arena.moves;
  }
}

static void save_outputs(const aicc_rt_session *session, aicc_rt_replay_entry *entry) {
  for (uint32_t i = 0; i < output_count(session); i++) {
    const aicc_rt_output *from = &session->outputs[i];
    replay_output *to = &entry->outputs[i];
    *to = (replay_output){.data = from->data, .bytes = from->bytes, .rank = from->rank,
                          .absent = from->absent};
    memcpy(to->dims, from->dims, sizeof to->dims);
  }
  entry->memory = (aicc_rt_memory){0};
  aicc_rt_arena_memory(&session->arena, &entry->memory);
}

static void restore_outputs(aicc_rt_session *session, const aicc_rt_replay_entry *entry) {
  for (uint32_t i = 0; i < output_count(session); i++) {
    const replay_output *from = &entry->outputs[i];
    aicc_rt_output *to = &session->outputs[i];
    to->data = from->data;
    to->bytes = from->bytes;
    to->rank = from->rank;
    memcpy(to->dims, from->dims, sizeof to->dims);
    to->made = true;
    to->absent = from->absent;
    to->sequence = NULL;
  }
}

// Is the run recorded now? Else it has to be done in the usual way.
static bool record(aicc_rt_session *session, aicc_rt_replay_entry *entry) {
  aicc_rt_error *error = session->error, ignored;
  if (!session->ops->record_begin(session->device)) {
    return false;
  }
  session->error = &ignored;  // what goes wrong here goes wrong again, or was the recording's fault
  aicc_rt_session_reset(session);
  const bool good = aicc_rt_session_call(session) == AICC_RT_OK && !session->depends &&
                    entry->moves == session->arena.moves;
  session->error = error;
  session->status = AICC_RT_OK;
  entry->replay = session->ops->record_end(session->device, good);
  if (entry->replay != NULL) {
    save_outputs(session, entry);
  }
  return entry->replay != NULL;
}

static aicc_rt_status call(aicc_rt_session *session) {
  aicc_rt_session_reset(session);
  const aicc_rt_status status = aicc_rt_upload_sequences(session);
  return status == AICC_RT_OK ? aicc_rt_session_call(session) : status;
}

aicc_rt_status aicc_rt_replay_run(aicc_rt_session *session) {
  aicc_rt_replays *replays = &session->replays;
  if (!session->graphs || session->trace.on || has_sequences(session)) {
    return call(session);
  }
  if (replays->key == NULL) {
    replays->words = (size_t)session->model->info.input_count * INPUT_WORDS +
                     (size_t)output_count(session) * OUTPUT_WORDS + 1;
    replays->key = aicc_rt_new(&session->allocator, replays->words, sizeof *replays->key);
    if (replays->key == NULL) {
      return aicc_rt_fail(session->error, AICC_RT_MEMORY, "no memory for the tables of a session");
    }
  }
  make_key(session);
  aicc_rt_replay_entry *entry = find(session);
  if (entry != NULL && entry->replay == NULL && !entry->refused) {
    entry->refused = !record(session, entry);
  }
  if (entry != NULL && entry->replay != NULL) {
    restore_outputs(session, entry);
    replays->last = entry;
    return session->ops->replay(session->device, entry->replay, session->error);
  }
  const aicc_rt_status status = call(session);
  if (status == AICC_RT_OK && entry == NULL && !session->depends) {
    note(session);
  }
  return status;
}

void aicc_rt_replays_deinit(aicc_rt_session *session) {
  aicc_rt_replays *replays = &session->replays;
  const aicc_rt_allocator *allocator = &session->allocator;
  for (int i = 0; i < AICC_RT_REPLAYS; i++) {
    aicc_rt_replay_entry *entry = &replays->entries[i];
    if (session->device != NULL) {
      forget(session, entry);
    }
    aicc_rt_delete(allocator, entry->key, replays->words, sizeof *entry->key);
    aicc_rt_delete(allocator, entry->outputs, output_count(session), sizeof *entry->outputs);
  }
  aicc_rt_delete(allocator, replays->key, replays->words, sizeof *replays->key);
}
