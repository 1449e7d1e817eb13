"""The live agent against lost answers, late orders, doubled news and deaths; planted faults must be found."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from holdfast.domain.command import SubmitOrder
from holdfast.domain.decision import ApprovedAmend
from holdfast.domain.order import OrderEvent
from holdfast.engine.recorder import Recorder
from holdfast.services import live_replay
from holdfast.services.live import LiveAgent
from holdfast.services.reconciliation import Findings
from holdfast.testing.faulty_wire import FaultyWire
from holdfast.testing.live_simulation import simulate

SEEDS = 40
PLANTED_SEEDS = 300


def test_no_seed_breaks_a_promise():
    found = [simulate(seed) for seed in range(SEEDS)]
    assert not [result for result in found if result.violation]
    assert sum(result.never_arrived for result in found) > 10, "the wire has lost orders"
    assert sum(result.lives for result in found) > 2 * SEEDS, "agents have died"
    assert sum(result.fills for result in found) > 100


def test_a_seed_repeats():
    assert simulate(3) == simulate(3)


@pytest.mark.slow
def test_more_seeds_break_no_promise():
    assert not [result for result in map(simulate, range(1_000, 1_400)) if result.violation]


# -- planted faults --------------------------------------------------------------------------------
def every_move_of_a_stop_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lose each move the first time: by itself one world in hundreds loses the last move of a stop that matters."""
    amend, lost = FaultyWire.amend, set()

    def lose(self: FaultyWire, move: ApprovedAmend, ts: int) -> Sequence[OrderEvent]:
        key = (id(self.side), move.order_id, move.trigger_price)
        if key in lost:
            return amend(self, move, ts)
        lost.add(key)
        return ()

    monkeypatch.setattr(FaultyWire, "amend", lose)


def no_looser_stop_is_put_right(monkeypatch: pytest.MonkeyPatch) -> None:
    every_move_of_a_stop_is_lost(monkeypatch)
    put_right = LiveAgent._put_right

    def lazy(self: LiveAgent, findings: Findings) -> None:
        put_right(self, msgspec.structs.replace(findings, to_amend=()))

    monkeypatch.setattr(LiveAgent, "_put_right", lazy)


def what_a_crash_cut_off_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(self: LiveAgent, *, is_fresh: bool = False) -> object:
        recovery = original(self, is_fresh=is_fresh)
        ticks = list(self._journal.read(kinds=("tick",)))
        for record in ticks[-3:]:
            for command in live_replay.read_tick(record.body).commands:
                if isinstance(command, SubmitOrder):
                    self._exchange.submit(command.approved, self.engine.ts)
        return recovery

    original = LiveAgent.start
    monkeypatch.setattr(LiveAgent, "start", start)


def nobody_asks_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def recover(self: LiveAgent) -> None:
        self._unanswered.clear()

    def know_nothing(self: LiveAgent, findings: Findings) -> None:
        del self, findings

    monkeypatch.setattr(LiveAgent, "_recover", recover)
    monkeypatch.setattr(LiveAgent, "_put_right", know_nothing)
    monkeypatch.setattr("holdfast.testing.faulty_wire.FaultyWire.ask", lambda self, orders: None)


def effects_come_before_their_record(monkeypatch: pytest.MonkeyPatch) -> None:
    init = Recorder.__init__

    def hasty(self: Recorder, journal: Any, **given: Any) -> None:
        init(self, journal, **{**given, "is_durable_first": False, "batch": 50})

    monkeypatch.setattr(Recorder, "__init__", hasty)


def stops_are_not_sent_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveAgent, "_watch_protection", lambda self, now: None)


@pytest.mark.slow
def test_moves_that_are_lost_are_put_right_by_the_comparison(monkeypatch: pytest.MonkeyPatch):
    every_move_of_a_stop_is_lost(monkeypatch)
    assert [found.violation for seed in range(60) if (found := simulate(seed)).violation] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "plant",
    [
        no_looser_stop_is_put_right,
        what_a_crash_cut_off_is_sent_again,
        nobody_asks_after_a_crash,
        effects_come_before_their_record,
        stops_are_not_sent_anew,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_planted_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch):
    plant(monkeypatch)
    assert any(simulate(seed).violation for seed in range(PLANTED_SEEDS)), plant.__name__
