"""Replays a recorded session twice: with all that it was told, and through the backtester; and compares each with it.

The first must give every order again, to the last digit. The second has its own fills and knows of no late bar: what
is another order there has a cause that is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal

import msgspec

from holdfast.core.record import Record
from holdfast.domain.event import OperatorEvent
from holdfast.domain.market import BarClosed, BarFlag, timeframe
from holdfast.domain.values import ZERO, InstrumentId
from holdfast.engine.driver import Driver
from holdfast.engine.engine import Engine
from holdfast.engine.recorder import BARS, HISTORY, OPERATOR, RUN, TICK, Recorder
from holdfast.portfolio.fold import read_body, read_tick
from holdfast.portfolio.run import RunStarted
from holdfast.ports.exchange import SimulatedExchange
from holdfast.ports.journal import Journal, JournalRecord
from holdfast.research.parity import Cause, Collector, Parity, compare
from holdfast.research.reproduction import Reproduction
from holdfast.services.reproduction import Replay

_BARS = msgspec.json.Decoder(list[BarClosed])
_OPERATOR = msgspec.json.Decoder(OperatorEvent)
_FIT = ~int(BarFlag.NO_ENTRY)
_PAPER = "paper"


class ParityReport(Record, frozen=True):
    """A comparison with what both came to (quote units)."""

    run_id: str
    mode: str
    quote: str
    bars: int
    parity: Parity
    cash_session: Decimal
    cash_backtest: Decimal
    equity_session: Decimal  # the cash, and what is still held at its last close
    equity_backtest: Decimal
    reproduction: Reproduction

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing was compared: no order in the session, and none in the backtest."""
        return not self.parity.orders and not self.parity.differences

    @property
    def is_passed(self) -> bool:
        """Tell whether every order was reproduced, each difference to the backtest has its cause, and there was one."""
        is_known = Cause.UNKNOWN.value not in self.parity.by_cause
        return self.reproduction.is_whole and is_known and not self.is_empty


Make = Callable[[], tuple[Engine, SimulatedExchange]]


def check_parity(
    run: RunStarted, journal: Journal, began: int, make: Make, scratch: Journal, *, with_operator: bool = True
) -> ParityReport:  # fmt: skip
    """Return how the session that record `began` of the journal begins compares with a backtest over its own bars.

    Parameters
    ----------
    run
        How it began.
    make
        Gives a fresh engine and exchange of the same plan; the exchange fills by the rules of a backtest.
    scratch
        A journal that nobody keeps.
    with_operator
        Let the backtest be stopped and released where a person did so.
    """
    nanos = timeframe(run.timeframe).nanos
    session, backtest = Collector(nanos), Collector(nanos)
    engine, exchange = make()
    driver = Driver(engine, exchange, Recorder(scratch, is_durable_first=False, is_input_kept=False), backtest.tick)
    replay = _replay(run, make, scratch, nanos)
    bars, is_past = 0, run.mode == _PAPER
    closes: dict[InstrumentId, Decimal] = {}
    for record in _of_run(journal, began):
        replay.take(record)
        if record.kind == TICK:
            session.tick(read_tick(record.body, record.sequence))
        elif record.kind == HISTORY:
            for bar in read_body(_BARS, record.body, "a history", record.sequence):
                engine.warm(bar)
        elif record.kind == BARS:
            group = read_body(_BARS, record.body, "a bars", record.sequence)
            bars += len(group)
            closes.update((bar.instrument_id, Decimal(repr(bar.close))) for bar in group)
            session.bar(group[0].ts_event)
            backtest.bar(group[0].ts_event)
            # A paper account at a live market first sees its past: there was nobody who could have entered.
            is_past = is_past and all(bar.flags & ~_FIT for bar in group)
            driver.on_group(group if is_past else _fit(group))
        elif with_operator:
            driver.operate(read_body(_OPERATOR, record.body, "an operator", record.sequence))
    return ParityReport(run.run_id, run.mode, run.quote, bars, compare(session.session, backtest.session),
        _cash(session), _cash(backtest), _equity(session, closes), _equity(backtest, closes), replay.outcome(),
    )  # fmt: skip


def _replay(run: RunStarted, make: Make, scratch: Journal, nanos: int) -> Replay:
    engine, exchange = make()
    replay = Replay(engine, nanos)
    if run.mode == _PAPER:
        recorder = Recorder(scratch, is_durable_first=False, is_input_kept=False)
        replay.driver = Driver(engine, exchange, recorder, replay.made)
    return replay


def _of_run(journal: Journal, began: int) -> Iterator[JournalRecord]:
    for record in journal.read(began, kinds=(RUN, HISTORY, BARS, OPERATOR, TICK)):
        if record.kind == RUN:
            return  # the next run
        yield record


def _fit(group: Sequence[BarClosed]) -> list[BarClosed]:
    """Return bars without what only the session knew of them: that they came too late to be entered on."""
    return [msgspec.structs.replace(bar, flags=bar.flags & _FIT) if bar.flags & ~_FIT else bar for bar in group]


def _cash(collector: Collector) -> Decimal:
    """Return what all orders together have brought in, after fees."""
    total = Decimal(0)
    for order in collector.session.orders:
        total += (order.notional if order.side == "SELL" else -order.notional) - order.fees
    return total


def _equity(collector: Collector, closes: Mapping[InstrumentId, Decimal]) -> Decimal:
    """Return the same with all that is still held, at its last close: an open position is no loss of its cost."""
    held = ZERO
    for order in collector.session.orders:
        quantity = order.filled if order.side == "BUY" else -order.filled
        held += quantity * closes.get(order.instrument_id, order.price_average)
    return _cash(collector) + held
