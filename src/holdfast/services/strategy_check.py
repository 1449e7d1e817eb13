"""Asks whether a strategy sees the future, with its source read from where it was loaded."""

from __future__ import annotations

import inspect
from pathlib import Path

import holdfast
from holdfast.domain.market import BarSeries
from holdfast.ports.strategy import Strategy
from holdfast.research.lookahead import BARS_FED_MAX, Factory, LookaheadReport, check_lookahead
from holdfast.research.source_audit import SourceText
from holdfast.strategies.stepping import StepStrategy

_HOUSE = Path(holdfast.__file__).resolve().parent


def check_strategy(make: Factory, series: BarSeries, *, effort: int = BARS_FED_MAX) -> LookaheadReport:
    """Return whether the strategies that `make` makes see the future of `series`; `effort` as in `check_lookahead`.

    The house's own code is not read, only run: it has its tests.
    """
    return check_lookahead(make, series, sources_of(make(series.instrument_id)), effort=effort)


def sources_of(strategy: Strategy) -> tuple[SourceText, ...]:
    """Return the files that a strategy's own code stands in."""
    own = sorted(path for path in _files(strategy) if path.is_file() and not path.is_relative_to(_HOUSE))
    return tuple(SourceText(path.name, path.read_text("utf-8")) for path in own)


def _files(strategy: Strategy) -> set[Path]:
    kinds = type(strategy).__mro__
    functions = [function for kind in kinds for _, function in inspect.getmembers(kind, inspect.isfunction)]
    names = {function.__code__.co_filename for function in functions}
    if isinstance(strategy, StepStrategy) and inspect.isfunction(strategy.definition.step):
        names.add(strategy.definition.step.__code__.co_filename)
    return {Path(name).resolve() for name in names}
