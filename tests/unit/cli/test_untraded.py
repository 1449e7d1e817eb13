"""Mark and index prices, premiums and funding: kept and labelled where they may be, and never traded."""

from pathlib import Path

import pytest
from tests.unit.cli.conftest import Call, wandering, write_candles

RUN = ("run", "--plain", "--timeframe", "1h", "--strategy", "ma_crossover", "--pace", "100000", "--bars", "5")
BACKTEST = ("backtest", "--timeframe", "1h", "--strategy", "ma_crossover")


def made(folder: Path, kind: str) -> Path:
    path = folder / f"gateio-perp-BTC_USDT-1h{kind}-20210101-20210325.parquet"
    write_candles(path, wandering(200))
    return path


@pytest.mark.parametrize("kind", ["mark", "index"])
@pytest.mark.parametrize("named", [(), ("--instrument", "BTC/USDT"), ("--instrument", "BTC/USDT-PERP.GATEIO")])
def test_a_file_of_prices_that_nobody_trades_is_refused(call: Call, tmp_path: Path, kind: str, named: tuple[str, ...]):
    path = made(tmp_path, f"-{kind}")
    for arguments in ((*BACKTEST, "--data", path), (*RUN, "--market", path)):
        outcome = call(*arguments, *named)
        assert outcome.code == 1
        assert f"this file holds {kind} prices, which nobody trades" in outcome.err
        assert "next: name a candle file" in outcome.err
        assert "a new run" not in outcome.out


@pytest.mark.parametrize("kind", ["1h-premium", "funding"])
def test_a_file_of_rates_is_refused(call: Call, tmp_path: Path, kind: str):
    path = tmp_path / f"gateio-perp-BTC_USDT-{kind}-20210101-20210325.parquet"
    write_candles(path, wandering(200))
    for arguments in ((*BACKTEST, "--data", path), (*RUN, "--market", path), ("data", "import", path)):
        outcome = call(*arguments)
        assert outcome.code == 1
        assert f"this file holds {kind.removeprefix('1h-')}, not candles" in outcome.err


def test_a_folder_of_candles_and_marks_gives_the_candles_alone(call: Call, tmp_path: Path):
    folder = tmp_path / "market"
    folder.mkdir()
    made(folder, "-mark")
    made(folder, "-index")
    for arguments in ((*BACKTEST, "--data", folder), (*RUN, "--market", folder)):
        outcome = call(*arguments)
        assert outcome.code == 1
        assert "no 1h candles in this folder, only index prices, mark prices, which nobody trades" in outcome.err
    made(folder, "")
    assert call(*BACKTEST, "--data", folder, "--json").document["instruments"] == ["BTC/USDT-PERP.GATEIO"]
    assert "ma_crossover on BTC/USDT-PERP.GATEIO 1h" in call(*RUN, "--market", folder).out
    named = call(*BACKTEST, "--data", folder, "--instrument", "BTC/USDT-MARK.GATEIO")
    assert named.code == 1
    assert "BTC/USDT-MARK.GATEIO holds mark prices, which nobody trades" in named.err


def test_a_home_lists_marks_as_such_and_trades_its_candles(call: Call, tmp_path: Path):
    assert "mark prices, which nobody trades" in call("data", "import", made(tmp_path, "-mark")).out
    assert "MARK PRICES: not traded" in call("data", "list").out
    for arguments in (RUN, BACKTEST):
        refused = call(*arguments)
        assert refused.code == 1
        assert "only mark prices, which nobody trades" in refused.err
    assert call("data", "import", made(tmp_path, "")).code == 0
    assert "ma_crossover on BTC/USDT-PERP.GATEIO 1h" in call(*RUN).out


def test_marks_are_not_imported_under_the_name_of_a_market(call: Call, tmp_path: Path):
    path = made(tmp_path, "-mark")
    refused = call("data", "import", path, "--instrument", "BTC/USDT-PERP.GATEIO")
    assert refused.code == 1
    assert "has no market BTC/USDT-PERP.GATEIO" in refused.err
    nameless = path.rename(tmp_path / "some.parquet")
    for name in ("BTC/USDT-MARK.KRAKEN", "ETH/USDT-INDEX"):
        assert call("data", "import", nameless, "--instrument", name).code == 0
    listed = call("data", "list", "--json").document["datasets"]
    assert [item["instrument_id"] for item in listed] == ["BTC/USDT-MARK.KRAKEN", "ETH/USDT-INDEX.FILE"]
    stored = next((tmp_path / "home" / "bars").glob("*MARK*/1h.parquet"))
    again = call(*BACKTEST, "--data", stored, "--instrument", "BTC/USDT.KRAKEN")
    assert again.code == 2
    assert "cannot be BTC/USDT.KRAKEN" in again.err
