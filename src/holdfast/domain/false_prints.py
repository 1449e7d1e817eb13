"""Prices that no market has had: how they are told from real ones, and what a bar is without them.

A low or a high is measured against the bar's own body, open and close against the last close that was trusted: the
reference. What lies beyond the band around it is not trusted until the next bar opens there: a collapse is so believed
one bar later, a false print never. A bar is judged only by what is known when it closes, so that the flags of a bar are
the same in a slice, a file, a store, a backtest and a paper run.
"""

from __future__ import annotations

import numpy as np

from holdfast.domain.market import BarFlag, BarSeries, Flags, Floats, Mask

# No market has halved or doubled and come back within one candle, but for false prints and the first trades of all.
# In 76 recorded files this marks the LINK print of 2020-03-12 (1h, 1d), the first hour of BNB, and two days on which
# DOGE rose to five times and to twice its price, which are believed a day later.
SUSPECT_LOW = 0.5
SUSPECT_HIGH = 2.0

FALSE_OPEN, FALSE_CLOSE = int(BarFlag.FALSE_OPEN), int(BarFlag.FALSE_CLOSE)
FALSE_BODY = FALSE_OPEN | FALSE_CLOSE


def false_bodies(series: BarSeries, has_gap: Mask, is_silent: Mask, before: BarSeries | None = None) -> Flags:
    """Return FALSE_OPEN and FALSE_CLOSE for each bar whose open or close is not trusted.

    Parameters
    ----------
    has_gap
        Before which bars others are missing: such a bar has no reference, and is taken as it is.
    is_silent
        In which bars nothing traded: they confirm nothing.
    before
        The labelled bars right before, when the series is a slice of a longer one; only its last bar matters.
    """
    found: Flags = np.zeros(len(series), dtype=np.uint8)
    if not len(series):
        return found
    reference = unconfirmed = 0.0
    if before is not None and len(before):
        reference = before.reference_at(len(before))
        unconfirmed = float(before.close[-1]) if before.flags[-1] & FALSE_CLOSE else 0.0
    earlier = np.concatenate(([reference], series.close[:-1]))
    is_far = ~(_near(series.open, earlier) & _near(series.close, earlier)) & ~has_gap
    is_far[0] = reference > 0.0 and (bool(is_far[0]) or unconfirmed > 0.0)
    if is_far.any():
        _walk(series, np.flatnonzero(is_far), (has_gap, is_silent), (float(reference), unconfirmed), found)
    return found


def suspect_wicks(series: BarSeries) -> tuple[Mask, Mask]:
    """Mark lows and highs of a labelled series that no market has had, measured against the trusted open and close."""
    opens, closes = _bodies(series)
    return _wicks(series, np.minimum(opens, closes), np.maximum(opens, closes))


def trusted(series: BarSeries) -> BarSeries:
    """Return a labelled series without its false prints. Flags stay; nothing else changes.

    A false open is replaced by the close, a false close by the open; where both are false the bar stands still at the
    last trusted close. A suspect wick ends at the body.
    """
    opens, closes = _bodies(series)
    body_low, body_high = np.minimum(opens, closes), np.maximum(opens, closes)
    low, high = _wicks(series, body_low, body_high)
    if opens is series.open and not (low.any() or high.any()):
        return series
    is_flat = (series.flags & np.uint8(FALSE_BODY)) == FALSE_BODY
    lows, highs = np.where(low | is_flat, body_low, series.low), np.where(high | is_flat, body_high, series.high)
    return series.replaced(prices=(opens, highs, lows, closes))


def false_prices(series: BarSeries) -> dict[str, Mask]:
    """Return where open, high, low and close of a labelled series are not trusted."""
    false = series.flags & np.uint8(FALSE_BODY)
    opens, _ = _bodies(series)
    low, high = suspect_wicks(series)
    is_flat = false == FALSE_BODY
    return {
        "open": (false & np.uint8(FALSE_OPEN)) != 0,
        "high": high | (is_flat & ~_near(series.high, opens)),
        "low": low | (is_flat & ~_near(series.low, opens)),
        "close": (false & np.uint8(FALSE_CLOSE)) != 0,
    }


def believed(series: BarSeries) -> Mask:
    """Mark bars whose close was not trusted, and was confirmed by the bar after: no false print, but a real move."""
    found: Mask = np.zeros(len(series), dtype=np.bool_)
    rows = np.flatnonzero(series.flags[:-1] & np.uint8(FALSE_CLOSE))
    if not rows.size:
        return found
    levels, after = trusted(series).close[rows], series.slice(1, len(series))
    opens, flags = after.open[rows], after.flags[rows]
    is_there = _near(opens, series.close[rows]) & ~_near(opens, levels)
    found[rows] = is_there & ((flags & np.uint8(FALSE_OPEN | BarFlag.GAP_BEFORE | BarFlag.NO_TRADE)) == 0)
    return found


def _walk(
    series: BarSeries, far: np.ndarray[tuple[int], np.dtype[np.intp]], marks: tuple[Mask, Mask],
    state: tuple[float, float], found: Flags,
) -> None:  # fmt: skip
    """Judge bar by bar from each that is far from the close before it, until a close is trusted again."""
    has_gap, is_silent = marks
    reference, unconfirmed = state
    row = int(far[0])
    if row:
        reference, unconfirmed = float(series.close[row - 1]), 0.0
    while row < len(series):
        if has_gap[row]:
            reference = unconfirmed = 0.0
        opened, closed = float(series.open[row]), float(series.close[row])
        if unconfirmed and not is_silent[row] and _is_confirmed(unconfirmed, reference, opened, closed):
            reference = unconfirmed
        false = _false_prices(reference, opened, closed)
        found[row] = false
        if not false & FALSE_CLOSE:
            at = int(np.searchsorted(far, row, side="right"))
            if at == len(far):
                return
            row = int(far[at])
            reference, unconfirmed = float(series.close[row - 1]), 0.0
        else:
            reference, unconfirmed = reference if false & FALSE_OPEN else opened, closed
            row += 1


def _is_confirmed(unconfirmed: float, reference: float, opened: float, closed: float) -> bool:
    # Some venues publish the close before as the open: what opens there and closes where it was is no confirmation.
    if not _is_near(opened, unconfirmed):
        return False
    return _is_near(closed, unconfirmed) or not _is_near(closed, reference)


def _false_prices(reference: float, opened: float, closed: float) -> int:
    if not reference:
        return 0
    false = 0 if _is_near(opened, reference) else FALSE_OPEN
    return false if _is_near(closed, reference) else false | FALSE_CLOSE


def _is_near(price: float, reference: float) -> bool:
    return price >= SUSPECT_LOW * reference and price / SUSPECT_HIGH <= reference


def _near(price: Floats, reference: Floats) -> Mask:
    near: Mask = (price >= SUSPECT_LOW * reference) & (price / SUSPECT_HIGH <= reference)
    return near


def _wicks(series: BarSeries, body_low: Floats, body_high: Floats) -> tuple[Mask, Mask]:
    low: Mask = series.low < SUSPECT_LOW * body_low
    high: Mask = series.high / SUSPECT_HIGH > body_high
    return low, high


def _bodies(series: BarSeries) -> tuple[Floats, Floats]:
    """Return open and close as they are trusted; the columns themselves where all of them are."""
    false = series.flags & np.uint8(FALSE_BODY)
    if not false.any():
        return series.open, series.close
    opens = np.where(false == FALSE_OPEN, series.close, series.open)
    closes = np.where(false == FALSE_CLOSE, series.open, series.close)
    for row in np.flatnonzero(false == FALSE_BODY).tolist():
        level = closes[row - 1] if row else series.reference
        if level:
            opens[row] = closes[row] = level
    return opens, closes
