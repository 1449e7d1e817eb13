"""Help is there at once, complete, and true."""

import subprocess
import sys

import click
import pytest

from holdfast.cli.lazy import LazyGroup
from holdfast.cli.main import root

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
