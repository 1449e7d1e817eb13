"""Explanations tell what was recorded: every figure that mattered, and nothing that was not."""

import re
from decimal import Decimal

import msgspec
import pytest
from tests.unit.portfolio.conftest import DictStore, Played

from holdfast.core.record import encode
from holdfast.domain.decision import Action, Check, Opinion, OpinionTimedOut, Proposal, Signal, StopLevel
from holdfast.domain.order import (
    Liquidity,
    Order,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderSpec,
    OrderSubmitted,
    OrderType,
    Role,
    TimeInForce,
)
from holdfast.domain.portfolio import ClosedTrade
from holdfast.domain.values import Asset, InstrumentId, Money, OrderId, Price, Quantity, Ratio, Side
from holdfast.portfolio.explain import Explanation, _check_sentence, explain, find_story, is_named, why_not
from holdfast.portfolio.projection import catch_up
from holdfast.portfolio.status import DecisionLine
from holdfast.portfolio.story import (
    Decision,
    DecisionKind,
    DecisionState,
    OrderStory,
    RecentLine,
    StopMove,
    Story,
    Table,
)

SECOND = 1_000_000_000
NAME = InstrumentId("BTC/USDT.TEST")
SIGNAL = Signal(
    NAME, 60 * SECOND, "crossover", Action.ENTER_LONG, 0.75, 100.0, 98.0, 104.0, "The fast average rose above it.",
    (("fast", 100.25), ("slow", 99.5)),
)  # fmt: skip
PROPOSAL = Proposal(
    OrderId("hf-1p"), NAME, 60 * SECOND, Side.BUY, Quantity(Decimal("3.9")), Price(Decimal("100.5")),
    Price(Decimal(98)), Price(Decimal(104)), "crossover", SIGNAL.reason, 0.75, False, Price(Decimal(100)),
    "RISK_PER_TRADE",
)  # fmt: skip
CHECKS = (
    Check("DATA_AGE", Decimal(0), Decimal(120 * SECOND), True),
    Check("RISK_PER_TRADE", Decimal("19.89"), Decimal(20), True),
)


def submitted(spec: OrderSpec) -> Order:
    return (
        Order.of(spec)
        .apply(OrderSubmitted(spec.order_id, 60 * SECOND))
        .apply(OrderAccepted(spec.order_id, 61 * SECOND))
    )


def fill(
    order_id: str, ts: int, price: str, reference: str, quantity: str = "3.9", is_gap: bool = False
) -> OrderFilled:
    return OrderFilled(
        OrderId(order_id), ts, f"{order_id}-f", Price(Decimal(price)), Quantity(Decimal(quantity)),
        Money(Decimal("0.39"), Asset("USDT")), Liquidity.TAKER, Price(Decimal(reference)), is_gap,
    )  # fmt: skip


def told() -> Story:
    """A long trade of 3.9 BTC that trailed its stop up twice, left by it through a gap, and made 0.5 R."""
    entry = OrderSpec(
        OrderId("hf-1p"), NAME, Side.BUY, OrderType.LIMIT, Quantity(Decimal("3.9")), Role.ENTRY,
        Price(Decimal("100.5")), time_in_force=TimeInForce.IOC,
    )  # fmt: skip
    stop = OrderSpec(
        OrderId("hf-2s"), NAME, Side.SELL, OrderType.STOP_MARKET, Quantity(Decimal("3.9")), Role.STOP,
        trigger_price=Price(Decimal(98)), group="hf-1p.0",
    )  # fmt: skip
    target = OrderSpec(
        OrderId("hf-3t"), NAME, Side.SELL, OrderType.LIMIT, Quantity(Decimal("3.9")), Role.TARGET, Price(Decimal(104)),
        group="hf-1p.0",
    )  # fmt: skip
    bought, sold = fill("hf-1p", 62 * SECOND, "100.1", "100"), fill("hf-2s", 300 * SECOND, "102.5", "103", is_gap=True)
    moves = (
        StopMove(120 * SECOND, Price(Decimal(98)), Price(Decimal(101))),
        StopMove(180 * SECOND, Price(Decimal(101)), Price(Decimal(103))),
    )
    stories = (
        OrderStory(submitted(entry).apply(bought), "hf-1p", 60 * SECOND, 62 * SECOND, (bought,)),
        OrderStory(
            submitted(stop).amended(Price(Decimal(103)), None).apply(sold), "hf-1p", 62 * SECOND, 300 * SECOND, (sold,),
            2, moves,
        ),
        OrderStory(
            submitted(target).apply(OrderCanceled(OrderId("hf-3t"), 300 * SECOND, "group")), "hf-1p", 62 * SECOND,
            300 * SECOND,
        ),
    )  # fmt: skip
    decision = Decision(
        "hf-1p", DecisionKind.ENTRY, 60 * SECOND, NAME, DecisionState.CLOSED, SIGNAL, PROPOSAL, checks=CHECKS,
        order_ids=tuple(story.order.spec.order_id for story in stories),
    )  # fmt: skip
    trade = ClosedTrade(
        OrderId("hf-1p"), NAME, Side.BUY, Decimal("3.9"), 62 * SECOND, Decimal("100.1"), 300 * SECOND, Decimal("102.5"),
        "trailing_stop", Decimal(103), Decimal(104), Decimal("0.78"), Decimal("2.34"), Decimal("8.58"),
        Decimal("17.16"), Decimal("0.5"), (SIGNAL.reason,), "", "crossover",
    )  # fmt: skip
    return Story(decision, stories, (), trade)


def test_a_closed_trade_is_told_from_signal_to_result():
    assert (
        "\n".join(explain(told()).lines())
        == """\
Entry hf-1p on BTC/USDT.TEST, 1970-01-01T00:01:00Z: closed

Signal
  crossover wanted to enter long with a confidence of 75%: The fast average rose above it.
  It rests on fast 100.25, slow 99.5.

Size
  Buy 3.9 BTC at 100.5 at worst, stop 98, target 104. The market stood at 100.
  The budget of 20 USDT divided by a loss of 5.1 USDT a unit, from entry to stop, fees and slippage included, gives \
3.92156863, rounded down to the lot. At the stop it loses 19.89 USDT, fees and slippage included.

Checks
  DATA_AGE: 0 s against 120 s, passed
  RISK_PER_TRADE: 19.89 against 20, passed

Verdict
  The risk gate approved it.

Orders
  Entry hf-1p: buy 3.9, limit at 100.5, sent 1970-01-01T00:01:00Z, filled at 100.1.
  Stop hf-2s: sell 3.9, stop market from 98, sent 1970-01-01T00:01:02Z, filled at 102.5.
  Target hf-3t: sell 3.9, limit at 104, sent 1970-01-01T00:01:02Z, canceled (group).

Fills
  1970-01-01T00:01:02Z buy 3.9 at 100.1 as taker (entry); the reference price was 100, so spread and slippage cost \
0.39 USDT (0.100%); fee 0.39 USDT.
  1970-01-01T00:05:00Z sell 3.9 at 102.5 as taker (stop); the reference price was 103, so spread and slippage cost \
1.95 USDT (0.485%); fee 0.39 USDT. The market had jumped past its trigger.

Stop
  The stop hf-2s was moved 2 times, from 98 to 103, the last time at 1970-01-01T00:03:00Z.

Exit
  1970-01-01T00:05:00Z closed by trailing stop at 102.5; the stop then stood at 103, the target at 104.

Result
  It gained 8.58 USDT, +0.50 R; allowed to lose were 17.16 USDT.
  Fees were 0.78 USDT, spread and slippage 2.34 USDT."""
    )


def section(explanation: Explanation, title: str) -> str:
    return " ".join(s for part in explanation.sections if part.title == title for s in part.sentences)


def decided(**changes: object) -> Explanation:
    decision = msgspec.structs.replace(told().decision, **{"state": DecisionState.REFUSED, **changes})
    return explain(Story(decision))


def test_a_refusal_names_the_rule_and_its_figures():
    failed = Check("LOSS_DAY", Decimal("512.5"), Decimal(500), False, "lost 480 this day, the stop could add 32.5")
    told_now = decided(checks=(*CHECKS, failed), rule="LOSS_DAY", detail=failed.detail)
    assert "refused it by LOSS_DAY: lost 480 this day" in section(told_now, "Verdict")
    assert "LOSS_DAY: 512.5 against 500, refused: lost 480 this day" in section(told_now, "Checks")
    assert not section(told_now, "Orders")
    assert not section(told_now, "Result")


@pytest.mark.parametrize(
    ("scale", "effect"), [("0", "a veto"), ("1", "no objection"), ("2", "no objection"), ("0.4", "shrink it to 40%")]
)
def test_an_opinion_is_told_with_its_effect(scale: str, effect: str):
    opinion = Opinion(OrderId("hf-1p"), 70 * SECOND, Ratio(Decimal(scale)), "The news is bad.", "small-model")
    text = section(decided(opinion=opinion), "Opinion")
    assert text == f"small-model said at 1970-01-01T00:01:10Z, {effect}: The news is bad."


def test_silence_of_the_model_is_told():
    assert "no answer by 1970-01-01T00:01:10Z" in section(
        decided(opinion=OpinionTimedOut(OrderId("hf-1p"), 70 * SECOND)), "Opinion"
    )
    assert "has not answered yet" in section(decided(state=DecisionState.ASKED), "Opinion")
    assert not section(decided(), "Opinion")


@pytest.mark.parametrize("state", list(DecisionState))
def test_every_state_has_a_verdict(state: DecisionState):
    assert section(decided(state=state), "Verdict")


@pytest.mark.parametrize(
    ("limited_by", "sentence"),
    [
        ("FIXED", "The settings fix the quantity."),
        ("CASH", "CASH kept it down (390 of 400)."),
        ("VOLUME_SHARE", "VOLUME_SHARE kept it down."),
        ("", "is not recorded."),
    ],
)
def test_the_size_is_explained_by_what_kept_it_down(limited_by: str, sentence: str):
    proposal = msgspec.structs.replace(PROPOSAL, limited_by=limited_by)
    checks = (*CHECKS, Check("CASH", Decimal(390), Decimal(400), True))
    text = section(decided(proposal=proposal, checks=checks), "Size")
    assert sentence in text
    assert "At the stop it loses 19.89 USDT" in text


def test_a_size_of_nothing_names_the_limit():
    proposal = msgspec.structs.replace(PROPOSAL, quantity=Quantity(Decimal(0)))
    assert section(decided(proposal=proposal, checks=()), "Size") == (
        "No quantity was left for a BUY: RISK_PER_TRADE allows none now."
    )


def test_a_size_of_impossible_figures_is_still_told():
    for value in ("0", "-1", "NaN", "Infinity", "1E+25"):
        checks = (Check("RISK_PER_TRADE", Decimal(value), Decimal(value), False),)
        assert section(decided(checks=checks), "Size")


def test_an_exit_on_a_signal_is_told_with_its_reason():
    signal = msgspec.structs.replace(SIGNAL, action=Action.EXIT_LONG, reason="The averages crossed back.", evidence=())
    leaving = Decision("hf-9x", DecisionKind.EXIT, 240 * SECOND, NAME, DecisionState.CLOSED, signal, rule="exit")
    text = section(explain(msgspec.structs.replace(told(), exits=(leaving,))), "Exit")
    assert "hf-9x: crossover wanted to exit long with a confidence of 75%: The averages crossed back." in text


@pytest.mark.parametrize("role", ["exit", "emergency", "stop"])
def test_an_exit_without_a_signal_says_what_it_was(role: str):
    leaving = Decision("hf-9x", DecisionKind.EXIT, 240 * SECOND, NAME, DecisionState.CLOSED, rule=role)
    assert "hf-9x: " in section(explain(msgspec.structs.replace(told(), exits=(leaving,))), "Exit")


def test_a_loss_beyond_the_risk_names_its_cause():
    story = told()
    trade = msgspec.structs.replace(story.trade, pnl=Decimal(-30), r_multiple=Decimal("-1.748"), excess_cause="gap")
    text = section(explain(msgspec.structs.replace(story, trade=trade)), "Result")
    assert "It lost 30 USDT, -1.75 R" in text
    assert "the cause is gap" in text


def test_an_open_trade_has_no_result_yet():
    story = told()
    decision = msgspec.structs.replace(story.decision, state=DecisionState.OPEN)
    explanation = explain(msgspec.structs.replace(story, trade=None, decision=decision))
    assert section(explanation, "Result") == "It is still open."
    assert explanation.r_multiple is None


def test_every_recorded_decision_can_be_explained_by_every_id_of_it(played: Played):
    store = DictStore()
    catch_up(played.journal, store)
    ids = {row.key for table in (Table.ORDER, Table.DECISION, Table.TRADE) for row in store.scan(table)}
    assert len(ids) > 500
    for any_id in ids:
        story = find_story(store.get, any_id)
        assert story is not None
        known = {story.decision.decision_id, *story.decision.order_ids, *story.decision.exit_ids}
        assert any_id in known
        explanation = explain(story)
        assert msgspec.json.decode(encode(explanation), type=Explanation) == explanation
        text = "\n".join(explanation.lines())
        assert not re.search(r"None|<|>|\dE[+-]|Decimal", text), text
        if story.trade is not None:
            assert explanation.r_multiple == story.trade.r_multiple
            assert section(explanation, "Signal")
            assert (
                section(explanation, "Fills").count("as taker") + section(explanation, "Fills").count("as maker") >= 2
            )


def test_an_unknown_id_has_no_story():
    assert find_story(DictStore().get, "hf-0p") is None


def line(sequence: int, what: str, name: str = NAME, rule: str = "") -> RecentLine:
    return RecentLine(sequence, DecisionLine(f"d{sequence}", sequence * SECOND, name, what, f"reason {sequence}", rule))


def test_why_not_tells_what_stands_in_the_way_newest_first():
    recent = [line(i, "refused", rule="CASH") for i in range(1, 9)] + [line(20, "passed over"), line(21, "not filled")]
    recent += [line(30, "refused", "ETH/USDT.TEST"), line(31, "moved stop")]
    explanation = why_not(NAME, recent[::-1], ["RSI is 55, 30 is asked."], StopLevel.NO_ENTRIES, "hf-1p")
    text = explanation.lines()
    assert "The emergency stop stands at no_entries: no entry passes the gate." in section(explanation, "Now")
    assert "Trade hf-1p is open" in section(explanation, "Now")
    assert section(explanation, "What the strategy sees") == "RSI is 55, 30 is asked."
    refusals = next(part.sentences for part in explanation.sections if part.title.startswith("Last refusals"))
    assert [s.split()[1] for s in refusals] == ["d8", "d7", "d6", "d5", "d4"]
    assert refusals[0] == "1970-01-01T00:00:08Z d8 CASH: reason 8"
    nothing = next(part.sentences for part in explanation.sections if part.title.startswith("Last entries"))
    assert [s.split()[1] for s in nothing] == ["d21", "d20"]
    assert not any("ETH" in sentence or "reason 31" in sentence for sentence in text)


def test_why_not_says_so_when_nothing_stands_in_the_way():
    assert "Nothing stands in the way" in section(why_not(NAME, ()), "Now")


@pytest.mark.parametrize(
    ("symbol", "is_it"),
    [("BTC/USDT.TEST", True), ("btc/usdt", True), ("BTC/USDT", True), ("BTC", False), ("ETH/USDT", False), ("", False)],
)
def test_an_instrument_is_named_by_its_id_with_or_without_the_venue(symbol: str, is_it: bool):
    assert is_named(NAME, symbol) is is_it


def test_a_pause_that_is_over_is_told_as_such():
    check = Check("COOLDOWN", Decimal(5), Decimal(4), True)
    assert _check_sentence(check) == "COOLDOWN: 5 against 4, passed: the pause after the last of them is over"
