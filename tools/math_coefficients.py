#!/usr/bin/env python3
"""Writes codegen/cg_math_tables.def: the polynomial coefficients of aicc's math functions.

Every row is a weighted minimax fit by the Remez exchange (mpmath, from PyPI), with coefficients
rounded to the element type (some of them one after the other, lowest degree first, with the rest
fitted again after each rounding, where that is better).

Usage: math_coefficients.py > codegen/cg_math_tables.def
"""
import struct
import sys

from mpmath import mp, mpf

mp.dps = 45


def solve_remez(function, weight, lo, hi, first, count, fixed):
    """Coefficients of x^first .. x^(first+count-1); |fixed| holds those of x^0 .. x^(first-1)."""
    def target(x):
        return function(x) - sum((c * x**k for k, c in enumerate(fixed)), mpf(0))

    nodes = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / count) for i in range(count + 1)]
    coefs = None
    for _ in range(12):
        rows, rhs = [], []
        for i, x in enumerate(nodes):
            x = x if x != 0 else (hi - lo) * mpf(10)**-9
            rows.append([x**(first + k) for k in range(count)] + [(-1)**i / weight(x)])
            rhs.append(target(x))
        solution = mp.lu_solve(mp.matrix(rows), mp.matrix(rhs))
        coefs = list(solution)[:count]

        def error(x, coefs=coefs):
            x = x if x != 0 else (hi - lo) * mpf(10)**-9
            fit = mpf(0)
            for c in reversed(coefs):
                fit = fit * x + c
            return weight(x) * (fit * x**first - target(x))

        new_nodes = exchange(error, lo, hi, count + 1)
        if new_nodes is None:
            break
        nodes = new_nodes
        peaks = [abs(error(x)) for x in nodes]
        if max(peaks) < min(peaks) * mpf('1.02'):
            break
    return coefs


def exchange(error, lo, hi, wanted):
    steps = 24 * wanted
    grid = [(lo + hi) / 2 - (hi - lo) / 2 * mp.cos(mp.pi * i / steps) for i in range(steps + 1)]
    values = [error(x) for x in grid]
    peaks = []
    for x, e in zip(grid, values):
        if peaks and (e > 0) == (peaks[-1][1] > 0):
            if abs(e) > abs(peaks[-1][1]):
                peaks[-1] = (x, e)
        else:
            peaks.append((x, e))
    while len(peaks) > wanted:
        peaks.pop(0 if abs(peaks[0][1]) < abs(peaks[-1][1]) else -1)
    return [x for x, _ in peaks] if len(peaks) == wanted else None


def round_to(value, bits):
    if bits == 24:
        return mpf(struct.unpack('f', struct.pack('f', float(value)))[0])
    return mpf(float(value))


def fit(function, weight, lo, hi, count, bits):
    """The best of: rounding all coefficients at once, and the first few one after the other."""
    lo, hi = mpf(lo), mpf(hi)
    grid = [lo + (hi - lo) * (i + mpf('.5')) / 1000 for i in range(1000)]
    wanted = [(x, weight(x), function(x)) for x in grid]
    best = None
    for steps in sorted({1, 2, 3, 4, count}) if bits == 24 else [1, 2]:
        fixed = []
        for k in range(min(steps, count)):
            coefs = solve_remez(function, weight, lo, hi, k, count - k, fixed)
            fixed.append(round_to(coefs[0], bits))
        fixed += [round_to(c, bits) for c in coefs[1:count - len(fixed) + 1]]
        worst = max(abs(w * (horner(fixed, x) - y)) for x, w, y in wanted)
        if best is None or worst < best[1]:
            best = fixed, worst
    return best


def horner(coefs, x):
    total = mpf(0)
    for c in reversed(coefs):
        total = total * x + c
    return total


def tiny(x):
    return abs(x) < mpf(10)**-12


def series(function, limit):
    return lambda x: limit if tiny(x) else function(x)


LN2 = mp.log(2)
HALF_LN2 = LN2 / 2 * mpf('1.001')
TRIG_MAX = mpf('1.0001')  # of r*r: arguments below 1 are not reduced
ROOT2 = mp.sqrt(2)
S_MAX = ((ROOT2 - 1) / (ROOT2 + 1))**2 * mpf('1.001')  # of s*s, s = f / (2 + f)


def log_in_s(z):  # log(1+f) / s as a function of z = s*s
    s = mp.sqrt(z)
    return 2 * mp.atanh(s) / s


def root(function):
    return lambda z: function(mp.sqrt(z))


SPECS = {}


def spec(name, f32, f64):
    SPECS[name] = (f32, f64)


def both(function, weight, lo, hi, n32, n64):
    return (function, weight, lo, hi, n32), (function, weight, lo, hi, n64)


# expm1(r) = r + r^2 q(r)
spec('expm1', *both(series(lambda r: (mp.expm1(r) - r) / r**2, mpf('.5')),
                    series(lambda r: abs(r**2 / mp.expm1(r)) + mpf(10)**-9, mpf(10)**-9),
                    -HALF_LN2, HALF_LN2, 5, 11))
# exp2(r) = 1 + r q(r)
spec('exp2', *both(series(lambda r: mp.expm1(r * LN2) / r, LN2),
                   lambda r: (abs(r) + mpf(10)**-9) / mp.mpf(2)**r, -mpf('.5005'), mpf('.5005'), 6, 11))
# f32: log(1+f) = f + f^2 q(f). f64: log(1+f) = 2 s + s z q(z), z = s*s, s = f / (2 + f)
spec('log', (series(lambda f: (mp.log1p(f) - f) / f**2, -mpf('.5')),
             series(lambda f: abs(f**2 / mp.log1p(f)) + mpf(10)**-9, mpf(10)**-9),
             1 / ROOT2 - 1, ROOT2 - 1, 9),
     (series(lambda z: (log_in_s(z) - 2) / z, mpf(2) / 3),
      lambda z: z / 2 + mpf(10)**-12, mpf(0), S_MAX, 7))
# log2(m) = s (K0 + K1 z + z^2 q(z)), K0 = 2 / ln 2, K1 = K0 / 3: pow's tail
spec('log2_tail', *both(series(lambda z: (log_in_s(z) - 2 - 2 * z / 3) / z**2 / LN2,
                               mpf(2) / 5 / LN2),
                        lambda z: z**2 + mpf(10)**-9, mpf(0), S_MAX, 3, 8))
# sinh(r) = r + r z q(z), cosh(r) = 1 + z/2 + z^2 q(z)
spec('sinh', *both(series(root(lambda r: (mp.sinh(r) - r) / r**3), mpf(1) / 6),
                   lambda z: z + mpf(10)**-9, mpf(0), HALF_LN2**2, 3, 6))
spec('cosh', *both(series(root(lambda r: (mp.cosh(r) - 1 - r**2 / 2) / r**4), mpf(1) / 24),
                   lambda z: z**2 + mpf(10)**-9, mpf(0), HALF_LN2**2, 2, 5))
# tanh(x) = x + x z q(z) near zero
spec('tanh', *both(series(root(lambda x: (mp.tanh(x) - x) / x**3), -mpf(1) / 3),
                   lambda z: z + mpf(10)**-9, mpf(0), mpf('.3907'), 5, 12))
# sin(r) = r + r z q(z), cos(r) = 1 - z/2 + z^2 q(z)
spec('sin', *both(series(root(lambda r: (mp.sin(r) - r) / r**3), -mpf(1) / 6),
                  lambda z: z + mpf(10)**-9, mpf(0), TRIG_MAX, 4, 7))
spec('cos', *both(series(root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), mpf(1) / 24),
                  lambda z: z**2 + mpf(10)**-9, mpf(0), TRIG_MAX, 3, 7))
# asin(x) = x + x z q(z), atan(x) = x + x z q(z)
spec('asin', *both(series(root(lambda x: (mp.asin(x) - x) / x**3), mpf(1) / 6),
                   lambda z: z + mpf(10)**-9, mpf(0), mpf('.2501'), 5, 13))
spec('atan', *both(series(root(lambda x: (mp.atan(x) - x) / x**3), -mpf(1) / 3),
                   lambda z: z + mpf(10)**-9, mpf(0), mpf(1), 9, 20))
# erf(x) = x + x q(z) near zero
spec('erf_near', *both(series(root(lambda x: mp.erf(x) / x - 1), 2 / mp.sqrt(mp.pi) - 1),
                       lambda z: mpf(1), mpf(0), mpf(1), 7, 13))
# f32: log(erfc(t)) = -t + t q(t), t from 1 to 4
FAR = series(lambda t: (mp.log(mp.erfc(t)) + t) / t, mpf(0))
# erfc(a) = exp(-a^2) q(w) / (1 + 2 a), w = (a - K) / (a + K)
K32, K64 = mpf(3), mpf(4)


def erfc_scaled(k):
    def f(w):
        a = k * (1 + w) / (1 - w)
        return (1 + 2 * a) * mp.exp(a * a) * mp.erfc(a)
    return f


def erfc_weight(k):
    return lambda w: 1 / erfc_scaled(k)(w)


def w_of(a, k):
    return (a - k) / (a + k)


spec('erf_far', (FAR, lambda t: t * mp.erfc(t), mpf('.95'), mpf(4), 7), None)
spec('erfc', (erfc_scaled(K32), erfc_weight(K32), w_of(mpf('.49'), K32), w_of(mpf('10.3'), K32), 11),
     (erfc_scaled(K64), erfc_weight(K64), w_of(mpf('.49'), K64), w_of(mpf('27.5'), K64), 24))


def hexes(coefs):
    return ', '.join(float(c).hex() for c in coefs)


def wrap(text, indent):
    lines, line = [], ' ' * indent
    for word in text.split(' '):
        if len(line) + len(word) + 1 > 98:
            lines.append(line.rstrip())
            line = ' ' * indent
        line += word + ' '
    return '\n'.join(lines + [line.rstrip()])


def main():
    only = sys.argv[1:]
    print('// Made by tools/math_coefficients.py; do not edit. CG_TABLE(name, f32, f64): coefficients')
    print('// from x^0 upwards of the q in the formula that the script states beside each name.')
    for name, specs in SPECS.items():
        if only and name not in only:
            continue
        texts = []
        for bits, one in ((24, specs[0]), (53, specs[1])):
            if one is None:
                texts.append('CG_LIST(0)')
                continue
            coefs, worst = fit(*one, bits)
            print(f'{name} f{32 if bits == 24 else 64}: 2^{float(mp.log(worst, 2)):.1f}',
                  file=sys.stderr)
            texts.append(f'CG_LIST({hexes(coefs)})')
        print(f'\nCG_TABLE({name},')
        print(wrap(texts[0] + ',', 4))
        print(wrap(texts[1] + ')', 4))


if __name__ == '__main__':
    main()
