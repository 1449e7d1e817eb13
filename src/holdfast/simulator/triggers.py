"""Price-triggered orders and the countdown that cancels what rests: both wait, and bind nothing until they act."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from holdfast.core.time import SECOND
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.orders import need_pair
from holdfast.simulator.records import OrderAsk, TriggerAsk, TriggerChanged, VirtualTrigger
from holdfast.simulator.refusal import VenueRefusal

SPACING: Final = 1_500_000_000
"""Two with one rule on a market within this time (ns of the wall clock) are refused, as users of Gate.io report."""
TRIGGERS_KEPT: Final = 20_000
COUNTDOWN_MIN_S: Final = 5


class Triggers:
    """All price-triggered orders of the venue, and each account's countdown."""

    def __init__(self, exchange: VirtualExchange) -> None:
        self._exchange = exchange
        exchange.wakers = self
        self.triggers: dict[int, VirtualTrigger] = {}
        self._open: dict[str, dict[int, VirtualTrigger]] = {}
        self._last: dict[tuple[str, str, str], int] = {}  # account, market, rule: when one was placed
        self.countdowns: dict[tuple[str, str], int] = {}  # account, pair or "": when it falls

    def place(self, account: str, ask: TriggerAsk) -> VirtualTrigger:
        """Take a trigger; the market must not have reached it yet."""
        exchange = self._exchange
        market = need_pair(exchange.markets, ask.pair)
        if ask.rule not in ("<=", ">=") or ask.trigger_price <= 0 or ask.amount <= 0:
            raise VenueRefusal("INVALID_PARAM_VALUE", "Invalid parameter `trigger`")
        if ask.type not in ("limit", "market") or ask.time_in_force not in ("gtc", "ioc"):
            raise VenueRefusal("INVALID_PARAM_VALUE", "Invalid parameter `put`")
        last = market.prints.last
        if ask.rule == "<=" and ask.trigger_price >= last:
            raise VenueRefusal("AUTO_TRIGGER_PRICE_GREATE_LAST", f"trigger price must be < last price {last:f}")
        if ask.rule == ">=" and ask.trigger_price <= last:
            raise VenueRefusal("AUTO_TRIGGER_PRICE_LESS_LAST", f"trigger price must be > last price {last:f}")
        key = (account, ask.pair, ask.rule)
        if exchange.now - self._last.get(key, -SPACING) < SPACING:
            raise VenueRefusal("REPEAT_REQUEST", "Repeat request")
        self._last[key] = exchange.now
        exchange.sequence += 1
        trigger = VirtualTrigger(exchange.sequence, account, ask, exchange.ts, exchange.now)
        self.triggers[trigger.id] = trigger
        self._open.setdefault(ask.pair, {})[trigger.id] = trigger
        self._forget()
        exchange.tell(TriggerChanged(trigger))
        return trigger

    def find(self, account: str, trigger_id: int) -> VirtualTrigger:
        """Return an account's trigger, open or over."""
        trigger = self.triggers.get(trigger_id)
        if trigger is None or trigger.account != account:
            raise VenueRefusal("ORDER_NOT_FOUND", "Order not found", 404)
        return trigger

    def listed(self, account: str, is_open: bool, pair: str = "") -> list[VirtualTrigger]:
        """Return an account's triggers, the newest first."""
        return [
            trigger
            for trigger in reversed(self.triggers.values())
            if trigger.account == account and (trigger.status == "open") is is_open and pair in ("", trigger.ask.pair)
        ]

    def cancel(self, account: str, trigger_id: int) -> VirtualTrigger:
        """Take a trigger back."""
        trigger = self.find(account, trigger_id)
        if trigger.status != "open":
            raise VenueRefusal("ORDER_CLOSED", "Order already closed")
        self._end(trigger, "cancelled")
        return trigger

    def between(self, pair: str, last: Decimal, price: Decimal) -> list[Decimal]:
        """Return the prices on the way from `last` to `price` at which something fires, in the order of the way."""
        rule = "<=" if price < last else ">="
        low, high = min(last, price), max(last, price)
        asked = {trigger.ask.trigger_price for trigger in self._open.get(pair, {}).values() if trigger.ask.rule == rule}
        return sorted((one for one in asked if low < one < high), reverse=rule == "<=")

    def look(self, pairs: Iterable[str]) -> None:
        """Fire what the last prices have reached, and let expire what has waited for too long."""
        exchange = self._exchange
        for pair in dict.fromkeys(pairs):
            last = exchange.markets[pair].prints.last
            for trigger in list(self._open.get(pair, {}).values()):
                ask = trigger.ask
                if last <= ask.trigger_price if ask.rule == "<=" else last >= ask.trigger_price:
                    self._fire(trigger)
                elif ask.expiration_s and exchange.now - trigger.now_create > ask.expiration_s * SECOND:
                    self._end(trigger, "expired")

    def count_down(self, account: str, timeout_s: int, pair: str = "") -> int:
        """Let all that rests be canceled after `timeout_s`, unless it is called again; 0 ends it. Returns when (ns)."""
        if timeout_s and timeout_s < COUNTDOWN_MIN_S:
            raise VenueRefusal("INVALID_PARAM_VALUE", f"timeout must be 0 or at least {COUNTDOWN_MIN_S}")
        if not timeout_s:
            self.countdowns.pop((account, pair), None)
            return 0
        falls = self._exchange.now + timeout_s * SECOND
        self.countdowns[(account, pair)] = falls
        return falls

    def fall(self) -> None:
        """Cancel what rests of each account whose countdown has fallen. Triggers wait on."""
        exchange = self._exchange
        for (account, pair), falls in list(self.countdowns.items()):
            if exchange.now >= falls:
                del self.countdowns[(account, pair)]
                for order in exchange.open_orders(account, pair):
                    exchange.cancel(account, order.id)

    def restore(self, triggers: Iterable[VirtualTrigger], countdowns: dict[tuple[str, str], int]) -> None:
        """Take up what a snapshot has kept."""
        self.triggers = {trigger.id: trigger for trigger in triggers}
        self._open.clear()
        for trigger in self.triggers.values():
            if trigger.status == "open":
                self._open.setdefault(trigger.ask.pair, {})[trigger.id] = trigger
        self.countdowns = dict(countdowns)

    def _fire(self, trigger: VirtualTrigger) -> None:
        ask = trigger.ask
        is_market = ask.type == "market"
        order = OrderAsk(
            ask.pair, ask.side, ask.type, ask.amount, None if is_market else ask.price,
            "ioc" if is_market else ask.time_in_force,
        )  # fmt: skip
        try:
            placed = self._exchange.place(trigger.account, order)
        except VenueRefusal as refusal:
            trigger.reason = refusal.label
            self._end(trigger, "failed")
            return
        trigger.fired_order_id = placed.id
        self._end(trigger, "finish")

    def _end(self, trigger: VirtualTrigger, status: str) -> None:
        trigger.status, trigger.ts_finish = status, self._exchange.ts
        self._open.get(trigger.ask.pair, {}).pop(trigger.id, None)
        self._exchange.tell(TriggerChanged(trigger))

    def _forget(self) -> None:
        while len(self.triggers) > TRIGGERS_KEPT:
            oldest = next((x for x in self.triggers.values() if x.status != "open"), None)
            if oldest is None:
                return
            del self.triggers[oldest.id]
