"""What is known of one order, one decision, one position and the account: the rows of the state that can be rebuilt."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from holdfast.core.errors import JournalError
from holdfast.core.record import Record
from holdfast.domain.decision import Check, Opinion, OpinionTimedOut, Proposal, Signal, StopLevel
from holdfast.domain.order import Order, OrderFilled
from holdfast.domain.portfolio import ClosedTrade, Position
from holdfast.domain.values import ZERO, Asset, InstrumentId, OrderId, Price
from holdfast.portfolio.status import DecisionLine


class Table(StrEnum):
    """The kinds of rows, and what their key is."""

    RUN = "run"  # "current"
    ACCOUNT = "account"  # "current"
    ORDER = "order"  # order id
    POSITION = "position"  # instrument id
    TRADE = "trade"  # trade id: see `domain.portfolio.trade_name`
    DECISION = "decision"  # proposal id, order id of an exit, or the id of a note
    RECENT = "recent"  # instrument id and a place in a ring


CURRENT = "current"
_ANEW: Final = "remove projections.db from the home: it is built anew from the journal, and holds nothing else"

RowType = TypeVar("RowType", bound=Record)


def read_row(body: bytes, kind: type[RowType]) -> RowType:
    """Return the row that `body` holds.

    Raises
    ------
    JournalError
        It holds none of that kind, as where another version has written it.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.MsgspecError as error:
        raise JournalError(f"a row of the projections is no {kind.__name__}: {error}", hint=_ANEW) from error


class DecisionKind(StrEnum):
    """What was decided about."""

    ENTRY = "entry"
    EXIT = "exit"  # of the strategy, the software stop or the operator; what rests at the venue needs no decision
    NOTE = "note"  # nothing was done, and why
    BRAKE = "brake"  # the emergency stop


class DecisionState(StrEnum):
    """How far it has come."""

    NOTED = "noted"
    ASKED = "asked"  # a model, and no answer yet
    DROPPED = "dropped"  # the brake was pulled while the model was asked
    REFUSED = "refused"
    ORDERED = "ordered"
    NOT_FILLED = "not_filled"
    OPEN = "open"
    CLOSED = "closed"


class Decision(Record, frozen=True):
    """One decision with everything that it rested on, and the ids of what followed."""

    decision_id: str
    kind: DecisionKind
    ts: int
    instrument_id: InstrumentId
    state: DecisionState
    signal: Signal | None = None
    proposal: Proposal | None = None
    opinion: Opinion | OpinionTimedOut | None = None
    checks: tuple[Check, ...] = ()
    rule: str = ""  # of the gate, when it refused
    detail: str = ""  # why it was refused, what was noted, what the operator said
    order_ids: tuple[OrderId, ...] = ()
    exit_ids: tuple[str, ...] = ()  # decisions to leave what this one entered
    trade_id: str = ""  # of an exit: the decision that had entered


class StopMove(Record, frozen=True):
    """A resting stop got another trigger."""

    ts: int
    before: Price
    after: Price


class OrderStory(Record, frozen=True):
    """An order with its fills. Of its stop moves only the last are kept, and how many there were."""

    order: Order
    decision_id: str  # of the entry that it belongs to
    ts_sent: int
    ts_last: int
    fills: tuple[OrderFilled, ...] = ()
    moves: int = 0
    moves_last: tuple[StopMove, ...] = ()


class PositionStory(Record, frozen=True):
    """A position, and the trade that is open on it; none while flat."""

    position: Position
    trade_id: str = ""


class Balance(Record, frozen=True):
    """What one account of the ledger holds of one asset."""

    account: str
    asset: Asset
    amount: Decimal


class AccountStory(Record, frozen=True):
    """The account as a whole. Money in quote units; trades are closed ones."""

    cash: Decimal
    balances: tuple[Balance, ...]  # those that are not zero; what the outside holds follows from them
    trades: int = 0
    wins: int = 0
    pnl: Decimal = ZERO
    fees: Decimal = ZERO  # of all fills
    stop_level: StopLevel = StopLevel.NONE
    asked: tuple[OrderId, ...] = ()  # proposals that wait for an opinion
    lines: dict[str, int] = msgspec.field(default_factory=dict)  # recent lines written so far, by instrument
    sequence: int = 0  # of the tick that changed it last
    ts: int = 0


class RecentLine(Record, frozen=True):
    """One of the last decisions on an instrument; `sequence` is the tick's."""

    sequence: int
    line: DecisionLine


class Story(Record, frozen=True):
    """One entry from signal to result: what `explain` tells."""

    decision: Decision
    orders: tuple[OrderStory, ...] = ()
    exits: tuple[Decision, ...] = ()
    trade: ClosedTrade | None = None
    again: tuple[ClosedTrade, ...] = ()  # those that later fills of the entry opened after the first had closed
