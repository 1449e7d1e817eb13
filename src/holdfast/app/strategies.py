"""Strategies by name: built-in, installed as an entry point, or a file of the user's own. Loaded only if named."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, cast

import msgspec

from holdfast.app.guarded_strategy import GuardedStrategy
from holdfast.core.errors import FOREIGN_FAULTS, ConfigurationError, HoldfastError
from holdfast.core.record import Record
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy
from holdfast.research.source_audit import SourceText
from holdfast.strategies.registry import BUILT_IN, StrategyFactory, checked_parameters, create, offered
from holdfast.strategies.stepping import StepDefinition, StepStrategy

_METHODS: Final = ("on_bar", "situation", "snapshot", "restore")
GROUP: Final = "holdfast.strategies"
_HINT: Final = "name one of: {names}; or a file of your own as path.py:Name"


class StrategyLine(Record, frozen=True):
    """One strategy that can be named, and its parameters with their defaults."""

    name: str
    summary: str
    parameters: dict[str, str]


def known_strategies() -> tuple[StrategyLine, ...]:
    """Return the strategies that are there: built-in ones with their parameters, installed ones by name."""
    found = [_built_in(definition) for definition in map(BUILT_IN.__getitem__, offered())]
    installed = [StrategyLine(point.name, f"installed: {point.value}", {}) for point in entry_points(group=GROUP)]
    return tuple(sorted([*found, *installed], key=lambda line: line.name))


def _built_in(definition: StepDefinition) -> StrategyLine:
    parameters = definition.parameters()
    values = cast("dict[str, object]", {key: getattr(parameters, key) for key in _fields(parameters)})
    summary = (inspect.getdoc(definition.parameters) or "").partition("\n")[0]
    return StrategyLine(definition.name, summary, {key: str(value) for key, value in values.items()})


def _fields(parameters: object) -> tuple[str, ...]:
    return tuple(getattr(parameters, "__struct_fields__", ()))


def strategy_factory(name: str, parameters: Mapping[str, str], *, accelerate: bool = False) -> StrategyFactory:
    """Return what makes the strategy `name` for an instrument.

    Parameters
    ----------
    name
        A built-in name, the name of an entry point in the group `holdfast.strategies`, or `path.py:Name`, where Name
        is a StepDefinition or a class with `on_bar` whose constructor takes the instrument's id and the parameters.

    Raises
    ------
    ConfigurationError
        There is no such strategy or parameter, or the file cannot be loaded.
    """
    if name in BUILT_IN:
        return create(name, parameters, accelerate=accelerate)
    path, colon, attribute = name.rpartition(":")
    if colon and path.endswith(".py"):
        return _factory_of(_from_file(Path(path), attribute), name, parameters, accelerate=accelerate)
    installed = {point.name: point for point in entry_points(group=GROUP)}
    if name in installed:
        return _factory_of(_from_entry_point(installed[name]), name, parameters, accelerate=accelerate)
    known = sorted({*offered(), *installed})
    near = get_close_matches(name, known, n=2)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    raise ConfigurationError(f"unknown strategy {name!r}", hint=meant + _HINT.format(names=", ".join(known)))


def named_for_ever(name: str) -> str:
    """Return the name under which a later process finds the same strategy, wherever it starts: a file's whole path."""
    path, colon, attribute = name.rpartition(":")
    return f"{Path(path).resolve()}:{attribute}" if colon and path.endswith(".py") else name


def _from_file(path: Path, attribute: str) -> object:
    if not path.is_file():
        raise ConfigurationError(f"there is no strategy file {path}", hint="check the path before the colon")
    spec = importlib.util.spec_from_file_location(f"holdfast_user_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"{path} is no Python file", hint="a strategy is one file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    # top of task: the user's file runs here; whatever it raises is the user's to read.
    except FOREIGN_FAULTS as error:
        raise ConfigurationError(
            f"{path} cannot be loaded: {type(error).__name__}: {error}", hint=f"see it in full with: python {path}"
        ) from error
    if not hasattr(module, attribute):
        own = [name for name, found in vars(module).items() if _is_own_strategy(found, module.__name__)]
        raise ConfigurationError(
            f"{path} has no {attribute!r}",
            hint="it has: " + ", ".join(own) if own else "it has no class with on_bar and no StepDefinition",
        )
    return cast("object", getattr(module, attribute))


def _is_own_strategy(found: object, module: str) -> bool:
    """Tell whether a name of the user's file is a strategy of the file's own, and nothing that it imports."""
    if isinstance(found, StepDefinition):
        return True
    return inspect.isclass(found) and found.__module__ == module and hasattr(found, "on_bar")


def _from_entry_point(point: EntryPoint) -> object:
    try:
        return cast("object", point.load())
    # top of task: somebody else's package is imported here.
    except FOREIGN_FAULTS as error:
        raise ConfigurationError(
            f"the installed strategy {point.name} ({point.value}) cannot be loaded: {error}",
            hint="repair or uninstall its package",
        ) from error


def _factory_of(
    found: object, name: str, parameters: Mapping[str, str], *, accelerate: bool
) -> StrategyFactory:  # fmt: skip
    if isinstance(found, StepDefinition):
        checked = checked_parameters(found, parameters)
        # Guarded, too: a function of the user's runs at each bar. What is built in comes from `create`, unguarded.
        return lambda instrument_id: GuardedStrategy(StepStrategy(found, instrument_id, checked, accelerate=accelerate))
    if inspect.isclass(found) and all(callable(getattr(found, method, None)) for method in _METHODS):
        return _checked_class(cast("Callable[..., Strategy]", found), name, parameters)
    raise ConfigurationError(
        f"{name} is neither a StepDefinition nor a class with {', '.join(_METHODS)}",
        hint="derive it from holdfast.strategies.free.FreeStrategy and write on_bar; docs/cli.md shows one",
    )


def _checked_class(made: Callable[..., Strategy], name: str, parameters: Mapping[str, str]) -> StrategyFactory:
    values: dict[str, object] = {}
    signature = inspect.signature(made)
    known = list(signature.parameters)[1:]
    for key, text in parameters.items():
        if key not in known:
            listed = ", ".join(known) or "none"
            raise ConfigurationError(f"{name} has no parameter {key!r}", hint=f"its parameters: {listed}")
        values[key] = _value(text)

    def make(instrument_id: InstrumentId) -> Strategy:
        try:
            return GuardedStrategy(made(instrument_id, **values))
        except (TypeError, ValueError) as error:
            raise ConfigurationError(
                f"{name} refuses its parameters: {error}", hint=f"it is called as {name}{signature}"
            ) from error
        except HoldfastError:
            raise
        # top of task: the user's constructor runs here.
        except FOREIGN_FAULTS as error:
            raise ConfigurationError(
                f"{name} cannot be made: {type(error).__name__}: {error}", hint="repair its __init__"
            ) from error

    return make


def strategy_source(name: str) -> SourceText | None:
    """Return the source of the strategy `name`, None where it cannot be had (an installed one without source)."""
    path, colon, _ = name.rpartition(":")
    if colon and path.endswith(".py"):
        return SourceText(path, Path(path).read_text("utf-8")) if Path(path).is_file() else None
    found: object = BUILT_IN[name].step if name in BUILT_IN else None
    if found is None:
        points = [point for point in entry_points(group=GROUP) if point.name == name]
        found = _from_entry_point(points[0]) if points else None
    module = inspect.getmodule(found.step if isinstance(found, StepDefinition) else found)
    try:
        return SourceText(name, inspect.getsource(module)) if module is not None else None
    except (OSError, TypeError):
        return None


def _value(text: str) -> object:
    for kind in (int, float, bool):
        try:
            return msgspec.convert(text, kind, strict=False)
        except msgspec.ValidationError:
            continue
    return text
