"""What the gate is shown: the account and the market at one instant. Money exact, statistics as floats."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.domain.values import ZERO, Asset, InstrumentId, VenueCash, venue_of


class Exposure(Record, frozen=True):
    """One position, or one entry that is sent and not yet filled."""

    instrument_id: InstrumentId
    base: Asset
    quantity: Decimal  # signed, base units
    notional: Decimal  # absolute, quote units, at the last good price
    risk_open: Decimal  # what is lost if the stop in force is hit (quote units, never negative)


class PortfolioView(Record, frozen=True):
    """The account in quote units. `results` are the R multiples of the last closed trades, newest last (at most 20)."""

    ts: int
    equity: Decimal
    equity_peak: Decimal
    equity_day_start: Decimal
    equity_week_start: Decimal
    cash: Decimal  # available: what pending entries need is already taken off
    exposures: tuple[Exposure, ...]
    orders_last_minute: int
    results: tuple[float, ...]
    stop_level: StopLevel
    ts_result_last: int = 0  # when the newest of `results` closed; 0 = none, and then nothing can cool down
    correlations: tuple[
        tuple[InstrumentId, InstrumentId, float], ...
    ] = ()  # between exposures; a missing pair counts as 1
    cash_at: tuple[VenueCash, ...] = ()  # the same cash, venue by venue, where there are several; else nothing

    def cash_for(self, instrument_id: InstrumentId) -> Decimal:
        """Return what an instrument may be bought with: the cash at its venue, and never more than there is in all."""
        if not self.cash_at:
            return self.cash
        venue = venue_of(instrument_id)
        return min(self.cash, sum((there.amount for there in self.cash_at if there.venue == venue), ZERO))


class MarketView(Record, frozen=True):
    """One instrument at that instant."""

    instrument_id: InstrumentId
    ts_last: int  # close of the last bar seen
    bar_nanos: int
    price_last: Decimal  # last close that is not suspect
    is_suspect: bool  # the last bar carries a false print
    range_fast: float  # mean true range as a share of price, about 14 bars; 0.0 until known
    range_slow: float  # the same over about 200 bars
    volume_average: float  # base units a bar; 0.0 until known, and then no entry passes
    correlations: tuple[tuple[InstrumentId, float], ...] = ()  # of returns, with each exposure; a missing one is 1
