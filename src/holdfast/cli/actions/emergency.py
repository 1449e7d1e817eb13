"""What `stop` and `resume` do."""

from __future__ import annotations

import getpass
from collections.abc import Mapping

from holdfast.app.standing import Standing
from holdfast.cli.amounts import money, percent
from holdfast.cli.confirmation import ask_for
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, say, say_waiting
from holdfast.core.errors import ConfigurationError, HoldfastError
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.client import UnheardError
from holdfast.interfaces.control.messages import Request, Wish
from holdfast.portfolio.status import Status
from holdfast.services.emergency import (
    DRAWDOWN_ANEW,
    StopProof,
    is_releasable,
    is_stopped,
    proof_of,
    require_flat,
    stays_at,
)

_LEVELS = {
    "no-entries": StopLevel.NO_ENTRIES, "reduce-only": StopLevel.REDUCE_ONLY, "flatten": StopLevel.FLATTEN,
}  # fmt: skip
_AFTER_WISH = "holdfast run, with a market that goes on; then holdfast status"
_FLATTEN_WORD, _RESUME_WORD = "FLATTEN", "RESUME"


class StopOptions(Place, frozen=True):
    """What both commands take."""

    level: str | None = None
    is_flatten: bool = False
    reason: str = ""
    is_confirmed: bool = False
    is_dry_run: bool = False
    is_when_flat: bool = False
    wait: float = 10.0


def stop(options: Mapping[str, object]) -> int:
    """Pull the brake and show the proof."""
    given = read(options, StopOptions)
    if given.is_flatten and given.level not in (None, "flatten"):
        raise ConfigurationError(f"--flatten and --level {given.level} contradict each other", hint="give one of them")
    level = StopLevel.FLATTEN if given.is_flatten else _LEVELS[given.level or "no-entries"]
    request = Request(
        Wish.STOP, level, _actor(), given.reason or "stopped from the command line", given.wait
    )  # fmt: skip
    must_ask = level is StopLevel.FLATTEN and not given.is_confirmed
    before: Status | None = None

    def wait(pid: int) -> None:
        say_waiting(pid)
        if before is None and not (given.is_dry_run or must_ask):
            standing.leave_stop(request)  # now: whoever waits may lose patience, and has asked for a stop
            say("the stop is left for it meanwhile", err=True)

    standing = Standing(given.folder, wait)
    try:
        before = standing.before_stop(is_look_only=given.is_dry_run)
    except UnheardError as error:
        if given.is_dry_run:
            raise
        if must_ask:
            ask_for(_FLATTEN_WORD, "The agent does not answer. When it wakes, this closes every position and locks it.")
        standing.leave_stop(request)
        raise _left(error, level) from error
    if given.is_dry_run:
        return _show_plan(given, before, level)
    if must_ask:
        ask_for(_FLATTEN_WORD, f"This closes {len(before.positions)} positions at the market and locks the account.")
    try:
        proof, is_running = standing.stop(request)
    except UnheardError as error:
        raise _left(error, level) from error
    return _show(given, proof, before, level, is_running=is_running)


def resume(options: Mapping[str, object]) -> int:
    """Release the brake."""
    given = read(options, StopOptions)
    standing = Standing(given.folder, say_waiting)
    before = standing.before_stop(is_look_only=given.is_dry_run)
    if not given.is_when_flat:
        require_flat(before)
    if given.is_dry_run:
        return _show_plan(given, before, StopLevel.NONE)
    if not is_stopped(before):
        return _show_nothing(given, before, is_running=standing.is_running)
    in_force = StopLevel(before.stop_level)
    is_more_than_a_pause = in_force.severity > StopLevel.NO_ENTRIES.severity or before.is_drawdown_locked
    if is_more_than_a_pause and not given.is_confirmed:
        anew = f", and {DRAWDOWN_ANEW}" if before.is_drawdown_locked else ""
        ask_for(_RESUME_WORD, f"The stop is at {_words(in_force)}. Entries will be possible again{anew}.")
    request = Request(
        Wish.RESUME, StopLevel.NONE, _actor(), given.reason or "resumed from the command line", given.wait
    )  # fmt: skip
    if not is_releasable(before):
        return _show_wish(given, standing.wish_release(request))
    proof, is_running = standing.stop(request)
    return _show(given, proof, before, StopLevel.NONE, is_running=is_running)


def _left(error: UnheardError, level: StopLevel) -> HoldfastError:
    """Return what is true of a stop that nobody has answered to."""
    return HoldfastError(
        f"{error}; the stop at {_words(level)} is left for it, and takes effect the"
        " moment it wakes, before its next bar; until then nothing has changed",
        hint=f"to brake now, end it: {error.end}, and what rests at the venue stays there; then `holdfast stop` again"
        " writes the stop into the journal, and the next `holdfast run` begins with it",
    )


def _show_plan(given: StopOptions, before: Status, level: StopLevel) -> int:
    cancels = [order.order_id for order in before.orders if order.role == "entry"]
    if level.severity < StopLevel.REDUCE_ONLY.severity:
        cancels = []
    is_anew = level is StopLevel.NONE and before.is_drawdown_locked
    closes = [line.instrument_id for line in before.positions] if level is StopLevel.FLATTEN else []
    if given.is_json:
        plan = {"level_now": before.stop_level, "level_wanted": level, "cancels": cancels, "closes": closes}
        marks = {"is_drawdown_anew": is_anew, "is_release_withdrawn": _withdraws(before, level)}
        print_json({"is_dry_run": True, **plan, **marks})
    else:
        in_force = StopLevel(before.stop_level)
        stays = stays_at(in_force, level)
        later = "" if level is not StopLevel.NONE or is_releasable(before) else ", once the account is flat"
        say(f"dry run: {stays or f'the stop would go from {_words(in_force)} to {_words(level)}{later}'}")
        if is_anew:
            say(f"would accept the loss of {percent(before.drawdown)}: {DRAWDOWN_ANEW}")
        if _withdraws(before, level):
            say("withdraws the release that was asked for when the account is flat")
        say(f"would cancel: {', '.join(cancels) or 'nothing'}")
        say(f"would close: {', '.join(closes) or 'nothing'}")
    return 0


def _withdraws(before: Status, wanted: StopLevel) -> bool:
    return before.is_release_wished and wanted is not StopLevel.NONE


def _show_nothing(given: StopOptions, before: Status, *, is_running: bool) -> int:
    if given.is_json:
        proof = proof_of(before, StopLevel.NONE)
        print_json({"is_running": is_running, "proof": proof, "next": "", "is_nothing_stopped": True})
    else:
        say("nothing is stopped: there is nothing to release, and nothing was recorded")
    return 0


def _show(given: StopOptions, proof: StopProof, before: Status, wanted: StopLevel, *, is_running: bool) -> int:
    upcoming = "" if proof.is_proven else _next(proof, wanted, is_running=is_running)
    if given.is_json:
        mark = {"is_nothing_stopped": False}
        if wanted is not StopLevel.NONE:
            mark = {"is_release_withdrawn": _withdraws(before, wanted)}
        print_json({"is_running": is_running, "proof": proof, "next": upcoming, **mark})
        return 0 if proof.is_proven else 1
    where = "the running agent" if is_running else "written into the journal; the next `holdfast run` begins with it"
    say(f"stop level {_words(proof.level)} ({where})")
    say(
        f"left: {proof.orders_left} orders ({proof.entries_left} entries), {proof.positions_left} positions,"
        f" exposure {money(proof.exposure_left, proof.quote)} {proof.quote}"
    )
    if _withdraws(before, wanted):
        say("the release that was asked for when the account is flat is withdrawn")
    if proof.is_drawdown_anew:
        say(f"the loss is accepted: {DRAWDOWN_ANEW}")
    if proof.is_proven:
        if proof.note:
            say(proof.note)
        return 0
    say(
        f"not yet proven: level {_words(proof.level)} is recorded; still open: {proof.positions_left} positions"
        f" and {proof.entries_left} entries ({proof.note})",
        err=True,
    )
    say(f"next: {upcoming}", err=True)
    return 1


def _show_wish(given: StopOptions, proof: StopProof) -> int:
    """Show a release that waits: like a stop whose promise does not hold yet, it ends with 1."""
    if given.is_json:
        print_json({"is_running": False, "is_release_recorded": True, "proof": proof, "next": _AFTER_WISH})
        return 1
    say(
        f"stop level {_words(proof.level)}; its release is written into the journal: the next `holdfast run` grants it"
        f" as soon as its bars have closed {proof.positions_left} positions and {proof.entries_left} entries,"
        " unless a stop comes before, or the drawdown has locked the account by then"
    )
    say(f"next: {_AFTER_WISH}", err=True)
    return 1


def _next(proof: StopProof, wanted: StopLevel, *, is_running: bool) -> str:
    if proof.level.severity < wanted.severity:
        return "pull the stop again, and look at holdfast status"
    if is_running and proof.links_down:
        return "holdfast status, which says what is out of reach until it is back"
    if is_running:
        return "holdfast status, after the next bar"
    return "holdfast run, which goes on with the stop and ends what is open with its first bars; then holdfast status"


def _words(level: StopLevel) -> str:
    return level.value.replace("_", " ")


def _actor() -> str:
    return f"cli:{getpass.getuser()}"
