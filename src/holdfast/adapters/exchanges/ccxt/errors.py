"""What ccxt's exceptions mean for us: four kinds, and one of them for whatever may have changed an order."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final, Protocol

import msgspec

from holdfast.core.errors import ConfigurationError, HoldfastError, OutcomeUnknownError, VenueError

FOREIGN: Final = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError, OSError)
"""What ccxt's parsers raise over an answer that they cannot read."""
_WORDS_MAX: Final = 160
# Of Coinbase: ccxt reads a second field only, which may be empty.
_SHORT: Final = frozenset({"INSUFFICIENT_FUND"})
_ADDRESS: Final = re.compile(r"(https?|wss?)://\S+")
_LABELS: Final = ("label", "code", "error", "error_code")
_MESSAGES: Final = ("message", "msg", "error_details")


class Tree(Protocol):
    """ccxt's tree of exceptions."""

    BaseError: type[Exception]
    AuthenticationError: type[Exception]
    RestrictedLocation: type[Exception]
    ManualInteractionNeeded: type[Exception]
    OrderNotFound: type[Exception]
    DuplicateOrderId: type[Exception]
    InsufficientFunds: type[Exception]
    InvalidOrder: type[Exception]
    BadRequest: type[Exception]
    BadSymbol: type[Exception]
    OperationRejected: type[Exception]
    OperationFailed: type[Exception]
    NotSupported: type[Exception]
    ArgumentsRequired: type[Exception]
    ExchangeNotAvailable: type[Exception]
    InvalidNonce: type[Exception]
    RequestTimeout: type[Exception]


class CcxtRefusalError(VenueError):
    """The venue said no, and nothing happened.

    `is_gone`: it has no such order; `is_known`: it has it already; `is_short`: the account has not so much.
    """

    def __init__(
        self, message: str, *, venue: str, label: str, is_gone: bool = False, is_known: bool = False,
        is_short: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message, venue=venue)
        self.label, self.is_gone, self.is_known, self.is_short = label, is_gone, is_known, is_short


class CcxtUnknownError(OutcomeUnknownError):
    """An order without a certain answer; `ts_sent` is when it left (ns, the venue's clock), 0 if that is not known."""

    def __init__(self, message: str, *, venue: str) -> None:
        super().__init__(message, venue=venue, hint="ask by client id; never send it again")
        self.ts_sent = 0


def error_of(
    error: Exception, tree: Tree, venue: str, *, is_order: bool, certain: Set[str] = frozenset()
) -> HoldfastError:
    """Return our error for one of ccxt's, or for what its parsers fell over; `is_order` where an order was at stake.

    `certain` holds the labels with which the venue refuses a request before it looks at the order in it.
    """
    label, words = words_of(error, venue)
    told = f"{venue}: {type(error).__name__}" + (f": {words}" if words else "")
    if label in certain:  # before ccxt's own mind: it takes a request that came late for a key that is wrong
        if is_order:
            return CcxtRefusalError(told, venue=venue, label=label)
        return VenueError(told, venue=venue, is_retryable=True)
    if isinstance(error, tree.AuthenticationError | tree.RestrictedLocation | tree.ManualInteractionNeeded):
        return ConfigurationError(told, hint="check the key, its rights and the account at the venue")
    if isinstance(error, tree.DuplicateOrderId) or (is_order and "duplicate" in words.lower()):
        return CcxtRefusalError(told, venue=venue, label=label, is_known=True)
    if isinstance(error, tree.OrderNotFound):
        return CcxtRefusalError(told, venue=venue, label=label, is_gone=True)
    refusals = (
        tree.InsufficientFunds, tree.InvalidOrder, tree.BadRequest, tree.OperationRejected, tree.NotSupported,
        tree.ArgumentsRequired,
    )  # fmt: skip
    is_short = isinstance(error, tree.InsufficientFunds) or label in _SHORT
    if is_short or isinstance(error, refusals):
        return CcxtRefusalError(told, venue=venue, label=label, is_short=is_short)
    if is_order:
        # A label that nobody knows says nothing about what became of the order, and a failed network even less.
        return CcxtUnknownError(told, venue=venue)
    return VenueError(told, venue=venue, is_retryable=isinstance(error, tree.OperationFailed))


def words_of(error: Exception, venue: str) -> tuple[str, str]:
    """Return the venue's label and its words on one short line, without addresses: those carry keys and signatures."""
    text = str(error)
    start = text.find("{")
    try:
        body = msgspec.json.decode(text[start:], type=dict[str, object]) if start >= 0 else {}
    except msgspec.MsgspecError:
        body = {}
    nested = body.get("error_response")
    body = nested if isinstance(nested, dict) else body
    label = next((str(body[name]) for name in _LABELS if body.get(name) not in (None, "")), "")
    message = next((str(body[name]) for name in _MESSAGES if body.get(name)), "")
    if not body:
        message = "" if _ADDRESS.search(text) or start >= 0 else text.removeprefix(venue).strip()
    line = " ".join("".join(x if x.isprintable() else " " for x in f"{label} {message}"[:_WORDS_MAX]).split())
    return (label or type(error).__name__)[:60], _ADDRESS.sub("", line)
