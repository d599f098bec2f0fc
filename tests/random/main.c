// random_programs: makes programs from seeds, judges them, shrinks those that fail.
//
//   random_programs [--seeds N] [--start S] [--seconds T] [--stage NAME] [--shrink T] [--out DIR]
//                   [--target T] [--print] [FILE.air ...]
//
// Kernels for a GPU (--target sm_80) are run by the kernel interpreter, and not compiled.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "random/program.h"

typedef struct options {
  uint64_t seeds, start;
  double seconds, shrink;
  rp_stage last;
  const char *out, *target;
  bool print;
} options;

typedef struct tally {
  int judged, bad, skipped[RP_DONE + 1];
} tally;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void save(const options *o, const char *name, const char *text) {
  char path[512];
  if (!o->out) {
    return;
  }
  mkdir(o->out, 0777);
  snprintf(path, sizeof path, "%s/%s.air", o->out, name);
  FILE *file = fopen(path, "w");
  if (file) {
    fputs(text, file);
    fclose(file);
    printf("saved as %s\n", path);
  }
}

static void report(const options *o, const char *name, const char *text,
                   const rp_verdict *verdict) {
  printf("FAIL %s at %s%s: %s\n", name, rp_stage_name(verdict->stage),
         verdict->outcome == RP_CRASHED ? " (crash)" : "", verdict->text);
  fflush(stdout);
  char *small = o->shrink > 0 ? rp_shrink(text, verdict, o->shrink) : strdup(text);
  printf("%s\n", small);
  if (o->shrink > 0) {
    rp_verdict again = {.target = o->target};
    rp_judge(small, o->last, &again);
    printf("shrunk, at %s: %s\n", rp_stage_name(again.stage), again.text);
  }
  save(o, name, small);
  free(small);
  fflush(stdout);
}

static void judge(const options *o, const char *name, const char *text, tally *t) {
  rp_verdict verdict = {.target = o->target};
  rp_judge(text, o->last, &verdict);
  t->judged++;
  if (verdict.outcome == RP_SKIPPED) {
    t->skipped[verdict.stage]++;
    if (o->print) {
      printf("skipped %s at %s: %s\n", name, rp_stage_name(verdict.stage), verdict.text);
    }
  } else if (verdict.outcome != RP_GOOD) {
    t->bad++;
    report(o, name, text, &verdict);
  }
}

static void judge_seed(const options *o, uint64_t seed, tally *t) {
  aicc_module *module = rp_generate(seed);
  char *text = rp_text_of(module);
  if (o->print) {
    puts(text);
  }
  judge(o, module->name, text, t);
  free(text);
  aicc_module_destroy(module);
}

static int judge_file(const options *o, const char *path, tally *t) {
  char *text = NULL;
  size_t size = 0;
  FILE *in = fopen(path, "r"), *out = in ? open_memstream(&text, &size) : NULL;
  if (!out) {
    perror(path);
    return 1;
  }
  for (int c; (c = fgetc(in)) != EOF;) {
    fputc(c, out);
  }
  fclose(in);
  fclose(out);
  const int skipped = t->skipped[RP_START];
  judge(o, path, text, t);
  free(text);
  return t->skipped[RP_START] > skipped;  // a regression that cannot run tests nothing
}

static rp_stage stage_named(const char *name) {
  for (int i = 0; i < RP_DONE; i++) {
    if (strcmp(rp_stage_name((rp_stage)i), name) == 0) {
      return (rp_stage)i;
    }
  }
  fprintf(stderr, "no stage '%s'\n", name);
  exit(1);
}

static void set_option(options *o, const char *name, const char *value) {
  if (strcmp(name, "--seeds") == 0) {
    o->seeds = strtoull(value, NULL, 10);
  } else if (strcmp(name, "--start") == 0) {
    o->start = strtoull(value, NULL, 10);
  } else if (strcmp(name, "--seconds") == 0) {
    o->seconds = strtod(value, NULL);
  } else if (strcmp(name, "--shrink") == 0) {
    o->shrink = strtod(value, NULL);
  } else if (strcmp(name, "--stage") == 0) {
    o->last = stage_named(value);
  } else if (strcmp(name, "--target") == 0) {
    o->target = value;
  } else if (strcmp(name, "--out") == 0) {
    o->out = value;
  } else {
    fprintf(stderr, "unknown option '%s'\n", name);
    exit(1);
  }
}

static int summary(const tally *t, double seconds) {
  int skipped = 0;
  for (int i = 0; i <= RP_DONE; i++) {
    skipped += t->skipped[i];
  }
  printf("%d programs in %.1f s: %d failed, %d skipped", t->judged, seconds, t->bad, skipped);
  printf(" (%d the interpreter refuses, %d not lowered)\n", t->skipped[RP_START],
         t->skipped[RP_LOWER]);
  // Programs that say nothing are no test.
  return t->bad > 0 || 4 * skipped > t->judged;
}

int main(int argc, char **argv) {
  options o = {.seeds = 100, .start = 1, .seconds = 1e9, .shrink = 60, .last = RP_COMPILED};
  tally t = {0};
  const double started = now();
  int files = 0, broken = 0;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--print") == 0) {
      o.print = true;
    } else if (strncmp(argv[i], "--", 2) == 0 && i + 1 < argc) {
      set_option(&o, argv[i], argv[i + 1]);
      i++;
    } else {
      files++;
      broken += judge_file(&o, argv[i], &t);
    }
  }
  for (uint64_t seed = o.start; !files && seed < o.start + o.seeds; seed++) {
    if (now() - started > o.seconds) {
      break;
    }
    judge_seed(&o, seed, &t);
  }
  return summary(&t, now() - started) || broken;
}
