"""Measures from outside for how long a position is bare, by the venue's own books and never by what the agent says.

What is held beyond what the account began with is bare as far as no stop that rests at the venue would sell it. The
books are looked at many times a second, so a time is exact to about two looks.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import TracebackType
from typing import Any, Final, Self

from holdfast.domain.values import ZERO

DUST: Final = Decimal("0.0005")
"""Of the coin: what fees and grids leave over is worth less than the least order that the venue takes."""
_EVERY_S: Final = 0.05
_JOIN_S: Final = 30.0


class Spell:
    """The longest time in a row during which something was so; seconds of any steady clock."""

    def __init__(self) -> None:
        self.worst = 0.0
        self.worst_since = 0.0  # when the longest began
        self._since: float | None = None

    def see(self, is_so: bool, now: float) -> None:
        """Take in one look."""
        if not is_so:
            self._since = None
            return
        if self._since is None:
            self._since = now
        if now - self._since > self.worst:
            self.worst, self.worst_since = now - self._since, self._since


def bare_quantity(account: Mapping[str, Any], asset: str, owned: Decimal = ZERO) -> Decimal:
    """Return how much of `asset` no stop at the venue would sell, of what is held beyond the `owned`.

    `account` is one of `/simulator/state`. A stop is an open trigger that sells below the market.
    """
    held = sum((Decimal(part) for part in account["balances"].get(asset, {}).values()), ZERO) - owned
    stops = sum(
        (
            Decimal(trigger["put"]["amount"])
            for trigger in account["triggers"]
            if trigger["status"] == "open" and trigger["put"]["side"] == "sell" and trigger["trigger"]["rule"] == "<="
        ),
        ZERO,
    )
    return max(held - stops, ZERO)


class BareWatch:
    """Looks at one account while the `with` lasts; `is_watched` tells whether a software stop watches just now.

    Only times at which `is_counting` are counted: before an agent has recovered nobody has promised anything.
    """

    def __init__(
        self, look: Callable[[], Mapping[str, Any]], is_counting: Callable[[], bool], is_watched: Callable[[], bool],
        asset: str = "BTC", owned: Decimal = ZERO,
    ) -> None:  # fmt: skip
        self._look, self._is_counting, self._is_watched = look, is_counting, is_watched
        self._asset, self._owned = asset, owned
        self._without_stop, self._without_guard = Spell(), Spell()
        self.looks = self.looks_holding = self.looks_failed = 0
        self.gap_s = 0.0  # the longest time between two looks: long ones say that the machine is overloaded
        self._seen: float | None = None
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bare-watch", daemon=True)

    @property
    def without_stop_s(self) -> float:
        """Return the longest time without a stop at the venue."""
        return self._without_stop.worst

    @property
    def without_stop_since(self) -> float:
        """Return when that time began, by the clock of the looks."""
        return self._without_stop.worst_since

    @property
    def without_guard_s(self) -> float:
        """Return the longest time with neither a stop at the venue nor a software stop that watches."""
        return self._without_guard.worst

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends.set()
        self._thread.join(_JOIN_S)

    def see(self, account: Mapping[str, Any], now: float) -> None:
        """Take in one look at the account."""
        self.looks += 1
        self.gap_s = max(self.gap_s, 0.0 if self._seen is None else now - self._seen)
        self._seen = now
        held = sum((Decimal(part) for part in account["balances"].get(self._asset, {}).values()), ZERO) - self._owned
        self.looks_holding += held > DUST
        is_bare = bare_quantity(account, self._asset, self._owned) > DUST and self._is_counting()
        self._without_stop.see(is_bare, now)
        self._without_guard.see(is_bare and not self._is_watched(), now)

    def miss(self) -> None:
        """Take in that the venue is not there: none can rest a stop at it, so times begin anew when it is back."""
        self.looks_failed += 1
        self._seen = None
        self._without_stop.see(False, 0.0)
        self._without_guard.see(False, 0.0)

    def _run(self) -> None:
        while not self._ends.wait(_EVERY_S):
            try:
                account = self._look()
            except OSError:
                self.miss()
                continue
            self.see(account, time.monotonic())
