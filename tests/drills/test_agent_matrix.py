"""Some cells of the fault matrix of whole agents, and what makes a cell red."""

from dataclasses import replace

import pytest
from tests.drills.agent_matrix import _NEVER, PHASES, Cell, rules_of, run_cells, table
from tests.drills.fault_matrix import ALL_FAULTS, FAULTS, KILLED
from tests.drills.matrix_life import Phase

from holdfast.testing.drill_parts import Bare

BY_NAME = {fault.name: fault for fault in FAULTS}
PHASE = {phase.name: phase for phase in PHASES}
BEGINS = dict.fromkeys(PHASE, "flat") | {"moving": "guarded", "leaving": "guarded", "recovering": "killed"}


def test_there_are_thirty_faults_and_six_phases():
    assert len(BY_NAME) >= 30
    assert len(PHASE) == 6


def test_the_table_tells_what_broke_and_what_never_happened():
    name = "order lost_after"
    cells = [
        Cell(name, "entering", is_injected=True, bare=Bare(0.42)),
        Cell(name, "filling"),
        Cell(name, "leaving", "an order is at the venue twice", is_injected=True),
    ]
    head, row = table(cells).splitlines()
    assert head.split() == [phase.name for phase in PHASES]
    assert row.removeprefix(name).split() == ["ok", "0.4", "NOT", "HIT", "-", "-", "-", "BROKEN"]


def test_each_phase_is_hit_by_a_fault_in_a_way_of_its_own():
    for fault in ALL_FAULTS:
        tried = [name for name in PHASE if (fault.name, name) not in _NEVER]
        rules = [(str(rules_of(fault, PHASE[name])), BEGINS[name]) for name in tried]
        assert len(set(rules)) == len(tried), fault.name


def test_no_fault_is_spent_before_the_phase_has_come():
    for fault in ALL_FAULTS:
        for phase in PHASES:
            first = rules_of(fault, phase)[0]
            named = f"{first['endpoint']} {first['since']}"
            is_early = fault.scope == "read" and phase.name == "entering"
            assert is_early or "spot.usertrades" in named or "/spot/" in named or "WS spot.order" in named


def test_only_a_cell_whose_fault_happened_and_that_was_never_bare_for_long_is_green():
    cell = Cell("order lost_after", "entering", is_injected=True, bare=Bare(1.99))
    assert cell.is_green
    assert not replace(cell, is_injected=False).is_green
    assert not replace(cell, broken="an order is at the venue twice").is_green
    assert replace(cell, bare=Bare(2.01)).mark == "BARE 2.0"
    assert not replace(cell, bare=Bare(2.01)).is_green
    assert replace(cell, fault="partial_fill", phase="moving", is_injected=False).mark == "n/a"


@pytest.mark.slow
def test_a_whole_agent_bears_a_fault_in_the_midst_of_a_trade():
    asked = [("order error_after", "guarding"), ("order lost_before", "leaving"), (KILLED, "filling")]
    cells = run_cells([(BY_NAME[fault], PHASE[phase]) for fault, phase in asked])
    assert [cell.broken for cell in cells] == ["", "", ""]
    assert all(cell.is_injected and cell.orders >= 3 and cell.bare.looks_holding for cell in cells)


@pytest.mark.slow
def test_a_fault_that_never_happens_makes_no_green_cell():
    never = replace(BY_NAME["order lost_after"], kind="push_lost")
    (cell,) = run_cells([(never, Phase("leaving", "POST /never"))])
    assert not cell.broken
    assert cell.mark == "NOT HIT"
