"""`holdfast journal tail --follow`: it shows what comes, and stops where the chain breaks."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.cli.actions import journal as action
from holdfast.ports.journal import Entry


def write(home: Path, *bodies: bytes, kind: str = "tick") -> None:
    with SqliteJournal(home / "journal", SystemClock()) as journal:
        journal.append([Entry(kind, body) for body in bodies]).wait()


def tampered(home: Path, sequence: int) -> None:
    connection = sqlite3.connect(home / "journal" / "journal-000001.db", isolation_level=None)
    connection.execute("UPDATE record SET body = CAST('{\"n\":666}' AS BLOB) WHERE sequence = ?", (sequence,))
    connection.close()


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let things happen while the command waits for records: one each time; then the user presses Ctrl-C."""

    def happen(*acts: Callable[[], None]) -> None:
        left = list(acts)

        def pause(_: float) -> None:
            if not left:
                raise KeyboardInterrupt
            left.pop(0)()

        monkeypatch.setattr(action.time, "sleep", pause)

    return happen


def test_records_are_shown_as_they_come(home: Path, call: Call, meanwhile: Callable[..., None]):
    write(home, b'{"n":1}', b'{"n":2}')
    meanwhile(lambda: write(home, b'{"n":3}'), lambda: write(home, b'{"n":4}', b'{"n":5}'))
    outcome = call("journal", "tail", "-f", "-n", "1")
    assert [line.rpartition(" ")[2] for line in outcome.out.splitlines()] == [f'{{"n":{n}}}' for n in (2, 3, 4, 5)]


def test_programs_get_one_line_a_record_while_it_is_followed(home: Path, call: Call, meanwhile: Callable[..., None]):
    write(home, b'{"n":1}', b'{"n":{"deep":[2]}}')
    meanwhile(lambda: write(home, b'{"n":3}'))
    lines = [json.loads(line) for line in call("journal", "tail", "-f", "--json").out.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3]
    assert [line["body"]["n"] for line in lines] == [1, {"deep": [2]}, 3]
    assert "records" in call("journal", "tail", "--json").document, "one document, where there is an end"


def test_a_record_that_does_not_follow_its_predecessor_ends_it(home: Path, call: Call, meanwhile: Callable[..., None]):
    write(home, b'{"n":1}', b'{"n":2}')

    def forge() -> None:
        write(home, b'{"n":4}', b'{"n":5}')
        tampered(home, 4)

    meanwhile(lambda: write(home, b'{"n":3}'), forge)
    outcome = call("journal", "tail", "--follow")
    assert outcome.code == 1, "a broken chain must not look like an end by Ctrl-C"
    assert "record 4" in outcome.err
    assert "holdfast journal verify" in outcome.err
    assert '{"n":3}' in outcome.out
    assert "666" not in outcome.out
    assert '{"n":5}' not in outcome.out


def test_records_of_other_kinds_are_checked_although_they_are_not_shown(
    home: Path, call: Call, meanwhile: Callable[..., None]
):
    write(home, b'{"n":1}', kind="run")

    def forge() -> None:
        write(home, b'{"n":3}', kind="tick")
        write(home, b'{"n":4}', kind="run")
        tampered(home, 3)

    meanwhile(lambda: write(home, b"{}", kind="run"), forge)
    outcome = call("journal", "tail", "--follow", "--kind", "run")
    assert outcome.code == 1
    assert "record 3" in outcome.err
    assert outcome.out.count(" run ") == 2


def test_only_the_kinds_that_were_asked_for_are_shown(home: Path, call: Call, meanwhile: Callable[..., None]):
    write(home, b'{"n":1}', kind="run")
    meanwhile(lambda: write(home, b'{"n":2}'), lambda: write(home, b'{"n":3}', kind="run"))
    shown = call("journal", "tail", "--follow", "--kind", "run", "--json").out
    assert '"n": 1' in shown
    assert '"n": 2' not in shown
    assert '"n": 3' in shown
