"""`run --fresh` over a live run that has left something at its venue, from the command line: no venue is asked yet."""

from pathlib import Path

import msgspec
import pytest
from tests.unit.cli.conftest import Call
from tests.unit.services.test_abandoning import World

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.live import Venue
from holdfast.app.settings import load_settings
from holdfast.cli.actions.abandoning import leave_last_run
from holdfast.cli.actions.run_options import RunOptions
from holdfast.core.errors import ConfigurationError, RefusedError
from holdfast.ports.journal import Entry

GIVEN_UP = RunOptions(mode="live", is_fresh=True, is_abandoning=True)
_REFUSED, _WRONG = 3, 2


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture
def left(world: World, home: Path) -> World:
    """Put the journal of a live run that holds something into the home."""
    home.mkdir(mode=0o700)
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        journal.append([Entry(record.kind, record.body) for record in world.records.durable]).wait()
    return world


def test_live_it_is_refused_before_key_or_venue_are_looked_for(left: World, call: Call):
    outcome = call("run", "--mode", "live", "--fresh", "--plain")
    assert outcome.code == _REFUSED
    for order_id in left.engine.orders:
        assert order_id in outcome.err
    assert "holdfast run --fresh --abandon" in outcome.err


@pytest.mark.parametrize("mode", [("--mode", "practice"), ("--market", "synthetic")])
def test_a_run_of_another_kind_does_not_bury_a_live_one(left: World, call: Call, mode: tuple[str, str]):
    outcome = call("run", *mode, "--fresh", "--plain", "--bars", "2")
    assert outcome.code == _REFUSED
    assert "after a new run here nobody could go on with it" in outcome.err
    assert "--home" in outcome.err


@pytest.mark.parametrize(
    "words", [("--mode", "live"), ("--market", "synthetic", "--fresh"), ("--mode", "practice", "--fresh")]
)
def test_to_give_up_means_nothing_elsewhere(call: Call, words: tuple[str, ...]):
    outcome = call("run", *words, "--abandon", "--plain")
    assert outcome.code == _WRONG
    assert "it goes with --fresh and --mode live alone" in outcome.err


def leave(home: Path, world: World, venue: Venue, given: RunOptions) -> None:
    run = world.run
    text = f'[agent]\nmode = "live"\n[venue]\naccount_name = ""\n[engine]\ncapital = {run.capital}\n'
    (home / "holdfast.toml").write_text(text)
    settings = load_settings(home / "holdfast.toml", flags=[]).settings
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        before = journal.head
        try:
            leave_last_run(settings, venue, journal, given)
        finally:
            assert journal.head == before, "nothing was written"


def test_another_venue_than_that_of_the_old_run_is_refused(left: World, home: Path):
    with pytest.raises(ConfigurationError, match="cannot be taken back there"):
        leave(home, left, Venue("live", "", None, "another one"), GIVEN_UP)


@pytest.mark.parametrize(
    ("is_confirmed", "told"), [(True, "is not given up with --yes"), (False, "typed word ABANDON")]
)
def test_with_real_money_it_takes_the_typed_word(
    left: World, home: Path, monkeypatch: pytest.MonkeyPatch, is_confirmed: bool, told: str
):
    monkeypatch.setattr("holdfast.cli.actions.abandoning.require_same_place", lambda *_: None)
    given = msgspec.structs.replace(GIVEN_UP, is_confirmed=is_confirmed)
    with pytest.raises(RefusedError, match=told):
        leave(home, left, Venue("live", "", None, left.run.data_source), given)
