"""Where stop and target of an entry belong: at confirmed levels, within bounds, and paying enough."""

from hypothesis import given
from hypothesis import strategies as st

from holdfast.indicators.levels import level_above, level_below
from holdfast.indicators.swing import SWING_HIGHS, SWING_LOWS
from holdfast.strategies.frame import ATR, CLOSE, HINT, NOISE_ATR, OWN, STOP_ATR_MIN, SWING, FrameParameters, bracket
from holdfast.strategies.stepping import STOP, TARGET

level = st.one_of(st.just(0.0), st.floats(1.0, 200.0))


def state_of(close: float, atr: float, highs: list[float], lows: list[float], hint: float = 0.0) -> list[float]:
    state = [0.0] * OWN
    state[ATR], state[CLOSE], state[HINT] = atr, close, hint
    state[SWING + SWING_HIGHS : SWING + SWING_HIGHS + 4] = highs
    state[SWING + SWING_LOWS : SWING + SWING_LOWS + 4] = lows
    return state


@given(
    st.floats(10.0, 150.0), st.floats(0.01, 5.0), st.lists(level, min_size=4, max_size=4),
    st.lists(level, min_size=4, max_size=4), level, st.sampled_from([1.0, -1.0]),
)  # fmt: skip
def test_bracket_is_ordered_bounded_and_pays(
    close: float, atr: float, highs: list[float], lows: list[float], hint: float, side: float
):
    parameters = FrameParameters()
    state = state_of(close, atr, highs, lows, hint)
    pays = bracket(state, list(parameters.frame(0)), side)
    if pays == 0.0:
        assert state[STOP] == state[TARGET] == 0.0
        return
    risk, reward = side * (close - state[STOP]), side * (state[TARGET] - close)
    slack = 1e-9 * close
    assert STOP_ATR_MIN * atr - slack <= risk <= parameters.stop_atr * atr + slack
    assert reward >= parameters.reward_risk * risk - slack
    assert abs(pays - reward / risk) <= 1e-6 * pays
    least = close + side * parameters.reward_risk * risk
    beyond = level_above(state, SWING, least) if side > 0 else level_below(state, SWING, least)
    projected = close + side * abs(highs[0] - lows[0])
    assert abs(state[TARGET] - (beyond or projected)) <= slack or beyond


def test_stop_lies_beyond_the_nearest_level_and_target_at_the_first_that_pays():
    state = state_of(100.0, 2.0, [103.0, 108.0, 120.0, 0.0], [97.0, 90.0, 0.0, 0.0])
    assert bracket(state, list(FrameParameters().frame(0)), 1.0) > 1.5
    assert state[STOP] == 97.0 - NOISE_ATR * 2.0
    assert state[TARGET] == 108.0


def test_hint_of_a_strategy_goes_before_the_nearest_level():
    state = state_of(100.0, 2.0, [108.0, 0.0, 0.0, 0.0], [97.0, 0.0, 0.0, 0.0], hint=95.5)
    bracket(state, list(FrameParameters().frame(0)), 1.0)
    assert state[STOP] == 95.5 - NOISE_ATR * 2.0


def test_nothing_is_proposed_where_no_level_pays():
    state = state_of(100.0, 2.0, [101.0, 0.0, 0.0, 0.0], [99.0, 0.0, 0.0, 0.0])
    assert bracket(state, list(FrameParameters(reward_risk=3.0).frame(0)), 1.0) == 0.0
