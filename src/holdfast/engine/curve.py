"""Equity over time, point by point, in as little memory as a run of years may take."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from itertools import chain

import numpy as np

from holdfast.domain.market import Ints

_PIECE = 4_096


class Times:
    """Rising times (ns). Bars are evenly spaced but for gaps, so that a stretch of them is its first, last and step."""

    __slots__ = ("_stretches", "recent")

    def __init__(self) -> None:
        self._stretches: list[range | array[int]] = []
        self.recent = array("q")
        """Times that are not packed yet. A loop may append to it, and calls `pack` when it is done."""

    def append(self, ts: int) -> None:
        """Add a time after all others."""
        self.recent.append(ts)
        if len(self.recent) >= _PIECE:
            self.pack()

    def pack(self) -> None:
        """Take what is recent into the stretches; `recent` is another array afterwards."""
        recent, stretches = self.recent, self._stretches
        if len(recent) <= 1:
            return
        self.recent = array("q")
        step = recent[1] - recent[0]
        if step <= 0 or (np.diff(recent) != step).any():
            stretches.append(recent)
            return
        begin = recent[0]
        if stretches:
            before = stretches[-1]
            if isinstance(before, range) and before.step == step and before.stop == begin:
                begin = stretches.pop()[0]
        stretches.append(range(begin, recent[-1] + step, step))

    def __len__(self) -> int:
        return sum(map(len, self._stretches)) + len(self.recent)

    def __iter__(self) -> Iterator[int]:
        return chain(*self._stretches, self.recent)

    def __array__(self, dtype: np.dtype[np.int64] | None = None, copy: bool | None = None) -> Ints:
        """Return all of them, 8 bytes each, as `numpy.asarray` asks for it."""
        every = np.empty(len(self), np.int64)
        at = 0
        for part in (*self._stretches, self.recent):
            # By the piece: a stretch may be nearly all there is, and should not be there twice.
            for first in range(0, len(part), _PIECE):
                piece = part[first : first + _PIECE]
                spaced = np.arange(piece.start, piece.stop, piece.step) if isinstance(piece, range) else piece
                every[at : at + len(piece)] = spaced
                at += len(piece)
        return every if dtype is None else every.astype(dtype, copy=False)


class Curve:
    """Equity after each group of bars: `ts` (ns) and `equity` (quote units), hardly more than 8 bytes a point."""

    __slots__ = ("equity", "exposed", "ts")

    def __init__(self) -> None:
        self.ts, self.equity = Times(), array("d")
        self.exposed = 0  # groups at whose end something was held
