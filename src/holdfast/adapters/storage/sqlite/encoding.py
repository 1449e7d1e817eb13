"""A batch of records as the parameters of one INSERT.

One statement per batch is not a nicety. The sqlite3 module lets go of the GIL around every step of a statement, and a
busy producer gives it back after 5 ms: with one step per row, a thousand rows would take seconds. So the whole batch
goes down in two blobs (bodies, hashes) and one JSON object of integers, and SQLite cuts it into rows in C, unheld.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from holdfast.adapters.storage.sqlite.chain import pack_header, record_hash
from holdfast.ports.journal import Entry

# Key of the object: ordinal (20 bits) and nanoseconds after the first record of the batch (42 bits, 73 minutes).
# Value: offset in the bodies (27 bits), length of the body (24 bits) and code of the kind (11 bits).
_TS_BITS = 42
_TS_SPAN = 1 << _TS_BITS
_KIND_BITS = 11
_LENGTH_BITS = 24
_OFFSET_BITS = 27
_LENGTH_SHIFT = _KIND_BITS
_OFFSET_SHIFT = _KIND_BITS + _LENGTH_BITS
KINDS_MAX = 1 << _KIND_BITS
_CHUNK_BYTES_MAX = 1 << (_OFFSET_BITS - 1)  # a body has at most 15 MiB, so no offset reaches 27 bits
_CHUNK_RECORDS_MAX = 1 << 19
_SMALL = 2_048 - 64  # below this a record is hashed in one call; see chain.record_hash

INSERT = f"""INSERT INTO record(sequence, ts_journal, kind, body, hash)
SELECT ? + (k >> {_TS_BITS}), ? + (k & {_TS_SPAN - 1}),
    (SELECT name FROM temp.kind WHERE code = v & {KINDS_MAX - 1}),
    substr(?, v >> {_OFFSET_SHIFT}, (v >> {_LENGTH_SHIFT}) & {(1 << _LENGTH_BITS) - 1}),
    substr(?, (k >> {_TS_BITS}) * 32 + 1, 32)
FROM (SELECT CAST(key AS INTEGER) AS k, value AS v FROM json_each(?))"""  # noqa: S608  # integers of this module

CREATE_KINDS = "CREATE TEMP TABLE kind(code INTEGER PRIMARY KEY, name TEXT NOT NULL)"

Parameters = tuple[int, int, bytes, bytes, str]
_encode = msgspec.json.encode


class Group(Protocol):
    """Entries that are appended together, at one instant."""

    entries: Sequence[Entry]
    ts: int


class Kinds:
    """The codes of the kinds that one connection has seen."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        connection.execute(CREATE_KINDS)
        self.codes: dict[str, tuple[int, bytes]] = {}
        self._connection = connection

    def learn(self, kind: str, frame: bytes) -> tuple[int, bytes]:
        """Return code and frame of a kind that this connection has not seen yet."""
        code = len(self.codes)
        self._connection.execute("INSERT INTO temp.kind VALUES(?, ?)", (code, kind))
        self.codes[kind] = (code, frame)
        return self.codes[kind]


class Encoder:
    """Numbers and chains records, and packs them for INSERT."""

    def __init__(self, sequence: int, head: bytes, frames: dict[str, bytes]) -> None:
        self.sequence = sequence
        self.head = head
        self._frames = frames

    def encode(self, groups: Iterable[Group], kinds: Kinds) -> list[Parameters]:
        """Return the statements for the groups: one, unless they span 73 minutes or 64 MiB. Advances the head."""
        chunks: list[Parameters] = []
        sequence, head, codes = self.sequence, self.head, kinds.codes
        index: dict[int, int] = {}
        bodies: list[bytes] = []
        hashes: list[bytes] = []
        first, ts_first, offset, ordinal = sequence + 1, 0, 1, 0
        sha256, join = hashlib.sha256, b"".join
        for group in groups:
            ts = group.ts
            delta = ts - ts_first
            for entry in group.entries:
                if not index or not 0 <= delta < _TS_SPAN or offset > _CHUNK_BYTES_MAX or ordinal >= _CHUNK_RECORDS_MAX:
                    if index:
                        chunks.append((first, ts_first, join(bodies), join(hashes), _encode(index).decode()))
                        index, bodies, hashes = {}, [], []
                    first, ts_first, delta, offset, ordinal = sequence + 1, ts, 0, 1, 0
                kind, body = entry.kind, entry.body
                known = codes.get(kind)
                code, frame = known if known is not None else kinds.learn(kind, self._frames[kind])
                sequence += 1
                length = len(body)
                if length < _SMALL:
                    head = sha256(join((head, pack_header(sequence, ts, length), frame, body))).digest()
                else:
                    head = record_hash(head, pack_header(sequence, ts, length), frame, body)
                index[ordinal << _TS_BITS | delta] = offset << _OFFSET_SHIFT | length << _LENGTH_SHIFT | code
                bodies.append(body)
                hashes.append(head)
                offset += length
                ordinal += 1
        if index:
            chunks.append((first, ts_first, join(bodies), join(hashes), _encode(index).decode()))
        self.sequence, self.head = sequence, head
        return chunks
