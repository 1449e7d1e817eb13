"""Puts one account's engine together: desks, gate, planner, protection. Every mode gets its engine here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import Timeframe
from holdfast.domain.values import ZERO, Asset, InstrumentId, Ratio, VenueCash, venue_of
from holdfast.engine.config import EngineConfig
from holdfast.engine.desk import Desk
from holdfast.engine.engine import Engine
from holdfast.engine.planner import Planner
from holdfast.engine.protection import Protection
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import slippage_max
from holdfast.ports.strategy import Strategy
from holdfast.risk.config import RiskConfig
from holdfast.risk.costs import cost_reserve
from holdfast.risk.exits import ExitConfig
from holdfast.risk.gate import RiskGate

StrategyFactory = Callable[[InstrumentId], Strategy]


class AccountPlan(Record, frozen=True):
    """What an account trades and under which rules; the same plan gives the same engine in every mode."""

    instruments: tuple[Instrument, ...]
    timeframe: Timeframe
    engine: EngineConfig
    risk: RiskConfig
    exits: ExitConfig
    matching: MatchingConfig
    capital_at: tuple[VenueCash, ...] = ()  # how the capital lies at several venues; none: there is one account

    def __post_init__(self) -> None:
        if not self.instruments:
            raise ConfigurationError("an account needs at least one instrument", hint="add --instrument BTC/USDT")
        names = [instrument.id for instrument in self.instruments]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"instruments are named twice: {', '.join(sorted(names))}")
        _require_capital(self.capital_at, self.engine.capital, self.instruments)
        balances: dict[tuple[str, Asset], list[InstrumentId]] = {}
        for instrument in sorted(self.instruments, key=lambda instrument: instrument.id):
            venue = venue_of(instrument.id) if self.capital_at else ""
            balances.setdefault((venue, instrument.base), []).append(instrument.id)
        for (_, base), same in balances.items():
            if len(same) > 1:
                # A venue nets them in one balance: what was bought on the one could not be sold beside a short.
                raise ConfigurationError(
                    f"{' and '.join(same)} have the same base asset {base}: one account holds one balance of it",
                    hint="name one of them, and run the other in an account of its own, with another --home",
                )


def _require_capital(
    capital_at: tuple[VenueCash, ...], capital: Decimal, instruments: Sequence[Instrument]
) -> None:  # fmt: skip
    """Require that the parts of the capital are all of it, and that each instrument is traded where some of it lies."""
    if not capital_at:
        return
    venues = {there.venue for there in capital_at}
    if len(venues) < len(capital_at) or not all(there.amount > ZERO for there in capital_at):
        raise ConfigurationError("each venue needs capital of its own, named once", hint="give each some of it")
    if (total := sum(there.amount for there in capital_at)) != capital:
        raise ConfigurationError(
            f"{total} lie at the venues, the capital is {capital}", hint="let the parts be the whole"
        )
    for instrument in instruments:
        if venue_of(instrument.id) not in venues:
            raise ConfigurationError(
                f"{instrument.id} is traded where no capital lies", hint=f"there is some at {', '.join(sorted(venues))}"
            )


def build_engine(plan: AccountPlan, strategies: StrategyFactory) -> Engine:
    """Return a fresh engine for `plan`, with one strategy per instrument."""
    is_correlated = len(plan.instruments) > 1
    desks = [
        Desk(instrument, strategies(instrument.id), plan.timeframe.nanos, is_correlated)
        for instrument in sorted(plan.instruments, key=lambda instrument: instrument.id)
    ]
    gate = build_gate(plan.risk, plan.instruments, plan.matching)
    return Engine(plan.engine, desks, Planner(gate), Protection(gate, plan.exits), plan.capital_at)


def build_gate(risk: RiskConfig, instruments: Sequence[Instrument], matching: MatchingConfig) -> RiskGate:
    """Return a gate that reserves what the market in use can really cost, and never less than the settings say."""
    slip = Ratio(max(risk.slippage_max, slippage_max(matching)))
    reserves = {
        instrument.id: cost_reserve(instrument, slip, is_entry_market=risk.is_entry_market)
        for instrument in instruments
    }
    return RiskGate(risk, reserves)
