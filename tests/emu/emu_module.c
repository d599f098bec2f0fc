// Modules: text to functions that can be launched, and variables that have addresses.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu_internal.h"

static void fill_variable(emu_module *m, const ptx_var *var, ptx_errors *errors) {
  emu_memory *memory = &m->device->memory;
  u8 *to = memory->data + (var->address - memory->base);
  if (var->initial) {
    memcpy(to, var->initial, var->bytes);
  } else {
    memset(to, 0, var->bytes);
  }
  memset(memory->written + (var->address - memory->base), 1, var->bytes);
  for (const ptx_fixup *f = var->fixups; f; f = f->next) {
    const ptx_var *other = ptx_find_var(m->source, f->symbol);
    if (!other || !other->address || f->bytes != 8) {
      ptx_error(errors, var->line,
                "the initial value of '%s' names '%s', which has no address here", var->name,
                f->symbol);
      continue;
    }
    u64 value;
    memcpy(&value, to + f->offset, 8);
    value += other->address;
    memcpy(to + f->offset, &value, 8);
  }
}

static bool place_variables(emu_module *m, ptx_errors *errors) {
  ptx_module *s = m->source;
  m->consts = ptx_alloc(s->arena, ((size_t)s->var_count + 1) * sizeof *m->consts);
  for (int i = 0; i < s->var_count; i++) {
    ptx_var *var = s->vars[i];
    if (var->space != PTX_GLOBAL && var->space != PTX_CONST) {
      continue;
    }
    if (var->is_extern) {
      ptx_error(errors, var->line,
                "variable '%s' is defined in another module, and modules are not "
                "linked",
                var->name);
      continue;
    }
    var->address = emu_alloc(m->device, var->bytes);
    if (!var->address) {
      return false;
    }
    if (var->space == PTX_CONST) {
      m->consts[m->const_count].from = var->address;
      m->consts[m->const_count++].to = var->address + var->bytes;
    }
  }
  for (int i = 0; i < s->var_count; i++) {
    if (s->vars[i]->address) {
      fill_variable(m, s->vars[i], errors);
    }
  }
  return true;
}

// `// aicc: SYMBOL from NODES`, at the beginning of a line.
static void find_nodes(emu_module *m, emu_function *f) {
  static const char mark[] = "// aicc: ";
  size_t name = strlen(f->source->name);
  for (int i = 1; i <= m->source->line_count; i++) {
    const char *line = m->source->lines[i];
    if (strncmp(line, mark, sizeof mark - 1)) {
      continue;
    }
    line += sizeof mark - 1;
    if (!strncmp(line, f->source->name, name) && !strncmp(line + name, " from ", 6)) {
      f->nodes = line + name + 6;
      f->nodes_size = (int)strcspn(f->nodes, "\n\r");
      return;
    }
  }
}

static void link_functions(emu_module *m, ptx_errors *errors) {
  ptx_module *s = m->source;
  m->functions = ptx_alloc(s->arena, ((size_t)s->function_count + 1) * sizeof *m->functions);
  for (int i = 0; i < s->function_count; i++) {
    if (!s->functions[i]->is_entry || !s->functions[i]->is_defined) {
      continue;
    }
    emu_function *f = &m->functions[m->function_count++];
    f->module = m;
    f->source = s->functions[i];
    find_nodes(m, f);
    emu_link(m, f, errors);
    if (!errors->count && f->program.shared_bytes > m->device->shared_limit) {
      ptx_error(errors, f->source->line, "'%s' has %u bytes of static shared memory, more than %u",
                f->source->name, f->program.shared_bytes, m->device->shared_limit);
    }
  }
}

static emu_module *failed(emu_module *m, emu_report *report, emu_status status, const char *text,
                          int line) {
  if (report) {
    *report = (emu_report){.status = status, .line = line};
    snprintf(report->text, sizeof report->text, "%s", text);
  }
  if (m) {
    emu_module_unload(m);
  }
  return NULL;
}

emu_module *emu_module_load(emu_device *device, const char *text, size_t size, emu_report *report) {
  ptx_errors errors = {.count = 0};
  ptx_module *source = ptx_parse(text, size, &errors);
  emu_module *m = source ? calloc(1, sizeof *m) : NULL;
  if (!m) {
    ptx_module_destroy(source);
    return source ? failed(NULL, report, EMU_NO_MEMORY, "no memory for a module", 0)
                  : failed(NULL, report, EMU_BAD_PTX, errors.text, errors.first_line);
  }
  m->device = device;
  m->source = source;
  if (source->sm > device->options.sm) {
    ptx_error(&errors, 0, "the text is for sm_%d, the device is sm_%d", source->sm,
              device->options.sm);
  } else if (!place_variables(m, &errors)) {
    return failed(m, report, EMU_NO_MEMORY, "no device memory for the variables of a module", 0);
  } else {
    link_functions(m, &errors);
  }
  if (errors.count) {
    return failed(m, report, EMU_BAD_PTX, errors.text, errors.first_line);
  }
  if (report) {
    *report = (emu_report){0};
  }
  return m;
}

void emu_module_unload(emu_module *module) {
  if (!module) {
    return;
  }
  for (int i = 0; i < module->source->var_count; i++) {
    if (module->source->vars[i]->address) {
      emu_free(module->device, module->source->vars[i]->address);
    }
  }
  ptx_module_destroy(module->source);
  free(module);
}

emu_function *emu_module_function(emu_module *module, const char *name) {
  for (u32 i = 0; i < module->function_count; i++) {
    if (!strcmp(module->functions[i].source->name, name)) {
      return &module->functions[i];
    }
  }
  return NULL;
}

bool emu_module_global(emu_module *module, const char *name, u64 *address, u64 *bytes) {
  const ptx_var *var = ptx_find_var(module->source, name);
  if (!var || !var->address) {
    return false;
  }
  if (address) {
    *address = var->address;
  }
  if (bytes) {
    *bytes = var->bytes;
  }
  return true;
}

emu_function_info emu_function_describe(const emu_function *f) {
  return (emu_function_info){.name = f->source->name,
                             .param_count = (u32)f->source->param_count,
                             .param_offsets = f->param_offsets,
                             .param_bytes = f->param_sizes,
                             .shared_bytes = f->program.shared_bytes,
                             .local_bytes = f->program.local_bytes,
                             .max_threads = f->max_threads,
                             .registers = f->registers};
}
