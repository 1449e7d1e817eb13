"""No window ever holds more than the venue allows, and what protects does not wait behind entries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio.limits import CANCEL, PLACE, PUBLIC, SPOT, RateLimiter, rule_of
from holdfast.core.time import SECOND

PLACING, CANCELLING, TICKERS = "POST /spot/orders", "DELETE /spot/orders/{id}", "GET /spot/tickers"
MARKET = "BTC_USDT"


def most_in_a_window(moments: list[int], window: int) -> int:
    moments = sorted(moments)
    return max(sum(1 for x in moments if first <= x < first + window) for first in moments)


@pytest.mark.recorded_data
def test_rules_are_the_published_ones():
    rules = {r["scope"]: r for r in json.loads(recorded_file("../gateio/rate_limits.json").read_bytes())["rules"]}
    expected = {
        "public, every endpoint": TICKERS,
        "spot order place (single, batch) and amend, together": PLACING,
        "spot order cancel (single, batch)": CANCELLING,
        "spot, other private": "GET /spot/my_trades",
        "wallet, other private": "GET /wallet/fee",
        "other private": "GET /account/detail",
    }
    for scope, endpoint in expected.items():
        rule = rule_of(endpoint)
        assert (rule.limit, rule.window) == (rules[scope]["limit"], rules[scope]["window_s"] * SECOND)


@given(st.lists(st.tuples(st.integers(0, 2 * SECOND), st.booleans()), min_size=1, max_size=60))
def test_no_window_is_overfull_and_nothing_leaves_early(steps: list[tuple[int, bool]]):
    limiter, now, moments, ordinary = RateLimiter(), 0, [], []
    for step, is_urgent in steps:
        now += step // 8
        moment = now + round(limiter.reserve(PLACING, MARKET, now, is_urgent) * SECOND)
        assert moment >= now
        moments.append(moment)
        if not is_urgent:
            ordinary.append(moment)
    # Seconds are told as a float: a nanosecond of rounding is not what the venue counts.
    assert most_in_a_window(moments, PLACE.window - 8) <= PLACE.limit
    assert not ordinary or most_in_a_window(ordinary, PLACE.window - 8) <= PLACE.limit - PLACE.kept


def test_protection_leaves_at_once_behind_a_hundred_entries():
    limiter = RateLimiter()
    waits = [limiter.reserve(PLACING, MARKET, 0) for _ in range(100)]
    assert waits[-1] > 10
    assert [limiter.reserve(PLACING, MARKET, 0, is_urgent=True) for _ in range(PLACE.kept)] == [0.0] * PLACE.kept
    assert limiter.reserve(PLACING, MARKET, 0, is_urgent=True) > 0


def test_what_is_not_sent_holds_nobody_up():
    limiter = RateLimiter()
    for _ in range(PLACE.limit):
        limiter.reserve(PLACING, MARKET, 0, is_urgent=True)
    assert [limiter.reserve(PLACING, MARKET, 0, is_urgent=True, wait_max=0.5) for _ in range(1_000)] == [1.0] * 1_000
    assert limiter.reserve(PLACING, MARKET, SECOND // 2, is_urgent=True, wait_max=0.5) == 0.5
    assert limiter.reserve(PLACING, MARKET, 2 * SECOND, wait_max=0.5) == 0.0


def test_cancels_do_not_share_with_orders():
    limiter = RateLimiter()
    for _ in range(500):
        limiter.reserve(PLACING, MARKET, 0)
    assert limiter.reserve(CANCELLING, MARKET, 0) == 0.0
    assert all(limiter.reserve("POST /spot/cancel_batch_orders", "", 0) == 0.0 for _ in range(CANCEL.limit - 1))
    assert limiter.reserve(CANCELLING, "ETH_USDT", 0) == 1.0


def test_place_and_amend_share_and_markets_do_not():
    limiter = RateLimiter()
    for _ in range(PLACE.limit):
        limiter.reserve("PATCH /spot/orders/{id}", MARKET, 0, is_urgent=True)
    assert limiter.reserve(PLACING, MARKET, 0, is_urgent=True) == 1.0
    assert limiter.reserve(PLACING, "ETH_USDT", 0) == 0.0


def test_public_endpoints_count_apart():
    limiter = RateLimiter()
    assert all(limiter.reserve(TICKERS, "", 0) == 0.0 for _ in range(PUBLIC.limit))
    assert limiter.reserve(TICKERS, "", 0) == 10.0
    assert limiter.reserve("GET /spot/order_book", "", 0) == 0.0


def test_what_is_urgent_tries_again_sooner_where_that_may_be_meant():
    limiter = RateLimiter()
    limiter.punish(PLACING, 5 * SECOND, MARKET, 4 * SECOND)
    assert limiter.wait(PLACING, MARKET, 0) == 4
    assert limiter.wait(PLACING, MARKET, 0) == 4, "to ask books nothing"
    assert limiter.reserve(PLACING, MARKET, 0) == 5
    assert limiter.reserve(PLACING, MARKET, 0, is_urgent=True) == 4


def test_punished_endpoint_rests_and_others_go_on():
    limiter = RateLimiter()
    limiter.punish(PLACING, 5 * SECOND, MARKET)
    assert limiter.reserve(PLACING, MARKET, SECOND) == 4.0
    assert limiter.reserve(PLACING, "ETH_USDT", SECOND) == 0.0
    assert limiter.reserve(CANCELLING, MARKET, SECOND) == 0.0


def test_requests_of_somebody_else_with_our_key_count():
    limiter = RateLimiter()
    headers = {"X-Gate-RateLimit-Limit": "200", "X-Gate-RateLimit-Requests-Remain": "0"}
    limiter.observe(headers, "GET /spot/my_trades", "", 0)
    assert limiter.reserve("GET /spot/my_trades", "", 0, is_urgent=True) == SPOT.window / SECOND


def test_late_answer_about_our_own_requests_holds_nothing_back():
    limiter = RateLimiter()
    for _ in range(PLACE.limit):
        limiter.reserve(PLACING, MARKET, 0, is_urgent=True)
    assert limiter.reserve(PLACING, MARKET, SECOND + 1, is_urgent=True) == 0.0
    headers = {"X-Gate-RateLimit-Limit": "10", "X-Gate-RateLimit-Requests-Remain": "0"}
    limiter.observe(headers, PLACING, MARKET, 0)
    assert limiter.reserve(PLACING, MARKET, SECOND + 1, is_urgent=True) == 0.0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Gate-RateLimit-Limit": "200"},
        {"X-Gate-RateLimit-Limit": "0", "X-Gate-RateLimit-Requests-Remain": "0"},
        {"X-Gate-RateLimit-Limit": "-1", "X-Gate-RateLimit-Requests-Remain": "NaN"},
        {"X-Gate-RateLimit-Limit": "٣", "X-Gate-RateLimit-Requests-Remain": "²"},
        {"X-Gate-RateLimit-Limit": "9" * 5000, "X-Gate-RateLimit-Requests-Remain": "0"},
        {"X-Gate-RateLimit-Limit": "10", "X-Gate-RateLimit-Requests-Remain": "11"},
    ],
)
def test_garbled_headers_change_nothing(headers: dict[str, str]):
    limiter = RateLimiter()
    limiter.observe(headers, PLACING, MARKET, 0)
    assert limiter.reserve(PLACING, MARKET, 0) == 0.0


def test_many_markets_do_not_fill_the_memory():
    limiter = RateLimiter()
    for number in range(25_000):
        limiter.reserve(PLACING, f"C{number}_USDT", 0)
    assert len(limiter._windows) <= 10_000
