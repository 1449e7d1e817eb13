"""How a live account is kept: how long is waited, what counts as stale, and what is left behind at the end."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND


class OnExit(StrEnum):
    """What becomes of resting orders when the agent is ended on purpose. Stops rest on in every case."""

    KEEP = "keep"
    CANCEL_ENTRIES = "cancel_entries"


class LiveConfig(Record, frozen=True):
    """Settings of a live or a practice account. Times in the unit of their name."""

    bar_grace_ms: int = 1_500  # how long bars that close together wait for one another
    bar_age_max_ms: int = 30_000  # an older bar is seen, and nothing is entered on it
    quote_age_max_ms: int = 60_000  # an older quote stops entries
    reconcile_every_s: int = 30
    recovery_wait_s: int = 20  # how long a start waits for the venue's answers before it goes on with entries locked
    dead_man_s: int = 60  # without a sign of life for so long the venue cancels resting entries; 0: never
    history_bars: int = 500
    cash_tolerance: float = 0.001  # share of the capital by which the venue may hold less cash than our books
    on_exit: OnExit = OnExit.KEEP

    def __post_init__(self) -> None:
        for name, least, most in _BOUNDS:
            if not least <= (value := getattr(self, name)) <= most:
                raise ConfigurationError(f"live.{name} is {value}, valid is {least} to {most}")
        if 0 < self.dead_man_s < _DEAD_MAN_MIN:
            raise ConfigurationError(
                f"live.dead_man_s is {self.dead_man_s}, valid is 0 or {_DEAD_MAN_MIN} and more",
                hint="a shorter one would fire while the agent is busy",
            )


def played_quickly(config: LiveConfig, bar_nanos: int) -> LiveConfig:
    """Return the settings with waits that fit a market that is played more quickly than the clock.

    A bar is fresh for half of its own length of the market's time, or for longer where the settings say so.
    """
    half_a_bar = min(bar_nanos // MILLISECOND // 2, _BAR_AGE_MAX_MS)
    return msgspec.structs.replace(
        config, bar_age_max_ms=max(half_a_bar, config.bar_age_max_ms), bar_grace_ms=_QUICK_GRACE_MS
    )


_QUICK_GRACE_MS = 200
_BAR_AGE_MAX_MS = 86_400_000
_DEAD_MAN_MIN = 10
_BOUNDS = (
    ("bar_grace_ms", 0, 60_000),
    ("bar_age_max_ms", 1_000, _BAR_AGE_MAX_MS),
    ("quote_age_max_ms", 1_000, 3_600_000),
    ("reconcile_every_s", 1, 3_600),
    ("recovery_wait_s", 1, 600),
    ("dead_man_s", 0, 3_600),
    ("history_bars", 1, 5_000),
    ("cash_tolerance", 0.0, 0.1),
)
