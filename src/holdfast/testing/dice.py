"""Dice that fall alike on every machine: normal and exponential draws, exp, log, sin and cos from integers alone.

What `math` gives for them is the C library's: its last bit differs between processors with and without fused
multiply-add, and between libraries. One last bit is enough for another volume, another part of an order filled, and so
another digest. Here they are series in whole multiples of 2**-128, rounded to a float once, by a division of integers.
"""

from __future__ import annotations

import math
import random

_BITS = 128
_ONE = 1 << _BITS
# floor(pi / 2 * 2**128) and floor(log(2) * 2**128); a test computes both anew.
_HALF_PI = 0x1921FB54442D18469898CC51701B839A2
_LOG_2 = 0xB17217F7D1CF79ABC9E3B39803F2F6AF
# How many terms bring the rest below 2**-128: (pi/4)**31 / 31!, log(2)**33 / 33!, and 0.172**51.
_TERMS_CIRCLE, _TERMS_EXP, _TERMS_LOG = 31, 33, 51
_TAU = 2.0 * math.pi


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
    total = term = _ONE
    for power in range(1, _TERMS_EXP):
        term = (term * rest >> _BITS) // power
        total += term
    return math.ldexp(total / _ONE, doublings)


def log(x: float) -> float:
    """Return the natural logarithm of x > 0 to the last bit: 2 atanh((m - 1) / (m + 1)) of its mantissa m."""
    mantissa, doublings = math.frexp(x)
    if mantissa < math.sqrt(0.5):
        mantissa, doublings = 2.0 * mantissa, doublings - 1
    fixed = _fixed(mantissa)
    term = ((fixed - _ONE) << _BITS) // (fixed + _ONE)
    square = term * term >> _BITS
    total = 0
    for power in range(1, _TERMS_LOG, 2):
        total += term // power
        term = term * square >> _BITS
    return (2 * total + doublings * _LOG_2) / _ONE


def sine_cosine(angle: float) -> tuple[float, float]:
    """Return sin and cos of 0 <= angle < 7 to the last bit."""
    quarters, rest = divmod(_fixed(angle) + _HALF_PI // 2, _HALF_PI)
    rest -= _HALF_PI // 2
    sums = [_ONE, rest]  # of the even terms, which are the cosine, and of the odd ones
    term = rest
    for power in range(2, _TERMS_CIRCLE):
        term = (term * rest >> _BITS) // power
        sums[power % 2] += -term if power & 2 else term
    cosine, sine = sums
    for _ in range(quarters):
        sine, cosine = cosine, -sine
    return sine / _ONE, cosine / _ONE


def _fixed(x: float) -> int:
    above, below = x.as_integer_ratio()
    return (above << _BITS) // below
