"""What `spreads` does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal

import click

from holdfast.app.spreads import ScanPlan, number, open_scan
from holdfast.cli.amounts import exact, percent
from holdfast.cli.failures import report as report_error
from holdfast.cli.given import Place, read
from holdfast.cli.output import print_json, print_json_line, print_table, say
from holdfast.core.errors import ConfigurationError, DomainError, HoldfastError
from holdfast.core.time import rfc3339
from holdfast.research.spreads import Direction, Limits, Offer
from holdfast.services.spreads import SpreadReport

_PLACES = 4  # of a share in percent: spreads are thousandths


class SpreadOptions(Place, frozen=True):
    """What `spreads` takes."""

    venues: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()
    fees: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    withdrawal: str = "0"
    min_net: str = "0"
    depth: int = 50
    age_s: float = 5.0
    skew_s: float = 2.0
    watch_s: float | None = None
    looks: int | None = None


def spreads(options: Mapping[str, object]) -> int:
    """Look once, or again and again."""
    given = read(options, SpreadOptions)
    if not given.markets:
        raise ConfigurationError("no market is named", hint="--market BTC/USDT")
    return asyncio.run(_look(given, ScanPlan(given.venues, given.markets, given.fees, given.depth, _limits(given))))


def _limits(given: SpreadOptions) -> Limits:
    try:
        return Limits(
            int(given.age_s * 1_000), int(given.skew_s * 1_000), number(given.min_net, "--min-net"),
            number(given.withdrawal, "--withdrawal"), tuple(number(size, "--size") for size in given.sizes),
        )  # fmt: skip
    except DomainError as error:
        raise ConfigurationError(str(error), hint="holdfast spreads --help") from None


async def _look(given: SpreadOptions, plan: ScanPlan) -> int:
    scan, looks = open_scan(plan), 0
    try:
        while True:
            report = await scan.look(plan.markets)
            looks += 1
            failure = report.failure if given.watch_s is None else None
            if failure is not None and given.is_json:
                return _print_failure(report, failure)
            _print(report, given)
            if failure is not None:
                raise failure
            if given.watch_s is None or looks == given.looks:
                return 0
            await asyncio.sleep(given.watch_s)
    finally:
        await scan.close()


def _print_failure(report: SpreadReport, failure: HoldfastError) -> int:
    """Print one document that holds both: what each venue said, and the error."""
    known = {"message": str(failure), "next": failure.hint, "exit_code": failure.exit_code}
    print_json({**_document(report), "error": known})
    return report_error((), str(failure), failure.hint, failure.exit_code)  # for people, on standard error alone


def _print(report: SpreadReport, given: SpreadOptions) -> None:
    if given.is_json:
        (print_json if given.watch_s is None else print_json_line)(_document(report))
        return
    click.echo(f"{rfc3339(report.ts)}: {len(report.opportunities)} would have paid; a report, and no promise")
    print_table(("venue", "market", "bid", "ask", "fee", "age", "book"), [_offer_row(x) for x in report.offers], left=2)
    rows = [_direction_row(x) for x in report.directions]
    print_table(("buy at", "sell at", "market", "gross", "quantity", "cost", "net", "of cost", ""), rows, left=3)
    for x in report.directions:
        for size, deal in x.sizes:
            told = "not deep enough" if deal is None else f"net {exact(deal.net)}, {percent(deal.net_share, _PLACES)}"
            say(f"{exact(size)} {x.market} from {x.buy_at} to {x.sell_at}: {told}")


def _offer_row(offer: Offer) -> list[str]:
    book = offer.book
    bid = book.bids[0].price if book is not None and book.bids else None
    ask = book.asks[0].price if book is not None and book.asks else None
    age = "-" if book is None else f"{offer.age_ms} ms{'' if offer.is_dated else ' at most'}"
    fee = "-" if offer.fee_taker is None else percent(offer.fee_taker, _PLACES)
    state = offer.state.value + (f": {offer.why}" if offer.why else "")
    return [offer.venue, offer.market, exact(bid), exact(ask), fee, age, state]


def _direction_row(x: Direction) -> list[str]:
    gross = "-" if x.gross_share is None else percent(x.gross_share, _PLACES)
    names = [x.buy_at, x.sell_at, x.market, gross]
    if x.best is None:
        return [*names, "-", "-", "-", "-", x.why_not]
    deal = x.best
    return [*names, exact(deal.quantity), exact(deal.cost), exact(deal.net), percent(deal.net_share, _PLACES),
            x.why_not or "would have paid"]  # fmt: skip


def _document(report: SpreadReport) -> dict[str, object]:
    return {
        "ts": report.ts,
        "opportunities": len(report.opportunities),
        "quotes": [_quote(offer) for offer in report.offers],
        "directions": [
            {
                "market": x.market, "buy_at": x.buy_at, "sell_at": x.sell_at, "is_opportunity": x.is_opportunity,
                "is_believed": x.is_believed, "why_not": x.why_not, "gross_share": x.gross_share, "skew_ms": x.skew_ms,
                "best": x.best, "sizes": [{"quantity": size, "deal": deal} for size, deal in x.sizes],
            }
            for x in report.directions
        ],
    }  # fmt: skip


def _quote(offer: Offer) -> dict[str, object]:
    best: dict[str, Decimal | None] = dict.fromkeys(("bid", "bid_quantity", "ask", "ask_quantity"))
    if offer.book is not None:
        for name, side in (("bid", offer.book.bids), ("ask", offer.book.asks)):
            if side:
                best[name], best[f"{name}_quantity"] = side[0].price, side[0].quantity
    return {
        "venue": offer.venue, "market": offer.market, "state": offer.state, "why": offer.why, **best,
        "fee_taker": offer.fee_taker, "age_ms": None if offer.book is None else offer.age_ms,
        "is_dated": offer.is_dated, "levels": 0 if offer.book is None else len(offer.book.bids) + len(offer.book.asks),
    }  # fmt: skip
