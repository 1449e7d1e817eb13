"""The four strategies weighed together: enters when one of them has an occasion and the others mostly agree.

Each gives a vote from -1 to 1. With weights w and votes v, for = sum(w * v, v > 0) / sum(w), against likewise;
confidence = |for - against|, conflict = min(for, against) / (for + against). An entry needs an occasion (a signal of
one of the four within the last bars), enough confidence, and little conflict: voices that shout against each other are
no reason to act, however loud the majority is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from holdfast.core.errors import ConfigurationError
from holdfast.indicators.compilation import State, step_function
from holdfast.indicators.volume import volume_slots
from holdfast.strategies import fibonacci_retracement, ma_crossover, macd_trend, rsi_momentum
from holdfast.strategies.fibonacci_retracement import FibonacciRetracementParameters, Share, fibonacci_lean
from holdfast.strategies.frame import (
    ATR,
    LEAVE,
    OWN,
    OWN_PARAMS,
    REWARD_RISK,
    STANCE,
    AtrMultiple,
    FrameParameters,
    Length,
    aged,
    condition,
    frame_step,
    room_to_pay,
    settle,
)
from holdfast.strategies.ma_crossover import MaCrossoverParameters, ma_lean
from holdfast.strategies.macd_trend import MacdTrendParameters, macd_lean
from holdfast.strategies.rsi_momentum import Level, RsiMomentumParameters, rsi_lean
from holdfast.strategies.stepping import STRENGTH, StepDefinition, StepPlan

# Slots.
VOTES = OWN  # of the four, in the order of NAMES
LONG_AGE = OWN + 4  # bars since one of the four saw an occasion, counted from 1
SHORT_AGE = OWN + 5
SCORE = OWN + 6  # for - against, from -1 (short) to 1 (long)
CONFLICT = OWN + 7
READY = OWN + 8  # side for which everything held on the bar before
MA = OWN + 9
RSI = MA + ma_crossover.SLOTS
MACD = RSI + rsi_momentum.SLOTS
FIBONACCI = MACD + macd_trend.SLOTS
RING = FIBONACCI + fibonacci_retracement.SLOTS

# Places in the parameter vector.
WEIGHTS = OWN_PARAMS
CONFIDENCE_MIN = OWN_PARAMS + 4
CONFLICT_MAX = OWN_PARAMS + 5
EXIT_SCORE = OWN_PARAMS + 6
OCCASION_BARS = OWN_PARAMS + 7
P_MA = OWN_PARAMS + 8
P_RSI = P_MA + ma_crossover.PARAMS
P_MACD = P_RSI + rsi_momentum.PARAMS
P_FIBONACCI = P_MACD + macd_trend.PARAMS

NAMES = ("ma_crossover", "rsi_momentum", "macd_trend", "fibonacci_retracement")

Weight = Annotated[float, Meta(ge=0.0, le=100.0)]


class HarmonizedParameters(FrameParameters, frozen=True):
    """Weights of the four, least confidence (0 to 1) and most conflict (0 to 0.5) of an entry, their own parameters.

    A position is left when the score turns against it by `exit_confidence`.
    """

    weight_ma: Weight = 1.0
    weight_rsi: Weight = 0.8
    weight_macd: Weight = 1.0
    weight_fibonacci: Weight = 0.8
    confidence: Share = 0.4
    conflict: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.25
    exit_confidence: Share = 0.2
    occasion_bars: Annotated[int, Meta(ge=1, le=50)] = 3
    fast: Length = 12
    slow: Annotated[int, Meta(ge=3, le=2000)] = 26
    volume_length: Length = 20
    volume_ratio: Annotated[float, Meta(ge=0.0, le=20.0)] = 1.2
    rsi_length: Length = 14
    oversold: Level = 30.0
    overbought: Level = 70.0
    macd_fast: Length = 12
    macd_slow: Annotated[int, Meta(ge=3, le=2000)] = 26
    macd_signal: Length = 9
    leg_atr: AtrMultiple = 3.0

    def __post_init__(self) -> None:
        if self._weights() == (0.0, 0.0, 0.0, 0.0):
            raise ConfigurationError("all four weights are 0: nobody is left to vote", hint="e.g. weight_ma=1")
        self._voices()

    def plan(self) -> StepPlan:
        """Return what the step needs."""
        ma, rsi, macd, fibonacci = self._voices()
        rules = (self.confidence, self.conflict, self.exit_confidence, float(self.occasion_bars))
        warmup = max(voice.plan().warmup for voice in (ma, rsi, macd, fibonacci))
        voices = ma.own(RING) + rsi.own() + macd.own() + fibonacci.own()
        vector = self.frame(warmup) + self._weights() + rules + voices
        return StepPlan(vector, RING + volume_slots(self.volume_length), warmup)

    def _weights(self) -> tuple[float, float, float, float]:
        return self.weight_ma, self.weight_rsi, self.weight_macd, self.weight_fibonacci

    def _voices(
        self,
    ) -> tuple[MaCrossoverParameters, RsiMomentumParameters, MacdTrendParameters, FibonacciRetracementParameters]:
        atr, swing = self.atr_length, self.swing_bars
        return (
            MaCrossoverParameters(
                atr_length=atr,
                fast=self.fast,
                slow=self.slow,
                volume_length=self.volume_length,
                volume_ratio=self.volume_ratio,
            ),
            RsiMomentumParameters(
                atr_length=atr, rsi_length=self.rsi_length, oversold=self.oversold, overbought=self.overbought
            ),
            MacdTrendParameters(
                atr_length=atr, macd_fast=self.macd_fast, macd_slow=self.macd_slow, macd_signal=self.macd_signal
            ),
            FibonacciRetracementParameters(atr_length=atr, swing_bars=swing, leg_atr=self.leg_atr),
        )


@step_function
def harmonized_step(
    state: State, params: State, open_: float, high: float, low: float, close: float, volume: float
) -> int:
    """Take in a bar."""
    found = frame_step(state, params, high, low, close)
    ma = ma_lean(state, MA, params, P_MA, close, volume)
    state[VOTES] = state[STANCE]
    rsi = rsi_lean(state, RSI, params, P_RSI, close, found)
    state[VOTES + 1] = state[STANCE]
    macd = macd_lean(state, MACD, params, P_MACD, close)
    state[VOTES + 2] = state[STANCE]
    fibonacci = fibonacci_lean(state, FIBONACCI, params, P_FIBONACCI, (open_, high, low), found)
    state[VOTES + 3] = state[STANCE]
    is_long = ma > 0 or rsi > 0 or macd > 0 or fibonacci > 0
    is_short = ma < 0 or rsi < 0 or macd < 0 or fibonacci < 0
    state[LONG_AGE] = aged(state[LONG_AGE], is_long, params[OCCASION_BARS])
    state[SHORT_AGE] = aged(state[SHORT_AGE], is_short, params[OCCASION_BARS])
    _weigh(state, params)
    score = state[SCORE]
    state[STANCE] = score
    state[STRENGTH] = abs(score)
    side = 1.0 if score > 0.0 else -1.0
    # Each voice left its own wish to leave; here they leave together.
    state[LEAVE] = -side if abs(score) >= params[EXIT_SCORE] else 0.0
    is_ready = abs(score) >= params[CONFIDENCE_MIN] and state[CONFLICT] <= params[CONFLICT_MAX]
    occasion = state[LONG_AGE] if side > 0.0 else state[SHORT_AGE]
    ready = side if is_ready and occasion > 0.0 else 0.0
    lean = int(ready) if ready != state[READY] else 0
    state[READY] = ready
    return settle(state, params, lean)


@step_function
def _weigh(state: State, params: State) -> None:
    total = 0.0
    rising = 0.0
    falling = 0.0
    for voice in range(4):
        weight = params[WEIGHTS + voice]
        vote = weight * state[VOTES + voice]
        total += weight
        if vote > 0.0:
            rising += vote
        else:
            falling -= vote
    heard = rising + falling
    weaker = rising if rising < falling else falling
    state[SCORE] = (rising - falling) / total
    state[CONFLICT] = weaker / heard if heard > 0.0 else 0.0


def _situation(state: Sequence[float], params: Sequence[float]) -> Sequence[str]:
    votes = ", ".join(f"{name} {state[VOTES + voice]:+.2f}" for voice, name in enumerate(NAMES))
    score, least = state[SCORE], params[CONFIDENCE_MIN]
    conflict, most = state[CONFLICT], params[CONFLICT_MAX]
    age, bars = state[LONG_AGE], params[OCCASION_BARS]
    occasion = f"one of the four saw an occasion {age - 1:.0f} bar(s) ago."
    none = f"none of the four saw an occasion to buy in the last {bars:.0f} bars."
    return (
        condition(age > 0.0, occasion if age else none),
        condition(score >= least, f"the score is {score:+.2f}, {least:.2f} is asked; votes: {votes}."),
        condition(conflict <= most, f"conflict among the votes is {conflict:.2f}, at most {most:.2f} is let pass."),
        room_to_pay(state, params),
        *(f"ma_crossover: {s}" for s in ma_crossover.ma_situation(state, MA, params, P_MA)),
        *(f"rsi_momentum: {s}" for s in rsi_momentum.rsi_situation(state, RSI, params, P_RSI)),
        *(f"macd_trend: {s}" for s in macd_trend.macd_situation(state, MACD, params, P_MACD)),
        *(
            f"fibonacci_retracement: {s}"
            for s in fibonacci_retracement.fibonacci_situation(state, FIBONACCI, params, P_FIBONACCI)
        ),
    )


_VOTES_TEXT = (
    "score {score:+.2f}, conflict {conflict:.2f}; votes: ma_crossover {ma_crossover:+.2f},"
    " rsi_momentum {rsi_momentum:+.2f}, macd_trend {macd_trend:+.2f},"
    " fibonacci_retracement {fibonacci_retracement:+.2f}."
)

HARMONIZED = StepDefinition(
    name="harmonized",
    step=harmonized_step,
    parameters=HarmonizedParameters,
    reasons=(
        "Enough agree to buy, paying {reward_risk:.2f} times the risk: " + _VOTES_TEXT,
        "The weight has turned against a long position: " + _VOTES_TEXT,
        "Enough agree to sell short, paying {reward_risk:.2f} times the risk: " + _VOTES_TEXT,
        "The weight has turned against a short position: " + _VOTES_TEXT,
    ),
    evidence=(
        *((name, VOTES + voice) for voice, name in enumerate(NAMES)),
        ("score", SCORE),
        ("conflict", CONFLICT),
        ("atr", ATR),
        ("reward_risk", REWARD_RISK),
    ),
    situation=_situation,
)
