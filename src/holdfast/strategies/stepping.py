"""A step function as a Strategy: the step decides in numbers, this module turns its rare decisions into Signals.

A step is `step(state, params, open, high, low, close, volume) -> code`. The first slots of its state are reserved:
there it leaves the details of what it decided. A code of 0 means nothing to do, which is what almost every bar comes
to, so that path does next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.values import InstrumentId
from holdfast.indicators.compilation import State, compiled, is_numba_present

# What a step returns.
NOTHING = 0
ENTER_LONG = 1
EXIT_LONG = 2
ENTER_SHORT = 3
EXIT_SHORT = 4

# Where a step leaves the details. Its own slots begin at HEAD.
BARS = 0  # how many bars it has seen
STOP = 1  # level of the stop of the last entry signal
TARGET = 2  # level of its target
TRAIL = 3  # where the stop of an open position would now belong; 0.0 for no opinion
STRENGTH = 4  # confidence in the last signal, 0 to 1
REASON = 5  # which sentence of `reasons` explains it
SIDE = 6  # of the last entry signal: 1.0 long, -1.0 short, 0.0 none yet or left again
HEAD = 7

Step = Callable[[State, State, float, float, float, float, float], int]

_ACTIONS = {
    ENTER_LONG: Action.ENTER_LONG,
    EXIT_LONG: Action.EXIT_LONG,
    ENTER_SHORT: Action.ENTER_SHORT,
    EXIT_SHORT: Action.EXIT_SHORT,
}
# A suspect bar holds a price that no market has had: a step never sees it, in any of the three forms.
SUSPECT = int(BarFlag.SUSPECT)


class StepPlan(Record, frozen=True):
    """What parameters mean to the step: the vector it reads, the slots it needs, the bars before it can speak."""

    vector: tuple[float, ...]
    slots: int
    warmup: int


class Parameters(Protocol):
    """A frozen Record of checked parameters that knows what they mean to its step."""

    def plan(self) -> StepPlan:
        """Return vector, slots and warm-up for these parameters."""
        ...


class StepDefinition(Record, frozen=True):
    """Everything about a strategy that is a step, but for its parameters' values.

    `reasons` are sentences with `{name}` for each figure of the evidence and for `entry`, `stop`, `target`, `strength`,
    chosen by the number that the step leaves in slot REASON. `evidence` names slots. `situation` gets the state and the
    parameter vector; without one the figures of the evidence are said.
    """

    name: str
    step: Step
    parameters: type[Parameters]
    reasons: tuple[str, ...]
    evidence: tuple[tuple[str, int], ...] = ()
    situation: Callable[[Sequence[float], Sequence[float]], Sequence[str]] | None = None
    is_anchored_to_fill: bool = False


class StepStrategy:
    """A step on one instrument, as the engine wants it. See `ports.strategy.Strategy`.

    With `accelerate` the compiled step runs where numba is installed; the results are the same, bit for bit.
    """

    __slots__ = (
        *("_params", "_run", "_state", "_vector", "_view"),
        *("definition", "instrument_id", "name", "trail", "warmup"),
    )

    def __init__(
        self,
        definition: StepDefinition,
        instrument_id: InstrumentId,
        parameters: Parameters,
        *,
        accelerate: bool = False,
    ) -> None:
        plan = parameters.plan()
        self.definition, self.instrument_id = definition, instrument_id
        self.name, self.warmup, self.trail = definition.name, plan.warmup, 0.0
        self._vector = plan.vector
        self._params: State = list(plan.vector)
        self._state: State = [0.0] * plan.slots
        # Reading one float from an array makes a numpy scalar; through a memoryview it is a Python float, and faster.
        self._view: Sequence[float] = self._state
        self._run = definition.step
        if accelerate and is_numba_present():
            self._run = compiled(definition.step)
            state = np.zeros(plan.slots)
            self._params, self._state, self._view = np.array(plan.vector), state, state.data

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Take the bar in and return what it would like, if anything."""
        if bar.flags & SUSPECT:
            return None
        code = self._run(self._state, self._params, bar.open, bar.high, bar.low, bar.close, bar.volume)
        self.trail = self._view[TRAIL]
        return self._signal(bar, code) if code else None

    def situation(self) -> Sequence[str]:
        """Say which conditions for an entry hold and which do not, with figures."""
        seen = int(self._view[BARS])
        if seen < self.warmup:
            return (f"Warming up: {seen} of {self.warmup} bars seen.",)
        if self.definition.situation is None:
            return tuple(f"{name} is {self._view[slot]:.6g}." for name, slot in self.definition.evidence)
        return self.definition.situation(list(self._view), self._vector)

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        return list(self._view)

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave.

        Raises
        ------
        DomainError
            It is a state of another strategy, or of other parameters.
        """
        if len(state) != len(self._view):
            raise DomainError(
                f"{self.name}: a state of {len(self._view)} numbers was expected, found {len(state)}: "
                "it was saved with another strategy or with other parameters"
            )
        for slot, value in enumerate(state):
            self._state[slot] = float(value)
        self.trail = self._view[TRAIL]

    def _signal(self, bar: BarClosed, code: int) -> Signal:
        action = _ACTIONS.get(code)
        if action is None:
            raise DomainError(f"{self.name}: a step returns 0 to 4, found {code}")
        view, definition, close = self._view, self.definition, bar.close
        evidence = tuple([(name, view[slot]) for name, slot in definition.evidence])
        is_entry = code in (ENTER_LONG, ENTER_SHORT)
        stop, target = (view[STOP], view[TARGET]) if is_entry else (0.0, 0.0)
        strength = view[STRENGTH]
        figures = dict(evidence, entry=close, stop=stop, target=target, strength=strength)
        reason = definition.reasons[int(view[REASON])].format_map(figures)
        return Signal(
            self.instrument_id, bar.ts_event, self.name, action, strength, close, stop, target,
            reason, evidence, definition.is_anchored_to_fill,
        )  # fmt: skip
