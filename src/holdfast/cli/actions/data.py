"""What `data import`, `data list` and `data verify` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from holdfast.app.data import bar_store, import_file, verify_file, verify_store
from holdfast.app.disk import require_space
from holdfast.cli.amounts import minute
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_table, say, warn
from holdfast.core.errors import HoldfastError
from holdfast.core.record import Record
from holdfast.domain.bar_quality import QualityReport
from holdfast.domain.market import timeframe
from holdfast.ports.market import DatasetInfo

_SPACE_MB = 50


class ImportOptions(Place, frozen=True):
    """What `data import` takes."""

    paths: tuple[str, ...] = ()
    instrument: str | None = None
    timeframe: str | None = None
    file_format: str = "auto"
    repairs: tuple[str, ...] = ()


class VerifyOptions(Place, frozen=True):
    """What `data verify` takes."""

    paths: tuple[str, ...] = ()
    file_format: str = "auto"


class Finding(Record, frozen=True):
    """One thing that was checked: sound, or what is wrong with it and what to do next."""

    name: str
    is_sound: bool
    error: str = ""
    next: str = ""
    report: QualityReport | None = None
    dataset: DatasetInfo | None = None


def import_bars(options: Mapping[str, object]) -> int:
    """Check files and keep them; one bad file does not keep the others out."""
    given = read(options, ImportOptions)
    home = given.folder
    length = timeframe(given.timeframe) if given.timeframe else None
    home.create()
    require_space(home.path, _SPACE_MB)
    findings: list[Finding] = []
    for text in given.paths:
        try:
            report, info = import_file(
                home, Path(text), given.instrument, length, given.file_format, given.repairs
            )  # fmt: skip
        except HoldfastError as error:
            findings.append(Finding(text, False, str(error), error.hint))
        else:
            findings.append(Finding(text, True, report=report, dataset=info))
    return _report(findings, given, "imported")


def list_bars(options: Mapping[str, object]) -> int:
    """List the store: what is sound, and then what is damaged."""
    given = read(options, Place)
    found = bar_store(given.folder).catalog()
    code = 1 if found.damaged else 0
    if given.is_json:
        print_json(found)
        return code
    if found.datasets:
        _print_datasets(found.datasets)
    elif not found.damaged:
        click.echo("the store is empty; next: holdfast data import FILE")
    for one in found.damaged:
        _say_damaged(f"{one.instrument_id} {one.timeframe}", one.error, one.next)
    return code


def _print_datasets(found: Sequence[DatasetInfo]) -> None:
    titles = ("Instrument", "Timeframe", "From", "To", "Bars", "Missing", "Suspect", "No trade", "KiB", "Label")
    rows = [
        (x.instrument_id, x.timeframe, minute(x.ts_first), minute(x.ts_last), str(x.bars), str(x.missing),
         str(x.suspect), str(x.no_trade), str(x.bytes_stored // 1024), "SYNTHETIC" if x.is_synthetic else "")
        for x in found
    ]  # fmt: skip
    print_table(titles, rows, left=4)


def verify(options: Mapping[str, object]) -> int:
    """Check the store, or files."""
    given = read(options, VerifyOptions)
    findings: list[Finding] = []
    if given.paths:
        for text in given.paths:
            try:
                findings.append(Finding(text, True, report=verify_file(Path(text), given.file_format)))
            except HoldfastError as error:
                findings.append(Finding(text, False, str(error), error.hint))
    else:
        for name, result in verify_store(given.folder):
            if isinstance(result, HoldfastError):
                findings.append(Finding(name, False, str(result), result.hint))
            else:
                findings.append(Finding(name, True, dataset=result))
        if not findings and not given.is_json:
            click.echo("the store is empty; next: holdfast data import FILE")
    return _report(findings, given, "sound")


def _report(findings: list[Finding], given: Place, word: str) -> int:
    if given.is_json:
        print_json({"findings": findings})
    else:
        for finding in findings:
            _say(finding, word)
    return 0 if all(finding.is_sound for finding in findings) else 1


def _say(finding: Finding, word: str) -> None:
    if not finding.is_sound:
        _say_damaged(finding.name, finding.error, finding.next)
        return
    report, info = finding.report, finding.dataset
    if report is None:
        bars = f"{info.bars} bars" if info is not None else ""
        say(f"{finding.name}: {word}, {bars}")
        return
    stored = f" -> {info.bytes_stored // 1024} KiB" if info is not None else ""
    say(
        f"{finding.name}: {word}: {report.instrument_id} {report.timeframe}, {report.bars} bars,"
        f" {minute(report.ts_first)} to {minute(report.ts_last)}{stored}"
    )
    if report.missing:
        say(f"  {report.missing} bars are missing in {len(report.gaps)} gaps; they are labelled, not filled")
    for ts in report.suspect[:5]:
        warn(f"{report.instrument_id}: false print at {minute(ts)} UTC; neither stop nor size is computed from it")
    if report.is_synthetic:
        warn(f"{report.instrument_id} is SYNTHETIC")
    for note in report.notes:
        say(f"  note: {note}")


def _say_damaged(name: str, what: str, upcoming: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {name}: {what}", err=True)
    click.echo(f"{click.style('next:', fg='cyan', bold=True)} {upcoming}", err=True)
