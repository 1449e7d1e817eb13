"""`holdfast data`: what is good is kept, what is not is refused with its row."""

import csv

import pytest
from tests.unit.cli.conftest import wandering, write_candles


def test_bars_are_imported_listed_verified_and_traded(call, candles, home):
    done = call("data", "import", candles)
    assert done.code == 0, done.err
    assert "BTC/USDT.BINANCE 1h, 2000 bars" in done.out
    listed = call("data", "list", "--json").document["datasets"]
    assert [item["instrument_id"] for item in listed] == ["BTC/USDT.BINANCE"]
    assert listed[0]["ts_first"] == "2021-01-01T00:00:00Z"
    assert "BTC/USDT.BINANCE" in call("data", "list").out
    assert call("data", "verify").code == 0
    tested = call("backtest", "--instrument", "BTC/USDT", "--timeframe", "4h", "--strategy", "ma_crossover", "--json")
    assert tested.code == 0, tested.err
    assert tested.document["bars"] == 500
    assert call("doctor", "--json").document["is_healthy"]


def test_an_empty_store_says_what_to_do(call):
    assert "holdfast data import" in call("data", "list").out
    assert call("data", "list", "--json").document == {"datasets": [], "damaged": []}


def test_one_bad_file_does_not_keep_the_others_out(call, candles, tmp_path):
    bad = tmp_path / "binance-spot-ETH_USDT-1h-bad.parquet"
    columns = wandering(50)
    columns["ts"][10] = columns["ts"][9]
    write_candles(bad, columns)
    outcome = call("data", "import", bad, candles, "--json")
    assert outcome.code == 1
    findings = outcome.document["findings"]
    assert [item["is_sound"] for item in findings] == [False, True]
    assert "row 10" in findings[0]["error"]
    assert findings[0]["next"]
    assert len(call("data", "list", "--json").document["datasets"]) == 1


def test_a_damaged_store_is_found(call, candles, home):
    call("data", "import", candles)
    stored = next((home / "bars").glob("*/*.parquet"))
    content = bytearray(stored.read_bytes())
    content[len(content) // 3] ^= 0xFF
    stored.write_bytes(bytes(content))
    outcome = call("data", "verify")
    assert outcome.code == 1
    assert "BTC_USDT.BINANCE 1h" in outcome.err
    assert "next: " in outcome.err


@pytest.fixture
def store_with_damage(call, candles, home, tmp_path):
    """Give the damaged one of three stored files: its footer is cut off."""
    for name, seed in (("ETH_USDT", 5), ("SOL_USDT", 6)):
        other = tmp_path / f"binance-spot-{name}-1h-20210101-20210325.parquet"
        write_candles(other, wandering(2_000, seed))
        assert call("data", "import", other).code == 0
    assert call("data", "import", candles).code == 0
    stored = home / "bars" / "ETH_USDT.BINANCE" / "1h.parquet"
    stored.write_bytes(stored.read_bytes()[:-30])
    return stored


def test_a_list_shows_what_is_sound_and_names_what_is_damaged(call, store_with_damage):
    listed = call("data", "list")
    assert listed.code == 1
    assert "BTC/USDT.BINANCE" in listed.out
    assert "SOL/USDT.BINANCE" in listed.out
    assert "ETH" not in listed.out
    assert f"error: ETH/USDT.BINANCE 1h: {store_with_damage}: the file is damaged" in listed.err
    assert "next: delete this file and import its bars again" in listed.err
    document = call("data", "list", "--json").document
    assert [item["instrument_id"] for item in document["datasets"]] == ["BTC/USDT.BINANCE", "SOL/USDT.BINANCE"]
    assert [item["path"] for item in document["damaged"]] == [str(store_with_damage)]
    assert document["damaged"][0]["next"]
    checked = call("data", "verify", "--json")
    assert checked.code == 1
    assert [item["is_sound"] for item in checked.document["findings"]] == [True, False, True]
    doctor = call("doctor")
    assert doctor.code == 1
    assert str(store_with_damage) in doctor.out


def test_a_damaged_file_stops_no_backtest_over_others(call, store_with_damage):
    arguments = ("backtest", "--timeframe", "4h", "--strategy", "ma_crossover")
    named = call(*arguments, "--instrument", "BTC/USDT", "--json")
    assert named.code == 0, named.err
    assert named.document["instruments"] == ["BTC/USDT.BINANCE"]
    chosen = call(*arguments, "--json")
    assert chosen.code == 0, chosen.err
    assert chosen.document["instruments"] == ["BTC/USDT.BINANCE", "SOL/USDT.BINANCE"]
    (note,) = [note for note in chosen.document["notes"] if "left out" in note]
    assert note.startswith("ETH/USDT.BINANCE is left out")
    assert "import its bars again" in note
    refused = call(*arguments, "--instrument", "ETH/USDT")
    assert refused.code == 1
    assert f"{store_with_damage}: the file is damaged" in refused.err


def test_bars_whose_checksum_is_wrong_leave_only_their_market_out(call, store_with_damage, home):
    stored = home / "bars" / "SOL_USDT.BINANCE" / "1h.parquet"
    content = bytearray(stored.read_bytes())
    content[len(content) // 3] ^= 0xFF
    stored.write_bytes(bytes(content))
    done = call("backtest", "--timeframe", "1h", "--strategy", "ma_crossover", "--json")
    assert done.code == 0, done.err
    assert done.document["instruments"] == ["BTC/USDT.BINANCE"]
    assert len([note for note in done.document["notes"] if "left out" in note]) == 2


def test_an_agent_does_not_drop_a_damaged_market_in_silence(call, store_with_damage):
    done = call("run", "--plain", "--timeframe", "1h", "--strategy", "ma_crossover", "--bars", "5", "--pace", "100000")
    assert done.code == 1
    assert f"{store_with_damage}: the file is damaged" in done.err
    assert "or trade without it: --instrument " in done.err


def test_a_damaged_series_is_made_from_a_sound_finer_one(call, store_with_damage, candles):
    assert call("data", "import", candles, "--timeframe", "4h").code == 0
    coarse = store_with_damage.parent.parent / "BTC_USDT.BINANCE" / "4h.parquet"
    coarse.write_bytes(b"")
    done = call("backtest", "--instrument", "BTC/USDT", "--timeframe", "4h", "--strategy", "ma_crossover", "--json")
    assert done.code == 0, done.err
    assert done.document["bars"] == 500


def test_files_are_checked_without_being_kept(call, candles, home):
    assert call("data", "verify", candles).code == 0
    assert not (home / "bars").exists()
    assert call("data", "verify", candles.parent / "none.parquet").code == 1


def test_a_csv_out_of_order_is_mended_only_when_it_is_asked_for(call, tmp_path):
    path = tmp_path / "Binance_BTCUSDT_1h.csv"
    columns = wandering(40)
    rows = [[columns[name][index] for name in columns] for index in reversed(range(40))]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        writer.writerows(rows)
    refused = call(
        "data", "import", path, "--instrument", "BTC/USDT.BINANCE", "--timeframe", "1h", "--format", "generic"
    )
    if refused.code:  # newest first is a known habit of exports, which the reader may know
        assert "next: " in refused.err
        mended = call(
            "data", "import", path, "--instrument", "BTC/USDT.BINANCE", "--timeframe", "1h", "--format", "generic",
            "--repair", "sort",
        )  # fmt: skip
        assert mended.code == 0, mended.err


def test_wrong_arguments_are_named(call, candles):
    assert "xml" in call("data", "import", candles, "--format", "xml").err
    assert "magic" in call("data", "import", candles, "--repair", "magic").err
    assert call("data", "import", candles, "--timeframe", "9h").code == 2
    assert call("data", "import").code == 2


def newest_first(path, swap=()):
    columns = wandering(40)
    rows = [[columns[name][index] for name in columns] for index in reversed(range(40))]
    if swap:
        rows[swap[0]], rows[swap[1]] = rows[swap[1]], rows[swap[0]]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["timestamp", "open", "high", "low", "close", "volume"])
        writer.writerows(rows)
    return path


def test_rows_that_come_newest_first_are_reversed_and_that_is_said(call, tmp_path):
    path = newest_first(tmp_path / "Binance_BTCUSDT_1h.csv")
    said = "rows were newest first and have been reversed"
    assert f"note: {path.name}: {said}" in call("data", "import", path).out
    finding = call("data", "import", path, "--json").document["findings"][0]
    assert finding["report"]["notes"] == [f"{path.name}: {said}"]
    arguments = ("backtest", "--data", path, "--timeframe", "1h", "--strategy", "ma_crossover")
    assert said in call(*arguments).err
    assert any(said in note for note in call(*arguments, "--json").document["notes"])
    assert any(
        said in note for note in call("backtest", "--data", tmp_path, *arguments[3:], "--json").document["notes"]
    )


def test_any_other_disorder_is_refused(call, tmp_path):
    outcome = call("data", "import", newest_first(tmp_path / "Binance_BTCUSDT_1h.csv", (3, 7)))
    assert outcome.code == 1
    assert "not in the order of time" in outcome.err


def test_a_file_that_is_not_there_is_called_that(call, tmp_path):
    for text in ("/nope.csv", tmp_path / "none.csv", "/nope.parquet", "/nope"):
        for command in ("import", "verify"):
            outcome = call("data", command, text)
            assert "there is no such file" in outcome.err, (text, outcome.err)
            assert outcome.code == 1


def test_a_false_bar_is_named_with_its_prices_and_a_real_collapse_is_not_called_one(call, candles):
    columns = wandering(200)
    prices = ("open", "high", "low", "close")
    for name in prices:
        columns[name][142] = 0.01
        columns[name][151:] *= 0.04
    columns["close"][150] *= 0.04
    columns["low"][150] = columns["close"][150]
    write_candles(candles, columns)
    checked = call("data", "verify", candles)
    assert checked.code == 0
    assert "false print at 2021-01-06 22:00 UTC: open 0.01, high 0.01, low 0.01, close 0.01; neither" in checked.err
    assert "false print at 2021-01-07" not in checked.err
    assert "2021-01-07 06:00 UTC: low " in checked.out
    assert "the next bar confirms it" in checked.out
    (finding,) = call("data", "verify", candles, "--json").document["findings"]
    false, real = finding["report"]["suspect_bars"]
    assert false == {"ts": "2021-01-06T22:00:00Z", "prices": dict.fromkeys(prices, 0.01), "is_believed": False}
    assert (real["ts"], real["is_believed"]) == ("2021-01-07T06:00:00Z", True)


def test_no_trade_is_made_at_a_false_price_from_a_file_or_from_the_store(call, candles):
    columns = wandering(2_000)
    for row in range(100, 2_000, 37):
        columns["low"][row] = columns["close"][row] = 0.01
    write_candles(candles, columns)
    many = call("data", "verify", candles)
    assert many.err.count("false print at") == 5
    assert "and 47 more like it" in many.out
    common = ("--instrument", "BTC/USDT", "--timeframe", "1h", "--strategy", "ma_crossover", "--json")
    assert call("data", "import", candles).code == 0
    tested = [call("backtest", *common, *where) for where in ((), ("--data", candles))]
    assert [outcome.code for outcome in tested] == [0, 0]
    one, other = (outcome.document for outcome in tested)
    assert one["digest"] == other["digest"]
    assert any("52 false prints; nothing was filled or sized from them" in text for text in one["warnings"])


def test_to_replace_all_and_to_replace_the_last_bar_contradict_each_other(call, candles):
    told = call("data", "import", candles, "--replace", "--replace-last")
    assert told.code == 2
    assert "contradict each other" in told.err
    assert "next:" in told.err
