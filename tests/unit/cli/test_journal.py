"""The commands of `holdfast journal`: what they refuse, what they say, and what they leave behind."""

import os
import shlex
import signal
import subprocess

import pytest

from holdfast.cli.actions import journal as journal_actions
from holdfast.services.paper import KINDS

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


@pytest.mark.parametrize("command", ["tail", "export"])
def test_a_kind_that_no_record_has_is_a_usage_error_with_the_kinds_that_there_are(call, journal, command):
    outcome = call("journal", command, "--kind", "run", "--kind", "nope")
    assert outcome.code == 2
    assert "there is no record of kind 'nope'" in outcome.err
    assert "--kind is one of: run, tick, bars, operator, checkpoint, release" in outcome.err
    assert outcome.out == ""
    assert all(call("journal", command, "--kind", kind).code == 0 for kind in KINDS)
    assert all(kind in call("journal", command, "--help").out for kind in KINDS)


def test_a_replay_tells_how_many_records_there_are_and_how_many_it_folds(call, journal):
    document = call("journal", "replay", "--json").document
    assert document["records"] == call("journal", "verify", "--json").document["records"]
    kinds = [call("journal", "tail", "-n", "100000", "--kind", kind, "--json").document for kind in ("run", "tick")]
    assert document["records_folded"] == sum(len(one["records"]) for one in kinds)
    told = call("journal", "replay").out
    assert f"{document['records']} records" in told
    assert f"{document['records_folded']} run and tick records" in told


def test_a_backtest_says_how_its_journal_is_read_wherever_it_lies(call, tmp_path):
    for folder in (tmp_path / "kept" / "journal", tmp_path / "my records"):
        told = call("backtest", *DEMO, "--to", "2024-01-20", "--journal", folder)
        assert f"journal in {folder}; to read it: " in told.out
        *before, command = told.out.partition("to read it: ")[2].strip().split(", then ")
        for line in before:
            subprocess.run(["sh", "-c", line], check=True)
        assert call(*shlex.split(command.replace("explain ID", "journal verify"))[1:]).code == 0


def test_a_folder_that_is_a_journal_itself_is_told_from_a_home_without_one(call, tmp_path):
    folder = tmp_path / "records"
    assert call("backtest", *DEMO, "--to", "2024-01-20", "--journal", folder).code == 0
    for command in (("explain", "hf-1p"), ("journal", "verify"), ("journal", "tail"), ("status",)):
        refused = call(*command, "--home", folder)
        assert refused.code == 2
        assert f"{folder} is a journal, and no home that has one in a folder called journal" in refused.err
        assert f"mv {folder} {folder}-home/journal" in refused.err
    assert "start the agent" in call("status", "--home", tmp_path / "nothing").err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_export_that_a_signal_ends_leaves_no_half_file(call, journal, tmp_path, monkeypatch, number):
    def ended(folder, out, **_):
        out.write(b"half of it")
        assert list(place.iterdir()), "the half file is there while it is written"
        os.kill(os.getpid(), number)
        raise AssertionError("the signal was not heard")

    place = tmp_path / "exports"
    place.mkdir()
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)]
    monkeypatch.setattr(journal_actions, "export_records", ended)
    assert call("journal", "export", place / "records.jsonl").code == 128 + number
    assert list(place.iterdir()) == []
    assert [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)] == handlers
