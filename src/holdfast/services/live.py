"""The live agent: one engine, a venue over the wire, and a journal that knows of an order before the venue does.

Start-up is recovery, in this order: replay the journal; ask the venue about every order without a final state; compare
balances and orders; see the bars that were missed; only then may something be entered. Replay sends nothing: what a
crash kept from being sent is found by asking, and ends as never arrived. On a contradiction the start is refused.

The journal holds what came in: bars ("history" for those of the past), an operator's orders, and, in the ticks
themselves, what the venue said about orders. So a session can be replayed without the venue.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from holdfast.core.errors import DomainError, VenueError
from holdfast.core.record import encode
from holdfast.core.time import SECOND, rfc3339
from holdfast.domain.command import AmendOrder, AskOpinion, CancelOrder, Command, SubmitOrder
from holdfast.domain.decision import StopLevel
from holdfast.domain.event import EmergencyStopped, Event, OperatorEvent, TradingResumed
from holdfast.domain.market import BarClosed, timeframe
from holdfast.domain.order import OrderCanceled, OrderEvent, Role
from holdfast.domain.passed_over import PassedOver, reason_of
from holdfast.domain.tick import Tick
from holdfast.domain.values import InstrumentId, OrderId, venue_of
from holdfast.engine.engine import QUIET, Engine
from holdfast.engine.recorder import CHECKPOINT, HISTORY, OPERATOR, Recorder
from holdfast.engine.snapshot import snapshot
from holdfast.engine.watch import Watch
from holdfast.portfolio.decision_line import is_thwarted
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import LinkLine
from holdfast.ports.journal import Journal
from holdfast.ports.live import AccountReport, Answered, Failure, Incoming, LinkChanged, LiveExchange, Quote
from holdfast.services.dispute import PAUSE, VenueStanding
from holdfast.services.emergency import ReleaseWish
from holdfast.services.live_bars import BARS_MAX, LiveBars, even_out, merged, unfit
from holdfast.services.live_config import LiveConfig, OnExit
from holdfast.services.live_replay import begin_or_replay
from holdfast.services.paper import Checkpoint, Recovery
from holdfast.services.quotes import Quotes
from holdfast.services.reconciliation import Findings, compare, guards_told, is_at
from holdfast.services.release import can_release, last_wish
from holdfast.services.run_before import earlier_prefixes, stays_told

WATCHDOG: Final = "reconciliation"
"""The actor of a brake that the agent pulls by itself, because the venue's account contradicts the journal."""

_WAIT_S: Final = 0.02
CHECKPOINT_TICKS: Final = 1_000
"""Decisions between two checkpoints: a start repeats at most about so many."""
_ASK_AGAIN_S: Final = 0.3
_BEATS: Final = 4  # signs of life within the dead-man timer


def _nothing() -> None:
    pass


class LiveAgent:
    """Owns engine, venue and journal of one live account. One thread only."""

    def __init__(
        self, run: RunStarted, engine: Engine, exchange: LiveExchange, journal: Journal, config: LiveConfig,
        steady: Callable[[], int],
    ) -> None:  # fmt: skip
        self.run, self.engine, self.config = run, engine, config
        self._exchange, self._journal, self._steady = exchange, journal, steady
        self._recorder = Recorder(journal, is_durable_first=True, is_input_kept=True)
        self._bars = LiveBars(engine.desks, timeframe(run.timeframe), config.bar_grace_ms)
        self._watch = Watch(engine)
        self._quotes = Quotes(config)
        self._unfit: dict[InstrumentId, str] = {}  # why nothing is entered on an instrument's last bar
        self._venues = {venue: VenueStanding() for venue in engine.account.portfolio.cash_at or ("",)}
        self._unanswered: dict[OrderId, str] = {}  # and at which venue
        self._told_of: dict[str, frozenset[str]] = {}  # orders of others, by venue: each is told once while it is there
        self._earlier: frozenset[str] = frozenset()  # how the orders of other runs in the journal are named
        self._due_report = self._due_beat = self._ticks = 0
        self._canceled: set[OrderId] = set()  # a checkpoint carries them: whether they have left is not known
        self.groups_done = self.trades = self.wins = 0
        self.release_wish: ReleaseWish | None = None
        self.recent: list[Tick] = []
        self.before_bars: Callable[[], None] = _nothing
        """Called before a step's bars: a process that was stopped wakes between what it waits for and what follows."""
        self.is_deciding = False
        """A strategy may have the word now. Whoever waits for the venue has not lost it to a strategy."""
        self.warnings: list[str] = []
        """What a person should see and has not been shown yet."""

    # -- life --------------------------------------------------------------------------------------
    def start(self, *, is_fresh: bool = False) -> Recovery:
        """Begin a run, or continue the journal's last one; returns when trading is unlocked or the wait is over.

        Raises
        ------
        ConfigurationError, NotRepeatedError, OtherVersionError
            As `PaperAgent.start`.
        VenueError
            The venue cannot be reached, or refuses the key.
        DomainError
            The venue's account contradicts the journal; nothing was sent.
        """
        self.is_deciding = True
        recovery, state = begin_or_replay(self._journal, self._recorder, self.engine, self.run, is_fresh=is_fresh)
        self.is_deciding = False
        self.groups_done, self.trades, self.wins = state.groups, state.trades, state.wins
        self._canceled = state.canceled
        if recovery.taken_over is not None:
            self.warnings.append(stays_told(recovery.taken_over))
        self.release_wish = last_wish(self._journal)
        self._earlier = earlier_prefixes(self._journal, self.run)
        engine, exchange = self.engine, self._exchange
        open_orders = list(engine.orders.values())
        exchange.know(open_orders)
        exchange.start([desk.instrument for desk in engine.desks.values()], timeframe(self.run.timeframe))
        self._unanswered = {order.spec.order_id: self._venue(order.spec.instrument_id) for order in open_orders}
        exchange.ask(open_orders)
        exchange.ask_account()
        missed = self._history()
        self._recover()
        self._cancel_again(state.canceled)
        for group in missed:
            self._on_group([unfit(bar) for bar in group])
        return recovery

    def step(self) -> int:
        """Take in what the venue has said, and return how many groups of bars there were."""
        self._take_in(self._exchange.take(_WAIT_S))
        now = self._steady()
        groups = self._bars.ready(now, self._silent())
        if groups:
            self.before_bars()
        for group in groups:
            self._on_group([self._judged(bar, now) for bar in group])
        self._look(now)
        self._grant_release()
        if self._ticks >= CHECKPOINT_TICKS:
            self.checkpoint()
        self._recorder.flush()
        return len(groups)

    def stop(self, level: StopLevel, actor: str, reason: str) -> Tick:
        """Pull the brake."""
        return self._operate(EmergencyStopped(self.engine.ts, level, actor, reason))

    def resume(self, actor: str, reason: str) -> Tick:
        """Release the brake."""
        for standing in self._venues.values():
            standing.dispute.settle()
        return self._operate(TradingResumed(self.engine.ts, actor, reason))

    def checkpoint(self) -> None:
        """Write the whole state, so that the next start has little to repeat."""
        self._canceled &= self.engine.orders.keys()
        owed = encode(sorted(self._canceled))
        state = Checkpoint(snapshot(self.engine), owed, self.groups_done, self.trades, self.wins)
        self._recorder.write(CHECKPOINT, encode(state))
        self._ticks = 0

    def close(self) -> None:
        """Leave the orders as `on_exit` says, write a last checkpoint, and let venue and journal go."""
        if self.config.on_exit is OnExit.CANCEL_ENTRIES:
            self._cancel_entries()
        if self.config.dead_man_s:
            self._exchange.beat(0)  # what rests is meant to: nothing is canceled because we left
        self.checkpoint()
        self._exchange.close()
        for item in self._exchange.take(0.0):
            if isinstance(item, Failure):  # what came too late to be acted on must still be seen
                self.warnings.append(f"{item.message}; {item.hint}" if item.hint else item.message)
        self._journal.close()

    def take_ticks(self) -> list[Tick]:
        """Return the ticks since the last call."""
        ticks, self.recent = self.recent, []
        return ticks

    @property
    def is_unlocked(self) -> bool:
        """Tell whether entries are possible: every order is accounted for, and each venue agrees with the journal."""
        return not self._unanswered and all(standing.is_reconciled for standing in self._venues.values())

    @property
    def links_down(self) -> tuple[LinkLine, ...]:
        """Return what is out of reach now, and since when."""
        return tuple(line for standing in self._venues.values() for line in standing.down.values())

    @property
    def digest(self) -> str:
        """Return the digest of the run so far."""
        return self._recorder.digest

    @property
    def journal_sequence(self) -> int:
        """Return the sequence of the last durable record."""
        return self._journal.head[0]

    # -- what comes in -----------------------------------------------------------------------------
    def _take_in(self, incoming: Sequence[Incoming]) -> None:
        for item in incoming:
            match item:
                case BarClosed():
                    self._bars.add(item, self._steady())
                case Quote():
                    self._quotes.see(item, self._steady())
                    self._watch.see(item.instrument_id, item.bid, item.ask)
                case LinkChanged():
                    self._venues[item.venue].hear(item, self.engine.ts)
                    if item.venue and item.is_up:
                        self._watch.hurry(name for name in self.engine.desks if is_at(name, item.venue))
                    link = f"{item.link} link{item.venue and f' to {item.venue}'}"
                    self.warnings.append(f"the {link} is {'up' if item.is_up else 'down'}: {item.detail}")
                case Answered():
                    if item.is_certain:
                        self._unanswered.pop(item.order_id, None)
                case AccountReport():
                    self._reconcile(item)
                case Failure():
                    told = f"{item.venue}: {item.message}" if item.venue else item.message
                    self.warnings.append(f"{told}; {item.hint}" if item.hint else told)
                    if item.is_fatal:
                        raise VenueError(told, venue=item.venue or self._exchange.venue, hint=item.hint)
                case _:
                    self._on_order(item)
        refused, self._bars.refused = self._bars.refused, []
        self.warnings += refused

    def _on_order(self, event: OrderEvent) -> None:
        tick = self._process(event)
        order = self.engine.orders.get(event.order_id)
        if order is None:
            self._unanswered.pop(event.order_id, None)  # it has ended, so nothing is left to be asked
            ended = self.engine.finished.get(event.order_id)
            if ended is not None and is_thwarted(event, ended):
                self._due_report = 0  # the account may not be what we believe: compare at once
        if isinstance(event, OrderCanceled) and tick is not QUIET:
            self._tell_of_foreign_hand(event)

    def _tell_of_foreign_hand(self, event: OrderCanceled) -> None:
        """Warn of a stop that somebody else has taken back while it guarded a position; the watch places another."""
        order = self.engine.finished.get(event.order_id)
        is_by_hand = event.reason == "operator" or event.reason.startswith("cancel")
        if order is None or order.spec.role is not Role.STOP or order.filled or not is_by_hand:
            return
        trade = self.engine.desks[order.spec.instrument_id].trade
        if event.order_id not in self._canceled and trade is not None and trade.held and not trade.is_exiting:
            self.warnings.append(
                f"the stop {event.order_id} of {order.spec.instrument_id} was taken back at the venue by somebody else;"
                " a new one is placed"
            )

    def _on_group(self, group: list[BarClosed]) -> None:
        self._recorder.bars(group)
        for bar in group:
            tick = self._process(bar)
            if any(reason_of(note) is PassedOver.UNFIT_MARKET for note in tick.notes):
                why = self._unfit.get(bar.instrument_id, "its bar closed while this agent was away")
                self.warnings.append(f"{bar.instrument_id} is not entered: {why}")
        self.groups_done += 1

    def _look(self, now: int) -> None:
        """Do what is due between two bars: protection, the sign of life, the comparison with the venue."""
        self._watch_protection(now)
        if self.config.dead_man_s and now >= self._due_beat:
            self._due_beat = now + self.config.dead_man_s * SECOND // _BEATS
            self._exchange.beat(self.config.dead_man_s)
        if now >= self._due_report:
            self._due_report = now + self.config.reconcile_every_s * SECOND
            self._exchange.ask_account()

    # -- recovery and comparison -------------------------------------------------------------------
    def _history(self) -> list[list[BarClosed]]:
        """Let strategies of a new run see the past; of a run that goes on, return the bars that it has missed."""
        engine = self.engine
        length = timeframe(self.run.timeframe).nanos
        # The last bars that were seen come once more, so that the labels of those after them are what they were.
        after = engine.ts_bar - 2 * length if engine.ts_bar else 0
        count = self.config.history_bars
        found = {name: self._bars_since(name, count, after) for name in engine.desks}
        for name, bars in found.items():
            if after and len(bars) >= count:  # it was away for longer than a new run looks back
                found[name] = self._bars_since(name, BARS_MAX, after)
        self._warn_of_holes(found, length)
        ends = max((bars[-1].ts_event for bars in found.values() if bars), default=engine.ts_bar)
        later = even_out(found, ends, lambda name, since: self._bars_since(name, BARS_MAX, since))
        is_due = engine.bars_due()
        groups = merged(bar for bars in found.values() for bar in self._bars.know(bars) if is_due(bar))
        self._bars.end_past(max(ends, engine.ts_bar))
        for bar in later:
            self._bars.add(bar, self._steady())
        if engine.ts_bar or not groups:
            return groups
        self._recorder.write(HISTORY, encode([bar for group in groups for bar in group]))
        self.is_deciding = True
        for group in groups:
            for bar in group:
                engine.warm(bar)
        self.is_deciding = False
        return []

    def _bars_since(self, name: InstrumentId, count: int, after: int) -> list[BarClosed]:
        try:
            return list(self._exchange.history(name, count, after))
        except VenueError as error:
            if len(self._venues) == 1 or not self.engine.ts_bar:
                raise
            self.warnings.append(f"the bars that {name} has missed cannot be had: {error}")
            return []

    def _warn_of_holes(self, found: Mapping[InstrumentId, Sequence[BarClosed]], length: int) -> None:
        """Say where the venue does not have the bars any more that follow on the last one that was seen."""
        seen = self.engine.ts_bar
        self.warnings += [
            f"{name} has no bars between {rfc3339(seen)} and {rfc3339(bars[0].ts_event - length)} at the venue"
            for name, bars in found.items()
            if seen and bars and bars[0].ts_event > seen + length
        ]

    def _recover(self) -> None:
        """Take in answers until every order is accounted for and the venues agree with us, or the wait is over."""
        ends = self._steady() + self.config.recovery_wait_s * SECOND
        asked = self._steady()
        while self._awaited() and (now := self._steady()) < ends:
            self._take_in(self._exchange.take(_WAIT_S))
            is_agreed = all(standing.is_reconciled for standing in self._venues.values())
            if not is_agreed and now - asked > _ASK_AGAIN_S * SECOND:
                asked = now
                self._exchange.ask_account()
            self._watch_protection(now)
        self._recorder.sync()
        if not self.is_unlocked:
            disputed = [venue or "the account" for venue, there in self._venues.items() if not there.is_reconciled]
            waiting = ", ".join([*sorted(self._unanswered), *disputed])
            self.warnings.append(f"entries stay locked until the venue has answered about {waiting}")

    def _cancel_again(self, canceled: set[OrderId]) -> None:
        """Send the cancels that were decided on and may not have left; where nothing rests they change nothing."""
        is_reducing = self.engine.account.stop_level.severity >= StopLevel.REDUCE_ONLY.severity
        for order_id, order in self.engine.orders.items():
            trade = self.engine.desks[order.spec.instrument_id].trade
            is_left = trade is not None and trade.is_exiting
            if order_id in canceled or (order.spec.role is Role.ENTRY and (is_reducing or is_left)):
                self._exchange.cancel(order_id, self.engine.ts, "left")

    def _watch_protection(self, now: int) -> None:
        # A position must not wait for the last answer about something else.
        for due in self._watch.due(self._market_ts(), now):
            desk = self.engine.desks[due.instrument_id]
            trade = desk.trade
            ours = set() if trade is None else {b.stop_id for b in trade.brackets} | {b.exit_id for b in trade.brackets}
            if not ours & self._unanswered.keys():
                self._process(due)

    def _reconcile(self, report: AccountReport) -> None:
        standing = self._venues[report.venue]
        findings = compare(self.engine, report, self.config.cash_tolerance, self._earlier)
        self._put_right(findings)
        self._tell_of_others(report.venue, findings)
        if not findings.contradictions:
            standing.dispute.settle()
            standing.is_reconciled = True
            return
        if report.venue in self._unanswered.values():
            return  # what is not yet known explains it, perhaps
        now = self._steady()
        if not standing.dispute.is_proven(now, is_explained=bool(findings.unsettled)):
            self._due_report = min(self._due_report, now + PAUSE)
            return
        told = "; ".join(findings.contradictions)
        # Of several venues one that contradicts us must not keep the positions at the others from being looked after.
        if not standing.is_reconciled and len(self._venues) == 1:
            raise DomainError(
                f"the venue's account contradicts the journal: {told}; {guards_told(self.engine, report)}",
                hint="put back what was moved at the venue, and start again; where that cannot be done, `holdfast run"
                " --fresh --abandon` takes the orders of this run back, leaves its coins to you and begins a new one",
            )
        if self.engine.account.stop_level is StopLevel.NONE:
            self.stop(StopLevel.NO_ENTRIES, WATCHDOG, told)

    def _put_right(self, findings: Findings) -> None:
        if findings.to_ask:
            self._exchange.ask(findings.to_ask)
        for order_id in findings.to_cancel:
            self._exchange.cancel(order_id, self.engine.ts, "over")
        for amend in findings.to_amend:
            self._exchange.amend(amend, self.engine.ts)

    def _tell_of_others(self, venue: str, findings: Findings) -> None:
        told = {f"somebody else has an order at the venue: {x}" for x in findings.strangers} | {
            f"an order of an earlier run of this journal is still at the venue: {x}; nobody looks after it any more:"
            " cancel it there by hand"
            for x in findings.orphans
        }
        self.warnings += sorted(told - self._told_of.get(venue, frozenset()))
        self._told_of[venue] = frozenset(told)

    def _judged(self, bar: BarClosed, now: int) -> BarClosed:
        """Return the bar, marked where nothing may be entered on it: it must be fresh, and so the market around it."""
        self._unfit[bar.instrument_id] = why = self._why_unfit(bar, now)
        return unfit(bar) if why else bar

    def _why_unfit(self, bar: BarClosed, now: int) -> str:
        venue = self._venue(bar.instrument_id)
        if self._quotes.has(bar.instrument_id) and not self._is_open(venue):
            return "a link to its venue is down, or the venue's answers are not all in, or contradict the journal"
        return self._quotes.why_unfit(bar, now, self._market_ts(venue))

    def _market_ts(self, venue: str = "") -> int:
        """Return the market's time: what the venue's own news carry, which in practice is not that of the wall."""
        return max(self._quotes.ts_newest(lambda name: is_at(name, venue)), self.engine.ts_bar)

    # -- several venues ----------------------------------------------------------------------------
    def _venue(self, instrument_id: InstrumentId) -> str:
        """Return the venue of an instrument, as reports name it: without a name where there is only one."""
        return "" if "" in self._venues else venue_of(instrument_id)

    def _is_settled(self, venue: str) -> bool:
        return self._venues[venue].is_reconciled and venue not in self._unanswered.values()

    def _is_open(self, venue: str) -> bool:
        """Tell whether entries are possible at a venue. What is missing at one casts doubt on the sum over all."""
        is_disputed = any(standing.dispute.is_open for standing in self._venues.values())
        return self._is_settled(venue) and self._venues[venue].is_up and not is_disputed

    def _awaited(self) -> list[str]:
        """Return the venues whose answers a start waits for: of several, not those that are out of reach."""
        is_only = len(self._venues) == 1
        return [
            venue for venue, there in self._venues.items() if (there.is_up or is_only) and not self._is_settled(venue)
        ]

    def _silent(self) -> list[InstrumentId]:
        """Return the instruments whose bars nobody sends now."""
        if all(standing.is_up for standing in self._venues.values()):
            return []
        return [name for name in self.engine.desks if not self._venues[self._venue(name)].is_up]

    # -- what goes out -----------------------------------------------------------------------------
    def _process(self, event: Event) -> Tick:
        self.is_deciding = True
        tick = self.engine.process(event)
        self.is_deciding = False
        if tick is not QUIET:
            self._settle(tick)
        return tick

    def _settle(self, tick: Tick) -> None:
        # The record first, then the effect: nothing leaves the house that the journal does not know.
        self._recorder.tick(tick)
        self.recent.append(tick)
        self._ticks += 1
        if tick.closed is not None:
            self.trades += 1
            self.wins += tick.closed.pnl > 0
        for command in tick.commands:
            self._execute(command, tick.event.ts_event)

    def _execute(self, command: Command, ts: int) -> None:
        match command:
            case SubmitOrder():
                self._exchange.submit(command.approved, ts)
            case AmendOrder():
                self._exchange.amend(command.amend, ts)
            case CancelOrder():
                self._canceled.add(command.order_id)
                self._exchange.cancel(command.order_id, ts, command.reason)
            case AskOpinion():
                raise DomainError("a model was asked, but this agent has none", hint="set opinion_timeout_ms to 0")

    def _grant_release(self) -> None:
        wish = self.release_wish
        if wish is not None and can_release(self.engine):
            self.resume(wish.actor, wish.reason)

    def _operate(self, event: OperatorEvent) -> Tick:
        self.release_wish = None
        self._recorder.write(OPERATOR, encode(event))
        tick = self.engine.process(event)
        self._settle(tick)
        self._recorder.sync()
        return tick

    def _cancel_entries(self) -> None:
        entries = {order_id for order_id, order in self.engine.orders.items() if order.spec.role is Role.ENTRY}
        for order_id in entries:
            self._exchange.cancel(order_id, self.engine.ts, "shutdown")
        ends = self._steady() + self.config.recovery_wait_s * SECOND
        while entries & self.engine.orders.keys() and self._steady() < ends:
            self._take_in(self._exchange.take(_WAIT_S))
        if left := entries & self.engine.orders.keys():
            self.warnings.append(f"still at the venue: {', '.join(sorted(left))}")
