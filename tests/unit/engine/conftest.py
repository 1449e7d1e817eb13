"""An engine with the venue played by the test: bars in, commands out, answers by hand."""

from collections.abc import Mapping
from decimal import Decimal

from holdfast.domain.command import SubmitOrder
from holdfast.domain.decision import Action, StopLevel
from holdfast.domain.event import EmergencyStopped, Event, TradingResumed
from holdfast.domain.instrument import Instrument, Market
from holdfast.domain.order import (
    Liquidity,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    OrderSpec,
    Role,
)  # fmt: skip
from holdfast.domain.tick import Tick
from holdfast.domain.values import Money, Price, Quantity
from holdfast.engine.config import EngineConfig
from holdfast.engine.desk import Desk
from holdfast.engine.trade import OpenTrade
from holdfast.matching.config import MatchingConfig
from holdfast.risk.config import RiskConfig
from holdfast.risk.exits import ExitConfig
from holdfast.services.assembly import build_engine
from holdfast.testing.builders import make_bar, make_instrument, make_plan
from holdfast.testing.scripted import Line, ScriptedStrategy

BTC = make_instrument()
PERP = make_instrument("BTC/USDT:PERP.SIM", market=Market.PERPETUAL)
LONG = Line(Action.ENTER_LONG, 98.0, 106.0)
LEAVE = Line(Action.EXIT_LONG)
FLAT = 100.0


class Rig:
    """`sent` are the specs of all orders that the engine asked for, in order."""

    def __init__(
        self, lines: Mapping[int, Line] | None = None, trails: Mapping[int, float] | None = None, *,
        exits: ExitConfig | None = None, risk: RiskConfig | None = None, engine: EngineConfig | None = None,
        instrument: Instrument = BTC,
    ) -> None:  # fmt: skip
        self.instrument = instrument
        plan = make_plan(
            instrument, exits=exits, risk=risk or RiskConfig(), engine=engine, matching=MatchingConfig.ideal()
        )
        script = {0: LONG} if lines is None else lines
        self.engine = build_engine(plan, lambda name: ScriptedStrategy(name, script, trails))
        self.sent: list[OrderSpec] = []
        self.ticks: list[Tick] = []
        self.is_accepting = True
        self._bars = self._trades = 0

    # -- what comes in -----------------------------------------------------------------------------
    def process(self, event: Event) -> Tick:
        """Hand over one event; orders that follow are accepted at once unless `is_accepting` is off."""
        tick = self.engine.process(event)
        self.ticks.append(tick)
        for command in tick.commands:
            if isinstance(command, SubmitOrder):
                spec = command.approved.order
                self.sent.append(spec)
                if self.is_accepting:
                    self.process(OrderAccepted(spec.order_id, self.engine.ts))
        return tick

    def bar(self, close: float = FLAT, high: float = 0.0, low: float = 0.0) -> Tick:
        """Close the next bar."""
        row = (close, max(high, close), min(low or close, close), close, 1e6)
        self._bars += 1
        return self.process(make_bar(self.instrument, self._bars - 1, row))

    def fill(
        self, spec: OrderSpec, price: str, quantity: Decimal | None = None, trade_id: str = "", reference: str = "",
        *, has_more: bool = False,
    ) -> Tick:  # fmt: skip
        """Fill an order, wholly and at its reference price unless said otherwise."""
        self._trades += 1
        size, at = spec.quantity if quantity is None else Quantity(quantity), Price(Decimal(price))
        fee = Money(at * size / 1000, BTC.quote)
        name = trade_id or f"T{self._trades}"
        event = OrderFilled(
            spec.order_id,
            self.engine.ts + 1,
            name,
            at,
            size,
            fee,
            Liquidity.TAKER,
            Price(Decimal(reference or price)),
            has_more=has_more,
        )
        return self.process(event)

    def cancel(self, spec: OrderSpec, reason: str = "ioc") -> Tick:
        """Let the venue end an order."""
        return self.process(OrderCanceled(spec.order_id, self.engine.ts + 1, reason))

    def reject(self, spec: OrderSpec) -> Tick:
        """Let the venue refuse an order."""
        return self.process(OrderRejected(spec.order_id, self.engine.ts, "MAINTENANCE"))

    def stop(self, level: StopLevel) -> Tick:
        """Pull the brake."""
        return self.process(EmergencyStopped(self.engine.ts, level, "test", "drill"))

    def resume(self) -> Tick:
        """Release it."""
        return self.process(TradingResumed(self.engine.ts, "test", "drill"))

    # -- where it stands -----------------------------------------------------------------------------
    def entered(self, price: str = "100") -> OrderSpec:
        """Make the engine buy at the first bar, and return the entry."""
        self.bar()
        entry = self.last(Role.ENTRY)
        self.fill(entry, price)
        return entry

    def last(self, role: Role) -> OrderSpec:
        """Return the newest order of a role."""
        return [spec for spec in self.sent if spec.role is role][-1]

    def all(self, role: Role) -> list[OrderSpec]:
        """Return every order of a role."""
        return [spec for spec in self.sent if spec.role is role]

    @property
    def desk(self) -> Desk:
        """Return the only desk."""
        return self.engine.desks[self.instrument.id]

    @property
    def trade(self) -> OpenTrade:
        """Return the open trade."""
        assert self.desk.trade is not None
        return self.desk.trade

    @property
    def held(self) -> Decimal:
        """Return the position."""
        return self.engine.account.portfolio.positions[self.instrument.id].quantity
