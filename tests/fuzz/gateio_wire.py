"""Feed Gate.io's decoders with broken answers: `python tests/fuzz/gateio_wire.py -runs=1000000`.

Every input goes to every decoder. VenueError (for a bare msgspec decoder its DecodeError) is the one documented way to
refuse; any other exception is a crash, and so is a property of a decoded shape that raises.
"""

import importlib
import importlib.util
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import atheris
import msgspec

with atheris.instrument_imports(include=["holdfast.adapters.exchanges.gateio"]):
    from holdfast.adapters.exchanges.gateio import key, shape, wire
from holdfast.core.errors import VenueError

PACKAGE = "holdfast.adapters.exchanges.gateio"
SEEDS = [
    b'{"label":"INVALID_KEY","message":"Invalid key provided"}',
    b'{"server_time":1597026383085}',
    b'[{"currency":"BTC","delisted":false,"trade_disabled":false,"chain":"BTC"}]',
    b'{"id":"BTC_USDT","base":"BTC","quote":"USDT","fee":"0.2","min_base_amount":"0.0001","min_quote_amount":"1",'
    b'"max_base_amount":null,"amount_precision":4,"precision":1,"trade_status":"tradable","sell_start":0}',
    b'[{"currency_pair":"BTC_USDT","last":"26028.7","lowest_ask":"","highest_bid":"26026.7","high_24h":26202.4}]',
    b'{"id":123456,"current":1623898993123,"update":1623898993121,"asks":[["1.52","1.151"]],"bids":[["1.17","2e1"]]}',
    b'[{"id":"1232893232","create_time":"1548000000","create_time_ms":"1548000000123.456","side":"buy","amount":"0.15",'
    b'"price":"0.03","order_id":"4128442423","role":"maker","fee":"0.0005","fee_currency":"ETH","gt_fee":"0"}]',
    b'[["1717246800","1157762.86821200","67772.5","67839.9","67715","67715.1","17.07790000","true"]]',
    b'[{"currency":"ETH","available":"968.8","locked":"0","update_id":98}]',
    b'{"user_id":10001,"taker_fee":"0.002","maker_fee":"0.002","gt_discount":false,"gt_taker_fee":"0","debit_fee":1}',
    b'{"id":"1852454420","text":"t-abc123","create_time":"1710488334","update_time_ms":1710488334074,"status":"closed",'
    b'"currency_pair":"BTC_USDT","type":"limit","side":"buy","amount":"0.001","price":"65000","left":"0",'
    b'"filled_amount":"0.001","filled_total":"63.4693","fee":"0.00000022","fee_currency":"BTC","finish_as":"filled"}',
    b'[{"currency_pair":"ETH_BTC","total":1,"orders":[{"id":"12332324","status":"open","side":"buy","amount":"1"}]}]',
    b'[{"currency_pair":"BTC_USDT","id":"123456","text":"123456","succeeded":true,"label":null,"message":null}]',
    b'{"trigger":{"price":"100","rule":">=","expiration":3600},"put":{"type":"limit","side":"buy","price":"2.15",'
    b'"amount":"2.00000000","account":"normal","time_in_force":"gtc"},"id":1283293,"market":"GT_USDT",'
    b'"ctime":1616397800,"ftime":1616397801,"fired_order_id":0,"status":"","reason":""}',
    b'{"triggerTime":"1660039145000"}',
    b'{"state":1,"mode":1,"user_id":1,"ip_whitelist":["127.0.0.1"],"perms":[{"name":"wallet","read_only":false}]}',
]


TOKENS = [
    *("NaN", "Infinity", "-Infinity", "null", "true", "false", "1e999", "-1", "1e-400", "1E+5000000", "0.1e1", '""'),
    *('"-0"', '"NaN"', '"sNaN"', '"1e99999999999999999999"', '"1_0"', "99999999999999999999999999", "[[[[[[[[", "{}"),
    *("[]", "[[", "]]", "},{", '":"', '","', '":', ',"', '"buy"', '"sell"', '"id":', '"price":', '"amount":'),
]


Decoding = Callable[[bytes], object]


def decoders() -> list[Decoding]:
    """Give every decoder of the REST shapes, and of the websocket's where that module is there."""
    modules = [wire, key]
    if importlib.util.find_spec(f"{PACKAGE}.messages") is not None:
        modules.append(importlib.import_module(f"{PACKAGE}.messages"))
    things = [thing for module in modules for thing in vars(module).values()]
    return [thing.read for thing in things if isinstance(thing, shape.Decoder)] + [
        thing.decode for thing in things if isinstance(thing, msgspec.json.Decoder)
    ]


DECODERS = decoders()
REPORT_EVERY = 100_000
counts = Counter[str]()


def look_at(value: object) -> None:
    """Ask for everything that a decoded value can tell."""
    if isinstance(value, list):
        for item in value:
            look_at(item)
    elif isinstance(value, msgspec.Struct):
        for name, member in vars(type(value)).items():
            if isinstance(member, property):
                getattr(value, name)
        for name in value.__struct_fields__:
            look_at(getattr(value, name))


def test_one_input(data: bytes) -> None:
    counts["inputs"] += 1
    is_read = False
    for read in DECODERS:
        try:
            value = read(data)
        except (VenueError, msgspec.DecodeError):
            continue
        look_at(value)
        is_read = True
    counts["read by some decoder"] += is_read
    if counts["inputs"] % REPORT_EVERY == 0:  # the fuzzer ends without a last word to us
        print(dict(counts), file=sys.stderr)


def main() -> None:
    folder = Path(tempfile.mkdtemp())  # the fuzzer ends the process by itself, so nothing could clear it later
    for number, seed in enumerate(SEEDS):
        (folder / f"{number}.json").write_bytes(seed)
    escaped = [token.replace("\\", "\\\\").replace('"', '\\"') for token in TOKENS]
    dictionary = folder.with_suffix(".dict")
    dictionary.write_text("".join(f'"{token}"\n' for token in escaped), "utf-8")
    print(f"{len(DECODERS)} decoders, {len(SEEDS)} seeds", file=sys.stderr)
    atheris.Setup([*sys.argv, f"-dict={dictionary}", str(folder)], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
