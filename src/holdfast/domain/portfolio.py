"""Positions, closed trades and the portfolio: a fold over fills, and over nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from holdfast.core.errors import CurrencyMismatchError, DomainError
from holdfast.core.record import Record
from holdfast.domain.instrument import Instrument
from holdfast.domain.ledger import Account, Ledger, Transfer
from holdfast.domain.order import Order, OrderFilled
from holdfast.domain.values import ZERO, Asset, InstrumentId, OrderId, Side, VenueCash, venue_of

# Read once: from its class a member takes as long as ten comparisons.
_BUY: Final = Side.BUY
_AVAILABLE: Final = Account.AVAILABLE
_TRADING: Final = Account.TRADING
_FEES: Final = Account.FEES

# What a mean price of 28 digits may be off by in long sums, as a share of the capital: far below any instrument's grid.
_DUST: Final = Decimal("1e-12")


class Position(Record, frozen=True):
    """What we hold of one instrument; signed: negative is short."""

    instrument_id: InstrumentId
    quantity: Decimal = ZERO
    entry_price: Decimal = ZERO  # average price of what is held
    realized: Decimal = ZERO  # quote units, fees not included
    fees: Decimal = ZERO

    def apply(self, side: Side, price: Decimal, quantity: Decimal, fee: Decimal) -> Position:
        """Return the position after a fill; one that crosses zero closes first and opens the rest."""
        held = self.quantity
        total = held + quantity if side is _BUY else held - quantity
        if held >= ZERO if side is _BUY else held <= ZERO:
            entry = (self.entry_price * abs(held) + price * quantity) / abs(total) if held else price
            return Position(self.instrument_id, total, entry, self.realized, self.fees + fee)
        closed = min(abs(held), quantity)
        gain = (price - self.entry_price) * closed * (1 if held > ZERO else -1)
        entry = self.entry_price if abs(held) > quantity else price if total else ZERO
        return Position(self.instrument_id, total, entry, self.realized + gain, self.fees + fee)

    def unrealized(self, price: Decimal) -> Decimal:
        """Return the gain at `price` that is not yet realized (quote units)."""
        return (price - self.entry_price) * self.quantity


class Portfolio:
    """All positions and the ledger of one account whose instruments share one quote asset.

    `capital_at` says how the capital lies at several venues: then the cash is counted at each of them, too, for what
    lies at one buys nothing at another.
    """

    __slots__ = ("_instruments", "capital", "capital_at", "cash_at", "ledger", "positions", "quote")

    def __init__(
        self, quote: Asset, capital: Decimal, instruments: tuple[Instrument, ...],
        capital_at: tuple[VenueCash, ...] = (),
    ) -> None:  # fmt: skip
        self.quote, self.capital = quote, capital
        self.capital_at = {there.venue: there.amount for there in capital_at}
        self.cash_at = dict(self.capital_at)
        """The quote asset at each venue; nothing where there is one account."""
        if capital_at and sum(self.capital_at.values()) != capital:
            raise DomainError(f"{self.capital_at} is not all of the capital {capital} {quote}")
        self.ledger = Ledger()
        if capital <= 0:
            raise DomainError(f"capital {capital} {quote} must be positive")
        self.ledger.post(Transfer(Account.EXTERNAL, _AVAILABLE, quote, capital, "capital"))
        self._instruments: dict[InstrumentId, Instrument] = {}
        self.positions: dict[InstrumentId, Position] = {}
        for instrument in instruments:
            if instrument.quote != quote:
                raise CurrencyMismatchError(
                    f"{instrument.id} is quoted in {instrument.quote}, the account in {quote}",
                    hint="trade instruments of one quote asset per account",
                )
            if capital_at and venue_of(instrument.id) not in self.capital_at:
                raise DomainError(f"{instrument.id} is traded where no capital lies: there is {self.capital_at}")
            self._instruments[instrument.id] = instrument
            self.positions[instrument.id] = Position(instrument.id)

    @property
    def cash(self) -> Decimal:
        """Return the quote asset, at all venues together."""
        return self.ledger.balance(_AVAILABLE, self.quote)

    def apply(self, order: Order, fill: OrderFilled) -> Position:
        """Book a fill of `order` and return the position after it."""
        spec = order.spec
        instrument = self._instruments[spec.instrument_id]
        if fill.fee.asset != self.quote:
            raise CurrencyMismatchError(f"fee of {fill.trade_id} is in {fill.fee.asset}, expected {self.quote}")
        quote, base, ref = self.quote, instrument.base, fill.trade_id
        price, quantity, fee = fill.price, fill.quantity, fill.fee.amount
        value, post = price * quantity, self.ledger.post
        if spec.side is _BUY:
            post(Transfer(_AVAILABLE, _TRADING, quote, value, ref))
            post(Transfer(_TRADING, _AVAILABLE, base, quantity, ref))
        else:
            post(Transfer(_AVAILABLE, _TRADING, base, quantity, ref))
            post(Transfer(_TRADING, _AVAILABLE, quote, value, ref))
        if fee > ZERO:
            post(Transfer(_AVAILABLE, _FEES, quote, fee, ref))
        elif fee < ZERO:  # a maker rebate
            post(Transfer(_FEES, _AVAILABLE, quote, -fee, ref))
        if self.cash_at:
            self.cash_at[venue_of(spec.instrument_id)] -= value * spec.side.sign + fee
        position = self.positions[spec.instrument_id].apply(spec.side, price, quantity, fee)
        self.positions[spec.instrument_id] = position
        return position

    def equity(self, prices: Mapping[InstrumentId, Decimal]) -> Decimal:
        """Return cash plus what all positions are worth at `prices` (quote units)."""
        held = (p.quantity * prices[i] for i, p in self.positions.items() if p.quantity)
        return sum(held, self.cash)

    def differences(self) -> tuple[str, ...]:
        """Return in what ledger and positions contradict each other, as sentences; none while they agree.

        Both follow from the same fills in two ways: what is held is an asset of the ledger and the quantity of a
        position, and what was paid for it is gone from the cash and stands there as cost, gain and fee.
        """
        names, balance = self._instruments, self.ledger.balance
        found = [
            f"the account trades {name}, and has no position of it" for name in names if name not in self.positions
        ]
        cash, fees, held = self.capital, ZERO, {instrument.base: ZERO for instrument in names.values()}
        for name, position in self.positions.items():
            if name not in names:
                found.append(f"there is a position of {name}, which the account does not trade")
                continue
            held[names[name].base] += position.quantity
            cash += position.realized - position.fees - position.quantity * position.entry_price
            fees += position.fees
        for account, asset in self.ledger.balances():
            if account is _AVAILABLE and asset != self.quote:
                held.setdefault(asset, ZERO)
        for base, quantity in held.items():
            if (there := balance(_AVAILABLE, base)) != quantity:
                found.append(f"the ledger holds {there} {base}, the positions {quantity}")
        tolerance = _DUST * self.capital
        if abs(self.cash - cash) > tolerance:
            found.append(f"the ledger holds {self.cash} {self.quote}, the positions come to {cash}")
        if abs((paid := balance(_FEES, self.quote)) - fees) > tolerance:
            found.append(f"the ledger has paid {paid} {self.quote} of fees, the positions {fees}")
        return (*found, *self._differences_at_venues(tolerance))

    def _differences_at_venues(self, tolerance: Decimal) -> list[str]:
        if self.cash_at.keys() != self.capital_at.keys():
            return [f"there is cash at {sorted(self.cash_at)}, the capital lies at {sorted(self.capital_at)}"]
        total = sum(self.cash_at.values(), ZERO)
        found = [f"the ledger holds {self.cash} {self.quote}, the venues {total}"] * (
            bool(self.cash_at) and total != self.cash
        )
        booked = dict(self.capital_at)
        for name, position in self.positions.items():
            if (venue := venue_of(name)) in booked:
                booked[venue] += position.realized - position.fees - position.quantity * position.entry_price
        found += [
            f"{self.cash_at[venue]} {self.quote} lie at {venue}, the positions there come to {cash}"
            for venue, cash in booked.items()
            if abs(self.cash_at[venue] - cash) > tolerance
        ]
        return found

    def require_agreement(self) -> None:
        """Require that ledger and positions say the same; see `differences`.

        Raises
        ------
        DomainError
            They do not: whatever is decided on top of them would be wrong.
        """
        if found := self.differences():
            raise DomainError(
                f"the books of the account contradict each other: {'; '.join(found)}",
                hint="decide nothing on them: leave the journal as it is, run `holdfast journal replay`, report both",
            )


def trade_name(entry_id: OrderId, fill: int) -> OrderId:
    """Return the id of the trade that an entry's fill number `fill` opens: the entry's own id for the first.

    An entry opens another trade when it fills on after what it had bought was stopped out.
    """
    return entry_id if fill == 1 else OrderId(f"{entry_id}_{fill}")


def entry_of(name: str) -> str:
    """Return the id of the entry behind a trade, or behind a group of orders, which is `<trade id>.<number>`."""
    return name.partition(".")[0].partition("_")[0]


class ClosedTrade(Record, frozen=True):
    """One round trip, from flat to flat, in quote units and nanoseconds."""

    trade_id: OrderId  # see `trade_name`
    instrument_id: InstrumentId
    side: Side
    quantity: Decimal  # the largest held
    entry_ts: int
    entry_price: Decimal
    exit_ts: int
    exit_price: Decimal
    exit_reason: str  # stop, trailing_stop, target, signal, emergency, end
    stop_price: Decimal  # in force at the exit
    target_price: Decimal
    fees: Decimal
    slippage: Decimal  # what spread, slippage and gaps cost against the reference prices; included in pnl
    pnl: Decimal  # after fees
    risk: Decimal  # what the gate allowed it to lose
    r_multiple: Decimal  # pnl / risk
    reasons: tuple[str, ...]
    excess_cause: str = ""  # why it lost more than `risk`, where it did: gap, liquidity, latency, sweep
    strategy: str = ""
