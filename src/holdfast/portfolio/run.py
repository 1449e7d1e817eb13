"""How a run began: what the first record of every run in the journal says, and all that a replay needs to know."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import Asset, InstrumentId, VenueCash


class RunStarted(Record, frozen=True):
    """Body of a record of kind "run". Settings are text as a person would type it; no secret is among them."""

    run_id: str
    mode: str  # backtest, paper, live
    quote: Asset
    capital: Decimal
    instruments: tuple[Instrument, ...]
    strategy: str
    params: dict[str, str]
    timeframe: str
    data_source: str
    is_synthetic: bool
    version: str  # of holdfast
    settings: dict[str, str]  # what else the result depends on: risk limits, costs, fill rules
    left_out: tuple[InstrumentId, ...] = ()  # asked for, and without bars in the asked time
    capital_at: tuple[VenueCash, ...] = ()  # how the capital lies at several venues; none: there is one account
