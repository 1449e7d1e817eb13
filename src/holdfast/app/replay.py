"""A journal replayed in full: what the records alone say, beside what the engine says when it does everything again."""

from __future__ import annotations

import time
from decimal import Decimal

from holdfast.adapters.storage.sqlite.verify import require_whole
from holdfast.app.home import Home
from holdfast.app.pinned import PinnedJournal
from holdfast.app.projections import open_projections
from holdfast.app.standing import BACKTEST, last_run, open_reader, rebuilt_agent
from holdfast.core.record import Record
from holdfast.domain.ledger import Account
from holdfast.domain.portfolio import Portfolio
from holdfast.domain.values import ZERO, Side
from holdfast.engine.recorder import RUN, TICK
from holdfast.portfolio.fold import PortfolioOnlyFold
from holdfast.portfolio.status import Status
from holdfast.portfolio.story import CURRENT, AccountStory, Table, read_row
from holdfast.services.versions import versions_named


class Replayed(Record, frozen=True):
    """What came out; `differences` are sentences, none when all agree."""

    records: int  # in the journal
    records_folded: int  # those of runs and ticks among them, which say all that happened to the account
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

    A ledger that does not hold what the positions say is a difference, too, even if all three have it so.
    All three are those of one record, the last when this began: an agent may be writing on.

    Raises
    ------
    JournalError
        A record was changed, is missing or cannot be read, or the engine does not repeat what is recorded.
    DomainError
        What the engine makes of them is a ledger that its positions contradict.
    """
    journal, account = _pinned(home)
    started = time.perf_counter()
    fold, folded = PortfolioOnlyFold(), 0
    with versions_named(journal):
        for record in journal.read(kinds=(RUN, TICK)):
            fold.take(record.kind, record.body)
            folded += 1
    seconds = time.perf_counter() - started
    cash, positions = _held(fold)
    run, digest, differences = last_run(journal, home), "", list[str]()
    if account is not None and account.cash != cash:
        differences.append(f"the records say cash {cash}, the projections {account.cash}")
    if fold.portfolio is not None:
        differences += [f"from the records {found}" for found in fold.portfolio.differences()]
        if account is not None:
            differences += _booked(fold.portfolio, account)
    if run.mode != BACKTEST:  # a backtest keeps no bars, so that the engine has nothing to do again
        status = rebuilt_agent(home, journal).status()
        digest = status.digest
        # The engine does a turn as a whole, of which the journal may have the beginning only: while an agent is at
        # work, or where the power went. What it adds to that turn is no difference, but what it makes of the rest is.
        fold.replay((entry.kind, entry.body) for entry in journal.written)
        differences = [*_compared(*_held(fold), status), *differences]
    trades, wins = (account.trades, account.wins) if account is not None else (0, 0)
    return Replayed(
        journal.head[0], folded, round(seconds, 3), run.quote, cash, positions, trades, wins, digest, tuple(differences)
    )


def _pinned(home: Home) -> tuple[PinnedJournal, AccountStory | None]:
    """Return the journal up to its last record, checked, and what the projections say of the account there."""
    while True:
        journal = PinnedJournal(open_reader(home))
        require_whole(home.journal)
        with open_projections(home, journal) as store:
            body = store.get(Table.ACCOUNT, CURRENT)
            applied = store.applied_sequence
        # Another reader may have brought the projections further meanwhile, and they cannot go back: begin there.
        if applied <= journal.head[0]:
            return journal, None if body is None else read_row(body, AccountStory)


def _held(fold: PortfolioOnlyFold) -> tuple[Decimal, dict[str, Decimal]]:
    portfolio = fold.portfolio
    if portfolio is None:
        return ZERO, {}
    return portfolio.cash, {str(x.instrument_id): x.quantity for x in portfolio.positions.values() if x.quantity}


def _booked(portfolio: Portfolio, account: AccountStory) -> list[str]:
    """Compare the balances but for the cash, which is compared by itself, and for the outside, which has the rest."""
    theirs = {(Account(balance.account), balance.asset): balance.amount for balance in account.balances}
    mine = portfolio.ledger.balances()
    differences: list[str] = []
    for holder, asset in sorted({*mine, *theirs}):
        ours, other = mine.get((holder, asset), ZERO), theirs.get((holder, asset), ZERO)
        is_cash = holder is Account.AVAILABLE and asset == portfolio.quote
        if ours != other and not is_cash and holder is not Account.EXTERNAL:
            differences.append(f"{asset} in {holder}: the records say {ours}, the projections {other}")
    return differences


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
