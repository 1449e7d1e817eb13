"""From a strategy's signal to a proposal: levels on the grid, an entry that cannot run away, a size from the budget."""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from holdfast.core.errors import DomainError
from holdfast.domain.decision import Action, Proposal, Refused, Signal
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.passed_over import no_price, no_short_on_spot, wrong_side
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Side
from holdfast.engine.account import Pair
from holdfast.engine.desk import Desk
from holdfast.risk.budget import risk_budget
from holdfast.risk.correlation import correlation
from holdfast.risk.gate import RiskGate
from holdfast.risk.sizing import Levels, entry_limit
from holdfast.risk.view import MarketView, PortfolioView

LOCKED = "DRAWDOWN"
"""The rule that a refusal names when the drawdown governor leaves no budget at all."""


class Planner:
    """Sizes what the strategies want; the gate has the last word."""

    __slots__ = ("gate",)

    def __init__(self, gate: RiskGate) -> None:
        self.gate = gate

    def propose(
        self, signal: Signal, instrument: Instrument, view: PortfolioView, market: MarketView, proposal_id: OrderId
    ) -> Proposal | Refused | str:
        """Return the proposal that a signal to enter leads to, or why there is none: see `domain.passed_over`."""
        side = Side.BUY if signal.action is Action.ENTER_LONG else Side.SELL
        if side is Side.SELL and instrument.market is Market.SPOT:
            return no_short_on_spot(instrument.id)
        try:
            price = instrument.price
            reference, stop, target = price(signal.entry), price(signal.stop), price(signal.target)
        except DomainError as error:
            return no_price(signal.strategy, error)
        config = self.gate.config
        entry = reference if config.is_entry_market else entry_limit(side, reference, stop, target, instrument, config)
        if entry <= stop if side is Side.BUY else entry >= stop:
            return wrong_side(signal.strategy, side, entry, stop)
        if reference <= stop if side is Side.BUY else reference >= stop:
            # Between the market and the worst price that the entry may pay: it would be stopped out at once.
            return wrong_side(signal.strategy, side, reference, stop)
        sized = self.gate.size(Levels(side, entry, stop), view, market, instrument)
        proposal = Proposal(
            proposal_id, instrument.id, signal.ts_event, side, sized.quantity, entry, stop, target, signal.strategy,
            signal.reason, signal.strength, signal.is_anchored_to_fill, reference, sized.limited_by,
        )  # fmt: skip
        return proposal if sized.quantity > ZERO else self._unsized(proposal, view, market)

    def _unsized(self, proposal: Proposal, view: PortfolioView, market: MarketView) -> Refused:
        """Say why nothing is left to enter with: a refusal like any other, so that it is seen and counted."""
        budget = risk_budget(view, market, self.gate.config)
        if budget.ratio <= 0:
            detail = f"{'; '.join(budget.reasons)} until a person resumes"
            return Refused(proposal, LOCKED, detail, ())
        return Refused(proposal, proposal.limited_by, f"no size is left: limited by {proposal.limited_by}", ())

    def correlations(self, desk: Desk, desks: Iterable[Desk]) -> tuple[tuple[InstrumentId, float], ...]:
        """Return the correlation of the desk's returns with those of each other instrument that is held or entered."""
        return tuple(
            (other.instrument.id, _correlated(desk, other)) for other in desks if other is not desk and other.is_exposed
        )

    def pairs(self, desks: Iterable[Desk]) -> tuple[Pair, ...]:
        """Return the correlation between each two instruments that are held or entered."""
        exposed = [desk for desk in desks if desk.is_exposed]
        return tuple(
            (one.instrument.id, two.instrument.id, _correlated(one, two))
            for at, one in enumerate(exposed)
            for two in exposed[at + 1 :]
        )


def recordable(signal: Signal) -> Signal:
    """Return the signal with 0 for what is no number: JSON has no NaN, and no level of 0 is ever traded on."""
    total = signal.entry + signal.stop + signal.target + signal.strength
    for _, value in signal.evidence:
        total += value
    if math.isfinite(total):
        return signal
    return msgspec.structs.replace(
        signal, entry=_finite(signal.entry), stop=_finite(signal.stop), target=_finite(signal.target),
        strength=_finite(signal.strength), evidence=tuple((name, _finite(value)) for name, value in signal.evidence),
    )  # fmt: skip


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _correlated(one: Desk, two: Desk) -> float:
    closes, others = one.tape.closes, two.tape.closes
    if closes is None or others is None or not closes or not others:
        return 1.0  # unknown counts as the same thing held twice
    if [ts for ts, _ in closes] == [ts for ts, _ in others]:
        return correlation([close for _, close in closes], [close for _, close in others])
    # One of them misses bars: compare only what both have.
    known = dict(others)
    both = [(close, known[ts]) for ts, close in closes if ts in known]
    return correlation([close for close, _ in both], [other for _, other in both])
