"""The venue of the client's matrix: one account, and a market that moves only when it is told to."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.adapters.exchanges.gateio.auth import Credentials, read_credentials
from holdfast.testing.drill_parts import Account, DrillVenue

CASH, COINS = Decimal(100_000), Decimal(2)
_WORDS = ("--pace", "0", "--balance", f"USDT={CASH},BTC={COINS}")


@dataclass(frozen=True)
class Rule:
    """A fault as the venue is told of it."""

    kind: str
    endpoint: str = ""
    times: int = 1
    amount: float = 0.0
    duration_ms: int = 1_500

    def document(self) -> dict[str, object]:
        """Return it as the venue reads it."""
        return {
            "kind": self.kind, "endpoint": self.endpoint, "times": self.times, "amount": self.amount,
            "duration_ms": self.duration_ms,
        }  # fmt: skip


class Venue:
    """Starts with the `with`, and ends with it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdfast-matrix-")
        folder = Path(self._folder.name)
        self._account = Account.make(folder, "matrix")
        self._process = DrillVenue(folder, [self._account], _WORDS)

    def __enter__(self) -> Self:
        self._process.__enter__()
        self.advance(2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.__exit__(kind, error, trace)
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """Return where it serves."""
        return self._process.url

    @property
    def credentials(self) -> Credentials:
        """Return the key of its one account."""
        return read_credentials(self._account.file)

    def advance(self, bars: int) -> None:
        """Let the market go on."""
        self._process.ask("POST", "/simulator/advance", {"bars": bars})

    def arm(self, rule: Rule) -> None:
        """Let something go wrong from now on."""
        self._process.arm([rule.document()])

    def disarm(self) -> None:
        """Let nothing go wrong any more."""
        self._process.disarm()

    def injected(self, kind: str) -> int:
        """Return how often a fault has really happened, by the venue's own count."""
        return self._process.injected(kind)

    def account(self) -> dict[str, Any]:
        """Return what is really there."""
        return self._process.account(self._account.key)

    def kill_and_restart(self) -> None:
        """End it with kill -9, and start it again at the same address."""
        self._process.kill_and_restart()
