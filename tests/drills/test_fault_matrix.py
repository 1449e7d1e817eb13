"""Some cells of the fault matrix, and what it says of a client that believes wrongly."""

from dataclasses import replace

import pytest
from tests.drills.fault_matrix import ALL_FAULTS, FAULTS, KILLED, SOCKET_FAULTS, Cell, run_cell, table
from tests.drills.matrix_life import PHASES, Phase

from holdfast.adapters.exchanges.gateio import order_desk

BY_NAME = {fault.name: fault for fault in ALL_FAULTS}
PHASE = {phase.name: phase for phase in PHASES}


def test_the_matrix_has_thirty_faults_and_six_phases():
    assert len(BY_NAME) == len(FAULTS) + len(SOCKET_FAULTS)
    assert len(FAULTS) >= 30
    assert {fault.orders for fault in SOCKET_FAULTS} == {"socket"}
    assert len(PHASES) == 6


def test_the_table_tells_what_broke_and_what_was_not_asked():
    cells = [
        Cell("slow", "placing"),
        Cell("slow", "guarding", is_injected=False),
        Cell("slow", "leaving", "an order is at the venue twice"),
    ]
    head, row = table(cells).splitlines()
    assert head.split() == [phase.name for phase in PHASES]
    assert row.split() == ["slow", "ok", "-", "-", "n/a", "-", "BROKEN"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "phase"),
    [
        ("order lost_after", "placing"),
        ("maintenance", "resting"),
        ("partial_fill", "filling"),
        ("order error_after", "guarding"),
        (KILLED, "recovering"),
        ("order lost_before", "leaving"),
        ("socket lost_after", "placing"),
        ("socket lost_after", "leaving"),
        ("socket disconnect", "filling"),
    ],
)
def test_nothing_is_lost_doubled_or_left(fault: str, phase: str):
    cell = run_cell(BY_NAME[fault], PHASE[phase])
    assert not cell.broken
    assert cell.is_injected
    assert cell.orders >= 5


@pytest.mark.slow
def test_a_fault_that_never_happens_makes_no_green_cell():
    cell = run_cell(replace(BY_NAME["order lost_after"], times=1, kind="push_lost"), Phase("leaving", "POST /never"))
    assert not cell.broken
    assert not cell.is_injected


@pytest.mark.slow
def test_a_client_that_does_not_look_for_a_lost_order_is_found(monkeypatch):
    async def blind(rest, found):
        return None

    monkeypatch.setattr(order_desk, "find_by_text", blind)
    cell = run_cell(BY_NAME["order lost_after"], PHASE["placing"])
    assert "believed never to have arrived" in cell.broken
