"""What must be right before an order leaves for a venue: its clock, our key, what lies there, and its filters."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Final

import msgspec

from holdfast.adapters.exchanges.gateio.client import GateioExchange
from holdfast.adapters.exchanges.gateio.config import SOCKET_ORDERS, check_tunnel
from holdfast.app.live import AccountAt, Venue, open_exchange, pairs_of, place_of
from holdfast.app.sections import GATEIO, LIVE
from holdfast.app.settings import Settings
from holdfast.core.errors import HoldfastError, VenueError
from holdfast.core.time import MILLISECOND
from holdfast.domain.values import ZERO
from holdfast.ports.live import KeyReport, TradingVenue
from holdfast.services.doctor import Check, CheckResult, State, examine

_TUNNEL_S: Final = 5.0
_SKEW_MAX_MS: Final = 5_000
_CLOCK: Final = "venue clock"
_TUNNEL: Final = "tunnel"


Advice = Callable[[Decimal], str]
"""Says what to change so that no more is traded than so many quote units, which are there."""


def _less(held: Decimal) -> str:
    return f"trade less: --capital {held:f}"


def examine_venue(
    settings: Settings, venue: Venue, *, is_begun: bool = False, less: Advice = _less
) -> tuple[CheckResult, ...]:
    """Return each check of the venue, in the order in which trouble is best repaired.

    Parameters
    ----------
    is_begun
        The start goes on with a run: what it began with is no longer there, but held, lost or multiplied.
    less
        What to advise where too little lies there.
    """
    if venue.accounts:
        return _examine_all(venue.accounts, is_begun=is_begun)
    exchange = open_exchange(venue, settings.venue)
    try:
        tunnel = ((_TUNNEL, partial(_tunnel, exchange, settings)),) if settings.venue.tunnel else ()
        first = examine(
            (*(tunnel if venue.mode == LIVE else ()), (_CLOCK, partial(_clock, exchange, venue.url)))
        )  # fmt: skip
        checks: Sequence[tuple[str, Check]] = (
            ("key", partial(_key, exchange, settings)),
            *_way_of_orders(exchange, settings),
            ("pairs", partial(_pairs, exchange, settings)),
            ("balances", partial(_balances, exchange, settings, less, is_begun=is_begun)),
            ("abilities", partial(_abilities, exchange)),
        )
        if first[-1].is_away:  # each further question would wait as long as the first one has
            return (*first, *(_not_asked(name) for name, _ in checks))
        return (*first, *examine(checks))
    finally:
        exchange.close()


def is_out_of_reach(results: Sequence[CheckResult]) -> bool:
    """Tell whether all that has failed is that a venue does not answer: nothing is known to be wrong on our side."""
    failed = [result for result in results if result.state is State.FAIL]
    return bool(failed) and all(result.is_away for result in failed)


def _not_asked(name: str) -> CheckResult:
    return CheckResult(
        name, State.FAIL, "not asked, for the venue does not answer", "repair the venue clock's check first",
        is_away=True,
    )  # fmt: skip


def _examine_all(accounts: Sequence[AccountAt], *, is_begun: bool) -> tuple[CheckResult, ...]:
    """Return the checks of each account, with its name; of a run that goes on, one that is away may come back later."""
    found: list[CheckResult] = []
    away: list[str] = []
    for account, less in zip(accounts, _advices(accounts), strict=True):
        if is_begun and (why := _out_of_reach(account)):
            away.append(account.name)
            found.append(
                CheckResult(
                    f"{account.name} venue", State.WARN, f"out of reach: {why}",
                    "it is tried again while the others trade; holdfast doctor --live", is_away=True,
                )
            )  # fmt: skip
            continue
        results = examine_venue(account.settings, account.venue, is_begun=is_begun, less=less)
        found += [msgspec.structs.replace(result, name=f"{account.name} {result.name}") for result in results]
    if len(away) == len(accounts):
        return tuple(msgspec.structs.replace(result, state=State.FAIL) for result in found)
    return (*found, *_owners([account for account in accounts if account.name not in away]))


def _advices(accounts: Sequence[AccountAt]) -> Sequence[Advice]:
    """Return for each account where its part of the capital stands: the first has what the others leave."""
    rest = sum((account.settings.engine.capital for account in accounts[1:]), ZERO)

    def further(account: AccountAt) -> Advice:
        where = f"capital in the [[venue.accounts]] table of {account.name}"
        return lambda held: f"trade less there: lower {where} to {held:f}"

    return [lambda held: _less(held + rest), *(further(account) for account in accounts[1:])]


def _owners(accounts: Sequence[AccountAt]) -> list[CheckResult]:
    """Return what is wrong with whose accounts these are: two keys of one user lead to the same money."""
    seen: dict[tuple[str, str], str] = {}
    found: list[CheckResult] = []
    places = [place_of(account.venue) for account in accounts if account.venue.exchange == GATEIO]
    for account in accounts:
        if account.venue.exchange != GATEIO or places.count(place_of(account.venue)) == 1:
            continue  # nobody else is there
        name = f"{account.name} owner"
        try:
            user = _user_of(account)
        except HoldfastError as error:
            told = f"the venue does not say whose account it is: {error}"
            found.append(CheckResult(name, State.WARN, told, "see that no two accounts have keys of one user"))
            continue
        first = seen.setdefault((place_of(account.venue), user), account.name) if user else account.name
        if first != account.name:
            told = f"its key belongs to the same user as that of {first}: they are one account, counted twice"
            again = f"give {account.name} the key of another account, such as a sub-account's, or leave its table out"
            found.append(CheckResult(name, State.FAIL, told, again))
    return found


def _user_of(account: AccountAt) -> str:
    exchange = open_exchange(account.venue, account.settings.venue)
    try:
        return exchange.user_id() if isinstance(exchange, GateioExchange) else ""
    finally:
        exchange.close()


def _out_of_reach(account: AccountAt) -> str:
    exchange = open_exchange(account.venue, account.settings.venue)
    try:
        exchange.clock_skew()
    except VenueError as error:
        return str(error)
    finally:
        exchange.close()
    return ""


def _tunnel(exchange: TradingVenue, settings: Settings) -> CheckResult:
    """Check that the tunnel's end answers, that the venue is reached through it, and that the key is tied to it."""
    tunnel, address = settings.venue.tunnel, settings.venue.tunnel_address
    again = "start the tunnel, or correct tunnel in [venue]; nothing goes past it"
    try:
        socket.create_connection(check_tunnel(tunnel), _TUNNEL_S).close()
    except OSError as error:
        told = f"nothing answers at {tunnel} ({type(error).__name__})"
        return CheckResult(_TUNNEL, State.FAIL, told, again, is_away=True)
    try:
        exchange.clock_skew()  # the client knows no way but the tunnel
    except HoldfastError as error:
        told = f"the venue is not reached through {tunnel}: {error}"
        return CheckResult(_TUNNEL, State.FAIL, told, again, is_away=isinstance(error, VenueError))
    report = exchange.key_report()
    if not report.has_whitelist:
        return CheckResult(
            _TUNNEL, State.WARN, f"{tunnel} reaches the venue, but the key works from any address",
            "tie the key to the address of the tunnel's far end",
        )  # fmt: skip
    if address and address not in report.addresses:
        return CheckResult(
            _TUNNEL, State.FAIL, f"the key is not tied to {address}, the far end of the tunnel",
            "correct the key's addresses at the venue, or tunnel_address in [venue]",
        )  # fmt: skip
    return CheckResult(_TUNNEL, State.OK, f"{tunnel} reaches the venue, and takes the key from there")


def _clock(exchange: TradingVenue, url: str) -> CheckResult:
    try:
        skew = exchange.clock_skew() // MILLISECOND
    except VenueError as error:
        return CheckResult(
            _CLOCK, State.FAIL, f"the venue does not tell its time: {error}",
            error.hint or f"see that {url or 'the venue'} is up, is the right address, and is reached from here",
            is_away=True,
        )  # fmt: skip
    if abs(skew) > _SKEW_MAX_MS:
        return CheckResult(_CLOCK, State.FAIL, f"this clock is {-skew} ms off the venue's", "timedatectl set-ntp true")
    return CheckResult(_CLOCK, State.OK, f"{skew:+d} ms, which is corrected for")


def _key(exchange: TradingVenue, settings: Settings) -> CheckResult:
    try:
        report: KeyReport = exchange.key_report()
    except HoldfastError as error:
        return CheckResult("key", State.FAIL, str(error), error.hint)
    if report.can_trade is False:
        return CheckResult("key", State.FAIL, "the key may not trade spot", "give it that right at the venue")
    if report.can_withdraw and not settings.venue.may_withdraw:
        return CheckResult(
            "key", State.FAIL, "the key can move coins away, which trading does not need",
            "make a key without the right to withdraw; or, if you insist, may_withdraw = true in [venue]",
        )  # fmt: skip
    if report.can_trade is None:
        return CheckResult("key", State.WARN, "the venue does not say what the key may do", "look it up at the venue")
    if not report.has_whitelist:
        return CheckResult("key", State.WARN, "the key works from any address", "tie it to this machine's address")
    return CheckResult("key", State.OK, "trades spot, cannot withdraw, tied to addresses")


def _way_of_orders(exchange: TradingVenue, settings: Settings) -> Sequence[tuple[str, Check]]:
    """Return the check of the websocket, where orders are to go over it."""
    if settings.venue.orders != SOCKET_ORDERS or not isinstance(exchange, GateioExchange):
        return ()

    def logs_in() -> CheckResult:
        try:
            exchange.check_login()
        except HoldfastError as error:
            return CheckResult(
                "orders", State.FAIL, f"the websocket takes no orders: {error}",
                error.hint or 'orders = "rest" in [venue] sends them over REST',
            )  # fmt: skip
        return CheckResult("orders", State.OK, "the websocket takes the key; stops go over REST")

    return (("orders", logs_in),)


def _pairs(exchange: TradingVenue, settings: Settings) -> CheckResult:
    found = exchange.instruments(pairs_of(settings, exchange))
    told = ", ".join(f"{x.id} tick {x.tick:f}, lot {x.lot:f}, at least {x.notional_min:f} {x.quote}" for x in found)
    return CheckResult("pairs", State.OK, told)


def _balances(exchange: TradingVenue, settings: Settings, less: Advice, *, is_begun: bool) -> CheckResult:
    quotes = {x.quote for x in exchange.instruments(pairs_of(settings, exchange))}
    held = exchange.balances()
    if is_begun:
        there = ", ".join(f"{held.get(quote, ZERO):f} {quote}" for quote in sorted(quotes))
        return CheckResult("balances", State.OK, f"{there}; the start compares the account with the journal")
    capital = settings.engine.capital
    short = [quote for quote in sorted(quotes) if held.get(quote, ZERO) < capital]
    if short:
        there = ", ".join(f"{held.get(quote, ZERO):f} {quote}" for quote in short)
        least = min(held.get(quote, ZERO) for quote in short)
        return CheckResult(
            "balances", State.FAIL, f"the account has {there}, the settings trade {capital:f}",
            f"bring some in, or {less(least)}" if least > 0 else "bring some in",
        )  # fmt: skip
    return CheckResult("balances", State.OK, ", ".join(f"{held[quote]:f} {quote}" for quote in sorted(quotes)))


def _abilities(exchange: TradingVenue) -> CheckResult:
    """Say what the venue does not do for us, for whoever leaves the agent alone with it."""
    can = exchange.capabilities
    lacks = [
        told
        for is_there, told in (
            (can.resting_stops, "no stop rests at the venue: the agent watches the price, while it runs"),
            (can.resting_targets, "targets wait in the agent and not at the venue"),
            (can.order_expiry, "an order without an answer stays in doubt for up to two minutes"),
            (can.dead_man, "resting entries stay when the agent falls silent: there is no dead-man timer"),
        )
        if not is_there
    ]
    if not lacks:
        return CheckResult("abilities", State.OK, "stops and targets rest at the venue, which has a dead-man timer")
    return CheckResult("abilities", State.WARN, "; ".join(lacks), "docs/venues.md says what each venue can do")
