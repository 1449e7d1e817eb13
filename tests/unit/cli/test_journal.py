"""`holdfast journal verify --accept`: what the hint of a lost head note tells the user to type."""

import pytest

DEMO = ("--data", "synthetic", "--instrument", "BTC/USDT", "--timeframe", "4h", "--strategy", "ma_crossover")


@pytest.fixture
def journal(call, home):
    path = home / "journal"
    assert call("backtest", *DEMO, "--to", "2024-01-20", "--journal", path).code == 0
    return path


def test_a_journal_without_its_head_note_is_accepted_when_it_is_confirmed(call, journal):
    (journal / "journal.head").unlink()
    refused = call("journal", "verify")
    assert refused.code == 1
    assert "holdfast journal verify --accept" in refused.err
    unconfirmed = call("journal", "verify", "--accept")
    assert unconfirmed.code == 3
    assert "the typed word ACCEPT" in unconfirmed.err
    assert not (journal / "journal.head").exists()
    accepted = call("journal", "verify", "--accept", "--yes")
    assert accepted.code == 0, accepted.err
    assert "the journal is whole" in accepted.out
    assert call("journal", "verify").code == 0


def test_a_damaged_journal_is_not_accepted(call, journal):
    (journal / "journal.head").unlink()
    segment = journal / "journal-000001.db"
    content = segment.read_bytes()
    segment.write_bytes(content[: len(content) // 2])
    outcome = call("journal", "verify", "--accept", "--yes")
    assert outcome.code == 1
    assert "cannot be accepted" in outcome.err
    assert not (journal / "journal.head").exists()


def test_accepting_checks_each_record(call, journal):
    assert call("journal", "verify", "--accept", "--yes", "--quick").code == 2
