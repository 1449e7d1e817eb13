"""The one path that every decision takes. Read this file first.

    bar -> signal -> proposal -> (opinion) -> verdict -> order -> fill -> position -> stop and target

`Engine.process` is pure: no clock, no network, no randomness. Backtest, paper and live differ only in who feeds it
events and who carries out its commands (see `holdfast.engine.driver`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, assert_never, get_args

from holdfast.core.errors import DomainError
from holdfast.core.time import MILLISECOND
from holdfast.domain.command import AmendOrder, AskOpinion, CancelOrder, Command, SubmitOrder
from holdfast.domain.decision import (
    Action,
    Opinion,
    OpinionTimedOut,
    Proposal,
    Refused,
    Signal,
    StopLevel,
    Verdict,
)  # fmt: skip
from holdfast.domain.event import EmergencyStopped, Event, ProtectionDue, TradingResumed
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import (
    FINAL,
    Order,
    OrderAccepted,
    OrderAmended,
    OrderCanceled,
    OrderEvent,
    OrderFilled,
    OrderRejected,
    OrderState,
    OrderSubmitted,
    OrderTimedOut,
    OrderTriggered,
    Role,
)  # fmt: skip
from holdfast.domain.passed_over import entry_pending, unfit_market
from holdfast.domain.portfolio import ClosedTrade, Portfolio
from holdfast.domain.tick import Tick
from holdfast.domain.values import InstrumentId, OrderId, Ratio, Side, VenueCash
from holdfast.engine.account import Account
from holdfast.engine.config import EngineConfig, OnSilence
from holdfast.engine.desk import Desk
from holdfast.engine.planner import Planner, recordable
from holdfast.engine.protection import Protection
from holdfast.engine.trade import OpenTrade
from holdfast.risk.drawdown import governor_factor
from holdfast.risk.view import MarketView, PortfolioView

# Read once: from its class a member takes as long as ten comparisons.
_ENTRY: Final = Role.ENTRY
_FILLED: Final = OrderState.FILLED
_NO_ENTRY: Final = int(BarFlag.NO_ENTRY)

QUIET: Final = Tick(0, EmergencyStopped(0, StopLevel.NONE, "", ""))
"""The tick of an event that changed nothing worth a record; compared by identity."""

CLOSED_ORDERS_KEPT = 1_000
"""Finished orders that stay known, for fills that overtake a cancel."""

_ORDER_EVENTS: Final = frozenset(get_args(OrderEvent))
_ENTER = {Action.ENTER_LONG: Side.BUY, Action.ENTER_SHORT: Side.SELL}


class Engine:
    """The state of one trading account, moved on by one event at a time."""

    def __init__(
        self, config: EngineConfig, desks: Sequence[Desk], planner: Planner, protection: Protection,
        capital_at: tuple[VenueCash, ...] = (),
    ) -> None:  # fmt: skip
        self.config, self.planner, self.protection = config, planner, protection
        self.gate = planner.gate
        self.desks: dict[InstrumentId, Desk] = {desk.instrument.id: desk for desk in desks}
        portfolio = Portfolio(config.quote, config.capital, tuple(desk.instrument for desk in desks), capital_at)
        self.account = Account(portfolio, self.desks)
        self.orders: dict[OrderId, Order] = {}
        # The oldest is dropped first; a plain dict would look for it past all that were dropped before.
        self.finished: OrderedDict[OrderId, Order] = OrderedDict()
        self.proposals: dict[OrderId, Proposal] = {}  # waiting for an opinion
        self.sequence = 0
        self.orders_made = 0
        self.ts = 0  # the latest event's
        self.ts_bar = 0
        self.held = 0  # instruments of which something is held

    # -- one event ---------------------------------------------------------------------------------
    def process(self, event: Event) -> Tick:
        """Return what the event led to; QUIET when it changed nothing worth a record.

        Raises
        ------
        DomainError
            The event contradicts what the engine knows (unknown order, impossible transition). The account must stop.
        """
        # By type, the most common first: a match would ask of each event whether it is one of those before it.
        kind = type(event)
        if kind is BarClosed:
            return self.on_bar(event)  # type: ignore[arg-type]  # kind is checked
        if kind in _ORDER_EVENTS:
            return self._on_order(event)  # type: ignore[arg-type]  # kind is checked
        match event:
            case Opinion() | OpinionTimedOut():
                return self._on_opinion(event)
            case EmergencyStopped() | TradingResumed():
                return self._on_operator(event)
            case ProtectionDue():
                return self._on_protection_due(event)
            case BarClosed():
                return self.on_bar(event)
            case _:
                return self._on_order(event)

    def warm(self, bar: BarClosed) -> None:
        """Let a strategy see a bar of the past, before anything is traded: what it signals is passed over.

        Raises
        ------
        DomainError
            Something is held or on its way, or the bar lies before one that was seen.
        """
        desk = self.desks[bar.instrument_id]
        if bar.ts_event < self.ts_bar or desk.is_exposed:
            raise DomainError(f"{bar.instrument_id}: history at {bar.ts_event} comes too late, at {self.ts_bar}")
        if bar.ts_event > self.ts_bar:
            self.ts = self.ts_bar = bar.ts_event
            if bar.ts_event > self.account.ts_day_end:
                self.account.roll(bar.ts_event)
        desk.close = bar.close
        desk.unread.append(bar)
        desk.on_bar(bar)

    def bars_due(self) -> Callable[[BarClosed], bool]:
        """Return what tells whether a bar is new to the engine as it stands now: each instrument has seen its own bars.

        One that came after the others of its time had been waited for is due, too; an older one is not any more.
        """
        ts = self.ts_bar
        seen = {name: desk.tape.ts_last for name, desk in self.desks.items()}
        return lambda bar: bar.ts_event > ts or (bar.ts_event == ts and seen.get(bar.instrument_id, ts) < ts)

    def open_trades(self) -> tuple[ClosedTrade, ...]:
        """Return what is still held, as if it were worth its last price; nothing is sold."""
        return tuple(
            desk.trade.marked(desk.instrument.price(desk.close), self.ts_bar)
            for desk in self.desks.values()
            if desk.trade is not None and desk.trade.held
        )

    @property
    def equity_exact(self) -> Decimal:
        """Return cash plus what is held at its last price; the account's own figure is marked in floats, bar by bar."""
        prices = {name: desk.instrument.price(desk.close) for name, desk in self.desks.items() if desk.held}
        return self.account.portfolio.equity(prices)

    @property
    def is_locked_by_drawdown(self) -> bool:
        """Tell whether the governor has left no budget; then resuming counts the drawdown anew from where it is."""
        view = self.account.view(self.ts)
        return governor_factor(view.equity, view.equity_peak, self.gate.config.drawdown_steps) <= 0

    # -- bars --------------------------------------------------------------------------------------
    def on_bar(self, bar: BarClosed) -> Tick:
        """Process a bar, as `process` does with it; for a driver, whose events are nearly all bars."""
        desk = self.desks[bar.instrument_id]
        account, ts, close = self.account, bar.ts_event, bar.close
        if ts != self.ts_bar:
            if ts < self.ts_bar:
                raise DomainError(f"{bar.instrument_id}: bar of {ts} came after one of {self.ts_bar}")
            self.ts = self.ts_bar = ts
            if account.equity > account.peak:
                account.peak = account.equity
            if ts > account.ts_day_end:
                account.roll(ts)
        if desk.held:
            account.equity += desk.held * (close - desk.close)
        desk.close = close
        desk.unread.append(bar)
        signal = desk.on_bar(bar)
        trade = desk.trade
        if signal is not None:
            signal = recordable(signal)
            if trade is not None:
                return self._on_signal_in_trade(bar, desk, trade, signal)
            return self._on_signal(bar, desk, signal)
        if trade is None:
            return QUIET
        commands = self.protection.follow(self.orders, desk, trade, bar, self._next_id)
        return self._tick(bar, commands=self._sent(commands)) if commands else QUIET

    def _on_signal(self, bar: BarClosed, desk: Desk, signal: Signal) -> Tick:
        side = _ENTER.get(signal.action)
        if side is None:
            return QUIET  # an exit of nothing
        signals = (signal,)
        if desk.entry is not None:
            return self._tick(bar, signals, notes=(entry_pending(desk.instrument.id),))
        if bar.flags & _NO_ENTRY:
            return self._tick(bar, signals, notes=(unfit_market(desk.instrument.id),))
        view, market = self._views(desk)
        proposal = self.planner.propose(signal, desk.instrument, view, market, self._next_id("p"))
        if isinstance(proposal, str):
            return self._tick(bar, signals, notes=(proposal,))
        if isinstance(proposal, Refused):
            return self._tick(bar, signals, proposal.proposal, proposal)
        if self.config.opinion_timeout_ms:
            self.proposals[proposal.proposal_id] = proposal
            desk.entry = proposal
            deadline = bar.ts_event + self.config.opinion_timeout_ms * MILLISECOND
            return self._tick(bar, signals, proposal, commands=(AskOpinion(proposal, deadline),))
        return self._judge(bar, signals, proposal, self.gate.review(proposal, view, market, desk.instrument))

    def _review(self, event: Event, proposal: Proposal, scale: Ratio) -> Tick:
        """Judge a proposal that an opinion was waited for, by what the account and the market are now."""
        desk = self.desks[proposal.instrument_id]
        desk.entry = None
        view, market = self._views(desk)
        return self._judge(event, (), proposal, self.gate.review(proposal, view, market, desk.instrument, scale))

    def _judge(self, event: Event, signals: tuple[Signal, ...], proposal: Proposal, verdict: Verdict) -> Tick:
        desk = self.desks[proposal.instrument_id]
        if isinstance(verdict, Refused):
            return self._tick(event, signals, proposal, verdict)
        desk.entry, desk.entry_id = proposal, verdict.order.order_id
        submit = self._submit(SubmitOrder(verdict))
        return self._tick(event, signals, proposal, commands=(submit,))

    def _on_signal_in_trade(self, bar: BarClosed, desk: Desk, trade: OpenTrade, signal: Signal) -> Tick:
        wants_out = signal.action is (Action.EXIT_LONG if trade.side is Side.BUY else Action.EXIT_SHORT)
        is_reversal = _ENTER.get(signal.action) is trade.side.opposite
        if (wants_out or is_reversal) and not trade.is_exiting:
            trade.reasons.append(signal.reason)
            # Leaving comes instead of following: the stop stays where the venue has it.
            commands = self.protection.leave(desk, trade, Role.EXIT, self._next_id) + self._rest_of_entry(desk)
            return self._tick(bar, (signal,), commands=self._sent(commands))
        commands = self.protection.follow(self.orders, desk, trade, bar, self._next_id)
        if not commands and not is_reversal and not wants_out:
            return QUIET  # the strategy would enter again where it already is
        return self._tick(bar, (signal,), commands=self._sent(commands))

    # -- opinions ----------------------------------------------------------------------------------
    def _on_opinion(self, event: Opinion | OpinionTimedOut) -> Tick:
        proposal = self.proposals.pop(event.proposal_id, None)
        if proposal is None:
            return QUIET  # it came after the deadline, or twice
        if isinstance(event, Opinion):
            return self._review(event, proposal, event.scale)
        scale = Decimal(1) if self.config.on_silence is OnSilence.PROCEED else Decimal(0)
        return self._review(event, proposal, Ratio(scale))

    # -- orders ------------------------------------------------------------------------------------
    def _on_order(self, event: OrderEvent) -> Tick:
        order = self.orders.get(event.order_id) or self.finished.get(event.order_id)
        if order is None:
            raise DomainError(
                f"{type(event).__name__} names order {event.order_id}, which is not ours",
                hint="somebody else may be trading on this account; compare with `holdfast orders`",
            )
        after = order.apply(event)
        if after is order:
            return QUIET  # it was known already; no record, so not even the time may move
        self.ts = event.ts_event
        self._keep(after)
        match event:
            case OrderFilled():
                return self._on_fill(event, after)
            case OrderAccepted():
                self.protection.on_accepted(after, self.desks[after.spec.instrument_id].trade)
                return self._tick(event)
            case OrderCanceled() | OrderRejected():
                return self._on_end(event, after)
            case OrderSubmitted() | OrderTimedOut() | OrderTriggered() | OrderAmended():
                return self._tick(event)
            case _:
                assert_never(event)

    def _keep(self, order: Order) -> None:
        order_id, finished = order.spec.order_id, self.finished
        if order.state not in FINAL:
            self.orders[order_id] = order
            return
        self.orders.pop(order_id, None)
        finished[order_id] = order
        if len(finished) > CLOSED_ORDERS_KEPT:
            finished.popitem(last=False)

    def _on_fill(self, fill: OrderFilled, order: Order) -> Tick:
        desk = self.desks[order.spec.instrument_id]
        position = self.account.portfolio.apply(order, fill)
        self.held += bool(position.quantity) - bool(desk.held)
        desk.held = float(position.quantity)
        if not desk.close:
            desk.begin(float(fill.price))
        self.account.settle()
        if order.spec.role is _ENTRY:
            return self._on_entered(fill, order, desk)
        trade = desk.trade
        if trade is None:
            raise DomainError(f"{order.spec.order_id} filled, but nothing is open on {desk.instrument.id}")
        trade.leave(order, fill)
        if trade.held:
            return self._tick(fill)
        return self._tick(fill, commands=self._rest_of_entry(desk), closed=self._close(desk, trade))

    def _on_entered(self, fill: OrderFilled, order: Order, desk: Desk) -> Tick:
        order_id = order.spec.order_id
        if desk.trade is None:
            # The fill may have overtaken our cancel: then the proposal is no longer the pending one.
            entry = desk.entry if order_id == desk.entry_id else desk.entry_last
            if entry is None or entry.proposal_id != order_id:
                raise DomainError(f"entry {order_id} filled, but it was not proposed")
            desk.trade = self.protection.open(entry, order, fill, desk.instrument)
        trade = desk.trade
        commands = self.protection.protect(desk, trade, fill, self._next_id)
        if trade.is_exiting or self.account.stop_level is StopLevel.FLATTEN:
            # What comes too late goes out again at once.
            role = Role(trade.leave_role) if trade.is_exiting else Role.EMERGENCY
            commands = (*commands, *self.protection.leave(desk, trade, role, self._next_id))
        if order.state is _FILLED and order_id == desk.entry_id:
            self._forget_entry(desk)
        return self._tick(fill, commands=self._sent(commands))

    def _on_end(self, event: OrderCanceled | OrderRejected, order: Order) -> Tick:
        desk = self.desks[order.spec.instrument_id]
        if order.spec.role is _ENTRY:
            if order.spec.order_id == desk.entry_id:
                self._forget_entry(desk)
            return self._tick(event)
        if desk.trade is not None:
            self.protection.on_ended(order, desk.trade)
        return self._tick(event)

    def _on_protection_due(self, event: ProtectionDue) -> Tick:
        desk = self.desks[event.instrument_id]
        trade = desk.trade
        if trade is None:
            return QUIET
        commands = self.protection.renew(self.orders, desk, trade, event.price, self._next_id)
        if not commands:
            return QUIET
        self.ts = max(self.ts, event.ts_event)
        return self._tick(event, commands=self._sent(commands))

    def _forget_entry(self, desk: Desk) -> None:
        desk.entry_last, desk.entry, desk.entry_id = desk.entry, None, OrderId("")

    def _rest_of_entry(self, desk: Desk) -> tuple[Command, ...]:
        """Return the cancel of an entry that is still filling, when the trade is over or is being left."""
        return (CancelOrder(desk.entry_id, "left"),) if desk.entry_id in self.orders else ()

    def _close(self, desk: Desk, trade: OpenTrade) -> ClosedTrade:
        closed = trade.closed()
        desk.trade = None
        self.account.conclude(closed.r_multiple, closed.exit_ts)
        return closed

    # -- the brake ---------------------------------------------------------------------------------
    def _on_operator(self, event: EmergencyStopped | TradingResumed) -> Tick:
        self.ts = max(self.ts, event.ts_event)
        if isinstance(event, TradingResumed):
            self.account.stop_level = StopLevel.NONE
            if self.is_locked_by_drawdown:
                # Only now does resuming accept the loss: the governor would never let go. A pause changes no peak.
                self.account.peak = float(self.account.view(self.ts).equity)
            return self._tick(event)
        if event.level.severity > self.account.stop_level.severity:
            self.account.stop_level = event.level
        commands: list[Command] = []
        if event.level.severity >= StopLevel.REDUCE_ONLY.severity:
            commands.extend(
                CancelOrder(order.spec.order_id, "operator")
                for order in self.orders.values()
                if order.spec.role is _ENTRY
            )
            for proposal in self.proposals.values():
                self.desks[proposal.instrument_id].entry = None
            self.proposals.clear()
        if event.level is StopLevel.FLATTEN:
            for desk in self.desks.values():
                if desk.trade is not None and desk.trade.held:
                    commands.extend(self.protection.leave(desk, desk.trade, Role.EMERGENCY, self._next_id))
        return self._tick(event, commands=self._sent(tuple(commands)))

    # -- parts -------------------------------------------------------------------------------------
    def _sent(self, commands: tuple[Command, ...]) -> tuple[Command, ...]:
        orders = self.orders
        for command in commands:
            if isinstance(command, AmendOrder):
                # What was asked counts at once: the confirmation then changes nothing, and needs no record of its own.
                amend = command.amend
                order_id = amend.order_id
                orders[order_id] = orders[order_id].amended(amend.trigger_price, amend.quantity)
            elif isinstance(command, SubmitOrder):
                self._submit(command)
        return commands

    def _submit(self, command: SubmitOrder) -> SubmitOrder:
        spec = command.approved.order
        self.orders[spec.order_id] = Order.sent(spec)
        self.account.count_order(self.ts)
        return command

    def _next_id(self, kind: str) -> OrderId:
        self.orders_made += 1
        return OrderId(f"{self.config.order_prefix}-{self.orders_made}{kind}")

    def _views(self, desk: Desk) -> tuple[PortfolioView, MarketView]:
        desks = self.desks.values()
        if len(desks) == 1:
            return self.account.view(self.ts), desk.view()
        pairs = self.planner.pairs(desks)
        return self.account.view(self.ts, pairs), desk.view(self.planner.correlations(desk, desks))

    def _tick(
        self, event: Event, signals: tuple[Signal, ...] = (), proposal: Proposal | None = None,
        refused: Refused | None = None, *, commands: tuple[Command, ...] = (), closed: ClosedTrade | None = None,
        notes: tuple[str, ...] = (),
    ) -> Tick:  # fmt: skip
        self.sequence += 1
        return Tick(self.sequence, event, signals, proposal, refused, commands, closed, notes)
