"""What the commands that look say while a venue of the running agent is away."""

import pytest
from tests.unit.app.standing_agent import POSITION, status

from holdfast.cli.actions import inspection
from holdfast.portfolio.status import LinkLine, Status

AWAY = LinkLine("GATEIO", "venue", 0, "no answer")


class _Standing:
    """Stands for a running agent whose venue is away."""

    is_running, warnings = True, ()

    def __init__(self, *_: object) -> None:
        return

    def status(self) -> Status:
        return status(mode="live", positions=(POSITION,), links_down=(AWAY,))

    def limits(self) -> tuple[object, ...]:
        return ()


@pytest.mark.parametrize("command", ["status", "risk"])
def test_a_venue_that_is_away_is_told_by_what_looks(command, call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inspection, "Standing", _Standing)
    result = call(command)
    assert "GATEIO is out of reach since the start (no answer); nothing is entered there" in (
        result.out + result.err
    ).replace("\n", " ")
    found = call(command, "--json").document
    links = found["status"]["links_down"] if command == "status" else found["links_down"]
    assert links == [{"venue": "GATEIO", "link": "venue", "ts_down": None, "why": "no answer"}]
