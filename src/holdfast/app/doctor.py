"""The checks of `doctor` that look at concrete things: settings, journal, projections, data, control socket."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from holdfast.adapters.storage.sqlite.projections import ProjectionStore
from holdfast.adapters.storage.sqlite.verify import verify
from holdfast.app.data import bar_store
from holdfast.app.home import Home
from holdfast.app.market import DATA_VARIABLE, find_source
from holdfast.app.settings import Settings, load_settings
from holdfast.app.standing import open_reader
from holdfast.app.strategies import strategy_factory
from holdfast.core.errors import HoldfastError
from holdfast.interfaces.control.client import ask
from holdfast.interfaces.control.messages import Request, Wish
from holdfast.services.doctor import (
    Check,
    CheckResult,
    State,
    accelerator,
    clock,
    disk_space,
    examine,
    home_folder,
    python_version,
    time_zone,
    waiting,
)


def diagnose(home: Home) -> tuple[CheckResult, ...]:
    """Return every check of this installation, in the order in which trouble is best repaired."""
    checks: Sequence[tuple[str, Check]] = (
        ("python", python_version),
        ("home", partial(home_folder, home.path)),
        ("disk", partial(disk_space, home.path, _disk_needed(home))),
        ("settings", partial(_settings, home)),
        ("strategy", partial(_strategy, home)),
        ("agent", partial(_agent, home)),
        ("journal", partial(_journal, home)),
        ("projections", partial(_projections, home)),
        ("data", partial(_data, home)),
        ("clock", clock),
        ("time zone", time_zone),
        ("numba", accelerator),
    )
    return examine(checks)


def settings_if_sound(home: Home) -> Settings | None:
    """Return the settings; None where they cannot be read: their own check says why, and says it once."""
    try:
        return load_settings(home.settings).settings
    except HoldfastError:
        return None


def _disk_needed(home: Home) -> int:
    return (settings_if_sound(home) or Settings()).agent.disk_free_min_mb


def _settings(home: Home) -> CheckResult:
    origins = load_settings(home.settings).origins
    if not home.settings.exists():
        return CheckResult("settings", State.OK, f"no {home.settings.name}: defaults; `holdfast init` writes one")
    return CheckResult("settings", State.OK, f"{home.settings}: {len(origins)} values that are no defaults")


def _strategy(home: Home) -> CheckResult:
    settings = settings_if_sound(home)
    if settings is None:
        return waiting("strategy")
    strategy_factory(settings.strategy.name, settings.strategy.parameters)
    return CheckResult("strategy", State.OK, settings.strategy.name)


def _agent(home: Home) -> CheckResult:
    reply = ask(home.socket, Request(Wish.STATUS))
    if reply is None or reply.status is None:
        stale = " (a socket of a dead one is left; the next start removes it)" if home.socket.exists() else ""
        return CheckResult("agent", State.OK, f"not running{stale}")
    level = reply.status.stop_level
    if level != "none":
        return CheckResult(
            "agent", State.WARN, f"running, emergency stop at {level}", "holdfast resume, when you mean it"
        )
    return CheckResult("agent", State.OK, f"running in {reply.status.mode} mode")


def _journal(home: Home) -> CheckResult:
    if not home.journal.is_dir():
        return CheckResult("journal", State.OK, "none yet; the first run begins it")
    report = verify(home.journal)
    if report.is_whole:
        return CheckResult("journal", State.OK, f"whole, {report.records} records")
    first = report.problems[0]
    return CheckResult("journal", State.FAIL, first.message, first.hint)


def _projections(home: Home) -> CheckResult:
    if not home.projections.exists():
        return CheckResult("projections", State.OK, "none yet; they are built when they are needed")
    journal, store = open_reader(home), ProjectionStore(home.projections)
    try:
        is_stale, behind = store.is_stale(journal, journal.journal_id), journal.head[0] - store.applied_sequence
    finally:
        store.close()
        journal.close()
    if is_stale:
        return CheckResult("projections", State.WARN, "they belong to another journal", "holdfast journal replay")
    return CheckResult("projections", State.OK, f"{behind} records behind; they catch up when they are needed")


def _data(home: Home) -> CheckResult:
    sound = settings_if_sound(home)
    if sound is None:
        return waiting("data")
    settings = sound.market
    source = find_source(home, settings)
    if source is None:
        return CheckResult("data", State.OK, "no recorded bars: the synthetic market is used")
    if not source.exists():
        where = DATA_VARIABLE if settings.path is None and os.environ.get(DATA_VARIABLE) else "market.source"
        return CheckResult("data", State.FAIL, f"{where} names {source}, which does not exist", "correct the path")
    damaged = bar_store(home).catalog().damaged if source == home.bars else ()
    if damaged:
        return CheckResult("data", State.FAIL, f"{source}: {len(damaged)} damaged: {damaged[0].error}", damaged[0].next)
    return CheckResult("data", State.OK, f"{source}")
