"""All that the venue must remember over its own restart, as one JSON text."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.errors import DataError
from holdfast.core.record import Record, encode
from holdfast.domain.values import Side
from holdfast.matching.continuous import Resting
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.purse import Holding
from holdfast.simulator.records import VirtualOrder, VirtualTrade, VirtualTrigger
from holdfast.simulator.triggers import Triggers
from holdfast.simulator.venue_market import VenueMarket

STATE_VERSION: Final = 1


class HeldAsset(Record, frozen=True):
    """One line of the venue's books."""

    account: str
    asset: str
    total: Decimal


class Countdown(Record, frozen=True):
    """When (ns, wall clock) an account's resting orders are canceled."""

    account: str
    pair: str
    falls: int


class KeptMarket(Record, frozen=True):
    """What a market does not tell by its time: what is left of the strangers' orders, and who stands before whom."""

    pair: str
    last_id: int
    bids: tuple[tuple[Decimal, Decimal], ...]
    asks: tuple[tuple[Decimal, Decimal], ...]
    resting: tuple[int, ...]


class ExchangeState(Record, frozen=True):
    """Body of a snapshot. What is bound follows from the open orders, the rest of the market from its time."""

    version: int
    ts: int
    sequence: int
    held: tuple[HeldAsset, ...]
    orders: tuple[VirtualOrder, ...]
    trades: tuple[VirtualTrade, ...]
    triggers: tuple[VirtualTrigger, ...]
    countdowns: tuple[Countdown, ...] = ()
    markets: tuple[KeptMarket, ...] = ()


def snapshot(exchange: VirtualExchange, triggers: Triggers) -> bytes:
    """Return the state of the venue."""
    held = tuple(
        HeldAsset(account, asset, holding.total)
        for account, assets in exchange.purse.holdings.items()
        for asset, holding in assets.items()
    )
    return encode(
        ExchangeState(
            STATE_VERSION, exchange.ts, exchange.sequence, held, tuple(exchange.orders.values()),
            tuple(exchange.trades), tuple(triggers.triggers.values()),
            tuple(Countdown(account, pair, falls) for (account, pair), falls in triggers.countdowns.items()),
            tuple(_kept(market) for market in exchange.markets.values()),
        )
    )  # fmt: skip


def _kept(market: VenueMarket) -> KeptMarket:
    strangers = market.prints.strangers
    bids, asks = (tuple((price, left) for price, left in side) for side in (strangers.bids, strangers.asks))
    resting = tuple(order.order_id for side in Side for order in market.book.waiting(side))
    return KeptMarket(market.id, market.last_id, bids, asks, resting)


def restore(exchange: VirtualExchange, triggers: Triggers, state: bytes) -> None:
    """Take up a state in place of what there was; the market goes on where it stood, and nothing trades on the way.

    Raises
    ------
    DataError
        It is no state of this venue, or of another version, or of markets that it does not have.
    """
    try:
        kept = msgspec.json.decode(state, type=ExchangeState)
    except msgspec.MsgspecError as error:
        raise DataError(f"this is no state of a venue: {error}", hint="move it away to begin anew") from error
    if kept.version != STATE_VERSION:
        raise DataError(f"the state has version {kept.version}, expected {STATE_VERSION}", hint="move it away")
    if unknown := sorted({order.pair for order in kept.orders} - exchange.markets.keys()):
        raise DataError(f"the state has orders on {', '.join(unknown)}, which are not traded", hint="name their market")
    exchange.skip_to(kept.ts)
    exchange.sequence = kept.sequence
    exchange.purse.holdings = {}
    for line in kept.held:
        exchange.purse.holdings.setdefault(line.account, {})[line.asset] = Holding(line.total)
    exchange.take_up(kept.orders, kept.trades)
    _take_up_markets(exchange, kept)
    triggers.restore(kept.triggers, {(line.account, line.pair): line.falls for line in kept.countdowns})
    exchange.drain()


def _take_up_markets(exchange: VirtualExchange, kept: ExchangeState) -> None:
    queued = [order_id for market in kept.markets for order_id in market.resting]
    first = {order_id: place for place, order_id in enumerate(queued)}
    for order in sorted(kept.orders, key=lambda order: first.get(order.id, order.id)):
        if order.is_open:
            market = exchange.markets[order.pair]
            market.book.add(Resting(order.id, order.account, order.side, order.price, order.left))
    for line in kept.markets:
        if line.pair not in exchange.markets:
            continue
        market = exchange.markets[line.pair]
        strangers = market.prints.strangers
        strangers.bids, strangers.asks = [[*level] for level in line.bids], [[*level] for level in line.asks]
        market.changes(kept.ts)  # nobody is told of what has been so for long
        market.last_id = line.last_id
