"""What the keys do: a small machine that knows which question is open."""

from __future__ import annotations

from enum import StrEnum

from holdfast.app.session import Session
from holdfast.core.errors import RefusedError
from holdfast.domain.decision import StopLevel
from holdfast.services.emergency import DRAWDOWN_ANEW, links_told, stays_at

FLATTEN_WORD, RESUME_WORD = "FLATTEN", "RESUME"
_LEVELS = {"1": StopLevel.NO_ENTRIES, "2": StopLevel.REDUCE_ONLY, "3": StopLevel.FLATTEN}


class Question(StrEnum):
    """What the next key answers."""

    NONE = "none"
    STOP_LEVEL = "stop_level"
    FLATTEN_WORD = "flatten_word"
    RESUME_WORD = "resume_word"


class Controls:
    """Takes keys; `message` is the line that the view shows below, `has_quit` ends it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.question = Question.NONE
        self.typed = ""
        self.message = ""
        self.has_quit = False

    def press(self, keys: str) -> None:
        """Take what was typed."""
        if keys.startswith("\x1b"):  # Escape, and arrows: they answer no question
            self._close("")
            return
        for key in keys:
            match self.question:
                case Question.STOP_LEVEL:
                    self._choose(key)
                case Question.FLATTEN_WORD:
                    self._spell(key, FLATTEN_WORD)
                case Question.RESUME_WORD:
                    self._spell(key, RESUME_WORD)
                case Question.NONE:
                    self._command(key)

    @property
    def prompt(self) -> str:
        """Return what the bottom line asks or says."""
        match self.question:
            case Question.STOP_LEVEL:
                return "STOP  1 no entries · 2 reduce only · 3 flatten everything · Esc back"
            case Question.FLATTEN_WORD:
                return f"Close every position at the market and lock? Type {FLATTEN_WORD}: {self.typed}_   Esc back"
            case Question.RESUME_WORD:
                return f"{self._release}? Type {RESUME_WORD}: {self.typed}_   Esc back"
            case Question.NONE:
                return self.message

    @property
    def _level(self) -> StopLevel:
        return StopLevel(self._session.agent.status().stop_level)

    @property
    def _release(self) -> str:
        status = self._session.agent.status()
        level = StopLevel(status.stop_level)
        what = "Resume" if level is StopLevel.NONE else f"Release {_words(level)}"
        return f"{what}: {DRAWDOWN_ANEW}" if status.is_drawdown_locked else what

    def _command(self, key: str) -> None:
        session = self._session
        match key.lower():
            case "q":
                self.has_quit = True
            case "p" if self._level is StopLevel.NONE:
                session.pause("paused in the live view")
                self.message = "entries are paused; p resumes"
            case "p" | "r":
                self._unlock()
            case "s":
                self.question = Question.STOP_LEVEL
            case "+" | "=":
                session.change_pace(2.0)
                self.message = f"pace {session.pace:g} bars a second"
            case "-":
                session.change_pace(0.5)
                self.message = f"pace {session.pace:g} bars a second"
            case " ":
                session.hold(not session.is_held)
                self.message = "the market stands still; space goes on" if session.is_held else ""
            case _:
                self.message = ""

    def _unlock(self) -> None:
        """Undo the view's own pause; ask for the word before anything that takes more back than that."""
        status = self._session.agent.status()
        level = StopLevel(status.stop_level)
        is_own_pause = self._session.is_paused_here and level is StopLevel.NO_ENTRIES
        if status.is_drawdown_locked or not (is_own_pause or level is StopLevel.NONE):
            self.question, self.typed = Question.RESUME_WORD, ""
        elif is_own_pause:
            self._resume()
        else:
            self.message = "nothing is stopped"

    def _resume(self) -> None:
        try:
            is_anew = self._session.resume("resumed in the live view")
        except RefusedError as error:
            self._close(str(error))
            return
        self._close(f"entries are possible again; {DRAWDOWN_ANEW}" if is_anew else "entries are possible again")

    def _choose(self, key: str) -> None:
        level = _LEVELS.get(key)
        if level is None:
            self._close("nothing was stopped")
        elif level is StopLevel.FLATTEN:
            self.question, self.typed = Question.FLATTEN_WORD, ""
        else:
            self._session.stop(level, "stopped in the live view")
            stays = stays_at(self._level, level)
            self._close(stays or f"stopped: {_words(level)}; r and the word {RESUME_WORD} release it")

    def _spell(self, key: str, word: str) -> None:
        if key in ("\x7f", "\b"):
            self.typed = self.typed[:-1]
            return
        if key not in "\r\n":
            self.typed += key.upper()
            # A wrong letter ends nothing yet: the letters after it must not be taken for commands.
            if len(self.typed) < len(word):
                return
        if self.typed != word:
            self._close("that was not the word; nothing was done")
        elif word == RESUME_WORD:
            self._resume()
        else:
            self._session.stop(StopLevel.FLATTEN, "flattened in the live view")
            away = links_told(self._session.agent.status().links_down)
            later = f"{away}; exits there are sent when it is back" if away else "exits fill with the next bar"
            self._close(f"flattening: {later}; then r and the word {RESUME_WORD} unlock entries")

    def _close(self, message: str) -> None:
        self.question, self.typed, self.message = Question.NONE, "", message


def _words(level: StopLevel) -> str:
    return level.value.replace("_", " ")
