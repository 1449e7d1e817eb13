"""The face of Coinbase's Advanced Trade REST over the model: shapes as recorded, the HMAC of its older keys checked."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

from aiohttp import web
from tests.contract.model_venue import D, ModelOrder, ModelRefusal, ModelVenue

KEY, SECRET = "coinbase-model-key", "coinbase-model-secret"
REFUSALS = {"funds": "INSUFFICIENT_FUND", "filter": "INVALID_SIZE_PRECISION", "duplicate": "DUPLICATE"}
PRODUCT = "BTC-USD"
BROKERAGE = "/api/v3/brokerage"


class CoinbaseModel:
    def __init__(self) -> None:
        self.venue = ModelVenue(quote="USD", fee_side="quote")

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get(BROKERAGE + "/market/products", self.products)
        app.router.add_get(f"{BROKERAGE}/market/products/{PRODUCT}/ticker", self.ticker)
        app.router.add_get(f"{BROKERAGE}/market/products/{PRODUCT}/candles", self.candles)
        private = {
            ("GET", "/accounts"): ("account", self.accounts),
            ("GET", "/transaction_summary"): ("fee", self.summary),
            ("GET", "/key_permissions"): ("key", self.permissions),
            ("POST", "/orders"): ("place", self.place),
            ("POST", "/orders/batch_cancel"): ("cancel", self.cancel),
            ("GET", "/orders/historical/batch"): ("orders", self.listed),
            ("GET", "/orders/historical/fills"): ("trades", self.fills),
            ("GET", "/orders/historical/{order_id}"): ("order", self.order),
        }
        for (method, path), (name, act) in private.items():
            app.router.add_route(method, BROKERAGE + path, self.signed(name, act))
        app.router.add_get("/v2/time", self.time)
        app.router.add_get("/v2/{tail:.*}", self.nothing)
        return app

    def signed(self, name: str, act):
        async def handler(request: web.Request) -> web.StreamResponse:
            body = await request.text()
            text = request.headers.get("CB-ACCESS-TIMESTAMP", "") + request.method + request.path + body
            sign = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
            if request.headers.get("CB-ACCESS-KEY") != KEY or request.headers.get("CB-ACCESS-SIGN") != sign:
                return web.json_response({"error": "Unauthorized", "message": "Unauthorized"}, status=401)
            words = {**request.query, **request.match_info, **(json.loads(body) if body else {})}

            def answer() -> web.Response:
                try:
                    return web.json_response(act(words))
                except ModelRefusal:
                    return web.json_response({"error": "NOT_FOUND", "message": "order not found"}, status=404)

            return await self.venue.faulty(name, answer, request)

        return handler

    # -- public ------------------------------------------------------------------------------------
    async def nothing(self, request: web.Request) -> web.Response:
        return web.json_response({"data": []})

    async def time(self, request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        return web.json_response({"data": {"epoch": int(now.timestamp()), "iso": now.isoformat()}})

    async def products(self, request: web.Request) -> web.Response:
        if request.query.get("product_type"):
            return web.json_response({"products": [], "num_products": 0})
        product = {
            "product_id": PRODUCT, "price": f"{self.venue.price}", "base_increment": "0.00001",
            "quote_increment": "0.01", "quote_min_size": "5", "quote_max_size": "150000000", "base_min_size": "0.00001",
            "base_max_size": "3400", "base_name": "Bitcoin", "quote_name": "US Dollar", "is_disabled": False,
            "status": "online", "cancel_only": False, "limit_only": False, "post_only": False,
            "trading_disabled": False, "product_type": "SPOT", "quote_currency_id": "USD", "base_currency_id": "BTC",
            "fcm_trading_session_details": None, "view_only": False, "price_increment": "0.01",
        }  # fmt: skip
        return web.json_response({"products": [product], "num_products": 1})

    async def ticker(self, request: web.Request) -> web.Response:
        venue = self.venue
        at = datetime.fromtimestamp(venue.minute / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        trade = {"trade_id": "1", "product_id": PRODUCT, "price": f"{venue.price}", "size": "0.1", "time": at,
                 "side": "SELL", "bid": "", "ask": "", "exchange": "coinbase"}  # fmt: skip
        return web.json_response({"trades": [trade], "best_bid": f"{venue.bid}", "best_ask": f"{venue.ask}"})

    async def candles(self, request: web.Request) -> web.Response:
        least, most = int(request.query["start"]) * 1000, int(request.query["end"]) * 1000
        rows = [
            {"start": str(ts // 1000), "low": f"{price - 5}", "high": f"{price + 5}", "open": f"{price}",
             "close": f"{price}", "volume": "355.82896243"}
            for ts, price in reversed(self.venue.candles()) if least <= ts <= most
        ]  # fmt: skip
        return web.json_response({"candles": rows[:350]})

    # -- private -----------------------------------------------------------------------------------
    def accounts(self, words: dict) -> dict:
        rows = [
            {"uuid": f"uuid-{coin}", "name": f"{coin} Wallet", "currency": coin,
             "available_balance": {"value": f"{self.venue.free(coin)}", "currency": coin}, "active": True,
             "type": "CRYPTO", "ready": True, "hold": {"value": f"{self.venue.locked(coin)}", "currency": coin}}
            for coin in self.venue.total
        ]  # fmt: skip
        return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}

    def summary(self, words: dict) -> dict:
        return {"total_volume": 1, "fee_tier": {"taker_fee_rate": "0.001", "maker_fee_rate": "0.001"}}

    def permissions(self, words: dict) -> dict:
        return {"can_view": True, "can_trade": True, "can_transfer": False}

    def shape(self, order: ModelOrder) -> dict:
        name = {"GTC": "limit_limit_gtc", "IOC": "sor_limit_ioc", "FOK": "limit_limit_fok"}[order.tif]
        sized = {"base_size": f"{order.amount}"}
        config = {name: {**sized, "limit_price": f"{order.price}"}} if order.price else {"market_market_ioc": sized}
        status = {"NEW": "OPEN", "CANCELED": "CANCELLED"}.get(order.status, order.status)
        return {
            "order_id": f"{order.number}", "product_id": PRODUCT, "order_configuration": config,
            "side": order.side.upper(), "client_order_id": order.client_id, "status": status,
            "time_in_force": "GOOD_UNTIL_CANCELLED", "created_time": "2024-01-15T10:00:00Z",
            "filled_size": f"{order.filled}", "average_filled_price": "0", "fee": "0", "filled_value": f"{order.value}",
            "total_fees": "0", "order_type": "LIMIT" if order.price else "MARKET", "product_type": "SPOT",
        }  # fmt: skip

    def place(self, words: dict) -> dict:
        ((name, config),) = words["order_configuration"].items()
        kind = "market" if name == "market_market_ioc" else "limit"
        tif = {"sor_limit_ioc": "IOC", "limit_limit_fok": "FOK"}.get(name, "GTC")
        order = self.venue.new(
            words["client_order_id"], words["side"], kind, config["base_size"],
            price=D(config.get("limit_price", "0")), tif=tif,
        )  # fmt: skip
        try:
            self.venue.place(order)
        except ModelRefusal as why:
            error = {"error": REFUSALS[str(why)], "message": str(why), "error_details": ""}
            return {"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "error_response": error}
        told = {"order_id": f"{order.number}", "product_id": PRODUCT, "side": words["side"],
                "client_order_id": order.client_id}  # fmt: skip
        return {"success": True, "order_id": f"{order.number}", "success_response": told}

    def cancel(self, words: dict) -> dict:
        results = []
        for name in words["order_ids"]:
            order = self.venue.by_number(name)
            is_done = order is not None and order.is_open
            if is_done:
                self.venue.cancel(order)
            results.append({"success": is_done, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON", "order_id": name})
        return {"results": results}

    def listed(self, words: dict) -> dict:
        wanted = words.get("order_status")
        rows = [self.shape(x) for x in reversed(self.venue.orders)]
        return {"orders": [x for x in rows if wanted in (None, x["status"])], "has_next": False, "cursor": ""}

    def order(self, words: dict) -> dict:
        order = self.venue.by_number(words["order_id"])
        if order is None:
            raise ModelRefusal("none")
        return {"order": self.shape(order)}

    def fills(self, words: dict) -> dict:
        wanted = words.get("order_ids")
        rows = [
            {"entry_id": f"e{x.number}", "trade_id": f"t{x.number}", "order_id": f"{x.order.number}",
             "trade_time": datetime.fromtimestamp(x.ts_ms / 1000, UTC).isoformat().replace("+00:00", "Z"),
             "trade_type": "FILL", "price": f"{x.price}", "size": f"{x.amount}", "commission": f"{x.fee}",
             "product_id": PRODUCT, "liquidity_indicator": "TAKER", "size_in_quote": False,
             "side": x.order.side.upper()}
            for x in self.venue.trades if wanted in (None, f"{x.order.number}")
        ]  # fmt: skip
        return {"fills": rows, "cursor": ""}
