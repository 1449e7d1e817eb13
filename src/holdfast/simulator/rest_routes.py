"""What a request to the venue is, and which `METHOD /path` of Gate.io's documents it means."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar
from urllib.parse import parse_qsl

import msgspec

from holdfast.core.record import Record
from holdfast.simulator.refusal import VenueRefusal

PREFIX: Final = "/api/v4"

UNREADABLE: Final = (msgspec.MsgspecError, RecursionError)
"""What reading somebody's JSON may raise: it may also be nested without an end."""

T = TypeVar("T")


class Call(Record, frozen=True):
    """One request to the venue, over HTTP or over the websocket: all that its effect depends on.

    `name` is what stands in the path for the part in braces, `body` the JSON text, `ts` the venue's time (ns).
    """

    endpoint: str
    account: str = ""
    name: str = ""
    query: str = ""
    body: str = ""
    ts: int = 0

    @property
    def parameters(self) -> dict[str, str]:
        """Return the query, decoded; of a name that stands twice the last one counts."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    def document(self) -> dict[str, object]:
        """Return the body, which must be an object."""
        return _decoded(_OBJECT, self.body or "{}")

    def documents(self) -> list[dict[str, object]]:
        """Return the body, which must be a list of objects."""
        return _decoded(_LIST, self.body or "[]")

    @property
    def market(self) -> str:
        """Return the market that it is about as far as it says so; several are counted as the first."""
        found = self.parameters.get("currency_pair", "")
        if found or not self.body:
            return found
        try:
            document = msgspec.json.decode(self.body)
        except UNREADABLE:
            return ""
        first = document[0] if isinstance(document, list) and document else document
        return str(first.get("currency_pair", "")) if isinstance(first, dict) else ""


_OBJECT: Final = msgspec.json.Decoder(dict[str, object])
_LIST: Final = msgspec.json.Decoder(list[dict[str, object]])


def _decoded(decoder: msgspec.json.Decoder[T], text: str) -> T:
    try:
        return decoder.decode(text)
    except UNREADABLE:
        raise VenueRefusal("INVALID_REQUEST_BODY", "Invalid request body", 400) from None


class Routes:
    """Finds the endpoint of a path: `/spot/orders/12` is `/spot/orders/{order_id}` with the name `12`."""

    __slots__ = ("_named", "_plain")

    def __init__(self, endpoints: Iterable[str]) -> None:
        self._plain: set[str] = set()
        self._named: dict[tuple[str, str], str] = {}
        for endpoint in endpoints:
            method, _, path = endpoint.partition(" ")
            if "{" in path:
                self._named[(method, path.partition("{")[0])] = endpoint
            else:
                self._plain.add(endpoint)

    def find(self, method: str, path: str) -> tuple[str, str]:
        """Return the endpoint and the name in the path; `path` is without /api/v4.

        Raises
        ------
        VenueRefusal
            404 for a path, 405 for a method that the venue does not have.
        """
        plain = f"{method} {path}"
        if plain in self._plain:
            return plain, ""
        folder, _, name = path.rpartition("/")
        endpoint = self._named.get((method, f"{folder}/"))
        if endpoint is not None and name:
            return endpoint, name
        others = ("GET", "POST", "DELETE", "PATCH", "PUT")
        if any(f"{other} {path}" in self._plain or (other, f"{folder}/") in self._named for other in others):
            raise VenueRefusal("METHOD_NOT_ALLOWED", "Request method is not allowed", 405)
        raise VenueRefusal("NOT_FOUND", "Request URL does not exist", 404)
