"""Why something was done, or not done, in plain sentences: from what was recorded, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, TypeVar

from holdfast.core.record import Record
from holdfast.core.time import rfc3339
from holdfast.domain.amount import quote_of
from holdfast.domain.decision import Check, Opinion, OpinionTimedOut, Proposal, Signal, StopLevel
from holdfast.domain.order import OrderFilled, OrderSpec, OrderState, Role
from holdfast.domain.portfolio import ClosedTrade, entry_of, trade_name
from holdfast.domain.values import OrderId, Side
from holdfast.portfolio.decision_line import WAYS_OUT
from holdfast.portfolio.story import (
    Decision,
    DecisionKind,
    DecisionState,
    OrderStory,
    RecentLine,
    Story,
    Table,
    read_row,
)

_PLACES: Final = Decimal("1e-8")
_DIGITS_MAX: Final = 15  # before the point: more, and eight places would not fit into a Decimal of 28 digits
_REFUSALS_TOLD: Final = 5
_NANOS_RULES: Final = frozenset({"DATA_AGE"})
_ROLE_NAMES: Final = {
    Role.ENTRY: "Entry",
    Role.STOP: "Stop",
    Role.TARGET: "Target",
    Role.EXIT: "Exit",
    Role.EMERGENCY: "Emergency exit",
}

RowType = TypeVar("RowType", bound=Record)


class Section(Record, frozen=True):
    """A heading and its sentences."""

    title: str
    sentences: tuple[str, ...]


class Explanation(Record, frozen=True):
    """The answer to "why": `decision_id` is empty where it is about no single decision."""

    decision_id: str
    instrument_id: str
    title: str
    sections: tuple[Section, ...]
    r_multiple: Decimal | None = None  # of what has closed

    def lines(self) -> list[str]:
        """Return it as plain text: the title, then each section, its sentences indented."""
        lines = [self.title]
        for section in self.sections:
            lines += ["", section.title, *(f"  {sentence}" for sentence in section.sentences)]
        return lines


def find_story(look_up: Callable[[str, str], bytes | None], any_id: str) -> Story | None:
    """Return the story that an id belongs to: of a proposal, order, trade or decision; None if there is none.

    An id of an order, of an exit or of a trade leads to the story of the entry behind it.
    """
    decision = _row(look_up, Table.DECISION, any_id, Decision)
    if decision is None:
        order = _row(look_up, Table.ORDER, any_id, OrderStory)
        entry_id = entry_of(any_id) if order is None else order.decision_id
        decision = _row(look_up, Table.DECISION, entry_id, Decision)
    elif decision.trade_id:
        decision = _row(look_up, Table.DECISION, decision.trade_id, Decision) or decision
    if decision is None:
        return None
    orders = (_row(look_up, Table.ORDER, order_id, OrderStory) for order_id in decision.order_ids)
    exits = (_row(look_up, Table.DECISION, exit_id, Decision) for exit_id in decision.exit_ids)
    entry = _row(look_up, Table.ORDER, decision.decision_id, OrderStory)
    fills = len(entry.fills) if entry is not None else 0
    names = (trade_name(OrderId(decision.decision_id), fill) for fill in range(2, fills + 1))
    again = (_row(look_up, Table.TRADE, name, ClosedTrade) for name in names)
    return Story(
        decision, tuple(order for order in orders if order is not None),
        tuple(found for found in exits if found is not None),
        _row(look_up, Table.TRADE, decision.decision_id, ClosedTrade),
        tuple(trade for trade in again if trade is not None),
    )  # fmt: skip


def explain(story: Story) -> Explanation:
    """Return why and how: signal, size, checks, opinion, orders, fills, stop moves, exit and result."""
    decision = story.decision
    quote = quote_of(decision.instrument_id)
    sections = [
        Section("Signal", _signal_sentences(decision)),
        Section("Size", _size_sentences(decision, quote)),
        Section("Opinion", _opinion_sentences(decision)),
        Section("Checks", tuple(_check_sentence(check) for check in decision.checks)),
        Section("Verdict", (_verdict(decision),)),
        Section("Orders", tuple(_order_sentence(order) for order in story.orders)),
        Section("Fills", _fill_sentences(story, quote)),
        Section("Stop", _stop_sentences(story)),
        Section("Exit", _exit_sentences(story)),
        Section("Result", _result_sentences(story, quote)),
    ]
    told = tuple(section for section in sections if section.sentences)
    trades = _trades(story)
    risk = sum(trade.risk for trade in trades)
    r_multiple = sum((trade.pnl for trade in trades), Decimal(0)) / risk if risk else None
    return Explanation(decision.decision_id, decision.instrument_id, _title(decision), told, r_multiple)


def why_not(
    instrument_id: str, recent: Sequence[RecentLine], situation: Sequence[str] = (),
    stop_level: StopLevel = StopLevel.NONE, open_trade: str = "",
) -> Explanation:  # fmt: skip
    """Return why nothing is bought or sold on an instrument now: what stands in the way, and what did lately.

    Parameters
    ----------
    recent
        Lines of the instrument, in any order; see `story.RecentLine`.
    situation
        The strategy's own sentences about which conditions hold.
    open_trade
        The trade that is open on it, if any.
    """
    now: list[str] = []
    if stop_level is not StopLevel.NONE:
        now.append(f"The emergency stop stands at {stop_level.value}: no entry passes the gate.")
    if open_trade:
        now.append(f"Trade {open_trade} is open: an entry waits until it has closed.")
    newest = sorted(recent, key=lambda line: line.sequence, reverse=True)
    mine = [line.line for line in newest if line.line.instrument_id == instrument_id]
    refused = [line for line in mine if line.what == "refused"][:_REFUSALS_TOLD]
    passed = [line for line in mine if line.what in ("passed over", "not filled")][:_REFUSALS_TOLD]
    sections = [
        Section("Now", tuple(now)),
        Section("What the strategy sees", tuple(situation)),
        Section(
            "Last refusals of the risk gate",
            tuple(f"{rfc3339(line.ts)} {line.decision_id} {line.rule}: {line.reason}" for line in refused),
        ),
        Section(
            "Last entries that came to nothing",
            tuple(f"{rfc3339(line.ts)} {line.decision_id} {line.what}: {line.reason}" for line in passed),
        ),
    ]
    told = tuple(section for section in sections if section.sentences)
    if not told:
        told = (Section("Now", ("Nothing stands in the way; the strategy has given no signal yet.",)),)
    return Explanation("", instrument_id, f"Why there is no trade on {instrument_id}", told)


def is_named(instrument_id: str, symbol: str) -> bool:
    """Tell whether `symbol` names the instrument: its id, or the id without the venue, in any case."""
    wanted, whole = symbol.upper(), instrument_id.upper()
    return wanted in (whole, whole.partition(".")[0])


# -- what led to it ------------------------------------------------------------------------------------
def _title(decision: Decision) -> str:
    state = decision.state.value.replace("_", " ")
    where = f" on {decision.instrument_id}" if decision.instrument_id else ""
    return f"{decision.kind.value.capitalize()} {decision.decision_id}{where}, {rfc3339(decision.ts)}: {state}"


def _signal_sentences(decision: Decision) -> tuple[str, ...]:
    signal, proposal = decision.signal, decision.proposal
    if signal is not None:
        return _told(signal)
    if proposal is not None:
        return (f"{proposal.strategy}: {proposal.reason}",)
    return (decision.detail,) if decision.kind in (DecisionKind.NOTE, DecisionKind.BRAKE) else ()


def _told(signal: Signal) -> tuple[str, ...]:
    action = signal.action.value.replace("_", " ")
    sentences = [f"{signal.strategy} wanted to {action} with a confidence of {signal.strength:.0%}: {signal.reason}"]
    if signal.evidence:
        sentences.append("It rests on " + ", ".join(f"{name} {value:.8g}" for name, value in signal.evidence) + ".")
    return tuple(sentences)


def _size_sentences(decision: Decision, quote: str) -> tuple[str, ...]:
    proposal = decision.proposal
    if proposal is None:
        return ()
    base = proposal.instrument_id.partition("/")[0]
    if not proposal.quantity:
        return (
            f"No quantity was left for a {proposal.side.value}: {proposal.limited_by or 'a limit'} allows none now.",
        )
    levels = (
        f"{_verb(proposal.side)} {_plain(proposal.quantity)} {base} at {_plain(proposal.entry)} at worst, stop"
        f" {_plain(proposal.stop)}, target {_plain(proposal.target)}."
    )
    if proposal.reference:
        levels += f" The market stood at {_plain(proposal.reference)}."
    return (levels, _how_sized(proposal, {check.rule: check for check in decision.checks}, quote))


def _how_sized(proposal: Proposal, checks: dict[str, Check], quote: str) -> str:
    loss = checks.get("RISK_PER_TRADE")
    at_stop = ""
    if loss is not None:
        at_stop = f" At the stop it loses {_amount(loss.value, quote)}, fees and slippage included."
    limit = proposal.limited_by
    bound = checks.get(limit)
    if limit == "FIXED":
        return f"The settings fix the quantity.{at_stop}"
    if limit == "RISK_PER_TRADE" and loss is not None and _is_positive(loss.value) and _is_positive(proposal.quantity):
        unit = loss.value / proposal.quantity
        return (
            f"The budget of {_amount(loss.limit, quote)} divided by a loss of {_amount(unit, quote)} a unit, from entry"
            f" to stop, fees and slippage included, gives {_plain(loss.limit / unit)}, rounded down to the lot."
            f"{at_stop}"
        )
    if not limit:
        return f"How it was sized is not recorded.{at_stop}"
    detail = "" if bound is None else f" ({_value(bound)} of {_limit(bound)})"
    return f"The largest quantity that every limit allowed; {limit} kept it down{detail}.{at_stop}"


def _opinion_sentences(decision: Decision) -> tuple[str, ...]:
    opinion = decision.opinion
    match opinion:
        case Opinion():
            if opinion.scale <= 0:
                effect = "a veto"
            elif opinion.scale >= 1:
                effect = "no objection"
            else:
                effect = f"shrink it to {opinion.scale:.0%}"
            return (f"{opinion.model} said at {rfc3339(opinion.ts_event)}, {effect}: {opinion.reason}",)
        case OpinionTimedOut():
            return (f"The model gave no answer by {rfc3339(opinion.ts_event)}.",)
        case None:
            return ("A model was asked and has not answered yet.",) if decision.state is DecisionState.ASKED else ()


def _check_sentence(check: Check) -> str:
    verdict = "passed" if check.is_passed else "refused"
    if check.rule == "COOLDOWN" and check.is_passed and check.value >= check.limit:
        # Losses in a row are counted on until one trade wins; what the rule asks for after so many is a pause.
        verdict = "passed: the pause after the last of them is over"
    sentence = f"{check.rule}: {_value(check)} against {_limit(check)}, {verdict}"
    return f"{sentence}: {check.detail}" if check.detail else sentence


def _verdict(decision: Decision) -> str:
    match decision.state:
        case DecisionState.REFUSED:
            return f"The risk gate refused it by {decision.rule}: {decision.detail}"
        case DecisionState.ASKED:
            return "A model is asked; nothing has been ordered."
        case DecisionState.DROPPED:
            return "The brake was pulled while a model was asked; nothing was ordered."
        case DecisionState.NOTED:
            return "Nothing was ordered."
        case DecisionState.NOT_FILLED:
            return "The risk gate approved it, but the entry did not fill."
        case DecisionState.ORDERED | DecisionState.OPEN | DecisionState.CLOSED:
            return "The risk gate approved it."


# -- what followed -------------------------------------------------------------------------------------
def _order_sentence(story: OrderStory) -> str:
    order, spec = story.order, story.order.spec
    sentence = f"{_ROLE_NAMES[spec.role]} {spec.order_id}: {_asked(spec)}, sent {rfc3339(story.ts_sent)}, "
    if order.state is OrderState.FILLED:
        return f"{sentence}filled at {_plain(order.price_average)}."
    state = order.state.value.lower().replace("_", " ")
    part = f" after {_plain(order.filled)}" if order.filled else ""
    return f"{sentence}{state}{part}{f' ({order.reason})' if order.reason else ''}."


def _asked(spec: OrderSpec) -> str:
    sentence = f"{_verb(spec.side).lower()} {_plain(spec.quantity)}, {spec.type.value.replace('_', ' ')}"
    if spec.limit_price is not None:
        sentence += f" at {_plain(spec.limit_price)}"
    if spec.trigger_price is not None:
        sentence += f" from {_plain(spec.trigger_price)}"
    return sentence


def _fill_sentences(story: Story, quote: str) -> tuple[str, ...]:
    found = [(fill, order.order.spec) for order in story.orders for fill in order.fills]
    found.sort(key=lambda pair: pair[0].ts_event)
    return tuple(_fill_sentence(fill, spec, quote) for fill, spec in found)


def _fill_sentence(fill: OrderFilled, spec: OrderSpec, quote: str) -> str:
    cost = (fill.price - fill.reference) * fill.quantity * spec.side.sign
    share = (fill.price / fill.reference - 1) * spec.side.sign if fill.reference else Decimal(0)
    gap = " The market had jumped past its trigger." if fill.is_gap else ""
    if fill.is_late:
        gap = " The market had passed its trigger while it was still on its way."
    return (
        f"{rfc3339(fill.ts_event)} {_verb(spec.side).lower()} {_plain(fill.quantity)} at {_plain(fill.price)} as"
        f" {fill.liquidity.value} ({_ROLE_NAMES[spec.role].lower()}); the reference price was {_plain(fill.reference)},"
        f" so spread and slippage cost {_amount(cost, quote)} ({share:.3%});"
        f" fee {_amount(fill.fee.amount, quote)}.{gap}"
    )


def _stop_sentences(story: Story) -> tuple[str, ...]:
    sentences: list[str] = []
    for order in story.orders:
        spec = order.order.spec
        if spec.role is not Role.STOP or spec.trigger_price is None:
            continue
        if not order.moves:
            sentences.append(f"The stop {spec.order_id} stayed at {_plain(spec.trigger_price)}.")
            continue
        now = order.order.trigger_price or spec.trigger_price
        times = "once" if order.moves == 1 else f"{order.moves} times"
        last = order.moves_last[-1]
        sentences.append(
            f"The stop {spec.order_id} was moved {times}, from {_plain(spec.trigger_price)} to {_plain(now)},"
            f" the last time at {rfc3339(last.ts)}."
        )
    return tuple(sentences)


def _exit_sentences(story: Story) -> tuple[str, ...]:
    sentences: list[str] = []
    for decision in story.exits:
        told = " ".join(_told(decision.signal)) if decision.signal is not None else WAYS_OUT[Role(decision.rule)]
        sentences.append(f"{rfc3339(decision.ts)} {decision.decision_id}: {told}")
    sentences.extend(
        f"{rfc3339(trade.exit_ts)} closed by {trade.exit_reason.replace('_', ' ')} at {_plain(trade.exit_price)};"
        f" the stop then stood at {_plain(trade.stop_price)}, the target at {_plain(trade.target_price)}."
        for trade in _trades(story)
    )
    return tuple(sentences)


def _result_sentences(story: Story, quote: str) -> tuple[str, ...]:
    trades = _trades(story)
    sentences = [sentence for trade in trades for sentence in _trade_sentences(trade, quote)]
    if story.decision.state is DecisionState.OPEN:
        sentences.append("It filled again and is open." if trades else "It is still open.")
    return tuple(sentences)


def _trades(story: Story) -> tuple[ClosedTrade, ...]:
    return (story.trade, *story.again) if story.trade is not None else story.again


def _trade_sentences(trade: ClosedTrade, quote: str) -> list[str]:
    verb = "lost" if trade.pnl < 0 else "gained"
    multiple = f", {trade.r_multiple:+.2f} R" if trade.risk else ""
    sentences = [
        f"It {verb} {_amount(abs(trade.pnl), quote)}{multiple}; allowed to lose were {_amount(trade.risk, quote)}.",
        f"Fees were {_amount(trade.fees, quote)}, spread and slippage {_amount(trade.slippage, quote)}.",
    ]
    if trade.excess_cause:
        sentences.append(f"It lost more than was allowed; the cause is {trade.excess_cause}.")
    return sentences


# -- words and figures ---------------------------------------------------------------------------------
def _row(look_up: Callable[[str, str], bytes | None], table: Table, key: str, kind: type[RowType]) -> RowType | None:
    body = look_up(table, key)
    return None if body is None else read_row(body, kind)


def _verb(side: Side) -> str:
    return "Buy" if side is Side.BUY else "Sell"


def _is_positive(value: Decimal) -> bool:
    return value.is_finite() and value > 0


def _plain(value: Decimal) -> str:
    # For reading: the journal keeps every digit.
    is_short = value.is_finite() and value.adjusted() < _DIGITS_MAX
    text = f"{value.quantize(_PLACES) if is_short else value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def _amount(value: Decimal, quote: str) -> str:
    return f"{_plain(value)} {quote}".rstrip()


def _value(check: Check) -> str:
    return _seconds(check.value) if check.rule in _NANOS_RULES else _plain(check.value)


def _limit(check: Check) -> str:
    return _seconds(check.limit) if check.rule in _NANOS_RULES else _plain(check.limit)


def _seconds(nanos: Decimal) -> str:
    return f"{_plain(nanos / 1_000_000_000)} s"
