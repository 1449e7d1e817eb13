"""The published limits: how many, in which window, and what is counted together."""

import pytest

from holdfast.simulator.rate_limits import RateLimits

NOW_MS = 1_700_000_000_000


def taken(limits: RateLimits, endpoint: str, market: str, times: int, now_ms: int = NOW_MS, who: str = "a") -> int:
    return sum(not limits.count(endpoint, who, market, now_ms).is_refused for _ in range(times))


@pytest.mark.parametrize(
    ("endpoint", "limit", "window_ms"),
    [
        ("POST /spot/orders", 10, 1_000),
        ("WS spot.order_place", 10, 1_000),
        ("DELETE /spot/orders/{order_id}", 200, 1_000),
        ("GET /spot/accounts", 200, 10_000),
        ("GET /spot/order_book", 200, 10_000),
        ("GET /wallet/fee", 200, 10_000),
        ("GET /account/detail", 150, 10_000),
    ],
)
def test_a_limit_holds_for_its_window_and_not_longer(endpoint, limit, window_ms):
    limits = RateLimits()
    assert taken(limits, endpoint, "BTC_USDT", limit + 5) == limit
    refused = limits.count(endpoint, "a", "BTC_USDT", NOW_MS + window_ms - 1)
    assert (refused.is_refused, refused.remain, refused.limit) == (True, 0, limit)
    assert refused.reset_ms == NOW_MS + window_ms
    assert taken(limits, endpoint, "BTC_USDT", limit + 5, NOW_MS + window_ms) == limit


def test_placing_and_amending_count_together_per_market_and_account():
    limits = RateLimits()
    assert taken(limits, "POST /spot/orders", "BTC_USDT", 6) == 6
    assert taken(limits, "PATCH /spot/orders/{order_id}", "BTC_USDT", 6) == 4
    assert taken(limits, "WS spot.order_place", "BTC_USDT", 1) == 0
    assert taken(limits, "POST /spot/orders", "ETH_USDT", 12) == 10
    assert taken(limits, "POST /spot/orders", "BTC_USDT", 12, who="b") == 10


def test_cancels_do_not_wait_behind_orders():
    limits = RateLimits()
    assert taken(limits, "POST /spot/orders", "BTC_USDT", 50) == 10
    assert taken(limits, "DELETE /spot/orders/{order_id}", "", 50) == 50


def test_what_remains_is_told_and_refusals_do_not_count():
    limits = RateLimits()
    assert [limits.count("POST /spot/orders", "a", "", NOW_MS).remain for _ in range(12)] == [*range(9, -1, -1), 0, 0]
    assert limits.count("POST /spot/orders", "a", "", NOW_MS + 1_000).remain == 9


def test_limits_can_be_switched_off():
    assert taken(RateLimits(0), "POST /spot/orders", "BTC_USDT", 1_000) == 1_000


def test_names_of_markets_that_are_made_up_do_not_fill_the_memory():
    limits = RateLimits()
    for number in range(25_000):
        limits.count("POST /spot/orders", "a", f"M{number}", NOW_MS)
    assert len(limits._windows) <= 10_000
