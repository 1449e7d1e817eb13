"""A strategy in free Python: a class with `on_bar`. It runs in the event engine only, one bar at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from holdfast.core.errors import DomainError
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId

_OWN_NAMES = {"instrument_id", "name", "warmup"}


class FreeStrategy:
    """Everything that the engine asks of a strategy but `on_bar`. Take over more of it where the defaults do not suit.

    Attributes that are numbers, None, or lists and deques of numbers are saved and restored by themselves; who keeps
    anything else writes `snapshot` and `restore`.
    """

    warmup: int = 0

    def __init__(self, instrument_id: InstrumentId) -> None:
        self.instrument_id = instrument_id
        self.name = type(self).__name__
        self.trail = 0.0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Take the bar in and return what it would like, if anything."""
        raise NotImplementedError(f"{self.name} needs a method on_bar(self, bar)")

    def situation(self) -> Sequence[str]:
        """Say where it stands: the numbers that it keeps."""
        kept = ((key, value) for key, value in sorted(vars(self).items()) if key not in _OWN_NAMES)
        return tuple(f"{key} is {value}." for key, value in kept if value is None or isinstance(value, int | float))

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers; a list begins with its length, None is NaN.

        Raises
        ------
        DomainError
            An attribute is no number, None, or list or deque of numbers.
        """
        return [number for key in self._kept() for number in _numbers(key, getattr(self, key))]

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        numbers = deque(state)
        for key in self._kept():
            if not numbers:
                raise DomainError(f"{self.name}: the saved state ends before {key}")
            setattr(self, key, _restored(getattr(self, key), numbers))
        if numbers:
            raise DomainError(f"{self.name}: the saved state has {len(numbers)} numbers too many")

    def enter_long(self, bar: BarClosed, stop: float, target: float, reason: str, strength: float = 1.0) -> Signal:
        """Return the wish to buy at the close, with levels for stop and target."""
        return self._signal(bar, Action.ENTER_LONG, (stop, target), reason, strength)

    def exit_long(self, bar: BarClosed, reason: str) -> Signal:
        """Return the wish to sell what was bought."""
        return self._signal(bar, Action.EXIT_LONG, (0.0, 0.0), reason, 1.0)

    def enter_short(self, bar: BarClosed, stop: float, target: float, reason: str, strength: float = 1.0) -> Signal:
        """Return the wish to sell short at the close."""
        return self._signal(bar, Action.ENTER_SHORT, (stop, target), reason, strength)

    def exit_short(self, bar: BarClosed, reason: str) -> Signal:
        """Return the wish to buy back what was sold short."""
        return self._signal(bar, Action.EXIT_SHORT, (0.0, 0.0), reason, 1.0)

    def _signal(
        self, bar: BarClosed, action: Action, levels: tuple[float, float], reason: str, strength: float
    ) -> Signal:
        return Signal(
            instrument_id=self.instrument_id,
            ts_event=bar.ts_event,
            strategy=self.name,
            action=action,
            strength=strength,
            entry=bar.close,
            stop=levels[0],
            target=levels[1],
            reason=reason,
        )

    def _kept(self) -> list[str]:
        return sorted(set(vars(self)) - _OWN_NAMES)


def _numbers(key: str, value: object) -> list[float]:
    if value is None:
        return [math.nan]
    if isinstance(value, int | float):
        return [float(value)]
    if isinstance(value, list | deque) and all(isinstance(item, int | float) for item in value):
        return [float(len(value)), *map(float, value)]
    raise DomainError(f"{key} is {type(value).__name__}: write snapshot and restore, or keep numbers only")


def _restored(now: object, numbers: deque[float]) -> object:
    number = numbers.popleft()
    if isinstance(now, list | deque):
        items = [numbers.popleft() for _ in range(min(int(number), len(numbers)))]
        return deque(items, now.maxlen) if isinstance(now, deque) else items
    if math.isnan(number):
        return None
    return type(now)(number) if isinstance(now, int) else number
