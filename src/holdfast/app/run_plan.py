"""What a run is made of: settings and market become a RunStarted, and a RunStarted becomes an engine and a venue.

The second half needs nothing but the record, so that a restart, a replay and a reader build exactly what once ran.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import msgspec

from holdfast import __version__
from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.app.market import TradedMarket
from holdfast.app.settings import Given, Settings, build_section
from holdfast.app.strategies import named_for_ever, strategy_factory
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.market import timeframe
from holdfast.domain.values import Asset
from holdfast.engine.config import EngineConfig
from holdfast.engine.engine import Engine
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.run import RunStarted
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.assembly import AccountPlan, build_engine
from holdfast.services.same_run import settings_text, unknown_settings


@dataclass(frozen=True)
class Built:
    """One account, ready to be fed."""

    plan: AccountPlan
    engine: Engine
    exchange: SimulatedVenue


def run_of(settings: Settings, market: TradedMarket, mode: str) -> RunStarted:
    """Return the record that begins a run; everything that its decisions depend on stands in it.

    Raises
    ------
    ConfigurationError
        The instruments have several quote assets.
    """
    if settings.engine.opinion_timeout_ms:
        raise ConfigurationError(
            f"engine.opinion_timeout_ms is {settings.engine.opinion_timeout_ms}, but no model is connected yet",
            hint="leave it at 0",
        )
    quotes = sorted({instrument.quote for instrument in market.instruments})
    if len(quotes) != 1:
        raise ConfigurationError(
            f"the instruments are quoted in {' and '.join(quotes)}: one account has one quote asset",
            hint="name instruments of one quote asset, like BTC/USDT and ETH/USDT",
        )
    parts: dict[str, Record] = {
        "engine": msgspec.structs.replace(settings.engine, quote=Asset(quotes[0])),
        "risk": settings.risk, "exits": settings.exits, "matching": settings.matching,
    }  # fmt: skip
    return RunStarted(
        run_id=secrets.token_hex(8),
        mode=mode,
        quote=Asset(quotes[0]),
        capital=settings.engine.capital,
        instruments=tuple(sorted(market.instruments, key=lambda instrument: instrument.id)),
        strategy=named_for_ever(settings.strategy.name),
        params=dict(sorted(settings.strategy.parameters.items())),
        timeframe=market.timeframe.value,
        data_source=market.source,
        is_synthetic=market.is_synthetic,
        version=__version__,
        settings={key: text for name, part in parts.items() for key, text in settings_text(name, part).items()},
        left_out=market.left_out,
    )


def plan_of(run: RunStarted) -> AccountPlan:
    """Return the account that a run record describes."""
    return AccountPlan(
        instruments=run.instruments,
        timeframe=timeframe(run.timeframe),
        engine=build_section(EngineConfig, "engine", _given(run, "engine")),
        risk=build_section(RiskConfig, "risk", _given(run, "risk")),
        exits=build_section(ExitConfig, "exits", _given(run, "exits")),
        matching=build_section(MatchingConfig, "matching", _given(run, "matching")),
        capital_at=run.capital_at,
    )


def risk_config_of(run: RunStarted) -> RiskConfig:
    """Return the limits of a run record that another version may have written: what is not known here is left out."""
    unknown = unknown_settings(run)
    return build_section(RiskConfig, "risk", [x for x in _given(run, "risk") if f"risk.{x.key}" not in unknown])


def build(run: RunStarted, *, accelerate: bool = False) -> Built:
    """Return engine and venue as they stand at the beginning of `run`."""
    plan = plan_of(run)
    strategies = strategy_factory(run.strategy, run.params, accelerate=accelerate)
    engine = build_engine(plan, strategies)
    exchange = SimulatedVenue(plan.instruments, plan.timeframe.nanos, plan.matching, {run.quote: run.capital})
    return Built(plan, engine, exchange)


def _given(run: RunStarted, section: str) -> list[Given]:
    prefix = f"{section}."
    return [
        Given(section, name.removeprefix(prefix), msgspec.json.decode(text), "the journal's run record")
        for name, text in run.settings.items()
        if name.startswith(prefix)
    ]
