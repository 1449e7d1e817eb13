"""A session beside a backtest: what is equal is equal, and each difference has the cause that it has."""

from collections.abc import Sequence
from decimal import Decimal

import msgspec
import pytest

from holdfast.core.time import HOUR
from holdfast.domain.values import InstrumentId, OrderId
from holdfast.research.parity import Cause, Difference, Parity, Session, SessionOrder, compare

BTC, ETH = InstrumentId("BTC/USDT.SIM"), InstrumentId("ETH/USDT.SIM")


def dec(value: str | int) -> Decimal:
    return Decimal(value)


def trade(
    number: int, bar: int, *, quantity: str = "1", price: str = "100", fee: str = "0.1", out_bar: int = 5,
    fills: int = 1,
) -> list[SessionOrder]:  # fmt: skip
    """Return entry, stop and target of one round trip that leaves at its target."""
    entry_id = f"hf-{number}p"
    size, at = dec(quantity), dec(price)

    def order(suffix: str, role: str, side: str, kind: str, level: str, **more: object) -> SessionOrder:
        trigger, limit = (dec(level), None) if kind == "stop_market" else (None, dec(level))
        made = SessionOrder(
            OrderId(f"hf-{number}{suffix}"), BTC, role, side, kind, bar * HOUR, size, trigger, limit, entry_id
        )
        return msgspec.structs.replace(made, **more)

    stop_level = str(at - 10)
    return [
        order("p", "entry", "BUY", "limit", "101", filled=size, notional=size * at, fees=dec(fee), fills=fills,
              fill_bar=bar * HOUR),
        order("s", "stop", "SELL", "stop_market", stop_level, end="canceled: group"),
        order("t", "target", "SELL", "limit", "110", filled=size, notional=size * 110, fees=dec(fee), fills=1,
              fill_bar=out_bar * HOUR),
    ]  # fmt: skip


def session(*trades: Sequence[SessionOrder], last_bar: int = 100) -> Session:
    return Session([order for one in trades for order in one], last_bar=last_bar * HOUR)


def causes(found: Parity) -> dict[str, tuple[Cause, str]]:
    return {difference.order_id: (difference.cause, difference.root) for difference in found.differences}


def only(found: Parity) -> Difference:
    (difference,) = found.differences
    return difference


def test_the_same_orders_are_equal_whatever_their_ids():
    ours, theirs = session(trade(7, 2)), session(trade(1, 2))
    found = compare(ours, theirs)
    assert (found.orders, found.equal, found.differences, found.fills_equal) == (3, 3, (), True)
    assert found.slippage_bps == {"hf-7p": 0.0, "hf-7t": 0.0}


def test_another_fill_price_moves_what_hangs_on_it_and_is_named():
    found = compare(session(trade(1, 2, price="100.5")), session(trade(1, 2)))
    assert only(found).order_id == "hf-1s"
    assert (only(found).cause, only(found).root, only(found).what) == (Cause.FILL_PRICE, "hf-1p", "trigger")
    assert found.slippage_bps["hf-1p"] == 50.0


def test_another_fee_is_no_difference_of_that_order_but_of_the_next_ones_size():
    ours = session(trade(1, 2, fee="0.2"), trade(2, 10, quantity="0.9", out_bar=12))
    theirs = session(trade(1, 2), trade(2, 10, out_bar=12))
    found = compare(ours, theirs)
    assert causes(found)["hf-2p"] == (Cause.FOLLOWS, "hf-1p")
    assert found.equal == 3
    assert not found.fills_equal


def test_what_hangs_on_an_entry_of_another_size_follows_from_it_whatever_it_filled_at():
    ours = session(trade(1, 2, fee="0.2"), trade(2, 10, quantity="0.9", price="100.5", fills=2, out_bar=12))
    found = causes(compare(ours, session(trade(1, 2), trade(2, 10, out_bar=12))))
    assert found["hf-2s"] == found["hf-2t"] == (Cause.FOLLOWS, "hf-2p")


def test_parts_that_one_stop_guards_are_no_reason_for_another_level():
    found = compare(session(trade(1, 2, price="100.5", fills=3)), session(trade(1, 2)))
    assert (only(found).cause, only(found).what) == (Cause.FILL_PRICE, "trigger")


def test_an_entry_in_other_parts_has_other_stops():
    ours, theirs = trade(1, 2, fills=2), trade(1, 2)
    ours.append(msgspec.structs.replace(ours[1], order_id=OrderId("hf-9s")))
    found = compare(session(ours), session(theirs))
    assert causes(found) == {"hf-9s": (Cause.PARTIAL_FILL, "hf-1p")}


def test_a_rejected_entry_leaves_its_followers_alone():
    ours = trade(1, 2)[:1]
    ours[0].filled, ours[0].notional, ours[0].fees, ours[0].fills = dec(0), dec(0), dec(0), 0
    ours[0].end = "rejected: BALANCE_NOT_ENOUGH"
    found = compare(session(ours), session(trade(1, 2)))
    assert {cause for cause, _ in causes(found).values()} == {Cause.VENUE_REJECTED}
    assert len(found.differences) == 2


def test_an_exit_that_the_stop_has_overtaken_was_refused_by_nobody():
    ours = trade(1, 2)
    ours.append(msgspec.structs.replace(
        ours[2], order_id=OrderId("hf-4x"), role="exit", type="market", limit_price=None, filled=dec(0),
        notional=dec(0), fees=dec(0), fills=0, end="rejected: group",
    ))  # fmt: skip
    assert causes(compare(session(ours), session(trade(1, 2))))["hf-4x"] == (Cause.EXIT_PRICE, "hf-1p")
    ours[-1].end = "rejected: BALANCE_NOT_ENOUGH"
    assert causes(compare(session(ours), session(trade(1, 2))))["hf-4x"] == (Cause.VENUE_REJECTED, "hf-4x")


def test_a_bar_that_came_late_explains_the_missing_entry():
    ours = session()
    ours.unfit.add((BTC, 2 * HOUR))
    found = compare(ours, session(trade(1, 2)))
    assert causes(found)["hf-1p"] == (Cause.UNFIT_BAR, "")
    assert causes(found)["hf-1s"] == (Cause.FOLLOWS, "hf-1p")


def test_a_pulled_brake_explains_it_too():
    ours = session()
    ours.brakes.append((1 * HOUR, 3 * HOUR))
    assert causes(compare(ours, session(trade(1, 2))))["hf-1p"] == (Cause.OPERATOR, "")
    late = compare(ours, session(trade(1, 4)))
    assert causes(late)["hf-1p"] == (Cause.UNKNOWN, "")


@pytest.mark.parametrize(
    ("brake", "cause"),
    [
        ((90, 0), Cause.EXIT_PRICE),  # much later
        ((4, 0), Cause.EXIT_PRICE),
        ((3, 0), Cause.OPERATOR),
        ((1, 2), Cause.OPERATOR),
        ((0, 1), Cause.EXIT_PRICE),  # over before the trade began
    ],
)
def test_a_brake_is_a_cause_only_of_what_it_could_have_changed(brake: tuple[int, int], cause: Cause):
    ours = trade(1, 2)
    ours.append(msgspec.structs.replace(ours[2], order_id=OrderId("hf-1x"), role="exit", bar=3 * HOUR))
    left = session(ours)
    left.brakes.append((brake[0] * HOUR, brake[1] * HOUR))
    assert causes(compare(left, session(trade(1, 2))))["hf-1x"][0] is cause


def test_what_comes_after_a_difference_on_the_same_market_follows_from_it():
    ours = session(trade(1, 2, out_bar=5))
    theirs = session(trade(1, 2, out_bar=6), trade(2, 7, out_bar=9))
    assert causes(compare(ours, theirs))["hf-2p"] == (Cause.FOLLOWS, "hf-1p")


def test_an_order_of_the_backtest_with_the_name_of_one_of_ours_is_another_order():
    ours = session(trade(1, 9, quantity="1.1", out_bar=12))
    ours.unfit.add((BTC, 2 * HOUR))
    found = compare(ours, session(trade(1, 2), trade(2, 9, out_bar=12)))
    assert found.by_cause.get(Cause.UNKNOWN.value) is None
    (entry,) = [x for x in found.differences if x.role == "entry" and x.what == "quantity"]
    assert (entry.cause, entry.root) == (Cause.FOLLOWS, "hf-1p")


def test_an_order_that_nothing_explains_is_unknown_and_never_passed_over():
    other_market = [msgspec.structs.replace(order, instrument_id=ETH) for order in trade(2, 7)]
    found = compare(session(trade(1, 2)), session(trade(1, 2), other_market))
    assert causes(found)["hf-2p"] == (Cause.UNKNOWN, "")
    assert found.by_cause[Cause.UNKNOWN.value] == 1
    other = trade(1, 2)
    other[2].limit_price = dec("111")
    assert only(compare(session(other), session(trade(1, 2)))).cause is Cause.UNKNOWN


@pytest.mark.parametrize("last", [6, 7])
def test_what_would_come_after_the_end_is_the_end(last: int):
    found = compare(session(last_bar=last), session(trade(1, 8)))
    assert causes(found)["hf-1p"] == (Cause.END_OF_SESSION, "")


def test_another_move_of_a_stop_is_a_difference():
    ours = trade(1, 2)
    ours[1].moves.append((3 * HOUR, dec("95")))
    found = compare(session(ours), session(trade(1, 2)))
    assert only(found).what == "moves"
