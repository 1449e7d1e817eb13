"""One number for the content of a series, the same on every machine and in every file format."""

from __future__ import annotations

import hashlib

import numpy as np

from holdfast.domain.market import BarSeries

_CHUNK = 65_536


def series_digest(series: BarSeries) -> str:
    """Return the SHA-256 (hex) over instrument, timeframe and all columns, row chunk by row chunk, little-endian."""
    digest = hashlib.sha256(f"{series.instrument_id}\n{series.timeframe.value}\n{len(series)}\n".encode())
    for first in range(0, len(series), _CHUNK):
        part = series.slice(first, first + _CHUNK)
        digest.update(np.ascontiguousarray(part.ts, dtype="<i8").data)
        for column in (part.open, part.high, part.low, part.close, part.volume):
            digest.update(np.ascontiguousarray(column, dtype="<f8").data)
        digest.update(np.ascontiguousarray(part.flags).data)
    return digest.hexdigest()
