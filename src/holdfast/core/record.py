"""The base of everything that is passed between rooms."""

from __future__ import annotations

import msgspec


# A recorded type lives as long as the oldest journal: add fields last, each with a default that means what was before;
# never rename, reorder or retype one. tests/golden holds them to it, and says what to do.
class Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False, omit_defaults=True):
    """An immutable, comparable, serialisable value; unknown fields are refused when it is decoded."""


def encode(record: object) -> bytes:
    """Return the canonical JSON bytes of a record: fields in declared order, defaults left out, Decimals as text."""
    return _ENCODER.encode(record)


_ENCODER = msgspec.json.Encoder(decimal_format="string", order=None)


class State(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """Mutable state that a snapshot keeps whole; never passed out of the object that owns it."""
