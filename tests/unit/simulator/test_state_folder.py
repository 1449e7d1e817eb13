"""What was answered is there after a kill; what is damaged is not believed; one process has one folder."""

import json
import os
import stat
import subprocess
import sys

import pytest

from holdfast.core.errors import ConfigurationError, DataError
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.state_folder import Address, Entry, StateFolder, demo_credentials, write_privately

CALL = Call("POST /spot/orders", "key-1", body='{"text":"t-1"}', ts=5)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_written_is_found_again_and_goes_on(tmp_path):
    with StateFolder(tmp_path / "v") as folder:
        assert folder.load().entries == ()
        folder.append(Entry(CALL))
        folder.append(Entry(ts=9))
    with StateFolder(tmp_path / "v") as folder:
        assert folder.load().entries == (Entry(CALL), Entry(ts=9))
        folder.append(Entry(ts=10))
    with StateFolder(tmp_path / "v") as folder:
        assert len(folder.load().entries) == 3


def test_a_snapshot_takes_the_place_of_what_came_before(tmp_path):
    with StateFolder(tmp_path) as folder:
        folder.load()
        folder.append(Entry(CALL))
        folder.compact(b'{"orders":1}')
        folder.append(Entry(ts=7))
    with StateFolder(tmp_path) as folder:
        saved = folder.load()
        assert json.loads(bytes(saved.snapshot)) == {"orders": 1}
        assert saved.entries == (Entry(ts=7),)
    assert len(list(tmp_path.glob("requests-*"))) == 1


def test_a_line_that_the_process_died_in_was_never_answered(tmp_path):
    with StateFolder(tmp_path) as folder:
        folder.load()
        folder.append(Entry(CALL))
    log = tmp_path / "requests-0.jsonl"
    log.write_bytes(log.read_bytes() + b'{"call":{"endp')
    with StateFolder(tmp_path) as folder:
        assert folder.load().entries == (Entry(CALL),)
        folder.append(Entry(ts=3))
    with StateFolder(tmp_path) as folder:
        assert folder.load().entries == (Entry(CALL), Entry(ts=3))


@pytest.mark.parametrize("name", ["requests-0.jsonl", "snapshot.json"])
def test_damage_is_told_and_not_believed(tmp_path, name):
    (tmp_path / name).write_bytes(b"garbage\n")
    with StateFolder(tmp_path) as folder, pytest.raises(DataError, match="damaged"):
        folder.load()


def test_files_are_for_their_owner_alone(tmp_path):
    old = os.umask(0)
    try:
        with StateFolder(tmp_path / "v") as folder:
            folder.load()
            folder.append(Entry(CALL))
            folder.compact(b"{}")
            folder.announce("http://127.0.0.1:1", "ws://127.0.0.1:1/ws/v4/")
            write_privately(folder.path / "other", b"x")
            files = [path for path in folder.path.iterdir() if path.is_file()]
            assert len(files) >= 5
            assert {mode(path) for path in files} == {0o600}
            assert mode(folder.path) == 0o700
    finally:
        os.umask(old)


def test_the_address_is_there_while_the_venue_runs(tmp_path):
    with StateFolder(tmp_path) as folder:
        folder.announce("http://127.0.0.1:1", "ws://127.0.0.1:1/ws/v4/")
        found = json.loads((tmp_path / "venue.json").read_text())
        assert Address(**found) == Address("http://127.0.0.1:1", "ws://127.0.0.1:1/ws/v4/", os.getpid())
    assert not (tmp_path / "venue.json").exists()


def test_a_second_venue_on_the_same_folder_is_refused(tmp_path):
    with StateFolder(tmp_path), pytest.raises(ConfigurationError, match="another venue runs"):
        StateFolder(tmp_path)
    StateFolder(tmp_path).close()


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot keep its state"):
        StateFolder(tmp_path / "file" / "v")


def test_a_kill_loses_nothing_that_was_answered(tmp_path):
    script = (
        "import os, sys, signal; from pathlib import Path;"
        "from holdfast.simulator.state_folder import Entry, StateFolder;"
        "folder = StateFolder(Path(sys.argv[1])); folder.load();"
        "[folder.append(Entry(ts=number)) for number in range(1, 101)];"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)])
    assert done.returncode == -9
    with StateFolder(tmp_path) as folder:
        assert [entry.ts for entry in folder.load().entries] == list(range(1, 101))


def test_demo_accounts_have_secrets_of_their_own():
    assert demo_credentials() != demo_credentials()
    assert len(demo_credentials()[1]) == 64
