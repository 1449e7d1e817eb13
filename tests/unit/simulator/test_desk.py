"""What the venue wrote down, repeated, gives the same venue to the last digit; refused requests leave nothing."""

import itertools
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.simulator.served import make_desk
from tests.unit.simulator.venues import ANN, BOB

from holdfast.core.time import SECOND
from holdfast.simulator.desk import Desk
from holdfast.simulator.fault_plan import FaultKind, FaultRule
from holdfast.simulator.refusal import VenueRefusal
from holdfast.simulator.rest_routes import Call
from holdfast.simulator.state import snapshot
from holdfast.simulator.state_folder import StateFolder

NOW = 1_800_000_000 * SECOND
prices = st.sampled_from(["97", "99.5", "100", "100.5", "103"])
amounts = st.sampled_from(["0.5", "1", "7", "30"])
steps = st.lists(
    st.one_of(
        st.tuples(st.just("place"), st.sampled_from([ANN, BOB]), st.sampled_from(["buy", "sell"]), prices, amounts),
        st.tuples(st.just("market"), st.sampled_from([ANN, BOB]), st.sampled_from(["buy", "sell"]), prices, amounts),
        st.tuples(st.just("partly"), st.sampled_from([ANN, BOB]), st.sampled_from(["buy", "sell"]), prices, amounts),
        st.tuples(st.just("trigger"), st.sampled_from([ANN, BOB]), st.just("sell"), st.just("99.6"), amounts),
        st.tuples(st.just("cancel"), st.sampled_from([ANN, BOB])),
        st.tuples(st.just("countdown"), st.sampled_from([ANN, BOB])),
        st.tuples(st.just("move")),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


def ask(desk: Desk, endpoint: str, account: str, body: object, number: int) -> None:
    try:
        desk.perform(Call(endpoint, account, body=json.dumps(body), ts=NOW + number * 2 * SECOND))
    except VenueRefusal:
        return


def act(desk: Desk, step: tuple, number: int) -> None:
    match step:
        case ("place" | "market" | "partly" as kind, account, side, price, amount):
            if kind == "partly":
                desk.faults.arm([FaultRule(FaultKind.PARTIAL_FILL, amount=0.3)], 0)
            order = {"currency_pair": "BTC_USDT", "side": side, "amount": amount, "text": f"t-{number}"}
            more = {"type": "market", "time_in_force": "ioc"} if kind == "market" else {"price": price}
            ask(desk, "POST /spot/orders", account, {**order, **more}, number)
        case ("trigger", account, side, price, amount):
            put = {"type": "market", "side": side, "price": "0", "amount": amount, "time_in_force": "ioc"}
            body = {"market": "BTC_USDT", "trigger": {"price": price, "rule": "<="}, "put": put}
            ask(desk, "POST /spot/price_orders", account, body, number)
        case ("cancel", account):
            ask(desk, "DELETE /spot/orders", account, {}, number)
        case ("countdown", account):
            ask(desk, "POST /spot/countdown_cancel_all", account, {"timeout": 5}, number)
        case ("move",) if (ts := desk.exchange.next_ts) is not None:
            desk.go_on(ts)


def state_of(desk: Desk) -> dict:
    return json.loads(snapshot(desk.exchange, desk.triggers))


@settings(max_examples=60)
@given(steps)
def test_a_venue_that_starts_again_is_the_one_that_answered(taken):
    with TemporaryDirectory() as name:
        folder, desk = StateFolder(Path(name)), make_desk(0)
        desk.keep_in(folder)
        for number, step in enumerate([*taken, ("restart",)]):
            if step != ("restart",):
                act(desk, step, number)
                continue
            before = state_of(desk)
            folder.close()  # as a kill leaves it: nothing is written at the end
            folder, desk = StateFolder(Path(name)), make_desk(0)
            desk.keep_in(folder)
            assert state_of(desk) == before
        folder.close()


def test_what_is_refused_is_not_written_down(tmp_path):
    with StateFolder(tmp_path) as folder:
        desk = make_desk()
        desk.keep_in(folder)
        with pytest.raises(VenueRefusal):
            desk.perform(Call("POST /spot/orders", ANN, body="{}", ts=NOW))
        desk.perform(Call("GET /spot/accounts", ANN, ts=NOW))
        assert (tmp_path / "requests-1.jsonl").read_bytes() == b""


def test_advancing_finishes_whole_bars():
    desk = make_desk()
    hours = []
    for _ in range(3):
        assert desk.advance(1) == 1
        hours.append(desk.exchange.ts)
    assert [later - earlier for earlier, later in itertools.pairwise(hours)] == [3_600 * SECOND] * 2
    assert desk.advance(10) == 2
    assert desk.advance(1) == 0
