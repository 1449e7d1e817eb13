"""Journals of every released version are read, written again byte for byte, and come to what they came to.

README.md beside this file says when a new one is added; none is ever changed or removed.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from tests.golden.make_journal import HERE, GoldenLine, outcomes, told, traded

from holdfast.core.record import encode
from holdfast.domain.command import Command
from holdfast.domain.event import Event, OperatorEvent
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderSubmitted
from holdfast.domain.tick import Tick
from holdfast.engine.recorder import BARS, CHECKPOINT, HISTORY, OPERATOR, RUN, TICK
from holdfast.portfolio.fold import PortfolioOnlyFold
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry
from holdfast.services.emergency import ReleaseWish
from holdfast.services.paper import Checkpoint
from holdfast.services.release import RELEASE
from holdfast.services.versions import PROGRAM, ProgramChanged

JOURNALS = sorted(HERE.glob("journal-*.jsonl"))
BYTES_MAX = 60_000
PARTLY = '"type":"OrderCanceled","order_id":"hf-11p","ts_event":1600059600000000000,"reason":"ioc"'
"""What was left of an entry that had filled in part."""
TYPES = {
    RUN: RunStarted, TICK: Tick, BARS: list[BarClosed], OPERATOR: OperatorEvent, CHECKPOINT: Checkpoint,
    RELEASE: ReleaseWish, PROGRAM: ProgramChanged, HISTORY: list[BarClosed],
}  # fmt: skip
HAPPENED = (
    '"is_gap":true', '"excess_cause":"gap"', '"exit_reason":"stop"', '"exit_reason":"target"',
    '"exit_reason":"trailing_stop"', '"exit_reason":"emergency"', '"refused":{"type":"Refused"', PARTLY,
)  # fmt: skip
"""What a journal must hold so that reading it proves something."""

# By name of the file: what was recorded does not change, so neither does this.
DIGESTS = {"journal-0.1.0.jsonl": "78d8165a8f79bffb"}


def read(path: Path) -> list[Entry]:
    lines = path.read_bytes().splitlines()
    found = [msgspec.json.decode(line, type=GoldenLine) for line in lines]
    return [Entry(line.kind, bytes(line.body)) for line in found]


def names(entries: Iterable[Entry]) -> tuple[set[str], set[str], set[str]]:
    """Return the kinds of records, of events and of commands in a journal."""
    ticks = [msgspec.json.decode(entry.body, type=Tick) for entry in entries if entry.kind == TICK]
    events = {type(tick.event).__name__ for tick in ticks}
    return {x.kind for x in entries}, events, {type(x).__name__ for tick in ticks for x in tick.commands}


def test_no_golden_journal_was_changed():
    assert {path.name: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in JOURNALS} == DIGESTS


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.name)
def test_each_body_is_read_and_written_again_byte_for_byte(path: Path):
    assert path.stat().st_size < BYTES_MAX
    for number, entry in enumerate(read(path), 1):
        body = msgspec.json.decode(entry.body, type=TYPES[entry.kind])
        # A checkpoint may gain fields, which are written out: it is read, and that is enough.
        if entry.kind != CHECKPOINT:
            assert encode(body) == entry.body, f"{path.name}, line {number}"


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.name)
def test_each_journal_comes_to_what_it_came_to(path: Path):
    entries = read(path)
    expected = json.loads(path.with_suffix(".expected.json").read_text("utf-8"))
    assert outcomes(entries) == expected
    fold = PortfolioOnlyFold()
    fold.replay((entry.kind, entry.body) for entry in entries)
    assert fold.portfolio is not None
    assert str(fold.portfolio.cash) == expected[-1]["cash"]


@pytest.mark.parametrize("path", JOURNALS[-1:], ids=lambda path: path.name)
def test_the_newest_one_has_every_kind_of_record_event_and_command(path: Path):
    entries = read(path)
    kinds, events, commands = names(entries)
    assert kinds == set(TYPES)
    # That an order left is said by the command: the folds make this event of it, and no record holds it.
    assert events == {kind.__name__ for kind in get_args(Event)} - {OrderSubmitted.__name__}
    assert commands == {kind.__name__ for kind in get_args(Command)}
    text = path.read_text("utf-8")
    for happened in HAPPENED:
        assert happened in text, happened


def test_todays_program_still_writes_such_a_journal():
    kinds, events, commands = names([*traded(), *told()])
    assert kinds == set(TYPES)
    assert events == {kind.__name__ for kind in get_args(Event)} - {OrderSubmitted.__name__}
    assert commands == {kind.__name__ for kind in get_args(Command)}
