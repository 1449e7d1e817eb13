"""One small, round account that passes every rule, and the ways to change it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import msgspec
import pytest
from hypothesis import strategies as st

from holdfast.core.time import MINUTE
from holdfast.domain.decision import Check, Proposal, StopLevel
from holdfast.domain.instrument import FeeTier, Instrument, Market
from holdfast.domain.values import Asset, InstrumentId, OrderId, Price, Quantity, Ratio, Side
from holdfast.risk.case import Case
from holdfast.risk.config import RiskConfig
from holdfast.risk.costs import CostReserve, cost_reserve
from holdfast.risk.gate import RiskGate
from holdfast.risk.sizing import Levels
from holdfast.risk.view import Exposure, MarketView, PortfolioView

NOW = 1_700_000_000 * 1_000_000_000
FEE = Decimal("0.001")


def exact(*values: Decimal) -> list[Fraction]:
    return [Fraction(value) for value in values]


def make_instrument(name: str = "AAA", market: Market = Market.PERPETUAL) -> Instrument:
    return Instrument(
        InstrumentId(f"{name}/USDT.TEST"), Asset(name), Asset("USDT"), Decimal("0.01"), Decimal("0.001"), Decimal(5),
        (FeeTier(Decimal(0), FEE, FEE),), market,
    )  # fmt: skip


def make_exposure(name: str, notional: str = "1000", risk_open: str = "20", quantity: str = "1") -> Exposure:
    identity = InstrumentId(f"{name}/USDT.TEST")
    return Exposure(identity, Asset(name), Decimal(quantity), Decimal(notional), Decimal(risk_open))


PROPOSAL = Proposal(
    OrderId("p-1"), InstrumentId("AAA/USDT.TEST"), NOW, Side.BUY, Quantity(Decimal(10)), Price(Decimal(100)),
    Price(Decimal(98)), Price(Decimal(104)), "test", "because",
)  # fmt: skip
VIEW = PortfolioView(
    NOW, Decimal(10_000), Decimal(10_000), Decimal(10_000), Decimal(10_000), Decimal(10_000), (), 0, (), StopLevel.NONE
)
MARKET = MarketView(InstrumentId("AAA/USDT.TEST"), NOW, MINUTE, Decimal(100), False, 0.01, 0.01, 10_000.0)


@dataclass(frozen=True)
class Room:
    """Everything that one review sees; `changed` gives a copy with some of it different.

    A BUY of 10 AAA at 100, stop 98, target 104, in an account of 10,000 USDT that holds nothing.
    """

    instrument: Instrument = field(default_factory=make_instrument)
    config: RiskConfig = field(default_factory=RiskConfig)
    proposal: Proposal = PROPOSAL
    view: PortfolioView = VIEW
    market: MarketView = MARKET

    def changed(self, **changes: object) -> "Room":
        """Every name goes to the record that has it; numbers become Decimals where one stood before."""
        parts: dict[str, object] = {}
        for name, value in changes.items():
            for part in ("proposal", "view", "market", "config", "instrument"):
                record = parts.get(part, getattr(self, part))
                if name in type(record).__struct_fields__:
                    is_text_for_number = isinstance(value, str) and isinstance(getattr(record, name), Decimal)
                    new = Decimal(value) if is_text_for_number else value
                    parts[part] = msgspec.structs.replace(record, **{name: new})
                    break
            else:
                raise AssertionError(f"nothing is named {name}")
        return replace(self, **parts)

    def short(self) -> "Room":
        return self.changed(side=Side.SELL, stop="102", target="96")

    @property
    def reserve(self) -> CostReserve:
        return cost_reserve(self.instrument, self.config.slippage_max, is_entry_market=self.config.is_entry_market)

    @property
    def case(self) -> Case:
        return Case(self.proposal, self.view, self.market, self.instrument, self.config, self.reserve)

    @property
    def gate(self) -> RiskGate:
        return RiskGate(self.config)

    def review(self, scale: str = "1"):
        return self.gate.review(self.proposal, self.view, self.market, self.instrument, Ratio(Decimal(scale)))

    def verdict(self, rule) -> tuple[bool, Check]:
        check = rule(self.case)
        assert check.detail == "" if check.is_passed else check.detail, "a refusal says why, a pass costs no text"
        return check.is_passed, check

    def loss(self, level: Decimal | None = None) -> Fraction:
        """The loss at the stop, or at another level, with all costs, from the definition and in exact fractions."""
        p, r = self.proposal, self.reserve
        entry, stop, quantity = exact(p.entry, p.stop if level is None else level, p.quantity)
        if p.is_anchored_to_fill and p.reference:
            stop += entry - Fraction(p.reference)
        fee, slip_in, slip_out = exact(r.fee_taker, r.slippage_entry, r.slippage_exit)
        sign = p.side.sign
        paid, got = entry * (1 + sign * slip_in), stop * (1 - sign * slip_out)
        # Both fills may be rounded to the tick against us, with the fee on top.
        ticks = 2 * Fraction(self.instrument.tick) * (1 + fee)
        return quantity * ((paid - got) * sign + fee * (paid + got) + ticks)

    def together(self, notional: Fraction) -> float:
        """What would move together, in quote units: sqrt(w' C w), what is negative as 0, what is unknown as 1."""
        ours = self.proposal.instrument_id
        weights = [(e.instrument_id, float(e.notional) * (1 if e.quantity > 0 else -1)) for e in self.view.exposures]
        weights.append((ours, float(notional) * self.proposal.side.sign))
        known = {frozenset((one, other)): rho for one, other, rho in self.view.correlations}
        known |= {frozenset((ours, other)): rho for other, rho in self.market.correlations}
        square = 0.0
        for one, first in weights:
            for other, second in weights:
                rho = 1.0 if one == other else known.get(frozenset((one, other)))
                square += abs(first * second) if rho is None else max(rho * first * second, 0.0)
        return math.sqrt(square)

    def total(self, name: str) -> Fraction:
        return sum((Fraction(getattr(e, name)) for e in self.view.exposures), Fraction(0))


@pytest.fixture(scope="session")
def room() -> Room:
    return Room()


@pytest.fixture(scope="session")
def exposure():
    return make_exposure


@pytest.fixture(scope="session")
def instrument():
    return make_instrument


def decimals(low: str, high: str, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(low), Decimal(high), places=places, allow_nan=False, allow_infinity=False)


SIGNED_ONE = st.sampled_from(["1", "-1"])


@st.composite
def rooms(draw: st.DrawFn) -> Room:
    """Accounts, markets and proposals around the limits: some pass, some break one rule, some break many."""
    side = draw(st.sampled_from(Side))
    entry = draw(decimals("94", "106"))
    distance, ratio = draw(decimals("0.01", "10")), draw(decimals("0.5", "4"))
    gain = (distance * ratio).quantize(Decimal("0.01"))
    held = draw(st.lists(st.sampled_from(["AAA", "BBB", "CCC", "DDD", "EEE", "FFF"]), max_size=5))
    exposures = tuple(
        make_exposure(name, str(draw(decimals("0", "2500"))), str(draw(decimals("0", "200"))), draw(SIGNED_ONE))
        for name in held
    )
    pairs = st.floats(-1, 1)
    equity = draw(decimals("7000", "12000"))
    base = Room().changed(
        side=side, entry=entry, stop=entry - side.sign * distance, target=entry + side.sign * gain,
        quantity=draw(decimals("0.001", "60", 3)), equity=equity,
        equity_peak=max(equity, draw(decimals("9000", "12000"))),
        equity_day_start=draw(decimals("9000", "11000")), equity_week_start=draw(decimals("9000", "11000")),
        cash=draw(decimals("0", "11000")), exposures=exposures, orders_last_minute=draw(st.integers(0, 40)),
        results=tuple(draw(st.lists(st.floats(-2, 4), max_size=20))),
        ts_result_last=NOW - draw(st.integers(0, 40)) * MINUTE,
        range_fast=draw(st.floats(0, 0.1)), range_slow=draw(st.floats(0, 0.1)), volume_average=draw(st.floats(0, 3000)),
        correlations=(), ts_last=NOW - draw(st.integers(-3, 3)) * MINUTE,
    )  # fmt: skip
    names = [e.instrument_id for e in exposures]
    market = msgspec.structs.replace(base.market, correlations=tuple((name, draw(pairs)) for name in names))
    between = tuple((a, b, draw(pairs)) for i, a in enumerate(names) for b in names[:i])
    view = msgspec.structs.replace(base.view, correlations=between)
    return replace(base, market=market, view=view)


@st.composite
def promising_rooms(draw: st.DrawFn) -> Room:
    """The same, with everything sound that has nothing to do with amounts: about half of them pass the gate."""
    room = draw(rooms())
    side = room.proposal.side
    held = [e for e in room.view.exposures if e.instrument_id != PROPOSAL.instrument_id or e.quantity * side.sign > 0]
    distance, entry = draw(decimals("0.5", "10")), draw(decimals("95", "105"))
    room = room.changed(
        ts_last=NOW, entry=entry, stop=entry - side.sign * distance, exposures=tuple(held[:3]), results=(), cash="9000",
        equity=draw(decimals("9300", "11000")), equity_peak="11000", equity_day_start=draw(decimals("9300", "9700")),
        equity_week_start="10000", orders_last_minute=draw(st.integers(25, 30)),
        volume_average=draw(st.floats(100, 3000)),
    )  # fmt: skip
    # Around the largest allowed size and the smallest allowed ratio, on both sides of each.
    sized = room.gate.size(
        Levels(side, room.proposal.entry, room.proposal.stop), room.view, room.market, room.instrument
    )
    quantity = room.instrument.quantity(sized.quantity * draw(decimals("0.2", "1.05")))
    ratio = draw(decimals("1.25", "4"))
    return room.changed(
        quantity=max(quantity, Decimal("0.001")), target=room.instrument.price(entry + side.sign * distance * ratio)
    )


OTHERS = ("BBB", "CCC", "DDD", "EEE", "FFF", "GGG")


def uncorrelated(room: Room, exposures: tuple[Exposure, ...]) -> Room:
    """Hold `exposures`, and let every one of them move on its own."""
    names = [exposure.instrument_id for exposure in exposures]
    pairs = tuple((one, other, 0.0) for at, one in enumerate(names) for other in names[:at])
    market = msgspec.structs.replace(room.market, correlations=tuple((name, 0.0) for name in names))
    return replace(room.changed(exposures=exposures, correlations=pairs), market=market)


Border = Callable[[Random, Room], Room]


def between(rng: Random, low: str, high: str, places: int = 2) -> Decimal:
    """A number of the range on its grid; hypothesis prefers its ends, and limits lie in the middle."""
    scale = 10**places
    return Decimal(rng.randint(int(Decimal(low) * scale), int(Decimal(high) * scale))) / scale


def _amount(name: str, low: str, high: str) -> Border:
    return lambda rng, room: room.changed(**{name: between(rng, low, high)})


def _held(name: str, notional: str, risk: str) -> Border:
    def change(rng: Random, room: Room) -> Room:
        sign, value, lost = room.proposal.side.sign, between(rng, "0", notional), between(rng, "0", risk)
        return room.changed(exposures=(make_exposure(name, str(value), str(lost), str(sign)),))

    return change


def _level(name: str) -> Border:
    def change(rng: Random, room: Room) -> Room:
        p, away = room.proposal, between(rng, "-8", "8")
        return room.changed(**{name: p.entry + away * p.side.sign * (1 if name == "target" else -1)})

    return change


def _levels(low: str, high: str, ratio_low: str, ratio_high: str) -> Border:
    def change(rng: Random, room: Room) -> Room:
        sign, entry, away = room.proposal.side.sign, room.proposal.entry, between(rng, low, high)
        target = room.instrument.price(entry + sign * away * between(rng, ratio_low, ratio_high))
        return room.changed(stop=entry - sign * away, target=target)

    return change


def _off_grid(rng: Random, room: Room) -> Room:
    name, off = rng.choice(("stop", "target", "quantity")), Decimal(rng.choice(("0", "0.0005")))
    return room.changed(**{name: getattr(room.proposal, name) + off})


def _streak(rng: Random, room: Room) -> Room:
    results = tuple(rng.choice((-1.0, -1.0, -1.0, 2.0)) for _ in range(rng.randint(3, 8)))
    return room.changed(results=results, ts_result_last=NOW - rng.randint(0, 40) * MINUTE)


def _many(rng: Random, room: Room) -> Room:
    return room.changed(exposures=tuple(make_exposure(name, "10", "1") for name in OTHERS[: rng.randint(0, 6)]))


def _spread(rng: Random, room: Room) -> Room:
    each = str(between(rng, "1900", "2600"))
    return uncorrelated(room, tuple(make_exposure(name, each, "1") for name in OTHERS[:4]))


def _size(rng: Random, room: Room) -> Room:
    return room.changed(quantity=room.instrument.quantity(room.proposal.quantity * between(rng, "0.5", "4")))


BORDERS: tuple[Border, ...] = (
    lambda rng, room: room.changed(stop_level=rng.choice(tuple(StopLevel))),
    lambda rng, room: room.changed(ts_last=NOW + rng.randint(-5, 5) * MINUTE),
    lambda rng, room: room.changed(is_suspect=rng.random() < 0.5),
    lambda rng, room: room.changed(market=rng.choice(tuple(Market))),
    lambda rng, room: room.changed(exposures=(make_exposure("AAA", "100", "1", rng.choice(("1", "-1"))),)),
    lambda rng, room: room.changed(price_last=room.proposal.entry + between(rng, "-10", "10")),
    lambda rng, room: room.changed(orders_last_minute=rng.randint(0, 60)),
    lambda rng, room: room.changed(volume_average=rng.uniform(0, 1000)),
    lambda rng, room: room.changed(quantity=between(rng, "0.001", "0.2", 3)),
    _level("stop"), _level("target"), _levels("1", "4", "1", "2"), _levels("0.05", "0.3", "1.2", "3"),
    _levels("10", "30", "2", "2"), _off_grid, _streak, _many, _spread, _size,
    _amount("equity_peak", "10000", "16000"), _amount("equity_day_start", "9000", "12000"),
    _amount("equity_week_start", "9000", "13000"), _amount("cash", "0", "5000"),
    _held("BBB", "100", "1000"), _held("AAA", "4500", "1"), _held("BBB", "8000", "1"),
)  # fmt: skip
"""Ways to bring a good room to a limit, onto it, or beyond it: each for another rule."""


def bordering(seed: int) -> Room:
    """A good room of which none, one or two things are drawn from ranges that reach to both sides of a limit."""
    rng = Random(seed)
    side, entry, away = rng.choice(tuple(Side)), between(rng, "95", "105"), between(rng, "1", "4")
    room = Room().changed(
        side=side, entry=entry, price_last=entry, stop=entry - side.sign * away, target=entry + side.sign * 2 * away,
        quantity=between(rng, "2", "20", 3),
    )  # fmt: skip
    for _ in range(rng.randint(0, 2)):
        room = rng.choice(BORDERS)(rng, room)
    return room


@pytest.fixture(scope="session")
def bordering_room() -> st.SearchStrategy[Room]:
    return st.integers(0, 2**32).map(bordering)


@pytest.fixture(scope="session")
def any_room() -> st.SearchStrategy[Room]:
    return rooms()


@pytest.fixture(scope="session")
def promising_room() -> st.SearchStrategy[Room]:
    return promising_rooms()
