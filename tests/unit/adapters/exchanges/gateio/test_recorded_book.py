"""The recorded book of Binance, which counts its updates as Gate.io does: every best price and amount must agree."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.depth import Depth
from holdfast.adapters.exchanges.gateio.messages import BookUpdate, read

pytestmark = pytest.mark.recorded_data


def rows() -> Iterator[dict[str, Any]]:
    path = recorded_file("orderbook/binance-spot-BTCUSDT-raw-20240808.gz")
    with gzip.open(path, "rb") as file:
        for line in file:
            yield json.loads(line.split(b" ", 1)[1])


def update_of(data: dict[str, Any]) -> BookUpdate:
    """Put what Binance says into the words of Gate.io, and read it as the socket does."""
    result = {"t": data["E"], "s": "BTC_USDT", "U": data["U"], "u": data["u"], "b": data["b"], "a": data["a"]}
    frame = {"time_ms": data["E"], "channel": "spot.order_book_update", "event": "update", "result": result}
    (update,) = read(json.dumps(frame))
    assert isinstance(update, BookUpdate)
    return update


def snapshot_of(row: dict[str, Any]) -> wire.Book:
    answer = {"id": row["lastUpdateId"], "asks": row["asks"], "bids": row["bids"]}
    return wire.BOOK.read(json.dumps(answer).encode())


def test_recorded_book_agrees_with_every_book_ticker_of_the_same_update():
    messages = list(rows())
    tickers = {row["data"]["u"]: row["data"] for row in messages if "bookTicker" in row.get("stream", "")}
    depth = Depth("BTC_USDT", levels_max=5_000)
    compared = applied = 0
    for row in messages:
        if "stream" not in row:
            # The market leaves the range of the only snapshot that there is; so it is taken for the whole book.
            assert depth.load(snapshot_of(row), limit=5_000), depth.why
        elif "@depth" in row["stream"]:
            before = depth.update_id
            is_in_step = depth.apply(update_of(row["data"]))
            applied += depth.update_id > before and is_in_step
            ticker = tickers.get(row["data"]["u"])
            if ticker is not None and is_in_step and depth.update_id == ticker["u"]:
                compared += 1
                assert depth.best_bid == (float(ticker["b"]), float(ticker["B"]))
                assert depth.best_ask == (float(ticker["a"]), float(ticker["A"]))
    assert (compared, depth.gaps, depth.why) == (564, 0, "")
    assert applied == 3_448  # one more waited for the snapshot


@pytest.mark.parametrize("levels_max", [50, 300, 5_000])
def test_recorded_book_that_reaches_the_end_of_what_is_known_says_so_and_is_right_until_then(levels_max: int):
    whole, known = Depth("BTC_USDT", levels_max=5_000), Depth("BTC_USDT", levels_max=levels_max)
    compared = 0
    for row in rows():
        if "stream" not in row:
            whole.load(snapshot_of(row), limit=5_000)
            assert known.load(snapshot_of(row), limit=1_000)
        elif "@depth" in row["stream"]:
            update = update_of(row["data"])
            whole.apply(update)
            if known.apply(update):
                compared += 1
                for count in (1, 20):
                    bids, asks = known.bids(count), known.asks(count)
                    assert bids == whole.bids(count)[: len(bids)]
                    assert asks == whole.asks(count)[: len(asks)]
                assert max(len(known.bids(10_000)), len(known.asks(10_000))) <= levels_max
            else:
                assert known.best_bid is known.best_ask is None
    assert compared > 50
    assert known.why == "one side is used up as far as it was known"
