"""The account's money over time: equity, its peak, where the day and the week began, and how trades went lately."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from functools import lru_cache

import msgspec

from holdfast.core.record import State
from holdfast.core.time import DAY, MINUTE, WEEK, day_of, week_of
from holdfast.domain.decision import StopLevel
from holdfast.domain.ledger import Account as LedgerAccount
from holdfast.domain.ledger import Transfer
from holdfast.domain.portfolio import Portfolio, Position, entry_of
from holdfast.domain.values import ZERO, Asset, InstrumentId, VenueCash, venue_of
from holdfast.engine.desk import Desk
from holdfast.risk.view import Exposure, PortfolioView

RESULTS_KEPT = 20
# 1970-01-01 was a Thursday, so that weeks of the epoch start four days before a Monday.
_MONDAY = 4 * DAY

Pair = tuple[InstrumentId, InstrumentId, float]
"""Two instruments and the correlation of their returns."""


class Balance(State):
    """One account of the ledger."""

    account: str
    asset: Asset
    amount: Decimal


class AccountState(State, omit_defaults=True):
    """Everything of an account that a restart must know."""

    balances: list[Balance]
    positions: list[Position]
    equity: float
    peak: float
    day_start: float
    week_start: float
    ts_day_end: int
    ts_week_end: int
    results: list[float]
    order_times: list[int]
    stop_level: StopLevel
    ts_result_last: int
    cash_at: list[VenueCash] = msgspec.field(default_factory=list)


class Account:
    """Mutable; owned by the engine alone. Equity is marked in floats at each bar and set right by each fill."""

    __slots__ = (
        "day_start", "desks", "equity", "order_times", "peak", "portfolio", "results", "stop_level", "ts_day_end",
        "ts_result_last", "ts_week_end", "week_start",
    )  # fmt: skip

    def __init__(self, portfolio: Portfolio, desks: dict[InstrumentId, Desk]) -> None:
        self.portfolio, self.desks = portfolio, desks
        self.equity = self.peak = self.day_start = self.week_start = float(portfolio.cash)
        self.ts_day_end = self.ts_week_end = self.ts_result_last = 0
        self.results: deque[float] = deque(maxlen=RESULTS_KEPT)
        self.order_times: deque[int] = deque()
        self.stop_level = StopLevel.NONE

    def roll(self, ts: int) -> None:
        """Begin the day, and perhaps the week, that the bars closing at `ts` belong to."""
        # A bar that closes at midnight still belongs to the day that ends there.
        self.ts_day_end = (day_of(ts - 1) + 1) * DAY
        self.day_start = self.equity
        if ts > self.ts_week_end:
            self.ts_week_end = (week_of(ts - 1) + 1) * WEEK + _MONDAY
            self.week_start = self.equity
        for desk in self.desks.values():
            desk.catch_up()  # so that what no proposal asks for does not pile up

    def settle(self) -> None:
        """Set the float equity right after a fill: from exact cash and exact positions."""
        equity = float(self.portfolio.cash)
        for desk in self.desks.values():
            if desk.held:
                equity += desk.held * desk.close
        self.equity = equity

    def conclude(self, r_multiple: Decimal, ts: int) -> None:
        """Remember how a trade ended."""
        self.results.append(float(r_multiple))
        self.ts_result_last = ts

    def drawdown(self) -> float:
        """Return the share of the peak that is lost, 0 to 1."""
        peak = self.peak if self.peak > self.equity else self.equity
        return (peak - self.equity) / peak

    def count_order(self, ts: int) -> None:
        """Remember that an order left at `ts`."""
        self.order_times.append(ts)

    def exposures(self) -> tuple[tuple[Exposure, ...], Decimal]:
        """Return positions and entries on their way, and the cash that the latter need."""
        found: list[Exposure] = []
        reserved = ZERO
        for desk in self.desks.values():
            instrument, trade, entry = desk.instrument, desk.trade, desk.entry
            pending = _pending(desk)
            if trade is not None and trade.held:
                price = instrument.price(desk.tape.close_good)
                signed = trade.held * trade.side.sign
                # A trailed stop may lie beyond the entry: then nothing of the capital is at stake.
                risk = max((trade.entry_price - trade.stop) * signed, ZERO)
                found.append(Exposure(instrument.id, instrument.base, signed, price * trade.held, risk))
            if entry is not None and pending > 0:
                notional = entry.entry * pending
                reserved += notional
                risk = abs(entry.entry - entry.stop) * pending
                found.append(Exposure(instrument.id, instrument.base, pending * entry.side.sign, notional, risk))
        return tuple(found), reserved

    def cash_at(self) -> tuple[VenueCash, ...]:
        """Return what is available at each venue: without what entries on their way need there."""
        if not (cash_at := self.portfolio.cash_at):
            return ()
        available = dict(cash_at)
        for desk in self.desks.values():
            if desk.entry is not None and (pending := _pending(desk)) > 0:
                available[venue_of(desk.instrument.id)] -= desk.entry.entry * pending
        return tuple(VenueCash(venue, amount) for venue, amount in available.items())

    def view(self, ts: int, pairs: tuple[Pair, ...] = ()) -> PortfolioView:
        """Return what the gate is shown of the account at `ts`."""
        order_times = self.order_times
        while order_times and order_times[0] <= ts - MINUTE:
            order_times.popleft()
        exposures, reserved = self.exposures()
        portfolio = self.portfolio
        cash = equity = portfolio.cash
        for instrument_id, position in portfolio.positions.items():
            if position.quantity:
                desk = self.desks[instrument_id]
                equity += position.quantity * desk.instrument.price(desk.tape.close_good)
        peak = _exact(self.peak)
        return PortfolioView(
            ts, equity, equity if equity > peak else peak, _exact(self.day_start), _exact(self.week_start),
            cash - reserved, exposures, len(order_times), tuple(self.results), self.stop_level, self.ts_result_last,
            pairs, self.cash_at(),
        )  # fmt: skip

    def snapshot(self) -> AccountState:
        """Return the state."""
        portfolio = self.portfolio
        balances = [Balance(a, asset, amount) for (a, asset), amount in portfolio.ledger.balances().items()]
        return AccountState(
            balances, list(portfolio.positions.values()), self.equity, self.peak, self.day_start, self.week_start,
            self.ts_day_end, self.ts_week_end, list(self.results), list(self.order_times), self.stop_level,
            self.ts_result_last, [VenueCash(venue, amount) for venue, amount in portfolio.cash_at.items()],
        )  # fmt: skip

    def restore(self, state: AccountState) -> None:
        """Take up a state that `snapshot` gave."""
        portfolio = self.portfolio
        portfolio.ledger = type(portfolio.ledger)(
            transfer for balance in state.balances for transfer in _opening(balance, portfolio.quote)
        )
        portfolio.positions = {position.instrument_id: position for position in state.positions}
        portfolio.cash_at = {there.venue: there.amount for there in state.cash_at}
        self.equity, self.peak = state.equity, state.peak
        self.day_start, self.week_start = state.day_start, state.week_start
        self.ts_day_end, self.ts_week_end = state.ts_day_end, state.ts_week_end
        self.results.extend(state.results)
        self.order_times.extend(state.order_times)
        self.stop_level, self.ts_result_last = state.stop_level, state.ts_result_last


def _pending(desk: Desk) -> Decimal:
    """Return how much of a desk's entry has not filled yet."""
    entry, trade = desk.entry, desk.trade
    if entry is None:
        return ZERO
    if trade is not None and trade.held and entry.proposal_id == entry_of(trade.trade_id):
        return entry.quantity - trade.entry_quantity  # it fills in parts
    return entry.quantity


def _opening(balance: Balance, quote: Asset) -> tuple[Transfer, ...]:
    """Return the transfer that opens a balance. EXTERNAL is the other side of all, so it follows from the rest."""
    account = LedgerAccount(balance.account)
    if account is LedgerAccount.EXTERNAL or not balance.amount:
        return ()
    ref, amount = f"opening {quote}", abs(balance.amount)
    if balance.amount > 0:
        return (Transfer(LedgerAccount.EXTERNAL, account, balance.asset, amount, ref),)
    return (Transfer(account, LedgerAccount.EXTERNAL, balance.asset, amount, ref),)


@lru_cache(maxsize=16)  # a day's and a week's first equity are asked for with every proposal
def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
