"""One life of a live agent in a drill: trades as often as it can, prints what it does, and is killed from outside.

`python -m holdfast.testing.drill_agent URL KEYFILE FOLDER SEED [busy|steady [rest|socket]]`; SIGTERM lets it
flatten, wait until all is quiet, and print what it believes as a last line of JSON.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from holdfast.adapters.exchanges.gateio.auth import read_credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SteadyClock, SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.errors import VenueError
from holdfast.domain.decision import Action, Signal, StopLevel
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.order import OrderState
from holdfast.domain.values import ZERO, InstrumentId
from holdfast.engine.config import EngineConfig
from holdfast.engine.engine import Engine
from holdfast.ports.strategy import Strategy
from holdfast.risk.config import RiskConfig
from holdfast.services.assembly import build_engine
from holdfast.services.live import LiveAgent
from holdfast.services.live_config import LiveConfig
from holdfast.testing.builders import make_plan, make_run
from holdfast.testing.dice import Dice

PAIR = "BTC/USDT"
CONFIG = LiveConfig(
    bar_grace_ms=0, bar_age_max_ms=86_400_000, reconcile_every_s=1, recovery_wait_s=30, dead_man_s=0, history_bars=30
)
RISK = RiskConfig(cooldown_bars=0, is_entry_market=True, orders_per_minute_max=600)
_QUIET_S = 1.5
_LEAVING_S = 90.0


class BusyStrategy:
    """Buys whenever it may, with a stop and a target close by, trails, and leaves when its dice say so."""

    name, warmup = "busy", 0

    def __init__(self, instrument_id: InstrumentId, seed: int) -> None:
        self.instrument_id, self.trail = instrument_id, 0.0
        self._seed, self._bars = seed, 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Say what the dice of this bar say."""
        self._bars += 1
        dice, close = Dice(f"{self._seed} {self._bars}"), bar.close
        self.trail = close * 0.985 if dice.random() < 0.3 else 0.0
        if dice.random() < 0.2:
            return Signal(self.instrument_id, bar.ts_event, self.name, Action.EXIT_LONG, 1.0, close, 0.0, 0.0, "dice")
        stop, target = close * dice.uniform(0.97, 0.99), close * dice.uniform(1.04, 1.06)
        return Signal(self.instrument_id, bar.ts_event, self.name, Action.ENTER_LONG, 1.0, close, stop, target, "dice")

    def situation(self) -> Sequence[str]:
        """Say that there is nothing to say."""
        return ("It rolls dice.",)

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        return [float(self._bars), self.trail]

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        self._bars, self.trail = int(state[0]), state[1]


class SteadyStrategy:
    """Enters, moves its stop twice, leaves, and waits a little: the same again and again.

    At twelve bars a second an entry that has to wait for its stop's turn is filled before the first move, and a stop
    whose answer is lost stands again before the way out.
    """

    name, warmup = "steady", 0
    _PERIOD, _ENTERS, _MOVES, _LEAVES = 84, 8, (36, 42), 64  # bars

    def __init__(self, instrument_id: InstrumentId, seed: int) -> None:
        self.instrument_id, self.trail, self._bars = instrument_id, 0.0, 0

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Say what comes at this bar of the period."""
        turn, close = self._bars % self._PERIOD, bar.close
        self._bars += 1
        self.trail = close * 0.96 if turn in self._MOVES else 0.0
        if turn == self._LEAVES:
            return Signal(self.instrument_id, bar.ts_event, self.name, Action.EXIT_LONG, 1.0, close, 0.0, 0.0, "time")
        if turn < self._ENTERS:  # more than once: an entry may be refused
            stop, target = close * 0.95, close * 1.10
            return Signal(
                self.instrument_id, bar.ts_event, self.name, Action.ENTER_LONG, 1.0, close, stop, target, "time"
            )
        return None

    def situation(self) -> Sequence[str]:
        """Say that there is nothing to say."""
        return ("It counts bars.",)

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        return [float(self._bars), self.trail]

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        self._bars, self.trail = int(state[0]), state[1]


STRATEGIES: Final[dict[str, Callable[[InstrumentId, int], Strategy]]] = {"busy": BusyStrategy, "steady": SteadyStrategy}


class Guard:
    """Measures for how long a position has neither a stop that was sent nor a way out."""

    def __init__(self) -> None:
        self.since = 0.0
        self.worst = 0.0

    def look(self, engine: Engine) -> None:
        """Look once."""
        is_bare = any(
            bracket.quantity and bracket.stop_id not in engine.orders and not trade.is_unprotected
            for desk in engine.desks.values()
            if (trade := desk.trade) is not None and not trade.is_exiting
            for bracket in trade.brackets
        )
        now = time.monotonic()
        if not is_bare:
            self.since = 0.0
            return
        self.since = self.since or now
        self.worst = max(self.worst, now - self.since)


def main(arguments: Sequence[str]) -> int:
    """Live until a signal comes."""
    url, key_file, folder, seed, *words = arguments
    name, way = words[0] if words else "busy", words[1] if len(words) > 1 else "rest"
    make = STRATEGIES[name]
    leaving: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: leaving.append(number))
    config = msgspec.structs.replace(GateioConfig.for_url(url), request_timeout_ms=2_000, orders=way)
    desk = DeskConfig(is_trigger_expiry_trusted=True)
    exchange = GateioExchange(config, read_credentials(Path(key_file)), SteadyClock(), desk)
    (instrument,) = _patiently(exchange)
    plan = make_plan(
        instrument, timeframe=Timeframe.M1, engine=EngineConfig(order_prefix=f"d{seed}"), risk=RISK
    )  # fmt: skip
    engine = build_engine(plan, lambda instrument_id: make(instrument_id, int(seed)))
    journal = SqliteJournal(Path(folder) / "journal", SystemClock())
    agent = LiveAgent(make_run(plan, name, mode="live"), engine, exchange, journal, CONFIG, time.monotonic_ns)
    began = time.monotonic()
    recovery = agent.start()
    _say("ready", recovery_s=time.monotonic() - began, is_fresh=recovery.is_fresh, is_unlocked=agent.is_unlocked)
    guard = Guard()
    while not leaving:
        agent.step()
        guard.look(engine)
    agent.stop(StopLevel.FLATTEN, "drill", "the end")
    quiet, ends = time.monotonic(), time.monotonic() + _LEAVING_S
    while time.monotonic() - quiet < _QUIET_S and time.monotonic() < ends:
        agent.step()
        guard.look(engine)
        if engine.held or engine.orders or not agent.is_unlocked:
            quiet = time.monotonic()
    _say(
        "end",
        bare_s=guard.worst,
        ways=exchange.order_ways,
        **_beliefs(engine),
        desk=exchange.describe(),
        warnings=agent.warnings[-20:],
    )
    agent.close()
    return 0


def _patiently(exchange: GateioExchange) -> tuple[Instrument, ...]:
    """Return the instrument, from a venue that may be failing just now."""
    for _ in range(40):
        try:
            return exchange.instruments([PAIR])
        except VenueError:
            time.sleep(0.1)
    return exchange.instruments([PAIR])


def _beliefs(engine: Engine) -> dict[str, object]:
    portfolio = engine.account.portfolio
    return {
        "cash": str(portfolio.cash), "held": str(sum((p.quantity for p in portfolio.positions.values()), ZERO)),
        "open": [order_id for order_id, order in engine.orders.items() if order.state is not OrderState.APPROVED],
        "doubts": [str(x.spec.order_id) for x in engine.orders.values() if x.state is OrderState.IN_DOUBT],
    }  # fmt: skip


def _say(what: str, **fields: object) -> None:
    sys.stdout.write(json.dumps({"what": what, **fields}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
