// One access of one lane: is it allocated, aligned, written, and nobody else's?
#include <inttypes.h>
#include <string.h>

#include "emu_internal.h"

static const char *const space_names[] = {"generic", "global", "shared", "local", "const", "param"};

u8 *emu_bad_place(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access) {
  const char *verb = access & EMU_ATOMIC ? "atomic access" : access & EMU_WRITE ? "write" : "read";
  u64 base, size;
  const emu_device *device = warp->block->device;
  if (space == PTX_SHARED) {
    emu_fault(warp, lane, EMU_IS_BEYOND, "%s of %u bytes at 0x%" PRIx64 " is not in shared memory, "
              "which ends at 0x%x", verb, bytes, address, warp->block->shared_end);
  } else if (space == PTX_GLOBAL && emu_find(device, address, &base, &size)) {
    emu_fault(warp, lane, EMU_IS_OUTSIDE, "%s of %u bytes at 0x%" PRIx64 " runs over the end of "
              "the allocation of %" PRIu64 " bytes at 0x%" PRIx64, verb, bytes, address, size,
              base);
  } else if (space == PTX_GLOBAL) {
    for (u64 back = 1; back <= 1 << 20; back *= 2) {
      if (address >= back && emu_find(device, address - back, &base, &size)) {
        emu_fault(warp, lane, EMU_IS_OUTSIDE, "%s of %u bytes at 0x%" PRIx64 " is outside every "
                  "allocation, %" PRIu64 " bytes behind the end of the one of %" PRIu64 " bytes at "
                  "0x%" PRIx64, verb, bytes, address, address - base - size, size, base);
        return NULL;
      }
    }
    emu_fault(warp, lane, EMU_IS_OUTSIDE, "%s of %u bytes at 0x%" PRIx64 " is outside every "
              "allocation", verb, bytes, address);
  } else {
    emu_fault(warp, lane, EMU_IS_BEYOND, "%s of %u bytes at 0x%" PRIx64 " is outside %s memory",
              verb, bytes, address, space_names[space]);
  }
  return NULL;
}

u8 *emu_unwritten(emu_warp *warp, int lane, ptx_space space, u64 address, const u8 *written,
                     u32 bytes) {
  const u8 *first = memchr(written, 0, bytes);
  const char *why = space == PTX_SHARED && warp->copy_count
                        ? " (a cp.async into it may not have been waited for)"
                        : "";
  emu_fault(warp, lane, EMU_IS_UNWRITTEN, "read of %u bytes at 0x%" PRIx64 " of %s memory: byte %d "
            "was never written%s", bytes, address, space_names[space], (int)(first - written),
            why);
  return NULL;
}

// ---- spaces ------------------------------------------------------------------------------------

static bool is_const(const emu_warp *warp, u64 address) {
  const emu_module *module = warp->block->function->module;
  for (u32 i = 0; i < module->const_count; i++) {
    if (address >= module->consts[i].from && address < module->consts[i].to) {
      return true;
    }
  }
  return false;
}

static u8 *at_global(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  u64 offset = address - m->base;
  if (offset >= m->bytes || m->valid[offset >> 8] < (offset & 255) + bytes) {
    return emu_bad_place(warp, lane, PTX_GLOBAL, address, bytes, access);
  }
  if (access & (EMU_READ | EMU_ATOMIC) && !emu_all_written(m->written + offset, bytes)) {
    return emu_unwritten(warp, lane, PTX_GLOBAL, address, m->written + offset, bytes);
  }
  if (access & EMU_WRITE && is_const(warp, address)) {
    emu_fault(warp, lane, EMU_IS_OUTSIDE, "write of %u bytes at 0x%" PRIx64 " to a .const "
              "variable", bytes, address);
    return NULL;
  }
  if (!warp->block->device->options.no_races) {
    emu_race(warp, lane, offset, bytes, access);
  }
  if (access & EMU_WRITE && !(access & EMU_ATOMIC)) {  // which is of written bytes
    memset(m->written + offset, 1, bytes);
  }
  return m->data + offset;
}

u8 *emu_at_row(emu_warp *warp, u64 address, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  u64 offset = address - m->base;
  u32 all = bytes * EMU_LANES;
  if (address & (bytes - 1) || offset >= m->bytes || m->bytes - offset < all ||
      (access & EMU_WRITE && is_const(warp, address))) {
    return NULL;
  }
  for (u64 at = offset; at < offset + all;) {
    u64 next = (at & ~(u64)255) + 256, end = next < offset + all ? next : offset + all;
    if (m->valid[at >> 8] < end - (next - 256)) {
      return NULL;
    }
    at = end;
  }
  if (access & EMU_READ && !emu_all_written(m->written + offset, all & ~7u)) {
    return NULL;
  }
  if (!warp->block->device->options.no_races && !emu_race_row(warp, offset, all, access)) {
    return NULL;
  }
  if (access & EMU_WRITE) {
    memset(m->written + offset, 1, all);
  }
  return m->data + offset;
}

static u8 *at_local(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  u32 size = warp->block->program->local_bytes;
  if (address > size || bytes > size - address) {
    return emu_bad_place(warp, lane, PTX_LOCAL, address, bytes, access);
  }
  u64 offset = (u64)lane * size + address;
  if (access & EMU_READ && !emu_all_written(warp->local_written + offset, bytes)) {
    return emu_unwritten(warp, lane, PTX_LOCAL, address, warp->local_written + offset, bytes);
  }
  if (access & EMU_WRITE) {
    memset(warp->local_written + offset, 1, bytes);
  }
  return warp->local + offset;
}

static u8 *at_param(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  const emu_block *block = warp->block;
  if (access != EMU_READ || address > block->param_bytes || bytes > block->param_bytes - address) {
    return emu_bad_place(warp, lane, PTX_PARAM, address, bytes, access);
  }
  return (u8 *)(uintptr_t)(block->params + address);  // never written through: access is a read
}

static u8 *at_const(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  const emu_module *module = warp->block->function->module;
  for (u32 i = 0; i < module->const_count; i++) {
    if (address >= module->consts[i].from && address + bytes <= module->consts[i].to) {
      if (access & EMU_WRITE) {
        break;
      }
      return warp->block->device->memory.data + (address - warp->block->device->memory.base);
    }
  }
  return emu_bad_place(warp, lane, PTX_CONST, address, bytes, access);
}

u8 *emu_at(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access) {
  if (address & (bytes - 1)) {
    emu_fault(warp, lane, EMU_IS_MISALIGNED, "%s of %u bytes at 0x%" PRIx64 " is not aligned to "
              "its size", access & EMU_WRITE ? "write" : "read", bytes, address);
    return NULL;
  }
  if (space == PTX_GENERIC) {
    u64 window = address & EMU_WINDOW_MASK;
    space = window == EMU_SHARED_WINDOW  ? PTX_SHARED
            : window == EMU_LOCAL_WINDOW ? PTX_LOCAL
            : window == EMU_PARAM_WINDOW ? PTX_PARAM
                                         : PTX_GLOBAL;
    address = space == PTX_GLOBAL ? address : address - window;
  }
  switch (space) {
    case PTX_SHARED: return emu_at_shared(warp, lane, address, bytes, access);
    case PTX_LOCAL: return at_local(warp, lane, address, bytes, access);
    case PTX_PARAM: return at_param(warp, lane, address, bytes, access);
    case PTX_CONST: return at_const(warp, lane, address, bytes, access);
    default: return at_global(warp, lane, address, bytes, access);
  }
}

static bool global_lanes(emu_warp *warp, const u64 *addresses, u32 mask, u32 bytes, u32 access,
                         u8 **at) {
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    if (addresses[l] & (bytes - 1)) {
      return emu_at(warp, l, PTX_GLOBAL, addresses[l], bytes, access) != NULL;
    }
    bool again = (access & ~(u32)EMU_CONSTANT) == EMU_READ && l && at[l - 1] &&
                 addresses[l] == addresses[l - 1];
    at[l] = again ? at[l - 1] : at_global(warp, l, addresses[l], bytes, access);
    if (!at[l] || warp->block->fault) {
      return false;
    }
  }
  return true;
}

bool emu_at_lanes(emu_warp *warp, ptx_space space, const u64 *addresses, u32 mask, u32 bytes,
                  u32 access, u8 **at) {
  if (space == PTX_SHARED) {
    return emu_shared_lanes(warp, addresses, mask, bytes, access, at);
  }
  if (space == PTX_GLOBAL) {
    return global_lanes(warp, addresses, mask, bytes, access, at);
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    // Parameters and constants: nobody writes there, so what one lane may read all may.
    bool again = access == EMU_READ && (space == PTX_PARAM || space == PTX_CONST) && l &&
                 at[l - 1] && addresses[l] == addresses[l - 1];
    at[l] = again ? at[l - 1] : emu_at(warp, l, space, addresses[l], bytes, access);
    if (!at[l] || warp->block->fault) {
      return false;
    }
  }
  return true;
}
