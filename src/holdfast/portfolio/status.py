"""How the agent stands at one instant: what `status`, the live view and later the dashboard show."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.core.time import rfc3339
from holdfast.domain.values import VenueCash

VENUE_LINK: Final = "venue"
"""The link that is down while nothing at all reaches a venue."""


class LinkLine(Record, frozen=True):
    """A link of a running agent that is down: nothing is entered at its venue until it is up again."""

    venue: str  # empty where there is only one
    link: str  # market, account, or venue: nothing is reached there
    ts_down: int  # the market's time (ns) since when; 0: it was never up
    why: str = ""

    @property
    def told(self) -> str:
        """Return it as the clause of a sentence."""
        what = f"the {self.link} link{self.venue and f' to {self.venue}'} is down"
        if self.link == VENUE_LINK:
            what = f"{self.venue or 'the venue'} is out of reach"
        since = f"since {rfc3339(self.ts_down)}" if self.ts_down else "since the start"
        return f"{what} {since}{self.why and f' ({self.why})'}"


class PositionLine(Record, frozen=True):
    """One open position. Money in quote units, times in ns."""

    instrument_id: str
    side: str
    quantity: Decimal
    entry_price: Decimal
    price_last: Decimal
    stop: Decimal
    target: Decimal
    unrealized: Decimal
    risk_open: Decimal  # what is lost from the entry price if the stop in force is hit
    strategy: str
    ts_opened: int
    trade_id: str


class OrderLine(Record, frozen=True):
    """One order that has no final state."""

    order_id: str
    instrument_id: str
    side: str
    type: str
    role: str
    state: str
    quantity: Decimal
    filled: Decimal
    trigger_price: Decimal | None
    limit_price: Decimal | None


class DecisionLine(Record, frozen=True):
    """One thing that was decided, with its reason in words. `decision_id` is what `explain` takes."""

    decision_id: str
    ts: int
    instrument_id: str
    what: str  # entered, refused, stopped, target, exited, moved stop, not filled ...
    reason: str
    rule: str = ""  # of the gate, when it refused


class Status(Record, frozen=True):
    """The account as a whole."""

    mode: str  # paper, live, backtest
    is_synthetic: bool
    quote: str
    ts: int  # the market's time
    equity: Decimal
    cash: Decimal
    capital: Decimal
    peak: Decimal
    drawdown: Decimal  # share of the peak
    day_pnl: Decimal
    risk_open: Decimal
    risk_open_limit: Decimal
    stop_level: str
    is_paused: bool
    positions: tuple[PositionLine, ...]
    orders: tuple[OrderLine, ...]
    decisions: tuple[DecisionLine, ...]  # newest first
    trades: int
    wins: int
    bars: int
    digest: str
    journal_sequence: int
    is_release_wished: bool = False  # a person has asked for the stop's release when the account is flat
    is_drawdown_locked: bool = False  # the governor has left no budget: resuming counts the drawdown anew
    left_out: tuple[str, ...] = ()  # instruments that were asked for, and had no bars in the asked time
    cash_at: tuple[VenueCash, ...] = ()  # the cash, venue by venue, where there are several
    links_down: tuple[LinkLine, ...] = ()  # of a running agent that trades live
