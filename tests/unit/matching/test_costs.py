from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.matching.conftest import make_instrument

from holdfast.domain.instrument import FeeTier, Instrument
from holdfast.domain.order import Liquidity
from holdfast.domain.values import Asset, InstrumentId, Side
from holdfast.matching.config import MatchingConfig
from holdfast.matching.costs import fee, fee_rate_max, half_spread, slippage, slippage_max, taker_price

CONFIG = MatchingConfig(spread_bps=Decimal(4), slippage_bps=Decimal(3), impact=Decimal("0.02"))


def with_fees(maker: str, taker: str) -> Instrument:
    tier = FeeTier(Decimal(0), Decimal(maker), Decimal(taker))
    one = Decimal("0.01")
    return Instrument(InstrumentId("A/B.T"), Asset("A"), Asset("B"), one, one, one, (tier,))


def test_the_parts_of_a_cost():
    assert half_spread(CONFIG) == Decimal("0.0002")
    assert slippage(CONFIG, Decimal(0)) == Decimal("0.0003")
    assert slippage(CONFIG, Decimal("0.1")) == Decimal("0.0023")
    assert slippage_max(CONFIG) == Decimal("0.0025")


def test_without_a_limit_of_participation_the_whole_volume_counts():
    config = MatchingConfig(
        spread_bps=Decimal(0), slippage_bps=Decimal(0), impact=Decimal("0.02"), participation_max=None
    )
    assert slippage_max(config) == Decimal("0.02")


def test_an_ideal_market_has_no_slippage():
    assert slippage_max(MatchingConfig.ideal()) == 0


@given(share=st.decimals(0, "0.1", places=6))
def test_no_share_that_participation_allows_costs_more_than_slippage_max(share: Decimal):
    assert half_spread(CONFIG) + slippage(CONFIG, share) <= slippage_max(CONFIG)


@given(base=st.decimals("0.01", 100_000, places=4), adverse=st.decimals(0, "1.5", places=5))
def test_a_taker_pays_on_the_tick_and_never_less_than_the_cost(base: Decimal, adverse: Decimal):
    instrument = make_instrument()
    bought = taker_price(base, Side.BUY, adverse, instrument)
    sold = taker_price(base, Side.SELL, adverse, instrument)
    assert bought >= base * (1 + adverse)
    assert instrument.tick <= sold
    assert sold <= max(base * (1 - adverse), instrument.tick)
    assert bought % instrument.tick == sold % instrument.tick == 0


def test_fees_are_exact_and_a_rebate_is_negative():
    instrument = with_fees("-0.00025", "0.00075")
    assert fee(CONFIG, instrument, Decimal("123.45"), Liquidity.TAKER).amount == Decimal("0.0925875")
    assert fee(CONFIG, instrument, Decimal("123.45"), Liquidity.MAKER).amount == Decimal("-0.0308625")
    assert fee_rate_max(CONFIG, instrument) == Decimal("0.00075")


def test_the_reserve_is_the_dearer_of_both_rates():
    assert fee_rate_max(CONFIG, with_fees("0.003", "0.001")) == Decimal("0.003")
    assert fee_rate_max(CONFIG, with_fees("-0.003", "0")) == 0


def test_a_frictionless_market_takes_no_fee():
    free = MatchingConfig.frictionless()
    assert fee(free, with_fees("0.1", "0.1"), Decimal(100), Liquidity.TAKER).amount == 0
