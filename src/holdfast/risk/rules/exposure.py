"""Rules about how much is held: positions, one asset, everything, what moves together, and the cash for it."""

from __future__ import annotations

from decimal import Decimal

from holdfast.domain.decision import Check
from holdfast.domain.values import venue_of
from holdfast.risk.case import Case, whole
from holdfast.risk.correlation import correlated_exposure, correlated_terms


def positions_max(case: Case) -> Check:
    """Refuse one more instrument than `positions_max`; adding to one that is held opens none."""
    value, limit = case.positions + (not case.is_held), case.config.positions_max
    if value <= limit:
        return Check("POSITIONS_MAX", whole(value), whole(limit), True)
    return Check("POSITIONS_MAX", Decimal(value), Decimal(limit), False, f"it would be position {value} of {limit}")


def exposure_asset(case: Case) -> Check:
    """Refuse more than `exposure_asset_max` of equity in one base asset, over all its markets."""
    value, limit = case.exposure_asset + case.notional, case.config.exposure_asset_max * case.view.equity
    if value <= limit:
        return Check("EXPOSURE_ASSET", value, limit, True)
    return Check(
        "EXPOSURE_ASSET", value, limit, False, f"{value} would stand in {case.instrument.base}, at most {limit}"
    )


def exposure_total(case: Case) -> Check:
    """Refuse more than `exposure_total_max` of equity in the market."""
    value, limit = case.exposure_total + case.notional, case.config.exposure_total_max * case.view.equity
    if value <= limit:
        return Check("EXPOSURE_TOTAL", value, limit, True)
    return Check("EXPOSURE_TOTAL", value, limit, False, f"{value} would stand in the market, at most {limit}")


def cash(case: Case) -> Check:
    """Refuse what the cash that is available at its venue does not pay for, fee included; a short needs the same."""
    value, limit = case.cash_needed, case.view.cash_for(case.instrument.id)
    if value <= limit:
        return Check("CASH", value, limit, True)
    where = f" at {venue_of(case.instrument.id)}" if case.view.cash_at else ""
    return Check("CASH", value, limit, False, f"needs {value} {case.instrument.quote}, {limit} are available{where}")


def exposure_correlated(case: Case) -> Check:
    """Refuse a correlated exposure, sqrt(w' C w) as a share of equity, above `correlation_exposure_max`."""
    limit = case.config.correlation_exposure_max
    held, moving = correlated_terms(case.proposal.side, case.market, case.view)
    new = float(case.notional) / float(case.view.equity)
    value = correlated_exposure(held, moving, new)
    if value <= limit:
        return Check("EXPOSURE_CORRELATED", value, limit, True)
    return Check(
        "EXPOSURE_CORRELATED", value, limit, False, f"{value:%} of equity would move together, at most {limit:%}"
    )
