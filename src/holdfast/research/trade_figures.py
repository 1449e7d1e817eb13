"""What the trades of a run came to: exact sums, in one pass, so that no more than one trade is looked at."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from holdfast.core.record import Record
from holdfast.core.summation import plain_sum
from holdfast.core.time import SECOND
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.values import ZERO

# A mean of money is no money any more; eight places are more than any quote asset has.
_MEAN_STEP: Final = Decimal("1e-8")
UNEXPLAINED: Final = "unexplained"


class TradeFigures(Record, frozen=True):
    """Sums over trades. Money in quote units, exact; a trade still open at the end counts at its last price.

    net = gross - fees - slippage. A trade whose pnl is zero is neither win nor loss.
    """

    trades: int
    trades_open: int  # among them, not sold but valued at the end of the run
    wins: int
    losses: int
    win_rate: float | None
    profit_factor: float | None  # what the wins gained / what the losses lost; None without a loss
    net_pnl: Decimal
    gross_pnl: Decimal  # before fees, spread and slippage
    fees: Decimal
    slippage: Decimal
    expectancy: Decimal | None  # mean pnl of a trade
    r_average: float | None  # mean pnl / allowed risk
    best_trade: Decimal | None
    worst_trade: Decimal | None
    losing_streak_longest: int
    holding_hours_average: float | None
    exits: dict[str, int]  # number of trades by exit reason
    losses_excess: int  # trades that lost more than the gate had allowed
    losses_excess_causes: dict[str, int]


def trade_figures(trades: Sequence[ClosedTrade]) -> TradeFigures:
    """Return the figures of trades, whichever order they come in."""
    sums, ts_last = _Sums(), 0
    for trade in trades:
        if trade.exit_ts < ts_last:
            return _sorted(trades)
        ts_last = trade.exit_ts
        sums.add(trade)
    return sums.figures()


def _sorted(trades: Sequence[ClosedTrade]) -> TradeFigures:
    """Return the figures of trades that are not in the order of their exits; it is sorted without holding them all."""
    times = [trade.exit_ts for trade in trades]
    sums = _Sums()
    for index in sorted(range(len(times)), key=times.__getitem__):
        sums.add(trades[index])
    return sums.figures()


class _Sums:
    """Running sums over trades in the order of their exits."""

    def __init__(self) -> None:
        self.count = self.wins = self.losses = self.held = 0
        self.net = self.gained = self.lost = self.fees = self.slippage = ZERO
        self.best: Decimal | None = None
        self.worst: Decimal | None = None
        self.streak = self.streak_longest = 0
        self.multiples = array("d")
        self.exits: Counter[str] = Counter()
        self.causes: Counter[str] = Counter()

    def add(self, trade: ClosedTrade) -> None:
        """Count a trade."""
        pnl, risk = trade.pnl, trade.risk
        self.count += 1
        self.net += pnl
        self.fees += trade.fees
        self.slippage += trade.slippage
        self.held += trade.exit_ts - trade.entry_ts
        self.exits[trade.exit_reason] += 1
        self.streak = self.streak + 1 if pnl < 0 else 0
        if pnl > 0:
            self.wins += 1
            self.gained += pnl
        elif pnl < 0:
            self.losses += 1
            self.lost += pnl
            self.streak_longest = max(self.streak_longest, self.streak)
        if self.best is None or pnl > self.best:
            self.best = pnl
        if self.worst is None or pnl < self.worst:
            self.worst = pnl
        if risk > 0:
            self.multiples.append(float(pnl / risk))
            if pnl < -risk:
                self.causes[trade.excess_cause or UNEXPLAINED] += 1

    def figures(self) -> TradeFigures:
        """Return the figures of all that was counted."""
        count, net, multiples = self.count, self.net, self.multiples
        return TradeFigures(
            trades=count, trades_open=self.exits["end"], wins=self.wins, losses=self.losses,
            win_rate=self.wins / count if count else None,
            profit_factor=float(self.gained / -self.lost) if self.losses else None,
            net_pnl=net, gross_pnl=net + self.fees + self.slippage, fees=self.fees, slippage=self.slippage,
            expectancy=(net / count).quantize(_MEAN_STEP, ROUND_HALF_EVEN) if count else None,
            r_average=plain_sum(multiples) / len(multiples) if multiples else None,
            best_trade=self.best, worst_trade=self.worst, losing_streak_longest=self.streak_longest,
            holding_hours_average=self.held / count / (3_600 * SECOND) if count else None,
            exits=dict(sorted(self.exits.items())),
            losses_excess=self.causes.total(), losses_excess_causes=dict(sorted(self.causes.items())),
        )  # fmt: skip
