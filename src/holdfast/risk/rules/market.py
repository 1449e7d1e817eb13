"""Rules about the order and the market it meets: the brake, fresh and honest data, price, rate, grid and liquidity."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.domain.decision import Check, StopLevel
from holdfast.domain.values import ONE, ZERO
from holdfast.risk.case import Case, whole

# Records are immutable, and these say the same each time.
_NO_BRAKE: Final = Check("EMERGENCY_STOP", ZERO, ZERO, True)
_NOT_SUSPECT: Final = Check("DATA_SUSPECT", ZERO, ZERO, True)
_ON_GRID: Final = Check("GRID", ZERO, ZERO, True)


def emergency_stop(case: Case) -> Check:
    """Refuse every entry while the emergency stop stands at any level."""
    level = case.view.stop_level
    if level is StopLevel.NONE:
        return _NO_BRAKE
    return Check("EMERGENCY_STOP", Decimal(level.severity), ZERO, False, f"the emergency stop stands at {level.value}")


def data_age(case: Case) -> Check:
    """Refuse if the last bar is older than `data_age_bars_max` bars, or as far ahead of our clock."""
    value, limit = case.view.ts - case.market.ts_last, case.config.data_age_bars_max * case.market.bar_nanos
    if -limit <= value <= limit:
        return Check("DATA_AGE", whole(value), whole(limit), True)
    return Check("DATA_AGE", Decimal(value), Decimal(limit), False, f"the last bar closed {value / 1e9:.0f} s ago")


def data_suspect(case: Case) -> Check:
    """Refuse on a false print: neither stop nor size may rest on it."""
    if not case.market.is_suspect:
        return _NOT_SUSPECT
    return Check("DATA_SUSPECT", ONE, ZERO, False, "the last bar carries a price that no market has had")


def price_collar(case: Case) -> Check:
    """Refuse an entry, or its reference, further than `price_collar` from the last good price, either way."""
    last, reference = case.market.price_last, case.proposal.reference
    value, limit = abs(case.proposal.entry - last), case.config.price_collar * last
    if reference:
        # Anchored levels hang on it: it must be a price of this market too.
        value = max(value, abs(reference - last))
    if value <= limit:
        return Check("PRICE_COLLAR", value, limit, True)
    return Check(
        "PRICE_COLLAR",
        value,
        limit,
        False,
        f"entry {case.proposal.entry} or its reference is {value} away from {last}, at most {limit}",
    )


def order_rate(case: Case) -> Check:
    """Refuse the order that would be one too many in this minute."""
    value, limit = whole(case.view.orders_last_minute + 1), whole(case.config.orders_per_minute_max)
    if value <= limit:
        return Check("ORDER_RATE", value, limit, True)
    return Check("ORDER_RATE", value, limit, False, f"{value} orders within a minute, at most {limit}")


def grid(case: Case) -> Check:
    """Refuse a price off the tick or a quantity off the lot; the value is what is left over."""
    proposal, instrument = case.proposal, case.instrument
    tick = instrument.tick
    rest = proposal.entry % tick + proposal.stop % tick + proposal.target % tick + proposal.quantity % instrument.lot
    if not rest:
        return _ON_GRID
    return Check(
        "GRID",
        rest,
        ZERO,
        False,
        f"prices must lie on tick {tick}, the quantity on lot {instrument.lot}: pass the instrument",
    )


def notional_min(case: Case) -> Check:
    """Refuse what the venue would find too small, at the entry or, later, at the stop."""
    proposal, limit = case.proposal, case.instrument.notional_min
    value = min(proposal.entry, case.stop) * proposal.quantity
    if value >= limit:
        return Check("NOTIONAL_MIN", value, limit, True)
    return Check("NOTIONAL_MIN", value, limit, False, f"worth {value} at the lower of entry and stop, at least {limit}")


def volume_share(case: Case) -> Check:
    """Refuse more than `volume_share_max` of the average bar's volume; while that is unknown, everything."""
    value = case.proposal.quantity
    limit = case.config.volume_share_max * Decimal(repr(case.market.volume_average))
    if value <= limit:
        return Check("VOLUME_SHARE", value, limit, True)
    return Check("VOLUME_SHARE", value, limit, False, f"{value} {case.instrument.base}, a bar's share is {limit}")
