"""What the tests of the command line share: a home of their own, and a caller that sees what a shell would see."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from holdfast.cli.main import root

HOUR_MS = 3_600_000

STUBBORN = """
from holdfast.strategies.free import FreeStrategy

class Stubborn(FreeStrategy):
    def on_bar(self, bar):
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
"""
"""A strategy's file: it never returns from a bar, and catches whatever would end it."""
TS_2021_MS = 1_609_459_200_000


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict:
        return json.loads(self.out)


Call = Callable[..., Outcome]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith("HOLDFAST_")]:
        monkeypatch.delenv(name)
    path = tmp_path / "home"
    monkeypatch.setenv("HOLDFAST_HOME", str(path))
    # No recorded market may be found by accident.
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.chdir(place)
    return path


@pytest.fixture
def call(home: Path) -> Call:
    def run(*arguments: object, typed: str | None = None) -> Outcome:
        result = CliRunner().invoke(root, [str(item) for item in arguments], input=typed)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    return run


@pytest.fixture
def candles(tmp_path: Path) -> Path:
    """Give a Parquet file with 2,000 hours of a wandering BTC/USDT."""
    path = tmp_path / "binance-spot-BTC_USDT-1h-20210101-20210325.parquet"
    write_candles(path, wandering(2_000))
    return path


def wandering(bars: int, seed: int = 3) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    close = np.round(30_000 * np.exp(np.cumsum(random.normal(0, 0.006, bars))), 2)
    opening = np.concatenate(([30_000.0], close[:-1]))
    reach = np.round(close * np.abs(random.normal(0, 0.003, bars)), 2)
    return {
        "ts": TS_2021_MS + HOUR_MS * np.arange(bars),
        "open": opening,
        "high": np.maximum(opening, close) + reach,
        "low": np.minimum(opening, close) - reach,
        "close": close,
        "volume": np.round(random.uniform(500, 3_000, bars), 3),
    }


def write_candles(path: Path, columns: dict[str, np.ndarray]) -> None:
    pq.write_table(pa.table(columns), path)
