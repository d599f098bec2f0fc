// Device memory: allocations, and what is known of each byte.
#include <string.h>
#include <sys/mman.h>
#include <stdlib.h>

#include "emu_internal.h"

enum { GRANULE = 256 };
static const u64 DEVICE_BASE =
    0x200000000000ull;  // no address of the host's, so that mixing faults

static void *reserve(u64 bytes) {
  void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
  return at == MAP_FAILED ? NULL : at;
}

// Devices have places of their own, so that memory of one is none in another: 32 of 1 TiB.
static u64 next_base(void) {
  static u32 devices;
  return DEVICE_BASE + ((u64)(__atomic_fetch_add(&devices, 1, __ATOMIC_RELAXED) % 32) << 40);
}

bool emu_memory_create(emu_memory *m, u64 bytes) {
  bytes = (bytes + GRANULE - 1) / GRANULE * GRANULE;
  *m = (emu_memory){.base = next_base(), .bytes = bytes};
  m->data = reserve(bytes);
  m->written = reserve(bytes);
  m->valid = reserve(bytes / GRANULE * sizeof *m->valid);
  m->writer = reserve(bytes / 4 * sizeof *m->writer);
  m->reader = reserve(bytes / 4 * sizeof *m->reader);
  m->who = reserve(bytes / 4 * sizeof *m->who);
  if (pthread_mutex_init(&m->lock, NULL) || !m->data || !m->written || !m->valid || !m->writer ||
      !m->reader || !m->who) {
    emu_memory_destroy(m);
    return false;
  }
  return true;
}

void emu_memory_forget_races(emu_memory *m) {
  madvise(m->writer, m->bytes / 4 * sizeof *m->writer, MADV_DONTNEED);
  madvise(m->reader, m->bytes / 4 * sizeof *m->reader, MADV_DONTNEED);
}

static void unmap(void *at, u64 bytes) {
  if (at) {
    munmap(at, bytes);
  }
}

void emu_memory_destroy(emu_memory *m) {
  unmap(m->data, m->bytes);
  unmap(m->written, m->bytes);
  unmap(m->valid, m->bytes / GRANULE * sizeof *m->valid);
  unmap(m->writer, m->bytes / 4 * sizeof *m->writer);
  unmap(m->reader, m->bytes / 4 * sizeof *m->reader);
  unmap(m->who, m->bytes / 4 * sizeof *m->who);
  free(m->list);
  pthread_mutex_destroy(&m->lock);
}

// ---- allocations -------------------------------------------------------------------------------

static u64 taken(u64 bytes) {  // with a gap behind, so that running over an end is found
  return (bytes + GRANULE - 1) / GRANULE * GRANULE + GRANULE;
}

// Index of the first allocation behind |address|.
static u32 behind(const emu_memory *m, u64 address) {
  u32 low = 0, high = m->count;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (m->list[middle].address <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static void set_valid(emu_memory *m, u64 offset, u64 bytes, bool on) {
  for (u64 at = 0; at < bytes; at += GRANULE) {
    u64 rest = bytes - at;
    m->valid[(offset + at) / GRANULE] = on ? (u16)(rest < GRANULE ? rest : GRANULE) : 0;
  }
}

static void forget(emu_memory *m, u64 offset, u64 bytes) {
  enum { PAGE = 4096 };
  u64 first = (offset + PAGE - 1) / PAGE * PAGE, last = (offset + bytes) / PAGE * PAGE;
  if (last <= first || bytes < (u64)1 << 20) {
    memset(m->written + offset, 0, bytes);
    return;
  }
  memset(m->written + offset, 0, first - offset);
  memset(m->written + last, 0, offset + bytes - last);
  madvise(m->written + first, last - first, MADV_DONTNEED);
  madvise(m->data + first, last - first, MADV_DONTNEED);
}

u64 emu_alloc(emu_device *device, u64 bytes) {
  emu_memory *m = &device->memory;
  if (!bytes || bytes > m->bytes) {
    return 0;
  }
  u64 size = taken(bytes), at = m->base + GRANULE, result = 0;
  pthread_mutex_lock(&m->lock);
  u32 place = 0;
  for (;; place++) {
    u64 end = place < m->count ? m->list[place].address : m->base + m->bytes;
    if (end >= at && end - at >= size) {
      result = at;
      break;
    }
    if (place == m->count) {
      break;
    }
    at = m->list[place].address + taken(m->list[place].bytes);
  }
  if (result && m->count == m->room) {
    u32 room = m->room ? m->room * 2 : 64;
    struct emu_allocation *list = realloc(m->list, room * sizeof *list);
    result = list ? result : 0;
    m->list = list ? list : m->list;
    m->room = list ? room : m->room;
  }
  if (result) {
    memmove(m->list + place + 1, m->list + place, (m->count - place) * sizeof *m->list);
    m->list[place] = (struct emu_allocation){result, bytes};
    m->count++;
    m->used += size;
    set_valid(m, result - m->base, bytes, true);
    forget(m, result - m->base, bytes);
  }
  pthread_mutex_unlock(&m->lock);
  return result;
}

bool emu_free(emu_device *device, u64 address) {
  emu_memory *m = &device->memory;
  pthread_mutex_lock(&m->lock);
  u32 at = behind(m, address);
  bool found = at && m->list[at - 1].address == address;
  if (found) {
    u64 bytes = m->list[--at].bytes;
    set_valid(m, address - m->base, bytes, false);
    forget(m, address - m->base, bytes);
    m->used -= taken(bytes);
    m->count--;
    memmove(m->list + at, m->list + at + 1, (m->count - at) * sizeof *m->list);
  }
  pthread_mutex_unlock(&m->lock);
  return found;
}

bool emu_find(const emu_device *device, u64 address, u64 *base, u64 *bytes) {
  const emu_memory *m = &device->memory;
  u32 at = behind(m, address);
  if (!at || address - m->list[at - 1].address >= m->list[at - 1].bytes) {
    return false;
  }
  if (base) {
    *base = m->list[at - 1].address;
  }
  if (bytes) {
    *bytes = m->list[at - 1].bytes;
  }
  return true;
}

u64 emu_free_bytes(const emu_device *device) {
  return device->memory.bytes - device->memory.used;
}

// ---- the host's accesses -----------------------------------------------------------------------

static bool within(const emu_device *device, u64 address, u64 bytes, u64 *offset) {
  u64 base, size;
  if (!emu_find(device, address, &base, &size) || bytes > size - (address - base)) {
    return false;
  }
  *offset = address - device->memory.base;
  return true;
}

bool emu_write(emu_device *device, u64 address, const void *data, u64 bytes) {
  u64 offset;
  if (!bytes) {
    return true;
  }
  if (!within(device, address, bytes, &offset)) {
    return false;
  }
  memcpy(device->memory.data + offset, data, bytes);
  memset(device->memory.written + offset, 1, bytes);
  return true;
}

static s64 first_unwritten(const emu_memory *m, u64 offset, u64 bytes) {
  const u8 *zero = memchr(m->written + offset, 0, bytes);
  return zero ? zero - (m->written + offset) : -1;
}

bool emu_read(emu_device *device, u64 address, void *data, u64 bytes, s64 *unwritten) {
  u64 offset;
  if (unwritten) {
    *unwritten = -1;
  }
  if (!bytes) {
    return true;
  }
  if (!within(device, address, bytes, &offset)) {
    return false;
  }
  memcpy(data, device->memory.data + offset, bytes);
  if (unwritten) {
    *unwritten = first_unwritten(&device->memory, offset, bytes);
  }
  return true;
}

bool emu_copy(emu_device *device, u64 to, u64 from, u64 bytes) {
  u64 target, source;
  if (!bytes) {
    return true;
  }
  if (!within(device, to, bytes, &target) || !within(device, from, bytes, &source)) {
    return false;
  }
  memmove(device->memory.data + target, device->memory.data + source, bytes);
  memmove(device->memory.written + target, device->memory.written + source, bytes);
  return true;
}

bool emu_fill(emu_device *device, u64 address, const void *pattern, u32 pattern_bytes, u64 count) {
  u64 offset, bytes = pattern_bytes * count;
  if (!bytes) {
    return true;
  }
  if (count > UINT64_MAX / pattern_bytes || !within(device, address, bytes, &offset)) {
    return false;
  }
  for (u64 i = 0; i < count; i++) {
    memcpy(device->memory.data + offset + i * pattern_bytes, pattern, pattern_bytes);
  }
  memset(device->memory.written + offset, 1, bytes);
  return true;
}

bool emu_is_written(const emu_device *device, u64 address, u64 bytes) {
  u64 offset;
  return !bytes ||
         (within(device, address, bytes, &offset) &&
          first_unwritten(&device->memory, offset, bytes) < 0);
}
