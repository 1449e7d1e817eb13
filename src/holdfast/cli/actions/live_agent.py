"""What `run` does in practice and live: the same agent, at a simulated venue or at a real one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Final

import click

from holdfast.app.agent import RunningAgent, checked_journal
from holdfast.app.disk import require_space
from holdfast.app.home import Home
from holdfast.app.live import Venue, has_begun, live_agent, practised_venue, real_venue
from holdfast.app.practice import PracticeVenue, practice_venue
from holdfast.app.sections import PACE_MAX, PRACTICE
from holdfast.app.session import Session
from holdfast.app.settings import Settings
from holdfast.cli.actions.abandoning import leave_last_run
from holdfast.cli.actions.checking import checking_shown
from holdfast.cli.actions.foreground import Wishes, leaving, until_unread, watched
from holdfast.cli.actions.live_checks import require_ready
from holdfast.cli.actions.run_options import RunOptions
from holdfast.cli.amounts import minute, money
from holdfast.cli.confirmation import ask_for
from holdfast.cli.live.loop import show, tell
from holdfast.cli.live.view import Frame
from holdfast.cli.output import warn
from holdfast.core.errors import ConfigurationError, RefusedError
from holdfast.interfaces.control.left import LeftStop
from holdfast.interfaces.control.mailbox import Mailbox
from holdfast.interfaces.control.server import ControlServer
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Journal
from holdfast.services.paper import Recovery

_WORD: Final = "LIVE"
_LOOK_S: Final = 1.0
_ENDED: Final = (
    "the practice venue has ended: end this agent and start it again, with the same command and without --fresh;"
    " both go on where they were"
)


def trade_live(home: Home, settings: Settings, given: RunOptions) -> int:
    """Start the agent at its venue, and stay with it."""
    if settings.agent.mode == PRACTICE:
        _require_own_venue(given)
    home.create()
    require_space(
        home.path, settings.agent.disk_free_min_mb, "every decision must be recorded",
        "free some space, or set agent.disk_free_min_mb lower",
    )  # fmt: skip
    if settings.agent.mode == PRACTICE:
        return _practise(home, settings, given)
    venue = real_venue(home, settings)
    require_ready(
        settings, venue, is_begun=not given.is_fresh and has_begun(home), checklist=given.checklist
    )  # fmt: skip
    _confirm(venue, given)
    with checked_journal(home, checking_shown) as journal:
        leave_last_run(settings, venue, journal, given)
        return _trade(home, settings, given, (venue, journal), None)


def _require_own_venue(given: RunOptions) -> None:
    """Refuse what names another venue: who typed it must not believe that it is where orders go."""
    for name, value in (("--venue", given.venue), ("--venue-url", given.venue_url), ("--key-file", given.key_file)):
        if value is not None:
            raise ConfigurationError(
                f"{name} is not for practice, which has a venue and a key of its own",
                hint=f"leave {name} out, or trade at that venue with --mode live",
            )


def _practise(home: Home, settings: Settings, given: RunOptions) -> int:
    practised: PracticeVenue | None = None
    with leaving() as wishes:  # from the first moment on, for the venue must end with whoever has started it
        try:
            # First the journal: who does not own the home must not touch its venue, at which another agent trades.
            with checked_journal(home, checking_shown) as journal:
                practised = practice_venue(home, settings, wishes.are_there, is_fresh=given.is_fresh)
                if practised is None:
                    raise _interrupted(wishes)
                is_synthetic = settings.market.path is None
                venue = practised_venue(practised.url, practised.key_file, is_synthetic=is_synthetic)
                return _trade(home, settings, given, (venue, journal), (wishes, practised))
        finally:
            if practised is not None:
                practised.stop()


def _interrupted(wishes: Wishes) -> BaseException:
    """Return what ends a start that a signal has come into."""
    return KeyboardInterrupt() if wishes.end is None else click.exceptions.Exit(128 + wishes.end)  # as shells have it


def _confirm(venue: Venue, given: RunOptions) -> None:
    """Ask for the typed word. `--yes` counts only where no real money can be meant: at a venue on this machine."""
    if given.is_confirmed and venue.is_here:
        return
    if given.is_confirmed:
        raise RefusedError(
            "live trading with real money is not started with --yes", hint="leave it out, and type the word yourself"
        )
    if venue.is_here:
        addresses = " and ".join(x.url for x in [account.venue for account in venue.accounts] or [venue])
        ask_for(_WORD, f"This trades at a venue on this machine, {addresses}.")
    else:
        ask_for(_WORD, f"This trades real money at {venue.told}.")


def _trade(
    home: Home, settings: Settings, given: RunOptions, place: tuple[Venue, Journal],
    practice: tuple[Wishes, PracticeVenue] | None,
) -> int:  # fmt: skip
    """Trade until somebody wants to leave; who practises listens for signals already, and has a venue that may end."""
    venue, journal = place
    heard, practised = practice or (None, None)
    is_plain = given.plain or not (sys.stdin.isatty() and sys.stdout.isatty())
    starting = live_agent(settings, venue, journal, is_fresh=given.is_fresh)
    with (
        starting as (agent, run),
        leaving() if heard is None else nullcontext(heard) as wishes,
        watched(agent, settings.strategy, wishes),
    ):
        recovery = agent.start(is_fresh=given.is_fresh)
        is_over = wishes.are_there if practised is None else _telling_of_its_end(practised, agent, wishes)
        session = Session(agent, mailbox := Mailbox(LeftStop(home.left_stop)), PACE_MAX, given.bars)
        is_heard = True
        with ControlServer(home.socket, mailbox):
            if is_plain:
                with until_unread() as is_unread:
                    _introduce(run, recovery, home, venue)
                    tell(session, is_over)
                is_heard = not is_unread.is_set()
            else:
                limit = settings.risk.drawdown_steps[-1].drawdown
                show(session, Frame(run.data_source, run.strategy, PACE_MAX, limit), is_over)
        agent.close()
        _part(agent, is_heard=is_heard)
    return 0


def _telling_of_its_end(practised: PracticeVenue, agent: RunningAgent, wishes: Wishes) -> Callable[[], bool]:
    """Return what tells whether somebody wants to leave, and looks beside that whether the venue is there yet."""
    due, is_told = 0.0, False

    def is_over() -> bool:
        nonlocal due, is_told
        if not is_told and (now := time.monotonic()) >= due:
            due, is_told = now + _LOOK_S, practised.has_ended
            if is_told:
                agent.warn(_ENDED)
        return wishes.are_there()

    return is_over


def _introduce(run: RunStarted, recovery: Recovery, home: Home, venue: Venue) -> None:
    names = ", ".join(instrument.id for instrument in run.instruments)
    if run.is_synthetic:
        warn("SYNTHETIC MARKET: these prices are made by a seeded model; no market has had them")
    click.echo(f"{run.mode} mode: {run.strategy} on {names} {run.timeframe}, {venue.told}")
    if recovery.is_fresh:
        click.echo(f"a new run with {money(run.capital, run.quote)} {run.quote}; state in {home.path}")
    else:
        click.echo(
            f"goes on at {minute(recovery.ts)} UTC after {recovery.groups} groups of bars;"
            f" {recovery.repeated} decisions since the last checkpoint were repeated and are equal"
        )


def _part(agent: RunningAgent, *, is_heard: bool) -> None:
    for line in agent.decisions():
        if line.what == "warning":
            warn(line.reason)
    status = agent.status()
    equity = f"{money(status.equity, status.quote)} {status.quote}"
    click.echo(
        f"stopped at {minute(status.ts)} UTC: equity {equity}, {status.trades} trades, {len(status.positions)} open"
        f" positions, {len(status.orders)} orders at the venue; `holdfast run` goes on from here",
        err=not is_heard,
    )
