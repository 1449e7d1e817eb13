"""The commands in the documentation and the examples work as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from holdfast.app.settings import Settings
from holdfast.app.settings_file import toml_value
from holdfast.cli.delivery import UNREAD
from holdfast.cli.failures import FAILED, INTERRUPTED, USAGE
from holdfast.cli.lazy import LazyGroup
from holdfast.cli.main import root
from holdfast.core.errors import RefusedError

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "holdfast"
    program.write_text(f"#!{sys.executable}\nfrom holdfast.cli.main import main\nmain()\n")
    program.chmod(0o755)
    return {**kept, "HOLDFAST_HOME": str(tmp_path / "home"), "PATH": f"{folder}:{os.environ['PATH']}"}


def commands(page: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / page).read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line.startswith("holdfast ")]


@pytest.mark.slow
def test_every_command_of_the_manual_runs(environment, tmp_path):
    lines = commands("docs/cli.md")
    assert len(lines) > 20
    for line in lines:
        done = subprocess.run(
            shlex.split(line), env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_every_command_of_the_readme_runs(environment, tmp_path):
    # What `make run` starts, for as long as it takes to hold something.
    start = "holdfast run --plain --market synthetic --strategy ma_crossover --bars 400 --pace 100000"
    lines = commands("README.md")
    assert len(lines) > 7
    for line in (start, *lines):
        words = shlex.split(line, comments=True)
        done = subprocess.run(
            [*words, "--yes"] if words[1] in ("stop", "resume") else words,  # there is nobody to type the word
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


@pytest.mark.slow
def test_the_example_of_a_strategy_trades_and_sees_no_future(environment, tmp_path):
    base = ("holdfast", "backtest", "--data", "synthetic", "--instrument", "BTC/USDT", "--to", "2024-06-01")
    strategy = f"{ROOT / 'examples' / 'strategy_of_my_own.py'}:Breakout"
    for more in (("--set", "hours=30"), ("--check-lookahead",)):
        done = subprocess.run(
            [*base, "--strategy", strategy, *more], env=environment, cwd=tmp_path, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    refused = subprocess.run(
        [*base, "--strategy", strategy, "--set", "hours=1"], env=environment, capture_output=True, text=True
    )
    assert refused.returncode == 2
    assert "hours must be at least 2" in refused.stderr


@pytest.mark.slow
def test_the_example_of_a_stop_proves_it(environment):
    done = subprocess.run(
        [ROOT / "examples" / "watch_and_stop.sh"], env=environment, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stop level flatten (the running agent)" in done.stdout
    assert "0 positions" in done.stdout


def test_the_settings_page_names_every_setting_with_its_default():
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    missing = [
        f"{section}.{key}"
        for section in Settings.__struct_fields__
        for key in type(getattr(Settings(), section)).__struct_fields__
        if f"`{key}`" not in text
    ]
    assert not missing, f"docs/settings.md says nothing of {', '.join(missing)}"


PAGES = ("README.md", "docs/cli.md", "docs/settings.md", "docs/risk.md")
FOREIGN = ("sudo", "git", "make", "python", "ps ", "ls ")  # lines of a block that are somebody else's commands
SHARED = {"--help", "--home", "--debug"}
flag_like = re.compile(r"(?<![\w-])--?[a-z](?:[a-z-]*[a-z])?(?![\w-])")


def real_commands(group: LazyGroup = root, before: tuple[str, ...] = ()) -> dict[str, click.Command]:
    context = click.Context(group)
    found: dict[str, click.Command] = {}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        path = (*before, name)
        if isinstance(command, LazyGroup):
            found |= real_commands(command, path)
        elif command is not None:
            found[" ".join(path)] = command
    return found


def taken(command: click.Command) -> set[str]:
    """Give flags as they are typed, and arguments as the help calls them."""
    found: set[str] = set()
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            found |= {*parameter.opts, *parameter.secondary_opts}
        else:
            found.add((parameter.metavar or "").strip("[]"))
    return found - SHARED


def documented(page: str) -> dict[str, set[str]]:
    """Give what the list of the manual says that each command takes."""
    _, _, section = page.partition("\n## Every command and what it takes\n")
    rows = re.findall(r"^\* `([a-z -]+)`: ((?:.*\n)(?:  .*\n)*)", section, flags=re.MULTILINE)
    return {name: {code.split()[0].strip("[]") for code in re.findall(r"`([^`]+)`", row)} for name, row in rows}


def test_the_manual_lists_every_command_with_all_that_it_takes_and_nothing_else():
    listed = documented((ROOT / "docs" / "cli.md").read_text("utf-8"))
    real = {name: taken(command) for name, command in real_commands().items()}
    assert listed.keys() == real.keys()
    for name, parts in real.items():
        assert listed[name] == parts, name


def test_every_flag_that_a_page_names_is_one_of_a_command_of_ours():
    known = {"-n", "-f", "--version", *SHARED}.union(*(taken(command) for command in real_commands().values()))
    for page in PAGES:
        codes = re.findall(r"^```sh\n(.*?)^```|`([^`\n]+)`", (ROOT / page).read_text("utf-8"), re.DOTALL | re.MULTILINE)
        text = "\n".join(line for pair in codes for line in "".join(pair).splitlines() if not line.startswith(FOREIGN))
        assert not set(flag_like.findall(text)) - known, page


def test_every_command_that_a_page_names_is_there():
    names = {name.split(" ")[0] for name in real_commands()}
    for page in PAGES:
        called = re.findall(r"(?:`|bin/|^)holdfast ([a-z][a-z-]*)", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        assert not set(called) - names, page


def test_the_manual_says_what_each_exit_code_means_that_the_help_names():
    text = (ROOT / "docs" / "cli.md").read_text("utf-8")
    codes = re.findall(r"(\d+) [a-z]", root.epilog or "")
    assert {str(code) for code in (FAILED, USAGE, INTERRUPTED, UNREAD, RefusedError.exit_code)} <= set(codes)
    assert not [code for code in codes if f"**{code}**" not in text]


def test_the_settings_page_gives_every_default():
    text = (ROOT / "docs" / "settings.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", text, flags=re.MULTILINE))
    inline = dict(re.findall(r"`(\w+)` ([^·\n]+?)(?= ·|\n)", text))
    wrong = []
    for section in Settings.__struct_fields__:
        part = getattr(Settings(), section)
        for key in part.__struct_fields__:
            said = (rows if key in rows else inline)[key].strip('"')
            default = toml_value(getattr(part, key)).strip('"')
            if key not in {"drawdown_steps", "parameters"} and said != default and not same_number(said, default):
                wrong.append(f"{section}.{key}: {said}, not {default}")
    assert not wrong


def same_number(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return False


@pytest.mark.parametrize("page", ["docs/extending.md", "ARCHITECTURE.md"])
def test_every_file_that_a_page_sends_to_is_there(page: str):
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"`((?:src|tests|docs|examples|benchmarks)/[\w./-]+)`", text))
    assert named, "the page names no file"
    assert not [name for name in sorted(named) if not (ROOT / name).exists()]
