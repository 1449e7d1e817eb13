"""Feed Gate.io's websocket reader and book with broken frames: `python tests/fuzz/gateio_messages.py -runs=1000000`.

MessageError is the one documented way to refuse a frame, and VenueError the one for the orders of an answer. Any other
exception is a crash, and so is a book that is served while it is crossed or out of order.
"""

import sys
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path

import atheris
import msgspec

with atheris.instrument_imports(include=["holdfast.adapters.exchanges.gateio"]):
    from holdfast.adapters.exchanges.gateio import wire
    from holdfast.adapters.exchanges.gateio.depth import Depth
    from holdfast.adapters.exchanges.gateio.messages import Answer, BookUpdate, MessageError, read
from holdfast.core.errors import VenueError

PUSHES = {
    b"spot.tickers": b'{"currency_pair":"BTC_USDT","last":"15743.4","lowest_ask":"","highest_bid":15743.5}',
    b"spot.trades": b'{"id":309143071,"create_time":1606292218,"create_time_ms":"1606292218213.4578","side":"sell",'
    b'"currency_pair":"GT_USDT","amount":"16.47","price":"0.4705","range":"2390902-2390902"}',
    b"spot.candlesticks": b'{"t":"1606292580","v":"23.5","c":"2","h":"3","l":"1","o":"2","n":"1m_BTC_USDT","w":true}',
    b"spot.book_ticker": b'{"t":1606293275123,"u":48733182,"s":"BTC_USDT","b":"9.5","B":"0.1","a":"10","A":""}',
    b"spot.order_book_update": b'{"t":1606294781123,"s":"B_U","U":11,"u":12,"b":[["9.5","0.1"],["9","0"]],'
    b'"a":[["10","1"]]}',
    b"spot.orders": b'[{"id":"30784435","text":"t-abc","currency_pair":"BTC_USDT","side":"sell","amount":"0.0001",'
    b'"price":"26253.3","left":"0.0001","update_time_ms":"1694655225315","event":"finish","finish_as":"filled"}]',
    b"spot.usertrades": b'[{"id":5736713,"order_id":"30784428","currency_pair":"BTC_USDT","create_time":1605176741,'
    b'"create_time_ms":"1605176741123.456","side":"sell","amount":"1.0","role":"taker","price":"10000","fee":"0.002"}]',
    b"spot.balances": b'[{"timestamp_ms":"1667556323730","currency":"USDT","change":"0","total":"222.3",'
    b'"available":"20"}]',
    b"spot.priceorders": b'{"market":"METAN_USDT","id":"247480109","fired_order_id":0,"trigger_price":"0.00302",'
    b'"trigger_rule":"<=","price":"0.00300","amount":"26666.667","side":"buy"}',
}
SEEDS = [
    *(
        b'{"time_ms":1606292600376,"channel":"%s","event":"update","result":%s}' % (channel, result)
        for channel, result in PUSHES.items()
    ),
    b'{"time":1,"id":7,"channel":"spot.orders","event":"subscribe","error":{"code":4,"message":"no"},"result":null}',
    b'{"time":5,"channel":"spot.pong","event":"","error":null,"result":null}',
    b'{"request_id":"r","ack":true,"header":{"status":"200"},"data":{"result":{"req_id":"r","req_param":{}}}}',
    b'{"request_id":"r","header":{"status":"401"},"data":{"errs":{"label":"INVALID_KEY","message":"no"}}}',
    b'{"request_id":"r","header":{"status":200},"data":{"result":[{"id":"1","status":"cancelled","amount":"1"}]}}',
]
TOKENS = ["NaN", "Infinity", "1e999", "-1", "1e-400", '"sNaN"', '"-0"', '""', "null", "true", "[[", "]]", "},{", '":']
REPORT_EVERY = 100_000
counts = Counter[str]()


def look_at(value: object) -> None:
    """Ask for everything that a message can tell."""
    if not isinstance(value, msgspec.Struct):
        return
    for name in dir(type(value)):
        if isinstance(getattr(type(value), name), property):
            getattr(value, name)
    if isinstance(value, Answer):
        for tell in (value.order, value.orders, value.cancels):
            try:
                tell()
            except VenueError:
                continue
    if isinstance(value, BookUpdate):
        look_at_book(value)


def look_at_book(update: BookUpdate) -> None:
    depth, level = Depth("B_U", levels_max=8), wire.Level
    depth.load(wire.Book([level(Decimal(10), Decimal(1))], [level(Decimal(9), Decimal(1))], id=10), limit=5)
    counts["book in step"] += depth.apply(update)
    depth.apply(update)
    bids, asks = depth.bids(99), depth.asks(99)
    assert bids == sorted(bids, reverse=True), bids
    assert asks == sorted(asks), asks
    assert not bids or not asks or bids[0][0] < asks[0][0], (bids, asks)
    assert max(len(bids), len(asks)) <= 8


def test_one_input(data: bytes) -> None:
    counts["inputs"] += 1
    try:
        messages = read(data)
    except MessageError:
        messages = ()
    counts["read"] += bool(messages)
    for message in messages:
        look_at(message)
    if counts["inputs"] % REPORT_EVERY == 0:  # the fuzzer ends without a last word to us
        print(dict(counts), file=sys.stderr)


def main() -> None:
    folder = Path(tempfile.mkdtemp())  # the fuzzer ends the process by itself, so nothing could clear it later
    for number, seed in enumerate(SEEDS):
        (folder / f"{number}.json").write_bytes(seed)
    escaped = [token.replace('"', '\\"') for token in TOKENS]
    dictionary = folder.with_suffix(".dict")
    dictionary.write_text("".join(f'"{token}"\n' for token in escaped), "utf-8")
    atheris.Setup([*sys.argv, f"-dict={dictionary}", str(folder)], test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
