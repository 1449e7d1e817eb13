"""Feeds the engine and carries out its commands. One loop for backtest and paper; they differ in recorder and pace."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

from holdfast.core.errors import DomainError
from holdfast.domain.command import AmendOrder, AskOpinion, CancelOrder, Command, SubmitOrder
from holdfast.domain.event import OperatorEvent
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.tick import Tick
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import Recorder
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.market import Feed


class Curve:
    """Equity after each group of bars: `ts` (ns) and `equity` (quote units), 16 bytes a point."""

    __slots__ = ("equity", "exposed", "ts")

    def __init__(self) -> None:
        self.ts, self.equity = array("q"), array("d")
        self.exposed = 0  # groups at whose end something was held


class Driver:
    """Owns the order of things inside a group of bars: venue at the open, venue in the range, engine at the close."""

    __slots__ = ("_mark", "_note", "_observe", "_open", "_process", "_range", "curve", "engine", "exchange", "recorder")

    def __init__(
        self, engine: Engine, exchange: SimulatedExchange, recorder: Recorder,
        observe: Callable[[Tick], None] | None = None,
    ) -> None:  # fmt: skip
        self.engine, self.exchange, self.recorder = engine, exchange, recorder
        self.curve = Curve()
        self._mark, self._note = self.curve.ts.append, self.curve.equity.append
        # Looked up once: these are called for every bar.
        self._open, self._range, self._process = exchange.open_phase, exchange.range_phase, engine.process
        self._observe = observe

    def run(self, feed: Feed, on_group: Callable[[], None] | None = None, every: int = 1_000) -> int:
        """Feed everything; call `on_group` after each `every` groups. Return the number of bars."""
        bars = 0
        groups = iter(feed.groups())
        while chunk := list(islice(groups, every)):
            for group in chunk:
                bars += len(group)
                self.on_group(group)
            if on_group is not None and len(chunk) == every:
                on_group()
        self.recorder.sync()
        return bars

    def on_group(self, group: Sequence[BarClosed]) -> None:
        """Take bars that close at one time, at most one per instrument."""
        if self.recorder.is_input_kept:
            self.recorder.bars(group)
        if len(group) == 1:
            self._on_one(group[0])
        else:
            self._on_several(group)
        engine = self.engine
        self._mark(group[0].ts_event)
        self._note(engine.account.equity)
        if engine.held:
            self.curve.exposed += 1

    def _on_one(self, bar: BarClosed) -> None:
        events = self._open(bar)
        if events:
            self._handle(events)
        events = self._range(bar)
        while events:
            self._handle(events)
            events = self._range(bar)
        tick = self._process(bar)
        if tick is not QUIET:
            self._handle(self._carry_out(tick))

    def _on_several(self, group: Sequence[BarClosed]) -> None:
        # The venue comes first for all of them: what the engine learns from one close cannot fill at another's open.
        for bar in group:
            self._handle(self._open(bar))
        for bar in group:
            while events := self._range(bar):
                self._handle(events)
        for bar in group:
            tick = self._process(bar)
            if tick is not QUIET:
                self._handle(self._carry_out(tick))

    def operate(self, event: OperatorEvent) -> Tick:
        """Take an operator's event between two groups and carry out what follows."""
        tick = self.engine.process(event)
        self._handle(self._carry_out(tick))
        self.recorder.sync()
        return tick

    def _handle(self, events: Sequence[OrderEvent]) -> None:
        queue = deque(events)
        while queue:
            tick = self.engine.process(queue.popleft())
            if tick is not QUIET:
                queue.extend(self._carry_out(tick))

    def _carry_out(self, tick: Tick) -> Sequence[OrderEvent]:
        # The record first, then the effect: nothing leaves the house that the journal does not know.
        self.recorder.tick(tick)
        if self._observe is not None:
            self._observe(tick)
        if not tick.commands:
            return ()
        answers: list[OrderEvent] = []
        for command in tick.commands:
            answers.extend(self._execute(command, tick.event.ts_event))
        return answers

    def _execute(self, command: Command, ts: int) -> Sequence[OrderEvent]:
        match command:
            case AmendOrder():
                return self.exchange.amend(command.amend, ts)
            case SubmitOrder():
                return self.exchange.submit(command.approved, ts)
            case CancelOrder():
                return self.exchange.cancel(command.order_id, ts, command.reason)
            case AskOpinion():
                raise DomainError("a model was asked, but this driver has none", hint="set opinion_timeout_ms to 0")
