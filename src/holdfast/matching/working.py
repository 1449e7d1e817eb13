"""An order while a venue works on it, and the float levels at which it can wake up."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.errors import DomainError
from holdfast.domain.order import OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import ZERO, Price, Side

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_ENTRY: Final = Role.ENTRY
_MARKET: Final = OrderType.MARKET
_LIMIT: Final = OrderType.LIMIT
_STOP_LIMIT: Final = OrderType.STOP_LIMIT
_TRAILING_STOP: Final = OrderType.TRAILING_STOP
_TAKE_PROFIT: Final = OrderType.TAKE_PROFIT
_GTC: Final = TimeInForce.GTC

STOP_TYPES = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})
_TRIGGERED_TYPES = STOP_TYPES | {OrderType.TAKE_PROFIT}

_NEVER_BELOW, _NEVER_ABOVE, _ALWAYS = -math.inf, math.inf, math.inf


class WorkingOrder(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The changing state of one order. A bar may matter to it only if its low <= `below` or its high >= `above`."""

    spec: OrderSpec
    quantity: Decimal  # as amended and as its group has left it; fills included
    ts_active: int  # it reaches the market at this time
    hold_price: Decimal = ZERO  # what its hold is valued at (quote units)
    filled: Decimal = ZERO
    trigger_price: Price | None = None
    limit_price: Price | None = None
    trigger: float = 0.0
    limit: float = 0.0
    best: float = 0.0  # trailing stop: the best price since it arrived
    seen: float = 0.0  # the last price known when it was sent in the middle of a bar
    ts_done: int = 0  # close of the bar in which it had its turn
    is_triggered: bool = False
    is_arrived: bool = False  # it has met the market once: whether it crosses at arrival is settled

    @property
    def left(self) -> Decimal:
        """Return what is still to be filled (base units)."""
        return self.quantity - self.filled

    @property
    def is_buy(self) -> bool:
        """Tell whether it buys."""
        return self.spec.side is _BUY

    @property
    def is_entry(self) -> bool:
        """Tell whether it may enlarge a position."""
        return self.spec.role is _ENTRY

    @property
    def is_stop(self) -> bool:
        """Tell whether it waits for the price to turn against the position."""
        return self.spec.type in STOP_TYPES and not self.is_triggered

    @property
    def is_at_once(self) -> bool:
        """Tell whether it trades at the next open and does not rest: market, IOC, FOK, or triggered into a market."""
        kind = self.spec.type
        if kind is _MARKET:
            return True
        if kind is _LIMIT:
            return self.spec.time_in_force is not _GTC
        return self.is_triggered and kind is not _STOP_LIMIT

    @property
    def is_resting_limit(self) -> bool:
        """Tell whether it is a limit order that stays: GTC, or a stop-limit once triggered."""
        kind = self.spec.type
        if kind is _LIMIT:
            return self.spec.time_in_force is _GTC
        return kind is _STOP_LIMIT and self.is_triggered

    def reprice(self, trigger_price: Price | None, limit_price: Price | None) -> None:
        """Give it new exact prices, and the floats that bars are compared with."""
        if trigger_price is not None:
            self.trigger_price, self.trigger = trigger_price, float(trigger_price)
        if limit_price is not None:
            self.limit_price, self.limit = limit_price, float(limit_price)

    def follow(self) -> None:
        """Set the best price of a trailing stop to the one that its trigger implies."""
        offset, trigger = self.spec.trail_offset, self.trigger_price
        if offset is not None and trigger is not None:
            self.best = float(trigger - offset * self.spec.side.sign)

    def levels(self) -> tuple[float, float]:
        """Return `below` and `above`: nothing happens to it in a bar that lies strictly between."""
        kind = self.spec.type
        is_buy = self.spec.side is _BUY
        if kind in _TRIGGERED_TYPES and not self.is_triggered:
            if kind is _TRAILING_STOP:
                return (self.best, self.trigger) if is_buy else (self.trigger, self.best)
            if (kind is _TAKE_PROFIT) == is_buy:
                return self.trigger, _NEVER_ABOVE
            return _NEVER_BELOW, self.trigger
        if not self.is_resting_limit or not self.is_arrived:
            return _ALWAYS, _NEVER_ABOVE
        return (self.limit, _NEVER_ABOVE) if is_buy else (_NEVER_BELOW, self.limit)

    def need_limit(self) -> Price:
        """Return its limit price, which a limit order always has."""
        if self.limit_price is None:
            raise DomainError(
                f"{self.spec.order_id}: a {self.spec.type} order without a limit price is being worked on"
            )
        return self.limit_price

    def need_trigger(self) -> Price:
        """Return its trigger price, which a stop or take-profit always has."""
        if self.trigger_price is None:
            raise DomainError(f"{self.spec.order_id}: a {self.spec.type} order without a trigger is being worked on")
        return self.trigger_price
