"""Watches over open positions between two bars: whose protection is due now, by the last prices that came in.

Pure, like the engine: quotes and times are handed in, and what it finds is an event that the engine decides on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from holdfast.core.time import SECOND
from holdfast.domain.event import ProtectionDue
from holdfast.domain.values import ZERO, InstrumentId, Side
from holdfast.engine.engine import Engine
from holdfast.engine.trade import OpenTrade

_PAUSE_FIRST: Final = SECOND
_PAUSE_MAX: Final = 30 * SECOND
"""A venue that refuses each stop is asked ever more rarely; the software stop does not wait for it."""
_PAUSE_LEAVING_MAX: Final = 5 * SECOND
"""A way out that is refused, because somebody binds the coins, leaves them bare: once they are free it must go soon."""


class Watch:
    """Remembers the last price of each instrument, and when something was last sent anew."""

    __slots__ = ("_engine", "_pauses", "_prices", "_waits")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._prices: dict[InstrumentId, float] = {}
        self._waits: dict[InstrumentId, int] = {}
        self._pauses: dict[InstrumentId, int] = {}

    def see(self, instrument_id: InstrumentId, bid: float, ask: float) -> None:
        """Take in the best prices: a long position is sold at the bid, a short one bought back at the ask."""
        desk = self._engine.desks.get(instrument_id)
        trade = None if desk is None else desk.trade
        is_short = trade is not None and trade.side is Side.SELL
        price = ask if is_short else bid
        if price > 0.0:
            self._prices[instrument_id] = price

    def hurry(self, instrument_ids: Iterable[InstrumentId]) -> None:
        """Forget the pauses of instruments whose venue is there again: what was refused meanwhile is sent at once."""
        for instrument_id in instrument_ids:
            self._waits.pop(instrument_id, None)
            self._pauses.pop(instrument_id, None)

    def due(self, ts: int, now: int) -> tuple[ProtectionDue, ...]:
        """Return an event for each position that cannot wait, at the market's time `ts`.

        Pauses are counted in `now` (ns of any steady clock), for a market that is played quickly has a time of its own.
        """
        found: list[ProtectionDue] = []
        for instrument_id, desk in self._engine.desks.items():
            trade = desk.trade
            if trade is None or not trade.held:
                self._waits.pop(instrument_id, None)
                self._pauses.pop(instrument_id, None)
                continue
            price = self._prices.get(instrument_id, desk.close)
            if (
                self._is_stopped(trade, price)
                or self._is_reached(trade, price)
                or (self._lacks(trade) and now >= self._waits.get(instrument_id, 0))
            ):
                most = _PAUSE_LEAVING_MAX if trade.is_exiting else _PAUSE_MAX
                pause = min(self._pauses.get(instrument_id, _PAUSE_FIRST), most)
                self._waits[instrument_id], self._pauses[instrument_id] = now + pause, min(2 * pause, most)
                found.append(ProtectionDue(instrument_id, ts, price))
        return tuple(found)

    def _is_stopped(self, trade: OpenTrade, price: float) -> bool:
        if trade.is_exiting or not trade.is_unprotected:
            return False
        return price <= trade.stop_level if trade.side is Side.BUY else price >= trade.stop_level

    def _is_reached(self, trade: OpenTrade, price: float) -> bool:
        """Tell whether the price is at a target that no longer waits at the venue."""
        if trade.is_exiting or not trade.is_target_lost:
            return False
        return price >= trade.target if trade.side is Side.BUY else price <= trade.target

    def _lacks(self, trade: OpenTrade) -> bool:
        """Tell whether a way out, or the stop of a bracket, has come to nothing, or a part has no bracket yet."""
        if trade.unguarded > ZERO:
            return True
        open_brackets = [bracket for bracket in trade.brackets if bracket.quantity > ZERO]
        if trade.is_exiting:
            return any(not bracket.exit_id for bracket in open_brackets)
        return any(bracket.stop_id not in self._engine.orders for bracket in open_brackets)
