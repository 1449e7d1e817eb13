"""The loss limits of an account, followed from fills and bars alone: what a day, a week and the way down may cost."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from holdfast.domain.values import ZERO
from holdfast.risk.config import RiskConfig
from holdfast.testing.promise import require

# The account marks its equity in floats, bar by bar.
TOLERANCE = Decimal("1e-6")


class LossLimits:
    """Where the day and the week began and where the peak was; `open` comes before what a group's bars do."""

    def __init__(self, config: RiskConfig, capital: Decimal) -> None:
        self.config = config
        self.peak = self.day_start = self.week_start = capital
        self._day = self._week = ""
        # From the first step that leaves nothing on, there is no entry at all.
        self._lock = min((step.drawdown for step in config.drawdown_steps if not step.factor), default=Decimal(1))

    def open(self, ts: int, equity: Decimal) -> None:
        """Take in what the account is worth as bars come that close at `ts`, at the closes before them."""
        self.peak = max(self.peak, equity)
        # What closes at midnight belongs to the day that ends there.
        date = datetime.fromtimestamp((ts - 1) // 1_000_000_000, UTC)
        day, week = f"{date:%Y-%m-%d}", f"{date:%G-W%V}"
        if day != self._day:
            self._day, self.day_start = day, equity
        if week != self._week:
            self._week, self.week_start = week, equity

    def release(self, equity: Decimal) -> None:
        """Count the way down anew from `equity`, if it has left no budget: the operator has accepted it."""
        peak = max(self.peak, equity)
        if peak - equity >= self._lock * peak:
            self.peak = equity

    def check_entry(self, name: str, loss: Decimal, equity: Decimal) -> None:
        """Require that an entry which may lose `loss` keeps within the limits of an account worth `equity`."""
        peak = max(self.peak, equity)
        dust = TOLERANCE * peak
        down = peak - equity
        require(down < self._lock * peak + dust, "no entry under water", f"{name}: {down} below {peak}")
        for period, start, share in (
            ("day", self.day_start, self.config.loss_day_max),
            ("week", self.week_start, self.config.loss_week_max),
        ):
            lost = max(start - equity + loss, ZERO)
            found = f"{name}: {lost} of {start}, this stop included"
            require(lost <= share * start + dust, f"loss per {period}", found)
