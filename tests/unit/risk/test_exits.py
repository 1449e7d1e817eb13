"""Stops that only tighten, and targets in parts that the venue will take."""

import math
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import ConfigurationError
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId, Price, Side
from holdfast.risk.exits import ExitConfig, PartialTarget, Trailing, best_price, next_stop, partial_targets


@dataclass
class Trade:
    """A long from 100 with its stop at 98: 1 R is 2."""

    side: Side = Side.BUY
    entry_price: Decimal = Decimal(100)
    distance: Decimal = Decimal(2)
    stop_level: float = 98.0
    best: float = 100.0


SHORT = Trade(Side.SELL, stop_level=102.0)


def bar(high, low, close):
    return BarClosed(InstrumentId("AAA/USDT.TEST"), 0, close, high, low, close, 1.0)


def parts(*pairs):
    return tuple(PartialTarget(Decimal(at_r), Decimal(share)) for at_r, share in pairs)


def test_nothing_configured_leaves_the_stop_to_the_strategy():
    assert not ExitConfig().is_active
    assert next_stop(ExitConfig(), Trade(), bar(103, 99, 102), 0.0, 1.0) == 98
    assert next_stop(ExitConfig(), Trade(), bar(103, 99, 102), 101.0, 1.0) == 101
    assert next_stop(ExitConfig(), Trade(), bar(103, 99, 102), 97.0, 1.0) == 98


def test_each_kind_of_trailing():
    up, down = bar(110, 103, 108), bar(97, 90, 92)
    atr = ExitConfig(trailing=Trailing.ATR, trail_ranges=2.0)
    chandelier = ExitConfig(trailing=Trailing.CHANDELIER, trail_ranges=2.0)
    percent = ExitConfig(trailing=Trailing.PERCENT, trail_share=0.05)
    assert next_stop(atr, Trade(), up, 0.0, 1.5) == 105
    assert next_stop(chandelier, Trade(), up, 0.0, 1.5) == 107
    assert next_stop(chandelier, Trade(best=110.5), up, 0.0, 1.5) == 107.5
    assert next_stop(percent, Trade(), up, 0.0, 1.5) == pytest.approx(104.5)
    assert next_stop(atr, SHORT, down, 0.0, 1.5) == 95
    assert next_stop(chandelier, SHORT, down, 0.0, 1.5) == 93
    assert next_stop(percent, SHORT, down, 0.0, 1.5) == pytest.approx(94.5)


def test_unknown_range_trails_nothing():
    for kind in (Trailing.ATR, Trailing.CHANDELIER):
        assert next_stop(ExitConfig(trailing=kind), Trade(), bar(110, 103, 108), 0.0, 0.0) == 98


def test_trailing_waits_for_its_gain():
    config = ExitConfig(trailing=Trailing.PERCENT, trail_share=0.01, trail_from_r=2.0)
    assert next_stop(config, Trade(), bar(103.99, 101, 103), 0.0, 1.0) == 98
    assert next_stop(config, Trade(), bar(104, 103.5, 103.9), 0.0, 1.0) == pytest.approx(102.96)


def test_break_even_goes_to_the_entry_plus_its_costs():
    config = ExitConfig(break_even_at_r=1.0, break_even_costs=0.003)
    assert next_stop(config, Trade(), bar(101.99, 100, 101), 0.0, 1.0) == 98
    assert next_stop(config, Trade(), bar(102, 100, 101), 0.0, 1.0) == pytest.approx(100.3)
    assert next_stop(config, SHORT, bar(100, 98, 99), 0.0, 1.0) == pytest.approx(99.7)
    assert next_stop(config, Trade(), bar(102, 100, 100.2), 0.0, 1.0) == 98, "it would trade at once"


def test_tightest_of_all_levels_wins():
    config = ExitConfig(trailing=Trailing.ATR, trail_ranges=2.0, break_even_at_r=1.0)
    market = bar(110, 103, 108)
    assert next_stop(config, Trade(), market, 105.5, 1.5) == 105.5
    assert next_stop(config, Trade(), market, 104.0, 1.5) == 105
    assert next_stop(config, Trade(), market, 104.0, 50.0) == 104
    assert next_stop(config, Trade(), market, 0.0, 50.0) == pytest.approx(100.3)


def test_level_beyond_the_market_gives_way_to_the_next_best():
    config = ExitConfig(trailing=Trailing.ATR, trail_ranges=2.0)
    assert next_stop(config, Trade(), bar(110, 103, 108), 108.0, 1.5) == 105
    assert next_stop(config, SHORT, bar(97, 90, 92), 92.0, 1.5) == 95


def test_best_price_follows_the_side():
    assert best_price(Trade(best=105.0), bar(104, 99, 100)) == 105
    assert best_price(Trade(best=103.0), bar(104, 99, 100)) == 104
    assert best_price(Trade(Side.SELL, best=98.0), bar(104, 97, 100)) == 97
    assert best_price(Trade(Side.SELL, best=0.0), bar(104, 97, 100)) == 97, "0 is unknown, not the best price"


prices = st.floats(1, 1000)
configs = st.builds(
    ExitConfig, trailing=st.sampled_from(Trailing), trail_ranges=st.floats(0.1, 50), trail_share=st.floats(0.0005, 0.9),
    trail_from_r=st.floats(0, 5), break_even_at_r=st.floats(0, 5), break_even_costs=st.floats(0, 0.1),
)  # fmt: skip
anything = st.floats(allow_nan=True, allow_infinity=True)


@given(config=configs, side=st.sampled_from(Side), stop=prices, best=prices, ends=st.tuples(prices, prices, prices),
       trail=anything, atr=anything)  # fmt: skip
def test_stop_never_loosens_and_never_lies_beyond_the_close(config, side, stop, best, ends, trail, atr):
    low, close, high = sorted(ends)
    trade = Trade(side, stop_level=stop, best=best)
    found = next_stop(config, trade, bar(high, low, close), trail, atr)
    assert math.isfinite(found)
    if found != stop:
        assert stop < found < close if side is Side.BUY else close < found < stop
    again = next_stop(config, Trade(side, stop_level=found, best=best), bar(high, low, close), trail, atr)
    assert again == found, "the same bar moves it once"


def take(room, quantity, *pairs, target="106", stop="98"):
    config = ExitConfig(partial_targets=parts(*pairs))
    return partial_targets(
        Decimal(100), Decimal(stop), Price(Decimal(target)), Decimal(quantity), room.instrument, config
    )


def plain(found):
    return [(str(price.normalize()), str(quantity.normalize())) for price, quantity in found]


def test_without_parts_everything_goes_at_the_target(room):
    assert plain(take(room, "1")) == [("106", "1")]


def test_parts_lie_at_their_multiples_of_the_first_risk(room):
    assert plain(take(room, "1", ("1", "0.5"), ("2", "0.25"))) == [("102", "0.5"), ("104", "0.25"), ("106", "0.25")]
    short = take(room, "1", ("1", "0.5"), target="94", stop="102")
    assert plain(short) == [("98", "0.5"), ("94", "0.5")]


def test_part_at_or_beyond_the_target_is_left_to_it(room):
    assert plain(take(room, "1", ("3", "0.5"))) == [("106", "1")]
    assert plain(take(room, "1", ("1", "0.5"), ("9", "0.2"))) == [("102", "0.5"), ("106", "0.5")]


def test_part_that_is_too_small_joins_the_next(room):
    # 0.04 at 102 is worth 4.08, below the venue's 5.
    assert plain(take(room, "0.4", ("1", "0.1"), ("2", "0.5"))) == [("104", "0.24"), ("106", "0.16")]


def test_parts_on_one_tick_become_one_order(room):
    near = take(room, "1", ("0.1", "0.2"), ("0.2", "0.2"), stop="99.99", target="100.02")
    assert plain(near) == [("100.01", "0.4"), ("100.02", "0.6")]


def test_rest_that_is_too_small_goes_with_the_last_part(room):
    assert plain(take(room, "0.1", ("1", "0.6"))) == [("106", "0.1")]
    assert plain(take(room, "0.06", ("1", "0.5"))) == [("106", "0.06")]


@given(
    quantity=st.decimals("0.001", "50", places=3), side=st.sampled_from(Side),
    distance=st.decimals("0.01", "40", places=2),
    gain=st.decimals("0.01", "90", places=2),
    shares=st.lists(st.decimals("0.01", "0.3", places=3), min_size=1, max_size=3),
    steps=st.lists(st.decimals("0.1", "3", places=2), min_size=3, max_size=3),
)  # fmt: skip
def test_parts_sum_to_the_whole_on_the_grid_and_are_all_tradable(room, quantity, side, distance, gain, shares, steps):
    instrument, entry = room.instrument, Decimal(100)
    at_r, config_parts = Decimal(0), []
    for share, step in zip(shares, steps, strict=False):
        at_r += step
        config_parts.append(PartialTarget(at_r, share))
    config = ExitConfig(partial_targets=tuple(config_parts))
    stop, target = entry - side.sign * distance, Price(entry + side.sign * gain)
    found = partial_targets(entry, stop, target, quantity, instrument, config)
    assert sum(size for _, size in found) == quantity
    assert found[-1][0] == target
    levels = [price * side.sign for price, _ in found]
    assert levels == sorted(set(levels)), "nearest first, each once"
    for price, size in found:
        assert size > 0
        assert size % instrument.lot == 0
        assert price % instrument.tick == 0
    if len(found) > 1:
        assert all(size * price >= instrument.notional_min for price, size in found)


@pytest.mark.parametrize(
    "changes",
    [
        {"trail_ranges": 0.0}, {"trail_ranges": float("nan")}, {"trail_share": 0.95}, {"trail_from_r": -1.0},
        {"break_even_at_r": -0.1}, {"break_even_costs": 0.2},
        {"partial_targets": parts(("1", "1"))}, {"partial_targets": parts(("2", "0.5"), ("1", "0.2"))},
        {"partial_targets": parts(("1", "0.5"), ("2", "0.5"))}, {"partial_targets": parts(("0", "0.5"))},
        {"partial_targets": parts(("1", "-0.5"))}, {"partial_targets": parts(("1", "0"))},
        {"partial_targets": parts(("NaN", "0.5"))},
        {"partial_targets": parts(("1", "NaN"))}, {"partial_targets": parts(("1", "sNaN"))},
    ],
)  # fmt: skip
def test_value_outside_its_bound_is_refused_by_name(changes):
    with pytest.raises(ConfigurationError, match=f"exits.{next(iter(changes))} is .*, valid is"):
        ExitConfig(**changes)


def test_mapping_gives_the_same_as_the_constructor():
    table = {"trailing": "atr", "trail_ranges": 2, "partial_targets": [{"at_r": 1.0, "share": 0.5}]}
    expected = ExitConfig(trailing=Trailing.ATR, trail_ranges=2.0, partial_targets=parts(("1.0", "0.5")))
    assert ExitConfig.from_mapping(table) == expected
    assert expected.is_active


@pytest.mark.parametrize(
    ("key", "value"),
    [("trailing", "up"), ("trail_ranges", "3"), ("trail_ranges", True), ("trail_share", float("inf")),
     ("partial_targets", 1), ("partial_targets", [1]), ("partial_targets", [{"at_r": 1}]),
     ("partial_targets", [{"at_r": "x", "share": 1}]), ("trail_range", 1)],
)  # fmt: skip
def test_wrong_setting_is_refused_by_name(key, value):
    with pytest.raises(ConfigurationError, match=f"exits.{key}"):
        ExitConfig.from_mapping({key: value})


def test_break_even_needs_a_distance():
    flat = Trade(distance=Decimal(0))
    assert next_stop(ExitConfig(break_even_at_r=1.0), flat, bar(110, 103, 108), 0.0, 1.0) == 98
