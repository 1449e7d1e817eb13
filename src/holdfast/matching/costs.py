"""What a fill costs beyond the price in the bar: spread, slippage and fee."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.domain.instrument import Instrument
from holdfast.domain.order import Liquidity
from holdfast.domain.values import ONE, ZERO, Money, Price, Side
from holdfast.matching.config import MatchingConfig

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_MAKER: Final = Liquidity.MAKER

_BPS = Decimal("0.0001")
_HALF_BPS = Decimal("0.00005")


def half_spread(config: MatchingConfig) -> Decimal:
    """Return the distance from the middle to the bid or the ask, as a share of the price."""
    return config.spread_bps * _HALF_BPS


def slippage(config: MatchingConfig, share: Decimal) -> Decimal:
    """Return what a taker of `share` (0 to 1) of the bar's volume pays beyond the spread, as a share of the price."""
    return config.slippage_bps * _BPS + config.impact * share


def slippage_max(config: MatchingConfig) -> Decimal:
    """Return how much worse than its price in the bar a taker's fill can be, as a share of that price.

    Half the spread plus the slippage at full participation. Beyond it go only what no model can promise, a gap and the
    sweep of a stop in a falling bar, and the rounding to the next tick. Sizing reserves it on entry and on exit, and
    a tick for each.
    """
    share = ONE if config.participation_max is None else config.participation_max
    return half_spread(config) + slippage(config, share)


def taker_price(base: Decimal, side: Side, adverse: Decimal, instrument: Instrument) -> Price:
    """Return `base` made worse by the share `adverse`, rounded to the tick against us; at least one tick."""
    if not adverse:  # only the rounding is left, if even that
        return instrument.price_up(base) if side is _BUY else instrument.price_down(max(base, instrument.tick))
    if side is _BUY:
        return instrument.price_up(base * (ONE + adverse))
    return instrument.price_down(max(base * (ONE - adverse), instrument.tick))


def fee_rate(config: MatchingConfig, instrument: Instrument, liquidity: Liquidity) -> Decimal:
    """Return the fee as a share of the notional; negative is a maker's rebate."""
    if config.is_fee_free:
        return ZERO
    tier = instrument.fees()
    return tier.maker if liquidity is _MAKER else tier.taker


def fee_rate_max(config: MatchingConfig, instrument: Instrument) -> Decimal:
    """Return the rate to reserve before it is known whether the order makes or takes; never negative."""
    rates = [fee_rate(config, instrument, liquidity) for liquidity in Liquidity]
    return max(ZERO, *rates)


def taker_cost(config: MatchingConfig, instrument: Instrument, notional: Decimal, share: Decimal) -> Decimal:
    """Return about what taking `notional` costs in fee, spread and slippage, at `share` (0 to 1) of a bar's volume."""
    if config.participation_max is not None:
        share = min(share, config.participation_max)  # what is more goes in parts, over several bars
    adverse = half_spread(config) + slippage(config, min(share, ONE))
    return notional * (adverse + fee_rate(config, instrument, Liquidity.TAKER))


def fee(config: MatchingConfig, instrument: Instrument, notional: Decimal, liquidity: Liquidity) -> Money:
    """Return the fee on `notional` in the quote asset, exact."""
    return Money(notional * fee_rate(config, instrument, liquidity), instrument.quote)
