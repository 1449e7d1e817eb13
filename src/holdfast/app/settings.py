"""Settings: defaults < holdfast.toml < environment < flags, each value checked, each error naming its origin."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar, get_type_hints

import msgspec

from holdfast.app.sections import AgentSettings, MarketSettings, StrategySettings, VenueSettings
from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.live_config import LiveConfig

PREFIX: Final = "HOLDFAST_"
SEPARATOR: Final = "__"
# Variables that are no settings, but say where things are; DEBUG shows tracebacks.
_OWN_VARIABLES: Final = frozenset({"HOLDFAST_HOME", "HOLDFAST_DATA", "HOLDFAST_DEBUG"})
# What a test run must find, such as HOLDFAST_REQUIRE_DATA: nothing that the agent reads.
_DEMANDS: Final = "HOLDFAST_REQUIRE_"
_NOTHING: Final = frozenset({"none", "null"})

Section = TypeVar("Section", bound=Record)


class Settings(Record, frozen=True):
    """Everything that an operator can choose before the start; each part checks itself."""

    agent: AgentSettings = AgentSettings()
    market: MarketSettings = MarketSettings()
    strategy: StrategySettings = StrategySettings()
    engine: EngineConfig = EngineConfig()
    risk: RiskConfig = RiskConfig()
    exits: ExitConfig = ExitConfig()
    matching: MatchingConfig = MatchingConfig()
    venue: VenueSettings = VenueSettings()
    live: LiveConfig = LiveConfig()


SECTIONS: Final = Settings.__struct_fields__


@dataclass(frozen=True)
class Given:
    """One value, where it stands, and which setting it is for; a key of parameters has its own dot."""

    section: str
    key: str
    value: object
    origin: str


@dataclass(frozen=True)
class Resolved:
    """The settings, and where each value that is no default came from: `risk.risk_max` -> `HOLDFAST_RISK__RISK_MAX`."""

    settings: Settings
    origins: Mapping[str, str] = field(default_factory=dict)


def load_settings(path: Path, environment: Mapping[str, str] | None = None, flags: Sequence[Given] = ()) -> Resolved:
    """Return the settings of the file at `path` (which may be missing), the environment and the flags.

    Raises
    ------
    ConfigurationError
        A file that is no TOML, an unknown section, key or variable, a wrong type, a value out of its range. The message
        names where it stands, the key, what was found and what is valid.
    """
    environment = os.environ if environment is None else environment
    given = [*_from_file(path), *_from_environment(environment), *flags]
    latest = {(item.section, item.key): item for item in given}
    parts = {name: [item for item in latest.values() if item.section == name] for name in SECTIONS}
    settings = Settings(
        agent=build_section(AgentSettings, "agent", parts["agent"]),
        market=build_section(MarketSettings, "market", parts["market"]),
        strategy=_strategy(parts["strategy"]),
        engine=build_section(EngineConfig, "engine", parts["engine"]),
        risk=build_section(RiskConfig, "risk", parts["risk"]),
        exits=build_section(ExitConfig, "exits", parts["exits"]),
        matching=build_section(MatchingConfig, "matching", parts["matching"]),
        venue=build_section(VenueSettings, "venue", parts["venue"]),
        live=build_section(LiveConfig, "live", parts["live"]),
    )
    return Resolved(settings, {f"{x.section}.{x.key}": x.origin for x in latest.values()})


def flag(name: str, value: object, origin: str) -> list[Given]:
    """Return what a command-line flag sets (`market.timeframe`), nothing when it was not given."""
    if value is None or value == ():
        return []
    section, _, key = name.partition(".")
    return [Given(section, key, list(value) if isinstance(value, tuple) else value, origin)]


def read_value(text: str) -> object:
    """Return the value that a text means in TOML; what is no TOML value is text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def build_section(kind: type[Section], section: str, items: Sequence[Given]) -> Section:
    """Return the part of the settings that `items` describe; what they leave out keeps its default.

    Raises
    ------
    ConfigurationError
        A key is unknown, a value has the wrong type or lies outside its range; the message names where it stands.
    """
    types = get_type_hints(kind)
    values: dict[str, object] = {}
    for item in items:
        if item.key not in types:
            raise ConfigurationError(
                f"{item.origin}: {section}.{item.key} is not a setting",
                hint=_near(item.key, kind.__struct_fields__, "setting"),
            )
        values[item.key] = _convert(item, types[item.key])
    return _checked(lambda: kind(**values), items)


# -- where values come from --------------------------------------------------------------------------------------------


def _from_file(path: Path) -> Iterator[Given]:
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", hint="see who owns it, or name another folder with --home"
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as TOML: {error}", hint="repair that line; holdfast init --force writes a new file"
        ) from error
    for section, table in document.items():
        if section not in SECTIONS or not isinstance(table, dict):
            what = f"has a section [{section}]" if isinstance(table, dict) else f"has {section!r} outside a section"
            raise ConfigurationError(f"{path} {what}, which is not known", hint=_near(section, SECTIONS, "section"))
        for key, value in table.items():
            yield from _given(section, key, value, str(path))


def _given(section: str, key: str, value: object, origin: str) -> Iterator[Given]:
    if (section, key) == ("strategy", "parameters") and isinstance(value, dict):
        for name, one in value.items():
            yield Given(section, f"parameters.{name}", one, origin)
    else:
        yield Given(section, key, value, origin)


def _from_environment(environment: Mapping[str, str]) -> Iterator[Given]:
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in _OWN_VARIABLES or name.startswith(_DEMANDS):
            continue
        section, *rest = name.removeprefix(PREFIX).lower().split(SEPARATOR)
        if section not in SECTIONS or not rest:
            raise ConfigurationError(
                f"environment variable {name} is no setting",
                hint=_near_variable(name) + "write HOLDFAST_SECTION__KEY, like HOLDFAST_RISK__RISK_PER_TRADE=0.01",
            )
        yield Given(section, ".".join(rest), read_value(environment[name]), f"environment variable {name}")


# -- how they are checked ----------------------------------------------------------------------------------------------


def _strategy(items: Sequence[Given]) -> StrategySettings:
    own = [item for item in items if not item.key.startswith("parameters.")]
    settings = build_section(StrategySettings, "strategy", own)
    parameters = {x.key.partition(".")[2]: _text(x.value) for x in items if x.key.startswith("parameters.")}
    return msgspec.structs.replace(settings, parameters={**settings.parameters, **parameters})


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _convert(item: Given, kind: object) -> object:
    value = item.value
    if isinstance(value, str) and value.lower() in _NOTHING and type(None) in getattr(kind, "__args__", ()):
        return None
    try:
        return msgspec.convert(value, kind)
    except ConfigurationError as error:  # of a part that checks itself
        raise ConfigurationError(f"{item.origin}: {error}", hint=error.hint) from error
    except msgspec.ValidationError as error:
        what = f"{item.origin}: {item.section}.{item.key} is {value!r}"
        hint = f"change {item.key} there, or leave it out for its default"
        if words := _words_of(kind):
            raise ConfigurationError(f"{what}, valid is {words}", hint=hint) from error
        raise ConfigurationError(f"{what}: {error}", hint=hint) from error


def _words_of(kind: object) -> str:
    """Return the values of a setting that has a few words to choose from, as a sentence has them; else nothing."""
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return ""
    *others, last = (str(member.value) for member in kind)
    return f"{', '.join(others)} or {last}" if others else last


def _checked(build: Callable[[], Section], items: Sequence[Given]) -> Section:
    try:
        return build()
    except ConfigurationError as error:
        culprits = [item for item in items if item.key in str(error)] or list(items)
        origins = ", ".join(dict.fromkeys(item.origin for item in culprits))
        hint = error.hint or "change it there, or leave it out for its default"
        raise ConfigurationError(f"{origins}: {error}", hint=hint) from error


def _near(name: str, known: Sequence[str], what: str) -> str:
    near = get_close_matches(name, known, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"known {what}s: " + ", ".join(known)


def _near_variable(name: str) -> str:
    known = [
        f"{PREFIX}{s}{SEPARATOR}{k}".upper() for s in SECTIONS for k in type(getattr(Settings(), s)).__struct_fields__
    ]
    near = get_close_matches(name, [*known, *_OWN_VARIABLES], n=1)
    return f"did you mean {near[0]}? " if near else ""
