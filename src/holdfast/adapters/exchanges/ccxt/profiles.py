"""What each venue can do, and the words that ccxt does not make the same everywhere. What is not known is not used."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

from holdfast.core.record import Record
from holdfast.domain.values import OrderId
from holdfast.ports.live import Capabilities

_SAFE_WINDOW_MS: Final = 120_000


class ClientId(Record, frozen=True):
    """How our order ids become client ids: `prefix`, then at most `most` letters of `letters`."""

    prefix: str = ""
    most: int = 32
    letters: str = "0-9A-Za-z"  # what every venue takes
    create_param: str = "clientOrderId"

    def of(self, order_id: OrderId, generation: int = 0) -> str:
        """Return the client id, always the same for an order; `generation` counts what was placed anew for it."""
        name = f"{order_id}.{generation}" if generation else str(order_id)
        if len(name) <= self.most and re.fullmatch(f"[{self.letters}]+", name):
            return self.prefix + name
        return self.prefix + hashlib.sha256(name.encode()).hexdigest()[: min(self.most, 32)]

    def order_id(self, client_id: str) -> OrderId:
        """Return the order id that a client id shows; a hashed one shows none of ours."""
        if not client_id.startswith(self.prefix):
            return OrderId("")
        name, dot, generation = client_id.removeprefix(self.prefix).rpartition(".")
        return OrderId(name if dot and generation.isdigit() else client_id.removeprefix(self.prefix))


class Profile(Record, frozen=True):
    """One venue's ways."""

    client_id: ClientId = ClientId()
    ask_param: str = ""  # fetch_order finds a client id under this name; "id": as the id itself; empty: lists are read
    trades_param: str = ""  # fetch_my_trades takes one order's id under this name
    window_ms: int = _SAFE_WINDOW_MS  # how long after it was sent an order may still be taken
    stop_window_ms: int = _SAFE_WINDOW_MS  # the same for a stop
    order_params: Mapping[str, str | int | bool] = msgspec.field(default_factory=dict)
    expiry_header: str = ""  # names the moment (ms) after which the venue refuses an order
    has_stops: bool = False  # a stop-market can rest at the venue
    stops_bind: bool = True  # a resting stop binds what it would sell: nothing else can wait for the same coins
    trigger_params: Mapping[str, str | int | bool] = msgspec.field(default_factory=dict)  # where stops are asked for
    has_stop_ids: bool = True  # stops carry a client id
    fired_key: str = ""  # under which a stop that has fired names its order
    spacing_s: float = 0.0  # between two stops on one market
    certain_refusals: frozenset[str] = frozenset()  # labels of what was refused unseen, and may be asked again
    clock_refusals: frozenset[str] = frozenset()  # those of them that call our time wrong
    closed_column: int = 0  # of a raw candle, says that it is finished; 0: the clock does
    open_page_param: str = ""  # open orders come in pages of this name
    trades_page_param: str = ""  # fromId, page, or empty: trades are paged by time
    countdown_method: str = ""  # ccxt's name of the dead-man timer
    has_pushes: bool = False  # news of our orders over a websocket, which ccxt knows how to open
    quote_by_book: bool = False
    is_fee_in_base: bool | None = None  # of a purchase; None: as ccxt says of the market
    page_bars: int = 300
    page_trades: int = 100
    key_method: str = ""  # ccxt's name of the call that says what a key may do
    options: Mapping[str, object] = msgspec.field(default_factory=dict)  # ccxt's


_DOTTED: Final = "0-9A-Za-z_.-"
PROFILES: Final[Mapping[str, Profile]] = {
    "binance": Profile(
        has_pushes=True,
        client_id=ClientId("", 36, _DOTTED, "newClientOrderId"), ask_param="origClientOrderId", trades_param="orderId",
        window_ms=5_000, stop_window_ms=5_000, order_params={"recvWindow": 5_000}, has_stops=True,
        page_bars=1_000, page_trades=500, trades_page_param="fromId",
        key_method="sapiGetAccountApiRestrictions",
        options={
            "defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False,
            "warnOnFetchOpenOrdersWithoutSymbol": False, "quoteOrderQty": False,
        },
    ),
    "coinbase": Profile(
        has_pushes=True,
        client_id=ClientId("", 36, _DOTTED, "client_order_id"), trades_param="order_ids", is_fee_in_base=False,
        key_method="v3PrivateGetBrokerageKeyPermissions",
        # Both spellings of what an account is: one that ccxt does not know it leaves out, coins and all.
        options={
            "defaultType": "spot", "fetchBalance": "v3PrivateGetBrokerageAccounts",
            "v3Accounts": ["ACCOUNT_TYPE_CRYPTO", "ACCOUNT_TYPE_FIAT", "CRYPTO", "FIAT"],
        },
    ),
    "gate": Profile(
        has_pushes=True,
        client_id=ClientId("t-", 26, _DOTTED), ask_param="id", trades_param="order_id", window_ms=1_000,
        expiry_header="x-gate-exptime", has_stops=True, stops_bind=False, trigger_params={"trigger": True},
        has_stop_ids=False, fired_key="fired_order_id", spacing_s=1.6, closed_column=7, open_page_param="page",
        certain_refusals=frozenset({"REPEAT_REQUEST", "TOO_MANY_REQUESTS", "TOO_FAST", "REQUEST_EXPIRED"}),
        clock_refusals=frozenset({"REQUEST_EXPIRED"}),
        quote_by_book=True, page_bars=999, page_trades=1_000,
        stop_window_ms=62_000, trades_page_param="page", countdown_method="privateSpotPostCountdownCancelAll",
        options={"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
    ),
}  # fmt: skip
"""Venues that were looked at. Every other one gets a profile that trusts it with nothing but orders in the book."""

ANY: Final = Profile(options={"defaultType": "spot"})


def profile_of(name: str) -> Profile:
    """Return what is known of a venue."""
    return PROFILES.get(name, ANY)


def capabilities_of(profile: Profile) -> Capabilities:
    """Return what a venue does for us."""
    return Capabilities(
        resting_stops=profile.has_stops,
        resting_targets=profile.has_stops and not profile.stops_bind,
        asks_by_client_id=bool(profile.ask_param),
        order_expiry=bool(profile.expiry_header or profile.order_params),
        dead_man=bool(profile.countdown_method),
        pushes=profile.has_pushes,
    )
