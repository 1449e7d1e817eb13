"""What engine and sweeps see of a stored series."""

from tests.unit.domain.conftest import make_series

from holdfast.domain.bar_quality import label
from holdfast.domain.tradable import in_base_units, tradable, volume_note

ROWS = [(0, 100.0, 101.0, 99.0, 100.0, 12_345.0), (1, 100.0, 101.0, 1.0, 100.0, 7.0)]


def test_contracts_become_base_units_as_their_decimals_say():
    series = make_series(ROWS, name="BTC/USDT-PERP.GATEIO")
    assert in_base_units(series).volume.tolist() == [1.2345, 0.0007]
    assert "contracts of 0.0001 BTC" in volume_note(series)
    assert in_base_units(make_series(ROWS, name="XRP/USDT-PERP.GATEIO")).volume.tolist() == [123_450.0, 70.0]


def test_quote_volume_is_divided_by_the_close():
    series = make_series(ROWS, name="BTC/USD-PERP.FTX")
    assert in_base_units(series).volume.tolist() == [123.45, 0.07]
    assert "USD" in volume_note(series)


def test_everything_else_stays_the_same_object():
    for name in ("BTC/USDT.GATEIO", "BTC/USDT-PERP.BINANCE", "NEW/USDT-PERP.GATEIO", "BTC/USDT-MARK.GATEIO", "AAA"):
        series = make_series(ROWS, name=name)
        assert in_base_units(series) is series
    assert volume_note(make_series(ROWS, name="BTC/USDT.BINANCE")) == ""
    assert "not known" in volume_note(make_series(ROWS, name="NEW/USDT-PERP.GATEIO"))
    assert "mark prices" in volume_note(make_series(ROWS, name="BTC/USDT-MARK.GATEIO"))


def test_tradable_bars_have_no_false_print_and_keep_the_mark():
    series = label(make_series(ROWS, name="BTC/USDT-PERP.GATEIO"))
    seen = tradable(series)
    assert seen.low.tolist() == [99.0, 100.0]
    assert seen.flags.tolist() == series.flags.tolist()
    assert series.low.tolist() == [99.0, 1.0]
