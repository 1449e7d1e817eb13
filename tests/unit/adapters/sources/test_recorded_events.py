"""Recordings event by event: the book is what its bookTicker said, the trades make the bars, damage is named."""

import gzip
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from tests.conftest import recorded_file

from holdfast.adapters.sources.parquet_trades import read_trades
from holdfast.adapters.sources.recorded_events import book_events, is_book_file, trade_events
from holdfast.core.errors import DataError
from holdfast.core.secret import Secret
from holdfast.domain.catalog import listing_for
from holdfast.domain.market import Timeframe, TradePrint
from holdfast.domain.recorded_book import BookDelta
from holdfast.domain.values import Side
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.market import MarketConfig
from holdfast.simulator.recorded_market import RecordedMarket
from holdfast.simulator.records import AccountSpec, PairSpec

BOOK = "orderbook/binance-spot-BTCUSDT-raw-20240808.gz"
TRADES = "trades/binance-spot-XRP_ETH-trades-20191011-20191013.parquet"
BTC = listing_for("BTC/USDT", "BINANCE").instrument


@pytest.mark.recorded_data
def test_the_venues_best_prices_are_those_of_every_book_ticker_of_the_same_update():
    path = recorded_file(BOOK)
    with gzip.open(path, "rb") as file:
        messages = [json.loads(line.split(b" ", 1)[1]) for line in file if line.endswith(b"\n")]
    known = next(one["lastUpdateId"] for one in messages if "lastUpdateId" in one)
    updates = [one["data"]["u"] for one in messages if "@depth" in one.get("stream", "") and one["data"]["u"] > known]
    tickers = {one["data"]["u"]: one["data"] for one in messages if "bookTicker" in one.get("stream", "")}
    prints = RecordedMarket(BTC, Timeframe.M1, book_events(path, BTC), MarketConfig())
    compared = 0
    numbers = iter(updates)
    while (found := prints.step()) is not None:
        if found.book is None or found.book.is_whole:
            continue
        ticker = tickers.get(next(numbers))
        if ticker is not None:
            compared += 1
            assert prints.strangers.bids[0] == [Decimal(ticker["b"]), Decimal(ticker["B"])]
            assert prints.strangers.asks[0] == [Decimal(ticker["a"]), Decimal(ticker["A"])]
    assert next(numbers, None) is None
    assert compared == 564
    assert len(prints.finished) >= 5


@pytest.mark.recorded_data
def test_the_venue_serves_the_recorded_book_with_numbers_that_have_no_hole():
    exchange = VirtualExchange(
        [PairSpec("BTC_USDT", BTC)],
        [RecordedMarket(BTC, Timeframe.M1, book_events(recorded_file(BOOK), BTC), MarketConfig())],
        [AccountSpec("k", Secret("s"), {})],
    )
    market, last_id = exchange.markets["BTC_USDT"], 0
    for _ in range(2_000):
        ts = exchange.next_ts
        assert ts is not None
        exchange.advance(ts)
        for news in exchange.drain():
            if type(news).__name__ == "DepthChanged":
                assert last_id in (0, news.first_id - 1)  # type: ignore[union-attr]  # only that one has it
                last_id = news.last_id  # type: ignore[union-attr]  # as above
        bids, asks = market.sorted_depth(1)
        assert bids[0][0] < asks[0][0]


@pytest.mark.recorded_data
def test_recorded_trades_make_the_bars_that_are_read_from_the_same_file():
    path = recorded_file(TRADES)
    series, _ = read_trades(path, Timeframe.M5)
    instrument = listing_for("XRP/ETH", "BINANCE", series=series).instrument
    prints = RecordedMarket(instrument, Timeframe.M5, trade_events(path, instrument), MarketConfig())
    while prints.step() is not None:
        pass
    made = [(bar.open, bar.high, bar.low, bar.close) for bar in prints.finished][1:]
    expected = list(zip(*(getattr(series, name).tolist() for name in ("open", "high", "low", "close")), strict=True))
    assert made == expected


def depth(first: int, last: int, bids: Sequence[Sequence[str]] = ()) -> str:
    data = {"e": "depthUpdate", "E": 1_000 + last, "s": "BTCUSDT", "U": first, "u": last, "b": bids, "a": []}
    return "1 " + json.dumps({"stream": "btcusdt@depth@100ms", "data": data})


SNAPSHOT = "1 " + json.dumps({"lastUpdateId": 10, "bids": [["100", "1"]], "asks": [["101", "2"]]})
TRADE = "1 " + json.dumps(
    {"stream": "btcusdt@trade", "data": {"T": 1_500, "t": 7, "p": "100.10", "q": "0.50", "m": True}}
)


def written(tmp_path: Path, lines: Sequence[str], end: str = "\n") -> Path:
    path = tmp_path / "binance-spot-BTCUSDT-raw-1.gz"
    path.write_bytes(gzip.compress(("\n".join(lines) + end).encode()))
    assert is_book_file(path)
    return path


def test_updates_that_the_snapshot_holds_are_left_out_and_later_ones_follow_it(tmp_path):
    lines = [depth(5, 9), depth(10, 12, [["99", "3"]]), SNAPSHOT, TRADE, depth(13, 14)]
    whole, late, trade, last = book_events(written(tmp_path, lines), BTC)
    assert isinstance(whole, BookDelta)
    assert (whole.is_whole, whole.bids) == (True, ((Decimal(100), Decimal(1)),))
    assert isinstance(late, BookDelta)
    assert late.bids == ((Decimal(99), Decimal(3)),)
    assert isinstance(trade, TradePrint)
    assert (trade.aggressor, trade.price, trade.quantity) == (Side.SELL, Decimal("100.1"), Decimal("0.5"))
    times = [one.ts_event for one in (whole, late, trade, last)]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([SNAPSHOT, depth(12, 13)], "11 to 11 are missing"),
        ([depth(1, 2)], "no snapshot"),
        ([SNAPSHOT, "1 {"], "line 2"),
        ([SNAPSHOT, depth(11, 12, [["NaN", "1"]])], "line 2"),
        ([SNAPSHOT, depth(11, 12, [["1", "-1"]])], "line 2"),
        ([SNAPSHOT, depth(11, 12, [["x", "1"]])], "line 2"),
        ([SNAPSHOT.replace('"1"', "1")], "line 1"),
    ],
)
def test_damage_is_named_with_its_line(tmp_path, lines, said):
    with pytest.raises(DataError, match=said):
        list(book_events(written(tmp_path, lines), BTC))


def test_a_recording_that_was_cut_off_ends_with_its_last_whole_line(tmp_path):
    assert len(list(book_events(written(tmp_path, [SNAPSHOT, depth(11, 12)[:-5]], end=""), BTC))) == 1
    path = written(tmp_path, [SNAPSHOT, *(depth(number, number) for number in range(11, 4_000))])
    path.write_bytes(path.read_bytes()[:-2_000])
    assert 1 < len(list(book_events(path, BTC))) < 3_990


def test_what_is_no_gzip_is_said_to_be_none(tmp_path):
    path = tmp_path / "binance-spot-BTCUSDT-raw-1.gz"
    path.write_bytes(b"not at all")
    with pytest.raises(DataError, match="cannot be read"):
        list(book_events(path, BTC))
