"""ccxt's unified answers as values of our own: text becomes Decimal without a float, and a wrong type is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final

from holdfast.core.errors import VenueError
from holdfast.core.record import Record
from holdfast.core.time import MILLISECOND
from holdfast.domain.values import ZERO

_LARGE: Final = Decimal("1e30")
_FINE: Final = -30
_TEXT_MAX: Final = 200
ENDED: Final = frozenset({"closed", "canceled", "expired", "rejected"})


class VenueOrder(Record, frozen=True):
    """An order as the venue has it; `status` is empty where the answer does not say."""

    venue_order_id: str
    client_id: str
    side: str
    status: str
    amount: Decimal | None
    filled: Decimal
    trigger_price: Decimal | None
    fired_id: str = ""
    rule: str = ""  # <= or >=, where the venue says on which side of its price it waits
    ts_created: int = 0  # ns, 0 where the answer does not say

    @property
    def is_final(self) -> bool:
        """Tell whether it has ended."""
        return self.status in ENDED


class OwnTrade(Record, frozen=True):
    """A trade of our own."""

    trade_id: str
    venue_order_id: str
    ts_event: int
    side: str
    role: str
    price: Decimal
    amount: Decimal
    fee: Decimal
    fee_currency: str


class Parser:
    """Reads one venue's answers; an error names the venue and the field, and never the answer."""

    def __init__(self, venue: str, fired_key: str = "") -> None:
        self._venue, self._fired_key = venue, fired_key

    def wrong(self, what: str) -> VenueError:
        """Return the error for an answer that is not what was asked for."""
        return VenueError(f"{self._venue}: {what} cannot be read", venue=self._venue, is_retryable=True)

    def row(self, found: object, what: str) -> Mapping[str, object]:
        """Return an object."""
        if not isinstance(found, dict):
            raise self.wrong(what)
        return found

    def rows(self, found: object, what: str) -> Sequence[Mapping[str, object]]:
        """Return a list of objects."""
        if not isinstance(found, list):
            raise self.wrong(what)
        return [self.row(item, what) for item in found]

    def amount(self, found: object, what: str) -> Decimal | None:
        """Return a number that is not negative, None where there is none. A float is refused: it is not what was sent.

        Raises
        ------
        VenueError
            It is no number, not finite, negative, or has more digits than can be reckoned exactly.
        """
        if found is None or found == "":
            return None
        value = self.signed(found, what)
        if value < ZERO:
            raise self.wrong(what)
        return value

    def signed(self, found: object, what: str) -> Decimal:
        """Return a number; a maker's rebate is a negative fee."""
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise self.wrong(what)
        try:
            value = Decimal(found)
        except InvalidOperation:
            raise self.wrong(what) from None
        if not value.is_finite() or abs(value) >= _LARGE or (value and value.adjusted() < _FINE) or +value != value:
            raise self.wrong(what)
        return value

    def text(self, found: object, what: str) -> str:
        """Return a name, empty where there is none."""
        if found is None:
            return ""
        if not isinstance(found, str | int) or len(str(found)) > _TEXT_MAX:
            raise self.wrong(what)
        return str(found)

    def order(self, found: object) -> VenueOrder:
        """Return an order."""
        row = self.row(found, "an order")
        raw = row.get("info")
        raw = raw if isinstance(raw, dict) else {}
        fired = self.text(raw.get(self._fired_key), "a fired id") if self._fired_key else ""
        waits, ts = raw.get("trigger"), row.get("timestamp")
        return VenueOrder(
            self.text(row.get("id"), "an order's id"), self.text(row.get("clientOrderId"), "a client id"),
            self.text(row.get("side"), "a side"), self.text(row.get("status"), "a status"),
            self.amount(row.get("amount"), "an amount"), self.amount(row.get("filled"), "what is filled") or ZERO,
            self.amount(row.get("triggerPrice") or row.get("stopLossPrice"), "a trigger price"),
            "" if fired == "0" else fired,
            self.text(waits.get("rule"), "a rule") if isinstance(waits, dict) else "",
            ts * MILLISECOND if isinstance(ts, int) else 0,
        )  # fmt: skip

    def trade(self, found: object) -> OwnTrade:
        """Return a trade of our own."""
        row = self.row(found, "a trade")
        price, amount = self.amount(row.get("price"), "a price"), self.amount(row.get("amount"), "an amount")
        ts, trade_id = row.get("timestamp"), self.text(row.get("id"), "a trade's id")
        if not price or not amount or not trade_id or not isinstance(ts, int) or row.get("side") not in ("buy", "sell"):
            raise self.wrong("a trade")
        fee, coin = self._fee(row)
        return OwnTrade(
            trade_id, self.text(row.get("order"), "an order's id"), ts * MILLISECOND, str(row["side"]),
            self.text(row.get("takerOrMaker"), "a role"), price, amount, fee, coin,
        )  # fmt: skip

    def _fee(self, row: Mapping[str, object]) -> tuple[Decimal, str]:
        given = row.get("fees") or ([row["fee"]] if row.get("fee") else [])
        for one in self.rows(given, "fees"):
            cost = one.get("cost")
            if cost is not None and (fee := self.signed(cost, "a fee")):
                return fee, self.text(one.get("currency"), "a currency")
        return ZERO, ""
