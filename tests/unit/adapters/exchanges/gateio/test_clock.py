"""The venue's clock as we know it: what is sharper stays, what has moved is taken, and time blurs what is known."""

import asyncio
from collections import deque

from holdfast.adapters.exchanges.gateio.config import GateioConfig
from holdfast.adapters.exchanges.gateio.rest import GateioRest
from holdfast.core.time import MILLISECOND, SECOND

START = 1_700_000_000 * SECOND


class Clock:
    def __init__(self) -> None:
        self.time = START

    def now(self) -> int:
        return self.time


class Rest(GateioRest):
    """Answers `/spot/time` after so long, from a venue that is so far ahead; half of the way is there, half back."""

    def __init__(self) -> None:
        self.clock = Clock()
        super().__init__(GateioConfig(), None, self.clock)
        self.ways: deque[tuple[int, int]] = deque()

    async def server_time(self) -> int:
        there, back = self.ways[0] if len(self.ways) == 1 else self.ways.popleft()
        self.clock.time += there
        told = self.clock.time + self.ahead
        self.clock.time += back
        return told

    ahead = 0


def measured(rest: Rest, *ways_ms: tuple[int, int]) -> int:
    rest.ways = deque((there * MILLISECOND, back * MILLISECOND) for there, back in ways_ms)
    asyncio.run(rest.refresh_clock())
    return rest.clock_offset // MILLISECOND


def test_a_slow_answer_does_not_blur_what_is_known_sharply():
    rest = Rest()
    rest.ahead = 50 * MILLISECOND
    assert measured(rest, (1, 1)) == 50
    assert measured(rest, (800, 10)) == 50, "one way took longer than the other, which nobody can see"
    assert rest.round_trip == 2 * MILLISECOND


def test_a_clock_that_has_moved_is_taken_however_slow_the_answer_is():
    # Ours drifts, or theirs is set: doubt would end before the venue has stopped taking the order.
    rest = Rest()
    assert measured(rest, (1, 1)) == 0
    rest.ahead = -3_000 * MILLISECOND
    assert measured(rest, (100, 100)) == -3_000


def test_what_was_measured_long_ago_is_no_longer_sharp():
    rest = Rest()
    assert measured(rest, (1, 1)) == 0
    rest.ahead = 40 * MILLISECOND
    rest.clock.time += 3_600 * SECOND
    assert measured(rest, (30, 30)) == 40


def test_of_several_answers_the_quickest_counts():
    rest = Rest()
    assert measured(rest, (900, 0), (1, 1), (0, 900)) == 0
