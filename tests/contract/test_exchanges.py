"""Every exchange adapter against the one contract."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.contract.exchange_contract import NOW, ExchangeContract
from tests.unit.matching.conftest import QUOTE, dec, make_instrument

from holdfast.adapters.exchanges.simulated.client import SimulatedVenue
from holdfast.adapters.exchanges.simulated.persistent import PersistentVenue
from holdfast.core.time import MINUTE
from holdfast.domain.market import BarClosed
from holdfast.domain.order import OrderEvent
from holdfast.domain.values import Asset
from holdfast.matching.config import MatchingConfig
from holdfast.ports.exchange import Exchange


class TestSimulatedVenue(ExchangeContract):
    config = MatchingConfig()

    def open(self) -> Exchange:
        self.instrument = make_instrument()
        self._minute = NOW
        return self.make({QUOTE: dec(10_000), self.instrument.base: dec(0)})

    def make(self, balances: dict[Asset, object]) -> SimulatedVenue:
        return SimulatedVenue((self.instrument,), MINUTE, self.config, balances)

    def trade(self, exchange: Exchange, price: float) -> Sequence[OrderEvent]:
        assert isinstance(exchange, SimulatedVenue)
        self._minute += MINUTE
        bar = BarClosed(self.instrument.id, self._minute, *[float(price)] * 4, 1e6)
        events = [*exchange.open_phase(bar)]
        while batch := exchange.range_phase(bar):
            events += batch
        return events


class TestIdealVenue(TestSimulatedVenue):
    config = MatchingConfig.ideal()


class TestPersistentVenue(TestSimulatedVenue):
    """Here the venue is closed and opened again whenever the market has moved."""

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path) -> None:
        self.path = tmp_path / "venue.json"

    def make(self, balances: dict[Asset, object]) -> SimulatedVenue:
        return PersistentVenue((self.instrument,), MINUTE, self.config, balances, self.path)

    def trade(self, exchange: Exchange, price: float) -> Sequence[OrderEvent]:
        assert isinstance(exchange, PersistentVenue)
        exchange.persist()
        again = self.make({})
        assert again.snapshot() == exchange.snapshot()
        exchange.restore(again.snapshot())
        return super().trade(exchange, price)
