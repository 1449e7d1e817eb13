"""Bugs on purpose: each breaks one promise in one place, as a plausible slip of the pen would."""

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from holdfast.domain.command import AmendOrder
from holdfast.domain.decision import Approved, ApprovedAmend, Check, StopLevel
from holdfast.domain.ledger import Account as LedgerAccount
from holdfast.domain.ledger import Ledger
from holdfast.domain.order import Order, Role
from holdfast.domain.portfolio import Portfolio
from holdfast.domain.values import ZERO, Money, Price, Quantity
from holdfast.engine.account import Account
from holdfast.engine.desk import Desk
from holdfast.engine.engine import Engine
from holdfast.engine.protection import Protection
from holdfast.engine.recorder import OPERATOR, Recorder
from holdfast.engine.trade import OpenTrade
from holdfast.matching import execution, phases
from holdfast.matching.book import TradedBar
from holdfast.matching.execution import Executor
from holdfast.matching.phases import Matcher
from holdfast.matching.venue import Venue
from holdfast.risk import gate
from holdfast.risk.gate import RiskGate

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch], None]


def wrap(patch: Patch, owner: object, name: str, wrapper: Callable) -> None:
    """Replace `owner.name` by `wrapper(original, ...)`."""
    original = getattr(owner, name)
    patch.setattr(owner, name, lambda *args, **kwargs: wrapper(original, *args, **kwargs))


def stop_is_loosened(patch: Patch) -> None:
    def follow(original, self, orders, desk, trade, bar, next_id):
        commands = original(self, orders, desk, trade, bar, next_id)
        if commands or trade.is_exiting or bar.ts_event // 3_600_000_000_000 % 5:
            return commands
        wider = desk.instrument.price(trade.stop * (Decimal("0.99") if trade.side == "BUY" else Decimal("1.01")))
        trade.stop, trade.stop_level = wider, float(wider)
        return tuple(AmendOrder(ApprovedAmend(b.stop_id, wider)) for b in trade.brackets if b.stop_id in orders)

    wrap(patch, Protection, "follow", follow)


def exit_is_not_sent(patch: Patch) -> None:
    def leave(original, self, desk, trade, role, next_id):
        original(self, desk, trade, role, next_id)
        return ()

    wrap(patch, Protection, "leave", leave)


def stop_is_not_sent(patch: Patch) -> None:
    wrap(patch, Protection, "protect", lambda original, *args: original(*args)[1:])


def fill_is_counted_twice(patch: Patch) -> None:
    def apply(original, self, order, fill):
        original(self, order, fill)
        return original(self, order, fill)

    wrap(patch, Portfolio, "apply", apply)


def size_is_doubled(patch: Patch) -> None:
    def entry(original, self, proposal, quantity):
        return original(self, proposal, Quantity(quantity * 2))

    wrap(patch, RiskGate, "_entry", entry)


def budget_is_unbounded(patch: Patch) -> None:
    def size(original, self, levels, view, market, instrument):
        sized = original(self, levels, view, market, instrument)
        return msgspec.structs.replace(sized, quantity=Quantity(sized.quantity * 10))

    wrap(patch, RiskGate, "size", size)
    lets_all_pass(patch, "RISK_PER_TRADE", "LOSS_DAY", "LOSS_WEEK", "RISK_OPEN_TOTAL", "EXPOSURE_ASSET")
    lets_all_pass(patch, "EXPOSURE_TOTAL", "EXPOSURE_CORRELATED", "VOLUME_SHARE", "CASH")


def lets_all_pass(patch: Patch, *names: str) -> None:
    def lenient(rule):
        def judge(case):
            check = rule(case)
            return Check(check.rule, ZERO, ZERO, True) if check.rule in names else check

        return judge

    patch.setattr(gate, "RULES", tuple(lenient(rule) for rule in gate.RULES))


def reward_to_risk_is_not_asked(patch: Patch) -> None:
    lets_all_pass(patch, "REWARD_TO_RISK")


def brake_is_not_asked(patch: Patch) -> None:
    lets_all_pass(patch, "EMERGENCY_STOP")


def positions_are_not_counted(patch: Patch) -> None:
    lets_all_pass(patch, "POSITIONS_MAX")


def forgets(patch: Patch, name: str) -> None:
    """What was lost before is not seen: sizing, budget and gate are shown the equity of the moment in its place."""

    def view(original, self, ts, pairs=()):
        seen = original(self, ts, pairs)
        return msgspec.structs.replace(seen, **{name: seen.equity})

    wrap(patch, Account, "view", view)


def peak_is_forgotten(patch: Patch) -> None:
    forgets(patch, "equity_peak")


def day_begins_with_each_order(patch: Patch) -> None:
    forgets(patch, "equity_day_start")


def week_begins_with_each_order(patch: Patch) -> None:
    forgets(patch, "equity_week_start")


def week_begins_each_day(patch: Patch) -> None:
    def roll(original, self, ts):
        self.ts_week_end = 0
        original(self, ts)

    wrap(patch, Account, "roll", roll)


def stop_fills_at_its_price_in_a_gap(patch: Patch) -> None:
    def stop(original, self, book, order, bar, seen, ts):
        return original(self, book, order, bar, 0.0, ts)

    wrap(patch, Matcher, "_stop", stop)


def stop_gains_from_a_bounce(patch: Patch) -> None:
    """What a thin bar has left of a triggered stop fills at the next open, however far above the stop that is."""

    def left_over(book, order, bar):
        return execution.Terms(bar.ts_open, Decimal(repr(bar.open)), book.instrument.price(bar.open))

    patch.setattr(phases, "_left_over", left_over)


def fee_is_forgotten(patch: Patch) -> None:
    patch.setattr(execution, "fee", lambda config, instrument, notional, liquidity: Money(ZERO, instrument.quote))


def fee_is_not_booked(patch: Patch) -> None:
    def post(original, self, transfer):
        if transfer.credit is not LedgerAccount.FEES:
            original(self, transfer)

    wrap(patch, Ledger, "post", post)


def purchase_is_booked_the_wrong_way_round(patch: Patch) -> None:
    def post(original, self, transfer):
        if transfer.debit is LedgerAccount.TRADING and transfer.asset != "USDT":
            debit, credit = transfer.credit, transfer.debit
            transfer = msgspec.structs.replace(transfer, debit=debit, credit=credit)
        original(self, transfer)

    wrap(patch, Ledger, "post", post)


def bars_without_trade_fill(patch: Patch) -> None:
    def init(original, self, bar, nanos, config):
        original(self, bar, nanos, config)
        self.has_traded = True

    wrap(patch, TradedBar, "__init__", init)


def targets_fill_better_than_the_bar(patch: Patch) -> None:
    def price(original, self, book, order, bar, terms, quantity):
        found = original(self, book, order, bar, terms, quantity)
        is_target = found is not None and order.spec.role is Role.TARGET
        return (
            book.instrument.price(found * (2 if order.spec.side == "SELL" else Decimal("0.5"))) if is_target else found
        )

    wrap(patch, Executor, "_price", price)


def group_is_not_shared(patch: Patch) -> None:
    patch.setattr(Executor, "_share", lambda self, book, order, ts, quantity: [])


def flatten_leaves_one(patch: Patch) -> None:
    def leave(original, self, desk, trade, role, next_id):
        return () if role is Role.EMERGENCY else original(self, desk, trade, role, next_id)

    wrap(patch, Protection, "leave", leave)


def resume_is_ignored(patch: Patch) -> None:
    def on_operator(original, self, event):
        level = self.account.stop_level
        tick = original(self, event)
        if self.account.stop_level is StopLevel.NONE:
            self.account.stop_level = level
        return tick

    wrap(patch, Engine, "_on_operator", on_operator)


def restore_forgets_the_stop(patch: Patch) -> None:
    def restore(original, self, state):
        original(self, state)
        if self.trade is not None:
            self.trade.stop_level = float(self.trade.stop_first)
            self.trade.stop = self.trade.stop_first

    wrap(patch, Desk, "restore", restore)


def restore_forgets_the_range(patch: Patch) -> None:
    def restore(original, self, state):
        original(self, state)
        self.tape.range_fast = self.tape.range_slow

    wrap(patch, Desk, "restore", restore)


def restore_forgets_the_orders_at_the_venue(patch: Patch) -> None:
    def restore(original, self, state):
        original(self, state)
        for book in self._books.values():
            book.orders.clear()
            book.refresh()

    wrap(patch, Venue, "restore", restore)


def equity_drifts(patch: Patch) -> None:
    def settle(original, self):
        original(self)
        self.equity *= 1.00001

    wrap(patch, Account, "settle", settle)


def operator_is_not_recorded(patch: Patch) -> None:
    def write(original, self, kind, body):
        if kind != OPERATOR:
            original(self, kind, body)

    wrap(patch, Recorder, "write", write)


def journal_runs_behind(patch: Patch) -> None:
    wrap(patch, Recorder, "sync", lambda original, self: self.flush())


def loss_is_blamed_on_a_gap(patch: Patch) -> None:
    def cause(original, self, pnl):
        return "gap" if pnl < 0 else ""

    wrap(patch, OpenTrade, "_excess_cause", cause)


def loss_is_blamed_on_parts(patch: Patch) -> None:
    """Whatever was filled in several parts is called liquidity, as if the parts had to be what it lost by."""

    def cause(original, self, pnl):
        found = original(self, pnl)
        return "liquidity" if found and len(self.brackets) > 1 else found

    wrap(patch, OpenTrade, "_excess_cause", cause)


def loss_has_no_name(patch: Patch) -> None:
    patch.setattr(OpenTrade, "_excess_cause", lambda self, pnl: "")


def orders_are_named_by_chance(patch: Patch) -> None:
    def next_id(original, self, kind):
        return f"{original(self, kind)}{id(self) % 97}"

    wrap(patch, Engine, "_next_id", next_id)


def partial_fill_ends_the_order(patch: Patch) -> None:
    def filled(original, self, fill, state):
        return msgspec.structs.replace(original(self, fill, state), state=state)

    wrap(patch, Order, "_filled", filled)


def exit_is_a_lot_too_large(patch: Patch) -> None:
    def protect(original, self, spec, held, *level):
        if spec.role is not Role.EXIT:
            return original(self, spec, held, *level)
        return Approved(msgspec.structs.replace(spec, quantity=Quantity(spec.quantity * 2)))

    wrap(patch, RiskGate, "protect", protect)


def stop_is_off_the_tick(patch: Patch) -> None:
    def price(original, self, level):
        return Price(original(self, level) + self.instrument.tick / 2)

    wrap(patch, Desk, "price", price)


BUGS: tuple[Plant, ...] = (
    stop_is_loosened, exit_is_not_sent, stop_is_not_sent, fill_is_counted_twice, size_is_doubled, budget_is_unbounded,
    reward_to_risk_is_not_asked, brake_is_not_asked, positions_are_not_counted, stop_fills_at_its_price_in_a_gap,
    stop_gains_from_a_bounce, fee_is_forgotten, fee_is_not_booked,
    purchase_is_booked_the_wrong_way_round, bars_without_trade_fill, targets_fill_better_than_the_bar,
    group_is_not_shared, flatten_leaves_one, resume_is_ignored, restore_forgets_the_stop,
    restore_forgets_the_range, restore_forgets_the_orders_at_the_venue, equity_drifts,
    operator_is_not_recorded, journal_runs_behind, loss_is_blamed_on_a_gap, loss_is_blamed_on_parts, loss_has_no_name,
    orders_are_named_by_chance, partial_fill_ends_the_order, exit_is_a_lot_too_large, stop_is_off_the_tick,
)  # fmt: skip

LIMIT_BUGS: tuple[Plant, ...] = (
    peak_is_forgotten, day_begins_with_each_order, week_begins_with_each_order, week_begins_each_day,
)  # fmt: skip
"""Those that show only where the loss limits bind."""
