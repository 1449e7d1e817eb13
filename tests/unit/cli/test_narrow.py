"""On a narrow terminal everything can be read: nothing is cut, left out, or torn in the middle of a word."""

import fcntl
import os
import re
import struct
import termios

import pytest
from click.testing import CliRunner
from tests.unit.cli.conftest import wandering, write_candles

from holdfast.cli.main import root
from holdfast.cli.output import columns, folded

RUN = ("run", "--plain", "--market", "synthetic", "--strategy", "ma_crossover", "--bars", "333", "--pace", "100000")
COMMANDS = [
    ("status",), ("positions",), ("orders",), ("risk",), ("explain", "hf-1p"), ("why-not", "BTC/USDT"),
    ("strategies",), ("doctor",), ("data", "list"), ("data", "verify"), ("journal", "verify"), ("journal", "replay"),
    ("stop", "--level", "flatten", "--dry-run"),
]  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Give the home of an agent that holds positions, with bars in its store."""
    place = tmp_path_factory.mktemp("narrow")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("HOLDFAST_") or name == "COLUMNS"]:
            patch.delenv(name)
        patch.setenv("HOLDFAST_HOME", str(place / "home"))
        patch.chdir(place)
        assert CliRunner().invoke(root, RUN).exit_code == 0
        candles = place / "binance-spot-BTC_USDT-1h-20210101-20210325.parquet"
        write_candles(candles, wandering(500))
        assert CliRunner().invoke(root, ["data", "import", str(candles)]).exit_code == 0
        yield patch


def printed(home, arguments, width=None):
    if width is None:
        home.delenv("COLUMNS", raising=False)
    else:
        home.setenv("COLUMNS", str(width))
    result = CliRunner().invoke(root, list(arguments))
    assert result.exit_code == 0, result.output
    return re.sub(r"\d+\.\d\d s|[\d,]+ records/s|[\d:]+ UTC|\d+ MiB", "TIME", result.output)


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_every_reading_command_fits_and_loses_nothing(home, arguments, width):
    wide, narrow = printed(home, arguments), printed(home, arguments, width)
    for line in narrow.splitlines():
        # Only a word that is too long by itself (a digest, a path) may stand out: it is whole, to be copied.
        assert len(line) <= width or max(map(len, line.split())) > width // 2, line
    missing = set(wide.split()) - set(narrow.split()) - {"Label", "TIME"}  # a title without a value says nothing
    assert not missing


def test_a_file_or_a_program_gets_whole_lines(home):
    rows = printed(home, ("orders",)).splitlines()
    assert rows[0].split()[0] == "Order"
    assert len({len(re.split(r"\s{2,}", row)) for row in rows}) == 1
    assert max(map(len, printed(home, ("explain", "hf-1p")).splitlines())) > 150


@pytest.mark.parametrize(("stated", "size", "width"), [("", 50, 50), ("", 0, 80), ("0", 50, 50), ("60", 50, 60)])
def test_the_terminal_itself_is_asked_for_its_width(monkeypatch, stated, size, width):
    leader, follower = os.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, size, 0, 0))
    with open(follower, "w") as terminal, open(os.devnull, "w") as nowhere:
        monkeypatch.setenv("COLUMNS", stated)
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setattr("sys.stdout", nowhere)
        assert columns(err=True) == width
        assert columns() == (60 if stated == "60" else None)
    os.close(leader)


def test_words_stay_whole_and_what_follows_hangs():
    assert folded("  one two three", 9) == ["  one two", "    three"]
    assert folded("a/very/long/path here", 10) == ["a/very/long/path", "  here"]
    assert folded("short", 40) == ["short"]
    assert folded(" " * 50, 40) == [" " * 50]
    assert folded("any length at all", None) == ["any length at all"]
