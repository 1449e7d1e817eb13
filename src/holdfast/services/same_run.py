"""Whether the run that the journal holds is the one that is asked for; if not, what differs and how to set it.

A setting that the record lacks is newer than the record: it counts as this version's default, which is what the run had
in effect. A setting that this version does not know cannot be taken for anything, and is refused by its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Final, get_type_hints

import msgspec

from holdfast import __version__
from holdfast.core.errors import ConfigurationError, OtherVersionError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.values import VenueCash
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.portfolio.run import RunStarted
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig

FRESH: Final = "begin a new run with `holdfast run --fresh`, which keeps the old one in the journal"
"""The way out that is always there."""
NOT_SET: Final = "not set"

_SECTIONS: Final[Mapping[str, type[Record]]] = {
    "engine": EngineConfig, "risk": RiskConfig, "exits": ExitConfig, "matching": MatchingConfig
}  # fmt: skip
# Both stand in the run itself, where they are compared.
_SAID_BY_RUN: Final = frozenset({"engine.capital", "engine.quote"})
_FLAGS: Final = {"mode": "--mode", "capital": "--capital", "strategy": "--strategy", "timeframe": "--timeframe"}
# They follow from others, are compared by part, or name nothing that is traded: what is left out may be so once more.
_PASSED_OVER: Final = frozenset(
    {"run_id", "version", "settings", "params", "instruments", "is_synthetic", "left_out"}
)  # fmt: skip

_INSTRUMENT: Final = "the {} of {} as it was: it comes with the program or the market's data"


class Difference(Record, frozen=True):
    """One setting that the recorded run has otherwise, with both values as a person would type them."""

    name: str
    recorded: str
    asked: str
    remedy: str  # what to set to have the recorded value


def settings_text(section: str, part: Record) -> dict[str, str]:
    """Return the settings of one section as a run records them: JSON of each value, exact and on one line."""
    return {f"{section}.{name}": msgspec.json.encode(getattr(part, name)).decode() for name in part.__struct_fields__}


def unknown_settings(recorded: RunStarted) -> dict[str, str]:
    """Return the settings of a recorded run that this version does not know, or of which it does not know a part."""
    return {name: text for name, text in sorted(recorded.settings.items()) if _value(name, text) is msgspec.UNSET}


def require_known_settings(recorded: RunStarted) -> None:
    """Let a recorded run pass whose settings this version knows.

    Raises
    ------
    OtherVersionError
        It has others; the message names them, and the version that wrote them.
    """
    unknown = unknown_settings(recorded)
    if unknown:
        named = ", ".join(f"{name} = {_shown(text)}" for name, text in unknown.items())
        raise OtherVersionError(
            f"the journal's run has settings that holdfast {__version__} does not know: {named};"
            f" it was begun by holdfast {recorded.version}",
            hint=f"go on with a version that knows them (holdfast {recorded.version} or newer), or {FRESH}",
        )


def require_same(recorded: RunStarted, asked: RunStarted) -> None:
    """Let a start pass that asks for the recorded run.

    Raises
    ------
    ConfigurationError
        Something differs; the message names each with both values.
    OtherVersionError
        The recorded run has settings that this version does not know.
    """
    require_known_settings(recorded)
    found = list(differences(recorded, asked))
    if not found:
        return
    named = "; ".join(f"{item.name}: recorded {item.recorded}, asked for {item.asked}" for item in found)
    remedies = ", ".join(dict.fromkeys(item.remedy for item in found))
    raise ConfigurationError(
        f"the journal's run has other settings than those asked for now: {named}",
        hint=f"to go on with it, set what was recorded ({remedies}); or {FRESH}",
    )


def differences(recorded: RunStarted, asked: RunStarted) -> Iterator[Difference]:
    """Yield what `asked` has otherwise than `recorded`; who began a run and when makes no difference."""
    for name in RunStarted.__struct_fields__:
        before, now = getattr(recorded, name), getattr(asked, name)
        if name not in _PASSED_OVER and before != now:
            remedy = f"{_FLAGS[name]} {before}" if name in _FLAGS else f"market.{name}: {before}"
            if name == "capital_at":
                before, now = _capital(before), _capital(now)
                remedy = "[[venue.accounts]] in holdfast.toml as it was"
            if name == "data_source":
                remedy = "the same market: --market, or [market] in holdfast.toml"
            yield Difference(name, str(before), str(now), remedy)
    yield from _instruments(recorded.instruments, asked.instruments)
    for key in sorted({*recorded.params, *asked.params}):
        before, now = recorded.params.get(key, NOT_SET), asked.params.get(key, NOT_SET)
        if before != now:
            remedy = f"leave out --set {key}" if before == NOT_SET else f"--set {key}={before}"
            yield Difference(f"strategy.parameters.{key}", before, now, remedy)
    yield from _settings(recorded.settings, asked.settings)


def _capital(capital_at: tuple[VenueCash, ...]) -> str:
    return ", ".join(f"{there.amount:f} at {there.venue}" for there in capital_at) or "one account"


def _instruments(before: tuple[Instrument, ...], now: tuple[Instrument, ...]) -> Iterator[Difference]:
    theirs, mine = ({item.id: item for item in items} for items in (before, now))
    if set(theirs) != set(mine):
        remedy = " ".join(f"--instrument {name}" for name in theirs)
        yield Difference("instruments", ", ".join(theirs), ", ".join(mine), remedy)
        return
    for name, instrument in theirs.items():
        for field in Instrument.__struct_fields__:
            old, new = getattr(instrument, field), getattr(mine[name], field)
            if field == "fee_tiers" and old != new:
                yield Difference(f"fees of {name}", _fees(instrument), _fees(mine[name]), _fee_remedy(instrument))
            elif old != new:
                before_text, now_text = (_shown(msgspec.json.encode(value).decode()) for value in (old, new))
                yield Difference(f"{field} of {name}", before_text, now_text, _INSTRUMENT.format(field, name))


def _fees(instrument: Instrument) -> str:
    first, *more = instrument.fee_tiers
    return f"maker {first.maker:f}, taker {first.taker:f}{' and lower ones by volume' if more else ''}"


def _fee_remedy(instrument: Instrument) -> str:
    first, *more = instrument.fee_tiers
    if more:  # only a venue's own list has several
        return "no --fee, and neither fee_maker nor fee_taker in [market]"
    if first.maker == first.taker:
        return f"--fee {first.taker:f}"
    return f"fee_maker = {first.maker:f} and fee_taker = {first.taker:f} in [market] of holdfast.toml"


def _settings(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[Difference]:
    defaults = _defaults()
    for name in sorted({*before, *now} - _SAID_BY_RUN):
        mine = now.get(name, defaults.get(name, NOT_SET))
        theirs = before.get(name, defaults.get(name, NOT_SET))
        if mine == theirs or _is_equal(name, theirs, mine):
            continue
        told = _shown(theirs) if name in before else f"nothing, which means {_shown(theirs)}"
        section, _, key = name.partition(".")
        yield Difference(name, told, _shown(mine), f"{key} = {_toml(theirs)} in [{section}] of holdfast.toml")


def _is_equal(name: str, before: str, now: str) -> bool:
    # By value: a part of a value may be newer than the record, and is then its default there.
    theirs = _value(name, before)
    return theirs is not msgspec.UNSET and theirs == _value(name, now)


def _value(name: str, text: str) -> object:
    """Return what a recorded setting means; UNSET where this version cannot read it."""
    section, _, key = name.partition(".")
    kind = _types(_SECTIONS[section]).get(key) if section in _SECTIONS else None
    if kind is None:
        return msgspec.UNSET
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.MsgspecError:
        return msgspec.UNSET


@cache
def _types(section: type[Record]) -> dict[str, object]:
    return get_type_hints(section)


@cache
def _defaults() -> Mapping[str, str]:
    return {name: text for section, kind in _SECTIONS.items() for name, text in settings_text(section, kind()).items()}


def _shown(text: str) -> str:
    return "none" if text == "null" else text.strip('"')


def _toml(text: str) -> str:
    try:
        return _as_toml(msgspec.json.decode(text))
    except msgspec.MsgspecError:
        return text


def _as_toml(value: object) -> str:
    match value:
        case None:
            return '"none"'
        case dict():
            return "{ " + ", ".join(f"{key} = {_as_toml(item)}" for key, item in value.items()) + " }"
        case list():
            return "[" + ", ".join(_as_toml(item) for item in value) + "]"
        case _:
            return msgspec.json.encode(value).decode()
