"""What `run` and `demo` do."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import click
import msgspec

from holdfast.adapters.sources.synthetic import NOTE
from holdfast.app.agent import RunningAgent, running_agent
from holdfast.app.disk import require_space
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket, open_market
from holdfast.app.run_plan import run_of
from holdfast.app.sections import SYNTHETIC, StrategySettings
from holdfast.app.session import Session
from holdfast.app.settings import Settings, flag, load_settings
from holdfast.app.watch import LOOKS, NoReturnError, watching
from holdfast.cli.actions.checking import checking_shown
from holdfast.cli.actions.stall import warn_of_stall
from holdfast.cli.amounts import minute, money
from holdfast.cli.delivery import let_go
from holdfast.cli.failures import report
from holdfast.cli.given import Place, parameters, read
from holdfast.cli.live.loop import show, tell
from holdfast.cli.live.view import Frame
from holdfast.cli.output import say, warn
from holdfast.core.errors import RefusedError
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.server import ControlServer
from holdfast.portfolio.run import RunStarted
from holdfast.services.paper import Recovery

_DEMO_PACE = 12.0


class RunOptions(Place, frozen=True):
    """What `run` takes."""

    mode: str | None = None
    instruments: tuple[str, ...] = ()
    timeframe: str | None = None
    strategy: str | None = None
    fee: str | None = None
    parameters: tuple[str, ...] = ()
    market: str | None = None
    ts_from: str | None = None
    ts_until: str | None = None
    capital: str | None = None
    is_fresh: bool = False
    pace: float | None = None
    bars: int | None = None
    plain: bool = False


class DemoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `demo` takes."""

    pace: float | None = None
    bars: int | None = None
    plain: bool = False
    seed: int = 7
    debug: bool = False


def run(options: Mapping[str, object]) -> int:
    """Start the agent and stay with it."""
    given = read(options, RunOptions)
    home = given.folder
    flags = [
        *flag("agent.mode", given.mode, "--mode"),
        *flag("agent.pace", given.pace, "--pace"),
        *flag("market.source", given.market, "--market"),
        *flag("market.instruments", given.instruments, "--instrument"),
        *flag("market.timeframe", given.timeframe, "--timeframe"),
        *flag("market.start", given.ts_from, "--from"),
        *flag("market.until", given.ts_until, "--until"),
        *flag("strategy.name", given.strategy, "--strategy"),
        *flag("market.fee_maker", given.fee, "--fee"),
        *flag("market.fee_taker", given.fee, "--fee"),
        *flag("engine.capital", given.capital, "--capital"),
        *parameters(given.parameters),
    ]
    settings = load_settings(home.settings, flags=flags).settings
    if settings.agent.mode != "paper":
        raise RefusedError(
            "live trading is not possible yet: it comes with the Gate.io client", hint="holdfast run --mode paper"
        )
    return _trade(home, settings, given)


def demo(options: Mapping[str, object]) -> int:
    """Run on the synthetic market in a home that is gone afterwards."""
    given = msgspec.convert(dict(options), DemoOptions)
    with tempfile.TemporaryDirectory(prefix="holdfast-demo-") as folder:
        home = Home(Path(folder) / "home")
        flags = [
            *flag("market.source", SYNTHETIC, "demo"),
            *flag("market.seed", given.seed, "--seed"),
            *flag("agent.pace", given.pace or _DEMO_PACE, "--pace"),
        ]
        settings = load_settings(home.settings, flags=flags).settings
        return _trade(home, settings, RunOptions(bars=given.bars, plain=given.plain), is_kept=False)


def _trade(home: Home, settings: Settings, given: RunOptions, *, is_kept: bool = True) -> int:
    home.create()
    require_space(
        home.path, settings.agent.disk_free_min_mb, "every decision must be recorded",
        "free some space, or set agent.disk_free_min_mb lower",
    )  # fmt: skip
    market = open_market(home, settings.market, is_endless=True)
    plan = run_of(settings, market, "paper")
    is_plain = given.plain or not (sys.stdin.isatty() and sys.stdout.isatty())
    starting = running_agent(home, plan, market, checking_shown)
    with starting as agent, _leaving() as wishes, _watched(agent, settings.strategy, wishes):
        recovery = agent.start(is_fresh=given.is_fresh, whole=market.whole)
        mailbox = Mailbox()
        session = Session(agent, mailbox, settings.agent.pace, given.bars)
        with ControlServer(home.socket, mailbox):
            is_heard = True
            if is_plain:
                with _until_unread() as is_unread:
                    _introduce(plan, recovery, home)
                    _say_notes(market)
                    tell(session, wishes.are_there)
                is_heard = not is_unread.is_set()
            else:
                limit = settings.risk.drawdown_steps[-1].drawdown
                _say_notes(market)  # they stand above the view again when it has left
                frame = Frame(plan.data_source, plan.strategy, settings.agent.pace, limit)
                show(session, frame, wishes.are_there)
        # Only here, between two groups of bars: a checkpoint of half a group would be a wrong one.
        agent.close()
        _part(agent, session, is_kept=is_kept, is_heard=is_heard)
    return 0


@contextmanager
def _until_unread() -> Iterator[Event]:
    """Let the block print; it ends, and the event is set, when nobody reads any more, as in `run --plain | head`."""
    is_unread = Event()
    try:
        yield is_unread
    except BrokenPipeError:
        let_go()  # lines are printed between two groups of bars only, so the state is whole
        is_unread.set()


class _Wishes:
    """The signals that asked the agent to leave, in the order in which they came."""

    def __init__(self) -> None:
        self._numbers: list[int] = []

    @property
    def end(self) -> int | None:
        """Return the first that no person at the keyboard sent: it comes once, and nothing may wait for another."""
        return next((number for number in self._numbers if number != signal.SIGINT), None)

    def hear(self, number: int, _: object) -> None:
        """Take a signal."""
        self._numbers.append(number)
        if len(self._numbers) > 2:
            raise KeyboardInterrupt  # the loop does not hear: leave the hard way; the journal is whole all the same

    def are_there(self) -> bool:
        """Return whether anything asked."""
        return bool(self._numbers)


@contextmanager
def _watched(agent: RunningAgent, strategy: StrategySettings, wishes: _Wishes) -> Iterator[None]:
    """Warn while the agent does not come back from a bar, and leave the hard way if it was told to end by then."""
    looks_left = LOOKS

    def stalled(looks: int) -> None:
        nonlocal looks_left
        busy = agent.busy_with
        if busy is None:
            return
        if wishes.end is None:
            if looks % LOOKS == 0:
                way_out = "press Ctrl-C three times or send SIGTERM once to leave; the journal is whole all the same"
                warn_of_stall(strategy, busy, way_out)
            return
        looks_left -= 1
        if looks_left == LOOKS - 1:
            raise NoReturnError
        # Raised once only, for what closes on the way out must not be ended, too; so this one has caught it.
        if looks_left < 0:
            os._exit(_ended(strategy, busy, wishes.end))

    try:
        with watching(lambda: agent.busy_with, strategy.bar_seconds_max, stalled):
            yield
    except NoReturnError:
        raise click.exceptions.Exit(_ended(strategy, agent.busy_with or 0, wishes.end or signal.SIGTERM)) from None


def _ended(strategy: StrategySettings, ts: int, number: int) -> int:
    """Say that a signal has ended the agent within the bar that closed at `ts`; return the exit code."""
    return report(
        [],
        f"ended by {signal.Signals(number).name} while {strategy.name} did not come back from the bar that closed at"
        f" {minute(ts)} UTC; the journal is whole",
        "look for a loop without end in the strategy; `holdfast run` goes on before that bar",
        128 + number,  # as shells have it
    )


@contextmanager
def _leaving() -> Iterator[_Wishes]:
    """Turn Ctrl-C and the signals that end a service into a wish, which the loop hears between two groups of bars."""
    wishes = _Wishes()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, wishes.hear) for number in numbers}
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _introduce(plan: RunStarted, recovery: Recovery, home: Home) -> None:
    names = ", ".join(instrument.id for instrument in plan.instruments)
    if plan.is_synthetic:
        warn("SYNTHETIC MARKET: these prices are made by a seeded model; no market has had them")
    click.echo(f"paper mode: {plan.strategy} on {names} {plan.timeframe}, {plan.data_source}")
    if recovery.is_fresh:
        click.echo(f"a new run with {money(plan.capital, plan.quote)} {plan.quote}; state in {home.path}")
    else:
        click.echo(
            f"goes on at {minute(recovery.ts)} UTC after {recovery.groups} groups of bars;"
            f" {recovery.repeated} decisions since the last checkpoint were repeated and are equal"
        )


def _say_notes(market: TradedMarket) -> None:
    for note in market.notes:
        if note != NOTE:  # a warning has said it
            say(f"note: {note}", err=True)


def _part(agent: RunningAgent, session: Session, *, is_kept: bool, is_heard: bool) -> None:
    status = agent.status()
    ended = "the market has ended" if session.has_ended else "stopped"
    if not is_heard:
        ended = "nobody reads the output any more: stopped"
    equity = f"{money(status.equity, status.quote)} {status.quote}"
    click.echo(
        f"{ended} at {minute(status.ts)} UTC: equity {equity}, {status.trades} trades,"
        f" {len(status.positions)} open positions",
        err=not is_heard,
    )
    if session.has_ended and not session.groups:
        click.echo(
            f"nothing was left to do: the market that the settings give has no bars after {minute(status.ts)} UTC;"
            " let it end later (--until), import newer bars, or begin a new run with `--fresh`",
            err=not is_heard,
        )
    if is_kept:
        click.echo("the state is kept; `holdfast run` goes on from here", err=not is_heard)
