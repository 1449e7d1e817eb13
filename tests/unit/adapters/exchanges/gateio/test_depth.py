"""The book: in step or not served. No order of arrival may give a wrong one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.exchanges.gateio.depth import Depth, DepthState
from holdfast.adapters.exchanges.gateio.messages import BookUpdate
from holdfast.adapters.exchanges.gateio.wire import Book, Level

Levels = list[tuple[float, float]]


def update(first: int, last: int, bids: Levels = (), asks: Levels = ()) -> BookUpdate:  # type: ignore[assignment]  # an empty tuple reads better
    return BookUpdate(1.0, "BTC_USDT", first, last, list(bids), list(asks))


def snapshot(update_id: int, bids: Levels, asks: Levels) -> Book:
    def levels(side: Levels) -> list[Level]:
        return [Level(Decimal(str(price)), Decimal(str(amount))) for price, amount in side]

    return Book(levels(asks), levels(bids), id=update_id)


def loaded(levels_max: int = 2_000, limit: int = 100) -> Depth:
    depth = Depth("BTC_USDT", levels_max=levels_max)
    assert depth.load(snapshot(10, [(99.0, 1.0), (98.0, 2.0)], [(101.0, 1.0), (102.0, 2.0)]), limit)
    return depth


def test_snapshot_and_updates_give_the_book():
    depth = loaded()
    assert depth.apply(update(11, 12, [(99.5, 3.0), (98.0, 0.0)], [(101.0, 4.0)]))
    assert depth.bids(9) == [(99.5, 3.0), (99.0, 1.0)]
    assert depth.asks(9) == [(101.0, 4.0), (102.0, 2.0)]
    assert (depth.best_bid, depth.best_ask) == ((99.5, 3.0), (101.0, 4.0))
    assert depth.update_id == 12


def test_updates_before_the_snapshot_wait_and_are_joined_to_it():
    depth = Depth("BTC_USDT")
    assert not depth.apply(update(8, 9, [(90.0, 1.0)]))
    assert not depth.apply(update(10, 12, [(99.5, 3.0)]))
    assert not depth.apply(update(13, 13, [], [(101.0, 0.0)]))
    assert depth.load(snapshot(10, [(99.0, 1.0)], [(101.0, 1.0), (102.0, 1.0)]), 100)
    assert depth.update_id == 13
    assert (depth.best_bid, depth.best_ask) == ((99.5, 3.0), (102.0, 1.0))


def test_snapshot_older_than_what_waits_is_refused():
    depth = Depth("BTC_USDT")
    depth.apply(update(20, 25, [(99.5, 3.0)]))
    assert not depth.load(snapshot(10, [(99.0, 1.0)], [(101.0, 1.0)]), 100)
    assert depth.state is DepthState.WAITING
    assert "older" in depth.why
    assert depth.best_bid is None
    assert depth.load(snapshot(19, [(99.0, 1.0)], [(101.0, 1.0)]), 100)


def test_old_snapshot_neither_turns_a_book_back_nor_revives_one_that_fell_out():
    depth = loaded()
    depth.apply(update(11, 15, [(99.5, 1.0)]))
    assert depth.load(snapshot(12, [(50.0, 1.0)], [(60.0, 1.0)]), 100)
    assert depth.best_bid == (99.5, 1.0)
    assert not depth.apply(update(16, 16, [(200.0, 1.0)]))
    assert not depth.load(snapshot(12, [(50.0, 1.0)], [(60.0, 1.0)]), 100)
    assert depth.load(snapshot(16, [(50.0, 1.0)], [(60.0, 1.0)]), 100)


def test_snapshot_without_an_id_is_refused():
    depth = Depth("BTC_USDT")
    assert not depth.load(Book([], []))
    assert depth.why == "the snapshot has no id"


def test_gap_empties_the_book_and_the_next_snapshot_mends_it():
    depth = loaded()
    assert not depth.apply(update(12, 13, [(99.5, 1.0)]))
    assert (depth.best_bid, depth.best_ask, depth.bids(5), depth.gaps) == (None, None, [], 1)
    assert not depth.apply(update(14, 14, [(99.6, 1.0)]))
    assert depth.load(snapshot(12, [(99.0, 1.0)], [(101.0, 1.0)]), 100)
    assert depth.best_bid == (99.6, 1.0)


def test_repeated_update_changes_nothing():
    depth = loaded()
    first = update(11, 11, [(99.5, 1.0)])
    assert depth.apply(first)
    assert depth.apply(update(12, 12, [(99.5, 0.0)]))
    assert depth.apply(first)
    assert depth.best_bid == (99.0, 1.0)
    assert depth.ignored == 1


def test_update_that_overlaps_is_a_gap_unless_it_follows_a_snapshot():
    depth = loaded()
    assert depth.apply(update(9, 12, [(99.5, 1.0)]))
    assert not depth.apply(update(12, 14, [(99.6, 1.0)]))


@pytest.mark.parametrize("bid", [101.0, 150.0])
def test_crossed_book_is_not_served(bid: float):
    depth = loaded()
    assert not depth.apply(update(11, 11, [(bid, 1.0)]))
    assert "crossed" in depth.why
    assert depth.best_bid is None


def test_crossed_snapshot_is_refused():
    depth = Depth("BTC_USDT")
    assert not depth.load(snapshot(1, [(101.0, 1.0)], [(100.0, 1.0)]), 100)
    assert "crossed" in depth.why


def test_side_that_is_used_up_is_believed_only_if_the_snapshot_held_it_whole():
    whole, part = loaded(limit=100), loaded(limit=2)
    removal = update(11, 11, [(99.0, 0.0), (98.0, 0.0)])
    assert whole.apply(removal)
    assert whole.best_bid is None
    assert not part.apply(removal)
    assert part.state is DepthState.WAITING


def test_level_beyond_what_is_known_is_not_kept():
    depth = loaded(limit=2)
    assert depth.apply(update(11, 11, [(97.0, 5.0)], [(103.0, 5.0)]))
    assert (depth.bids(9), depth.asks(9)) == ([(99.0, 1.0), (98.0, 2.0)], [(101.0, 1.0), (102.0, 2.0)])


def test_memory_is_bounded():
    depth = loaded(levels_max=50)
    for number in range(11, 411):
        assert depth.apply(update(number, number, [(99.0 - number / 10, 1.0)], [(101.0 + number / 10, 1.0)]))
    assert (len(depth.bids(999)), len(depth.asks(999))) == (50, 50)
    assert depth.best_bid == (99.0, 1.0)
    waiting = Depth("BTC_USDT", pending_max=10)
    for number in range(1, 500):
        waiting.apply(update(number, number))
    assert not waiting.load(snapshot(100, [], []), 100)
    assert waiting.load(snapshot(495, [(1.0, 1.0)], [(2.0, 1.0)]), 100)


def test_venue_that_counts_anew_is_noticed():
    depth = loaded()
    outcomes = [depth.apply(update(number, number, [(99.5, 1.0)])) for number in [1] * 200]
    assert not outcomes[-1]
    assert "anew" in depth.why
    assert depth.load(snapshot(1, [(99.0, 1.0)], [(101.0, 1.0)]), 100)


def test_update_of_a_giant_span_is_not_believed():
    depth = loaded()
    assert not depth.apply(update(11, 1 << 62, [(99.5, 1.0)]))
    assert not depth.apply(update(12, 1 << 62, [(99.5, 1.0)]))
    assert depth.load(snapshot(11, [(99.0, 1.0)], [(101.0, 1.0)]), 100)
    assert depth.apply(update(12, 12, [(99.5, 1.0)]))


def test_lost_connection_starts_over_even_where_the_numbers_fell():
    depth = loaded()
    depth.lose("the link went down")
    assert (depth.why, depth.best_bid) == ("the link went down", None)
    assert depth.load(snapshot(3, [(99.0, 1.0)], [(101.0, 1.0)]), 100)


# -- properties: a true history, arriving in any disorder


@st.composite
def histories(draw: st.DrawFn) -> list[BookUpdate]:
    """Draw updates that follow each other without a hole and never cross: bids at 1..50, asks at 51..100."""
    updates, number = [], 11
    for _ in range(draw(st.integers(1, 12))):
        last = number + draw(st.integers(0, 3))
        bids = draw(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3)), max_size=4))
        asks = draw(st.lists(st.tuples(st.integers(51, 100), st.integers(0, 3)), max_size=4))
        updates.append(
            update(number, last, [(float(p), float(q)) for p, q in bids], [(float(p), float(q)) for p, q in asks])
        )
        number = last + 1
    return updates


Side = dict[float, float]
START: tuple[Side, Side] = ({40.0: 1.0, 30.0: 2.0}, {60.0: 1.0, 70.0: 2.0})


def truth(history: list[BookUpdate]) -> dict[int, tuple[Levels, Levels]]:
    """Replay without any cleverness, and give the book after each update id that ends a message."""
    bids, asks = dict(START[0]), dict(START[1])
    books = {10: (sorted(bids.items(), reverse=True), sorted(asks.items()))}
    for message in history:
        for side, levels in ((bids, message.bids), (asks, message.asks)):
            for price, amount in levels:
                side.pop(price, None)
                if amount:
                    side[price] = amount
        books[message.last_id] = (sorted(bids.items(), reverse=True), sorted(asks.items()))
    return books


def holds_the_truth(depth: Depth, books: dict[int, tuple[Levels, Levels]]) -> bool:
    return not depth.is_in_step or (depth.bids(999), depth.asks(999)) == books[depth.update_id]


@given(histories(), st.data())
def test_no_disorder_gives_a_wrong_book(history: list[BookUpdate], data: st.DataObject):
    books = truth(history)
    indices = data.draw(st.lists(st.integers(0, len(history) - 1), max_size=30), "arrivals")
    snapshots = data.draw(st.dictionaries(st.integers(0, 30), st.sampled_from(sorted(books)), max_size=4), "snapshots")
    depth = Depth("BTC_USDT")
    for step, index in enumerate(indices):
        if step in snapshots:
            bids, asks = books[snapshots[step]]
            depth.load(snapshot(snapshots[step], bids, asks), 1_000)
            assert holds_the_truth(depth, books)
        depth.apply(history[index])
        assert holds_the_truth(depth, books)


@given(histories(), st.data())
def test_each_lost_update_is_noticed_with_the_next(history: list[BookUpdate], data: st.DataObject):
    lost = data.draw(st.integers(0, len(history) - 1))
    depth, books = Depth("BTC_USDT"), truth(history)
    assert depth.load(snapshot(10, *books[10]), 1_000)
    for message in history[:lost]:
        assert depth.apply(message)
    for message in history[lost + 1 :]:
        assert not depth.apply(message)
    if lost + 1 < len(history):
        assert depth.best_bid is None
        assert depth.load(snapshot(history[lost].last_id, *books[history[lost].last_id]), 1_000)
    assert holds_the_truth(depth, books)
    assert depth.update_id == (history[-1].last_id if lost + 1 < len(history) else history[lost].first_id - 1)


@given(histories())
def test_whole_history_is_in_step_from_any_snapshot(history: list[BookUpdate]):
    books = truth(history)
    for start, levels in books.items():
        depth = Depth("BTC_USDT")
        for message in history:
            depth.apply(message)
        assert depth.load(snapshot(start, *levels), 1_000)
        assert (depth.bids(999), depth.asks(999)) == books[history[-1].last_id]
