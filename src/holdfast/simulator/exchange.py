"""The simulated venue itself: accounts, orders and triggers against a moving market and against each other. No socket.

`ts` is the market's time, which moves with `advance`. `now` is the venue's wall clock, set by whoever calls: it rules
what real time rules at the venue (how long a text is found, how close two triggers may come). News about all that
happened is taken with `drain`. A refusal is a `VenueRefusal` with the venue's own label, and has changed nothing.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Final, Protocol

from holdfast.core.time import SECOND
from holdfast.domain.values import ZERO, Side
from holdfast.matching.continuous import Resting
from holdfast.simulator.market import PairMarket, Print
from holdfast.simulator.orders import check_form, check_grid, check_market, need_pair, needed
from holdfast.simulator.purse import FEES, MARKET, Purse
from holdfast.simulator.records import (
    AccountSpec,
    AccountTraded,
    BalanceChanged,
    CandleChanged,
    OrderAsk,
    OrderChanged,
    PairSpec,
    PublicTrade,
    Push,
    QuoteChanged,
    VirtualOrder,
    VirtualTrade,
)
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.venue_market import VenueMarket

ORDERS_KEPT: Final = 20_000
OPEN_MAX: Final = 10_000
TRADES_KEPT: Final = 50_000
TEXT_FOUND_FOR: Final = 60 * SECOND
"""How long after its end an order is found by its text, as Gate.io's documents have it; by its id for longer."""


class Wakers(Protocol):
    """Whoever waits for a price."""

    def between(self, pair: str, last: Decimal, price: Decimal) -> Sequence[Decimal]:
        """Return the prices on the way from `last` to `price` at which somebody wakes, in the order of the way."""
        ...

    def look(self, pairs: Iterable[str]) -> None:
        """Let those wake whose price is reached."""
        ...


class VirtualExchange:
    """All of the venue. One thread only."""

    def __init__(
        self, pairs: Sequence[PairSpec], markets: Sequence[PairMarket], accounts: Sequence[AccountSpec]
    ) -> None:
        self.markets = {spec.id: VenueMarket(spec, prints) for spec, prints in zip(pairs, markets, strict=True)}
        self.accounts = {account.key: account for account in accounts}
        self.purse = Purse()
        for account in accounts:
            for asset, amount in account.balances.items():
                self.purse.deposit(account.key, asset, amount)
        self.orders: OrderedDict[int, VirtualOrder] = OrderedDict()
        self.texts: dict[tuple[str, str], int] = {}
        self.trades: deque[VirtualTrade] = deque(maxlen=TRADES_KEPT)
        self.sequence = 1_000_000
        self.ts = min((market.prints.next.ts for market in self.markets.values() if market.prints.next), default=0)
        self.wakers: Wakers | None = None
        self.now = 0
        """The venue's wall clock (ns): set by whoever calls, before each call."""
        self._pushes: list[Push] = []

    # -- the market --------------------------------------------------------------------------------
    def advance(self, ts: int) -> None:
        """Let the market move on to `ts`, and let those wake who wait for its prices."""
        queue = [(m.prints.next.ts, m.id) for m in self.markets.values() if m.prints.next is not None]
        heapq.heapify(queue)
        while queue and queue[0][0] <= ts:
            _, name = heapq.heappop(queue)
            market = self.markets[name]
            self._walk(market)
            found = market.prints.step()
            if found is not None:
                self.ts = max(self.ts, found.ts)
                self._on_print(market, found)
                if self.wakers is not None:
                    self.wakers.look((name,))
            if market.prints.next is not None:
                heapq.heappush(queue, (market.prints.next.ts, name))
        self.ts = max(self.ts, ts)

    def _walk(self, market: VenueMarket) -> None:
        """Stop on the way to the next print wherever somebody waits, so that no stop fills at the bar's extreme."""
        found = market.prints.next
        if self.wakers is None or found is None or not found.is_walked or not found.volume:
            return
        for price in self.wakers.between(market.id, market.prints.last, found.price):
            self.ts = max(self.ts, found.ts)
            market.prints.touch(price, found.volume)
            self._tell_depth(market)
            self.wakers.look((market.id,))

    def skip_to(self, ts: int) -> None:
        """Let the market stand where it stood at `ts`; nothing trades on the way."""
        for market in self.markets.values():
            while market.prints.next is not None and market.prints.next.ts <= ts:
                market.prints.step()
            market.changes(ts)
        self.ts = ts

    def take_up(self, orders: Iterable[VirtualOrder], trades: Iterable[VirtualTrade]) -> None:
        """Remember what a snapshot has kept, and bind what its open orders bind."""
        self.orders, self.texts = OrderedDict(), {}
        for order in orders:
            self._remember(order)
            if order.is_open:
                self._lock(self.markets[order.pair], order, _bound(order))
        self.trades.clear()
        self.trades.extend(trades)

    @property
    def next_ts(self) -> int | None:
        """Return when the market moves next; None at its end."""
        return min((m.prints.next.ts for m in self.markets.values() if m.prints.next is not None), default=None)

    def _on_print(self, market: VenueMarket, found: Print) -> None:
        if found.bar is not None:
            self._pushes.append(CandleChanged(market.id, found.bar.ts_event - market.prints.timeframe.nanos, True))
            return
        if found.book is not None:
            self._meet(market)
            self._tell_depth(market)
            return
        if found.volume:
            side = found.side or (Side.SELL if market.prints.is_falling else Side.BUY)
            self._print(market, side, found.price, found.volume)
            self._go_through(market, found)
        opened = found.ts // market.prints.timeframe.nanos * market.prints.timeframe.nanos
        self._pushes.append(CandleChanged(market.id, opened, False))
        self._tell_depth(market)

    def _go_through(self, market: VenueMarket, found: Print) -> None:
        """Fill what rests and the print has gone through, as far as a share of its volume reaches."""
        lot = market.spec.instrument.lot
        left = (found.volume * market.prints.config.participation_max / lot).to_integral_value(ROUND_DOWN) * lot
        for side in Side:
            for resting in market.book.waiting(side):
                is_through = resting.price > found.price if side is Side.BUY else resting.price < found.price
                if not is_through or not left:
                    break
                quantity = min(resting.left, left)
                left -= quantity
                market.book.take(resting, quantity)
                self._trade(market, None, self.orders[resting.order_id], quantity, resting.price)

    def _meet(self, market: VenueMarket) -> None:
        """Fill what rests and strangers have come to with their own orders, at the price that rests."""
        for side in Side:
            strangers = market.prints.strangers.against(side)
            for resting in market.book.waiting(side):
                while resting.left and strangers and not _is_better(side, resting.price, strangers[0][0]):
                    quantity = min(resting.left, strangers[0][1])
                    market.book.take(resting, quantity)
                    self._print(market, side.opposite, resting.price, quantity)
                    self._trade(market, None, self.orders[resting.order_id], quantity, resting.price)
                    strangers[0][1] -= quantity
                    if not strangers[0][1]:
                        strangers.pop(0)

    # -- orders ------------------------------------------------------------------------------------
    def place(self, account: str, ask: OrderAsk) -> VirtualOrder:
        """Take an order: it trades with what is there, and what may rest does."""
        market = need_pair(self.markets, ask.pair)
        if sum(len(other.book) for other in self.markets.values()) >= OPEN_MAX:
            raise VenueRefusal("TOO_MANY_ORDERS", "Too many open orders")
        self._check(market, account, ask)
        self.sequence += 1
        order = VirtualOrder(
            self.sequence, account, ask.pair, ask.side, ask.type, ask.amount, ask.price or ZERO, ask.time_in_force,
            ask.text or "apiv4", ask.amount, self.ts, self.ts, stp_act=ask.stp_act,
        )  # fmt: skip
        self._remember(order)
        self._lock(market, order, _bound(order))
        self._pushes.append(OrderChanged("put", self._copy(order)))
        self._take(market, order)
        if order.is_open and order.left and order.type == "limit" and order.time_in_force in ("gtc", "poc"):
            market.book.add(Resting(order.id, account, order.side, order.price, order.left))
        elif order.is_open:
            self._finish(market, order, "filled" if not self._is_left(market, order) else order.time_in_force)
        self._tell_depth(market)
        return order

    def cancel(self, account: str, order_id: int) -> VirtualOrder:
        """Take back what is left of an order."""
        order = self.orders.get(order_id)
        if order is None or order.account != account:
            raise VenueRefusal("ORDER_NOT_FOUND", "Order not found", 404)
        if not order.is_open:
            is_filled = order.status == "closed"
            label = "ORDER_CLOSED" if is_filled else "ORDER_CANCELLED"
            raise VenueRefusal(label, f"Order already {'closed' if is_filled else 'cancelled'}")
        market = self.markets[order.pair]
        self._finish(market, order, "cancelled")
        self._tell_depth(market)
        return order

    def amend(self, account: str, order_id: int, price: Decimal | None, amount: Decimal | None) -> VirtualOrder:
        """Give a resting limit order another price, another amount, or both; it loses its place in the queue."""
        order = self.orders.get(order_id)
        if order is None or order.account != account:
            raise VenueRefusal("ORDER_NOT_FOUND", "Order not found", 404)
        if not order.is_open:
            raise VenueRefusal("ORDER_CLOSED", "Order already closed")
        market = self.markets[order.pair]
        new_price, new_amount = price or order.price, amount or order.amount
        if (new_price, new_amount) == (order.price, order.amount):
            raise VenueRefusal("NO_CHANGE", "No change is made")
        if new_amount <= order.filled:
            raise VenueRefusal("INVALID_PARAM_VALUE", "Amount is not above what has filled")
        ask = OrderAsk(order.pair, order.side, "limit", new_amount, new_price, order.time_in_force)
        before = _bound(order)
        self._lock(market, order, -before)
        try:
            self._check(market, account, ask, order.filled)
        except VenueRefusal:
            self._lock(market, order, before)
            raise
        market.book.remove(order.id)
        order.price, order.left, order.amount = new_price, new_amount - order.filled, new_amount
        order.ts_update = self.ts
        self._lock(market, order, _bound(order))
        self._pushes.append(OrderChanged("update", self._copy(order)))
        self._take(market, order)
        if order.status == "open":
            market.book.add(Resting(order.id, account, order.side, order.price, order.left))
        self._tell_depth(market)
        return order

    def find(self, account: str, name: str) -> VirtualOrder:
        """Return an order by its id, or by its text while it rests and for a minute after."""
        order = self.orders.get(int(name)) if name.isdecimal() else None
        if name.startswith("t-"):
            order = self.orders.get(self.texts.get((account, name), 0))
            if order is not None and not order.is_open and self.now - order.ts_end > TEXT_FOUND_FOR:
                order = None
        if order is None or order.account != account:
            raise VenueRefusal("ORDER_NOT_FOUND", "Order not found", 404)
        return order

    def open_orders(self, account: str, pair: str = "", side: Side | None = None) -> list[VirtualOrder]:
        """Return what rests of an account, oldest first."""
        return [
            order
            for order in self.orders.values()
            if order.is_open and order.account == account and pair in ("", order.pair) and side in (None, order.side)
        ]

    # -- news --------------------------------------------------------------------------------------
    def drain(self) -> list[Push]:
        """Return what has happened since the last call, in order."""
        for account, asset, change in self.purse.take_changes():
            if account not in (MARKET, FEES):
                held = self.purse.of(account, asset)
                self._pushes.append(BalanceChanged(account, asset, change, held.total, held.available, self.ts))
        pushes, self._pushes = self._pushes, []
        return pushes

    def tell(self, push: Push) -> None:
        """Add to the news."""
        self._pushes.append(push)

    # -- trading -----------------------------------------------------------------------------------
    def _take(self, market: VenueMarket, order: VirtualOrder) -> None:
        """Let an order trade with what is there: the better price first, accounts before strangers where equal."""
        opposite = order.side.opposite
        while order.is_open and self._is_left(market, order):
            resting = next(market.book.waiting(opposite), None)
            strangers = market.prints.strangers.against(order.side)
            stranger = strangers[0] if strangers else None
            if resting is not None and stranger is not None and _is_better(order.side, stranger[0], resting.price):
                resting = None
            offer = (resting.price, resting.left) if resting is not None else stranger
            if offer is None or (order.type == "limit" and _is_better(order.side, order.price, offer[0])):
                return
            price, quantity = offer[0], min(self._wanted(market, order, offer[0]), offer[1])
            if not quantity:
                return
            if resting is not None and resting.account == order.account and order.stp_act != "-":
                self._prevent(market, order, resting)
                continue
            self._print(market, order.side, price, quantity)
            if resting is not None:
                market.book.take(resting, quantity)
                self._trade(market, order, self.orders[resting.order_id], quantity, price)
                continue
            self._trade(market, order, None, quantity, price)
            strangers[0][1] -= quantity
            if not strangers[0][1]:
                strangers.pop(0)

    def _prevent(self, market: VenueMarket, order: VirtualOrder, resting: Resting) -> None:
        if order.stp_act in ("co", "cb"):
            self._finish(market, self.orders[resting.order_id], "stp")
        if order.stp_act in ("cn", "cb"):
            self._finish(market, order, "stp")

    def _wanted(self, market: VenueMarket, order: VirtualOrder, price: Decimal) -> Decimal:
        if order.type == "market" and order.side is Side.BUY:
            lot = market.spec.instrument.lot
            return (order.left / price / lot).to_integral_value(ROUND_DOWN) * lot
        return order.left

    def _is_left(self, market: VenueMarket, order: VirtualOrder) -> bool:
        if order.type == "market" and order.side is Side.BUY and market.prints.last:
            return bool(self._wanted(market, order, market.prints.last))  # less than a lot's worth buys nothing more
        return bool(order.left)

    def _trade(
        self, market: VenueMarket, taker: VirtualOrder | None, maker: VirtualOrder | None, quantity: Decimal,
        price: Decimal,
    ) -> None:  # fmt: skip
        """Book a trade between two orders, or between one and the strangers."""
        instrument, value = market.spec.instrument, price * quantity
        sides = [(order, role) for order, role in ((taker, "taker"), (maker, "maker")) if order is not None]
        for order, _ in sides:
            self._lock(market, order, -_unbound(order, quantity, value))
        first = sides[0][0]
        other = sides[1][0].account if len(sides) > 1 else MARKET
        seller, buyer = (other, first.account) if first.side is Side.BUY else (first.account, other)
        self.purse.move(seller, buyer, str(instrument.base), quantity)
        self.purse.move(buyer, seller, str(instrument.quote), value)
        for order, role in sides:
            self._count(market, order, quantity, price, role)

    def _count(self, market: VenueMarket, order: VirtualOrder, quantity: Decimal, price: Decimal, role: str) -> None:
        instrument, value, is_buy = market.spec.instrument, price * quantity, order.side is Side.BUY
        rate = market.spec.fee_taker if role == "taker" else market.spec.fee_maker
        # The fee is taken from what is received: of a purchase it is paid in the base asset.
        fee, asset = (quantity * rate, instrument.base) if is_buy else (value * rate, instrument.quote)
        self.purse.move(order.account, FEES, str(asset), fee)
        order.filled += quantity
        order.filled_total += value
        order.left -= value if is_buy and order.type == "market" else quantity
        order.fee += fee
        order.fee_currency, order.ts_update = str(asset), self.ts
        self.sequence += 1
        trade = VirtualTrade(
            self.sequence, order.account, order.pair, order.side, role, quantity, price, fee, str(asset), order.id,
            order.text, self.ts,
        )  # fmt: skip
        self.trades.append(trade)
        self._pushes.append(AccountTraded(trade))
        if order.left:
            self._pushes.append(OrderChanged("update", self._copy(order)))
        else:
            self._finish(market, order, "filled")

    def _finish(self, market: VenueMarket, order: VirtualOrder, finish_as: str) -> None:
        if not order.is_open:
            return
        self._lock(market, order, -_bound(order))
        market.book.remove(order.id)
        order.status = "closed" if finish_as == "filled" else "cancelled"
        order.finish_as, order.ts_update, order.ts_end = finish_as, self.ts, self.now
        self._pushes.append(OrderChanged("finish", self._copy(order)))

    def _check(self, market: VenueMarket, account: str, ask: OrderAsk, filled: Decimal = ZERO) -> None:
        check_form(ask)
        if ask.text and (account, ask.text) in self.texts:
            raise VenueRefusal("REPEATED_CREATION", "Repeated creation")
        check_grid(market, ask)
        asset, need = needed(market, ask, filled)
        if need > self.purse.of(account, asset).available:
            raise VenueRefusal("BALANCE_NOT_ENOUGH", "Not enough balance")
        check_market(market, ask)

    def _lock(self, market: VenueMarket, order: VirtualOrder, amount: Decimal) -> None:
        instrument = market.spec.instrument
        asset = instrument.quote if order.side is Side.BUY else instrument.base
        self.purse.lock(order.account, str(asset), amount)

    def _remember(self, order: VirtualOrder) -> None:
        self.orders[order.id] = order
        if order.text.startswith("t-"):
            self.texts[(order.account, order.text)] = order.id
        while len(self.orders) > ORDERS_KEPT:
            oldest = next(iter(self.orders.values()))
            if oldest.is_open:
                self.orders.move_to_end(oldest.id)
                continue
            del self.orders[oldest.id]
            self.texts.pop((oldest.account, oldest.text), None)

    @staticmethod
    def _copy(order: VirtualOrder) -> VirtualOrder:
        return VirtualOrder(*(getattr(order, name) for name in VirtualOrder.__struct_fields__))

    # -- what the public sees ----------------------------------------------------------------------
    def _print(self, market: VenueMarket, side: Side, price: Decimal, quantity: Decimal) -> None:
        self.sequence += 1
        trade = PublicTrade(market.id, self.sequence, side, price, quantity, self.ts)
        market.trades.append(trade)
        self._pushes.append(trade)

    def _tell_depth(self, market: VenueMarket) -> None:
        changes = market.changes(self.ts)
        if changes is not None:
            self._pushes.append(changes)
            self._pushes.append(QuoteChanged(market.id, self.ts))


def _bound(order: VirtualOrder) -> Decimal:
    """Return what is bound for what is left of an order."""
    return order.left if order.side is Side.SELL or order.type == "market" else order.left * order.price


def _unbound(order: VirtualOrder, quantity: Decimal, value: Decimal) -> Decimal:
    """Return what a trade lets go of what was bound; a better price than the limit frees the rest with it."""
    if order.side is Side.SELL:
        return quantity
    return value if order.type == "market" else order.price * quantity


def _is_better(side: Side, price: Decimal, other: Decimal) -> bool:
    """Tell whether `price` suits an order of `side` better than `other`."""
    return price < other if side is Side.BUY else price > other
