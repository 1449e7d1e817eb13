"""What Gate.io's error labels mean for us: one reaction each, and the error that carries it.

Only the label counts, never the message. A label that nobody knows says nothing about what happened to an order, so for
an order the outcome is unknown then.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from holdfast.adapters.exchanges.gateio.shape import VENUE
from holdfast.core.errors import ConfigurationError, OutcomeUnknownError, VenueError

_MESSAGE_MAX: Final = 160


class Reaction(StrEnum):
    """What is to be done about a label."""

    REFUSED = "refused"  # nothing happened, and the same again would be refused again
    ENDED = "ended"  # the order had its normal end at once (post-only, fill-or-kill)
    GONE = "gone"  # the order is not, or no longer, open: ask about it, it may have filled
    EXISTS = "exists"  # it came before: ask about it by its client id
    UNCHANGED = "unchanged"  # it is already as asked
    RESYNC = "resync"  # refused for its time: measure the clock and sign anew
    SLOW_DOWN = "slow_down"  # refused for its frequency: nothing happened, wait
    KEY = "key"  # a person must act on the key or the account
    UNKNOWN = "unknown"  # an order may have been taken or not; what only reads may be asked again


_LABELS: Final[dict[Reaction, str]] = {
    Reaction.REFUSED: """
        INVALID_PARAM_VALUE INVALID_PROTOCOL INVALID_ARGUMENT INVALID_REQUEST_BODY MISSING_REQUIRED_PARAM BAD_REQUEST
        INVALID_CONTENT_TYPE NOT_ACCEPTABLE METHOD_NOT_ALLOWED NOT_FOUND MARGIN_BALANCE_EXCEPTION
        MARGIN_TRANSFER_FAILED TOO_MUCH_FUTURES_AVAILABLE FUTURES_BALANCE_NOT_ENOUGH SUB_ACCOUNT_TRANSFER_FAILED
        ADDRESS_NOT_USED WITHDRAWAL_OVER_LIMIT API_WITHDRAW_DISABLED INVALID_WITHDRAW_ID
        INVALID_WITHDRAW_CANCEL_STATUS INVALID_CLIENT_ORDER_ID INVALID_PRECISION INVALID_CURRENCY
        INVALID_CURRENCY_PAIR QUANTITY_NOT_ENOUGH BALANCE_NOT_ENOUGH MARGIN_NOT_SUPPORTED MARGIN_BALANCE_NOT_ENOUGH
        AMOUNT_TOO_LITTLE AMOUNT_TOO_MUCH LOAN_NOT_FOUND LOAN_RECORD_NOT_FOUND NO_MATCHED_LOAN NOT_MERGEABLE
        REPAY_TOO_MUCH TOO_MANY_CURRENCY_PAIRS TOO_MANY_ORDERS MIXED_ACCOUNT_TYPE AUTO_BORROW_TOO_MUCH
        TRADE_RESTRICTED INITIAL_MARGIN_TOO_LOW ORDER_BOOK_NOT_FOUND USER_NOT_FOUND CONTRACT_NOT_FOUND
        RISK_LIMIT_EXCEEDED RISK_LIMIT_TOO_lOW INSUFFICIENT_AVAILABLE LIQUIDATE_IMMEDIATELY LEVERAGE_TOO_HIGH
        LEVERAGE_TOO_LOW ORDER_NOT_OWNED POSITION_EMPTY PRICE_TOO_DEVIATED SIZE_TOO_LARGE SIZE_TOO_SMALL
        CONTRACT_IN_DELISTING POSITION_NOT_FOUND POSITION_DUAL_MODE AUTO_TRIGGER_PRICE_LESS_LAST
        AUTO_TRIGGER_PRICE_GREATE_LAST""",
    Reaction.ENDED: "POC_FILL_IMMEDIATELY FOK_NOT_FILL ORDER_POC_IMMEDIATE ORDER_FOK",
    Reaction.GONE: "ORDER_NOT_FOUND ORDER_CLOSED ORDER_CANCELLED ORDER_FINISHED",
    Reaction.EXISTS: "DUPLICATE_REQUEST ORDER_EXISTS REPEATED_CREATION",
    Reaction.UNCHANGED: "NO_CHANGE",
    Reaction.RESYNC: "REQUEST_EXPIRED",
    # REPEAT_REQUEST is not in the venue's list: two triggers with one rule came within about 1.5 s.
    Reaction.SLOW_DOWN: "TOO_MANY_REQUESTS TOO_FAST REPEAT_REQUEST",
    Reaction.KEY: """
        INVALID_CREDENTIALS INVALID_KEY IP_FORBIDDEN READ_ONLY INVALID_SIGNATURE MISSING_REQUIRED_HEADER ACCOUNT_LOCKED
        FORBIDDEN SUB_ACCOUNT_NOT_FOUND SUB_ACCOUNT_LOCKED ACCOUNT_EXCEPTION""",
    Reaction.UNKNOWN: "INTERNAL SERVER_ERROR TOO_BUSY CANCEL_FAIL FAILED_RETRIEVE_ASSETS",
}

REACTIONS: Final[dict[str, Reaction]] = {
    label: reaction for reaction, labels in _LABELS.items() for label in labels.split()
}
"""Every label that is known, and what it asks for."""

_HINTS: Final = {
    "INVALID_KEY": "create a new API key at the venue, and put it into the credentials file",
    "INVALID_SIGNATURE": "the secret does not belong to this key: copy both again",
    "INVALID_CREDENTIALS": "check key and secret in the credentials file",
    "IP_FORBIDDEN": "add this machine's address to the whitelist of the key",
    "READ_ONLY": "give the key the right to trade spot",
    "FORBIDDEN": "give the key the right to trade spot",
    "ACCOUNT_LOCKED": "the venue has locked the account: ask its support",
}


class GateioError(VenueError):
    """The venue said no, or nothing that can be understood; `label` is its own word, empty where it gave none."""

    def __init__(self, message: str, *, label: str, status: int, reaction: Reaction, is_retryable: bool) -> None:
        super().__init__(message, venue=VENUE, is_retryable=is_retryable)
        self.label, self.status, self.reaction = label, status, reaction


class GateioUnknownError(OutcomeUnknownError):
    """An order, or a change to one, may or may not have been taken; `label` is empty where no answer came."""

    reaction = Reaction.UNKNOWN

    def __init__(self, message: str, *, label: str = "", status: int = 0) -> None:
        super().__init__(message, venue=VENUE, hint="ask by client id; never send it again")
        self.label, self.status = label, status
        self.ts_expires = 0  # by the venue's clock (ns): later than this it takes it no more; 0 where that is not known


class GateioKeyError(ConfigurationError):
    """The venue does not accept the key, or not for this."""

    reaction = Reaction.KEY

    def __init__(self, message: str, *, label: str, status: int) -> None:
        super().__init__(message, hint=_HINTS.get(label, "check the key, its rights and the account at the venue"))
        self.label, self.status = label, status


def reaction_of(label: str, status: int) -> Reaction:
    """Return what an answer asks for; UNKNOWN where nobody can say."""
    known = REACTIONS.get(label)
    if known is not None:
        return known
    if status == 429:
        return Reaction.SLOW_DOWN
    return Reaction.UNKNOWN


def error_of(
    label: str, message: str, status: int, is_order: bool
) -> GateioError | GateioUnknownError | GateioKeyError:
    """Return the error for an answer that is no success; `is_order` where it answers what may change an order."""
    reaction = reaction_of(label, status)
    # Behind a 5xx stands a gateway that may have lost the answer of a venue that did act, whatever the label says.
    if is_order and (status >= 500 or reaction is Reaction.UNKNOWN):
        reaction = Reaction.UNKNOWN
    text = f"{cleaned(label) or 'no label'} (HTTP {status})" + (f": {cleaned(message)}" if message else "")
    if reaction is Reaction.UNKNOWN and is_order:
        return GateioUnknownError(text, label=label, status=status)
    if reaction is Reaction.KEY:
        return GateioKeyError(text, label=label, status=status)
    is_transient = label in _TRANSIENT or status >= 500 or reaction in (Reaction.SLOW_DOWN, Reaction.RESYNC)
    return GateioError(text, label=label, status=status, reaction=reaction, is_retryable=is_transient)


_TRANSIENT: Final = frozenset(_LABELS[Reaction.UNKNOWN].split()) - {"CANCEL_FAIL"}


def cleaned(message: str) -> str:
    """Return the venue's words on one short line, without what could steer a terminal."""
    line = "".join(letter if letter.isprintable() else " " for letter in message[: 2 * _MESSAGE_MAX])
    return " ".join(line.split())[:_MESSAGE_MAX]
