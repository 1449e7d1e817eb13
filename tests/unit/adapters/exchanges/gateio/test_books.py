"""Books that mend themselves: after a gap, an old snapshot or a failed request they come back in step."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

from holdfast.adapters.exchanges.gateio.books import Books
from holdfast.adapters.exchanges.gateio.messages import BookUpdate
from holdfast.adapters.exchanges.gateio.wire import Book, Level
from holdfast.core.errors import VenueError


def update(first: int, last: int, pair: str = "BTC_USDT") -> BookUpdate:
    return BookUpdate(1.0, pair, first, last, [(9.0, float(last))], [])


class Snapshots:
    """Gives the snapshots that a test lays down, one a request."""

    def __init__(self, *answers: int | VenueError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, pair: str) -> Book:
        self.asked.append(pair)
        answer = self.answers.pop(0)
        if isinstance(answer, VenueError):
            raise answer
        return Book([Level(Decimal(10), Decimal(1))], [Level(Decimal(9), Decimal(1))], id=answer)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(scenario(), 10))


def test_first_update_asks_for_a_snapshot_and_a_gap_asks_again():
    async def scenario() -> None:
        snapshots = Snapshots(10, 25)
        books = Books(snapshots, ["BTC_USDT", "ETH_USDT"], 100, pause_s=0.001)
        assert not books.apply(update(10, 11))
        assert not books.apply(update(12, 13))
        await asyncio.sleep(0.05)
        assert books["BTC_USDT"].best_bid == (9.0, 13.0)
        assert books.apply(update(14, 14))
        assert not books.apply(update(20, 21))
        assert books["BTC_USDT"].best_bid is None
        await asyncio.sleep(0.05)
        assert books["BTC_USDT"].update_id == 25
        assert (snapshots.asked, books.resyncs) == (["BTC_USDT"] * 2, 2)
        assert not books.apply(update(1, 1, "XRP_USDT"))
        assert not books["ETH_USDT"].is_in_step

    run(scenario)


def test_old_snapshot_and_failed_request_are_tried_again_one_at_a_time():
    async def scenario() -> None:
        snapshots = Snapshots(5, VenueError("busy", venue="gateio", is_retryable=True), 30)
        books = Books(snapshots, ["BTC_USDT"], 100, pause_s=0.002)
        for number in range(20, 31):
            books.apply(update(number, number))
        await asyncio.sleep(0.1)
        assert books["BTC_USDT"].update_id == 30
        assert len(snapshots.asked) == 3
        assert books.last_error == "busy"

    run(scenario)


def test_lost_link_empties_every_book_and_closing_asks_for_nothing_more():
    async def scenario() -> None:
        snapshots = Snapshots(10)
        books = Books(snapshots, ["BTC_USDT"], 100, pause_s=0.001)
        books.apply(update(11, 11))
        await asyncio.sleep(0.05)
        assert books["BTC_USDT"].is_in_step
        books.lose("the link went down")
        assert books["BTC_USDT"].best_bid is None
        books.apply(update(3, 3))
        books.lose("and again, before anything was asked for")
        books.apply(update(4, 4))
        await books.close()
        await asyncio.sleep(0.01)
        assert snapshots.asked == ["BTC_USDT"]

    run(scenario)


def test_book_comes_back_after_a_loss_and_forgets_a_snapshot_that_was_on_its_way():
    async def scenario() -> None:
        waiting: list[asyncio.Future[Book]] = []

        async def fetch(_: str) -> Book:
            waiting.append(asyncio.get_running_loop().create_future())
            return await waiting[-1]

        books = Books(fetch, ["BTC_USDT"], 100, pause_s=0.001)
        books.apply(update(11, 11))
        await asyncio.sleep(0.02)
        books.lose("the link went down")
        books.apply(update(21, 21))
        await asyncio.sleep(0.02)
        assert waiting[0].cancelled()
        waiting[1].set_result(Book([Level(Decimal(10), Decimal(1))], [], id=20))
        await asyncio.sleep(0.02)
        assert books["BTC_USDT"].best_bid == (9.0, 21.0)
        assert len(waiting) == 2

    run(scenario)
