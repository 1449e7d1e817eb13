"""How large: the largest quantity that every limit on amounts still allows."""

from __future__ import annotations

import math
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Final

from holdfast.core.errors import DomainError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import ZERO, Price, Quantity, Side
from holdfast.risk.budget import budget_ratio
from holdfast.risk.config import RiskConfig
from holdfast.risk.correlation import correlated_terms
from holdfast.risk.costs import CostReserve, cash_per_unit, loss_per_unit
from holdfast.risk.view import MarketView, PortfolioView

_DOWN: Final = Context(prec=28, rounding=ROUND_FLOOR)
# The correlated room is computed in floats: stay this far below it, so that the gate's own sum agrees.
_FLOAT_MARGIN: Final = 1e-7


class Levels(Record, frozen=True):
    """Where a position would begin and where it would be given up."""

    side: Side
    entry: Price  # the worst price that the entry may pay
    stop: Price


class Sized(Record, frozen=True):
    """A quantity, what it loses at its stop (quote units, costs included), and the limit that kept it down."""

    quantity: Quantity
    loss: Decimal
    limited_by: str  # the name of the rule; "FIXED" for a fixed quantity


def entry_limit(
    side: Side, reference: Decimal, stop: Decimal, target: Decimal, instrument: Instrument, config: RiskConfig
) -> Price:
    """Return the limit of an entry at market: as far from `reference` as is useful, and no further.

    At most `entry_slippage_max` away; and never so far that the levels would fall below `reward_to_risk_min`:
    for a BUY entry <= (target + m x stop) / (1 + m). Rounded towards the better price. Where even the reference is too
    far, the result is the reference itself, and the gate will refuse it.
    """
    ratio = config.reward_to_risk_min
    useful = (target + ratio * stop) / (1 + ratio)
    slippage = reference * config.entry_slippage_max
    if side is Side.BUY:
        return instrument.price_down(max(min(reference + slippage, useful), reference))
    return instrument.price_up(min(max(reference - slippage, useful), reference))


def position_size(
    levels: Levels, view: PortfolioView, market: MarketView, instrument: Instrument, config: RiskConfig,
    reserve: CostReserve,
) -> Sized:  # fmt: skip
    """Return the largest quantity on the lot, rounded down, whose worst case stays within every limit on amounts.

    With `loss` what one unit loses between the entry limit and the stop, less the slippage reserve, fees on both legs,
    and both fills rounded to the tick against us (`rounding` = 2 x tick x (1 + fee))::

        BUY   loss = entry x (1 + fee) - stop x (1 - slippage) x (1 - fee) + rounding
        SELL  loss = stop x (1 + slippage) x (1 + fee) - entry x (1 - fee) + rounding

        quantity = min( budget x equity / loss                          RISK_PER_TRADE
                        (risk_open_total_max x equity - open) / loss    RISK_OPEN_TOTAL
                        what is left of the day and the week / loss     LOSS_DAY, LOSS_WEEK
                        cash at the venue / (entry x (1 + fee))         CASH
                        (exposure_asset_max x equity - held) / entry    EXPOSURE_ASSET
                        (exposure_total_max x equity - held) / entry    EXPOSURE_TOTAL
                        the root of sqrt(w' C w) = limit / entry        EXPOSURE_CORRELATED
                        volume_share_max x average volume )             VOLUME_SHARE

    It is 0 where a limit leaves nothing, or less than the instrument's smallest order (NOTIONAL_MIN). With
    `quantity_fixed` the quantity is that, on the lot: no limit shrinks it, the gate judges it.

    Raises
    ------
    DomainError
        The stop does not lie on the losing side of the entry: the distance, and so the size, is undefined.
    """
    side, entry, stop = levels.side, levels.entry, levels.stop
    if not (entry > stop if side is Side.BUY else entry < stop) or not stop > ZERO:
        raise DomainError(f"stop {stop} must lie on the losing side of entry {entry} for a {side}")
    unit = loss_per_unit(side, entry, stop, reserve)
    if config.quantity_fixed is not None:
        quantity = instrument.quantity(config.quantity_fixed)
        return Sized(quantity, quantity * unit, "FIXED")
    caps = _caps(levels, unit, view, market, instrument, config)
    caps.append((_divide(view.cash_for(instrument.id), cash_per_unit(entry, reserve)), "CASH"))
    largest, limited_by = min(caps, key=lambda cap: cap[0])
    quantity = instrument.quantity(max(largest, ZERO))
    if quantity > largest:  # the lot division rounded up by one unit in its last place
        quantity = instrument.quantity(max(quantity - instrument.lot, ZERO))
    if quantity > 0 and quantity * min(entry, stop) < instrument.notional_min:
        return Sized(Quantity(ZERO), ZERO, "NOTIONAL_MIN")
    return Sized(quantity, quantity * unit, limited_by)


def _caps(
    levels: Levels, unit: Decimal, view: PortfolioView, market: MarketView, instrument: Instrument, config: RiskConfig
) -> list[tuple[Decimal, str]]:
    equity, entry = view.equity, levels.entry
    asset = total = risk_open = ZERO
    for exposure in view.exposures:
        total += exposure.notional
        risk_open += exposure.risk_open
        if exposure.base == instrument.base:
            asset += exposure.notional
    day = config.loss_day_max * view.equity_day_start - (view.equity_day_start - equity)
    week = config.loss_week_max * view.equity_week_start - (view.equity_week_start - equity)
    held, moving = correlated_terms(levels.side, market, view)
    inside = moving * moving + float(config.correlation_exposure_max) ** 2 - held
    weight = max(math.sqrt(max(inside, 0.0)) - moving - _FLOAT_MARGIN, 0.0)
    volume = market.volume_average if market.volume_average > 0.0 else 0.0  # a NaN is unknown
    return [
        (_divide(budget_ratio(view, market, config) * equity, unit), "RISK_PER_TRADE"),
        (_divide(config.risk_open_total_max * equity - risk_open, unit), "RISK_OPEN_TOTAL"),
        (_divide(day, unit), "LOSS_DAY"),
        (_divide(week, unit), "LOSS_WEEK"),
        (_divide(config.exposure_asset_max * equity - asset, entry), "EXPOSURE_ASSET"),
        (_divide(config.exposure_total_max * equity - total, entry), "EXPOSURE_TOTAL"),
        (_divide(Decimal(repr(weight)) * equity, entry), "EXPOSURE_CORRELATED"),
        (config.volume_share_max * Decimal(repr(volume)), "VOLUME_SHARE"),
    ]


def _divide(amount: Decimal, per_unit: Decimal) -> Decimal:
    return _DOWN.divide(amount, per_unit)
