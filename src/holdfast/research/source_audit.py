"""Reads the source of a strategy and refuses what could reach data that no bar has brought yet.

A strategy needs arithmetic over the bars that it is given. Files, the interpreter's insides, clocks, chance and other
processes it does not need, and each of them is a way to the future. What is not known to be harmless is refused: a list
of forbidden modules would never be complete.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from holdfast.core.record import Record
from holdfast.research.finding import Finding, FindingKind

HARMLESS_MODULES = frozenset(
    "__future__ abc array bisect calendar cmath collections contextlib copy dataclasses datetime decimal enum "
    "fractions functools heapq itertools json logging math msgspec numba numbers numpy operator pprint re statistics "
    "string struct talib textwrap typing typing_extensions warnings zoneinfo".split()
)
HARMLESS_ROOMS = frozenset({"core", "domain", "ports", "indicators", "strategies"})

_WAYS = {
    "can read prices from files": "os io pathlib csv pickle shelve sqlite3 glob tempfile mmap fileinput shutil zipfile "
    "gzip codecs tokenize pandas pyarrow polars duckdb h5py dask xarray fastparquet sqlalchemy linecache",
    "reaches into the interpreter, and so into whoever feeds it": "sys inspect gc ctypes builtins importlib traceback "
    "runpy code pkgutil tracemalloc weakref atexit dis types _ctypes cffi imp",
    "makes results depend on when or how often it runs": "time random secrets uuid",
    "can ask others for prices": "socket urllib requests http httpx aiohttp ftplib websockets ccxt yfinance",
    "runs beside the engine": "threading multiprocessing subprocess asyncio concurrent signal sched _thread",
}
_WAY_OF = {module: way for way, modules in _WAYS.items() for module in modules.split()}

_FORBIDDEN_NAMES = {
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
# Prices and settings are often called like this; then the name is no builtin, as long as nobody calls it.
_NAMES_OF_VARIABLES = frozenset({"open", "input"})
_INTERPRETER_NAMES = frozenset(
    "f_back f_globals f_locals f_code f_builtins gi_frame cr_frame ag_frame tb_frame tb_next with_traceback "
    "__traceback__ __globals__ __builtins__ __closure__ __code__ __subclasses__ __bases__ __mro__ __loader__ __spec__ "
    "__getattribute__ __setattr__ __delattr__ __reduce__ __reduce_ex__ __self__ __func__ __wrapped__ __import__ "
    "_getframe _current_frames modules sys _sys os _os _io gc inspect builtins ctypes ctypeslib importlib codecs "
    "linecache force_setattr get_type_hints as_strided npyio DataSource memmap fromfile tofile loadtxt genfromtxt "
    "objmode carray farray".split()
)
_SECRET_NAMES = tuple(name for name in _INTERPRETER_NAMES if name.startswith("__"))
_FRAME_NAMES = frozenset(name for name in _INTERPRETER_NAMES if name.startswith(("f_", "gi_", "cr_", "ag_", "tb_")))
_NUMPY_NAMES = {"load": "reads files", "random": "brings in chance", "save": "writes files", "savez": "writes files"}
_READERS = frozenset({"open", "read_text", "read_bytes", "read_csv", "read_parquet", "read_table", "urlopen"})
_CLOCK_NAMES = frozenset({"now", "utcnow", "today"})
_BY_NAME = frozenset({"getattr", "hasattr", "setattr", "delattr", "attrgetter", "methodcaller"})
_OWN = frozenset({"self", "bar"})

# Hours, weekdays, months and lengths are small and few; what looks like dates, prices or places in a series is neither.
TABLE_LARGE_MIN = 5
TABLE_NUMBER_LARGE = 100
TABLE_NUMBERS_MIN = 32
TEXT_LENGTH_MAX = 60


class SourceText(Record, frozen=True):
    """The source of a strategy, and what to call it in a sentence."""

    origin: str
    text: str


@dataclass(frozen=True)
class _Names:
    """Which names a file gives itself, imports and calls; `of_self` are the nodes of `vars` in `vars(self)`."""

    stored: frozenset[str]
    parameters: frozenset[str]
    functions: frozenset[str]
    imported: frozenset[str]
    called: frozenset[str]
    of_self: frozenset[int]


def audit_source(source: SourceText, allowed: Collection[str] = ()) -> tuple[Finding, ...]:
    """Return what speaks against the source, by line; `allowed` names further modules that are trusted."""
    try:
        tree = ast.parse(source.text)
    except SyntaxError as error:
        return (_refused("syntax", f"{source.origin} is no Python: {error.msg}.", error.lineno or 0),)
    nodes = list(ast.walk(tree))
    docstrings = {id(text) for node in nodes if (text := _docstring(node)) is not None}
    names = _names_of(nodes)
    found: list[Finding] = []
    for node in nodes:
        if id(node) in docstrings:
            continue
        found += _imports(node, allowed)
        found += _builtins(node, names)
        found += _attributes(node, names)
        found += _by_name(node, names)
        found += _texts(node)
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


def _names_of(nodes: list[ast.AST]) -> _Names:
    imports = [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]
    calls = [node for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return _Names(
        frozenset(node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)),
        frozenset(node.arg for node in nodes if isinstance(node, ast.arg)),
        frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef)),
        frozenset((alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names),
        frozenset(ast.unparse(call.func) for call in calls),
        frozenset(id(call.func) for call in calls if ast.unparse(call) == "vars(self)"),
    )


def _imports(node: ast.AST, allowed: Collection[str]) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        module = "." * node.level + (node.module or "")
        names = [f"holdfast.{alias.name}" for alias in node.names] if module == "holdfast" else [module]
        yield from _imported_names(node, module)
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


def _imported_names(node: ast.ImportFrom, module: str) -> Iterator[Finding]:
    for alias in node.names:
        if module.split(".")[0] == "numpy" and alias.name in _NUMPY_NAMES:
            sentence = f"It imports {module}.{alias.name}, which {_NUMPY_NAMES[alias.name]}."
            yield _refused("imports", sentence, node.lineno)
        elif alias.name in _INTERPRETER_NAMES or (alias.name in _WAY_OF and module.split(".")[0] in HARMLESS_MODULES):
            yield _refused("imports", f"It imports {alias.name} from {module}, which is no arithmetic.", node.lineno)


def _builtins(node: ast.AST, names: _Names) -> Iterator[Finding]:
    if isinstance(node, ast.Global):
        kept = ", ".join(node.names)
        yield _refused("state", f"It keeps {kept} outside of its instance, where another run finds it.", node.lineno)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in _FORBIDDEN_NAMES:
        is_variable = node.id in _NAMES_OF_VARIABLES and node.id in (names.stored | names.parameters) - names.called
        if not is_variable and node.id not in names.functions and id(node) not in names.of_self:
            yield _refused("names", f"It uses {node.id}, which {_FORBIDDEN_NAMES[node.id]}.", node.lineno)


def _attributes(node: ast.AST, names: _Names) -> Iterator[Finding]:
    if isinstance(node, ast.MatchClass):
        for name in set(node.kwd_attrs) & _INTERPRETER_NAMES:
            yield _refused("attributes", f"It matches {name}, which reaches into the interpreter.", node.lineno)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _READERS:
        if node.func.attr not in names.functions:
            yield _refused("attributes", f"It calls {ast.unparse(node.func)}, which opens files.", node.lineno)
    if not isinstance(node, ast.Attribute):
        return
    owner = ast.unparse(node.value)
    last = owner.split(".")[-1]
    if node.attr in _INTERPRETER_NAMES:
        yield _refused("attributes", f"It uses .{node.attr}, which reaches beyond the bars it is given.", node.lineno)
    elif last in ("np", "numpy") and node.attr in _NUMPY_NAMES:
        yield _refused("attributes", f"It uses {owner}.{node.attr}, which {_NUMPY_NAMES[node.attr]}.", node.lineno)
    elif owner in names.imported and owner not in names.stored and node.attr in _WAY_OF:
        yield _refused("attributes", f"It takes {node.attr} out of {owner}, which {_WAY_OF[node.attr]}.", node.lineno)
    elif node.attr in _CLOCK_NAMES and last in ("datetime", "date"):
        yield _refused("attributes", f"It asks the clock ({owner}.{node.attr}); a bar's time is ts_event.", node.lineno)


def _by_name(node: ast.AST, names: _Names) -> Iterator[Finding]:
    if not isinstance(node, ast.Call):
        return
    called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
    if called not in _BY_NAME:
        return
    given = node.args if called in ("attrgetter", "methodcaller") else node.args[1:2]
    owner = ast.unparse(node.args[0]) if node.args else ""
    is_own = called not in ("attrgetter", "methodcaller") and owner in _OWN and owner not in names.stored
    for name in given:
        if not isinstance(name, ast.Constant):
            if not is_own:
                yield _refused("names", f"It calls {called} with a name that cannot be read here.", node.lineno)
        elif name.value in _INTERPRETER_NAMES:
            yield _refused("names", f"It asks for {name.value!r}, which reaches into the interpreter.", node.lineno)


def _texts(node: ast.AST) -> Iterator[Finding]:
    if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
        return
    for name in _SECRET_NAMES:
        # Format strings reach attributes too.
        if name in node.value:
            yield _refused("names", f"It names {name!r}, which reaches into the interpreter.", node.lineno)
    if node.value in _FRAME_NAMES:
        yield _refused("names", f"It names {node.value!r}, which reaches into the interpreter.", node.lineno)


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
