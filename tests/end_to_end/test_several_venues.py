"""One agent at two simulated venues, each a process of its own: killed with -9, and one of the venues killed, too."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

START = "import sys; from holdfast.cli.main import main; sys.exit(main())"
KEY, SECRET = "someone", "a-secret-of-theirs"
PATIENCE_S = 90
_GUARDS = 2
_DUST = Decimal("0.0001")
pytestmark = pytest.mark.slow

STRATEGY = '''
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy


class Eager(FreeStrategy):
    """Buys whenever nothing is held, with levels so far away that what it holds rests."""

    warmup = 0

    def on_bar(self, bar: BarClosed):
        return self.enter_long(bar, bar.close * 0.93, bar.close * 1.25, "It is eager.")
'''
SETTINGS = """
[market]
instruments = ["BTC/USDT"]
[venue]
url = "{url}"
key_file = "{folder}/one.toml"
[[venue.accounts]]
{other}
url = "{other_url}"
key_file = "{folder}/two.toml"
capital = 4000
instruments = ["BTC/USDT"]
[live]
bar_age_max_ms = 86_400_000
reconcile_every_s = 1
recovery_wait_s = 10
"""


class SimulatedVenue:
    """A venue's process; what it says of itself is the truth."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed, self.port = folder, seed, 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-c", START, "simulate-venue", "--market", "synthetic", "--pace", "0", "--no-limits"),
                *("--instrument", "BTC/USDT", "--account", f"{KEY}:{SECRET}", "--balance", "USDT=10000"),
                *("--seed", str(self.seed), "--port", str(self.port), "--state", str(self.folder), "--json"),
            ],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self.process.stdout is not None
        self.url = str(json.loads(self.process.stdout.readline())["url"])
        self.port = int(self.url.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def advance(self) -> None:
        request = urllib.request.Request(
            f"{self.url}/simulator/advance", b'{"bars": 1}', {"Content-Type": "application/json"}
        )  # fmt: skip
        urllib.request.urlopen(request, timeout=30).close()

    @property
    def account(self) -> dict[str, list[dict[str, str]]]:
        with urllib.request.urlopen(f"{self.url}/simulator/state", timeout=30) as answer:
            (account,) = json.load(answer)["accounts"]
        assert isinstance(account, dict)
        return account

    def holds(self, asset: str) -> Decimal:
        balances = self.account["balances"]
        assert isinstance(balances, dict)
        held = balances.get(asset, {"available": "0", "locked": "0"})
        return Decimal(held["available"]) + Decimal(held["locked"])

    def resting(self) -> int:
        """Return how many triggers and orders rest: a stop and a target are two."""
        account = self.account
        return sum(item["status"] == "open" for item in [*account["triggers"], *account["orders"]])

    def ids(self) -> list[str]:
        return [order["text"] for order in self.account["orders"] if order["text"].startswith("t-")]


class Agent:
    """The agent's process, and all that it has said."""

    def __init__(self, home: Path, strategy: Path, *more: str) -> None:
        words = ["--mode", "live", "--yes", "--plain", "--strategy", f"{strategy}:Eager", "--timeframe", "1m"]
        self.process = subprocess.Popen(
            [sys.executable, "-c", START, "run", *words, *more, "--home", str(home)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env={**os.environ, "COLUMNS": "240"},
        )  # fmt: skip
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.said.extend(iter(self.process.stdout.readline, ""))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def until(self, is_there: Callable[[], object], what: str, meanwhile: Callable[[], object] = lambda: None) -> None:
        ends = time.monotonic() + PATIENCE_S
        while not is_there():
            assert time.monotonic() < ends, f"{what}: {''.join(self.said[-40:])}"
            assert self.process.poll() is None, f"it ended: {''.join(self.said)}"
            meanwhile()
            time.sleep(0.2)

    def has_said(self, pattern: str) -> bool:
        return any(re.search(pattern, line) for line in self.said)


class World:
    def __init__(self, tmp_path: Path, other: str, name: str) -> None:
        self.names = ("GATEIO", name)
        self.home, self.strategy = tmp_path / "home", tmp_path / "eager.py"
        self.strategy.write_text(STRATEGY)
        self.venues = [SimulatedVenue(tmp_path / f"venue{number}", number) for number in (1, 2)]
        for name in ("one", "two"):
            key_file = tmp_path / f"{name}.toml"
            key_file.write_text(f'key = "{KEY}"\nsecret = "{SECRET}"\n')
            key_file.chmod(0o600)
        self.home.mkdir(mode=0o700)
        settings = SETTINGS.replace("{url}", self.venues[0].url).replace("{other_url}", self.venues[1].url)
        (self.home / "holdfast.toml").write_text(settings.replace("{folder}", str(tmp_path)).replace("{other}", other))
        self.agents: list[Agent] = []
        self.advance()

    def advance(self) -> None:
        for venue in self.venues:
            if venue.process.poll() is None:
                venue.advance()

    def run(self, *more: str) -> Agent:
        self.agents.append(agent := Agent(self.home, self.strategy, *more))
        return agent

    def ask(self, *words: str) -> dict[str, object]:
        done = subprocess.run(
            [sys.executable, "-c", START, *words, "--home", str(self.home), "--json"],
            capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + done.stdout
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def status(self) -> dict[str, list[dict[str, str]]]:
        found = self.ask("status")["status"]
        assert isinstance(found, dict)
        return found

    def is_in(self) -> bool:
        """Tell whether a position with a stop and a target rests at each venue."""
        return all(venue.resting() == _GUARDS for venue in self.traded if venue.process.poll() is None)

    @property
    def traded(self) -> list[SimulatedVenue]:
        return self.venues[: 1 + (self.names[1] != "GATE")]

    def compare(self) -> None:
        """Compare the agent's books, read without it, with each venue's own."""
        status = self.status()
        cash = {there["venue"]: Decimal(there["amount"]) for there in status["cash_at"]}
        held = {position["instrument_id"]: Decimal(position["quantity"]) for position in status["positions"]}
        for name, venue, capital in zip(self.names, self.venues, (6_000, 4_000), strict=True):
            assert venue.holds("USDT") == cash[name] + 10_000 - capital, name
            assert 0 <= venue.holds("BTC") - held.get(f"BTC/USDT.{name}", 0) < Decimal("0.0001"), name
            assert 0 < cash[name] <= capital, "each bought with what lies there"
            assert (cash[name] < capital) is (venue in self.traded), name
            ids = venue.ids()
            assert len(set(ids)) == len(ids), "nothing was sent twice"

    def close(self) -> None:
        for process in (*(agent.process for agent in self.agents), *(venue.process for venue in self.venues)):
            if process.poll() is None:
                process.kill()
                process.wait(30)


@pytest.fixture
def world(tmp_path: Path, other: tuple[str, str]) -> Iterator[World]:
    world = World(tmp_path, *other)
    yield world
    world.close()


@pytest.mark.parametrize(
    "other",
    [
        ('account_name = "second"', "GATEIO-SECOND"),
        # Through ccxt a quote of the simulated venue has the wall's time, so that bars of its market look old: it is
        # asked, compared and killed like the other, and nothing is entered there.
        ('exchange = "ccxt:gate"', "GATE"),
    ],
    ids=["a second account", "a venue of ccxt's"],
)
def test_a_killed_agent_finds_the_same_orders_and_positions_at_both_venues(world: World):
    names = world.names
    checks = {check["name"]: check["state"] for check in world.ask("doctor", "--live")["checks"]}
    for name in names:
        assert checks[f"{name} key"] != "fail"
        assert checks[f"{name} balances"] == "ok"
    agent = world.run()
    agent.until(world.is_in, "positions", world.advance)
    agent.kill()
    before = world.status()
    assert {x["instrument_id"] for x in before["positions"]} == {
        f"BTC/USDT.{name}" for name, _ in zip(names, world.traded, strict=False)
    }  # fmt: skip
    world.compare()

    again = world.run()
    again.until(lambda: again.has_said("goes on at"), "a second life")
    for _ in range(3):
        world.advance()
        time.sleep(1.0)
    after = world.status()
    assert [x["order_id"] for x in after["orders"]] == [x["order_id"] for x in before["orders"]]
    for position, other in zip(before["positions"], after["positions"], strict=True):
        assert {**position, **dict.fromkeys(("price_last", "unrealized"))} == {
            **other, **dict.fromkeys(("price_last", "unrealized"))
        }  # fmt: skip
    world.compare()
    assert world.is_in()

    # -- now one venue dies with the agent: the other is looked after, and the dead one found again when it is back
    again.kill()
    world.venues[1].kill()
    third = world.run()
    third.until(lambda: third.has_said(f"venue link to {names[1]} is down"), "word of the dead venue")
    assert third.has_said(f"{names[1]} venue: out of reach"), "the checklist has said so, too"
    third.until(lambda: third.has_said("goes on at"), "a third life")
    world.advance()
    assert world.venues[0].resting() == _GUARDS
    world.venues[1].start()
    third.until(lambda: third.has_said(f"venue link to {names[1]} is up"), "the way back", world.advance)
    assert world.is_in()
    world.compare()
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(PATIENCE_S) == 0, "".join(third.said)
    world.compare()
    assert world.ask("journal", "replay")["differences"] == []
    assert SECRET not in "".join(line for one in world.agents for line in one.said)


@pytest.mark.parametrize("other", [('account_name = "second"', "GATEIO-SECOND")])
def test_a_flatten_while_one_venue_is_away_sells_at_the_other_and_there_when_it_is_back(world: World):
    agent = world.run()
    agent.until(world.is_in, "positions", world.advance)
    here, there = world.venues
    there.kill()
    agent.until(lambda: agent.has_said("link to GATEIO-SECOND is down"), "word of the dead venue")
    stopped = subprocess.run(
        [sys.executable, "-c", START, "stop", "--flatten", "--yes", "--wait", "0", "--home", str(world.home)],
        capture_output=True, text=True, timeout=PATIENCE_S,
    )  # fmt: skip
    assert stopped.returncode == 1, "it is recorded, and not proven yet"
    agent.until(lambda: here.holds("BTC") < _DUST and not here.resting(), "a way out here", world.advance)
    there.start()
    agent.until(lambda: there.holds("BTC") < _DUST and not there.resting(), "a way out there", world.advance)
    agent.until(lambda: not world.status()["positions"], "word of both")
    cash = {x["venue"]: Decimal(x["amount"]) for x in world.status()["cash_at"]}
    assert cash == {"GATEIO": here.holds("USDT") - 4_000, "GATEIO-SECOND": there.holds("USDT") - 6_000}
    for venue in world.venues:
        assert len(set(venue.ids())) == len(venue.ids()), "nothing was sent twice"
    agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(PATIENCE_S) == 0, "".join(agent.said)
