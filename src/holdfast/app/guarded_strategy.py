"""What stands between the engine and a strategy of the user's own: its faults are named, its words are made plain."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TypeVar

from holdfast.core.errors import FOREIGN_FAULTS, ConfigurationError, DomainError, HoldfastError
from holdfast.core.time import rfc3339
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy

Said = TypeVar("Said")


class GuardedStrategy:
    """A strategy of the user's own: what it raises becomes an error that names it, not a fault of ours.

    What it says is copied into plain numbers and texts: a list that it goes on writing would be recorded as it stands
    later, and numpy's numbers cannot be recorded at all.
    """

    def __init__(self, inner: Strategy) -> None:
        self._inner = inner
        self.name, self.warmup = inner.name, inner.warmup

    @property
    def trail(self) -> float:
        """Return where it would put the stop of an open position."""
        level: object = self._inner.trail
        if type(level) is float:
            return level
        return self._guarded("trail, which must be a number", lambda: float(self._inner.trail))

    @trail.setter
    def trail(self, level: float) -> None:
        self._inner.trail = level

    def on_bar(self, bar: BarClosed) -> Signal | None:
        try:
            said: object = self._inner.on_bar(bar)
            if isinstance(said, Signal):
                return self._plain(said, bar)
        except HoldfastError:
            raise
        # top of task: the user's code runs here; the run ends, and the error says where it happened.
        except FOREIGN_FAULTS as error:
            raise self._fault(error, _at(bar)) from error
        if said is None:
            return None
        raise ConfigurationError(
            f"on_bar of {self.name} returned {type(said).__name__}; return a signal (enter_long(...)) or None",
            hint="return self.enter_long(bar, stop, target, reason), self.exit_long(bar, reason) or None",
        )

    def situation(self) -> Sequence[str]:
        return self._guarded("situation", self._inner.situation)

    def snapshot(self) -> Sequence[float]:
        return self._guarded("snapshot", lambda: [float(number) for number in self._inner.snapshot()])

    def restore(self, state: Sequence[float]) -> None:
        self._guarded("restore", lambda: self._inner.restore(state))

    def _plain(self, said: Signal, bar: BarClosed) -> Signal:
        try:
            return Signal(
                InstrumentId(_text(said.instrument_id)), operator.index(said.ts_event), _text(said.strategy),
                Action(said.action), float(said.strength), float(said.entry), float(said.stop), float(said.target),
                _text(said.reason), tuple((_text(name), float(value)) for name, value in said.evidence),
                bool(said.is_anchored_to_fill),
            )  # fmt: skip
        except (TypeError, ValueError, OverflowError) as error:
            raise DomainError(
                f"the strategy {self.name} gave a signal that cannot be recorded: {error}, {_at(bar)}",
                hint="levels, strength and the figures of its evidence are numbers; its reason and all names are texts",
            ) from error

    def _guarded(self, method: str, call: Callable[[], Said]) -> Said:
        try:
            return call()
        except HoldfastError:
            raise
        # top of task: the user's code runs here, too.
        except FOREIGN_FAULTS as error:
            raise self._fault(error, f"in its {method}") from error

    def _fault(self, error: BaseException, where: str) -> DomainError:
        return DomainError(
            f"the strategy {self.name} raised {type(error).__name__}: {error}, {where}",
            hint="repair its file; --debug shows the traceback",
        )


def _at(bar: BarClosed) -> str:
    return f"at the bar of {bar.instrument_id} that closed at {rfc3339(bar.ts_event)}"


def _text(said: object) -> str:
    if not isinstance(said, str):
        raise TypeError(f"a text is needed, found {type(said).__name__}")
    return said.encode().decode()  # refuses what UTF-8 cannot write; and a text of numpy's becomes a plain one
