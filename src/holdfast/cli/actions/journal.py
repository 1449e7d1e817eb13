"""What `journal tail`, `verify`, `export` and `replay` do."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
import msgspec

from holdfast.adapters.storage.sqlite.export import export as export_records
from holdfast.adapters.storage.sqlite.follow import Follower
from holdfast.adapters.storage.sqlite.verify import VerifyReport, require_whole
from holdfast.adapters.storage.sqlite.verify import accept as accept_records
from holdfast.adapters.storage.sqlite.verify import verify as verify_records
from holdfast.app.home import Home
from holdfast.app.pinned import PinnedJournal
from holdfast.app.replay import replay_journal
from holdfast.app.standing import open_reader, require_recorded
from holdfast.cli.amounts import exact
from holdfast.cli.confirmation import ask_for
from holdfast.cli.ending import taken_back_on_signals
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_json_line, print_pairs, say
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import rfc3339
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.services.paper import KINDS

_POLL_S = 0.5
_BODY_SHOWN = 160
_ACCEPT_WORD = "ACCEPT"


class TailOptions(Place, frozen=True):
    """What `journal tail` takes."""

    count: int = 20
    is_followed: bool = False
    kinds: tuple[str, ...] = ()


class VerifyOptions(Place, frozen=True):
    """What `journal verify` takes."""

    is_quick: bool = False
    is_accepted: bool = False
    is_confirmed: bool = False


class ExportOptions(Place, frozen=True):
    """What `journal export` takes."""

    file: str | None = None
    after: int = 0
    kinds: tuple[str, ...] = ()


def tail(options: Mapping[str, object]) -> int:
    """Show the last records, and those that come."""
    given = read(options, TailOptions)
    journal = PinnedJournal(open_reader(given.folder))
    _require_kinds(journal, given.kinds)
    first = 0 if given.kinds else max(journal.head[0] - given.count, 0)
    require_whole(given.folder.journal, first)
    last = deque(journal.read(first, given.kinds), maxlen=given.count)
    if given.is_json and not given.is_followed:
        print_json({"records": [_plain(record) for record in last]})
        return 0
    for record in last:
        _show(record, given)
    # Records of every kind are read, whatever is shown: the chain goes through all of them.
    follower = Follower(given.folder.journal, *journal.head)
    while given.is_followed:
        time.sleep(_POLL_S)
        for record in follower.read():
            if not given.kinds or record.kind in given.kinds:
                _show(record, given)
    return 0


def verify(options: Mapping[str, object]) -> int:
    """Check the chain."""
    given = read(options, VerifyOptions)
    home = given.folder
    if given.is_quick and given.is_accepted:
        raise ConfigurationError("--quick and --accept contradict each other", hint="accept checks each record first")
    if given.is_quick:
        head = open_reader(home).head
        if given.is_json:
            print_json({"is_whole": True, "records": head[0], "head_hash": head[1]})
        else:
            click.echo(f"the segments fit together; {head[0]} records, head {head[1].hex()[:16]} (hashes not checked)")
        return 0
    require_recorded(home)
    report = _accepted(home, given) if given.is_accepted else verify_records(home.journal)
    if given.is_json:
        print_json({"is_whole": report.is_whole, **msgspec.structs.asdict(report)})
        return 0 if report.is_whole else 1
    for problem in report.problems:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {problem.message}", err=True)
        click.echo(f"{click.style('next:', fg='cyan', bold=True)} {problem.hint}", err=True)
    if not report.is_whole:
        return 1
    rate = report.records / report.seconds if report.seconds else 0.0
    say(
        f"the journal is whole: {report.records} records, head {report.head_hash[:16]},"
        f" checked in {report.seconds:.2f} s ({rate:,.0f} records/s)"
    )
    return 0


def _accepted(home: Home, given: VerifyOptions) -> VerifyReport:
    if not given.is_confirmed:
        ask_for(_ACCEPT_WORD, "Records that were cut off the end of this journal will not be missed any more.")
    return accept_records(home.journal)


def export(options: Mapping[str, object]) -> int:
    """Write JSON lines."""
    given = read(options, ExportOptions)
    home = given.folder
    _require_kinds(open_reader(home), given.kinds)
    require_whole(home.journal, given.after)
    if given.file is None:
        if sys.stdout is None:
            raise ConfigurationError("standard output is closed", hint="name a file: holdfast journal export FILE")
        export_records(home.journal, sys.stdout.buffer, after=given.after, kinds=given.kinds)
        return 0
    try:
        count = _export_to(Path(given.file), home, given)
    except FileExistsError as error:
        raise ConfigurationError(f"{given.file} is there already", hint="name a new file") from error
    except OSError as error:
        if error.errno is None or isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError):
            raise ConfigurationError(
                f"{given.file} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
            ) from error
        raise
    if given.is_json:
        print_json({"file": given.file, "records": count})
    else:
        click.echo(f"{count} records written to {given.file}")
    return 0


def _export_to(path: Path, home: Home, given: ExportOptions) -> int:
    if path.exists() or path.is_symlink():
        raise FileExistsError(path)
    # Half an export looks like a whole one, and is in the way of the next: the name is given when all is written.
    draft = path.with_name(f".holdfast-{os.getpid()}.part")
    with taken_back_on_signals(), contextlib.ExitStack() as undo:
        undo.callback(draft.unlink, missing_ok=True)
        with draft.open("xb") as file:
            count = export_records(home.journal, file, after=given.after, kinds=given.kinds)
        draft.replace(path)
    return count


def replay(options: Mapping[str, object]) -> int:
    """Rebuild and compare."""
    given = read(options, Place)
    outcome = replay_journal(given.folder)
    if given.is_json:
        print_json(outcome)
        return 0 if outcome.is_equal else 1
    print_pairs(
        [
            ("Journal", f"{outcome.records} records"),
            ("Folded", f"{outcome.records_folded} run and tick records in {outcome.seconds:.2f} s"),
            ("Cash", f"{exact(outcome.cash)} {outcome.quote}"),
            ("Positions", ", ".join(f"{name} {exact(x)}" for name, x in outcome.positions.items()) or "none"),
            ("Trades", f"{outcome.trades}, {outcome.wins} won"),
            ("Digest", outcome.digest or "not made again: a backtest keeps no bars"),
        ]
    )
    for difference in outcome.differences:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {difference}", err=True)
    if outcome.is_equal:
        click.echo("records, engine and projections agree")
        return 0
    click.echo("next: holdfast journal verify", err=True)
    return 1


def _require_kinds(journal: Journal, kinds: Sequence[str]) -> None:
    """Refuse a kind of records that nobody writes, and that the journal has none of."""
    for kind in kinds:
        if kind not in KINDS and next(iter(journal.read(kinds=(kind,))), None) is None:
            raise ConfigurationError(
                f"there is no record of kind {kind!r}", hint=f"--kind is one of: {', '.join(KINDS)}"
            )


def _plain(record: JournalRecord) -> dict[str, object]:
    return {
        "sequence": record.sequence,
        "ts_journal": record.ts_journal,
        "kind": record.kind,
        "hash": record.hash,
        "body": msgspec.json.decode(record.body),
    }


def _show(record: JournalRecord, given: TailOptions) -> None:
    if given.is_json:
        print_json_line(_plain(record))  # whoever follows reads line by line: there is no end to wait for
        return
    body = record.body.decode(errors="replace")
    shown = body if len(body) <= _BODY_SHOWN else body[:_BODY_SHOWN] + "…"
    click.echo(f"{record.sequence:>8}  {rfc3339(record.ts_journal)[:19]}  {record.kind:<10}  {shown}")
