"""The projections of a home, brought up to its journal before they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from holdfast.adapters.storage.sqlite.projections import ProjectionStore, StaleProjectionError
from holdfast.app.home import Home
from holdfast.app.standing import open_reader
from holdfast.portfolio.projection import catch_up


@contextmanager
def open_projections(home: Home) -> Iterator[ProjectionStore]:
    """Give the projections as they stand at the journal's last record; damaged or foreign ones are built anew."""
    journal = open_reader(home)
    store = _opened(home)
    try:
        if store.is_stale(journal, journal.journal_id):
            store.close()
            store = ProjectionStore.rebuild(home.projections)
        catch_up(journal, store, journal.journal_id)
        yield store
    finally:
        store.close()
        journal.close()


def _opened(home: Home) -> ProjectionStore:
    try:
        return ProjectionStore(home.projections)
    except StaleProjectionError:
        return ProjectionStore.rebuild(home.projections)


def told_story(home: Home, decision_id: str) -> tuple[object, list[str]]:
    """Return the story of a decision as a record and as lines for a person."""
    raise NotImplementedError(decision_id)
