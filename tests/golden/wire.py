"""What a type looks like in a record: names, tags, types and defaults of all that can stand in it, as text."""

from collections.abc import Iterable
from enum import Enum

import msgspec
from msgspec import inspect


def layout(roots: Iterable[object]) -> dict[str, list[str]]:
    """Return each struct and each fixed set that is reachable from `roots`, by name: a line per field or value."""
    found: dict[str, list[str]] = {}
    for root in roots:
        _visit(inspect.type_info(root), found)
    return dict(sorted(found.items()))


def _visit(kind: inspect.Type, found: dict[str, list[str]]) -> str:
    """Return how `kind` is called, after what it is made of has been found."""
    match kind:
        case inspect.Metadata():
            return _visit(kind.type, found)
        case inspect.StructType():
            name = kind.cls.__name__
            if name not in found:
                lines = found[name] = [] if kind.tag is None else [f"tag {kind.tag_field}={kind.tag}"]
                lines += [f"{x.encode_name}: {_visit(x.type, found)}{_default(x)}" for x in kind.fields]
            return name
        case inspect.EnumType():
            found[kind.cls.__name__] = [str(member.value) for member in kind.cls]
            return kind.cls.__name__
        case inspect.UnionType():
            return " | ".join(sorted(_visit(part, found) for part in kind.types))
        case inspect.VarTupleType() | inspect.ListType():
            return f"list[{_visit(kind.item_type, found)}]"
        case inspect.TupleType():
            return f"tuple[{', '.join(_visit(part, found) for part in kind.item_types)}]"
        case inspect.DictType():
            return f"dict[{_visit(kind.key_type, found)}, {_visit(kind.value_type, found)}]"
        case _:
            return type(kind).__name__.removesuffix("Type").lower()


def _default(field: inspect.Field) -> str:
    if field.default is not inspect.NODEFAULT:
        value = field.default
        return f" = {value.value if isinstance(value, Enum) else msgspec.json.encode(value).decode()}"
    return "" if field.default_factory is inspect.NODEFAULT else f" = {field.default_factory.__name__}()"
