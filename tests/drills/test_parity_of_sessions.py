"""A few hours at a venue, played quickly over the wire and killed once: every order is reproduced. `make parity-day` is
the whole day.
"""

import pytest

from holdfast.testing.parity_day import MODES, Wish, play

pytestmark = [pytest.mark.slow, pytest.mark.recorded_data]


@pytest.mark.parametrize("mode", MODES)
def test_a_session_over_the_wire_is_reproduced_order_by_order_after_a_kill(mode: str):
    played = play(Wish(mode, bars=240, pace=12, kills=1))
    assert played.broken == []
    assert played.kills == 1
    assert played.report["orders"] == played.report["reproduced"] >= 8
    assert played.report["decisions"] == played.report["decisions_equal"]
