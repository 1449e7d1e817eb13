"""Several venues behind one port: each thing goes where its instrument is, and one that fails leaves others alone."""

import threading
import time
from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from holdfast.adapters.net.inbox import Inbox
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.core.time import SECOND
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import (
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderEvent,
    OrderRejected,
    OrderSpec,
    OrderType,
    Role,
)
from holdfast.domain.values import InstrumentId, OrderId, Price, Quantity, Side
from holdfast.ports.live import AccountReport, Answered, Failure, Incoming, LinkChanged, OrderAtVenue
from holdfast.services.lane import Lane
from holdfast.services.routing import RoutedExchange
from holdfast.testing.builders import TS, make_instrument

HERE, THERE = make_instrument("BTC/USDT.HERE"), make_instrument("ETH/USDT.THERE")
UP = [LinkChanged(TS, "market", True), LinkChanged(TS, "account", True)]


class Client:
    """One account's client; it writes down what it is told, and fails where it is to."""

    def __init__(self, venue: str, bell: threading.Event, *, start: HoldfastError | None = None) -> None:
        self.venue, self.inbox, self.calls = venue, Inbox(bell.set), list[object]()
        self.error, self.on_close, self.is_closed = start, None, False
        self.may_start = threading.Event()
        self.may_start.set()

    def say(self, *items: Incoming) -> None:
        self.inbox.put(items)

    def start(self, instruments: Sequence[Instrument], bars: Timeframe) -> None:
        self.may_start.wait(30)
        self.calls.append(("start", tuple(x.id for x in instruments), bars))
        if self.error is not None:
            raise self.error
        self.say(*UP)

    def history(self, instrument_id: InstrumentId, count: int, ts_after: int = 0) -> Sequence[BarClosed]:
        self.calls.append(("history", instrument_id))
        return ()

    def submit(self, approved: Approved, ts: int) -> Sequence[OrderEvent]:
        self.calls.append(("submit", approved.order.order_id))
        return ()

    def amend(self, amend: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        self.calls.append(("amend", amend.order_id))
        return ()

    def cancel(self, order_id: OrderId, ts: int, reason: str) -> Sequence[OrderEvent]:
        self.calls.append(("cancel", order_id, reason))
        return ()

    def know(self, orders: Sequence[Order]) -> None:
        self.calls.append(("know", tuple(orders)))

    def ask(self, orders: Sequence[Order]) -> None:
        self.calls.append(("ask", tuple(order.spec.order_id for order in orders)))

    def ask_account(self) -> None:
        self.calls.append("ask_account")

    def beat(self, timeout_s: int) -> None:
        self.calls.append(("beat", timeout_s))

    def take(self, timeout_s: float) -> Sequence[Incoming]:
        return self.inbox.take(timeout_s)

    def close(self) -> None:
        self.is_closed = True
        if self.on_close is not None:
            raise self.on_close

    def of(self, name: str) -> list[object]:
        return [call for call in self.calls if call == name or (isinstance(call, tuple) and call[0] == name)]


class Rig:
    """Two venues; `spare` are the clients that the one THERE gets after it has fallen."""

    def __init__(self, *, start: HoldfastError | None = None, has_there: bool = True) -> None:
        self.bell, self.now = threading.Event(), 0
        self.here, self.there = Client("here", self.bell), Client("there", self.bell, start=start)
        self.spare: list[Client] = []
        lanes = {
            "HERE": Lane("HERE", self.never, self.here, lambda: self.now),
            "THERE": Lane("THERE", self.another, self.there if has_there else None, lambda: self.now),
        }
        self.routed = RoutedExchange(lanes, self.bell)

    def never(self) -> Client:
        raise AssertionError("it has not fallen")

    def another(self) -> Client:
        if not self.spare:
            raise VenueError("still out of reach", venue="there", is_retryable=True)
        return self.spare.pop(0)

    def start(self) -> list[Incoming]:
        self.routed.start([HERE, THERE], Timeframe.H1)
        return self.taken()

    def taken(self) -> list[Incoming]:
        return list(self.routed.take(0.0))

    def until(self, is_there: Callable[[list[Incoming]], object]) -> list[Incoming]:
        """Take for as long as it needs; another thread is at work."""
        heard: list[Incoming] = []
        ends = time.monotonic() + 30
        while not is_there(heard):
            assert time.monotonic() < ends, heard
            heard += self.routed.take(0.01)
        return heard


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.start()
    for client in (rig.here, rig.there):
        client.calls.clear()
    return rig


def order(number: int, instrument: Instrument, role: Role = Role.ENTRY) -> OrderSpec:
    side = Side.BUY if role is Role.ENTRY else Side.SELL
    kind = OrderType.LIMIT if role is Role.ENTRY else OrderType.STOP_MARKET
    level = Price(Decimal(100))
    is_stop = kind is OrderType.STOP_MARKET
    return OrderSpec(
        OrderId(f"hf-{number}"), instrument.id, side, kind, Quantity(Decimal(1)), role,
        None if is_stop else level, level if is_stop else None,
    )  # fmt: skip


ENTRY, STOP, OTHER = order(1, HERE), order(2, THERE, Role.STOP), order(3, THERE)


def down(items: Sequence[Incoming]) -> list[LinkChanged]:
    return [item for item in items if isinstance(item, LinkChanged) and item.link == "venue" and not item.is_up]


def is_back(items: Sequence[Incoming]) -> bool:
    return any(isinstance(item, LinkChanged) and item.link == "venue" and item.is_up for item in items)


# -- the way there -----------------------------------------------------------------------------------------------------


def test_each_venue_is_started_with_its_own_instruments_and_its_news_carry_its_name():
    rig = Rig()
    news = rig.start()
    assert rig.here.of("start") == [("start", (HERE.id,), Timeframe.H1)]
    assert rig.there.of("start") == [("start", (THERE.id,), Timeframe.H1)]
    assert {item.venue for item in news if isinstance(item, LinkChanged)} == {"HERE", "THERE"}


def test_an_order_its_changes_and_its_questions_go_to_the_venue_of_its_instrument(rig: Rig):
    routed = rig.routed
    for spec in (ENTRY, STOP):
        assert routed.submit(Approved(spec), TS) == ()
    routed.amend(ApprovedAmend(STOP.order_id, Price(Decimal(101))), TS)
    routed.cancel(STOP.order_id, TS, "left")
    routed.ask([Order.sent(ENTRY), Order.sent(STOP)])
    routed.history(HERE.id, 10)
    assert rig.here.calls == [("submit", "hf-1"), ("ask", ("hf-1",)), ("history", HERE.id)]
    assert rig.there.calls == [("submit", "hf-2"), ("amend", "hf-2"), ("cancel", "hf-2", "left"), ("ask", ("hf-2",))]


def test_what_an_earlier_process_has_sent_is_known_where_it_was_sent():
    rig = Rig()
    rig.routed.know([Order.sent(ENTRY), Order.sent(STOP)])
    rig.start()
    assert rig.here.calls[0] == ("know", (Order.sent(ENTRY),))
    assert rig.there.calls[0] == ("know", (Order.sent(STOP),))
    rig.routed.cancel(STOP.order_id, TS, "over")
    assert not rig.here.of("cancel")
    assert rig.there.of("cancel")


def test_an_order_that_only_a_report_names_is_canceled_where_it_rests(rig: Rig):
    resting = OrderAtVenue("v", THERE.id, Side.SELL, Decimal(1), OrderId("hf-77"))
    rig.there.say(AccountReport(TS, {}, (resting,)))
    (report,) = rig.taken()
    assert isinstance(report, AccountReport)
    assert report.venue == "THERE"
    rig.routed.cancel(OrderId("hf-77"), TS, "over")
    rig.routed.cancel(OrderId("hf-78"), TS, "over")
    assert rig.here.of("cancel") == [("cancel", "hf-78", "over")], "nobody knows where that one is: both are told"
    assert rig.there.of("cancel") == [("cancel", "hf-77", "over"), ("cancel", "hf-78", "over")]


def test_reports_and_signs_of_life_are_asked_of_each(rig: Rig):
    rig.routed.ask_account()
    rig.routed.beat(60)
    assert rig.here.calls == rig.there.calls == ["ask_account", ("beat", 60)]


def test_news_of_any_venue_end_the_wait(rig: Rig):
    for client in (rig.here, rig.there):
        threading.Timer(0.05, client.say, [OrderAccepted(ENTRY.order_id, TS, "v")]).start()
        began = time.monotonic()
        assert rig.routed.take(30.0)
        assert time.monotonic() - began < 20


# -- one that falls ----------------------------------------------------------------------------------------------------


def test_one_that_says_that_nothing_more_will_come_leaves_the_other_alone(rig: Rig):
    rig.there.say(Failure(TS, "the account is locked", "ask the venue", is_fatal=True))
    news = rig.taken()
    (told,) = [item for item in news if isinstance(item, Failure)]
    assert (told.is_fatal, told.venue, told.hint) == (False, "THERE", "ask the venue")
    (link,) = down(news)
    assert (link.venue, link.detail) == ("THERE", "the account is locked")
    rig.routed.submit(Approved(ENTRY), TS)
    rig.routed.ask_account()
    rig.routed.beat(60)
    assert rig.here.calls == [("submit", "hf-1"), "ask_account", ("beat", 60)]
    assert rig.there.calls == []


def test_an_order_to_one_that_is_down_is_refused_with_the_reason_and_was_never_sent(rig: Rig):
    rig.there.say(Failure(TS, "the account is locked", is_fatal=True))
    rig.taken()
    assert rig.routed.submit(Approved(OTHER), TS + 5) == ()
    (refused,) = rig.taken()
    assert refused == OrderRejected(
        OTHER.order_id, TS + 5, "venue_down: THERE is out of reach: the account is locked"
    )  # fmt: skip
    with pytest.raises(VenueError, match="THERE is out of reach"):
        rig.routed.history(THERE.id, 10)
    assert not rig.there.of("submit")


def test_the_last_one_that_falls_is_fatal(rig: Rig):
    rig.there.say(Failure(TS, "locked", is_fatal=True))
    rig.taken()
    rig.here.say(Failure(TS, "locked, too", is_fatal=True))
    told = [item for item in rig.taken() if isinstance(item, Failure)]
    assert [(item.message, item.is_fatal) for item in told] == [("locked, too", True)]


def test_one_that_has_fallen_comes_back_with_its_orders_asked_about_and_only_then_is_up(rig: Rig):
    for spec in (STOP, OTHER):
        rig.routed.submit(Approved(spec), TS)
        rig.there.say(OrderAccepted(spec.order_id, TS, "v"))
    rig.there.say(Failure(TS, "it died", is_fatal=True))
    rig.taken()
    rig.routed.cancel(OTHER.order_id, TS, "left")
    back = Client("there again", rig.bell)
    rig.spare = [back]
    assert not rig.taken(), "not before its time"
    rig.now += 60 * SECOND
    rig.until(lambda _: back.of("ask_account"))
    ((_, known),) = back.of("know")
    assert {(x.spec.order_id, x.state.value) for x in known} == {("hf-2", "OPEN"), ("hf-3", "OPEN")}
    assert back.of("start") == [("start", (THERE.id,), Timeframe.H1)]
    assert back.of("ask") == [("ask", ("hf-2", "hf-3"))]
    assert back.of("cancel") == [("cancel", "hf-3", "left")], "decided on while it was away"
    back.say(Answered(STOP.order_id, TS, True), AccountReport(TS, {}, ()))
    assert not is_back(rig.taken()), "one order is not accounted for yet"
    back.say(OrderCanceled(OTHER.order_id, TS, "left"))
    assert is_back(rig.taken())
    rig.routed.submit(Approved(order(9, THERE)), TS)
    assert back.of("submit") == [("submit", "hf-9")]
    assert rig.there.is_closed


def test_an_order_that_ended_in_the_news_that_made_somebody_ask_is_not_brought_back(rig: Rig):
    """Asked about from books that have not heard of its end yet: after a fall it would be known as open for ever."""
    rig.routed.submit(Approved(STOP), TS)
    rig.there.say(
        OrderAccepted(STOP.order_id, TS, "v"), AccountReport(TS, {}, ()), OrderCanceled(STOP.order_id, TS, "x")
    )
    rig.taken()
    rig.routed.ask([Order.sent(STOP)])
    rig.there.say(Failure(TS, "it died", is_fatal=True))
    rig.taken()
    rig.spare = [back := Client("there again", rig.bell)]
    rig.now += 60 * SECOND
    rig.until(lambda _: back.of("ask"))
    assert back.of("know") == []
    assert back.of("ask") == [("ask", ())]


def test_one_that_cannot_come_back_is_tried_ever_more_rarely(rig: Rig):
    rig.there.say(Failure(TS, "it died", is_fatal=True))
    rig.taken()
    pauses = []
    for _ in range(6):
        rig.spare = [Client("there again", rig.bell, start=VenueError("no", venue="there"))]
        began = rig.now
        while rig.spare:
            rig.now += SECOND
            rig.taken()
            time.sleep(0.001)
        pauses.append((rig.now - began) // SECOND)
        rig.until(lambda _: rig.routed._lanes["THERE"]._way_back is None)
    assert pauses[:3] == sorted(pauses[:3])
    assert pauses[0] < 10
    assert max(pauses) <= 62


# -- at the start ------------------------------------------------------------------------------------------------------


def test_one_that_cannot_be_reached_at_the_start_keeps_nobody_from_trading_at_the_other():
    rig = Rig(start=VenueError("no route", venue="there", is_retryable=True))
    news = rig.start()
    assert [item.detail for item in down(news)] == ["no route"]
    rig.routed.submit(Approved(ENTRY), TS)
    assert rig.here.of("submit")


def test_one_that_was_not_even_opened_is_tried_later_and_asked_about_what_it_knew():
    rig = Rig(has_there=False)
    rig.routed.know([Order.sent(STOP)])
    assert down(rig.start())
    rig.routed.ask([Order.sent(STOP)])
    rig.spare = [back := Client("there", rig.bell)]
    rig.now += 60 * SECOND
    rig.until(lambda _: back.of("ask"))
    assert back.of("ask") == [("ask", ("hf-2",))]


@pytest.mark.parametrize("error", [ConfigurationError("the key is wrong"), ZeroDivisionError("a bug")])
def test_what_no_waiting_repairs_ends_the_start(error: Exception):
    rig = Rig()
    rig.there.error = error  # type: ignore[assignment]  # a bug is none of ours
    with pytest.raises(type(error), match=str(error)):
        rig.start()


def test_without_any_venue_there_is_no_start():
    rig = Rig(start=VenueError("no route", venue="there"))
    rig.here.error = VenueError("no line", venue="here")
    with pytest.raises(VenueError, match="no line"):
        rig.start()


# -- at the end --------------------------------------------------------------------------------------------------------


def test_all_are_let_go_also_where_one_cannot(rig: Rig):
    rig.here.on_close = VenueError("no answer to the end", venue="here")
    with pytest.raises(VenueError, match="no answer to the end"):
        rig.routed.close()
    assert rig.here.is_closed
    assert rig.there.is_closed
    rig.routed.close()


def test_what_is_said_to_the_end_is_still_told_and_nothing_leads_back(rig: Rig):
    rig.taken()
    rig.there.say(Failure(TS, "the timer was not ended", "look there", is_fatal=True))
    rig.routed.close()
    rig.now += 1_000 * SECOND
    (failure,) = rig.routed.take(0.0)
    assert isinstance(failure, Failure)
    assert (failure.message, failure.venue, failure.is_fatal) == ("the timer was not ended", "THERE", False)


def test_one_on_its_way_back_is_let_go_too(rig: Rig):
    rig.there.say(Failure(TS, "it died", is_fatal=True))
    rig.taken()
    rig.spare = [back := Client("there again", rig.bell)]
    back.may_start.clear()
    rig.now += 60 * SECOND
    rig.taken()
    threading.Timer(0.2, back.may_start.set).start()
    rig.routed.close()
    assert back.is_closed
