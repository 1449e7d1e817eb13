"""Candles from CSV exports (stub)."""

from __future__ import annotations

from pathlib import Path

from holdfast.core.errors import ConfigurationError
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.values import InstrumentId

AUTO = "auto"
LAYOUTS = ("binance", "gateio", "coinbase", "generic")


def read_candles(
    path: Path, instrument_id: InstrumentId | None = None, timeframe: Timeframe | None = None, layout: str = AUTO
) -> BarSeries:
    """Refuse: CSV comes in the next commit."""
    raise ConfigurationError(f"{path.name}: {layout} files cannot be read yet as {instrument_id} {timeframe}")
