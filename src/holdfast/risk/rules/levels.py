"""Rules about entry, stop and target: their order, and what the trade may gain for what it may lose."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Final

from holdfast.domain.decision import Check
from holdfast.domain.instrument import Market
from holdfast.domain.values import ONE, ZERO
from holdfast.risk.case import Case

_FOUR_DECIMALS: Final = Decimal("0.0001")
# Records are immutable, and these say the same each time.
_BUY_ALLOWED: Final = Check("SIDE_ALLOWED", ONE, ZERO, True)
_SELL_ALLOWED: Final = Check("SIDE_ALLOWED", -ONE, ZERO, True)


def side_allowed(case: Case) -> Check:
    """Refuse a short on a spot market, and an entry against a position that is still held."""
    if not case.is_buy and case.instrument.market is Market.SPOT:
        return Check(
            "SIDE_ALLOWED", -ONE, ZERO, False, f"{case.instrument.id} is a spot market: it cannot be sold short"
        )
    if case.is_opposed:
        sign = ONE if case.is_buy else -ONE
        return Check("SIDE_ALLOWED", sign, -sign, False, f"{case.instrument.id} is held the other way: close it first")
    return _BUY_ALLOWED if case.is_buy else _SELL_ALLOWED


def stop_side(case: Case) -> Check:
    """Refuse a stop that does not lie on the losing side of the entry, and of the market when it was proposed."""
    proposal, stop = case.proposal, case.stop
    must = "below" if case.is_buy else "above"
    market, proposed = proposal.reference, proposal.stop
    if market and (proposed >= market if case.is_buy else proposed <= market):
        return Check(
            "STOP_SIDE", proposed, market, False,
            f"stop {proposed} must lie {must} the market at {market} for a {proposal.side}, or it trades at once",
        )  # fmt: skip
    if case.risk > ZERO and stop > ZERO:
        return Check("STOP_SIDE", stop, proposal.entry, True)
    return Check(
        "STOP_SIDE", stop, proposal.entry, False,
        f"stop {stop} must lie {must} entry {proposal.entry} for a {proposal.side}",
    )  # fmt: skip


def target_side(case: Case) -> Check:
    """Refuse a target that does not lie on the winning side of the entry."""
    proposal, target = case.proposal, case.target
    if case.reward > ZERO and target > ZERO:
        return Check("TARGET_SIDE", target, proposal.entry, True)
    must = "above" if case.is_buy else "below"
    return Check(
        "TARGET_SIDE", target, proposal.entry, False,
        f"target {target} must lie {must} entry {proposal.entry} for a {proposal.side}",
    )  # fmt: skip


def reward_to_risk(case: Case) -> Check:
    """Refuse less than `reward_to_risk_min`, gross: on the levels, from the worst price that the entry may pay.

    Levels that are anchored to the fill keep their distances; else a better fill only makes it better.
    """
    limit, reward, risk = case.config.reward_to_risk_min, case.reward, case.risk
    if risk <= ZERO or reward <= ZERO:
        return Check("REWARD_TO_RISK", ZERO, limit, False, "stop and target do not lie on two sides of the entry")
    # Cut, not rounded, so that the record never shows a ratio that was not reached.
    ratio = (reward / risk).quantize(_FOUR_DECIMALS, ROUND_DOWN)
    if reward >= limit * risk:
        return Check("REWARD_TO_RISK", ratio, limit, True)
    return Check("REWARD_TO_RISK", ratio, limit, False, f"gains {reward} for {risk} at risk: {ratio} < {limit}")


def reward_net(case: Case) -> Check:
    """Refuse a trade whose target does not even pay for its fees and slippage."""
    if case.gain_net > ZERO:
        return Check("REWARD_NET", case.gain_net, ZERO, True)
    return Check(
        "REWARD_NET", case.gain_net, ZERO, False,
        f"at target {case.target} fees and slippage leave {case.gain_net} {case.instrument.quote}",
    )  # fmt: skip
