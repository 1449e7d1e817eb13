"""Recordings finer than bars, event by event: single trades, and the raw messages of an order book."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final, Literal

import msgspec
import pyarrow as pa

from holdfast.adapters.sources.parquet_columns import batches, read_floats, read_times
from holdfast.core.errors import DataError
from holdfast.core.time import MILLISECOND
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import TradePrint
from holdfast.domain.recorded_book import BookDelta, Levels
from holdfast.domain.values import Price, Quantity, Side

MarketEvent = TradePrint | BookDelta

BOOK_SUFFIX: Final = ".gz"
_BATCH: Final = 1 << 14
_LINE_MAX: Final = 1 << 24
_HINT: Final = "fetch it again; each line is <nanoseconds> <message of Binance>"


def is_book_file(path: Path) -> bool:
    """Tell whether a file holds the raw messages of a book, by its name."""
    return path.suffix == BOOK_SUFFIX and "-raw-" in path.name


def trade_events(path: Path, instrument: Instrument) -> Iterator[TradePrint]:
    """Yield the trades of a Parquet file, on the instrument's grid; what is less than a lot is left out.

    Raises
    ------
    DataError
        The file is damaged, or a row is no trade.
    """
    number = 0
    for batch in batches(path, _BATCH, _columns):
        times = read_times(path, batch["ts"])
        prices, amounts = (read_floats(path, name, batch[name]) for name in ("price", "amount"))
        sides = batch["side"].to_pylist() if "side" in batch else [""] * len(times)
        for ts, price, amount, side in zip(times.tolist(), prices.tolist(), amounts.tolist(), sides, strict=True):
            number += 1
            quantity = instrument.quantity(amount)
            if quantity:
                aggressor = Side.SELL if str(side).lower() == "sell" else Side.BUY
                yield TradePrint(instrument.id, ts, str(number), instrument.price(price), quantity, aggressor)


_ROLES: Final = {
    "ts": ("ts", "timestamp", "time"),
    "price": ("price",),
    "amount": ("amount", "quantity", "qty", "size"),
}


def _columns(schema: pa.Schema) -> dict[str, str]:
    found = {role: name for role, names in _ROLES.items() for name in reversed(names) if name in schema.names}
    if missing := [role for role in _ROLES if role not in found]:
        raise DataError(f"no column for {', '.join(missing)}", hint="trades have the columns ts, price, amount, side")
    return found | ({"side": "side"} if "side" in schema.names else {})


# -- the book


class _Depth(msgspec.Struct):
    ts_ms: int = msgspec.field(name="E")
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    bids: list[tuple[str, str]] = msgspec.field(name="b")
    asks: list[tuple[str, str]] = msgspec.field(name="a")


class _Trade(msgspec.Struct):
    ts_ms: int = msgspec.field(name="T")
    id: int = msgspec.field(name="t")
    price: str = msgspec.field(name="p")
    quantity: str = msgspec.field(name="q")
    is_sold: bool = msgspec.field(name="m")  # the buyer was there first


class _Message(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"{}")
    last: int = msgspec.field(name="lastUpdateId", default=0)
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


_message: Final = msgspec.json.Decoder(_Message).decode
_depth: Final = msgspec.json.Decoder(_Depth).decode
_trade: Final = msgspec.json.Decoder(_Trade).decode


def book_events(path: Path, instrument: Instrument) -> Iterator[MarketEvent]:
    """Yield what a recording of Binance's depth, trade and snapshot messages says, once the book is known.

    What came before the snapshot and is not in it is yielded after it. Times are the venue's and never go back.

    Raises
    ------
    DataError
        A line is no message, the updates have a hole, or there is no snapshot. A cut last line is no damage.
    """
    waiting: list[_Depth] = []
    known, ts = 0, 0
    for number, line in _lines(path):
        try:
            message = _message(line.partition(b" ")[2])
            if message.last:
                known = message.last
                bids, asks = _levels(message.bids), _levels(message.asks)
                yield BookDelta(instrument.id, max(ts, _first_ts(waiting)), bids, asks, True)
                late, waiting = [depth for depth in waiting if depth.last > known], []
            elif "@depth" in message.stream:
                late = [_depth(message.data)]
                if not known:
                    waiting += late
                    continue
            elif message.stream.endswith("@trade") and known:
                trade = _trade(message.data)
                ts = max(ts, trade.ts_ms * MILLISECOND)
                yield _printed(instrument, trade, ts)
                continue
            else:
                continue
            for depth in late:
                if depth.first > known + 1:
                    raise DataError(f"{path.name}: line {number}: updates {known + 1} to {depth.first - 1} are missing")
                known, ts = depth.last, max(ts, depth.ts_ms * MILLISECOND)
                yield BookDelta(instrument.id, ts, _levels(depth.bids), _levels(depth.asks))
        except (msgspec.MsgspecError, InvalidOperation) as error:
            raise DataError(f"{path.name}: line {number} is no message: {error}", hint=_HINT) from None
    if not known:
        raise DataError(f"{path.name}: there is no snapshot of the book in it", hint=_HINT)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the whole lines of a file that may have been cut off."""
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(_LINE_MAX):
                number += 1
                if not line.endswith(b"\n"):
                    return
                yield number, line
    except EOFError:
        return
    except (OSError, zlib.error) as error:
        raise DataError(f"{path.name}: it cannot be read after line {number}: {error}", hint=_HINT) from None


def _first_ts(waiting: Sequence[_Depth]) -> int:
    return waiting[0].ts_ms * MILLISECOND if waiting else 0


def _printed(instrument: Instrument, trade: _Trade, ts: int) -> TradePrint:
    side: Literal[Side.SELL, Side.BUY] = Side.SELL if trade.is_sold else Side.BUY
    price, quantity = Price(Decimal(trade.price).normalize()), Quantity(Decimal(trade.quantity).normalize())
    return TradePrint(instrument.id, ts, str(trade.id), price, quantity, side)


def _levels(levels: Sequence[tuple[str, str]]) -> Levels:
    found = tuple((Decimal(price).normalize(), Decimal(quantity).normalize()) for price, quantity in levels)
    if any(
        not (price.is_finite() and quantity.is_finite() and price > 0 and quantity >= 0) for price, quantity in found
    ):
        raise InvalidOperation("a level is no price and quantity")
    return found
