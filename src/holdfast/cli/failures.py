"""What a user sees when something fails: what happened, why, and what to type next. Never a bare traceback."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

import click

from holdfast.cli.delivery import UNREAD, UnreadError, deliver, is_undelivered, let_go
from holdfast.cli.lazy import load
from holdfast.core.errors import HoldfastError

FAILED: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
_DISK_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # room of the disk, of the user, of one file


def exit_code_for(call: Callable[[], int], arguments: Sequence[str]) -> int:
    """Run `call` and return its exit code; report whatever it raises, and whatever keeps its output from arriving."""
    try:
        return _outcome(call, arguments)
    except (BrokenPipeError, UnreadError):
        # The reader has seen enough, as in `holdfast orders | head -1`: no error, and nothing to say to anybody.
        return UNREAD
    finally:
        let_go()


def _outcome(call: Callable[[], int], arguments: Sequence[str]) -> int:
    try:
        code = call()
        deliver()
        return code
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell("interrupted", err=True)
        return INTERRUPTED
    except click.ClickException as error:
        command = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "holdfast"
        return report(arguments, error.format_message(), f"{command} --help", error.exit_code)
    except (BrokenPipeError, UnreadError):
        raise
    except HoldfastError as error:
        if (disk := _disk_full(error)) is not None:
            return _report_disk(arguments, disk)
        if _is_debugging(arguments):
            load("holdfast.cli.crash:shown")(error)
        return report(arguments, str(error), error.hint, error.exit_code)
    # Nothing of ours calls exit(): what does is somebody else's code, and its 0 must not pass for our success.
    # top of task: the command ends here; its traceback goes to a file and the message says where.
    except (Exception, SystemExit) as error:
        if (disk := _disk_full(error)) is not None:
            return _report_disk(arguments, disk)
        return _report_unexpected(arguments, error)


def report(arguments: Sequence[str], message: str, hint: str, code: int, kind: str = "error") -> int:
    """Tell what went wrong and what to type next, and return `code`."""
    if "--json" in arguments:
        _tell(json.dumps({kind: {"message": message, "next": hint, "exit_code": code}}, ensure_ascii=False))
    _tell(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        _tell(f"{click.style('next:', fg='cyan', bold=True)} {hint}", err=True)
    return code


def _tell(line: str, *, err: bool = False) -> None:
    # The exit code says that it failed even where nobody can be told why: a closed pipe, a full disk.
    with suppress(OSError):
        click.echo(line, err=err)


def _report_unexpected(arguments: Sequence[str], error: BaseException) -> int:
    where = load("holdfast.cli.crash:shown" if _is_debugging(arguments) else "holdfast.cli.crash:kept")(error)
    what = f"something unexpected happened — {type(error).__name__}: {error}"
    return report(arguments, what, f"this is a fault of holdfast: please report it; {where}", FAILED)


def _is_debugging(arguments: Sequence[str]) -> bool:
    return "--debug" in arguments or bool(os.environ.get("HOLDFAST_DEBUG"))


def _report_disk(arguments: Sequence[str], error: BaseException) -> int:
    if is_undelivered() or _was_printing(error):
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        message = f"the output could not be written to the end: {reason}"
        return report(
            arguments, message, "send standard output to where there is room, then repeat the command", FAILED
        )
    place = f" ({error.filename})" if isinstance(error, OSError) and error.filename else ""
    safe = "what was acknowledged is safe, nothing more could be written"
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        message = f"a file has reached the largest size that this user may write{place} — {safe}"
        return report(arguments, message, "raise the limit (`ulimit -f unlimited`), then start again", FAILED)
    message = f"the disk is full{place} — {safe}"
    return report(arguments, message, "free some space (holdfast doctor shows how much there is), then start again", 1)


def _was_printing(error: BaseException) -> bool:
    """Return whether standard output refused a text that is longer than its buffer, which keeps nothing of it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        trace is not None
        and trace.tb_frame.f_code is click.echo.__code__
        and not trace.tb_frame.f_locals.get("err", True)
    )


def _disk_full(error: BaseException) -> BaseException | None:
    for cause in _causes(error):
        if isinstance(cause, OSError) and cause.errno in _DISK_FULL:
            return cause
        # SQLite says it in words; its error class is not imported for one text.
        if type(cause).__name__ == "OperationalError" and "disk is full" in str(cause):
            return cause
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
