// What a fault says.
#include <stdio.h>
#include <string.h>

#include "emu_internal.h"

static int line_size(const ptx_module *m, u32 line) {
  const char *at = m->lines[line];
  return (int)strcspn(at, "\n\r");
}

void emu_report_text(emu_report *report, const emu_function *function, u32 line, const char *rule) {
  const ptx_module *m = function->module->source;
  snprintf(report->kernel, sizeof report->kernel, "%s", function->source->name);
  report->line = (int)line;
  int size = snprintf(report->text, sizeof report->text, "kernel %s", function->source->name);
  size_t at = (size_t)size < sizeof report->text ? (size_t)size : sizeof report->text - 1;
  if (report->status == EMU_FAULT) {
    at += (size_t)snprintf(report->text + at, sizeof report->text - at,
                           ", block (%u, %u, %u), thread (%u, %u, %u)", report->block[0],
                           report->block[1], report->block[2], report->thread[0],
                           report->thread[1], report->thread[2]);
  }
  at += (size_t)snprintf(report->text + at, sizeof report->text - at, ": %.900s", rule);
  if (line && line <= (u32)m->line_count) {
    const char *text = m->lines[line];
    int count = line_size(m, line), skip = (int)strspn(text, " \t");
    count = count - skip > 200 ? 200 : count - skip;
    at += (size_t)snprintf(report->text + at, sizeof report->text - at, "\nPTX line %u: %.*s", line,
                           count, text + skip);
  }
  if (function->nodes && at < sizeof report->text) {
    snprintf(report->text + at, sizeof report->text - at, "\nfrom %.*s",
             function->nodes_size > 400 ? 400 : function->nodes_size, function->nodes);
  }
}

void emu_fault(emu_warp *warp, int lane, emu_kind kind, const char *format, ...) {
  emu_block *block = warp->block;
  emu_launch_state *launch = block->launch;
  block->fault = true;
  __atomic_store_n(&launch->stop, 1, __ATOMIC_RELAXED);
  pthread_mutex_lock(&launch->lock);
  if (!launch->reported) {
    launch->reported = true;
    char rule[1000];
    va_list args;
    va_start(args, format);
    vsnprintf(rule, sizeof rule, format, args);
    va_end(args);
    emu_report *r = launch->report;
    u32 thread = warp->id * EMU_LANES + (lane < 0 ? 0 : (u32)lane);
    *r = (emu_report){.status = EMU_FAULT, .kind = kind};
    memcpy(r->block, block->id, sizeof r->block);
    r->thread[0] = thread % block->shape[0];
    r->thread[1] = thread / block->shape[0] % block->shape[1];
    r->thread[2] = thread / block->shape[0] / block->shape[1];
    emu_report_text(r, block->function, warp->inst ? warp->inst->line : 0, rule);
  }
  pthread_mutex_unlock(&launch->lock);
}
