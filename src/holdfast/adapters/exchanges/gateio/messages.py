"""What Gate.io says over its websocket, one type per channel.

Market data are floats: estimates for watching, and the same text always gives the same float. Orders, fills and
balances are exact. Fields that nobody asked for are tolerated; what is no number, negative where it cannot be, or of
another type is refused with MessageError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.own import Balance, OwnOrder, OwnTrade, Side, TriggerUpdate
from holdfast.adapters.exchanges.gateio.shape import VENUE, Id, check_id
from holdfast.core.errors import VenueError
from holdfast.core.time import MILLISECOND, SECOND

PRIVATE: Final = frozenset({"spot.orders", "spot.usertrades", "spot.balances", "spot.priceorders"})
"""Channels that need a signature, and of which nothing may be lost."""

# The decoder itself holds a float to these, and NaN lies outside of every bound.
_Size = Annotated[float, Meta(ge=0, le=1e30)]
_Price = Annotated[float, Meta(gt=0, le=1e30)]
_Sequence = Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
_Millis = Annotated[float, Meta(ge=0, le=4_102_444_800_000)]  # until 2100
_Seconds = Annotated[int, Meta(ge=0, le=4_102_444_800)]

_REASON_MAX: Final = 200


class MessageError(VenueError):
    """A message that cannot be read; `channel` is the one that it came on, empty where even that is unreadable."""

    def __init__(self, message: str, *, channel: str = "") -> None:
        super().__init__(message, venue=VENUE, is_retryable=True)
        self.channel = channel


# -- market data


class Ticker(msgspec.Struct, gc=False):
    """The last day of a market; a side of the book that is empty is None."""

    currency_pair: str
    last: _Size
    lowest_ask: _Size | None = None
    highest_bid: _Size | None = None
    base_volume: _Size = 0.0
    quote_volume: _Size = 0.0
    ts_event: int = 0  # when the venue sent it; a ticker has no time of its own


class Trade(msgspec.Struct, gc=False):
    """A public trade; `side` is that of the taker."""

    id: Id
    side: Side
    currency_pair: str
    amount: _Size
    price: _Price
    create_time_ms: _Millis
    range: str = ""  # sequence numbers of this market, "first-last"
    ts_event: int = 0


class Candle(
    msgspec.Struct,
    gc=False,
    rename={
        "time": "t", "name": "n", "open": "o", "high": "h", "low": "l", "close": "c",
        "quote_volume": "v", "base_volume": "a", "is_closed": "w",
    },
):  # fmt: skip
    """A bar as it grows. `is_closed` is true in the last message about it, and may be missing even there."""

    time: _Seconds  # when it opens
    name: str  # "1m_BTC_USDT"
    open: _Price
    high: _Price
    low: _Price
    close: _Price
    quote_volume: _Size
    base_volume: _Size = 0.0
    is_closed: bool = False
    ts_event: int = 0  # when the venue sent it

    @property
    def interval(self) -> str:
        return self.name.partition("_")[0]

    @property
    def currency_pair(self) -> str:
        return self.name.partition("_")[2]

    @property
    def ts_open(self) -> int:
        return self.time * SECOND


class BookTicker(
    msgspec.Struct,
    gc=False,
    rename={
        "time_ms": "t", "update_id": "u", "currency_pair": "s",
        "bid": "b", "bid_amount": "B", "ask": "a", "ask_amount": "A",
    },
):  # fmt: skip
    """The best of both sides after book update `update_id`; an empty side is None."""

    time_ms: _Millis
    update_id: _Sequence
    currency_pair: str
    bid: _Size | None = None
    bid_amount: _Size | None = None
    ask: _Size | None = None
    ask_amount: _Size | None = None
    ts_event: int = 0


class BookUpdate(
    msgspec.Struct,
    gc=False,
    rename={"time_ms": "t", "currency_pair": "s", "first_id": "U", "last_id": "u", "bids": "b", "asks": "a"},
):
    """What changed in book updates `first_id` to `last_id`: levels (price, amount); amount zero removes the level."""

    time_ms: _Millis
    currency_pair: str
    first_id: _Sequence
    last_id: _Sequence
    bids: list[tuple[_Price, _Size]]
    asks: list[tuple[_Price, _Size]]
    ts_event: int = 0


# -- answers


class Subscribed(msgspec.Struct, gc=False):
    """The answer to a subscription; `code` is 0 where it was taken."""

    channel: str
    event: str
    id: Id | None
    code: int = 0
    message: str = ""

    @property
    def is_auth_failure(self) -> bool:
        return self.code == _AUTHENTICATION_FAIL


class Pong(msgspec.Struct, gc=False):
    """The venue lives; `ts_event` is its clock."""

    ts_event: int


class Other(msgspec.Struct, gc=False):
    """A message on a channel that nobody here reads."""

    channel: str
    event: str


class Answer(msgspec.Struct, gc=False):
    """The answer to a call over the socket; `is_ack` where it only says that the call came in."""

    request_id: str
    channel: str
    status: int
    is_ack: bool
    label: str
    message: str
    result: bytes
    requests_left: int | None = None
    requests_max: int | None = None
    reset_ms: int | None = None  # when the next request may come, by the venue's clock

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300 and not self.label

    def order(self) -> wire.Order:
        """Return the order that it tells of; one that only acknowledges is sparse.

        Raises
        ------
        VenueError
            It tells of none.
        """
        return wire.ORDER.read(self.result)

    def orders(self) -> list[wire.Order]:
        """Return the orders that it tells of.

        Raises
        ------
        VenueError
            It holds no list of orders.
        """
        return wire.ORDERS.read(self.result)

    def cancels(self) -> list[wire.CancelResult]:
        """Return what became of the orders that `spot.order_cancel_ids` named.

        Raises
        ------
        VenueError
            It holds no such list.
        """
        return wire.CANCELS.read(self.result)


Market = Ticker | Trade | Candle | BookTicker | BookUpdate
Private = OwnOrder | OwnTrade | Balance | TriggerUpdate
Message = Market | Private | Subscribed | Pong | Other | Answer

_AUTHENTICATION_FAIL: Final = 4


# -- reading


class _Fault(msgspec.Struct, gc=False):
    code: int = 0
    message: str = ""


class _Errors(msgspec.Struct, gc=False):
    label: str = ""
    message: str = ""


class _Header(msgspec.Struct, gc=False):
    status: int = 0
    channel: str = ""
    x_gate_ratelimit_requests_remain: int | None = None
    x_gate_ratelimit_limit: int | None = None
    x_gat_ratelimit_reset_timestamp: int | None = None  # misspelt by the venue


class _Data(msgspec.Struct, gc=False):
    result: msgspec.Raw = msgspec.Raw(b"null")
    errs: _Errors | None = None


class _Envelope(msgspec.Struct, gc=False):
    time: Annotated[int, Meta(ge=0, le=4_102_444_800)] = 0
    time_ms: Annotated[int, Meta(ge=0, le=4_102_444_800_000)] = 0
    channel: str = ""
    event: str = ""
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Fault | None = None
    id: Id | None = None
    request_id: str = ""
    header: _Header | None = None
    data: _Data | None = None
    ack: bool = False


# Beside its own errors the decoder lets a few of Python's through: bad UTF-8, too deep, too long a number.
_UNREADABLE: Final = (msgspec.MsgspecError, ValueError, ArithmeticError, RecursionError)
_envelope: Final = msgspec.json.Decoder(_Envelope, strict=False).decode
_ticker: Final = msgspec.json.Decoder(Ticker, strict=False).decode
_trade: Final = msgspec.json.Decoder(Trade, strict=False).decode
_candle: Final = msgspec.json.Decoder(Candle, strict=False).decode
_book_ticker: Final = msgspec.json.Decoder(BookTicker, strict=False).decode
_book_update: Final = msgspec.json.Decoder(BookUpdate, strict=False).decode
_orders: Final = msgspec.json.Decoder(list[OwnOrder]).decode
_trades: Final = msgspec.json.Decoder(list[OwnTrade]).decode
_balances: Final = msgspec.json.Decoder(list[Balance]).decode
_trigger: Final = msgspec.json.Decoder(TriggerUpdate).decode


def _with_empty_sides(raw: msgspec.Raw) -> bytes:
    # An empty side of the book is an empty text. In JSON these bytes stand nowhere but after a key.
    return bytes(raw).replace(b':""', b":null").replace(b': ""', b": null")


def _read_ticker(raw: msgspec.Raw, ts: int) -> Ticker:
    try:
        ticker = _ticker(raw)
    except msgspec.ValidationError:
        ticker = _ticker(_with_empty_sides(raw))
    ticker.ts_event = ts
    return ticker


def _read_trade(raw: msgspec.Raw, _ts: int) -> Trade:
    trade = _trade(raw)
    check_id("id", trade.id)
    trade.ts_event = int(trade.create_time_ms * MILLISECOND)
    return trade


def _read_candle(raw: msgspec.Raw, ts: int) -> Candle:
    candle = _candle(raw)
    if not (candle.low <= candle.open <= candle.high and candle.low <= candle.close <= candle.high):
        raise ValueError("open and close lie outside of low and high")
    candle.ts_event = ts
    return candle


def _read_book_ticker(raw: msgspec.Raw, _ts: int) -> BookTicker:
    try:
        ticker = _book_ticker(raw)
    except msgspec.ValidationError:
        ticker = _book_ticker(_with_empty_sides(raw))
    ticker.ts_event = int(ticker.time_ms) * MILLISECOND
    return ticker


def _read_book_update(raw: msgspec.Raw, _ts: int) -> BookUpdate:
    update = _book_update(raw)
    if update.last_id < update.first_id:
        raise ValueError("the first update lies after the last")
    update.ts_event = int(update.time_ms) * MILLISECOND
    return update


def _read_trigger(raw: msgspec.Raw, ts: int) -> TriggerUpdate:
    update = _trigger(raw)
    update.ts_event = ts
    return update


_ONE: Final[dict[str, Callable[[msgspec.Raw, int], Message]]] = {
    "spot.tickers": _read_ticker,
    "spot.trades": _read_trade,
    "spot.candlesticks": _read_candle,
    "spot.book_ticker": _read_book_ticker,
    "spot.order_book_update": _read_book_update,
    "spot.priceorders": _read_trigger,
}
_MANY: Final[dict[str, Callable[[msgspec.Raw], Sequence[Message]]]] = {
    "spot.orders": _orders,
    "spot.usertrades": _trades,
    "spot.balances": _balances,
}


def read(raw: bytes | str) -> Sequence[Message]:
    """Return what one frame holds: one message, or as many as a list of orders, trades or balances has.

    Raises
    ------
    MessageError
        It is not JSON, or not of the shape of its channel; nothing else is raised. The text is never quoted.
    """
    channel = ""
    try:
        envelope = _envelope(raw)
        channel = envelope.channel
        if envelope.event == "update":
            read_one = _ONE.get(channel)
            if read_one is not None:
                return (read_one(envelope.result, envelope.time_ms * MILLISECOND or envelope.time * SECOND),)
            read_many = _MANY.get(channel)
            if read_many is not None:
                return read_many(envelope.result)
        return (_read_rest(envelope),)
    except _UNREADABLE as error:
        reason = str(error)[:_REASON_MAX] if isinstance(error, msgspec.ValidationError) else "it is not readable"
        raise MessageError(f"no message of {_named(channel)}: {reason}", channel=channel) from None


def _named(channel: str) -> str:
    return channel if channel in _ONE or channel in _MANY else "any channel that is read here"


def _read_rest(envelope: _Envelope) -> Message:
    if envelope.request_id or envelope.header is not None:
        header, data = envelope.header or _Header(), envelope.data or _Data()
        errors = data.errs or _Errors()
        return Answer(
            envelope.request_id, header.channel, header.status, envelope.ack, errors.label, errors.message,
            bytes(data.result), header.x_gate_ratelimit_requests_remain, header.x_gate_ratelimit_limit,
            header.x_gat_ratelimit_reset_timestamp,
        )  # fmt: skip
    fault = envelope.error
    if envelope.event in ("subscribe", "unsubscribe") or fault is not None:
        code, text = (0, "") if fault is None else (fault.code or -1, fault.message)
        return Subscribed(envelope.channel, envelope.event, envelope.id, code, text)
    if envelope.channel == "spot.pong":
        return Pong(envelope.time_ms * MILLISECOND or envelope.time * SECOND)
    if not envelope.channel:
        raise ValueError("no channel")
    return Other(envelope.channel, envelope.event)
