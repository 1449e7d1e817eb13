"""What comes in pages is read to the last page, once each, and never without an end."""

import asyncio
from decimal import Decimal

import msgspec
import pytest

from holdfast.adapters.exchanges.ccxt.market_feed import MarketFeed
from holdfast.adapters.exchanges.ccxt.profiles import ANY, Profile
from holdfast.adapters.exchanges.ccxt.questions import Questions
from holdfast.core.errors import VenueError
from holdfast.core.time import MILLISECOND, MINUTE
from holdfast.domain.market import Timeframe
from holdfast.domain.values import InstrumentId

NAME, SYMBOL = InstrumentId("BTC/USDT.X"), "BTC/USDT"
START_MS = 1_700_000_040_000 // 60_000 * 60_000


class FakeClient:
    has = {"fetchOrders": True}  # noqa: RUF012
    timeframes = {"1m": "1m"}  # noqa: RUF012


class FakeVenue:
    """Answers from lists, a page at a time, and counts the questions."""

    name, client = "fake", FakeClient()

    def __init__(self, profile: Profile, rows: list, *, is_endless: bool = False) -> None:
        self.profile, self.rows, self.asked, self.is_endless = profile, rows, 0, is_endless

    def now(self) -> int:
        return (START_MS + 60_000 * len(self.rows)) * MILLISECOND

    async def read(self, method: str, *given: object) -> object:
        self.asked += 1
        if method == "fetch_my_trades":
            _, since, most, params = given
            rows = [x for x in self.rows if since is None or x["timestamp"] >= since]
            rows = [x for x in rows if int(x["id"]) >= params.get("fromId", 0)]
            first = (params["page"] - 1) * most if "page" in params and not self.is_endless else 0
            return rows[first : first + most]
        _, _, since, most = given
        return self.rows[-most:] if since is None else [x for x in self.rows if x[0] >= since][:most]


def trades(count: int, *, at_once: bool = False) -> list:
    return [
        {"id": str(n), "order": "7", "timestamp": START_MS + (0 if at_once else n), "side": "buy",
         "takerOrMaker": "taker", "price": "100", "amount": "0.1", "fee": None}
        for n in range(1, count + 1)
    ]  # fmt: skip


@pytest.mark.parametrize("page_param", ["", "fromId", "page"])
@pytest.mark.parametrize("count", [0, 9, 10, 11, 25, 30])
def test_all_trades_of_an_order_are_read_whatever_the_pages(page_param: str, count: int):
    venue = FakeVenue(msgspec.structs.replace(ANY, trades_page_param=page_param, page_trades=10), trades(count))
    found = asyncio.run(Questions(venue).trades("7", SYMBOL))
    assert len(found) == count
    assert sum(x.amount for x in found) == Decimal("0.1") * count
    assert len({x.trade_id for x in found}) == count


def test_trades_of_others_are_left_out():
    rows = [*trades(5), {**trades(1)[0], "id": "99", "order": "8"}]
    assert len(asyncio.run(Questions(FakeVenue(ANY, rows)).trades("7", SYMBOL))) == 5


@pytest.mark.parametrize("page_param", ["", "page"])
def test_a_venue_that_gives_the_same_page_for_ever_is_not_asked_for_ever(page_param: str):
    profile = msgspec.structs.replace(ANY, trades_page_param=page_param, page_trades=10)
    venue = FakeVenue(profile, trades(50, at_once=True), is_endless=True)
    found = asyncio.run(Questions(venue).trades("7", SYMBOL))
    assert len(found) == 10, "fewer than there are: so the order is not taken to have ended"
    assert venue.asked == 2


def candles(count: int) -> list:
    return [[START_MS + 60_000 * n, "100", "101", "99", "100", "1.5"] for n in range(count)]


def feed_of(rows: list) -> tuple[MarketFeed, FakeVenue]:
    venue = FakeVenue(msgspec.structs.replace(ANY, page_bars=20), rows)
    feed = MarketFeed(venue, lambda items: None, 1.0)
    feed.begin({NAME: SYMBOL}, Timeframe.M1)
    return feed, venue


@pytest.mark.parametrize("count", [1, 19, 20, 21, 75, 200])
def test_history_is_read_page_by_page_without_a_hole(count: int):
    feed, _ = feed_of(candles(100))
    bars = asyncio.run(feed.history(NAME, count, 0))
    assert len(bars) == min(count, 100)
    assert [bar.ts_event for bar in bars] == [bars[0].ts_event + n * MINUTE for n in range(len(bars))]
    assert bars[-1].ts_event == (START_MS + 60_000 * 100) * MILLISECOND


def test_what_was_missed_is_read_from_where_it_was_missed():
    feed, venue = feed_of(candles(100))
    after = (START_MS + 60_000 * 30) * MILLISECOND
    bars = asyncio.run(feed.history(NAME, 500, after))
    assert len(bars) == 70
    assert bars[0].ts_event == after + MINUTE
    assert venue.asked <= 5


@pytest.mark.parametrize("row", [[START_MS, "1"], [START_MS + 1, "1", "1", "1", "1", "1"], "x", [START_MS, "nan"] * 3])
def test_a_candle_that_is_none_is_refused(row: object):
    feed, _ = feed_of([row])
    with pytest.raises(VenueError, match="cannot be read"):
        asyncio.run(feed.history(NAME, 1, 0))
