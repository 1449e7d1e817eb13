"""One instrument of the account: its strategy, what the market has just done, and the trade that is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import Decimal

from holdfast.core.record import State
from holdfast.domain.decision import Proposal
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Price
from holdfast.engine.tape import Tape
from holdfast.engine.trade import OpenTrade
from holdfast.ports.strategy import Strategy
from holdfast.risk.view import MarketView


class DeskState(State):
    """Everything of a desk that a restart must know."""

    strategy: list[float | str]  # text where it is no finite number: JSON has neither NaN nor infinity
    market: list[float]
    ts_last: int
    bars_seen: int
    is_suspect: bool
    closes: list[tuple[int, float]]
    trade: OpenTrade | None
    entry_id: OrderId
    entry: Proposal | None
    entry_last: Proposal | None


class Desk:
    """Mutable; owned by the engine alone."""

    __slots__ = (
        "_tape", "bar_nanos", "close", "entry", "entry_id", "entry_last", "held", "instrument", "inverse_tick",
        "on_bar", "strategy", "trade", "unread",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, strategy: Strategy, bar_nanos: int, is_correlated: bool) -> None:
        self.instrument, self.strategy, self.bar_nanos = instrument, strategy, bar_nanos
        self.on_bar = strategy.on_bar  # looked up once: it is called for every bar
        self.inverse_tick = float(1 / instrument.tick)
        self.close = 0.0
        self.held = 0.0  # signed base units, for marking to market
        self._tape = Tape(is_correlated=is_correlated)
        self.unread: list[BarClosed] = []
        """Bars that the tape has not taken in yet: most proposals are many bars apart, and nobody else asks for it."""
        self.trade: OpenTrade | None = None
        self.entry_id = OrderId("")
        self.entry: Proposal | None = None
        self.entry_last: Proposal | None = None  # the one before: a fill may have overtaken our cancel

    @property
    def tape(self) -> Tape:
        """Return the statistics over every bar so far."""
        self.catch_up()
        return self._tape

    def catch_up(self) -> None:
        """Take into the tape what is unread."""
        if self.unread:
            self._tape.take(self.unread)
            self.unread.clear()

    def begin(self, price: float) -> None:
        """Take the price of a fill that came before any bar as the last one."""
        tape = self.tape
        self.close = tape.close = tape.close_good = price

    @property
    def is_exposed(self) -> bool:
        """Tell whether something is held, or on its way."""
        return self.trade is not None or self.entry is not None

    def price(self, level: float) -> Price:
        """Return the tick at or below `level`, quickly; for stops that follow a position."""
        return Price(Decimal(int(level * self.inverse_tick)) * self.instrument.tick)

    def view(self, correlations: Sequence[tuple[InstrumentId, float]] = ()) -> MarketView:
        """Return what the gate is shown of this market."""
        tape, instrument = self.tape, self.instrument
        last = instrument.price(tape.close_good) if tape.close_good else ZERO
        return MarketView(
            instrument.id, tape.ts_last, self.bar_nanos, last, tape.is_suspect,
            tape.range_fast, tape.range_slow, tape.volume_average, tuple(correlations),
        )  # fmt: skip

    def snapshot(self) -> DeskState:
        """Return the state."""
        tape = self.tape
        market = [self.close, tape.close_good, tape.range_fast, tape.range_slow, tape.volume_average, self.held]
        strategy = [x if math.isfinite(x) else repr(float(x)) for x in self.strategy.snapshot()]
        trail = self.strategy.trail if math.isfinite(self.strategy.trail) else 0.0
        return DeskState(
            strategy, [*market, trail], tape.ts_last, tape.bars_seen,
            tape.is_suspect, list(tape.closes or ()), self.trade, self.entry_id, self.entry, self.entry_last,
        )  # fmt: skip

    def restore(self, state: DeskState) -> None:
        """Take up a state that `snapshot` gave."""
        self.strategy.restore([float(x) for x in state.strategy])
        market, self.strategy.trail = state.market[:6], state.market[6]
        self.unread.clear()
        tape = self._tape
        self.close, tape.close_good, tape.range_fast, tape.range_slow, tape.volume_average, self.held = market
        tape.close = self.close
        tape.ts_last, tape.bars_seen, tape.is_suspect = state.ts_last, state.bars_seen, state.is_suspect
        if tape.closes is not None:
            tape.closes.extend(state.closes)
        self.trade, self.entry_id = state.trade, state.entry_id
        self.entry, self.entry_last = state.entry, state.entry_last
