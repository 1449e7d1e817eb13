"""Which faults are to happen, and when: written down in a file, drawn from a seed, or armed while the venue runs."""

from __future__ import annotations

import tomllib
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record


class FaultKind(StrEnum):
    """What can go wrong."""

    # with one request; `before` and `after` say whether the venue has acted
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    ERROR_BEFORE = "error_before"
    ERROR_AFTER = "error_after"
    BUSY_BEFORE = "busy_before"
    BUSY_AFTER = "busy_after"
    RATE_LIMITED = "rate_limited"
    SLOW_BEFORE = "slow_before"
    SLOW_AFTER = "slow_after"
    DRIP = "drip"
    SILENT_BEFORE = "silent_before"
    SILENT_AFTER = "silent_after"
    TRUNCATED = "truncated"
    WRONG_TYPES = "wrong_types"
    # with one push
    PUSH_LOST = "push_lost"
    PUSH_DUPLICATED = "push_duplicated"
    PUSH_LATE = "push_late"
    PUSH_REORDERED = "push_reordered"
    PUSH_TRUNCATED = "push_truncated"
    PUSH_WRONG_TYPES = "push_wrong_types"
    DISCONNECT = "disconnect"
    HALF_OPEN = "half_open"
    # with the venue, for a while
    MAINTENANCE = "maintenance"
    CLOCK_SKEW = "clock_skew"
    STALE_BOOK = "stale_book"
    PARTIAL_FILL = "partial_fill"


PUSH_KINDS: Final = frozenset(
    {
        *(FaultKind.PUSH_LOST, FaultKind.PUSH_DUPLICATED, FaultKind.PUSH_LATE, FaultKind.PUSH_REORDERED),
        *(FaultKind.PUSH_TRUNCATED, FaultKind.PUSH_WRONG_TYPES, FaultKind.DISCONNECT, FaultKind.HALF_OPEN),
    }
)
STATE_KINDS: Final = frozenset(
    {FaultKind.MAINTENANCE, FaultKind.CLOCK_SKEW, FaultKind.STALE_BOOK, FaultKind.PARTIAL_FILL}
)
_DURATION_MAX_MS: Final = 24 * 3_600_000
_FILE_MAX: Final = 1 << 20


class FaultRule(Record, frozen=True):
    """One fault that is to happen.

    `endpoint` names what it hits: `POST /spot/orders`, `WS spot.order_place`, the channel of a push (`spot.orders`), a
    beginning of it with `*` at the end, or everything where it is empty. It hits the `nth` such request or push after
    it was armed (and those that follow, `times` of them in all), but none before `after_ms`, nor before the first
    request that `since` names has come; with a `rate` each one with that chance. `duration_ms` is how long a fault of
    the venue lasts, `amount` how late (ms), how far off (ms of a clock), or how much (share of an order that fills).
    """

    kind: FaultKind
    endpoint: str = ""
    since: str = ""
    nth: int = 1
    times: int = 1
    after_ms: int = 0
    duration_ms: int = 1_000
    amount: float = 0.0
    rate: float = 0.0

    def __post_init__(self) -> None:
        if self.nth < 1 or self.times < 1 or self.after_ms < 0:
            raise ValueError("nth and times must be at least 1, after_ms at least 0")
        if not 0 <= self.duration_ms <= _DURATION_MAX_MS or not abs(self.amount) <= _DURATION_MAX_MS:
            raise ValueError(f"duration_ms and amount must be at most {_DURATION_MAX_MS}")
        if not 0.0 <= self.rate <= 1.0:
            raise ValueError("rate must lie in [0, 1]")


class FaultFile(Record, frozen=True):
    """What a file of faults holds: `[[faults]]` tables, and a seed for those that have a rate."""

    faults: tuple[FaultRule, ...] = ()
    seed: int = 0


# Chances per request or push, so that a run of some hundreds meets most of them and still gets somewhere.
_REQUEST_RATES: Final = {
    FaultKind.LOST_BEFORE: 0.01,
    FaultKind.LOST_AFTER: 0.02,
    FaultKind.ERROR_BEFORE: 0.01,
    FaultKind.ERROR_AFTER: 0.01,
    FaultKind.BUSY_BEFORE: 0.005,
    FaultKind.BUSY_AFTER: 0.005,
    FaultKind.RATE_LIMITED: 0.005,
    FaultKind.SLOW_BEFORE: 0.01,
    FaultKind.SLOW_AFTER: 0.01,
    FaultKind.DRIP: 0.002,
    FaultKind.SILENT_BEFORE: 0.001,
    FaultKind.SILENT_AFTER: 0.001,
    FaultKind.TRUNCATED: 0.003,
    FaultKind.WRONG_TYPES: 0.003,
}
_PUSH_RATES: Final = {
    FaultKind.PUSH_LOST: 0.005,
    FaultKind.PUSH_DUPLICATED: 0.02,
    FaultKind.PUSH_LATE: 0.02,
    FaultKind.PUSH_REORDERED: 0.02,
    FaultKind.PUSH_TRUNCATED: 0.001,
    FaultKind.PUSH_WRONG_TYPES: 0.001,
    FaultKind.DISCONNECT: 0.0005,
    FaultKind.HALF_OPEN: 0.0002,
}
_STATE_RATES: Final = {
    FaultKind.MAINTENANCE: 0.0005,
    FaultKind.CLOCK_SKEW: 0.001,
    FaultKind.STALE_BOOK: 0.002,
    FaultKind.PARTIAL_FILL: 0.02,
}
_LATE_MS: Final = 400.0
_AMOUNTS: Final = {
    FaultKind.SLOW_BEFORE: _LATE_MS,
    FaultKind.SLOW_AFTER: _LATE_MS,
    FaultKind.PUSH_LATE: _LATE_MS,
    FaultKind.CLOCK_SKEW: 2_500.0,
    FaultKind.PARTIAL_FILL: 0.5,
}
_ENDLESS: Final = 1 << 53


def seeded(seed: int) -> FaultFile:
    """Return every kind of fault at its usual rate."""
    rates = {**_REQUEST_RATES, **_PUSH_RATES, **_STATE_RATES}
    rules = tuple(
        FaultRule(kind, times=_ENDLESS, rate=rate, amount=_AMOUNTS.get(kind, 0.0)) for kind, rate in rates.items()
    )
    return FaultFile(rules, seed)


def read_faults(text: str) -> FaultFile:
    """Return the faults that `--faults` names: a whole number is a seed, everything else a TOML or JSON file.

    Raises
    ------
    ConfigurationError
        The file is missing or does not hold faults; the message says which entry and why.
    """
    if text.isascii() and text.isdecimal():
        return seeded(int(text))
    path = Path(text)
    try:
        with path.open("rb") as file:
            raw = file.read(_FILE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{path}: the faults cannot be read ({error.strerror})", hint="--faults takes a seed or a TOML or JSON file"
        ) from None
    if len(raw) > _FILE_MAX:
        raise ConfigurationError(f"{path}: a file of faults has at most {_FILE_MAX} bytes")
    try:
        if raw.lstrip().startswith((b"{", b"[{")):
            return parse_faults(raw)
        return msgspec.convert(tomllib.loads(raw.decode()), FaultFile)
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        kinds = ", ".join(FaultKind)
        raise ConfigurationError(f"{path}: {error}", hint=f"[[faults]] with kind = one of {kinds}") from None


def parse_faults(raw: bytes) -> FaultFile:
    """Return the faults of a JSON text: an object as in the file, or a list of faults alone."""
    if raw.lstrip().startswith(b"["):
        return FaultFile(msgspec.json.decode(raw, type=tuple[FaultRule, ...]))
    return msgspec.json.decode(raw, type=FaultFile)
