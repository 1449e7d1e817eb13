"""The sentinel looks on from outside: it leaves whoever gives signs of life alone, and goes with whom it watches."""

import faulthandler
import os
import signal
import subprocess
import threading
import time

from holdfast.cli.guard import guarded
from holdfast.cli.sentinel import where

TRACE = """Stack (most recent call first):
  File "/usr/lib/python3.11/re/__init__.py", line 190 in match
  File "/home/me/mine.py", line 7 in on_bar
  File "/opt/holdfast/app/watch.py", line 150 in on_bar
"""


def test_the_innermost_line_of_the_strategys_own_file_is_named():
    assert where(TRACE, "mine.py") == ", in line 7 of mine.py (on_bar)"
    assert where(TRACE, "") == where(TRACE, "other.py") == ", in line 190 of __init__.py (match)"
    assert where("", "mine.py") == ""


def test_who_gives_signs_of_life_is_left_alone_and_nothing_stays_behind(monkeypatch):
    monkeypatch.setattr("holdfast.cli.guard.GRACE_S", 0.2)
    handles = len(os.listdir("/dev/fd"))
    with guarded("mine.py:Mine", 0.2, is_json=False) as beat:
        for _ in range(20):
            time.sleep(0.04)
            beat()
    assert not faulthandler.unregister(signal.SIGUSR2)
    assert len(os.listdir("/dev/fd")) == handles


def test_without_a_second_process_and_outside_of_the_main_thread_nothing_is_watched(monkeypatch):
    def refused(*_, **__):
        raise OSError

    monkeypatch.setattr(subprocess, "Popen", refused)
    ran: list[bool] = []

    def block():
        with guarded("mine.py:Mine", 0.2, is_json=False) as beat:
            beat()
            ran.append(True)

    block()
    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert ran == [True, True]
