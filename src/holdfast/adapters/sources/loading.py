"""One way to bars from whatever the user has: a file or a folder, checked, labelled, in the asked timeframe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from holdfast.adapters.sources import csv_candles, parquet_candles, parquet_trades
from holdfast.adapters.sources.columns import Repair, require_file
from holdfast.adapters.sources.file_names import BARS, TRADES, FileName, read_name
from holdfast.adapters.storage.parquet.store import bar_file_market, is_bar_file, iter_bar_file, read_bar_file
from holdfast.core.errors import ConfigurationError, DataError, HoldfastError
from holdfast.core.time import rfc3339
from holdfast.domain.bar_quality import QualityReport, gaps, quality_report
from holdfast.domain.catalog import series_id, untraded
from holdfast.domain.market import BarSeries, Timeframe
from holdfast.domain.resample import resample
from holdfast.domain.series_join import OverlapError, join
from holdfast.domain.tradable import volume_note
from holdfast.domain.values import InstrumentId

AUTO, PARQUET = "auto", "parquet"
FORMATS = (AUTO, PARQUET, *csv_candles.LAYOUTS)
MARKET_FOLDER = "market"
UNNAMED_VENUE = "FILE"
"""The venue of bars whose file does not tell it, and whose user names the pair alone."""
_SUFFIXES = (".parquet", ".csv", ".csv.gz", ".zip")


@dataclass(frozen=True)
class LoadedBars:
    """Bars that may be traded on, and what is known about their quality."""

    series: BarSeries
    report: QualityReport


@dataclass(frozen=True)
class _Read:
    """What one file holds, and what had to be done to it."""

    path: Path
    series: BarSeries
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Part:
    """One file of a folder, and what its name says."""

    path: Path
    id: InstrumentId
    timeframe: Timeframe


def load_bars(
    path: Path,
    instrument: str | None = None,
    timeframe: Timeframe | None = None,
    file_format: str = AUTO,
    repair: frozenset[Repair] = frozenset(),
) -> LoadedBars:
    """Return the bars in a file, or those of one instrument in a folder, validated and labelled.

    Numbers stand as in the file: false prints are marked, not removed, and volume is in the venue's unit (a feed makes
    them `tradable`). A timeframe coarser than that of the files is made from them. The files of a folder are joined; of
    two whose bars of one time differ, the longer stays. Whatever was done or left out stands in the report's notes.

    Parameters
    ----------
    instrument
        `BTC/USDT.BINANCE`; a bare pair will do where it is unambiguous. None takes what the file's name says.
    timeframe
        None takes that of the file.
    file_format
        One of FORMATS; `auto` goes by the name and the content.
    repair
        What may be mended in a CSV file; nothing is mended that is not named here.

    Raises
    ------
    DataError
        A file is missing, damaged or breaks a rule; says where and what to do.
    ConfigurationError
        The arguments name nothing that is there; lists what is.
    """
    found = _read(path, instrument, timeframe, file_format, repair, is_strict=False)
    return in_timeframe(found, timeframe, f"in {path.name}")


def load_whole(
    path: Path,
    instrument: str | None = None,
    timeframe: Timeframe | None = None,
    file_format: str = AUTO,
    repair: frozenset[Repair] = frozenset(),
) -> LoadedBars:
    """Return what `load_bars` makes its bars from: those of the file or the folder, in the timeframe that they are in.

    Of a folder, `timeframe` says which files: those whose bars the asked ones can be made from.

    Raises
    ------
    DataError, ConfigurationError
        As `load_bars`; and where bars of one time differ between the files of a folder.
    """
    return _read(path, instrument, timeframe, file_format, repair, is_strict=True)


def in_timeframe(loaded: LoadedBars, timeframe: Timeframe | None, where: str) -> LoadedBars:
    """Return the bars in a coarser timeframe, made from the finer ones; a note says so, and what is lacking.

    Raises
    ------
    DataError
        No bar of it is complete; `where` tells where they were looked for.
    ConfigurationError
        It is no multiple of their own.
    """
    series = loaded.series
    if timeframe is None or timeframe is series.timeframe:
        return loaded
    note = _finer_note(series, timeframe)
    series = resample(series, timeframe)
    if len(series) == 0:
        raise DataError(
            f"{series.instrument_id}: no {timeframe.value} bar is complete {where}",
            hint="ask for a finer timeframe, or give a longer file",
        )
    return LoadedBars(series, quality_report(series, (*loaded.report.notes, note)))


def market_of(path: Path, instrument: str | None = None) -> InstrumentId | None:
    """Return whose bars are in a file or a folder, as far as that can be told without reading them.

    None where it cannot be told, or where there are no bars: reading it says why.
    """
    try:
        if path.is_dir():
            return _match(InstrumentId(instrument) if instrument else None, list(available(path)), path)
        name = read_name(path)
        if name is not None and name.kind not in (*BARS, TRADES):
            return None
        if instrument:
            return _given(instrument, name, path)
        if path.suffix == ".parquet" and is_bar_file(path):
            return bar_file_market(path)
        return name.id if name else None
    except (HoldfastError, OSError):
        return None


def stream_bars(
    path: Path,
    instrument: str | None = None,
    timeframe: Timeframe | None = None,
    bars: int = parquet_candles.SLICE_BARS,
) -> Iterator[BarSeries]:
    """Return an iterator over a Parquet file of any length: validated, labelled slices, in bounded memory.

    Raises
    ------
    DataError, ConfigurationError
        As `load_bars`, when the slice with the fault is reached.
    """
    own = _given(instrument, read_name(path), path) if instrument else None
    if is_bar_file(path):
        return (_renamed(part, own) for part in iter_bar_file(path, bars))
    return parquet_candles.iter_candles(path, own, timeframe, bars)


def available(folder: Path) -> dict[InstrumentId, list[Timeframe]]:
    """Return which instruments the candle files of a folder hold, and in which timeframes, by their names."""
    found: dict[InstrumentId, set[Timeframe]] = {}
    for part in _parts(folder):
        found.setdefault(part.id, set()).add(part.timeframe)
    return {name: sorted(found[name], key=lambda item: item.nanos) for name in sorted(found)}


def _read(
    path: Path,
    instrument: str | None,
    timeframe: Timeframe | None,
    file_format: str,
    repair: frozenset[Repair],
    *,
    is_strict: bool,
) -> LoadedBars:
    if file_format not in FORMATS:
        raise ConfigurationError(f"unknown file format {file_format!r}", hint="one of " + ", ".join(FORMATS))
    if path.is_dir():
        parts = _from_folder(path, instrument, timeframe, file_format, repair)
        series, notes = _joined(parts, is_strict=is_strict)
    elif parquet_trades.is_trade_file(path):
        name = _given(instrument, read_name(path), path) if instrument else None
        series, found = parquet_trades.read_trades(path, timeframe or Timeframe.M1, name)
        notes = list(found)
    else:
        part = _from_file(path, instrument, None, file_format, repair)
        series, notes = part.series, list(part.notes)
    if about_volume := volume_note(series):
        notes.append(about_volume)
    return LoadedBars(series, quality_report(series, tuple(notes)))


def _from_file(
    path: Path, instrument: str | None, timeframe: Timeframe | None, file_format: str, repair: frozenset[Repair]
) -> _Read:
    require_file(path)
    name = read_name(path)
    instrument_id = _given(instrument, name, path) if instrument else None
    # The file's own timeframe, where its name or its times say it: the one that is asked for may be coarser.
    own = timeframe or (name.timeframe if name else None)
    if file_format == PARQUET or (file_format == AUTO and path.suffix == ".parquet"):
        if is_bar_file(path):
            return _Read(path, _renamed(read_bar_file(path), instrument_id))
        return _Read(path, parquet_candles.read_candles(path, instrument_id, own))
    layout = csv_candles.AUTO if file_format == AUTO else file_format
    series, notes = csv_candles.read_noted(path, instrument_id, own, layout, repair)
    return _Read(path, series, notes)


def _renamed(series: BarSeries, name: InstrumentId | None) -> BarSeries:
    """Return the series under the name that the user gives it; a stored one has a name of its own."""
    if name is None or name == series.instrument_id:
        return series
    if what := untraded(series.instrument_id):
        raise ConfigurationError(
            f"{series.instrument_id} holds {what}, which nobody trades: it cannot be {name}",
            hint="leave --instrument away, or name a candle file",
        )
    return series.replaced(instrument_id=name)


def _given(instrument: str, name: FileName | None, path: Path) -> InstrumentId:
    """Return the id that the user means; a bare pair takes the rest from the file's name, where that says it."""
    if name is not None and untraded(name.id):
        # Under the name of a market they would be traded.
        return _match(InstrumentId(instrument), [name.id], path)
    if "." in instrument:
        return series_id(instrument)
    if name is None:
        # Of no venue that is known: its grid is read from the bars, and the report says so.
        return series_id(f"{instrument.upper().replace('_', '/')}.{UNNAMED_VENUE}")
    return _match(InstrumentId(instrument), [name.id], path)


def _from_folder(
    folder: Path, instrument: str | None, timeframe: Timeframe | None, file_format: str, repair: frozenset[Repair]
) -> list[_Read]:
    there = available(folder)
    if not there:
        raise DataError(
            f"{folder}: no candle file in this folder",
            hint="name a file, or a folder with files like binance-spot-BTC_USDT-1h-20230101-20231231.parquet",
        )
    wanted = _match(InstrumentId(instrument) if instrument else None, list(there), folder)
    source = _source_timeframe(wanted, there[wanted], timeframe)
    paths = [part.path for part in _parts(folder) if part.id == wanted and part.timeframe is source]
    return [_from_file(path, None, source, file_format, repair) for path in paths]


def _parts(folder: Path) -> list[_Part]:
    parts = []
    # Collections of data keep candles beside other things, in a folder of that name.
    places = [folder, folder / MARKET_FOLDER] if (folder / MARKET_FOLDER).is_dir() else [folder]
    for path in sorted(item for place in places for item in place.iterdir()):
        name: FileName | None = read_name(path) if path.name.endswith(_SUFFIXES) else None
        if name is not None and name.kind in BARS and name.timeframe is not None:
            parts.append(_Part(path, name.id, name.timeframe))
    return parts


def _match(wanted: InstrumentId | None, there: list[InstrumentId], place: Path) -> InstrumentId:
    listed = ", ".join(there)
    if wanted is None:
        matches = there
    else:
        plain = wanted.upper().replace("_", "/")
        matches = [item for item in there if plain in (item, item.rpartition(".")[0])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        what = f"{place.name} has several markets of that name" if wanted else f"{place.name} has several markets"
        raise ConfigurationError(what, hint="name one of: " + ", ".join(matches))
    raise ConfigurationError(f"{place.name} has no market {wanted}", hint=f"it has: {listed}")


def _source_timeframe(name: InstrumentId, there: list[Timeframe], wanted: Timeframe | None) -> Timeframe:
    if wanted is None:
        if len(there) == 1:
            return there[0]
        raise ConfigurationError(
            f"{name} is there in several timeframes", hint="name one of: " + ", ".join(item.value for item in there)
        )
    if wanted in there:
        return wanted
    usable = [item for item in there if wanted.nanos % item.nanos == 0]
    if not usable:
        raise ConfigurationError(
            f"{name} is not there in {wanted.value}, nor in a timeframe that it can be made from",
            hint="it is there in: " + ", ".join(item.value for item in there),
        )
    return usable[-1]


def _joined(found: list[_Read], *, is_strict: bool) -> tuple[BarSeries, list[str]]:
    """Join the files of a folder; of two that differ in a bar, the longer stays, or it is an error."""
    kept: list[_Read] = []
    notes: list[str] = []
    for one in sorted(found, key=lambda item: len(item.series), reverse=True):
        for other in kept:
            error = _difference(other, one)
            if error is not None:
                if is_strict:
                    raise error
                notes.append(f"{one.path.name} is left out: it differs from the longer {other.path.name}: {error}")
                break
        else:
            kept.append(one)
    kept.sort(key=lambda item: int(item.series.ts[0]))
    notes += [note for item in kept for note in item.notes]
    if len(kept) > 1:
        notes.append(f"joined from {len(kept)} files: " + ", ".join(item.path.name for item in kept))
    return join([item.series for item in kept], [f"in {item.path.name}" for item in kept]), notes


def _difference(one: _Read, other: _Read) -> OverlapError | None:
    """Return what is wrong with the bars that both have, where they overlap."""
    ts_from = max(int(one.series.ts[0]), int(other.series.ts[0]))
    ts_to = min(int(one.series.ts[-1]), int(other.series.ts[-1])) + 1
    if ts_from >= ts_to:
        return None
    parts = [item.series.between(ts_from, ts_to) for item in (one, other)]
    try:
        join(parts, [f"in {item.path.name}" for item in (one, other)])
    except OverlapError as error:
        return error
    return None


def _finer_note(series: BarSeries, timeframe: Timeframe) -> str:
    text = f"{timeframe.value} bars are made from {series.timeframe.value} bars; incomplete ones are left out"
    found = gaps(series)
    if found:
        missing = sum(gap.count for gap in found)
        first = rfc3339(found[0].ts_first_missing)
        text += f"; the {series.timeframe.value} bars lack {missing} in {len(found)} gaps, the first at {first}"
    return text
