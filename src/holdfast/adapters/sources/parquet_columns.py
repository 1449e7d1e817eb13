"""Reading foreign Parquet files by the batch: what they may hold where numbers and times are expected."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from holdfast.adapters.sources.columns import nanoseconds
from holdfast.core.errors import DataError
from holdfast.domain.market import Floats, Ints


def batches(path: Path, rows: int, roles_of: Callable[[pa.Schema], dict[str, str]]) -> Iterator[dict[str, pa.Array]]:
    """Yield at most `rows` rows at a time: the columns by their role, as `roles_of` finds them in the schema.

    Raises
    ------
    DataError
        The file cannot be read.
    """
    # The system's allocator gives back what a slice has used; Arrow's own keeps it.
    pa.set_memory_pool(pa.system_memory_pool())
    try:
        # Buffered and without read-ahead, so that a file of any length passes through the same few megabytes.
        with pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16, page_checksum_verification=True) as file:
            roles = roles_of(file.schema_arrow)
            for batch in file.iter_batches(batch_size=rows, columns=list(roles.values()), use_threads=False):
                if batch.num_rows:
                    yield {role: batch.column(name) for role, name in roles.items()}
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path.name}: this is no readable Parquet file: {_first_line(error)}",
            hint="it may be cut off or damaged; fetch or import it again",
        ) from error


def read_times(path: Path, column: pa.Array) -> Ints:
    """Return a time column in ns: timestamps, dates, or Unix time in whichever unit.

    Raises
    ------
    DataError
        It is of another type, has holes, or its unit cannot be told.
    """
    _refuse_nulls(path, "ts", column)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        instants: Ints = column.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy(zero_copy_only=False)
        return instants
    if not pa.types.is_integer(column.type):
        raise DataError(
            f"{path.name}: the time column is of type {column.type}",
            hint="times are integers (Unix time in s, ms, us or ns) or timestamps",
        )
    return nanoseconds(column.to_numpy(zero_copy_only=False), path.name)


def read_floats(path: Path, role: str, column: pa.Array) -> Floats:
    """Return a column of numbers as float64; `role` is what an error calls it.

    Raises
    ------
    DataError
        It is of another type, or has holes.
    """
    _refuse_nulls(path, role, column)
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_decimal(column.type)):
        raise DataError(f"{path.name}: column {role} is of type {column.type}", hint="prices and volume are numbers")
    if column.type != pa.float64():  # a cast, even to what is there already, loads all of Arrow's computing
        column = column.cast(pa.float64())
    floats: Floats = column.to_numpy(zero_copy_only=False)
    return floats


def _refuse_nulls(path: Path, role: str, column: pa.Array) -> None:
    if column.null_count:
        raise DataError(
            f"{path.name}: {column.null_count} rows have no {role}",
            hint="drop those rows, or fetch the file again; nothing is filled in silently",
        )


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["unknown error"])[0]
