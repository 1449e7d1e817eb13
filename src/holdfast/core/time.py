"""Time as the house keeps it: an int of nanoseconds since 1970-01-01T00:00:00Z, handed in, never read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NewType, Protocol

from holdfast.core.errors import ConfigurationError

UnixNanos = NewType("UnixNanos", int)

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

# 1970-01-01 was a Thursday; trading weeks start on Monday 00:00 UTC.
_EPOCH_TO_MONDAY = 4 * DAY


class Clock(Protocol):
    """Tells the time; the only way that anything in the house learns it."""

    def now(self) -> UnixNanos:
        """Return nanoseconds since the epoch, UTC."""
        ...


def rfc3339(ts: int) -> str:
    """Return `ts` (ns) as RFC 3339 UTC; fractions only where there are any."""
    seconds, nanos = divmod(ts, SECOND)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{nanos:09d}".rstrip("0") + "Z" if nanos else text + "Z"


def parse_time(text: str) -> UnixNanos:
    """Return the instant that an ISO 8601 date or date-time names; without a zone it is UTC.

    Raises
    ------
    ConfigurationError
        The text is no date.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{text!r} is not a date or time", hint="write it like 2021-05-19 or 2021-05-19T12:00:00Z"
        ) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return UnixNanos(int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * SECOND)


def day_of(ts: int) -> int:
    """Return the number of the UTC day that `ts` lies in."""
    return ts // DAY


def week_of(ts: int) -> int:
    """Return the number of the week (Monday 00:00 UTC) that `ts` lies in."""
    return (ts - _EPOCH_TO_MONDAY) // WEEK
