"""Feeds the engine and carries out its commands. One loop for backtest and paper; they differ in recorder and pace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from holdfast.core.errors import DomainError
from holdfast.domain.command import AmendOrder, AskOpinion, CancelOrder, Command, SubmitOrder
from holdfast.domain.event import OperatorEvent
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.tick import Tick
from holdfast.engine.curve import Curve
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import Recorder
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.market import Feed


class Driver:
    """Owns the order of things inside a group of bars: venue at the open, venue in the range, engine at the close."""

    __slots__ = ("_levels", "_observe", "curve", "engine", "exchange", "recorder")

    def __init__(
        self, engine: Engine, exchange: SimulatedExchange, recorder: Recorder,
        observe: Callable[[Tick], None] | None = None,
    ) -> None:  # fmt: skip
        self.engine, self.exchange, self.recorder = engine, exchange, recorder
        self.curve = Curve()
        self._levels = {instrument_id: exchange.levels(instrument_id) for instrument_id in engine.desks}
        self._observe = observe

    def run(self, feed: Feed, on_group: Callable[[], None] | None = None, every: int = 1_000) -> int:
        """Feed everything; call `on_group` after each `every` groups. Return the number of bars."""
        bars = 0
        groups = iter(feed.groups())
        while chunk := list(islice(groups, every)):
            bars += self._on_groups(chunk)
            if on_group is not None and len(chunk) == every:
                on_group()
        self.recorder.sync()
        return bars

    def _on_groups(self, groups: Sequence[Sequence[BarClosed]]) -> int:
        """Do what `on_group` does with each, in one loop: a call or a look-up per bar is a tenth of a quiet bar."""
        if self.recorder.is_input_kept:
            for group in groups:
                self.on_group(group)
            return sum(map(len, groups))
        bars = 0
        engine, curve, levels = self.engine, self.curve, self._levels
        account, take, mark, note = engine.account, engine.on_bar, curve.ts.recent.append, curve.equity.append
        for group in groups:
            bar = group[0]
            if len(group) == 1:
                bars += 1
                book = levels[bar.instrument_id]
                # Low and high bound the open, but a series may be malformed: then the venue looks for itself.
                if book.below < bar.low <= bar.open <= bar.high < book.above:
                    book.last = bar.close
                else:
                    self._on_touched(bar)
                tick = take(bar)
                if tick is not QUIET:
                    self._settle(tick)
            else:
                bars += len(group)
                self._on_several(group)
            mark(bar.ts_event)
            note(account.equity)
            if engine.held:
                curve.exposed += 1
        curve.ts.pack()
        return bars

    def on_group(self, group: Sequence[BarClosed]) -> None:
        """Take bars that close at one time, at most one per instrument."""
        if self.recorder.is_input_kept:
            self.recorder.bars(group)
        self._on_several(group)
        engine = self.engine
        self.curve.ts.append(group[0].ts_event)
        self.curve.equity.append(engine.account.equity)
        if engine.held:
            self.curve.exposed += 1

    def _on_touched(self, bar: BarClosed) -> None:
        events = self.exchange.open_phase(bar)
        if events:
            self._handle(events)
        while events := self.exchange.range_phase(bar):
            self._handle(events)

    def _on_several(self, group: Sequence[BarClosed]) -> None:
        # The venue comes first for all of them: what the engine learns from one close cannot fill at another's open.
        for bar in group:
            self._handle(self.exchange.open_phase(bar))
        for bar in group:
            while events := self.exchange.range_phase(bar):
                self._handle(events)
        for bar in group:
            tick = self.engine.on_bar(bar)
            if tick is not QUIET:
                self._settle(tick)

    def operate(self, event: OperatorEvent) -> Tick:
        """Take an operator's event between two groups and carry out what follows."""
        tick = self.engine.process(event)
        self._settle(tick)
        self.recorder.sync()
        return tick

    def _settle(self, tick: Tick) -> None:
        """Carry out a tick, and whatever its answers lead to."""
        answers: list[OrderEvent] = []
        self._carry_out(tick, answers)
        if answers:
            self._handle(answers)

    def _handle(self, events: Iterable[OrderEvent]) -> None:
        # What follows is appended while the list is read: first come, first served.
        queue = list(events)
        process = self.engine.process
        for event in queue:
            tick = process(event)
            if tick is not QUIET:
                self._carry_out(tick, queue)

    def _carry_out(self, tick: Tick, answers: list[OrderEvent]) -> None:
        # The record first, then the effect: nothing leaves the house that the journal does not know.
        self.recorder.tick(tick)
        if self._observe is not None:
            self._observe(tick)
        commands = tick.commands
        if commands:
            ts = tick.event.ts_event
            for command in commands:
                answers += self._execute(command, ts)

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
