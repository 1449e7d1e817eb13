"""A live account put together: the venue's client, the engine and the journal; the same for practice and for real."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.gateio.auth import Credentials, read_credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.agent import RunningAgent, ShowCheck, checked_journal
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket
from holdfast.app.run_plan import build, run_of
from holdfast.app.sections import GATEIO, LIVE, PRACTICE, VenueSettings
from holdfast.app.settings import Settings
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import MILLISECOND
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe, timeframe
from holdfast.portfolio.fold import read_run
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal
from holdfast.ports.live import TradingVenue
from holdfast.services.live import LiveAgent
from holdfast.services.live_config import LiveConfig

KEY_FILE: Final = "venue.toml"
_USUAL_COINS: Final = ("BTC", "ETH", "SOL")
_USUAL_QUOTES: Final = ("USDT", "USD", "USDC", "EUR")
_PREFIX_MAX: Final = 12
_TIMEOUT_MS: Final = 5_000


@dataclass(frozen=True)
class Venue:
    """Where orders go: its address (empty: Gate.io's own), the account's key, and what a person is told of it."""

    mode: str
    url: str
    credentials: Credentials | None
    told: str
    is_synthetic: bool = False
    exchange: str = GATEIO


class _NoBars:
    """The bars of a live market come from the venue."""

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        return iter(())


def real_venue(home: Home, settings: Settings) -> Venue:
    """Return the venue of the settings.

    Raises
    ------
    ConfigurationError
        There is no key file, or others can read it.
    """
    path = Path(settings.venue.key_file).expanduser() if settings.venue.key_file else home.path / KEY_FILE
    if not path.exists():
        raise ConfigurationError(
            f"there is no key file {path}",
            hint=f'write key = "..." and secret = "..." into {path} and chmod 600 it; or practise: holdfast run --mode'
            " practice",
        )
    return _venue_of(settings, read_credentials(path))


def public_venue(settings: Settings) -> Venue:
    """Return the venue of the settings as one whose market is read, and where nothing can be sent: without a key."""
    return _venue_of(settings, None)


def _venue_of(settings: Settings, credentials: Credentials | None) -> Venue:
    url, exchange = settings.venue.url, settings.venue.exchange
    name = "Gate.io" if exchange == GATEIO else f"{exchange.removeprefix(PREFIX)} (through ccxt)"
    return Venue(LIVE, url, credentials, f"{name} at {url}" if url else name, exchange=exchange)


def practised_venue(url: str, key_file: Path, *, is_synthetic: bool) -> Venue:
    """Return a simulated venue as one that is traded at."""
    return Venue(PRACTICE, url, read_credentials(key_file), "simulated venue", is_synthetic)


def open_exchange(venue: Venue, patience: VenueSettings) -> TradingVenue:
    """Return a client of the venue; nothing is sent yet.

    Raises
    ------
    ConfigurationError
        It is reached through ccxt, which is not installed or does not know it.
    """
    if venue.exchange != GATEIO:
        who = venue.credentials
        key = None if who is None else CcxtKey(who.key, who.secret, who.password)
        ours = CcxtConfig(venue.exchange.removeprefix(PREFIX), venue.url)
        return CcxtExchange(ours, key, SystemClock())
    config = GateioConfig.for_url(venue.url) if venue.url else GateioConfig()
    config = msgspec.structs.replace(
        config,
        # A practised venue is a process of this machine.
        tunnel="" if venue.mode == PRACTICE else patience.tunnel,
        answer_timeout_ms=patience.answer_timeout_ms,
        request_timeout_ms=max(_TIMEOUT_MS, patience.answer_timeout_ms),
    )
    # A simulated venue is known to drop what is late.
    desk = DeskConfig(is_trigger_expiry_trusted=venue.mode == PRACTICE)
    return GateioExchange(config, venue.credentials, SystemClock(), desk)


def pairs_of(settings: Settings, exchange: TradingVenue) -> tuple[str, ...]:
    """Return the pairs that are traded, as BTC/USDT: those of the settings, or a few usual ones that the venue has."""
    if settings.market.instruments:
        return tuple(name.partition(".")[0].upper() for name in settings.market.instruments)
    there = exchange.pairs()
    for quote in _USUAL_QUOTES:
        if found := tuple(pair for coin in _USUAL_COINS if (pair := f"{coin}/{quote}") in there):
            return found
    return there[:1]


@contextmanager
def live_agent(
    home: Home, settings: Settings, venue: Venue, *, is_fresh: bool, show_check: ShowCheck = nullcontext
) -> Iterator[tuple[RunningAgent, RunStarted]]:  # fmt: skip
    """Give the live agent of `home`, not started yet, while its journal and its connections are open.

    Raises
    ------
    JournalError
        A record of the journal was changed or is missing.
    VenueError
        The venue cannot be reached.
    """
    home.create()
    exchange = open_exchange(venue, settings.venue)
    try:
        instruments = exchange.instruments(pairs_of(settings, exchange))
        with checked_journal(home, show_check) as journal:
            run = _run(settings, venue, instruments, None if is_fresh else _last_run(journal))
            engine = build(run).engine
            agent = LiveAgent(run, engine, exchange, journal, _config(settings, venue), time.monotonic_ns)
            yield RunningAgent(journal, agent), run
    finally:
        exchange.close()


def _run(
    settings: Settings, venue: Venue, instruments: tuple[Instrument, ...], before: RunStarted | None
) -> RunStarted:  # fmt: skip
    """Return how this run begins. Its orders have a prefix of their own: at the venue, ids are never used again."""
    length: Timeframe = timeframe(settings.market.timeframe)
    market = TradedMarket(instruments, _NoBars(), (), length, venue.told, venue.is_synthetic, ())
    run = run_of(settings, market, venue.mode)
    prefix = settings.engine.order_prefix
    mine = f"{prefix}{run.run_id}"[:_PREFIX_MAX]
    if before is not None and before.mode == venue.mode:
        mine = msgspec.json.decode(before.settings["engine.order_prefix"], type=str)
    return msgspec.structs.replace(
        run, settings={**run.settings, "engine.order_prefix": msgspec.json.encode(mine).decode()}
    )


def has_begun(home: Home) -> bool:
    """Tell whether the journal's last run is a live one, with which a start goes on."""
    if not home.journal.is_dir() or not any(home.journal.iterdir()):
        return False
    journal = SqliteJournal(home.journal, SystemClock(), is_read_only=True)
    try:
        before = _last_run(journal)
    finally:
        journal.close()
    return before is not None and before.mode == LIVE


def _last_run(journal: Journal) -> RunStarted | None:
    last = None
    for record in journal.read(kinds=("run",)):
        last = record
    return None if last is None else read_run(last.body, last.sequence)


def _config(settings: Settings, venue: Venue) -> LiveConfig:
    """Return the settings, in practice with waits that fit a market that is played quickly."""
    if venue.mode != PRACTICE:
        return settings.live
    half_a_bar = timeframe(settings.market.timeframe).nanos // MILLISECOND // 2
    return msgspec.structs.replace(
        settings.live, bar_age_max_ms=min(max(half_a_bar, 1_000), 86_400_000), bar_grace_ms=200
    )
