"""A venue with one instrument, bars that follow each other, and short ways to say what is sent and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from holdfast.core.time import MINUTE
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.market import BarClosed, BarFlag
from holdfast.domain.order import OrderEvent, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import Asset, InstrumentId, OrderId, Price, Quantity, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.venue import Venue

BASE, QUOTE = Asset("AAA"), Asset("USDT")
MAKER, TAKER = Decimal("0.001"), Decimal("0.002")
IDEAL = MatchingConfig.ideal()
THIN = MatchingConfig(  # ideal, save that a tenth of a bar is all that can be had of it
    spread_bps=Decimal(0), slippage_bps=Decimal(0), impact=Decimal(0), sweep=Decimal(0),
    participation_max=Decimal("0.1"), latency_ms=0,
)  # fmt: skip

React = Callable[[OrderEvent], None]


def dec(value: str | float | Decimal) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(str(value))


def make_instrument(market: Market = Market.SPOT, name: str = "AAA") -> Instrument:
    return Instrument(
        InstrumentId(f"{name}/USDT.TEST"), Asset(name), QUOTE, dec("0.01"), dec("0.001"), dec(5),
        (FeeTier(dec(0), MAKER, TAKER),), market,
    )  # fmt: skip


@dataclass
class Room:
    """One account of 10,000 USDT and 10 AAA at a venue, and a market that stands still until `bar` moves it."""

    config: MatchingConfig = IDEAL
    market: Market = Market.SPOT
    balances: dict[Asset, Decimal] = field(default_factory=lambda: {QUOTE: dec(10_000), BASE: dec(10)})
    minute: int = 1_000
    count: int = 0

    def __post_init__(self) -> None:
        self.instrument = make_instrument(self.market)
        self.venue = Venue((self.instrument,), MINUTE, self.config, self.balances)

    @property
    def now(self) -> int:
        """The close of the last bar, and the open of the next."""
        return self.minute * MINUTE

    def spec(self, kind: OrderType, side: Side, quantity: str | float = 1, **changes: object) -> OrderSpec:
        self.count += 1
        prices = {name: dec(changes.pop(name)) for name in ("limit", "trigger", "offset") if name in changes}
        fields: dict[str, object] = {
            "order_id": OrderId(f"o{self.count}"), "instrument_id": self.instrument.id, "side": side, "type": kind,
            "quantity": Quantity(dec(quantity)), "role": Role.ENTRY if side is Side.BUY else Role.EXIT,
            "limit_price": prices.get("limit"), "trigger_price": prices.get("trigger"),
            "trail_offset": prices.get("offset"),
            "time_in_force": TimeInForce.IOC if kind is OrderType.MARKET else TimeInForce.GTC,
        }  # fmt: skip
        return OrderSpec(**(fields | changes))

    def send(self, kind: OrderType, side: Side, quantity: str | float = 1, **changes: object) -> OrderId:
        """Send an order that the venue must take; return its id."""
        at = changes.pop("ts", self.now)
        spec = self.spec(kind, side, quantity, **changes)
        (event,) = self.venue.place(spec, at)
        assert type(event).__name__ == "OrderAccepted", event
        return spec.order_id

    def buy(self, quantity: str | float = 1, **changes: object) -> OrderId:
        return self.send(OrderType.MARKET, Side.BUY, quantity, **changes)

    def sell(self, quantity: str | float = 1, **changes: object) -> OrderId:
        return self.send(OrderType.MARKET, Side.SELL, quantity, **changes)

    def stop(self, trigger: str | float, quantity: str | float = 1, side: Side = Side.SELL, **more: object) -> OrderId:
        role = Role.STOP if side is Side.SELL or self.market is Market.PERPETUAL else Role.ENTRY
        more.setdefault("role", role)
        return self.send(OrderType.STOP_MARKET, side, quantity, trigger=trigger, **more)

    def target(self, limit: str | float, quantity: str | float = 1, **more: object) -> OrderId:
        return self.send(OrderType.LIMIT, Side.SELL, quantity, limit=limit, role=Role.TARGET, **more)

    def limit_buy(self, limit: str | float, quantity: str | float = 1, **more: object) -> OrderId:
        return self.send(OrderType.LIMIT, Side.BUY, quantity, limit=limit, **more)

    def amend(self, order_id: OrderId, trigger: str | float) -> tuple[OrderEvent, ...]:
        return self.venue.change(order_id, self.now, Price(dec(trigger)))

    def bar(
        self, prices: tuple[float, float, float, float], volume: float = 1e6, flags: BarFlag = BarFlag.NONE
    ) -> BarClosed:
        """Make the next bar: open, high, low, close."""
        self.minute += 1
        return BarClosed(self.instrument.id, self.now, *map(float, prices), volume, int(flags))

    def play(self, *prices: float, react: React | None = None, **more: object) -> list[OrderEvent]:
        """Make the next bar and take the venue through it; `react` is told each event while orders still count."""
        bar = self.bar(prices, **more)
        self.minute -= 1  # what is sent meanwhile is sent within the bar
        seen: list[OrderEvent] = []
        batch = self.venue.open_phase(bar)
        self._tell(batch, seen, react)
        while batch := self.venue.range_phase(bar):
            self._tell(batch, seen, react)
        self.minute += 1
        return seen

    @staticmethod
    def _tell(batch: Sequence[OrderEvent], seen: list[OrderEvent], react: React | None) -> None:
        seen.extend(batch)
        for event in batch:
            if react is not None:
                react(event)

    def balance(self, asset: Asset = QUOTE) -> Decimal:
        return self.venue.balances()[asset]


def fills(events: list[OrderEvent]) -> list[OrderFilled]:
    return [event for event in events if isinstance(event, OrderFilled)]


def brief(events: list[OrderEvent]) -> list[str]:
    """Say each event in a few characters: `o1 filled 1 at 100`, `o2 canceled group`."""
    texts = []
    for event in events:
        kind = type(event).__name__.removeprefix("Order").lower()
        match event:
            case OrderFilled():
                rest = f" {event.quantity.normalize():f} at {event.price.normalize():f}"
            case _:
                rest = f" {getattr(event, 'reason', '')}".rstrip()
        texts.append(f"{event.order_id} {kind}{rest}")
    return texts


@pytest.fixture
def room() -> Room:
    return Room()
