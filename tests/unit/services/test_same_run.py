"""A run goes on under the settings that it began with; what is newer than its record counts as the default it was."""

from decimal import Decimal

import msgspec
import pytest

from holdfast import __version__
from holdfast.core.errors import ConfigurationError, OtherVersionError
from holdfast.domain.instrument import FeeTier
from holdfast.domain.values import Ratio, VenueCash
from holdfast.portfolio.run import RunStarted
from holdfast.risk.config import DrawdownStep, RiskConfig
from holdfast.risk.exits import ExitConfig, PartialTarget
from holdfast.services.assembly import AccountPlan
from holdfast.services.same_run import differences, require_same
from holdfast.testing.builders import make_instrument, make_plan, make_run

PLAN = make_plan(risk=RiskConfig(positions_max=3))
RUN = make_run(PLAN)
NEW_KEYS = ("engine.on_silence", "risk.cooldown_bars", "exits.partial_targets", "matching.is_touch_fill")


def without(run: RunStarted, *keys: str) -> RunStarted:
    settings = {key: text for key, text in run.settings.items() if key not in keys}
    return msgspec.structs.replace(run, settings=settings, version="0.0.9")


def with_settings(run: RunStarted, **settings: str) -> RunStarted:
    named = {key.replace("__", "."): text for key, text in settings.items()}
    return msgspec.structs.replace(run, settings={**run.settings, **named}, version="0.9.0")


def asked(**parts: object) -> RunStarted:
    return make_run(make_plan(**{"risk": RiskConfig(positions_max=3), **parts}))


@pytest.mark.parametrize("key", NEW_KEYS)
def test_a_setting_that_the_record_lacks_counts_as_its_default(key: str):
    assert key in RUN.settings
    require_same(without(RUN, key), RUN)
    require_same(without(RUN, *NEW_KEYS), RUN)


def test_a_part_of_a_setting_that_the_record_lacks_counts_as_its_default():
    exits = ExitConfig(partial_targets=(PartialTarget(Decimal(1), Decimal("0.5")),))
    run = asked(exits=exits)
    assert run.settings["exits.partial_targets"] == '[{"at_r":"1","share":"0.5"}]'
    spelled_out = with_settings(run, exits__partial_targets='[{"share":"0.50","at_r":"1.0"}]')
    require_same(spelled_out, run)


def test_a_setting_that_the_record_lacks_and_that_is_asked_for_otherwise_is_refused():
    run = asked(risk=RiskConfig(positions_max=3, cooldown_bars=5))
    with pytest.raises(ConfigurationError) as refusal:
        require_same(without(RUN, "risk.cooldown_bars"), run)
    assert "risk.cooldown_bars: recorded nothing, which means 24, asked for 5" in str(refusal.value)
    assert "cooldown_bars = 24 in [risk] of holdfast.toml" in refusal.value.hint


def test_every_setting_that_differs_is_named_with_both_values_and_how_to_set_it():
    run = asked(risk=RiskConfig(positions_max=1, is_risk_dynamic=False), exits=ExitConfig(trail_share=0.1))
    with pytest.raises(ConfigurationError) as refusal:
        require_same(RUN, run)
    told, hint = str(refusal.value), refusal.value.hint
    assert "risk.positions_max: recorded 3, asked for 1" in told
    assert "risk.is_risk_dynamic: recorded true, asked for false" in told
    assert "exits.trail_share: recorded 0.03, asked for 0.1" in told
    assert "risk.risk_max" not in told
    for remedy in ("positions_max = 3 in [risk]", "is_risk_dynamic = true in [risk]", "trail_share = 0.03 in [exits]"):
        assert remedy in hint
    assert "holdfast run --fresh" in hint


def test_the_remedy_of_a_setting_with_parts_is_toml():
    steps = (DrawdownStep(Ratio(Decimal("0.1")), Ratio(Decimal(0))),)
    found = list(differences(asked(risk=RiskConfig(positions_max=3, drawdown_steps=steps)), RUN))
    assert [item.name for item in found] == ["risk.drawdown_steps"]
    assert found[0].remedy == 'drawdown_steps = [{ drawdown = "0.1", factor = "0" }] in [risk] of holdfast.toml'


def test_what_the_run_itself_says_is_named_too():
    instrument = make_instrument("BTC/USDT.SIM", fee="0.002")
    other: AccountPlan = make_plan(instrument, risk=RiskConfig(positions_max=3))
    run = msgspec.structs.replace(make_run(other, strategy="mine"), params={"fast": "9"}, timeframe="4h")
    found = {item.name: (item.recorded, item.asked) for item in differences(RUN, run)}
    assert found["strategy"] == ("test", "mine")
    assert found["timeframe"] == ("1h", "4h")
    assert found["strategy.parameters.fast"] == ("not set", "9")
    assert set(found) == {"strategy", "timeframe", "strategy.parameters.fast", "fees of BTC/USDT.SIM"}
    other_market = make_run(make_plan(make_instrument("ETH/USDT.SIM"), risk=RiskConfig(positions_max=3)))
    assert [item.remedy for item in differences(RUN, other_market)] == ["--instrument BTC/USDT.SIM"]


@pytest.mark.parametrize(
    ("key", "text"),
    [("risk__loss_pause_minutes", "30"), ("opinions__model", '"m"'), ("exits__partial_targets", '[{"at_x":"1"}]')],
)
def test_a_setting_that_this_version_does_not_know_is_refused_by_name(key: str, text: str):
    recorded = with_settings(RUN, **{key: text})
    with pytest.raises(OtherVersionError) as refusal:
        require_same(recorded, RUN)
    told = str(refusal.value)
    assert key.replace("__", ".") in told
    assert "0.9.0" in told
    assert __version__ in told
    assert "0.9.0 or newer" in refusal.value.hint
    assert "--fresh" in refusal.value.hint


@pytest.mark.parametrize(
    ("recorded", "remedy"),
    [
        ([("0", "0.0005", "0.0005")], "--fee 0.0005"),
        ([("0", "-0.0001", "0.0005")], "fee_maker = -0.0001 and fee_taker = 0.0005 in [market] of holdfast.toml"),
        ([("0", "0.001", "0.001"), ("1000", "0.0005", "0.001")], "no --fee, and neither fee_maker nor fee_taker"),
    ],
)
def test_fees_that_differ_are_named_with_what_to_type(recorded: list[tuple[str, str, str]], remedy: str):
    def under(tiers: list[tuple[str, str, str]]) -> RunStarted:
        fees = tuple(FeeTier(*map(Decimal, tier)) for tier in tiers)
        return msgspec.structs.replace(
            RUN, instruments=tuple(msgspec.structs.replace(item, fee_tiers=fees) for item in RUN.instruments)
        )

    with pytest.raises(ConfigurationError, match="fees of ") as refusal:
        require_same(under(recorded), under([("0", "0.0777", "0.0777")]))
    assert remedy in refusal.value.hint


def test_capital_that_lies_elsewhere_now_is_another_run():
    instruments = [make_instrument(f"BTC/USDT.{venue}") for venue in ("HERE", "THERE")]

    def lying(here: int) -> RunStarted:
        parts = (VenueCash("HERE", Decimal(here)), VenueCash("THERE", Decimal(10_000 - here)))
        return make_run(make_plan(*instruments, capital_at=parts))

    require_same(lying(4_000), lying(4_000))
    with pytest.raises(
        ConfigurationError, match="recorded 4000 at HERE, 6000 at THERE, asked for 5000 at HERE"
    ) as found:
        require_same(lying(4_000), lying(5_000))
    assert "[[venue.accounts]]" in found.value.hint
