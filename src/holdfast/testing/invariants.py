"""What must hold whatever happens, checked with books of its own that share no code with what they check.

The watch sees bars, ticks and the operator's acts. From these alone it keeps orders, positions, cash, stops and trades,
and compares them with what engine and venue say. Levels, sizes and losses are worked out anew from the definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from holdfast.domain.command import AmendOrder, SubmitOrder
from holdfast.domain.decision import Proposal, StopLevel
from holdfast.domain.event import EmergencyStopped, TradingResumed
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.ledger import Account
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import TRANSITIONS, Order, OrderAmended, OrderFilled, OrderSpec, OrderState, OrderType, Role
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Side
from holdfast.engine.engine import Engine
from holdfast.ports.exchange import SimulatedExchange
from holdfast.services.assembly import AccountPlan
from holdfast.testing.books import Grant, Round, Sent
from holdfast.testing.fair_fill import check_fee, check_price, slippage_of, trusted
from holdfast.testing.loss_limits import LossLimits
from holdfast.testing.parts import Parts
from holdfast.testing.promise import InvariantError, require

REWARD_TO_RISK_FLOOR = Decimal("1.3")
RISK_CEILING = Decimal("0.03")
EQUITY_TOLERANCE = 1e-6
# What a Decimal of 28 digits may lose in the long sums that this module makes in another order than the engine.
DUST = Decimal("1e-12")


class Watch:
    """Checks one run. `group`, `observe` and `acted` must be called in the order in which things happen."""

    def __init__(self, plan: AccountPlan, engine: Engine, venue: SimulatedExchange) -> None:
        self.plan, self.engine, self.venue = plan, engine, venue
        self.instruments: dict[InstrumentId, Instrument] = {item.id: item for item in plan.instruments}
        self.cash = plan.engine.capital
        self.held = dict.fromkeys(self.instruments, ZERO)
        self.closes: dict[InstrumentId, Decimal] = {}
        self.closes_good: dict[InstrumentId, Decimal] = {}  # of bars without a false print
        self.orders: dict[OrderId, Sent] = {}
        self.rounds: dict[InstrumentId, Round] = {}
        self.grants: dict[OrderId, Grant] = {}
        self.trade_ids: set[str] = set()  # of fills, as the venue names them
        self.closed_ids: set[str] = set()  # of round trips
        self.limits = LossLimits(plan.risk, plan.engine.capital)
        self.is_group_open = False  # whether the engine has seen a close of the group
        self.level = StopLevel.NONE
        self.bars: dict[InstrumentId, BarClosed] = {}
        self.ts = 0
        self.sequence = 0
        self.trades = self.entries = self.fills = 0
        self.causes: dict[str, int] = {}

    # -- what happens ------------------------------------------------------------------------------
    def group(self, bars: Sequence[BarClosed]) -> None:
        """Note the bars that come now."""
        self.bars = {bar.instrument_id: bar for bar in bars}
        self.ts = bars[0].ts_event
        self.is_group_open = False

    def observe(self, tick: Tick) -> None:
        """Check a tick."""
        self.sequence += 1
        require(tick.sequence == self.sequence, "ticks have no holes", f"{tick.sequence} after {self.sequence - 1}")
        event = tick.event
        if isinstance(event, BarClosed):
            self._mark_until(event.instrument_id)
        elif isinstance(event, EmergencyStopped):
            if event.level.severity > self.level.severity:
                self.level = event.level
        elif isinstance(event, TradingResumed):
            self.level = StopLevel.NONE
            self.limits.release(self._equity(self.closes_good))
        elif isinstance(event, OrderFilled):
            self._on_fill(event, tick.closed)
        elif hasattr(event, "order_id"):
            self._on_order(event.order_id, event)
        for command in tick.commands:
            if isinstance(command, SubmitOrder):
                self._on_submit(command.approved.order, tick.proposal)
            elif isinstance(command, AmendOrder):
                self._on_amend(command)

    def after_group(self) -> None:
        """Check what must hold between two groups of bars."""
        self._mark_until(None)
        self._check_money()
        self._check_orders()
        for instrument_id, held in self.held.items():
            if held:
                self._check_protection(instrument_id, held)
            else:
                require(instrument_id not in self.rounds, "flat is flat", f"{instrument_id} has an open round")
        at_venue = self.engine.account.stop_level
        require(at_venue is self.level, "the brake stands where it was put", f"{at_venue}, expected {self.level}")

    def at_end(self) -> None:
        """Check what must hold when the market has ended."""
        for order in self.engine.finished.values():
            require(order.state.is_final, "finished orders are final", f"{order.spec.order_id} is {order.state}")
        for order_id, sent in self.orders.items():
            is_open = order_id in self.engine.orders
            require(is_open is not sent.state.is_final, "orders end as the table says", f"{order_id}: {sent.state}")

    # -- orders ------------------------------------------------------------------------------------
    def _on_order(self, order_id: OrderId, event: object) -> None:
        sent = self._known(order_id)
        after = TRANSITIONS.get((sent.state, type(event)))  # type: ignore[arg-type]  # a miss is what we look for
        if after is None:
            raise InvariantError("orders move as the table says", f"{order_id}: {type(event).__name__} in {sent.state}")
        sent.state = after
        if isinstance(event, OrderAmended):
            if event.quantity is not None:
                sent.quantity = event.quantity
            if event.trigger_price is not None:
                sent.trigger = event.trigger_price

    def _known(self, order_id: OrderId) -> Sent:
        sent = self.orders.get(order_id)
        if sent is None:
            raise InvariantError("every order is ours", f"{order_id} was never sent")
        return sent

    def _on_submit(self, spec: OrderSpec, proposal: Proposal | None) -> None:
        order_id, instrument = spec.order_id, self.instruments[spec.instrument_id]
        require(order_id not in self.orders, "order ids are unique", order_id)
        self.orders[order_id] = Sent(spec, spec.quantity, spec.trigger_price)
        require(spec.quantity % instrument.lot == 0, "quantities lie on the lot", f"{order_id}: {spec.quantity}")
        for price in (spec.limit_price, spec.trigger_price):
            on_tick = price is None or (price > 0 and price % instrument.tick == 0)
            require(on_tick, "prices lie on the tick", f"{order_id}: {price}")
        if spec.role is Role.ENTRY:
            self._on_entry(spec, proposal)
            return
        held = self.held[spec.instrument_id]
        is_reducing = held * spec.side.sign < 0 and spec.quantity <= abs(held)
        require(is_reducing, "everything but an entry reduces", f"{order_id} {spec.side} {spec.quantity} of {held}")
        trade = self.rounds[spec.instrument_id]
        if spec.role is Role.STOP and spec.type is OrderType.STOP_MARKET:
            trade.groups.setdefault(spec.group, spec.quantity)
            self._on_stop(trade, spec.trigger_price, order_id)

    def _on_entry(self, spec: OrderSpec, proposal: Proposal | None) -> None:
        order_id, instrument = spec.order_id, self.instruments[spec.instrument_id]
        self.entries += 1
        if proposal is None or proposal.proposal_id != order_id:
            raise InvariantError("entries come from proposals", order_id)
        require(self.level is StopLevel.NONE, "no entry under the brake", f"{order_id} at {self.level}")
        is_same = spec.side is proposal.side and spec.limit_price in (None, proposal.entry)
        require(is_same and spec.quantity <= proposal.quantity, "entries are as proposed", order_id)
        is_short = spec.side is Side.SELL
        require(not (is_short and instrument.market is Market.SPOT), "no short on spot", order_id)
        entry, stop, target = proposal.entry, Decimal(proposal.stop), Decimal(proposal.target)
        if proposal.is_anchored_to_fill:
            stop, target = stop + entry - proposal.reference, target + entry - proposal.reference
        sign = spec.side.sign
        risk, reward = (entry - stop) * sign, (target - entry) * sign
        is_worth_it = risk > 0 and reward >= REWARD_TO_RISK_FLOOR * risk
        require(is_worth_it, "reward to risk >= 1.3", f"{order_id}: {reward} for {risk}")
        unit = self._loss_per_unit(instrument, spec.side, entry, stop)
        loss, equity = unit * spec.quantity, self._equity(self.closes_good)
        limit = min(RISK_CEILING, self.plan.risk.risk_max) * equity
        require(loss <= limit + DUST * equity, "risk per trade", f"{order_id} risks {loss} of {equity}")
        self.limits.check_entry(order_id, loss, equity)
        self.grants[order_id] = Grant(proposal, unit)
        busy = {order.spec.instrument_id for order in self.orders.values() if _is_live_entry(order)}
        busy |= {instrument_id for instrument_id, held in self.held.items() if held}
        count, most = len(busy), self.plan.risk.positions_max
        require(count <= most, "positions_max", f"{order_id} makes {count} of {most}")

    def _on_amend(self, command: AmendOrder) -> None:
        amend = command.amend
        sent = self._known(amend.order_id)
        if amend.trigger_price is None:
            return
        before, after = sent.trigger, amend.trigger_price
        is_tighter = before is not None and (after - before) * sent.spec.side.opposite.sign > 0
        require(is_tighter, "stops never loosen", f"{amend.order_id}: {before} to {after}")
        require(after % self.instruments[sent.spec.instrument_id].tick == 0, "prices lie on the tick", amend.order_id)
        sent.trigger = after
        self._on_stop(self.rounds[sent.spec.instrument_id], after, amend.order_id)

    def _on_stop(self, trade: Round, trigger: Decimal | None, order_id: str) -> None:
        if trigger is None:
            raise InvariantError("stops have a trigger", order_id)
        best = trade.best_stop
        if best is not None:
            require((trigger - best) * trade.side.sign >= 0, "stops never loosen", f"{order_id}: {best} to {trigger}")
        trade.best_stop = trigger

    def _loss_per_unit(self, instrument: Instrument, side: Side, entry: Decimal, stop: Decimal) -> Decimal:
        """Return what one unit loses from entry to stop: taker fee and a tick on both legs, slippage where reserved."""
        fee = min(tier.taker for tier in instrument.fee_tiers)
        slip = max(self.plan.risk.slippage_max, slippage_of(self.plan.matching))
        entry_slip = slip if self.plan.risk.is_entry_market else ZERO
        # Prices live on ticks, and fills are rounded against us, on the way in and on the way out.
        ticks = 2 * instrument.tick * (1 + fee)
        if side is Side.BUY:
            return entry * (1 + entry_slip) * (1 + fee) - stop * (1 - slip) * (1 - fee) + ticks
        return stop * (1 + slip) * (1 + fee) - entry * (1 - entry_slip) * (1 - fee) + ticks

    # -- fills -------------------------------------------------------------------------------------
    def _on_fill(self, fill: OrderFilled, closed: ClosedTrade | None) -> None:
        sent = self._known(fill.order_id)
        spec = sent.spec
        after = TRANSITIONS.get((sent.state, OrderFilled))
        require(after is not None, "orders move as the table says", f"{fill.order_id}: filled in {sent.state}")
        require(fill.trade_id not in self.trade_ids, "fills are counted once", fill.trade_id)
        self.trade_ids.add(fill.trade_id)
        self.fills += 1
        sent.filled += fill.quantity
        require(fill.quantity > 0 and sent.filled <= sent.quantity, "fills keep to the order", fill.order_id)
        sent.state = OrderState.FILLED if sent.filled == sent.quantity else OrderState.PARTIALLY_FILLED
        instrument_id = spec.instrument_id
        instrument = self.instruments[instrument_id]
        check_price(self.plan, instrument, self.bars.get(instrument_id), sent, fill)
        check_fee(self.plan, instrument, fill)
        value, sign = fill.price * fill.quantity, spec.side.sign
        flow = -value * sign - fill.fee.amount
        before, now = self.held[instrument_id], self.held[instrument_id] + fill.quantity * sign
        self.held[instrument_id] = now
        self.cash += flow
        if spec.role is Role.ENTRY:
            self._on_entered(sent, fill, flow)
            require(closed is None, "an entry closes nothing", fill.order_id)
            return
        is_reducing = abs(now) < abs(before) and before * now >= 0
        require(is_reducing, "everything but an entry reduces", f"{fill.order_id}: {before} to {now}")
        trade = self.rounds[instrument_id]
        trade.flow += flow
        trade.groups[spec.group] -= fill.quantity
        self._note_exit(trade, sent, fill)
        if not now:
            self._on_flat(trade, closed, fill)
            del self.rounds[instrument_id]
        else:
            require(closed is None, "a trade closes when it is flat", fill.order_id)

    def _on_entered(self, sent: Sent, fill: OrderFilled, flow: Decimal) -> None:
        spec, grant = sent.spec, self.grants[sent.spec.order_id]
        trade = self.rounds.get(spec.instrument_id)
        if trade is None:
            proposal = grant.proposal
            stop = Decimal(proposal.stop)
            if proposal.is_anchored_to_fill:
                stop += fill.price - proposal.reference
            trade = self.rounds[spec.instrument_id] = Round(spec.side, stop, Parts(spec.side))
        trade.allowed += grant.unit * fill.quantity
        trade.quantity += fill.quantity
        trade.flow += flow
        # A market entry has no limit: a market that jumped made it dearer. If it ran away later, that is liquidity.
        is_first = Role.ENTRY not in trade.parts.fills
        trade.parts.add(Role.ENTRY, fill)
        slip = max(self.plan.risk.slippage_max, slippage_of(self.plan.matching))
        worst = grant.proposal.entry * (1 + slip * spec.side.sign)
        if is_first and spec.type is OrderType.MARKET and (fill.price - worst) * spec.side.sign > 0:
            trade.has_gap = True

    def _note_exit(self, trade: Round, sent: Sent, fill: OrderFilled) -> None:
        spec, bar = sent.spec, self.bars[sent.spec.instrument_id]
        trade.parts.add(spec.role, fill)
        sign = trade.side.sign
        start = Decimal(repr(bar.open))
        worst = Decimal(repr(bar.low if sign > 0 else bar.high))
        level = sent.trigger if spec.type is OrderType.STOP_MARKET and sent.trigger is not None else trade.stop
        trade.has_gap = trade.has_gap or (level - start) * sign > 0
        trade.has_sweep = trade.has_sweep or (level - worst) * sign > 0

    # -- trades ------------------------------------------------------------------------------------
    def _on_flat(self, trade: Round, closed: ClosedTrade | None, fill: OrderFilled) -> None:
        if closed is None:
            raise InvariantError("a trade closes when it is flat", fill.order_id)
        self.trades += 1
        require(closed.trade_id not in self.closed_ids, "trade ids are unique", closed.trade_id)
        self.closed_ids.add(closed.trade_id)
        dust = DUST * self.plan.engine.capital
        require(abs(closed.pnl - trade.flow) <= dust, "pnl is what came in", f"{closed.pnl}, fills {trade.flow}")
        require(closed.quantity == trade.quantity, "a trade counts its fills", f"{closed.quantity}, {trade.quantity}")
        is_bounded = 0 < closed.risk <= trade.allowed + dust
        require(is_bounded, "risk is what was allowed", f"{closed.trade_id}: {closed.risk}, allowed {trade.allowed}")
        cause = closed.excess_cause
        if -trade.flow > closed.risk:
            require(bool(cause), "losses beyond the risk are named", f"{closed.trade_id}: {trade.flow}, {closed.risk}")
        if not cause:
            return
        self.causes[cause] = self.causes.get(cause, 0) + 1
        is_true = {
            "gap": trade.has_gap,
            "liquidity": trade.parts.is_in_parts and trade.parts.loss_without_worse_parts() <= closed.risk + dust,
            "sweep": trade.has_sweep,
            "latency": trade.has_gap and self.plan.matching.latency_bars > 0,
        }.get(cause, False)
        found = f"{closed.trade_id}: {cause!r} for {closed.pnl} of {closed.risk}, exit by {closed.exit_reason}"
        require(is_true, "causes are true", found)

    # -- the state between groups --------------------------------------------------------------------
    def _mark_until(self, last: InstrumentId | None) -> None:
        """Take in the closes of the group, in its order, up to and with the bar that the engine has just seen."""
        if not self.is_group_open:
            self.is_group_open = True
            self.limits.open(self.ts, self._equity(self.closes))
        for instrument_id, bar in self.bars.items():
            close = self.closes[instrument_id] = Decimal(repr(bar.close))
            if not bar.flags & BarFlag.SUSPECT:
                self.closes_good[instrument_id] = close
            if instrument_id == last:
                break

    def _equity(self, closes: dict[InstrumentId, Decimal]) -> Decimal:
        return self.cash + sum((held * closes[i] for i, held in self.held.items() if held), ZERO)

    def _check_money(self) -> None:
        engine, plan = self.engine, self.plan
        portfolio = engine.account.portfolio
        for asset, rest in portfolio.ledger.imbalance().items():
            require(rest == 0, "the ledger is balanced", f"{rest} {asset}")
        bases = dict.fromkeys((instrument.base for instrument in plan.instruments), ZERO)
        for instrument in plan.instruments:
            bases[instrument.base] += self.held[instrument.id]
        for base, held in bases.items():
            booked = portfolio.ledger.balance(Account.AVAILABLE, base)
            require(booked == held, "the ledger holds what was filled", f"{booked} {base}, fills {held}")
        balances = self.venue.balances()
        for instrument in plan.instruments:
            held, position = self.held[instrument.id], portfolio.positions[instrument.id].quantity
            require(position == held, "positions are the sum of fills", f"{instrument.id}: {position}, fills {held}")
            marked = engine.desks[instrument.id].held
            require(marked == float(held), "positions are the sum of fills", f"{instrument.id}: marked {marked}")
            there = balances.get(instrument.base, ZERO)
            require(there == held, "the venue holds what we think", f"{instrument.id}: {there}, ours {held}")
            if instrument.market is Market.SPOT:
                require(held >= 0, "no short on spot", f"{instrument.id}: {held}")
        cash, there = portfolio.cash, balances.get(plan.engine.quote, ZERO)
        tolerance = DUST * plan.engine.capital
        require(abs(cash - self.cash) <= tolerance, "cash is the sum of fills", f"{cash}, fills {self.cash}")
        require(abs(there - cash) <= tolerance, "the venue holds what we think", f"{there}, ours {cash}")
        if all(instrument.market is Market.SPOT for instrument in plan.instruments):
            require(cash >= 0, "cash is never negative", str(cash))
        exact, marked = float(self._equity(self.closes)), engine.account.equity
        is_near = abs(exact - marked) <= EQUITY_TOLERANCE * max(abs(exact), float(plan.engine.capital) * 1e-3)
        require(is_near, "equity is marked right", f"{marked}, exact {exact}")

    def _check_orders(self) -> None:
        for sent in self.orders.values():
            bar, trigger = self.bars.get(sent.spec.instrument_id), sent.trigger
            if bar is not None and trigger is not None and not sent.state.is_final:
                low, high = trusted(bar)
                is_reached = low <= trigger if sent.spec.side is Side.SELL else high >= trigger
                sent.is_touched = sent.is_touched or (sent.spec.type is OrderType.STOP_MARKET and is_reached)
        ours, theirs = set(self.engine.orders), set(self.venue.open_orders())
        require(ours == theirs, "the venue works on what we think", f"differ: {sorted(ours ^ theirs)}")
        mine = {order_id for order_id, sent in self.orders.items() if not sent.state.is_final}
        require(ours == mine, "orders end as the table says", f"differ: {sorted(ours ^ mine)}")

    def _check_protection(self, instrument_id: InstrumentId, held: Decimal) -> None:
        trade = self.rounds[instrument_id]
        together = sum(trade.groups.values(), ZERO)
        require(together == abs(held), "every fill is protected", f"{instrument_id}: {together} of {held}")
        stops: dict[str, Decimal] = {}
        exits: dict[str, Decimal] = {}
        for order_id, order in self.engine.orders.items():
            spec = order.spec
            if spec.instrument_id != instrument_id:
                continue
            if spec.type is OrderType.STOP_MARKET:
                stops[spec.group] = stops.get(spec.group, ZERO) + order.left
                self._check_trigger(order, instrument_id, order_id)
            elif spec.type is OrderType.MARKET and spec.is_reducing:
                exits[spec.group] = exits.get(spec.group, ZERO) + order.left
        covered = {group: max(stops.get(group, ZERO), exits.get(group, ZERO)) for group in trade.groups}
        self._check_cover(instrument_id, covered, "a position has a stop or an exit")
        if self.level is StopLevel.FLATTEN and instrument_id in self.bars:
            self._check_cover(instrument_id, exits, "flatten closes everything")

    def _check_cover(self, instrument_id: InstrumentId, covered: dict[str, Decimal], promise: str) -> None:
        """Require that each part is covered: by its own orders, or, if no venue sells it alone, by those of another."""
        groups, trade = self.rounds[instrument_id].groups, self.engine.desks[instrument_id].trade
        over = sum((covered.get(group, ZERO) - left for group, left in groups.items()), ZERO)
        for group, left in groups.items():
            own = covered.get(group, ZERO)
            if own < left:
                least = self.engine.desks[instrument_id].instrument.notional_min
                is_small = trade is not None and own == ZERO and left * trade.stop < least
                require(is_small and over >= ZERO, promise, f"{group}: {own} of {left}")

    def _check_trigger(self, order: Order, instrument_id: InstrumentId, order_id: OrderId) -> None:
        if self.plan.matching.latency_bars:
            return  # what was asked is still on its way
        trade = self.engine.desks[instrument_id].trade
        if trade is None:
            raise InvariantError("a position is a trade", instrument_id)
        sent = self.orders[order_id]
        agreed = order.trigger_price == sent.trigger == trade.stop
        found = f"{order_id}: order {order.trigger_price}, sent {sent.trigger}, trade {trade.stop}"
        require(agreed, "the stop in force is the one that rests", found)


def _is_live_entry(order: Sent) -> bool:
    return order.spec.role is Role.ENTRY and not order.state.is_final
