"""What is left of each part of a position, whatever sells it."""

from decimal import Decimal

from tests.unit.engine.test_excess import Story

from holdfast.domain.values import ZERO


def test_what_a_late_way_out_sells_beyond_its_part_is_taken_off_the_others():
    """Seed 26 of the live simulation: a stop and the way out of one part both filled; the rest asked for too much."""
    story = Story()
    for quantity in ("2", "3", "1"):
        story.enter("100", quantity)
    story.leave("89.95", "2", part=0)
    story.leave("89.95", "2", part=0)
    assert [bracket.quantity for bracket in story.trade.brackets] == [ZERO, Decimal(1), Decimal(1)]
    assert sum(bracket.quantity for bracket in story.trade.brackets) == story.trade.held


def test_what_nobody_holds_is_taken_off_nobody():
    story = Story()
    story.enter("100", "1")
    story.leave("89.95", "2", part=0)
    assert [bracket.quantity for bracket in story.trade.brackets] == [Decimal(-1)]
