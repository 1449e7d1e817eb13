"""Dice that fall alike on every machine: normal and exponential draws, exp, log, sin and cos from integers alone.

What `math` gives for them is the C library's: its last bit differs between processors with and without fused
multiply-add, and between libraries. One last bit is enough for another volume, another part of an order filled, and so
another digest. Here they are series in whole multiples of 2**-96, rounded to a float once, by a division of integers.
"""

from __future__ import annotations

import math
import random

_BITS = 96
_ONE = 1 << _BITS
# floor(pi / 2 * 2**96) and floor(log(2) * 2**96); a test computes both anew.
_HALF_PI = 0x1921FB54442D18469898CC517
_LOG_2 = 0xB17217F7D1CF79ABC9E3B398
_TAU = 2.0 * math.pi
_HALVINGS = 4  # of what exp is asked for: as many squarings bring it back, and ten terms less are needed
# Coefficients of the series, the last one first, as many as bring the rest below 2**-96.
_EXP = tuple(_ONE // math.factorial(power) for power in range(16, -1, -1))
_COSINE = tuple((-1) ** half * _ONE // math.factorial(2 * half) for half in range(12, -1, -1))
_SINE = tuple((-1) ** half * _ONE // math.factorial(2 * half + 1) for half in range(12, -1, -1))
_ATANH = tuple(_ONE // (2 * half + 1) for half in range(20, -1, -1))


class Dice(random.Random):
    """A `random.Random` whose normal and exponential draws ask no C library."""

    gauss_next: float | None  # the base's own, so that it is forgotten and kept together with the state

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        """Return a normal draw: one of Box and Muller's pair, and the other at the next call, like the base."""
        draw, self.gauss_next = self.gauss_next, None
        if draw is None:
            sine, cosine = sine_cosine(self.random() * _TAU)
            radius = math.sqrt(-2.0 * log(1.0 - self.random()))
            draw, self.gauss_next = cosine * radius, sine * radius
        return mu + draw * sigma

    def expovariate(self, lambd: float = 1.0) -> float:
        """Return a draw from the exponential distribution of mean 1 / lambd."""
        return -log(1.0 - self.random()) / lambd


def exp(x: float) -> float:
    """Return e**x, -700 < x < 700, to the last bit."""
    doublings, rest = divmod(_fixed(x), _LOG_2)
    total = _series(_EXP, rest >> _HALVINGS)
    for _ in range(_HALVINGS):
        total = total * total >> _BITS
    return math.ldexp(total / _ONE, doublings)


def log(x: float) -> float:
    """Return the natural logarithm of x > 0 to the last bit: 2 atanh((m - 1) / (m + 1)) of its mantissa m.

    Within 0.0001 of 1 it is right to 2**-95, which is less than a float could hold.
    """
    mantissa, doublings = math.frexp(x)
    if mantissa < math.sqrt(0.5):
        mantissa, doublings = 2.0 * mantissa, doublings - 1
    fixed = _fixed(mantissa)
    ratio = ((fixed - _ONE) << _BITS) // (fixed + _ONE)
    half = ratio * _series(_ATANH, ratio * ratio >> _BITS) >> _BITS
    return (2 * half + doublings * _LOG_2) / _ONE


def sine_cosine(angle: float) -> tuple[float, float]:
    """Return sin and cos of 0 <= angle < 7 to the last bit, next to their zeros to 2**-95."""
    quarters, rest = divmod(_fixed(angle) + _HALF_PI // 2, _HALF_PI)
    rest -= _HALF_PI // 2
    square = rest * rest >> _BITS
    sine, cosine = rest * _series(_SINE, square) >> _BITS, _series(_COSINE, square)
    for _ in range(quarters):
        sine, cosine = cosine, -sine
    return sine / _ONE, cosine / _ONE


def _series(coefficients: tuple[int, ...], x: int) -> int:
    total = 0
    for coefficient in coefficients:
        total = (total * x >> _BITS) + coefficient
    return total


def _fixed(x: float) -> int:
    above, below = x.as_integer_ratio()
    return (above << _BITS) // below
