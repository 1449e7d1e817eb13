"""Where bars come from and where they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from holdfast.core.record import Record
from holdfast.domain.market import BarClosed, BarSeries, Timeframe


class DatasetInfo(Record, frozen=True):
    """One stored series, for lists and reports."""

    instrument_id: str
    timeframe: str
    bars: int
    ts_first: int
    ts_last: int  # opening time of the last bar
    missing: int  # bars that the grid expects and the series lacks
    gaps: int
    no_trade: int
    suspect: int
    is_synthetic: bool
    bytes_stored: int
    sha256: str
    path: str
    source: str = ""


class DamagedDataset(Record, frozen=True):
    """A stored file that cannot be trusted: whose bars it should hold, going by its path, why not, and what to do."""

    instrument_id: str
    timeframe: str
    path: str
    error: str
    next: str


class Catalog(Record, frozen=True):
    """What a store holds, sorted by instrument and timeframe; one damaged file hides none of the others."""

    datasets: tuple[DatasetInfo, ...] = ()
    damaged: tuple[DamagedDataset, ...] = ()


class BarStore(Protocol):
    """Keeps bar series, one per instrument and timeframe."""

    def save(self, series: BarSeries, source: str) -> DatasetInfo:
        """Write the series whole, replacing what was there; crash-safe."""
        ...

    def load(self, instrument_id: str, timeframe: Timeframe) -> BarSeries:
        """Return the series, bit for bit as it was saved."""
        ...

    def catalog(self) -> Catalog:
        """Return what is stored, and what of it is damaged."""
        ...


class Feed(Protocol):
    """Market data in the order of time. Bars of several instruments that close together come as one group."""

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        """Yield groups of bars with one closing time, at most one per instrument, in a fixed order."""
        ...


@runtime_checkable
class LiveFeed(Feed, Protocol):
    """A feed whose past is fetched when it begins: as much as a new run needs, unless an earlier one goes on."""

    def go_on_from(self, ts: int) -> None:
        """Let `groups` begin no later than with the bar after `ts`, at which an earlier run has ended.

        Raises
        ------
        ConfigurationError
            The market no longer has all bars since then.
        """
        ...
