"""A simulated venue in a process of its own, with a door for faults, for time, and for what is really there."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.core.secret import Secret

KEY, SECRET = "matrix-key", "matrix-secret-of-a-drill"
CASH, COINS = Decimal(100_000), Decimal(2)
_START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Rule:
    """A fault as the venue is told of it."""

    kind: str
    endpoint: str = ""
    times: int = 1
    amount: float = 0.0
    duration_ms: int = 1_500


class Venue:
    """Starts with the `with`, and ends with it; its market moves only when it is told to."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="holdfast-matrix-")
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._start(0)
        self.advance(2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()
        self._folder.cleanup()

    @property
    def credentials(self) -> Credentials:
        """Return the key of its one account."""
        return Credentials(KEY, Secret(SECRET))

    def advance(self, bars: int) -> None:
        """Let the market go on."""
        self._ask("POST", "/simulator/advance", {"bars": bars})

    def arm(self, rule: Rule) -> None:
        """Let something go wrong from now on."""
        fault = {"kind": rule.kind, "times": rule.times, "amount": rule.amount, "duration_ms": rule.duration_ms}
        self._ask("POST", "/simulator/faults", {**fault, "endpoint": rule.endpoint})

    def disarm(self) -> None:
        """Let nothing go wrong any more."""
        self._ask("DELETE", "/simulator/faults")

    def injected(self, kind: str) -> int:
        """Return how often a fault has really happened, by the venue's own count."""
        return int(self._ask("GET", "/simulator/faults")["counts"].get(kind, 0))

    def account(self) -> dict[str, Any]:
        """Return what is really there."""
        (account,) = self._ask("GET", "/simulator/state")["accounts"]
        if not isinstance(account, dict):
            raise ValueError(f"the venue tells no account: {account}")
        return account

    def kill_and_restart(self) -> None:
        """End it with kill -9, and start it again at the same address."""
        port = int(self.url.rpartition(":")[2])
        self._kill()
        self._start(port)

    def _start(self, port: int) -> None:
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _START, "simulate-venue", "--market", "synthetic", "--pace", "0"),
                *("--no-limits", "--instrument", "BTC/USDT", "--account", f"{KEY}:{SECRET}", "--port", str(port)),
                *("--balance", f"USDT={CASH},BTC={COINS}", "--state", str(Path(self._folder.name) / "venue"), "--json"),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        line = "" if self._process.stdout is None else self._process.stdout.readline()
        if not line:
            raise ValueError("the venue did not start")
        self.url = json.loads(line)["url"]

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=_PATIENCE_S)

    def _ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # a loopback address of our own process
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:  # as above
            found = json.load(answer)
        return found if isinstance(found, dict) else {}
