"""Reading a strategy's source: what is refused, by line and reason, and what is left alone."""

import pytest

from holdfast.research.finding import FindingKind
from holdfast.research.source_audit import SourceText, audit_source


def found(text: str, **how) -> list[str]:
    audited = audit_source(SourceText("strategy.py", text), **how)
    return [finding.sentence for finding in audited if finding.kind is FindingKind.REFUSED]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("import os", "files"),
        ("import pandas as pd", "files"),
        ("from pathlib import Path", "files"),
        ("import sys", "interpreter"),
        ("def f():\n    import gc", "interpreter"),
        ("import time", "when or how often"),
        ("from random import random", "when or how often"),
        ("import requests", "ask others"),
        ("import threading", "beside the engine"),
        ("import my_own_helpers", "not known to be harmless"),
        ("from . import feed", "not known to be harmless"),
        ("from holdfast.adapters.sources import loading", "only core, domain"),
        ("from holdfast import research", "only core, domain"),
        ("import holdfast", "only core, domain"),
        ("open('bars.csv')", "opens files"),
        ("eval('1')", "cannot be read here"),
        ("globals()", "outside of its instance"),
        ("__builtins__", "interpreter"),
        ("def f():\n    global seen\n    seen = 1", "seen outside of its instance"),
        ("x.__globals__", "beyond the bars"),
        ("error.__traceback__.tb_frame", "beyond the bars"),
        ("().__class__.__base__.__subclasses__()", "beyond the bars"),
        ("typing.sys", "beyond the bars"),
        ("getattr(x, 'f_' + 'back')", "cannot be read here"),
        ("getattr(x, '__globals__')", "names '__globals__'"),
        ("attrgetter(name)", "cannot be read here"),
        ("attrgetter('sys')", "asks for 'sys'"),
        ("bar = getattr(bar, name)", "cannot be read here"),
        ("getattr(getattr(bar, name), name)", "cannot be read here"),
        ("'{0.__init__.__globals__}'.format(self)", "names '__globals__'"),
        ("match x:\n    case Exception(__traceback__=found): pass", "matches __traceback__"),
        ("import json\njson.codecs.open('x')", "beyond the bars"),
        ("import statistics\nstatistics.random.random()", "takes random out of statistics"),
        ("market.np.load('x')", "reads files"),
        ("helper.read_csv('x')", "opens files"),
        ("reader = open\nreader('x')", "opens files"),
        ("def f(open):\n    return open('x')", "opens files"),
        ("vars(module)", "outside of its instance"),
        ("np.load('bars.npy')", "reads files"),
        ("numpy.random.default_rng()", "brings in chance"),
        ("from numpy import load", "reads files"),
        ("from typing import sys", "no arithmetic"),
        ("from statistics import random", "no arithmetic"),
        ("datetime.now()", "asks the clock"),
        ("datetime.date.today()", "asks the clock"),
        ("msgspec.structs.force_setattr(bar, 'low', 1.0)", "beyond the bars"),
        ("def f(:", "no Python"),
    ],
)
def test_way_to_the_future_is_refused(text: str, word: str):
    sentences = found(text)
    assert any(word in sentence for sentence in sentences), sentences


@pytest.mark.parametrize(
    "text",
    [
        "import math\nfrom collections import deque\nimport numpy as np",
        "from holdfast.indicators.ema import ema_step\nfrom holdfast.strategies.free import FreeStrategy",
        "bar.open, bar.close, self.open, series.load",
        "getattr(bar, 'close')",
        "getattr(bar, self.source)",
        "for key, value in settings.items():\n    setattr(self, key, value)",
        "vars(self).items()",
        "open, high, low, close = bar.open, bar.high, bar.low, bar.close\nbody = abs(close - open)",
        "def body(open, close):\n    return abs(close - open)",
        "def input(): ...\ninput()",
        "import logging\nlogging.info('bought')",
        "np.array([1.0]).std()",
        "datetime.fromtimestamp(bar.ts_event, UTC)",
        "self.__class__.__name__, type(self), super().__init__()",
        "'a sentence that speaks of files and of the open price, and is quite long all the same, as sentences can be'",
    ],
)
def test_arithmetic_is_left_alone(text: str):
    assert found(text) == []


def test_trusted_module_can_be_named():
    assert found("import my_own_helpers", allowed={"my_own_helpers"}) == []


def test_findings_come_by_line():
    audited = audit_source(SourceText("strategy.py", "x = 1\nimport sys\n\nopen('x')\n"))
    assert [finding.line for finding in audited] == [2, 4]


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("T = {1672531200: 1, 1672534800: 1, 1672538400: 1, 1672542000: 1, 1672545600: 1}", True),
        ("T = [" + "3, " * 40 + "]", True),
        ("T = '" + "0f" * 40 + "'", True),
        ("T = 0x" + "f" * 80, True),
        ("HOURS = {8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23}", False),
        ("LENGTHS = [50, 100, 200]", False),
        ("'''A docstring with a-very-long-word-" + "x" * 80 + "'''", False),
    ],
)
def test_table_is_noted_and_not_refused(text: str, is_table: bool):
    audited = audit_source(SourceText("strategy.py", text))
    assert [finding.test for finding in audited] == (["tables"] if is_table else [])
    assert all(finding.kind is FindingKind.NOTED for finding in audited)
