"""The table behind the catalog: price and quantity steps, smallest order and fee tiers of the usual pairs per venue.

State of 2025. Discounts for paying in a venue's own coin are left out, so that a backtest does not flatter itself.
"""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.record import Record
from holdfast.domain.instrument import Market

Tier = tuple[str, str, str]
"""30-day volume from (quote units), maker, taker."""
Grid = tuple[str, str]
"""Tick and lot."""


class Terms(Record, frozen=True):
    """What holds for all pairs of a venue: smallest order (dollars) and fee tiers."""

    notional_min: Decimal = Decimal(5)
    fees: tuple[Tier, ...] = (("0", "0.001", "0.001"),)


_BINANCE_SPOT: dict[str, Grid] = {
    "BTC/USDT": ("0.01", "0.00001"),
    "ETH/USDT": ("0.01", "0.0001"),
    "BNB/USDT": ("0.01", "0.001"),
    "SOL/USDT": ("0.01", "0.001"),
    "XRP/USDT": ("0.0001", "0.1"),
    "ADA/USDT": ("0.0001", "0.1"),
    "AVAX/USDT": ("0.01", "0.01"),
    "DOGE/USDT": ("0.00001", "1"),
    "DOT/USDT": ("0.001", "0.01"),
    "LINK/USDT": ("0.01", "0.01"),
    "LTC/USDT": ("0.01", "0.001"),
    "MATIC/USDT": ("0.0001", "0.1"),
    "BTC/USDC": ("0.01", "0.00001"),
    "ETH/USDC": ("0.01", "0.0001"),
    "ETH/BTC": ("0.00001", "0.0001"),
    "LTC/BTC": ("0.000001", "0.001"),
    "ADA/BTC": ("0.00000001", "0.1"),
    "XRP/ETH": ("0.0000001", "0.1"),
}
_BINANCE_PERPETUAL: dict[str, Grid] = {
    "BTC/USDT": ("0.1", "0.001"),
    "ETH/USDT": ("0.01", "0.001"),
    "BNB/USDT": ("0.01", "0.01"),
    "SOL/USDT": ("0.01", "0.01"),
    "XRP/USDT": ("0.0001", "0.1"),
    "ADA/USDT": ("0.0001", "1"),
    "AVAX/USDT": ("0.001", "1"),
    "DOGE/USDT": ("0.00001", "1"),
    "DOT/USDT": ("0.001", "0.1"),
    "LINK/USDT": ("0.001", "0.01"),
    "LTC/USDT": ("0.01", "0.001"),
}
_GATEIO_SPOT: dict[str, Grid] = {
    "BTC/USDT": ("0.1", "0.000001"),
    "ETH/USDT": ("0.01", "0.0001"),
    "BNB/USDT": ("0.1", "0.001"),
    "SOL/USDT": ("0.01", "0.001"),
    "XRP/USDT": ("0.001", "0.1"),
    "ADA/USDT": ("0.0001", "0.01"),
    "AVAX/USDT": ("0.01", "0.01"),
    "DOGE/USDT": ("0.00001", "0.01"),
    "DOT/USDT": ("0.001", "0.001"),
    "LINK/USDT": ("0.001", "0.001"),
    "LTC/USDT": ("0.01", "0.001"),
    "GT/USDT": ("0.001", "0.001"),
}
# A perpetual is traded there in whole contracts; the lot is the size of one.
_GATEIO_PERPETUAL: dict[str, Grid] = {
    "BTC/USDT": ("0.1", "0.0001"),
    "ETH/USDT": ("0.01", "0.01"),
    "SOL/USDT": ("0.01", "1"),
    "XRP/USDT": ("0.0001", "10"),
    "ADA/USDT": ("0.0001", "10"),
    "AVAX/USDT": ("0.001", "1"),
    "DOGE/USDT": ("0.00001", "10"),
    "DOT/USDT": ("0.001", "1"),
    "LINK/USDT": ("0.001", "1"),
    "LTC/USDT": ("0.01", "0.1"),
}
_COINBASE_SPOT: dict[str, Grid] = {
    "BTC/USD": ("0.01", "0.00000001"),
    "ETH/USD": ("0.01", "0.00000001"),
    "SOL/USD": ("0.01", "0.00000001"),
    "XRP/USD": ("0.0001", "0.000001"),
    "ADA/USD": ("0.0001", "0.00000001"),
    "AVAX/USD": ("0.01", "0.00000001"),
    "DOGE/USD": ("0.00001", "0.1"),
    "DOT/USD": ("0.001", "0.00000001"),
    "LINK/USD": ("0.001", "0.01"),
    "LTC/USD": ("0.01", "0.00000001"),
}

LISTINGS: dict[tuple[str, Market], dict[str, Grid]] = {
    ("BINANCE", Market.SPOT): _BINANCE_SPOT,
    ("BINANCE", Market.PERPETUAL): _BINANCE_PERPETUAL,
    ("GATEIO", Market.SPOT): _GATEIO_SPOT,
    ("GATEIO", Market.PERPETUAL): _GATEIO_PERPETUAL,
    ("COINBASE", Market.SPOT): _COINBASE_SPOT,
    # Closed in November 2022; here because its bars are still used.
    ("FTX", Market.PERPETUAL): {"BTC/USD": ("1", "0.0001"), "ETH/USD": ("0.1", "0.001")},
    # The built-in market lives on the grid of the largest one.
    ("SYNTHETIC", Market.SPOT): _BINANCE_SPOT,
}

TERMS: dict[tuple[str, Market], Terms] = {
    ("BINANCE", Market.SPOT): Terms(
        fees=(("0", "0.001", "0.001"), ("1000000", "0.0009", "0.001"), ("5000000", "0.0008", "0.001"))
    ),
    ("BINANCE", Market.PERPETUAL): Terms(
        fees=(("0", "0.0002", "0.0005"), ("15000000", "0.00016", "0.0004"), ("50000000", "0.00014", "0.00035"))
    ),
    # The schedule of the years that most recorded bars come from; since 2025 the venue asks for half of it.
    ("GATEIO", Market.SPOT): Terms(
        notional_min=Decimal(3),
        fees=(
            ("0", "0.002", "0.002"), ("60000", "0.00185", "0.00185"), ("120000", "0.00175", "0.00175"),
            ("240000", "0.00165", "0.00165"),
        ),
    ),
    ("GATEIO", Market.PERPETUAL): Terms(notional_min=Decimal(0), fees=(("0", "0.0002", "0.0005"),)),
    ("COINBASE", Market.SPOT): Terms(
        notional_min=Decimal(1),
        fees=(
            ("0", "0.004", "0.006"), ("10000", "0.0025", "0.004"), ("50000", "0.0015", "0.0025"),
            ("100000", "0.001", "0.002"), ("1000000", "0.0008", "0.0018"), ("15000000", "0.0006", "0.0016"),
        ),
    ),
    ("FTX", Market.PERPETUAL): Terms(
        notional_min=Decimal(0), fees=(("0", "0.0002", "0.0007"), ("2000000", "0.00015", "0.0006"))
    ),
}  # fmt: skip
