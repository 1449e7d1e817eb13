"""How an account stands by what is recorded alone, for a run that this program does not repeat.

Positions, money and orders are what the recorded fills made them; prices are the last recorded closes; a stop is that
of the order that rests at the venue. Only the strategy's own state is not known: what it waits for cannot be told.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from holdfast.core.time import MINUTE, day_of, week_of
from holdfast.domain.command import SubmitOrder
from holdfast.domain.decision import Proposal, StopLevel
from holdfast.domain.event import TradingResumed
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import Order, OrderFilled, Role
from holdfast.domain.portfolio import Portfolio, Position
from holdfast.domain.tick import Tick
from holdfast.domain.values import ZERO, InstrumentId, OrderId, Side, VenueCash
from holdfast.engine.recorder import BARS, OPERATOR, RUN, TICK
from holdfast.portfolio.fold import JournalFold, read_body, read_tick
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import PositionLine, Status
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.risk.config import RiskConfig
from holdfast.risk.drawdown import drawdown_of, governor_factor
from holdfast.risk.view import Exposure, PortfolioView
from holdfast.services.standing import LimitLine, limits_within, order_line

_BARS = msgspec.json.Decoder(list[BarClosed])
_SUSPECT = int(BarFlag.SUSPECT)
_SENT_KEPT = 10_000  # more than any limit on orders a minute


class RecordedStanding:
    """The last run of `journal`, read once.

    Raises
    ------
    UnreadableRecordError
        A tick or a group of bars cannot be read.
    JournalError
        The records contradict each other.
    """

    def __init__(self, run: RunStarted, config: RiskConfig, journal: Journal) -> None:
        self._run, self._config = run, config
        self._instruments = {instrument.id: instrument for instrument in run.instruments}
        self._fold = JournalFold(run)
        self._portfolio = _portfolio(self._fold)
        self._closes: dict[InstrumentId, Decimal] = {}
        self._group: list[BarClosed] = []  # whose fills are being read: its closes count when they have been
        self._opened: dict[InstrumentId, int] = {}
        self._proposals: dict[OrderId, Proposal] = {}
        self._sent: deque[int] = deque(maxlen=_SENT_KEPT)  # when orders left
        self._peak = self._day = self._week = run.capital
        self._day_number = self._week_number = -1
        self._groups = self._ts_bar = 0
        digest = hashlib.sha256()
        for record in _of_last_run(journal):
            if record.kind == TICK:
                digest.update(record.body)
                self._take(read_tick(record.body, record.sequence))
            elif record.kind == BARS:
                self._close_group()
                self._group = read_body(_BARS, record.body, "a group of bars", record.sequence)
                self._groups += 1
            elif record.kind == OPERATOR:
                self._close_group()
        self._close_group()
        self._digest, self._journal_sequence = digest.hexdigest(), journal.head[0]

    def status(self) -> Status:
        """Return how the account stands."""
        view, fold, run = self._view(), self._fold, self._run
        positions = tuple(self._position(position) for position in self._held())
        return Status(
            mode=run.mode, is_synthetic=run.is_synthetic, quote=run.quote, ts=view.ts, equity=view.equity,
            cash=self._cash, capital=run.capital, peak=view.equity_peak,
            drawdown=drawdown_of(view.equity, view.equity_peak), day_pnl=view.equity - view.equity_day_start,
            risk_open=sum((line.risk_open for line in positions), ZERO),
            risk_open_limit=view.equity * self._config.risk_open_total_max, stop_level=fold.stop_level.value,
            is_paused=fold.stop_level is StopLevel.NO_ENTRIES, positions=positions,
            orders=tuple(order_line(order) for order in fold.orders.values()),
            decisions=tuple(reversed(fold.decisions)), trades=fold.trades, wins=fold.wins, bars=self._groups,
            digest=self._digest, journal_sequence=self._journal_sequence, is_drawdown_locked=self._is_locked,
            left_out=run.left_out,
            cash_at=tuple(VenueCash(venue, amount) for venue, amount in self._portfolio.cash_at.items()),
        )  # fmt: skip

    def limits(self) -> tuple[LimitLine, ...]:
        """Return the account's limits beside what is used of them."""
        return limits_within(self._config, self._view())

    # -- reading -----------------------------------------------------------------------------------
    def _take(self, tick: Tick) -> None:
        event, fold = tick.event, self._fold
        held = {position.instrument_id for position in self._held()}
        fold.apply(tick)
        if isinstance(event, OrderFilled):
            for position in self._held():
                if position.instrument_id not in held:
                    self._opened[position.instrument_id] = event.ts_event
        elif isinstance(event, TradingResumed) and self._is_locked:
            self._peak = self._equity  # as in the engine: to resume accepts the loss
        if tick.proposal is not None:
            self._proposals[tick.proposal.proposal_id] = tick.proposal
        self._sent += [event.ts_event for command in tick.commands if isinstance(command, SubmitOrder)]

    def _close_group(self) -> None:
        """Count the closes of the last group of bars, in the engine's order: peak and day before the prices move."""
        if not self._group:
            return
        ts, equity = self._group[0].ts_event, self._equity
        self._ts_bar = ts
        self._peak = max(self._peak, equity)
        # A bar that closes at midnight still belongs to the day that ends there.
        if (day := day_of(ts - 1)) != self._day_number:
            self._day_number, self._day = day, equity
        if (week := week_of(ts - 1)) != self._week_number:
            self._week_number, self._week = week, equity
        for bar in self._group:
            if not bar.flags & _SUSPECT or bar.instrument_id not in self._closes:
                self._closes[bar.instrument_id] = self._instruments[bar.instrument_id].price(bar.close)
        self._group = []

    # -- what follows from it ----------------------------------------------------------------------
    def _held(self) -> Iterator[Position]:
        return (position for position in self._portfolio.positions.values() if position.quantity)

    @property
    def _cash(self) -> Decimal:
        return self._portfolio.cash

    @property
    def _equity(self) -> Decimal:
        return self._portfolio.equity({x.instrument_id: self._price(x) for x in self._held()})

    @property
    def _is_locked(self) -> bool:
        equity = self._equity
        return governor_factor(equity, max(self._peak, equity), self._config.drawdown_steps) <= 0

    def _price(self, position: Position) -> Decimal:
        return self._closes.get(position.instrument_id, position.entry_price)

    def _view(self) -> PortfolioView:
        fold, equity = self._fold, self._equity
        ts = max(fold.ts, self._ts_bar)
        positions = [self._position(position) for position in self._held()]
        exposures = [
            Exposure(
                InstrumentId(x.instrument_id), self._instruments[InstrumentId(x.instrument_id)].base,
                x.quantity * Side(x.side).sign, x.quantity * x.price_last, x.risk_open,
            )
            for x in positions
        ]  # fmt: skip
        exposures += [self._pending(order) for order in fold.orders.values() if order.spec.role is Role.ENTRY]
        return PortfolioView(
            ts, equity, max(self._peak, equity), self._day, self._week, self._cash, tuple(exposures),
            sum(sent > ts - MINUTE for sent in self._sent), (), fold.stop_level,
        )  # fmt: skip

    def _pending(self, order: Order) -> Exposure:
        spec, left = order.spec, order.quantity - order.filled
        proposal = self._proposals.get(spec.order_id)
        entry = proposal.entry if proposal is not None else spec.limit_price or ZERO
        risk = abs(proposal.entry - proposal.stop) * left if proposal is not None else entry * left
        base = self._instruments[spec.instrument_id].base
        return Exposure(spec.instrument_id, base, left * spec.side.sign, entry * left, risk)

    def _position(self, position: Position) -> PositionLine:
        side = Side.BUY if position.quantity > 0 else Side.SELL
        name, price, held = position.instrument_id, self._price(position), abs(position.quantity)
        mine = [order for order in self._fold.orders.values() if order.spec.instrument_id == name]
        stops = [x for x in mine if x.spec.role is Role.STOP and x.trigger_price is not None]
        stop = max((x.trigger_price or ZERO for x in stops), key=lambda level: level * side.sign, default=ZERO)
        targets = [x.spec.limit_price or ZERO for x in mine if x.spec.role is Role.TARGET]
        # Without a stop at the venue all of it is at risk: the software stop lives in a program that does not run.
        lost = (position.entry_price - stop) * position.quantity if stop else position.entry_price * held
        return PositionLine(
            instrument_id=name, side=side.value, quantity=held, entry_price=position.entry_price, price_last=price,
            stop=stop, target=max(targets, key=lambda level: level * side.sign, default=ZERO),
            unrealized=position.unrealized(price), risk_open=max(lost, ZERO), strategy=self._run.strategy,
            ts_opened=self._opened.get(name, 0),
            trade_id=next((x.spec.group.partition(".")[0] for x in mine if x.spec.group), ""),
        )  # fmt: skip


def _portfolio(fold: JournalFold) -> Portfolio:
    assert fold.portfolio is not None  # it has been given its run
    return fold.portfolio


def _of_last_run(journal: Journal) -> Iterator[JournalRecord]:
    began = 0
    for record in journal.read(kinds=(RUN,)):
        began = record.sequence
    return journal.read(began, kinds=(TICK, BARS, OPERATOR))
