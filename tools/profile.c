#include "tools/profile.h"

#include <stdlib.h>
#include <string.h>

#include "tools/json.h"

static int by_time(const void *a, const void *b) {
  const aicc_profile_row *x = a, *y = b;
  return x->ns < y->ns ? 1 : x->ns > y->ns ? -1 : strcmp(x->name, y->name);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const aicc_profile_row *)a)->name, ((const aicc_profile_row *)b)->name);
}

static void read_kernels(const aicc_rt_session *session, const aicc_rt_plan_info *plan,
                         aicc_profile *out) {
  double in_kernels = 0;
  for (uint32_t k = 0; k < plan->kernel_count; k++) {
    const aicc_rt_profile profile = aicc_rt_session_kernel_profile(session, k);
    const double ns = (double)profile.total_ns / (double)out->runs;
    in_kernels += ns;
    out->kernels[out->kernel_count++] =
        (aicc_profile_row){plan->kernels[k].name, plan->kernels[k].kind,
                           (double)profile.calls / (double)out->runs, ns, ns / out->run_ns};
  }
  const double host = out->run_ns - in_kernels;
  out->kernels[out->kernel_count++] =
      (aicc_profile_row){"(host)", "host", 1, host, host / out->run_ns};
}

// One row per origin of each kernel, then rows of one name added up.
static void read_nodes(const aicc_rt_plan_info *plan, aicc_profile *out) {
  size_t count = 0;
  for (uint32_t k = 0; k < plan->kernel_count; k++) {
    const aicc_rt_kernel_info *kernel = &plan->kernels[k];
    for (uint32_t i = 0; i < kernel->origin_count; i++) {
      const double part = out->kernels[k].ns / kernel->origin_count;
      out->nodes[count++] = (aicc_profile_row){kernel->origins[i].node, kernel->origins[i].op, 0,
                                               part, part / out->run_ns};
    }
    if (kernel->origin_count == 0) {
      out->nodes[count++] = (aicc_profile_row){"(no node)", kernel->name, 0, out->kernels[k].ns,
                                               out->kernels[k].share};
    }
  }
  const aicc_profile_row *host = &out->kernels[plan->kernel_count];
  out->nodes[count++] = (aicc_profile_row){host->name, host->kind, 0, host->ns, host->share};
  qsort(out->nodes, count, sizeof *out->nodes, by_name);
  for (size_t i = 0; i < count; i++) {
    aicc_profile_row *last = out->node_count > 0 ? &out->nodes[out->node_count - 1] : NULL;
    if (last != NULL && strcmp(last->name, out->nodes[i].name) == 0) {
      last->ns += out->nodes[i].ns;
      last->share += out->nodes[i].share;
    } else {
      out->nodes[out->node_count++] = out->nodes[i];
    }
  }
}

void aicc_profile_read(const aicc_rt_session *session, aicc_arena *arena, aicc_profile *out) {
  const aicc_rt_plan_info *plan = aicc_rt_session_plan(session);
  *out = (aicc_profile){0};
  const aicc_rt_profile runs = aicc_rt_session_run_profile(session);
  if (runs.calls == 0) {
    return;
  }
  size_t nodes = 1;
  for (uint32_t k = 0; k < plan->kernel_count; k++) {
    nodes += plan->kernels[k].origin_count + 1u;
  }
  out->runs = runs.calls;
  out->run_ns = runs.total_ns > 0 ? (double)runs.total_ns / (double)runs.calls : 1;
  out->kernels = AICC_NEW_ARRAY(arena, aicc_profile_row, plan->kernel_count + 1u);
  out->nodes = AICC_NEW_ARRAY(arena, aicc_profile_row, nodes);
  read_kernels(session, plan, out);
  read_nodes(plan, out);
  qsort(out->kernels, out->kernel_count, sizeof *out->kernels, by_time);
  qsort(out->nodes, out->node_count, sizeof *out->nodes, by_time);
}

static void print_rows(FILE *out, const aicc_profile_row *rows, size_t count, size_t limit,
                       bool kernels) {
  double rest_ns = 0, rest_share = 0;
  for (size_t i = 0; i < count; i++) {
    const aicc_profile_row *row = &rows[i];
    if (i >= limit) {
      rest_ns += row->ns;
      rest_share += row->share;
      continue;
    }
    fprintf(out, "  %11.2f  %5.1f%%  ", row->ns * 1e-3, 100 * row->share);
    if (kernels) {
      fprintf(out, "%6.4g  ", row->calls);
    }
    fprintf(out, "%-12s %s\n", row->kind, row->name);
  }
  if (count > limit) {
    fprintf(out, "  %11.2f  %5.1f%%  %sand %zu more\n", rest_ns * 1e-3, 100 * rest_share,
            kernels ? "        " : "", count - limit);
  }
}

void aicc_profile_print(FILE *out, const aicc_profile *profile, size_t limit) {
  if (profile->runs == 0) {
    return;
  }
  fprintf(out, "profile of %llu runs of %.2f us (microseconds per run)\n",
          (unsigned long long)profile->runs, profile->run_ns * 1e-3);
  fprintf(out, "  %11s  %6s  %6s  %-12s %s\n", "us", "share", "calls", "kind", "kernel");
  print_rows(out, profile->kernels, profile->kernel_count, limit, true);
  fprintf(out, "  %11s  %6s  %-12s %s\n", "us", "share", "operator", "ONNX node");
  print_rows(out, profile->nodes, profile->node_count, limit, false);
}

static void json_rows(FILE *out, const char *key, const char *kind, const aicc_profile_row *rows,
                      size_t count, bool kernels) {
  fprintf(out, "\"%s\": [", key);
  for (size_t i = 0; i < count; i++) {
    fputs(i ? ",\n    {\"name\": " : "\n    {\"name\": ", out);
    aicc_json_string(out, rows[i].name);
    fprintf(out, ", \"%s\": ", kind);
    aicc_json_string(out, rows[i].kind);
    if (kernels) {
      fputs(", \"calls\": ", out);
      aicc_json_number(out, rows[i].calls);
    }
    fputs(", \"ns\": ", out);
    aicc_json_number(out, rows[i].ns);
    fputs(", \"share\": ", out);
    aicc_json_number(out, rows[i].share);
    putc('}', out);
  }
  putc(']', out);
}

void aicc_profile_json(FILE *out, const aicc_profile *profile) {
  fprintf(out, "{\"runs\": %llu, \"run_ns\": ", (unsigned long long)profile->runs);
  aicc_json_number(out, profile->run_ns);
  fputs(", ", out);
  json_rows(out, "kernels", "kind", profile->kernels, profile->kernel_count, true);
  fputs(", ", out);
  json_rows(out, "nodes", "op", profile->nodes, profile->node_count, false);
  putc('}', out);
}
