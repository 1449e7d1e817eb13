"""The style guide as a test: every message says what is wrong, why it matters and what to do instead.

Each rule carries an offence of its own and is first shown to refuse it: a rule that never finds anything is no rule.
Limits may be tightened, never loosened.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = PurePosixPath("src/holdfast")
LINES_PER_FILE_MAX = 500
LINES_PER_FUNCTION_MAX = 60
PARAMETERS_MAX = 7
ARCHITECTURE_LINES_MAX = 250
REASON_LENGTH_MIN = 8

KIND_NAMES = {"util", "utils", "helper", "helpers", "misc", "common", "base2"}
PURE_FLOORS = {
    *("core", "domain", "ports", "indicators", "matching"),
    *("strategies", "advice", "risk", "portfolio", "compliance", "security", "engine"),
}
# Clocks, sockets, files, processes and chance. Whatever a pure floor needs of them comes in as an argument or an event.
IMPURE_MODULES = set(
    "aiohttp asyncio ccxt concurrent ctypes fcntl glob http httpx io kafka logging mmap multiprocessing nats "
    "os pathlib psycopg pyarrow pymongo random redis requests sched secrets select selectors shutil signal "
    "socket sqlite3 ssl subprocess tempfile threading time urllib urllib3 web3 websockets".split()
)
RANDOM_BYTES = {"os", "secrets"}  # the style guide lets `security` alone draw random bytes
IMPURE_CALLS = {"open", "input", "print", "breakpoint"}
IMPURE_ATTRIBUTES = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
IMPURE_ATTRIBUTES |= {("np", "random"), ("numpy", "random")}
VAULT_READERS = ("holdfast.app", "holdfast.services.signing", "holdfast.security")

type_ignore = re.compile(r"type:\s*ignore")
type_ignore_with_reason = re.compile(rf"type:\s*ignore\[[a-z][a-z, -]*\]\s*#\s*\S.{{{REASON_LENGTH_MIN - 1},}}")
unfinished = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b(?!\s*\(?#\d)")

Finding = tuple[int, str]
Function = ast.FunctionDef | ast.AsyncFunctionDef
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file, read once."""

    path: PurePosixPath
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(self.tree))

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in self.nodes if isinstance(node, Function)]

    @cached_property
    def comments(self) -> dict[int, str]:
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}

    @property
    def is_shipped(self) -> bool:
        return self.path.is_relative_to(PACKAGE)

    @property
    def module(self) -> str:
        parts = self.path.relative_to("src").with_suffix("").parts if self.is_shipped else self.path.parts
        return ".".join(part for part in parts if part != "__init__")

    @property
    def room(self) -> str:
        """The top-level room of the package, without the suffix of a module; empty outside of it."""
        parts = self.module.split(".")
        return parts[1] if self.is_shipped and len(parts) > 1 else ""

    @cached_property
    def imports(self) -> list[tuple[int, str]]:
        found: list[tuple[int, str]] = []
        for node in self.nodes:
            if isinstance(node, ast.Import):
                found += [(node.lineno, alias.name) for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
        return found


Rule = Callable[[Source], Iterator[Finding]]


def file_is_short(source: Source) -> Iterator[Finding]:
    lines = source.text.count("\n")
    if lines > LINES_PER_FILE_MAX:
        yield LINES_PER_FILE_MAX, f"{lines} lines, at most {LINES_PER_FILE_MAX}: split it by subject, never by kind"


def function_is_short(source: Source) -> Iterator[Finding]:
    """Counted from `def` to the end, without the docstring: explaining more must not cost code."""
    for function in source.functions:
        lines = (function.end_lineno or 0) - function.lineno + 1
        if ast.get_docstring(function) is not None:
            lines -= (function.body[0].end_lineno or 0) - function.body[0].lineno + 1
        if lines > LINES_PER_FUNCTION_MAX:
            yield (
                function.lineno,
                f"`{function.name}` has {lines} lines, at most {LINES_PER_FUNCTION_MAX}: "
                "name its steps and make each one a function",
            )


def function_has_few_parameters(source: Source) -> Iterator[Finding]:
    for function in source.functions:
        arguments = function.args
        names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
        names += [a.arg for a in (arguments.vararg, arguments.kwarg) if a]
        count = len([name for name in names if name not in {"self", "cls"}])
        if count > PARAMETERS_MAX:
            yield (
                function.lineno,
                f"`{function.name}` takes {count} parameters, at most {PARAMETERS_MAX}: "
                "those that travel together are a Record",
            )


def name_is_a_subject(source: Source) -> Iterator[Finding]:
    for part in source.path.with_suffix("").parts:
        if part in KIND_NAMES:
            yield 1, f"`{part}` names a kind, not a subject: name the noun that it is about (sizing, drawdown, nonce)"


def init_holds_names_only(source: Source) -> Iterator[Finding]:
    if source.path.name != "__init__.py":
        return
    for node in source.tree.body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        targets = [getattr(target, "id", "") for target in node.targets] if isinstance(node, ast.Assign) else []
        is_name = targets in (["__all__"], ["__version__"])
        if not (is_docstring or is_name or isinstance(node, ast.Import | ast.ImportFrom)):
            yield node.lineno, "`__init__.py` holds a docstring, imports and `__all__`: give this a module of its own"


def imports_stand_on_top(source: Source) -> Iterator[Finding]:
    for function in source.functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield (
                    node.lineno,
                    "import inside a function hides a dependency or a loop: put it on top; if two modules need each "
                    "other, what they share belongs on a lower floor",
                )


def no_hidden_loop(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        name = getattr(node, "id", getattr(node, "attr", ""))
        if name == "TYPE_CHECKING":
            yield (
                getattr(node, "lineno", 1),
                "`TYPE_CHECKING` hides an import loop: move what both need to a lower floor",
            )


def ignored_types_give_a_reason(source: Source) -> Iterator[Finding]:
    for line, comment in source.comments.items():
        if type_ignore.search(comment) and not type_ignore_with_reason.search(comment):
            yield line, "write `type: ignore[code]  # why it is right all the same`, or better, repair the type"


BLIND = {"Exception", "BaseException", "FOREIGN_FAULTS"}


def except_is_narrow(source: Source) -> Iterator[Finding]:
    for node in source.nodes:
        if isinstance(node, ast.ExceptHandler):
            caught = [node.type] if not isinstance(node.type, ast.Tuple) else node.type.elts
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            caught = list(node.args)
        else:
            continue
        is_blind = any(kind is None or ast.unparse(kind) in BLIND for kind in caught)
        line = node.lineno
        nearby = source.comments.get(line, "") + source.comments.get(line - 1, "")
        if is_blind and "# top of task:" not in nearby:
            yield (
                line,
                "catch the narrowest type; only where a task begins may `except Exception` stand, with a comment "
                "`# top of task: <what ends, and where it is logged>`",
            )


def public_names_have_docstrings(source: Source) -> Iterator[Finding]:
    """Methods are asked for in `ports` alone, where they are the promise; elsewhere the port has spoken already."""
    if not source.is_shipped:
        return
    if ast.get_docstring(source.tree) is None:
        yield 1, "the module has no docstring: say in one sentence what it gives"
    for node in source.tree.body:
        if not isinstance(node, Documented) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None:
            yield node.lineno, f"`{node.name}` has no docstring: first line what it gives; then units, range, errors"
        if source.room != "ports" or not isinstance(node, ast.ClassDef):
            continue
        for method in node.body:
            if isinstance(method, Function) and not method.name.startswith("_") and ast.get_docstring(method) is None:
                yield method.lineno, f"`{node.name}.{method.name}` is a promise to every adapter: give it a docstring"


def unfinished_work_has_an_issue(source: Source) -> Iterator[Finding]:
    for line, comment in source.comments.items():
        if unfinished.search(comment):
            yield line, "write `TODO(#123): ...`: work without an issue number is work that nobody does"


def pure_floors_do_no_io(source: Source) -> Iterator[Finding]:
    if source.room not in PURE_FLOORS:
        return
    why = (
        f"`{source.room}` is a pure floor (no clock, socket, file, chance): take it as an argument, a port or an event"
    )
    forbidden = IMPURE_MODULES - (RANDOM_BYTES if source.room == "security" else set())
    for line, name in source.imports:
        if name.split(".")[0] in forbidden or name.startswith("numpy.random"):
            yield line, f"imports {name}; {why}"
    for node in source.nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
            yield node.lineno, f"calls {node.func.id}(); {why}"
        elif isinstance(node, ast.Attribute):
            owner = ast.unparse(node.value).split(".")[-1]
            if (owner, node.attr) in IMPURE_ATTRIBUTES:
                yield node.lineno, f"uses {owner}.{node.attr}; {why}"


def vault_has_two_readers(source: Source) -> Iterator[Finding]:
    if not source.is_shipped or source.module.startswith(VAULT_READERS):
        return
    for line, name in source.imports:
        if name.startswith("holdfast.security.vault"):
            yield line, "only services.signing and app open the vault: ask the signer for a signature instead"


LONG_FUNCTION = "def f():\n" + "    x = 1\n" * LINES_PER_FUNCTION_MAX
# rule, where its offence stands, the offence, and the same thing done well
RULES: list[tuple[Rule, str, str, str]] = [
    (file_is_short, "src/holdfast/core/a.py", "x = 1\n" * 501, "x = 1\n" * 500),
    (function_is_short, "src/holdfast/core/a.py", LONG_FUNCTION, LONG_FUNCTION.replace("x = 1", '"""Doc."""', 1)),
    (
        function_has_few_parameters,
        "tests/a.py",
        "def f(a, b, c, d, *, e, f, g, h): ...",
        "def f(self, a, b, c, d, e, f, g): ...",
    ),
    (name_is_a_subject, "src/holdfast/core/utils.py", "x = 1", "x = 1"),
    (init_holds_names_only, "src/holdfast/core/__init__.py", "def f(): ...", '"""Doc."""\nimport a\n__all__ = ["a"]'),
    (imports_stand_on_top, "tests/a.py", "def f():\n    import json", "import json"),
    (no_hidden_loop, "tests/a.py", "import typing\nif typing.TYPE_CHECKING: ...", "x = 'TYPE_CHECKING'"),
    (
        ignored_types_give_a_reason,
        "tests/a.py",
        "f()  # type: ignore[arg-type]",
        "f()  # type: ignore[arg-type]  # the stub lacks the overload",
    ),
    (
        except_is_narrow,
        "tests/a.py",
        "try: ...\nexcept (ValueError, Exception): ...",
        "try: ...\n# top of task: the feed ends\nexcept Exception: ...",
    ),
    (except_is_narrow, "tests/a.py", "try: ...\nexcept: ...", "try: ...\nexcept ValueError: ..."),
    (except_is_narrow, "tests/a.py", "try: ...\nexcept FOREIGN_FAULTS: ...", "try: ...\nexcept ValueError: ..."),
    (except_is_narrow, "tests/a.py", "with suppress(Exception): ...", "with suppress(KeyError): ..."),
    (public_names_have_docstrings, "src/holdfast/core/a.py", '"""A."""\ndef f(): ...', '"""A."""\ndef _f(): ...'),
    (
        public_names_have_docstrings,
        "src/holdfast/ports/a.py",
        '"""A."""\nclass A:\n    """A."""\n    def f(self): ...',
        '"""A."""\nclass A:\n    """A."""\n    def f(self):\n        """Do."""',
    ),
    (unfinished_work_has_an_issue, "tests/a.py", "# TODO later", "# TODO(#12): later"),
    (pure_floors_do_no_io, "src/holdfast/engine/a.py", "from time import time_ns", "from decimal import Decimal"),
    (pure_floors_do_no_io, "src/holdfast/risk/a.py", "x = datetime.datetime.now()", "x = clock.now()"),
    (pure_floors_do_no_io, "src/holdfast/indicators/a.py", "x = np.random.default_rng()", "x = np.zeros(3)"),
    (pure_floors_do_no_io, "src/holdfast/security/a.py", "import socket", "import secrets"),
    (
        vault_has_two_readers,
        "src/holdfast/services/orders.py",
        "from holdfast.security import vault",
        "from holdfast.security import policy",
    ),
]


@cache
def files() -> list[PurePosixPath]:
    """Give every file that git tracks or would track."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split("\0")
    return sorted({PurePosixPath(name) for name in listed if name and (ROOT / name).is_file()})


@cache
def sources() -> list[Source]:
    return [Source(path, (ROOT / path).read_text("utf-8")) for path in files() if path.suffix == ".py"]


def report(findings: list[str]) -> None:
    if findings:
        pytest.fail(f"{len(findings)} finding(s):\n" + "\n".join(findings), pytrace=False)


def test_there_is_something_to_check():
    paths = {source.path for source in sources()}
    assert PACKAGE / "__init__.py" in paths
    assert PurePosixPath("tests/test_tidy.py") in paths
    assert {PurePosixPath(name) for name in ("Makefile", "pyproject.toml", "LICENSE")} <= set(files())


@pytest.mark.parametrize(("rule", "path", "offence", "remedy"), RULES, ids=lambda value: getattr(value, "__name__", ""))
def test_rule_refuses_its_offence_and_only_that(rule: Rule, path: str, offence: str, remedy: str):
    assert list(rule(Source(PurePosixPath(path), offence)))
    remedied = path.replace("utils", "nonce")
    assert not list(rule(Source(PurePosixPath(remedied), remedy)))


@pytest.mark.parametrize("rule", dict.fromkeys(rule for rule, *_ in RULES), ids=lambda rule: rule.__name__)
def test_house_follows(rule: Rule):
    report([f"{source.path}:{line}: {message}" for source in sources() for line, message in rule(source)])


def rooms() -> set[str]:
    """Give every folder of the package that holds code, as `adapters/exchanges/gateio`."""
    shipped = [source.path.relative_to(PACKAGE) for source in sources() if source.is_shipped]
    return {str(folder) for path in shipped for folder in path.parents if folder.name}


def rooms_named_in(text: str) -> set[str]:
    """Give the paths in `text`, with `a/{b,c}` read as `a/b` and `a/c`, and every folder above each."""
    named = set(re.findall(r"[a-z_0-9]+(?:/[a-z_0-9]+)*", text))
    for prefix, names in re.findall(r"([a-z_0-9/]+)/\{([a-z_0-9, ]+)\}", text):
        named |= {f"{prefix}/{name.strip()}" for name in names.split(",")}
    return named | {str(parent) for name in named for parent in PurePosixPath(name).parents}


def test_rooms_are_read_from_prose():
    named = rooms_named_in("`adapters/exchanges/{gateio,ccxt}` and `core`")
    assert {"adapters", "adapters/exchanges", "adapters/exchanges/gateio", "adapters/exchanges/ccxt", "core"} <= named
    assert "gateio" not in rooms_named_in("`adapters/exchanges/{gateio,ccxt}`".replace("gateio", "kraken"))


def test_architecture_is_short_and_names_every_room():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert text.count("\n") <= ARCHITECTURE_LINES_MAX, f"a map has at most {ARCHITECTURE_LINES_MAX} lines"
    report(
        [
            f"ARCHITECTURE.md: name `{room}` and say in one line what lives there"
            for room in rooms() - rooms_named_in(text)
        ]
    )


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_holds_versions_and_hashes_and_no_address(name: str):
    blocks = (ROOT / name).read_text("utf-8").replace("\\\n", " ").splitlines()
    entry = re.compile(r"[a-z0-9._-]+==[^ ]+( ; [^@]+?)? +(--hash=sha256:[0-9a-f]{64} *)+")
    assert len(blocks) > 5
    report([f"{name}: `{block[:60]}`: run `make lock`" for block in blocks if not entry.fullmatch(block)])


def machine_traces() -> re.Pattern[str]:
    """Give what must not be in a file; put together from halves, so that this file does not find itself."""
    hosts = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "yarn" + "pkg.com", "crates" + ".io"]
    hosts += ["proxy.go" + "lang.org"]
    folders = ["/ro" + "ot", "/wo" + "rk", "/opt/" + "wheels"]
    # The checkout and the home of whoever runs this, unless they are so short that prose may contain them.
    folders += [str(path) for path in (ROOT, Path.home()) if len(path.parts) > 2]
    anywhere = "|".join(map(re.escape, hosts))
    paths = "|".join(map(re.escape, folders))
    return re.compile(rf"(?:{anywhere})|(?<![\w.}})/*-])(?:{paths})(?![\w-])")


def test_traces_of_a_machine_are_recognised():
    pattern = machine_traces()
    assert all(pattern.search(text) for text in ("https://py" + "pi.org/simple", "cd /wo" + "rk/x", '"/ro' + 'ot"'))
    assert not any(pattern.search(text) for text in ("src/ro" + "ot", "a/wo" + "rk", "/wo" + "rks", "/ro" + "ots"))


def test_no_file_names_a_registry_or_a_folder_of_one_machine():
    pattern, read, findings = machine_traces(), 0, []
    for path in files():
        try:
            text = (ROOT / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        read += 1
        for number, line in enumerate(text.splitlines(), 1):
            if found := pattern.search(line):
                findings.append(f"{path}:{number}: `{found[0]}` is true on one machine only: leave it out")
    assert read >= 5
    report(findings)
