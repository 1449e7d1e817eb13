"""What guards an open position: the bracket behind the fills of its entry, the stop that follows, and the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from holdfast.core.errors import DomainError
from holdfast.domain.command import AmendOrder, CancelOrder, Command, SubmitOrder
from holdfast.domain.decision import Approved, Proposal
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import Order, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.portfolio import trade_name
from holdfast.domain.values import ZERO, OrderId, Price, Quantity, Side
from holdfast.engine.desk import Desk
from holdfast.engine.trade import Bracket, OpenTrade
from holdfast.risk.costs import CostReserve, loss_per_unit
from holdfast.risk.exits import ExitConfig, best_price, next_stop, partial_targets
from holdfast.risk.gate import RiskGate

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_STOP: Final = Role.STOP
_TARGET: Final = Role.TARGET
_STOP_MARKET: Final = OrderType.STOP_MARKET
_LIMIT: Final = OrderType.LIMIT

NextId = Callable[[str], OrderId]


class Protection:
    """Makes the orders that only reduce. Each passes the gate that entries pass; no loss limit ever blocks one."""

    __slots__ = ("_follows", "exits", "gate")

    def __init__(self, gate: RiskGate, exits: ExitConfig) -> None:
        self.gate, self.exits = gate, exits
        self._follows = exits.is_active

    def open(self, entry: Proposal, order: Order, fill: OrderFilled, instrument: Instrument) -> OpenTrade:
        """Return the trade that the last fill of `order` opens: its first, or one that came after a stop had closed."""
        reserve, side = self.gate.reserve(instrument), entry.side
        stop, target = entry.stop, entry.target
        unit = loss_per_unit(side, entry.entry, stop, reserve)
        if entry.is_anchored_to_fill:
            unit = loss_per_unit(side, entry.entry, stop + entry.entry - entry.reference, reserve)
            shift = fill.price - entry.reference
            # After a far better fill than was asked for, the distance may reach below the lowest price there is.
            price, tick = instrument.price, instrument.tick
            stop, target = price(max(stop + shift, tick)), price(max(target + shift, tick))
            stop = _affordable(stop, fill.price, unit, side, instrument, reserve.entered())
        reasons = [entry.reason]
        return OpenTrade(
            trade_id=trade_name(fill.order_id, len(order.trade_ids)), instrument_id=instrument.id, side=side,
            strategy=entry.strategy, reasons=reasons, stop=stop, stop_level=float(stop), stop_first=stop, target=target,
            distance=abs(entry.reference - entry.stop), risk=ZERO, risk_unit=unit,
            rounding=instrument.tick,
            slippage_reserved=reserve.slippage_exit, brackets=[],
        )  # fmt: skip

    def protect(self, desk: Desk, trade: OpenTrade, fill: OrderFilled, next_id: NextId) -> tuple[Command, ...]:
        """Count an entry fill and return the bracket behind it, nothing while the next one is known to follow.

        An entry may fill in many parts at once. A stop for each would be sent one after the other, and venues want
        them to be apart: the last parts would have none for long.
        """
        trade.enter(fill)
        trade.risk += self._risk(trade, fill, self.gate.reserve(desk.instrument)) * fill.quantity
        trade.unguarded += fill.quantity
        if fill.has_more:
            trade.is_unprotected = True
            return ()
        return self._guard(desk, trade, fill.price, next_id)

    def _guard(self, desk: Desk, trade: OpenTrade, price: Decimal, next_id: NextId) -> tuple[Command, ...]:
        """Return the bracket of what has none: one stop, one target or more, all of one group."""
        instrument, side = desk.instrument, trade.side.opposite
        part, trade.unguarded = Quantity(trade.unguarded), ZERO
        instrument_id, group = instrument.id, f"{trade.trade_id}.{len(trade.brackets)}"
        stop = OrderSpec(
            next_id("s"), instrument_id, side, _STOP_MARKET, part, _STOP, None, trade.stop,
            group=group,
        )  # fmt: skip
        specs = [stop]
        targets = partial_targets(Price(price), trade.stop, trade.target, part, instrument, self.exits)
        for price, quantity in targets:
            target = OrderSpec(next_id("t"), instrument_id, side, _LIMIT, quantity, _TARGET, price, group=group)
            specs.append(target)
        bracket = Bracket(group, part, trade.stop, stop.order_id, [spec.order_id for spec in specs[1:]])
        trade.brackets.append(bracket)
        trade.is_unprotected = True  # until the venue has confirmed the stop
        held = trade.held if trade.side is _BUY else -trade.held
        return tuple([self._approve(spec, held) for spec in specs])

    def _risk(self, trade: OpenTrade, fill: OrderFilled, reserve: CostReserve) -> Decimal:
        """Return what one unit of an entry fill may lose: what it does lose at its stop, within what was allowed."""
        loss = loss_per_unit(trade.side, fill.price, trade.stop, reserve.entered())
        if loss > trade.risk_unit and not trade.brackets:
            # Only an entry without a limit: the market jumped between the decision and the fill. If it ran away later,
            # while the entry filled on, that is no jump: the first part's price was to be had.
            trade.has_jumped = True
        return loss if ZERO < loss <= trade.risk_unit else trade.risk_unit

    def follow(
        self, orders: dict[OrderId, Order], desk: Desk, trade: OpenTrade, bar: BarClosed, next_id: NextId
    ) -> tuple[Command, ...]:
        """Return what the closed bar asks for: a tighter stop, or the software stop's way out."""
        if trade.is_exiting:
            return self._leave_again(desk, trade, next_id)
        close, is_long = bar.close, trade.side is _BUY
        if trade.is_unprotected and (close <= trade.stop_level if is_long else close >= trade.stop_level):
            return self.leave(desk, trade, _STOP, next_id)
        level = desk.strategy.trail
        if self._follows:
            level = next_stop(self.exits, trade, bar, level, desk.tape.range_fast * close)
            trade.best = best_price(trade, bar)
        # A stop on the wrong side of the market would trade at once: venues refuse it, and so do we.
        if not level or (not trade.stop_level < level < close if is_long else not trade.stop_level > level > close):
            return ()
        stop = desk.price(level)
        # Rounded to the tick it may be no tighter than the one in force, or on the wrong side after all.
        if stop <= trade.stop if is_long else not trade.stop > stop > close:
            return ()
        commands: list[Command] = []
        for bracket in trade.brackets:
            order = orders.get(bracket.stop_id)
            if order is not None:
                amend = self.gate.amend_stop(order, stop)
                if amend is not None:
                    commands.append(AmendOrder(amend))
        trade.stop, trade.stop_level, trade.is_trailed = stop, float(stop), True
        return tuple(commands)

    def renew(
        self, orders: Mapping[OrderId, Order], desk: Desk, trade: OpenTrade, price: float, next_id: NextId
    ) -> tuple[Command, ...]:
        """Return what cannot wait for the next bar: the way out once more, the software stop, or stops sent anew."""
        # A fill that was to follow has not come: what came before it waits no longer.
        found = self._guard(desk, trade, trade.entry_price, next_id) if trade.unguarded > ZERO else ()
        if trade.is_exiting:
            return (*found, *self._leave_again(desk, trade, next_id))
        is_long = trade.side is _BUY
        if trade.is_unprotected and (price <= trade.stop_level if is_long else price >= trade.stop_level):
            return (*found, *self.leave(desk, trade, _STOP, next_id))
        if trade.is_target_lost and (price >= trade.target if is_long else price <= trade.target):
            return (*found, *self.leave(desk, trade, _TARGET, next_id))
        if found:
            return found
        return tuple([
            self._stop_anew(desk, trade, bracket, next_id)
            for bracket in trade.brackets
            if bracket.quantity > ZERO and bracket.stop_id not in orders
        ])  # fmt: skip

    def _stop_anew(self, desk: Desk, trade: OpenTrade, bracket: Bracket, next_id: NextId) -> SubmitOrder:
        bracket.stop_id, bracket.is_stop_resting, trade.is_unprotected = next_id("s"), False, True
        spec = OrderSpec(
            bracket.stop_id, desk.instrument.id, trade.side.opposite, _STOP_MARKET, Quantity(bracket.quantity), _STOP,
            None, trade.stop, group=bracket.group,
        )  # fmt: skip
        return self._approve(spec, trade.held * trade.side.sign)

    def leave(self, desk: Desk, trade: OpenTrade, role: Role, next_id: NextId) -> tuple[Command, ...]:
        """Return the market orders that close the whole trade; stop and target stay until the fills have come."""
        trade.is_exiting = True
        trade.leave_role = role
        return self._leave_again(desk, trade, next_id)

    def _leave_again(self, desk: Desk, trade: OpenTrade, next_id: NextId) -> tuple[Command, ...]:
        commands = _join_small_parts(desk.instrument, trade)
        for bracket in trade.brackets:
            if bracket.quantity > ZERO and not bracket.exit_id:
                bracket.exit_id = next_id("x")
                spec = OrderSpec(
                    bracket.exit_id, desk.instrument.id, trade.side.opposite, OrderType.MARKET,
                    Quantity(bracket.quantity), Role(trade.leave_role), time_in_force=TimeInForce.IOC,
                    group=bracket.group,
                )  # fmt: skip
                commands.append(self._approve(spec, trade.held * trade.side.sign))
        return tuple(commands)

    def on_accepted(self, order: Order, trade: OpenTrade | None) -> None:
        """Note that a stop rests at the venue; once all do, the software stop need not watch."""
        if trade is not None and order.spec.role is _STOP:
            for bracket in trade.brackets:
                if bracket.stop_id == order.spec.order_id:
                    bracket.is_stop_resting = True
            lacks = any(part.quantity > ZERO and not part.is_stop_resting for part in trade.brackets)
            trade.is_unprotected = lacks or trade.unguarded > ZERO

    def on_ended(self, order: Order, trade: OpenTrade) -> None:
        """Note that a protecting order is gone; a stop that could not be placed leaves the software stop in charge."""
        for bracket in trade.brackets:
            if bracket.exit_id == order.spec.order_id:
                bracket.exit_id = OrderId("")  # what it left over is sent again with the next bar
            elif bracket.stop_id == order.spec.order_id and bracket.quantity > 0:
                bracket.is_stop_resting = False
                trade.is_unprotected = True
            elif order.spec.order_id in bracket.target_ids and bracket.quantity > 0 and not trade.is_exiting:
                trade.is_target_lost = True

    def _approve(self, spec: OrderSpec, held: Decimal) -> SubmitOrder:
        verdict = self.gate.protect(spec, held)
        if not isinstance(verdict, Approved):
            raise DomainError(f"the gate refused protection {spec.order_id}: {verdict}")
        return SubmitOrder(verdict)


def _join_small_parts(instrument: Instrument, trade: OpenTrade) -> list[Command]:
    """Let the largest part that is to leave take along those that no venue would sell alone; cancel what guarded them.

    An entry that fills in many parts may leave some worth less than the least order the venue takes.
    """
    leaving = [bracket for bracket in trade.brackets if bracket.quantity > ZERO and not bracket.exit_id]
    if len(leaving) < 2 or all(b.quantity * trade.stop >= instrument.notional_min for b in leaving):
        return []
    commands: list[Command] = []
    largest = max(leaving, key=lambda bracket: bracket.quantity)
    for small in leaving:
        if small is not largest and small.quantity * trade.stop < instrument.notional_min:
            largest.quantity, small.quantity = largest.quantity + small.quantity, ZERO
            commands += [CancelOrder(order_id, "joined") for order_id in (small.stop_id, *small.target_ids)]
    return commands


def _affordable(
    stop: Price, filled: Decimal, unit: Decimal, side: Side, instrument: Instrument, reserve: CostReserve
) -> Price:
    """Return the stop, nearer where costs grew with the price so that one unit would lose more than `unit`."""
    if loss_per_unit(side, filled, stop, reserve) <= unit:
        return stop
    fee, slippage, left = reserve.fee_taker, reserve.slippage_exit, unit - reserve.rounding
    if side is _BUY:
        nearer = instrument.price_up((filled * (1 + fee) - left) / ((1 - slippage) * (1 - fee)))
    else:
        nearer = instrument.price_down((filled * (1 - fee) + left) / ((1 + slippage) * (1 + fee)))
    return nearer if (filled - nearer) * side.sign > 0 else stop
