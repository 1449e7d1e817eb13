"""A run that goes on takes the bars that follow the last recorded one, or none at all."""

from pathlib import Path

import numpy as np
import pytest
from tests.unit.cli.conftest import TS_2021_MS, Call, Outcome, wandering, write_candles

DAY_MS = 86_400_000
RUN = ("run", "--plain", "--pace", "100000", "--timeframe", "1d", "--strategy", "ma_crossover")
START = ("--from", "2021-01-01")


@pytest.fixture
def recorded(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give 1,000 days of BTC/USDT: a new run begins with the last two years of them, unless it is told otherwise."""
    folder = tmp_path / "data"
    folder.mkdir()
    columns = {**wandering(1_000), "ts": TS_2021_MS + DAY_MS * np.arange(1_000)}
    write_candles(folder / "binance-spot-BTC_USDT-1d-20210101-20230927.parquet", columns)
    monkeypatch.setenv("HOLDFAST_DATA", str(folder))


@pytest.fixture
def begun(recorded: None, call: Call) -> None:
    """Let a run trade the first 30 days."""
    assert call(*RUN, *START, "--bars", "30").code == 0


def standing(call: Call, *place: object) -> tuple[int, str, str]:
    found = call("status", "--json", *place).document["status"]
    return found["bars"], found["ts"], found["digest"]


def went_on(outcome: Outcome) -> bool:
    return outcome.code == 0 and "goes on at 2021-01-31 00:00 UTC" in outcome.out


def test_without_a_start_it_takes_the_bars_that_follow_the_recorded_ones(begun: None, call: Call, tmp_path: Path):
    assert went_on(call(*RUN, "--bars", "5"))
    other = ("--home", tmp_path / "straight")
    assert call(*RUN, *START, "--bars", "35", *other).code == 0
    assert standing(call) == standing(call, *other)


def test_without_a_start_it_may_end_before_a_new_run_would_begin(begun: None, call: Call):
    assert went_on(call(*RUN, "--until", "2021-02-03"))
    assert standing(call)[:2] == (33, "2021-02-03T00:00:00Z")


def test_a_start_that_leaves_bars_out_is_refused(begun: None, call: Call):
    before = standing(call)
    refused = call(*RUN, "--from", "2022-03-01", "--bars", "5")
    assert refused.code == 2
    assert "2021-01-31T00:00:00Z" in refused.err
    assert "2022-03-01T00:00:00Z" in refused.err
    assert "--from" in refused.err
    assert "--fresh" in refused.err
    assert standing(call) == before
    assert call(*RUN, "--from", "2022-03-01", "--bars", "5", "--fresh").code == 0


@pytest.mark.parametrize("start", ["2021-01-01", "2021-01-20", "2021-01-31"])
def test_a_start_that_leaves_none_out_goes_on(begun: None, call: Call, start: str):
    assert went_on(call(*RUN, "--from", start, "--bars", "1"))
    assert standing(call)[:2] == (31, "2021-02-01T00:00:00Z")


@pytest.mark.parametrize("end", ["2021-01-10", "2021-01-31"])
def test_a_market_without_later_bars_is_told(begun: None, call: Call, end: str):
    before = standing(call)
    outcome = call(*RUN, *START, "--until", end)
    assert went_on(outcome)
    assert "no bars after 2021-01-31 00:00 UTC" in outcome.out
    assert "--until" in outcome.out
    assert standing(call) == before


def test_a_new_run_begins_with_the_last_two_years(recorded: None, call: Call):
    assert call(*RUN, "--bars", "1").code == 0
    assert standing(call)[:2] == (1, "2021-09-28T00:00:00Z")
