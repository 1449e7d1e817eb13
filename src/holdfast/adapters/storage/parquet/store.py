"""A folder of bar files, one per instrument and timeframe: `<root>/<instrument>/<timeframe>.parquet`."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote_to_bytes

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.adapters.storage.parquet import codec
from holdfast.adapters.storage.parquet.durable import make_folder, replace_durably
from holdfast.adapters.storage.parquet.layout import (
    KEY_HEADER,
    VERSION,
    Group,
    Header,
    Scale,
    damaged,
    opened,
    sealed,
)
from holdfast.core.errors import DataError
from holdfast.domain.bar_quality import gaps, label, validate, with_flags
from holdfast.domain.market import BarFlag, BarSeries, Timeframe
from holdfast.domain.series_digest import series_digest
from holdfast.domain.values import InstrumentId
from holdfast.ports.market import Catalog, DamagedDataset, DatasetInfo

# Small enough that a day can be read without a year, and that a reader holds little; large enough to compress well.
GROUP_BARS = 32_768
SLICE_BARS = 50_000
_ZSTD_LEVEL = 15
_NAME_BYTES_MAX = 200
# What a file with changed bytes makes the Parquet reader raise; ValueError covers names that are no longer text.
_UNREADABLE = (pa.ArrowException, OSError, KeyError, IndexError, ValueError, MemoryError)
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-")


class ParquetBarStore:
    """Keeps bar series as compact Parquet files under one folder; the BarStore that is there by default."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, series: BarSeries, source: str) -> DatasetInfo:
        """Write the series whole, replacing what was there; crash-safe, bit for bit.

        Raises
        ------
        DataError
            The series breaks a rule of `validate`: nothing that cannot be trusted is kept.
        """
        validate(series)
        path = self.path_of(series.instrument_id, series.timeframe)
        scale = codec.scale_of(series)
        header: list[Header] = []
        replace_durably(path, lambda file: header.append(_write(file, series, scale, source)))
        return self._info(path, header[0])

    def load(self, instrument_id: str, timeframe: Timeframe) -> BarSeries:
        """Return the series, bit for bit as it was saved.

        Raises
        ------
        DataError
            It is not there, or its file is damaged.
        """
        return self.load_between(instrument_id, timeframe, None, None)

    def load_between(
        self, instrument_id: str, timeframe: Timeframe, ts_from: int | None, ts_to: int | None
    ) -> BarSeries:
        """Return the bars that open in [ts_from, ts_to); only their row groups are read."""
        with _Reader(self.path_of(instrument_id, timeframe), instrument_id, timeframe) as reader:
            return reader.whole(ts_from, ts_to)

    def iter_slices(
        self,
        instrument_id: str,
        timeframe: Timeframe,
        bars: int = SLICE_BARS,
        ts_from: int | None = None,
        ts_to: int | None = None,
    ) -> Iterator[BarSeries]:
        """Yield the series as slices of at most `bars` bars; memory does not grow with its length.

        Raises
        ------
        DataError
            As `load`; a damaged row group is found when it is reached, and none of its bars are yielded.
        """
        with _Reader(self.path_of(instrument_id, timeframe), instrument_id, timeframe) as reader:
            yield from reader.slices(bars, ts_from, ts_to)

    def catalog(self) -> Catalog:
        """Return what is stored, sorted by instrument and timeframe; reads the footers only.

        A file whose footer is damaged, or that lies where another belongs, is named as damaged with what to do next.
        """
        found: list[DatasetInfo] = []
        damaged_ones: list[DamagedDataset] = []
        for path in sorted(self._root.glob("*/*.parquet")):
            name, length = instrument_named(path.parent.name), path.stem
            try:
                with _Reader(path) as reader:
                    reader.require(name, length)
                    found.append(self._info(path, reader.header))
            except DataError as error:
                damaged_ones.append(DamagedDataset(name, length, str(path), str(error), error.hint))
        order = [item.value for item in Timeframe]
        return Catalog(
            tuple(sorted(found, key=lambda info: (info.instrument_id, order.index(info.timeframe)))),
            tuple(sorted(damaged_ones, key=lambda one: (one.instrument_id, one.timeframe))),
        )

    def find(self, instrument_id: str, timeframe: Timeframe) -> DatasetInfo | None:
        """Return what is stored of a series, None where nothing is; reads the footer only.

        Raises
        ------
        DataError
            Its file is damaged.
        """
        path = self.path_of(instrument_id, timeframe)
        if not path.exists():
            return None
        with _Reader(path, instrument_id, timeframe) as reader:
            return self._info(path, reader.header)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let one process at a time read what is stored and write what follows from it; others wait for their turn."""
        make_folder(self._root)
        handle = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def verify(self, instrument_id: str, timeframe: Timeframe) -> DatasetInfo:
        """Read a series whole and compare it with the digest of what was saved.

        Raises
        ------
        DataError
            A byte has changed.
        """
        path = self.path_of(instrument_id, timeframe)
        with _Reader(path, instrument_id, timeframe) as reader:
            header = reader.header
            digest = series_digest(reader.whole(None, None, as_saved=True))
        if digest != header.sha256:
            raise damaged(str(path), "its bars do not match the digest of what was saved")
        return self._info(path, header)

    def path_of(self, instrument_id: str, timeframe: Timeframe) -> Path:
        """Return where a series lies, or would lie."""
        return self._root / path_name(instrument_id) / f"{timeframe.value}.parquet"

    def _info(self, path: Path, header: Header) -> DatasetInfo:
        return DatasetInfo(
            instrument_id=header.instrument_id,
            timeframe=header.timeframe,
            bars=header.bars,
            ts_first=header.groups[0].ts_first,
            ts_last=header.groups[-1].ts_last,
            missing=header.missing,
            gaps=header.gaps,
            no_trade=header.no_trade,
            suspect=header.suspect,
            is_synthetic=header.is_synthetic,
            bytes_stored=path.stat().st_size,
            sha256=header.sha256,
            path=str(path),
            source=header.source,
        )


def is_bar_file(path: Path) -> bool:
    """Tell whether a file says of itself that this store wrote it; its content may be damaged all the same."""
    try:
        return KEY_HEADER in (pq.read_metadata(path).metadata or {})
    except _UNREADABLE:
        return False


def bar_file_market(path: Path) -> InstrumentId:
    """Return whose bars are in a file of a store, by its header.

    Raises
    ------
    DataError
        It is not there, is no such file, or its header is damaged.
    """
    with _Reader(path) as reader:
        return InstrumentId(reader.header.instrument_id)


def read_bar_file(path: Path) -> BarSeries:
    """Return the series in a file of a store, wherever it lies.

    Raises
    ------
    DataError
        It is not there, is no such file, or is damaged.
    """
    with _Reader(path) as reader:
        return reader.whole(None, None)


def iter_bar_file(path: Path, bars: int = SLICE_BARS) -> Iterator[BarSeries]:
    """Yield the series in a file of a store as slices of at most `bars` bars.

    Raises
    ------
    DataError
        As `read_bar_file`, when the slice with the fault is reached.
    """
    with _Reader(path) as reader:
        yield from reader.slices(bars, None, None)


def path_name(instrument_id: str) -> str:
    """Return a folder's name for an instrument, one to one: `/` becomes `_`, anything unusual its bytes in hex.

    Raises
    ------
    DataError
        The id is empty, or too long for a file system.
    """
    parts = []
    for index, letter in enumerate(instrument_id):
        if letter == "/":
            parts.append("_")
        elif letter in _PLAIN and not (letter == "." and index == 0):
            parts.append(letter)
        else:
            parts.append("".join(f"%{byte:02X}" for byte in letter.encode("utf-8", "surrogatepass")))
    name = "".join(parts)
    if not name or len(name) > _NAME_BYTES_MAX:
        raise DataError(f"{instrument_id!r} cannot name a folder", hint="an instrument is named like BTC/USDT.BINANCE")
    return name


def instrument_named(folder: str) -> str:
    """Return the instrument whose folder is called so: `path_name` backwards; a folder that is not ours is itself."""
    try:
        return unquote_to_bytes(folder.replace("_", "/")).decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return folder


class _Reader:
    """One open file; its header is checked when it is opened, each row group when it is read."""

    def __init__(self, path: Path, instrument_id: str | None = None, timeframe: Timeframe | None = None) -> None:
        self._path = path
        if not path.is_file():
            name = f"{instrument_id} {timeframe.value}" if instrument_id and timeframe else path.name
            raise DataError(f"{name}: no bars are stored at {path}", hint="import some: holdfast data import <file>")
        try:
            # Plain buffered reads: a mapped or pre-fetched file would count as memory of this process.
            self._file = pq.ParquetFile(path, pre_buffer=False, memory_map=False)
        except _UNREADABLE as error:
            raise damaged(str(path), _first_line(error)) from error
        try:
            self.header = opened(self._file.metadata.metadata, str(path))
            self.require(instrument_id, timeframe.value if timeframe else None)
        except DataError:
            self._file.close()
            raise

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def whole(self, ts_from: int | None, ts_to: int | None, *, as_saved: bool = False) -> BarSeries:
        """Return the bars that open in [ts_from, ts_to) as one series; `as_saved` keeps the flags of an older file."""
        if self.header.version != VERSION and not as_saved:
            return _judged(self.whole(None, None, as_saved=True), None).between(ts_from, ts_to)
        wanted = self.wanted(ts_from, ts_to)
        size = sum(self.header.groups[index].bars for index in wanted)
        ts, volume = np.empty(size, dtype=np.int64), np.empty(size)
        prices = (np.empty(size), np.empty(size), np.empty(size), np.empty(size))
        flags = np.empty(size, dtype=np.uint8)
        first = 0
        for index in wanted:
            part = self.read(index)
            rows = slice(first, first + len(part))
            ts[rows], volume[rows], flags[rows] = part.ts, part.volume, part.flags
            for column, piece in zip(prices, (part.open, part.high, part.low, part.close), strict=True):
                column[rows] = piece
            first += len(part)
        name, timeframe = InstrumentId(self.header.instrument_id), Timeframe(self.header.timeframe)
        reference = self.header.groups[wanted[0]].reference if wanted else 0.0
        return BarSeries(name, timeframe, ts, prices, volume, flags, reference).between(ts_from, ts_to)

    def slices(self, bars: int, ts_from: int | None, ts_to: int | None) -> Iterator[BarSeries]:
        """Yield the bars that open in [ts_from, ts_to), at most `bars` at a time."""
        is_old = self.header.version != VERSION
        last: BarSeries | None = None
        # What a bar is judged by may lie before the range, so a file with older flags is read from its beginning.
        for index in self.wanted(None if is_old else ts_from, ts_to):
            part = self.read(index)
            if is_old:
                part = _judged(part, last)
                last = part.slice(len(part) - 1, len(part))
            part = part.between(ts_from, ts_to)
            for first in range(0, len(part), bars):
                yield part.slice(first, first + bars)

    def wanted(self, ts_from: int | None, ts_to: int | None) -> list[int]:
        """Return the row groups that have bars in [ts_from, ts_to)."""
        return [
            index
            for index, group in enumerate(self.header.groups)
            if (ts_from is None or group.ts_last >= ts_from) and (ts_to is None or group.ts_first < ts_to)
        ]

    def read(self, index: int) -> BarSeries:
        """Return one row group whose columns match their checksum."""
        header, group = self.header, self.header.groups[index]
        names = codec.names(header.scale)
        try:
            table = self._file.read_row_group(index, columns=list(names), use_threads=False)
            columns = {name: table.column(name).to_numpy() for name in names}
        except _UNREADABLE as error:
            raise damaged(str(self._path), _first_line(error)) from error
        if any(len(column) != group.bars for column in columns.values()) or codec.checksum(columns) != group.crc32:
            raise damaged(str(self._path), f"row group {index} does not match its checksum")
        return codec.decode(
            columns, header.scale, group, InstrumentId(header.instrument_id), Timeframe(header.timeframe)
        )

    def require(self, instrument_id: str | None, timeframe: str | None) -> None:
        """Refuse a file that holds another instrument's bars, or those of another timeframe."""
        header = self.header
        asked = (instrument_id or header.instrument_id, timeframe or header.timeframe)
        if asked != (header.instrument_id, header.timeframe):
            raise DataError(
                f"{self._path}: holds {header.instrument_id} {header.timeframe}, not {asked[0]} {asked[1]}",
                hint="the file was moved or renamed: put it back, or import the bars again",
            )


def _judged(part: BarSeries, before: BarSeries | None) -> BarSeries:
    """Return the bars under the rule of today; what was marked stays marked."""
    now = label(part, before)
    return with_flags(now, now.flags | part.flags)


def _write(file: BinaryIO, series: BarSeries, scale: Scale, source: str) -> Header:
    schema = _schema(series, scale)
    encodings = dict.fromkeys(schema.names, "BYTE_STREAM_SPLIT")
    groups: list[Group] = []
    close_before, ts_before = 0, int(series.ts[0]) - series.timeframe.nanos
    with pq.ParquetWriter(
        file, schema, compression="zstd", compression_level=_ZSTD_LEVEL, use_dictionary=False,
        column_encoding=encodings, write_statistics=False, store_schema=False,
    ) as writer:  # fmt: skip
        for first in range(0, len(series), GROUP_BARS):
            part = series.slice(first, first + GROUP_BARS)
            missing = (int(part.ts[0]) - ts_before) // series.timeframe.nanos - 1
            columns, close_last = codec.encode(part, scale, close_before, missing)
            crc = codec.checksum(columns)
            groups.append(Group(len(part), int(part.ts[0]), int(part.ts[-1]), close_before, crc, part.reference))
            arrays = [pa.array(columns[field.name], type=field.type) for field in schema]
            writer.write_table(pa.table(arrays, schema=schema), row_group_size=GROUP_BARS)
            close_before, ts_before = close_last, int(part.ts[-1])
        header = _header(series, scale, source, tuple(groups))
        writer.add_key_value_metadata(sealed(header))
    return header


def _schema(series: BarSeries, scale: Scale) -> pa.Schema:
    """Return the narrowest types that hold the series; found by encoding it once more, group by group."""
    wide: set[str] = set()
    close_before = 0
    for first in range(0, len(series), GROUP_BARS):
        columns, close_before = codec.encode(series.slice(first, first + GROUP_BARS), scale, close_before, 0)
        limits = np.iinfo(np.int32)
        for name, column in columns.items():
            if column.dtype == np.int64 and not (limits.min <= column.min() and column.max() <= limits.max):
                wide.add(name)
    fields = []
    for name in codec.names(scale):
        places = scale.price_places if name in codec.PRICES else scale.volume_places if name == "volume" else 0
        kind = pa.float64() if places is None else pa.int64() if name in wide else pa.int32()
        fields.append(pa.field(name, kind, nullable=False))
    return pa.schema(fields)


def _header(series: BarSeries, scale: Scale, source: str, groups: tuple[Group, ...]) -> Header:
    found = gaps(series)
    return Header(
        version=VERSION,
        instrument_id=series.instrument_id,
        timeframe=series.timeframe.value,
        bars=len(series),
        missing=sum(gap.count for gap in found),
        gaps=len(found),
        no_trade=_count(series, BarFlag.NO_TRADE),
        suspect=_count(series, BarFlag.SUSPECT),
        is_synthetic=bool(_count(series, BarFlag.SYNTHETIC)),
        sha256=series_digest(series),
        source=source,
        scale=scale,
        groups=groups,
    )


def _count(series: BarSeries, flag: BarFlag) -> int:
    return int(np.count_nonzero(series.flags & np.uint8(flag)))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
