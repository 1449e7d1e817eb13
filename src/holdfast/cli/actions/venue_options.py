"""What `run` and `doctor --live` take alike: which venue is meant, and where its key lies."""

from __future__ import annotations

import shlex

from holdfast.app.settings import Given, flag
from holdfast.cli.given import Place


class VenueOptions(Place, frozen=True):
    """The venue as it was typed; the settings say it where nothing was."""

    venue: str | None = None
    venue_url: str | None = None
    key_file: str | None = None

    @property
    def typed(self) -> list[tuple[str, str]]:
        """Return each option that was given, with its value."""
        options = (("--venue", self.venue), ("--venue-url", self.venue_url), ("--key-file", self.key_file))
        return [(name, value) for name, value in options if value is not None]

    @property
    def venue_flags(self) -> list[Given]:
        """Return what they set."""
        return [
            *flag("venue.exchange", self.venue, "--venue"),
            *flag("venue.url", self.venue_url, "--venue-url"),
            *flag("venue.key_file", self.key_file, "--key-file"),
        ]

    @property
    def checklist(self) -> str:
        """Return what to type so that the same home and the same venue are examined."""
        home = [("--home", self.home)] if self.home is not None else []
        words = [word for option in (*home, *self.typed) for word in option]
        return shlex.join(["holdfast", "doctor", "--live", *words])
