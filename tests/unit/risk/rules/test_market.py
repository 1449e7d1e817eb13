"""The order and the market it meets: the brake, data, price, rate, grid and liquidity."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.time import MINUTE
from holdfast.domain.decision import StopLevel
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


@pytest.mark.parametrize("level", StopLevel)
def test_every_level_of_the_brake_refuses_entries(room, level):
    passed, check = room.changed(stop_level=level).verdict(emergency_stop)
    assert passed == (level is StopLevel.NONE)
    assert check.value == level.severity


def test_stale_data_is_refused(room):
    ts = room.view.ts
    assert room.changed(ts_last=ts - 2 * MINUTE).verdict(data_age)[0]
    assert not room.changed(ts_last=ts - 2 * MINUTE - 1).verdict(data_age)[0]
    assert room.changed(ts_last=ts + 2 * MINUTE).verdict(data_age)[0], "our clock may be behind the venue's"
    assert not room.changed(ts_last=ts + 2 * MINUTE + 1).verdict(data_age)[0]


def test_false_print_is_refused(room):
    assert not room.changed(is_suspect=True).verdict(data_suspect)[0]
    assert room.verdict(data_suspect)[0]


def test_entry_outside_the_price_collar_is_refused(room):
    assert room.changed(price_last="105").changed(entry="110.25").verdict(price_collar)[0]
    assert not room.changed(price_last="105").changed(entry="110.26").verdict(price_collar)[0]
    assert room.changed(entry="95").verdict(price_collar)[0]
    assert not room.changed(entry="94.99").verdict(price_collar)[0]


def test_reference_outside_the_price_collar_is_refused(room):
    assert room.changed(reference=Decimal(105)).verdict(price_collar)[0]
    assert not room.changed(reference=Decimal("105.01")).verdict(price_collar)[0]


def test_one_order_too_many_in_a_minute_is_refused(room):
    assert room.changed(orders_last_minute=29).verdict(order_rate)[0]
    assert not room.changed(orders_last_minute=30).verdict(order_rate)[0]


@pytest.mark.parametrize("name", ["entry", "stop", "target"])
def test_price_off_the_tick_is_refused(room, name):
    assert not room.changed(**{name: getattr(room.proposal, name) + Decimal("0.001")}).verdict(grid)[0]
    assert room.changed(**{name: getattr(room.proposal, name) + Decimal("0.01")}).verdict(grid)[0]


def test_two_prices_off_the_tick_by_the_same_do_not_make_up_for_each_other(room):
    for names in (("entry", "stop"), ("entry", "target"), ("stop", "target"), ("target", "quantity")):
        prices = {name: getattr(room.proposal, name) + Decimal("0.0005") for name in names}
        assert not room.changed(**prices).verdict(grid)[0]


def test_quantity_off_the_lot_is_refused(room):
    assert not room.changed(quantity="10.0001").verdict(grid)[0]
    assert room.changed(quantity="10.001").verdict(grid)[0]


def test_order_too_small_for_the_venue_is_refused_also_if_only_its_stop_would_be(room):
    assert room.changed(quantity="0.05", stop="100", entry="100.5").verdict(notional_min)[0]
    assert not room.changed(quantity="0.05", stop="99.99", entry="100.5").verdict(notional_min)[0]
    assert not room.short().changed(quantity="0.049").verdict(notional_min)[0]
    assert room.short().changed(quantity="0.05").verdict(notional_min)[0]


def test_more_than_a_share_of_the_volume_is_refused(room):
    assert room.changed(volume_average=200.0).verdict(volume_share)[0]
    assert not room.changed(volume_average=199.9).verdict(volume_share)[0]
    assert not room.changed(volume_average=0.0).verdict(volume_share)[0], "unknown liquidity is no liquidity"


@given(data=st.data())
def test_market_rules_agree_with_their_definition(any_room, data):
    room = data.draw(any_room)
    p, view, market = room.proposal, room.view, room.market
    assert room.verdict(data_age)[0] == (abs(view.ts - market.ts_last) <= 2 * MINUTE)
    assert room.verdict(price_collar)[0] == (95 <= p.entry <= 105)
    assert room.verdict(order_rate)[0] == (view.orders_last_minute < 30)
    assert room.verdict(notional_min)[0] == (p.quantity * min(p.entry, p.stop) >= 5)
    share = Fraction(repr(market.volume_average)) * Fraction(5, 100)
    assert room.verdict(volume_share)[0] == (Fraction(p.quantity) <= share)
    assert room.verdict(grid)[0]
