"""Gate.io's own shapes, as it sends and takes them: exact amounts, unknown fields tolerated, wrong types refused.

Numbers come as text or as JSON numbers and become Decimals without passing a float; times come as numbers, fractions or
text and are given in nanoseconds. What is no finite number of a plausible size is refused, and so is a negative size.
"""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar, Final

import msgspec

from holdfast.adapters.exchanges.gateio.shape import Decoder, Id, Shape, nanos
from holdfast.domain.values import ZERO

_DECIMALS_MAX: Final = 24


class ErrorBody(Shape):
    """What an answer that is no success holds."""

    label: str = ""
    message: str = ""
    detail: str = ""  # some endpoints write this in place of `message`


class ServerTime(Shape):
    """The venue's clock (ms)."""

    MILLIS: ClassVar[tuple[str, ...]] = ("server_time",)

    server_time: Decimal

    @property
    def ts(self) -> int:
        return nanos(None, self.server_time)


class Currency(Shape):
    """A coin and what may be done with it."""

    currency: str
    delisted: bool = False
    withdraw_disabled: bool = False
    withdraw_delayed: bool = False
    deposit_disabled: bool = False
    trade_disabled: bool = False
    chain: str | None = None


class Pair(Shape):
    """A market: its grid (decimals of amount and of price), its bounds (None is no bound), and whether it trades."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("fee",)
    SIZES: ClassVar[tuple[str, ...]] = ("min_base_amount", "min_quote_amount", "max_base_amount", "max_quote_amount")

    id: str
    base: str
    quote: str
    amount_precision: int
    precision: int
    fee: Decimal | None = None  # in percent
    min_base_amount: Decimal | None = None
    min_quote_amount: Decimal | None = None
    max_base_amount: Decimal | None = None
    max_quote_amount: Decimal | None = None
    trade_status: str = "tradable"
    sell_start: int | None = 0
    buy_start: int | None = 0
    delisting_time: int | None = 0
    st_tag: bool | None = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 <= self.amount_precision <= _DECIMALS_MAX and 0 <= self.precision <= _DECIMALS_MAX):
            raise ValueError("precision is out of range")


class Ticker(Shape):
    """The last day of a market; a side of the book that is empty is None."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("change_percentage",)
    SIZES: ClassVar[tuple[str, ...]] = (
        "last",
        "lowest_ask",
        "highest_bid",
        "base_volume",
        "quote_volume",
        "high_24h",
        "low_24h",
    )

    currency_pair: str
    last: Decimal | None = None
    lowest_ask: Decimal | None = None
    highest_bid: Decimal | None = None
    change_percentage: Decimal | None = None
    base_volume: Decimal | None = None
    quote_volume: Decimal | None = None
    high_24h: Decimal | None = None
    low_24h: Decimal | None = None


class Level(Shape, array_like=True):
    """A price and what rests there."""

    SIZES: ClassVar[tuple[str, ...]] = ("price", "amount")

    price: Decimal
    amount: Decimal


class Book(Shape):
    """A snapshot of the book; `id` is the update that it holds, None unless it was asked for."""

    IDS: ClassVar[tuple[str, ...]] = ("id",)
    MILLIS: ClassVar[tuple[str, ...]] = ("current", "update")

    asks: list[Level]
    bids: list[Level]
    id: int | None = None
    current: Decimal | None = None  # ms, when it was sent
    update: Decimal | None = None  # ms, when it last changed

    @property
    def ts_event(self) -> int:
        return nanos(None, self.update or self.current)

    @property
    def is_crossed(self) -> bool:
        return bool(self.bids and self.asks) and self.bids[0].price >= self.asks[0].price


class Trade(Shape):
    """A public trade; `side` is that of the taker."""

    IDS: ClassVar[tuple[str, ...]] = ("id",)
    SIZES: ClassVar[tuple[str, ...]] = ("amount", "price")
    SECONDS: ClassVar[tuple[str, ...]] = ("create_time",)
    MILLIS: ClassVar[tuple[str, ...]] = ("create_time_ms",)

    id: Id
    side: str
    amount: Decimal
    price: Decimal
    create_time: Decimal | None = None
    create_time_ms: Decimal | None = None
    currency_pair: str = ""
    sequence_id: Id | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_side(self.side)

    @property
    def trade_id(self) -> str:
        return str(self.id)

    @property
    def ts_event(self) -> int:
        return nanos(self.create_time, self.create_time_ms)


class MyTrade(Shape):
    """A trade of our own. `fee` is in `fee_currency`: for a buy mostly the base, which lessens what is received."""

    IDS: ClassVar[tuple[str, ...]] = ("id", "order_id")
    NUMBERS: ClassVar[tuple[str, ...]] = ("fee", "point_fee", "gt_fee")
    SIZES: ClassVar[tuple[str, ...]] = ("amount", "price")
    SECONDS: ClassVar[tuple[str, ...]] = ("create_time",)
    MILLIS: ClassVar[tuple[str, ...]] = ("create_time_ms",)

    id: Id
    order_id: Id
    side: str
    amount: Decimal
    price: Decimal
    role: str = "taker"
    create_time: Decimal | None = None
    create_time_ms: Decimal | None = None
    currency_pair: str = ""
    fee: Decimal = ZERO  # negative is a rebate
    fee_currency: str = ""
    point_fee: Decimal = ZERO
    gt_fee: Decimal = ZERO
    text: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_side(self.side)

    @property
    def trade_id(self) -> str:
        return str(self.id)

    @property
    def venue_order_id(self) -> str:
        return str(self.order_id)

    @property
    def ts_event(self) -> int:
        return nanos(self.create_time, self.create_time_ms)


def _check_side(side: str) -> None:
    if side not in ("buy", "sell"):
        raise ValueError("side is neither buy nor sell")


class Candle(Shape, array_like=True):
    """A bar as REST gives it; `time` is when it opens, in seconds."""

    SIZES: ClassVar[tuple[str, ...]] = ("quote_volume", "close", "high", "low", "open", "base_volume")
    SECONDS: ClassVar[tuple[str, ...]] = ("time",)

    time: Decimal
    quote_volume: Decimal
    close: Decimal
    high: Decimal
    low: Decimal
    open: Decimal
    base_volume: Decimal = ZERO
    closed: bool | str = True  # "true" once it is finished

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.low <= self.open <= self.high and self.low <= self.close <= self.high):
            raise ValueError("open and close lie outside of low and high")

    @property
    def ts_open(self) -> int:
        return nanos(self.time, None)

    @property
    def is_closed(self) -> bool:
        return self.closed is True or self.closed == "true"


class Account(Shape):
    """What we hold of one coin: free, and bound in orders."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("available", "locked")

    currency: str
    available: Decimal
    locked: Decimal = ZERO
    update_id: int | None = None

    @property
    def total(self) -> Decimal:
        return self.available + self.locked


class Fee(Shape):
    """Our fee rates, as shares of the notional; with `gt_discount` they are taken in GT at the `gt_` rates."""

    NUMBERS: ClassVar[tuple[str, ...]] = ("taker_fee", "maker_fee", "gt_taker_fee", "gt_maker_fee")

    taker_fee: Decimal
    maker_fee: Decimal
    user_id: Id | None = None
    gt_discount: bool = False
    gt_taker_fee: Decimal | None = None
    gt_maker_fee: Decimal | None = None
    currency_pair: str | None = None
    debit_fee: int | None = None  # 1: GT, 2: points, 3: VIP rate; absent: taken from what is received


class Order(Shape):
    """An order. `left` and `amount` of a market buy are in quote units; a sparse answer leaves defaults."""

    IDS: ClassVar[tuple[str, ...]] = ("id",)
    NUMBERS: ClassVar[tuple[str, ...]] = ("fee", "gt_fee", "point_fee")
    SIZES: ClassVar[tuple[str, ...]] = ("amount", "price", "left", "filled_amount", "filled_total")
    SECONDS: ClassVar[tuple[str, ...]] = ("create_time", "update_time")
    MILLIS: ClassVar[tuple[str, ...]] = ("create_time_ms", "update_time_ms")

    id: Id
    text: str = ""
    status: str = ""  # open, closed, cancelled; empty in an answer that only acknowledges
    currency_pair: str = ""
    type: str = "limit"
    account: str = "spot"
    side: str = ""
    amount: Decimal = ZERO
    price: Decimal = ZERO
    time_in_force: str = "gtc"
    left: Decimal | None = None
    filled_amount: Decimal | None = None
    filled_total: Decimal = ZERO  # quote units
    fee: Decimal = ZERO
    fee_currency: str = ""
    gt_fee: Decimal = ZERO
    point_fee: Decimal = ZERO
    finish_as: str = ""
    create_time: Decimal | None = None
    update_time: Decimal | None = None
    create_time_ms: Decimal | None = None
    update_time_ms: Decimal | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side:  # a sparse answer has none
            _check_side(self.side)

    @property
    def venue_order_id(self) -> str:
        return str(self.id)

    @property
    def is_open(self) -> bool:
        return self.status == "open"

    @property
    def is_final(self) -> bool:
        """Tell whether it is known to have ended."""
        return self.status in ("closed", "cancelled")

    @property
    def ts_created(self) -> int:
        return nanos(self.create_time, self.create_time_ms)

    @property
    def ts_updated(self) -> int:
        return nanos(self.update_time, self.update_time_ms) or self.ts_created


class BatchResult(Order):
    """One of several orders placed or amended together; without `succeeded` the other fields mean nothing."""

    id: Id = ""
    succeeded: bool = False
    label: str | None = None
    message: str | None = None


class OpenOrders(Shape):
    """What rests on one market."""

    currency_pair: str
    orders: list[Order]
    total: int = 0


class CancelResult(Shape):
    """One of several orders taken back together."""

    IDS: ClassVar[tuple[str, ...]] = ("id",)

    currency_pair: str = ""
    id: Id = ""
    text: str | None = None
    succeeded: bool = False
    label: str | None = None
    message: str | None = None


class TriggerSeen(Shape):
    """The `trigger` of a triggered order as it is reported."""

    SIZES: ClassVar[tuple[str, ...]] = ("price",)

    price: Decimal
    rule: str
    expiration: int | None = None


class PutSeen(Shape):
    """The `put` of a triggered order as it is reported."""

    SIZES: ClassVar[tuple[str, ...]] = ("amount", "price")

    side: str
    amount: Decimal
    type: str = "limit"
    price: Decimal | None = None
    account: str = "normal"
    time_in_force: str = "gtc"
    text: str | None = None


class TriggerOrder(Shape):
    """An order that waits for a price; once fired, `fired_order_id` is the order that it placed (0 before)."""

    IDS: ClassVar[tuple[str, ...]] = ("id", "fired_order_id")
    SECONDS: ClassVar[tuple[str, ...]] = ("ctime", "ftime")

    id: Id
    trigger: TriggerSeen
    put: PutSeen
    market: str = ""
    ctime: Decimal | None = None
    ftime: Decimal | None = None
    fired_order_id: Id | None = None
    status: str = ""  # open, cancelled, finish, failed, expired
    reason: str | None = None

    @property
    def venue_order_id(self) -> str:
        return str(self.id)

    @property
    def fired_venue_order_id(self) -> str:
        return "" if self.fired_order_id in (None, 0, "", "0") else str(self.fired_order_id)

    @property
    def ts_created(self) -> int:
        return nanos(self.ctime, None)

    @property
    def ts_ended(self) -> int:
        return nanos(self.ftime, None)


class TriggerPlaced(Shape):
    """The answer to a triggered order."""

    IDS: ClassVar[tuple[str, ...]] = ("id",)

    id: Id

    @property
    def venue_order_id(self) -> str:
        return str(self.id)


class Countdown(Shape):
    """When the dead-man timer will cancel (ms); 0 when it is off."""

    MILLIS: ClassVar[tuple[str, ...]] = ("trigger_time",)

    trigger_time: Decimal = msgspec.field(name="triggerTime")


class _TickersDecoder(Decoder[list[Ticker]]):
    __slots__ = ()

    def read(self, raw: bytes) -> list[Ticker]:
        # An empty side of the book is an empty text. In JSON these bytes stand nowhere but after a key.
        return super().read(raw.replace(b':""', b":null").replace(b': ""', b": null"))


ERROR: Final = Decoder(ErrorBody, "error")
TIME: Final = Decoder(ServerTime, "server time")
CURRENCIES: Final = Decoder(list[Currency], "list of currencies")
PAIR: Final = Decoder(Pair, "currency pair")
PAIRS: Final = Decoder(list[Pair], "list of currency pairs")
TICKERS: Final = _TickersDecoder(list[Ticker], "list of tickers")
BOOK: Final = Decoder(Book, "order book")
TRADES: Final = Decoder(list[Trade], "list of trades")
CANDLES: Final = Decoder(list[Candle], "list of candles")
ACCOUNTS: Final = Decoder(list[Account], "list of balances")
FEE: Final = Decoder(Fee, "fee")
ORDER: Final = Decoder(Order, "order")
ORDERS: Final = Decoder(list[Order], "list of orders")
BATCH: Final = Decoder(list[BatchResult], "list of placed orders")
CANCELS: Final = Decoder(list[CancelResult], "list of cancelled orders")
OPEN_ORDERS: Final = Decoder(list[OpenOrders], "list of open orders")
MY_TRADES: Final = Decoder(list[MyTrade], "list of own trades")
TRIGGER: Final = Decoder(TriggerOrder, "triggered order")
TRIGGERS: Final = Decoder(list[TriggerOrder], "list of triggered orders")
TRIGGER_PLACED: Final = Decoder(TriggerPlaced, "placed trigger")
COUNTDOWN: Final = Decoder(Countdown, "countdown")
