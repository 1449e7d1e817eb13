"""What the simulated venue knows and tells: accounts, orders, trades, triggers, and the news about them."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from holdfast.core.record import Record
from holdfast.core.secret import Secret
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import Side


class AccountSpec(msgspec.Struct, frozen=True):
    """A customer of the venue: its key pair, what it begins with, and whether its key may withdraw."""

    key: str
    secret: Secret
    balances: dict[str, Decimal]
    can_withdraw: bool = False
    is_read_only: bool = False


class PairSpec(Record, frozen=True):
    """A market: its name at the venue and its grid. Fees are shares of what changes hands."""

    id: str  # BTC_USDT
    instrument: Instrument
    fee_maker: Decimal = Decimal("0.001")
    fee_taker: Decimal = Decimal("0.001")
    trade_status: str = "tradable"


class OrderAsk(Record, frozen=True):
    """What an account asks for; `amount` of a market buy is in quote units."""

    pair: str
    side: Side
    type: str  # limit, market
    amount: Decimal
    price: Decimal | None = None
    time_in_force: str = "gtc"  # gtc, ioc, poc, fok
    text: str = ""
    stp_act: str = "-"  # cn, co, cb, -: not set


class VirtualOrder(msgspec.Struct, gc=False):
    """An order at the venue. Times are the market's; `left` of a market buy is in quote units, as at Gate.io."""

    id: int
    account: str
    pair: str
    side: Side
    type: str
    amount: Decimal
    price: Decimal  # 0 for market orders
    time_in_force: str
    text: str
    left: Decimal
    ts_create: int
    ts_update: int
    status: str = "open"  # open, closed, cancelled
    finish_as: str = "open"
    filled: Decimal = Decimal(0)  # base units
    filled_total: Decimal = Decimal(0)  # quote units
    fee: Decimal = Decimal(0)
    fee_currency: str = ""
    stp_act: str = "-"
    ts_end: int = 0  # by the venue's wall clock, for how long it is found by its text

    @property
    def is_open(self) -> bool:
        """Tell whether it still rests."""
        return self.status == "open"


class VirtualTrade(Record, frozen=True):
    """One account's side of a trade."""

    id: int
    account: str
    pair: str
    side: Side
    role: str  # taker, maker
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str
    order_id: int
    text: str
    ts: int


class TriggerAsk(Record, frozen=True):
    """What a price-triggered order waits for, and what it then places."""

    pair: str
    rule: str  # >=, <=
    trigger_price: Decimal
    side: Side
    type: str
    amount: Decimal
    price: Decimal
    time_in_force: str = "gtc"
    expiration_s: int = 0


class VirtualTrigger(msgspec.Struct, gc=False):
    """A price-triggered order; it binds nothing until it fires."""

    id: int
    account: str
    ask: TriggerAsk
    ts_create: int
    now_create: int  # by the venue's wall clock
    status: str = "open"  # open, cancelled, finish, failed, expired
    ts_finish: int = 0
    fired_order_id: int = 0
    reason: str = ""


class PublicTrade(Record, frozen=True, tag=True):
    """A print of the market; `side` is who crossed the spread."""

    pair: str
    id: int
    side: Side
    price: Decimal
    quantity: Decimal
    ts: int


class QuoteChanged(Record, frozen=True, tag=True):
    """Another best bid or ask, or another last price."""

    pair: str
    ts: int


class DepthChanged(Record, frozen=True, tag=True):
    """Levels of the book that changed, absolute; 0 removes one. Ids follow on one another without a hole."""

    pair: str
    first_id: int
    last_id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    ts: int


class CandleChanged(Record, frozen=True, tag=True):
    """A bar of the market's own timeframe has grown, or is finished."""

    pair: str
    ts_open: int
    is_closed: bool


class OrderChanged(Record, frozen=True, tag=True):
    """An order was put, has changed, or is finished; `order` is as it was then."""

    event: str  # put, update, finish
    order: VirtualOrder


class AccountTraded(Record, frozen=True, tag=True):
    """An account's order has traded."""

    trade: VirtualTrade


class BalanceChanged(Record, frozen=True, tag=True):
    """An account holds another amount of an asset, or has another part of it bound."""

    account: str
    asset: str
    change: Decimal
    total: Decimal
    available: Decimal
    ts: int


class TriggerChanged(Record, frozen=True, tag=True):
    """A price-triggered order was put or is over."""

    trigger: VirtualTrigger


Push = (
    PublicTrade | QuoteChanged | DepthChanged | CandleChanged
    | OrderChanged | AccountTraded | BalanceChanged | TriggerChanged
)  # fmt: skip
