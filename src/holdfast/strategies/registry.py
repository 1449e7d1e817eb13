"""Strategies by name, and their parameters checked: what a user may type after `--strategy` and `--set`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

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


def create(name: str, parameters: Mapping[str, str | float], *, accelerate: bool = False) -> StrategyFactory:
    """Return what makes the built-in strategy `name` for an instrument, with `parameters` over its defaults.

    Raises
    ------
    ConfigurationError
        There is no such strategy or parameter, or a value is impossible.
    """
    definition = BUILT_IN.get(name)
    if definition is None:
        raise ConfigurationError(f"unknown strategy {name!r}", hint="one of " + ", ".join(sorted(BUILT_IN)))
    checked = checked_parameters(definition, parameters)
    return lambda instrument_id: StepStrategy(definition, instrument_id, checked, accelerate=accelerate)


def checked_parameters(definition: StepDefinition, given: Mapping[str, str | float]) -> Parameters:
    """Return the definition's parameters with `given` over the defaults; texts are read as numbers.

    Raises
    ------
    ConfigurationError
        A key is unknown, or a value is impossible.
    """
    keys: tuple[str, ...] = getattr(definition.parameters, "__struct_fields__", ())
    hint = "--set key=value with a key of: " + ", ".join(keys)
    try:
        return msgspec.convert(given, definition.parameters, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"strategy {definition.name}: {error}", hint=hint) from error
