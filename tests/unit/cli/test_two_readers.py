"""Two commands that read the projections at the same time do not bring them up to date into each other."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.home import Home
from holdfast.app.projections import open_projections
from holdfast.engine.recorder import TICK
from holdfast.ports.journal import JournalRecord

RUN = ("run", "--plain", "--pace", "100000", "--market", "synthetic", "--strategy", "ma_crossover")


@pytest.mark.slow
def test_a_reader_waits_for_another_that_is_bringing_them_up_to_date(
    home: Path, call: Call, monkeypatch: pytest.MonkeyPatch
):
    # Something is held, so that orders which the projections know already are filled by what comes.
    assert call(*RUN, "--until", "2024-01-24").code == 0
    assert call("positions", "--json").document["positions"]
    assert call("journal", "replay").code == 0
    assert call(*RUN, "--bars", "600").code == 0
    others: list[threading.Thread] = []

    def read_as_well() -> None:
        with open_projections(Home(home)):
            pass

    original = SqliteJournal.read

    def read(self: SqliteJournal, after: int = 0, kinds: Sequence[str] = ()) -> Iterator[JournalRecord]:
        for number, record in enumerate(original(self, after, kinds)):
            if number == 0 and TICK in kinds and not others:
                others.append(threading.Thread(target=read_as_well))
                others[0].start()
                others[0].join(0.5)
            yield record

    with monkeypatch.context() as patch:
        patch.setattr(SqliteJournal, "read", read)
        read_as_well()
        others[0].join()
    outcome = call("journal", "replay", "--json")
    assert outcome.document["differences"] == []
    trades = call("status", "--json").document["status"]["trades"]
    assert outcome.document["trades"] == trades > 0
