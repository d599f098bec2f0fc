// What lanes of a warp do together: all members are here when a handler runs.
#include "emu_ops.h"

// ---- shuffles ----------------------------------------------------------------------------------

static bool source_lane(u8 op, u32 lane, u32 b, u32 c, u32 *from) {
  u32 segment = c >> 8 & 31, clamp = c & 31;
  u32 last = (lane & segment) | (clamp & ~segment), first = lane & segment;
  b &= 31;
  switch (op) {
    case EMU_W_UP: *from = lane - b; return (s32)*from >= (s32)last;
    case EMU_W_DOWN: *from = lane + b; return *from <= last;
    case EMU_W_BFLY: *from = lane ^ b; return *from <= last;
    default: *from = first | (b & ~segment); return *from <= last;
  }
}

void emu_x_shfl(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  u32 *d = EMU_CELL(u32, d), values[EMU_LANES], inside = 0;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    u32 l = (u32)__builtin_ctz(rest), from;
    bool good = source_lane(inst->op, l, b[l], c[l], &from);
    from = good ? from : l;
    if (!(mask >> from & 1)) {
      emu_fault(warp, (int)l, "shfl reads lane %u, which does not take part", from);
      return;
    }
    values[l] = a[from];
    inside |= (u32)good << l;
  }
  EMU_EACH(d[l] = values[l]);
  if (inst->e) {
    emu_set_pred(warp, inst->e, mask, inside);
  }
}

void emu_x_vote(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 votes = *emu_u32(warp, inst->a) & mask;
  if (inst->op == EMU_W_BALLOT) {
    u32 *d = EMU_CELL(u32, d);
    EMU_EACH(d[l] = votes);
    return;
  }
  bool yes = inst->op == EMU_W_ALL   ? votes == mask
             : inst->op == EMU_W_ANY ? votes != 0
                                     : votes == mask || !votes;
  emu_set_pred(warp, inst->d, mask, yes ? EMU_FULL : 0);
}

void emu_x_match(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), equal[EMU_LANES], all = EMU_FULL;
  u8 class_ = inst->types[0] == EMU_W_B64 ? PTX_64 : PTX_32;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    u64 mine = emu_get(warp, inst->a, class_, l);
    equal[l] = 0;
    for (u32 others = mask; others; others &= others - 1) {
      int o = __builtin_ctz(others);
      equal[l] |= (u32)(emu_get(warp, inst->a, class_, o) == mine) << o;
    }
    all &= equal[l] == mask ? EMU_FULL : 0;
  }
  bool is_all = inst->op == EMU_W_ALL;
  EMU_EACH(d[l] = is_all ? mask & all : equal[l]);
  if (inst->e) {
    emu_set_pred(warp, inst->e, mask, all);
  }
}

static u32 reduce(u8 op, u8 type, u32 x, u32 y) {
  bool is_signed = type == EMU_W_S32, less = is_signed ? (s32)x < (s32)y : x < y;
  switch (op) {
    case EMU_W_ADD: return x + y;
    case EMU_W_MIN: return less ? x : y;
    case EMU_W_MAX: return less ? y : x;
    case EMU_W_AND: return x & y;
    case EMU_W_OR: return x | y;
    default: return x ^ y;
  }
}

void emu_x_redux(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  u32 result = a[__builtin_ctz(mask)];
  for (u32 rest = mask & (mask - 1); rest; rest &= rest - 1) {
    result = reduce(inst->op, inst->types[0], result, a[__builtin_ctz(rest)]);
  }
  EMU_EACH(d[l] = result);
}

void emu_x_activemask(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d);
  EMU_EACH(d[l] = mask);
}

void emu_x_elect(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), leader = (u32)__builtin_ctz(mask);
  EMU_EACH(d[l] = leader);
  if (inst->e) {
    emu_set_pred(warp, inst->e, mask, 1u << leader);
  }
}

// bar.warp.sync: what lanes wrote is seen by the others.
void emu_x_meet(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)inst;
  (void)mask;
  warp->epoch = ++warp->block->epochs;
}

// ---- 8 x 8 matrices of 16-bit elements ---------------------------------------------------------

static u64 row_address(const emu_warp *warp, const emu_inst *inst, int lane) {
  return inst->mods & EMU_M_ADDRESS32 ? (u32)(emu_u32(warp, inst->a)[lane] + (u32)inst->imm)
                                      : emu_u64(warp, inst->a)[lane] + (u64)inst->imm;
}

void emu_x_ldmatrix(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u16 rows[4][8][8];
  for (u32 i = 0; i < inst->list_count * 8; i++) {
    u64 address = row_address(warp, inst, (int)i);
    if ((address & EMU_WINDOW_MASK) == EMU_SHARED_WINDOW) {
      address -= EMU_SHARED_WINDOW;
    }
    const u8 *at = emu_at(warp, (int)i, PTX_SHARED, address, 16, EMU_READ);
    if (!at) {
      return;
    }
    memcpy(rows[i / 8][i % 8], at, 16);
  }
  for (u32 i = 0; i < inst->list_count; i++) {
    u32 *d = emu_u32(warp, inst->list[i] & (u32)EMU_LIST_CELL);
    bool turned = inst->mods & EMU_M_TRANS;
    EMU_EACH(u32 row = (u32)l / 4; u32 column = (u32)l % 4 * 2;
             u32 low = turned ? rows[i][column][row] : rows[i][row][column];
             u32 high = turned ? rows[i][column + 1][row] : rows[i][row][column + 1];
             d[l] = low | high << 16);
  }
}

void emu_x_stmatrix(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u16 rows[4][8][8];
  for (u32 i = 0; i < inst->list_count; i++) {
    const u32 *s = emu_u32(warp, inst->list[i] & (u32)EMU_LIST_CELL);
    for (u32 l = 0; l < EMU_LANES; l++) {
      for (u32 j = 0; j < 2; j++) {
        u32 row = l / 4, column = l % 4 * 2 + j;
        u16 value = (u16)(s[l] >> (16 * j));
        *(inst->mods & EMU_M_TRANS ? &rows[i][column][row] : &rows[i][row][column]) = value;
      }
    }
  }
  (void)mask;
  for (u32 i = 0; i < inst->list_count * 8; i++) {
    u8 *at = emu_at(warp, (int)i, PTX_SHARED, row_address(warp, inst, (int)i), 16, EMU_WRITE);
    if (!at) {
      return;
    }
    memcpy(at, rows[i / 8][i % 8], 16);
  }
}

void emu_x_movmatrix(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a);
  u32 *d = EMU_CELL(u32, d);
  u16 matrix[8][8];
  for (u32 l = 0; l < EMU_LANES; l++) {
    matrix[l / 4][l % 4 * 2] = (u16)a[l];
    matrix[l / 4][l % 4 * 2 + 1] = (u16)(a[l] >> 16);
  }
  EMU_EACH(u32 row = (u32)l / 4; u32 column = (u32)l % 4 * 2;
           d[l] = matrix[column][row] | (u32)matrix[column + 1][row] << 16);
}
