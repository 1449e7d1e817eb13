"""Replays a session from its records alone: all that it was told goes into a fresh engine, in the same order.

Nothing is sent, and no checkpoint is taken up: kills, restarts and recovery of the session must have left no trace in
what it decided.
"""

from __future__ import annotations

from collections import deque

import msgspec

from holdfast.core.errors import DomainError
from holdfast.domain.event import Event, OperatorEvent
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.tick import Tick
from holdfast.engine.driver import Driver
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import BARS, HISTORY, OPERATOR, TICK
from holdfast.portfolio.fold import read_body, read_tick
from holdfast.ports.journal import JournalRecord
from holdfast.research.parity import Collector
from holdfast.research.reproduction import Reproduction, reproduction
from holdfast.services.live_replay import OF_ITSELF

_BARS = msgspec.json.Decoder(list[BarClosed])
_OPERATOR = msgspec.json.Decoder(OperatorEvent)


class Replay:
    """Takes a session's records, oldest first. With a `driver` its venue is simulated, else its answers are there."""

    def __init__(self, engine: Engine, nanos: int) -> None:
        self._engine = engine
        self.driver: Driver | None = None
        self._session, self._again = Collector(nanos), Collector(nanos)
        self._recorded: deque[Tick] = deque()
        self._made: deque[tuple[int, Tick]] = deque()  # with the number of what led to it
        self._decisions = self._equal = self._turn = 0
        self._stopped = ""

    def take(self, record: JournalRecord) -> None:
        """Take in a record; what a damaged replay cannot follow ends it, and is told by `outcome`."""
        if record.kind == TICK:
            tick = read_tick(record.body, record.sequence)
            self._session.tick(tick)
            self._decisions += 1
            self._recorded.append(tick)
        if not self._stopped:
            try:
                self._repeat(record)
            except DomainError as error:
                self._stopped = f"record {record.sequence}: {error}"
        self._match()

    def outcome(self) -> Reproduction:
        """Return what it came to; of the last turn a crash may have cut off decisions, which are no difference."""
        extra = [tick for turn, tick in self._made if turn != self._turn]
        for tick in extra:
            self._again.tick(tick)
        figures = self._decisions, self._equal, len(extra)
        return reproduction(self._session.session, self._again.session, figures, self._stopped)

    def made(self, tick: Tick) -> None:
        """Note a tick of the replay."""
        self._made.append((self._turn, tick))

    def _repeat(self, record: JournalRecord) -> None:
        if record.kind in (BARS, OPERATOR):
            self._turn += 1
        if record.kind == HISTORY:
            for bar in read_body(_BARS, record.body, "a history", record.sequence):
                self._engine.warm(bar)
        elif record.kind == BARS:
            group = read_body(_BARS, record.body, "a bars", record.sequence)
            if self.driver is not None:
                self.driver.on_group(group)
            else:
                for bar in group:
                    self._process(bar)
        elif record.kind == OPERATOR:
            event = read_body(_OPERATOR, record.body, "an operator", record.sequence)
            if self.driver is not None:
                self.driver.operate(event)
            else:
                self._process(event)
        elif record.kind == TICK and self.driver is None and not isinstance(event := self._told(), OF_ITSELF):
            self._process(event)

    def _told(self) -> Event:
        """Return what led to the tick that was taken last."""
        return self._recorded[-1].event

    def _process(self, event: Event) -> None:
        if isinstance(event, OrderEvent) and not self._knows(event):
            return  # news of an order that this replay has not sent: that it has not is told already
        tick = self._engine.process(event)
        if tick is not QUIET:
            self.made(tick)

    def _knows(self, event: OrderEvent) -> bool:
        return event.order_id in self._engine.orders or event.order_id in self._engine.finished

    def _match(self) -> None:
        while self._recorded and self._made:
            _, made = self._made.popleft()
            self._again.tick(made)
            self._equal += self._recorded.popleft() == made
