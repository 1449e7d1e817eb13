"""A replay of the journal gives the engine's own portfolio, and says so when the journal cannot be trusted."""

from decimal import Decimal
from itertools import pairwise
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.portfolio.conftest import CAPITAL, INSTRUMENTS, Played, make_bars, play

from holdfast.core.errors import JournalError
from holdfast.core.record import encode
from holdfast.domain.command import AskOpinion
from holdfast.domain.decision import Opinion, OpinionTimedOut, StopLevel
from holdfast.domain.event import EmergencyStopped, Event
from holdfast.domain.order import Liquidity, OrderAccepted, OrderFilled
from holdfast.domain.tick import Tick
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Ratio
from holdfast.portfolio.fold import JournalFold, PortfolioOnlyFold, read_tick
from holdfast.portfolio.run import RunStarted

FOLDS = (PortfolioOnlyFold, JournalFold)


def assert_same_money(fold: PortfolioOnlyFold | JournalFold, played: Played):
    expected = played.engine.account.portfolio
    assert fold.portfolio is not None
    assert fold.portfolio.positions == expected.positions
    assert fold.portfolio.ledger.balances() == expected.ledger.balances()
    assert not any(fold.portfolio.ledger.imbalance().values())
    assert fold.sequence == played.engine.sequence


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("seed", range(8))
def test_a_replay_gives_the_engines_portfolio_to_the_last_digit(fold: type[JournalFold], seed: int):
    played = play(seed)
    assert sum(tick.closed is not None for tick in played.ticks) > 50
    replayed = fold()
    replayed.replay(played.records)
    assert_same_money(replayed, played)


def test_a_replay_gives_the_engines_orders_trades_and_brake(played: Played):
    fold = JournalFold()
    fold.replay(played.records)
    engine = played.engine
    assert fold.orders == engine.orders
    assert list(fold.finished.items()) == list(engine.finished.items())
    assert fold.stop_level is engine.account.stop_level
    closed = [tick.closed for tick in played.ticks if tick.closed is not None]
    assert (fold.trades, fold.wins) == (len(closed), sum(trade.pnl > 0 for trade in closed))
    assert fold.pnl == sum(trade.pnl for trade in closed)
    assert fold.last_trade == closed[-1]
    assert fold.win_rate == Decimal(fold.wins) / fold.trades
    assert fold.ts == max(tick.event.ts_event for tick in played.ticks)


def test_the_sum_of_all_pnl_is_what_the_equity_has_changed_by():
    played = play(4)
    fold = JournalFold()
    fold.replay(played.records)
    still_open = sum(trade.pnl for trade in played.engine.open_trades())
    prices = {desk.instrument.id: desk.instrument.price(desk.close) for desk in played.engine.desks.values()}
    assert fold.portfolio is not None
    assert fold.portfolio.equity(prices) - CAPITAL == fold.pnl + still_open


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(0, 3_000), max_size=4))
def test_a_replay_in_parts_is_a_replay_as_a_whole(played: Played, cuts: list[int]):
    records = played.records
    fold = PortfolioOnlyFold()
    borders = [0, *sorted(min(cut, len(records)) for cut in cuts), len(records)]
    for begun, end in pairwise(borders):
        fold.replay(records[begun:end])
    assert_same_money(fold, played)


@settings(max_examples=25)
@given(length=st.integers(1, 3_000))
def test_both_folds_agree_at_every_point_of_the_journal(played: Played, length: int):
    records = played.records[:length]
    money, everything = PortfolioOnlyFold(), JournalFold()
    money.replay(records)
    for kind, body in records:
        everything.take(kind, body)
    assert money.portfolio is not None
    assert everything.portfolio is not None
    assert money.portfolio.positions == everything.portfolio.positions
    assert money.portfolio.ledger.balances() == everything.portfolio.ledger.balances()
    assert money.sequence == everything.sequence


def test_small_ticks_taken_the_short_way_count_like_whole_ones(played: Played):
    short, whole = JournalFold(played.run), JournalFold(played.run)
    for kind, body in played.records:
        short.take(kind, body)
        if kind == "tick":
            whole.apply(read_tick(body))
    assert short.orders == whole.orders
    assert short.finished == whole.finished
    assert list(short.decisions) == list(whole.decisions)
    assert short.ts == whole.ts


@pytest.mark.parametrize("answer", ["yes", "half", "no", "silence"])
def test_opinions_replay_like_everything_else(answer: str):
    played = play(1, count=0, opinion_ms=1_000)
    engine, ticks = played.engine, []
    for group in make_bars(1, 40):
        for bar in group:
            ticks.append(engine.process(bar))
            asked = [command for command in ticks[-1].commands if isinstance(command, AskOpinion)]
            for command in asked:
                name, ts = command.proposal.proposal_id, command.ts_deadline
                scale = {"yes": "1", "half": "0.5", "no": "0"}.get(answer)
                opinion = (
                    OpinionTimedOut(name, ts) if scale is None
                    else Opinion(name, ts, Ratio(Decimal(scale)), "as it seems", "a model")
                )  # fmt: skip
                ticks.append(engine.process(opinion))
    recorded = [tick for tick in ticks if tick.sequence]
    assert any(isinstance(tick.event, Opinion | OpinionTimedOut) for tick in recorded)
    fold = JournalFold(played.run)
    fold.replay(("tick", encode(tick)) for tick in recorded)
    assert fold.orders == engine.orders
    assert fold.sequence == engine.sequence
    assert any(line.what == "asked a model" for line in fold.decisions)
    expected = "refused" if answer in ("no", "silence") else "ordered"
    assert any(line.what == expected for line in fold.decisions)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_new_run_begins_with_its_own_capital_and_the_same_run_goes_on(fold: type[JournalFold]):
    first, second = play(2, 100), play(5, 100, run_id="run-2")
    replayed = fold()
    replayed.replay(first.records)
    replayed.take("run", encode(first.run))
    assert_same_money(replayed, first)
    replayed.replay(second.records)
    assert replayed.run == second.run
    assert_same_money(replayed, second)


@pytest.mark.parametrize("fold", FOLDS)
def test_records_of_other_kinds_are_passed_over(fold: type[JournalFold], played: Played):
    replayed = fold()
    for kind, body in played.records:
        replayed.take("checkpoint", b"whatever")
        replayed.take(kind, body)
    assert_same_money(replayed, played)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_run_that_is_known_already_may_be_handed_in(fold: type[JournalFold], played: Played):
    replayed = fold(played.run)
    replayed.replay(record for record in played.records if record[0] == "tick")
    assert_same_money(replayed, played)


@pytest.mark.parametrize("fold", FOLDS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_missing_tick_is_noticed(fold: type[JournalFold], played: Played, data: st.DataObject):
    records = [record for record in played.records if record[0] != "bars"]
    missing = data.draw(st.integers(1, len(records) - 2))
    with pytest.raises(JournalError):
        fold().replay(records[:missing] + records[missing + 1 :])


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'{"sequence":1}', b'{ "sequence": 1, "event": {}}', b"\xff"])
def test_a_body_that_is_no_tick_is_refused(fold: type[JournalFold], played: Played, body: bytes):
    with pytest.raises(JournalError):
        fold(played.run).take("tick", body)


@pytest.mark.parametrize("fold", FOLDS)
@pytest.mark.parametrize("body", [b"", b"{}", b"[]"])
def test_a_body_that_is_no_run_is_refused(fold: type[JournalFold], body: bytes):
    with pytest.raises(JournalError):
        fold().take("run", body)


@pytest.mark.parametrize("fold", FOLDS)
@settings(max_examples=30)
@given(data=st.data())
def test_a_fill_whose_body_was_cut_short_is_never_booked(fold: type[JournalFold], played: Played, data: st.DataObject):
    records = [record for record in played.records if record[0] != "bars"]
    fills = [i for i, (_, body) in enumerate(records) if b'"type":"OrderFilled"' in body]
    at = data.draw(st.sampled_from(fills[:50]))
    body = records[at][1]
    replayed = fold()
    replayed.replay(records[:at])
    before = replayed.portfolio.cash
    with pytest.raises(JournalError):
        replayed.take("tick", body[: data.draw(st.integers(0, len(body) - 1))])
    assert replayed.portfolio.cash == before


def stray_fill(order_id: str = "nobody", sequence: int = 1) -> bytes:
    fill = OrderFilled(
        OrderId(order_id), 1, "t", Price(Decimal(1)), Quantity(Decimal(1)), Money(Decimal(0), Asset("USDT")),
        Liquidity.TAKER, Price(Decimal(1)),
    )  # fmt: skip
    return encode(Tick(sequence, fill))


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fill_of_an_order_that_was_never_sent_is_refused(fold: type[JournalFold], played: Played):
    with pytest.raises(JournalError, match="nobody"):
        fold(played.run).take("tick", stray_fill())


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fill_before_any_run_is_refused(fold: type[JournalFold]):
    with pytest.raises(JournalError):
        fold().take("tick", stray_fill())


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fill_on_an_instrument_that_the_run_does_not_trade_is_refused(fold: type[JournalFold], played: Played):
    other = msgspec.structs.replace(INSTRUMENTS[0], id=InstrumentId("ZZZ/USDT.TEST"))
    run = msgspec.structs.replace(played.run, instruments=(other,))
    with pytest.raises(JournalError, match="does not trade"):
        fold(run).replay(record for record in played.records if record[0] == "tick")


def test_an_event_that_the_orders_state_does_not_admit_is_refused(played: Played):
    ticks = played.ticks[:40]
    at = next(i for i, tick in enumerate(ticks) if type(tick.event).__name__ == "OrderCanceled")
    fold = JournalFold(played.run)
    for tick in ticks[: at + 1]:
        fold.apply(tick)
    late = OrderAccepted(ticks[at].event.order_id, 1)  # type: ignore[union-attr]  # it is an order's event
    with pytest.raises(JournalError, match="contradicts"):
        fold.take("tick", encode(Tick(fold.sequence + 1, late)))


def test_a_small_event_with_more_in_its_tick_is_read_whole(played: Played):
    fold = JournalFold(played.run)
    at = next(i for i, tick in enumerate(played.ticks) if isinstance(tick.event, OrderAccepted))
    for tick in played.ticks[:at]:
        fold.apply(tick)
    closed = next(tick.closed for tick in played.ticks if tick.closed is not None)
    fold.take("tick", encode(msgspec.structs.replace(played.ticks[at], closed=closed)))
    assert fold.trades == 1


def test_eight_letters_tell_all_events_apart():
    names = [kind.__name__ for kind in get_args(Event)]
    assert len({name[:8] for name in names}) == len(names) > 10


def test_a_text_that_looks_like_an_order_sends_none(played: Played):
    trap = '"approved":{"type":"Approved","order":{"order_id":"evil"}}'
    stopped = EmergencyStopped(1, StopLevel.NONE, trap, trap)
    fold = PortfolioOnlyFold(played.run)
    fold.take("tick", encode(Tick(1, stopped, notes=(trap,))))
    with pytest.raises(JournalError, match="evil"):
        fold.take("tick", stray_fill("evil", 2))


def test_an_order_of_several_in_one_tick_is_found(played: Played):
    several = next(tick for tick in played.ticks if len(tick.commands) > 2)
    fold = PortfolioOnlyFold(played.run)
    for tick in played.ticks[: several.sequence]:
        fold.take("tick", encode(tick))
    name = several.commands[-1].approved.order.order_id
    fill = msgspec.json.decode(stray_fill(name, several.sequence + 1), type=Tick).event
    fold.take("tick", encode(Tick(several.sequence + 1, fill)))
    assert fold.sequence == several.sequence + 1


def test_a_run_record_survives_its_json(played: Played):
    assert msgspec.json.decode(encode(played.run), type=RunStarted) == played.run


def test_the_brake_stands_where_the_last_event_left_it():
    played = play(3, 400)
    fold = JournalFold(played.run)
    seen = set()
    for tick in played.ticks:
        fold.apply(tick)
        seen.add(fold.stop_level)
    assert seen == {StopLevel.NONE, StopLevel.FLATTEN}
