"""What compilers use besides: packing, 24-bit and carry arithmetic, halves in approximations, hints and
scopes of memory accesses, special registers."""

import math
import random
from fractions import Fraction

from ptx_floats import BF16, F16, F32, F64, NAN, add, is_negative, multiply, negate
from ptx_scalar_cases import clamp, extreme, float_samples, samples, signed


# ---- integers ------------------------------------------------------------------------------------


def packing(table, rng):
    rows = [((a, b), (a | b << 16, a, b)) for a, b in zip(samples(16, rng), samples(16, rng)[::-1])]
    table.op("mov.b32 of halves", ["b32", "b16", "b16"], ["b16", "b16"], rows,
             "mov.b32 $0, {$3, $4}; mov.b32 {$1, $2}, $0;")
    rows = [((a, b), (a | b << 32, a, b)) for a, b in zip(samples(32, rng), samples(32, rng)[::-1])]
    table.op("mov.b64 of words", ["b64", "b32", "b32"], ["b32", "b32"], rows,
             "mov.b64 $0, {$3, $4}; mov.b64 {$1, $2}, $0;")
    rows = [((a, b), (b, 7)) for a, b in zip(samples(32, rng), samples(32, rng)[::-1])]
    table.op("mov.b64 of one word", ["b32", "b32"], ["b32", "b32"], rows,
             "mov.b64 %u0, {$2, $3}; mov.b64 {_, $0}, %u0; mov.u32 $1, 7;")
    rows = [((x,), (x & 0xFFFF, x >> 16 & 0xFFFF, x >> 32 & 0xFFFF, x >> 48)) for x in samples(64, rng)]
    table.op("mov.b64 of quarters", ["b16"] * 4, ["b64"], rows, "mov.b64 {$0, $1, $2, $3}, $4;")
    for kind, width in (("s", 8), ("u", 8), ("s", 16), ("u", 16)):
        rows = []
        for _ in range(24):
            a, b = (rng.choice((rng.getrandbits(32), rng.getrandbits(8), -rng.getrandbits(8) % 2**32))
                    for _ in range(2))
            c = rng.getrandbits(32)
            mask = (1 << width) - 1
            ab = [clamp(signed(x, 32), kind, width) & mask for x in (a, b)]
            both = ab[0] << width | ab[1]
            if width == 8:
                rows.append(((a, b, c), ((c & 0xFFFF) << 16 | both,)))
            else:
                rows.append(((a, b), (both,)))
        extra = ".b32" if width == 8 else ""
        table.op(f"cvt.pack.sat.{kind}{width}.s32{extra}", ["b32"], ["b32"] * len(rows[0][0]), rows)


def narrow_arithmetic(table, rng):
    for kind in "us":
        rows, hi, sums = [], [], []
        for _ in range(30):
            a, b, c = (rng.getrandbits(32) for _ in range(3))
            low = [signed(x, 24) if kind == "s" else x & 0xFFFFFF for x in (a, b)]
            product = low[0] * low[1]
            rows.append(((a, b), (product,)))
            hi.append(((a, b), (product >> 16,)))
            sums.append(((a, b, c), (product + c,)))
        table.op(f"mul24.lo.{kind}32", ["b32"], ["b32"] * 2, rows)
        table.op(f"mul24.hi.{kind}32", ["b32"], ["b32"] * 2, hi)
        table.op(f"mad24.lo.{kind}32", ["b32"], ["b32"] * 3, sums)
    rows = []
    for _ in range(40):
        a, b, c, d = (rng.choice((rng.getrandbits(32), 2**32 - 1, 0, 1)) for _ in range(4))
        total = (d << 32 | c) + a * b
        rows.append(((a, b, c, d), (total, total >> 32)))
    table.op("mad.lo.cc madc.hi", ["b32", "b32"], ["b32"] * 4, rows,
             "mad.lo.cc.u32 $0, $2, $3, $4; madc.hi.u32 $1, $2, $3, $5;")
    rows = [((a, n), (signed(a, n) if 0 < n < 32 else (a if n else 0),))
            for a in samples(32, rng, 3) for n in (0, 1, 8, 31, 32, 40)]
    table.op("szext.clamp.s32", ["b32"], ["b32", "b32"], rows)
    rows = [((a, n), (sum(1 << i for i in range(32) if a <= i < a + n),))
            for a in (0, 3, 31, 32, 99) for n in (0, 1, 8, 32, 77)]
    table.op("bmsk.clamp.b32", ["b32"], ["b32", "b32"], rows)


# ---- halves ---------------------------------------------------------------------------------------


def halves(table, rng):
    for fmt in (F16, BF16):
        xs = [x for x in float_samples(fmt, rng) if fmt.decode(x) != NAN]
        pairs = [(rng.choice(xs), rng.choice(xs)) for _ in range(60)]
        both = lambda low, high: high << 16 | low
        rows = [((both(a, b),), (both(a & ~fmt.sign, b & ~fmt.sign),)) for a, b in pairs]
        table.op(f"abs.{fmt.name}x2", ["b32"], ["b32"], rows)
        rows = [((both(a, b),), (both(a ^ fmt.sign, b ^ fmt.sign),)) for a, b in pairs]
        table.op(f"neg.{fmt.name}x2", ["b32"], ["b32"], rows)
        for name, largest in (("min", False), ("max", True)):
            rows = []
            for (a, b), (c, d) in zip(pairs, pairs[1:]):
                result = [fmt.encode(extreme(fmt.decode(x), fmt.decode(y), largest))
                          for x, y in ((a, c), (b, d))]
                rows.append(((both(a, b), both(c, d)), (both(*result),)))
            table.op(f"{name}.{fmt.name}x2", ["b32"], ["b32"] * 2, rows)
        rows = []
        for (a, b), (c, d), (e, f) in zip(pairs, pairs[1:], pairs[2:]):
            result = []
            for x, y, z in ((a, c, e), (b, d, f)):
                value = add(multiply(fmt.decode(x), fmt.decode(y)), fmt.decode(z))
                result.append(None if value == NAN else
                              0 if is_negative(value) else fmt.encode(value))
            if None not in result:
                rows.append(((both(a, b), both(c, d), both(e, f)), (both(*result),)))
        table.op(f"fma.rn.relu.{fmt.name}x2", ["b32"], ["b32"] * 3, rows)
        differences(table, fmt, pairs)
        half_approximations(table, fmt, rng)
    rows = [((c, d), (int(F16.decode(c) < F16.decode(d)),)) for c, d in
            ((F16.encode(Fraction(a)), F16.encode(Fraction(b))) for a in (-1, 2) for b in (1, 2))]
    table.op("setp.lt.f16x2", ["pred", "pred"], ["b32", "b32"],
             [((a | b << 16, c | d << 16), (int(F16.decode(a) < F16.decode(c)),
                                            int(F16.decode(b) < F16.decode(d))))
              for (a, b), (c, d) in zip([r[0] for r in rows], [r[0] for r in rows][::-1])],
             "setp.lt.f16x2 $0|$1, $2, $3;")


def differences(table, fmt, pairs):
    rows = []
    for (a, b), (c, d) in zip(pairs, pairs[1:]):
        values = [add(fmt.decode(x), negate(fmt.decode(y))) for x, y in ((a, c), (b, d))]
        if NAN not in values:
            low, high = (fmt.encode(v) for v in values)
            rows.append(((b << 16 | a, d << 16 | c), (high << 16 | low,)))
    table.op(f"sub.rn.{fmt.name}x2", ["b32"], ["b32"] * 2, rows, sm=90 if fmt is BF16 else 80)


def half_approximations(table, fmt, rng):
    xs = [fmt.decode(fmt.encode(Fraction(rng.randrange(-400, 400), 128))) for _ in range(40)]
    ftz = ".ftz" if fmt is BF16 else ""
    for name, function, ulp in ((f"ex2.approx{ftz}", lambda x: 2.0**x, 2), ("tanh.approx", math.tanh, 3)):
        rows = [((fmt.encode(x),), (f"{fmt.encode(Fraction(function(float(x)))):x}~{ulp}.{fmt.name}",))
                for x in xs if x != 0 and not isinstance(x, str)]
        table.op(f"{name}.{fmt.name}", ["b16"], ["b16"], rows, sm=90 if fmt is BF16 else 80)


def more_floats(table, rng):
    xs = float_samples(F32, rng)
    pairs = [(rng.choice(xs), rng.choice(xs)) for _ in range(120)]
    for name, largest in (("min", False), ("max", True)):
        rows = []
        for a, b in pairs:
            x, y = (F32.decode(v & ~F32.sign) for v in (a, b))
            if NAN in (x, y) or F32.is_denormal(a) or F32.is_denormal(b):
                continue
            bits = F32.encode(extreme(x, y, largest)) | (a ^ b) & F32.sign
            rows.append(((a, b), (bits,)))
        table.op(f"{name}.xorsign.abs.f32", ["b32"], ["b32", "b32"], rows, sm=86)
        rows = []
        for a, b in pairs:
            flushed = [v & F32.sign if F32.is_denormal(v) else v for v in (a, b)]
            value = extreme(*map(F32.decode, flushed), largest)
            rows.append(((a, b), ("nan.f32" if value == NAN else F32.encode(value),)))
        table.op(f"{name}.ftz.f32", ["b32"], ["b32", "b32"], rows)
    rows = []
    for a, b in pairs:
        x, y = (F32.decode(v & F32.sign if F32.is_denormal(v) else v) for v in (a, b))
        rows.append(((a, b), (int(NAN not in (x, y) and extreme(x, y, False) == x and x != y and
                                  not (x in (0, "-0") and y in (0, "-0"))),)))
    table.op("setp.lt.ftz.f32", ["pred"], ["b32", "b32"], rows)
    for name, source in (("cvt.ftz.f32.f16", F16), ("cvt.f32.f16", F16)):
        rows = [((x,), ("nan.f32" if source.decode(x) == NAN else F32.encode(source.decode(x)),))
                for x in float_samples(source, rng)]
        table.op(name, ["b32"], ["b16"], rows)
    rows = []
    for x in xs:
        value = F32.decode(x & F32.sign if F32.is_denormal(x) else x)
        if value != NAN:
            rows.append(((x,), (F16.encode(value),)))
    table.op("cvt.rn.ftz.f16.f32", ["b16"], ["b32"], rows)
    near = lambda v: f"{F64.encode(Fraction(v)) >> 32 << 32:x}~{1 << 34}.f64"
    values = [Fraction(rng.randrange(1, 10**6), rng.randrange(1, 10**6)) for _ in range(20)]
    values = [F64.decode(F64.encode(v)) for v in values]
    table.op("rcp.approx.ftz.f64", ["b64"], ["b64"],
             [((F64.encode(v),), (near(1 / v),)) for v in values])
    table.op("rsqrt.approx.f64", ["b64"], ["b64"],
             [((F64.encode(v),), (near(1 / math.sqrt(v)),)) for v in values])


# ---- memory ---------------------------------------------------------------------------------------


def access_forms(table, rng):
    rows = [((rng.getrandbits(32),), None) for _ in range(6)]
    rows = [(x, x) for x, _ in rows]
    for store in ("st.volatile.global", "st.relaxed.gpu.global", "st.release.gpu.global", "st.global.cs",
                  "st.global.wt", "st.global.cg", "st.relaxed.cta.global", "st.release.sys.global",
                  "st.global.L1::no_allocate", "st.weak.global", "st.global.wb"):
        table.op(store, ["b32"], ["b32"], rows, f"{store}.b32 [%gslot], $1; ld.global.b32 $0, [%gslot];")
    for load in ("ld.volatile.global", "ld.relaxed.gpu.global", "ld.acquire.gpu.global", "ld.global.ca",
                 "ld.global.cg", "ld.global.cs", "ld.global.cv", "ld.relaxed.sys.global",
                 "ld.global.L1::evict_last", "ld.global.L2::128B", "ld.weak.global"):
        table.op(load, ["b32"], ["b32"], rows, f"st.global.b32 [%gslot], $1; {load}.b32 $0, [%gslot];")
    for load in ("ld.global.nc", "ld.global.nc.L1::no_allocate", "ldu.global"):
        table.op(load, ["b32"], ["b32"], rows, f"{load}.b32 $0, [%in];")
    for space in ("shared", "shared::cta"):
        table.op(f"ld st.volatile.{space}", ["b32"], ["b32"], rows,
                 f"st.volatile.{space}.b32 [%slot], $1; ld.volatile.{space}.b32 $0, [%slot];")
    table.op("prefetch", ["b32"], ["b32"], rows, "prefetch.global.L2 [%in]; prefetch.global.L1 [%in]; "
             "prefetchu.L1 [%in]; mov.b32 $0, $1;")
    for fence in ("membar.cta", "membar.gl", "membar.sys", "fence.acq_rel.gpu", "fence.sc.cta",
                  "fence.acq_rel.sys", "fence.acq_rel.cta"):
        table.op(fence, ["b32"], ["b32"], rows, f"st.global.b32 [%gslot], $1; {fence}; "
                 "ld.global.b32 $0, [%gslot];")
    table.op("nanosleep", ["b32"], ["b32"], rows, "nanosleep.u32 20; mov.b32 $0, $1;")
    narrow_vectors(table, rng)
    scoped_atomics(table, rng)


def narrow_vectors(table, rng):
    for width in (8, 16):
        rows = []
        for _ in range(8):
            x = [rng.getrandbits(width) for _ in range(4)]
            rows.append((tuple(x), tuple(x[::-1]) + (sum(v << (width * i) for i, v in enumerate(x)),)))
        table.op(f"ld st.v4.u{width}", ["b16"] * 4 + ["b64"], ["b16"] * 4, rows,
                 f"mov.b64 %u0, 0; st.global.b64 [%gslot], %u0; "
                 f"st.global.v4.u{width} [%gslot], {{$5, $6, $7, $8}}; "
                 f"ld.global.v4.u{width} {{$3, $2, $1, $0}}, [%gslot]; ld.global.b64 $4, [%gslot];")


def scoped_atomics(table, rng):
    rows = []
    for _ in range(6):
        a, b = rng.getrandbits(32), rng.getrandbits(32)
        rows.append(((a, b), (a, a + b)))
    for form in ("atom.relaxed.gpu.global.add.u32", "atom.acq_rel.gpu.global.add.u32",
                 "atom.release.cta.global.add.u32", "atom.acquire.sys.global.add.u32"):
        table.op(form, ["b32", "b32"], ["b32", "b32"], rows,
                 f"st.global.b32 [%gslot], $2; {form} $0, [%gslot], $3; ld.global.b32 $1, [%gslot];")
    table.op("red.relaxed.gpu.global.add.u32", ["b32"], ["b32", "b32"], [(x, y[1:]) for x, y in rows],
             "st.global.b32 [%gslot], $1; red.relaxed.gpu.global.add.u32 [%gslot], $2; "
             "ld.global.b32 $0, [%gslot];")
    table.op("atom.add.u32 generic", ["b32", "b32"], ["b32", "b32"], rows,
             "st.global.b32 [%gslot], $2; atom.add.u32 $0, [%gslot], $3; ld.global.b32 $1, [%gslot];")
    rows = []
    for _ in range(10):
        a, b = (F64.encode(Fraction(rng.randrange(-10**6, 10**6), 2**rng.randrange(20))) for _ in range(2))
        rows.append(((a, b), (a, F64.encode(add(F64.decode(a), F64.decode(b))))))
    table.op("atom.global.add.f64", ["b64", "b64"], ["b64", "b64"], rows,
             "st.global.b64 [%gslot], $2; atom.global.add.f64 $0, [%gslot], $3; "
             "ld.global.b64 $1, [%gslot];")
    rows = [((a, b, c), (a, c if a == b else a)) for a in (3, 4) for b in (3, 4) for c in (9, 10)]
    table.op("atom.global.cas.b16", ["b16", "b16"], ["b16"] * 3, rows,
             "st.global.b16 [%gslot], $2; atom.global.cas.b16 $0, [%gslot], $3, $4; "
             "ld.global.b16 $1, [%gslot];")
    rows = []
    for _ in range(10):
        a, b = (F16.encode(Fraction(rng.randrange(-99, 99), 4)) for _ in range(2))
        rows.append(((a, b), (a, F16.encode(add(F16.decode(a), F16.decode(b))))))
    table.op("atom.global.add.noftz.f16", ["b16", "b16"], ["b16", "b16"], rows,
             "st.global.b16 [%gslot], $2; atom.global.add.noftz.f16 $0, [%gslot], $3; "
             "ld.global.b16 $1, [%gslot];")


def hopper(table, rng):
    """Of sm_90: what its kernels use besides the asynchronous units."""
    words = [[rng.getrandbits(32) for _ in range(4)] for _ in range(32)]
    for trans in ("", ".trans"):
        rows = []
        for lane in range(32):  # lane l stores its registers; its own slot holds row l % 8 of matrix l / 8
            matrix, row, out = lane // 8, lane % 8, []
            for word in range(4):
                halves_of = []
                for col in (2 * word, 2 * word + 1):
                    r, c = (col, row) if trans else (row, col)
                    halves_of.append(words[4 * r + c // 2][matrix] >> (16 * (c % 2)) & 0xFFFF)
                out.append(halves_of[1] << 16 | halves_of[0])
            rows.append((tuple(words[lane]), tuple(out)))
        table.op(f"stmatrix.x4{trans}", ["b32"] * 4, ["b32"] * 4, rows,
                 f"stmatrix.sync.aligned.m8n8.x4{trans}.shared.b16 [%slot], {{$4, $5, $6, $7}}; "
                 "bar.warp.sync -1; ld.shared.v4.b32 {$0, $1, $2, $3}, [%slot];", sm=90)
    table.op("elect.sync", ["b32", "pred"], ["b32"], [((i,), (0, int(i == 0))) for i in range(32)],
             "elect.sync $0|$1, -1;", sm=90)
    table.op("griddepcontrol", ["b32"], ["b32"], [((i,), (i,)) for i in range(3)],
             "griddepcontrol.wait; griddepcontrol.launch_dependents; mov.b32 $0, $1;", sm=90)
    specials = {"%warpid": lambda i: i // 32, "%tid.y": lambda i: 0, "%ntid.y": lambda i: 1,
                "%nctaid.z": lambda i: 1, "WARP_SZ": lambda i: 32}
    for name, value in specials.items():
        table.op(f"mov {name}", ["b32"], ["b32"], [((i,), (value(i),)) for i in range(64)],
                 f"mov.u32 $0, {name};")
    for name in ("%clock", "%smid", "%globaltimer_lo", "%nsmid", "%dynamic_smem_size",
                 "%total_smem_size"):
        table.op(f"mov {name}", ["b32"], ["b32"], [((0,), ("-",))], f"mov.u32 $0, {name};")


def write(table):
    rng = random.Random(20260731)
    for part in (packing, narrow_arithmetic, halves, more_floats, access_forms, hopper):
        part(table, rng)
