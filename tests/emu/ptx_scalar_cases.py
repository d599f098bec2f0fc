"""Scalar instructions: integers, comparisons, floats and conversions, from the PTX ISA's definitions."""

import math
import random
from fractions import Fraction

from ptx_floats import (BF16, E4M3, E5M2, F16, F32, F64, INF, NAN, NEG_ZERO, TF32, add, divide,
                        is_infinite, is_negative, is_zero, less, multiply, negate, number,
                        round_integer, square_root)

REGISTER = {"f16": "b16", "bf16": "b16", "f32": "b32", "f64": "b64"}


def signed(bits, width):
    bits &= (1 << width) - 1
    return bits - (1 << width) if bits >> (width - 1) else bits


def samples(width, rng, count=12):
    top = 1 << (width - 1)
    fixed = [0, 1, 2, 3, 31, 32, top - 1, top, top + 1, 2 * top - 1, 2 * top - 2]
    return fixed + [rng.getrandbits(width) for _ in range(count)]


def values(kind, width, bits):
    return signed(bits, width) if kind == "s" else bits


# ---- integers ------------------------------------------------------------------------------------


def clamp(value, kind, width):
    low = -(1 << (width - 1)) if kind == "s" else 0
    high = (1 << (width - 1 if kind == "s" else width)) - 1
    return max(low, min(high, value))


def truncated_divide(a, b):
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


def integer_arithmetic(table, rng):
    for kind in "us":
        for width in (16, 32, 64):
            binary(table, rng, kind, width)
    for width in (32, 64):
        t = f"b{width}"
        xs = samples(width, rng)
        for name, function in {
                "not": lambda a: ~a, "cnot": lambda a: int(a == 0),
                "brev": lambda a, w=width: int(f"{a:0{w}b}"[::-1], 2)}.items():
            table.op(f"{name}.b{width}", [t], [t], [((a,), (function(a),)) for a in xs])
        for name, function in {
                "popc": lambda a: a.bit_count(),
                "clz": lambda a, w=width: w - a.bit_length()}.items():
            table.op(f"{name}.b{width}", ["b32"], [t], [((a,), (function(a),)) for a in xs])
        for kind in "us":
            def highest(a, k=kind, w=width):
                a = ~a & ((1 << w) - 1) if k == "s" and a >> (w - 1) else a
                return a.bit_length() - 1
            rows = [((a,), (highest(a),)) for a in xs]
            table.op(f"bfind.{kind}{width}", ["b32"], [t], rows)
            rows = [((a,), (width - 1 - highest(a) if highest(a) >= 0 else -1,)) for a in xs]
            table.op(f"bfind.shiftamt.{kind}{width}", ["b32"], [t], rows)


def binary(table, rng, kind, width):
    t = f"b{width}"
    pairs = [(a, b) for a in samples(width, rng) for b in samples(width, rng, 4)]
    v = lambda bits: values(kind, width, bits)
    functions = {
        "add": lambda a, b: v(a) + v(b), "sub": lambda a, b: v(a) - v(b),
        "mul.lo": lambda a, b: v(a) * v(b), "mul.hi": lambda a, b: v(a) * v(b) >> width,
        "min": lambda a, b: min(v(a), v(b)), "max": lambda a, b: max(v(a), v(b)),
    }
    for name, function in functions.items():
        table.op(f"{name}.{kind}{width}", [t], [t, t], [(p, (function(*p),)) for p in pairs])
    fine = [(a, b) for a, b in pairs if v(b) != 0 and not (kind == "s" and v(b) == -1)]
    table.op(f"div.{kind}{width}", [t], [t, t],
             [(p, (truncated_divide(v(p[0]), v(p[1])),)) for p in fine])
    table.op(f"rem.{kind}{width}", [t], [t, t],
             [(p, (v(p[0]) - v(p[1]) * truncated_divide(v(p[0]), v(p[1])),)) for p in fine])
    threes = [(a, b, rng.getrandbits(width)) for a, b in pairs]
    table.op(f"mad.lo.{kind}{width}", [t], [t, t, t],
             [(p, (v(p[0]) * v(p[1]) + v(p[2]),)) for p in threes])
    table.op(f"sad.{kind}{width}", [t], [t, t, t],
             [(p, (v(p[2]) + abs(v(p[0]) - v(p[1])),)) for p in threes])
    if width > 16:
        table.op(f"mad.hi.{kind}{width}", [t], [t, t, t],
                 [(p, ((v(p[0]) * v(p[1]) >> width) + v(p[2]),)) for p in threes])
    if width < 64:
        wide = f"b{2 * width}"
        table.op(f"mul.wide.{kind}{width}", [wide], [t, t],
                 [(p, (v(p[0]) * v(p[1]),)) for p in pairs])
        table.op(f"mad.wide.{kind}{width}", [wide], [t, t, wide],
                 [((a, b, c * 77777), (v(a) * v(b) + c * 77777,)) for a, b, c in threes])
    if kind == "s":
        table.op(f"abs.s{width}", [t], [t], [((a,), (abs(v(a)),)) for a, _ in pairs[::7]])
        table.op(f"neg.s{width}", [t], [t], [((a,), (-v(a),)) for a, _ in pairs[::7]])
    if kind == "s" and width == 32:
        for name in ("add", "sub"):
            rows = [(p, (clamp(functions[name](*p), "s", 32),)) for p in pairs]
            table.op(f"{name}.sat.s32", [t], [t, t], rows)


def integer_logic(table, rng):
    for width in (16, 32, 64):
        t, mask = f"b{width}", (1 << width) - 1
        pairs = [(a, b) for a in samples(width, rng) for b in samples(width, rng, 4)]
        for name, function in {"and": lambda a, b: a & b, "or": lambda a, b: a | b,
                               "xor": lambda a, b: a ^ b}.items():
            table.op(f"{name}.{t}", [t], [t, t], [(p, (function(*p),)) for p in pairs])
        shifts = [(a, n) for a, _ in pairs[::5] for n in (0, 1, 15, 16, 31, 32, 63, 64, 200, 2**31)]
        table.op(f"shl.{t}", [t], [t, "b32"], [(p, (p[0] << min(p[1], 64) & mask,)) for p in shifts])
        table.op(f"shr.u{width}", [t], [t, "b32"], [(p, (p[0] >> min(p[1], 64),)) for p in shifts])
        table.op(f"shr.s{width}", [t], [t, "b32"],
                 [(p, (signed(p[0], width) >> min(p[1], 64),)) for p in shifts])
    for way in "lr":
        for wrap in ("wrap", "clamp"):
            rows = []
            for n in (0, 1, 7, 31, 32, 33, 63, 255):
                a, b = rng.getrandbits(32), rng.getrandbits(32)
                m = n & 31 if wrap == "wrap" else min(n, 32)
                both = b << 32 | a
                rows.append(((a, b, n), (both << m >> 32 if way == "l" else both >> m,)))
            table.op(f"shf.{way}.{wrap}.b32", ["b32"], ["b32"] * 3, rows)
    for lut in (0x80, 0xE8, 0x96, 0x1B, 0xCA, 0x01):
        rows = []
        for _ in range(4):
            abc = tuple(rng.getrandbits(32) for _ in range(3))
            bits = [lut >> (4 * (abc[0] >> i & 1) + 2 * (abc[1] >> i & 1) + (abc[2] >> i & 1)) & 1
                    for i in range(32)]
            rows.append((abc, (sum(bit << i for i, bit in enumerate(bits)),)))
        table.op(f"lop3.b32 {lut:#x}", ["b32"], ["b32"] * 3, rows,
                 f"lop3.b32 $0, $1, $2, $3, {lut:#x};")
    carry_chains(table, rng)


def carry_chains(table, rng):
    xs = samples(32, rng, 2)
    rows = [((a, b, c, d), ((b << 32 | a) + (d << 32 | c) & 2**32 - 1,
                            (b << 32 | a) + (d << 32 | c) >> 32))
            for a in xs for b in xs[:4] for c in xs[-5:] for d in xs[5:8]]
    table.op("add.cc addc", ["b32", "b32"], ["b32"] * 4, rows,
             "add.cc.u32 $0, $2, $4; addc.u32 $1, $3, $5;")
    rows = [(p, ((p[1] << 32 | p[0]) - (p[3] << 32 | p[2]) & 2**32 - 1,
                 (p[1] << 32 | p[0]) - (p[3] << 32 | p[2]) >> 32)) for p, _ in rows]
    table.op("sub.cc subc", ["b32", "b32"], ["b32"] * 4, rows,
             "sub.cc.u32 $0, $2, $4; subc.u32 $1, $3, $5;")


def bit_fields(table, rng):
    for width in (32, 64):
        t = f"b{width}"
        fields = [(p, n) for p in (0, 1, 8, 31, 40, 255) for n in (0, 1, 8, 32, 64, 255)]
        for kind in "us":
            rows = []
            for at, count in fields:
                a = rng.getrandbits(width)
                last = min(at + count - 1, width - 1)
                sign = a >> last & 1 if kind == "s" and count > 0 else 0
                bits = [a >> (at + i) & 1 if i < count and at + i < width else sign
                        for i in range(width)]
                rows.append(((a, at, count), (sum(bit << i for i, bit in enumerate(bits)),)))
            table.op(f"bfe.{kind}{width}", [t], [t, "b32", "b32"], rows)
        rows = []
        for at, count in fields:
            a, b = rng.getrandbits(width), rng.getrandbits(width)
            mask = sum(1 << i for i in range(width) if at <= i < at + count)
            rows.append(((a, b, at, count), (b & ~mask | (a << at) & mask,)))
        table.op(f"bfi.{t}", [t], [t, t, "b32", "b32"], rows)


PRMT = {
    "f4e": ["0123", "1234", "2345", "3456"], "b4e": ["0765", "1076", "2107", "3210"],
    "rc8": ["0000", "1111", "2222", "3333"], "ecl": ["0123", "1123", "2223", "3333"],
    "ecr": ["0000", "0111", "0122", "0123"], "rc16": ["0101", "2323", "0101", "2323"],
}  # bytes of the result from the least significant, by the low bits of c


def byte_permutes(table, rng):
    def of(a, b):
        return [(b << 32 | a) >> (8 * i) & 255 for i in range(8)]
    rows = []
    for c in (0x3210, 0x7654, 0x0123, 0xFEDC, 0x89AB, 0x5410, 0xFFFF0000 | 0x8080):
        a, b = rng.getrandbits(32), rng.getrandbits(32)
        result = 0
        for i in range(4):
            select = c >> (4 * i) & 15
            byte = of(a, b)[select & 7]
            result |= (byte if select < 8 else (255 if byte & 128 else 0)) << (8 * i)
        rows.append(((a, b, c), (result,)))
    table.op("prmt.b32", ["b32"], ["b32"] * 3, rows)
    for mode, picks in PRMT.items():
        rows = []
        for c in range(4):
            a, b = rng.getrandbits(32), rng.getrandbits(32)
            result = sum(of(a, b)[int(pick)] << (8 * i) for i, pick in enumerate(picks[c]))
            rows.append(((a, b, c), (result,)))
        table.op(f"prmt.b32.{mode}", ["b32"], ["b32"] * 3, rows)


def dot_products(table, rng):
    for x in "us":
        for y in "us":
            rows, low, high = [], [], []
            for _ in range(20):
                a, b, c = (rng.getrandbits(32) for _ in range(3))
                bytes_of = lambda n, kind: [values(kind, 8, n >> (8 * i) & 255) for i in range(4)]
                halves = [values(x, 16, a >> (16 * i) & 65535) for i in range(2)]
                start = values("s" if "s" in x + y else "u", 32, c)
                pairs = zip(bytes_of(a, x), bytes_of(b, y))
                rows.append(((a, b, c), (start + sum(p * q for p, q in pairs),)))
                bs = bytes_of(b, y)
                low.append(((a, b, c), (start + halves[0] * bs[0] + halves[1] * bs[1],)))
                high.append(((a, b, c), (start + halves[0] * bs[2] + halves[1] * bs[3],)))
            table.op(f"dp4a.{x}32.{y}32", ["b32"], ["b32"] * 3, rows)
            table.op(f"dp2a.lo.{x}32.{y}32", ["b32"], ["b32"] * 3, low)
            table.op(f"dp2a.hi.{x}32.{y}32", ["b32"], ["b32"] * 3, high)


# ---- comparisons and selections -------------------------------------------------------------------

COMPARE = {
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b, "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
}
UNSIGNED = {"lo": "lt", "ls": "le", "hi": "gt", "hs": "ge"}


def comparisons(table, rng):
    for kind in "us":
        for width in (16, 32, 64):
            t = f"b{width}"
            pairs = [(a, b) for a in samples(width, rng, 2) for b in samples(width, rng, 2)]
            names = dict.fromkeys(COMPARE) if kind == "s" else dict.fromkeys([*COMPARE, *UNSIGNED])
            for name in names:
                test = COMPARE[UNSIGNED.get(name, name)]
                rows = [(p, (int(test(values(kind, width, p[0]), values(kind, width, p[1]))),))
                        for p in pairs]
                table.op(f"setp.{name}.{kind}{width}", ["pred"], [t, t], rows)
    for fmt in (F32, F64, F16, BF16):
        float_comparisons(table, fmt)
    rows = [((a, b, p), (int((a < b) and p), int(not (a < b) and p)))
            for a, b in ((1, 2), (2, 1)) for p in (0, 1)]
    table.op("setp.lt.and.u32 p|q", ["pred", "pred"], ["b32", "b32", "pred"], rows,
             "setp.lt.and.u32 $0|$1, $2, $3, $4;")
    for name, join in {"and": lambda x, y: x & y, "or": lambda x, y: x | y,
                       "xor": lambda x, y: x ^ y}.items():
        rows = [((a, b, p), (join(int(a == b), p),)) for a, b in ((1, 2), (2, 2)) for p in (0, 1)]
        table.op(f"setp.eq.{name}.s32", ["pred"], ["b32", "b32", "pred"], rows)
        rows = [((a, b), (join(a, b),)) for a in (0, 1) for b in (0, 1)]
        table.op(f"{name}.pred", ["pred"], ["pred", "pred"], rows)
    table.op("not.pred", ["pred"], ["pred"], [((0,), (1,)), ((1,), (0,))])
    rows = [((a, b), (-int(signed(a, 32) < signed(b, 32)),)) for a in (0, 5, 2**32 - 3) for b in (1, 5)]
    table.op("set.lt.u32.s32", ["b32"], ["b32", "b32"], rows)
    rows = [((a, b), (F32.encode(Fraction(int(a > b))),)) for a in (0, 5) for b in (1, 5)]
    table.op("set.gt.f32.u32", ["b32"], ["b32", "b32"], rows)
    rows = [((a, b, p), (a if p else b,)) for a, b in ((7, 9), (2**31, 1)) for p in (0, 1)]
    table.op("selp.b32", ["b32"], ["b32", "b32", "pred"], rows)
    table.op("selp.b64", ["b64"], ["b64", "b64", "pred"], rows)
    rows = [((11, 22, c), (11 if signed(c, 32) >= 0 else 22,)) for c in (0, 1, 2**31, 2**32 - 1)]
    table.op("slct.b32.s32", ["b32"], ["b32", "b32", "b32"], rows)
    rows = [((11, 22, c), (11 if c in (0, 0x80000000, 0x3F800000, 0x7F800000) else 22,))
            for c in (0, 0x80000000, 0x3F800000, 0xBF800000, 0x7F800000, 0x7FC00000)]
    table.op("slct.b32.f32", ["b32"], ["b32", "b32", "b32"], rows)


def float_comparisons(table, fmt):
    t = REGISTER[fmt.name]
    specials = [NAN, INF, "-inf", Fraction(0), NEG_ZERO, Fraction(1), Fraction(-1), Fraction(3, 2)]
    order = {INF: 10**9, "-inf": -(10**9)}
    for name in [*COMPARE, "equ", "neu", "ltu", "leu", "gtu", "geu", "num", "nan"]:
        rows = []
        for a in specials:
            for b in specials:
                unordered = NAN in (a, b)
                if name in ("num", "nan"):
                    result = unordered == (name == "nan")
                elif unordered:
                    result = name.endswith("u") and name != "num"
                else:
                    x, y = (order.get(v, number(v)) for v in (a, b))
                    result = COMPARE[name[:2]](x, y)
                rows.append(((fmt.encode(a), fmt.encode(b)), (int(result),)))
        table.op(f"setp.{name}.{fmt.name}", ["pred"], [t, t], rows, sm=90 if fmt is BF16 else 80)


# ---- floats ---------------------------------------------------------------------------------------


def float_samples(fmt, rng, count=14):
    one, least = fmt.encode(Fraction(1)), 1 << fmt.mantissa
    fixed = [0, one, one + 1, one - 1, least, least - 1, 1, fmt.max_bits, fmt.top << fmt.mantissa,
             fmt.canonical, fmt.encode(Fraction(1, 3)), fmt.encode(Fraction(5, 2))]
    fixed += [bits | fmt.sign for bits in fixed if bits != fmt.canonical]
    near = [rng.getrandbits(fmt.mantissa) | (fmt.bias + rng.randrange(-3, 4)) << fmt.mantissa
            for _ in range(count)]
    return fixed + near + [rng.getrandbits(fmt.bits) for _ in range(count // 2)]


def flush(fmt, bits):
    return bits & fmt.sign if fmt.is_denormal(bits) else bits


class Arithmetic:
    """One rounding, flushing and saturating result of an exact value."""

    def __init__(self, fmt, mode="rn", ftz=False, sat=False, relu=False):
        self.fmt, self.mode, self.ftz, self.sat, self.relu = fmt, mode, ftz, sat, relu

    def read(self, bits):
        return self.fmt.decode(flush(self.fmt, bits) if self.ftz else bits)

    def write(self, value):
        """The text of the expected bits; None: the definition leaves it open."""
        fmt = self.fmt
        if self.sat:
            if value == NAN or is_negative(value) or is_zero(value):
                return "0" if not is_zero(value) or not is_negative(value) else None
            value = Fraction(1) if is_infinite(value) or value > 1 else value
        if self.relu and value != NAN and is_negative(value):
            return None if value == NEG_ZERO else "0"
        if value == NAN:
            return f"nan.{fmt.name}"
        bits = fmt.encode(value, self.mode)
        if self.ftz and not isinstance(value, str) and value != 0:
            if abs(value) < Fraction(2) ** fmt.low and not fmt.is_denormal(bits) and bits & ~fmt.sign:
                return None  # rounds up to the smallest normal number: flushed before or after?
            bits = flush(fmt, bits)
        return f"{bits:x}"


def float_op(table, name, fmt, function, arity, rows, how, sm=80):
    t, made = REGISTER[fmt.name], []
    for row in rows:
        expected = how.write(function(*(how.read(bits) for bits in row)))
        if expected is not None:
            made.append((row, (expected,)))
    table.op(name, [t], [t] * arity, made, sm=sm)


def float_arithmetic(table, rng):
    for fmt in (F32, F64, F16, BF16):
        xs = float_samples(fmt, rng)
        pairs = rng.sample([(a, b) for a in xs for b in xs], 400)
        triples = [(rng.choice(xs), rng.choice(xs), rng.choice(xs)) for _ in range(300)]
        triples += [(a, b, fmt.encode(negate(multiply(fmt.decode(a), fmt.decode(b)))))
                    for a, b in pairs[::9]]
        sm = 90 if fmt is BF16 else 80
        modes = ("rn", "rz", "rm", "rp") if fmt in (F32, F64) else ("rn",)
        for mode in modes:
            suffix = f"{mode}.{fmt.name}"
            plain = Arithmetic(fmt, mode)
            for name, function in (("add", lambda a, b, m=mode: add(a, b, m)),
                                   ("sub", lambda a, b, m=mode: add(a, negate(b), m)),
                                   ("mul", multiply)):
                float_op(table, f"{name}.{suffix}", fmt, function, 2, pairs, plain, sm)
            fused = lambda a, b, c, m=mode: add(multiply(a, b), c, m)
            float_op(table, f"fma.{suffix}", fmt, fused, 3, triples, plain, 80)
            if fmt in (F32, F64):
                float_op(table, f"div.{suffix}", fmt, divide, 2, pairs, plain)
                float_op(table, f"rcp.{suffix}", fmt, lambda a: divide(Fraction(1), a), 1,
                         [(a,) for a in xs], plain)
                rows = [((a,), (root_text(fmt, a, mode),)) for a in xs]
                table.op(f"sqrt.{suffix}", [REGISTER[fmt.name]], [REGISTER[fmt.name]], rows)
        float_variants(table, fmt, pairs, triples)
        float_signs(table, fmt, xs)
        extremes(table, fmt, pairs)


def root_text(fmt, bits, mode):
    root = square_root(fmt.decode(bits), mode, fmt)
    return f"nan.{fmt.name}" if root == fmt.canonical else f"{root:x}"


def float_variants(table, fmt, pairs, triples):
    fused = lambda a, b, c: add(multiply(a, b), c)
    if fmt is F32:
        for mode in ("rn", "rz"):
            float_op(table, f"add.{mode}.ftz.f32", fmt, add, 2, pairs, Arithmetic(fmt, mode, True))
        float_op(table, "mul.ftz.f32", fmt, multiply, 2, pairs, Arithmetic(fmt, "rn", True))
        float_op(table, "fma.rn.ftz.f32", fmt, fused, 3, triples, Arithmetic(fmt, "rn", True))
        float_op(table, "div.rn.ftz.f32", fmt, divide, 2, pairs, Arithmetic(fmt, "rn", True))
    if fmt in (F32, F16):
        how = Arithmetic(fmt, sat=True)
        float_op(table, f"add.sat.{fmt.name}", fmt, add, 2, pairs, how)
        float_op(table, f"mul.sat.{fmt.name}", fmt, multiply, 2, pairs, how)
        float_op(table, f"fma.rn.sat.{fmt.name}", fmt, fused, 3, triples, how)
    if fmt is F16:
        float_op(table, "add.ftz.f16", fmt, add, 2, pairs, Arithmetic(fmt, "rn", True))
    if fmt in (F16, BF16):
        how = Arithmetic(fmt, relu=True)
        rows = [row for row in triples if fmt.encode(fused(*map(fmt.decode, row))) != fmt.canonical]
        float_op(table, f"fma.rn.relu.{fmt.name}", fmt, fused, 3, rows, how)
        packed(table, fmt, pairs, triples)


def packed(table, fmt, pairs, triples):
    """Two halves in one register: each as the scalar instruction does it."""
    def rows_of(rows, function):
        fine = [row for row in rows
                if fmt.encode(function(*map(fmt.decode, row))) != fmt.canonical]
        made = []
        for low, high in zip(fine[::2], fine[1::2]):
            result = [fmt.encode(function(*map(fmt.decode, row))) for row in (low, high)]
            made.append((tuple(h << 16 | l for l, h in zip(low, high)), (result[1] << 16 | result[0],)))
        return made
    sm = 90 if fmt is BF16 else 80
    name = f"{fmt.name}x2"
    table.op(f"add.rn.{name}", ["b32"], ["b32"] * 2, rows_of(pairs[::3], add), sm=sm)
    table.op(f"mul.rn.{name}", ["b32"], ["b32"] * 2, rows_of(pairs[::3], multiply), sm=sm)
    table.op(f"fma.rn.{name}", ["b32"], ["b32"] * 3,
             rows_of(triples, lambda a, b, c: add(multiply(a, b), c)))
    table.op(f"max.{name}", ["b32"], ["b32"] * 2, rows_of(pairs[::3], lambda a, b: extreme(a, b, True)))


def extreme(a, b, largest, nan=False):
    if NAN in (a, b):
        other = b if a == NAN else a
        return NAN if nan else other
    if is_zero(a) and is_zero(b):
        return NEG_ZERO if is_negative(a) != is_negative(b) and not largest else (
            NEG_ZERO if is_negative(a) and is_negative(b) else Fraction(0))
    return a if less(a, b) != largest else b


def extremes(table, fmt, pairs):
    t = REGISTER[fmt.name]
    for name, largest in (("min", False), ("max", True)):
        for nan in (False, True):
            if nan and fmt is F64:
                continue
            rows = []
            for a, b in pairs[::2]:
                value = extreme(fmt.decode(a), fmt.decode(b), largest, nan)
                rows.append(((a, b), (f"nan.{fmt.name}" if value == NAN else fmt.encode(value),)))
            table.op(f"{name}{'.NaN' if nan else ''}.{fmt.name}", [t], [t, t], rows)


def float_signs(table, fmt, xs):
    t = REGISTER[fmt.name]
    plain = [a for a in xs if fmt.decode(a) != NAN]
    table.op(f"abs.{fmt.name}", [t], [t], [((a,), (a & ~fmt.sign,)) for a in plain])
    table.op(f"neg.{fmt.name}", [t], [t], [((a,), (a ^ fmt.sign,)) for a in plain])
    if fmt in (F32, F64):
        rows = [((a, b), (a & fmt.sign | b & ~fmt.sign,)) for a in plain for b in plain[::4]]
        table.op(f"copysign.{fmt.name}", [t], [t, t], rows)
        kinds = {
            "finite": lambda a, v: not is_infinite(v) and v != NAN,
            "infinite": lambda a, v: is_infinite(v), "number": lambda a, v: v != NAN,
            "notanumber": lambda a, v: v == NAN, "subnormal": lambda a, v: fmt.is_denormal(a),
            "normal": lambda a, v: not (is_infinite(v) or v == NAN or is_zero(v) or
                                        fmt.is_denormal(a))}
        for name, test in kinds.items():
            table.op(f"testp.{name}.{fmt.name}", ["pred"], [t],
                     [((a,), (int(test(a, fmt.decode(a))),)) for a in xs])


def approximations(table, rng):
    """Results within the error that the ISA allows; special values exactly."""
    def near(value, ulp):
        return f"{F32.encode(Fraction(value)):x}~{ulp}.f32"
    xs = [Fraction(rng.randrange(1, 2**24), 2**rng.randrange(10, 30)) for _ in range(40)]
    xs = [F32.decode(F32.encode(x)) for x in xs]
    f = lambda v: F32.encode(v)
    nan, inf, low = "nan.f32", f"{F32.encode(INF):x}", f"{F32.encode('-inf'):x}"
    specials = {
        "rcp.approx.f32": {0: inf, 0x80000000: low, f(INF): "0", f("-inf"): "80000000"},
        "sqrt.approx.f32": {0: "0", 0x80000000: "80000000", f(INF): inf, f(Fraction(-1)): nan},
        "rsqrt.approx.f32": {0: inf, 0x80000000: low, f(INF): "0", f(Fraction(-1)): nan},
        "ex2.approx.f32": {0: "3f800000", 0x80000000: "3f800000", f(INF): inf, f("-inf"): "0"},
        "lg2.approx.f32": {0: low, 0x80000000: low, f(INF): inf, f(Fraction(-1)): nan,
                           0x3F800000: "0"},
        "sin.approx.f32": {0: "0", 0x80000000: "80000000", f(INF): nan, f("-inf"): nan},
        "cos.approx.f32": {0: "3f800000", 0x80000000: "3f800000", f(INF): nan},
        "tanh.approx.f32": {0: "0", 0x80000000: "80000000", f(INF): "3f800000",
                            f("-inf"): "bf800000"},
    }
    angles = [x for x in xs if Fraction(1, 4) < x < Fraction(5, 4)] + [Fraction(1, 2), Fraction(1)]
    ordinary = {
        "rcp.approx.f32": [(x, near(1 / x, 1)) for x in xs],
        "sqrt.approx.f32": [(x, near(math.sqrt(x), 3)) for x in xs],
        "rsqrt.approx.f32": [(x, near(1 / math.sqrt(x), 3)) for x in xs],
        "ex2.approx.f32": [(x, near(2.0**float(x), 3)) for x in xs + [-x for x in xs] if x < 100
                           and x > -100],
        "lg2.approx.f32": [(x, near(math.log2(x), 6)) for x in xs if x > 2 or x < Fraction(1, 2)],
        "sin.approx.f32": [(x, near(math.sin(x), 24)) for x in angles],
        "cos.approx.f32": [(x, near(math.cos(x), 24)) for x in angles],
        "tanh.approx.f32": [(x, near(math.tanh(x), 8192)) for x in xs],
    }
    for name, rows in ordinary.items():
        made = [((f(x),), (text,)) for x, text in rows]
        made += [((bits,), (text,)) for bits, text in specials[name].items()] + [((f(NAN),), (nan,))]
        table.op(name, ["b32"], ["b32"], made)
    for name in ("div.approx.f32", "div.full.f32"):
        rows = [((f(a), f(b)), (near(a / b, 2),)) for a, b in zip(xs, xs[1:])]
        table.op(name, ["b32"], ["b32", "b32"], rows)
    rows = [((f(x),), (f"{F32.encode(x):x}",)) for x in (Fraction(1, 2**130), Fraction(-1, 2**140))]
    for op, kind in (("add", "ftz"), ("add", "")):
        made = [((a, 0), ("80000000" if a >> 31 and kind else "0" if kind else f"{a:x}",))
                for (a,), _ in rows]
        made = [(row, (("0" if kind else expected[0]),)) for row, expected in made]
        table.op(f"{op}.{kind + '.' if kind else ''}f32 denormals", ["b32"], ["b32", "b32"], made,
                 f"{op}.{kind + '.' if kind else ''}f32 $0, $1, $2;")


# ---- conversions ----------------------------------------------------------------------------------


def conversions(table, rng):
    between_integers(table, rng)
    for fmt in (F16, F32, F64):
        floats_and_integers(table, rng, fmt)
    between_floats(table, rng)
    packed_conversions(table, rng)


def register_of(width):
    return f"b{max(width, 16)}"


def between_integers(table, rng):
    for from_kind in "us":
        for to_kind in "us":
            for a in (8, 16, 32, 64):
                for b in (8, 16, 32, 64):
                    xs = samples(a, rng, 4)
                    plain = [((x,), (extended(values(from_kind, a, x), to_kind, b),)) for x in xs]
                    head = f"{to_kind}{b}.{from_kind}{a}"
                    table.op(f"cvt.{head}", [register_of(b)], [register_of(a)], plain)
                    rows = [((x,), (extended(clamp(values(from_kind, a, x), to_kind, b), to_kind, b),))
                            for x in xs]
                    if rows != plain:
                        table.op(f"cvt.sat.{head}", [register_of(b)], [register_of(a)], rows)


def extended(value, kind, width):
    """What a register holds of a result that is narrower than it."""
    value &= (1 << width) - 1
    return signed(value, width) & 0xFFFF if kind == "s" and width == 8 else value


def floats_and_integers(table, rng, fmt):
    xs = float_samples(fmt, rng, 20) + [fmt.encode(Fraction(n, 2)) for n in (1, 3, 5, -1, -3, -5, 255,
                                                                            257, 511, -257)]
    for kind in "us":
        for width in (8, 16, 32, 64):
            for mode in ("rni", "rzi", "rmi", "rpi"):
                rows = [((x,), (to_integer(fmt, fmt.decode(x), mode, kind, width),)) for x in xs]
                table.op(f"cvt.{mode}.{kind}{width}.{fmt.name}", [register_of(width)],
                         [REGISTER[fmt.name]], rows)
            modes = ("rn", "rz", "rm", "rp") if fmt is not F16 else ("rn", "rz")
            for mode in modes:
                rows = []
                for x in samples(width, rng, 30):
                    value = Fraction(values(kind, width, x))
                    rows.append(((x,), (fmt.encode(value, mode),)))
                table.op(f"cvt.{mode}.{fmt.name}.{kind}{width}", [REGISTER[fmt.name]],
                         [register_of(width)], rows)


def to_integer(fmt, value, mode, kind, width):
    if value == NAN:
        wide = fmt is F64 or width == 64
        return extended(1 << (width - 1) if wide else 0, kind, width)
    if is_infinite(value):
        value = Fraction(2**70) if value == INF else Fraction(-(2**70))
    return extended(clamp(round_integer(number(value), mode), kind, width), kind, width)


def between_floats(table, rng):
    def rows_of(source, target, mode, how=None):
        rows = []
        for x in float_samples(source, rng, 40):
            value = source.decode(x)
            rows.append(((x,), (f"nan.{target.name}" if value == NAN else target.encode(value, mode),)))
        return rows
    for source, target, modes in ((F32, F16, ("rn", "rz")), (F64, F32, ("rn", "rz", "rm", "rp")),
                                  (F64, F16, ("rn", "rz")), (F32, BF16, ("rn", "rz"))):
        for mode in modes:
            table.op(f"cvt.{mode}.{target.name}.{source.name}", [REGISTER[target.name]],
                     [REGISTER[source.name]], rows_of(source, target, mode))
    for source, target in ((F16, F32), (F32, F64), (F16, F64)):
        table.op(f"cvt.{target.name}.{source.name}", [REGISTER[target.name]],
                 [REGISTER[source.name]], rows_of(source, target, "rn"))
    table.op("cvt.f32.bf16", ["b32"], ["b16"], rows_of(BF16, F32, "rn"), sm=90)
    for fmt in (F32, F64, F16):
        for mode in ("rni", "rzi", "rmi", "rpi"):
            rows = []
            for x in float_samples(fmt, rng, 40) + [fmt.encode(Fraction(n, 2)) for n in range(-5, 6)]:
                value = fmt.decode(x)
                if value == NAN:
                    rows.append(((x,), (f"nan.{fmt.name}",)))
                elif isinstance(value, str) or value == 0:
                    rows.append(((x,), (x,)))
                else:
                    whole = Fraction(round_integer(value, mode))
                    bits = fmt.encode(whole) if whole != 0 else x & fmt.sign
                    rows.append(((x,), (bits,)))
            t = REGISTER[fmt.name]
            table.op(f"cvt.{mode}.{fmt.name}.{fmt.name}", [t], [t], rows)
    saturated = []
    for x in float_samples(F32, rng):
        value = F32.decode(x)
        text = Arithmetic(F16, sat=True).write(value)
        if text is not None:
            saturated.append(((x,), (text,)))
    table.op("cvt.rn.sat.f16.f32", ["b16"], ["b32"], saturated)


def packed_conversions(table, rng):
    def pairs_of(fmt):
        xs = [x for x in float_samples(fmt, rng, 40) if fmt.decode(x) != NAN]
        return [(rng.choice(xs), rng.choice(xs)) for _ in range(60)]
    for target in (F16, BF16):
        for mode in ("rn", "rz"):
            for relu in ("", ".relu"):
                rows = []
                for a, b in pairs_of(F32):
                    halves = []
                    for x in (a, b):
                        value = F32.decode(x)
                        if relu and is_negative(value):
                            value = Fraction(0)
                        halves.append(target.encode(value, mode))
                    rows.append(((a, b), (halves[0] << 16 | halves[1],)))
                table.op(f"cvt.{mode}{relu}.{target.name}x2.f32", ["b32"], ["b32", "b32"], rows)
    rows = []
    for x, _ in pairs_of(F32):
        bits = TF32.encode(F32.decode(x), "rna")
        rows.append(((x,), (f"{bits << 13:x}&ffffe000",)))
    table.op("cvt.rna.tf32.f32", ["b32"], ["b32"], rows)
    for fmt in (E4M3, E5M2):
        rows = []
        for a, b in pairs_of(F32) + [(F32.canonical, F32.encode(INF))]:
            ab = [fmt.encode(F32.decode(x), "rn", saturate=True) for x in (a, b)]
            rows.append(((a, b), (ab[0] << 8 | ab[1],)))
        table.op(f"cvt.rn.satfinite.{fmt.name}x2.f32", ["b16"], ["b32", "b32"], rows, sm=89)
        rows = []
        for low in range(0, 256, 3):
            high = low * 7 % 256
            ab = [F16.encode(fmt.decode(x)) for x in (high, low)]
            if F16.canonical not in ab:
                rows.append(((high << 8 | low,), (ab[0] << 16 | ab[1],)))
        table.op(f"cvt.rn.f16x2.{fmt.name}x2", ["b32"], ["b16"], rows, sm=89)


def write(table):
    rng = random.Random(20260729)
    for part in (integer_arithmetic, integer_logic, bit_fields, byte_permutes, dot_products,
                 comparisons, float_arithmetic, approximations, conversions):
        part(table, rng)
