"""What can be tuned about the embedded journal; the defaults are right for trading."""

from __future__ import annotations

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record

MEBIBYTE = 1 << 20


class JournalConfig(Record, frozen=True):
    """How the writer groups commits and cuts segments. Every number is bounded; nothing here can weaken durability."""

    batch_records_max: int = 8_192  # in one commit
    linger_ms: int = 0  # how long a batch may wait for company while nobody waits for it; 20 suits a backtest
    linger_records: int = 2_000  # a batch of this size never lingers
    queue_records_max: int = 200_000  # above this, `append` blocks until the disk has caught up
    queue_bytes_max: int = 64 * MEBIBYTE
    body_bytes_max: int = 4 * MEBIBYTE
    segment_records_max: int = 1_000_000
    segment_bytes_max: int = 1_024 * MEBIBYTE
    head_interval_ms: int = 1_000  # how old the note of the last known head may become
    checkpoint_pages: int = 4_000  # of 4 KiB in the write-ahead log before it is folded into the segment
    is_exclusive: bool = False  # no shared memory and no readers beside the writer; for file systems without mmap

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ConfigurationError(
                    f"journal.{name} is {value}", hint=f"set journal.{name} to a number from {low} to {high}"
                )


_BOUNDS = {
    "batch_records_max": (1, 1 << 19),
    "linger_ms": (0, 1_000),
    "linger_records": (1, 1 << 19),
    "queue_records_max": (1, 10_000_000),
    "queue_bytes_max": (1_024, 4_096 * MEBIBYTE),
    "body_bytes_max": (1_024, 15 * MEBIBYTE),
    "segment_records_max": (1, 1_000_000_000),
    "segment_bytes_max": (64 * 1_024, 64 * 1_024 * MEBIBYTE),
    "head_interval_ms": (1, 60_000),
    "checkpoint_pages": (10, 100_000),
}
