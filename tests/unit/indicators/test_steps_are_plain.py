"""Steps use + - * /, comparisons, `abs`, `math.sqrt` and other steps, and nothing else (`indicators/compilation.py`).

Powers, exponentials and the sums of a library round otherwise on other machines or under other versions of Python.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[3] / "src" / "holdfast"
CALLS = {"abs", "math.sqrt", "range", "int", "float"}
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def steps(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any("step_function" in ast.unparse(x) for x in node.decorator_list):
            yield node


def offences(step: ast.FunctionDef, names: set[str]) -> Iterator[str]:
    for node in (part for statement in step.body for part in ast.walk(statement)):
        if isinstance(node, ast.Call) and (called := ast.unparse(node.func)) not in CALLS | names:
            yield f"{step.name}: calls {called}, line {node.lineno}"
        elif isinstance(node, ast.BinOp | ast.AugAssign) and not isinstance(node.op, OPERATORS):
            yield f"{step.name}: computes {ast.unparse(node)}, line {node.lineno}"
        elif isinstance(node, ast.Attribute) and ast.unparse(node) != "math.sqrt":
            yield f"{step.name}: reads {ast.unparse(node)}, line {node.lineno}"


TREES = {path.relative_to(SOURCE): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}
NAMES = {step.name for tree in TREES.values() for step in steps(tree)}


@pytest.mark.parametrize("path", [path for path, tree in TREES.items() if any(steps(tree))], ids=str)
def test_every_step_of_the_house_is_plain(path: Path):
    assert [offence for step in steps(TREES[path]) for offence in offences(step, NAMES)] == []


def test_the_steps_are_found():
    assert {"ema_step", "rsi_step", "frame_step"} <= NAMES
    assert len(NAMES) > 30


@pytest.mark.parametrize(
    "line",
    ["x ** 2", "pow(x, 2)", "math.exp(x)", "math.tanh(x)", "math.log(x)", "sum(state)", "max(x, 1.0)", "min(x, 1.0)",
     "math.fsum(state)", "np.sqrt(x)", "state.sum()", "round(x)", "x % 1.0", "x // 1.0", "x @ x", "math.pi * x",
     "helper(x)"],
)  # fmt: skip
def test_whatever_rounds_otherwise_is_refused(line: str):
    text = "@step_function\ndef new_step(state, x):\n    state[0] = abs(x) + math.sqrt(x)\n    return "
    (plain,) = steps(ast.parse(text + "ema_step(state, 0, x)"))
    assert list(offences(plain, NAMES)) == []
    (step,) = steps(ast.parse(text + line))
    assert list(offences(step, NAMES))


def test_a_power_by_assignment_is_refused():
    (step,) = steps(ast.parse("@step_function\ndef new_step(x):\n    x **= 2.0\n    return x"))
    assert list(offences(step, NAMES)) == ["new_step: computes x **= 2.0, line 3"]
