// Loads, stores, atomics, copies, addresses.
#include "emu_ops.h"

static u64 address_of(const emu_warp *warp, const emu_inst *inst, int lane) {
  return inst->mods & EMU_M_ADDRESS32 ? (u32)(emu_u32(warp, inst->a)[lane] + (u32)inst->imm)
                                      : emu_u64(warp, inst->a)[lane] + (u64)inst->imm;
}

static void addresses_of(const emu_warp *warp, const emu_inst *inst, u64 *addresses) {
  const u64 *wide = emu_u64(warp, inst->a);
  const u32 *narrow = emu_u32(warp, inst->a);
  u64 offset = (u64)inst->imm;
  if (inst->mods & EMU_M_ADDRESS32) {
    for (u32 l = 0; l < EMU_LANES; l++) {
      addresses[l] = narrow[l] + (u32)offset;
    }
  } else {
    for (u32 l = 0; l < EMU_LANES; l++) {
      addresses[l] = wide[l] + offset;
    }
  }
}

// Other blocks may be at the same place, atomically or not: an element is read and written as one.
static u64 load_fixed(const u8 *at, u32 bytes) {
  switch (bytes) {
    case 1: return *at;
    case 2: return __atomic_load_n((const u16 *)(const void *)at, __ATOMIC_RELAXED);
    case 4: return __atomic_load_n((const u32 *)(const void *)at, __ATOMIC_RELAXED);
    default: return __atomic_load_n((const u64 *)(const void *)at, __ATOMIC_RELAXED);
  }
}

static void store_fixed(u8 *at, u64 value, u32 bytes) {
  switch (bytes) {
    case 1: *at = (u8)value; break;
    case 2: __atomic_store_n((u16 *)(void *)at, (u16)value, __ATOMIC_RELAXED); break;
    case 4: __atomic_store_n((u32 *)(void *)at, (u32)value, __ATOMIC_RELAXED); break;
    default: __atomic_store_n((u64 *)(void *)at, value, __ATOMIC_RELAXED); break;
  }
}

static u64 extend(u64 value, u8 type) {
  switch (type) {
    case EMU_W_S8: return (u64)(s64)(s8)value;
    case EMU_W_S16: return (u64)(s64)(s16)value;
    case EMU_W_S32: return (u64)(s64)(s32)value;
    default: return value;
  }
}

static void put_listed(emu_warp *warp, u32 entry, int lane, u64 value, u8 type) {
  u32 cell = entry & (u32)EMU_LIST_CELL;
  if (entry & EMU_LIST_64) {
    emu_u64(warp, cell)[lane] = extend(value, type);
  } else {
    // A signed byte in a 16-bit register leaves the upper half clear.
    u32 wide = (u32)extend(value, type);
    emu_u32(warp, cell)[lane] = entry & EMU_LIST_16 ? (u16)wide : wide;
  }
}

static u64 get_listed(const emu_warp *warp, u32 entry, int lane) {
  u32 cell = entry & (u32)EMU_LIST_CELL;
  return entry & EMU_LIST_64 ? emu_u64(warp, cell)[lane] : emu_u32(warp, cell)[lane];
}

static u32 strength(const emu_inst *inst) { return inst->mods & EMU_M_STRONG ? EMU_STRONG : 0; }

static void order_before(emu_warp *warp, const emu_inst *inst) {
  if (inst->mods & EMU_M_RELEASE) {
    emu_fence(warp);
  }
}
static void order_after(emu_warp *warp, const emu_inst *inst) {
  if (inst->mods & EMU_M_STRONG) {
    emu_observe(warp);
  }
}

// All 32 lanes of global memory one behind the other: one check for all. NULL: not so.
static u8 *together(emu_warp *warp, const emu_inst *inst, u32 mask, u32 bytes, u32 access) {
  if (mask != EMU_FULL || inst->space != PTX_GLOBAL || inst->mods & EMU_M_ADDRESS32) {
    return NULL;
  }
  const u64 *a = emu_u64(warp, inst->a);
  u64 first = a[0], wrong = 0;
  for (u32 l = 0; l < EMU_LANES; l++) {
    wrong |= a[l] ^ (first + l * bytes);
  }
  return wrong ? NULL : emu_at_row(warp, first + (u64)inst->imm, bytes, access);
}

static void load_row(emu_warp *warp, const emu_inst *inst, const u8 *row, u32 count, u32 stride) {
  for (u32 i = 0; i < count; i++) {
    u32 cell = inst->list[i] & (u32)EMU_LIST_CELL;
    if (inst->size == 4) {
      u32 *d = emu_u32(warp, cell);
      for (u32 l = 0; l < EMU_LANES; l++) {
        memcpy(&d[l], row + l * stride + i * 4, 4);
      }
    } else if (inst->size == 2 && inst->list[i] & EMU_LIST_16) {
      u32 *d = emu_u32(warp, cell);
      for (u32 l = 0; l < EMU_LANES; l++) {
        d[l] = (u32)load_fixed(row + l * stride + i * 2, 2);
      }
    } else {
      for (u32 l = 0; l < EMU_LANES; l++) {
        put_listed(warp, inst->list[i], (int)l,
                   load_fixed(row + l * stride + i * inst->size, inst->size), inst->types[0]);
      }
    }
  }
}

// A parameter that all lanes read: once for all. False: lane by lane.
static bool load_param(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 addresses[EMU_LANES], differ = 0;
  addresses_of(warp, inst, addresses);
  for (u32 l = 1; l < EMU_LANES; l++) {
    differ |= addresses[l] ^ addresses[0];
  }
  if (differ) {
    return false;
  }
  const u8 *at = emu_at(warp, __builtin_ctz(mask), PTX_PARAM, addresses[0],
                        inst->list_count * inst->size, EMU_READ);
  for (u32 i = 0; at && i < inst->list_count; i++) {
    u64 value = load_fixed(at + i * inst->size, inst->size);
    EMU_EACH(put_listed(warp, inst->list[i], l, value, inst->types[0]));
  }
  return true;
}

void emu_x_ld(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 count = inst->list_count, stride = count * inst->size;
  if (inst->space == PTX_PARAM && load_param(warp, inst, mask)) {
    return;
  }
  u32 access = EMU_READ | strength(inst) | (inst->constant ? EMU_CONSTANT : 0);
  const u8 *row = together(warp, inst, mask, stride, access);
  if (row && !(inst->size == 4 && inst->list[0] & EMU_LIST_64)) {
    load_row(warp, inst, row, count, stride);
    return;
  }
  // Addresses are read before results are written: a result may be the address.
  u64 addresses[EMU_LANES];
  u8 *at[EMU_LANES] = {0};
  addresses_of(warp, inst, addresses);
  if (!emu_at_lanes(warp, (ptx_space)inst->space, addresses, mask, stride, access, at)) {
    return;
  }
  for (u32 i = 0; i < count; i++) {
    u32 entry = inst->list[i];
    if (inst->size == 4 && !(entry & EMU_LIST_64)) {
      u32 *d = emu_u32(warp, entry & (u32)EMU_LIST_CELL);
      EMU_EACH(d[l] = (u32)load_fixed(at[l] + i * 4, 4));
    } else if (inst->size == 2 && entry & EMU_LIST_16) {
      u32 *d = emu_u32(warp, entry & (u32)EMU_LIST_CELL);
      EMU_EACH(d[l] = (u32)load_fixed(at[l] + i * 2, 2));
    } else {
      EMU_EACH(put_listed(warp, entry, l, load_fixed(at[l] + i * inst->size, inst->size),
                          inst->types[0]));
    }
  }
  order_after(warp, inst);
}

// Lanes that store different values to one place at once: which one stays is not defined.
static bool stores_clash(emu_warp *warp, const emu_inst *inst, u32 mask, u8 *const *at) {
  const u8 *last = NULL;
  bool ascending = true;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    const u8 *here = at[__builtin_ctz(rest)];
    ascending &= !last || here > last;
    last = here;
  }
  for (u32 rest = ascending ? 0 : mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    for (u32 others = rest & (rest - 1); others; others &= others - 1) {
      int o = __builtin_ctz(others);
      for (u32 i = 0; at[o] == at[l] && i < inst->list_count; i++) {
        u64 differ = get_listed(warp, inst->list[i], l) ^ get_listed(warp, inst->list[i], o);
        if (inst->size == 8 ? differ != 0 : differ & (((u64)1 << (inst->size * 8)) - 1)) {
          emu_fault(warp, o, EMU_IS_RACE, "race: lanes %d and %d of the warp store different "
                    "values to one place with one instruction", l, o);
          return true;
        }
      }
    }
  }
  return false;
}

void emu_x_st(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 count = inst->list_count, stride = count * inst->size, access = EMU_WRITE | strength(inst);
  order_before(warp, inst);
  u64 addresses[EMU_LANES];
  u8 *row = together(warp, inst, mask, stride, access), *at[EMU_LANES] = {0};
  if (!row) {
    addresses_of(warp, inst, addresses);
    if (!emu_at_lanes(warp, (ptx_space)inst->space, addresses, mask, stride, access, at) ||
        (!(inst->mods & EMU_M_STRONG) && stores_clash(warp, inst, mask, at))) {
      return;
    }
  }
  for (u32 l = 0; row && l < EMU_LANES; l++) {
    at[l] = row + l * stride;
  }
  for (u32 i = 0; i < count; i++) {
    const u32 *narrow = emu_u32(warp, inst->list[i] & (u32)EMU_LIST_CELL);
    if (inst->size == 4 && !(inst->list[i] & EMU_LIST_64)) {
      EMU_EACH(store_fixed(at[l] + i * 4, narrow[l], 4));
    } else {
      EMU_EACH(store_fixed(at[l] + i * inst->size, get_listed(warp, inst->list[i], l), inst->size));
    }
  }
}

// ---- atomics -----------------------------------------------------------------------------------

static u32 add_halves(u32 old, u32 value, bool bf16, bool pair) {
  u32 result = 0;
  for (int i = 0; i < (pair ? 2 : 1); i++) {
    u16 x = (u16)(old >> (16 * i)), y = (u16)(value >> (16 * i));
    u16 r = bf16 ? emu_to_bf16(emu_fma_odd((double)emu_from_bf16(x), 1, (double)emu_from_bf16(y)),
                               EMU_RN)
                 : emu_to_f16(emu_fma_odd((double)emu_widen_f16(x), 1, (double)emu_widen_f16(y)),
                              EMU_RN);
    result |= (u32)r << (16 * i);
  }
  return result;
}

static u64 sum(u64 old, u64 value, u8 type) {
  switch (type) {
    case EMU_W_F32: return emu_bits(emu_f32((u32)old) + emu_f32((u32)value));
    case EMU_W_F64: return emu_bits64(emu_f64(old) + emu_f64(value));
    case EMU_W_F16: case EMU_W_F16X2: case EMU_W_BF16: case EMU_W_BF16X2:
      return add_halves((u32)old, (u32)value, type == EMU_W_BF16 || type == EMU_W_BF16X2,
                        type == EMU_W_F16X2 || type == EMU_W_BF16X2);
    default: return old + value;
  }
}

static bool less(u64 x, u64 y, u8 type) {
  switch (type) {
    case EMU_W_S32: return (s32)x < (s32)y;
    case EMU_W_S64: return (s64)x < (s64)y;
    case EMU_W_U32: return (u32)x < (u32)y;
    default: return x < y;
  }
}

static u64 updated(const emu_inst *inst, u64 old, u64 value, u64 other) {
  u8 type = inst->types[0];
  u64 bits = inst->size == 8 ? UINT64_MAX : ((u64)1 << (inst->size * 8)) - 1;
  switch (inst->op) {
    case EMU_W_ADD: return sum(old, value, type);
    case EMU_W_MIN: return less(value, old, type) ? value : old;
    case EMU_W_MAX: return less(old, value, type) ? value : old;
    case EMU_W_INC: return (u32)old >= (u32)value ? 0 : old + 1;
    case EMU_W_DEC: return !(u32)old || (u32)old > (u32)value ? value : old - 1;
    case EMU_W_AND: return old & value;
    case EMU_W_OR: return old | value;
    case EMU_W_XOR: return old ^ value;
    case EMU_W_CAS: return old == (value & bits) ? other : old;
    default: return value;
  }
}

#define EXCHANGE(T)                                                                        \
  {                                                                                        \
    T *to = (T *)(void *)at, old = __atomic_load_n(to, __ATOMIC_RELAXED), wanted;          \
    do {                                                                                   \
      wanted = (T)updated(inst, old, value, other);                                        \
    } while (!__atomic_compare_exchange_n(to, &old, wanted, false, __ATOMIC_SEQ_CST,       \
                                          __ATOMIC_SEQ_CST));                              \
    return old;                                                                            \
  }

static u64 exchange(const emu_inst *inst, u8 *at, u64 value, u64 other) {
  switch (inst->size) {
    case 2: EXCHANGE(u16)
    case 4: EXCHANGE(u32)
    default: EXCHANGE(u64)
  }
}

void emu_x_atom(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u8 class_ = inst->size == 8 ? PTX_64 : PTX_32;
  order_before(warp, inst);
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    u8 *at = emu_at(warp, l, (ptx_space)inst->space, address_of(warp, inst, l), inst->size,
                    EMU_ATOMIC | EMU_WRITE);
    if (!at) {
      return;
    }
    u64 value = emu_get(warp, inst->b, class_, l);
    u64 other = inst->op == EMU_W_CAS ? emu_get(warp, inst->c, class_, l) : 0;
    u64 old = exchange(inst, at, value, other);
    if (inst->mods & EMU_M_RESULT) {
      emu_put(warp, inst->d, inst->d_class, l, extend(old, inst->types[0]));
    }
  }
  emu_observe(warp);
}

// ---- order -------------------------------------------------------------------------------------

// What this warp did before is done: known to those that wait for it with something atomic.
void emu_fence(emu_warp *warp) {
  warp->released = warp->block->time++;
  emu_release(warp);
}

void emu_update_seen(emu_warp *warp) {
  u32 least = warp->epoch_time;
  for (u32 i = 0; i < warp->block->warp_count; i++) {
    least = warp->seen[i] < least ? warp->seen[i] : least;
  }
  warp->seen_all = least;
}

// What others released is seen from here on.
void emu_observe(emu_warp *warp) {
  emu_block *block = warp->block;
  for (u32 i = 0; i < block->warp_count; i++) {
    u32 known = block->warps[i].released + 1;
    if (block->warps[i].released && warp->seen[i] < known) {
      warp->seen[i] = known;
    }
  }
  emu_update_seen(warp);
  emu_acquire(warp);
}

void emu_x_fence(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)inst;
  (void)mask;
  emu_observe(warp);
  emu_fence(warp);
}

// ---- addresses ---------------------------------------------------------------------------------

static u64 window_of(u8 space) {
  return space == PTX_SHARED  ? EMU_SHARED_WINDOW
         : space == PTX_LOCAL ? EMU_LOCAL_WINDOW
         : space == PTX_PARAM ? EMU_PARAM_WINDOW
                              : 0;
}

void emu_x_cvta(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 *d = EMU_CELL(u64, d), *a = EMU_CELL(u64, a);
  u64 window = window_of(inst->space);
  if (inst->mods & EMU_M_TO) {
    EMU_EACH(d[l] = window && (a[l] & EMU_WINDOW_MASK) == window ? a[l] - window : a[l]);
  } else {
    EMU_EACH(d[l] = a[l] + window);
  }
}

void emu_x_isspacep(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u64 *a = EMU_CELL(u64, a);
  u64 window = window_of(inst->space);
  const emu_module *module = warp->block->function->module;
  const emu_memory *memory = &warp->block->device->memory;
  u32 result = 0;
  EMU_EACH(bool is = window && (a[l] & EMU_WINDOW_MASK) == window; bool constant = false;
           for (u32 i = 0; i < module->const_count; i++) {
             constant |= a[l] >= module->consts[i].from && a[l] < module->consts[i].to;
           } if (inst->space == PTX_CONST) { is = constant; } else if (inst->space == PTX_GLOBAL) {
             is = !constant && a[l] - memory->base < memory->bytes;
           } result |= (u32)is << l);
  emu_set_pred(warp, inst->d, mask, result);
}

void emu_x_nothing(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)warp;
  (void)inst;
  (void)mask;
}

void emu_x_undefine(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_x_nothing(warp, inst, mask);
}

void emu_x_trap(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)inst;
  emu_fault(warp, __builtin_ctz(mask), EMU_IS_TRAP, "the program gives up: trap");
}

// ---- cp.async ----------------------------------------------------------------------------------

// The bytes land when they are waited for, and are unwritten until then.
// Whole elements from 64-bit addresses, which may not be shared memory's.
static void start_copies(emu_warp *warp, const emu_inst *inst, u32 mask, u32 bytes) {
  u64 targets[EMU_LANES], sources[EMU_LANES];
  u8 *at[EMU_LANES] = {0}, *from[EMU_LANES] = {0};
  addresses_of(warp, inst, targets);
  for (u32 l = 0; l < EMU_LANES; l++) {
    sources[l] = emu_u64(warp, inst->b)[l] + (u64)inst->imm2;
  }
  if (!emu_at_lanes(warp, PTX_SHARED, targets, mask, bytes, EMU_WRITE, at)) {
    return;
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    memset(warp->block->shared_written + (targets[__builtin_ctz(rest)] - EMU_SHARED_BASE), 0,
           bytes);
  }
  if (!emu_at_lanes(warp, PTX_GLOBAL, sources, mask, bytes, EMU_READ, from)) {
    return;
  }
  if (!emu_copy_room(warp, __builtin_ctz(mask), EMU_LANES)) {
    return;
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    warp->copies[warp->copy_count++] = (emu_copy_async){
        sources[l], (u32)targets[l], (u8)bytes, 0, (u8)l, warp->groups[l], inst->line};
  }
}

void emu_x_cp_async(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 bytes = inst->target;
  if (!inst->c && !(inst->mods & EMU_M_SECOND32) && (bytes == 4 || bytes == 8 || bytes == 16)) {
    start_copies(warp, inst, mask, bytes);
    return;
  }
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    u64 source = inst->mods & EMU_M_SECOND32 ? emu_u32(warp, inst->b)[l] + (u64)inst->imm2
                                             : emu_u64(warp, inst->b)[l] + (u64)inst->imm2;
    u32 take = inst->c ? emu_u32(warp, inst->c)[l] : bytes;
    if ((bytes != 4 && bytes != 8 && bytes != 16) || take > bytes) {
      emu_fault(warp, l, EMU_IS_VALUE, "cp.async copies %u of %u bytes: 4, 8 or 16, and no more "
                "than these", take, bytes);
      return;
    }
    u64 target = address_of(warp, inst, l);
    u8 *to = emu_at(warp, l, PTX_SHARED, target, bytes, EMU_WRITE);
    if (!to) {
      return;
    }
    memset(warp->block->shared_written + (target - EMU_SHARED_BASE), 0, bytes);
    if (take && !emu_read_ahead(warp, l, source, bytes, take)) {
      return;
    }
    if (!emu_copy_start(warp, (emu_copy_async){source, (u32)target, (u8)bytes, (u8)(bytes - take),
                                               (u8)l, 0, inst->line})) {
      return;
    }
  }
}

void emu_x_cp_commit(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)inst;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    warp->groups[__builtin_ctz(rest)]++;
  }
}

void emu_x_cp_wait(emu_warp *warp, const emu_inst *inst, u32 mask) {
  if (inst->mods & EMU_M_ALL) {
    emu_x_cp_commit(warp, inst, mask);
  }
  emu_copy_wait(warp, mask, inst->mods & EMU_M_ALL ? 0 : inst->target);
}
