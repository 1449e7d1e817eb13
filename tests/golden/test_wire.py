"""What is recorded keeps its form: names, tags, types and defaults of every recorded struct are written down here.

`PYTHONPATH=. python tests/golden/test_wire.py` writes the list anew; what changed in it is then read line by line.
"""

import hashlib
import json
import sys
from pathlib import Path

from tests.golden.wire import layout

from holdfast.adapters.storage.sqlite.projections import _TABLES, LAYOUT
from holdfast.domain.event import OperatorEvent
from holdfast.domain.market import BarClosed
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.engine.config import EngineConfig
from holdfast.matching.config import MatchingConfig
from holdfast.matching.venue import VenueState
from holdfast.portfolio.run import RunStarted
from holdfast.portfolio.story import AccountStory, Decision, OrderStory, PositionStory, RecentLine
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.abandoning import RunAbandoned
from holdfast.services.emergency import ReleaseWish
from holdfast.services.paper import Checkpoint
from holdfast.services.versions import ProgramChanged

WRITTEN = Path(__file__).parent / "wire.json"
RECORDED = (RunStarted, BarClosed, OperatorEvent, Tick, ReleaseWish, ProgramChanged, RunAbandoned)
SETTINGS = (EngineConfig, RiskConfig, ExitConfig, MatchingConfig)
STATES = (Checkpoint, VenueState)
ROWS = (RunStarted, AccountStory, OrderStory, PositionStory, ClosedTrade, Decision, RecentLine)

RULES = """
What a journal holds is read for ever, so of what is recorded:
- a new field comes last, with a default that means what was the case before it; a new value of a fixed set comes last;
- nothing is renamed, removed, reordered, retyped, or given another default: an old record would say something else;
- a change of layout that cannot be had by a new field needs a new kind of record, or a new type with a tag of its own,
  beside the old one, and a reader of both; the golden journals beside this test must still be read.
If the change is a new field at the end: PYTHONPATH=. python tests/golden/test_wire.py, and commit what it writes."""

SETTING_RULES = """
A run records its settings, and goes on under them. A setting that its record lacks counts as the default of the version
that goes on with it: so a new one has a default under which nothing is other than before. One that is renamed, removed
or retyped locks every run out that has it in its record. Then: PYTHONPATH=. python tests/golden/test_wire.py, and
commit what it writes."""

STATE_RULES = """
A checkpoint is read by this version and by later ones: a new field comes last, with a default that is right for a run
that was taken up in the middle. Where there is none, leave it without: a checkpoint of another version that cannot be
read is passed over, and the whole run is done again. Then: PYTHONPATH=. python tests/golden/test_wire.py, and commit
what it writes."""

# The projections are built anew when their stamp is another one; the number is what a developer can raise.
LAYOUTS = {"1": "68db490d159d033a", "2": "70e0fada2af31852"}


def current() -> dict[str, dict[str, list[str]]]:
    records = layout(RECORDED)
    states = {name: lines for name, lines in layout(STATES).items() if name not in records}
    return {"records": records, "settings": layout(SETTINGS), "states": states}


def rows_hash() -> str:
    text = json.dumps([_TABLES, layout(ROWS)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def changes(before: dict[str, list[str]], now: dict[str, list[str]]) -> list[str]:
    """Return what is not as it was written down, a line each."""
    found: list[str] = []
    for name in sorted({*before, *now}):
        old, new = before.get(name, []), now.get(name, [])
        if old != new:
            found += [f"{name}: was {line!r}" for line in old if line not in new]
            found += [f"{name}: is {line!r}" for line in new if line not in old]
            found += [f"{name}: another order"] if sorted(old) == sorted(new) else []
    return found


def test_every_recorded_struct_has_the_fields_and_tags_that_are_written_down():
    found = changes(json.loads(WRITTEN.read_text("utf-8"))["records"], current()["records"])
    assert not found, "\n".join([*found, RULES])


def test_every_setting_of_a_run_has_the_form_that_is_written_down():
    found = changes(json.loads(WRITTEN.read_text("utf-8"))["settings"], current()["settings"])
    assert not found, "\n".join([*found, SETTING_RULES])


def test_every_state_of_a_checkpoint_has_the_fields_that_are_written_down():
    found = changes(json.loads(WRITTEN.read_text("utf-8"))["states"], current()["states"])
    assert not found, "\n".join([*found, STATE_RULES])


def test_the_list_is_of_what_is_really_recorded():
    names = set(current()["records"])
    assert {"OrderFilled", "Approved", "Refused", "ClosedTrade", "Instrument", "FeeTier", "Check", "StopLevel"} <= names


def test_a_renamed_a_moved_and_a_retyped_field_are_found():
    before = {"Fill": ["price: decimal", "is_gap: bool = false"]}
    assert changes(before, {"Fill": ["price: decimal", "gapped: bool = false"]}) == [
        "Fill: was 'is_gap: bool = false'", "Fill: is 'gapped: bool = false'"
    ]  # fmt: skip
    assert changes(before, {"Fill": before["Fill"][::-1]}) == ["Fill: another order"]
    assert changes(before, {"Fill": ["price: float", "is_gap: bool = false"]})
    assert not changes(before, before)


def test_rows_of_another_form_have_another_layout():
    found = rows_hash()
    assert LAYOUTS.get(LAYOUT) == found, (
        f"the rows of the projections have changed ({found}) and LAYOUT is still {LAYOUT!r}: raise it in"
        " adapters/storage/sqlite/projections.py and write the new number with this hash into LAYOUTS here"
    )


if __name__ == "__main__":
    WRITTEN.write_text(json.dumps(current(), indent=1) + "\n", "utf-8")
    sys.stdout.write(f"rows: {rows_hash()}\n")
