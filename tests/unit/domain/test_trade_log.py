"""A log of trades gives back what was put in, digit by digit, and takes a fraction of the memory."""

import tracemalloc
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.trade_log import TradeLog
from holdfast.domain.values import InstrumentId, OrderId, Side

numbers = st.decimals(allow_nan=False, allow_infinity=False)
names = st.text(max_size=12)
times = st.integers(-(2**63), 2**63 - 1)
closed = st.builds(
    ClosedTrade, names, names, st.sampled_from(Side), numbers, times, numbers, times, numbers, names, numbers, numbers,
    numbers, numbers, numbers, numbers, numbers, st.lists(names, max_size=3).map(tuple), names, names,
)  # fmt: skip


def trade(number: int) -> ClosedTrade:
    """A trade that is like no other."""
    price = Decimal(3_000_000 + number).scaleb(-2)
    return ClosedTrade(
        OrderId(f"hf-{number}p"), InstrumentId("BTC/USDT.TEST"), Side.BUY, Decimal(1), number, price, number + 1,
        price + 1, "stop", price - 9, price + 9, price / 1_000, Decimal("0E-8"), Decimal(number) / 7, price * 2,
        Decimal(number) / 7 / price, (f"The fast average {number} rose above the slow one.",), "", "test",
    )  # fmt: skip


def written(one: ClosedTrade) -> tuple[object, ...]:
    """Every field, and of Decimals every digit: 1.0 is no 1.00 here."""
    return tuple(str(getattr(one, name)) for name in one.__struct_fields__)


@pytest.mark.slow
@given(st.lists(closed, max_size=8), st.integers(0, 300))
def test_what_is_taken_out_is_what_was_put_in(trades: list[ClosedTrade], more: int):
    trades = trades + [trade(number) for number in range(more)]
    log = TradeLog(trades)
    assert len(log) == len(trades)
    assert list(map(written, log)) == list(map(written, trades))
    assert log == tuple(trades)
    assert [type(one) for one in log] == [ClosedTrade] * len(trades)


@pytest.mark.parametrize("count", [0, 1, 127, 128, 129, 256, 300])
def test_a_log_is_indexed_like_a_tuple(count: int):
    trades = tuple(map(trade, range(count)))
    log = TradeLog(trades)
    assert tuple(log[at] for at in range(-count, count)) == trades + trades
    assert (log[1:], log[::-7], log[5:2]) == (trades[1:], trades[::-7], trades[5:2])
    for beyond in (count, -count - 1):
        with pytest.raises(IndexError):
            log[beyond]


def test_a_log_goes_on_growing_after_it_was_read():
    log = TradeLog()
    for number in range(400):
        log.append(trade(number))
        assert log[-1] == trade(number)
        assert log[0] == trade(0)
    assert log == tuple(map(trade, range(400)))


def test_logs_are_equal_when_their_trades_are():
    one = TradeLog(map(trade, range(200)))
    assert one == TradeLog(map(trade, range(200)))
    assert one != TradeLog(map(trade, range(199)))
    assert one != TradeLog(map(trade, range(1, 201)))
    assert one != 200


def test_ten_thousand_trades_take_a_fraction_of_their_records():
    def size(kind: type) -> int:
        tracemalloc.start()
        try:
            kept = kind(map(trade, range(10_000)))
            return tracemalloc.get_traced_memory()[0] if len(kept) else 0
        finally:
            tracemalloc.stop()

    assert size(TradeLog) < size(tuple) / 4
