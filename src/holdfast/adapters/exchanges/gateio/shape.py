"""What all of Gate.io's shapes have in common: numbers that are checked as they are read, and one way to read them."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Final, Generic, TypeVar

import msgspec

from holdfast.core.errors import VenueError
from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.values import ZERO

VENUE: Final = "gateio"
T = TypeVar("T")

Id = int | str
"""Ids come as numbers or as text, by endpoint."""

# Beyond what any market has, and small enough that no arithmetic on it can take long or fill the memory.
_ADJUSTED_MAX: Final = 30
_DIGITS_MAX: Final = 80
_ID_MAX: Final = 128
_TS_MAX: Final = Decimal(4_102_444_800)  # 2100-01-01, in seconds


def check_number(name: str, value: Decimal | None) -> None:
    """Raise ValueError unless `value` is a finite number that can be worked with; None passes."""
    if value is None:
        return
    if not value.is_finite():
        raise ValueError(f"{name} is not a finite number")
    _, digits, exponent = value.as_tuple()
    if len(digits) > _DIGITS_MAX or not isinstance(exponent, int) or abs(exponent) > _DIGITS_MAX:
        raise ValueError(f"{name} has too many digits")
    if value and abs(value.adjusted()) > _ADJUSTED_MAX:
        raise ValueError(f"{name} is out of range")


def check_size(name: str, value: Decimal | None) -> None:
    """Raise ValueError unless `value` is a finite number that is not negative; None passes."""
    check_number(name, value)
    if value is not None and value < ZERO:
        raise ValueError(f"{name} is negative")


def check_id(name: str, value: Id | None) -> None:
    """Raise ValueError unless `value` is an id: decimal digits of a sane length; None and the empty text pass."""
    if isinstance(value, str):
        # An id goes into the path of the next question: what is none must not get there.
        if len(value) > _ID_MAX or not ((value.isascii() and value.isdecimal()) or not value):
            raise ValueError(f"{name} is no id")
    elif value is not None and not 0 <= value < 1 << 63:
        raise ValueError(f"{name} is out of range")


def check_seconds(name: str, value: Decimal | None) -> None:
    """Raise ValueError unless `value` is a time in unix seconds before 2100; None passes."""
    check_size(name, value)
    if value is not None and value > _TS_MAX:
        raise ValueError(f"{name} is no unix time in seconds")


def check_millis(name: str, value: Decimal | None) -> None:
    """Raise ValueError unless `value` is a time in unix milliseconds before 2100; None passes."""
    check_size(name, value)
    if value is not None and value > _TS_MAX * 1000:
        raise ValueError(f"{name} is no unix time in milliseconds")


def nanos(seconds: Decimal | None, millis: Decimal | None) -> int:
    """Return the time in nanoseconds, from the finer field that is there; 0 where there is none."""
    if millis:
        return int(millis * MILLISECOND)
    return int(seconds * SECOND) if seconds else 0


class Shape(msgspec.Struct, gc=False):
    """The base of what the venue sends; each says which of its fields are what, and is checked when it is read."""

    IDS: ClassVar[tuple[str, ...]] = ()
    NUMBERS: ClassVar[tuple[str, ...]] = ()
    SIZES: ClassVar[tuple[str, ...]] = ()
    SECONDS: ClassVar[tuple[str, ...]] = ()
    MILLIS: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.IDS:
            check_id(name, getattr(self, name))
        for name in self.NUMBERS:
            check_number(name, getattr(self, name))
        for name in self.SIZES:
            check_size(name, getattr(self, name))
        for name in self.SECONDS:
            check_seconds(name, getattr(self, name))
        for name in self.MILLIS:
            check_millis(name, getattr(self, name))


class Decoder(Generic[T]):
    """Reads one shape; the only exception that `read` raises is VenueError."""

    __slots__ = ("_decoder", "_name")

    def __init__(self, shape: type[T], name: str) -> None:
        self._decoder, self._name = msgspec.json.Decoder(shape), name

    def read(self, raw: bytes) -> T:
        """Return what `raw` holds.

        Raises
        ------
        VenueError
            It is not JSON, or not of this shape. The message names the place and never quotes the answer.
        """
        try:
            return self._decoder.decode(raw)
        # Beside its own errors the decoder lets a few of Python's through: bad UTF-8, too deep, too long a number.
        except (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError) as error:
            reason = str(error)[:_REASON_MAX] if isinstance(error, msgspec.ValidationError) else "it is not valid JSON"
            raise VenueError(
                f"the venue's answer is no {self._name}: {reason}", venue=VENUE, is_retryable=True
            ) from None


_REASON_MAX: Final = 200
