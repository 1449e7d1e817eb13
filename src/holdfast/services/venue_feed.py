"""A venue's live public market as a feed: for a paper account, which sends nothing. Its bars come when they close."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from holdfast.core.errors import ConfigurationError, VenueError
from holdfast.core.time import rfc3339
from holdfast.domain.instrument import Instrument
from holdfast.domain.market import BarClosed, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.ports.live import Failure, LinkChanged, LiveExchange, Quote
from holdfast.services.live_bars import BARS_MAX, LiveBars, even_out, merged, unfit
from holdfast.services.live_config import LiveConfig
from holdfast.services.quotes import Quotes

_WAIT_S: Final = 0.02


class VenueFeed:
    """Implements `ports.market.Feed`. A group without bars says that none has closed yet.

    First come bars of the past: a strategy sees them, stops are filled from them, and nothing is entered on them. The
    same holds for bars that come late, and while the quote beside them is old, crossed or missing, or the link is down.
    """

    def __init__(
        self, exchange: LiveExchange, instruments: Sequence[Instrument], timeframe: Timeframe, config: LiveConfig,
        steady: Callable[[], int],
    ) -> None:  # fmt: skip
        self.warnings: list[str] = []
        """What a person should see and has not been shown yet."""
        self._exchange, self._instruments, self._timeframe = exchange, instruments, timeframe
        self._config, self._steady = config, steady
        self._bars = LiveBars([x.id for x in instruments], timeframe, config.bar_grace_ms)
        self._past: list[list[BarClosed]] | None = None
        self._quotes = Quotes(config)
        self._is_up = False

    def groups(self) -> Iterator[Sequence[BarClosed]]:
        """Yield the past, then what closes; each call begins with the same past.

        Raises
        ------
        VenueError
            The venue cannot be reached, or nothing more will come from it.
        """
        if self._past is None:
            self._past = self._begin()
        for group in self._past:
            yield [unfit(bar) for bar in group]
        while True:
            self._take_in()
            now = self._steady()
            for group in self._bars.ready(now):
                yield [bar if self._is_fit(bar, now) else unfit(bar) for bar in group]
            yield ()

    def go_on_from(self, ts: int) -> None:
        """Look back to `ts`, further than a new run would where an earlier one has been away for longer.

        Raises
        ------
        ConfigurationError
            The venue no longer has all bars since then.
        VenueError
            It cannot be reached.
        """
        self._past = self._begin(ts)

    def _begin(self, ts: int = 0) -> list[list[BarClosed]]:
        self._exchange.start(self._instruments, self._timeframe)
        found = {x.id: list(self._exchange.history(x.id, self._config.history_bars)) for x in self._instruments}
        if ts:
            self._reach_back(found, ts)
        ends = max((bars[-1].ts_event for bars in found.values() if bars), default=0)
        later = even_out(found, ends, lambda name, since: self._exchange.history(name, BARS_MAX, since))
        past = merged(made for bars in found.values() for made in self._bars.know(bars))
        self._bars.end_past(ends)
        for bar in later:
            self._bars.add(bar, self._steady())
        return past

    def _reach_back(self, found: dict[InstrumentId, list[BarClosed]], ts: int) -> None:
        """Fetch what closed since `ts` and a new run would leave out: a position must not be held through it unseen."""
        nanos = self._timeframe.nanos
        for name, bars in found.items():
            if not bars or bars[0].ts_event <= ts:
                continue
            # The bar of `ts` itself may have come too late for the group of the others: the run may lack it, too.
            # By time and not by number: what closes while the answer is on its way must not push the first ones out.
            if (bars[-1].ts_event - ts) // nanos < BARS_MAX:
                found[name] = list(self._exchange.history(name, BARS_MAX, ts - nanos))
        begins = min((bars[0].ts_event for bars in found.values() if bars), default=0)
        # One that was listed later begins later; that no instrument reaches back is no listing.
        if begins > ts + nanos:
            raise ConfigurationError(
                f"the journal's run goes on at {rfc3339(ts)}, but {self._exchange.venue} has no bars that close before"
                f" {rfc3339(begins)} any more: those between would be left out",
                hint="begin a new run with `--fresh`; the journal keeps the old one. A longer timeframe reaches"
                " further back",
            )

    def _take_in(self) -> None:
        for item in self._exchange.take(_WAIT_S):
            match item:
                case BarClosed():
                    self._bars.add(item, self._steady())
                case Quote():
                    self._quotes.see(item, self._steady())
                case LinkChanged():
                    self._is_up = item.is_up
                    self.warnings.append(f"the {item.link} link is {'up' if item.is_up else 'down'}: {item.detail}")
                case Failure():
                    self.warnings.append(f"{item.message}; {item.hint}" if item.hint else item.message)
                    if item.is_fatal:
                        raise VenueError(item.message, venue=self._exchange.venue, hint=item.hint)
                case _:
                    pass  # nothing was sent: news of orders cannot be ours
        self.warnings += self._bars.refused
        self._bars.refused = []

    def _is_fit(self, bar: BarClosed, now: int) -> bool:
        newest = self._quotes.ts_newest(lambda name: name == bar.instrument_id)
        return self._is_up and not self._quotes.why_unfit(bar, now, newest)
