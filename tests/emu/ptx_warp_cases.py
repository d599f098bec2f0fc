"""Instructions of memory and of whole warps: shuffles, votes, atomics, copies, matrix fragments.

The layouts of fragments are the ISA's tables; the elements are small integers, so that every sum is
exact in any order.
"""

import random
from fractions import Fraction

from ptx_floats import BF16, F16, F32, add
from ptx_scalar_cases import signed

ALL = 0xFFFFFFFF


# ---- shuffles and votes ---------------------------------------------------------------------------


def shuffle_source(mode, lane, b, c):
    """(source lane, is it in range), by the ISA's rules for c = segment mask and clamp."""
    segments, bound, b = c >> 8 & 31, c & 31, b & 31
    most = (lane & segments) | (bound & ~segments)
    if mode == "up":
        source = lane - b
        inside = source >= most
    elif mode == "down":
        source = lane + b
        inside = source <= most
    elif mode == "bfly":
        source = lane ^ b
        inside = source <= most
    else:
        source = (lane & segments) | (b & ~segments)
        inside = source <= most
    return (source if inside else lane), inside


def shuffles(table, rng):
    for mode in ("up", "down", "bfly", "idx"):
        for width in (32, 16, 8, 4):
            segments = (32 - width) << 8
            c = segments if mode == "up" else segments | 31
            rows = []
            for b in (0, 1, 2, 3, 5, 8, 16, 17, 31):
                a = [rng.getrandbits(32) for _ in range(32)]
                for lane in range(32):
                    source, inside = shuffle_source(mode, lane, b, c)
                    rows.append(((a[lane], b, c), (a[source], int(inside))))
            table.op(f"shfl.sync.{mode}.b32 of {width}", ["b32", "pred"], ["b32"] * 3, rows,
                     f"shfl.sync.{mode}.b32 $0|$1, $2, $3, $4, -1;")
    rows = []
    for _ in range(4):  # each lane asks for its own lane
        a, b = ([rng.getrandbits(n) for _ in range(32)] for n in (32, 5))
        rows += [((a[i], b[i], 31), (a[b[i]],)) for i in range(32)]
    table.op("shfl.sync.idx.b32 gather", ["b32"], ["b32"] * 3, rows,
             "shfl.sync.idx.b32 $0, $1, $2, $3, -1;")
    # Lanes of a mask alone: the even ones exchange, the odd ones are elsewhere.
    a = [rng.getrandbits(32) for _ in range(32)]
    rows = [((a[i],), (a[i ^ 2] if i % 2 == 0 else 77,)) for i in range(32)]
    table.op("shfl.sync of half a warp", ["b32"], ["b32"], rows,
             "mov.u32 $0, 77; and.b32 %t0, %row, 1; setp.eq.u32 %q0, %t0, 1; @%q0 bra odd; "
             "shfl.sync.bfly.b32 $0, $1, 2, 31, 0x55555555; odd: bar.warp.sync -1;")


def votes(table, rng):
    for p in ([0] * 32, [1] * 32, [int(i == 5) for i in range(32)], [rng.getrandbits(1) for _ in range(32)]):
        bits = sum(bit << i for i, bit in enumerate(p))
        name = f"{bits:x}"
        for mode, result in (("any", any(p)), ("all", all(p)), ("uni", len(set(p)) == 1)):
            table.op(f"vote.sync.{mode}.pred of {name}", ["pred"], ["pred"],
                     [((bit,), (int(result),)) for bit in p], f"vote.sync.{mode}.pred $0, $1, -1;")
        table.op(f"vote.sync.ballot.b32 of {name}", ["b32"], ["pred"], [((bit,), (bits,)) for bit in p],
                 "vote.sync.ballot.b32 $0, $1, -1;")
    for width in (32, 64):
        a = [rng.randrange(4) << (width - 3) for _ in range(32)]
        rows = [((x,), (sum(1 << i for i in range(32) if a[i] == x),)) for x in a]
        table.op(f"match.any.sync.b{width}", ["b32"], [f"b{width}"], rows,
                 f"match.any.sync.b{width} $0, $1, -1;")
        for same in (True, False):
            b = [5 << (width - 8)] * 32
            b[9] += not same
            rows = [((x,), (ALL if same else 0, int(same))) for x in b]
            table.op(f"match.all.sync.b{width}", ["b32", "pred"], [f"b{width}"], rows,
                     f"match.all.sync.b{width} $0|$1, $2, -1;")
    table.op("activemask", ["b32"], ["b32"], [((i,), (ALL,)) for i in range(32)],
             "activemask.b32 $0;")
    a = [rng.getrandbits(32) for _ in range(32)]
    whole = {"add.u32": sum(a), "min.u32": min(a), "max.u32": max(a),
             "add.s32": sum(a), "min.s32": min(signed(x, 32) for x in a),
             "max.s32": max(signed(x, 32) for x in a)}
    for name, function in (("and", int.__and__), ("or", int.__or__), ("xor", int.__xor__)):
        value = a[0]
        for x in a[1:]:
            value = function(value, x)
        whole[f"{name}.b32"] = value
    for name, value in whole.items():
        mode, t = name.split(".")
        table.op(f"redux.sync.{name}", ["b32"], ["b32"], [((x,), (value,)) for x in a],
                 f"redux.sync.{mode}.{t} $0, $1, -1;")
    specials = {"%laneid": lambda i: i, "%tid.x": lambda i: i, "%ntid.x": lambda i: 128,
                "%lanemask_eq": lambda i: 1 << i, "%lanemask_lt": lambda i: (1 << i) - 1,
                "%lanemask_le": lambda i: (2 << i) - 1, "%lanemask_gt": lambda i: ALL << (i + 1),
                "%lanemask_ge": lambda i: ALL << i, "%nctaid.x": lambda i: 1, "%ctaid.y": lambda i: 0}
    for name, value in specials.items():
        table.op(f"mov {name}", ["b32"], ["b32"], [((i,), (value(i),)) for i in range(32)],
                 f"mov.u32 $0, {name};")


# ---- memory ---------------------------------------------------------------------------------------


def memory(table, rng):
    for space, address in (("shared", "%slot"), ("global", "%gslot")):
        rows = [((rng.getrandbits(32),), None) for _ in range(8)]
        for kind in "us":
            for width in (8, 16):
                made = []
                for (x,), _ in rows:
                    for at in range(0, 4, width // 8):
                        part = x >> (8 * at) & ((1 << width) - 1)
                        made.append(((x, at), (signed(part, width) if kind == "s" else part,)))
                table.op(f"ld.{space}.{kind}{width}", ["b32"], ["b32", "b32"], made,
                         offset(address, "$2") + f"st.{space}.b32 [{address}], $1; "
                         f"ld.{space}.{kind}{width} $0, [{where(address)}];")
        for width in (8, 16):
            made = [((x, 0), (0xAAAAAAAA & ~((1 << width) - 1) | x & ((1 << width) - 1),))
                    for (x,), _ in rows]
            table.op(f"st.{space}.b{width}", ["b32"], ["b32", "b32"], made,
                     f"st.{space}.b32 [{address}], 0xaaaaaaaa; st.{space}.u{width} [{address}], $1; "
                     f"ld.{space}.b32 $0, [{address}];")
        vectors(table, rng, space, address)
    generic(table)


def offset(address, amount):
    if address == "%slot":
        return f"add.u32 %t0, %slot, {amount}; "
    return f"cvt.u64.u32 %u0, {amount}; add.u64 %u0, %gslot, %u0; "


def where(address):
    return "%t0" if address == "%slot" else "%u0"


def vectors(table, rng, space, address):
    for count, t in ((2, "b32"), (4, "b32"), (2, "b64")):
        rows = []
        for _ in range(8):
            x = tuple(rng.getrandbits(int(t[1:])) for _ in range(count))
            rows.append((x, x[::-1]))
        ins = ", ".join(f"${count + i}" for i in range(count))
        outs = ", ".join(f"${count - 1 - i}" for i in range(count))
        table.op(f"ld st.{space}.v{count}.{t}", [t] * count, [t] * count, rows,
                 f"st.{space}.v{count}.{t} [{address}+16], {{{ins}}}; "
                 f"ld.{space}.v{count}.{t} {{{outs}}}, [{address}+16];")


def generic(table):
    rows = [((i * 7,), (i * 7,)) for i in range(8)]
    to_generic = "cvt.u64.u32 %u1, %slot; cvta.shared.u64 %u0, %u1; "
    table.op("generic store to shared", ["b32"], ["b32"], rows,
             to_generic + "st.b32 [%u0], $1; ld.shared.b32 $0, [%slot];")
    table.op("generic load from shared", ["b32"], ["b32"], rows,
             to_generic + "st.shared.b32 [%slot], $1; ld.b32 $0, [%u0];")
    table.op("cvta.to.shared", ["b32"], ["b32"], rows,
             to_generic + "cvta.to.shared.u64 %u2, %u0; st.shared.b32 [%u2], $1; "
             "ld.shared.b32 $0, [%slot];")
    table.op("generic global", ["b32"], ["b32"], rows,
             "cvta.global.u64 %u0, %gslot; st.b32 [%u0+4], $1; cvta.to.global.u64 %u1, %u0; "
             "ld.global.b32 $0, [%u1+4];")
    table.op("isspacep", ["pred", "pred"], ["b32"], [((i,), (1, 0)) for i in range(4)],
             to_generic + "isspacep.shared $0, %u0; isspacep.global $1, %u0;")
    table.op("local memory", ["b32"], ["b32"], rows,
             "{ .local .align 8 .b8 here[64]; mov.u64 %u0, here; cvta.local.u64 %u1, %u0; "
             "st.local.b32 [%u0+8], $1; ld.b32 $0, [%u1+8]; }")


def atomics(table, rng):
    def wrapping(kind, width, function):
        return lambda a, b: function(*(signed(x, width) if kind == "s" else x for x in (a, b)))
    operations = [("exch", "b", 32, lambda a, b: b), ("exch", "b", 64, lambda a, b: b),
                  ("inc", "u", 32, lambda a, b: 0 if a >= b else a + 1),
                  ("dec", "u", 32, lambda a, b: b if a == 0 or a > b else a - 1)]
    for width in (32, 64):
        for name, function in (("and", int.__and__), ("or", int.__or__), ("xor", int.__xor__)):
            operations.append((name, "b", width, function))
        for kind in "us":
            for name, function in (("min", min), ("max", max)):
                operations.append((name, kind, width, wrapping(kind, width, function)))
        operations.append(("add", "u", width, lambda a, b: a + b))
    operations.append(("add", "s", 32, lambda a, b: a + b))
    for name, kind, width, function in operations:
        rows = []
        for _ in range(12):
            a, b = rng.choice((0, 5, 9, rng.getrandbits(width))), rng.choice((5, 8, rng.getrandbits(width)))
            rows.append(((a, b), (a, function(a, b))))
        atomic(table, name, f"{kind}{width}", f"b{width}", rows)
    rows = [((a, b, c), (a, c if a == b else a)) for a in (3, 4) for b in (3, 4) for c in (9, 10)]
    for space, address in (("shared", "%slot"), ("global", "%gslot")):
        for t in ("b32", "b64"):
            table.op(f"atom.{space}.cas.{t}", [t, t], [t] * 3, rows,
                     f"st.{space}.{t} [{address}], $2; atom.{space}.cas.{t} $0, [{address}], $3, $4; "
                     f"ld.{space}.{t} $1, [{address}];")
    float_atomics(table, rng)


def float_atomics(table, rng):
    rows = []
    for _ in range(16):
        a, b = (F32.encode(Fraction(rng.randrange(-9999, 9999), 2**rng.randrange(12))) for _ in range(2))
        rows.append(((a, b), (a, F32.encode(add(F32.decode(a), F32.decode(b))))))
    atomic(table, "add", "f32", "b32", rows)
    for fmt, sm in ((F16, 80), (BF16, 90)):
        rows = []
        for _ in range(16):
            a, b = ([fmt.encode(Fraction(rng.randrange(-99, 99), 4)) for _ in range(2)] for _ in range(2))
            both = [fmt.encode(add(fmt.decode(x), fmt.decode(y))) for x, y in zip(a, b)]
            rows.append(((a[1] << 16 | a[0], b[1] << 16 | b[0]),
                         (a[1] << 16 | a[0], both[1] << 16 | both[0])))
        atomic(table, "add.noftz", f"{fmt.name}x2", "b32", rows, sm)


def atomic(table, name, kind, t, rows, sm=80):
    for space, address in (("shared", "%slot"), ("global", "%gslot")):
        if "noftz" in name and sm == 90 and space == "shared":
            continue
        table.op(f"atom.{space}.{name}.{kind}", [t, t], [t, t], rows,
                 f"st.{space}.{t} [{address}], $2; atom.{space}.{name}.{kind} $0, [{address}], $3; "
                 f"ld.{space}.{t} $1, [{address}];", sm)
    if name not in ("exch",):
        table.op(f"red.global.{name}.{kind}", [t], [t, t], [(x, y[1:]) for x, y in rows],
                 f"st.global.{t} [%gslot], $1; red.global.{name}.{kind} [%gslot], $2; "
                 f"ld.global.{t} $0, [%gslot];", sm)


def async_copies(table, rng):
    wait = "cp.async.commit_group; cp.async.wait_group 0; "
    for how, count in (("ca", 4), ("ca", 8), ("ca", 16), ("cg", 16)):
        for given in (None, 0, 1, 3, count):
            rows = []
            for _ in range(8):
                a, b = rng.getrandbits(64), rng.getrandbits(64)
                copied = (b << 64 | a) & (1 << 8 * count) - 1
                if given is not None:
                    copied &= (1 << 8 * given) - 1
                rest = (1 << 128) - 1 & ~((1 << 8 * count) - 1)
                old = int("5" * 32, 16)
                result = old & rest | copied
                rows.append(((a, b), (result & (1 << 64) - 1, result >> 64)))
            size = "" if given is None else f", {given}"
            table.op(f"cp.async.{how} {count}{size}", ["b64", "b64"], ["b64", "b64"], rows,
                     "mov.b64 %u0, 0x5555555555555555; st.shared.v2.b64 [%slot], {%u0, %u0}; "
                     f"cp.async.{how}.shared.global [%slot], [%in], {count}{size}; {wait}"
                     "ld.shared.v2.b64 {$0, $1}, [%slot];")
    for count in (4, 8, 16):  # the same with a register
        rows = []
        for given in range(count + 1):
            a, b = rng.getrandbits(64), rng.getrandbits(64)
            copied = (b << 64 | a) & (1 << 8 * given) - 1
            rows.append(((a, b, given, 0), (copied & (1 << 64) - 1, copied >> 64)))
        table.op(f"cp.async.ca {count} of a register", ["b64", "b64"], ["b64", "b64", "b32", "b32"], rows,
                 "mov.b64 %u0, 0; st.shared.v2.b64 [%slot], {%u0, %u0}; "
                 f"cp.async.ca.shared.global [%slot], [%in], {count}, $4; {wait}"
                 "ld.shared.v2.b64 {$0, $1}, [%slot];")
    rows = [((i, i + 5), (i, i + 5)) for i in range(8)]
    table.op("cp.async of two groups", ["b64", "b64"], ["b64", "b64"], rows,
             "cp.async.ca.shared.global [%slot], [%in], 8; cp.async.commit_group; "
             "cp.async.ca.shared.global [%slot+8], [%in+8], 8; cp.async.commit_group; "
             "cp.async.wait_group 1; ld.shared.b64 $0, [%slot]; "
             "cp.async.wait_all; ld.shared.b64 $1, [%slot+8];")


# ---- matrices -------------------------------------------------------------------------------------


def matrix_loads(table, rng):
    for count in (1, 2, 4):
        for trans in (False, True):
            rows = []
            words = [[rng.getrandbits(32) for _ in range(4)] for _ in range(32)]  # a row of 8 halves
            half = lambda matrix, row, col: words[8 * matrix + row][col // 2] >> (16 * (col % 2)) & 0xFFFF
            for lane in range(32):
                outs = []
                for matrix in range(count):
                    row, col = lane // 4, lane % 4 * 2
                    pair = ([half(matrix, col + i, row) for i in range(2)] if trans else
                            [half(matrix, row, col + i) for i in range(2)])
                    outs.append(pair[1] << 16 | pair[0])
                rows.append((tuple(words[lane]), tuple(outs)))
            outs = ", ".join(f"${i}" for i in range(count))
            ins = ", ".join(f"${count + i}" for i in range(4))
            table.op(f"ldmatrix.x{count}{'.trans' if trans else ''}", ["b32"] * count, ["b32"] * 4, rows,
                     f"st.shared.v4.b32 [%slot], {{{ins}}}; bar.warp.sync -1; "
                     f"ldmatrix.sync.aligned.m8n8.x{count}{'.trans' if trans else ''}.shared.b16 "
                     f"{{{outs}}}, [%slot];")
    rows = []
    words = [rng.getrandbits(32) for _ in range(32)]  # lane: row lane / 4, columns 2 * (lane % 4) + 0, 1
    for lane in range(32):
        row, col = lane // 4, lane % 4 * 2  # of the transposed matrix: element (r, c) was at (c, r)
        pair = [words[(col + i) * 4 + row // 2] >> (16 * (row % 2)) & 0xFFFF for i in range(2)]
        rows.append(((words[lane],), (pair[1] << 16 | pair[0],)))
    table.op("movmatrix.trans", ["b32"], ["b32"], rows,
             "movmatrix.sync.aligned.m8n8.trans.b16 $0, $1;")


class Shape:
    """One matrix instruction: (row, column) of element i of a lane, by the ISA's figures."""

    def __init__(self, name, m, n, k, a, b, c):
        self.name, self.m, self.n, self.k, self.a, self.b, self.c = name, m, n, k, a, b, c


def accumulators(i, g, t):
    return (g + 8 * (i // 2), 2 * t + i % 2)


SHAPES = {
    "m16n8k16": Shape("m16n8k16", 16, 8, 16,
                      [lambda g, t, i=i: (g + 8 * (i // 2 % 2), 2 * t + i % 2 + 8 * (i // 4))
                       for i in range(8)],
                      [lambda g, t, i=i: (2 * t + i % 2 + 8 * (i // 2), g) for i in range(4)],
                      [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
    "m16n8k8": Shape("m16n8k8", 16, 8, 8,
                     [lambda g, t, i=i: (g + 8 * (i // 2), 2 * t + i % 2) for i in range(4)],
                     [lambda g, t, i=i: (2 * t + i, g) for i in range(2)],
                     [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
    "tf32 m16n8k4": Shape("m16n8k4", 16, 8, 4, [lambda g, t, i=i: (g + 8 * i, t) for i in range(2)],
                          [lambda g, t: (t, g)],
                          [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
    "tf32 m16n8k8": Shape("m16n8k8", 16, 8, 8,
                          [lambda g, t, i=i: (g + 8 * (i % 2), t + 4 * (i // 2)) for i in range(4)],
                          [lambda g, t, i=i: (t + 4 * i, g) for i in range(2)],
                          [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
    "8-bit m8n8k16": Shape("m8n8k16", 8, 8, 16, [lambda g, t, i=i: (g, 4 * t + i) for i in range(4)],
                           [lambda g, t, i=i: (4 * t + i, g) for i in range(4)],
                           [lambda g, t, i=i: (g, 2 * t + i) for i in range(2)]),
    "8-bit m16n8k16": Shape("m16n8k16", 16, 8, 16,
                            [lambda g, t, i=i: (g + 8 * (i // 4), 4 * t + i % 4) for i in range(8)],
                            [lambda g, t, i=i: (4 * t + i, g) for i in range(4)],
                            [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
    "8-bit m16n8k32": Shape("m16n8k32", 16, 8, 32,
                            [lambda g, t, i=i: (g + 8 * (i // 4 % 2), 4 * t + i % 4 + 16 * (i // 8))
                             for i in range(16)],
                            [lambda g, t, i=i: (4 * t + i % 4 + 16 * (i // 4), g) for i in range(8)],
                            [lambda g, t, i=i: accumulators(i, g, t) for i in range(4)]),
}


def pack(elements, width):
    """Elements of a lane in registers, the first in the low bits."""
    per = 32 // width
    mask = (1 << width) - 1
    return [sum((x & mask) << (width * j) for j, x in enumerate(elements[i:i + per]))
            for i in range(0, len(elements), per)]


def multiply_matrices(table, rng, key, suffix, encode_a, encode_b, encode_c, widths, ranges, sm=80):
    """encode: number to the bits of an element; widths of a, b, c; ranges of the numbers."""
    shape = SHAPES[key]
    rows = []
    for _ in range(4):
        draw = lambda r, c, bounds: [[rng.randrange(*bounds) for _ in range(c)] for _ in range(r)]
        a, b = draw(shape.m, shape.k, ranges[0]), draw(shape.k, shape.n, ranges[1])
        c = draw(shape.m, shape.n, ranges[2])
        d = [[c[i][j] + sum(a[i][q] * b[q][j] for q in range(shape.k)) for j in range(shape.n)]
             for i in range(shape.m)]
        for lane in range(32):
            g, t = lane // 4, lane % 4
            take = lambda matrix, places, encode, width: pack(
                [encode(matrix[r][s]) for r, s in (place(g, t) for place in places)], width)
            ins = (take(a, shape.a, encode_a, widths[0]) + take(b, shape.b, encode_b, widths[1]) +
                   take(c, shape.c, encode_c, widths[2]))
            rows.append((tuple(ins), tuple(take(d, shape.c, encode_c, widths[2]))))
    outs = len(rows[0][1])
    counts = [len(shape.a) * widths[0] // 32, len(shape.b) * widths[1] // 32, outs]
    groups, at = [", ".join(f"${i}" for i in range(outs))], outs
    for count in counts:
        groups.append(", ".join(f"${at + i}" for i in range(count)))
        at += count
    text = ", ".join(f"{{{group}}}" for group in groups)
    name = f"mma.sync.aligned.{shape.name}.row.col.{suffix}"
    table.op(name, ["b32"] * outs, ["b32"] * sum(counts), rows, f"{name} {text};", sm)


def matrices(table, rng):
    f = lambda fmt: lambda x: fmt.encode(Fraction(x))
    small = ((-8, 9), (-8, 9), (-100, 100))
    for key in ("m16n8k16", "m16n8k8"):
        sm = 80 if key == "m16n8k16" else 75
        multiply_matrices(table, rng, key, "f32.f16.f16.f32", f(F16), f(F16), f(F32), (16, 16, 32), small, sm)
        multiply_matrices(table, rng, key, "f16.f16.f16.f16", f(F16), f(F16), f(F16), (16, 16, 16), small, sm)
        multiply_matrices(table, rng, key, "f32.bf16.bf16.f32", f(BF16), f(BF16), f(F32), (16, 16, 32), small)
    for key in ("tf32 m16n8k4", "tf32 m16n8k8"):
        multiply_matrices(table, rng, key, "f32.tf32.tf32.f32", f(F32), f(F32), f(F32), (32, 32, 32), small)
    whole = lambda x: x
    bounds = {"s8": (-128, 128), "u8": (0, 256)}
    for key in ("8-bit m8n8k16", "8-bit m16n8k16", "8-bit m16n8k32"):
        for x in bounds:
            for y in bounds:
                multiply_matrices(table, rng, key, f"s32.{x}.{y}.s32", whole, whole, whole, (8, 8, 32),
                                  (bounds[x], bounds[y], (-10**6, 10**6)), 75 if "m8n8" in key else 80)


def write(table):
    rng = random.Random(20260730)
    for part in (shuffles, votes, memory, atomics, async_copies, matrix_loads, matrices):
        part(table, rng)
