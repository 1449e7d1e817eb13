"""What a strategy of the user's own says is made plain, or refused with the bar at which it was said."""

import math

import msgspec
import numpy as np
import pytest

from holdfast.app.guarded_strategy import GuardedStrategy
from holdfast.core.errors import DomainError
from holdfast.core.record import encode
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.strategies.free import FreeStrategy

NAME = InstrumentId("BTC/USDT.TEST")
BAR = BarClosed(NAME, 1_700_000_000_000_000_000, 100.0, 101.0, 99.0, 100.0, 5.0)


class Says(FreeStrategy):
    """Enters at each bar, with what it was told to change about the signal."""

    def __init__(self, **changes: object) -> None:
        super().__init__(NAME)
        self._changes = changes

    def on_bar(self, bar: BarClosed) -> Signal | None:
        signal = self.enter_long(bar, 95.0, 110.0, "it must go up")
        return msgspec.structs.replace(signal, **self._changes)


def said(**changes: object) -> Signal:
    signal = GuardedStrategy(Says(**changes)).on_bar(BAR)
    assert signal is not None
    return signal


def test_a_list_that_is_written_on_is_recorded_as_it_was():
    figures = [["close", 100.0]]
    signal = said(evidence=figures)
    before = encode(signal)
    figures[0][1] = 7.0
    figures.append(["more", 1.0])
    assert encode(signal) == before
    assert signal.evidence == (("close", 100.0),)


def test_numbers_and_texts_of_numpy_become_plain_ones():
    signal = said(
        stop=np.float64(95.5), target=np.float32(110.5), strength=np.float64(0.5), ts_event=np.int64(BAR.ts_event),
        reason=np.str_("up"), evidence=((np.str_("n"), np.int64(3)),),
    )  # fmt: skip
    plain = said(stop=95.5, target=110.5, strength=0.5, reason="up", evidence=(("n", 3.0),))
    assert encode(signal) == encode(plain)
    for value, kind in ((signal.stop, float), (signal.target, float), (signal.ts_event, int), (signal.reason, str)):
        assert type(value) is kind


def test_an_action_as_text_is_that_action():
    assert said(action="enter_long").action is Action.ENTER_LONG


def test_what_is_no_number_stays_for_the_planner_to_refuse():
    assert math.isnan(said(stop=math.nan).stop)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reason": object()}, "a text is needed, found object"),
        ({"reason": ["up"]}, "a text is needed, found list"),
        ({"reason": "bad \ud800"}, "surrogates not allowed"),
        ({"strategy": 5}, "a text is needed, found int"),
        ({"stop": None}, "NoneType"),
        ({"strength": "much"}, "could not convert string to float"),
        ({"action": "up"}, "'up' is not a valid Action"),
        ({"ts_event": 1.5}, "float"),
        ({"evidence": 5}, "not iterable"),
        ({"evidence": (("n", 10**400),)}, "too large"),
        ({"evidence": ("n",)}, "not enough values"),
    ],
)
def test_what_cannot_be_recorded_is_refused_with_its_bar(changes: dict[str, object], told: str):
    with pytest.raises(DomainError, match=told) as refusal:
        said(**changes)
    assert "gave a signal that cannot be recorded" in str(refusal.value)
    assert "2023-11-14T22:13:20" in str(refusal.value)
    assert "numbers" in refusal.value.hint


def test_a_trail_of_numpy_can_be_recorded_and_one_that_is_no_number_is_named():
    inner = Says()
    guarded = GuardedStrategy(inner)
    inner.trail = np.float64(95.0)
    assert type(guarded.trail) is float
    inner.trail = None  # type: ignore[assignment]  # as a user may write it
    with pytest.raises(DomainError, match="in its trail, which must be a number"):
        _ = guarded.trail


def test_a_snapshot_of_numpy_becomes_plain_numbers():
    class Keeps(Says):
        def snapshot(self) -> list[float]:
            return [np.float64(1.5), np.int64(2)]  # type: ignore[list-item]  # as a user may write it

    assert [type(number) for number in GuardedStrategy(Keeps()).snapshot()] == [float, float]
