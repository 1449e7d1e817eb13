"""What the keys do: a small machine that knows which question is open."""

from __future__ import annotations

from enum import StrEnum

from holdfast.app.session import Session
from holdfast.domain.decision import StopLevel

FLATTEN_WORD = "FLATTEN"
_LEVELS = {"1": StopLevel.NO_ENTRIES, "2": StopLevel.REDUCE_ONLY, "3": StopLevel.FLATTEN}


class Question(StrEnum):
    """What the next key answers."""

    NONE = "none"
    STOP_LEVEL = "stop_level"
    FLATTEN_WORD = "flatten_word"


class Controls:
    """Takes keys; `message` is the line that the view shows below, `has_quit` ends it."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.question = Question.NONE
        self.typed = ""
        self.message = ""
        self.has_quit = False

    def press(self, keys: str, level: StopLevel) -> None:
        """Take what was typed while `level` was in force."""
        if keys.startswith("\x1b"):  # Escape, and arrows: they answer no question
            self._close("")
            return
        for key in keys:
            match self.question:
                case Question.STOP_LEVEL:
                    self._choose(key)
                case Question.FLATTEN_WORD:
                    self._spell(key)
                case Question.NONE:
                    self._command(key, level)

    @property
    def prompt(self) -> str:
        """Return what the bottom line asks or says."""
        match self.question:
            case Question.STOP_LEVEL:
                return "STOP  1 no entries · 2 reduce only · 3 flatten everything · Esc back"
            case Question.FLATTEN_WORD:
                return f"Close every position at the market and lock? Type {FLATTEN_WORD}: {self.typed}_   Esc back"
            case Question.NONE:
                return self.message

    def _command(self, key: str, level: StopLevel) -> None:
        session = self._session
        match key.lower():
            case "q":
                self.has_quit = True
            case "p" if level is StopLevel.NONE:
                session.stop(StopLevel.NO_ENTRIES, "paused in the live view")
                self.message = "entries are paused; p resumes"
            case "p" | "r":
                session.resume("resumed in the live view")
                self.message = "entries are possible again"
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

    def _choose(self, key: str) -> None:
        level = _LEVELS.get(key)
        if level is None:
            self._close("nothing was stopped")
        elif level is StopLevel.FLATTEN:
            self.question, self.typed = Question.FLATTEN_WORD, ""
        else:
            self._session.stop(level, "stopped in the live view")
            self._close(f"stopped: {level.value.replace('_', ' ')}; p resumes")

    def _spell(self, key: str) -> None:
        if key in ("\x7f", "\b"):
            self.typed = self.typed[:-1]
            return
        if key not in "\r\n":
            self.typed += key.upper()
            # A wrong letter ends nothing yet: the letters after it must not be taken for commands.
            if len(self.typed) < len(FLATTEN_WORD):
                return
        if self.typed == FLATTEN_WORD:
            self._session.stop(StopLevel.FLATTEN, "flattened in the live view")
            self._close("flattening: exits fill with the next bar; entries stay locked until p")
        else:
            self._close("that was not the word; nothing was closed")

    def _close(self, message: str) -> None:
        self.question, self.typed, self.message = Question.NONE, "", message
