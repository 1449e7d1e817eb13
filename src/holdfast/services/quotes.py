"""The best prices as they came in last, and whether what they say lets something be entered on a bar."""

from __future__ import annotations

from collections.abc import Callable

from holdfast.core.time import MILLISECOND, SECOND
from holdfast.domain.market import BarClosed
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Quote
from holdfast.services.live_config import LiveConfig


class Quotes:
    """The last quote of each instrument and when it came, in ns of a steady clock."""

    __slots__ = ("_config", "_last")

    def __init__(self, config: LiveConfig) -> None:
        self._config = config
        self._last: dict[InstrumentId, tuple[Quote, int]] = {}

    def see(self, quote: Quote, now: int) -> None:
        """Take in a quote that came at `now`."""
        self._last[quote.instrument_id] = (quote, now)

    def ts_newest(self, is_meant: Callable[[InstrumentId], bool] = lambda _: True) -> int:
        """Return the newest time (ns) that a quote carries: the market's own. 0 where there is none."""
        return max((quote.ts_event for quote, _ in self._last.values() if is_meant(quote.instrument_id)), default=0)

    def has(self, instrument_id: InstrumentId) -> bool:
        """Tell whether there is a quote of an instrument."""
        return instrument_id in self._last

    def why_unfit(self, bar: BarClosed, now: int, market_ts: int) -> str:
        """Return why nothing may be entered on a bar, with the figure; empty where the market around it is fresh.

        Parameters
        ----------
        now
            Of the steady clock (ns).
        market_ts
            The market's time (ns), which the bar's own is compared with.
        """
        found = self._last.get(bar.instrument_id)
        if found is None:
            return "no quote has come yet"
        (quote, seen), config = found, self._config
        if not 0.0 < quote.bid < quote.ask:
            return f"its quotes are crossed, bid {quote.bid:g} and ask {quote.ask:g}"
        if (age := now - seen) > config.quote_age_max_ms * MILLISECOND:
            most = f"at most {config.quote_age_max_ms / 1000:g} s (live.quote_age_max_ms)"
            return f"its last quote is {age / SECOND:.1f} s old, {most}"
        if (late := market_ts - bar.ts_event) > config.bar_age_max_ms * MILLISECOND:
            most = f"at most {config.bar_age_max_ms / 1000:g} s (live.bar_age_max_ms)"
            return f"its bar came {late / SECOND:.1f} s late, {most}"
        return ""
