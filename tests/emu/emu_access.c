// One access of one lane: is it allocated, aligned, written, and nobody else's?
#include <inttypes.h>
#include <string.h>

#include "emu_internal.h"

static const char *const space_names[] = {"generic", "global", "shared", "local", "const", "param"};

static u8 *bad_place(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access) {
  const char *verb = access & EMU_ATOMIC ? "atomic access" : access & EMU_WRITE ? "write" : "read";
  u64 base, size;
  const emu_device *device = warp->block->device;
  if (space == PTX_SHARED) {
    emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " is not in shared memory, which ends at "
              "0x%x", verb, bytes, address, warp->block->shared_end);
  } else if (space == PTX_GLOBAL && emu_find(device, address, &base, &size)) {
    emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " runs over the end of the allocation of "
              "%" PRIu64 " bytes at 0x%" PRIx64, verb, bytes, address, size, base);
  } else if (space == PTX_GLOBAL) {
    for (u64 back = 1; back <= 1 << 20; back *= 2) {
      if (address >= back && emu_find(device, address - back, &base, &size)) {
        emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " is outside every allocation, %" PRIu64
                  " bytes behind the end of the one of %" PRIu64 " bytes at 0x%" PRIx64, verb,
                  bytes, address, address - base - size, size, base);
        return NULL;
      }
    }
    emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " is outside every allocation", verb,
              bytes, address);
  } else {
    emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " is outside %s memory", verb, bytes,
              address, space_names[space]);
  }
  return NULL;
}

static bool all_written(const u8 *written, u32 bytes) {
  u64 word;
  u32 half;
  switch (bytes) {
    case 1: return *written;
    case 2: return written[0] & written[1];
    case 4: memcpy(&half, written, 4); return half == 0x01010101u;
    default:
      for (u32 i = 0; i < bytes; i += 8) {
        memcpy(&word, written + i, 8);
        if (word != 0x0101010101010101ull) {
          return false;
        }
      }
      return true;
  }
}

static u8 *unwritten(emu_warp *warp, int lane, ptx_space space, u64 address, const u8 *written,
                     u32 bytes) {
  const u8 *first = memchr(written, 0, bytes);
  const char *why = space == PTX_SHARED && warp->copy_count
                        ? " (a cp.async into it may not have been waited for)"
                        : "";
  emu_fault(warp, lane, "read of %u bytes at 0x%" PRIx64 " of %s memory: byte %d was never written%s",
            bytes, address, space_names[space], (int)(first - written), why);
  return NULL;
}

// ---- races in shared memory --------------------------------------------------------------------

static u8 byte_mask(u32 offset, u32 bytes) {
  return bytes >= 4 ? 15 : (u8)(((1u << bytes) - 1) << (offset & 3));
}

static void race(emu_warp *warp, int lane, u32 offset, const char *mine, const char *theirs,
                 u32 thread) {
  bool same = thread / EMU_LANES == warp->id;
  emu_fault(warp, lane, "race in shared memory at 0x%x: this %s, and the %s of thread %u of the "
            "block, with no %s between them", offset + EMU_SHARED_BASE, mine, theirs, thread,
            same ? "bar.warp.sync" : "barrier");
}

// Did thread |thread|, at |time|, what this lane cannot know to be done?
static bool unordered(const emu_warp *warp, u32 me, u32 thread, u32 time, u32 epoch) {
  u32 other = thread / EMU_LANES;
  if (other == warp->id) {
    return thread != me && epoch == warp->epoch;
  }
  return time >= warp->seen[other];
}

static void check_reads(emu_warp *warp, int lane, u32 offset, const emu_word_record *r, u32 me) {
  if (r->read_warps >> warp->id & 1 && r->read_epoch == warp->epoch &&
      r->read_thread / EMU_LANES == warp->id && (r->read_many || r->read_thread != me)) {
    race(warp, lane, offset, "write", "read", r->read_thread);
    return;
  }
  for (u32 rest = r->read_warps & ~(1u << warp->id); rest; rest &= rest - 1) {
    u32 other = (u32)__builtin_ctz(rest);
    if (r->read_time >= warp->seen[other]) {
      u32 thread = r->read_thread / EMU_LANES == other ? r->read_thread : other * EMU_LANES;
      race(warp, lane, offset, "write", "read", thread);
      return;
    }
  }
}

static void note_read(emu_warp *warp, emu_word_record *r, u32 me, u8 mask) {
  u32 now = warp->block->time;
  bool same_warp = r->read_thread / EMU_LANES == warp->id && r->read_epoch == warp->epoch;
  if (r->read_time == now && same_warp && r->read_mask == mask) {
    r->read_many |= r->read_thread != me;
    return;
  }
  // Who read at an earlier time is forgotten: of several readers the time of one alone is known, and
  // a reader that is in order must not be taken for one that is not.
  if (!(r->read_mask & mask) || r->read_time != now) {
    r->read_warps = 0;
  }
  r->read_many = same_warp && r->read_warps && (r->read_many || r->read_thread != me);
  r->read_warps |= 1u << warp->id;
  r->read_thread = (u16)me;
  r->read_mask = mask;
  r->read_epoch = warp->epoch;
  r->read_time = now;
}

static void check_shared(emu_warp *warp, int lane, u32 offset, u32 bytes, u32 access) {
  u32 me = warp->id * EMU_LANES + (u32)lane;
  u8 mask = byte_mask(offset, bytes);
  bool atomic = access & (EMU_ATOMIC | EMU_STRONG);
  for (u32 at = 0; at < bytes; at += 4) {
    emu_word_record *r = &warp->block->words[(offset + at) >> 2];
    bool clash = r->write_time >= warp->block->began && r->write_mask & mask &&
                 r->write_thread != me && !(atomic && r->write_atomic) &&
                 unordered(warp, me, r->write_thread, r->write_time, r->write_epoch);
    if (clash && access & (EMU_READ | EMU_ATOMIC)) {
      race(warp, lane, offset + at, "read", "write", r->write_thread);
      return;
    }
    if (clash && r->write_thread / EMU_LANES != warp->id) {
      race(warp, lane, offset + at, "write", "write", r->write_thread);
      return;
    }
    if (access & EMU_WRITE) {
      if (r->read_mask & mask && r->read_time >= warp->block->began && !atomic) {
        check_reads(warp, lane, offset + at, r, me);
      }
      r->write_mask = r->write_thread == me && r->write_time == warp->block->time
                          ? r->write_mask | mask
                          : mask;
      r->write_thread = (u16)me;
      r->write_time = warp->block->time;
      r->write_epoch = warp->epoch;
      r->write_atomic = atomic;
    } else if (!atomic) {
      note_read(warp, r, me, mask);
    }
  }
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
    return bad_place(warp, lane, PTX_GLOBAL, address, bytes, access);
  }
  if (access & (EMU_READ | EMU_ATOMIC) && !all_written(m->written + offset, bytes)) {
    return unwritten(warp, lane, PTX_GLOBAL, address, m->written + offset, bytes);
  }
  if (access & EMU_WRITE && is_const(warp, address)) {
    emu_fault(warp, lane, "write of %u bytes at 0x%" PRIx64 " to a .const variable", bytes, address);
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
  if (access & EMU_READ && !all_written(m->written + offset, all & ~7u)) {
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

static u8 *at_shared(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  emu_block *block = warp->block;
  if (address < EMU_SHARED_BASE || address > block->shared_end ||
      bytes > block->shared_end - address) {
    return bad_place(warp, lane, PTX_SHARED, address, bytes, access);
  }
  u32 offset = (u32)address - EMU_SHARED_BASE;
  if (access & (EMU_READ | EMU_ATOMIC) && !all_written(block->shared_written + offset, bytes)) {
    return unwritten(warp, lane, PTX_SHARED, address, block->shared_written + offset, bytes);
  }
  check_shared(warp, lane, offset, bytes, access);
  if (access & EMU_WRITE) {
    memset(block->shared_written + offset, 1, bytes);
  }
  return block->shared + offset;
}

static u8 *at_local(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  u32 size = warp->block->program->local_bytes;
  if (address > size || bytes > size - address) {
    return bad_place(warp, lane, PTX_LOCAL, address, bytes, access);
  }
  u64 offset = (u64)lane * size + address;
  if (access & EMU_READ && !all_written(warp->local_written + offset, bytes)) {
    return unwritten(warp, lane, PTX_LOCAL, address, warp->local_written + offset, bytes);
  }
  if (access & EMU_WRITE) {
    memset(warp->local_written + offset, 1, bytes);
  }
  return warp->local + offset;
}

static u8 *at_param(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  const emu_block *block = warp->block;
  if (access != EMU_READ || address > block->param_bytes || bytes > block->param_bytes - address) {
    return bad_place(warp, lane, PTX_PARAM, address, bytes, access);
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
  return bad_place(warp, lane, PTX_CONST, address, bytes, access);
}

u8 *emu_at(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access) {
  if (address & (bytes - 1)) {
    emu_fault(warp, lane, "%s of %u bytes at 0x%" PRIx64 " is not aligned to its size",
              access & EMU_WRITE ? "write" : "read", bytes, address);
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
    case PTX_SHARED: return at_shared(warp, lane, address, bytes, access);
    case PTX_LOCAL: return at_local(warp, lane, address, bytes, access);
    case PTX_PARAM: return at_param(warp, lane, address, bytes, access);
    case PTX_CONST: return at_const(warp, lane, address, bytes, access);
    default: return at_global(warp, lane, address, bytes, access);
  }
}

// A read of what the lane before has just read. Only where no lane of this warp wrote since they met.
static bool read_again(emu_warp *warp, u64 address, u32 bytes) {
  emu_word_record *r = &warp->block->words[(address - EMU_SHARED_BASE) >> 2];
  for (u32 i = 0; i < (bytes + 3) / 4; i++) {
    if (r[i].write_epoch == warp->epoch) {
      return false;
    }
  }
  for (u32 i = 0; i < (bytes + 3) / 4; i++) {
    r[i].read_many = 1;
  }
  return true;
}

static bool shared_lanes(emu_warp *warp, const u64 *addresses, u32 mask, u32 bytes, u32 access,
                         u8 **at) {
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    if (addresses[l] & (bytes - 1)) {
      return emu_at(warp, l, PTX_SHARED, addresses[l], bytes, access) != NULL;
    }
    bool again = access == EMU_READ && l && at[l - 1] && addresses[l] == addresses[l - 1] &&
                 read_again(warp, addresses[l], bytes);
    at[l] = again ? at[l - 1] : at_shared(warp, l, addresses[l], bytes, access);
    if (!at[l] || warp->block->fault) {
      return false;
    }
  }
  return true;
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
    return shared_lanes(warp, addresses, mask, bytes, access, at);
  }
  if (space == PTX_GLOBAL) {
    return global_lanes(warp, addresses, mask, bytes, access, at);
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    at[l] = emu_at(warp, l, space, addresses[l], bytes, access);
    if (!at[l] || warp->block->fault) {
      return false;
    }
  }
  return true;
}
