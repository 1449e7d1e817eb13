"""How far the check of the journal is, for whoever waits for a start."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.adapters.storage.sqlite.verify import OnProgress
from holdfast.cli.output import say

_QUIET_S: Final = 1.0
"""A check that is over by then says nothing: most are."""


@contextmanager
def checking_shown() -> Iterator[OnProgress]:
    """Give what is told of the check; a bar on a terminal, one line anywhere else, and only if it takes its time."""
    started = time.monotonic()
    with ExitStack() as shown:
        bar: Progress | None = None
        is_said = False

        def tell(done: int, total: int) -> None:
            nonlocal bar, is_said
            if bar is not None:
                bar.update(bar.task_ids[0], completed=done)
            elif not is_said and time.monotonic() - started >= _QUIET_S:
                is_said = True
                if sys.stderr.isatty():
                    bar = shown.enter_context(_bar())
                    bar.add_task("check", total=total or None, completed=done)
                else:
                    say(f"checking the journal before anything is traded: {total or 'unknown many'} records", err=True)

        yield tell


def _bar() -> Progress:
    columns = (TextColumn("checking the journal"), BarColumn(), MofNCompleteColumn(), TextColumn("records"))
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
