"""What the operator may set about risk: every number with its unit, its bound and a safe default."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from typing import Final, NoReturn

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.values import ONE, ZERO, Ratio

REWARD_TO_RISK_FLOOR: Final = Decimal("1.3")
RISK_CEILING: Final = Decimal("0.03")
# A governor that stops only when more than half is lost guards nothing: +100 % would be needed to come back.
DRAWDOWN_LOCK_MAX: Final = Decimal("0.5")


class DrawdownStep(Record, frozen=True):
    """From this drawdown on (share of the equity peak) the risk budget is multiplied by `factor`; 0 = no entries."""

    drawdown: Ratio
    factor: Ratio


def _ratio(text: str) -> Ratio:
    return Ratio(Decimal(text))


DRAWDOWN_STEPS: Final = (
    DrawdownStep(_ratio("0.05"), _ratio("0.75")),
    DrawdownStep(_ratio("0.10"), _ratio("0.50")),
    DrawdownStep(_ratio("0.15"), _ratio("0.25")),
    DrawdownStep(_ratio("0.20"), _ratio("0")),
)


class RiskConfig(Record, frozen=True):
    """The limits of one account. Ratios are shares of equity unless a comment says otherwise.

    Raises
    ------
    ConfigurationError
        A value lies outside its range, or two values contradict each other.
    """

    risk_per_trade: Ratio = _ratio("0.02")  # the base of the budget
    risk_min: Ratio = _ratio("0.0025")
    risk_max: Ratio = _ratio("0.03")
    is_risk_dynamic: bool = True  # volatility and results move the budget; the drawdown governor always does
    reward_to_risk_min: Decimal = REWARD_TO_RISK_FLOOR
    positions_max: int = 5
    exposure_asset_max: Ratio = _ratio("0.40")
    exposure_total_max: Ratio = _ratio("1")  # no leverage
    correlation_exposure_max: Ratio = _ratio("0.60")  # sqrt(w' C w), negative correlations counted as 0
    risk_open_total_max: Ratio = _ratio("0.08")  # what all stops together may lose
    loss_day_max: Ratio = _ratio("0.05")  # of the equity at 00:00 UTC
    loss_week_max: Ratio = _ratio("0.10")  # of the equity on Monday 00:00 UTC
    drawdown_steps: tuple[DrawdownStep, ...] = DRAWDOWN_STEPS
    cooldown_losses: int = 4  # so many losses in a row ...
    cooldown_bars: int = 24  # ... stop entries for so many bars; 0 = never
    price_collar: Ratio = _ratio("0.05")  # of the last good price
    entry_slippage_max: Ratio = _ratio("0.005")  # of the reference price: how far the entry limit may reach
    slippage_max: Ratio = _ratio("0.002")  # of the price: reserved for every leg that is a market order
    volume_share_max: Ratio = _ratio("0.05")  # of the average volume of a bar
    orders_per_minute_max: int = 30
    data_age_bars_max: int = 2
    quantity_fixed: Decimal | None = None  # base units; replaces sizing, never a limit
    is_entry_market: bool = False  # False: limit IOC at the proposal's entry

    def __post_init__(self) -> None:
        for key, bound in _BOUNDS.items():
            value = getattr(self, key)
            if not _is_within(value, bound):
                _refuse(key, value, bound.text)
        if self.quantity_fixed is not None and not _is_within(self.quantity_fixed, _POSITIVE):
            _refuse("quantity_fixed", self.quantity_fixed, _POSITIVE.text + " base units, or leave it out")
        for smaller, larger in _ORDERED:
            low, high = getattr(self, smaller), getattr(self, larger)
            if low > high:
                _refuse(smaller, low, f"at most {larger}, which is {high}")
        _check_steps(self.drawdown_steps)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> RiskConfig:
        """Return the configuration that a `[risk]` table of TOML describes; what it leaves out keeps its default.

        Raises
        ------
        ConfigurationError
            A key is unknown, a value has the wrong type or lies outside its range.
        """
        values: dict[str, object] = {}
        for key, value in mapping.items():
            if key not in cls.__struct_fields__:
                near = get_close_matches(key, cls.__struct_fields__, n=3)
                known = f"did you mean {' or '.join(near)}?" if near else "known: " + ", ".join(cls.__struct_fields__)
                raise ConfigurationError(f"risk.{key} is not a setting", hint=known)
            values[key] = _steps(value) if key == "drawdown_steps" else _plain(key, value)
        return cls(**values)  # type: ignore[arg-type]  # each value was given its field's type just above


class _Bound(Record, frozen=True):
    low: Decimal
    high: Decimal | None
    is_low_allowed: bool
    is_whole: bool = False

    @property
    def text(self) -> str:
        start = f"{self.low} {'<=' if self.is_low_allowed else '<'} x"
        return ("a whole number, " if self.is_whole else "") + (
            start if self.high is None else f"{start} <= {self.high}"
        )


def _above(low: str, high: str) -> _Bound:
    return _Bound(Decimal(low), Decimal(high), is_low_allowed=False)


def _from(low: str, high: str) -> _Bound:
    return _Bound(Decimal(low), Decimal(high), is_low_allowed=True)


def _whole(low: int, high: int) -> _Bound:
    return _Bound(Decimal(low), Decimal(high), is_low_allowed=True, is_whole=True)


_POSITIVE: Final = _Bound(ZERO, None, is_low_allowed=False)
_BOUNDS: Final[Mapping[str, _Bound]] = {
    "risk_per_trade": _above("0", str(RISK_CEILING)),
    "risk_min": _above("0", str(RISK_CEILING)),
    "risk_max": _above("0", str(RISK_CEILING)),
    "reward_to_risk_min": _from(str(REWARD_TO_RISK_FLOOR), "20"),
    "positions_max": _whole(1, 100),
    "exposure_asset_max": _above("0", "1"),
    "exposure_total_max": _above("0", "1"),
    "correlation_exposure_max": _above("0", "1"),
    "risk_open_total_max": _above("0", "0.25"),
    "loss_day_max": _above("0", "0.20"),
    "loss_week_max": _above("0", "0.40"),
    "cooldown_losses": _whole(1, 20),
    "cooldown_bars": _whole(0, 10_000),
    "price_collar": _above("0", "0.50"),
    "entry_slippage_max": _from("0", "0.05"),
    "slippage_max": _from("0", "0.05"),
    "volume_share_max": _above("0", "1"),
    "orders_per_minute_max": _whole(1, 600),
    "data_age_bars_max": _whole(1, 100),
}
_ORDERED: Final = (
    ("risk_min", "risk_per_trade"),
    ("risk_per_trade", "risk_max"),
    ("risk_per_trade", "loss_day_max"),
    ("risk_per_trade", "risk_open_total_max"),
    ("loss_day_max", "loss_week_max"),
    ("exposure_asset_max", "exposure_total_max"),
    ("entry_slippage_max", "price_collar"),
)
_WHOLE_KEYS: Final = frozenset(key for key, bound in _BOUNDS.items() if bound.is_whole)
_BOOL_KEYS: Final = frozenset({"is_risk_dynamic", "is_entry_market"})


def _refuse(key: str, value: object, valid: str) -> NoReturn:
    raise ConfigurationError(
        f"risk.{key} is {value}, valid is {valid}",
        hint=f"set {key} in the [risk] table; docs/risk.md says what it does",
    )


def _is_within(value: object, bound: _Bound) -> bool:
    if isinstance(value, bool) or not isinstance(value, int if bound.is_whole else Decimal):
        return False
    exact = Decimal(value)
    if not exact.is_finite() or exact < bound.low or (exact == bound.low and not bound.is_low_allowed):
        return False
    return bound.high is None or exact <= bound.high


def _check_steps(steps: tuple[DrawdownStep, ...]) -> None:
    valid = f"steps with rising drawdown (0 < x <= {DRAWDOWN_LOCK_MAX}) and falling factor (0 to 1), the last factor 0"
    drawdown, factor = ZERO, ONE
    for step in steps:
        if not (step.drawdown.is_finite() and step.factor.is_finite()):
            _refuse("drawdown_steps", f"{step.drawdown}: x{step.factor}", valid)
        if not (drawdown < step.drawdown <= DRAWDOWN_LOCK_MAX and ZERO <= step.factor <= factor):
            _refuse("drawdown_steps", f"{step.drawdown}: x{step.factor}", valid)
        drawdown, factor = step.drawdown, step.factor
    if not steps or factor != 0:
        _refuse("drawdown_steps", f"without an end (last factor {factor})", valid)


def _plain(key: str, value: object) -> object:
    if key in _BOOL_KEYS:
        if not isinstance(value, bool):
            _refuse(key, repr(value), "true or false")
        return value
    if key in _WHOLE_KEYS:
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(key, repr(value), _BOUNDS[key].text)
        return value
    return _decimal(key, value)


def _decimal(key: str, value: object) -> Decimal:
    # str of a float is the shortest text that names it, so 0.1 in TOML is 0.1 here.
    if isinstance(value, int | float | str | Decimal) and not isinstance(value, bool):
        try:
            return Decimal(str(value))
        except InvalidOperation:
            pass
    _refuse(key, repr(value), "a number")


def _steps(value: object) -> tuple[DrawdownStep, ...]:
    valid = "a list like [{drawdown = 0.05, factor = 0.75}, {drawdown = 0.20, factor = 0}]"
    if not isinstance(value, list | tuple):
        _refuse("drawdown_steps", repr(value), valid)
    steps = []
    for entry in value:
        if isinstance(entry, DrawdownStep):
            steps.append(entry)
            continue
        if not isinstance(entry, Mapping) or set(entry) != {"drawdown", "factor"}:
            _refuse("drawdown_steps", repr(entry), valid)
        key = "drawdown_steps"
        steps.append(DrawdownStep(Ratio(_decimal(key, entry["drawdown"])), Ratio(_decimal(key, entry["factor"]))))
    return tuple(steps)
