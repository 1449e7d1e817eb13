"""Names out of a fixed set: sides, roles, states, kinds."""

from __future__ import annotations

from enum import StrEnum


class Label(StrEnum):
    """A text out of a fixed set, which hashes as the text that it equals.

    An Enum's own hash is that of the member's name in the program: another one than the equal text's, and computed in
    Python at each look-up. Whoever compares a label for every bar keeps the member in a name of its module, because
    reading it from its class takes as long as ten comparisons.
    """

    __hash__ = str.__hash__
