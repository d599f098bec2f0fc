"""Floating-point formats and rounding in exact arithmetic, from their definitions.

A value is a Fraction, or one of the texts "nan", "inf", "-inf", "-0". Everything that the tests of
the emulator expect of floats is made with this: nothing here shares code or arithmetic with it.
"""

from fractions import Fraction

NAN, INF, NEG_INF, NEG_ZERO = "nan", "inf", "-inf", "-0"


class Format:
    def __init__(self, name, bits, mantissa, exponent, inf=True, most=None):
        self.name, self.bits, self.mantissa = name, bits, mantissa
        self.bias = 2 ** (exponent - 1) - 1
        self.top = 2**exponent - 1  # the exponent field of infinities and NaNs
        self.inf = inf  # e4m3 has no infinities: its top exponent holds numbers
        self.low = 1 - self.bias  # exponent of the smallest normal number
        self.sign = 1 << (bits - 1)
        self.canonical = self.sign - 1  # what PTX instructions give as NaN
        self.max_bits = most if most is not None else (self.top << mantissa) - 1

    def decode(self, bits):
        negative, rest = bits & self.sign, bits & (self.sign - 1)
        field, fraction = rest >> self.mantissa, rest & ((1 << self.mantissa) - 1)
        if self.inf and field == self.top:
            return NAN if fraction else (NEG_INF if negative else INF)
        if not self.inf and rest == self.canonical:
            return NAN
        if rest == 0:
            return NEG_ZERO if negative else Fraction(0)
        if field == 0:
            value = Fraction(fraction) * Fraction(2) ** (self.low - self.mantissa)
        else:
            value = Fraction(fraction + (1 << self.mantissa)) * Fraction(2) ** (
                field - self.bias - self.mantissa)
        return -value if negative else value

    def is_denormal(self, bits):
        rest = bits & (self.sign - 1)
        return 0 < rest < (1 << self.mantissa)

    def encode(self, value, mode="rn", saturate=False):
        """The bits of |value| rounded: rn, rz, rm (down), rp (up), rna (nearest, ties away).

        saturate: to the largest number instead of infinity (.satfinite).
        """
        if value == NAN:
            return self.canonical
        if value in (INF, NEG_INF):
            sign = self.sign if value == NEG_INF else 0
            return sign | (self.max_bits if saturate else self.top << self.mantissa)
        if value == NEG_ZERO:
            return self.sign
        if value == 0:
            return 0
        sign = self.sign if value < 0 else 0
        units, exponent = self.round_magnitude(value, mode)
        if exponent == self.low and units < 1 << self.mantissa:
            return sign | units
        rest = ((exponent + self.bias) << self.mantissa) + units - (1 << self.mantissa)
        if rest > self.max_bits:
            away = mode in ("rn", "rna") or (mode == "rp" and not sign) or (mode == "rm" and sign)
            if saturate or not away:
                return sign | self.max_bits
            return sign | (self.top << self.mantissa if self.inf else self.canonical)
        return sign | rest

    def round_magnitude(self, value, mode):
        """(units, exponent): |value| is about units * 2^(exponent - mantissa)."""
        magnitude = abs(value)
        exponent = magnitude.numerator.bit_length() - magnitude.denominator.bit_length()
        if Fraction(2) ** exponent > magnitude:
            exponent -= 1
        exponent = max(exponent, self.low)
        exact = magnitude / Fraction(2) ** (exponent - self.mantissa)
        units = round_integer(exact if value > 0 else -exact, mode)
        units = abs(units)
        if units == 2 << self.mantissa:
            units, exponent = units // 2, exponent + 1
        return units, exponent


def round_integer(value, mode):
    """To an integer: rn rni (ties to even), rz, rm, rp and their ...i forms, rna."""
    floor = value.numerator // value.denominator
    rest = value - floor
    mode = mode.removesuffix("i")
    if rest == 0 or mode == "rm":
        return floor
    if mode == "rp":
        return floor + 1
    if mode == "rz":
        return floor + (value < 0)
    if rest != Fraction(1, 2):
        return floor + (rest > Fraction(1, 2))
    if mode == "rna":
        return floor + (value > 0)
    return floor + floor % 2


F16 = Format("f16", 16, 10, 5)
BF16 = Format("bf16", 16, 7, 8)
F32 = Format("f32", 32, 23, 8)
F64 = Format("f64", 64, 52, 11)
E4M3 = Format("e4m3", 8, 3, 4, inf=False, most=0x7E)
E5M2 = Format("e5m2", 8, 2, 5)
TF32 = Format("tf32", 19, 10, 8)
FORMATS = {f.name: f for f in (F16, BF16, F32, F64, E4M3, E5M2, TF32)}


def is_infinite(value):
    return value in (INF, NEG_INF)


def is_zero(value):
    return value == NEG_ZERO or value == 0


def is_negative(value):
    return value in (NEG_INF, NEG_ZERO) or (not isinstance(value, str) and value < 0)


def number(value):
    """Without the sign of zero."""
    return Fraction(0) if value == NEG_ZERO else value


def signed(value, negative):
    """A zero or infinity with a sign."""
    if value == 0:
        return NEG_ZERO if negative else Fraction(0)
    return NEG_INF if negative else INF


def negate(value):
    swaps = {INF: NEG_INF, NEG_INF: INF, NEG_ZERO: Fraction(0), NAN: NAN}
    if isinstance(value, str):
        return swaps[value]
    return NEG_ZERO if value == 0 else -value


def add(a, b, mode="rn"):
    if NAN in (a, b) or (is_infinite(a) and is_infinite(b) and a != b):
        return NAN
    if is_infinite(a) or is_infinite(b):
        return a if is_infinite(a) else b
    if number(a) + number(b) == 0:
        if is_zero(a) and is_zero(b) and is_negative(a) == is_negative(b):
            return a
        return NEG_ZERO if mode == "rm" else Fraction(0)
    return number(a) + number(b)


def multiply(a, b):
    if NAN in (a, b) or (is_infinite(a) and is_zero(b)) or (is_zero(a) and is_infinite(b)):
        return NAN
    negative = is_negative(a) != is_negative(b)
    if is_infinite(a) or is_infinite(b):
        return signed(INF, negative)
    product = number(a) * number(b)
    return signed(0, negative) if product == 0 else product


def divide(a, b):
    if NAN in (a, b) or (is_infinite(a) and is_infinite(b)) or (is_zero(a) and is_zero(b)):
        return NAN
    negative = is_negative(a) != is_negative(b)
    if is_infinite(a) or is_zero(b):
        return signed(INF, negative)
    if is_infinite(b) or is_zero(a):
        return signed(0, negative)
    return a / b


def less(a, b):
    order = {NEG_INF: Fraction(-(2**2000)), INF: Fraction(2**2000)}
    return order.get(number(a), number(a)) < order.get(number(b), number(b))


def square_root(a, mode, fmt):
    """The bits of the root, correctly rounded: found among neighbours by squaring exactly."""
    if a == NAN or (is_negative(a) and not is_zero(a)):
        return fmt.canonical
    if is_zero(a) or a == INF:
        return fmt.encode(a)
    low, high = 0, fmt.max_bits  # the largest number whose square is at most a
    while low < high:
        middle = (low + high + 1) // 2
        if fmt.decode(middle) ** 2 <= a:
            low = middle
        else:
            high = middle - 1
    below = fmt.decode(low)
    if below**2 == a or mode in ("rz", "rm"):
        return low
    if mode == "rp":
        return low + 1
    half = (below + fmt.decode(low + 1)) / 2  # a root is never exactly a tie
    return low if a < half**2 else low + 1
