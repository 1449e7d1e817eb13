"""What `simulate-venue` does."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click
import msgspec

from holdfast.app.sections import MarketSettings
from holdfast.app.venue_accounts import parse_account, read_accounts
from holdfast.app.venue_simulator import (
    CREDENTIALS_FILE,
    VenuePlan,
    open_venue,
    parse_balances,
    state_folder,
)
from holdfast.cli.given import Place, read
from holdfast.cli.output import warn
from holdfast.core.errors import ConfigurationError
from holdfast.simulator import serving
from holdfast.simulator.desk import Desk
from holdfast.simulator.fault_plan import read_faults
from holdfast.simulator.serving import Serving, serve
from holdfast.simulator.state_folder import StateFolder


class SimulateOptions(Place, frozen=True):
    """What `simulate-venue` takes."""

    port: int = 0
    host: str = "127.0.0.1"
    accounts: tuple[str, ...] = ()
    accounts_file: str | None = None
    balance: str | None = None
    market: str = "synthetic"
    instruments: tuple[str, ...] = ()
    timeframe: str = "1m"
    seed: int = 7
    fee: str | None = None
    pace: float = 1.0
    faults: str | None = None
    state: str | None = None
    is_unlimited: bool = False


def simulate_venue(options: Mapping[str, object]) -> int:
    """Serve until a signal comes."""
    given = read(options, SimulateOptions)
    where = Serving(given.port, given.host, given.pace)
    plan = _plan(given)
    with StateFolder(state_folder(given.folder, given.state)) as folder:
        desk, notes = open_venue(given.folder, plan, folder)
        for note in notes:
            warn(note)
        asyncio.run(_serve(desk, where, folder, is_json=given.is_json))
    return 0


def _plan(given: SimulateOptions) -> VenuePlan:
    fee = None if given.fee is None else _share(given.fee)
    source = given.market if given.market == "synthetic" else str(Path(given.market).expanduser().resolve())
    market = MarketSettings(source, given.instruments, given.timeframe, seed=given.seed, fee_maker=fee, fee_taker=fee)
    return VenuePlan(
        market,
        _accounts(given),
        None if given.balance is None else parse_balances(given.balance),
        None if given.faults is None else read_faults(given.faults),
        0 if given.is_unlimited else 1,
    )


def _accounts(given: SimulateOptions) -> tuple[tuple[str, str], ...]:
    if given.accounts_file is None:
        return tuple(parse_account(text) for text in given.accounts)
    if given.accounts:
        raise ConfigurationError(
            "accounts are named in two ways", hint="give --accounts-file or --account, and not both"
        )
    return read_accounts(Path(given.accounts_file).expanduser())


def _share(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ConfigurationError(f"--fee {text!r} is no share", hint="write 0.1 % as 0.001") from None


async def _serve(desk: Desk, where: Serving, folder: StateFolder, *, is_json: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)

    def ready(place: serving.Place) -> None:
        folder.announce(place.url, place.socket_url)
        credentials = folder.path / CREDENTIALS_FILE
        if is_json:
            known = {"url": place.url, "socket_url": place.socket_url, "state": str(folder.path)}
            click.echo(msgspec.json.encode({**known, "credentials": str(credentials)}).decode())
        else:
            click.echo(f"simulated venue at {place.url} (websocket {place.socket_url}), key in {credentials}")

    await serve(desk, where, ready, stop)
