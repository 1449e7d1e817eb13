"""Strategies by name, and their parameters checked: what a user may type after `--strategy` and `--set`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import get_type_hints

import msgspec
import msgspec.inspect

from holdfast.core.errors import ConfigurationError
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy
from holdfast.strategies.fibonacci_retracement import FIBONACCI_RETRACEMENT
from holdfast.strategies.harmonized import HARMONIZED
from holdfast.strategies.ma_crossover import MA_CROSSOVER
from holdfast.strategies.macd_trend import MACD_TREND
from holdfast.strategies.reference import JOB_A, JOB_C
from holdfast.strategies.rsi_momentum import RSI_MOMENTUM
from holdfast.strategies.stepping import Parameters, StepDefinition, StepStrategy

StrategyFactory = Callable[[InstrumentId], Strategy]

BUILT_IN: Mapping[str, StepDefinition] = {
    definition.name: definition
    for definition in (MA_CROSSOVER, RSI_MOMENTUM, MACD_TREND, FIBONACCI_RETRACEMENT, HARMONIZED, JOB_A, JOB_C)
}


def offered() -> list[str]:
    """Return the names that a user is shown: those of the built-in strategies that are no part of a benchmark."""
    return sorted(name for name in BUILT_IN if not name.startswith("job_"))


def create(name: str, parameters: Mapping[str, str | float], *, accelerate: bool = False) -> StrategyFactory:
    """Return what makes the built-in strategy `name` for an instrument, with `parameters` over its defaults.

    Raises
    ------
    ConfigurationError
        There is no such strategy or parameter, or a value is impossible.
    """
    definition = BUILT_IN.get(name)
    if definition is None:
        raise ConfigurationError(f"unknown strategy {name!r}", hint="one of " + ", ".join(offered()))
    checked = checked_parameters(definition, parameters)
    return lambda instrument_id: StepStrategy(definition, instrument_id, checked, accelerate=accelerate)


def checked_parameters(definition: StepDefinition, given: Mapping[str, str | float]) -> Parameters:
    """Return the definition's parameters with `given` over the defaults; texts are read as numbers.

    Raises
    ------
    ConfigurationError
        A key is unknown, or a value is impossible.
    """
    types = get_type_hints(definition.parameters, include_extras=True)
    keys: tuple[str, ...] = getattr(definition.parameters, "__struct_fields__", ())
    hint = "--set key=value with a key of: " + ", ".join(keys)
    for key, value in given.items():
        if key not in keys:
            near = get_close_matches(key, keys, n=3)
            meant = f"; did you mean {' or '.join(near)}?" if near else ""
            raise ConfigurationError(f"strategy {definition.name} has no parameter {key!r}", hint=f"{hint}{meant}")
        try:
            msgspec.convert(value, types[key], strict=False)
        except msgspec.ValidationError as error:
            raise ConfigurationError(
                f"strategy {definition.name}: {key}={value} is not valid",
                hint=f"{key} must be {_valid(msgspec.inspect.type_info(types[key]))}",
            ) from error
    try:
        return msgspec.convert(given, definition.parameters, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"strategy {definition.name}: {error}", hint=hint) from error


def _valid(kind: msgspec.inspect.Type) -> str:
    if isinstance(kind, msgspec.inspect.BoolType):
        return "true or false"
    if isinstance(kind, msgspec.inspect.LiteralType):
        return "one of " + ", ".join(map(str, kind.values))
    if isinstance(kind, msgspec.inspect.EnumType):
        return "one of " + ", ".join(str(item.value) for item in kind.cls)
    if isinstance(kind, msgspec.inspect.IntType | msgspec.inspect.FloatType):
        bounds = (("at least", kind.ge), ("above", kind.gt), ("at most", kind.le), ("below", kind.lt))
        limits = " and ".join(f"{word} {bound:g}" for word, bound in bounds if bound is not None)
        number = "a whole number" if isinstance(kind, msgspec.inspect.IntType) else "a number"
        return f"{number} {limits}".rstrip()
    return "a value of another type"
