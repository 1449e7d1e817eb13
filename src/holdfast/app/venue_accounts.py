"""The accounts of a simulated venue: keys and secrets from a file of their owner, or, for drills, from an option."""

from __future__ import annotations

import os
import stat
import tomllib
from pathlib import Path
from typing import Final

import msgspec

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record

_OPEN_TO_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SIZE_MAX: Final = 64 * 1024
_HINT: Final = 'write [[accounts]] with key = "..." and secret = "..." (TOML), or {"accounts": [...]} (JSON)'


class _Pair(Record, frozen=True, forbid_unknown_fields=True):
    key: str
    secret: str


class _Accounts(Record, frozen=True, forbid_unknown_fields=True):
    accounts: tuple[_Pair, ...]


def parse_account(text: str) -> tuple[str, str]:
    """Return key and secret of `KEY:SECRET`; the text is never quoted."""
    key, colon, secret = text.partition(":")
    if not (key and colon and secret):
        raise ConfigurationError("an account is KEY:SECRET", hint="--accounts-file FILE, or --account KEY:SECRET")
    return key, secret


def read_accounts(path: Path) -> tuple[tuple[str, str], ...]:
    """Return the keys and secrets that a TOML or JSON file holds, in its order.

    Raises
    ------
    ConfigurationError
        It is missing, open to other users, or does not hold accounts; its text is never quoted.
    """
    try:
        with path.open("rb") as file:
            # Asked of what was opened: the name may lead elsewhere a moment later.
            mode = os.fstat(file.fileno()).st_mode
            raw = file.read(_SIZE_MAX + 1)
    except OSError as error:
        raise ConfigurationError(f"{path}: the accounts cannot be read ({error.strerror})", hint=_HINT) from None
    if mode & _OPEN_TO_OTHERS:
        raise ConfigurationError(f"{path}: other users can read the accounts", hint=f"chmod 600 {path}")
    pairs = _parse(raw) if len(raw) <= _SIZE_MAX else ()
    if not pairs or not all(pair.key and pair.secret for pair in pairs):
        raise ConfigurationError(f"{path}: expected accounts, each with a text `key` and a text `secret`", hint=_HINT)
    if len({pair.key for pair in pairs}) < len(pairs):
        raise ConfigurationError(f"{path}: two accounts have the same key", hint="give each account a key of its own")
    return tuple((pair.key, pair.secret) for pair in pairs)


def _parse(raw: bytes) -> tuple[_Pair, ...]:
    try:
        if raw.lstrip().startswith(b"{"):
            return msgspec.json.decode(raw, type=_Accounts).accounts
        return msgspec.convert(tomllib.loads(raw.decode()), _Accounts).accounts
    # A parser's message quotes the text, and the text is the secret.
    except (msgspec.MsgspecError, tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):
        return ()
