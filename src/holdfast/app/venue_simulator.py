"""The simulated venue, put together: its market, its accounts, its folder, its faults."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from holdfast.adapters.host.clock import SystemClock
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket, open_market
from holdfast.app.sections import MarketSettings
from holdfast.app.venue_recording import Recording, recording_of
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record, encode
from holdfast.core.secret import Secret
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.ports.market import Feed
from holdfast.simulator.authentication import Keyring
from holdfast.simulator.clock import VenueClock
from holdfast.simulator.desk import Desk, MakeExchange, Rules
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.fault_plan import FaultFile
from holdfast.simulator.faults import Faults
from holdfast.simulator.market import MarketConfig, PairMarket
from holdfast.simulator.recorded_market import RecordedMarket
from holdfast.simulator.records import AccountSpec, PairSpec
from holdfast.simulator.state_folder import StateFolder, demo_credentials, write_privately

CREDENTIALS_FILE: Final = "credentials.toml"
_SETTINGS_FILE: Final = "settings.json"
HISTORY: Final = 1_000
"""Bars that are past when the venue opens, so that whoever comes can look back."""
_BALANCE_USUAL: Final = {"USDT": Decimal(10_000)}


class VenueAccount(Record, frozen=True):
    """An account as the folder keeps it; the file is for its owner alone."""

    key: str
    secret: str
    balances: dict[str, Decimal]


class _Kept(Record, frozen=True):
    """What a venue's folder was begun with: the same, or it is another venue."""

    market: MarketSettings
    accounts: tuple[VenueAccount, ...]


class VenuePlan(Record, frozen=True):
    """What a venue is to be; no accounts means those of the folder, or a new one for demonstration."""

    market: MarketSettings
    accounts: tuple[tuple[str, str], ...] = ()
    balances: dict[str, Decimal] | None = None
    faults: FaultFile | None = None
    limit_factor: int = 1


def parse_balances(text: str) -> dict[str, Decimal]:
    """Return the amounts of `USDT=10000,BTC=1`."""
    found: dict[str, Decimal] = {}
    for part in text.split(","):
        asset, _, amount = part.partition("=")
        name = asset.strip().upper()
        try:
            value = Decimal(amount.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not name.isalnum() or not value.is_finite() or value < 0 or name in found:
            raise ConfigurationError(f"{part.strip()!r} is no balance", hint="--balance USDT=10000,BTC=1")
        found[name] = value
    return found


def open_venue(home: Home, plan: VenuePlan, folder: StateFolder) -> tuple[Desk, tuple[str, ...]]:
    """Return the venue with what its folder remembers, and notes for whoever started it.

    Raises
    ------
    ConfigurationError
        The folder was begun with another market or other accounts, or the market cannot be opened.
    """
    kept, notes = _kept(plan, folder.path)
    is_new = kept is None
    if kept is None:
        kept = _new(plan)
    accounts = [AccountSpec(one.key, Secret(one.secret), dict(one.balances)) for one in kept.accounts]
    keyring = Keyring({one.key: one.secret for one in accounts})
    clock = SystemClock()
    faults = Faults(plan.faults, clock.now() // 1_000_000)

    recording = recording_of(kept.market)
    if recording is not None:
        make, told = _replayed(recording, accounts), recording.notes
    else:
        market = open_market(home, kept.market, is_endless=True)
        make, told = _traded(market, accounts), market.notes
    desk = Desk(make, keyring, faults, VenueClock(clock, faults), Rules(plan.limit_factor))
    if is_new:  # only now: a market that cannot be opened must not be what the folder holds
        _begin(kept, folder.path)
    repeated = desk.keep_in(folder)
    if repeated:
        notes = (*notes, f"{repeated} requests and moves of the market repeated from {folder.path}")
    return desk, (*told, *notes)


def _replayed(recording: Recording, accounts: Sequence[AccountSpec]) -> MakeExchange:
    instrument = recording.instrument
    _check_spot([instrument])

    def make() -> VirtualExchange:
        market = RecordedMarket(instrument, recording.timeframe, recording.events(), MarketConfig())
        return VirtualExchange([_spec(instrument)], [market], accounts)

    return make


def _traded(market: TradedMarket, accounts: Sequence[AccountSpec]) -> MakeExchange:
    _check_spot(market.instruments)
    return lambda: _exchange(market, accounts)


def _exchange(market: TradedMarket, accounts: Sequence[AccountSpec]) -> VirtualExchange:
    split = _Split(market.feed, [instrument.id for instrument in market.instruments])
    past = split.past(_history_length(market))
    pairs, prints = [], []
    for instrument in market.instruments:
        pairs.append(_spec(instrument))
        bars = split.of(instrument.id)
        prints.append(PairMarket(instrument, market.timeframe, bars, past[instrument.id], MarketConfig()))
    return VirtualExchange(pairs, prints, accounts)


def _history_length(market: TradedMarket) -> int:
    """Return how many closing times are past when the venue opens: of a market that ends, half of them at most."""
    lengths = [len(series) for series in market.series]
    return min(HISTORY, max(lengths) // 2) if lengths else HISTORY


def _spec(instrument: Instrument) -> PairSpec:
    fees = instrument.fees()
    return PairSpec(_pair_of(instrument), instrument, fees.maker, fees.taker)


def _pair_of(instrument: Instrument) -> str:
    return f"{instrument.base}_{instrument.quote}"


def _check_spot(instruments: Sequence[Instrument]) -> None:
    for instrument in instruments:
        if instrument.market is not Market.SPOT:
            raise ConfigurationError(
                f"{instrument.id} is a perpetual, and the simulated venue trades spot alone",
                hint="name spot markets, like --instrument BTC/USDT",
            )
    pairs = [_pair_of(instrument) for instrument in instruments]
    if twice := sorted({pair for pair in pairs if pairs.count(pair) > 1}):
        raise ConfigurationError(
            f"several markets would be {', '.join(twice)}", hint="name one with its venue: --instrument PAIR.VENUE"
        )


class _Split:
    """One feed as a stream of bars for each instrument; none of them runs far ahead of the others."""

    def __init__(self, feed: Feed, instruments: Sequence[InstrumentId]) -> None:
        self._groups = feed.groups()
        self._waiting: Mapping[InstrumentId, deque[BarClosed]] = {name: deque() for name in instruments}

    def past(self, groups: int) -> Mapping[InstrumentId, list[BarClosed]]:
        """Take the first groups, so that all markets open at one moment; one that begins later has no past."""
        found: dict[InstrumentId, list[BarClosed]] = {name: [] for name in self._waiting}
        for group in islice(self._groups, groups):
            for bar in group:
                found[bar.instrument_id].append(bar)
        return found

    def of(self, instrument_id: InstrumentId) -> Iterator[BarClosed]:
        """Yield what comes after the past."""
        own = self._waiting[instrument_id]
        while True:
            while not own:
                group = next(self._groups, None)
                if group is None:
                    return
                for bar in group:
                    self._waiting[bar.instrument_id].append(bar)
            yield own.popleft()


def kept_market(folder: Path) -> MarketSettings | None:
    """Return the market that a venue's folder was begun with, None where there is none yet.

    Raises
    ------
    ConfigurationError
        The folder is damaged.
    """
    found = _found(folder)
    return None if found is None else found.market


def _found(folder: Path) -> _Kept | None:
    path = folder / _SETTINGS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Kept)
    except FileNotFoundError:
        return None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is damaged ({error})", hint="name another --state FOLDER") from None


def _new(plan: VenuePlan) -> _Kept:
    given = plan.accounts or (demo_credentials(),)
    balances = plan.balances if plan.balances is not None else _BALANCE_USUAL
    return _Kept(plan.market, tuple(VenueAccount(key, secret, balances) for key, secret in given))


def _begin(kept: _Kept, folder: Path) -> None:
    write_privately(folder / _SETTINGS_FILE, encode(kept))
    first = kept.accounts[0]
    text = f"key = {_quoted(first.key)}\nsecret = {_quoted(first.secret)}\n"
    write_privately(folder / CREDENTIALS_FILE, text.encode())


def _kept(plan: VenuePlan, folder: Path) -> tuple[_Kept | None, tuple[str, ...]]:
    """Return what the folder was begun with, which the plan must fit, None where it is new."""
    kept = _found(folder)
    if kept is None:
        return None, ()
    stored = tuple((one.key, one.secret) for one in kept.accounts)
    if (plan.accounts and plan.accounts != stored) or kept.market != plan.market:
        what = "another market" if kept.market != plan.market else "other accounts"
        raise ConfigurationError(
            f"{folder} holds a venue with {what}", hint="start it as before, or name another --state FOLDER"
        )
    is_ignored = plan.balances is not None and any(one.balances != plan.balances for one in kept.accounts)
    return kept, (("--balance is for a new venue alone; this one goes on with what it holds",) if is_ignored else ())


def _quoted(text: str) -> str:
    # JSON's way of quoting printable ASCII is TOML's, too.
    return msgspec.json.encode(text).decode()


def state_folder(home: Home, given: str | None) -> Path:
    """Return where the venue keeps its state."""
    return Path(given).expanduser() if given else home.path / "venue"
