"""The client's own promises: its last word arrives, and there is one report at a time."""

import asyncio
import threading
import time

import pytest

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.ccxt.config import CcxtConfig, CcxtKey
from holdfast.adapters.host.clock import SystemClock
from holdfast.core.errors import VenueError
from holdfast.core.secret import Secret
from holdfast.ports.live import AccountReport

COUNTDOWN = "privateSpotPostCountdownCancelAll"


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    return []


@pytest.fixture
def exchange(said: list[object]) -> CcxtExchange:
    found = CcxtExchange(CcxtConfig("gate"), CcxtKey("k", Secret("s")), SystemClock())

    async def read(method: str, *given: object) -> object:
        # The later question is answered sooner, unless somebody sees to their order.
        await asyncio.sleep(0.3 if given and given[0] != {"timeout": 0} else 0.1)
        said.append((method, *given))
        return {}

    found._venue.read = read
    return found


def test_the_last_word_about_the_dead_man_timer_is_said_in_its_turn_before_the_client_closes(exchange, said):
    exchange.beat(60)
    exchange.beat(0)
    exchange.close()
    assert said == [(COUNTDOWN, {"timeout": 60}), (COUNTDOWN, {"timeout": 0})]


def test_many_that_wait_for_one_slow_report_ask_once(exchange, said):
    for _ in range(5):
        exchange.ask_account()
    exchange.beat(0)
    exchange.close()
    assert [method for method, *_ in said].count("fetch_balance") <= 1


def test_whoever_has_a_report_may_ask_for_the_next_at_once(exchange, monkeypatch: pytest.MonkeyPatch):
    async def read(method: str, *given: object) -> object:
        return {"total": {}}

    exchange._venue.read = read
    exchange._is_open = True
    put = exchange._inbox.put

    def put_slowly(items: object) -> None:
        put(items)
        time.sleep(0.02)  # whoever waits is faster than the end of what has answered

    monkeypatch.setattr(exchange._inbox, "put", put_slowly)
    try:
        for _ in range(10):
            exchange.ask_account()
            assert [x for x in exchange.take(20.0) if isinstance(x, AccountReport)]
    finally:
        exchange.close()


def test_a_report_that_is_there_before_the_question_is_noted_leaves_no_question_open(
    exchange, monkeypatch: pytest.MonkeyPatch
):
    async def read(method: str, *given: object) -> object:
        return {"total": {}}

    exchange._venue.read = read
    exchange._is_open = True
    later = exchange._later

    def slowly(work: object) -> object:
        asked = later(work)
        time.sleep(0.1)  # the loop's thread is faster than ours
        return asked

    monkeypatch.setattr(exchange, "_later", slowly)
    put, is_held = exchange._inbox.put, threading.Event()

    def put_and_stay(items: object) -> None:
        put(items)
        is_held.wait(20.0)

    monkeypatch.setattr(exchange._inbox, "put", put_and_stay)
    try:
        exchange.ask_account()
        assert [x for x in exchange.take(20.0) if isinstance(x, AccountReport)]
        exchange.ask_account()  # while the first answer has not come to its end
        is_held.set()
        assert [x for x in exchange.take(20.0) if isinstance(x, AccountReport)]
    finally:
        is_held.set()
        exchange.close()


def test_one_slow_answer_does_not_keep_the_agent_from_its_start(exchange, monkeypatch: pytest.MonkeyPatch):
    asked: list[str] = []

    async def read(method: str, *given: object) -> object:
        asked.append(method)
        if len(asked) < 3:
            raise VenueError("no answer in time", venue="gate", is_retryable=True)
        return {}

    exchange._venue.read = read
    exchange._is_open = True
    try:
        assert exchange.key_report().can_trade is None
        assert asked == ["fetch_balance"] * 3
    finally:
        exchange.close()
