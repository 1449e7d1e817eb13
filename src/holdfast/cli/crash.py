"""Keeps the traceback of an unexpected error in a file of its own; imported only when there is one."""

from __future__ import annotations

import os
import tempfile
import traceback


def kept(error: BaseException) -> str:
    """Write the traceback where only its owner can read it, and return a clause that says where it is."""
    text = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="holdfast-crash-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        return "its traceback could not be written; repeat the command with --debug"
    return f"its traceback is in {name}"


def shown(error: BaseException) -> str:
    """Print the traceback and return a clause that says so."""
    traceback.print_exception(error)
    return "the traceback stands above"
