"""Reads the source of a strategy and refuses what could reach data that no bar has brought yet.

A strategy needs arithmetic over the bars that it is given. Files, the interpreter's insides, clocks, chance and other
processes it does not need, and each of them is a way to the future. What is not known to be harmless is refused: a list
of forbidden modules would never be complete.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator

from holdfast.core.record import Record
from holdfast.research.finding import Finding, FindingKind

HARMLESS_MODULES = frozenset(
    "__future__ abc array bisect cmath collections copy dataclasses datetime decimal enum fractions functools heapq "
    "itertools json math msgspec numba numbers numpy operator re statistics string talib textwrap typing "
    "typing_extensions".split()
)
HARMLESS_ROOMS = frozenset({"core", "domain", "ports", "indicators", "strategies"})

_WAYS = {
    "can read prices from files": "os io pathlib csv pickle shelve sqlite3 glob tempfile mmap fileinput shutil zipfile "
    "gzip pandas pyarrow polars duckdb h5py dask xarray fastparquet sqlalchemy linecache",
    "reaches into the interpreter, and so into whoever feeds it": "sys inspect gc ctypes builtins importlib traceback "
    "runpy code pkgutil tracemalloc weakref atexit dis _ctypes cffi imp",
    "makes results depend on when or how often it runs": "time random secrets uuid",
    "can ask others for prices": "socket urllib requests http httpx aiohttp ftplib websockets ccxt yfinance",
    "runs beside the engine": "threading multiprocessing subprocess asyncio concurrent signal sched _thread",
}
_WAY_OF = {module: way for way, modules in _WAYS.items() for module in modules.split()}

_FORBIDDEN_CALLS = {
    "open": "opens files",
    "eval": "runs code that cannot be read here",
    "exec": "runs code that cannot be read here",
    "compile": "makes code that cannot be read here",
    "__import__": "imports what cannot be read here",
    "globals": "reaches state outside of its instance",
    "locals": "reaches state outside of its instance",
    "vars": "reaches state outside of its instance",
    "breakpoint": "stops the engine",
    "input": "waits for a person",
    "__builtins__": "reaches into the interpreter",
}
_INTERPRETER_NAMES = frozenset(
    "f_back f_globals f_locals f_code f_builtins gi_frame cr_frame ag_frame tb_frame tb_next with_traceback "
    "__traceback__ __globals__ __builtins__ __closure__ __code__ __subclasses__ __bases__ __mro__ __loader__ __spec__ "
    "__getattribute__ __setattr__ __delattr__ __reduce__ __reduce_ex__ __self__ __func__ __wrapped__ "
    "_getframe _current_frames modules sys _sys os _os gc inspect builtins ctypes ctypeslib importlib "
    "force_setattr get_type_hints as_strided npyio DataSource memmap fromfile tofile loadtxt genfromtxt objmode carray "
    "farray".split()
)
_NUMPY_NAMES = {"load": "reads files", "random": "brings in chance", "save": "writes files", "savez": "writes files"}
_CLOCK_NAMES = frozenset({"now", "utcnow", "today"})
_BY_NAME = frozenset({"getattr", "setattr", "delattr", "hasattr", "attrgetter", "methodcaller"})

# Hours, weekdays, months and lengths are small and few; what looks like dates, prices or places in a series is neither.
TABLE_LARGE_MIN = 5
TABLE_NUMBER_LARGE = 100
TABLE_NUMBERS_MIN = 32
TEXT_LENGTH_MAX = 60


class SourceText(Record, frozen=True):
    """The source of a strategy, and what to call it in a sentence."""

    origin: str
    text: str


def audit_source(source: SourceText, allowed: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return what speaks against the source, by line; `allowed` names further modules that are trusted."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError as error:
        return (_refused("syntax", f"{source.origin} is no Python: {error.msg}.", error.lineno or 0),)
    docstrings = {id(text) for node in ast.walk(tree) if (text := _docstring(node)) is not None}
    found: list[Finding] = []
    for node in ast.walk(tree):
        found += _imports(node, allowed)
        found += _names(node)
        found += _attributes(node)
        found += _state(node)
        if id(node) not in docstrings:
            found += _tables(node)
    return tuple(sorted(set(found), key=lambda finding: (finding.line, finding.sentence)))


def has_table(findings: Collection[Finding]) -> bool:
    """Tell whether the source holds a table of numbers that may be knowledge from elsewhere."""
    return any(finding.test == "tables" for finding in findings)


def _refused(test: str, sentence: str, line: int) -> Finding:
    return Finding(FindingKind.REFUSED, test, sentence, line)


def _docstring(node: ast.AST) -> ast.AST | None:
    if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not node.body:
        return None
    first = node.body[0]
    return first.value if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) else None


def _imports(node: ast.AST, allowed: Collection[str]) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        names = [f"{node.module or '.'}.{alias.name}" if node.module == "holdfast" else node.module or "."
                 for alias in node.names]  # fmt: skip
        if node.level:
            names = ["." * node.level + (node.module or "")]
    else:
        return
    for name in dict.fromkeys(names):
        top, _, rest = name.partition(".")
        room = rest.partition(".")[0]
        if top in HARMLESS_MODULES or top in allowed or (top == "holdfast" and room in HARMLESS_ROOMS):
            continue
        if top == "holdfast":
            way = f"belongs to the house, but only {', '.join(sorted(HARMLESS_ROOMS))} of it are for strategies"
        else:
            way = _WAY_OF.get(top, "is not known to be harmless")
        yield _refused("imports", f"It imports {name}, which {way}.", node.lineno)


def _names(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Name) and node.id in _FORBIDDEN_CALLS:
        yield _refused("names", f"It uses {node.id}, which {_FORBIDDEN_CALLS[node.id]}.", node.lineno)
    elif isinstance(node, ast.Name) and node.id in _INTERPRETER_NAMES:
        yield _refused("names", f"It uses {node.id}, which reaches into the interpreter.", node.lineno)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in _INTERPRETER_NAMES:
        if node.value.startswith("_") or node.value.startswith(("f_", "tb_", "gi_")):
            yield _refused("names", f"It names {node.value!r}, which reaches into the interpreter.", node.lineno)
    elif isinstance(node, ast.Call) and _called(node) in _BY_NAME:
        names = node.args if _called(node) in ("attrgetter", "methodcaller") else node.args[1:2]
        if not all(isinstance(name, ast.Constant) for name in names):
            yield _refused("names", f"It calls {_called(node)} with a name that cannot be read here.", node.lineno)


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def _attributes(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "numpy":
        for alias in node.names:
            if alias.name in _NUMPY_NAMES:
                sentence = f"It imports numpy.{alias.name}, which {_NUMPY_NAMES[alias.name]}."
                yield _refused("attributes", sentence, node.lineno)
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if alias.name in _INTERPRETER_NAMES:
                yield _refused("attributes", f"It imports {alias.name}, which is no arithmetic.", node.lineno)
    if not isinstance(node, ast.Attribute):
        return
    if node.attr in _INTERPRETER_NAMES:
        yield _refused("attributes", f"It uses .{node.attr}, which reaches beyond the bars it is given.", node.lineno)
    elif isinstance(node.value, ast.Name) and node.value.id in ("np", "numpy") and node.attr in _NUMPY_NAMES:
        yield _refused(
            "attributes", f"It uses {node.value.id}.{node.attr}, which {_NUMPY_NAMES[node.attr]}.", node.lineno
        )
    elif node.attr in _CLOCK_NAMES and ast.unparse(node.value).split(".")[-1] in ("datetime", "date"):
        yield _refused("attributes", f"It asks the clock ({ast.unparse(node)}); a bar's time is ts_event.", node.lineno)


def _state(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.Global):
        names = ", ".join(node.names)
        yield _refused("state", f"It keeps {names} outside of its instance, where another run finds it.", node.lineno)


def _tables(node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
        numbers = [number for child in ast.walk(node) if (number := _number(child)) is not None]
        large = sum(1 for number in numbers if abs(number) >= TABLE_NUMBER_LARGE)
        if large >= TABLE_LARGE_MIN or len(numbers) >= TABLE_NUMBERS_MIN:
            sentence = f"It holds a table of {len(numbers)} numbers: knowledge of this market from elsewhere?"
            yield Finding(FindingKind.NOTED, "tables", sentence, node.lineno)
    elif isinstance(node, ast.Constant) and _is_data(node.value):
        yield Finding(FindingKind.NOTED, "tables", "It holds a long text or number: data in disguise?", node.lineno)


def _is_data(value: object) -> bool:
    if isinstance(value, str):
        # Sentences have spaces.
        return any(len(word) > TEXT_LENGTH_MAX for word in value.split())
    if isinstance(value, bytes):
        return len(value) > TEXT_LENGTH_MAX
    return isinstance(value, int) and value > 10**TEXT_LENGTH_MAX


def _number(node: ast.AST) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value) if abs(node.value) < 10**300 else 1e300
    return None
