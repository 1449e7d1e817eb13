"""Help is there at once, complete, and true."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from holdfast.cli.delivery import UNREAD
from holdfast.cli.failures import INTERRUPTED
from holdfast.cli.lazy import LazyGroup
from holdfast.cli.main import root
from holdfast.core import errors
from holdfast.core.errors import HoldfastError

# What must not be imported before a command runs: each of them costs a good part of the time that help may take.
HEAVY = {"numpy", "pyarrow", "rich", "msgspec", "platformdirs", "sqlite3", "asyncio"}


def commands() -> list[tuple[str, ...]]:
    context = click.Context(root)
    found: list[tuple[str, ...]] = []
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        found.append((name,))
        if isinstance(command, LazyGroup):
            found += [(name, inner) for inner in command.list_commands(context)]
    return found


def test_all_commands_of_the_design_are_there():
    names = {" ".join(path) for path in commands()}
    assert names >= {
        "run", "demo", "backtest", "status", "positions", "orders", "explain", "why-not", "risk", "stop", "resume",
        "data import", "data list", "data verify", "journal tail", "journal verify", "journal export",
        "journal replay", "strategies", "doctor", "init",
    }  # fmt: skip


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_each_command_explains_itself(call, path):
    outcome = call(*path, "--help")
    assert outcome.code == 0
    assert outcome.out.startswith(f"Usage: holdfast {' '.join(path)}")
    assert "--help" in outcome.out


@pytest.mark.parametrize("path", [path for path in commands() if path not in {("data",), ("journal",)}], ids=" ".join)
def test_each_command_takes_a_home_of_its_own_and_reading_ones_print_json(call, path):
    options = call(*path, "--help").out
    assert "--debug" in options
    if path != ("demo",):
        assert "--home" in options
    if path not in {("demo",), ("run",)}:
        assert "--json" in options


def test_the_exit_codes_that_are_told_are_those_that_exist(call):
    told = call("--help").out.partition("Exit codes:")[2]
    assert {int(code) for code in re.findall(r"\d+", told)} == {0, *known_codes(), INTERRUPTED, UNREAD}


def test_the_page_tells_each_exit_code():
    page = (Path(__file__).parents[3] / "docs" / "cli.md").read_text()
    part = page[page.index("Exit codes: **0**") : page.index("An unexpected error")]
    assert {int(code) for code in re.findall(r"\*\*(\d+)\*\*", part)} == {0, *known_codes(), INTERRUPTED, UNREAD}


def known_codes() -> set[int]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HoldfastError)]
    return {kind.exit_code for kind in kinds}


def test_help_imports_nothing_heavy():
    for arguments in (["--help"], ["run", "--help"], ["backtest", "--help"], ["data", "import", "--help"]):
        script = (
            "import sys\nfrom holdfast.cli.main import root\n"
            f"try: root.main({arguments!r})\nexcept SystemExit: pass\n"
            "print('LOADED', *sorted(sys.modules), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        loaded = set(done.stderr.split("LOADED")[1].split())
        assert not HEAVY & loaded, arguments


def test_a_command_that_is_mistyped_is_guessed(call):
    outcome = call("statsu")
    assert outcome.code == 2
    assert "did you mean status" in outcome.err


def test_an_option_that_is_mistyped_is_guessed(call):
    outcome = call("backtest", "--instrumnt", "BTC/USDT")
    assert outcome.code == 2
    assert "--instrument" in outcome.err
    assert "next: holdfast backtest --help" in outcome.err


def test_version_is_told(call):
    assert call("--version").out.startswith("holdfast 0.")


def test_home_may_stand_before_the_command(call, tmp_path):
    other = tmp_path / "other"
    assert call("--home", other, "init").code == 0
    assert (other / "holdfast.toml").is_file()
