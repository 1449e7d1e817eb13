"""The export is complete, exact and can be checked without us."""

import base64
import hashlib
import io
import json
import struct

import pytest
from tests.unit.adapters.storage.conftest import MakeJournal

from holdfast.adapters.storage.sqlite.export import export, lines
from holdfast.core.errors import ConfigurationError

BODIES = ['{"a":1.10,"é":"☃"}'.encode(), b"[1,\n2]", b"no json", b"\xff\xfe", b"1e400", b' {"spaced" : 1} ']


def test_every_record_is_one_line_of_json(make_journal: MakeJournal):
    folder = make_journal(BODIES, segment_records=2)
    out = io.BytesIO()
    assert export(folder, out) == len(BODIES)
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [row["sequence"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert rows[0]["time"].startswith("2023-11-14T22:13:20")
    assert rows[0]["body"] == {"a": 1.1, "é": "☃"}
    assert base64.b64decode(rows[1]["body_base64"]) == BODIES[1]
    assert base64.b64decode(rows[3]["body_base64"]) == BODIES[3]


def test_hashes_can_be_checked_from_the_export_alone(make_journal: MakeJournal):
    previous = bytes(32)
    for line in lines(make_journal(BODIES)):
        row = json.loads(line)
        if "body" in row:
            body = line[line.index(b'"body":') + len(b'"body":') : -2]
        else:
            body = base64.b64decode(row["body_base64"])
        kind = row["kind"].encode()
        header = struct.pack(">QqIH", row["sequence"], row["ts_journal"], len(body), len(kind))
        previous = hashlib.sha256(previous + header + kind + body).digest()
        assert previous.hex() == row["hash"]


def test_an_export_can_be_narrowed(make_journal: MakeJournal):
    rows = [json.loads(line) for line in lines(make_journal(), after=4, kinds=["run"])]
    assert [row["sequence"] for row in rows] == [7, 10]


def test_an_unknown_format_is_refused(make_journal: MakeJournal):
    with pytest.raises(ConfigurationError, match="xml") as refusal:
        export(make_journal(), io.BytesIO(), export_format="xml")
    assert "jsonl" in refusal.value.hint
