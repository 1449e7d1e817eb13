"""`doctor` and `init`, and what they say of a broken installation."""

import shlex
import stat

import pytest

from holdfast.app.live import Venue
from holdfast.app.live_doctor import is_out_of_reach
from holdfast.app.sections import LIVE
from holdfast.cli.actions.live_agent import _confirm
from holdfast.cli.actions.run_options import RunOptions
from holdfast.core.errors import RefusedError
from holdfast.services.doctor import CheckResult, State, is_healthy


def test_a_new_installation_is_healthy(call):
    outcome = call("doctor")
    assert outcome.code == 0, outcome.out
    document = call("doctor", "--json").document
    names = [item["name"] for item in document["checks"]]
    assert names == [
        "python", "home", "disk", "settings", "strategy", "agent", "journal", "projections", "data", "clock",
        "time zone", "numba",
    ]  # fmt: skip
    assert document["is_healthy"] is True


def test_init_writes_once(call, home):
    assert call("init").code == 0
    assert stat.S_IMODE((home / "holdfast.toml").stat().st_mode) == 0o600
    again = call("init")
    assert again.code == 2
    assert "--force" in again.err
    assert call("init", "--force").code == 0


def test_broken_settings_fail_the_check_and_every_command(call, home):
    call("init")
    (home / "holdfast.toml").write_text("[risk]\nrisk_per_trade = 0.5\n")
    outcome = call("doctor")
    assert outcome.code == 1
    assert "risk.risk_per_trade is 0.5" in outcome.out
    assert "next: " in outcome.out
    run = call("run", "--plain", "--market", "synthetic", "--bars", "1")
    assert run.code == 2
    assert "holdfast.toml" in run.err


def test_what_is_wrong_with_the_settings_is_told_once_and_what_needs_them_says_what_it_waits_for(call, home):
    call("init")
    (home / "holdfast.toml").write_text("[risk]\nrisk_per_trade = 0.5\n")
    told = call("doctor", "--live").out
    assert told.count("risk_per_trade is 0.5") == 1
    done = call("doctor", "--live", "--json")
    assert done.code == 1
    found = {item["name"]: item for item in done.document["checks"]}
    assert found["settings"]["state"] == "fail"
    for name in ("strategy", "data", "venue"):
        assert (found[name]["state"], found[name]["message"]) == ("warn", "not checked: it waits for sound settings")


def test_a_variable_that_is_no_setting_is_refused_by_what_reads_settings_and_never_keeps_a_stop_from_an_agent(
    call, monkeypatch
):
    assert call("run", "--plain", "--market", "synthetic", "--bars", "5", "--pace", "100000").code == 0
    monkeypatch.setenv("HOLDFAST_FOO", "1")
    for words in (("run", "--plain", "--bars", "1"), ("demo", "--plain", "--bars", "1"), ("backtest",)):
        refused = call(*words)
        assert refused.code == 2, words
        assert "HOLDFAST_FOO is no setting" in refused.err
    assert "HOLDFAST_FOO is no setting" in call("doctor").out
    for words in (("status",), ("risk",), ("stop", "--reason", "a test")):
        assert call(*words).code == 0, words


def test_data_that_is_named_but_not_there_fails_the_check(call, monkeypatch, tmp_path):
    monkeypatch.setenv("HOLDFAST_DATA", str(tmp_path / "gone"))
    outcome = call("doctor")
    assert outcome.code == 1
    assert "HOLDFAST_DATA" in outcome.out


def test_a_home_open_to_others_is_a_warning_and_no_failure(call, home):
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    outcome = call("doctor", "--json")
    assert outcome.code == 0
    assert {item["name"]: item["state"] for item in outcome.document["checks"]}["home"] == "warn"


def test_a_warning_is_no_failure():
    assert is_healthy((CheckResult("a", State.OK, ""), CheckResult("b", State.WARN, "")))
    assert not is_healthy((CheckResult("a", State.FAIL, ""),))


SILENT = CheckResult("GATEIO venue clock", State.FAIL, "the venue does not tell its time: refused", is_away=True)
NOT_ASKED = CheckResult("GATEIO key", State.FAIL, "not asked, for the venue does not answer", is_away=True)
AWAY = CheckResult("GATEIO venue", State.FAIL, "out of reach: refused", is_away=True)
WRONG = CheckResult("BINANCE key", State.FAIL, "the key may not trade spot")
FINE = CheckResult("BINANCE key", State.OK, "")


@pytest.mark.parametrize(
    ("results", "is_away"),
    [
        ((SILENT, NOT_ASKED, FINE), True), ((AWAY,), True), ((SILENT, NOT_ASKED, WRONG), False), ((WRONG,), False),
        ((FINE,), False), ((), False),
        ((CheckResult("tunnel", State.FAIL, "nothing answers", is_away=True), SILENT), True),
        ((CheckResult("tunnel", State.FAIL, "the key is not tied"), FINE), False),
        ((CheckResult("tunnel", State.FAIL, "the key is not tied"), SILENT), False),
    ],
)  # fmt: skip
def test_a_venue_is_out_of_reach_where_nothing_else_is_wrong(results, is_away):
    assert is_out_of_reach(results) is is_away


def test_a_failed_start_names_the_checklist_of_the_same_home_and_venue(call, home, tmp_path):
    # Nobody listens at port 1.
    keys = tmp_path / "some keys.toml"
    keys.write_text('key = "some-key"\nsecret = "some-other-secret"\n')
    keys.chmod(0o600)
    place = ("--home", str(home), "--venue-url", "http://127.0.0.1:1", "--key-file", str(keys))
    outcome = call("run", "--mode", "live", "--plain", *place)
    assert outcome.code == 5, "a venue is out of reach: no policy has refused anything"
    command = shlex.split(next(x for x in outcome.err.splitlines() if "holdfast doctor" in x).partition("holdfast ")[2])
    assert command == ["doctor", "--live", *place]
    checks = {check["name"]: check for check in call(*command, "--json").document["checks"]}
    assert checks["venue clock"]["state"] == "fail"
    assert "key file" not in str(checks), "it was taken from where it was said to be"


def test_a_venue_without_live_is_refused_for_nothing_would_look_at_it(call):
    outcome = call("doctor", "--venue-url", "http://127.0.0.1:1")
    assert outcome.code == 2
    assert "holdfast doctor --live --home" in outcome.err
    assert "--venue-url http://127.0.0.1:1" in outcome.err


def test_strategies_are_listed_with_their_parameters(call):
    assert "ma_crossover" in call("strategies").out
    found = {item["name"]: item["parameters"] for item in call("strategies", "--json").document["strategies"]}
    assert {"ma_crossover", "rsi_momentum", "macd_trend", "fibonacci_retracement", "harmonized"} <= set(found)
    assert found["ma_crossover"]["fast"]


def test_a_strategy_of_the_users_own_is_loaded_from_its_file(call, candles, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(
        "class Mine:\n"
        "    name, warmup, trail = 'mine', 0, 0.0\n"
        "    def __init__(self, instrument_id, every=50):\n        self.every, self.seen = every, 0\n"
        "    def on_bar(self, bar):\n        self.seen += 1\n        return None\n"
        "    def situation(self):\n        return (f'{self.seen} bars seen',)\n"
        "    def snapshot(self):\n        return [self.seen]\n"
        "    def restore(self, state):\n        self.seen = int(state[0])\n"
    )
    arguments = ("backtest", "--data", candles, "--timeframe", "1h", "--strategy", f"{path}:Mine")
    done = call(*arguments, "--set", "every=7", "--json")
    assert done.code == 0, done.err
    assert done.document["trades"] == 0
    assert "has no parameter 'never'" in call(*arguments, "--set", "never=7").err
    assert "has no 'Other'" in call(*arguments[:-1], f"{path}:Other").err
    path.write_text("1 / 0\n")
    broken = call(*arguments)
    assert broken.code == 2
    assert "ZeroDivisionError" in broken.err


def test_a_capital_that_is_no_number_is_a_setting_to_repair(call, monkeypatch):
    monkeypatch.setenv("HOLDFAST_ENGINE__CAPITAL", "nan")
    settings = next(check for check in call("doctor", "--json").document["checks"] if check["name"] == "settings")
    assert settings["state"] == "fail"
    assert "above 0 and at most 1000000000000" in settings["message"]
    started = call("run", "--plain", "--bars", "1", "--market", "synthetic")
    assert started.code == 2
    assert "HOLDFAST_ENGINE__CAPITAL" in started.err


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://127.0.0.1:8911", "This trades at a venue on this machine, http://127.0.0.1:8911."),
        ("", "This trades real money at Gate.io."),
    ],
)
def test_only_a_venue_elsewhere_is_announced_as_real_money(url, told):
    venue = Venue(LIVE, url, None, f"Gate.io at {url}" if url else "Gate.io")
    with pytest.raises(RefusedError) as caught:
        _confirm(venue, RunOptions())
    assert str(caught.value).startswith(told)
