"""An agent that stands still, for tests of what drives it."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from holdfast.core.errors import DomainError
from holdfast.domain.decision import StopLevel
from holdfast.portfolio.status import DecisionLine, OrderLine, PositionLine, Status
from holdfast.services.emergency import require_flat
from holdfast.services.standing import LimitLine

D = Decimal
POSITION = PositionLine(
    "BTC/USDT.BINANCE", "BUY", D("0.12"), D("39120"), D("39800"), D("38500"), D("41000"), D("81.6"), D("74.4"),
    "ma_crossover", 1_621_425_600_000_000_000, "hf-1p",
)  # fmt: skip
ENTRY = OrderLine(
    "hf-9p", "ETH/USDT.BINANCE", "BUY", "limit", "entry", "accepted", D(1), D(0), None, D("2800")
)  # fmt: skip
DECISION = DecisionLine(
    "hf-1p", 1_621_425_600_000_000_000, "BTC/USDT.BINANCE", "ordered", "EMA 12 crossed above EMA 26"
)


def status(**changes: object) -> Status:
    found = Status(
        mode="paper", is_synthetic=False, quote="USDT", ts=1_621_425_600_000_000_000, equity=D("10234.51"),
        cash=D("5540.11"), capital=D(10_000), peak=D("10300"), drawdown=D("0.0064"), day_pnl=D("-12.5"),
        risk_open=D("74.4"), risk_open_limit=D("818.76"), stop_level="none", is_paused=False, positions=(), orders=(),
        decisions=(), trades=3, wins=2, bars=100, digest="ab" * 32, journal_sequence=42,
    )  # fmt: skip
    return msgspec.structs.replace(found, **changes)


class StandingAgent:
    """Keeps what it is told; every group of bars fills what a stop has asked for."""

    def __init__(self, groups: int = 1_000, positions: tuple[PositionLine, ...] = ()) -> None:
        self.left, self.positions = groups, positions
        self.level = StopLevel.NONE
        self.asked: list[tuple[str, str, str]] = []
        self.fails = self.is_drawdown_locked = False

    def step(self) -> int | None:
        if not self.left:
            return None
        self.left -= 1
        if self.level is StopLevel.FLATTEN:
            self.positions = ()
        return 1

    def heed(self, look: Callable[[], None]) -> None:
        self.look = look

    def status(self) -> Status:
        is_locked = self.is_drawdown_locked
        return status(stop_level=self.level.value, positions=self.positions, is_drawdown_locked=is_locked)

    def decisions(self) -> Sequence[DecisionLine]:
        return ()

    def limits(self) -> tuple[LimitLine, ...]:
        return (LimitLine("drawdown", D("0.01"), D("0.2")),)

    def situation(self, symbol: str) -> Sequence[str]:
        return (f"waits for {symbol}",)

    def stop(self, level: StopLevel, actor: str, reason: str) -> None:
        if self.fails:
            raise DomainError("the account is contradictory", hint="holdfast doctor")
        if level.severity > self.level.severity:
            self.level = level
        self.asked.append((level.value, actor, reason))

    def resume(self, actor: str, reason: str) -> None:
        require_flat(self.status())
        self.level = StopLevel.NONE
        self.asked.append(("resume", actor, reason))
