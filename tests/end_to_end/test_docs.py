"""The commands in the documentation and the examples work as they stand there."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.app.settings import Settings

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
    return [line for block in blocks for line in block.splitlines() if line.startswith("holdfast ")]


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
