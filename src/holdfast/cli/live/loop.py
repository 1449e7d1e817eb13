"""Runs a session in the foreground: as a live picture on a terminal, or as plain lines anywhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.console import Console
from rich.live import Live

from holdfast.app.session import Session
from holdfast.cli.amounts import minute, readable
from holdfast.cli.live.controls import Controls
from holdfast.cli.live.keyboard import Keyboard
from holdfast.cli.live.view import Frame, picture
from holdfast.cli.output import say
from holdfast.portfolio.status import DecisionLine

_FRAMES_PER_SECOND = 10


def show(session: Session, frame: Frame, is_over: Callable[[], bool] = lambda: False) -> None:
    """Show the live picture and take keys until the user quits, or as many bars as were asked for are done."""
    console = Console()
    controls = Controls(session)
    status = session.agent.status()
    with Keyboard() as keyboard, Live(console=console, screen=True, auto_refresh=False) as live:
        shown = 0.0
        while not (controls.has_quit or is_over()) and (session.has_ended or not session.is_done):
            wait = session.turn()
            now = time.monotonic()
            if now - shown >= 1.0 / _FRAMES_PER_SECOND:
                status, shown = session.agent.status(), now
                live.update(
                    picture(status, replace(
                        frame, pace=session.pace, is_held=session.is_held, has_ended=session.has_ended,
                        prompt=_prompt(controls, session),
                    )),
                    refresh=True,
                )  # fmt: skip
            keys = keyboard.read(min(wait, 1.0 / _FRAMES_PER_SECOND))
            if keys:
                controls.press(keys)
                status, shown = session.agent.status(), 0.0


def _prompt(controls: Controls, session: Session) -> str:
    ended = "the recorded market has ended; q quits" if session.has_ended else ""
    return controls.prompt or ended


def tell(session: Session, is_over: Callable[[], bool] = lambda: False) -> None:
    """Print one line per decision until the market or the asked number of bars ends."""
    while not session.is_done and not is_over():
        wait = session.turn()
        _print(session.agent.decisions())
        if wait > 0:
            time.sleep(wait)
    session.turn()
    _print(session.agent.decisions())


def _print(lines: Sequence[DecisionLine]) -> None:
    for line in lines:
        pair = line.instrument_id.rpartition(".")[0]
        said = f"{line.what}: {readable(line.reason)}"
        told = f"{minute(line.ts)} {pair} {said}" if pair else said
        say(f"{told} [{line.decision_id}]" if line.decision_id else told)
