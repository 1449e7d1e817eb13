"""A tunnel on this machine: REST and websocket both go through it, and nothing goes past one that is not there."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import web

from holdfast.adapters.exchanges.gateio.auth import Credentials
from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.requests import OrderRequest
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.adapters.exchanges.gateio.socket import GateioSocket, Handlers, SocketConfig
from holdfast.adapters.host.clock import SystemClock
from holdfast.app.live_doctor import _tunnel
from holdfast.app.sections import VenueSettings
from holdfast.app.settings import Settings
from holdfast.core.errors import ConfigurationError, OutcomeUnknownError, VenueError
from holdfast.core.secret import Secret
from holdfast.ports.live import KeyReport
from holdfast.services.doctor import State

Use = Callable[[GateioConfig, float], Awaitable[None]]


class Proxy:
    """An HTTP proxy; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b"\r\n")[0].decode().split()
        self.asked.append(f"{method} {target}")
        there = urlsplit(target if "//" in target else f"//{target}")
        far_in, far_out = await asyncio.open_connection(there.hostname, there.port)
        if method == "CONNECT":
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        else:
            far_out.write(head)

        async def pump(one: asyncio.StreamReader, other: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                while piece := await one.read(65_536):
                    other.write(piece)
            other.close()

        await asyncio.gather(pump(reader, far_out), pump(far_in, writer))


def run(use: Use, *, is_there: bool = True) -> tuple[list[str], list[str]]:
    """Return what the proxy and what the venue were asked."""
    seen: list[str] = []

    async def handle(asked: web.Request) -> web.StreamResponse:
        seen.append(asked.path)
        if asked.path.endswith("/time"):
            return web.json_response({"server_time": 1_700_000_000_000})
        socket = web.WebSocketResponse()
        await socket.prepare(asked)
        async for _ in socket:
            pass
        return socket

    async def main() -> list[str]:
        proxy, app = Proxy(), web.Application()
        app.router.add_route("*", "/{path:.*}", handle)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        if not is_there:
            server.close()
        config = GateioConfig.for_url(f"http://127.0.0.1:{runner.addresses[0][1]}")
        await use(msgspec.structs.replace(config, tunnel=f"127.0.0.1:{port}", retries=0), 30.0 if is_there else 0.5)
        server.close()
        await runner.cleanup()
        return proxy.asked

    return asyncio.run(main()), seen


async def ask(config: GateioConfig, patience_s: float) -> None:
    rest = GateioRest(config, None, SystemClock())
    await rest.open()
    try:
        await rest.server_time()
    finally:
        await rest.close()


async def listen(config: GateioConfig, patience_s: float) -> None:
    handlers = Handlers(lambda _: None, lambda _, __: None, lambda _, __: None)
    socket = GateioSocket(config, None, lambda: 0, handlers, SocketConfig(backoff_min_ms=5, backoff_max_ms=20))
    try:
        await socket.wait_up(patience_s)
    finally:
        await socket.close()


@pytest.mark.parametrize(("use", "path"), [(ask, "/api/v4/spot/time"), (listen, "/ws/v4/")])
def test_rest_and_websocket_go_through_the_tunnel(use: Use, path: str):
    proxied, seen = run(use)
    assert len(proxied) == 1
    assert seen == [path]


@pytest.mark.parametrize("use", [ask, listen])
def test_nothing_goes_past_a_tunnel_that_is_not_there(use: Use):
    async def refused(config: GateioConfig, patience_s: float) -> None:
        with pytest.raises(VenueError):
            await use(config, patience_s)

    assert run(refused, is_there=False) == ([], [])


@pytest.mark.parametrize("use", [ask, listen])
def test_what_is_encrypted_goes_through_as_it_is(use: Use):
    async def encrypted(config: GateioConfig, _: float) -> None:
        there = config.rest_url.removeprefix("http://")
        safe = msgspec.structs.replace(config, rest_url=f"https://{there}", socket_url=f"wss://{there}/ws/v4/")
        with pytest.raises(VenueError):  # the venue of this test does not encrypt
            await use(safe, 0.5)

    proxied, _ = run(encrypted)
    assert proxied
    assert all(asked.startswith("CONNECT 127.0.0.1:") for asked in proxied)


def test_an_order_that_the_tunnel_refuses_to_carry_has_not_left():
    # It was in doubt for as long as the venue would have taken it, and asked about in vain.
    async def main() -> None:
        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        tunnel = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        config = GateioConfig(rest_url="https://127.0.0.1:1", tunnel=tunnel)
        rest = GateioRest(config, Credentials("key-of-test", Secret("secret-of-test")), SystemClock())
        await rest.open()
        with pytest.raises(VenueError, match="not sent") as caught:
            await rest.place(OrderRequest("t-1", "BTC_USDT", "limit", "buy", "1", "50", "gtc"))
        assert not isinstance(caught.value, OutcomeUnknownError)
        await rest.close()
        server.close()

    asyncio.run(main())


@pytest.mark.parametrize("text", ["127.0.0.1", "10.0.0.1:8118", "u:p@127.0.0.1:1", "127.0.0.1:x", "127.0.0.1:1/a", "a"])
def test_a_tunnel_is_an_address_of_this_machine(text: str):
    with pytest.raises(ConfigurationError, match="HOST:PORT"):
        VenueSettings(tunnel=text)


def test_ccxt_would_go_past_the_tunnel_and_is_refused():
    with pytest.raises(ConfigurationError, match="gateio alone"):
        VenueSettings(exchange="ccxt:binance", tunnel="127.0.0.1:8118")


def checked(tunnel: str, report: KeyReport, address: str = "") -> State:
    client = SimpleNamespace(clock_skew=lambda: 0, key_report=lambda: report)
    venue = VenueSettings(tunnel=tunnel, tunnel_address=address)
    return _tunnel(client, Settings(venue=venue)).state  # type: ignore[arg-type]  # what the check asks


def test_doctor_checks_the_end_of_the_tunnel_and_to_what_the_key_is_tied():
    tied = KeyReport(True, False, True, ("192.0.2.1",))
    assert checked("127.0.0.1:1", tied) is State.FAIL

    async def main() -> None:
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        tunnel = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert await asyncio.to_thread(checked, tunnel, tied, "192.0.2.1") is State.OK
        assert await asyncio.to_thread(checked, tunnel, tied, "192.0.2.2") is State.FAIL
        assert await asyncio.to_thread(checked, tunnel, KeyReport(True, False, False)) is State.WARN
        server.close()

    asyncio.run(main())
