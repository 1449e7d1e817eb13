"""One look at an account: what rested at one moment, asked once however many orders are compared with it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from holdfast.adapters.exchanges.gateio import wire
from holdfast.adapters.exchanges.gateio.rest import GateioRest

_PAGE: Final = 100


class Look:
    """What rests. All of it is of a moment after `ts`, the venue's time (ns) before the first question."""

    def __init__(self, rest: GateioRest, ts: int) -> None:
        self.ts = ts
        self.orders: Mapping[str, wire.Order] = {}
        self.triggers: Mapping[str, wire.TriggerOrder] = {}
        self._rest = rest
        self._ended: dict[str, list[wire.TriggerOrder]] = {}
        self._turn = asyncio.Lock()

    async def take_triggers(self) -> None:
        """Ask which triggers wait."""
        self.triggers = {trigger.venue_order_id: trigger for trigger in await self._waiting()}

    async def take(self, *, wants_triggers: bool) -> None:
        """Ask what rests."""
        # Triggers first: one that fires in between is seen as waiting and as an order, and never as neither.
        if wants_triggers:
            await self.take_triggers()
        self.orders = {
            order.venue_order_id: order for market in await self._rest.open_orders() for order in market.orders
        }

    async def _waiting(self) -> list[wire.TriggerOrder]:
        found: list[wire.TriggerOrder] = []
        while True:
            page = await self._rest.triggers("open", None, _PAGE, len(found))
            found += page
            if len(page) < _PAGE:
                return found

    async def ended_triggers(self, market: str) -> list[wire.TriggerOrder]:
        """Return the newest triggers of a market that have fired or were taken back."""
        async with self._turn:
            if market not in self._ended:
                self._ended[market] = await self._rest.triggers("finished", market, _PAGE, 0)
            return self._ended[market]
