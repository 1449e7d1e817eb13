"""The client against a loopback server that answers well, badly, slowly, too much, or not at all."""

import asyncio
import json
import ssl
import subprocess
import time
from decimal import Decimal
from pathlib import Path

import pytest
from aiohttp import web
from tests.unit.adapters.exchanges.gateio.answering import (
    CHANGES,
    KEY,
    ORDER,
    PATIENT,
    SECRET,
    TAKEN,
    Answer,
    Use,
    WallClock,
    at_time,
    failing,
    in_turn,
    raw,
    run,
    says,
)

from holdfast.adapters.exchanges.gateio.auth import Credentials, sign_rest
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.errors import GateioError, GateioKeyError, Reaction
from holdfast.adapters.exchanges.gateio.limits import PLACE
from holdfast.adapters.exchanges.gateio.requests import OrderRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest, Page
from holdfast.core.errors import ConfigurationError, DomainError, OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret
from holdfast.core.time import SECOND


async def never(asked: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def cut_off(asked: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(asked)
    await response.write(b'{"id":')
    assert asked.transport is not None
    asked.transport.close()
    return response


async def drip(asked: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(asked)
    for _ in range(1_000):
        await response.write(b" ")
        await asyncio.sleep(0.02)
    return response


async def flood(asked: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(asked)
    for _ in range(100):
        await response.write(b" " * 1_000_000)
    return response


async def slammed(asked: web.Request) -> web.StreamResponse:
    assert asked.transport is not None
    asked.transport.abort()
    return web.Response()


HOSTILE: dict[str, Answer] = {
    "never": never,
    "cut_off": cut_off,
    "drip": drip,
    "flood": flood,
    "slammed": slammed,
    "truncated": raw(b'{"id":"9"'),
    "wrong type": says({"id": [1]}),
    "html": raw(b"<html>busy</html>", 502),
    "nan": says({"id": "9", "amount": "NaN"}),
    "negative": says({"id": "9", "amount": "-1"}),
    "gzip": raw(b"\x1f\x8b\x08\x00 not json"),
    "empty": raw(b""),
    "busy": says({"label": "TOO_BUSY"}, 503),
    "new label": says({"label": "BRAND_NEW"}, 400),
    "redirect": raw(b"", 302),
}


def waited_for(hostile: str) -> dict[str, int]:
    """Return the settings for an answer: 20 s are not waited for one that never comes whole."""
    return {"body_max": 1_000_000} | ({"request_timeout_ms": 1_000} if hostile in ("never", "drip") else {})


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("hostile", ["truncated", "html", "slammed", "busy", "new label", "redirect", "empty"])
def test_change_with_a_bad_answer_is_in_doubt_and_sent_once(change: str, hostile: str):
    error, seen = failing(HOSTILE[hostile], CHANGES[change])
    assert isinstance(error, OutcomeUnknownError)
    assert not error.is_retryable
    assert len(seen) == 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_answer_to_an_order_leaves_it_in_doubt(hostile: str):
    error, seen = failing(HOSTILE[hostile], CHANGES["place"], **waited_for(hostile))
    assert isinstance(error, OutcomeUnknownError)
    assert len(seen) == 1


@pytest.mark.slow
@pytest.mark.parametrize("hostile", [name for name in HOSTILE if name not in ("new label", "redirect", "flood")])
def test_hostile_answer_to_a_question_is_asked_again_and_then_a_clear_error(hostile: str):
    error, seen = failing(HOSTILE[hostile], lambda rest: rest.order("9", "BTC_USDT"), **waited_for(hostile))
    assert isinstance(error, VenueError)
    assert not isinstance(error, OutcomeUnknownError)
    assert len(seen) == 1 + PATIENT["retries"]


@pytest.mark.parametrize("hostile", ["new label", "redirect", "flood"])
def test_what_will_not_heal_is_asked_once(hostile: str):
    error, seen = failing(HOSTILE[hostile], lambda rest: rest.order("9", "BTC_USDT"), **waited_for(hostile))
    assert isinstance(error, VenueError)
    assert len(seen) == 1


def test_redirect_is_not_followed():
    async def away(asked: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("/elsewhere")

    error, seen = failing(away, lambda rest: rest.accounts())
    assert "redirect" in str(error)
    assert [one.path for one in seen] == ["/api/v4/spot/accounts"]


def test_question_heals_when_the_venue_does():
    result, seen = run(
        in_turn(HOSTILE["busy"], HOSTILE["truncated"], says([])), lambda rest: rest.my_trades("BTC_USDT")
    )
    assert result == []
    assert len(seen) == 3


def test_closed_door_means_that_nothing_was_sent():
    async def main() -> VenueError:
        config = GateioConfig.for_url("http://127.0.0.1:1")
        rest = GateioRest(config, Credentials(KEY, Secret(SECRET)), WallClock())
        await rest.open()
        with pytest.raises(VenueError) as caught:
            await rest.place(ORDER)
        await rest.close()
        return caught.value

    error = asyncio.run(main())
    assert not isinstance(error, OutcomeUnknownError)
    assert error.is_retryable
    assert "not sent" in str(error)


def test_certificate_that_does_not_verify_is_refused_before_anything_is_sent(tmp_path: Path):
    pem, private = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {} -out {}"
    subprocess.run(command.format(private, pem).split(), check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    asked: list[bytes] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    async def main() -> VenueError:
        server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        config = GateioConfig.for_url(f"https://localhost:{port}")
        rest = GateioRest(config, Credentials(KEY, Secret(SECRET)), WallClock())
        await rest.open()
        with pytest.raises(VenueError, match="certificate") as caught:
            await rest.place(ORDER)
        await rest.close()
        server.close()
        return caught.value

    error = asyncio.run(main())
    assert not isinstance(error, OutcomeUnknownError)
    assert not error.is_retryable
    assert not any(asked)


# -- what is sent


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_signed_and_says_until_when_it_counts(change: str):
    _, seen = failing(HOSTILE["busy"], CHANGES[change])
    one = seen[0]
    now_ms = time.time() * 1000
    assert abs(int(one.headers["x-gate-exptime"]) - 1_000 - now_ms) < 5_000
    expected = sign_rest(Secret(SECRET), one.method, one.path, one.query, one.body, one.headers["timestamp"])
    assert (one.headers["key"], one.headers["sign"]) == (KEY, expected)


def test_public_questions_carry_no_key():
    _, seen = run(says([]), lambda rest: rest.tickers("BTC_USDT"), key=False)
    assert (seen[0].path, seen[0].query) == ("/api/v4/spot/tickers", "currency_pair=BTC_USDT")
    assert not {"key", "sign", "timestamp", "x-gate-exptime"} & set(seen[0].headers)


def test_private_question_without_a_key_is_not_sent():
    error, seen = failing(says([]), lambda rest: GateioRest.accounts(keyless(rest)))
    assert isinstance(error, ConfigurationError)
    assert not seen


def keyless(rest: GateioRest) -> GateioRest:
    rest._credentials = None
    return rest


@pytest.mark.parametrize("name", ["", "a/b", "a?b", "a&b=c", "../x", "a b", "ä", "x" * 65, "a%2Fb"])
def test_names_that_would_change_the_request_are_refused(name: str):
    for use in (lambda rest: rest.cancel(name, "BTC_USDT"), lambda rest: rest.pair(name)):
        error, seen = failing(says({}), use)
        assert isinstance(error, DomainError)
        assert not seen


def test_order_is_read_back():
    result, seen = run(says(TAKEN, 201), lambda rest: rest.place(ORDER))
    assert (result.venue_order_id, result.left, result.is_open) == ("9", Decimal(1), True)
    assert json.loads(seen[0].body) == {
        "text": "t-a-1", "currency_pair": "BTC_USDT", "type": "limit", "side": "buy", "amount": "1", "price": "2",
        "account": "spot",
    }  # fmt: skip


QUESTIONS: list[tuple[Use, str]] = [
    (lambda r: r.currencies(), "/spot/currencies"),
    (lambda r: r.pairs(), "/spot/currency_pairs"),
    (lambda r: r.tickers(), "/spot/tickers"),
    (lambda r: r.trades("A_B", 5, "77"), "/spot/trades?currency_pair=A_B&limit=5&last_id=77"),
    (
        lambda r: r.candlesticks("A_B", "1m", Page(ts_from=1, ts_to=2)),
        "/spot/candlesticks?currency_pair=A_B&interval=1m&from=1&to=2",
    ),
    (lambda r: r.accounts(), "/spot/accounts"),
    (lambda r: r.open_orders(), "/spot/open_orders?page=1&limit=100&account=spot"),
    (lambda r: r.orders("A_B", "finished"), "/spot/orders?currency_pair=A_B&status=finished&account=spot"),
    (lambda r: r.my_trades("A_B", "9"), "/spot/my_trades?currency_pair=A_B&order_id=9"),
    (
        lambda r: r.triggers("open", "A_B"),
        "/spot/price_orders?status=open&market=A_B&account=normal&limit=100&offset=0",
    ),
]


@pytest.mark.parametrize(("use", "expected"), QUESTIONS, ids=[path for _, path in QUESTIONS])
def test_questions_go_where_they_belong(use: Use, expected: str):
    result, seen = run(says([]), use)
    assert result == []
    path, _, query = expected.partition("?")
    assert (seen[0].method, seen[0].path, seen[0].query) == ("GET", "/api/v4" + path, query)


def test_batches_have_bounds():
    many = [ORDER] * 11
    other = OrderRequest("t-b", "ETH_USDT", "limit", "buy", "1", price="2")
    for use in (
        lambda rest: rest.place_batch(many),
        lambda rest: rest.place_batch([]),
        lambda rest: rest.place_batch([ORDER, other]),
        lambda rest: rest.cancel_batch([]),
        lambda rest: rest.countdown(1),
    ):
        error, seen = failing(says([]), use)
        assert isinstance(error, DomainError)
        assert not seen


# -- labels, clock and limits


def test_refusal_with_a_known_label_is_certain():
    error, _ = failing(says({"label": "BALANCE_NOT_ENOUGH", "message": "Not enough"}, 400), CHANGES["place"])
    assert isinstance(error, GateioError)
    assert (error.label, error.reaction) == ("BALANCE_NOT_ENOUGH", Reaction.REFUSED)


def test_key_that_is_wrong_asks_for_a_person():
    error, seen = failing(says({"label": "INVALID_SIGNATURE", "message": "Signature mismatch"}, 401), CHANGES["place"])
    assert isinstance(error, GateioKeyError)
    assert "secret" in error.hint
    assert len(seen) == 1


def test_venue_that_repeats_the_key_does_not_bring_it_into_an_error():
    body = {"label": "INVALID_KEY", "message": f"Invalid key {KEY} with {SECRET}"}
    error, _ = failing(says(body, 401), lambda rest: rest.accounts())
    assert "***" in str(error)


def test_expired_order_is_signed_anew_once_with_the_venues_clock():
    expired = says({"label": "REQUEST_EXPIRED"}, 401)
    answer = at_time(in_turn(expired, says(TAKEN, 201)), ahead_s=-90)
    result, seen = run(answer, lambda rest: rest.place(ORDER))
    placed = [one for one in seen if one.method == "POST"]
    assert result.venue_order_id == "9"
    assert len(placed) == 2
    assert abs(int(placed[1].headers["timestamp"]) - (time.time() - 90)) < 5
    assert abs(int(placed[1].headers["x-gate-exptime"]) / 1000 - (time.time() - 89)) < 5
    assert placed[0].body == placed[1].body


def test_order_that_expires_twice_is_not_sent_a_third_time():
    error, seen = failing(at_time(says({"label": "REQUEST_EXPIRED"}, 401)), CHANGES["place"])
    assert isinstance(error, GateioError)
    assert error.reaction is Reaction.RESYNC
    assert len([one for one in seen if one.method == "POST"]) == 2


def test_clock_is_measured():
    async def use(rest: GateioRest) -> tuple[int, int, int]:
        return await rest.sync_clock(), rest.round_trip, rest.venue_now()

    (offset, round_trip, now), seen = run(at_time(says({}), ahead_s=30), use)
    assert abs(offset - 30 * SECOND) < 5 * SECOND
    assert round_trip > 0
    assert abs(now - time.time_ns() - 30 * SECOND) < 5 * SECOND
    assert len(seen) == 3


def test_429_on_an_order_is_certain_and_holds_back_the_next():
    async def use(rest: GateioRest) -> tuple[VenueError, float]:
        with pytest.raises(GateioError) as caught:
            await rest.place(ORDER)
        return caught.value, rest.limiter.reserve("POST /spot/orders", "BTC_USDT", rest.ticks(), is_urgent=True)

    (error, wait), seen = run(says({"label": "TOO_MANY_REQUESTS"}, 429), use)
    assert error.reaction is Reaction.SLOW_DOWN
    assert wait > 0.5
    assert len(seen) == 1


def test_order_that_would_wait_too_long_is_not_sent():
    async def use(rest: GateioRest) -> VenueError:
        for _ in range(PLACE.limit * 3):
            rest.limiter.reserve("POST /spot/orders", "BTC_USDT", rest.ticks())
        with pytest.raises(GateioError, match="not sent") as caught:
            await rest.place(ORDER)
        return caught.value

    error, seen = run(says(TAKEN, 201), use, limit_wait_max_ms=100)
    assert not isinstance(error, OutcomeUnknownError)
    assert error.is_retryable
    assert not seen


def test_delete_is_not_sent_again_on_a_connection_that_died():
    """aiohttp repeats an idempotent method by itself when a kept connection breaks: a cancel must not be."""

    async def use(rest: GateioRest) -> object:
        await rest.accounts()
        return await rest.cancel("9", "BTC_USDT")

    error, seen = failing(in_turn(says([]), slammed), use)
    assert isinstance(error, OutcomeUnknownError)
    assert [one.method for one in seen] == ["GET", "DELETE"]


def test_client_that_is_not_open_says_so():
    async def main() -> None:
        rest = GateioRest(GateioConfig(), None, WallClock())
        with pytest.raises(VenueError, match="not open"):
            await rest.server_time()

    asyncio.run(main())
