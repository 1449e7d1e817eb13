"""What `run` takes, on paper, in practice and live."""

from __future__ import annotations

from holdfast.cli.actions.venue_options import VenueOptions


class RunOptions(VenueOptions, frozen=True):
    """The options of `run` as they were typed."""

    mode: str | None = None
    instruments: tuple[str, ...] = ()
    timeframe: str | None = None
    strategy: str | None = None
    fee: str | None = None
    parameters: tuple[str, ...] = ()
    market: str | None = None
    ts_from: str | None = None
    ts_until: str | None = None
    capital: str | None = None
    is_fresh: bool = False
    is_abandoning: bool = False
    pace: float | None = None
    bars: int | None = None
    plain: bool = False
    on_exit: str | None = None
    is_confirmed: bool = False
