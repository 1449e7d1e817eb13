"""How long an answer is waited for: short where an order may hang on it, and not before there is a connection."""

import asyncio
import json

import pytest
from aiohttp import web
from tests.unit.adapters.exchanges.gateio.answering import (
    CHANGES,
    KEY,
    ORDER,
    SECRET,
    TAKEN,
    Answer,
    WallClock,
    failing,
    in_turn,
    run,
    says,
)

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.wire import Order
from holdfast.core.errors import OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret


def late(seconds: float, document: object = TAKEN) -> Answer:
    async def answer(asked: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.json_response(document)

    return answer


async def begun(asked: web.Request) -> web.StreamResponse:
    """Answer the head at once, and the rest far too late."""
    response = web.StreamResponse()
    await response.prepare(asked)
    await asyncio.sleep(20)
    await response.write(json.dumps(TAKEN).encode())
    return response


@pytest.mark.parametrize("change", CHANGES)
def test_change_is_in_doubt_long_before_the_patience_for_questions_is_over(change: str):
    # The answer comes in the end, so that only who does not wait for it is in doubt.
    error, seen = failing(late(20), CHANGES[change], request_timeout_ms=60_000, answer_timeout_ms=500)
    assert isinstance(error, OutcomeUnknownError)
    assert len(seen) == 1


def test_answer_that_has_only_begun_is_not_waited_for_either():
    error, _ = failing(begun, CHANGES["place"], request_timeout_ms=60_000, answer_timeout_ms=500)
    assert isinstance(error, OutcomeUnknownError)


def test_private_question_that_hangs_is_asked_again_soon():
    settings = {"request_timeout_ms": 60_000, "answer_timeout_ms": 500}
    found, seen = run(in_turn(late(20), says(TAKEN)), lambda rest: rest.order("9", "BTC_USDT"), **settings)
    assert isinstance(found, Order)
    assert len(seen) == 2


def test_public_question_has_the_longer_patience():
    found, seen = run(late(1.5, []), lambda rest: rest.currencies(), answer_timeout_ms=300)
    assert found == []
    assert len(seen) == 1


def test_connection_that_is_slow_to_be_made_takes_nothing_from_the_time_of_the_answer():
    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(1.5)  # the client waits for the handshake of TLS
        writer.close()

    async def main() -> VenueError:
        server = await asyncio.start_server(hold, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = GateioConfig(rest_url=f"https://127.0.0.1:{port}", answer_timeout_ms=300)
        rest = GateioRest(config, Credentials(KEY, Secret(SECRET)), WallClock())
        await rest.open()
        with pytest.raises(VenueError) as caught:
            await rest.place(ORDER)
        await rest.close()
        server.close()
        return caught.value

    error = asyncio.run(main())
    assert not isinstance(error, OutcomeUnknownError)
    assert error.is_retryable
