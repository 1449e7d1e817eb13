"""What Gate.io says over its websocket about our own orders, trades and balances: exact, and checked quickly."""

from __future__ import annotations

from decimal import Decimal
from typing import Final, Literal

import msgspec

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.shape import Id, check_id, check_number, check_size, nanos
from holdfast.domain.values import ZERO

Side = Literal["buy", "sell"]
"""The venue's names of the sides."""

_LARGE: Final = Decimal("1e30")
_SMALL: Final = -30  # adjusted exponent; finer than any coin


class OwnOrder(wire.Order):
    """A change to one of our orders: `event` is put, update or finish, and `status` is told from it."""

    event: str = ""

    def __post_init__(self) -> None:
        # The looping check of the other shapes costs more than the whole decoding; this one says the same.
        _check_sizes(self.amount, self.price, self.filled_total, self.left or ZERO, self.filled_amount or ZERO)
        _check_amounts(self.fee, self.gt_fee, self.point_fee)
        _check_times(self.create_time, self.create_time_ms, self.update_time, self.update_time_ms)
        check_id("id", self.id)
        if self.side not in _SIDES:
            raise ValueError("side is neither buy nor sell")
        if self.event not in _STATUS:
            raise ValueError("event is none of put, update, finish")
        self.status = _STATUS[self.event] or ("closed" if self.finish_as == "filled" else "cancelled")


class OwnTrade(wire.MyTrade):
    """A trade of our own, as it happens."""

    def __post_init__(self) -> None:
        _check_sizes(self.amount, self.price)
        _check_amounts(self.fee, self.gt_fee, self.point_fee)
        _check_times(self.create_time, self.create_time_ms)
        check_id("id", self.id)
        check_id("order_id", self.order_id)
        if self.side not in _SIDES:
            raise ValueError("side is neither buy nor sell")


class Balance(msgspec.Struct, gc=False):
    """What we hold of one coin after a change: `total` is free and bound together."""

    currency: str
    total: Decimal
    available: Decimal
    freeze: Decimal = ZERO
    change: Decimal = ZERO
    change_type: str = ""
    timestamp_ms: Decimal = ZERO

    def __post_init__(self) -> None:
        _check_amounts(self.total, self.available, self.freeze, self.change)
        _check_times(self.timestamp_ms)

    @property
    def ts_event(self) -> int:
        return nanos(None, self.timestamp_ms)


class TriggerUpdate(msgspec.Struct, gc=False):
    """A change to a triggered order. It tells no status: ask over REST what became of it."""

    id: Id
    market: str
    trigger_price: Decimal
    trigger_rule: str
    amount: Decimal
    side: Side
    price: Decimal = ZERO
    order_type: str = ""
    fired_order_id: Id | None = None
    reason: str = ""
    err_msg: str = ""
    ts_event: int = 0

    def __post_init__(self) -> None:
        _check_sizes(self.trigger_price, self.amount, self.price)
        check_id("id", self.id)
        check_id("fired_order_id", self.fired_order_id)

    @property
    def venue_order_id(self) -> str:
        return str(self.id)

    @property
    def fired_venue_order_id(self) -> str:
        return "" if self.fired_order_id in (None, 0, "", "0") else str(self.fired_order_id)


_SIDES: Final = frozenset({"buy", "sell"})
_STATUS: Final = {"put": "open", "update": "open", "finish": ""}


def _check_sizes(*values: Decimal) -> None:
    for value in values:
        # A comparison with NaN raises, too. What is large, fine or has many digits gets the thorough look.
        if value and (not ZERO < value < _LARGE or value.adjusted() < _SMALL or +value != value):
            check_size("a size", value)


def _check_amounts(*values: Decimal) -> None:
    for value in values:
        if value and (not -_LARGE < value < _LARGE or value.adjusted() < _SMALL or +value != value):
            check_number("an amount", value)


def _check_times(*values: Decimal | None) -> None:
    for value in values:
        if value is not None and not ZERO <= value <= _TS_MAX:
            raise ValueError("a time lies out of range")


_TS_MAX: Final = Decimal(4_102_444_800_000)  # 2100-01-01 in milliseconds; seconds lie far below
