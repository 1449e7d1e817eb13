"""A strategy that does not come back is seen, and ended where that is asked for; afterwards all is as it was."""

import signal
import threading
from contextlib import suppress

import pytest

from holdfast.app.watch import LOOKS, Bounds, NoReturnError, watching
from holdfast.core.errors import DomainError
from holdfast.core.time import HOUR
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId

NAME = InstrumentId("BTC/USDT.BINANCE")
BAR = BarClosed(NAME, HOUR, 1.0, 1.0, 1.0, 1.0, 1.0, 0)


class _EnoughError(BaseException):
    """What the tests end their own loops with."""


def forever():
    while True:
        pass


def twice(bounds, act):
    strategy = bounds.bounded(lambda: lambda _: Strategy(act))(NAME)
    strategy.on_bar(BAR)
    strategy.on_bar(BAR)


def never(error):
    raise AssertionError(error)


def enough(looks):
    raise _EnoughError(looks)


@pytest.fixture
def handled():
    """Give the list of alarms that a handler of somebody else's has heard."""
    heard: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, _: heard.append(number))
    yield heard
    signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGALRM, before)


def test_what_stands_still_is_told_and_what_the_telling_raises_ends_a_loop():
    with pytest.raises(_EnoughError, match="0"), watching(lambda: "here", 0.05, enough):
        forever()


def test_what_moves_or_waits_for_nothing_is_left_alone():
    steps = iter(range(10**9))
    looked: list[object] = []

    def waits_for_nothing():
        looked.append(None)

    for position in (lambda: looked.append(next(steps)) or len(looked), waits_for_nothing):
        looked.clear()
        with watching(position, 0.02, enough):
            while len(looked) < 3 * LOOKS:
                pass


def test_handler_and_timer_are_as_they_were(handled):
    ours = signal.getsignal(signal.SIGALRM)
    signal.setitimer(signal.ITIMER_REAL, 500.0, 700.0)
    with pytest.raises(_EnoughError), watching(lambda: 1, 0.02, enough):
        forever()
    assert signal.getsignal(signal.SIGALRM) is ours
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 400 < left <= 500
    assert interval == 700.0
    assert not handled


def test_outside_of_the_main_thread_the_block_runs_unwatched():
    ran: list[bool] = []

    def block():
        with watching(lambda: 1, 0.01, enough):
            ran.append(True)

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert ran == [True]


class Strategy:
    """A stand-in whose `act` runs in each bar."""

    name, warmup, trail = "stand-in", 0, 0.0

    def __init__(self, act):
        self.act = act

    def on_bar(self, bar):
        return self.act()

    def situation(self):
        return ("well",)

    def snapshot(self):
        return (1.0,)

    def restore(self, state):
        self.state = state


def test_a_call_that_does_not_return_is_named_with_its_bar_and_the_limit():
    bounds = Bounds("mine.py:Mine", 0.05, never)
    with pytest.raises(DomainError) as caught, bounds.hold():
        bounds.bounded(lambda: lambda _: Strategy(forever))(NAME).on_bar(BAR)
    assert str(caught.value) == (
        "the strategy mine.py:Mine did not return within 0.05 s,"
        " at the bar of BTC/USDT.BINANCE that closed at 1970-01-01T01:00:00Z"
    )
    assert "--bar-seconds-max" in caught.value.hint
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_loading_and_making_are_bounded_too():
    bounds = Bounds("mine", 0.05, never)
    with pytest.raises(DomainError, match="while its file was loaded"), bounds.hold():
        bounds.bounded(forever)
    bounds = Bounds("mine", 0.05, never)
    with pytest.raises(DomainError, match=r"while it was made for BTC/USDT\.BINANCE"), bounds.hold():
        bounds.bounded(lambda: lambda _: forever())(NAME)


def test_one_that_catches_what_ends_it_is_not_asked_again():
    def swallow():
        with suppress(NoReturnError):
            forever()

    bounds = Bounds("mine", 0.05, never)
    with pytest.raises(DomainError, match="did not return"), bounds.hold():
        twice(bounds, swallow)


def test_one_that_goes_on_after_it_was_ended_is_given_up():
    given_up: list[DomainError] = []

    def give_up(error):
        given_up.append(error)
        raise NoReturnError

    def go_on():
        while not given_up:
            with suppress(NoReturnError):
                forever()

    bounds = Bounds("mine", 0.05, give_up)
    with pytest.raises(DomainError, match="did not return"), bounds.hold():
        twice(bounds, go_on)
    assert "did not return" in str(given_up[0])


def test_a_bounded_strategy_is_otherwise_the_same():
    inner = Strategy(lambda: "said")
    bounds = Bounds("mine", 5.0, never)
    strategy = bounds.bounded(lambda: lambda _: inner)(NAME)
    assert (strategy.name, strategy.warmup, strategy.trail) == ("stand-in", 0, 0.0)
    assert strategy.on_bar(BAR) == "said"
    strategy.trail = 3.0
    assert inner.trail == strategy.trail == 3.0
    strategy.restore((2.0,))
    assert inner.state == (2.0,)
    assert (strategy.situation(), strategy.snapshot()) == (("well",), (1.0,))
