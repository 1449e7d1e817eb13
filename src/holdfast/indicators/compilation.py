"""Step functions: what they are, and how one source runs as plain Python and as machine code with the same bits.

A step takes its state (a list of floats in plain Python, a float64 array when compiled), scalars and offsets, writes
its state and returns a number. It uses +, -, *, /, comparisons, `abs`, `math.sqrt` and other steps, and nothing else:
those round alike everywhere (IEEE 754), while powers, exponentials and the builtins `max` and `min` need not. numba is
asked for no fast mathematics, so it neither reorders nor fuses; it is optional, and imported only when asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import types
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar, cast

from holdfast.core.errors import ConfigurationError

P = ParamSpec("P")
R = TypeVar("R")


class State(Protocol):
    """A vector of float64 that a step reads and writes: a list, or a numpy array."""

    def __getitem__(self, slot: int, /) -> float: ...
    def __setitem__(self, slot: int, value: float, /) -> None: ...
    def __len__(self) -> int: ...


# Which functions are steps, so that a step may be compiled together with those that it calls.
_STEPS: set[types.FunctionType] = set()
# Steps allocate nothing, so counting references (atomically, four times a bar) is waste: without it a loop over job C
# runs three times as fast. Inlining is LLVM's, after the semantics are fixed. Neither changes a bit of the results.
_OPTIONS = {"_nrt": False, "forceinline": True}
_COMPILED: dict[types.FunctionType, Callable[..., Any]] = {}


def step_function(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a function as a step, so that it is compiled along with every step that calls it by its name."""
    _STEPS.add(cast("types.FunctionType", function))
    return function


def is_numba_present() -> bool:
    """Tell whether numba can be imported, without importing it."""
    return importlib.util.find_spec("numba") is not None


def compiled(step: Callable[P, R]) -> Callable[P, R]:
    """Return the machine-code form of a step; the same object each time.

    The function is rebuilt from its own byte code with compiled steps in the place of those that it names, then given
    to `numba.njit`. Its state and its vectors must be contiguous float64 arrays. A loop that takes a step as argument
    is compiled likewise, and given a compiled step. The first call takes 0.1 to 5 s: that is when it is compiled.

    Raises
    ------
    ConfigurationError
        numba is not installed.
    """
    function = cast("types.FunctionType", step)
    if function not in _COMPILED:
        _COMPILED[function] = _numba().njit(**_OPTIONS)(_with_compiled_callees(function))
    return cast("Callable[P, R]", _COMPILED[function])


def _with_compiled_callees(function: types.FunctionType) -> types.FunctionType:
    names = dict(function.__globals__)
    for name in function.__code__.co_names:
        callee = names.get(name)
        if isinstance(callee, types.FunctionType) and callee in _STEPS:
            names[name] = compiled(callee)
    return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


def _numba() -> Any:
    # Not imported on top: it is optional, and costs half a second that most commands never use.
    try:
        return importlib.import_module("numba")
    except ImportError as error:
        raise ConfigurationError(
            f"compiled steps need numba, and it cannot be imported: {error}",
            hint="pip install 'holdfast[fast]', or leave acceleration off: the results are the same",
        ) from error
