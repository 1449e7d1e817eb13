"""Decides, request by request and push by push, which fault happens, and keeps count of those that did."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from random import Random
from typing import Final

import msgspec

from holdfast.core.record import Record
from holdfast.simulator.fault_plan import PUSH_KINDS, STATE_KINDS, FaultFile, FaultKind, FaultRule

_LISTED_MAX: Final = 1_000


class Injected(Record, frozen=True):
    """A fault that happened: to what, and when (ms, the venue's unskewed clock)."""

    kind: FaultKind
    endpoint: str
    ts_ms: int


class FaultReport(Record, frozen=True):
    """What has happened so far, the last thousand one by one, and how many rules still wait."""

    counts: dict[str, int]
    injected: tuple[Injected, ...]
    armed: tuple[FaultRule, ...]


class _Armed(msgspec.Struct):
    rule: FaultRule
    ts_armed: int
    is_awake: bool = False  # has what it waits for come?
    seen: int = 0
    hit: int = 0

    def is_due(self, endpoint: str, now_ms: int, random: Random) -> bool:
        rule = self.rule
        if not self.is_awake or self.hit >= rule.times or now_ms < self.ts_armed + rule.after_ms:
            return False
        if not _matches(rule.endpoint, endpoint):
            return False
        if rule.rate:
            return random.random() < rule.rate
        self.seen += 1
        return self.seen >= rule.nth


class Faults:
    """The faults of one venue. The same plan and the same requests in the same order give the same faults."""

    def __init__(self, plan: FaultFile | None = None, now_ms: int = 0) -> None:
        plan = plan or FaultFile()
        self._random = Random(plan.seed)
        self._armed: list[_Armed] = []
        self._until: dict[FaultKind, tuple[int, float]] = {}
        self.counts: Counter[str] = Counter()
        self._injected: deque[Injected] = deque(maxlen=_LISTED_MAX)
        self.arm(plan.faults, now_ms)

    def arm(self, rules: Iterable[FaultRule], now_ms: int) -> None:
        """Let these happen, too; their counting begins now."""
        waiting = [one for one in self._armed if one.hit < one.rule.times]
        self._armed = [*waiting, *(_Armed(rule, now_ms, not rule.since) for rule in rules)]

    def disarm(self) -> None:
        """Let nothing more happen; what lasts for a while ends now."""
        self._armed.clear()
        self._until.clear()

    def on_request(self, endpoint: str, now_ms: int) -> FaultRule | None:
        """Return what happens to this request, if anything; faults of the venue begin here, too."""
        for one in self._armed:
            one.is_awake = one.is_awake or _matches(one.rule.since, endpoint)
        self._begin_states(endpoint, now_ms)
        return self._draw(endpoint, now_ms, is_push=False)

    def on_push(self, channel: str, now_ms: int) -> FaultRule | None:
        """Return what happens to this push, if anything."""
        return self._draw(channel, now_ms, is_push=True)

    def active(self, kind: FaultKind, now_ms: int) -> float | None:
        """Return the amount of a fault of the venue that lasts at this moment, None where it does not."""
        if self._armed:
            self._begin_timed(now_ms)
        until, amount = self._until.get(kind, (0, 0.0))
        return amount if now_ms < until else None

    def use_up(self, kind: FaultKind, endpoint: str, now_ms: int) -> float | None:
        """Return the amount of a fault that hits one request and ends with it; it is counted here, where it acts."""
        amount = self.active(kind, now_ms)
        if amount is not None:
            self._until.pop(kind)
            self._note(kind, endpoint, now_ms)
        return amount

    def report(self) -> FaultReport:
        """Return what happened, and what still waits."""
        waiting = tuple(one.rule for one in self._armed if one.hit < one.rule.times)
        return FaultReport(dict(sorted(self.counts.items())), tuple(self._injected), waiting)

    def _draw(self, endpoint: str, now_ms: int, *, is_push: bool) -> FaultRule | None:
        found: FaultRule | None = None
        for one in self._armed:
            kind = one.rule.kind
            if kind in STATE_KINDS or (kind in PUSH_KINDS) is not is_push:
                continue
            # Every rule counts what it sees, but one fault at a time is enough: another that is due waits.
            if one.is_due(endpoint, now_ms, self._random) and found is None:
                one.hit += 1
                found = one.rule
                self._note(kind, endpoint, now_ms)
        return found

    def _begin_states(self, endpoint: str, now_ms: int) -> None:
        for one in self._armed:
            if one.rule.kind in STATE_KINDS and one.is_due(endpoint, now_ms, self._random):
                one.hit += 1
                self._begin(one.rule, endpoint, now_ms)

    def _begin_timed(self, now_ms: int) -> None:
        """Begin what waits for a time alone, so that it happens without any request."""
        for one in self._armed:
            rule = one.rule
            is_timed = rule.kind in STATE_KINDS and not rule.endpoint and not rule.rate and rule.nth == 1
            is_timed = is_timed and one.is_awake and rule.times == 1
            if is_timed and one.hit < rule.times and now_ms >= one.ts_armed + rule.after_ms:
                one.hit += 1
                self._begin(rule, "", now_ms)

    def _begin(self, rule: FaultRule, endpoint: str, now_ms: int) -> None:
        self._until[rule.kind] = (now_ms + rule.duration_ms, rule.amount)
        if rule.kind is not FaultKind.PARTIAL_FILL:  # that one waits for an order, and may wait in vain
            self._note(rule.kind, endpoint, now_ms)

    def _note(self, kind: FaultKind, endpoint: str, now_ms: int) -> None:
        self.counts[kind] += 1
        self._injected.append(Injected(kind, endpoint, now_ms))


def _matches(pattern: str, endpoint: str) -> bool:
    if pattern.endswith("*"):
        return endpoint.startswith(pattern[:-1])
    return not pattern or pattern == endpoint
