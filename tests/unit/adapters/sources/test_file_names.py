"""What a file's name says."""

from pathlib import Path

import pytest

from holdfast.adapters.sources.file_names import read_name, split_symbol
from holdfast.domain.market import Timeframe


@pytest.mark.parametrize(
    ("path", "name", "kind", "timeframe"),
    [
        ("binance-spot-BTC_USDT-1h-20170817-20221011.parquet", "BTC/USDT.BINANCE", "candles", "1h"),
        ("gateio-perp-BTC_USDT-1h-mark-20250225-20250831.parquet", "BTC/USDT-MARK.GATEIO", "mark", "1h"),
        ("binance-perp-BTC_USDT-1h-index-20250225-20250831.parquet", "BTC/USDT-INDEX.BINANCE", "index", "1h"),
        ("gateio-perp-BTC_USDT-1h-mark_price-2025.csv", "BTC/USDT-MARK.GATEIO", "mark", "1h"),
        ("binance-perp-BTC_USDT-1h-premium-20250225-20250831.parquet", "BTC/USDT-PERP.BINANCE", "premium", "1h"),
        ("binance-spot-BTC_USDT-1h-marked-by-hand.parquet", "BTC/USDT.BINANCE", "candles", "1h"),
        ("markPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", "BTC/USDT-MARK.BINANCE", "mark", "1h"),
        ("indexPriceKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", "BTC/USDT-INDEX.BINANCE", "index", "1h"),
        ("premiumIndexKlines/BTCUSDT/1h/BTCUSDT-1h-2024-01.zip", "BTC/USDT-PERP.BINANCE", "premium", "1h"),
        ("gateio-perp-BTC_USDT-5m-20230101-20230922.parquet", "BTC/USDT-PERP.GATEIO", "candles", "5m"),
        ("binance-perp-BTC_USDT-funding-20220101-20221031.parquet", "BTC/USDT-PERP.BINANCE", "funding", None),
        ("binance-spot-XRP_ETH-trades-20191011-20191013.parquet", "XRP/ETH.BINANCE", "trades", None),
        ("coinbase-spot-BTC_USD-1h.csv.gz", "BTC/USD.COINBASE", "candles", "1h"),
        ("BTCUSDT-1m-2024-01.csv", "BTC/USDT.BINANCE", "candles", "1m"),
        ("ETHBTC-1d-2024-01-31.zip", "ETH/BTC.BINANCE", "candles", "1d"),
        ("Coinbase_BTCUSD_1h.csv", "BTC/USD.COINBASE", "candles", "1h"),
        ("Binance_ETHUSDT_d.csv", "ETH/USDT.BINANCE", "candles", "1d"),
        ("candlesticks_1h/202401/BTC_USDT-202401.csv.gz", "BTC/USDT.GATEIO", "candles", "1h"),
        ("elsewhere/BTC_USDT-20240131.csv.gz", "BTC/USDT.GATEIO", "candles", None),
    ],
)
def test_known_conventions(path: str, name: str, kind: str, timeframe: str | None):
    found = read_name(Path("/data") / path)
    assert found is not None
    assert (found.id, found.kind) == (name, kind)
    assert found.timeframe == (Timeframe(timeframe) if timeframe else None)


@pytest.mark.parametrize("path", ["bars.csv", "market-100000.parquet", "binance-spot-BTCUSDT-1h.parquet", "XYZ-1h.csv"])
def test_other_names_say_nothing(path: str):
    assert read_name(Path(path)) is None


@pytest.mark.parametrize(
    ("symbol", "venue", "pair"),
    [
        ("BTCUSDT", "BINANCE", "BTC/USDT"),
        ("USDTBTC", "BINANCE", "USDT/BTC"),
        ("BTCTUSD", "BINANCE", "BTC/TUSD"),
        ("DOTUSD", "BINANCE", "DOT/USD"),
        ("DOTUSD", "COINBASE", "DOT/USD"),
        ("BATUSD", "COINBASE", "BAT/USD"),
        ("USDTUSD", "COINBASE", "USDT/USD"),
        ("BATUSDT", "GATEIO", "BAT/USDT"),
        ("USDT", "BINANCE", None),
        ("FOOBAR", "BINANCE", None),
    ],
)
def test_a_symbol_is_split_at_its_quote_asset(symbol: str, venue: str, pair: str | None):
    assert split_symbol(symbol, venue) == pair
