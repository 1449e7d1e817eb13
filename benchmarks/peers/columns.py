"""The indicators of the jobs as pandas columns, for the peers whose users compute them so, before the loop."""

import pandas as pd
from measure import STOP_RANGES, STRENGTH_NEEDED, WILDER_BARS


def exponential(values: pd.Series, bars: int) -> pd.Series:
    """Return the exponential average with weight 2 / (bars + 1), started at the first value."""
    return values.ewm(span=bars, adjust=False).mean()


def wilder(values: pd.Series, bars: int = WILDER_BARS) -> pd.Series:
    """Return the exponential average with weight 1 / bars, started at the first value."""
    return values.ewm(alpha=1 / bars, adjust=False).mean()


def relative_strength(closes: pd.Series) -> pd.Series:
    """Return Wilder's relative strength index, in the middle where nothing has moved yet."""
    change = closes.diff().fillna(0.0)
    gain, loss = wilder(change.clip(lower=0.0)), wilder((-change).clip(lower=0.0))
    return (100.0 * gain / (gain + loss)).fillna(STRENGTH_NEEDED)


def stop_below(highs: pd.Series, lows: pd.Series, closes: pd.Series) -> pd.Series:
    """Return where the stop of each close belongs; in the average true range the first bar has only its own range."""
    previous = closes.shift(1)
    spans = pd.concat([highs - lows, (highs - previous).abs(), (lows - previous).abs()], axis=1)
    return closes - STOP_RANGES * wilder(spans.max(axis=1))
