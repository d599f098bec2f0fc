#include "codegen/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/file.h"

// A child reads job numbers (uint64_t) from one pipe until it is closed, and answers each with a
// header, the reply's bytes and the diagnostics' bytes on the other.
typedef struct answer_header {
  uint64_t reply_size, diags_size;
  uint32_t status, unused;
} answer_header;

// A diagnostic on the wire: this and the texts, of lengths[i] bytes each without a zero; a length
// of UINT32_MAX stands for NULL.
enum { TEXT_FILE, TEXT_NODE, TEXT_OP, TEXT_SHAPES, TEXT_MESSAGE, TEXT_COUNT };
typedef struct diag_header {
  uint32_t id;
  int32_t line, column, opset;
  uint32_t lengths[TEXT_COUNT];
} diag_header;

typedef struct worker_child {
  pid_t pid;
  int jobs_fd, answers_fd;  // -1: no child
  int log;                  // a file in memory that is its stderr
  bool busy;
  size_t job;
  uint64_t received;  // bytes of the current answer
  answer_header header;
  unsigned char *body;
} worker_child;

typedef struct job_diags {
  const unsigned char *data;  // the encoded diagnostics
  uint64_t size;
  const char *death;    // how its process ended; NULL: it answered
  const char *said;     // on stderr
} job_diags;

typedef struct job_pool {
  const cg_jobs *jobs;
  cg_result *results;
  job_diags *notes;  // per job
  aicc_arena *arena;
  aicc_diags *diags;
  worker_child *workers;
  size_t worker_count;
  size_t next;  // job that has not been given out
  size_t done;
} job_pool;

void cg_reply_add(cg_reply *reply, const void *data, size_t size) {
  if (size > reply->capacity - reply->size) {
    size_t capacity = reply->capacity ? reply->capacity : 4096;
    while (capacity - reply->size < size) {
      capacity *= 2;
    }
    unsigned char *bytes = realloc(reply->data, capacity);
    if (!bytes) {
      fprintf(stderr, "out of memory (asked for %zu bytes)\n", capacity);
      abort();  // the parent tells which job it was
    }
    reply->data = bytes;
    reply->capacity = capacity;
  }
  if (size > 0) {
    memcpy(reply->data + reply->size, data, size);
    reply->size += size;
  }
}

// ---- in the child ------------------------------------------------------------------------------

static void encode_diag(cg_reply *to, const aicc_diag *diag) {
  const char *const texts[TEXT_COUNT] = {diag->loc.file, diag->loc.node, diag->loc.op,
                                         diag->loc.shapes, diag->text};
  diag_header header = {.id = (uint32_t)diag->id,
                        .line = diag->loc.line,
                        .column = diag->loc.column,
                        .opset = diag->loc.opset};
  for (int i = 0; i < TEXT_COUNT; i++) {
    header.lengths[i] = texts[i] ? (uint32_t)strlen(texts[i]) : UINT32_MAX;
  }
  cg_reply_add(to, &header, sizeof header);
  for (int i = 0; i < TEXT_COUNT; i++) {
    cg_reply_add(to, texts[i], texts[i] ? header.lengths[i] : 0);
  }
}

static bool answer_job(const cg_jobs *jobs, size_t index, int answers) {
  cg_reply reply = {0}, encoded = {0};
  aicc_diags diags;
  aicc_diags_init(&diags);
  const aicc_status status = jobs->run(jobs->user, index, &reply, &diags);
  for (size_t i = 0; i < diags.count; i++) {
    encode_diag(&encoded, &diags.items[i]);
  }
  const answer_header header = {
      .reply_size = reply.size, .diags_size = encoded.size, .status = (uint32_t)status};
  const bool ok = cg_write_all(answers, &header, sizeof header) &&
                  cg_write_all(answers, reply.data, reply.size) &&
                  cg_write_all(answers, encoded.data, encoded.size);
  aicc_diags_deinit(&diags);
  free(reply.data);
  free(encoded.data);
  return ok;
}

AICC_NORETURN static void serve(const cg_jobs *jobs, int jobs_fd, int answers, int log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // no child outlives a killed compiler
  dup2(log, STDERR_FILENO);
  uint64_t index;
  bool ok = true;
  while (ok && cg_read_all(jobs_fd, &index, sizeof index)) {
    // Only the log of the job at hand is of interest.
    ok = ftruncate(log, 0) == 0 && lseek(log, 0, SEEK_SET) == 0 &&
         answer_job(jobs, (size_t)index, answers);
  }
  _exit(0);  // not exit: the caller's buffers and handlers are not ours to run
}

// ---- in the parent -----------------------------------------------------------------------------

static void close_fd(int *fd) {
  if (*fd >= 0) {
    close(*fd);
    *fd = -1;
  }
}

// A child must not hold the other children's pipes: it would keep them alive.
static void close_all(job_pool *pool) {
  for (size_t i = 0; i < pool->worker_count; i++) {
    close_fd(&pool->workers[i].jobs_fd);
    close_fd(&pool->workers[i].answers_fd);
  }
}

static bool start_worker(job_pool *pool, worker_child *worker) {
  int to[2], from[2];
  if (pipe2(to, O_CLOEXEC) != 0) {
    return false;
  }
  if (pipe2(from, O_CLOEXEC) != 0) {
    close(to[0]);
    close(to[1]);
    return false;
  }
  fflush(NULL);  // or the child might write buffered output a second time
  const pid_t pid = fork();
  if (pid == 0) {
    close_all(pool);
    close(to[1]);
    close(from[0]);
    serve(pool->jobs, to[0], from[1], worker->log);
  }
  close(to[0]);
  close(from[1]);
  if (pid < 0) {
    close(to[1]);
    close(from[0]);
    return false;
  }
  worker->pid = pid;
  worker->jobs_fd = to[1];
  worker->answers_fd = from[0];
  worker->busy = false;
  return true;
}

// Waits for the child, whose answer pipe has ended or is no longer wanted; its wait status.
static int end_worker(worker_child *worker) {
  close_fd(&worker->jobs_fd);
  close_fd(&worker->answers_fd);
  int status = 0;
  while (waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
  }
  worker->pid = 0;
  worker->busy = false;
  return status;
}

static void note_death(job_pool *pool, worker_child *worker) {
  job_diags *note = &pool->notes[worker->job];
  pool->results[worker->job].status = AICC_INTERNAL;
  const int status = end_worker(worker);
  if (WIFSIGNALED(status)) {
    note->death = aicc_arena_printf(pool->arena, "crashed with signal %d (%s)", WTERMSIG(status),
                                    strsignal(WTERMSIG(status)));
  } else {
    note->death = aicc_arena_printf(pool->arena, "ended its process with code %d",
                                    WEXITSTATUS(status));
  }
  note->said = cg_read_text(worker->log, pool->arena);
  pool->done++;
}

static void finish_answer(job_pool *pool, worker_child *worker) {
  const answer_header *header = &worker->header;
  cg_result *result = &pool->results[worker->job];
  result->status = (aicc_status)header->status;
  if (result->status == AICC_OK) {
    result->data = worker->body;
    result->size = (size_t)header->reply_size;
  }
  pool->notes[worker->job] =
      (job_diags){.data = worker->body + header->reply_size, .size = header->diags_size};
  worker->busy = false;
  pool->done++;
}

// Reads what has come of an answer, the header first; false at the end of the pipe.
static bool receive(job_pool *pool, worker_child *worker) {
  const uint64_t header_size = sizeof worker->header;
  const bool in_header = worker->received < header_size;
  const uint64_t total = in_header ? header_size
                                   : header_size + worker->header.reply_size +
                                         worker->header.diags_size;
  unsigned char *to = in_header ? (unsigned char *)&worker->header + worker->received
                                : worker->body + (worker->received - header_size);
  const ssize_t got = read(worker->answers_fd, to, (size_t)(total - worker->received));
  if (got <= 0) {
    return got < 0 && errno == EINTR;
  }
  worker->received += (uint64_t)got;
  if (in_header && worker->received == header_size) {
    worker->body = aicc_arena_alloc(
        pool->arena, (size_t)(worker->header.reply_size + worker->header.diags_size));
  }
  if (worker->received >= header_size &&
      worker->received == header_size + worker->header.reply_size + worker->header.diags_size) {
    finish_answer(pool, worker);
  }
  return true;
}

// Gives the next job to an idle worker, which may first need a process. A child that died between
// two jobs is noticed when its answer is read.
static bool give_job(job_pool *pool, worker_child *worker) {
  if (worker->pid == 0 && !start_worker(pool, worker)) {
    return false;
  }
  const uint64_t index = pool->next++;
  worker->job = (size_t)index;
  worker->busy = true;
  worker->received = 0;
  (void)cg_write_all(worker->jobs_fd, &index, sizeof index);
  return true;
}

static bool give_jobs(job_pool *pool) {
  bool any = false;
  for (size_t i = 0; i < pool->worker_count; i++) {
    worker_child *worker = &pool->workers[i];
    if (!worker->busy && pool->next < pool->jobs->count) {
      worker->busy = give_job(pool, worker);
    }
    any = any || worker->busy;
  }
  return any;  // one process is enough to go on
}

static void take_answers(job_pool *pool, struct pollfd *polls) {
  for (size_t i = 0; i < pool->worker_count; i++) {
    const worker_child *worker = &pool->workers[i];
    polls[i] = (struct pollfd){.fd = worker->busy ? worker->answers_fd : -1, .events = POLLIN};
  }
  if (poll(polls, (nfds_t)pool->worker_count, -1) < 0) {
    return;  // interrupted: the caller's loop polls again
  }
  for (size_t i = 0; i < pool->worker_count; i++) {
    worker_child *worker = &pool->workers[i];
    if (polls[i].revents != 0 && !receive(pool, worker)) {
      note_death(pool, worker);
    }
  }
}

static bool run_all(job_pool *pool) {
  struct pollfd *polls = AICC_NEW_ARRAY(pool->arena, struct pollfd, pool->worker_count);
  while (pool->done < pool->jobs->count) {
    if (!give_jobs(pool)) {
      return false;
    }
    take_answers(pool, polls);
  }
  return true;
}

// ---- diagnostics -------------------------------------------------------------------------------

static void decode_diags(job_pool *pool, const job_diags *note) {
  const unsigned char *at = note->data, *end = note->size ? at + note->size : at;
  while (at < end) {
    diag_header header;
    memcpy(&header, at, sizeof header);
    at += sizeof header;
    char *texts[TEXT_COUNT] = {0};
    for (int i = 0; i < TEXT_COUNT; i++) {
      if (header.lengths[i] != UINT32_MAX) {
        texts[i] = aicc_arena_alloc(pool->arena, (size_t)header.lengths[i] + 1);
        memcpy(texts[i], at, header.lengths[i]);
        at += header.lengths[i];
      }
    }
    const aicc_loc loc = {.file = texts[TEXT_FILE],
                          .line = header.line,
                          .column = header.column,
                          .node = texts[TEXT_NODE],
                          .op = texts[TEXT_OP],
                          .opset = header.opset,
                          .shapes = texts[TEXT_SHAPES]};
    aicc_diag_append(pool->diags, (aicc_diag_id)header.id, &loc, texts[TEXT_MESSAGE]);
  }
}

static aicc_status collect(job_pool *pool) {
  aicc_status first = AICC_OK;
  for (size_t i = 0; i < pool->jobs->count; i++) {
    const job_diags *note = &pool->notes[i];
    const aicc_loc *loc = pool->jobs->locs ? &pool->jobs->locs[i] : NULL;
    decode_diags(pool, note);
    if (note->death) {
      AICC_EMIT(pool->diags, E0610, loc, pool->jobs->names[i], note->death,
                *note->said ? "; it said: " : "", note->said);
    }
    first = first == AICC_OK ? pool->results[i].status : first;
  }
  return first;
}

static unsigned cpu_count(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  return count > 0 ? (unsigned)count : 1;
}

static bool open_logs(job_pool *pool) {
  bool ok = true;
  for (size_t i = 0; i < pool->worker_count; i++) {
    pool->workers[i] = (worker_child){.jobs_fd = -1, .answers_fd = -1,
                                .log = memfd_create("aicc-worker", MFD_CLOEXEC)};
    ok = ok && pool->workers[i].log >= 0;
  }
  return ok;
}

static void close_pool(job_pool *pool) {
  for (size_t i = 0; i < pool->worker_count; i++) {
    if (pool->workers[i].pid != 0) {
      end_worker(&pool->workers[i]);
    }
    close_fd(&pool->workers[i].log);
  }
}

aicc_status cg_jobs_run(const cg_jobs *jobs, cg_result *results, aicc_arena *arena,
                        aicc_diags *diags) {
  const unsigned limit = jobs->processes ? jobs->processes : cpu_count();
  job_pool pool = {.jobs = jobs, .results = results, .arena = arena, .diags = diags};
  pool.worker_count = jobs->count < limit ? jobs->count : limit;
  pool.workers = AICC_NEW_ARRAY(arena, worker_child, pool.worker_count);
  pool.notes = AICC_NEW_ARRAY(arena, job_diags, jobs->count);
  for (size_t i = 0; i < jobs->count; i++) {
    results[i] = (cg_result){.status = AICC_INTERNAL};
  }
  // A write to a child that has just died must be an error, not the end of the compiler.
  struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
  sigaction(SIGPIPE, &ignore, &before);
  const bool ok = open_logs(&pool) && run_all(&pool);
  const int error = errno;
  close_pool(&pool);
  sigaction(SIGPIPE, &before, NULL);
  if (!ok) {
    AICC_EMIT(diags, E0611, NULL, strerror(error));
    return AICC_RESOURCE;
  }
  return collect(&pool);
}
