"""Why a trade lost more than it was allowed to: the cause is the one without which it would not have."""

from decimal import Decimal

import msgspec
import pytest

from holdfast.domain.order import Liquidity, Order, OrderFilled, OrderSpec, OrderType, Role, TimeInForce
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Ratio, Side
from holdfast.engine.protection import Protection
from holdfast.engine.trade import Bracket, OpenTrade
from holdfast.risk.config import RiskConfig
from holdfast.risk.costs import CostReserve
from holdfast.risk.exits import ExitConfig
from holdfast.risk.gate import RiskGate

D = Decimal
NAME = InstrumentId("BTC/USDT.SIM")
FEE = D("0.001")
# A tenth of a percent may be lost to slippage on the way out.
RESERVE = CostReserve(Ratio(FEE), Ratio(D("0.001")), rounding=D("0.02"))


class Story:
    """A long entered at 100 with its stop at 90, allowed to lose 11 a unit; prices of a short are mirrored at 100."""

    def __init__(self, side: Side = Side.BUY) -> None:
        self.side, self.count = side, 0
        stop = self.price("90")
        self.trade = OpenTrade(
            OrderId("t"), NAME, side, "test", [], stop, float(stop), stop, self.price("120"), D(10), D(0), D(11),
            D("0.01"), D("0.001"), [],
        )  # fmt: skip
        self.protection = Protection(RiskGate(RiskConfig(), {NAME: RESERVE}), ExitConfig())

    def price(self, text: str) -> Price:
        return Price(D(text) if self.side is Side.BUY else 200 - D(text))

    def fill(self, price: str, quantity: str, reference: str, *, is_late: bool = False) -> OrderFilled:
        self.count += 1
        paid = self.price(price) * D(quantity) * FEE
        return OrderFilled(
            OrderId("o"), self.count, f"T{self.count}", self.price(price), Quantity(D(quantity)),
            Money(paid, Asset("USDT")), Liquidity.TAKER, self.price(reference), is_late, is_late,
        )  # fmt: skip

    def enter(self, price: str, quantity: str = "1") -> None:
        fill = self.fill(price, quantity, price)
        self.trade.enter(fill)
        self.trade.risk += self.protection._risk(self.trade, fill, RESERVE) * fill.quantity
        group = f"t.{len(self.trade.brackets)}"
        self.trade.brackets.append(Bracket(group, fill.quantity, self.trade.stop, OrderId("s"), []))

    def leave(
        self, price: str, quantity: str = "1", role: Role = Role.STOP, reference: str = "90", part: int = 0,
        *, is_late: bool = False,
    ) -> None:  # fmt: skip
        spec = OrderSpec(
            OrderId("o"), NAME, self.side.opposite, OrderType.MARKET, Quantity(D(quantity)), role,
            time_in_force=TimeInForce.IOC, group=f"t.{part}",
        )  # fmt: skip
        self.trade.leave(Order.of(spec), self.fill(price, quantity, reference, is_late=is_late))

    @property
    def cause(self) -> str:
        assert not self.trade.held
        return self.trade.closed().excess_cause


@pytest.fixture(params=[Side.BUY, Side.SELL])
def story(request: pytest.FixtureRequest) -> Story:
    return Story(request.param)


def test_a_loss_within_the_risk_has_no_cause(story: Story):
    story.enter("100")
    story.leave("89.95")
    assert story.cause == ""


def test_an_entry_whose_later_part_was_dearer_is_liquidity(story: Story):
    story.enter("100")
    story.enter("105")
    story.leave("89.95", "2")
    assert story.cause == "liquidity"


def test_an_exit_whose_later_part_was_worse_is_liquidity(story: Story):
    story.enter("100", "2")
    story.leave("89.95")
    story.leave("88", reference="90")
    assert story.cause == "liquidity"


def test_an_exit_in_parts_of_which_the_first_was_swept_is_a_sweep(story: Story):
    """Seed 497: sold in two parts, of which the later was the better one."""
    story.enter("100", "2")
    story.leave("87")
    story.leave("89.95")
    assert story.cause == "sweep"


def test_an_exit_in_parts_after_an_entry_that_the_market_had_jumped_away_from_is_a_gap(story: Story):
    """Seed 1309: allowed to lose 11 a unit, it was 20 beyond the stop when it was bought."""
    story.enter("110", "2")
    story.leave("89.95")
    story.leave("89.95")
    assert story.cause == "gap"


def test_an_entry_that_jumped_and_then_came_back_is_a_gap(story: Story):
    story.enter("110")
    story.enter("104")
    story.leave("89.95", "2")
    assert story.cause == "gap"


def test_an_entry_in_parts_that_was_swept_at_its_stop_is_a_sweep(story: Story):
    story.enter("100")
    story.enter("100.1")
    story.leave("85", "2")
    assert story.cause == "sweep"


def test_a_market_beyond_the_stop_is_a_gap_whatever_else(story: Story):
    story.enter("100", "2")
    story.leave("89.95")
    story.leave("85", reference="85.05")
    assert story.cause == "gap"


def test_a_market_beyond_a_stop_that_had_moved_before_the_later_part_is_a_gap(story: Story):
    """Seed 208621: what the later part may lose was reckoned from 95, and the market opened at 91."""
    story.enter("100")
    story.trade.stop = story.price("95")
    story.enter("96")
    story.leave("90.95", reference="91")
    story.leave("90.95", reference="91", part=1)
    assert story.cause == "gap"


def test_a_stop_that_had_not_moved_yet_at_the_venue_is_no_gap(story: Story):
    """Seed 219812: the first part is stopped where its own stop still was, the dearer later one at the new level."""
    story.enter("100")
    story.trade.stop = story.price("95")
    story.enter("111")
    story.leave("89.95")
    story.leave("94.95", reference="95", part=1)
    assert story.cause == "liquidity"


def test_parts_for_another_end_are_no_worse_parts(story: Story):
    """What was sold at a target is no first part of what was stopped out."""
    story.enter("100", "2")
    story.leave("101", role=Role.TARGET, reference="101")
    story.leave("75")
    assert story.cause == "sweep"


def test_the_worse_parts_of_a_checkpoint_are_not_forgotten(story: Story):
    story.enter("100")
    story.enter("105")
    story.trade = msgspec.json.decode(msgspec.json.encode(story.trade), type=OpenTrade)
    story.leave("89.95", "2")
    assert story.cause == "liquidity"


def test_a_stop_that_came_too_late_is_latency(story: Story):
    story.enter("100")
    story.leave("80", is_late=True)
    assert story.cause == "latency"
