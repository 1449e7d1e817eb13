"""Projections keep step with one journal, and say so when they do not."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.adapters.storage.conftest import FrozenClock, MakeJournal, change

from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.adapters.storage.sqlite.projections import (
    Change,
    ProjectionStore,
    Row,
    StaleProjectionError,
    delete,
    put,
)
from holdfast.core.errors import DomainError


@pytest.fixture
def store(tmp_path: Path):
    store = ProjectionStore(tmp_path / "state.db")
    yield store
    store.close()


def test_rows_are_stored_replaced_and_removed(store: ProjectionStore):
    store.apply([put("position", "BTC", b"1"), put("position", "ETH", b"2"), put("order", "BTC", b"3")], 5)
    assert store.get("position", "BTC") == b"1"
    assert list(store.scan("position")) == [Row("BTC", b"1"), Row("ETH", b"2")]
    store.apply([put("position", "BTC", b"4"), delete("position", "ETH"), delete("position", "none")], 6)
    assert list(store.scan("position")) == [Row("BTC", b"4")]
    assert store.get("position", "ETH") is None
    assert store.applied_sequence == 6


def test_an_empty_store_has_applied_nothing(store: ProjectionStore):
    assert store.applied_sequence == 0
    assert list(store.scan("position")) == []


def test_a_batch_is_all_or_nothing(store: ProjectionStore):
    store.apply([put("position", "BTC", b"1")], 1)
    with pytest.raises(DomainError):
        store.apply([put("position", "BTC", b"2"), Change("position", "ETH", "text")], 2)  # type: ignore[arg-type]  # wrong on purpose
    assert store.get("position", "BTC") == b"1"
    assert store.applied_sequence == 1


def test_a_batch_that_goes_back_is_refused(store: ProjectionStore):
    store.apply([], 7)
    with pytest.raises(DomainError, match="stand at record 7"):
        store.apply([put("position", "BTC", b"1")], 6)
    assert store.get("position", "BTC") is None


def test_everything_is_there_after_reopening(tmp_path: Path):
    store = ProjectionStore(tmp_path / "state.db")
    store.apply([put("position", "BTC", b"1")], 9)
    store.close()
    again = ProjectionStore(tmp_path / "state.db")
    assert (again.get("position", "BTC"), again.applied_sequence) == (b"1", 9)
    again.close()
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0


def test_a_damaged_file_is_said_to_be_stale_and_can_be_rebuilt(tmp_path: Path):
    path = tmp_path / "state.db"
    path.write_bytes(b"garbage" * 1_000)
    with pytest.raises(StaleProjectionError) as signal:
        ProjectionStore(path)
    assert "rebuild" in signal.value.hint
    store = ProjectionStore.rebuild(path)
    assert store.applied_sequence == 0
    store.close()


def test_a_damaged_page_is_said_to_be_stale(tmp_path: Path):
    path = tmp_path / "state.db"
    store = ProjectionStore(path)
    store.apply([put("position", f"{n:06d}", b"x" * 200) for n in range(500)], 1)
    store.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 4] = b"\xff" * 4096
    path.write_bytes(content)
    with pytest.raises(StaleProjectionError):
        ProjectionStore(path)


def test_an_unknown_layout_is_stale(tmp_path: Path):
    store = ProjectionStore(tmp_path / "state.db")
    store._connection.execute("UPDATE meta SET value = '99' WHERE name = 'layout'")
    store.close()
    with pytest.raises(StaleProjectionError, match="layout 99"):
        ProjectionStore(tmp_path / "state.db")


def test_a_store_knows_its_journal(store: ProjectionStore, make_journal: MakeJournal, clock: FrozenClock):
    folder, other = make_journal(), make_journal([b"1"] * 12, name="other")
    mine = SqliteJournal(folder, clock, is_read_only=True)
    theirs = SqliteJournal(other, clock, is_read_only=True)
    assert not store.is_stale(mine, mine.journal_id)
    record = next(mine.read(after=7))
    store.apply([put("position", "BTC", b"1")], record.sequence, mine.journal_id, record.hash)
    assert not store.is_stale(mine, mine.journal_id)
    assert not store.is_stale(mine)
    assert store.is_stale(theirs, theirs.journal_id)
    assert store.is_stale(theirs)


def test_a_store_ahead_of_its_journal_is_stale(store: ProjectionStore, make_journal: MakeJournal, clock: FrozenClock):
    folder = make_journal()
    store.apply([], 12)
    journal = SqliteJournal(folder, clock, is_read_only=True)
    assert not store.is_stale(journal)
    change(folder, "DELETE FROM record WHERE sequence > 11")
    assert store.is_stale(journal)


KEYS = st.tuples(st.sampled_from(["position", "order"]), st.sampled_from("abc"))
CHANGES = st.builds(lambda where, body: Change(*where, body), KEYS, st.none() | st.binary(max_size=4))


@settings(max_examples=50)
@given(batches=st.lists(st.lists(CHANGES, max_size=8), max_size=6))
def test_a_store_behaves_like_a_dictionary(batches: list[list[Change]], tmp_path_factory):
    store = ProjectionStore(tmp_path_factory.mktemp("state") / "state.db")
    model: dict[tuple[str, str], bytes] = {}
    for sequence, batch in enumerate(batches, 1):
        store.apply(batch, sequence)
        for change_ in batch:
            model.pop((change_.table_kind, change_.key), None)
            if change_.body is not None:
                model[change_.table_kind, change_.key] = change_.body
    for kind in ("position", "order"):
        expected = [Row(key, body) for (mine, key), body in sorted(model.items()) if mine == kind]
        assert list(store.scan(kind)) == expected
    store.close()
