"""Whatever goes wrong ends as one message with the next step, and the exit code of the design."""

import errno
import json

import click
import pytest

from holdfast.cli.failures import exit_code_for
from holdfast.core.errors import ConfigurationError, DataError, HoldfastError, JournalError, RefusedError, VenueError


def raising(error: BaseException):
    def call() -> int:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("a", hint="b"), 2),
        (DataError("a", hint="b"), 1),
        (JournalError("a", hint="b"), 1),
        (RefusedError("a", hint="b"), 3),
        (VenueError("a", venue="gateio", hint="b"), 5),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_its_next_step(capsys, error, code):
    assert exit_code_for(raising(error), []) == code
    told = capsys.readouterr()
    assert told.err == "error: a\nnext: b\n"
    assert told.out == ""


def test_with_json_the_error_is_json_on_standard_output_too(capsys):
    assert exit_code_for(raising(RefusedError("no", hint="wait")), ["stop", "--json"]) == 3
    assert json.loads(capsys.readouterr().out) == {"error": {"message": "no", "next": "wait", "exit_code": 3}}


def test_an_unexpected_error_shows_no_traceback_but_says_where_it_is(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code_for(raising(ZeroDivisionError("oh")), []) == 1
    told = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in told
    assert "Traceback" not in told
    place = told.split("its traceback is in ")[1].strip()
    with open(place, encoding="utf-8") as file:
        assert "ZeroDivisionError" in file.read()


@pytest.mark.parametrize("code", [0, None, 3])
def test_somebody_elses_exit_is_no_success_of_ours(capsys, monkeypatch, tmp_path, code):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert exit_code_for(raising(SystemExit(code)), []) == 1
    assert "SystemExit" in capsys.readouterr().err


def test_debug_shows_the_traceback(capsys):
    exit_code_for(raising(ZeroDivisionError("oh")), ["--debug"])
    assert "Traceback" in capsys.readouterr().err


def test_a_full_disk_is_named_however_deep_it_is_found(capsys):
    error = JournalError("the journal cannot be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device", "somewhere/journal.db")
    assert exit_code_for(raising(error), []) == 1
    told = capsys.readouterr().err
    assert "the disk is full" in told
    assert "free some space" in told


def test_ctrl_c_is_no_error_of_ours(capsys):
    assert exit_code_for(raising(KeyboardInterrupt()), []) == 130
    assert exit_code_for(raising(click.Abort()), []) == 130
    assert "Traceback" not in capsys.readouterr().err


def test_an_error_of_ours_keeps_its_code_when_it_is_wrapped_in_a_group(call):
    outcome = call("status")
    assert outcome.code == 2
    assert "nothing has been recorded" in outcome.err
    assert "holdfast run" in outcome.err


def test_error_codes_follow_the_design():
    assert (HoldfastError.exit_code, ConfigurationError.exit_code, RefusedError.exit_code, VenueError.exit_code) == (
        1, 2, 3, 5,
    )  # fmt: skip
