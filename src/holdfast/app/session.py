"""The loop of a running agent: wishes from the doors, then the next group of bars, at the chosen pace. One thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from holdfast.app.sections import PACE_MAX, PACE_MIN
from holdfast.core.errors import HoldfastError
from holdfast.domain.decision import StopLevel
from holdfast.interfaces.control.mailbox import Letter, Mailbox
from holdfast.interfaces.control.messages import Reply, Request, Wish
from holdfast.portfolio.status import DecisionLine, Status
from holdfast.services.emergency import proof_of
from holdfast.services.standing import LimitLine

# A burst that catches up with the pace ends here, so that keys and wishes are heard.
_BURST_S: Final = 0.05
_IDLE_S: Final = 0.25


class Agent(Protocol):
    """What the loop drives."""

    def step(self) -> int | None:
        """Do what is next and return how many groups of bars that were; None at the end of the market."""
        ...

    def heed(self, look: Callable[[], None]) -> None:
        """Let `look` be called once more within a step, between what has come in and the bars that it completes."""
        ...

    def status(self) -> Status:
        """Return how the account stands."""
        ...

    def decisions(self) -> Sequence[DecisionLine]:
        """Return what was decided since the last call, oldest first."""
        ...

    def limits(self) -> tuple[LimitLine, ...]:
        """Return the account's limits beside what is used of them."""
        ...

    def situation(self, symbol: str) -> Sequence[str]:
        """Return what the strategy waits for, in sentences."""
        ...

    def stop(self, level: StopLevel, actor: str, reason: str) -> object:
        """Pull the brake."""
        ...

    def resume(self, actor: str, reason: str) -> object:
        """Release the brake; RefusedError until the account is flat, if it was flattened."""
        ...


@dataclass(frozen=True)
class _Promise:
    """A stop whose answer waits for its proof."""

    letter: Letter
    wanted: StopLevel
    deadline: float
    is_drawdown_anew: bool = False


class Session:
    """Drives one agent. `turn` does what is due and tells how long nothing will be."""

    def __init__(self, agent: Agent, mailbox: Mailbox, pace: float, groups_max: int | None = None) -> None:
        self.agent, self.pace = agent, pace
        self.is_held = False  # the market stands still, wishes are still heard
        self.has_ended = False
        self.is_paused_here = False  # by the terminal's own pause, and by nothing since
        self.groups = 0
        self._groups_max = groups_max
        self._mailbox = mailbox
        self._promises: list[_Promise] = []
        self._due = time.monotonic()
        agent.heed(self._obey_left)

    @property
    def is_done(self) -> bool:
        """Tell whether as many groups were processed as were asked for, or the market has ended."""
        return self.has_ended or (self._groups_max is not None and self.groups >= self._groups_max)

    def turn(self) -> float:
        """Grant wishes, process the bars that are due, and return the seconds until the next are."""
        self._obey_left()  # first: it was typed when nobody answered
        while (letter := self._mailbox.take()) is not None:
            self._grant(letter)
        ends = time.monotonic() + _BURST_S
        while not self.is_held and not self.is_done and (now := time.monotonic()) >= self._due and now < ends:
            self._obey_left()
            done = self.agent.step()
            if done is None:
                self.has_ended = True
            else:
                self.groups += done
            # What was missed while the machine slept is not made up for in one rush.
            self._due = max(self._due + 1.0 / self.pace, now - _BURST_S)
        self._keep_promises()
        if self.is_held or self.is_done:
            return _IDLE_S
        return min(max(self._due - time.monotonic(), 0.0), _IDLE_S)

    def hold(self, is_held: bool) -> None:
        """Let the market stand still, or go on."""
        self.is_held = is_held
        self._due = time.monotonic()

    def change_pace(self, factor: float) -> None:
        """Make the market faster or slower."""
        self.pace = min(max(self.pace * factor, PACE_MIN), PACE_MAX)
        self._due = time.monotonic()

    def stop(self, level: StopLevel, reason: str) -> None:
        """Pull the brake from the terminal that the agent runs in."""
        self.is_paused_here = False
        self.agent.stop(level, "terminal", reason)

    def pause(self, reason: str) -> None:
        """Stop entries from the terminal, as something that the terminal may undo as easily."""
        self.stop(StopLevel.NO_ENTRIES, reason)
        self.is_paused_here = True

    def resume(self, reason: str) -> bool:
        """Release the brake from the terminal; tell whether the drawdown counts anew.

        Raises
        ------
        RefusedError
            The account was flattened, and is not flat yet.
        """
        return self._resume("terminal", reason)

    # -- wishes ----------------------------------------------------------------------------------------------------

    def _obey_left(self) -> None:
        """Stop as was asked for while this process did not answer; it slept perhaps, and no bar may come before."""
        while (left := self._mailbox.left()) is not None:
            self.is_paused_here = False
            self.agent.stop(left.level, left.actor, left.reason)
            self._mailbox.forget(left)  # only now, for by now it is in the journal

    def _grant(self, letter: Letter) -> None:
        request = letter.request
        try:
            match request.wish:
                case Wish.STATUS:
                    letter.answer.set_result(Reply(status=self.agent.status()))
                case Wish.LIMITS:
                    letter.answer.set_result(Reply(limits=self.agent.limits()))
                case Wish.SITUATION:
                    letter.answer.set_result(Reply(lines=tuple(self.agent.situation(request.symbol))))
                case Wish.STOP | Wish.PAUSE:
                    level = StopLevel.NO_ENTRIES if request.wish is Wish.PAUSE else request.level
                    self.is_paused_here = False
                    self.agent.stop(level, request.actor, request.reason)
                    self._promise(letter, request, level)
                case Wish.RESUME:
                    is_anew = self._resume(request.actor, request.reason)
                    self._promise(letter, request, StopLevel.NONE, is_drawdown_anew=is_anew)
                case _:
                    assert_never(request.wish)
        except HoldfastError as error:
            letter.answer.set_result(Reply(str(error), error.hint, error.exit_code))

    def _resume(self, actor: str, reason: str) -> bool:
        is_anew = self.agent.status().is_drawdown_locked
        self.agent.resume(actor, reason)
        self.is_paused_here = False
        return is_anew

    def _promise(self, letter: Letter, request: Request, wanted: StopLevel, *, is_drawdown_anew: bool = False) -> None:
        self._promises.append(_Promise(letter, wanted, time.monotonic() + request.wait_s, is_drawdown_anew))

    def _keep_promises(self) -> None:
        if not self._promises:
            return
        status, now = self.agent.status(), time.monotonic()
        left: list[_Promise] = []
        for promise in self._promises:
            proof = proof_of(status, promise.wanted, is_drawdown_anew=promise.is_drawdown_anew)
            # Without further bars nothing will fill: say so at once.
            if proof.is_proven or now >= promise.deadline or self.is_held or self.is_done:
                promise.letter.answer.set_result(Reply(status=status, proof=proof))
            else:
                left.append(promise)
        self._promises = left
