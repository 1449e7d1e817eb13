"""Where both doors of the venue lead: what is asked is done, written down, and told to whoever listens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.domain.values import ZERO, Side
from holdfast.simulator.authentication import Keyring
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.fault_plan import FaultKind
from holdfast.simulator.faults import Faults
from holdfast.simulator.private_routes import PRIVATE, Venue, ask_of, uid_of
from holdfast.simulator.public_routes import PUBLIC
from holdfast.simulator.rate_limits import RateLimits
from holdfast.simulator.records import DepthChanged, Push, QuoteChanged
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.state import restore, snapshot
from holdfast.simulator.state_folder import Entry, StateFolder
from holdfast.simulator.triggers import Triggers
from holdfast.simulator.venue_market import VenueMarket

ENDPOINTS: Final = (*PUBLIC, *PRIVATE)
CHANGING: Final = frozenset(endpoint for endpoint in PRIVATE if not endpoint.startswith("GET "))
"""What may change an account; it carries an expiry, and a key that only reads may not do it."""
_PLACE: Final = "POST /spot/orders"
_SHARE_USUAL: Final = 0.5

MakeExchange = Callable[[], VirtualExchange]
Listener = Callable[[Sequence[Push]], None]


class Rules(Record, frozen=True):
    """How strict the venue is (0 switches its rate limits off), and how much a start has to repeat at most."""

    limit_factor: int = 1
    written_max: int = 20_000  # requests and moves of the market, after which a snapshot takes their place


class Desk:
    """One venue. All methods belong to one thread; none of them waits for anything."""

    def __init__(
        self, make: MakeExchange, keyring: Keyring, faults: Faults, clock: VenueClock, rules: Rules | None = None
    ) -> None:
        self._make = make
        self.keyring, self.faults, self.clock = keyring, faults, clock
        self._rules = rules or Rules()
        self.limits = RateLimits(self._rules.limit_factor)
        self.exchange = make()
        self.triggers = Triggers(self.exchange)
        self._folder: StateFolder | None = None
        self._written = 0
        self._listeners: list[Listener] = []
        self._frozen: dict[str, object] = {}

    def keep_in(self, folder: StateFolder) -> int:
        """Take up what the folder holds, and write into it from now on; returns how many requests were repeated.

        The state is taken through a snapshot even when there is none yet: what a snapshot does not keep (how much of
        the strangers' orders was taken) must not be there for the requests that follow it, or they would not repeat.
        """
        saved = folder.load()
        if saved.snapshot is not None:
            restore(self.exchange, self.triggers, bytes(saved.snapshot))
        for entry in saved.entries:
            self._repeat(entry)
        state = snapshot(self.exchange, self.triggers)
        folder.compact(state)
        self.exchange = self._make()
        self.triggers = Triggers(self.exchange)
        restore(self.exchange, self.triggers, state)
        self._folder = folder
        return len(saved.entries)

    def listen(self, listener: Listener) -> None:
        """Tell `listener` all news from now on."""
        self._listeners.append(listener)

    def uid_of(self, account: str) -> int:
        """Return the number of a customer."""
        return uid_of(self.exchange, account)

    def perform(self, call: Call) -> object:
        """Do what was asked and return the answer's document; what it changed is written down before that.

        Raises
        ------
        VenueRefusal
            The venue does not do it; nothing has changed.
        """
        public = PUBLIC.get(call.endpoint)
        if public is not None:
            return self._perhaps_stale(call, public(self.exchange, call))
        if call.endpoint not in CHANGING:
            self.exchange.now = call.ts
            return PRIVATE[call.endpoint](Venue(self.exchange, self.triggers), call)
        if self.exchange.accounts[call.account].is_read_only:
            raise VenueRefusal("READ_ONLY", "API key is read-only", 403)
        share = 0.0
        if call.endpoint == _PLACE:
            amount = self.faults.use_up(FaultKind.PARTIAL_FILL, call.endpoint, self.clock.true_ms())
            if amount is not None:
                share = amount or _SHARE_USUAL
        try:
            document = self._change(call, share)
        except VenueRefusal:
            if share:  # the order was refused, but the book has been thinned out for it
                self._write(Entry(call, fill_share=share))
            raise
        self._write(Entry(call, fill_share=share))
        self._tell()
        return document

    def go_on(self, ts: int) -> None:
        """Let the market move to `ts`, fire what it reaches, and let countdowns fall."""
        entry = Entry(None, ts, self.clock.venue_ns())
        self._move(entry)
        self._write(entry)
        self._tell()

    def is_due(self) -> bool:
        """Tell whether a countdown has fallen that nothing has noticed yet."""
        now = self.clock.venue_ns()
        return any(falls <= now for falls in self.triggers.countdowns.values())

    def advance(self, bars: int) -> int:
        """Let the market finish that many of its bars, one print after the other; returns how many there were."""
        done = 0
        nanos = max(market.prints.timeframe.nanos for market in self.exchange.markets.values())
        for _ in range(bars):
            next_ts = self.exchange.next_ts
            if next_ts is None:
                break
            ends = next_ts // nanos * nanos + nanos if next_ts % nanos else next_ts + nanos
            # A bar's last step is at its very end, which is also where the next one opens: the opening comes with that.
            while (next_ts := self.exchange.next_ts) is not None and next_ts < ends:
                self.go_on(next_ts)
            self.go_on(ends)
            done += 1
        return done

    def _repeat(self, entry: Entry) -> None:
        if entry.call is not None:
            with suppress(VenueRefusal):
                self._change(entry.call, entry.fill_share)
        else:
            self._move(entry)
        self.exchange.drain()

    def _change(self, call: Call, share: float) -> object:
        self.exchange.now = call.ts
        if share:
            self._thin_out(call, share)
        return PRIVATE[call.endpoint](Venue(self.exchange, self.triggers), call)

    def _move(self, entry: Entry) -> None:
        self.exchange.now = entry.now
        self.triggers.fall()
        self.exchange.advance(entry.ts)

    def _thin_out(self, call: Call, share: float) -> None:
        """Leave of the strangers' orders as much as fills this share of the one that comes."""
        ask = ask_of(call)
        market = self.exchange.markets.get(ask.pair)
        if market is None:
            return
        left = _share_of(market, ask.side, ask.amount, ask.type, share)
        levels = market.prints.strangers.against(ask.side)
        kept: list[list[Decimal]] = []
        for price, quantity in levels:
            taken = min(quantity, left)
            left -= taken
            if taken:
                kept.append([price, taken])
        levels[:] = kept

    def _write(self, entry: Entry) -> None:
        if self._folder is None:
            return
        self._folder.append(entry)
        self._written += 1
        if self._written >= self._rules.written_max:
            self._folder.compact(snapshot(self.exchange, self.triggers))
            self._written = 0

    def _tell(self) -> None:
        pushes: Sequence[Push] = self.exchange.drain()
        if self._is_stale():
            pushes = [push for push in pushes if not isinstance(push, DepthChanged | QuoteChanged)]
        for listener in self._listeners:
            listener(pushes)

    def _is_stale(self) -> bool:
        return self.faults.active(FaultKind.STALE_BOOK, self.clock.true_ms()) is not None

    def _perhaps_stale(self, call: Call, document: object) -> object:
        """Return what was told before the book froze, for as long as it is frozen."""
        if call.endpoint not in ("GET /spot/order_book", "GET /spot/tickers"):
            return document
        if not self._is_stale():
            self._frozen.clear()
            return document
        return self._frozen.setdefault(f"{call.endpoint}?{call.query}", document)


def _share_of(market: VenueMarket, side: Side, amount: Decimal, kind: str, share: float) -> Decimal:
    lot = market.spec.instrument.lot
    if kind == "market" and side is Side.BUY:
        price = market.prints.last
        amount = amount / price if price else ZERO
    return (amount * Decimal(repr(share)) / lot).to_integral_value(ROUND_DOWN) * lot
