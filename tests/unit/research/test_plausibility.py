"""Each warning speaks where it must, and keeps quiet right beside the border."""

from decimal import Decimal

import msgspec
import pytest

from holdfast.research.plausibility import Symptoms, warnings_of

SOUND = Symptoms(
    days=400.0, trades=120, losses=60, growth=0.3, sharpe=1.2, profit_factor=1.5, fees=Decimal(50),
    slippage=Decimal(20), unexplained=0.0, capital=10_000.0, losses_unexplained=0,
)  # fmt: skip


def test_a_sound_run_raises_no_warning():
    assert warnings_of(SOUND) == ()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"growth": 10.01}, "1,001% a year"),
        ({"sharpe": 5.01}, "Sharpe ratio of 5.0"),
        ({"profit_factor": 10.01}, "profit factor of 10.0"),
        ({"losses": 0, "profit_factor": None}, "Not one trade lost"),
        ({"trades": 29}, "29 trades are too few"),
        ({"trades": 1}, "1 trade is too few"),
        ({"days": 89.9}, "89.9 days"),
        ({"fees": Decimal(0), "slippage": Decimal(0)}, "frictionless"),
        ({"fees": Decimal(0)}, "No fee"),
        ({"slippage": Decimal(0)}, "Neither spread nor slippage"),
        ({"unexplained": 0.011}, "differ by 0.01"),
        ({"unexplained": -5.0}, "differ by -5.00"),
        ({"losses_unexplained": 2}, "2 trades lost more"),
        ({"losses_unexplained": 1}, "1 trade lost more"),
    ],
)
def test_each_symptom_has_its_warning(changes, word: str):
    found = warnings_of(msgspec.structs.replace(SOUND, **changes))
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"growth": 10.0}, {"growth": None}, {"sharpe": 5.0}, {"sharpe": None}, {"profit_factor": 10.0},
        {"profit_factor": None}, {"trades": 30}, {"days": 90.0}, {"days": 1.0, "growth": None},
        {"unexplained": 0.0099}, {"fees": Decimal("-1")},
    ],
)  # fmt: skip
def test_the_border_itself_is_quiet(changes):
    assert warnings_of(msgspec.structs.replace(SOUND, **changes)) == ()


def test_a_run_without_trades_is_not_called_frictionless():
    found = warnings_of(
        msgspec.structs.replace(SOUND, trades=0, losses=0, fees=Decimal(0), slippage=Decimal(0), profit_factor=None)
    )
    assert found == ("0 trades are too few to tell skill from luck: at least 30 are needed.",)
