"""The picture: equity, open risk, drawdown, positions, last decisions. Made from a Status, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from holdfast.cli.amounts import exact, minute, money, percent, readable, signed
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.status import DecisionLine, PositionLine, Status

_BAR_CELLS = 6
_NARROW = 60  # columns below which the figures stand in two columns and reasons on lines of their own
_GAP = 3  # between two columns of the positions
_SPARE = ("R:R", "Target", "Last", "Entry", "Risk")  # left out first where there is no room
_DECISIONS_MAX = 40  # more than any terminal shows
_UP, _DOWN, _DIM, _WARN = "green", "red", "bright_black", "yellow"
_COLOURS = {
    "entered": _UP, "target": _UP, "refused": _WARN, "not filled": _WARN, "stopped": _DOWN, "emergency": _DOWN,
}  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """What the picture needs beside the account."""

    source: str
    strategy: str
    pace: float
    drawdown_limit: Decimal  # share of the peak at which entries stop
    is_held: bool = False
    has_ended: bool = False
    prompt: str = ""


def picture(status: Status, frame: Frame) -> RenderableType:
    """Return the whole view, which fills the terminal: the keys stay in sight however much there is to tell."""
    return _ByWidth(lambda width: _layout(status, frame, width))


@dataclass(frozen=True)
class _ByWidth:
    """What is drawn anew for the width that there is."""

    draw: Callable[[int], RenderableType]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield self.draw(options.max_width)


def _layout(status: Status, frame: Frame, width: int) -> RenderableType:
    is_narrow = width < _NARROW
    decisions = _decisions_narrow(status) if is_narrow else _decisions(status)
    figures = _figures_narrow(status, frame) if is_narrow else _figures(status, frame)
    middle = Group(figures, _positions(status, width), decisions)
    layout = Layout()
    # On a terminal that is too small for all, the middle is cut off and never the mode, the brake or the keys.
    layout.split_column(
        Layout(_head(status, frame), size=2),
        Layout(middle, minimum_size=1),
        Layout(_foot(frame, width), size=2 + len(frame.prompt) // width),
    )
    return layout


def _head(status: Status, frame: Frame) -> RenderableType:
    first = Text("holdfast ", style="bold")
    first.append(f" {status.mode.upper()} ", style="bold white on blue")
    level = StopLevel(status.stop_level)
    if level is not StopLevel.NONE:
        first.append(" ")
        first.append(f" STOP: {level.value.replace('_', ' ')} ", style="bold white on red")
    if status.is_drawdown_locked:
        first.append(" ")
        first.append(" DRAWDOWN LOCK ", style="bold white on red")
    first.append(f"  {minute(status.ts)} UTC", style="bold")
    state = "ended" if frame.has_ended else "standing still" if frame.is_held else f"{frame.pace:g} bars/s"
    first.append(f"  {state}", style=_WARN if frame.is_held or frame.has_ended else _DIM)
    second = Text()
    if status.is_synthetic:
        second.append(" SYNTHETIC MARKET: no real prices ", style="bold black on yellow")
        second.append(" ")
    second.append(f"{frame.strategy} on {frame.source}", style=_DIM)
    for line in (first, second):
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(first, second)


def _figures(status: Status, frame: Frame) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    for ratio in (4, 4, 4, 5):
        table.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    gain, quote = status.equity - status.capital, status.quote
    share = status.risk_open / status.equity if status.equity > 0 else Decimal(0)
    wins = f"{status.wins} of {status.trades} won" if status.trades else "no trade yet"
    table.add_row(*(Text(title, style=_DIM) for title in ("Equity", "Today", "Open risk", "Drawdown")))
    table.add_row(
        Text(f"{money(status.equity, quote)} {quote}", style="bold"), _coloured(status.day_pnl, quote),
        Text(f"{money(status.risk_open, quote)} ({percent(share, 1)})"), _bar(status.drawdown, frame.drawdown_limit),
    )  # fmt: skip
    table.add_row(
        _coloured(gain, quote, " in all"), Text(wins, style=_DIM),
        Text(f"of {money(status.risk_open_limit, quote)}", style=_DIM),
        Text(f"from {money(status.peak, quote)}", style=_DIM),
    )  # fmt: skip
    return Panel(table, border_style=_DIM)


def _figures_narrow(status: Status, frame: Frame) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(ratio=1)
    table.add_column(ratio=1)
    gain, quote = status.equity - status.capital, status.quote
    table.add_row(Text("Equity", style=_DIM), Text("Today", style=_DIM))
    table.add_row(Text(f"{money(status.equity, quote)} {quote}", style="bold"), _coloured(status.day_pnl, quote))
    table.add_row(_coloured(gain, quote, " in all"), Text(f"{status.wins} of {status.trades} won", style=_DIM))
    table.add_row(Text("Open risk", style=_DIM), Text("Drawdown", style=_DIM))
    limit = percent(frame.drawdown_limit, 0)
    table.add_row(Text(money(status.risk_open, quote)), Text(f"{percent(-status.drawdown)} of {limit}"))
    return table


def _positions(status: Status, width: int) -> RenderableType:
    if not status.positions:
        return Text("no open position", style=_DIM)
    titles = ["Position", "Quantity", "Entry", "Last", "Profit", "Stop", "Target", "Risk", "R:R"]
    rows = [
        [
            Text(f"{'▲' if line.side == 'BUY' else '▼ short'} {line.instrument_id.rpartition('.')[0]}"),
            Text(exact(line.quantity)), Text(exact(line.entry_price.quantize(line.stop))), Text(exact(line.price_last)),
            _coloured(line.unrealized, status.quote), Text(exact(line.stop)), Text(exact(line.target)),
            Text(money(line.risk_open, status.quote)),
            Text(_ratio(line)),
        ]
        for line in status.positions
    ]  # fmt: skip
    kept = _fitting(titles, [[cell.plain for cell in row] for row in rows], width - 2)
    is_tight = len(kept) == len(titles) - len(_SPARE)
    table = Table(
        expand=True, border_style=_DIM, header_style=_DIM, box=None if is_tight else box.SIMPLE_HEAD, pad_edge=False,
        padding=(0, 1, 0, 0) if is_tight else (0, 1),
    )  # fmt: skip
    for index in kept:
        table.add_column(titles[index], justify="right" if index else "left", no_wrap=not is_tight, overflow="fold")
    for row in rows:
        table.add_row(*(row[index] for index in kept))
    return table


def _fitting(titles: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return which columns to show in `width`: those of `_SPARE` are left out, the first of them first."""
    widths = [max(len(row[index]) for row in (titles, *rows)) for index in range(len(titles))]
    kept = list(range(len(titles)))
    for title in _SPARE:
        if sum(widths[index] + _GAP for index in kept) - _GAP <= width:
            break
        kept.remove(titles.index(title))
    return kept


def _decisions(status: Status) -> RenderableType:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(no_wrap=True, style=_DIM)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    table.add_column(no_wrap=True, style=_DIM)
    for line in status.decisions[:_DECISIONS_MAX]:
        table.add_row(
            minute(line.ts)[5:], line.instrument_id.rpartition(".")[0], Text(line.what, style=_colour(line)),
            readable(line.reason), line.decision_id,
        )  # fmt: skip
    if not status.decisions:
        table.add_row("", "", Text("nothing decided yet", style=_DIM), "the strategy looks at each bar", "")
    return Group(Rule("Last decisions", align="left", style=_DIM), table)


def _decisions_narrow(status: Status) -> RenderableType:
    lines: list[RenderableType] = []
    for line in status.decisions[:_DECISIONS_MAX]:
        head = Text(f"{minute(line.ts)[5:]} {line.instrument_id.rpartition('.')[0]} ", style=_DIM)
        head.append(line.what, style=_colour(line)).append(f" {line.decision_id}")
        lines += [head, Text(f"  {readable(line.reason)}")]
    if not lines:
        lines.append(Text("nothing decided yet", style=_DIM))
    return Group(Rule("Last decisions", align="left", style=_DIM), *lines)


def _foot(frame: Frame, width: int) -> RenderableType:
    text = "p pause  r resume  s stop  + - pace  space hold  q quit"
    keys = Text(text if len(text) <= width else "p pause r resume s stop +- space q quit", style=_DIM)
    return Group(keys, Text(frame.prompt or " ", style="bold yellow"))


def _colour(line: DecisionLine) -> str:
    return next((style for word, style in _COLOURS.items() if line.what.startswith(word)), "cyan")


def _coloured(value: Decimal, quote: str, suffix: str = "") -> Text:
    return Text(signed(value, quote) + suffix, style=_UP if value > 0 else _DOWN if value < 0 else _DIM)


def _ratio(line: PositionLine) -> str:
    # Reward that is left for the risk that is left; nothing at risk any more is shown as such.
    sign = 1 if line.side == "BUY" else -1
    risk = (line.price_last - line.stop) * sign
    return f"{(line.target - line.price_last) * sign / risk:.1f}" if risk > 0 and line.target > 0 else "-"


def _bar(value: Decimal, limit: Decimal) -> Text:
    used = min(float(value / limit), 1.0) if limit else 0.0
    cells = round(used * _BAR_CELLS)
    style = _DOWN if used > 0.75 else _WARN if used > 0.4 else _UP
    text = Text(f"-{percent(value)} ")
    text.append("█" * cells, style=style)
    text.append("░" * (_BAR_CELLS - cells), style=_DIM)
    return text.append(f" {percent(limit, 0)}", style=_DIM)
