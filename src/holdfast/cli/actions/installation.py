"""What `doctor` and `init` do."""

from __future__ import annotations

import os
from collections.abc import Mapping

import click

from holdfast.app.doctor import diagnose, settings_if_sound
from holdfast.app.live import has_begun, real_venue
from holdfast.app.live_doctor import examine_venue
from holdfast.app.settings import load_settings
from holdfast.app.settings_file import settings_text
from holdfast.cli.actions.live_checks import say_asked
from holdfast.cli.actions.venue_options import VenueOptions
from holdfast.cli.given import Place, read
from holdfast.cli.output import columns, folded, print_json, say
from holdfast.core.errors import ConfigurationError, HoldfastError
from holdfast.services.doctor import CheckResult, State, is_healthy, waiting

_NAME = 11  # the longest is projections
_INDENT = len("warn  ") + _NAME + len(" ")
_COLOURS = {State.OK: "green", State.WARN: "yellow", State.FAIL: "red"}


class InitOptions(Place, frozen=True):
    """What `init` takes."""

    is_forced: bool = False


class DoctorOptions(VenueOptions, frozen=True):
    """What `doctor` takes."""

    is_live: bool = False


def doctor(options: Mapping[str, object]) -> int:
    """Check, and say what to repair."""
    given = read(options, DoctorOptions)
    if given.typed and not given.is_live:
        names = ", ".join(name for name, _ in given.typed)
        raise ConfigurationError(f"{names} says nothing without --live: no venue is examined", hint=given.checklist)
    results = diagnose(given.folder)
    if given.is_live:
        results += _venue(given)
    if given.is_json:
        print_json({"is_healthy": is_healthy(results), "checks": results})
    else:
        for result in results:
            _say(result)
    return 0 if is_healthy(results) else 1


def _venue(given: DoctorOptions) -> tuple[CheckResult, ...]:
    home = given.folder
    if settings_if_sound(home) is None:
        return (waiting("venue"),)
    try:
        settings = load_settings(home.settings, flags=given.venue_flags).settings
        venue = real_venue(home, settings)
        say_asked(venue)
        return examine_venue(settings, venue, is_begun=has_begun(home))
    except HoldfastError as error:
        return (CheckResult("venue", State.FAIL, str(error), error.hint),)


def init(options: Mapping[str, object]) -> int:
    """Write the settings file."""
    given = read(options, InitOptions)
    home = given.folder
    if home.settings.exists() and not given.is_forced:
        raise ConfigurationError(
            f"{home.settings} is there already", hint="edit it, or replace it with: holdfast init --force"
        )
    home.create()
    draft = home.settings.with_suffix(".new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(settings_text())
        file.flush()
        os.fsync(file.fileno())
    draft.replace(home.settings)
    if given.is_json:
        print_json({"settings": str(home.settings)})
    else:
        click.echo(f"{home.settings} is written; every value in it is the default")
        click.echo("next: holdfast doctor, then holdfast run")
    return 0


def _say(result: CheckResult) -> None:
    mark = f"{result.state.value:<4}"
    first, *others = folded(f"{mark}  {result.name:<{_NAME}} {result.message}", columns(), _INDENT)
    click.echo(click.style(mark, fg=_COLOURS[result.state], bold=result.state is not State.OK) + first[len(mark) :])
    for line in others:
        click.echo(line)
    if result.next:
        say(f"{'':<{_INDENT}}next: {result.next}")
