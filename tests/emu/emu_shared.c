// Accesses of shared memory: who was there last, and is he known to be done?
#include <inttypes.h>
#include <string.h>

#include "emu_internal.h"

// ---- races in shared memory --------------------------------------------------------------------

static u8 byte_mask(u32 offset, u32 bytes) {
  return bytes >= 4 ? 15 : (u8)(((1u << bytes) - 1) << (offset & 3));
}

static void race(emu_warp *warp, int lane, u32 offset, const char *mine, const char *theirs,
                 u32 thread) {
  bool same = thread / EMU_LANES == warp->id;
  emu_fault(warp, lane, EMU_IS_RACE, "race in shared memory at 0x%x: this %s, and the %s of thread "
            "%u of the block, with no %s between them", offset + EMU_SHARED_BASE, mine, theirs,
            thread, same ? "bar.warp.sync" : "barrier");
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
  // Who read at an earlier time is forgotten: of several readers the time of one alone is known,
  // and a reader that is in order must not be taken for one that is not.
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

static emu_word_record record_of(const emu_block *block, u32 word) {
  const emu_word_group *g = &block->words[word / 4];
  u32 i = word % 4;
  return (emu_word_record){
      g->write_time[i], g->write_epoch[i], (u16)g->writer[i], (u8)(g->writer[i] >> 16),
      (u8)(g->writer[i] >> 24), g->read_time[i], g->read_epoch[i], g->read_warps[i],
      (u16)g->reader[i], (u8)(g->reader[i] >> 16), (u8)(g->reader[i] >> 24)};
}

static void set_record(emu_block *block, u32 word, const emu_word_record *r) {
  emu_word_group *g = &block->words[word / 4];
  u32 i = word % 4;
  g->write_time[i] = r->write_time;
  g->write_epoch[i] = r->write_epoch;
  g->writer[i] = r->write_thread | (u32)r->write_mask << 16 | (u32)r->write_atomic << 24;
  g->read_time[i] = r->read_time;
  g->read_epoch[i] = r->read_epoch;
  g->read_warps[i] = r->read_warps;
  g->reader[i] = r->read_thread | (u32)r->read_mask << 16 | (u32)r->read_many << 24;
}

static void check_shared(emu_warp *warp, int lane, u32 offset, u32 bytes, u32 access) {
  u32 me = warp->id * EMU_LANES + (u32)lane;
  u8 mask = byte_mask(offset, bytes);
  bool atomic = access & (EMU_ATOMIC | EMU_STRONG);
  for (u32 at = 0; at < bytes; at += 4) {
    emu_word_record record = record_of(warp->block, (offset + at) >> 2), *r = &record;
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
    set_record(warp->block, (offset + at) >> 2, r);
  }
}

// ---- whole words of shared memory --------------------------------------------------------------

// What most accesses are: of words that only this lane touched since all warps met. The rest is
// looked at again by the functions above. Noting anew what was noted already changes nothing.
typedef struct moment {
  u8 *data, *written;
  emu_word_group *words;
  u32 size, now, epoch, seen_all, id;
} moment;

static moment moment_of(const emu_warp *warp) {
  const emu_block *block = warp->block;
  return (moment){block->shared, block->shared_written, block->words,
                  block->shared_end - EMU_SHARED_BASE, block->time, warp->epoch, warp->seen_all,
                  warp->id};
}

enum { WHOLE = 15 << 16, MANY = 1 << 24, THREAD = 0xffff };

// All words of a group at once; |me| is the thread of each.
typedef u32 words4 __attribute__((vector_size(16)));
typedef u64 halves2 __attribute__((vector_size(16)));

static inline words4 four(const u32 *from) {
  words4 v;
  memcpy(&v, from, sizeof v);
  return v;
}
static inline bool any(const words4 *flags) {
  halves2 bits;
  memcpy(&bits, flags, sizeof bits);
  return bits[0] | bits[1];
}
#define EVERY(value) ((words4){(value), (value), (value), (value)})

static inline bool group_is_quiet(const emu_word_group *g, const moment *m, const words4 *me,
                                  bool write) {
  words4 late = (words4)(four(g->write_time) >= m->seen_all);
  words4 writer = four(g->writer) & THREAD;
  if (!write) {
    words4 bad = late & (words4)(writer != *me);
    return !any(&bad);
  }
  words4 late_read = (words4)(four(g->read_time) >= m->seen_all);
  words4 others = (words4)((four(g->reader) & (THREAD | MANY)) != *me) |
                  (words4)(four(g->read_warps) != 1u << m->id);
  words4 bad = (late & (words4)(writer / EMU_LANES != m->id)) | (late_read & others);
  return !any(&bad);
}

static inline void note_word(emu_warp *warp, u32 word, u32 me) {
  emu_word_record r = record_of(warp->block, word);
  note_read(warp, &r, me, 15);
  set_record(warp->block, word, &r);
}

static inline void note_group(emu_warp *warp, emu_word_group *g, const moment *m,
                              const words4 *me) {
  words4 reader = four(g->reader), noted = (words4)(four(g->read_time) == m->now);
  words4 other = (words4)(four(g->read_epoch) != m->epoch) |
                 (words4)((reader & 0xff0000) != WHOLE);
  if (!any(&noted)) {
    words4 now = EVERY(m->now), epoch = EVERY(m->epoch), warps = EVERY(1u << m->id);
    memcpy(g->read_time, &now, sizeof now);
    memcpy(g->read_epoch, &epoch, sizeof epoch);
    memcpy(g->read_warps, &warps, sizeof warps);
    reader = *me | WHOLE;
    memcpy(g->reader, &reader, sizeof reader);
    return;
  }
  words4 odd = ~noted | other;
  if (!any(&odd)) {
    reader |= (words4)((reader & THREAD) != *me) & MANY;
    memcpy(g->reader, &reader, sizeof reader);
    return;
  }
  for (u32 i = 0; i < 4; i++) {
    note_word(warp, (u32)(g - m->words) * 4 + i, (*me)[i]);
  }
}

// 16 bytes, aligned: of one lane, or of four.
static inline u8 *quick_read_group(emu_warp *warp, const moment *m, const words4 *me, u64 address) {
  u64 offset = address - EMU_SHARED_BASE;
  if (offset >= m->size || 16 > m->size - offset || !emu_all_written(m->written + offset, 16)) {
    return NULL;
  }
  emu_word_group *g = &m->words[offset / 16];
  if (!group_is_quiet(g, m, me, false)) {
    return NULL;
  }
  note_group(warp, g, m, me);
  return m->data + offset;
}

static inline u8 *quick_write_group(const moment *m, const words4 *me, u64 address) {
  u64 offset = address - EMU_SHARED_BASE;
  if (offset >= m->size || 16 > m->size - offset) {
    return NULL;
  }
  emu_word_group *g = &m->words[offset / 16];
  if (!group_is_quiet(g, m, me, true)) {
    return NULL;
  }
  words4 now = EVERY(m->now), epoch = EVERY(m->epoch), writer = *me | WHOLE;
  memcpy(g->write_time, &now, sizeof now);
  memcpy(g->write_epoch, &epoch, sizeof epoch);
  memcpy(g->writer, &writer, sizeof writer);
  memset(m->written + offset, 1, 16);
  return m->data + offset;
}

// 4 or 8 bytes, aligned.
__attribute__((always_inline)) static inline u8 *quick_read(emu_warp *warp, const moment *m, u32 me,
                                                           u64 address, u32 bytes) {
  u64 offset = address - EMU_SHARED_BASE;
  if (offset >= m->size || bytes > m->size - offset ||
      !emu_all_written(m->written + offset, bytes)) {
    return NULL;
  }
  emu_word_group *g = &m->words[offset / 16];
  u32 first = offset / 4 % 4, bad = 0;
  for (u32 i = first; i < first + bytes / 4; i++) {
    bad |= (u32)(g->write_time[i] >= m->seen_all) & (u32)((g->writer[i] & THREAD) != me);
  }
  if (bad) {
    return NULL;
  }
  for (u32 i = first; i < first + bytes / 4; i++) {
    if (g->read_time[i] != m->now) {
      g->read_time[i] = m->now;
      g->read_epoch[i] = m->epoch;
      g->read_warps[i] = 1u << m->id;
      g->reader[i] = me | WHOLE;
    } else if (g->read_epoch[i] == m->epoch && (g->reader[i] & 0xff0000) == WHOLE) {
      g->reader[i] |= (u32)((g->reader[i] & THREAD) != me) << 24;
    } else {
      note_word(warp, (u32)(offset >> 2) + i - first, me);
    }
  }
  return m->data + offset;
}

__attribute__((always_inline)) static inline u8 *quick_write(const moment *m, u32 me, u64 address,
                                                            u32 bytes) {
  u64 offset = address - EMU_SHARED_BASE;
  if (offset >= m->size || bytes > m->size - offset) {
    return NULL;
  }
  emu_word_group *g = &m->words[offset / 16];
  u32 first = offset / 4 % 4, bad = 0;
  for (u32 i = first; i < first + bytes / 4; i++) {
    u32 others = (u32)((g->reader[i] & (THREAD | MANY)) != me) |
                 (u32)(g->read_warps[i] != 1u << m->id);
    bad |= (u32)(g->write_time[i] >= m->seen_all) &
           (u32)((g->writer[i] & THREAD) / EMU_LANES != m->id);
    bad |= (u32)(g->read_time[i] >= m->seen_all) & others;
  }
  if (bad) {
    return NULL;
  }
  for (u32 i = first; i < first + bytes / 4; i++) {
    g->write_time[i] = m->now;
    g->write_epoch[i] = m->epoch;
    g->writer[i] = me | WHOLE;
  }
  memset(m->written + offset, 1, bytes);
  return m->data + offset;
}

__attribute__((always_inline)) static inline u8 *quick_of(emu_warp *warp, const moment *m, u32 me,
                                                         u64 address, u32 bytes, u32 access) {
  words4 threads = EVERY(me);
  if (access == EMU_READ) {
    return bytes == 16 ? quick_read_group(warp, m, &threads, address)
                       : quick_read(warp, m, me, address, bytes);
  }
  return bytes == 16 ? quick_write_group(m, &threads, address)
                     : quick_write(m, me, address, bytes);
}

static u8 *quick(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  moment m = moment_of(warp);
  u32 me = warp->id * EMU_LANES + (u32)lane;
  if (access != EMU_READ && access != EMU_WRITE) {
    return NULL;
  }
  switch (bytes) {
    case 4: return quick_of(warp, &m, me, address, 4, access);
    case 8: return quick_of(warp, &m, me, address, 8, access);
    case 16: return quick_of(warp, &m, me, address, 16, access);
    default: return NULL;
  }
}

// ---- lanes -------------------------------------------------------------------------------------

u8 *emu_at_shared(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access) {
  emu_block *block = warp->block;
  if (address < EMU_SHARED_BASE || address > block->shared_end ||
      bytes > block->shared_end - address) {
    return emu_bad_place(warp, lane, PTX_SHARED, address, bytes, access);
  }
  u8 *at = quick(warp, lane, address, bytes, access);
  if (at) {
    return at;
  }
  u32 offset = (u32)address - EMU_SHARED_BASE;
  if (access & (EMU_READ | EMU_ATOMIC) && !emu_all_written(block->shared_written + offset, bytes)) {
    return emu_unwritten(warp, lane, PTX_SHARED, address, block->shared_written + offset, bytes);
  }
  check_shared(warp, lane, offset, bytes, access);
  if (access & EMU_WRITE) {
    memset(block->shared_written + offset, 1, bytes);
  }
  return block->shared + offset;
}

// Is the lane behind |l|, the first of |rest|, there, and at the same address?
static inline bool same_next(const u64 *addresses, u32 rest, int l) {
  return rest >> l & 2 && addresses[l + 1] == addresses[l];
}

// A read of what the lane before has just read. Only where no lane of this warp wrote since they
// met.
static bool read_again(emu_warp *warp, u64 address, u32 bytes) {
  u32 first = (u32)(address - EMU_SHARED_BASE) >> 2, count = (bytes + 3) / 4;
  emu_word_group *words = warp->block->words;
  for (u32 i = first; i < first + count; i++) {
    if (words[i / 4].write_epoch[i % 4] == warp->epoch) {
      return false;
    }
  }
  for (u32 i = first; i < first + count; i++) {
    words[i / 4].reader[i % 4] |= MANY;
  }
  return true;
}

// Four lanes from |l| on that share 16 bytes, word by word.
static inline bool four_lanes(const moment *m, emu_warp *warp, const u64 *a, u32 mask, int l,
                              u32 access, u8 **at) {
  u64 first = a[l];
  if (l % 4 || (mask >> l & 15) != 15 || first & 15 || a[l + 1] != first + 4 ||
      a[l + 2] != first + 8 || a[l + 3] != first + 12) {
    return false;
  }
  words4 me = EVERY(m->id * EMU_LANES + (u32)l) + (words4){0, 1, 2, 3};
  u8 *here = access == EMU_READ ? quick_read_group(warp, m, &me, first)
                                : quick_write_group(m, &me, first);
  for (int i = 0; here && i < 4; i++) {
    at[l + i] = here + 4 * i;
  }
  return here != NULL;
}

// Inlined for each size.
__attribute__((always_inline)) static inline bool shared_lanes_of(emu_warp *warp,
                                                                 const u64 *addresses, u32 mask,
                                                                 u32 bytes, u32 access, u8 **at) {
  moment m = moment_of(warp);
  bool plain = access == EMU_READ || access == EMU_WRITE;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    u64 address = addresses[l];
    if (address & (bytes - 1)) {
      return emu_at(warp, l, PTX_SHARED, address, bytes, access) != NULL;
    }
    if (bytes == 4 && plain && four_lanes(&m, warp, addresses, mask, l, access, at)) {
      rest &= ~(14u << l);
      continue;
    }
    u32 me = m.id * EMU_LANES + (u32)l;
    u8 *here = plain ? quick_of(warp, &m, me, address, bytes, access) : NULL;
    if (!here) {
      here = emu_at_shared(warp, l, address, bytes, access);
      if (!here || warp->block->fault) {
        return false;
      }
    }
    at[l] = here;
    if (access == EMU_READ && same_next(addresses, rest, l) && read_again(warp, address, bytes)) {
      do {
        at[++l] = here;
        rest &= rest - 1;
      } while (same_next(addresses, rest, l));
    }
  }
  return true;
}

bool emu_shared_lanes(emu_warp *warp, const u64 *addresses, u32 mask, u32 bytes, u32 access,
                         u8 **at) {
  switch (bytes) {
    case 4: return shared_lanes_of(warp, addresses, mask, 4, access, at);
    case 8: return shared_lanes_of(warp, addresses, mask, 8, access, at);
    case 16: return shared_lanes_of(warp, addresses, mask, 16, access, at);
    default: break;
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    at[l] = emu_at(warp, l, PTX_SHARED, addresses[l], bytes, access);
    if (!at[l] || warp->block->fault) {
      return false;
    }
  }
  return true;
}
