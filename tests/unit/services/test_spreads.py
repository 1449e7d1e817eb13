"""The scan: all venues at once, and what fails is told beside what answered."""

import asyncio
from decimal import Decimal

from holdfast.core.errors import ConfigurationError, NoMarketError, VenueError
from holdfast.core.time import UnixNanos
from holdfast.ports.books import Book, Level
from holdfast.research.spreads import Limits, QuoteState
from holdfast.services.spreads import SpreadScan

NOW = 1_700_000_000_000_000_000
MARKET = "BTC/USDT"


class Clock:
    def now(self) -> UnixNanos:
        return UnixNanos(NOW)


class Books:
    def __init__(self, name: str, bid: int, ask: int, fee: str | None = "0.001") -> None:
        self.name, self.bid, self.ask, self.fee = name, bid, ask, fee
        self.fails: set[str] = set()
        self.is_closed = False

    def _try(self, what: str) -> None:
        if what in self.fails:
            raise VenueError(f"{what} failed", venue=self.name)
        if f"no {what}" in self.fails:
            raise NoMarketError("no such market", venue=self.name)

    async def open(self) -> None:
        self._try("open")

    async def fee_taker(self, market: str) -> Decimal | None:
        self._try("fee")
        return None if self.fee is None else Decimal(self.fee)

    async def book(self, market: str, depth: int) -> Book:
        self._try("book")
        bids, asks = ((Level(Decimal(price), Decimal(1)),) for price in (self.bid, self.ask))
        return Book(self.name, market, bids, asks, NOW, NOW, NOW)

    async def close(self) -> None:
        self.is_closed = True


def look(*venues: Books, fees: dict[str, Decimal] | None = None):
    async def work():
        scan = SpreadScan(venues, fees or {}, Limits(), 10, Clock())
        try:
            return await scan.look([MARKET])
        finally:
            await scan.close()

    return asyncio.run(work())


def test_a_spread_that_pays_is_found():
    venues = Books("a", 99, 100), Books("b", 110, 111)
    report = look(*venues)
    assert [(x.buy_at, x.sell_at) for x in report.opportunities] == [("a", "b")]
    assert all(venue.is_closed for venue in venues)


def test_who_does_not_open_or_answer_is_told_and_the_others_go_on():
    closed, silent = Books("closed", 1, 2), Books("silent", 1, 2)
    closed.fails, silent.fails = {"open"}, {"book"}
    report = look(Books("a", 99, 100), Books("b", 110, 111), closed, silent)
    assert report.answered == 2
    told = {x.venue: (x.state, x.why) for x in report.offers}
    assert told["closed"] == (QuoteState.MISSING, "open failed")
    assert told["silent"] == (QuoteState.MISSING, "book failed")
    assert len(report.directions) == 12
    assert len(report.opportunities) == 1


def test_a_market_that_nobody_trades_is_told_from_a_venue_that_is_silent():
    without, silent = Books("without", 1, 2), Books("silent", 1, 2)
    without.fails, silent.fails = {"no book"}, {"book"}
    assert look(without, Books("b", 110, 111)).failure is None
    assert isinstance(look(without).failure, ConfigurationError)
    assert str(look(without).failure) == f"none of these venues trades {MARKET}"
    assert str(look(without, silent).failure) == f"no venue that has answered trades {MARKET}"
    assert str(look(silent).failure) == "no venue has answered"
    assert isinstance(look(silent).failure, VenueError)


def test_a_fee_that_is_given_stands_for_the_one_that_is_listed():
    venues = Books("a", 99, 100, fee=None), Books("b", 110, 111)
    assert not look(*venues).opportunities
    assert look(*venues, fees={"a": Decimal("0.001")}).opportunities
    assert not look(*venues, fees={"a": Decimal("0.2")}).opportunities


def test_a_fee_that_could_not_be_asked_keeps_a_book_from_counting():
    unsure = Books("a", 99, 100)
    unsure.fails = {"fee"}
    report = look(unsure, Books("b", 110, 111))
    assert report.offers[0].state is QuoteState.NO_FEE
    assert not report.opportunities
