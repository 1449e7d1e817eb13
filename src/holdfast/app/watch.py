"""Sees that the bars move on: a strategy that never returns from a bar must not hang a command without a word."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final, NoReturn

from holdfast.core.errors import DomainError
from holdfast.core.time import rfc3339
from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy
from holdfast.strategies.registry import StrategyFactory

LOOKS: Final = 10
"""Looks within the limit. They are counted, not timed: a machine that sleeps, or Ctrl-Z, makes no strategy slow."""


@contextmanager
def watching(position: Callable[[], object], limit_s: float, stalled: Callable[[int], None]) -> Iterator[None]:
    """Call `stalled` while the block runs, with each look after `position` has been the same for `limit_s` seconds.

    `stalled` is told the number of looks since then, from 0 on. It is called in the main thread between two steps of
    whatever runs there, so that what it raises ends a loop without end; only a loop in C code does not hear it, which
    `cli/guard.py` is for. A position of None is never stalled. Nothing is done per bar, and afterwards handler and
    timer are as they were.
    Outside of the main thread, which alone hears signals, nothing is watched.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last: object = None
    same = 0

    def look(_: int, __: FrameType | None) -> None:
        nonlocal last, same
        now = position()
        same = same + 1 if now is not None and now == last else 0
        last = now
        if same >= LOOKS:
            stalled(same - LOOKS)

    handler = signal.signal(signal.SIGALRM, look)
    timer = signal.setitimer(signal.ITIMER_REAL, limit_s / LOOKS, limit_s / LOOKS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


class NoReturnError(BaseException):
    """Ends a call into a strategy; no Exception, which the strategy's own code may well swallow."""


class Bounds:
    """Ends each call into a strategy that takes longer than `limit_s`, inside of `with bounds.hold():`.

    Parameters
    ----------
    give_up
        Called with the error when the strategy's own code catches even what ends it: it must not return.
    on_look
        Called with each look, so as long as the main thread still runs Python.
    """

    def __init__(
        self, name: str, limit_s: float, give_up: Callable[[DomainError], NoReturn],
        on_look: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self.name, self.limit_s = name, limit_s
        self._give_up, self._on_look = give_up, on_look
        self._calls = 0
        self._where: BarClosed | str | None = None
        self._stalled_at: BarClosed | str = ""

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Bound the calls within the block.

        Raises
        ------
        DomainError
            One did not return in time.
        """
        try:
            with watching(self._position, self.limit_s, self._stalled):
                yield
        except NoReturnError:
            raise self._error() from None

    @contextmanager
    def call(self, where: BarClosed | str) -> Iterator[None]:
        """Bound the block as one call."""
        self.begin(where)
        try:
            yield
        finally:
            self.end()

    def begin(self, where: BarClosed | str) -> None:
        """Note that the strategy has the word; it does not get it again after it has caught what ended it."""
        if self._stalled_at:
            raise NoReturnError
        self._calls += 1
        self._where = where

    def end(self) -> None:
        """Note that it has returned."""
        self._where = None

    def bounded(self, load: Callable[[], StrategyFactory]) -> StrategyFactory:
        """Return a factory of bounded strategies; `load`, which runs the strategy's file, is bounded, too."""
        with self.call("while its file was loaded"):
            factory = load()

        def make(instrument_id: InstrumentId) -> Strategy:
            with self.call(f"while it was made for {instrument_id}"):
                return _Bounded(factory(instrument_id), self)

        return make

    def _position(self) -> int | None:
        self._on_look()
        return None if self._where is None else self._calls

    def _stalled(self, looks: int) -> None:
        self._stalled_at = self._where or ""
        if looks >= LOOKS:
            self._give_up(self._error())
        raise NoReturnError

    def _error(self) -> DomainError:
        at = self._stalled_at
        where = at if isinstance(at, str) else f"at the bar of {at.instrument_id} that closed at {rfc3339(at.ts_event)}"
        return DomainError(
            f"the strategy {self.name} did not return within {self.limit_s:g} s, {where}",
            hint="look for a loop without end in its file, or give it longer with --bar-seconds-max",
        )


class _Bounded:
    """A strategy whose calls are noted, one at a time."""

    def __init__(self, inner: Strategy, bounds: Bounds) -> None:
        self._inner, self._bounds = inner, bounds
        self.name, self.warmup = inner.name, inner.warmup
        self._bar: BarClosed | str = "before its first bar"

    @property
    def trail(self) -> float:
        """Return where it would put the stop of an open position."""
        self._bounds.begin(self._bar)
        try:
            return self._inner.trail
        finally:
            self._bounds.end()

    @trail.setter
    def trail(self, level: float) -> None:
        self._inner.trail = level

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self._bar = bar
        self._bounds.begin(bar)
        try:
            return self._inner.on_bar(bar)
        finally:
            self._bounds.end()

    def situation(self) -> Sequence[str]:
        return self._inner.situation()

    def snapshot(self) -> Sequence[float]:
        return self._inner.snapshot()

    def restore(self, state: Sequence[float]) -> None:
        self._inner.restore(state)
