"""`holdfast data import`: what comes joins what is there; nothing is lost, and nothing is chosen in silence."""

import csv
import errno
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.cli.conftest import HOUR_MS, wandering, write_candles
from tests.unit.domain.conftest import is_same, make_walk

from holdfast.adapters.storage.parquet.store import ParquetBarStore
from holdfast.cli.main import root
from holdfast.core.time import HOUR
from holdfast.domain.bar_quality import label, with_flags
from holdfast.domain.market import BarFlag, Timeframe
from holdfast.domain.series_digest import series_digest

BTC = "BTC/USDT.BINANCE"
LAST_OF_2000 = "2021-03-25T07:00:00Z"


def part_of(folder, first, last, name="BTC_USDT", change=None):
    """Write hours first to last - 1 of one and the same market."""
    columns = {key: column[first:last].copy() for key, column in wandering(2_000).items()}
    for row, close in (change or {}).items():
        columns["close"][row - first] = close
        columns["high"][row - first] = max(columns["high"][row - first], close)
        columns["low"][row - first] = min(columns["low"][row - first], close)
    path = folder / f"binance-spot-{name}-1h-{first}-{last}{'-changed' if change else ''}.parquet"
    write_candles(path, columns)
    return path


def monthly(folder, months=12, symbol="BTCUSDT"):
    """Write one CSV a month, as the archive of Binance has them."""
    columns = wandering(months * 720)
    paths = []
    for month in range(months):
        path = folder / f"{symbol}-1h-2021-{month + 1:02d}.csv"
        rows = range(month * 720, (month + 1) * 720)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
            writer.writerows([columns[name][row].item() for name in columns] for row in rows)
        paths.append(path)
    return paths


def stored_in(home, name=BTC, timeframe=Timeframe.H1):
    return ParquetBarStore(home / "bars").load(name, timeframe)


def digest_of_all(call, candles, tmp_path):
    outcome = call("data", "import", candles, "--json", "--home", tmp_path / "whole")
    assert outcome.code == 0, outcome.err
    return outcome.document["series"][0]["dataset"]["sha256"]


@pytest.fixture
def whole(call, candles, tmp_path):
    return digest_of_all(call, candles, tmp_path)


@pytest.mark.parametrize(
    "parts", [[(0, 1_200), (1_200, 2_000)], [(1_200, 2_000), (0, 1_200)], [(0, 1_300), (1_100, 2_000)],
              [(500, 700), (0, 2_000)], [(0, 2_000), (1_976, 2_000)], [(0, 600), (1_400, 2_000), (500, 1_500)]]
)  # fmt: skip
@pytest.mark.parametrize("is_one_command", [False, True])
def test_what_comes_joins_what_is_there(call, home, tmp_path, whole, parts, is_one_command):
    paths = [part_of(tmp_path, *part) for part in parts]
    for command in [paths] if is_one_command else [[path] for path in paths]:
        outcome = call("data", "import", *command)
        assert outcome.code == 0, outcome.err
    assert series_digest(stored_in(home)) == whole
    assert call("data", "verify").code == 0
    (listed,) = call("data", "list", "--json").document["datasets"]
    assert listed["sha256"] == whole
    sources = listed["source"].split("; ")
    assert len(sources) == len(set(sources))
    assert set(sources) <= {path.name for path in paths}
    assert len(sources) == len(paths) or parts[0] == (0, 2_000)  # which needed nothing from the others


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1_999), st.integers(1, 400)), min_size=1, max_size=5), st.booleans())
def test_any_stretches_in_any_order_give_what_is_in_them(tmp_path_factory, stretches, is_one_command):
    folder = tmp_path_factory.mktemp("any")
    stretches = [(first, min(first + bars, 2_000)) for first, bars in stretches]
    paths = [str(part_of(folder, *stretch)) for stretch in stretches]
    for command in [paths] if is_one_command else [[path] for path in paths]:
        result = CliRunner().invoke(root, ["data", "import", *command, "--home", str(folder / "home")])
        assert result.exit_code == 0, result.stderr
    rows = np.unique(np.concatenate([np.arange(*stretch) for stretch in stretches]))
    expected = {name: column[rows] for name, column in wandering(2_000).items()}
    found = stored_in(folder / "home")
    assert np.array_equal(found.ts, expected["ts"] * 1_000_000)
    for name in ("open", "high", "low", "close", "volume"):
        assert getattr(found, name).tobytes() == expected[name].tobytes()
    assert np.array_equal(found.flags != 0, np.diff(found.ts, prepend=found.ts[0] - HOUR) > HOUR)


def test_an_import_says_what_is_new_what_was_there_and_how_much_there_is(call, tmp_path):
    call("data", "import", part_of(tmp_path, 0, 1_200))
    done = call("data", "import", part_of(tmp_path, 1_100, 2_000))
    assert "BTC/USDT.BINANCE 1h: imported: 800 bars are new, 100 were there already; 2000 are stored" in done.out
    again = call("data", "import", part_of(tmp_path, 1_100, 2_000), "--json").document
    (series,) = again["series"]
    assert (series["bars_new"], series["bars_already"], series["bars_replaced"]) == (0, 900, 0)
    assert series["dataset"]["bars"] == 2_000
    assert series["is_imported"]
    assert again["findings"][0]["report"]["bars"] == 900


def test_what_is_there_already_writes_nothing(call, home, candles):
    call("data", "import", candles)
    stored = home / "bars" / "BTC_USDT.BINANCE" / "1h.parquet"
    before = stored.stat()
    assert call("data", "import", candles).code == 0
    assert (stored.stat().st_mtime_ns, stored.stat().st_ino) == (before.st_mtime_ns, before.st_ino)


def test_the_sources_are_told_each_once_and_of_very_many_the_first_and_the_latest(call, tmp_path):
    for first in range(0, 1_000, 20):
        assert call("data", "import", part_of(tmp_path, first, first + 20)).code == 0
    names = call("data", "list", "--json").document["datasets"][0]["source"].split("; ")
    assert len(names) == 32
    assert names[0] == "binance-spot-BTC_USDT-1h-0-20.parquet"
    assert names[16] == "…"
    assert names[-1] == "binance-spot-BTC_USDT-1h-980-1000.parquet"
    assert names[17] == "binance-spot-BTC_USDT-1h-700-720.parquet"


def test_bars_that_differ_are_refused_with_time_and_values_and_nothing_changes(call, home, candles, tmp_path):
    call("data", "import", candles)
    stored = home / "bars" / "BTC_USDT.BINANCE" / "1h.parquet"
    before = stored.read_bytes()
    close = wandering(2_000)["close"][700].item()
    changed = part_of(tmp_path, 600, 900, change={700: 77_777.25, 800: 77_777.25})
    outcome = call("data", "import", changed)
    assert outcome.code == 1
    assert "BTC/USDT.BINANCE 1h: the bar of 2021-01-30T04:00:00Z has " in outcome.err
    assert f"close {close!r} in the store (from {candles.name})" in outcome.err
    assert f"close 77777.25 in {changed.name}" in outcome.err
    assert "1 later ones differ, too" in outcome.err
    assert "nothing of BTC/USDT.BINANCE was imported" in outcome.err
    assert "--replace takes what comes in the place of all that is stored" in outcome.err
    document = call("data", "import", changed, "--json").document
    assert not document["series"][0]["is_imported"]
    assert stored.read_bytes() == before


def test_replace_puts_what_comes_in_the_place_of_the_whole_series(call, home, candles, tmp_path):
    call("data", "import", candles)
    done = call("data", "import", part_of(tmp_path, 600, 900, change={700: 77_777.25}), "--replace")
    assert done.code == 0, done.err
    assert "300 bars are new, 0 were there already, 2000 stored bars replaced; 300 are stored" in done.out
    assert len(stored_in(home)) == 300
    assert call("data", "list", "--json").document["datasets"][0]["source"].endswith("-changed.parquet")


def test_a_damaged_series_is_joined_to_nothing_and_can_be_replaced(call, home, candles, tmp_path):
    call("data", "import", candles)
    stored = home / "bars" / "BTC_USDT.BINANCE" / "1h.parquet"
    stored.write_bytes(stored.read_bytes()[:-30])
    damaged = stored.read_bytes()
    refused = call("data", "import", candles)
    assert refused.code == 1
    assert "the file is damaged" in refused.err
    assert stored.read_bytes() == damaged
    done = call("data", "import", candles, "--replace")
    assert done.code == 0, done.err
    assert "note: what is replaced could not be read" in done.out
    assert len(stored_in(home)) == 2_000


def test_a_last_stored_bar_that_was_still_forming_is_told_and_replaced_only_when_asked(call, home, tmp_path, whole):
    call("data", "import", part_of(tmp_path, 0, 1_000, change={999: 29_000.5}))
    tail = part_of(tmp_path, 990, 2_000)
    refused = call("data", "import", tail)
    assert refused.code == 1
    assert "it is the last bar that is stored, and may have been still forming" in refused.err
    assert "--replace-last" in refused.err
    assert len(stored_in(home)) == 1_000
    done = call("data", "import", tail, "--replace-last")
    assert done.code == 0, done.err
    assert "1001 bars are new, 9 were there already, 1 stored bars replaced; 2000 are stored" in done.out
    assert series_digest(stored_in(home)) == whole
    again = call("data", "import", tail, "--replace-last", "--json").document["series"][0]
    assert (again["bars_new"], again["bars_already"], again["bars_replaced"]) == (0, 1_010, 0)


def test_replace_last_replaces_no_other_bar(call, home, candles, tmp_path):
    call("data", "import", candles)
    before = series_digest(stored_in(home))
    for rows in ({1_500: 29_000.5}, {1_500: 29_000.5, 1_999: 29_000.5}):
        assert call("data", "import", part_of(tmp_path, 1_400, 2_000, change=rows), "--replace-last").code == 1
    assert series_digest(stored_in(home)) == before


def test_a_last_bar_that_comes_and_was_still_forming_is_told(call, candles, tmp_path):
    call("data", "import", candles)
    refused = call("data", "import", part_of(tmp_path, 0, 500, change={499: 29_000.5}))
    assert refused.code == 1
    assert "may have been still forming when it was fetched: then remove that row" in refused.err
    between = call(
        "data", "import", part_of(tmp_path, 0, 500, "ETH_USDT", {499: 29_000.5}),
        part_of(tmp_path, 400, 900, "ETH_USDT"),
    )  # fmt: skip
    assert between.code == 1
    assert "it is the last bar in binance-spot-ETH_USDT-1h-0-500-changed.parquet" in between.err


def test_several_files_of_one_instrument_are_joined_as_a_folder_is(call, home, tmp_path):
    folder = tmp_path / "months"
    folder.mkdir()
    paths = monthly(folder)
    done = call("data", "import", *paths[6:], *paths[:6])
    assert done.code == 0, done.err
    assert "BTC/USDT.BINANCE 1h: imported: 8640 bars are new, 0 were there already; 8640 are stored" in done.out
    assert call("data", "import", folder, "--home", tmp_path / "other").code == 0
    assert series_digest(stored_in(home)) == series_digest(stored_in(tmp_path / "other"))
    # A week that begins in one file and ends in the next is whole all the same.
    for place, given_paths in (("weeks", paths), ("folder", [folder])):
        assert call("data", "import", *given_paths, "--timeframe", "1w", "--home", tmp_path / place).code == 0
    weeks = stored_in(tmp_path / "weeks", timeframe=Timeframe.W1)
    assert series_digest(weeks) == series_digest(stored_in(tmp_path / "folder", timeframe=Timeframe.W1))
    assert len(weeks) == 51  # from Monday, 4 January, on


def test_one_bad_file_keeps_its_instrument_out_and_no_other_and_that_is_said(call, home, tmp_path, candles):
    paths = monthly(tmp_path, symbol="ETHUSDT")
    lines = paths[6].read_text("utf-8").splitlines()
    lines[40] = lines[40].replace(",", ";", 1)
    paths[6].write_text("\n".join(lines), "utf-8")
    funding = tmp_path / "binance-spot-BTC_USDT-funding-2021.parquet"  # of no series: it keeps nothing out
    write_candles(funding, {"ts": wandering(3)["ts"], "rate": np.zeros(3)})
    outcome = call("data", "import", *paths, candles, funding)
    assert outcome.code == 1
    assert f"error: {paths[6]}: line 41 has 5 fields" in outcome.err
    assert "nothing of ETH/USDT.BINANCE was imported: the other 11 files are sound, but not ETHUSDT-1h-2021-07.csv" in (
        outcome.err
    )
    assert "repeat the command" in outcome.err
    assert "BTC/USDT.BINANCE 1h: imported: 2000 bars are new" in outcome.out
    assert [item.name for item in (home / "bars").iterdir()] == ["BTC_USDT.BINANCE"]
    document = call("data", "import", *paths, candles, "--json").document
    assert [item["name"] for item in document["findings"]] == [str(path) for path in (*paths, candles)]
    assert [item["is_imported"] for item in document["series"]] == [False, True]


def test_series_of_several_timeframes_are_kept_apart(call, home, candles, tmp_path):
    days = tmp_path / "binance-spot-BTC_USDT-1d-20210101.parquet"
    columns = wandering(50)
    columns["ts"] = columns["ts"][0] + (columns["ts"] - columns["ts"][0]) * 24
    write_candles(days, columns)
    assert call("data", "import", candles, days).code == 0
    assert (len(stored_in(home)), len(stored_in(home, timeframe=Timeframe.D1))) == (2_000, 50)
    # Where one of them does not fit what is stored, the other is left out, too.
    columns["close"][:] = columns["open"]
    write_candles(days, columns)
    more = part_of(tmp_path, 0, 1_000)
    write_candles(
        more, {name: column - (HOUR_MS * 1_000 if name == "ts" else 0) for name, column in wandering(9).items()}
    )
    assert call("data", "import", more, days).code == 1
    assert len(stored_in(home)) == 2_000


def test_synthetic_and_recorded_bars_are_never_mixed(call, home, candles, tmp_path):
    call("data", "import", candles)
    recorded = stored_in(home)
    made = with_flags(recorded, np.full(len(recorded), BarFlag.SYNTHETIC, dtype=np.uint8))
    info = ParquetBarStore(tmp_path / "made").save(made, "a model")
    for command in ((info.path,), (info.path, candles, "--home", tmp_path / "new")):
        refused = call("data", "import", *command)
        assert refused.code == 1
        assert "are synthetic" in refused.err
        assert "never mixed" in refused.err
    assert series_digest(stored_in(home)) == series_digest(recorded)


def test_an_interrupted_import_leaves_what_was_stored(call, home, candles, tmp_path, monkeypatch):
    call("data", "import", part_of(tmp_path, 0, 1_000))
    before = series_digest(stored_in(home))

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", interrupted)
        assert call("data", "import", candles).code != 0
    assert series_digest(stored_in(home)) == before
    assert call("data", "import", candles).code == 0
    assert len(stored_in(home)) == 2_000


def test_a_disk_that_fills_up_is_told_for_each_series(call, home, candles, tmp_path, monkeypatch):
    first = part_of(tmp_path, 0, 1_000, "ETH_USDT")
    written = pq.ParquetWriter.write_table
    left = [1]

    def fills_up(writer: pq.ParquetWriter, *arguments: object, **options: object) -> None:
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left.pop()
        written(writer, *arguments, **options)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fills_up)
    outcome = call("data", "import", first, candles)
    assert outcome.code == 1
    assert "ETH/USDT.BINANCE 1h: imported: 1000 bars are new" in outcome.out
    assert "BTC/USDT.BINANCE 1h could not be written: No space left on device" in outcome.err
    assert "next: free some space" in outcome.err
    assert [item.name for item in (home / "bars").glob("*/*")] == ["1h.parquet"]


@pytest.mark.slow
def test_a_killed_import_leaves_what_was_stored_and_can_be_repeated(call, home, candles, tmp_path):
    call("data", "import", part_of(tmp_path, 0, 1_000))
    before = series_digest(stored_in(home))
    program = (
        "import os, sys, pyarrow.parquet as pq; from holdfast.cli.main import main\n"
        "pq.ParquetWriter.write_table = lambda *_, **__: os._exit(9)\n"
        "sys.argv[1:] = ['data', 'import', sys.argv[1]]; main()"
    )
    assert subprocess.run([sys.executable, "-c", program, str(candles)], check=False).returncode == 9
    assert series_digest(stored_in(home)) == before
    assert call("data", "import", candles).code == 0
    assert len(stored_in(home)) == 2_000


@pytest.mark.slow
def test_imports_at_the_same_time_lose_nothing_of_each_other(home, tmp_path, call, whole):
    paths = [part_of(tmp_path, first, first + 500) for first in range(0, 2_000, 500)]
    program = "import sys; from holdfast.cli.main import main\nsys.argv[1:] = ['data', 'import', sys.argv[1]]; main()"
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for path in paths]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    assert series_digest(stored_in(home)) == whole


@pytest.mark.slow
def test_a_million_bars_are_joined_in_a_few_copies_of_them(tmp_path):
    walk = make_walk(1_500_000, timeframe=Timeframe.M1, name=BTC)
    store = ParquetBarStore(tmp_path / "home" / "bars")
    store.save(walk.slice(0, 1_000_000), "walk")
    path = ParquetBarStore(tmp_path / "came").save(walk.slice(500_000, 1_500_000), "walk").path
    program = (
        "import sys; from holdfast.cli.actions.data import import_bars\n"
        "assert import_bars({'home': sys.argv[1], 'paths': (sys.argv[2],)}) == 0\n"
        # Not ru_maxrss: a child inherits that from the process that started it.
        "peak = next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))\n"
        "print(int(peak.split()[1]) // 1024, file=sys.stderr)"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "home"), path],
        capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    assert is_same(store.load(BTC, Timeframe.M1), label(walk))
    # A million bars are 47 MiB; the program alone takes about 100.
    assert int(result.stderr) <= 420


def test_an_error_names_its_file_once(call, tmp_path):
    bad = tmp_path / "BTCUSDT-1h-2021-01.csv"
    bad.write_text("timestamp,open,high,low,close,volume\n", "utf-8")
    for command in ("import", "verify"):
        for text in (bad, tmp_path / "none.csv", "/dev/null"):
            said = call("data", command, text).err.splitlines()[0]
            assert said.startswith(f"error: {text}: ")
            assert said.count(os.path.basename(text)) == 1, said
        assert bad.name in call("data", command, bad, "--json").document["findings"][0]["error"]


def test_what_is_no_file_is_called_that(call, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    for command in ("import", "verify"):
        for text in ("/dev/null", pipe):
            outcome = call("data", command, text)
            assert outcome.code == 1
            assert "this is a device, a pipe or a socket" in outcome.err
            assert "next: write its content to a file first" in outcome.err
        outcome = call("data", command, "")
        assert outcome.code == 1
        assert "error: the name of a file is empty" in outcome.err
        assert "next: name a file or a folder" in outcome.err
        assert ": cannot be looked at: File name too long" in call("data", command, "a" * 300).err


def test_a_full_disk_is_told_as_what_it_means_for_an_import(call, candles, home, monkeypatch):
    monkeypatch.setattr("holdfast.app.disk.free_mb", lambda path: 3)
    outcome = call("data", "import", candles)
    assert outcome.code == 1
    assert "3 MiB left, 50 are needed: an import writes the new series beside the old one" in outcome.err
    assert "next: free some space there, or name a home on another disk: --home DIR" in outcome.err
    assert "disk_free_min_mb" not in outcome.err
    assert not (home / "bars").exists()
