"""A new live run over one that has left something at its venue: refused, or what was left is taken back first."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.test_several_venues import PATIENCE_S, Agent, SimulatedVenue, World

ONE_VENUE = """
[market]
instruments = ["BTC/USDT"]
[venue]
url = "{url}"
key_file = "{folder}/one.toml"
[engine]
capital = 4000
[live]
bar_age_max_ms = 86_400_000
reconcile_every_s = 1
recovery_wait_s = 10
"""
_REFUSED = 3
_WRONG = 2
pytestmark = pytest.mark.slow


class FreshWorld(World):
    """Two venues, or only the first of them."""

    def __init__(self, tmp_path: Path, count: int) -> None:
        super().__init__(tmp_path, 'account_name = "second"', "GATEIO-SECOND")
        self.count = count
        if count == 1:
            text = ONE_VENUE.replace("{url}", self.venues[0].url).replace("{folder}", str(tmp_path))
            (self.home / "holdfast.toml").write_text(text)

    @property
    def traded(self) -> list[SimulatedVenue]:
        return self.venues[: self.count]

    def resting(self) -> dict[str, set[str]]:
        """Return the ids of what rests at each venue that is traded."""
        found = {}
        for venue in self.traded:
            account = venue.account
            open_ones = [x for x in [*account["triggers"], *account["orders"]] if x["status"] == "open"]
            found[venue.url] = {str(x.get("text") or x["id"]) for x in open_ones}
        return found

    def ended(self, *more: str) -> tuple[int, str]:
        """Return the exit code of a run that ends by itself, and what it said."""
        agent: Agent = self.run(*more)
        code = agent.process.wait(PATIENCE_S)
        agent._reader.join(PATIENCE_S)
        return code, " ".join("".join(agent.said).split())


@pytest.fixture
def world(tmp_path: Path, count: int) -> Iterator[FreshWorld]:
    world = FreshWorld(tmp_path, count)
    yield world
    world.close()


@pytest.mark.parametrize("count", [1, 2])
def test_a_fresh_live_run_over_a_position_is_refused_and_begins_when_the_old_one_is_given_up(world: FreshWorld):
    agent = world.run()
    agent.until(world.is_in, "positions", world.advance)
    agent.kill()
    before = world.status()
    rested, coins = world.resting(), [venue.holds("BTC") for venue in world.traded]

    code, said = world.ended("--fresh")
    assert code == _REFUSED, said
    for part in (*before["positions"], *before["orders"]):
        assert part["instrument_id"] in said
    for order in before["orders"]:
        assert f"{order['role']} {order['order_id']}" in said
    for way in ("without --fresh", "holdfast stop --level flatten", "holdfast run --fresh --abandon"):
        assert way in said
    assert world.resting() == rested
    assert world.status()["orders"] == before["orders"], "no new run was begun"

    fresh = world.run("--fresh", "--abandon")
    # Its clock goes on with its bars: a stop is gone for certain when no copy of it can arrive any more.
    fresh.until(lambda: fresh.has_said("given up: run"), "word from the venue", world.advance)
    fresh.until(lambda: fresh.has_said("a new run with"), "a new run")
    assert sum("WITHOUT A STOP" in line for line in fresh.said) == world.count
    assert not any(world.resting().values()), "nothing of the old run rests, and nothing was bought yet"
    assert [venue.holds("BTC") for venue in world.traded] == coins
    fresh.until(world.is_in, "positions of the new run", world.advance)
    after = world.status()
    assert not {x["order_id"] for x in after["orders"]} & {x["order_id"] for x in before["orders"]}
    for venue, old in zip(world.traded, coins, strict=True):
        assert venue.holds("BTC") > old
    fresh.kill()
    assert not fresh.has_said("somebody else has an order"), "".join(fresh.said)
    assert world.ask("journal", "replay")["differences"] == []
    records = world.ask("journal", "tail", "--kind", "abandoned")
    assert str(records).count("is_taken_back") >= 1


@pytest.mark.parametrize("count", [1])
def test_where_the_venue_is_out_of_reach_nothing_is_given_up(world: FreshWorld):
    agent = world.run()
    agent.until(world.is_in, "positions", world.advance)
    agent.kill()
    world.venues[0].kill()
    code, said = world.ended("--fresh", "--abandon")
    assert code not in (0, _WRONG), said
    assert "a new run with" not in said
    world.venues[0].start()
    again = world.run()
    again.until(lambda: again.has_said("goes on at"), "the old run")
    assert world.is_in()


@pytest.mark.parametrize("count", [1])
def test_abandon_means_nothing_without_fresh(world: FreshWorld):
    code, said = world.ended("--abandon")
    assert code == _WRONG
    assert "it goes with --fresh" in said
