"""The way out while a trade runs: a stop that only ever tightens, and targets taken in parts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from enum import StrEnum
from typing import Final, NoReturn, Protocol

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.values import ONE, ZERO, Price, Quantity, Side


class Trailing(StrEnum):
    """How a stop follows the price."""

    NONE = "none"
    ATR = "atr"  # `trail_ranges` mean true ranges behind the close
    CHANDELIER = "chandelier"  # `trail_ranges` mean true ranges behind the best price since the entry
    PERCENT = "percent"  # `trail_share` behind the best price since the entry


class PartialTarget(Record, frozen=True):
    """Take `share` of the position where the price has gone `at_r` times the first risk."""

    at_r: Decimal
    share: Decimal


class ExitConfig(Record, frozen=True):
    """How a position is followed. By default only the strategy's own trail, if it has one, moves the stop.

    Raises
    ------
    ConfigurationError
        A value lies outside its range.
    """

    trailing: Trailing = Trailing.NONE
    trail_ranges: float = 3.0
    trail_share: float = 0.03  # of the price
    trail_from_r: float = 0.0  # the trail begins once the best price was so many R ahead
    break_even_at_r: float = 0.0  # the stop goes to entry plus costs once the best price was so many R ahead; 0 = never
    break_even_costs: float = 0.003  # share of the entry price: fees of both legs and what the stop may slip
    partial_targets: tuple[PartialTarget, ...] = ()  # the rest goes at the trade's own target

    def __post_init__(self) -> None:
        for key, (low, high) in _BOUNDS.items():
            value = getattr(self, key)
            if not low <= value <= high:  # also refuses what is no number
                _refuse(key, value, f"{low} <= x <= {high}")
        at_r, total = ZERO, ZERO
        valid = "parts with rising at_r (0 < x <= 100) and shares above 0 that sum to less than 1"
        for part in self.partial_targets:
            if not (part.at_r.is_finite() and part.share.is_finite() and at_r < part.at_r <= 100 and part.share > 0):
                _refuse("partial_targets", f"{part.share} at {part.at_r} R", valid)
            at_r, total = part.at_r, total + part.share
        if total >= ONE:
            _refuse("partial_targets", f"{total} in all", valid)

    @property
    def is_active(self) -> bool:
        """Tell whether anything here can move a stop."""
        return self.trailing is not Trailing.NONE or self.break_even_at_r > 0.0

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> ExitConfig:
        """Return the configuration that an `[exits]` table of TOML describes; what it leaves out keeps its default.

        Raises
        ------
        ConfigurationError
            A key is unknown, a value has the wrong type or lies outside its range.
        """
        values: dict[str, object] = {}
        for key, value in mapping.items():
            if key not in cls.__struct_fields__:
                near = get_close_matches(key, cls.__struct_fields__, n=3)
                known = f"did you mean {' or '.join(near)}?" if near else "known: " + ", ".join(cls.__struct_fields__)
                raise ConfigurationError(f"exits.{key} is not a setting", hint=known)
            values[key] = _READERS.get(key, _number)(key, value)
        return cls(**values)  # type: ignore[arg-type]  # each value was given its field's type just above


class ExitState(Protocol):
    """What must be known of an open trade to move its stop."""

    @property
    def side(self) -> Side:
        """Return the side of the entry."""
        ...

    @property
    def entry_price(self) -> Decimal:
        """Return the mean price of the entry."""
        ...

    @property
    def distance(self) -> Decimal:
        """Return 1 R: the distance from the entry to the first stop, above 0."""
        ...

    @property
    def stop_level(self) -> float:
        """Return the stop in force."""
        ...

    @property
    def best(self) -> float:
        """Return the best price since the entry, before the bar at hand."""
        ...


def best_price(state: ExitState, bar: BarClosed) -> float:
    """Return the best price since the entry, `bar` included: what the caller must keep for the next bar."""
    if state.side is Side.BUY:
        return max(state.best, bar.high)
    return min(state.best, bar.low) if state.best > 0.0 else bar.low


def next_stop(config: ExitConfig, state: ExitState, bar: BarClosed, trail: float, atr: float) -> float:
    """Return where the stop belongs after `bar`: the tightest that is allowed, never looser than the one in force.

    Levels on the far side of the close are left out: such a stop would trade at once, and venues refuse it.

    Parameters
    ----------
    trail
        The strategy's own level; 0.0 for no opinion.
    atr
        Mean true range in quote units; 0.0 while it is unknown, and then nothing trails by it.
    """
    is_long = state.side is Side.BUY
    stop, close = state.stop_level, bar.close
    best = best_price(state, bar)
    levels = [trail]
    if config.is_active:
        sign = 1.0 if is_long else -1.0
        entry = float(state.entry_price)
        gained, distance = (best - entry) * sign, float(state.distance)
        if config.break_even_at_r > 0.0 and 0.0 < config.break_even_at_r * distance <= gained:
            levels.append(entry * (1.0 + sign * config.break_even_costs))
        if config.trail_from_r <= 0.0 or gained >= config.trail_from_r * distance:
            levels.append(_trailed(config, best, close, atr, sign))
    for level in levels:
        # A NaN fails every comparison and so changes nothing.
        if (stop < level < close) if is_long else (0.0 < level < stop and level > close):
            stop = level
    return stop


def partial_targets(
    entry: Decimal, stop: Decimal, target: Price, quantity: Decimal, instrument: Instrument, config: ExitConfig
) -> tuple[tuple[Price, Quantity], ...]:
    """Return where to take how much, nearest first; prices on the tick, quantities on the lot, their sum `quantity`.

    A part that would lie at or beyond `target`, or that the venue would find too small, joins the next one; where
    that leaves nothing in parts, the whole goes at `target`.
    """
    whole = Quantity(quantity)
    if not config.partial_targets or quantity <= 0:
        return ((target, whole),)
    distance = abs(entry - stop)
    sign = 1 if target > entry else -1
    parts: list[tuple[Price, Quantity]] = []
    left, owed = quantity, ZERO
    for part in config.partial_targets:
        level = entry + sign * part.at_r * distance
        if level <= 0 or (target - level) * sign <= 0:
            break
        price = instrument.price_up(level) if sign > 0 else instrument.price_down(level)
        owed += part.share * quantity
        size = instrument.quantity(owed)
        if size <= 0 or size * price < instrument.notional_min or (target - price) * sign <= 0:
            continue
        left, owed = left - size, ZERO
        if parts and parts[-1][0] == price:  # two levels on one tick are one order
            size = Quantity(size + parts.pop()[1])
        parts.append((price, size))
    # What is left must be sellable too; else the last part takes it along.
    while parts and left > 0 and left * min(target, entry) < instrument.notional_min:
        left += parts.pop()[1]
    return (*parts, (target, Quantity(left)))


def _trailed(config: ExitConfig, best: float, close: float, atr: float, sign: float) -> float:
    match config.trailing:
        case Trailing.ATR:
            return close - sign * config.trail_ranges * atr if atr > 0.0 else 0.0
        case Trailing.CHANDELIER:
            return best - sign * config.trail_ranges * atr if atr > 0.0 else 0.0
        case Trailing.PERCENT:
            return best * (1.0 - sign * config.trail_share)
        case Trailing.NONE:
            return 0.0


_BOUNDS: Final = {
    "trail_ranges": (0.1, 50.0),
    "trail_share": (0.0005, 0.9),
    "trail_from_r": (0.0, 100.0),
    "break_even_at_r": (0.0, 100.0),
    "break_even_costs": (0.0, 0.1),
}


def _refuse(key: str, value: object, valid: str) -> NoReturn:
    raise ConfigurationError(
        f"exits.{key} is {value}, valid is {valid}",
        hint=f"set {key} in the [exits] table; docs/risk.md says what it does",
    )


def _number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _refuse(key, repr(value), "a number")
    return float(value)


def _trailing(key: str, value: object) -> Trailing:
    try:
        return Trailing(str(value))
    except ValueError:
        _refuse(key, repr(value), "one of " + ", ".join(kind.value for kind in Trailing))


def _parts(key: str, value: object) -> tuple[PartialTarget, ...]:
    valid = "a list like [{at_r = 1.0, share = 0.5}]"
    if not isinstance(value, list | tuple):
        _refuse(key, repr(value), valid)
    parts = []
    for entry in value:
        if not isinstance(entry, Mapping) or set(entry) != {"at_r", "share"}:
            _refuse(key, repr(entry), valid)
        try:
            parts.append(PartialTarget(Decimal(str(entry["at_r"])), Decimal(str(entry["share"]))))
        except InvalidOperation:
            _refuse(key, repr(entry), valid)
    return tuple(parts)


_READERS: Final = {"trailing": _trailing, "partial_targets": _parts}
