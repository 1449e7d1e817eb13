"""The projections of a home, brought up to its journal before they are read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from holdfast.adapters.storage.sqlite.projections import ProjectionStore, StaleProjectionError, alone_with
from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.home import Home
from holdfast.app.pinned import PinnedJournal
from holdfast.app.standing import open_reader
from holdfast.portfolio.explain import Explanation, is_named
from holdfast.portfolio.projection import catch_up
from holdfast.portfolio.story import RecentLine, Table, read_row
from holdfast.services.inspection import explanation_of
from holdfast.services.versions import versions_named


@contextmanager
def open_projections(home: Home, checked: PinnedJournal | None = None) -> Iterator[ProjectionStore]:
    """Give the projections as they stand at the journal's last record; damaged or foreign ones are built anew.

    The journal's hashes are checked before anything is taken from it, unless the caller has done so: then `checked` is
    what it has checked, and nothing behind that is taken. They may still stand further, where another reader was.

    Raises
    ------
    JournalError
        The journal is damaged.
    """
    with closing(open_reader(home)) as journal, alone_with(home.projections):
        store = _opened(home)
        try:
            if checked is None:
                require_whole(home.journal, store.applied_sequence)
            if store.is_stale(journal, journal.journal_id):
                store.close()
                store = ProjectionStore.rebuild(home.projections)
                if checked is None:
                    require_whole(home.journal)
            with versions_named(journal):
                catch_up(journal if checked is None else checked, store, journal.journal_id)
            yield store
        finally:
            store.close()


def _opened(home: Home) -> ProjectionStore:
    try:
        return ProjectionStore(home.projections)
    except StaleProjectionError:
        return ProjectionStore.rebuild(home.projections)


def explained(home: Home, any_id: str) -> Explanation:
    """Return why the decision behind `any_id` was made; see `services.inspection.explanation_of`."""
    with open_projections(home) as store:
        return explanation_of(store.get, any_id)


def recent_lines(home: Home, symbol: str) -> list[RecentLine]:
    """Return the last decisions on the instrument `symbol`."""
    with open_projections(home) as store:
        rows = [read_row(row.body, RecentLine) for row in store.scan(Table.RECENT)]
    return [row for row in rows if is_named(row.line.instrument_id, symbol)]
