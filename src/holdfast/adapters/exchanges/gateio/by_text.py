"""Finds an order by the text that we gave it, wherever the venue still knows it."""

from __future__ import annotations

import asyncio

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.errors import GateioError, Reaction
from holdfast.adapters.exchanges.gateio.mapping import text_of
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.tracker import Tracked
from holdfast.domain.order import OrderType


async def find_by_text(rest: GateioRest, found: Tracked) -> wire.Order | None:
    """Return the order with our text: among what rests, what has just ended, and what has traded."""
    text = text_of(found.order_id)
    try:
        return await rest.order(text, found.pair)
    except GateioError as error:
        if error.reaction is not Reaction.GONE:
            raise
    # First what rests: what ends in between is then among what has ended. An order for the market never rests.
    resting = [] if found.order.spec.type is OrderType.MARKET else await rest.orders(found.pair, "open")
    ended, trades = await asyncio.gather(rest.orders(found.pair, "finished"), rest.my_trades(found.pair))
    for order in (*resting, *ended):
        if order.text == text:
            return order
    for trade in trades:
        if trade.text == text:
            return await rest.order(trade.venue_order_id, found.pair)
    return None
