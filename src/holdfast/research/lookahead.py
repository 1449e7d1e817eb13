"""Does a strategy see the future? Its source is read, and it is run in markets where seeing the future shows.

An honest strategy says the same about the same past, whatever comes after, however often it is asked, and under
whatever date the bars are shown. Whoever peeks at the next bar, remembers an earlier run, or looks up what really
happened in a file or a table, does not. A step is given numbers only, one bar at a time: it has nowhere to look, unless
its source finds a way.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from holdfast.core.errors import FOREIGN_FAULTS, DataError
from holdfast.core.record import Record, encode
from holdfast.core.time import rfc3339
from holdfast.domain.catalog import PERPETUAL_SUFFIX
from holdfast.domain.decision import Action, Signal
from holdfast.domain.market import BarClosed, BarSeries
from holdfast.domain.passed_over import unusable
from holdfast.domain.tradable import tradable
from holdfast.domain.values import InstrumentId
from holdfast.ports.strategy import Strategy
from holdfast.research.counterfactual import (
    CALENDAR_CYCLE,
    FUTURES,
    SEASON_SHIFT,
    bars_of,
    redated,
    rescaled,
    unrelated,
)
from holdfast.research.finding import Finding, FindingKind
from holdfast.research.source_audit import SourceText, audit_source, has_table

Factory = Callable[[InstrumentId], Strategy]

BARS_MAX = 20_000  # of the market that are looked at
BARS_MIN = 1_000
SIGNALS_WANTED = 40
BARS_FED_MAX = 400_000  # over all runs with another future: about a second for a step, some for a slow class
CUTS_MAX = 120
FUTURE_BARS = 50  # how much of another future lies ready for whoever would look
SIGNALS_FEW = 5
PASSED_MIN = 3
TINY = 1.0 + 2.0**-14  # a change of price that decides nothing, and that no table of prices survives
KEPT_LEAST = 0.5
BLIND_SHARE = 0.9
# A calendar or a count gives few different distances between signals (one day or three); hindsight gives many.
DISTANCES_MAX = 12
DISTANCES_SHARE = 0.4

# What a strategy said at one bar, without dates: action, strength, entry, stop, target, and its trail.
Said = tuple[str, float, float, float, float, float]


class LookaheadReport(Record, frozen=True):
    """What the check did and found."""

    strategy: str
    bars: int
    signals: int
    runs: int
    findings: tuple[Finding, ...]
    is_complete: bool = True  # False: the time was up, or the source was refused before anything ran

    @property
    def is_clean(self) -> bool:
        """Tell whether everything was looked at, and nothing was found that condemns."""
        return self.is_complete and not self._is_faulty

    @property
    def _is_faulty(self) -> bool:
        return any(finding.is_fault for finding in self.findings)

    def sentences(self) -> tuple[str, ...]:
        """Return the result for a person, the verdict first."""
        if self.is_clean:
            verdict = "does not look ahead, as far as this can show"
        else:
            verdict = "must not be trusted" if self._is_faulty else "is not judged yet"
        done = f"{self.runs} runs over up to {self.bars} bars, {self.signals} signals."
        lines = [f"{self.strategy} {verdict}: {done if self.runs else 'its source is refused, so it was not run.'}"]
        for found in self.findings:
            where = f"line {found.line}: " if found.line else ""
            lines.append(f"{found.kind.value} ({found.test}): {where}{found.sentence}")
        return tuple(lines)


@dataclass
class _Run:
    """What a strategy said in one run, and what was wrong with how it said it."""

    said: list[Said | None] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)

    @property
    def signals(self) -> list[tuple[int, str]]:
        return [(i, said[0]) for i, said in enumerate(self.said) if said is not None and said[0]]


def refused_source(strategy: str, sources: Sequence[SourceText]) -> LookaheadReport | None:
    """Return the report on a strategy whose source is refused, None when it may be run; nothing of it is run here."""
    found = tuple(finding for source in sources for finding in audit_source(source))
    if not any(finding.is_fault for finding in found):
        return None
    return LookaheadReport(strategy, 0, 0, 0, found, is_complete=False)


def check_lookahead(
    make: Factory,
    bars: Sequence[BarClosed] | BarSeries,
    sources: Sequence[SourceText] = (),
    *,
    effort: int = BARS_FED_MAX,
    seed: int = 1,
    goes_on: Callable[[int], bool] | None = None,
) -> LookaheadReport:
    """Return whether the strategies that `make` makes see the future.

    Parameters
    ----------
    bars
        The market that is to be believed, of one instrument: who cheats with recorded prices does so only there.
    sources
        What the strategy's code is; without it only its behaviour is judged.
    effort
        About how many bars to feed in all the runs with another future.
    goes_on
        Asked before each bar with the number of runs so far; False ends the check, which then proves nothing.

    Raises
    ------
    DataError
        There are no bars.
    """
    if not len(bars):
        raise DataError("a look-ahead check needs bars, found none")
    # As the engine sees them: a strategy is not judged on prices that it will never be shown.
    given = bars_of(tradable(bars.slice(0, BARS_MAX))) if isinstance(bars, BarSeries) else bars[:BARS_MAX]
    audited = [finding for source in sources for finding in audit_source(source)]
    check = _Check(make, list(given), audited, effort, seed)
    check.goes_on = goes_on
    return check.report()


class _TimeUpError(Exception):
    """Whoever asked for the check does not want to wait any longer."""


class _Check:
    def __init__(self, make: Factory, bars: list[BarClosed], audited: list[Finding], effort: int, seed: int) -> None:
        self.make, self.bars, self.audited, self.effort, self.seed = make, bars, audited, effort, seed
        self.goes_on: Callable[[int], bool] | None = None
        self.runs = 0
        self.name = ""
        self.base: list[Said | None] = []
        self.base_signals: list[tuple[int, str]] = []

    def report(self) -> LookaheadReport:
        found = list(self.audited)
        is_complete = True
        try:
            for finding in self._look():
                found.append(finding)  # noqa: PERF402  # one at a time: what was found before the time is up counts
        except _TimeUpError:
            is_complete = False
            text = f"The time was up in run {self.runs}: let it look at fewer bars, or make it quicker."
            found.append(Finding(FindingKind.NOTED, "time", text))
        return LookaheadReport(
            self.name, len(self.bars), len(self.base_signals), self.runs, tuple(found), is_complete
        )  # fmt: skip

    def _look(self) -> Iterator[Finding]:
        whole = self.play(self.bars, len(self.bars))
        signals = whole.signals
        enough = signals[SIGNALS_WANTED - 1][0] + 2 if len(signals) >= SIGNALS_WANTED else len(self.bars)
        self.bars = self.bars[: max(BARS_MIN, enough)]
        self.base = whole.said[: len(self.bars)]
        self.base_signals = [(i, action) for i, action in signals if i < len(self.bars)]
        yield from (Finding(FindingKind.EXPOSED, test, text) for test, text in whole.faults.items())
        yield from self._passed_prices()
        yield from self._repeated()
        yield from self._in_company()
        yield from self._other_futures()
        yield from self._other_dates()
        yield from self._other_prices()
        yield from self._blind()
        yield from self._unusable()
        if len(self.base_signals) < SIGNALS_FEW:
            text = f"It gave {len(self.base_signals)} signal(s) in {len(self.bars)} bars: too few to show much."
            yield Finding(FindingKind.NOTED, "signals", text)

    def _wait(self) -> None:
        if self.goes_on is not None and not self.goes_on(self.runs):
            raise _TimeUpError

    def play(self, bars: list[BarClosed], count: int) -> _Run:
        """Feed the first `count` of `bars` to a new instance; the others lie in reach of whoever looks."""
        self.runs += 1
        run = _Run()
        given: list[tuple[Signal, bytes]] = []
        try:
            strategy = self.make(bars[0].instrument_id)
            self.name = strategy.name
            for index in range(count):
                self._wait()
                _take(strategy, bars[index], run, given)
        except _TimeUpError:
            raise
        # top of task: the user's strategy runs here; that it raised is part of what it said.
        except FOREIGN_FAULTS as error:
            run.said.append((f"raises {type(error).__name__}", 0.0, 0.0, 0.0, 0.0, 0.0))
            run.faults.setdefault("errors", f"It raises {type(error).__name__} at bar {len(run.said)}: {error}.")
        if any(encode(signal) != kept for signal, kept in given):
            run.faults["signals"] = "It changes a signal after it has given it."
        return run

    def _passed_prices(self) -> Iterator[Finding]:
        entries = [(said, bar) for said, bar in zip(self.base, self.bars, strict=False) if _is_entry(said)]
        passed = sum(1 for said, bar in entries if said is not None and _has_passed(said, bar))
        if passed >= PASSED_MIN and 2 * passed >= len(entries):
            text = f"{passed} of {len(entries)} entries ask for the open or the best price of a bar that has closed"
            yield _exposed("passed prices", f"{text}: nobody can trade there any more.")

    def _repeated(self) -> Iterator[Finding]:
        again = self.play(self.bars, len(self.bars))
        if text := self._difference(again, "A second instance on the same bars says something else"):
            yield _exposed("repetition", f"{text}: it remembers the first one, or rolls dice.")

    def _in_company(self) -> Iterator[Finding]:
        """Run an instance while another one of the same kind sees another market, a bar ahead."""
        self.runs += 2
        other = unrelated(self.bars, self.seed)
        run, beside = _Run(), _Run()
        try:
            strategy, company = self.make(self.bars[0].instrument_id), self.make(self.bars[0].instrument_id)
            for index in range(len(self.bars)):
                self._wait()
                _take(company, other[index], beside, [])
                _take(strategy, self.bars[index], run, [])
        except _TimeUpError:
            raise
        # top of task: two of the user's strategies run here; that one raised is part of what it said.
        except FOREIGN_FAULTS as error:
            run.said.append((f"raises {type(error).__name__}", 0.0, 0.0, 0.0, 0.0, 0.0))
        if text := self._difference(run, "Beside another instance it says something else"):
            yield _exposed("shared state", f"{text}: it sees more than the bars that it is given.")

    def _other_futures(self) -> Iterator[Finding]:
        shown: set[str] = set()
        for cut in self._cuts():
            for name, future in FUTURES.items():
                if name in shown:
                    continue
                near = future(self.bars[: cut + 1 + FUTURE_BARS], cut)
                run = self.play(near, cut + 1)
                if text := self._difference(run, f"With {name} after {rfc3339(self.bars[cut].ts_event)}"):
                    shown.add(name)
                    reach = cut + 1 - _first_difference(run.said, self.base)
                    yield _exposed("other futures", f"{text}: it sees {reach} bar(s) ahead, or more.")

    def _other_dates(self) -> Iterator[Finding]:
        run = self.play(redated(self.bars, CALENDAR_CYCLE), len(self.bars))
        if text := self._difference(run, "With the same bars dated 28 years later it says something else"):
            first = next((i for i, said in enumerate(self.base) if said is not None), len(self.base))
            if first and run.said[first:] == self.base[first:]:
                text = f"Before {rfc3339(self.bars[first].ts_event)} it says nothing, and does under later dates"
                yield Finding(FindingKind.NOTED, "other dates", f"{text}: it waits for a date.")
            else:
                yield _exposed("other dates", f"{text}: it looks up what happened on these dates.")
            return
        run = self.play(redated(self.bars, SEASON_SHIFT), len(self.bars))
        if text := self._difference(run, "With the same bars dated 35 days later it says something else"):
            season = f"{text}: it depends on the day of the year"
            if has_table(self.audited):
                yield _exposed("other dates", f"{season}, and its source holds a table.")
            else:
                yield Finding(FindingKind.NOTED, "other dates", f"{season}.")

    def _other_prices(self) -> Iterator[Finding]:
        changed = self.play(rescaled(self.bars, TINY), len(self.bars)).signals
        kept = len(set(changed) & set(self.base_signals))
        total = len(set(changed) | set(self.base_signals))
        if total >= SIGNALS_FEW and kept < KEPT_LEAST * total:
            text = f"With every price {TINY - 1:.3%} higher only {kept} of {total} signals are the same"
            yield _exposed("other prices", f"{text}: it recognises prices that it has seen before.")
            return
        doubled = self.play(rescaled(self.bars, 2.0), len(self.bars))
        halved = [_scaled(said, 0.5) for said in doubled.said]
        if halved != self.base:
            text = "With every price doubled it does not say the same at twice the levels: it knows absolute prices."
            yield Finding(FindingKind.NOTED, "other prices", text)

    def _blind(self) -> Iterator[Finding]:
        there = self.play(unrelated(self.bars, self.seed + 1), len(self.bars)).signals
        kept = len(set(there) & set(self.base_signals))
        if len(self.base_signals) < SIGNALS_FEW or kept < BLIND_SHARE * len(self.base_signals):
            return
        text = f"In an unrelated market {kept} of {len(self.base_signals)} signals are the same: it ignores prices"
        if has_table(self.audited):
            yield _exposed("unrelated market", f"{text}, and its source holds a table.")
        elif _is_irregular([i for i, _ in self.base_signals]):
            yield _exposed("unrelated market", f"{text}, and trades at no regular times: it knows them beforehand.")
        else:
            yield Finding(FindingKind.NOTED, "unrelated market", f"{text}.")

    def _unusable(self) -> Iterator[Finding]:
        """Note that nothing would come of any entry: who looks into a future that he cannot use is not caught by it."""
        is_spot = PERPETUAL_SUFFIX not in self.bars[0].instrument_id.upper()
        entries = [said for said in self.base if said is not None and _is_entry(said)]
        reasons = [unusable(Action(said[0]), *said[2:5], is_spot=is_spot) for said in entries]
        if not entries or None in reasons:
            return
        told = ", ".join(f"{reason} {count}" for reason, count in Counter(reasons).most_common())
        text = f"None of its {len(entries)} entries can be traded as it stands ({told}): a backtest passes them over."
        yield Finding(FindingKind.NOTED, "unusable signals", text)

    def _cuts(self) -> list[int]:
        """Return bars to end the past at: where it gave signals, just before, and anywhere."""
        last = len(self.bars) - 2
        if last < 1:
            return []
        budget = self.effort * 2 // (len(self.bars) * len(FUTURES))
        count = max(8, min(CUTS_MAX, budget))
        chance = random.Random(self.seed)
        at_signals = [i for i, _ in self.base_signals if i <= last]
        chosen = set(chance.sample(at_signals, min(len(at_signals), count // 2)))
        chosen |= {i - 1 for i in list(chosen)[: count // 4] if i > 0}
        while len(chosen) < min(count, last):
            chosen.add(chance.randint(0, last))
        return sorted(chosen, key=lambda i: (i not in at_signals, i))

    def _difference(self, run: _Run, opening: str) -> str:
        """Return `opening` and the first bar at which the run differs from the base; empty if it does not."""
        at = _first_difference(run.said, self.base)
        if at >= len(run.said):
            return ""
        expected, found = _in_words(self.base[at] if at < len(self.base) else None), _in_words(run.said[at])
        return f"{opening}, at bar {at + 1} ({rfc3339(self.bars[at].ts_event)}) {found} instead of {expected}"


def _exposed(test: str, sentence: str) -> Finding:
    return Finding(FindingKind.EXPOSED, test, sentence)


def _take(strategy: Strategy, bar: BarClosed, run: _Run, given: list[tuple[Signal, bytes]]) -> None:
    """Hand over a bar of its own, note what was said, and look whether the bar came back as it was."""
    shown = BarClosed(*_fields(bar))
    signal = strategy.on_bar(shown)
    trail = float(strategy.trail)
    if _fields(shown) != _fields(bar):
        run.faults["bars"] = f"It changes the bar that it is given, at {rfc3339(bar.ts_event)}."
    if signal is None:
        run.said.append(("", 0.0, 0.0, 0.0, 0.0, trail) if trail else None)
        return
    if type(signal) is not Signal:
        run.faults["signals"] = f"It gives a {type(signal).__name__} where a Signal is expected."
    elif signal.ts_event != bar.ts_event:
        run.faults["dates"] = (
            f"It dates its signal {rfc3339(signal.ts_event)} although the bar closed at {rfc3339(bar.ts_event)}."
        )
    given.append((signal, encode(signal)))
    levels = (float(signal.strength), float(signal.entry), float(signal.stop), float(signal.target))
    run.said.append((str(signal.action), *levels, trail))


def _fields(bar: BarClosed) -> tuple[InstrumentId, int, float, float, float, float, float, int]:
    return bar.instrument_id, bar.ts_event, bar.open, bar.high, bar.low, bar.close, bar.volume, bar.flags


def _first_difference(run: Sequence[Said | None], base: Sequence[Said | None]) -> int:
    """Return the first place where the run is not the base; the run's length if there is none."""
    if list(run) == list(base[: len(run)]):
        return len(run)
    for at, said in enumerate(run):
        if at >= len(base) or (said != base[at] and repr(said) != repr(base[at])):
            return at
    return len(run)


def _is_entry(said: Said | None) -> bool:
    return said is not None and said[0] in (Action.ENTER_LONG, Action.ENTER_SHORT)


def _has_passed(said: Said, bar: BarClosed) -> bool:
    entry = said[2]
    if said[0] == Action.ENTER_LONG:
        return entry < bar.close and entry in (bar.open, bar.low)
    return entry > bar.close and entry in (bar.open, bar.high)


def _is_irregular(places: Sequence[int]) -> bool:
    distances = [then - now for now, then in pairwise(places)]
    return len(set(distances)) > max(DISTANCES_MAX, DISTANCES_SHARE * len(distances))


def _scaled(said: Said | None, factor: float) -> Said | None:
    if said is None:
        return None
    action, strength, entry, stop, target, trail = said
    return action, strength, entry * factor, stop * factor, target * factor, trail * factor


def _in_words(said: Said | None) -> str:
    if said is None:
        return "it says nothing"
    action, strength, _, stop, target, trail = said
    if action.startswith("raises"):
        return f"it {action}"
    if not action:
        return f"it says nothing and trails at {trail:.6g}"
    return f"it says {action} ({strength:.2f}, stop {stop:.6g}, target {target:.6g})"
