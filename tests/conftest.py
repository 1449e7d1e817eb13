"""What every test shares: how hypothesis searches, and the recorded market, which lies outside of this project.

A test that needs recorded candles asks for the fixture `recorded_market`, or carries the marker `recorded_data` and
takes its files from `recorded_file`. Where the market is missing such a test is skipped, and the last line but one
says so; with HOLDFAST_REQUIRE_DATA=1 it fails.
"""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

# No deadline: tests never assert a wall-clock time. In CI a run is repeatable; at a desk each run looks somewhere new.
settings.register_profile("house", deadline=None, print_blob=True, derandomize="CI" in os.environ)
settings.load_profile("house")

# pytest loads readline, which sets COLUMNS; what the commands print must not depend on that.
os.environ.pop("COLUMNS", None)

MARKER = "recorded_data"
NO_DATA = "no recorded market data: set HOLDFAST_DATA (folder that contains market/)"
_BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def recorded_folder() -> Path | None:
    """Return the folder of recorded candles, None where there is none."""
    data = Path(os.environ.get("HOLDFAST_DATA") or _BESIDE).expanduser()
    places = (data / "market", data)
    return next((place for place in places if (place / "manifest.json").is_file()), None)


def recorded_file(name: str) -> Path:
    """Return the path of a recorded file; a market without it is not the one that the tests were written for."""
    folder = recorded_folder()
    assert folder is not None, NO_DATA
    assert (folder / name).is_file(), f"{folder} has no {name}"
    return folder / name


@pytest.fixture(scope="session")
def recorded_market() -> Path:
    """Give the folder of recorded candles; whoever asks for it is marked below."""
    folder = recorded_folder()
    assert folder is not None, NO_DATA
    return folder


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "recorded_market" in getattr(item, "fixturenames", ()):
            item.add_marker(MARKER)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker(MARKER) is None or recorded_folder() is not None:
        return
    if os.environ.get("HOLDFAST_REQUIRE_DATA") == "1":
        pytest.fail(NO_DATA, pytrace=False)
    pytest.skip(NO_DATA)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Generator[None]:
    """Say below everything but pytest's own closing line what was not run."""
    yield
    skipped = terminalreporter.getreports("skipped")
    count = sum(1 for report in skipped if MARKER in report.keywords and NO_DATA in str(report.longrepr))
    if count:
        text = f"NOT RUN: {count} tests need recorded market data; set HOLDFAST_DATA (folder that contains market/)"
        terminalreporter.ensure_newline()
        terminalreporter.write_line(text, yellow=True, bold=True)
