"""What Gate.io takes: the bodies of requests, amounts as plain decimal text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec


class Trigger(msgspec.Struct, omit_defaults=True, gc=False):
    """When a triggered order is to fire: `rule` is `>=` or `<=` against the last price; `expiration` is in seconds."""

    price: str
    rule: str
    expiration: int | None = None


class Put(msgspec.Struct, gc=False):
    """What a triggered order is to place. Nothing is left out: the venue's own defaults have changed before."""

    type: str
    side: str
    price: str
    amount: str
    account: str = "normal"
    time_in_force: str = "gtc"


class TriggerRequest(msgspec.Struct, gc=False):
    """The body that asks for a triggered order."""

    trigger: Trigger
    put: Put
    market: str


class OrderRequest(msgspec.Struct, omit_defaults=True, gc=False):
    """The body that asks for an order; `amount` is in base units, but in quote units for a market buy."""

    text: str | None
    currency_pair: str
    type: str
    side: str
    amount: str
    price: str | None = None
    time_in_force: str | None = None
    account: str = msgspec.field(default_factory=lambda: "spot")  # a factory, so that it is never left out


Body = OrderRequest | TriggerRequest | Sequence[OrderRequest] | Sequence[dict[str, str]] | dict[str, object]

_ENCODER: Final = msgspec.json.Encoder()


def body_of(request: Body) -> bytes:
    """Return the bytes that are signed and sent."""
    return _ENCODER.encode(request)
