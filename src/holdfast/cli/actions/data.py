"""What `data import`, `data list` and `data verify` do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from holdfast.app.data import bar_store, given_path, repairs_named, verify_file, verify_store
from holdfast.app.data_import import ImportRequest, InstrumentImport, SeriesImport, import_files
from holdfast.app.disk import require_space
from holdfast.cli.amounts import minute
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_table, say, warn
from holdfast.core.errors import ConfigurationError, HoldfastError
from holdfast.core.record import Record
from holdfast.domain.bar_quality import QualityReport
from holdfast.domain.catalog import untraded
from holdfast.domain.market import timeframe
from holdfast.ports.market import DatasetInfo

_SPACE_MB = 50
_SUSPECT_SHOWN = 5


class ImportOptions(Place, frozen=True):
    """What `data import` takes."""

    paths: tuple[str, ...] = ()
    instrument: str | None = None
    timeframe: str | None = None
    file_format: str = "auto"
    repairs: tuple[str, ...] = ()
    is_replacing: bool = False
    is_last_replaced: bool = False


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
    """Check files and join them with what is stored; one bad file keeps out those of its own instrument only."""
    given = read(options, ImportOptions)
    if given.is_replacing and given.is_last_replaced:
        raise ConfigurationError(
            "--replace and --replace-last contradict each other",
            hint="--replace-last replaces one bar, --replace all that is stored of the series",
        )
    home = given.folder
    request = ImportRequest(
        given.paths, given.instrument, timeframe(given.timeframe) if given.timeframe else None, given.file_format,
        repairs_named(given.repairs), given.is_replacing, given.is_last_replaced,
    )  # fmt: skip
    home.create()
    require_space(
        home.path, _SPACE_MB, "an import writes the new series beside the old one",
        "free some space there, or name a home on another disk: --home DIR",
    )  # fmt: skip
    done: list[InstrumentImport] = []
    for one in import_files(home, request):
        done.append(one)
        if not given.is_json:  # at once: who interrupts a long import sees what has been stored
            _say_imported(one)
    findings = [finding for one in done for finding in _findings(one)]
    series = [item for one in done for item in one.series]
    if given.is_json:
        print_json({"findings": sorted(findings, key=lambda item: given.paths.index(item.name)), "series": series})
    is_done = all(finding.is_sound for finding in findings) and all(item.is_imported for item in series)
    return 0 if is_done else 1


def _findings(one: InstrumentImport) -> list[Finding]:
    return [Finding(item.path, not item.error, item.error, item.next, item.report) for item in one.files]


def _say_imported(one: InstrumentImport) -> None:
    for finding in _findings(one):
        _say(finding, "read")
    for item in one.series:
        _say_series(item)


def _say_series(item: SeriesImport) -> None:
    stored = item.dataset
    if stored is None:
        _say_damaged("", item.error, item.next)
        return
    replaced = f", {item.bars_replaced} stored bars replaced" if item.bars_replaced else ""
    say(
        f"{item.instrument_id} {item.timeframe}: imported: {item.bars_new} bars are new, {item.bars_already} were there"
        f" already{replaced}; {stored.bars} are stored, {minute(stored.ts_first)} to {minute(stored.ts_last)}"
        f" -> {stored.bytes_stored // 1024} KiB"
    )
    if stored.missing and (len(item.paths) > 1 or stored.bars != item.bars_new):  # else said with the file
        say(f"  {stored.missing} bars are missing in {stored.gaps} gaps; they are labelled, not filled")
    for note in item.notes:
        say(f"  note: {note}")


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
         str(x.suspect), str(x.no_trade), str(x.bytes_stored // 1024), _label(x))
        for x in found
    ]  # fmt: skip
    print_table(titles, rows, left=4)


def _label(info: DatasetInfo) -> str:
    what = untraded(info.instrument_id)
    words = [f"{what.upper()}: not traded"] if what else []
    return ", ".join([*words, "SYNTHETIC"] if info.is_synthetic else words)


def verify(options: Mapping[str, object]) -> int:
    """Check the store, or files."""
    given = read(options, VerifyOptions)
    findings: list[Finding] = []
    if given.paths:
        for text in given.paths:
            try:
                findings.append(Finding(text, True, report=verify_file(given_path(text), given.file_format)))
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
    say(
        f"{finding.name}: {word}: {report.instrument_id} {report.timeframe}, {report.bars} bars,"
        f" {minute(report.ts_first)} to {minute(report.ts_last)}"
    )
    if report.missing:
        say(f"  {report.missing} bars are missing in {len(report.gaps)} gaps; they are labelled, not filled")
    _say_suspect(report)
    if report.is_synthetic:
        warn(f"{report.instrument_id} is SYNTHETIC")
    for note in report.notes:
        say(f"  note: {note}")


def _say_suspect(report: QualityReport) -> None:
    for bar in report.suspect_bars[:_SUSPECT_SHOWN]:
        prices = ", ".join(f"{name} {value:.12g}" for name, value in bar.prices.items())
        what = prices or "it lies in a finer bar"
        if bar.is_believed:
            what += " is far from the price before; the next bar confirms it, and it counts from there on"
            say(f"  {report.instrument_id}: {minute(bar.ts)} UTC: {what}")
        else:
            what = f"false print at {minute(bar.ts)} UTC: {what}"
            warn(f"{report.instrument_id}: {what}; neither stop nor size is computed from it")
    more = len(report.suspect_bars) - _SUSPECT_SHOWN
    if more > 0:
        say(f"  and {more} more like it; --json names them all")


def _say_damaged(name: str, what: str, upcoming: str) -> None:
    click.echo(f"{click.style('error:', fg='red', bold=True)} {_about(name, what)}", err=True)
    click.echo(f"{click.style('next:', fg='cyan', bold=True)} {upcoming}", err=True)


def _about(name: str, what: str) -> str:
    """Return what is wrong with the name before it, once: an error of a reader begins with its file already."""
    for known in filter(None, (name, Path(name).name)):
        if what.startswith(f"{known}: "):
            return f"{name}: {what.removeprefix(f'{known}: ')}"
    return f"{name}: {what}" if name else what
