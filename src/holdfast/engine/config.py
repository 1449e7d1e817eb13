"""What an account trades with, and how its engine is set."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

from holdfast.core.errors import ConfigurationError
from holdfast.core.record import Record
from holdfast.domain.values import Asset

_CAPITAL_MAX = Decimal("1e12")
_OPINION_TIMEOUT_MAX_MS = 600_000


class OnSilence(StrEnum):
    """What a proposal becomes when the model does not answer in time."""

    PROCEED = "proceed"
    VETO = "veto"


class EngineConfig(Record, frozen=True):
    """One account: capital in its quote asset, the prefix of its order ids, and whether a model is asked."""

    quote: Asset = Asset("USDT")
    capital: Decimal = Decimal(10_000)
    order_prefix: str = "hf"
    opinion_timeout_ms: int = 0  # 0: no model is asked
    on_silence: OnSilence = OnSilence.VETO

    def __post_init__(self) -> None:
        # NaN cannot even be compared, so it is refused first.
        if not (self.capital.is_finite() and 0 < self.capital <= _CAPITAL_MAX):
            raise ConfigurationError(
                f"capital {self.capital} is not valid: above 0 and at most {_CAPITAL_MAX:f}",
                hint="an amount of the quote asset, such as 10000",
            )
        if not 0 <= self.opinion_timeout_ms <= _OPINION_TIMEOUT_MAX_MS:
            raise ConfigurationError(
                f"opinion_timeout_ms {self.opinion_timeout_ms} must lie in 0 to {_OPINION_TIMEOUT_MAX_MS}"
            )
        # Gate.io takes 28 characters of [0-9A-Za-z_.-]; a counter of 12 digits must fit behind the prefix.
        if not self.order_prefix.replace("-", "").isalnum() or len(self.order_prefix) > 12:
            raise ConfigurationError(
                f"order_prefix {self.order_prefix!r} must be 1 to 12 letters, digits or hyphens",
                hint='for example "hf"',
            )
