#include "tools/json.h"
#include "tools/roofline.h"

static void print_number(FILE *out, double value) {
  static const char units[] = " KMGTP";
  int i = 0;
  while (value >= 1000 && units[i + 1] != 0) {
    value /= 1000;
    i++;
  }
  fprintf(out, " %6.*f%c", value < 10 && i > 0 ? 2 : value < 100 && i > 0 ? 1 : 0, value, units[i]);
}

void roofline_print(const roofline *r, FILE *out) {
  fprintf(
      out,
      "%s: %d launches, %d values read by the host; microseconds: roofline %.1f, predicted %.1f\n",
      r->device->name, r->launches, r->reads, r->roof, r->predicted);
  fprintf(out, "%9s %5s %9s %9s %-10s %7s %7s %7s %7s %7s %7s %5s %6s  %s\n", "lost", "x",
          "roofline", "predicted", "bound", "tasks", "FLOP", "read", "written", "thr", "shared",
          "regs", "waits", "kernel");
  for (size_t i = 0; i < r->count; i++) {
    const roofline_row *row = &r->rows[i];
    fprintf(out, "%9.1f %5d %9.2f %9.2f %-10s %7lld", row->launches * (row->predicted - row->roof),
            row->launches, row->roof, row->predicted, row->bound, (long long)row->tasks);
    print_number(out, row->flops);
    print_number(out, row->read);
    print_number(out, row->written);
    fprintf(out, " %7lld %7lld %5u %6.0f  %s", (long long)row->threads, (long long)row->shared,
            row->registers, row->task.rounds, row->kernel->name);
    fprintf(out, "%s%s%s", row->schedule ? " (" : "", row->schedule ? row->schedule : "",
            row->schedule ? ")" : "");
    for (int k = 0; k < row->kernel->origin_count && k < 3; k++) {
      fprintf(out, " %s", row->kernel->origins[k].node);
    }
    fputs(row->kernel->origin_count > 3 ? " ...\n" : "\n", out);
  }
}

static void field(FILE *out, const char *name, double value) {
  fprintf(out, ", \"%s\": ", name);
  aicc_json_number(out, value);
}

static void json_row(FILE *out, const roofline_row *row) {
  fputs("{\"kernel\": ", out);
  aicc_json_string(out, row->kernel->name);
  fputs(", \"kind\": ", out);
  aicc_json_string(out, row->kernel->kind);
  fputs(", \"schedule\": ", out);
  aicc_json_string(out, row->schedule);
  fputs(", \"bound\": ", out);
  aicc_json_string(out, row->bound);
  field(out, "launches", row->launches);
  field(out, "tasks", (double)row->tasks);
  field(out, "block_threads", (double)row->threads);
  field(out, "shared_bytes", (double)row->shared);
  field(out, "registers", row->registers);
  field(out, "flop", row->flops);
  field(out, "read_bytes", row->read);
  field(out, "written_bytes", row->written);
  field(out, "roofline_us", row->roof);
  field(out, "predicted_us", row->predicted);
  field(out, "waits", row->task.rounds);
  field(out, "instructions", row->task.issues);
  field(out, "task_asked_bytes", row->task.asked);
  field(out, "task_sector_bytes", row->task.fresh);
  fputs(", \"nodes\": [", out);
  for (int i = 0; i < row->kernel->origin_count; i++) {
    fputs(i ? ", " : "", out);
    aicc_json_string(out, row->kernel->origins[i].node);
  }
  fputs("]}", out);
}

void roofline_json(const roofline *r, FILE *out) {
  fputs("{\"schema\": 1, \"device\": ", out);
  aicc_json_string(out, r->device->name);
  field(out, "launches", r->launches);
  field(out, "host_reads", r->reads);
  field(out, "roofline_us", r->roof);
  field(out, "predicted_us", r->predicted);
  fputs(", \"kernels\": [", out);
  for (size_t i = 0; i < r->count; i++) {
    fputs(i ? ",\n  " : "\n  ", out);
    json_row(out, &r->rows[i]);
  }
  fputs("\n]}\n", out);
}
