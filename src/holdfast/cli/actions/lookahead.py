"""What `backtest --check-lookahead` does: the source first, then the runs, and never longer than a person waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NoReturn

import click

from holdfast.app.sections import StrategySettings
from holdfast.app.strategies import strategy_factory, strategy_source
from holdfast.app.watch import Bounds
from holdfast.cli.failures import report
from holdfast.cli.guard import guarded
from holdfast.cli.output import print_json, say
from holdfast.core.errors import DomainError
from holdfast.domain.market import BarSeries
from holdfast.research.lookahead import LookaheadReport, check_lookahead, refused_source
from holdfast.research.source_audit import SourceText

_SECONDS_MAX: Final = 180.0  # for all instruments together
_SECONDS_SILENT: Final = 5.0


def show_lookahead(strategy: StrategySettings, series: Sequence[BarSeries], *, is_json: bool) -> int:
    """Check the strategy on each series and print what was found; a strategy whose source is refused is not run."""
    found = strategy_source(strategy.name)
    sources = () if found is None else (found,)
    names = [item.instrument_id for item in series]
    refused = refused_source(strategy.name, sources)
    if refused is not None:
        return _show([(name, refused) for name in (names if is_json else [", ".join(names)])], is_json=is_json)
    limit_s, give_up = strategy.bar_seconds_max, partial(_give_up, is_json=is_json)
    with guarded(strategy.name, limit_s, is_json=is_json) as beat:
        bounds = Bounds(strategy.name, limit_s, give_up, beat)
        reports = _reports(bounds, strategy, series, sources, is_silent=is_json)
    return _show(list(zip(names, reports, strict=True)), is_json=is_json)


def _reports(
    bounds: Bounds,
    strategy: StrategySettings,
    series: Sequence[BarSeries],
    sources: Sequence[SourceText],
    *,
    is_silent: bool,
) -> list[LookaheadReport]:  # fmt: skip
    with bounds.hold():
        factory = bounds.bounded(lambda: strategy_factory(strategy.name, strategy.parameters))
        until = time.monotonic() + _SECONDS_MAX
        return [
            check_lookahead(factory, item, sources, goes_on=_patience(item.instrument_id, until, is_silent=is_silent))
            for item in series
        ]


def _give_up(error: DomainError, *, is_json: bool) -> NoReturn:
    """Leave from inside of a strategy that catches whatever would end it; nothing here is open that could be torn."""
    os._exit(report(["--json"] if is_json else [], str(error), error.hint, error.exit_code))


def _patience(name: str, until: float, *, is_silent: bool) -> Callable[[int], bool]:
    """Return what says whether the check may go on, and tells a waiting person every now and then that it does."""
    told = time.monotonic()

    def goes_on(runs: int) -> bool:
        nonlocal told
        now = time.monotonic()
        if now - told > _SECONDS_SILENT and not is_silent:
            told = now
            click.echo(f"{name}: run {runs}, at most {max(until - now, 0.0):.0f} s more", err=True)
        return now < until

    return goes_on


def _show(found: Sequence[tuple[str, LookaheadReport]], *, is_json: bool) -> int:
    is_clean = all(report.is_clean for _, report in found)
    if is_json:
        checked = [{"instrument": name, "is_clean": report.is_clean, "report": report} for name, report in found]
        print_json({"is_clean": is_clean, "checks": checked})
        return 0 if is_clean else 1
    for name, checked_one in found:
        click.echo(click.style(name, bold=True))
        for sentence in checked_one.sentences():
            say(f"  {sentence}")
    return 0 if is_clean else 1
