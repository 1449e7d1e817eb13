"""One instrument of the account: its strategy, what the market has just done, and the trade that is open."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from decimal import Decimal

from holdfast.core.record import State
from holdfast.domain.decision import Proposal
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.values import InstrumentId, OrderId, Price
from holdfast.engine.trade import OpenTrade
from holdfast.ports.strategy import Strategy
from holdfast.risk.view import MarketView

_FAST = 1.0 / 14.0
_SLOW = 1.0 / 200.0
_VOLUME = 1.0 / 48.0
_SUSPECT = int(BarFlag.SUSPECT)
CORRELATION_WINDOW = 97
"""Closes kept per instrument: 96 returns, four days of hours."""


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
        "bar_nanos", "bars_seen", "close", "close_good", "closes", "entry", "entry_id", "entry_last", "held",
        "instrument", "inverse_tick", "is_suspect", "range_fast", "range_slow", "strategy", "trade", "ts_last",
        "volume_average",
    )  # fmt: skip

    def __init__(self, instrument: Instrument, strategy: Strategy, bar_nanos: int, is_correlated: bool) -> None:
        self.instrument, self.strategy, self.bar_nanos = instrument, strategy, bar_nanos
        self.inverse_tick = float(1 / instrument.tick)
        self.close = self.close_good = 0.0
        self.range_fast = self.range_slow = self.volume_average = 0.0
        self.held = 0.0  # signed base units, for marking to market
        self.ts_last = self.bars_seen = 0
        self.is_suspect = False
        # A lone instrument has nothing to be correlated with.
        self.closes: deque[tuple[int, float]] | None = deque(maxlen=CORRELATION_WINDOW) if is_correlated else None
        self.trade: OpenTrade | None = None
        self.entry_id = OrderId("")
        self.entry: Proposal | None = None
        self.entry_last: Proposal | None = None  # the one before: a fill may have overtaken our cancel

    def observe(self, bar: BarClosed) -> None:
        """Take the bar into the statistics that the gate is shown. The feed has clipped what is suspect."""
        high, low, before, close = bar.high, bar.low, self.close, bar.close
        if before:
            # True range without the builtins: they are the slowest part of a bar.
            if before > high:
                high = before
            if before < low:
                low = before
            share = (high - low) / before
            self.range_fast += (share - self.range_fast) * _FAST
            self.range_slow += (share - self.range_slow) * _SLOW
            self.volume_average += (bar.volume - self.volume_average) * _VOLUME
        else:
            self.range_fast = self.range_slow = (high - low) / close
            self.volume_average = bar.volume
        self.close = close
        self.ts_last = bar.ts_event
        self.bars_seen += 1
        if bar.flags & _SUSPECT:
            self.is_suspect = True
        else:
            self.is_suspect, self.close_good = False, close
        if self.closes is not None:
            self.closes.append((self.ts_last, close))

    @property
    def is_exposed(self) -> bool:
        """Tell whether something is held, or on its way."""
        return self.trade is not None or self.entry is not None

    def price(self, level: float) -> Price:
        """Return the tick at or below `level`, quickly; for stops that follow a position."""
        return Price(Decimal(int(level * self.inverse_tick)) * self.instrument.tick)

    def view(self, correlations: Sequence[tuple[InstrumentId, float]] = ()) -> MarketView:
        """Return what the gate is shown of this market."""
        last = self.instrument.price(self.close_good) if self.close_good else Decimal(0)
        return MarketView(
            self.instrument.id, self.ts_last, self.bar_nanos, last, self.is_suspect,
            self.range_fast, self.range_slow, self.volume_average, tuple(correlations),
        )  # fmt: skip

    def snapshot(self) -> DeskState:
        """Return the state."""
        market = [self.close, self.close_good, self.range_fast, self.range_slow, self.volume_average, self.held]
        strategy = [x if math.isfinite(x) else repr(float(x)) for x in self.strategy.snapshot()]
        trail = self.strategy.trail if math.isfinite(self.strategy.trail) else 0.0
        return DeskState(
            strategy, [*market, trail], self.ts_last, self.bars_seen,
            self.is_suspect, list(self.closes or ()), self.trade, self.entry_id, self.entry, self.entry_last,
        )  # fmt: skip

    def restore(self, state: DeskState) -> None:
        """Take up a state that `snapshot` gave."""
        self.strategy.restore([float(x) for x in state.strategy])
        market, self.strategy.trail = state.market[:6], state.market[6]
        self.close, self.close_good, self.range_fast, self.range_slow, self.volume_average, self.held = market
        self.ts_last, self.bars_seen, self.is_suspect = state.ts_last, state.bars_seen, state.is_suspect
        if self.closes is not None:
            self.closes.extend(state.closes)
        self.trade, self.entry_id = state.trade, state.entry_id
        self.entry, self.entry_last = state.entry, state.entry_last
