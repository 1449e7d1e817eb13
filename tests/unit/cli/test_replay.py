"""`holdfast journal replay`: records, engine and projections are compared as they are at one record, not at three."""

import shutil
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import Call

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app import replay
from holdfast.cli.main import root
from holdfast.domain.ledger import Account, Ledger, Transfer
from holdfast.domain.portfolio import Portfolio
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


# -- a ledger that is wrong ------------------------------------------------------------------------------------------


def book_purchases_the_wrong_way_round(patch: pytest.MonkeyPatch) -> None:
    """The base asset of a purchase leaves the account; cash and position are right."""
    post = Ledger.post

    def swapped(self: Ledger, transfer: Transfer) -> None:
        if transfer.debit is Account.TRADING and transfer.asset != "USDT":
            debit, credit = transfer.credit, transfer.debit
            transfer = msgspec.structs.replace(transfer, debit=debit, credit=credit)
        post(self, transfer)

    patch.setattr(Ledger, "post", swapped)


def test_a_program_that_books_the_wrong_way_round_is_found(
    traded: Path, home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    shutil.copytree(traded, home)
    assert call("journal", "replay").code == 0
    book_purchases_the_wrong_way_round(monkeypatch)
    outcome = call("journal", "replay", "--json")
    assert outcome.code == 1
    found = outcome.document["differences"]
    assert any("from the records the ledger holds -" in line and "BTC, the positions" in line for line in found), found
    assert any(line.startswith("BTC in available: the records say -") and "projections" in line for line in found)


def test_a_backtest_booked_the_wrong_way_round_is_found(
    home: Path, call: Call, candles: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its journal holds no bars, so that there are the records and the projections alone."""
    arguments = ("backtest", "--data", candles, "--strategy", "ma_crossover", "--journal", home / "journal")
    book_purchases_the_wrong_way_round(monkeypatch)
    assert call(*arguments).code == 0
    outcome = call("journal", "replay", "--json")
    assert outcome.code == 1
    assert any("from the records the ledger holds -" in line for line in outcome.document["differences"])


def test_an_agent_stops_before_it_writes_down_books_that_disagree(
    home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    book_purchases_the_wrong_way_round(monkeypatch)
    outcome = call(*RUN, "--bars", "600")
    assert outcome.code == 1
    assert "the books of the account contradict each other: the ledger holds -" in outcome.err
    assert not list(SqliteJournal(home / "journal", SystemClock(), is_read_only=True).read(kinds=("checkpoint",)))


@pytest.mark.parametrize("command", [("status",), ("journal", "replay"), (*RUN, "--bars", "10")])
def test_books_that_disagree_in_a_journal_are_found_by_whoever_takes_them_up(
    home: Path, call: Call, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
):
    """As a program might have left it that did not look."""
    with monkeypatch.context() as patch:
        book_purchases_the_wrong_way_round(patch)
        patch.setattr(Portfolio, "require_agreement", lambda self: None)
        assert call(*RUN, "--bars", "600").code == 0
    outcome = call(*command)
    assert outcome.code == 1
    assert "the books of the account contradict each other: the ledger holds -" in outcome.err


def test_books_that_disagree_since_the_last_checkpoint_are_found_at_the_start(
    traded: Path, home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    """The state that is taken up is right; what the agent does again on top of it is not."""
    records = list(SqliteJournal(traded / "journal", SystemClock(), is_read_only=True).read())
    home.mkdir()
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        rest = [Entry(record.kind, record.body) for record in records if record.kind != "checkpoint"]
        journal.append(rest).wait()
    assert call("status").code == 0
    book_purchases_the_wrong_way_round(monkeypatch)
    outcome = call("status")
    assert outcome.code == 1
    assert "the books of the account contradict each other" in outcome.err
