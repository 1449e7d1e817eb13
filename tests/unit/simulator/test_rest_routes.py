"""Paths lead to the endpoints of the documents, and a request says what it is about."""

import pytest

from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call, Routes

ROUTES = Routes(["GET /spot/orders", "POST /spot/orders", "GET /spot/orders/{order_id}", "GET /spot/time"])


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/spot/orders", ("GET /spot/orders", "")),
        ("GET", "/spot/orders/12", ("GET /spot/orders/{order_id}", "12")),
        ("GET", "/spot/orders/t-a.b", ("GET /spot/orders/{order_id}", "t-a.b")),
        ("GET", "/spot/time", ("GET /spot/time", "")),
    ],
)
def test_a_path_leads_to_its_endpoint(method, path, expected):
    assert ROUTES.find(method, path) == expected


@pytest.mark.parametrize(
    ("method", "path", "label", "status"),
    [
        ("GET", "/spot/none", "NOT_FOUND", 404),
        ("GET", "/spot/orders/1/2", "NOT_FOUND", 404),
        ("GET", "", "NOT_FOUND", 404),
        ("POST", "/spot/time", "METHOD_NOT_ALLOWED", 405),
        ("PATCH", "/spot/orders/12", "METHOD_NOT_ALLOWED", 405),
    ],
)
def test_what_the_venue_does_not_have_is_refused(method, path, label, status):
    with pytest.raises(VenueRefusal) as refused:
        ROUTES.find(method, path)
    assert (refused.value.label, refused.value.status) == (label, status)


@pytest.mark.parametrize(
    ("query", "body", "market"),
    [
        ("currency_pair=BTC_USDT&limit=1", "", "BTC_USDT"),
        ("", '{"currency_pair":"ETH_USDT"}', "ETH_USDT"),
        ("", '[{"currency_pair":"ETH_USDT"},{"currency_pair":"BTC_USDT"}]', "ETH_USDT"),
        ("", "[]", ""),
        ("", "{", ""),
        ("", "3", ""),
    ],
)
def test_a_call_says_which_market_it_is_about(query, body, market):
    assert Call("POST /spot/orders", query=query, body=body).market == market


@pytest.mark.parametrize("body", ["{", "[1]", "3", '"x"', "null"])
def test_a_body_of_another_shape_is_refused(body):
    for read in (Call("x", body=body).document, Call("x", body=body).documents):
        with pytest.raises(VenueRefusal, match="INVALID_REQUEST_BODY"):
            read()
