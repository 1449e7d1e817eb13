"""A venue with a market that a test moves by hand, and two customers."""

from collections.abc import Sequence
from decimal import Decimal

from holdfast.core.secret import Secret
from holdfast.core.time import SECOND
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.values import Side
from holdfast.simulator.exchange import VirtualExchange
from holdfast.simulator.market import MarketConfig, PairMarket
from holdfast.simulator.records import AccountSpec, OrderAsk, PairSpec, VirtualOrder
from holdfast.simulator.triggers import Triggers
from holdfast.testing.builders import Row, make_bar, make_instrument

BTC = make_instrument("BTC/USDT.GATEIO")
ANN, BOB = "key-ann", "key-bob"
QUIET: Row = (100.0, 100.5, 99.5, 100.0, 1_000.0)


def dec(value: str | int) -> Decimal:
    return Decimal(value)


class Rig:
    """`venue`, `triggers`, and words for what a test does; the market stands at 100 in the first bar."""

    def __init__(self, rows: Sequence[Row] = (), spread: str = "0.0001", half: str = "0.5") -> None:
        history = [make_bar(BTC, number, QUIET) for number in range(3)]
        bars = [make_bar(BTC, number + 3, row) for number, row in enumerate(rows or [QUIET] * 5)]
        self.bars: list[BarClosed] = bars
        config = MarketConfig(dec(spread), dec(half))
        accounts = [
            AccountSpec(name, Secret("s"), {"USDT": dec(10_000), "BTC": dec(50)}) for name in (ANN, BOB)
        ]  # fmt: skip
        self.venue = VirtualExchange(
            [PairSpec("BTC_USDT", BTC)], [PairMarket(BTC, Timeframe.H1, bars, history, config)], accounts
        )
        self.triggers = Triggers(self.venue)
        self.market = self.venue.markets["BTC_USDT"]
        self.venue.now = 1_800_000_000 * SECOND

    def place(
        self, side: str, amount: str, price: str = "", tif: str = "", text: str = "", account: str = ANN, stp: str = "-"
    ) -> VirtualOrder:  # fmt: skip
        ask = OrderAsk(
            "BTC_USDT", Side[side], "limit" if price else "market", dec(amount), dec(price) if price else None,
            tif or ("gtc" if price else "ioc"), text, stp,
        )  # fmt: skip
        return self.venue.place(account, ask)

    def held(self, account: str, asset: str) -> tuple[Decimal, Decimal]:
        """Return what an account has, and what of it is bound."""
        holding = self.venue.purse.of(account, asset)
        return holding.total, holding.locked

    def bar(self, number: int, *, until_end: bool = True) -> None:
        """Let a bar pass, with what it fires."""
        self.venue.advance(self.bars[number].ts_event - (0 if until_end else 1))
