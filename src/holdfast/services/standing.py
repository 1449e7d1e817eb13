"""How an account stands: its status and its limits, from the engine that trades it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.domain.decision import StopLevel
from holdfast.domain.order import Order, Role
from holdfast.domain.values import ONE, ZERO, Side, VenueCash
from holdfast.engine.desk import Desk
from holdfast.engine.engine import Engine
from holdfast.portfolio.explain import is_named
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import DecisionLine, OrderLine, PositionLine, Status
from holdfast.risk.budget import risk_budget
from holdfast.risk.case import Case
from holdfast.risk.config import RiskConfig
from holdfast.risk.correlation import correlated_exposure, correlated_terms
from holdfast.risk.costs import loss_per_unit
from holdfast.risk.drawdown import drawdown_of, governor_factor, lock_drawdown
from holdfast.risk.gate import RiskGate
from holdfast.risk.rules.loss import cooldown_left
from holdfast.risk.view import MarketView, PortfolioView

_TOGETHER: Final = "what moves together"


class Progress(Record, frozen=True):
    """What a run has come to, beside the engine's own state."""

    trades: int
    wins: int
    bars: int  # groups of bars
    digest: str
    journal_sequence: int


class LimitLine(Record, frozen=True):
    """One limit of the risk gate beside what is used of it; shares of equity unless `unit` says otherwise."""

    rule: str
    used: Decimal
    limit: Decimal
    unit: str = ""
    note: str = ""
    is_used_up: bool = False  # no entry passes it now


def status_of(engine: Engine, run: RunStarted, decisions: Sequence[DecisionLine], progress: Progress) -> Status:
    """Return how the account of `engine` stands; `decisions` come newest first."""
    account = engine.account
    view = account.view(engine.ts)
    positions = tuple(line for desk in engine.desks.values() for line in _position(desk))
    config = engine.gate.config
    return Status(
        mode=run.mode,
        is_synthetic=run.is_synthetic,
        quote=run.quote,
        ts=engine.ts,
        equity=view.equity,
        cash=account.portfolio.cash,
        capital=run.capital,
        peak=view.equity_peak,
        drawdown=(view.equity_peak - view.equity) / view.equity_peak if view.equity_peak > 0 else ZERO,
        day_pnl=view.equity - view.equity_day_start,
        risk_open=sum((line.risk_open for line in positions), ZERO),
        risk_open_limit=view.equity * config.risk_open_total_max,
        stop_level=account.stop_level.value,
        is_paused=account.stop_level is StopLevel.NO_ENTRIES,
        positions=positions,
        orders=tuple(order_line(order) for order in engine.orders.values()),
        decisions=tuple(decisions),
        trades=progress.trades,
        wins=progress.wins,
        bars=progress.bars,
        digest=progress.digest,
        journal_sequence=progress.journal_sequence,
        is_drawdown_locked=engine.is_locked_by_drawdown,
        left_out=run.left_out,
        cash_at=tuple(VenueCash(venue, amount) for venue, amount in account.portfolio.cash_at.items()),
    )


def limits_of(engine: Engine) -> tuple[LimitLine, ...]:
    """Return the limits that hold for the account as a whole, each with what is used of it now; then each trade's."""
    config, desks = engine.gate.config, tuple(engine.desks.values())
    pairs = engine.planner.pairs(desks) if len(desks) > 1 else ()
    view = engine.account.view(engine.ts, pairs)
    # What is held does not depend on the side and the market of what might come beside it.
    together, _ = correlated_terms(Side.BUY, desks[0].view(), view)
    *exposures, day, week, drawdown, rate = limits_within(config, view)
    return (
        *exposures,
        _line("exposure_correlated", correlated_exposure(together), config.correlation_exposure_max, note=_TOGETHER),
        day, week, drawdown,
        _cooldown(view, desks[0].view(), config),
        rate,
        *(_risk_per_trade(engine.gate, desk, view) for desk in desks),
    )  # fmt: skip


def limits_within(config: RiskConfig, view: PortfolioView) -> tuple[LimitLine, ...]:
    """Return the limits for which an account that looks like `view` is all that must be known, beside what is used."""
    equity = view.equity if view.equity > 0 else ONE
    by_asset: dict[str, Decimal] = {}
    for exposure in view.exposures:
        by_asset[exposure.base] = by_asset.get(exposure.base, ZERO) + exposure.notional
    largest = max(by_asset, key=lambda asset: by_asset[asset], default="")
    total = sum(by_asset.values(), ZERO)
    risk_open = sum((exposure.risk_open for exposure in view.exposures), ZERO)
    held = {exposure.instrument_id for exposure in view.exposures}
    drawdown = drawdown_of(view.equity, view.equity_peak)
    governor = governor_factor(view.equity, view.equity_peak, config.drawdown_steps)
    return (
        _line("risk_open_total", risk_open / equity, config.risk_open_total_max, note="what all stops may lose"),
        _line("positions", Decimal(len(held)), Decimal(config.positions_max), "positions"),
        _line("exposure_total", total / equity, config.exposure_total_max),
        _line("exposure_asset", by_asset.get(largest, ZERO) / equity, config.exposure_asset_max, note=largest),
        _line("loss_day", _lost(view.equity_day_start, view.equity), config.loss_day_max, note="since 00:00 UTC"),
        _line("loss_week", _lost(view.equity_week_start, view.equity), config.loss_week_max, note="since Monday"),
        _line("drawdown", drawdown, lock_drawdown(config.drawdown_steps), note=_governor(governor)),
        _line("order_rate", Decimal(view.orders_last_minute), Decimal(config.orders_per_minute_max), "per minute"),
    )


def situation_of(engine: Engine, symbol: str) -> tuple[str, ...]:
    """Return what stands in the way of an entry into `symbol` (`BTC/USDT`, with or without venue); empty if unknown."""
    wanted = symbol.replace("_", "/")
    meant = [desk for desk in engine.desks.values() if is_named(desk.instrument.id, wanted)]
    if len(meant) == 1:
        return _situation(meant[0])
    return tuple(f"{desk.instrument.id}: {line}" for desk in meant for line in _situation(desk))


def _situation(desk: Desk) -> tuple[str, ...]:
    on_its_way = (f"An entry is on its way: order {desk.entry_id}.",) if desk.entry is not None else ()
    return (*on_its_way, *desk.strategy.situation())


def _position(desk: Desk) -> list[PositionLine]:
    trade, instrument = desk.trade, desk.instrument
    if trade is None or not trade.held:
        return []
    price = instrument.price(close) if (close := desk.tape.close_good) else trade.entry_price
    signed = trade.held * trade.side.sign
    return [
        PositionLine(
            instrument_id=instrument.id,
            side=trade.side.value,
            quantity=trade.held,
            entry_price=trade.entry_price,
            price_last=price,
            stop=trade.stop,
            target=trade.target,
            unrealized=(price - trade.entry_price) * signed,
            risk_open=max((trade.entry_price - trade.stop) * signed, ZERO),
            strategy=trade.strategy,
            ts_opened=trade.entry_ts,
            trade_id=trade.trade_id,
        )
    ]


def order_line(order: Order) -> OrderLine:
    """Return how one order stands."""
    spec = order.spec
    return OrderLine(
        order_id=spec.order_id,
        instrument_id=spec.instrument_id,
        side=Side(spec.side).value,
        type=spec.type.value,
        role=Role(spec.role).value,
        state=order.state.value,
        quantity=order.quantity,
        filled=order.filled,
        trigger_price=order.trigger_price,
        limit_price=spec.limit_price,
    )


def _lost(start: Decimal, now: Decimal) -> Decimal:
    return max((start - now) / start, ZERO) if start > 0 else ZERO


def _governor(factor: Decimal) -> str:
    return "no entries" if not factor else f"risk budget times {factor.normalize():f}"


def _line(rule: str, used: Decimal, limit: Decimal, unit: str = "", note: str = "") -> LimitLine:
    return LimitLine(rule, used, limit, unit, note, is_used_up=used >= limit)


def _cooldown(view: PortfolioView, market: MarketView, config: RiskConfig) -> LimitLine:
    streak, bars = cooldown_left(view, market, config)
    unit = "losses in a row"
    if not config.cooldown_bars:
        note = f"{unit}: never a pause"
    elif bars:
        note = f"{unit}: pause for {bars} more bars"
    else:
        note = f"{unit}: the pause is over" if streak >= config.cooldown_losses else unit
    # As many losses as are allowed stop nothing any more once the pause is over.
    return LimitLine("cooldown", Decimal(streak), Decimal(config.cooldown_losses), unit, note, is_used_up=bars > 0)


def _risk_per_trade(gate: RiskGate, desk: Desk, view: PortfolioView) -> LimitLine:
    """Return what the stop of an instrument's trade may lose now, costs included, beside the budget of its next one."""
    instrument, market, config, trade = desk.instrument, desk.view(), gate.config, desk.trade
    reserve, lost = gate.reserve(instrument), ZERO
    if desk.entry is not None:
        lost = Case(desk.entry, view, market, instrument, config, reserve).loss
    elif trade is not None and trade.held:
        # A trailed stop may lie beyond the entry and all costs: then nothing is at stake.
        lost = max(loss_per_unit(trade.side, trade.entry_price, trade.stop, reserve) * trade.held, ZERO)
    budget = risk_budget(view, market, config)
    note = f"{instrument.id}: {', '.join(budget.reasons)}"
    used = lost / view.equity if view.equity > 0 else ZERO
    # It says how large the next trade may be; only a budget of nothing keeps it out.
    return LimitLine("risk_per_trade", used, budget.ratio, "", note, is_used_up=budget.ratio <= 0)
