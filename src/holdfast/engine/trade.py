"""The position that is open on one instrument: its brackets, its stop in force, and what it has cost so far."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from holdfast.core.record import State
from holdfast.domain.order import Order, OrderFilled, Role
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Price, Side

_EXIT_REASON = {Role.TARGET: "target", Role.EXIT: "signal", Role.EMERGENCY: "emergency"}


class Bracket(State):
    """The protection of the entry fills that came together: a stop and targets that share a quantity under `group`."""

    group: str
    quantity: Decimal  # still held
    stop_first: Price  # in force when what it may lose was reckoned: the trade's own may have moved before a later fill
    stop_id: OrderId
    target_ids: list[OrderId]
    exit_id: OrderId = OrderId("")  # a market exit on its way
    is_stop_resting: bool = False  # False: the software stop is all there is


class OpenTrade(State):
    """A round trip that has begun. Money in quote units."""

    trade_id: OrderId
    instrument_id: InstrumentId
    side: Side
    strategy: str
    reasons: list[str]
    stop: Price  # in force
    stop_level: float  # the same, for comparison with bars
    stop_first: Price
    target: Price
    distance: Decimal  # entry to first stop, as proposed
    risk: Decimal  # the most it may lose by what the gate allowed
    risk_unit: Decimal  # the most that the gate let one unit lose, from the worst price that the entry may pay
    rounding: Decimal  # one tick, by which a fill may be rounded against us; part of `risk`
    slippage_reserved: Decimal  # of the exit, as a share of the price; part of `risk`
    brackets: list[Bracket]
    entry_ts: int = 0
    entry_quantity: Decimal = ZERO
    entry_notional: Decimal = ZERO
    exit_ts: int = 0
    exit_quantity: Decimal = ZERO
    exit_notional: Decimal = ZERO
    exit_role: str = ""  # of the last exit fill
    leave_role: str = ""  # of the market orders that close it, once it is exiting
    fees: Decimal = ZERO
    slippage: Decimal = ZERO
    is_trailed: bool = False
    has_jumped: bool = False  # its first fill, of an entry without a limit, was dearer than the gate had reckoned
    has_gapped: bool = False
    was_late: bool = False  # the price went past a stop that was still on its way to the venue
    has_swept: bool = False  # a stop filled worse than the slippage that was reserved for it
    price_first: dict[str, Decimal] = msgspec.field(default_factory=dict)  # of the fills of each role
    parted: Decimal = ZERO  # what later parts cost because they were worse than the first of their role, fees included
    best: float = 0.0  # the best price since the entry, for chandelier stops
    bars_held: int = 0
    is_exiting: bool = False
    is_target_lost: bool = False  # a target ended unfilled at the venue: the software target watches
    unguarded: Decimal = ZERO  # filled, and waiting for the fill that came in with it: one bracket guards both
    is_unprotected: bool = False  # a stop does not rest at the venue, or not yet: the software stop watches

    @property
    def held(self) -> Decimal:
        """Return what is still open (base units, not signed)."""
        return self.entry_quantity - self.exit_quantity

    @property
    def entry_price(self) -> Decimal:
        """Return the mean price of the entry's fills."""
        return self.entry_notional / self.entry_quantity if self.entry_quantity else ZERO

    def enter(self, fill: OrderFilled) -> None:
        """Count an entry fill."""
        self.entry_ts = self.entry_ts or fill.ts_event
        self.entry_quantity += fill.quantity
        self.entry_notional += fill.price * fill.quantity
        self.best = self.best or float(fill.price)
        self._count(fill, self.side, Role.ENTRY)

    def leave(self, order: Order, fill: OrderFilled) -> None:
        """Count an exit fill of `order` and take it off its bracket."""
        self.exit_ts = fill.ts_event
        self.exit_quantity += fill.quantity
        self.exit_notional += fill.price * fill.quantity
        self.exit_role = order.spec.role
        sign, reference = self.side.sign, fill.reference
        stop = self.stop_first
        for bracket in self.brackets:
            if bracket.group == order.spec.group:
                bracket.quantity -= fill.quantity
                stop = bracket.stop_first
                self._share(bracket)
        # The market itself was beyond that stop when it could first trade.
        self.has_gapped = self.has_gapped or (fill.is_gap and not fill.is_late) or (stop - reference) * sign > 0
        self.was_late = self.was_late or fill.is_late
        slipped = (reference - fill.price) * sign
        self.has_swept = self.has_swept or slipped > reference * self.slippage_reserved + self.rounding
        self._count(fill, self.side.opposite, order.spec.role)

    def _share(self, sold: Bracket) -> None:
        """Let the other brackets bear what was sold beyond one: its stop and a late way out have both filled."""
        for bracket in sorted(self.brackets, key=lambda bracket: bracket.quantity, reverse=True):
            part = min(-sold.quantity, bracket.quantity)
            if part > ZERO:
                bracket.quantity -= part
                sold.quantity += part

    def _count(self, fill: OrderFilled, side: Side, role: Role) -> None:
        self.fees += fill.fee.amount
        first = self.price_first.setdefault(role, fill.price)
        if (worse := fill.price - first) * side.sign > ZERO:
            # The fee is a share of the price, so it would have been another one, too.
            self.parted += worse * side.sign * fill.quantity + fill.fee.amount * worse / fill.price
        self.slippage += (fill.price - fill.reference) * fill.quantity * side.sign

    def closed(self) -> ClosedTrade:
        """Return the finished round trip."""
        reason = _EXIT_REASON.get(Role(self.exit_role), "")
        return self._closed(reason or ("trailing_stop" if self.is_trailed else "stop"))

    def marked(self, price: Decimal, ts: int) -> ClosedTrade:
        """Return the trade as if what is still held were worth `price` at `ts`; nothing is sold and no fee paid."""
        quantity, notional, ts_before = self.exit_quantity, self.exit_notional, self.exit_ts
        self.exit_notional += price * self.held
        self.exit_quantity, self.exit_ts = self.entry_quantity, ts
        trade = self._closed("end")
        self.exit_quantity, self.exit_notional, self.exit_ts = quantity, notional, ts_before
        return trade

    def _closed(self, reason: str) -> ClosedTrade:
        gain = (self.exit_notional - self.entry_notional) * self.side.sign
        pnl = gain - self.fees
        r_multiple = pnl / self.risk if self.risk else ZERO
        return ClosedTrade(
            trade_id=self.trade_id, instrument_id=self.instrument_id, side=self.side, quantity=self.entry_quantity,
            entry_ts=self.entry_ts, entry_price=self.entry_price, exit_ts=self.exit_ts,
            exit_price=self.exit_notional / self.exit_quantity, exit_reason=reason, stop_price=self.stop,
            target_price=self.target, fees=self.fees, slippage=self.slippage, pnl=pnl, risk=self.risk,
            r_multiple=r_multiple, reasons=tuple(self.reasons), excess_cause=self._excess_cause(pnl),
            strategy=self.strategy,
        )  # fmt: skip

    def _excess_cause(self, pnl: Decimal) -> str:
        if pnl >= -self.risk:
            return ""
        if self.has_gapped:
            return "gap"
        if self.parted and pnl + self.parted >= -self.risk:
            # Filled in parts over several bars, because we may take only a share of each bar's volume: all at the price
            # of the first part would have been within the risk.
            return "liquidity"
        if self.has_jumped:
            return "gap"
        if self.was_late:
            return "latency"
        return "sweep" if self.has_swept else "unexplained"
