"""The venue as a process: its address, its market that moves, and its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.simulator.admin_routes import AdminRoutes, from_here_only, is_loopback
from holdfast.simulator.desk import Desk
from holdfast.simulator.server import RestServer
from holdfast.simulator.socket_server import PATH, SocketServer

_BODY_MAX: Final = 1 << 20
_COUNTDOWN_S: Final = 0.2
_SHUTDOWN_S: Final = 0.5


class Serving(Record, frozen=True):
    """Where the venue listens (port 0: a free one), and how many bars of its market pass in a second (0: none)."""

    port: int = 0
    host: str = "127.0.0.1"
    pace: float = 0.0

    def __post_init__(self) -> None:
        if not is_loopback(self.host):
            raise ConfigurationError(
                f"the simulated venue listens on this machine alone, not on {self.host}",
                hint="leave --host out, or take 127.0.0.1 or ::1",
            )
        if not 0 <= self.port <= 65_535:
            raise ConfigurationError(f"port {self.port} does not exist", hint="take 0 for a free one")


class Place(Record, frozen=True):
    """Where a venue can be reached."""

    url: str
    socket_url: str


Ready = Callable[[Place], None]


async def serve(desk: Desk, serving: Serving, ready: Ready, stop: asyncio.Event) -> None:
    """Answer until `stop` is set; `ready` is told the address once it is there.

    Raises
    ------
    ConfigurationError
        The port is taken.
    """
    rest, sockets = RestServer(desk), SocketServer(desk)
    application = web.Application(client_max_size=_BODY_MAX, middlewares=[from_here_only])
    sockets.add_to(application)
    AdminRoutes(desk).add_to(application)
    rest.add_to(application)
    runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        ready(await _listen(runner, serving))
        await _until(stop, _move(desk, serving.pace), _watch_countdowns(desk))
    finally:
        rest.stop()
        await sockets.close()
        await runner.cleanup()


async def _listen(runner: web.AppRunner, serving: Serving) -> Place:
    site = web.TCPSite(runner, serving.host, serving.port)
    try:
        await site.start()
    except OSError as error:
        raise ConfigurationError(
            f"port {serving.port} cannot be used ({error.strerror})", hint="take another --port, or 0 for a free one"
        ) from None
    port = runner.addresses[0][1]
    host = f"[{serving.host}]" if ":" in serving.host else serving.host
    return Place(f"http://{host}:{port}", f"ws://{host}:{port}{PATH}")


async def _until(stop: asyncio.Event, *works: Awaitable[None]) -> None:
    """Do the works until `stop`; one that fails ends all."""
    tasks = [asyncio.ensure_future(work) for work in works]
    stopping = asyncio.ensure_future(stop.wait())
    try:
        pending = {*tasks, stopping}
        while not stopping.done():
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
    finally:
        for task in (*tasks, stopping):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _move(desk: Desk, pace: float) -> None:
    """Let the market move at its pace: `pace` bars in a second, each print at its own moment within the bar."""
    if not pace:
        return
    loop = asyncio.get_running_loop()
    nanos = max(market.prints.timeframe.nanos for market in desk.exchange.markets.values())
    begun, ts_begun = loop.time(), desk.exchange.ts
    while (next_ts := desk.exchange.next_ts) is not None:
        due = begun + (next_ts - ts_begun) / (pace * nanos)
        await asyncio.sleep(max(due - loop.time(), 0))
        desk.go_on(next_ts)


async def _watch_countdowns(desk: Desk) -> None:
    while True:
        await asyncio.sleep(_COUNTDOWN_S)
        if desk.is_due():
            desk.go_on(desk.exchange.ts)
