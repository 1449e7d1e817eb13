"""A journal replayed in full: what the records alone say, beside what the engine says when it does everything again."""

from __future__ import annotations

import time
from decimal import Decimal

import msgspec

from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.home import Home
from holdfast.app.projections import open_projections
from holdfast.app.standing import BACKTEST, last_run, open_reader, rebuilt_agent
from holdfast.core.record import Record
from holdfast.domain.values import ZERO, Side
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import PortfolioOnlyFold
from holdfast.portfolio.status import Status
from holdfast.portfolio.story import CURRENT, AccountStory, Table


class Replayed(Record, frozen=True):
    """What came out; `differences` are sentences, none when all agree."""

    records: int
    seconds: float
    quote: str
    cash: Decimal
    positions: dict[str, Decimal]
    trades: int
    wins: int
    digest: str
    differences: tuple[str, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Tell whether records, engine and projections agree."""
        return not self.differences


def replay_journal(home: Home) -> Replayed:
    """Fold the records, run the engine again, bring the projections up to date, and compare the three.

    Raises
    ------
    JournalError
        A record was changed, is missing or cannot be read, or the engine does not repeat what is recorded.
    """
    journal = open_reader(home)
    require_whole(home.journal)
    started = time.perf_counter()
    fold, records = PortfolioOnlyFold(), 0
    for record in journal.read(kinds=(RUN, TICK)):
        fold.take(record.kind, record.body)
        records += 1
    seconds = time.perf_counter() - started
    portfolio = fold.portfolio
    cash = portfolio.cash if portfolio is not None else ZERO
    held = {str(x.instrument_id): x.quantity for x in portfolio.positions.values()} if portfolio is not None else {}
    positions = {name: quantity for name, quantity in held.items() if quantity}
    run, digest, differences = last_run(journal, home), "", list[str]()
    if run.mode != BACKTEST:  # a backtest keeps no bars, so that the engine has nothing to do again
        status = rebuilt_agent(home, is_checked=True).status()
        digest = status.digest
        differences = _compared(cash, positions, status)
    with open_projections(home, is_checked=True) as store:
        body = store.get(Table.ACCOUNT, CURRENT)
        account = msgspec.json.decode(body, type=AccountStory) if body is not None else None
    if account is not None and account.cash != cash:
        differences.append(f"the records say cash {cash}, the projections {account.cash}")
    trades, wins = (account.trades, account.wins) if account is not None else (0, 0)
    return Replayed(records, round(seconds, 3), run.quote, cash, positions, trades, wins, digest, tuple(differences))


def _compared(cash: Decimal, positions: dict[str, Decimal], status: Status) -> list[str]:
    theirs = {
        line.instrument_id: line.quantity if line.side == Side.BUY else -line.quantity for line in status.positions
    }
    differences = [] if cash == status.cash else [f"the records say cash {cash}, the engine {status.cash}"]
    for name in sorted({*positions, *theirs}):
        mine, other = positions.get(name, ZERO), theirs.get(name, ZERO)
        if mine != other:
            differences.append(f"{name}: the records say {mine}, the engine {other}")
    return differences
