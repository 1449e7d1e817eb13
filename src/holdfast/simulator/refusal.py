"""How the venue says no."""

from __future__ import annotations

from holdfast.core.errors import HoldfastError


class VenueRefusal(HoldfastError):  # noqa: N818  # to the simulator it is an answer, and no error of its own
    """A request that the venue does not carry out: its label, its words, and the HTTP status that they come with."""

    def __init__(self, label: str, message: str, status: int = 400) -> None:
        super().__init__(f"{label}: {message}")
        self.label, self.message, self.status = label, message, status
