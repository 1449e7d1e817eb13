"""What each built-in strategy acts on, and what it holds back for."""

from collections.abc import Sequence

import pytest

from holdfast.core.errors import ConfigurationError
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.registry import create, offered

INSTRUMENT = InstrumentId("A/B.TEST")
MA = {"fast": 3, "slow": 8, "volume_length": 5, "atr_length": 5, "volume_ratio": 1.0}
MACD = {"macd_fast": 3, "macd_slow": 8, "macd_signal": 3, "atr_length": 5}
RSI = {"rsi_length": 5, "atr_length": 5, "swing_bars": 2}
FIBONACCI = {"atr_length": 5, "swing_bars": 2, "support_atr": 2.0}
WAVES = (100, 120, 104, 118, 100, 112, 96, 110)


def play(name: str, bars: Sequence[BarClosed], **parameters: str | float) -> list[tuple[int, Signal]]:
    strategy = create(name, parameters)(INSTRUMENT)
    return [(i, signal) for i, bar in enumerate(bars) if (signal := strategy.on_bar(bar))]


def actions(played: list[tuple[int, Signal]]) -> list[Action]:
    return [signal.action for _, signal in played]


def test_crossover_buys_the_cross_up_and_leaves_at_the_cross_down(draw, path):
    closes = path(*WAVES)
    volumes = [10.0 + 5 * (i % 2) for i in range(len(closes))]
    played = play("ma_crossover", draw(closes, volumes), **MA)
    assert actions(played) == [Action.ENTER_LONG, Action.EXIT_LONG] * 2 + [Action.ENTER_LONG]
    first = played[0][1]
    # The stop hangs a little below the last confirmed low, or as far as is allowed; the target is the last high.
    assert first.target == 120.5
    assert "crossed above" in first.reason
    assert "times the usual volume" in first.reason


def test_crossover_without_volume_is_let_pass(draw, path):
    closes = path(*WAVES)
    assert not play("ma_crossover", draw(closes, [10.0] * len(closes)), **{**MA, "volume_ratio": 1.5})


def test_crossover_waits_a_few_bars_for_its_volume(draw, path):
    closes = path(*WAVES)
    bars = draw(closes)
    (cross, _), *_ = play("ma_crossover", bars, **MA)
    for delay, is_accepted in ((0, True), (1, True), (2, True), (3, False)):
        volumes = [10.0] * len(closes)
        volumes[cross + delay] = 30.0
        played = play("ma_crossover", draw(closes, volumes), **{**MA, "volume_ratio": 1.5}, confirm_bars=3)
        assert [i for i, _ in played][:1] == ([cross + delay] if is_accepted else [])


def test_reversal_leaves_first_and_sells_short_on_the_next_bar(draw, path):
    played = play("ma_crossover", draw(path(*WAVES)), **MA, allow_short="true")
    assert actions(played)[:4] == [Action.ENTER_LONG, Action.EXIT_LONG, Action.ENTER_SHORT, Action.EXIT_SHORT]
    (leave, _), (short, signal) = played[1], played[2]
    assert short == leave + 1
    assert signal.target < signal.entry < signal.stop


@pytest.mark.parametrize("name", offered())
def test_mirrored_market_gives_mirrored_signals(draw, path, name: str):
    closes = path(300, 330, 315, 340, 322, 345, 320, 338, 300, 320, 290, 305, 296, 330, step=2.0)
    volumes = [10.0 + 7 * (i % 3) for i in range(len(closes))]
    mirrored = [2000.0 - close for close in closes]
    # Without an upper hand of prices themselves (distances are absolute here), long and short are the same thing.
    mirror = {Action.ENTER_LONG: Action.ENTER_SHORT, Action.EXIT_LONG: Action.EXIT_SHORT}
    mirror |= {there: here for here, there in mirror.items()}
    common = {"atr_length": 5, "swing_bars": 2, "allow_short": "true"}
    one, other = play(name, draw(closes, volumes), **common), play(name, draw(mirrored, volumes), **common)
    assert one
    assert [(i, mirror[signal.action]) for i, signal in one] == [(i, signal.action) for i, signal in other]
    for (_, here), (_, there) in zip(one, other, strict=True):
        assert here.stop == 0.0 or here.stop == pytest.approx(2000.0 - there.stop)
        assert here.target == 0.0 or here.target == pytest.approx(2000.0 - there.target)


def test_momentum_needs_a_divergence(draw, path):
    weak_second_low = path(120, 100) + path(101, 104) + path(103.5, 99.5, step=0.5) + path(100, 106)
    played = play("rsi_momentum", draw(weak_second_low), **RSI)
    assert actions(played) == [Action.ENTER_LONG]
    assert "lower low that RSI did not confirm" in played[0][1].reason
    # The second fall is faster than the first: nothing says that it has lost its force.
    strong_second_low = [*(110 - i / 2 + i % 2 for i in range(20)), 99, *path(100, 105, 90, 97)]
    assert not play("rsi_momentum", draw(strong_second_low), **RSI)


def test_momentum_without_divergence_buys_the_way_out_of_oversold(draw, path):
    bars = draw(path(120, 100, 108))
    played = play("rsi_momentum", bars, **RSI, need_divergence="false")
    assert actions(played)[:1] == [Action.ENTER_LONG]
    assert "out of an oversold market" in played[0][1].reason


def test_macd_needs_a_steep_histogram(draw, path):
    bars = draw(path(*WAVES))
    assert Action.ENTER_LONG in actions(play("macd_trend", bars, **MACD))
    assert not play("macd_trend", bars, **MACD, slope_atr=0.5)


def test_fibonacci_buys_the_turn_in_the_zone_near_a_confirmed_level(draw, path):
    closes = [*path(100, 110, 105, 125, 115, 113, step=2), 115, 117, 119, 121]
    (_, signal), *more = play("fibonacci_retracement", draw(closes), **FIBONACCI)
    assert not more
    assert signal.action is Action.ENTER_LONG
    figures = dict(signal.evidence)
    assert (figures["leg_start"], figures["leg_end"]) == (104.5, 125.5)
    assert 0.382 <= figures["depth"] <= 0.618
    assert figures["support"] == 110.5
    assert signal.stop < figures["support"]
    # Without a confirmed level near the zone nobody says that it will hold.
    assert not play("fibonacci_retracement", draw(closes), **{**FIBONACCI, "support_atr": 0.3})


def test_fibonacci_lets_a_leg_pass_that_was_taken_back_too_far(draw, path):
    closes = [*path(100, 110, 105, 125, 106, step=2), 107, 108]
    assert not play("fibonacci_retracement", draw(closes), **FIBONACCI)


def test_harmonized_names_every_vote_and_resolves_conflict(draw, path):
    closes = path(300, 330, 315, 340, 322, 345, 320, 338, 300, 320, 290, 305, 296, 330, step=2.0)
    bars = draw(closes, [10.0 + 7 * (i % 3) for i in range(len(closes))])
    common = {"atr_length": 5, "swing_bars": 2, "confidence": 0.2}
    played = play("harmonized", bars, **common, conflict=0.5)
    entries = [signal for _, signal in played if signal.action is Action.ENTER_LONG]
    assert entries
    for signal in entries:
        votes = dict(signal.evidence)
        for name in ("ma_crossover", "rsi_momentum", "macd_trend", "fibonacci_retracement"):
            assert f"{name} {votes[name]:+.2f}" in signal.reason
            assert -1.0 <= votes[name] <= 1.0
        assert signal.strength == votes["score"] >= 0.2
    tolerant, strict = (len(play("harmonized", bars, **common, conflict=x)) for x in (0.5, 0.0))
    assert strict <= tolerant
    assert all(dict(s.evidence)["conflict"] == 0.0 for _, s in play("harmonized", bars, **common, conflict=0.0)
               if s.action is Action.ENTER_LONG)  # fmt: skip


def test_harmonized_listens_only_to_voices_with_weight(draw, path):
    bars = draw(path(300, 330, 315, 340, 322, 345, 320, 338, 300, 320, 290, 305, 296, 330, step=2.0))
    mute = {"weight_rsi": 0, "weight_macd": 0, "weight_fibonacci": 0, "atr_length": 5}
    played = play("harmonized", bars, **mute)
    assert played
    for _, signal in played:
        assert dict(signal.evidence)["score"] == dict(signal.evidence)["ma_crossover"]
    with pytest.raises(ConfigurationError, match="all four weights are 0"):
        create("harmonized", {**mute, "weight_ma": 0})


def test_trail_follows_only_after_an_entry_and_stays_away_from_the_close(draw, path):
    strategy = create("ma_crossover", MA)(INSTRUMENT)
    side = 0
    for bar in draw(path(*WAVES)):
        signal = strategy.on_bar(bar)
        assert (strategy.trail > 0.0) == (side > 0)
        assert strategy.trail < bar.close
        if signal is not None:
            side = 1 if signal.action is Action.ENTER_LONG else 0
