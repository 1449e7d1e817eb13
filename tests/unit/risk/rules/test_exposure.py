"""How much is held: positions, one asset, everything, what moves together, and the cash that pays for it."""

import math
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.risk.rules.exposure import cash, exposure_asset, exposure_correlated, exposure_total, positions_max

NAMES = ("BBB", "CCC", "DDD", "EEE", "FFF")


def with_correlations(room, *correlations):
    """Both views have a field of this name: here it is the market's."""
    return replace(room, market=msgspec.structs.replace(room.market, correlations=correlations))


def test_one_position_too_many_is_refused(room, exposure):
    four = tuple(exposure(name) for name in NAMES[:4])
    assert room.changed(exposures=four).verdict(positions_max)[0], "the fifth of five"
    five = tuple(exposure(name) for name in NAMES)
    assert not room.changed(exposures=five).verdict(positions_max)[0]
    held = (*four, exposure("AAA"))
    assert room.changed(exposures=held).verdict(positions_max)[0], "adding to one that is held opens none"


def test_one_asset_is_limited_over_all_that_is_held_of_it(room, exposure):
    border = room.changed(exposures=(exposure("AAA", "3000"), exposure("BBB", "5000")))
    assert border.verdict(exposure_asset)[0]
    assert not border.changed(quantity="10.001").verdict(exposure_asset)[0]


def test_all_exposure_together_is_limited(room, exposure):
    border = room.changed(exposures=(exposure("BBB", "4000"), exposure("CCC", "5000")))
    assert border.verdict(exposure_total)[0]
    assert not border.changed(quantity="10.001").verdict(exposure_total)[0]


def test_cash_must_pay_for_the_entry_and_its_fee(room):
    assert room.changed(cash="1001").verdict(cash)[0]
    assert not room.changed(cash="1000.99").verdict(cash)[0]
    assert not room.short().changed(cash="1000.99").verdict(cash)[0]


def test_market_entry_reserves_its_slippage_too(room):
    market = room.changed(is_entry_market=True)
    assert market.changed(cash="1003.002").verdict(cash)[0]
    assert not market.changed(cash="1003.001").verdict(cash)[0]


def test_what_moves_together_is_limited(room, exposure):
    # Both the same thing: 0.5 + 0.1 = 0.6 of the equity, the limit.
    border = room.changed(exposures=(exposure("BBB", "5000"),))
    passed, check = border.verdict(exposure_correlated)
    assert passed
    assert check.value == check.limit
    assert not border.changed(quantity="10.001").verdict(exposure_correlated)[0]


def test_unknown_correlation_counts_as_one_and_a_known_one_as_what_it_is(room, exposure):
    base = room.changed(exposures=(exposure("BBB", "5500"),))
    assert not base.verdict(exposure_correlated)[0]
    name = exposure("BBB").instrument_id
    assert base.verdict(exposure_correlated)[1].value == Decimal("0.65")
    assert with_correlations(base, (name, 0.0)).verdict(exposure_correlated)[0]


def test_a_hedge_frees_nothing(room, exposure):
    short = exposure("BBB", "5900", quantity="-1")
    assert not room.changed(exposures=(short,)).verdict(exposure_correlated)[0], (
        "unknown: it may move with us all the same"
    )
    hedged = with_correlations(room.changed(exposures=(short,)), (short.instrument_id, 1.0))
    # A short of the same thing would cancel it; counted as 0 it leaves sqrt(0.59^2 + 0.1^2).
    assert hedged.verdict(exposure_correlated)[1].value == pytest.approx(
        Decimal(math.hypot(0.59, 0.1)), abs=Decimal("2e-6")
    )


@given(data=st.data())
def test_exposure_rules_agree_with_their_definition(any_room, data):
    room = data.draw(any_room)
    view, p = room.view, room.proposal
    equity, notional = Fraction(view.equity), Fraction(p.entry) * Fraction(p.quantity)
    asset = sum((Fraction(e.notional) for e in view.exposures if e.base == "AAA"), Fraction(0))
    assert room.verdict(exposure_asset)[0] == (asset + notional <= equity * Fraction(40, 100))
    assert room.verdict(exposure_total)[0] == (room.total("notional") + notional <= equity)
    assert room.verdict(cash)[0] == (notional * Fraction(1001, 1000) <= Fraction(view.cash))
    names = {e.instrument_id for e in view.exposures} | {p.instrument_id}
    assert room.verdict(positions_max)[0] == (len(names) <= 5)


@given(data=st.data())
def test_correlated_exposure_is_the_quadratic_form(any_room, data):
    room = data.draw(any_room)
    held = {e.instrument_id: e for e in room.view.exposures if e.base != "AAA"}
    known = {frozenset(pair): rho for *pair, rho in room.view.correlations if len(set(pair)) == 2}
    pairs = tuple((*pair, rho) for pair, rho in known.items())
    room = replace(room, view=msgspec.structs.replace(room.view, exposures=tuple(held.values()), correlations=pairs))
    view, p = room.view, room.proposal
    known |= {frozenset((p.instrument_id, other)): rho for other, rho in room.market.correlations}
    names = [*(e.instrument_id for e in view.exposures), p.instrument_id]
    signs = [*(1 if e.quantity >= 0 else -1 for e in view.exposures), p.side.sign]
    weights = np.array([*(float(e.notional) for e in view.exposures), float(p.entry * p.quantity)]) / float(view.equity)
    gains = [
        [
            1.0 if a == b else max(known.get(frozenset((a, b)), 1.0) * s * t, 0.0)
            for b, t in zip(names, signs, strict=True)
        ]
        for a, s in zip(names, signs, strict=True)
    ]
    expected = math.sqrt(weights @ np.array(gains) @ weights)
    passed, check = room.verdict(exposure_correlated)
    assert float(check.value) == pytest.approx(expected, abs=2e-6)
    assert passed == (check.value <= Decimal("0.60"))
    assert check.value <= Decimal(repr(float(weights.sum()))) + Decimal("0.000002"), "never more than the plain sum"
