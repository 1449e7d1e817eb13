"""Trades at the venue become fills in the house: whole lots, fees in quote units, cash exact to the last digit.

Many venues take the fee of a purchase from what is bought. So more is bought (`grossed_up` of an adapter), and what the
house is told of is the whole lots that are left after the fee. What was spent beyond their price is the fee: the
venue's, and the value of what is too small to be sold again. It is a fold over all trades of an order, so that a
restart comes to the same fills.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

import msgspec

from holdfast.domain.instrument import Instrument
from holdfast.domain.order import Liquidity, OrderFilled
from holdfast.domain.values import ZERO, Money, OrderId, Price, Quantity


class VenueTrade(Protocol):
    """One trade of our own, as a venue tells it: exact amounts, `side` is buy or sell, `role` maker or taker."""

    @property
    def trade_id(self) -> str: ...

    @property
    def ts_event(self) -> int: ...

    @property
    def side(self) -> str: ...

    @property
    def role(self) -> str: ...

    @property
    def price(self) -> Decimal: ...

    @property
    def amount(self) -> Decimal: ...

    @property
    def fee(self) -> Decimal: ...

    @property
    def fee_currency(self) -> str: ...


def fills_of(
    trades: Iterable[VenueTrade], order_id: OrderId, instrument: Instrument, quantity: Decimal
) -> list[OrderFilled]:
    """Return the fills of an order for `quantity` base units, given ALL of its trades so far."""
    unique = {trade.trade_id: trade for trade in trades}
    ordered = sorted(unique.values(), key=lambda trade: (trade.ts_event, len(trade.trade_id), trade.trade_id))
    net = spent = told = told_value = told_fees = ZERO
    fills: list[OrderFilled] = []
    for trade in ordered:
        sign = 1 if trade.side == "buy" else -1
        in_base = trade.fee if trade.fee_currency == instrument.base else ZERO
        in_quote = trade.fee if trade.fee_currency == instrument.quote else ZERO
        net += trade.amount - sign * in_base
        spent += trade.price * trade.amount * sign + in_quote
        whole = min((net / instrument.lot).to_integral_value(ROUND_DOWN) * instrument.lot, quantity)
        if whole <= told:
            continue  # not a lot yet: what it cost goes with the next trade
        part, told = whole - told, whole
        told_value += trade.price * part * sign
        fee = spent - told_value - told_fees
        told_fees += fee
        fills.append(
            OrderFilled(
                order_id, trade.ts_event, trade.trade_id, Price(trade.price), Quantity(part),
                Money(fee, instrument.quote), Liquidity.MAKER if trade.role == "maker" else Liquidity.TAKER,
                Price(trade.price),
            )
        )  # fmt: skip
    return fills


def together(fills: Sequence[OrderFilled]) -> list[OrderFilled]:
    """Return fills of one order that came in together, each but the last saying that another one follows."""
    return [msgspec.structs.replace(fill, has_more=True) for fill in fills[:-1]] + list(fills[-1:])
