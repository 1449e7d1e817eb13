"""How costly and how slow the simulated market is. Every default errs on the side of a worse fill."""

from __future__ import annotations

from decimal import Decimal

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.values import ONE, ZERO

_BPS_MAX = Decimal(1_000)
_LATENCY_MS_MAX = 60_000
_LATENCY_BARS_MAX = 10
_WINDOW_MS_MAX = 30_000  # half of the shortest bar


class MatchingConfig(Record, frozen=True):
    """What a fill costs beyond the price in the bar, how much of a bar can be ours, and how long an order travels.

    A taker pays half of `spread_bps`, plus `slippage_bps`, plus `impact` times the share of the bar's volume that it
    takes. A stop also pays `sweep` times that share of the way from its price to the bar's worst price: a stop in a
    crash sells into what the crash has left. Fee rates are the instrument's.

    What is sent at a close reaches the market `latency_ms` later. The price of that moment is not in the bar, so the
    open stands for it, with spread and slippage on top; after `open_window_ms` the open is history, and a market order
    waits for the next one.
    """

    spread_bps: Decimal = Decimal(2)  # bid to ask, 1 = 0.01 %
    slippage_bps: Decimal = ONE
    impact: Decimal = Decimal("0.01")  # share of the price per share of volume: 10 % of a bar costs 0.1 %
    sweep: Decimal = ONE  # 0 switches it off
    participation_max: Decimal | None = Decimal("0.10")  # share of a bar's volume, all our orders together; None: all
    latency_ms: int = 250
    latency_bars: int = 0  # in addition; delays amends and cancels, too
    open_window_ms: int = 5_000
    is_touch_fill: bool = False  # does a limit order fill when the price only touches it
    is_fee_free: bool = False

    def __post_init__(self) -> None:
        for name, bps in (("spread_bps", self.spread_bps), ("slippage_bps", self.slippage_bps)):
            _within(name, bps, ZERO, _BPS_MAX, "write 0.02 % as 2")
        _within("impact", self.impact, ZERO, ONE, "a share of the price for a whole bar's volume, such as 0.01")
        _within("sweep", self.sweep, ZERO, ONE, "0 switches it off, 1 is the whole way")
        if self.participation_max is not None:
            hint = "a share of a bar's volume such as 0.1; leave it null for no limit"
            _within("participation_max", self.participation_max, Decimal("0.000001"), ONE, hint)
        _within("latency_ms", self.latency_ms, 0, _LATENCY_MS_MAX, "milliseconds; longer delays are latency_bars")
        _within("latency_bars", self.latency_bars, 0, _LATENCY_BARS_MAX, "whole bars")
        _within("open_window_ms", self.open_window_ms, 0, _WINDOW_MS_MAX, "milliseconds")

    @classmethod
    def ideal(cls) -> MatchingConfig:
        """Return a market that costs its fees and nothing else: the one that oracles are computed in."""
        return cls(
            spread_bps=ZERO, slippage_bps=ZERO, impact=ZERO, sweep=ZERO,
            participation_max=None, latency_ms=0, open_window_ms=0,
        )  # fmt: skip

    @classmethod
    def frictionless(cls) -> MatchingConfig:
        """Return a market that costs nothing at all; show its results only beside costed ones."""
        return cls(
            spread_bps=ZERO, slippage_bps=ZERO, impact=ZERO, sweep=ZERO,
            participation_max=None, latency_ms=0, open_window_ms=0, is_fee_free=True,
        )  # fmt: skip


def _within(name: str, value: Decimal | int, low: Decimal | int, high: Decimal | int, hint: str) -> None:
    is_number = not isinstance(value, Decimal) or value.is_finite()  # NaN cannot even be compared
    if not (is_number and low <= value <= high):
        raise ConfigurationError(f"matching.{name} must lie in [{low}, {high}], found {value}", hint=hint)
