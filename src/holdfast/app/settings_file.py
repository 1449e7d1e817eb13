"""The settings file that `init` writes: every setting as a comment, with its default and what it means."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from typing import Final

from holdfast.app.settings import Settings
from holdfast.core.record import Record

_HEAD: Final = """\
# holdfast: settings. Lines that begin with # show the defaults; remove the # to change one.
# Order: defaults < this file < environment (HOLDFAST_SECTION__KEY) < flags. `holdfast doctor` checks this file.
# Shares are decimals: 0.02 is 2 %. What each one does: docs/settings.md and docs/risk.md.
"""
_ABOUT: Final[Mapping[str, str]] = {
    "agent": "The process. pace: bars per second in paper mode.",
    "market": "What is traded. source: auto, synthetic, venue, or the path of a file or folder of candles.",
    "strategy": "Which strategy trades; `holdfast strategies` lists names and parameters.",
    "engine": "The account. capital: quote units that a new run begins with.",
    "risk": "The risk gate. No strategy, model or person gets past it.",
    "exits": "How an open position is followed.",
    "venue": "The venue of live orders. Its key lies in a file of its own, never here.",
    "live": "How a live account is kept: waits, staleness, reconciliation.",
    "matching": "What the simulated venue charges, and how much of a bar it fills.",
}
_RANGES: Final[Mapping[str, str]] = {
    "agent.mode": "paper, practice (a simulated venue over the wire), live",
    "agent.pace": "0.01 to 100000",
    "agent.disk_free_min_mb": "0 to 1000000; below it nothing is started",
    "market.instruments": 'such as ["BTC/USDT", "ETH/USDT"]; empty: a few that the source has',
    "market.timeframe": "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 1w",
    "market.start": "such as 2021-01-01; empty: chosen by the source",
    "market.seed": "of the synthetic market",
    "strategy.bar_seconds_max": "0.1 to 3600; seconds for one bar",
    "engine.capital": "above 0",
    "risk.risk_per_trade": "above 0, at most 0.03",
    "risk.reward_to_risk_min": "1.3 to 20",
    "risk.positions_max": "1 to 100",
    "risk.loss_day_max": "above 0, at most 0.20",
    "risk.loss_week_max": "above 0, at most 0.40",
    "risk.quantity_fixed": '"none": sized by risk',
    "exits.trailing": "none, atr, chandelier, percent",
    "venue.url": "empty: the venue's own address",
    "venue.key_file": "empty: venue.toml in the home; chmod 600",
    "venue.accounts": "further ones are tables [[venue.accounts]]: docs/settings.md",
    "live.dead_man_s": "0 or 10 to 3600; the venue cancels resting entries after so long without a sign of life",
    "live.on_exit": "keep, cancel_entries",
    "matching.spread_bps": "0 to 1000; 1 is 0.01 %",
    "matching.participation_max": 'share of a bar\'s volume; "none": all of it',
}


def settings_text() -> str:
    """Return the file."""
    defaults = Settings()
    parts = [_HEAD]
    for section in Settings.__struct_fields__:
        parts.append(f"\n# {_ABOUT[section]}\n[{section}]\n")
        part: Record = getattr(defaults, section)
        parts += [_line(section, key, getattr(part, key)) for key in part.__struct_fields__]
    return "".join(parts)


def toml_value(value: object) -> str:
    """Return a default as TOML."""
    if value is None:
        return '"none"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Enum):
        return f'"{value.value}"'
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, tuple):
        return f"[{', '.join(toml_value(item) for item in value)}]"
    if isinstance(value, Record):
        fields = (f"{key} = {toml_value(getattr(value, key))}" for key in value.__struct_fields__)
        return f"{{ {', '.join(fields)} }}"
    return f'"{value}"'


def _line(section: str, key: str, value: object) -> str:
    if (section, key) == ("strategy", "parameters"):
        return "# parameters = { fast = 12, slow = 26 }\n"
    comment = _RANGES.get(f"{section}.{key}")
    return f"# {key} = {toml_value(value)}" + (f"  # {comment}\n" if comment else "\n")
