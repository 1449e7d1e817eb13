"""One proposal under review: what was handed in, and the figures that several rules need, computed once."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from holdfast.domain.decision import Proposal
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import ZERO, Side
from holdfast.risk.budget import budget_ratio
from holdfast.risk.config import RiskConfig
from holdfast.risk.costs import CostReserve, cash_per_unit, loss_per_unit
from holdfast.risk.view import MarketView, PortfolioView

MAGNITUDE_MAX = Decimal("1e21")
_VOLUME_MAX = float(MAGNITUDE_MAX)


@lru_cache(maxsize=256)  # a few ages and counts come again and again
def whole(number: int) -> Decimal:
    """Return the number as a Decimal, for a Check."""
    return Decimal(number)


class Case:
    """The proposal, the account, the market and the limits at one instant, with the sums over them in quote units.

    Built only from inputs in which `flaw` finds nothing.
    """

    __slots__ = (
        "budget", "cash_needed", "config", "exposure_asset", "exposure_total", "gain_net", "instrument", "is_buy",
        "is_held", "is_opposed", "loss", "market", "notional", "positions", "proposal", "reward", "risk", "risk_open",
        "stop", "target", "view",
    )  # fmt: skip

    def __init__(
        self, proposal: Proposal, view: PortfolioView, market: MarketView, instrument: Instrument, config: RiskConfig,
        reserve: CostReserve,
    ) -> None:  # fmt: skip
        self.proposal, self.view, self.market = proposal, view, market
        self.instrument, self.config = instrument, config
        side, quantity, entry = proposal.side, proposal.quantity, proposal.entry
        stop: Decimal = proposal.stop
        target: Decimal = proposal.target
        if proposal.is_anchored_to_fill and proposal.reference:
            # Both will keep their distance from the fill, which at worst is the entry limit.
            shift = entry - proposal.reference
            stop, target = stop + shift, target + shift
        self.stop, self.target = stop, target
        self.is_buy = side is Side.BUY
        self.notional = entry * quantity
        self.cash_needed = cash_per_unit(entry, reserve) * quantity
        self.risk, self.reward = (entry - stop, target - entry) if self.is_buy else (stop - entry, entry - target)
        self.loss = loss_per_unit(side, entry, stop, reserve) * quantity
        self.gain_net = -loss_per_unit(side, entry, target, reserve) * quantity
        self.budget = budget_ratio(view, market, config) * view.equity
        asset = total = risk_open = ZERO
        held = set()
        self.is_opposed = False
        for exposure in view.exposures:
            notional = exposure.notional
            total += notional
            risk_open += exposure.risk_open
            held.add(exposure.instrument_id)
            if exposure.base == instrument.base:
                asset += notional
            if exposure.instrument_id == proposal.instrument_id and exposure.quantity * side.sign < 0:
                self.is_opposed = True
        self.exposure_asset, self.exposure_total, self.risk_open = asset, total, risk_open
        self.is_held = proposal.instrument_id in held
        self.positions = len(held)


def flaw(proposal: Proposal, view: PortfolioView, market: MarketView, instrument: Instrument) -> str:
    """Say what makes the inputs unfit to be judged at all; empty if nothing does.

    May raise ArithmeticError on a signalling NaN, an infinite sum or an overflow: that is a flaw too.
    """
    quantity, entry, stop, target = proposal.quantity, proposal.entry, proposal.stop, proposal.target
    total = quantity + entry + stop + target + view.equity + view.equity_peak + view.equity_day_start
    total += view.equity_week_start + view.cash + market.price_last + proposal.reference
    for there in view.cash_at:
        total += there.amount
    for exposure in view.exposures:
        total += exposure.notional + exposure.risk_open + exposure.quantity
        if exposure.notional < ZERO or exposure.risk_open < ZERO:
            return f"exposure of {exposure.instrument_id} is negative"
    # One infinite or undefined summand makes the sum so.
    if not total.is_finite() or total > MAGNITUDE_MAX:
        return f"a price, quantity or amount is not finite, or beyond {MAGNITUDE_MAX}"
    if quantity <= ZERO or entry <= ZERO or stop <= ZERO or target <= ZERO:
        return f"quantity {quantity}, entry {entry}, stop {stop} and target {target} must be positive"
    if proposal.reference < ZERO:
        return f"reference {proposal.reference} is negative"
    if (
        view.equity <= ZERO
        or view.equity_peak <= ZERO
        or view.equity_day_start <= ZERO
        or view.equity_week_start <= ZERO
    ):
        return f"equity {view.equity}, its peak and its starts of day and week must be positive"
    if market.price_last <= ZERO or market.bar_nanos <= 0 or view.orders_last_minute < 0:
        return "last price, length of a bar and number of orders must be positive"
    if not 0.0 <= market.volume_average < _VOLUME_MAX:
        return f"average volume {market.volume_average} is no volume"
    if not proposal.instrument_id == instrument.id == market.instrument_id:
        return f"proposal for {proposal.instrument_id}, instrument {instrument.id}, market {market.instrument_id}"
    return ""
