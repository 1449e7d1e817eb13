"""Which venue is traded at: Gate.io by its own client, every other through ccxt, each with a clear word where not."""

import socket
import sys
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
from aiohttp import web
from tests.contract import binance_model
from tests.contract.binance_model import BinanceModel
from tests.contract.model_venue import Served
from tests.unit.adapters.exchanges.gateio.loopback import answer_of
from tests.unit.adapters.exchanges.gateio.test_client import Door

from holdfast.adapters.exchanges.ccxt.client import CcxtExchange
from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.host.clock import SystemClock
from holdfast.adapters.storage.sqlite.journal import SqliteJournal
from holdfast.app.home import Home
from holdfast.app.live import has_begun, open_exchange, public_venue, real_venue
from holdfast.app.live_doctor import _advices, _balances, _owners, examine_venue
from holdfast.app.sections import MarketSettings, VenueSettings
from holdfast.app.settings import Settings, flag, load_settings
from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.record import encode
from holdfast.engine.recorder import RUN
from holdfast.ports.journal import Entry
from holdfast.services.doctor import State
from holdfast.testing.builders import make_instrument, make_plan, make_run


def settings_of(tmp_path: Path, **venue: object) -> Settings:
    flags = [x for key, value in venue.items() for x in flag(f"venue.{key}", value, f"--{key}")]
    return load_settings(tmp_path / "none.toml", {}, flags).settings


def test_a_venue_of_ccxts_is_named_with_its_prefix():
    assert VenueSettings("ccxt:binance").exchange == "ccxt:binance"
    with pytest.raises(ConfigurationError, match="'kraken', valid is gateio or ccxt:NAME") as caught:
        VenueSettings("kraken")
    assert "ccxt:binance" in caught.value.hint
    with pytest.raises(ConfigurationError, match="no name of a venue"):
        VenueSettings("ccxt:../etc")


def test_each_name_opens_its_own_client(tmp_path: Path):
    for name, kind in (("gateio", GateioExchange), ("ccxt:coinbase", CcxtExchange)):
        exchange = open_exchange(public_venue(settings_of(tmp_path, exchange=name)), VenueSettings())
        assert isinstance(exchange, kind)
        exchange.close()


def test_orders_over_the_websocket_are_for_gateio_alone():
    assert VenueSettings(orders="socket").orders == "socket"
    with pytest.raises(ConfigurationError, match="for gateio alone") as caught:
        VenueSettings("ccxt:binance", orders="socket")
    assert caught.value.hint == "leave out orders"


@pytest.mark.parametrize("label", ["", "INVALID_SIGNATURE", "TOO_BUSY"])
def test_the_checklist_logs_in_to_the_websocket_where_orders_are_to_go_over_it(tmp_path: Path, label: str):
    door = Door()
    key_file = tmp_path / "venue.toml"
    key_file.write_text('key = "some-key"\nsecret = "some-other-secret"\n')
    key_file.chmod(0o600)

    async def refuse(socket: web.WebSocketResponse, request: dict[str, Any]) -> bool:
        if label:
            await socket.send_json(answer_of(request, None, "401", label))
        return bool(label)

    door.sockets.on_request = refuse
    try:
        found = {}
        for way in ("rest", "socket"):
            settings = settings_of(tmp_path, url=door.url, orders=way)
            found[way] = {check.name: check for check in examine_venue(settings, real_venue(Home(tmp_path), settings))}
    finally:
        door.close()
    assert "orders" not in found["rest"]
    check = found["socket"]["orders"]
    assert check.state is (State.FAIL if label else State.OK)
    assert label in check.message
    assert not label or check.next


def test_a_venue_that_never_answers_is_asked_for_its_time_and_for_nothing_else(tmp_path: Path):
    key_file = tmp_path / "venue.toml"
    key_file.write_text('key = "some-key"\nsecret = "some-other-secret"\n')
    key_file.chmod(0o600)
    asked: list[bytes] = []

    def hang_up(listener: socket.socket) -> None:
        with suppress(OSError):  # it was closed: the test is over
            while True:
                caller, _ = listener.accept()
                asked.append(caller.recv(4_096).partition(b"\r\n")[0])
                caller.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=hang_up, args=(listener,), daemon=True).start()
        settings = settings_of(tmp_path, url=f"http://127.0.0.1:{listener.getsockname()[1]}")
        found = {check.name: check for check in examine_venue(settings, real_venue(Home(tmp_path), settings))}
        listener.shutdown(socket.SHUT_RDWR)
    assert set(asked) == {b"GET /api/v4/spot/time HTTP/1.1"}
    assert {(check.state, check.is_away) for check in found.values()} == {(State.FAIL, True)}
    assert settings.venue.url in found.pop("venue clock").next
    assert set(found) == {"key", "pairs", "balances", "abilities"}
    assert {check.message for check in found.values()} == {"not asked, for the venue does not answer"}


@pytest.mark.parametrize("name", ["gateio", "ccxt:binance"])
def test_the_patience_of_the_settings_holds_for_every_client(tmp_path: Path, name: str):
    place = VenueSettings(name, answer_timeout_ms=12_000)
    exchange = open_exchange(public_venue(settings_of(tmp_path, exchange=name)), place)
    assert exchange._config.answer_timeout_ms == 12_000
    assert exchange._config.request_timeout_ms >= 12_000
    exchange.close()


def test_without_ccxt_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ccxt.async_support", None)
    with pytest.raises(ConfigurationError, match="needs ccxt, which is not installed") as caught:
        open_exchange(public_venue(settings_of(tmp_path, exchange="ccxt:binance")), VenueSettings())
    assert caught.value.hint == "pip install 'holdfast[ccxt]'"


def test_the_checklist_looks_at_a_venue_of_ccxts_and_says_what_it_does_not_do(tmp_path: Path):
    served = Served(BinanceModel().app)
    key_file = tmp_path / "venue.toml"
    key_file.write_text(f'key = "{binance_model.KEY}"\nsecret = "{binance_model.SECRET}"\n')
    key_file.chmod(0o600)
    try:
        settings = settings_of(tmp_path, exchange="ccxt:binance", url=served.url)
        venue = real_venue(Home(tmp_path), settings)
        found = {check.name: check for check in examine_venue(settings, venue)}
    finally:
        served.close()
    assert {name: check.state for name, check in found.items()} == {
        "venue clock": State.OK, "key": State.OK, "pairs": State.OK, "balances": State.OK, "abilities": State.WARN,
    }  # fmt: skip
    assert "BTC/USDT.BINANCE tick 0.01" in found["pairs"].message
    assert "targets wait in the agent" in found["abilities"].message
    assert "no stop rests" not in found["abilities"].message


def test_a_wrong_secret_fails_the_checklist_and_is_not_shown(tmp_path: Path):
    served = Served(BinanceModel().app)
    key_file = tmp_path / "venue.toml"
    key_file.write_text(f'key = "{binance_model.KEY}"\nsecret = "some-other-secret"\n')
    key_file.chmod(0o600)
    try:
        settings = settings_of(tmp_path, exchange="ccxt:binance", url=served.url)
        found = examine_venue(settings, real_venue(Home(tmp_path), settings))
    finally:
        served.close()
    (key,) = [check for check in found if check.name == "key"]
    assert key.state is State.FAIL
    assert "some-other-secret" not in str(found)
    assert binance_model.KEY not in str(found)


def test_a_run_that_goes_on_need_not_have_what_it_began_with(tmp_path: Path):
    served = Served(BinanceModel().app)
    key_file = tmp_path / "venue.toml"
    key_file.write_text(f'key = "{binance_model.KEY}"\nsecret = "{binance_model.SECRET}"\n')
    key_file.chmod(0o600)
    flags = [
        *flag("venue.exchange", "ccxt:binance", "a"), *flag("venue.url", served.url, "b"),
        *flag("engine.capital", "100000000", "c"),
    ]  # fmt: skip
    settings = load_settings(tmp_path / "none.toml", {}, flags).settings
    try:
        venue = real_venue(Home(tmp_path), settings)
        states = [
            {check.name: check.state for check in examine_venue(settings, venue, is_begun=is_begun)}["balances"]
            for is_begun in (False, True)
        ]
    finally:
        served.close()
    assert states == [State.FAIL, State.OK]


def test_a_live_run_has_begun_when_the_journal_says_so(tmp_path: Path):
    home = Home(tmp_path / "home")
    assert not has_begun(home)
    home.create()
    journal = SqliteJournal(home.journal, SystemClock())
    plan = make_plan(make_instrument())
    found = []
    for mode in ("live", "practice", "live"):
        journal.append([Entry(RUN, encode(make_run(plan, mode=mode)))]).wait()
        found.append(has_begun(home))
    journal.close()
    assert found == [True, False, True]


# -- several accounts --------------------------------------------------------------------------------------------------

TWO = """
[engine]
capital = 10000
[market]
instruments = ["BTC/USDT"]
[venue]
url = "http://127.0.0.1:1"
key_file = "{folder}/one.toml"
[[venue.accounts]]
exchange = "ccxt:binance"
url = "{url}"
key_file = "{folder}/two.toml"
capital = 4000
instruments = ["BTC/USDT", "ETH/USDT"]
"""


def two(tmp_path: Path, text: str = TWO, url: str = "http://127.0.0.1:2") -> Settings:
    for name in ("one", "two"):
        key_file = tmp_path / f"{name}.toml"
        key_file.write_text(f'key = "{binance_model.KEY}"\nsecret = "{binance_model.SECRET}"\n')
        key_file.chmod(0o600)
    path = tmp_path / "holdfast.toml"
    path.write_text(text.replace("{folder}", str(tmp_path)).replace("{url}", url))
    return load_settings(path, {}).settings


def test_each_account_has_its_place_its_pairs_and_its_part_of_the_capital(tmp_path: Path):
    settings = two(tmp_path)
    venue = real_venue(Home(tmp_path), settings)
    assert venue.told == "Gate.io at http://127.0.0.1:1 and binance (through ccxt) at http://127.0.0.1:2"
    assert venue.is_here
    found = [(x.name, x.settings.engine.capital, x.settings.market.instruments, x.venue.url) for x in venue.accounts]
    assert found == [
        ("GATEIO", Decimal(6000), ("BTC/USDT",), "http://127.0.0.1:1"),
        ("BINANCE", Decimal(4000), ("BTC/USDT", "ETH/USDT"), "http://127.0.0.1:2"),
    ]
    assert not real_venue(Home(tmp_path), two(tmp_path, TWO.replace("http://127.0.0.1:1", ""))).is_here


def test_a_second_account_at_a_venue_has_a_name_in_its_instruments(tmp_path: Path):
    text = TWO.replace('exchange = "ccxt:binance"', 'account_name = "savings"')
    venue = real_venue(Home(tmp_path), two(tmp_path, text))
    assert [x.name for x in venue.accounts] == ["GATEIO", "GATEIO-SAVINGS"]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ('exchange = "ccxt:binance"', "", "two accounts are called GATEIO"),
        ('key_file = "{folder}/two.toml"', "", "BINANCE has no key file of its own"),
        ("capital = 4000", "", "the capital of BINANCE is 0"),
        ("capital = 4000", "capital = -1", "the capital of BINANCE is -1"),
        ("capital = 4000", 'capital = "NaN"', "the capital of BINANCE is NaN"),
        ("capital = 4000", 'capital = 4000\naccount_name = "a.b"', "letters or digits"),
        ("capital = 4000", "capital = 4000\ntunnel = 'HOST'", "tunnel"),
        ("capital = 4000", "capital = 4000\nexchange2 = 1", "exchange2"),
    ],
)
def test_an_account_that_is_none_is_refused_where_it_stands(tmp_path: Path, before: str, after: str, told: str):
    with pytest.raises(ConfigurationError, match=told) as caught:
        two(tmp_path, TWO.replace(before, after))
    assert "holdfast.toml" in str(caught.value)


def test_accounts_that_leave_nothing_for_the_first_are_refused(tmp_path: Path):
    settings = two(tmp_path, TWO.replace("capital = 4000", "capital = 10000"))
    with pytest.raises(ConfigurationError, match="nothing is left for GATEIO"):
        real_venue(Home(tmp_path), settings)


@pytest.mark.parametrize(
    ("before", "after", "told", "hint"),
    [
        ('instruments = ["BTC/USDT"]', 'instruments = ["BTC/USDT.KRAKEN"]', "GATEIO, and", "an account for KRAKEN"),
        ('instruments = ["BTC/USDT"]', 'instruments = ["eth/usdt.binance"]', "GATEIO, and", "table of BINANCE"),
        ('"ETH/USDT"]', '"ETH/USDT.GATEIO-NOPE"]', "BINANCE, and", "write ETH/USDT for BINANCE"),
        ('"ETH/USDT"]', '"ETH/USDT.GATEIO"]', "BINANCE, and", "write ETH/USDT into instruments of [market]"),
    ],
)
def test_an_instrument_that_names_another_venue_is_refused(
    tmp_path: Path, before: str, after: str, told: str, hint: str
):
    with pytest.raises(ConfigurationError, match=f"would be traded at {told}.*configured: GATEIO, BINANCE") as caught:
        real_venue(Home(tmp_path), two(tmp_path, TWO.replace(before, after, 1)))
    assert hint in caught.value.hint
    for named in ("BTC/USDT.GATEIO", "btc/usdt.gateio"):
        assert real_venue(Home(tmp_path), two(tmp_path, TWO.replace(before, before.replace("BTC/USDT", named), 1)))


def test_an_instrument_of_another_venue_is_refused_where_there_is_one_and_on_paper(tmp_path: Path):
    settings = settings_of(tmp_path)
    settings = msgspec.structs.replace(settings, market=MarketSettings(instruments=("ETH/USDT.BINANCE",)))
    for opened in (lambda: real_venue(Home(tmp_path), settings), lambda: public_venue(settings)):
        with pytest.raises(ConfigurationError, match="configured: GATEIO"):
            opened()


def test_where_too_little_lies_at_an_account_the_advice_names_what_holds_its_part(tmp_path: Path):
    first, further = _advices(real_venue(Home(tmp_path), two(tmp_path)).accounts)
    assert first(Decimal(500)) == "trade less: --capital 4500", "4000 of it lie at the other"
    assert further(Decimal(500)) == "trade less there: lower capital in the [[venue.accounts]] table of BINANCE to 500"


@pytest.mark.parametrize(("held", "told"), [("0", "bring some in"), ("7", "bring some in, or lower it to 7")])
def test_the_checklist_advises_what_it_was_given_to(tmp_path: Path, held: str, told: str):
    door = Door()
    door.answers["GET /spot/accounts"] = [{"currency": "USDT", "available": held, "locked": "0"}]
    settings = settings_of(tmp_path, url=door.url)
    settings = msgspec.structs.replace(settings, market=MarketSettings(instruments=("BTC/USDT",)))
    key_file = tmp_path / "venue.toml"
    key_file.write_text('key = "some-key"\nsecret = "some-other-secret"\n')
    key_file.chmod(0o600)
    exchange = open_exchange(real_venue(Home(tmp_path), settings), settings.venue)
    try:
        found = _balances(exchange, settings, lambda held: f"lower it to {held:f}", is_begun=False)
    finally:
        exchange.close()
        door.close()
    assert (found.state, found.next) == (State.FAIL, told)


def test_a_key_that_was_copied_into_a_second_file_is_refused_without_being_shown(tmp_path: Path):
    text = TWO.replace('exchange = "ccxt:binance"', 'account_name = "savings"')
    for url in ("http://127.0.0.1:1", "http://localhost:1/"):
        with pytest.raises(ConfigurationError, match="GATEIO and GATEIO-SAVINGS have the same key") as caught:
            real_venue(Home(tmp_path), two(tmp_path, text, url))
        assert "another account" in caught.value.hint
        assert binance_model.KEY not in str(caught.value) + caught.value.hint
    abroad = text.replace("http://127.0.0.1:1", "")
    with pytest.raises(ConfigurationError, match="the same key"):
        real_venue(Home(tmp_path), two(tmp_path, abroad, "https://api.gateio.ws"))


@pytest.mark.parametrize("answer", ["same", "other", "none"])
def test_two_keys_of_one_user_are_one_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str):
    text = TWO.replace('exchange = "ccxt:binance"', 'account_name = "savings"')
    settings = two(tmp_path, text, "http://127.0.0.1:1")
    (tmp_path / "two.toml").write_text('key = "another-key"\nsecret = "another-secret"\n')
    users = {"same": ["7", "7"], "other": ["7", "8"]}.get(answer, [])

    def user_id(_: GateioExchange) -> str:
        if not users:
            raise VenueError("forbidden", venue="gateio")
        return users.pop(0)

    monkeypatch.setattr(GateioExchange, "user_id", user_id)
    found = _owners(real_venue(Home(tmp_path), settings).accounts)
    assert [(x.name, x.state) for x in found] == {
        "same": [("GATEIO-SAVINGS owner", State.FAIL)], "other": [],
        "none": [("GATEIO owner", State.WARN), ("GATEIO-SAVINGS owner", State.WARN)],
    }[answer]  # fmt: skip
    assert all(x.next for x in found)


def test_gateio_says_whose_account_a_key_belongs_to(tmp_path: Path):
    door = Door()
    key_file = tmp_path / "venue.toml"
    key_file.write_text('key = "some-key"\nsecret = "some-other-secret"\n')
    key_file.chmod(0o600)
    settings = settings_of(tmp_path, url=door.url)
    door.answers["GET /account/detail"] = {"user_id": 42}
    exchange = open_exchange(real_venue(Home(tmp_path), settings), settings.venue)
    try:
        assert isinstance(exchange, GateioExchange)
        assert exchange.user_id() == "42"
    finally:
        exchange.close()
        door.close()


@pytest.mark.slow
def test_the_checklist_looks_at_each_account_and_a_run_that_goes_on_may_lack_one(tmp_path: Path):
    served = Served(BinanceModel().app)
    try:
        settings = two(tmp_path, TWO.replace('"BTC/USDT", "ETH/USDT"', '"BTC/USDT"'), served.url)
        venue = real_venue(Home(tmp_path), settings)
        first, later = (
            {check.name: check for check in examine_venue(settings, venue, is_begun=is_begun)}
            for is_begun in (False, True)
        )
    finally:
        served.close()
    assert first["GATEIO venue clock"].state is State.FAIL
    assert first["BINANCE balances"].state is State.OK
    assert "BTC/USDT.BINANCE" in first["BINANCE pairs"].message
    assert later["GATEIO venue"].state is State.WARN
    assert "out of reach" in later["GATEIO venue"].message
    assert later["BINANCE key"].state is State.OK
    none = examine_venue(settings, venue, is_begun=True)
    assert {check.state for check in none} == {State.FAIL}, "one of them must be there"
