"""Settings: four layers, each value checked, each error naming its origin."""

from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.app.settings import SECTIONS, Settings, flag, load_settings, read_value
from holdfast.app.settings_file import settings_text
from holdfast.core.errors import ConfigurationError


@pytest.fixture
def file(tmp_path: Path):
    path = tmp_path / "holdfast.toml"

    def write(text: str) -> Path:
        path.write_text(text)
        return path

    return write


def test_without_a_file_everything_is_default(tmp_path):
    assert load_settings(tmp_path / "none.toml", {}).settings == Settings()


def test_flags_beat_the_environment_which_beats_the_file(file):
    path = file("[risk]\nrisk_per_trade = 0.01\npositions_max = 3\n[agent]\npace = 9\n")
    environment = {"HOLDFAST_RISK__RISK_PER_TRADE": "0.015", "HOLDFAST_AGENT__PACE": "7"}
    found = load_settings(path, environment, flag("agent.pace", 5.0, "--pace"))
    assert found.settings.risk.risk_per_trade == Decimal("0.015")
    assert found.settings.risk.positions_max == 3
    assert found.settings.agent.pace == 5.0
    assert found.origins["agent.pace"] == "--pace"
    assert found.origins["risk.risk_per_trade"] == "environment variable HOLDFAST_RISK__RISK_PER_TRADE"
    assert found.origins["risk.positions_max"] == str(path)


@pytest.mark.parametrize(
    ("text", "told", "hint"),
    [
        ("[risk]\nrisk_per_trade = 0.5", "risk.risk_per_trade is 0.5", "[risk]"),
        ("[risk]\nrisk_per_tade = 0.01", "risk.risk_per_tade is not a setting", "did you mean risk_per_trade"),
        ("[rsik]\nrisk_per_trade = 0.01", "section [rsik]", "did you mean risk"),
        ("pace = 3", "'pace' outside a section", "known sections"),
        ("[matching]\nspread_bps = -1", "matching.spread_bps must lie in [0, 1000], found -1", ""),
        ("[matching]\nlatency_ms = 'soon'", "matching.latency_ms is 'soon'", "default"),
        ("[engine]\ncapital = 0", "capital 0", ""),
        ("[market]\ntimeframe = '7h'", "unknown timeframe '7h'", "1h"),
        ("[market]\nstart = 'soon'", "market.start is 'soon'", "2021-05-19"),
        ("[agent]\npace = 0", "agent.pace is 0", "bars per second"),
        ("[venue]\nanswer_timeout_ms = 100", "venue.answer_timeout_ms is 100, valid is 300 to 30000", "round trips"),
        ("[venue]\norders = 'pigeon'", "venue.orders is 'pigeon', valid is rest or socket", "Gate.io"),
        ("[exits]\ntrailing = 'magic'", "exits.trailing is 'magic'", ""),
        ("[live]\non_exit = 'foo'", "live.on_exit is 'foo', valid is keep or cancel_entries", "default"),
        ("[live]\non_exit = 3", "live.on_exit is 3, valid is keep or cancel_entries", "default"),
        ("[risk\n", "cannot be read as TOML", "init --force"),
    ],
)
def test_each_fault_names_file_key_value_and_the_next_step(file, text, told, hint):
    path = file(text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(path, {})
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert hint in caught.value.hint
    assert caught.value.hint


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("HOLDFAST_RISK_RISK_PER_TRADE", "HOLDFAST_RISK__RISK_PER_TRADE"),
        ("HOLDFAST_DATAS", "HOLDFAST_DATA"),
        ("HOLDFAST_RIKS__RISK_MAX", "HOLDFAST_RISK__RISK_MAX"),
    ],
)
def test_a_variable_that_is_no_setting_is_refused_with_the_nearest(tmp_path, name, near):
    with pytest.raises(ConfigurationError) as caught:
        load_settings(tmp_path / "none.toml", {name: "0.01"})
    assert name in str(caught.value)
    assert near in caught.value.hint


def test_every_setting_of_few_words_names_them_in_flag_variable_and_file(tmp_path):
    tried = 0
    for section in SECTIONS:
        kind = type(getattr(Settings(), section))
        for key, words in get_type_hints(kind).items():
            if not (isinstance(words, type) and issubclass(words, Enum)):
                continue
            tried += 1
            for environment, flags in (
                ({f"HOLDFAST_{section}__{key}".upper(): "foo"}, []), ({}, flag(f"{section}.{key}", "foo", "--it")),
            ):  # fmt: skip
                with pytest.raises(ConfigurationError) as caught:
                    load_settings(tmp_path / "none.toml", environment, flags)
                assert all(str(word.value) in str(caught.value) for word in words)
                assert "Invalid enum" not in str(caught.value)
    assert tried


def test_other_variables_are_none_of_ours(tmp_path):
    environment = {"HOLDFAST_REQUIRE_DATA": "1", "HOLDFAST_HOME": "x", "HOLDFAST_DATA": "y", "PATH": "z"}
    assert load_settings(tmp_path / "none.toml", environment).settings == Settings()


def test_an_error_in_the_environment_names_the_variable(tmp_path):
    with pytest.raises(
        ConfigurationError, match=r"environment variable HOLDFAST_RISK__RISK_MAX: risk\.risk_max is 0\.5"
    ):
        load_settings(tmp_path / "none.toml", {"HOLDFAST_RISK__RISK_MAX": "0.5"})


def test_parameters_of_a_strategy_add_up_over_the_layers(file):
    path = file("[strategy]\nname = 'ma_crossover'\nparameters = { fast = 9, slow = 30 }\n")
    flags = flag("strategy.parameters.slow", "50", "--set slow=50")
    assert load_settings(path, {}, flags).settings.strategy.parameters == {"fast": "9", "slow": "50"}


def test_none_switches_off_what_may_be_off(file):
    assert (
        load_settings(file("[matching]\nparticipation_max = 'none'\n"), {}).settings.matching.participation_max is None
    )


def test_the_file_of_init_holds_nothing_but_defaults_and_every_setting(file):
    text = settings_text()
    assert load_settings(file(text), {}).settings == Settings()
    shown = "\n".join(
        line.removeprefix("# ") if line.startswith("# ") and " = " in line and "parameters" not in line else line
        for line in text.splitlines()
    )
    found = load_settings(file(shown), {})
    assert found.settings == Settings()
    count = sum(len(type(getattr(Settings(), name)).__struct_fields__) for name in Settings.__struct_fields__)
    assert len(found.origins) == count - 1  # without the parameters, which no strategy shares


@given(st.text(max_size=40))
def test_any_text_in_a_variable_is_read_or_refused_with_a_message(text):
    environment = {"HOLDFAST_RISK__POSITIONS_MAX": text}
    value = read_value(text)
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100:
        assert load_settings(Path("none.toml"), environment).settings.risk.positions_max == value
    else:
        with pytest.raises(ConfigurationError, match="positions_max"):
            load_settings(Path("none.toml"), environment)
