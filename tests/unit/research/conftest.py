"""Trades and curves made by hand."""

from decimal import Decimal

from holdfast.core.time import HOUR
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.values import InstrumentId, OrderId, Side


def make_trade(
    pnl: str, *, risk: str = "10", entry_ts: int = 0, hours: float = 1.0, reason: str = "stop", cause: str = ""
) -> ClosedTrade:
    """A long trade of 1 unit that paid 0.2 in fees and lost 0.1 to spread and slippage."""
    gain, allowed = Decimal(pnl), Decimal(risk)
    return ClosedTrade(
        OrderId(f"t{entry_ts}"), InstrumentId("BTC/USDT.TEST"), Side.BUY, Decimal(1), entry_ts, Decimal(100),
        entry_ts + int(hours * HOUR), Decimal(100) + gain, reason, Decimal(90), Decimal(120), Decimal("0.2"),
        Decimal("0.1"), gain, allowed, gain / allowed if allowed else Decimal(0), ("because",), cause, "test",
    )  # fmt: skip
