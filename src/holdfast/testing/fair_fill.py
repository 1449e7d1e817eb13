"""What a fill may have cost: its price from the bar and the terms of its order, its fee from the instrument."""

from __future__ import annotations

from decimal import Decimal

from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import OrderFilled, OrderType, Role
from holdfast.domain.values import ZERO, Side
from holdfast.matching.config import MatchingConfig
from holdfast.services.assembly import AccountPlan
from holdfast.testing.books import Sent
from holdfast.testing.promise import InvariantError, require


def check_price(
    plan: AccountPlan, instrument: Instrument, bar: BarClosed | None, sent: Sent, fill: OrderFilled
) -> None:
    """Require that `bar` and the order's own terms had the price of `fill`."""
    spec = sent.spec
    if bar is None:
        raise InvariantError("fills come from bars", fill.order_id)
    require(not bar.flags & BarFlag.NO_TRADE, "nothing fills in a bar without trade", fill.order_id)
    tick = instrument.tick
    low, high = trusted(bar)
    slip = slippage_of(plan.matching)
    # Slippage is a share of the price before the sweep, which is at most the high.
    low, high = low - high * slip - tick, high + high * slip + tick
    if sent.is_touched and spec.trigger_price is not None:
        # A bounce is nobody's gain: what a stop has left fills at its price where a bar opens on the better side.
        loosest = spec.trigger_price * (1 + slip * spec.side.sign) + tick * spec.side.sign
        low, high = min(low, loosest), max(high, loosest)
    limit = sent.spec.limit_price
    if limit is not None:  # a market that jumped over a limit fills it at the limit, never better
        low, high = min(low, limit), max(high, limit)
    require(low <= fill.price <= high, "fills lie within the bar", f"{fill.order_id}: {fill.price}")
    if limit is not None:
        is_kept = (limit - fill.price) * spec.side.sign >= 0
        require(is_kept, "limits are kept", f"{fill.order_id}: {fill.price} beyond {limit}")
    gap = BarFlag.GAP_BEFORE | BarFlag.AFTER_NO_TRADE
    if spec.role is Role.ENTRY and bar.flags & gap:
        is_market = spec.type is OrderType.MARKET and fill.ts_event < bar.ts_event - plan.timeframe.nanos // 2
        require(not is_market, "no entry fills across a gap", fill.order_id)
    if spec.type is OrderType.STOP_MARKET and sent.trigger is not None:
        start = Decimal(repr(bar.open))
        worst = min(sent.trigger, start) if spec.side is Side.SELL else max(sent.trigger, start)
        is_pessimistic = (fill.price - worst) * spec.side.sign >= 0
        require(is_pessimistic, "stops fill at the worse of stop and open", f"{fill.order_id}: {fill.price}")


def check_fee(plan: AccountPlan, instrument: Instrument, fill: OrderFilled) -> None:
    """Require the fee that the instrument asks for."""
    tier = instrument.fee_tiers[0]
    rate = ZERO if plan.matching.is_fee_free else tier.maker if fill.liquidity == "maker" else tier.taker
    due = fill.price * fill.quantity * rate
    require(fill.fee.amount == due, "every fill pays its fee", f"{fill.order_id}: {fill.fee}, due {due}")


def slippage_of(config: MatchingConfig) -> Decimal:
    """Return the most that spread and slippage take of a price, worked out from the configuration's definition."""
    share = Decimal(1) if config.participation_max is None else config.participation_max
    return (config.spread_bps / 2 + config.slippage_bps) / 10_000 + config.impact * share


def trusted(bar: BarClosed) -> tuple[Decimal, Decimal]:
    """Return the lowest and the highest price of the bar that anybody could have had."""
    low, high = (Decimal(repr(price)) for price in (bar.low, bar.high))
    if bar.flags & BarFlag.SUSPECT:
        body = [Decimal(repr(price)) for price in (bar.open, bar.close)]
        low, high = min(body), max(body)
    return low, high
