"""Bars on their way into the store: what comes joins what is there, whole or not at all, and nothing is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from msgspec.structs import replace

from holdfast.adapters.sources.columns import Repair
from holdfast.adapters.sources.loading import LoadedBars, in_timeframe, load_whole, market_of
from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.app.data import bar_store, given_path
from holdfast.app.home import Home
from holdfast.core.errors import DataError, HoldfastError
from holdfast.core.record import Record
from holdfast.domain.bar_quality import QualityReport, quality_report
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.series_join import OverlapError, join
from holdfast.ports.market import DatasetInfo

_SOURCES_MAX: Final = 32  # a series that grows by a file a day must not carry all their names
_BETWEEN, _LEFT_OUT = "; ", "…"


class ImportRequest(Record, frozen=True):
    """What is to be imported, and how.

    `is_replacing` puts what comes in the place of all that is stored of its series; `is_last_replaced` in the place of
    the last stored bar, and of no other.
    """

    paths: tuple[str, ...]
    instrument: str | None = None
    timeframe: Timeframe | None = None
    file_format: str = "auto"
    repairs: frozenset[Repair] = frozenset()
    is_replacing: bool = False
    is_last_replaced: bool = False


class FileRead(Record, frozen=True):
    """One file or folder: what it holds, or what is wrong with it and what to do next."""

    path: str
    report: QualityReport | None = None
    error: str = ""
    next: str = ""


class SeriesImport(Record, frozen=True):
    """What became of one series, from which files; in the store are `dataset.bars` then.

    `timeframe` is empty where nothing of the instrument was taken because of one of its files.
    """

    instrument_id: str
    timeframe: str
    paths: tuple[str, ...]
    is_imported: bool = True
    error: str = ""
    next: str = ""
    bars_new: int = 0
    bars_already: int = 0  # came, and were there already
    bars_replaced: int = 0  # were there, and are no more
    notes: tuple[str, ...] = ()
    dataset: DatasetInfo | None = None


class InstrumentImport(Record, frozen=True):
    """What became of the files of one instrument: all of them were taken, or none."""

    files: tuple[FileRead, ...]
    series: tuple[SeriesImport, ...] = ()


def import_files(home: Home, request: ImportRequest) -> Iterator[InstrumentImport]:
    """Check the files of one instrument after another and join them with what is stored; yield what became of each.

    Bars that only one side has are kept, bars that both have must be the same to the last bit. Where they are not, or a
    file is bad, nothing of its instrument changes; the others are imported all the same.
    """
    store = bar_store(home)
    grouped: dict[str, list[str]] = {}
    for number, text in enumerate(request.paths):
        name = market_of(Path(text), request.instrument) if text.strip() else None
        grouped.setdefault(name or f"unknown {number}", []).append(text)
    for paths in grouped.values():
        yield _import_one(store, paths, request)


@dataclass(frozen=True)
class _Incoming:
    """Bars that come, joined from the files that are named; what is known of each file was told with it."""

    series: BarSeries
    paths: tuple[str, ...]
    notes: tuple[str, ...] = ()
    is_made: bool = False  # of finer bars

    @property
    def names(self) -> list[str]:
        return [_name(path) for path in self.paths]

    @property
    def where(self) -> str:
        if len(self.paths) == 1:
            return f"in {self.names[0]}"
        return f"in the {len(self.paths)} files from {self.names[0]} to {self.names[-1]}"


@dataclass(frozen=True)
class _Change:
    """A series as it is to be stored; `series` is None where all of it is there already."""

    outcome: SeriesImport
    series: BarSeries | None
    source: str


def _import_one(store: ParquetBarStore, paths: Sequence[str], request: ImportRequest) -> InstrumentImport:
    read: list[_Incoming] = []
    files: list[FileRead] = []
    for text in paths:
        one = _read(text, request)
        if isinstance(one, FileRead):
            files.append(one)
        else:
            read.append(_Incoming(one.series, (text,)))
            files.append(FileRead(text, one.report))
            del one  # or the last file would stay in memory beside what is made of it
    if not read:
        return InstrumentImport(tuple(files))
    if len(read) < len(files):
        return InstrumentImport(tuple(files), (_refused_for_a_file(read, files),))
    name = read[0].series.instrument_id
    try:
        incoming = _in_timeframe(read, request.timeframe)
        read.clear()  # joined by now
        with store.changing():
            return InstrumentImport(tuple(files), tuple(_changed(store, incoming, request)))
    except HoldfastError as error:
        message = f"{error}; nothing of {name} was imported"
        refused = SeriesImport(name, "", tuple(paths), is_imported=False, error=message, next=error.hint)
        return InstrumentImport(tuple(files), (refused,))


def _read(text: str, request: ImportRequest) -> LoadedBars | FileRead:
    try:
        path = given_path(text)
        return load_whole(path, request.instrument, request.timeframe, request.file_format, request.repairs)
    except HoldfastError as error:
        return FileRead(text, error=str(error), next=error.hint)


def _refused_for_a_file(read: Sequence[_Incoming], files: Sequence[FileRead]) -> SeriesImport:
    name = read[0].series.instrument_id
    bad = [_name(item.path) for item in files if item.error]
    others = "the other file is" if len(read) == 1 else f"the other {len(read)} files are"
    return SeriesImport(
        name,
        "",
        tuple(item.path for item in files),
        is_imported=False,
        error=f"nothing of {name} was imported: {others} sound, but not {', '.join(bad)}",
        next="mend or leave out what is not sound, and repeat the command",
    )


def _in_timeframe(read: Sequence[_Incoming], timeframe: Timeframe | None) -> list[_Incoming]:
    """Return one series for each timeframe; coarse bars are made after joining, across the borders of files."""
    made = []
    for item in _joined(read):
        loaded = in_timeframe(LoadedBars(item.series, quality_report(item.series)), timeframe, item.where)
        is_made = loaded.series.timeframe is not item.series.timeframe
        made.append(_Incoming(loaded.series, item.paths, loaded.report.notes, is_made))
    return _joined(made)


def _joined(found: Sequence[_Incoming]) -> list[_Incoming]:
    by_length: dict[Timeframe, list[_Incoming]] = {}
    for item in found:
        by_length.setdefault(item.series.timeframe, []).append(item)
    joined: list[_Incoming] = []
    for items in by_length.values():
        try:
            is_made = any(item.is_made for item in items)
            series = join([item.series for item in items], [item.where for item in items], is_made=is_made)
        except OverlapError as error:
            last = [items[place] for place in error.parts if error.ts == items[place].series.ts[-1]]
            hint = f"{_still_forming(last[0])}; {error.hint}" if last else error.hint
            raise DataError(str(error), hint=hint) from error
        paths = tuple(path for item in items for path in item.paths)
        notes = tuple(note for item in items for note in item.notes)
        joined.append(_Incoming(series, paths, notes, is_made))
    return joined


def _changed(store: ParquetBarStore, incoming: Sequence[_Incoming], request: ImportRequest) -> list[SeriesImport]:
    """Store each series; all of them are joined, and so found to fit, before the first is written."""
    return [_saved(store, change) for change in [_planned(store, item, request) for item in incoming]]


def _saved(store: ParquetBarStore, change: _Change) -> SeriesImport:
    if change.series is None:
        return change.outcome
    try:
        return replace(change.outcome, dataset=store.save(change.series, change.source))
    except OSError as error:
        name = f"{change.outcome.instrument_id} {change.outcome.timeframe}"
        return SeriesImport(
            change.outcome.instrument_id,
            change.outcome.timeframe,
            change.outcome.paths,
            is_imported=False,
            error=f"{name} could not be written: {error.strerror or error}; what was stored of it is as it was",
            next="free some space or mend the folder of the home, and repeat the command",
        )


def _planned(store: ParquetBarStore, item: _Incoming, request: ImportRequest) -> _Change:
    name, length = item.series.instrument_id, item.series.timeframe
    came, names = len(item.series), [_name(path) for path in item.paths]
    outcome = SeriesImport(name, length.value, item.paths, bars_new=came, notes=item.notes)
    if request.is_replacing:
        before, note = _bars_before(store, item)
        return _Change(replace(outcome, bars_replaced=before, notes=(*item.notes, *note)), item.series, _sources(names))
    info = store.find(name, length)
    if info is None:
        return _Change(outcome, item.series, _sources(names))
    stored = store.load(name, length)
    joined, replaced = _joined_with_stored(stored, item, info, may_replace_last=request.is_last_replaced)
    new = len(joined) - (len(stored) - replaced)
    outcome = replace(outcome, bars_new=new, bars_already=came - new, bars_replaced=replaced)
    if not new and np.array_equal(joined.flags, stored.flags):
        return _Change(replace(outcome, dataset=info), None, info.source)
    return _Change(outcome, joined, _sources([*info.source.split(_BETWEEN), *names]))


def _bars_before(store: ParquetBarStore, item: _Incoming) -> tuple[int, tuple[str, ...]]:
    """Return how many bars are replaced; what is damaged can be replaced, too, and a note says so."""
    try:
        info = store.find(item.series.instrument_id, item.series.timeframe)
    except DataError as error:
        return 0, (f"what is replaced could not be read: {error}",)
    return (info.bars if info else 0), ()


def _joined_with_stored(
    stored: BarSeries, item: _Incoming, info: DatasetInfo, *, may_replace_last: bool
) -> tuple[BarSeries, int]:
    """Return the whole series, and how many stored bars gave way to what comes: none, or the last one."""
    names = (f"in the store (from {info.source})", item.where)
    try:
        return join((stored, item.series), names, is_made=item.is_made), 0
    except OverlapError as error:
        # The first difference: where it is the last stored bar, it is the only one.
        is_last_stored = error.ts == stored.ts[-1]
        if is_last_stored and may_replace_last:
            return _behind(stored, item, names), 1
        raise DataError(str(error), hint=_advice(error, item, is_last_stored=is_last_stored)) from error


def _behind(stored: BarSeries, item: _Incoming, names: Sequence[str]) -> BarSeries:
    rest = stored.slice(0, len(stored) - 1)
    return join((rest, item.series), names, is_made=item.is_made) if len(rest) else item.series


def _advice(error: OverlapError, item: _Incoming, *, is_last_stored: bool) -> str:
    whole = "--replace takes what comes in the place of all that is stored of the series: name all of its files then"
    if is_last_stored:
        return (
            "it is the last bar that is stored, and may have been still forming when it was fetched:"
            f" --replace-last takes this one bar from what comes; {whole}"
        )
    if error.ts == item.series.ts[-1]:
        return f"{_still_forming(item)}; {whole}"
    return f"only you can say which is right: leave the others out; {whole}"


def _still_forming(item: _Incoming) -> str:
    return f"it is the last bar {item.where}, and may have been still forming when it was fetched: then remove that row"


def _name(path: str) -> str:
    return Path(path).name or Path(path).resolve().name


def _sources(names: Sequence[str]) -> str:
    """Return where bars come from, each name once; of very many the first and the latest are told."""
    told = [name for name in dict.fromkeys(names) if name]
    if len(told) > _SOURCES_MAX:
        half = _SOURCES_MAX // 2
        told = [*told[:half], _LEFT_OUT, *[name for name in told[half:] if name != _LEFT_OUT][1 - half :]]
    return _BETWEEN.join(told)
