"""What a command does that stays in the foreground: hears signals, watches for stalls, stops when nobody reads."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

import click

from holdfast.app.agent import RunningAgent
from holdfast.app.sections import StrategySettings
from holdfast.app.watch import LOOKS, NoReturnError, watching
from holdfast.cli.actions.stall import warn_of_stall
from holdfast.cli.amounts import minute
from holdfast.cli.delivery import let_go
from holdfast.cli.failures import report


@contextmanager
def until_unread() -> Iterator[Event]:
    """Let the block print; it ends, and the event is set, when nobody reads any more, as in `run --plain | head`."""
    is_unread = Event()
    try:
        yield is_unread
    except BrokenPipeError:
        let_go()  # lines are printed between two groups of bars only, so the state is whole
        is_unread.set()


class Wishes:
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
def leaving() -> Iterator[Wishes]:
    """Turn Ctrl-C and the signals that end a service into a wish, which the loop hears between two groups of bars."""
    wishes = Wishes()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, wishes.hear) for number in numbers}
    try:
        yield wishes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def watched(agent: RunningAgent, strategy: StrategySettings, wishes: Wishes) -> Iterator[None]:
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
