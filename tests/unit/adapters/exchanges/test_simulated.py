"""The in-process venue behind the exchange port, and the file that it outlives a restart in."""

import os
import stat
from pathlib import Path

import pytest
from tests.unit.matching.conftest import BASE, IDEAL, QUOTE, Room, brief, dec, make_instrument

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.adapters.exchanges.simulated.persistent import PersistentVenue, load, save
from holdfast.core.errors import DataError
from holdfast.core.time import MINUTE
from holdfast.domain.decision import Approved, ApprovedAmend
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderAmended, OrderType
from holdfast.domain.values import Price, Quantity, Side
from holdfast.matching.venue import Venue
from holdfast.ports.exchange import SimulatedExchange

BALANCES = {QUOTE: dec(10_000), BASE: dec(10)}


def fresh() -> SimulatedVenue:
    return SimulatedVenue((make_instrument(),), MINUTE, IDEAL, BALANCES)


def persistent(path: Path) -> PersistentVenue:
    return PersistentVenue((make_instrument(),), MINUTE, IDEAL, BALANCES, path)


def sell_stop(trigger: int = 90) -> Approved:
    return Approved(Room().spec(OrderType.STOP_MARKET, Side.SELL, 1, trigger=trigger))


def test_it_is_the_port():
    venue: SimulatedExchange = fresh()
    assert isinstance(venue, Venue)


def test_what_is_approved_is_placed_amended_and_filled():
    venue = fresh()
    (accepted,) = venue.submit(sell_stop(), 0)
    amend = ApprovedAmend(accepted.order_id, Price(dec(95)), Quantity(dec(2)))
    assert venue.amend(amend, 5) == (OrderAmended(accepted.order_id, 5, Price(dec(95)), None, Quantity(dec(2))),)
    bar = BarClosed(make_instrument().id, MINUTE, 100.0, 100.0, 95.0, 99.0, 1.0)
    assert venue.open_phase(bar) == ()
    assert brief(list(venue.range_phase(bar))) == ["o1 filled 2 at 95"]


def test_a_quiet_bar_costs_no_object():
    venue = fresh()
    venue.submit(sell_stop(), 0)
    bar = BarClosed(make_instrument().id, MINUTE, 100.0, 101.0, 99.0, 100.0, 1.0)
    assert venue.open_phase(bar) is venue.range_phase(bar) is fresh().open_phase(bar)


def test_without_a_file_there_is_nothing_to_load(tmp_path: Path):
    assert not load(fresh(), tmp_path / "none")


def test_what_was_saved_is_loaded(tmp_path: Path):
    venue, path = fresh(), tmp_path / "deep" / "venue.json"
    venue.submit(sell_stop(), 0)
    save(venue.snapshot(), path)
    copy = fresh()
    assert load(copy, path)
    assert copy.snapshot() == venue.snapshot()
    assert [entry.name for entry in path.parent.iterdir()] == ["venue.json"]


def test_nobody_else_can_read_the_file(tmp_path: Path):
    save(fresh().snapshot(), tmp_path / "venue.json")
    assert stat.S_IMODE((tmp_path / "venue.json").stat().st_mode) == 0o600


def test_a_half_written_file_is_not_taken_for_the_state(tmp_path: Path):
    path = tmp_path / "venue.json"
    venue = persistent(path)
    venue.submit(sell_stop(), 0)
    venue.persist()
    path.with_name("venue.json.part").write_bytes(venue.snapshot()[:40])
    assert persistent(path).snapshot() == venue.snapshot()


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_crash_while_saving_leaves_the_old_state(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "venue.json"
    venue = persistent(path)
    venue.submit(sell_stop(), 0)
    venue.persist()
    before = venue.snapshot()
    venue.cancel(venue.open_orders()[0], 1, "operator")

    def crash(*_: object) -> None:
        raise OSError("power is gone")

    with monkeypatch.context() as patch:
        patch.setattr(os if step == "fsync" else Path, step, crash)
        with pytest.raises(OSError, match="power is gone"):
            venue.persist()
    assert persistent(path).snapshot() == before
    assert venue.persist(), "what was not saved is saved the next time"
    assert persistent(path).snapshot() == venue.snapshot()


def test_only_changes_are_written(tmp_path: Path):
    path = tmp_path / "venue.json"
    venue = persistent(path)
    assert venue.persist()
    assert not venue.persist()
    venue.submit(sell_stop(), 0)
    assert venue.persist()
    written = path.stat().st_mtime_ns
    assert not venue.persist()
    assert path.stat().st_mtime_ns == written
    venue.open_phase(BarClosed(make_instrument().id, MINUTE, 80.0, 80.0, 80.0, 80.0, 1.0))
    assert venue.persist()
    again = persistent(path)
    assert again.balances() == venue.balances()
    assert not again.persist()


def test_the_last_price_of_a_quiet_bar_is_kept_too(tmp_path: Path):
    path = tmp_path / "venue.json"
    venue = persistent(path)
    venue.range_phase(BarClosed(make_instrument().id, MINUTE, 100.0, 101.0, 99.0, 100.0, 1.0))
    venue.persist()
    spec = Room().spec(OrderType.MARKET, Side.BUY, "0.049")
    assert brief(list(persistent(path).submit(Approved(spec), 0))) == ["o1 rejected BELOW_MINIMUM"]


@pytest.mark.parametrize("text", [b"", b"{}", b"nonsense"])
def test_a_spoiled_file_is_refused_by_name_and_the_venue_is_left_alone(tmp_path: Path, text: bytes):
    path = tmp_path / "venue.json"
    path.write_bytes(text)
    with pytest.raises(DataError, match=r"venue\.json") as caught:
        persistent(path)
    assert caught.value.hint
    assert path.read_bytes() == text
