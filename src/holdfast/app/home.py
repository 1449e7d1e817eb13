"""The home: the one folder that holds the agent's settings and state."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from holdfast.core.errors import ConfigurationError

HOME_VARIABLE = "HOLDFAST_HOME"
JOURNAL_NAME = "journal"
"""The folder in a home that holds its journal."""


@dataclass(frozen=True)
class Home:
    """Where everything lies. Nothing is created by asking."""

    path: Path

    @property
    def settings(self) -> Path:
        """Return the settings file."""
        return self.path / "holdfast.toml"

    @property
    def journal(self) -> Path:
        """Return the folder of the journal."""
        return self.path / JOURNAL_NAME

    @property
    def projections(self) -> Path:
        """Return the file of the projections, which can be thrown away."""
        return self.path / "projections.db"

    @property
    def bars(self) -> Path:
        """Return the folder of the bar store."""
        return self.path / "bars"

    @property
    def socket(self) -> Path:
        """Return the socket that a running agent listens on."""
        return self.path / "agent.sock"

    @property
    def left_stop(self) -> Path:
        """Return the file in which a stop waits for an agent that does not answer."""
        return self.path / "agent.stop"

    def create(self) -> None:
        """Create the folder, for its owner alone.

        Raises
        ------
        ConfigurationError
            It cannot be created, or cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the home {self.path} cannot be created: {error.strerror}",
                hint="name another folder with --home DIR or HOLDFAST_HOME",
            ) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ConfigurationError(
                f"the home {self.path} cannot be written", hint="name another folder with --home DIR or HOLDFAST_HOME"
            )


def how_to_read(journal: Path, command: str) -> str:
    """Return what to type so that `command` reads the journal in a folder: a home has its own in one called journal."""
    if journal.absolute().name == JOURNAL_NAME:
        return f"{command} --home {shlex.quote(str(journal.absolute().parent))}"
    old, home = shlex.quote(str(journal)), shlex.quote(f"{journal}-home")
    moved = shlex.quote(f"{journal}-home/{JOURNAL_NAME}")
    return f"mkdir {home} && mv {old} {moved}, then {command} --home {home}"


def home_at(given: str | None) -> Home:
    """Return the home that --home or HOLDFAST_HOME names, or the user's data folder."""
    text = given or os.environ.get(HOME_VARIABLE)
    path = Path(text).expanduser() if text else Path(platformdirs.user_data_dir("holdfast", appauthor=False))
    return Home(path.absolute())
