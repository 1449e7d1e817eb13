"""The tree of errors that this product raises on purpose, and what each kind asks of whoever catches it."""

from __future__ import annotations

from typing import Final


class HoldfastError(Exception):
    """Root of every deliberate error; `hint` says what to type or change next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ConfigurationError(HoldfastError):
    """The operator must act: a setting, a file or an argument is wrong. Refuse to start."""

    exit_code = 2


class DomainError(HoldfastError):
    """Our data or logic is wrong. Stop the account, keep the record, never continue on a guess."""


class DataError(DomainError):
    """Market data that cannot be trusted: missing, unsorted, duplicated, truncated or corrupt."""


class JournalError(DomainError):
    """The journal cannot be written, or does not verify; nothing may be decided on top of it."""


class JournalInUseError(JournalError):
    """Another process writes the journal: one account has one writer."""

    exit_code = 3


class UnreadableRecordError(JournalError):
    """The body of a whole record is not one that this version can read; `record` is its sequence, 0 if not known."""

    def __init__(self, message: str, *, record: int = 0, hint: str = "holdfast journal verify") -> None:
        super().__init__(message, hint=hint)
        self.record = record


class NotRepeatedError(JournalError):
    """What is recorded did not happen again: program, strategy, settings or data are not those that wrote it."""


class OtherVersionError(JournalError):
    """Another version of holdfast wrote what this one cannot read."""


class InvalidTransitionError(DomainError):
    """An event arrived that the order's state does not admit."""


class CurrencyMismatchError(DomainError):
    """Two amounts in different assets were combined."""


class RefusedError(HoldfastError):
    """Policy said no: risk, access, compliance. Report it, never retry."""

    exit_code = 3


class VenueError(HoldfastError):
    """The outside failed. Retry with backoff only if `is_retryable`."""

    exit_code = 5

    def __init__(self, message: str, *, venue: str, is_retryable: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.venue = venue
        self.is_retryable = is_retryable


class NoMarketError(VenueError):
    """The venue has answered: it trades no such market."""


class OutcomeUnknownError(VenueError):
    """Sent, and no answer: the order becomes IN_DOUBT and is reconciled; never resent."""

    def __init__(self, message: str, *, venue: str, hint: str = "") -> None:
        super().__init__(message, venue=venue, is_retryable=False, hint=hint)


FOREIGN_FAULTS: Final = (Exception, SystemExit, GeneratorExit)
"""What somebody else's code may raise that must not end ours: `exit()` is one, and would pass for success.

Ctrl-C goes through, and so does the watch that ends a strategy which hangs.
"""
