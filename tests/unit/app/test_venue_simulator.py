"""How the simulated venue is put together: accounts, balances, its folder, and the bars of several markets at once."""

from decimal import Decimal
from itertools import islice

import pytest
from tests.conftest import recorded_file

from holdfast.app.home import Home
from holdfast.app.sections import MarketSettings
from holdfast.app.venue_accounts import parse_account
from holdfast.app.venue_simulator import (
    CREDENTIALS_FILE,
    VenuePlan,
    open_venue,
    parse_balances,
    state_folder,
)
from holdfast.core.errors import ConfigurationError
from holdfast.simulator.state_folder import StateFolder

MARKET = MarketSettings("synthetic", ("BTC/USDT", "ETH/USDT"), "1m")


def test_balances_are_read_exactly():
    assert parse_balances("USDT=10000, btc=0.10000001") == {"USDT": Decimal(10_000), "BTC": Decimal("0.10000001")}


@pytest.mark.parametrize("text", ["", "USDT", "USDT=", "USDT=-1", "USDT=NaN", "USDT=1,USDT=2", "=5", "US DT=1"])
def test_what_is_no_balance_is_refused(text):
    with pytest.raises(ConfigurationError, match="no balance"):
        parse_balances(text)


@pytest.mark.parametrize("text", ["", "key", "key:", ":secret"])
def test_what_is_no_account_is_refused_without_a_word_of_it(text):
    with pytest.raises(ConfigurationError) as refused:
        parse_account(text)
    assert not text or text not in str(refused.value)


def test_a_secret_may_hold_a_colon():
    assert parse_account("key:a:b") == ("key", "a:b")


def test_a_venue_opens_with_its_past_and_both_markets_move_together(tmp_path):
    with StateFolder(tmp_path / "v") as folder:
        desk, notes = open_venue(Home(tmp_path), VenuePlan(MARKET, (("k", "s"),), {"USDT": Decimal(5)}), folder)
        exchange = desk.exchange
        assert set(exchange.markets) == {"BTC_USDT", "ETH_USDT"}
        assert any("synthetic" in note for note in notes)
        assert {len(market.prints.finished) for market in exchange.markets.values()} == {1_000}
        assert desk.advance(5) == 5
        assert {len(market.prints.finished) for market in exchange.markets.values()} == {1_005}
        first, second = (list(islice(market.prints.finished, 1_000, 1_005)) for market in exchange.markets.values())
        assert [bar.ts_event for bar in first] == [bar.ts_event for bar in second]
        assert (folder.path / CREDENTIALS_FILE).read_text() == 'key = "k"\nsecret = "s"\n'


@pytest.mark.recorded_data
def test_no_market_of_a_venue_is_ahead_of_another(tmp_path):
    # One has some weeks, and years before the other begins: the past of both ends at one moment.
    names = ("ADA/BTC", "DOGE/USDT")
    market = MarketSettings(str(recorded_file("manifest.json").parent), names, "1d")
    with StateFolder(tmp_path / "v") as folder:
        desk, _ = open_venue(Home(tmp_path), VenuePlan(market, (("k", "s"),)), folder)
        markets = [desk.exchange.markets[name] for name in ("ADA_BTC", "DOGE_USDT")]
        assert all(bar.ts_event <= desk.exchange.ts for one in markets for bar in one.prints.finished)
        assert desk.advance(3) == 3


@pytest.mark.recorded_data
def test_a_perpetual_is_not_traded_as_if_it_were_spot(tmp_path):
    market = MarketSettings(str(recorded_file("binance-perp-BTC_USDT-1h-20230101-20231231.parquet")), (), "1h")
    with StateFolder(tmp_path / "v") as folder, pytest.raises(ConfigurationError, match="perpetual"):
        open_venue(Home(tmp_path), VenuePlan(market, (("k", "s"),)), folder)


@pytest.mark.recorded_data
@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("orderbook/binance-spot-BTCUSDT-raw-20240808.gz", "BTC_USDT"),
        ("trades/binance-spot-XRP_ETH-trades-20191011-20191013.parquet", "XRP_ETH"),
    ],
)
def test_a_recorded_book_or_recorded_trades_are_a_market_that_goes_on_after_a_restart(tmp_path, name, pair):
    plan = VenuePlan(MarketSettings(str(recorded_file(name)), (), "1m"), (("k", "s"),))
    depths = []
    for _ in range(2):
        with StateFolder(tmp_path / "v") as folder:
            desk, notes = open_venue(Home(tmp_path), plan, folder)
            assert any("recorded" in note for note in notes)
            depths.append(desk.exchange.markets[pair].sorted_depth(10))
            assert desk.advance(2) == 2
            assert desk.exchange.markets[pair].prints.finished
            depths.append(desk.exchange.markets[pair].sorted_depth(10))
    assert depths[1] == depths[2] != depths[0]


@pytest.mark.recorded_data
def test_a_recording_is_of_one_market_and_of_no_other(tmp_path):
    path = str(recorded_file("trades/binance-spot-XRP_ETH-trades-20191011-20191013.parquet"))
    for names, said in ((("BTC/USDT",), "holds XRP/ETH"), (("XRP/ETH", "BTC/USDT"), "of one market")):
        plan = VenuePlan(MarketSettings(path, names, "1m"), (("k", "s"),))
        with StateFolder(tmp_path / said) as folder, pytest.raises(ConfigurationError, match=said):
            open_venue(Home(tmp_path), plan, folder)


def test_a_folder_goes_on_with_what_it_was_begun_with(tmp_path):
    begun = VenuePlan(MARKET, (("k", "s"),), {"USDT": Decimal(5)})
    with StateFolder(tmp_path / "v") as folder:
        desk, _ = open_venue(Home(tmp_path), begun, folder)
        desk.advance(2)
        ts = desk.exchange.ts
    with StateFolder(tmp_path / "v") as folder:
        desk, notes = open_venue(Home(tmp_path), VenuePlan(MARKET), folder)
        assert desk.exchange.ts == ts
        assert desk.keyring.keys == ("k",)
        assert any("repeated" in note for note in notes)
    with StateFolder(tmp_path / "v") as folder:
        _, notes = open_venue(Home(tmp_path), VenuePlan(MARKET, balances={"USDT": Decimal(9)}), folder)
        assert any("--balance is for a new venue" in note for note in notes)
    others = (
        VenuePlan(MARKET, (("k", "other"),)),
        VenuePlan(MarketSettings("synthetic", ("BTC/USDT",), "1m")),
    )
    for other in others:
        with StateFolder(tmp_path / "v") as folder, pytest.raises(ConfigurationError, match="holds a venue with"):
            open_venue(Home(tmp_path), other, folder)


def test_the_folder_is_in_the_home_unless_another_is_named(tmp_path):
    assert state_folder(Home(tmp_path), None) == tmp_path / "venue"
    assert state_folder(Home(tmp_path), str(tmp_path / "x")) == tmp_path / "x"
