"""How fast a portfolio comes back from its journal: records a second over 200,000 tick records; prints one JSON line.

The ticks are made, not recorded, in the mix of a trailing strategy on two instruments: one trade is 19 records, two of
them fills (10.5 %), twelve of them moves of its stop and three acknowledgements. Bodies are the engine's canonical JSON
with all 24 checks of the gate in each approval. Before anything is timed, both folds must give exactly the cash and the
positions that this file has computed on its own, in whole cents. Times are CPU seconds of this one-threaded process,
so that a shared machine gives the same figures; `cpu_share` says how much of the wall clock it got.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.core.record import encode
from holdfast.core.time import MINUTE
from holdfast.domain.command import AmendOrder, Command, SubmitOrder
from holdfast.domain.decision import Action, Approved, ApprovedAmend, Check, Proposal, Signal
from holdfast.domain.event import Event
from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.market import BarClosed
from holdfast.domain.order import (
    Liquidity,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderSpec,
    OrderType,
    Role,
    TimeInForce,
)  # fmt: skip
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.tick import Tick
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Side
from holdfast.portfolio.fold import JournalFold, PortfolioOnlyFold
from holdfast.portfolio.run import RunStarted
from holdfast.ports.journal import Entry

RECORDS = 200_000
TARGET_PER_S = 200_000
ROUNDS = 5
GROUP = 500
CAPITAL = Decimal(1_000_000)
MOVES = 12
START = 1_609_459_200 * 1_000_000_000
RULES = (
    "EMERGENCY_STOP", "DATA_AGE", "DATA_SUSPECT", "SIDE_ALLOWED", "STOP_SIDE", "TARGET_SIDE", "GRID", "PRICE_COLLAR",
    "REWARD_TO_RISK", "REWARD_NET", "DRAWDOWN", "LOSS_DAY", "LOSS_WEEK", "COOLDOWN", "RISK_PER_TRADE",
    "RISK_OPEN_TOTAL", "POSITIONS_MAX", "EXPOSURE_ASSET", "EXPOSURE_TOTAL", "EXPOSURE_CORRELATED", "CASH",
    "VOLUME_SHARE", "NOTIONAL_MIN", "ORDER_RATE",
)  # fmt: skip

INSTRUMENTS = tuple(
    Instrument(
        InstrumentId(f"{base}/USDT.BENCH"), Asset(base), Asset("USDT"), tick=Decimal("0.01"), lot=Decimal("0.001"),
        notional_min=Decimal(5), fee_tiers=(FeeTier(Decimal(0), Decimal("0.001"), Decimal("0.001")),),
    )
    for base in ("BTC", "ETH")
)  # fmt: skip


class Script:
    """Writes the ticks of one trade after the other and keeps the books in integers: cash in 1e-8 quote units."""

    def __init__(self) -> None:
        self.sequence = self.orders = 0
        self.ts = START
        self.cash = int(CAPITAL) * 10**8
        self.held = {instrument.id: 0 for instrument in INSTRUMENTS}
        self.fees = 0
        self.trades = 0

    def ticks(self) -> Iterator[Tick]:
        """Yield ticks without end."""
        while True:
            yield from self._trade(INSTRUMENTS[self.trades % 2])
            self.trades += 1

    def _trade(self, instrument: Instrument) -> Iterator[Tick]:
        cents = 3_000_000 + self.trades * 7_919 % 900_000
        lots = 100 + self.trades % 57
        entry, stop, quantity = _price(cents), cents - 30_000, Quantity(Decimal(lots).scaleb(-3))
        entry_id, stop_id, target_id = (self._id(kind) for kind in "pst")
        reason = f"The fast average rose above the slow one at {entry}, and the trend over 200 bars points up."
        evidence = (("fast", cents / 100), ("slow", cents / 100 - 21.5), ("atr", 187.25))
        signal = Signal(
            instrument.id, self.ts, "ma_crossover", Action.ENTER_LONG, 0.7, cents / 100, stop / 100, cents / 100 + 600,
            reason, evidence,
        )  # fmt: skip
        proposal = Proposal(
            entry_id, instrument.id, self.ts, Side.BUY, quantity, entry, _price(stop), _price(cents + 60_000),
            "ma_crossover", reason, 0.7, True, entry, "RISK_PER_TRADE",
        )  # fmt: skip
        checks = tuple(Check(rule, Decimal(1234 + i) / 100, Decimal(98765) / 100, True) for i, rule in enumerate(RULES))
        order = OrderSpec(
            entry_id, instrument.id, Side.BUY, OrderType.LIMIT, quantity, Role.ENTRY, entry,
            time_in_force=TimeInForce.IOC,
        )  # fmt: skip
        submit = SubmitOrder(Approved(order, checks, entry_id))
        yield self._tick(self._bar(instrument, cents), signals=(signal,), proposal=proposal, commands=(submit,))
        yield self._tick(OrderAccepted(entry_id, self.ts))
        guards = self._guards(instrument, quantity, stop, stop_id, target_id, entry_id)
        yield self._tick(self._fill(instrument, entry_id, Side.BUY, cents, lots), commands=guards)
        yield self._tick(OrderAccepted(stop_id, self.ts))
        yield self._tick(OrderAccepted(target_id, self.ts))
        for _ in range(MOVES):
            stop += 2_000
            self.ts += MINUTE
            amend = AmendOrder(ApprovedAmend(stop_id, _price(stop)))
            yield self._tick(self._bar(instrument, stop + 40_000), commands=(amend,))
        fill = self._fill(instrument, stop_id, Side.SELL, stop, lots)
        closed = ClosedTrade(
            entry_id, instrument.id, Side.BUY, quantity, self.ts - MOVES * MINUTE, entry, self.ts, fill.price,
            "trailing_stop", _price(stop), proposal.target, fill.fee.amount * 2, Decimal(0), Decimal("12.5"),
            Decimal("61.2"), Decimal("0.2042483660130718954248366013"), (reason,), "", "ma_crossover",
        )  # fmt: skip
        yield self._tick(fill, closed=closed)
        yield self._tick(OrderCanceled(target_id, self.ts, "group"))
        self.ts += MINUTE

    def _guards(
        self, instrument: Instrument, quantity: Quantity, stop: int, stop_id: OrderId, target_id: OrderId, group: str
    ) -> tuple[Command, ...]:
        check = (Check("REDUCES", quantity, quantity, True),)
        stop_order = OrderSpec(
            stop_id, instrument.id, Side.SELL, OrderType.STOP_MARKET, quantity, Role.STOP, trigger_price=_price(stop),
            group=f"{group}.0",
        )  # fmt: skip
        target_order = OrderSpec(
            target_id, instrument.id, Side.SELL, OrderType.LIMIT, quantity, Role.TARGET,
            limit_price=_price(stop + 90_000), group=f"{group}.0",
        )  # fmt: skip
        return SubmitOrder(Approved(stop_order, check)), SubmitOrder(Approved(target_order, check))

    def _fill(self, instrument: Instrument, order_id: OrderId, side: Side, cents: int, lots: int) -> OrderFilled:
        value = cents * lots * 1_000  # 1e-8 quote units
        fee = value // 1_000
        self.fees += fee
        self.cash -= side.sign * value + fee
        self.held[instrument.id] += side.sign * lots
        return OrderFilled(
            order_id, self.ts, f"{order_id}-1", _price(cents), Quantity(Decimal(lots).scaleb(-3)),
            Money(Decimal(fee).scaleb(-8), instrument.quote), Liquidity.TAKER, _price(cents),
        )  # fmt: skip

    def _bar(self, instrument: Instrument, cents: int) -> BarClosed:
        close = cents / 100
        return BarClosed(instrument.id, self.ts, close - 3.5, close + 11.25, close - 9.75, close, 31.4159)

    def _id(self, kind: str) -> OrderId:
        self.orders += 1
        return OrderId(f"hf-{self.orders}{kind}")

    def _tick(self, event: Event, **parts: object) -> Tick:
        self.sequence += 1
        return Tick(self.sequence, event, **parts)  # type: ignore[arg-type]  # the script's own parts


def _price(cents: int) -> Price:
    return Price(Decimal(cents).scaleb(-2))


def make_records(count: int) -> tuple[list[tuple[str, bytes]], Script]:
    """Return a run record and `count` tick records, and the books that belong to them."""
    run = RunStarted(
        "bench", "backtest", Asset("USDT"), CAPITAL, INSTRUMENTS, "ma_crossover", {}, "1m", "made", True, "0", {}
    )
    script = Script()
    records = [("run", encode(run))]
    for tick in script.ticks():
        records.append(("tick", encode(tick)))
        if len(records) > count:
            return records, script
    raise AssertionError("unreachable: the script never ends")


def check_answer(fold: PortfolioOnlyFold | JournalFold, script: Script) -> None:
    """Raise unless the fold's money is exactly the script's."""
    portfolio = fold.portfolio
    assert portfolio is not None
    assert portfolio.cash == Decimal(script.cash).scaleb(-8), (portfolio.cash, script.cash)
    held = {name: position.quantity for name, position in portfolio.positions.items()}
    assert held == {name: Decimal(lots).scaleb(-3) for name, lots in script.held.items()}, held
    assert sum(p.fees for p in portfolio.positions.values()) == Decimal(script.fees).scaleb(-8)
    assert fold.sequence == script.sequence
    assert not any(portfolio.ledger.imbalance().values())


def best_rate(kind: type[PortfolioOnlyFold] | type[JournalFold], records: list[tuple[str, bytes]]) -> float:
    """Return the best of a few rounds, in records a second."""
    best = float("inf")
    for _ in range(ROUNDS):
        fold = kind()
        begun = time.process_time()
        fold.replay(records)
        best = min(best, time.process_time() - begun)
    return len(records) / best


def rate_from_disk(records: list[tuple[str, bytes]], script: Script) -> float:
    """Return the best rate from an embedded journal on disk: reading and folding together, hashes not checked."""
    with tempfile.TemporaryDirectory() as folder:
        journal = SqliteJournal(Path(folder) / "journal", SystemClock())
        for begun in range(0, len(records), GROUP):
            journal.append([Entry(kind, body) for kind, body in records[begun : begun + GROUP]])
        journal.flush()
        best = float("inf")
        for _ in range(ROUNDS):
            fold = PortfolioOnlyFold()
            begun_at = time.process_time()
            fold.replay((record.kind, record.body) for record in journal.read())
            best = min(best, time.process_time() - begun_at)
            check_answer(fold, script)
        journal.close()
    return len(records) / best


def main() -> int:
    """Check, measure, print the line; exit 1 below the target."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS)
    arguments = parser.parse_args()
    records, script = make_records(arguments.records)
    wall, cpu = time.perf_counter(), time.process_time()
    for kind in (PortfolioOnlyFold, JournalFold):
        fold = kind()
        fold.replay(records)
        check_answer(fold, script)
    rate, rate_full = best_rate(PortfolioOnlyFold, records), best_rate(JournalFold, records)
    fills = sum(b'"OrderFilled"' in body for _, body in records)
    line = {
        "benchmark": "replay", "records": len(records), "fills_share": round(fills / len(records), 3),
        "bytes_per_record": round(sum(len(body) for _, body in records) / len(records)),
        "portfolio_records_per_s": round(rate), "everything_records_per_s": round(rate_full),
        "from_disk_records_per_s": round(rate_from_disk(records, script)),
        "target_records_per_s": TARGET_PER_S, "is_target_met": rate >= TARGET_PER_S, "is_answer_right": True,
        "cpu_share": round((time.process_time() - cpu) / (time.perf_counter() - wall), 2),
        "rounds": ROUNDS, "rss_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }  # fmt: skip
    print(json.dumps(line))
    return 0 if rate >= TARGET_PER_S else 1


if __name__ == "__main__":
    sys.exit(main())
