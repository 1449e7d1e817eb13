"""The manual names every rule and every key, with the default that the code has."""

import re
from pathlib import Path

import pytest

from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig

MANUAL = (Path(__file__).resolve().parents[3] / "docs" / "risk.md").read_text("utf-8")


def test_manual_names_every_rule(room):
    for rule in [*(check.rule for check in room.review().checks), "INPUT_SOUND", "OPINION_VETO"]:
        assert f"`{rule}`" in MANUAL, rule


@pytest.mark.parametrize("config", [RiskConfig(), ExitConfig()], ids=lambda config: type(config).__name__)
def test_manual_names_every_key_with_its_default(config):
    for key in type(config).__struct_fields__:
        assert f"`{key}" in MANUAL, key
        default = getattr(config, key)
        if isinstance(default, bool | str | tuple) or default is None:
            continue
        numbers = {float(number) for number in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", lines_with(key))}
        assert float(default) in numbers, f"{key} is {default} by default"


def lines_with(key: str) -> str:
    return "\n".join(line for line in MANUAL.splitlines() if f"`{key}`" in line or f"`{key} " in line)
