"""What drills with real processes have in common: a venue, live agents, and what must hold between the two.

Everything is judged from outside: by the venue's own books, and by what the journal says was sent.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.run_plan import plan_of
from holdfast.domain.command import SubmitOrder
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import read_run, read_tick
from holdfast.research.reproduction import Reproduction
from holdfast.services.assembly import StrategyFactory, build_engine
from holdfast.services.reproduction import Replay
from holdfast.testing.matrix_watch import BareWatch

PATIENCE_S: Final = 120.0
CAPITAL: Final = 10_000
_VENUE: Final = "import sys; from holdfast.cli.main import main; sys.exit(main())"


@dataclass(frozen=True)
class Account:
    """One account of a venue, and the file that its key lies in."""

    key: str
    secret: str
    file: Path

    @classmethod
    def make(cls, folder: Path, name: str) -> Account:
        """Return an account of a name, its key written down for the owner alone."""
        account = cls(f"key-{name}", f"secret-{name}-of-a-drill", folder / f"{name}.toml")
        account.file.touch(0o600)
        account.file.write_text(f'key = "{account.key}"\nsecret = "{account.secret}"\n')
        return account


class DrillVenue:
    """A simulated venue in a process of its own; lives as long as the `with`, and over its own kill.

    `words` are options of `holdfast simulate-venue`, for its market and its balances.
    """

    def __init__(self, folder: Path, accounts: Sequence[Account], words: Sequence[str]) -> None:
        self._folder, self._accounts, self._words = folder, accounts, words
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._start(0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kill()

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Ask at the door that customers do not have."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(  # noqa: S310  # a loopback address of our own process
            self.url + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:  # noqa: S310  # as above
            found = json.load(answer)
        return found if isinstance(found, dict) else {}

    def account(self, key: str) -> dict[str, Any]:
        """Return what is really there."""
        (account,) = [one for one in self.ask("GET", "/simulator/state")["accounts"] if one["key"] == key]
        return dict(account)

    def arm(self, rules: list[dict[str, object]], seed: int = 0) -> None:
        """Let something go wrong from now on."""
        self.ask("POST", "/simulator/faults", {"faults": rules, "seed": seed})

    def disarm(self) -> None:
        """Let nothing go wrong any more."""
        self.ask("DELETE", "/simulator/faults")

    def injected(self, kind: str) -> int:
        """Return how often a fault has really happened, by the venue's own count."""
        return int(self.ask("GET", "/simulator/faults")["counts"].get(kind, 0))

    def kill_and_restart(self) -> None:
        """End it with kill -9, and start it again at the same address."""
        port = int(self.url.rpartition(":")[2])
        self._kill()
        self._start(port)

    def _start(self, port: int) -> None:
        accounts = [word for one in self._accounts for word in ("--account", f"{one.key}:{one.secret}")]
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-c", _VENUE, "simulate-venue", "--market", "synthetic", "--instrument", "BTC/USDT"),
                *("--no-limits", "--state", str(self._folder / "venue"), "--json", "--port", str(port)),
                *self._words, *accounts,
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
            self._process.communicate(timeout=PATIENCE_S)


def quick_market(seed: int, pace: float = 5) -> Sequence[str]:
    """Return the words of a venue of one-minute bars, of which it plays so many a second."""
    return ("--timeframe", "1m", "--pace", f"{pace:g}", "--seed", str(seed), "--balance", f"USDT={CAPITAL}")


class AgentProcess:
    """One life of an agent; what it prints is read while it lives, so that it is known from when on it trades."""

    def __init__(self, url: str, account: Account, home: Path, *words: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "holdfast.testing.drill_agent", url, str(account.file), str(home), *words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.is_ready = threading.Event()
        self._lines, self._errors = list[str](), ""
        self._threads = (threading.Thread(target=self._read), threading.Thread(target=self._read_errors))
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._lines.append(line)
            if '"ready"' in line:
                self.is_ready.set()

    def _read_errors(self) -> None:
        self._errors = "" if self.process.stderr is None else self.process.stderr.read()

    @property
    def is_trading(self) -> bool:
        """Tell whether it has recovered and lives."""
        return self.is_ready.is_set() and self.process.poll() is None

    def end(self) -> tuple[list[dict[str, Any]], str]:
        """Wait for the end, and return all that it said, and its errors."""
        self.process.wait(PATIENCE_S)
        for thread in self._threads:
            thread.join(PATIENCE_S)
        return [json.loads(line) for line in self._lines], self._errors


@dataclass
class Bare:
    """For how long a position was without a stop at the venue, by its own books, while an agent had recovered."""

    worst_s: float = 0.0
    story: list[str] = field(default_factory=list)  # which faults happened then, for whoever asks why
    gap_s: float = 0.0  # the longest time between two looks: all times are exact to it
    looks_holding: int = 0  # looks at which something was held: without any, the times say nothing


class Watched:
    """Looks at an account's books while the `with` lasts, and adds to a `Bare` what it saw."""

    def __init__(self, venue: DrillVenue, key: str, is_trading: Callable[[], bool], bare: Bare) -> None:
        self._venue, self._bare = venue, bare
        self._watch = BareWatch(lambda: venue.account(key), is_trading, is_trading)
        self._to_wall = time.time() - time.monotonic()

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        watch, bare = self._watch, self._bare
        watch.__exit__(kind, error, trace)
        bare.looks_holding += watch.looks_holding
        bare.gap_s = max(bare.gap_s, watch.gap_s)
        if watch.without_stop_s > bare.worst_s:
            bare.worst_s = watch.without_stop_s
            bare.story = self._story(self._to_wall + watch.without_stop_since, watch.without_stop_s)

    def _story(self, began: float, lasted: float) -> list[str]:
        """Return which faults happened around a time without a stop, in ms from its beginning."""
        first, last = began * 1_000 - 2_000, (began + lasted) * 1_000
        return [
            f"{found['ts_ms'] - began * 1_000:+.0f} {found['kind']} {found['endpoint']}"
            for found in self._venue.ask("GET", "/simulator/faults").get("injected", ())
            if first <= found["ts_ms"] <= last and not str(found["kind"]).startswith("push_")
        ]


def submitted(home: Path) -> set[str]:
    """Return the ids of all orders that the journal says were sent."""
    journal = SqliteJournal(home / "journal", SystemClock(), is_read_only=True)
    try:
        return {
            str(command.approved.order.order_id)
            for record in journal.read(kinds=(TICK,))
            for command in read_tick(record.body, record.sequence).commands
            if isinstance(command, SubmitOrder)
        }
    finally:
        journal.close()


def told_again(home: Path, factory: StrategyFactory) -> Reproduction:
    """Return what one straight replay of all that the lives were told comes to."""
    journal = SqliteJournal(home / "journal", SystemClock(), is_read_only=True)
    try:
        (began,) = journal.read(kinds=(RUN,))
        plan = plan_of(read_run(began.body, began.sequence))
        replay = Replay(build_engine(plan, factory), plan.timeframe.nanos)
        for record in journal.read(began.sequence):
            replay.take(record)
    finally:
        journal.close()
    return replay.outcome()


def contradictions(account: Mapping[str, Any], sent: set[str], beliefs: Mapping[str, Any]) -> list[str]:
    """Return what the venue's books contradict of the journal, and of what the agent believed last; all is flat."""
    broken: list[str] = []
    there = [order["text"] for order in account["orders"] if order["text"].startswith("t-")]
    if len(set(there)) != len(there):
        broken.append("an order is at the venue twice")
    if unknown := [text for text in there if text.removeprefix("t-") not in sent]:
        broken.append(f"orders at the venue that no journal knows: {unknown[:5]}")
    resting = [order["text"] for order in account["orders"] if order["status"] == "open"]
    waiting = [trigger["id"] for trigger in account["triggers"] if trigger["status"] == "open"]
    if resting or waiting or beliefs["open"]:
        broken.append(
            f"left at the end: {resting[:3]} {waiting[:3]} believed {beliefs['open'][:3]} {beliefs['desk'][:3]}"
        )
    cash = sum(Decimal(part) for part in account["balances"]["USDT"].values())
    if cash != Decimal(beliefs["cash"]):
        broken.append(f"cash is {cash}, believed {beliefs['cash']}")
    held = sum((Decimal(part) for part in account["balances"].get("BTC", {}).values()), Decimal(0))
    if not Decimal(beliefs["held"]) <= held < Decimal(beliefs["held"]) + Decimal("0.00002") * max(len(sent), 1):
        broken.append(f"{held} BTC are there, believed {beliefs['held']}")
    return broken
