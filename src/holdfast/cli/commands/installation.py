"""`doctor` and `init`: the installation."""

from __future__ import annotations

import click

from holdfast.cli.lazy import perform
from holdfast.cli.options import reading, venue


@click.command()
@click.option("--live", "is_live", is_flag=True, help="Check what live trading needs, too: clock, key, pairs, money.")
@venue
@reading
def doctor(**options: object) -> int:
    """Check this installation: Python, home, disk, settings, journal, data, clock. Exit code 1 when something fails."""
    return perform("installation:doctor", options)


@click.command()
@click.option("--force", "is_forced", is_flag=True, help="Replace settings that are there.")
@reading
def init(**options: object) -> int:
    """Write a commented settings file into the home: every setting with its default and its range."""
    return perform("installation:init", options)
