"""Answers to a person who looks: why something was decided, and why a market is not traded now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.time import rfc3339
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.explain import Explanation, Section, explain, find_story, is_named, why_not
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.status import LinkLine, Status
from holdfast.portfolio.story import RecentLine
from holdfast.services.standing import LimitLine

_DECISIONS_TOLD: Final = 5

LookUp = Callable[[str, str], bytes | None]


def explanation_of(look_up: LookUp, any_id: str) -> Explanation:
    """Return why a decision was made and what came of it; `any_id` is of a decision, an order or a trade.

    Raises
    ------
    ConfigurationError
        Nothing of that id is recorded.
    """
    story = find_story(look_up, any_id)
    if story is None:
        raise ConfigurationError(
            f"nothing is recorded under {any_id!r}",
            hint="take an id from `holdfast status` or `holdfast orders`; a new run begins its ids anew",
        )
    return explain(story)


def why_not_of(
    status: Status, symbol: str, recent: Sequence[RecentLine], situation: Sequence[str], limits: Sequence[LimitLine]
) -> Explanation:
    """Return what stands in the way of an entry into `symbol`: brake, limits, conditions, what was refused lately."""
    instrument_id = next((line.line.instrument_id for line in recent if is_named(line.line.instrument_id, symbol)), "")
    open_trade = next((line.trade_id for line in status.positions if is_named(line.instrument_id, symbol)), "")
    told = why_not(instrument_id or symbol.upper(), recent, situation, StopLevel(status.stop_level), open_trade)
    used_up = tuple(
        f"{line.rule.replace('_', ' ')}: {line.used.normalize():f} of {line.limit.normalize():f} is used"
        for line in limits
        if line.is_used_up
    )
    sections = [Section("Limits that are used up", used_up)] if used_up else []
    if away := tuple(f"{link.told}: nothing is entered there until then" for link in _on_the_way(status, symbol)):
        sections.insert(0, Section("Out of reach", away))
    return msgspec.structs.replace(told, sections=(*sections, *told.sections)) if sections else told


def _on_the_way(status: Status, symbol: str) -> Sequence[LinkLine]:
    """Return the links that are down and may be needed for `symbol`, which may name its venue."""
    venue = symbol.upper().partition(".")[2]
    return [link for link in status.links_down if not (venue and link.venue) or link.venue == venue]


def why_not_in_backtest(run: RunStarted, symbol: str, recent: Sequence[RecentLine]) -> Explanation:
    """Return what came of the last signals on `symbol` in a backtest; of the state at its end nothing is recorded.

    Raises
    ------
    ConfigurationError
        The backtest did not trade it.
    """
    instrument_id = next((item.id for item in run.instruments if is_named(item.id, symbol.replace("_", "/"))), "")
    if not instrument_id:
        traded = ", ".join(item.id for item in run.instruments)
        raise ConfigurationError(f"{symbol} was not traded by this backtest", hint=f"it traded {traded}")
    told = why_not(instrument_id, recent)
    ended = "The backtest has ended; what limits and conditions were at its end is not recorded."
    if not recent:
        ended = "The backtest has ended, and its strategy gave no signal on which anything was decided."
    newest = sorted(recent, key=lambda line: line.sequence, reverse=True)
    others = [line.line for line in newest if line.line.what not in ("refused", "passed over", "not filled")]
    done = tuple(f"{rfc3339(x.ts)} {x.decision_id} {x.what}: {x.reason}" for x in others[:_DECISIONS_TOLD])
    sections = [Section("Now", (ended,)), *(section for section in told.sections if section.title != "Now")]
    if done:
        sections.append(Section("Last decisions besides", done))
    return msgspec.structs.replace(told, sections=tuple(sections))
