"""Compares the orders of a session with those of a replay of all that it was told: every one must be the same.

A replay knows what the session knew: its bars as they came, late or not, its operator, and, of a session over the wire,
what the venue said of each order. So nothing is left to explain: an order that is not the same to the last digit was
decided by another program, by another strategy or under other settings, or follows from one that was.
"""

from __future__ import annotations

from itertools import zip_longest

from holdfast.core.record import Record
from holdfast.research.parity import Cause, Difference, Session, SessionOrder, terms_told

_NAMES = (
    ("order_id", "id"), ("instrument_id", "market"), ("role", "role"), ("side", "side"), ("bar", "bar"),
    ("type", "type"), ("quantity", "quantity"), ("trigger_price", "trigger"), ("limit_price", "limit"),
    ("entry_id", "entry"), ("moves", "moves"), ("filled", "filled"), ("notional", "price"), ("fees", "fees"),
)  # fmt: skip


class Reproduction(Record, frozen=True):
    """What a replay came to. `decisions` are ticks: whatever changed anything."""

    orders: int  # of the session
    reproduced: int
    decisions: int  # of the session
    decisions_equal: int
    decisions_extra: int = 0  # of the replay, where the session decided nothing
    differences: tuple[Difference, ...] = ()
    stopped: str = ""  # why the replay could not go on to the end

    @property
    def is_whole(self) -> bool:
        """Tell whether every order and every decision is the same, and there was one at all."""
        return bool(self.decisions) and not (
            self.differences or self.stopped or self.decisions_extra or self.decisions != self.decisions_equal
        )


def reproduction(session: Session, again: Session, decisions: tuple[int, int, int], stopped: str = "") -> Reproduction:
    """Return how the orders of a replay compare with those of the session, the first with the first and so on.

    `decisions` are those of the session, how many of them are equal, and those that are in the replay alone.
    """
    found: list[Difference] = []
    reproduced, root = 0, ""
    for mine, other in zip_longest(session.orders, again.orders):
        if mine is not None and mine == other:
            reproduced += 1
            continue
        one = mine if mine is not None else other
        if one is None:
            continue
        cause = Cause.FOLLOWS if root else Cause.NOT_REPEATED
        ours, theirs = _told(mine), _told(other)
        what = _what(mine, other)
        found.append(Difference(one.order_id, one.instrument_id, one.role, one.bar, what, ours, theirs, cause, root))
        root = root or one.order_id
    return Reproduction(len(session.orders), reproduced, *decisions, tuple(found), stopped)


def _what(mine: SessionOrder | None, other: SessionOrder | None) -> str:
    if mine is None or other is None:
        return "only in the session" if other is None else "only in the replay"
    unlike = [told for name, told in _NAMES if getattr(mine, name) != getattr(other, name)]
    return ", ".join(unlike) or "end"


def _told(order: SessionOrder | None) -> str:
    return "" if order is None else f"{order.order_id}: {terms_told(order)}"
