"""Every label has one reaction, and what nobody knows never passes for certain."""

import json

import pytest
from tests.conftest import recorded_file

from holdfast.adapters.exchanges.gateio.errors import (
    REACTIONS,
    GateioError,
    GateioKeyError,
    GateioUnknownError,
    Reaction,
    cleaned,
    error_of,
)  # fmt: skip
from holdfast.core.errors import ConfigurationError, OutcomeUnknownError, VenueError

SEEN_IN_THE_FIELD = {
    *("REPEAT_REQUEST", "AUTO_TRIGGER_PRICE_LESS_LAST", "AUTO_TRIGGER_PRICE_GREATE_LAST", "RISK_LIMIT_TOO_lOW"),
}


@pytest.mark.recorded_data
def test_every_published_label_has_a_reaction_and_no_other_has():
    labels = {
        entry["label"] for entry in json.loads(recorded_file("../gateio/error_labels.json").read_bytes())["labels"]
    }
    assert len(labels) == 88
    assert labels | SEEN_IN_THE_FIELD == set(REACTIONS)


@pytest.mark.recorded_data
def test_every_authentication_label_is_for_a_person_but_the_clock():
    entries = json.loads(recorded_file("../gateio/error_labels.json").read_bytes())["labels"]
    for entry in entries:
        if entry["group"] == "authentication":
            expected = Reaction.RESYNC if entry["label"] == "REQUEST_EXPIRED" else Reaction.KEY
            assert REACTIONS[entry["label"]] is expected


@pytest.mark.parametrize("label", sorted(REACTIONS))
@pytest.mark.parametrize("is_order", [True, False])
def test_each_label_gives_the_error_of_its_reaction(label: str, is_order: bool):
    error = error_of(label, "words", 400, is_order)
    assert error.reaction is REACTIONS[label]
    if REACTIONS[label] is Reaction.KEY:
        assert isinstance(error, ConfigurationError)
        assert error.hint
    elif REACTIONS[label] is Reaction.UNKNOWN and is_order:
        assert isinstance(error, OutcomeUnknownError)
        assert not error.is_retryable
    else:
        assert isinstance(error, GateioError)


@pytest.mark.parametrize("label", ["", "SOMETHING_NEW", *sorted(REACTIONS)])
def test_behind_a_server_error_an_order_is_in_doubt_whatever_the_label(label: str):
    error = error_of(label, "", 502, is_order=True)
    assert isinstance(error, GateioUnknownError | GateioKeyError)
    assert isinstance(error, GateioKeyError) is False


@pytest.mark.parametrize("status", [301, 400, 403, 404, 418])
def test_unknown_label_on_an_order_is_in_doubt(status: int):
    assert isinstance(error_of("SOMETHING_NEW", "", status, is_order=True), OutcomeUnknownError)


def test_unknown_label_on_a_reading_request_is_a_plain_failure():
    error = error_of("SOMETHING_NEW", "", 400, is_order=False)
    assert type(error) is GateioError
    assert not error.is_retryable


@pytest.mark.parametrize(
    ("label", "status", "is_retryable"),
    [("", 503, True), ("TOO_BUSY", 400, True), ("TOO_MANY_REQUESTS", 429, True), ("", 429, True), ("", 404, False)],
)
def test_reading_requests_are_retried_where_it_can_help(label: str, status: int, is_retryable: bool):
    error = error_of(label, "", status, is_order=False)
    assert isinstance(error, VenueError)
    assert error.is_retryable is is_retryable


def test_too_many_requests_on_an_order_is_certain():
    error = error_of("TOO_MANY_REQUESTS", "", 429, is_order=True)
    assert type(error) is GateioError
    assert error.reaction is Reaction.SLOW_DOWN


def test_words_of_the_venue_are_short_and_plain():
    text = cleaned("a\x1b[31m\n\tb" + "x" * 10_000_000)
    assert len(text) <= 160
    assert text.isprintable()
