"""What `run` and `demo` do."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import click
import msgspec

from holdfast.adapters.sources.synthetic import NOTE
from holdfast.app.agent import RunningAgent, running_agent
from holdfast.app.disk import require_space
from holdfast.app.home import Home
from holdfast.app.market import TradedMarket, open_market
from holdfast.app.run_plan import run_of
from holdfast.app.sections import PACE_MAX, PAPER, SYNTHETIC, VENUE
from holdfast.app.session import Session
from holdfast.app.settings import Settings, flag, load_settings
from holdfast.app.venue_market import venue_market
from holdfast.cli.actions.abandoning import look_before, require_meant
from holdfast.cli.actions.checking import checking_shown
from holdfast.cli.actions.foreground import leaving, until_unread, watched
from holdfast.cli.actions.live_agent import trade_live
from holdfast.cli.actions.run_options import RunOptions
from holdfast.cli.amounts import minute, money
from holdfast.cli.given import parameters, read
from holdfast.cli.live.loop import show, tell
from holdfast.cli.live.view import Frame
from holdfast.cli.output import say, warn
from holdfast.interfaces.control.left import LeftStop
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.server import ControlServer
from holdfast.portfolio.run import RunStarted
from holdfast.services.paper import Recovery

_DEMO_PACE = 12.0


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
        *given.venue_flags,
        *flag("live.on_exit", given.on_exit, "--on-exit"),
        *parameters(given.parameters),
    ]
    settings = load_settings(home.settings, flags=flags).settings
    require_meant(settings, given)
    look_before(home, settings, given)
    if settings.agent.mode != PAPER:
        return trade_live(home, settings, given)
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
    is_live = settings.market.source == VENUE
    opened = venue_market(settings) if is_live else nullcontext(open_market(home, settings.market, is_endless=True))
    with opened as market:
        return _trade_market(home, settings, given, market, is_kept=is_kept)


def _trade_market(home: Home, settings: Settings, given: RunOptions, market: TradedMarket, *, is_kept: bool) -> int:
    # A live market has its own pace.
    pace = PACE_MAX if settings.market.source == VENUE else settings.agent.pace
    plan = run_of(settings, market, PAPER)
    is_plain = given.plain or not (sys.stdin.isatty() and sys.stdout.isatty())
    starting = running_agent(home, plan, market, checking_shown)
    with starting as agent, leaving() as wishes, watched(agent, settings.strategy, wishes):
        recovery = agent.start(is_fresh=given.is_fresh, whole=market.whole)
        mailbox = Mailbox(LeftStop(home.left_stop))
        session = Session(agent, mailbox, pace, given.bars)
        with ControlServer(home.socket, mailbox):
            is_heard = True
            if is_plain:
                with until_unread() as is_unread:
                    _introduce(plan, recovery, home)
                    _say_notes(market)
                    tell(session, wishes.are_there)
                is_heard = not is_unread.is_set()
            else:
                limit = settings.risk.drawdown_steps[-1].drawdown
                _say_notes(market)  # they stand above the view again when it has left
                frame = Frame(plan.data_source, plan.strategy, pace, limit)
                show(session, frame, wishes.are_there)
        # Only here, between two groups of bars: a checkpoint of half a group would be a wrong one.
        agent.close()
        _part(agent, session, is_kept=is_kept, is_heard=is_heard)
    return 0


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
