"""`holdfast journal replay`: records, engine and projections are compared as they are at one record, not at three."""

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import Call

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app import replay
from holdfast.cli.main import root
from holdfast.engine.recorder import TICK
from holdfast.ports.journal import Entry, JournalRecord

RUN = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover")


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traded") / "home"
    assert CliRunner().invoke(root, [*RUN, "--bars", "600", "--home", str(path)]).exit_code == 0
    return path


def once(act: Callable[[], object], then: Callable) -> Callable:
    """Return `then`, before whose first call `act` is done."""
    todo = [act]

    def call(*arguments: object, **named: object) -> object:
        while todo:
            todo.pop()()
        return then(*arguments, **named)

    return call


@pytest.mark.parametrize("part", ["rebuilt_agent", "open_projections"])
def test_an_agent_that_trades_on_meanwhile_makes_no_difference(
    traded: Path, home: Path, call: Call, monkeypatch: pytest.MonkeyPatch, part: str
):
    shutil.copytree(traded, home)
    before = call("journal", "replay", "--json").document

    def trade_on() -> None:
        assert call(*RUN, "--bars", "300").code == 0

    monkeypatch.setattr(replay, part, once(trade_on, getattr(replay, part)))
    outcome = call("journal", "replay", "--json")
    assert outcome.code == 0, outcome.document["differences"]
    after = call("journal", "replay", "--json").document
    assert after["cash"] != before["cash"], "something must have been traded meanwhile, or this test shows nothing"
    assert outcome.document["differences"] == after["differences"] == []


def test_a_reader_that_brings_the_projections_further_meanwhile_makes_no_difference(
    traded: Path, home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(traded, home)

    def trade_and_read() -> None:
        assert call(*RUN, "--bars", "300").code == 0
        assert call("explain", "hf-1p").code == 0

    monkeypatch.setattr(replay, "open_projections", once(trade_and_read, replay.open_projections))
    assert call("journal", "replay", "--json").document["differences"] == []


def turns_cut_short(records: list[JournalRecord]) -> Iterator[int]:
    """Yield how many records there are before a fill that is not the first tick of its turn."""
    for number, (before, record) in enumerate(pairwise(records), 1):
        if before.kind == record.kind == TICK and b'"event":{"type":"OrderFilled"' in record.body:
            yield number


def test_a_turn_of_which_the_end_is_not_written_yet_makes_no_difference(traded: Path, home: Path, call: Call):
    """So the journal looks to a reader whenever an agent is at work, and for ever where the power went."""
    records = list(SqliteJournal(traded / "journal", SystemClock(), is_read_only=True).read())
    cuts = list(turns_cut_short(records))
    assert cuts, "no fill follows another tick of its turn, so that this test shows nothing"
    for cut in cuts[:3]:
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir()
        with SqliteJournal(home / "journal", SystemClock()) as journal:
            journal.append([Entry(record.kind, record.body) for record in records[:cut]]).wait()
        outcome = call("journal", "replay", "--json")
        assert outcome.code == 0, outcome.document["differences"]
        assert outcome.document["differences"] == []


def test_records_that_the_engine_does_not_repeat_are_still_found(traded: Path, home: Path, call: Call):
    """A fill at another price, in a chain that is whole: the last turn's rest may be missing, not be another."""
    records = list(SqliteJournal(traded / "journal", SystemClock(), is_read_only=True).read())
    cut = next(iter(turns_cut_short(records)))
    home.mkdir()
    forged = records[cut].body.replace(b'"liquidity":"taker"', b'"liquidity":"maker"')
    forged = forged if forged != records[cut].body else forged.replace(b'"maker"', b'"taker"')
    assert forged != records[cut].body
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        journal.append([Entry(record.kind, record.body) for record in records[:cut]]).wait()
        journal.append([Entry(TICK, forged)]).wait()
    outcome = call("journal", "replay", "--json")
    assert outcome.code == 1
    assert "does not repeat" in outcome.err
