"""What `stop` and `resume` do."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

import click

from holdfast.app.standing import Standing
from holdfast.cli.amounts import money
from holdfast.cli.confirmation import ask_for
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json
from holdfast.core.errors import ConfigurationError
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.messages import Request, Wish
from holdfast.portfolio.status import Status
from holdfast.services.emergency import StopProof

_LEVELS = {
    "no-entries": StopLevel.NO_ENTRIES, "reduce-only": StopLevel.REDUCE_ONLY, "flatten": StopLevel.FLATTEN,
}  # fmt: skip
_FLATTEN_WORD, _RESUME_WORD = "FLATTEN", "RESUME"


class StopOptions(Place, frozen=True):
    """What both commands take."""

    level: str | None = None
    is_flatten: bool = False
    reason: str = ""
    is_confirmed: bool = False
    is_dry_run: bool = False
    wait: float = 10.0


def stop(options: Mapping[str, object]) -> int:
    """Pull the brake and show the proof."""
    given = read(options, StopOptions)
    if given.is_flatten and given.level not in (None, "flatten"):
        raise ConfigurationError(f"--flatten and --level {given.level} contradict each other", hint="give one of them")
    level = StopLevel.FLATTEN if given.is_flatten else _LEVELS[given.level or "no-entries"]
    standing = Standing(given.folder)
    before = standing.status()
    if given.is_dry_run:
        return _show_plan(given, before, level)
    if level is StopLevel.FLATTEN and not given.is_confirmed:
        ask_for(_FLATTEN_WORD, f"This closes {len(before.positions)} positions at the market and locks the account.")
    request = Request(
        Wish.STOP, level, _actor(), given.reason or "stopped from the command line", given.wait
    )  # fmt: skip
    proof, is_running = standing.stop(request)
    return _show(given, proof, is_running=is_running)


def resume(options: Mapping[str, object]) -> int:
    """Release the brake."""
    given = read(options, StopOptions)
    standing = Standing(given.folder)
    before = standing.status()
    if given.is_dry_run:
        return _show_plan(given, before, StopLevel.NONE)
    if StopLevel(before.stop_level) is StopLevel.FLATTEN and not given.is_confirmed:
        ask_for(_RESUME_WORD, "The account was flattened and locked. Entries will be possible again.")
    request = Request(
        Wish.RESUME, StopLevel.NONE, _actor(), given.reason or "resumed from the command line", given.wait
    )  # fmt: skip
    proof, is_running = standing.stop(request)
    return _show(given, proof, is_running=is_running)


def _show_plan(given: StopOptions, before: Status, level: StopLevel) -> int:
    cancels = [order.order_id for order in before.orders if order.role == "entry"]
    if level.severity < StopLevel.REDUCE_ONLY.severity:
        cancels = []
    closes = [line.instrument_id for line in before.positions] if level is StopLevel.FLATTEN else []
    if given.is_json:
        plan = {"level_now": before.stop_level, "level_wanted": level, "cancels": cancels, "closes": closes}
        print_json({"is_dry_run": True, **plan})
    else:
        click.echo(f"dry run: the stop would go from {before.stop_level} to {level.value}")
        click.echo(f"would cancel: {', '.join(cancels) or 'nothing'}")
        click.echo(f"would close: {', '.join(closes) or 'nothing'}")
    return 0


def _show(given: StopOptions, proof: StopProof, *, is_running: bool) -> int:
    if given.is_json:
        print_json({"is_running": is_running, "proof": proof})
    else:
        where = (
            "the running agent" if is_running else "written into the journal; the next `holdfast run` begins with it"
        )
        click.echo(f"stop level {proof.level.value.replace('_', ' ')} ({where})")
        click.echo(
            f"left: {proof.orders_left} orders ({proof.entries_left} entries), {proof.positions_left} positions,"
            f" exposure {money(proof.exposure_left)} {proof.quote}"
        )
        if not proof.is_proven:
            click.echo(f"not yet proven: {proof.note}")
    # Without an agent nothing can fill, and what was asked for is recorded: that is all that can be had.
    return 0 if proof.is_proven or not is_running else 1


def _actor() -> str:
    return f"cli:{getpass.getuser()}"
