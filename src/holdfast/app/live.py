"""A live account put together: the venue's client, the engine and the journal; the same for practice and for real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.ccxt.config import PREFIX, CcxtConfig, CcxtKey
from holdfast.adapters.exchanges.gateio.auth import Credentials, read_credentials
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import REST_ORDERS, VENUE_SUFFIX, GateioConfig
from holdfast.adapters.exchanges.gateio.order_desk import DeskConfig
from holdfast.adapters.host.clock import SteadyClock, SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.agent import RunningAgent
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket
from holdfast.app.run_plan import build, run_of
from holdfast.app.sections import GATEIO, LIVE, PRACTICE, VenuePlace, VenueSettings
from holdfast.app.settings import Settings
from holdfast.core.errors import ConfigurationError, HoldfastError, VenueError
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe, timeframe
from holdfast.domain.values import ZERO, VenueCash, venue_of
from holdfast.portfolio.fold import read_run
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal
from holdfast.ports.live import LiveExchange, TradingVenue
from holdfast.services.lane import Lane
from holdfast.services.live import LiveAgent
from holdfast.services.live_config import LiveConfig, played_quickly
from holdfast.services.routing import RoutedExchange

KEY_FILE: Final = "venue.toml"
_USUAL_COINS: Final = ("BTC", "ETH", "SOL")
_USUAL_QUOTES: Final = ("USDT", "USD", "USDC", "EUR")
_PREFIX_MAX: Final = 12
_TIMEOUT_MS: Final = 5_000
_CCXT_TIMEOUT_MS: Final = 10_000  # a venue of ccxt's may need it for the list of all its markets


@dataclass(frozen=True)
class Venue:
    """Where orders go: its address (empty: Gate.io's own), the account's key, and what a person is told of it."""

    mode: str
    url: str
    credentials: Credentials | None
    told: str
    is_synthetic: bool = False
    exchange: str = GATEIO
    accounts: tuple[AccountAt, ...] = ()
    """Each account, where there are several; then this one only stands for all."""

    @property
    def is_here(self) -> bool:
        """Tell whether all of it is on this machine, where no real money can be meant."""
        if self.accounts:
            return all(account.venue.is_here for account in self.accounts)
        return self.url.startswith("http://")  # plain HTTP is taken for loopback alone


@dataclass(frozen=True)
class AccountAt:
    """One of several accounts: the name that ends its instruments, and the settings as if it were the only one."""

    name: str
    settings: Settings
    venue: Venue


class _NoBars:
    """The bars of a live market come from the venue."""

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        return iter(())


def real_venue(home: Home, settings: Settings) -> Venue:
    """Return the venue of the settings, or several of them as one.

    Raises
    ------
    ConfigurationError
        There is no key file, or others can read it; an instrument names another venue; the further accounts leave
        nothing for the first; or two of them have the same key.
    """
    if not settings.venue.accounts:
        _require_configured((settings,))
        return _one_venue(home, settings)
    _require_configured(shares_of(settings))
    shares = tuple(AccountAt(x.venue.account, x, _one_venue(home, x)) for x in shares_of(settings))
    _require_keys_of_their_own(shares)
    return Venue(LIVE, "", None, " and ".join(share.venue.told for share in shares), accounts=shares)


def shares_of(settings: Settings) -> tuple[Settings, ...]:
    """Return the settings of each account as if it were the only one, the first before the further ones.

    Raises
    ------
    ConfigurationError
        The further ones leave nothing of the capital for the first.
    """
    venue, capital = settings.venue, settings.engine.capital
    rest = capital - sum((account.capital for account in venue.accounts), ZERO)
    if rest <= 0:
        raise ConfigurationError(
            f"the further accounts have {capital - rest:f} of a capital of {capital:f}: nothing is left for"
            f" {venue.account}",
            hint="raise engine.capital, which is what lies at all accounts together",
        )
    first = msgspec.structs.replace(
        settings, venue=msgspec.structs.replace(venue, accounts=()),
        engine=msgspec.structs.replace(settings.engine, capital=rest),
    )  # fmt: skip
    shares = [first]
    for account in venue.accounts:
        place = {name: getattr(account, name) for name in VenuePlace.__struct_fields__}
        shares.append(
            msgspec.structs.replace(
                settings, venue=VenueSettings(**place),
                engine=msgspec.structs.replace(settings.engine, capital=account.capital),
                market=msgspec.structs.replace(settings.market, instruments=account.instruments),
            )
        )  # fmt: skip
    return tuple(shares)


def _require_configured(shares: Sequence[Settings]) -> None:
    """Refuse an instrument that names another venue than the one it would be traded at."""
    accounts = [share.venue.account for share in shares]
    for share, account in zip(shares, accounts, strict=True):
        for name in share.market.instruments:
            named = name.upper().partition(".")[2]
            if not named or named == account:
                continue
            pair = name.partition(".")[0].upper()
            hint = f"write {pair} for {account}, or add an account for {named}"
            if named in accounts:
                place = "[market]" if named == accounts[0] else f"the [[venue.accounts]] table of {named}"
                hint = f"write {pair} into instruments of {place}"
            raise ConfigurationError(
                f"{name} would be traded at {account}, and names another venue; configured: {', '.join(accounts)}",
                hint=hint,
            )


def place_of(venue: Venue) -> str:
    """Return what is the same for two accounts that may be one: their port on this machine, or the world outside.

    A real venue has several addresses, and two of them never gave out the same key.
    """
    return f"port {urlsplit(venue.url).port}" if venue.is_here else ""


def _require_keys_of_their_own(accounts: Sequence[AccountAt]) -> None:
    """Refuse a key that stands in two files: one account would be counted twice, and traded by two that disturb it."""
    seen: dict[tuple[str, str], str] = {}
    for account in accounts:
        who = account.venue.credentials
        if who is None:
            continue
        first = seen.setdefault((place_of(account.venue), who.key), account.name)
        if first != account.name:
            raise ConfigurationError(
                f"{first} and {account.name} have the same key: they are one account, and its money would count twice",
                hint=f"give {account.name} the key of another account, such as a sub-account's, or leave its table out",
            )


def _one_venue(home: Home, settings: Settings) -> Venue:
    path = Path(settings.venue.key_file).expanduser() if settings.venue.key_file else home.path / KEY_FILE
    if not path.exists():
        raise ConfigurationError(
            f"there is no key file {path}",
            hint=f'write key = "..." and secret = "..." into {path} and chmod 600 it; or practise: holdfast run --mode'
            " practice",
        )
    return _venue_of(settings, read_credentials(path))


def public_venue(settings: Settings) -> Venue:
    """Return the venue of the settings as one whose market is read, and where nothing can be sent: without a key.

    Raises
    ------
    ConfigurationError
        An instrument names another venue.
    """
    _require_configured((settings,))
    return _venue_of(settings, None)


def _venue_of(settings: Settings, credentials: Credentials | None) -> Venue:
    url, exchange = settings.venue.url, settings.venue.exchange
    name = "Gate.io" if exchange == GATEIO else f"{exchange.removeprefix(PREFIX)} (through ccxt)"
    return Venue(LIVE, url, credentials, f"{name} at {url}" if url else name, exchange=exchange)


def practised_venue(url: str, key_file: Path, *, is_synthetic: bool) -> Venue:
    """Return a simulated venue as one that is traded at.

    Raises
    ------
    ConfigurationError
        The key that it wrote down cannot be used any more.
    """
    try:
        credentials = read_credentials(key_file)
    except ConfigurationError as error:
        raise ConfigurationError(
            str(error), hint="put that file right, or begin a new run at a new practice venue with `--fresh`"
        ) from error
    return Venue(PRACTICE, url, credentials, "simulated venue", is_synthetic)


def open_exchange(venue: Venue, patience: VenuePlace, ring: Callable[[], None] | None = None) -> TradingVenue:
    """Return a client of the venue, which calls `ring` with each piece of news; nothing is sent yet.

    Raises
    ------
    ConfigurationError
        It is reached through ccxt, which is not installed or does not know it.
    """
    if venue.exchange != GATEIO:
        who = venue.credentials
        key = None if who is None else CcxtKey(who.key, who.secret, who.password)
        ours = CcxtConfig(
            venue.exchange.removeprefix(PREFIX), venue.url, answer_timeout_ms=patience.answer_timeout_ms,
            request_timeout_ms=max(_CCXT_TIMEOUT_MS, patience.answer_timeout_ms), account=patience.account_name,
        )  # fmt: skip
        return CcxtExchange(ours, key, SystemClock(), ring)
    config = GateioConfig.for_url(venue.url) if venue.url else GateioConfig()
    config = msgspec.structs.replace(
        config,
        # A practised venue is a process of this machine.
        tunnel="" if venue.mode == PRACTICE else patience.tunnel,
        answer_timeout_ms=patience.answer_timeout_ms,
        orders=patience.orders if patience.exchange == GATEIO else REST_ORDERS,
        request_timeout_ms=max(_TIMEOUT_MS, patience.answer_timeout_ms),
        suffix=f".{patience.account}" if patience.exchange == GATEIO else VENUE_SUFFIX,
    )
    # A simulated venue is known to drop what is late.
    desk = DeskConfig(is_trigger_expiry_trusted=venue.mode == PRACTICE)
    return GateioExchange(config, venue.credentials, SteadyClock(), desk, ring)


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
    settings: Settings, venue: Venue, journal: Journal, *, is_fresh: bool
) -> Iterator[tuple[RunningAgent, RunStarted]]:  # fmt: skip
    """Give the live agent that owns `journal`, not started yet, while its connections are open.

    Raises
    ------
    VenueError
        The venue cannot be reached.
    """
    before = None if is_fresh else _last_run(journal)
    if venue.accounts:
        with routed(venue.accounts, before) as (exchanges, instruments):
            yield _agent(settings, venue, instruments, before, exchanges, journal)
        return
    exchange = open_exchange(venue, settings.venue)
    try:
        instruments = exchange.instruments(pairs_of(settings, exchange))
        yield _agent(settings, venue, instruments, before, exchange, journal)
    finally:
        exchange.close()


def _agent(
    settings: Settings, venue: Venue, instruments: tuple[Instrument, ...], before: RunStarted | None,
    exchange: LiveExchange, journal: Journal,
) -> tuple[RunningAgent, RunStarted]:  # fmt: skip
    run = _run(settings, venue, instruments, before)
    agent = LiveAgent(run, build(run).engine, exchange, journal, _config(settings, venue), time.monotonic_ns)
    return RunningAgent(journal, agent), run


@contextmanager
def routed(
    accounts: Sequence[AccountAt], before: RunStarted | None
) -> Iterator[tuple[RoutedExchange, tuple[Instrument, ...]]]:
    """Give all accounts as one exchange, and what is traded there.

    An account that cannot be reached now is tried again later, if the run goes on and says what it trades there.
    """
    bell, lanes = threading.Event(), dict[str, Lane]()
    instruments: list[Instrument] = []
    try:
        for account in accounts:
            known = [x for x in before.instruments if venue_of(x.id) == account.name] if before is not None else []
            client = open_exchange(account.venue, account.settings.venue, bell.set)
            opener = partial(open_exchange, account.venue, account.settings.venue, bell.set)
            lanes[account.name] = Lane(account.name, opener, client, time.monotonic_ns)
            try:
                instruments += client.instruments(pairs_of(account.settings, client))
            except VenueError:
                lanes[account.name].close()
                if not known:
                    raise
                instruments += known
        exchanges = RoutedExchange(lanes, bell)
    except HoldfastError:
        for lane in lanes.values():
            lane.close()
        raise
    try:
        yield exchanges, tuple(instruments)
    finally:
        exchanges.close()


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
        run, settings={**run.settings, "engine.order_prefix": msgspec.json.encode(mine).decode()},
        capital_at=tuple(VenueCash(x.name, x.settings.engine.capital) for x in venue.accounts),
    )  # fmt: skip


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
    return played_quickly(settings.live, timeframe(settings.market.timeframe).nanos)
