"""What `backtest` does."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from holdfast.app.backtest import FinishedBacktest
from holdfast.app.backtest import backtest as run_one
from holdfast.app.home import how_to_read
from holdfast.app.market import TradedMarket, find_source, open_market
from holdfast.app.settings import Settings, flag, load_settings
from holdfast.cli.actions.lookahead import show_lookahead
from holdfast.cli.actions.stall import warn_of_stall
from holdfast.cli.ending import taken_back_on_signals
from holdfast.cli.given import Place, parameters, read
from holdfast.cli.output import Json, plain, print_json, say, warn
from holdfast.core.errors import ConfigurationError
from holdfast.core.time import rfc3339
from holdfast.research.report import performance_json, performance_lines, trade_lines
from holdfast.services.backtesting import counted


class BacktestOptions(Place, frozen=True):
    """What `backtest` takes."""

    data: str | None = None
    instruments: tuple[str, ...] = ()
    timeframe: str | None = None
    strategy: str | None = None
    fee: str | None = None
    parameters: tuple[str, ...] = ()
    ts_from: str | None = None
    ts_to: str | None = None
    capital: str | None = None
    is_frictionless: bool = False
    is_lookahead_checked: bool = False
    bar_seconds_max: float | None = None
    trades_file: str | None = None
    journal_folder: str | None = None
    seed: int | None = None
    file_format: str = "auto"


def backtest(options: Mapping[str, object]) -> int:
    """Run a backtest and report it."""
    given = read(options, BacktestOptions)
    settings = _settings(given)
    market = _market(given, settings)
    if given.is_lookahead_checked:
        return show_lookahead(settings.strategy, market.series, is_json=given.is_json)
    if given.trades_file:
        _require_writable(Path(given.trades_file))
    groups = max(len(series) for series in market.series)
    folder = Path(given.journal_folder) if given.journal_folder else None
    with _progress(groups, given) as tell:
        finished = run_one(
            settings, market, folder, tell, is_frictionless=given.is_frictionless,
            on_stall=lambda ts: warn_of_stall(settings.strategy, ts, "Ctrl-C ends the backtest"),
        )  # fmt: skip
    if given.trades_file:
        _write(Path(given.trades_file), trade_lines(finished.result.run.trades))
    if given.is_json:
        print_json(_document(finished, market))
    else:
        _report(finished, market)
        if folder is not None:
            say(f"journal in {folder}; to read it: {how_to_read(folder, 'holdfast explain ID')}")
    return 0


def _settings(given: BacktestOptions) -> Settings:
    flags = [
        *flag("market.source", given.data, "--data"),
        *flag("market.instruments", given.instruments, "--instrument"),
        *flag("market.timeframe", given.timeframe, "--timeframe"),
        *flag("market.start", given.ts_from, "--from"),
        *flag("market.until", given.ts_to, "--to"),
        *flag("market.seed", given.seed, "--seed"),
        *flag("strategy.name", given.strategy, "--strategy"),
        *flag("market.fee_maker", given.fee, "--fee"),
        *flag("market.fee_taker", given.fee, "--fee"),
        *flag("strategy.bar_seconds_max", given.bar_seconds_max, "--bar-seconds-max"),
        *flag("engine.capital", given.capital, "--capital"),
        *parameters(given.parameters),
    ]
    return load_settings(given.folder.settings, flags=flags).settings


def _market(given: BacktestOptions, settings: Settings) -> TradedMarket:
    # A backtest on made-up prices must be asked for; a forgotten path must not end in one.
    if given.data is None and settings.market.source == "auto" and find_source(given.folder, settings.market) is None:
        raise ConfigurationError(
            "there is no market data",
            hint="name it with --data PATH, set HOLDFAST_DATA to the folder that contains market/, import some with"
            " `holdfast data import`, or take --data synthetic",
        )
    return open_market(given.folder, settings.market, given.file_format)


def _require_writable(path: Path) -> None:
    draft = _draft_of(path)
    try:
        if draft == path or path.exists():
            with path.open("a", encoding="utf-8"):
                pass
        if draft != path:
            draft.touch()
            draft.unlink()
    except OSError as error:
        raise ConfigurationError(
            f"--trades {path} cannot be written: {error.strerror}", hint="name a file in a folder that is there"
        ) from error


def _write(path: Path, lines: Iterable[str]) -> None:
    """Write `lines` to `path`; where the disk is full, what stood there before still stands, and no half file."""
    draft = _draft_of(path)
    if draft == path:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        return
    with taken_back_on_signals(), ExitStack() as undo:
        undo.callback(draft.unlink, missing_ok=True)
        with draft.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        if path.exists():
            shutil.copymode(path, draft)
        draft.replace(path)


def _draft_of(path: Path) -> Path:
    """Return the file beside `path` that is to take its place; `path` itself where none may: a device, a link."""
    is_special = path.is_symlink() or (path.exists() and not path.is_file())
    if is_special or (path.exists() and not os.access(path.parent, os.W_OK)):
        return path
    return path.with_name(f".holdfast-{os.getpid()}.part")


@contextmanager
def _progress(groups: int, given: BacktestOptions) -> Iterator[Callable[[int], None] | None]:
    if given.is_json or not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("backtest"), BarColumn(), MofNCompleteColumn(), TextColumn("bars"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("backtest", total=groups)
        yield lambda done: progress.update(task, completed=done)


def _document(finished: FinishedBacktest, market: TradedMarket) -> dict[str, Json]:
    began, run = finished.began, finished.result.run
    figures: dict[str, Json] = dict(performance_json(finished.result.performance))
    # The names under which a reader looks for these four first.
    figures["return"] = figures.get("total_return")
    figures["max_drawdown"] = figures.get("drawdown_max")
    figures["average_r"] = figures.get("r_average")
    figures["buy_and_hold_return"] = figures.get("buy_and_hold")
    head: dict[str, Json] = {
        "strategy": began.strategy,
        "parameters": dict(began.params),
        "instruments": [instrument.id for instrument in began.instruments],
        "timeframe": began.timeframe,
        "data_source": began.data_source,
        "is_synthetic": began.is_synthetic,
        "is_frictionless": finished.is_frictionless,
        "bars": run.bars,
        "seconds": round(finished.seconds, 3),
        "signals": run.signals,
        "passed_over": plain(run.passed_over),
        "proposals": run.proposals,
        "refusals": dict(run.refusals),
        "exit_cost_open": plain(run.exit_cost_open),
        "digest": run.digest,
    }
    notes: list[Json] = list(market.notes)
    return {**head, **figures, "warnings": list(finished.result.warnings), "notes": notes}


def _report(finished: FinishedBacktest, market: TradedMarket) -> None:
    began, run = finished.began, finished.result.run
    if began.is_synthetic:
        warn("SYNTHETIC MARKET: these prices are made by a seeded model; they prove nothing about real ones")
    names = ", ".join(instrument.id for instrument in began.instruments)
    say(f"{began.strategy} on {names} {began.timeframe}", bold=True)
    say(f"{began.data_source}; {run.bars} bars in {finished.seconds:.1f} s")
    if finished.is_frictionless:
        warn("FRICTIONLESS: no fee, spread or slippage was charged; no real market is like that")
    click.echo()
    lines = performance_lines(finished.result.performance, began.quote)
    for line in lines:
        if not line.startswith("Warning:"):
            say(line)
    passed = {reason: found.count for reason, found in run.passed_over.items()}
    say(f"Signals to enter: {run.signals}, passed over: {counted(passed) or 'none'}")
    for reason, found in run.passed_over.items():
        say(f"  {reason}, first at {rfc3339(found.first_ts)}: {found.first}")
    say(f"Proposals: {run.proposals}, refused by the gate: {counted(run.refusals) or 'none'}")
    say(f"Digest: {run.digest}")
    for caution in dict.fromkeys(finished.result.warnings):
        warn(caution)
    for note in market.notes:
        say(f"note: {note}", err=True)
