"""All that a seed decides: market, strategy, limits, costs, exits, what the operator does, when the power goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import msgspec

from holdfast.adapters.sources.feed import SeriesFeed
from holdfast.core.time import DAY, HOUR
from holdfast.domain.decision import StopLevel
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.market import BarClosed, BarSeries, Timeframe
from holdfast.domain.values import ZERO, Asset, InstrumentId, Ratio
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.risk.config import DrawdownStep, RiskConfig
from holdfast.risk.exits import ExitConfig, PartialTarget, Trailing
from holdfast.services.assembly import AccountPlan, StrategyFactory
from holdfast.strategies.registry import BUILT_IN, create
from holdfast.testing.dice import Dice, exp, log
from holdfast.testing.market import draw_series
from holdfast.testing.random_strategy import RandomStrategy

_BASES = ("ADA", "BTC", "DOGE", "ETH", "SHIB")
_BASE_TS = 1_577_836_800 * 1_000_000_000
_QUOTE = Asset("USDT")
# How many losing trades fill a day and a week, and how many leave no budget at all.
_TIGHT_LOSSES, _TIGHT_DRAWDOWN = Decimal("1.5"), Decimal(2)
_LEVELS = (StopLevel.NO_ENTRIES, StopLevel.REDUCE_ONLY, StopLevel.FLATTEN)


@dataclass(frozen=True)
class Act:
    """The operator does something after so many groups; level NONE is a resume."""

    after: int
    level: StopLevel


@dataclass(frozen=True)
class Scenario:
    """One drawn world. The same seed gives the same one."""

    seed: int
    plan: AccountPlan
    series: tuple[BarSeries, ...]
    groups: tuple[Sequence[BarClosed], ...]
    strategy: str
    factory: StrategyFactory
    acts: tuple[Act, ...]
    restore_after: int
    """Groups after which the second run is rebuilt from a snapshot."""
    kills: tuple[float, ...]
    """Where the paper agent dies: shares of the writes that a whole run needs."""
    checkpoint_every: int

    @property
    def feed(self) -> SeriesFeed:
        """Return the bars as every driver gets them."""
        return SeriesFeed(self.series)


def draw(seed: int) -> Scenario:
    """Return the world of `seed`."""
    rng = Dice(seed)
    timeframe = rng.choice((Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.H1, Timeframe.H4))
    count = rng.choice((1, 1, 1, 2, 3))
    bars = rng.randint(120, 320) // (1 if count == 1 else 2)
    instruments = tuple(_instrument(rng, base) for base in rng.sample(_BASES, count))
    ts = _BASE_TS + rng.randrange(1_000) * DAY + rng.randrange(6) * 4 * HOUR
    series = tuple(
        draw_series(rng, item, bars, timeframe, ts, float(item.tick) * exp(rng.uniform(log(300), log(3e6))))
        for item in instruments
    )
    plan = AccountPlan(instruments, timeframe, _engine(rng), _risk(rng), _exits(rng), _matching(rng))
    groups = tuple(SeriesFeed(series).groups())
    name, factory = _strategy(rng, seed)
    return Scenario(
        seed, plan, series, groups, name, factory, _acts(rng, len(groups)), rng.randrange(1, len(groups)),
        tuple(sorted(rng.random() for _ in range(rng.choice((0, 1, 1, 2, 3))))),
        rng.choice((1, 7, 40, 1_000)),
    )  # fmt: skip


def tightened(world: Scenario) -> Scenario:
    """Return the same world under loss limits that a few losses reach: those that are drawn hardly ever bind.

    No dice are thrown for it, so that every seed names the world that it has always named.
    """
    risk = world.plan.risk
    loss_max = Ratio(risk.risk_per_trade * _TIGHT_LOSSES)
    steps = (DrawdownStep(Ratio(risk.risk_per_trade * _TIGHT_DRAWDOWN), Ratio(ZERO)),)
    tight = msgspec.structs.replace(risk, loss_day_max=loss_max, loss_week_max=loss_max, drawdown_steps=steps)
    return replace(world, plan=msgspec.structs.replace(world.plan, risk=tight))


def _instrument(rng: Dice, base: str) -> Instrument:
    digits = rng.choice((0, 1, 2, 4, 6, 8))
    tick = Decimal(rng.choice((1, 1, 5))).scaleb(-digits)
    lot = Decimal(1).scaleb(-rng.choice((0, 2, 4, 6, 8)))
    taker = Decimal(rng.choice((0, 2, 5, 10, 20, 60))).scaleb(-4)
    maker = min(taker, Decimal(rng.choice((-1, 0, 2, 10))).scaleb(-4))
    market = rng.choice((Market.SPOT, Market.SPOT, Market.PERPETUAL))
    name = f"{base}/USDT{'' if market is Market.SPOT else ':PERP'}.SIM"
    return Instrument(
        InstrumentId(name), Asset(base), _QUOTE, tick, lot, Decimal(rng.choice((0, 1, 5, 10))),
        (FeeTier(ZERO, maker, taker),), market,
    )  # fmt: skip


def _engine(rng: Dice) -> EngineConfig:
    return EngineConfig(_QUOTE, Decimal(rng.choice((100, 1_000, 10_000, 250_000))), "sim")


def _ratio(value: float) -> Ratio:
    return Ratio(Decimal(repr(round(value, 5))))


def _risk(rng: Dice) -> RiskConfig:
    lowest, base, highest = sorted(rng.uniform(0.001, 0.03) for _ in range(3))
    slippage = rng.choice((0.0, 0.002, 0.005, 0.03))
    total = rng.choice((1.0, 1.0, rng.uniform(0.3, 1.0)))
    day = max(base + 0.001, rng.choice((0.05, 0.2)))
    return RiskConfig(
        risk_per_trade=_ratio(base),
        risk_min=_ratio(lowest),
        risk_max=_ratio(highest),
        is_risk_dynamic=rng.random() < 0.7,
        reward_to_risk_min=Decimal(rng.choice(("1.3", "1.3", "1.5", "2.5"))),
        positions_max=rng.choice((1, 2, 5)),
        exposure_asset_max=_ratio(total * rng.uniform(0.2, 1.0)),
        exposure_total_max=_ratio(total),
        correlation_exposure_max=_ratio(rng.choice((0.6, 1.0))),
        risk_open_total_max=_ratio(max(base, rng.choice((0.04, 0.08, 0.25)))),
        loss_day_max=_ratio(day),
        loss_week_max=_ratio(max(day, rng.choice((0.1, 0.4)))),
        cooldown_losses=rng.choice((2, 4, 20)),
        cooldown_bars=rng.choice((0, 5, 24)),
        price_collar=_ratio(rng.uniform(max(slippage, 0.01), 0.5)),
        entry_slippage_max=_ratio(min(slippage, rng.choice((0.0, 0.002, 0.01)))),
        slippage_max=_ratio(slippage),
        volume_share_max=_ratio(rng.choice((0.05, 0.3, 1.0))),
        orders_per_minute_max=rng.choice((2, 30, 600)),
        data_age_bars_max=rng.choice((1, 2, 10)),
        is_entry_market=rng.random() < 0.2,
    )


def _exits(rng: Dice) -> ExitConfig:
    parts: tuple[PartialTarget, ...] = ()
    if rng.random() < 0.4:
        levels = sorted({Decimal(rng.randint(2, 30)).scaleb(-1) for _ in range(rng.choice((1, 2, 3)))})
        parts = tuple(PartialTarget(level, Decimal(rng.randint(5, 33)).scaleb(-2)) for level in levels)
    return ExitConfig(
        trailing=rng.choice((Trailing.NONE, *Trailing)),
        trail_ranges=rng.uniform(0.3, 5.0),
        trail_share=rng.uniform(0.001, 0.1),
        trail_from_r=rng.choice((0.0, 0.5, 1.0)),
        break_even_at_r=rng.choice((0.0, 0.0, 0.5, 1.0)),
        partial_targets=parts,
    )


def _matching(rng: Dice) -> MatchingConfig:
    kind = rng.random()
    if kind < 0.1:
        return MatchingConfig.ideal()
    if kind < 0.15:
        return MatchingConfig.frictionless()
    return MatchingConfig(
        spread_bps=Decimal(rng.choice((0, 2, 10, 50))),
        slippage_bps=Decimal(rng.choice((0, 1, 5, 20))),
        impact=Decimal(rng.choice(("0", "0.01", "0.1"))),
        sweep=Decimal(rng.choice(("0", "0.5", "1"))),
        participation_max=rng.choice((None, Decimal("0.1"), Decimal("0.01"), Decimal("0.001"))),
        latency_ms=rng.choice((0, 250, 2_000, 20_000)),
        latency_bars=rng.choice((0, 0, 0, 0, 1, 2)),
        open_window_ms=rng.choice((0, 5_000, 30_000)),
        is_touch_fill=rng.random() < 0.3,
    )


def _strategy(rng: Dice, seed: int) -> tuple[str, StrategyFactory]:
    if rng.random() < 0.7:
        absurdity = rng.choice((0.0, 0.1, 0.5))
        return "random", lambda instrument_id: RandomStrategy(instrument_id, seed, absurdity)
    name = rng.choice(sorted(BUILT_IN))
    return name, create(name, {})


def _acts(rng: Dice, groups: int) -> tuple[Act, ...]:
    if rng.random() < 0.5:
        return ()
    acts: list[Act] = []
    for after in sorted(rng.randrange(groups) for _ in range(rng.choice((1, 2, 2, 4, 8)))):
        is_stop = not acts or rng.random() < 0.5
        acts.append(Act(after, rng.choice(_LEVELS) if is_stop else StopLevel.NONE))
    return tuple(acts)


Draw = Callable[[int], Scenario]
