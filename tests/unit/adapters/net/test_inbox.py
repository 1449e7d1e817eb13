"""The inbox between two threads: news in order, quotes only the latest, and a wait that ends."""

import threading
import time

from holdfast.adapters.net.inbox import Inbox
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import LinkChanged, Quote

NAME = InstrumentId("BTC/USDT.GATEIO")


def quote(ts: int) -> Quote:
    return Quote(NAME, ts, 1.0, 2.0, 1.5)


def test_news_keep_their_order_and_quotes_are_the_latest():
    inbox = Inbox()
    news = [LinkChanged(number, "market", True) for number in range(3)]
    inbox.put([news[0], quote(1), news[1]])
    inbox.put([quote(2), news[2]])
    assert inbox.take(0) == [quote(2), *news]
    assert inbox.take(0) == []


def test_whoever_waits_for_several_is_rung_for_with_each_news():
    rung: list[int] = []
    inbox = Inbox(lambda: rung.append(len(inbox.take(0))))
    inbox.put([quote(1)])
    inbox.put([quote(2), LinkChanged(1, "market", True)])
    assert rung == [1, 2], "what rang is there"


def test_a_wait_ends_when_something_comes_and_when_nothing_does():
    inbox = Inbox()
    assert inbox.take(0.01) == []
    threading.Timer(0.05, lambda: inbox.put([quote(1)])).start()
    began = time.monotonic()
    assert inbox.take(30) == [quote(1)]
    assert time.monotonic() - began < 20
