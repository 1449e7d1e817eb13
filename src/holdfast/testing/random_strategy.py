"""A strategy without sense: it wants anything at any time, at levels that are sometimes no prices at all."""

from __future__ import annotations

import math
from collections.abc import Sequence

from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.testing.dice import Dice

_ABSURD = (0.0, -1.0, 1e-12, 1e9, 1e25, math.inf, -math.inf, math.nan)
_PERIOD = 997
_ENTRIES = (Action.ENTER_LONG, Action.ENTER_LONG, Action.ENTER_SHORT)
_EXITS = (Action.EXIT_LONG, Action.EXIT_SHORT)


class RandomStrategy:
    """Implements `ports.strategy.Strategy`. What it says at its n-th bar depends on the seed, on n and on the close.

    `absurdity` is the share of its levels that make no sense.
    """

    name = "random"
    warmup = 0

    def __init__(self, instrument_id: InstrumentId, seed: int, absurdity: float = 0.2) -> None:
        rng = Dice(f"{seed} {instrument_id}")
        self.instrument_id = instrument_id
        self.trail = 0.0
        self._bars = 0
        self._is_anchored = rng.random() < 0.5
        wish, leave, trail = rng.uniform(0.05, 0.5), rng.uniform(0.0, 0.05), rng.choice((0.0, 0.0, 0.3))
        scale = rng.choice((0.002, 0.01, 0.03, 0.2))
        self._plans = [_draw(rng, wish, leave, trail, scale * rng.uniform(0.3, 3.0), absurdity) for _ in range(_PERIOD)]

    def on_bar(self, bar: BarClosed) -> Signal | None:
        """Take the bar in and say what the seed says."""
        action, stop, target, trail, strength = self._plans[self._bars % _PERIOD]
        self._bars += 1
        close = bar.close
        self.trail = close * trail
        if action is None:
            return None
        if action in _EXITS:
            stop = target = 0.0
        return Signal(
            self.instrument_id, bar.ts_event, self.name, action, strength, close, close * stop, close * target,
            "The dice fell so.", (("bars", float(self._bars)), ("trail", trail)), self._is_anchored,
        )  # fmt: skip

    def situation(self) -> Sequence[str]:
        """Say that there is nothing to say."""
        return ("It rolls dice.",)

    def snapshot(self) -> Sequence[float]:
        """Return the whole state as numbers."""
        return [float(self._bars), self.trail]

    def restore(self, state: Sequence[float]) -> None:
        """Take up a state that `snapshot` gave."""
        self._bars, self.trail = int(state[0]), state[1]


_Plan = tuple[Action | None, float, float, float, float]


def _draw(rng: Dice, wish: float, leave: float, trail: float, distance: float, absurdity: float) -> _Plan:
    """Return action, stop, target and trail as multiples of the close, and a strength."""
    dice = rng.random()
    trailed = 0.0
    if rng.random() < trail:
        trailed = rng.choice(_ABSURD) if rng.random() < absurdity else 1.0 + rng.gauss(0.0, 3.0 * distance)
    if dice < leave:
        return rng.choice(_EXITS), 0.0, 0.0, trailed, 1.0
    if dice > leave + wish:
        return None, 0.0, 0.0, trailed, 0.0
    action = rng.choice(_ENTRIES)
    sign = 1.0 if action is Action.ENTER_LONG else -1.0
    stop = 1.0 - sign * distance * rng.uniform(0.2, 3.0)
    target = 1.0 + sign * abs(1.0 - stop) * rng.uniform(0.8, 4.0)
    strength = rng.random()
    if rng.random() < absurdity:
        stop = rng.choice((*_ABSURD, 1.0, 2.0 - stop, 1.0 - sign * 1e-6))
    if rng.random() < absurdity:
        target = rng.choice((*_ABSURD, 1.0, 2.0 - target, stop))
    if rng.random() < 0.1 * absurdity:
        strength = rng.choice(_ABSURD)
    return action, stop, target, trailed, strength
