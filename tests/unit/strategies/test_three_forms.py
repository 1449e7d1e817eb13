"""One source, three forms, the same bits: plain Python, compiled and called per bar, in a compiled loop."""

import importlib.util
import sys
from pathlib import Path

import pytest

from holdfast.strategies.registry import BUILT_IN

CASES = 200  # benchmarks/three_forms.py runs 10,000

_PATH = Path(__file__).resolve().parents[3] / "benchmarks" / "three_forms.py"
_SPEC = importlib.util.spec_from_file_location("three_forms", _PATH)
assert _SPEC is not None
assert _SPEC.loader is not None
three_forms = importlib.util.module_from_spec(_SPEC)
sys.modules["three_forms"] = three_forms  # dataclasses look their module up
_SPEC.loader.exec_module(three_forms)


# Compiling the largest takes many seconds, and each of the others goes the same ways.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name == "harmonized" else name for name in BUILT_IN]
)
def test_all_forms_give_the_same_bits(name: str):
    definition = BUILT_IN[name]
    signals = 0
    for case in three_forms.cases(definition, CASES, seed=1):
        compared = three_forms.compare(definition, case)
        assert not compared.differences
        signals += compared.signals
    assert signals >= CASES / 2, "markets in which nothing happens prove little"
