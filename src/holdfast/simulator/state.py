"""All that the venue must remember over its own restart, as one JSON text."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.errors import DataError
from holdfast.core.record import Record, encode
from holdfast.matching.continuous import Resting
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.purse import Holding
from holdfast.simulator.records import VirtualOrder, VirtualTrade, VirtualTrigger
from holdfast.simulator.triggers import Triggers

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


class ExchangeState(Record, frozen=True):
    """Body of a snapshot. What is bound follows from the open orders, the market from its time."""

    version: int
    ts: int
    sequence: int
    held: tuple[HeldAsset, ...]
    orders: tuple[VirtualOrder, ...]
    trades: tuple[VirtualTrade, ...]
    triggers: tuple[VirtualTrigger, ...]
    countdowns: tuple[Countdown, ...] = ()


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
        )
    )  # fmt: skip


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
    for order in kept.orders:
        if order.is_open:
            market = exchange.markets[order.pair]
            market.book.add(Resting(order.id, order.account, order.side, order.price, order.left))
    triggers.restore(kept.triggers, {(line.account, line.pair): line.falls for line in kept.countdowns})
    exchange.drain()
