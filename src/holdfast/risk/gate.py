"""The risk gate: the only maker of `Approved`. Whoever asks, in whatever mode, passes here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.domain.decision import Approved, ApprovedAmend, Check, Proposal, Refused, StopLevel, Verdict
from holdfast.domain.instrument import Instrument
from holdfast.domain.order import Order, OrderSpec, OrderState, OrderType, Role, TimeInForce
from holdfast.domain.values import ONE, ZERO, InstrumentId, Price, Quantity, Ratio, Side
from holdfast.risk.case import Case, flaw
from holdfast.risk.config import RiskConfig
from holdfast.risk.costs import CostReserve, cost_reserve
from holdfast.risk.emergency import allowed
from holdfast.risk.rules.exposure import cash, exposure_asset, exposure_correlated, exposure_total, positions_max
from holdfast.risk.rules.levels import reward_net, reward_to_risk, side_allowed, stop_side, target_side
from holdfast.risk.rules.loss import cooldown, drawdown, loss_day, loss_week, risk_open_total, risk_per_trade
from holdfast.risk.rules.market import (
    data_age,
    data_suspect,
    emergency_stop,
    grid,
    notional_min,
    order_rate,
    price_collar,
    volume_share,
)
from holdfast.risk.sizing import Levels, Sized, position_size
from holdfast.risk.view import MarketView, PortfolioView

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_SELL: Final = Side.SELL
_ENTRY: Final = Role.ENTRY
_STOP: Final = Role.STOP

Rule = Callable[[Case], Check]

RULES: Final[tuple[Rule, ...]] = (
    emergency_stop, data_age, data_suspect,
    side_allowed, stop_side, target_side, grid, price_collar, reward_to_risk, reward_net,
    drawdown, loss_day, loss_week, cooldown,
    risk_per_trade, risk_open_total,
    positions_max, exposure_asset, exposure_total, exposure_correlated, cash,
    volume_share, notional_min, order_rate,
)  # fmt: skip
"""Every rule that an entry must pass. All are evaluated and recorded; the first that fails names the refusal."""

_FULL: Final = Ratio(ONE)
_DONE: Final = frozenset({OrderState.FILLED, OrderState.CANCELED, OrderState.REJECTED})


class RefusedOrder(Record, frozen=True, tag=True):
    """The gate said no to an order that was to reduce a position; `rule` says why."""

    order: OrderSpec
    rule: str
    detail: str


class RiskGate:
    """Judges proposals, protective orders and amendments by one configuration.

    `reserves` says what a round trip may cost on an instrument; one that is not named is reserved for at its taker
    fee and the configuration's `slippage_max`.
    """

    __slots__ = ("_reserves", "config")

    def __init__(self, config: RiskConfig, reserves: Mapping[InstrumentId, CostReserve] | None = None) -> None:
        self.config = config
        self._reserves = dict(reserves or {})

    def reserve(self, instrument: Instrument) -> CostReserve:
        """Return what is reserved for fees and slippage on `instrument`."""
        found = self._reserves.get(instrument.id)
        if found is None:
            config = self.config
            found = cost_reserve(instrument, config.slippage_max, is_entry_market=config.is_entry_market)
            self._reserves[instrument.id] = found
        return found

    def size(self, levels: Levels, view: PortfolioView, market: MarketView, instrument: Instrument) -> Sized:
        """Return the largest quantity that the limits on amounts allow; see `position_size`."""
        return position_size(levels, view, market, instrument, self.config, self.reserve(instrument))

    def review(
        self, proposal: Proposal, view: PortfolioView, market: MarketView, instrument: Instrument, scale: Ratio = _FULL
    ) -> Verdict:
        """Return the entry order that `proposal` may become, or why it may not.

        The rules judge the proposal as it stands, so that an opinion can never turn a refusal into an approval;
        `scale` then shrinks what they let pass: above 1 counts as 1, 0 or less is a veto.
        Nothing that was handed in makes this raise.
        """
        try:
            return self._review(proposal, view, market, instrument, scale)
        except (ArithmeticError, ValueError) as error:
            # An overflow, an undefined operation, a NaN in a comparison: what cannot be judged is refused.
            return _unsound(proposal, f"cannot be computed: {type(error).__name__}")

    def _review(
        self, proposal: Proposal, view: PortfolioView, market: MarketView, instrument: Instrument, scale: Ratio
    ) -> Verdict:
        if found := flaw(proposal, view, market, instrument):
            return _unsound(proposal, found)
        case = Case(proposal, view, market, instrument, self.config, self.reserve(instrument))
        checks = tuple([rule(case) for rule in RULES])
        for check in checks:
            if not check.is_passed:
                return Refused(proposal, check.rule, check.detail, checks)
        quantity = proposal.quantity
        if scale != _FULL:
            opinion = _opinion(scale)
            checks = (*checks, opinion)
            if not opinion.is_passed:
                return Refused(proposal, opinion.rule, opinion.detail, checks)
            if scale < 1:
                quantity = instrument.quantity(quantity * scale)
                shrunk = _shrunk(case, quantity)
                checks = (*checks, shrunk)
                if not shrunk.is_passed:
                    return Refused(proposal, shrunk.rule, shrunk.detail, checks)
        return Approved(self._entry(proposal, quantity), checks, proposal.proposal_id)

    def _entry(self, proposal: Proposal, quantity: Quantity) -> OrderSpec:
        is_market = self.config.is_entry_market
        return OrderSpec(
            proposal.proposal_id, proposal.instrument_id, proposal.side,
            OrderType.MARKET if is_market else OrderType.LIMIT, quantity, _ENTRY,
            None if is_market else proposal.entry, None, None, TimeInForce.IOC,
        )  # fmt: skip

    def protect(self, spec: OrderSpec, held: Decimal, level: StopLevel = StopLevel.NONE) -> Approved | RefusedOrder:
        """Let an order pass that can only reduce what is `held` (base units, signed), at every level of the brake.

        No loss limit, rate or budget stands in the way of an exit: capital first.
        """
        quantity = spec.quantity
        if not allowed(level, spec.role) or spec.role is _ENTRY:
            return RefusedOrder(spec, "REDUCES", f"{spec.order_id} is an entry: propose it to `review`")
        if not (held.is_finite() and quantity.is_finite()):
            return RefusedOrder(spec, "REDUCES", f"quantity {quantity} of {held} held is not finite")
        if not held or (held > ZERO) is (spec.side is _BUY):
            return RefusedOrder(spec, "REDUCES", f"a {spec.side} does not reduce a position of {held}")
        size = abs(held)
        if quantity > size:
            return RefusedOrder(spec, "REDUCES", f"quantity {quantity} is more than the {size} that are held")
        return Approved(spec, (Check("REDUCES", quantity, size, True),))

    def amend_stop(self, order: Order, trigger: Price) -> ApprovedAmend | None:
        """Let a resting stop move towards the price; None if it would loosen, stay, or is no live stop."""
        now = order.trigger_price
        if now is None or order.state in _DONE or order.spec.role is not _STOP or not trigger.is_finite():
            return None
        if (trigger > now) if order.spec.side is _SELL else (ZERO < trigger < now):
            return ApprovedAmend(order.spec.order_id, trigger)
        return None

    def amend_quantity(self, order: Order, quantity: Quantity) -> ApprovedAmend | None:
        """Let a resting order become smaller; None if it would grow, stay, leave nothing open, or is over."""
        if order.state in _DONE or not quantity.is_finite() or not order.filled < quantity < order.quantity:
            return None
        return ApprovedAmend(order.spec.order_id, None, quantity)


def _unsound(proposal: Proposal, detail: str) -> Refused:
    return Refused(proposal, "INPUT_SOUND", detail, (Check("INPUT_SOUND", ONE, ZERO, False, detail),))


def _opinion(scale: Ratio) -> Check:
    if not scale.is_finite():
        return Check("OPINION_VETO", ZERO, ONE, False, f"the opinion's scale {scale} is no number")
    if scale <= 0:
        return Check("OPINION_VETO", ZERO, ONE, False, "the opinion vetoes it")
    return Check("OPINION_VETO", min(scale, _FULL), ONE, True)


def _shrunk(case: Case, quantity: Quantity) -> Check:
    value, limit = min(case.proposal.entry, case.stop) * quantity, case.instrument.notional_min
    if quantity > 0 and value >= limit:
        return Check("NOTIONAL_MIN", value, limit, True)
    return Check("NOTIONAL_MIN", value, limit, False, f"the opinion shrinks it to {quantity}, worth {value}: too small")
