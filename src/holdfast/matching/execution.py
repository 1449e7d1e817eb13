"""How one order fills: how much, at what price, what it costs, and what its group loses by it."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.domain.order import Liquidity, OrderAmended, OrderCanceled, OrderEvent, OrderFilled, TimeInForce
from holdfast.domain.values import ONE, ZERO, Price, Quantity
from holdfast.matching.account import Account, margin
from holdfast.matching.book import Book, TradedBar
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import fee, half_spread, slippage, taker_price
from holdfast.matching.working import WorkingOrder

# Read once: from its class a member takes as long as ten comparisons.
_FOK: Final = TimeInForce.FOK
_MAKER: Final = Liquidity.MAKER


class Terms(Record, frozen=True):
    """On what terms an order may trade now."""

    ts: int
    base: Decimal  # the price before costs
    reference: Price  # what it would have been without spread, slippage and gap
    liquidity: Liquidity = Liquidity.TAKER
    is_gap: bool = False
    is_late: bool = False  # it was still on its way when the price went past it
    depth: Decimal = ZERO  # how far the bar went on against it beyond `base` (quote units)
    price_worst: Price | None = None  # a taker pays no worse than this
    is_capped: bool = False  # worse than `price_worst` fills at it; else it does not fill


class Executor:
    """Carries fills out: events, balances, holds and groups. One per venue; it counts the trades."""

    __slots__ = ("_adverse", "_is_stale", "account", "config", "sequence")

    def __init__(self, config: MatchingConfig, account: Account) -> None:
        self.config, self.account = config, account
        self.sequence = 0
        # What a taker pays whatever its share of the bar, where the share is of no account.
        is_fixed = not config.impact and not config.sweep
        self._adverse = half_spread(config) + slippage(config, ZERO) if is_fixed else None
        self._is_stale = False  # orders have changed since what they bind was last computed

    def number(self) -> int:
        """Return the next number of this venue: for orders and trades alike."""
        self.sequence += 1
        return self.sequence

    def cancel(self, book: Book, order: WorkingOrder, ts: int, reason: str) -> OrderCanceled:
        """Take the order off the book; what it bound is free after the next `settle`."""
        book.remove(order)
        self._is_stale = True
        return OrderCanceled(order.spec.order_id, ts, reason)

    def settle(self, book: Book) -> None:
        """Bind what the orders of the book now need, if they have changed."""
        if self._is_stale:
            self.account.hold(book.instrument, book.holds())
            self._is_stale = False

    def fill(self, book: Book, order: WorkingOrder, bar: TradedBar, terms: Terms) -> list[OrderEvent]:
        """Fill what volume, limit and balance allow; end what may not rest. The caller settles when all is done."""
        spec, left = order.spec, order.left
        events: list[OrderEvent] = []
        budget = book.budget(bar, self.config)
        quantity = left if budget is None or left <= budget else budget
        is_fok = spec.time_in_force is _FOK
        is_at_once = order.is_at_once and order.limit_price is not None
        if is_fok and quantity < left and order.is_at_once:
            return [self.cancel(book, order, terms.ts, "fok")]
        if quantity > ZERO:
            price = self._price(book, order, bar, terms, quantity)
            if price is None:
                return [self.cancel(book, order, terms.ts, "fok" if is_fok else "ioc")]
            paid = self._affordable(book, order, price, quantity)
            if is_fok and paid < quantity and order.is_at_once:
                return [self.cancel(book, order, terms.ts, "fok")]
            if paid > ZERO:
                events += self._trade(book, order, terms, price, Quantity(paid))
            if paid < quantity and spec.order_id in book.orders:
                events.append(self.cancel(book, order, terms.ts, "balance"))
        if is_at_once and spec.order_id in book.orders:
            events.append(self.cancel(book, order, terms.ts, "ioc"))
        return events

    def _price(self, book: Book, order: WorkingOrder, bar: TradedBar, terms: Terms, quantity: Decimal) -> Price | None:
        if terms.liquidity is _MAKER:
            return order.need_limit()
        config, adverse = self.config, self._adverse
        if adverse is None:
            volume = bar.volume_exact
            share = min(quantity / volume, ONE) if volume > 0 else ONE
            adverse = half_spread(config) + slippage(config, share)
            if terms.depth > 0 and config.sweep:
                adverse += config.sweep * share * terms.depth / terms.base
        price = taker_price(terms.base, order.spec.side, adverse, book.instrument)
        worst = terms.price_worst
        if worst is not None and (price > worst if order.is_buy else price < worst):
            return worst if terms.is_capped else None
        return price

    def _affordable(self, book: Book, order: WorkingOrder, price: Price, quantity: Decimal) -> Decimal:
        """Return how much of `quantity` the account can give or pay: what is free, and what the order's group binds."""
        self.settle(book)
        account, instrument = self.account, book.instrument
        if book.is_closing(order):
            free = account.closable(instrument, order.spec.side)
            if quantity <= free + order.left:  # the order itself binds that much at least
                return quantity
            return min(quantity, free + account.held_for(instrument)[0] - book.holds(without=order)[0])
        free = account.available(instrument.quote)
        cost = margin(price, quantity, book.fee_rate_max)
        if cost <= free:
            return quantity
        free += account.held_for(instrument)[1] - book.holds(without=order)[1]
        return quantity if cost <= free else instrument.quantity(max(free, ZERO) * quantity / cost)

    def _trade(
        self, book: Book, order: WorkingOrder, terms: Terms, price: Price, quantity: Quantity
    ) -> list[OrderEvent]:
        spec = order.spec
        charged = fee(self.config, book.instrument, price * quantity, terms.liquidity)
        fill = OrderFilled(
            spec.order_id, terms.ts, f"T{self.number()}", price, quantity, charged,
            terms.liquidity, terms.reference, terms.is_gap, terms.is_late,
        )  # fmt: skip
        order.filled += quantity
        book.used += quantity
        self.account.settle(book.instrument, spec.side, fill)
        events: list[OrderEvent] = [fill]
        if spec.group:
            events += self._share(book, order, terms.ts, quantity)
        if not order.left:
            book.remove(order)
        self._is_stale = True
        return events

    def _share(self, book: Book, order: WorkingOrder, ts: int, quantity: Quantity) -> list[OrderEvent]:
        """Take what was filled from what the group shares; nobody in it may ask for more than is left."""
        left = book.shared[order.spec.group] = book.shared[order.spec.group] - quantity
        events: list[OrderEvent] = []
        for other in book.members(order):
            if left <= ZERO:
                events.append(self.cancel(book, other, ts, "group"))
            elif other.left > left:
                other.quantity = other.filled + left
                events.append(OrderAmended(other.spec.order_id, ts, quantity=Quantity(other.quantity)))
        return events
