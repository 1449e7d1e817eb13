"""A day at a venue, played quickly, its agent killed with -9 in the midst of it; then `holdfast parity` of all of it.

`python -m holdfast.testing.parity_day --mode paper --bars 1440 --pace 10 --kills 3`: one agent and one simulated venue,
over the wire, three markets of recorded minutes (synthetic ones where there are no recordings). Prints a JSON line per
session, and exits with 1 if an order was not reproduced, a cause is unknown, or a control was not found: the same
journal, told to another parameter and to another fee, must not be called equal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.home import Home
from holdfast.app.parity import parity_of
from holdfast.core.time import HOUR, MINUTE, SECOND
from holdfast.domain.instrument import FeeTier
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.engine.recorder import BARS
from holdfast.portfolio.run import RunStarted
from holdfast.testing.dice import Dice

START: Final = "import sys; from holdfast.cli.main import main; sys.exit(main())"
PAIRS: Final = ("BTC/USDT", "ETH/USDT", "XRP/USDT")
MODES: Final = ("paper", "live")
STRATEGY: Final = ("--strategy", "ma_crossover", "--set", "fast=3", "--set", "slow=9")
ORDERS_MIN: Final = 48
"""Orders of a day without which a comparison says little; of a shorter session in proportion."""
_DAY: Final = 1_440
_PATIENCE_S: Final = 900.0
_FIRST: Final = 120  # bars that may close before the first quote has come
_LAST_LIVES: Final = 4
_SHOWN: Final = 400  # characters of what went wrong
_PAST: Final = 100  # bars that a strategy sees before the session begins
_CAPITAL: Final = "2000"  # little enough for what the recorded minutes traded
_FEE: Final = "0.0001"
_READ: Final = msgspec.json.Decoder(list[BarClosed])


@dataclass
class Played:
    """What one session came to; `broken` are sentences, none where every promise held."""

    mode: str
    kills: int = 0
    session_s: float = 0.0
    report: dict[str, Any] = field(default_factory=dict)
    parity_s: float = 0.0
    hours: float = 0.0
    broken: list[str] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return the line that is printed."""
        told = self.report
        return {
            "drill": "parity of a session", "mode": self.mode, "market": told.get("market"),
            "hours": round(self.hours, 2), "bars": told.get("bars"), "kills": self.kills,
            "orders": told.get("orders"), "reproduced": told.get("reproduced"),
            "decisions": told.get("decisions"), "decisions_equal": told.get("decisions_equal"),
            "backtest_equal": told.get("equal"), "backtest_differs": told.get("by_cause"),
            "session_secs": round(self.session_s, 1), "parity_secs": round(self.parity_s, 2), "failed": self.broken,
        }  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """How long a session is (bars of a minute), how quickly it is played (bars in a second), how often it dies."""

    mode: str
    bars: int = _DAY
    pace: float = 10.0
    kills: int = 3
    seed: int = 1
    keep: str = ""  # a folder in which all is left, for whoever wants to know more


def play(wish: Wish) -> Played:
    """Play one session, and compare it."""
    played = Played(wish.mode)
    with _folder(wish) as folder:
        home = folder / "home"
        with _venue(folder, wish.pace) as (url, market):
            began = time.monotonic()
            words = _words(wish.mode, url, folder, home)
            _trade(wish, words, home, played)
            played.session_s = time.monotonic() - began
        _compare(home, played)
        played.report["market"] = market
        _judge(wish, played)
        if not played.broken:
            played.broken += _controls(home)
    return played


@contextmanager
def _folder(wish: Wish) -> Iterator[Path]:
    if not wish.keep:
        with tempfile.TemporaryDirectory(prefix="holdfast-parity-") as name:
            yield Path(name)
        return
    folder = Path(wish.keep) / f"{wish.mode}-{wish.kills}-kills"
    folder.mkdir(parents=True)
    yield folder


def _trade(wish: Wish, words: Sequence[str], home: Path, played: Played) -> None:
    """Let it trade: each life but the last ends with a kill, somewhere in its part of the session."""
    dice = Dice(f"parity {wish.mode} {wish.seed}")
    part = wish.bars / wish.pace / (wish.kills + 1)
    environment = _environment(wish.pace)
    for _ in range(wish.kills):
        with _life(words, environment) as (agent, errors):
            if agent.stdout is None or not agent.stdout.readline():
                played.broken.append(f"it did not start: {errors()}")
                return
            with ThreadPoolExecutor(1) as reader:
                reader.submit(agent.stdout.read)  # who does not read lets it wait
                time.sleep(part * dice.uniform(0.5, 1.0))
                if agent.poll() is not None:
                    played.broken.append(f"it ended by itself with {agent.returncode}: {errors()}")
                agent.kill()
        played.kills += 1
    _last_life(wish, words, home, played)


def _last_life(wish: Wish, words: Sequence[str], home: Path, played: Played) -> None:
    """Let it trade until the session is as long as was asked for; bars of a start do not count as bars of a run."""
    for _ in range(_LAST_LIVES):
        begins, ends = _reach(home)
        played.hours = (ends - begins) / HOUR
        # On paper a new run sees the past bar by bar, before the first that it may enter on.
        left = wish.bars - (ends - begins) // MINUTE if begins else wish.bars + _PAST + _FIRST
        if begins and left <= 0:
            return
        last = subprocess.run(
            [*words, "--bars", str(left)], capture_output=True, text=True, timeout=_PATIENCE_S,
            env=_environment(wish.pace),
        )  # fmt: skip
        if last.returncode:
            played.broken.append(f"the last life ended with {last.returncode}: {last.stderr[-_SHOWN:]}")
            return
    begins, ends = _reach(home)
    played.hours = (ends - begins) / HOUR


@contextmanager
def _life(
    words: Sequence[str], environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:  # fmt: skip
    """Give an agent that is killed at the end, and what it said of errors until then."""
    with tempfile.TemporaryFile("w+") as file:

        def errors() -> str:
            file.seek(0)
            return file.read()[-_SHOWN:]

        agent = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=file, text=True, env=environment)
        try:
            yield agent, errors
        finally:
            agent.kill()
            agent.wait(_PATIENCE_S)


def _reach(home: Path) -> tuple[int, int]:
    """Return when the first bar that could be entered on opened, and when the last one closed."""
    if not (home / "journal").is_dir():
        return 0, 0
    journal = SqliteJournal(home / "journal", SystemClock(), is_read_only=True)
    begins = ends = 0
    try:
        for record in journal.read(kinds=(BARS,)):
            bar = _READ.decode(record.body)[0]
            if not begins and not bar.flags & BarFlag.NO_ENTRY:
                begins = bar.ts_event - MINUTE
            ends = bar.ts_event
    finally:
        journal.close()
    return begins, ends


def _compare(home: Path, played: Played) -> None:
    began = time.monotonic()
    done = _call("parity", "--json", "--home", str(home))
    played.parity_s = time.monotonic() - began
    if done.stdout:
        played.report = json.loads(done.stdout)
    if done.returncode:
        played.broken.append(f"holdfast parity ended with {done.returncode}: {done.stderr[-_SHOWN:]}")
    for check in ("verify", "replay"):
        if (code := _call("journal", check, "--json", "--home", str(home)).returncode) != 0:
            played.broken.append(f"holdfast journal {check} ended with {code}")


def _judge(wish: Wish, played: Played) -> None:
    told, broken = played.report, played.broken
    orders = told.get("orders", 0)
    if orders < ORDERS_MIN * wish.bars // _DAY or not orders:
        broken.append(f"{orders} orders say little")
    if not told.get("is_reproduced") or told.get("reproduced") != orders:
        broken.append(f"{told.get('reproduced')} of {orders} orders are reproduced")
    if played.hours * HOUR < wish.bars * MINUTE:
        broken.append(f"the session is {played.hours:.2f} hours long")
    if wish.mode == "paper" and not wish.kills and not (told.get("is_equal") and told.get("fills_equal")):
        broken.append("nothing has disturbed it, and the backtest does not have the same orders, prices and fees")
    # What fills in this process fills as in a backtest; only a bar that was missed may differ.
    if wish.mode == "paper" and (other := set(told.get("by_cause", ())) - {"unfit_bar", "follows"}):
        broken.append(f"causes that a paper session does not have: {', '.join(sorted(other))}")


def _controls(home: Path) -> list[str]:
    """Return what is wrong with the check itself: told to what is unlike, it must not be satisfied."""
    return [
        f"with another {name} it is called the same"
        for name, change in (("parameter", _other_parameter), ("fee", _other_fee))
        if parity_of(Home(home), None, change=change).reproduction.is_whole
    ]


def _other_parameter(run: RunStarted) -> RunStarted:
    return msgspec.structs.replace(run, params={**run.params, "slow": "16"})


def _other_fee(run: RunStarted) -> RunStarted:
    dearer = (FeeTier(Decimal(0), Decimal("0.0002"), Decimal("0.0002")),)
    instruments = tuple(msgspec.structs.replace(one, fee_tiers=dearer) for one in run.instruments)
    return msgspec.structs.replace(run, instruments=instruments)


def _words(mode: str, url: str, folder: Path, home: Path) -> list[str]:
    key_file = folder / "key.toml"
    key_file.touch(0o600)
    key_file.write_text('key = "parity"\nsecret = "a-secret-of-a-drill"\n')
    how = ("--market", "venue") if mode == "paper" else ("--mode", "live", "--yes", "--key-file", str(key_file))
    pairs = [word for pair in PAIRS for word in ("--instrument", pair)]
    return [
        sys.executable, "-c", START, "run", "--plain", "--timeframe", "1m", *pairs, *STRATEGY, "--venue-url", url,
        "--capital", _CAPITAL, "--home", str(home), *how,
    ]  # fmt: skip


def _environment(pace: float) -> dict[str, str]:
    """Return waits that fit a market that is played so quickly: its ages are told in its own time."""
    speed = pace * MINUTE / SECOND
    age = min(int(30_000 * speed), 86_400_000)
    return {
        **os.environ, "HOLDFAST_LIVE__BAR_AGE_MAX_MS": str(max(age, 30_000)), "HOLDFAST_LIVE__BAR_GRACE_MS": "200",
        "HOLDFAST_LIVE__HISTORY_BARS": str(_PAST),
    }  # fmt: skip


@contextmanager
def _venue(folder: Path, pace: float) -> Iterator[tuple[str, str]]:
    data = os.environ.get("HOLDFAST_DATA", str(Path("..") / "shared" / "data"))
    recorded = Path(data) / "market"
    is_recorded = recorded.is_dir()
    if not is_recorded:
        sys.stderr.write(f"no recordings in {recorded}: the market is synthetic; name them with HOLDFAST_DATA\n")
    pairs = [word for pair in PAIRS for word in ("--instrument", pair)]
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", START, "simulate-venue", *pairs, "--timeframe", "1m", "--pace", str(pace)),
            *("--market", str(recorded) if is_recorded else "synthetic", "--fee", _FEE, "--json"),
            *("--account", "parity:a-secret-of-a-drill", "--balance", f"USDT={_CAPITAL}"),
            *("--state", str(folder / "venue"), "--home", str(folder / "venue-home")),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        if process.stdout is None:
            raise ValueError("the venue has no output")
        yield json.loads(process.stdout.readline())["url"], "recorded" if is_recorded else "synthetic"
    finally:
        process.kill()
        process.wait(_PATIENCE_S)


def _call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", START, *words], capture_output=True, text=True, timeout=_PATIENCE_S)


def main() -> int:
    """Play what was asked for: by default a paper and a live day with kills, and a paper day without, side by side."""
    parser = argparse.ArgumentParser(prog="holdfast.testing.parity_day", description="Compare whole sessions.")
    parser.add_argument(
        "--mode",
        choices=MODES,
        action="append",
        help="paper or live; without it both, and paper without a kill besides",
    )
    parser.add_argument("--bars", type=int, default=_DAY, help="of a minute (default 1440: a day)")
    parser.add_argument("--pace", type=float, default=10.0, help="bars in a second (default 10)")
    parser.add_argument("--kills", type=int, default=3, help="in each session (default 3)")
    parser.add_argument("--seed", type=int, default=1, help="of the moments of the kills")
    parser.add_argument("--jobs", type=int, default=3, help="sessions at once (default 3)")
    parser.add_argument("--keep", default="", metavar="FOLDER", help="leave homes and venues there")
    given = parser.parse_args()
    rest = given.seed, given.keep
    wishes = [Wish(mode, given.bars, given.pace, given.kills, *rest) for mode in given.mode or MODES]
    if not given.mode and given.kills:  # what nothing disturbs must be the same in the backtest, too
        wishes.append(Wish("paper", given.bars, given.pace, 0, *rest))
    is_broken = False
    with ThreadPoolExecutor(given.jobs) as pool:
        for played in pool.map(play, wishes):
            is_broken = is_broken or bool(played.broken)
            sys.stdout.write(json.dumps(played.row()) + "\n")
            sys.stdout.flush()
    return 1 if is_broken else 0


if __name__ == "__main__":
    sys.exit(main())
