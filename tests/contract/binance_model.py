"""The face of Binance's spot REST over the model: shapes as recorded, HMAC-SHA256 checked as the venue checks it."""

import hashlib
import hmac
import time
from urllib.parse import parse_qsl

from aiohttp import web
from tests.contract.model_venue import D, ModelOrder, ModelRefusal, ModelVenue

KEY, SECRET = "binance-model-key", "binance-model-secret"
REFUSALS = {
    "duplicate": (-2010, "Duplicate order sent."),
    "filter": (-1013, "Filter failure: LOT_SIZE"),
    "funds": (-2010, "Account has insufficient balance for requested action."),
    "stop": (-2010, "Stop price would trigger immediately."),
    "gone": (-2011, "Unknown order sent."),
    "none": (-2013, "Order does not exist."),
    "signature": (-1022, "Signature for this request is not valid."),
    "key": (-2015, "Invalid API-key, IP, or permissions for action."),
    "late": (-1021, "Timestamp for this request is outside of the recvWindow."),
}
SYMBOL = "BTCUSDT"


def refuse(why: str) -> web.Response:
    code, words = REFUSALS[why]
    return web.json_response({"code": code, "msg": words}, status=401 if why in ("key", "signature") else 400)


class BinanceModel:
    def __init__(self) -> None:
        self.venue = ModelVenue()
        self.ahead_s = 0.0  # how far its clock is ahead of ours

    def app(self) -> web.Application:
        app = web.Application()
        public = {"time": self.time, "exchangeInfo": self.info, "ticker/24hr": self.ticker, "klines": self.klines}
        for name, handler in public.items():
            app.router.add_get(f"/api/v3/{name}", handler)
        private = {
            ("GET", "/api/v3/account"): ("account", self.account),
            ("GET", "/api/v3/openOrders"): ("open", self.open_orders),
            ("GET", "/api/v3/order"): ("order", self.order),
            ("GET", "/api/v3/myTrades"): ("trades", self.my_trades),
            ("POST", "/api/v3/order"): ("place", self.place),
            ("DELETE", "/api/v3/order"): ("cancel", self.cancel),
            ("GET", "/sapi/v1/asset/tradeFee"): ("fee", self.fee),
            ("GET", "/sapi/v1/account/apiRestrictions"): ("key", self.restrictions),
        }
        for (method, path), (name, act) in private.items():
            app.router.add_route(method, path, self.signed(name, act))
        return app

    def signed(self, name: str, act):
        async def handler(request: web.Request) -> web.StreamResponse:
            raw = await request.text() or request.query_string
            text, _, signature = raw.rpartition("&signature=")
            words = dict(parse_qsl(text, keep_blank_values=True))
            if request.headers.get("X-MBX-APIKEY") != KEY:
                return refuse("key")
            if not hmac.compare_digest(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest(), signature):
                return refuse("signature")
            if abs(int(words["timestamp"]) - (time.time() + self.ahead_s) * 1000) > int(words.get("recvWindow", 5_000)):
                return refuse("late")

            def answer() -> web.Response:
                try:
                    return web.json_response(act(words))
                except ModelRefusal as why:
                    return refuse(str(why))

            where = "stop" if name == "place" and words["type"] == "STOP_LOSS" else name
            return await self.venue.faulty(where, answer, request)

        return handler

    # -- public ------------------------------------------------------------------------------------
    async def time(self, request: web.Request) -> web.Response:
        return web.json_response({"serverTime": int((time.time() + self.ahead_s) * 1000)})

    async def info(self, request: web.Request) -> web.Response:
        filters = [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01000000"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.00", "stepSize": "0.00001000"},
            {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True, "maxNotional": "9000000"},
        ]
        symbol = {
            "symbol": SYMBOL, "status": "TRADING", "baseAsset": "BTC", "baseAssetPrecision": 8, "quoteAsset": "USDT",
            "quotePrecision": 8, "quoteAssetPrecision": 8, "isSpotTradingAllowed": True, "isMarginTradingAllowed": True,
            "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT"],
            "filters": filters, "permissions": [], "permissionSets": [["SPOT"]],
        }  # fmt: skip
        return web.json_response({"timezone": "UTC", "serverTime": 1, "rateLimits": [], "symbols": [symbol]})

    async def ticker(self, request: web.Request) -> web.Response:
        venue = self.venue
        return web.json_response(
            {"symbol": SYMBOL, "lastPrice": f"{venue.price}", "bidPrice": f"{venue.bid}", "bidQty": "100.00000000",
             "askPrice": f"{venue.ask}", "askQty": "100.00000000", "openTime": 1, "closeTime": venue.minute,
             "volume": "1", "quoteVolume": "1", "firstId": 1, "lastId": 2, "count": 2}
        )  # fmt: skip

    async def klines(self, request: web.Request) -> web.Response:
        since, most = int(request.query.get("startTime", 0)), int(request.query.get("limit", 500))
        rows = [
            [ts, str(price), str(price + 5), str(price - 5), str(price), "148.97611427", ts + 59_999, "1.0", 308, "1.0",
             "1.0", "0"]
            for ts, price in self.venue.candles() if ts >= since
        ]  # fmt: skip
        return web.json_response(rows[:most] if since else rows[-most:])

    # -- private -----------------------------------------------------------------------------------
    def shape(self, order: ModelOrder) -> dict:
        kind = {"stop": "STOP_LOSS"}.get(order.kind, order.kind.upper())
        return {
            "symbol": SYMBOL, "orderId": order.number, "orderListId": -1, "clientOrderId": order.client_id,
            "price": f"{order.price:.8f}", "origQty": f"{order.amount:.8f}", "executedQty": f"{order.filled:.8f}",
            "cummulativeQuoteQty": f"{order.value:.8f}", "status": order.status, "timeInForce": order.tif,
            "type": kind, "side": order.side.upper(), "stopPrice": f"{order.stop:.8f}", "icebergQty": "0.0",
            "time": 1499827319559, "updateTime": 1499827319559, "isWorking": order.kind != "stop",
            "origQuoteOrderQty": "0.000000", "selfTradePreventionMode": "NONE",
        }  # fmt: skip

    def account(self, words: dict) -> dict:
        venue = self.venue
        balances = [{"asset": x, "free": str(venue.free(x)), "locked": str(venue.locked(x))} for x in venue.total]
        return {"canTrade": True, "canWithdraw": True, "accountType": "SPOT", "balances": balances}

    def open_orders(self, words: dict) -> list:
        return [self.shape(x) for x in self.venue.orders if x.is_open]

    def find(self, words: dict) -> ModelOrder:
        name = words.get("origClientOrderId")
        found = [x for x in self.venue.orders if x.client_id == name or str(x.number) == words.get("orderId")]
        if not found:
            raise ModelRefusal("none")
        return found[-1]

    def order(self, words: dict) -> dict:
        return self.shape(self.find(words))

    def my_trades(self, words: dict) -> list:
        least, most = int(words.get("fromId", 0)), int(words.get("limit", 500))
        rows = [
            {"symbol": SYMBOL, "id": x.number, "orderId": x.order.number, "orderListId": -1, "price": f"{x.price:.8f}",
             "qty": f"{x.amount:.8f}", "quoteQty": f"{x.price * x.amount}", "commission": str(x.fee),
             "commissionAsset": x.fee_coin, "time": x.ts_ms, "isBuyer": x.order.side == "buy", "isMaker": False}
            for x in self.venue.trades
            if x.number >= least and words.get("orderId") in (None, str(x.order.number))
        ]  # fmt: skip
        return rows[:most]

    def place(self, words: dict) -> dict:
        kind = {"STOP_LOSS": "stop"}.get(words["type"], words["type"].lower())
        order = self.venue.place(
            self.venue.new(
                words["newClientOrderId"], words["side"], kind, words["quantity"], price=D(words.get("price", "0")),
                stop=D(words.get("stopPrice", "0")), tif=words.get("timeInForce", "GTC"),
            )
        )  # fmt: skip
        return {**self.shape(order), "transactTime": 1507725176595, "fills": []}

    def cancel(self, words: dict) -> dict:
        found = self.find(words)
        return self.shape(self.venue.cancel(found))

    def fee(self, words: dict) -> list:
        return [{"symbol": SYMBOL, "makerCommission": "0.001", "takerCommission": "0.001"}]

    def restrictions(self, words: dict) -> dict:
        return {
            "ipRestrict": True,
            "enableReading": True,
            "enableWithdrawals": False,
            "enableSpotAndMarginTrading": True,
        }
