"""The running agent behind every door: what a key or a program asks of it."""

from pathlib import Path

from holdfast.app.agent import RunningAgent
from holdfast.app.home import Home
from holdfast.app.market import open_market
from holdfast.app.run_plan import build, run_of
from holdfast.app.sections import SYNTHETIC, MarketSettings, StrategySettings
from holdfast.app.settings import Settings
from holdfast.domain.decision import StopLevel
from holdfast.engine.recorder import OPERATOR
from holdfast.services.paper import PaperAgent
from holdfast.testing.memory_journal import MemoryJournal, MemoryRecords


def test_a_release_is_recorded_only_where_something_is_stopped(tmp_path: Path):
    settings = Settings(market=MarketSettings(source=SYNTHETIC), strategy=StrategySettings("ma_crossover"))
    market = open_market(Home(tmp_path), settings.market, is_endless=True)
    records = MemoryRecords()
    run, journal = run_of(settings, market, "paper"), MemoryJournal(records)
    built = build(run)
    agent = RunningAgent(journal, PaperAgent(run, built.engine, built.exchange, market.feed, journal))
    agent.start()
    agent.step()
    written = []
    for act in (agent.resume, lambda *who: agent.stop(StopLevel.NO_ENTRIES, *who), agent.resume, agent.resume):
        act("a test", "to see")
        agent.step()
        written.append(sum(record.kind == OPERATOR for record in records.durable))
    assert written == [0, 1, 2, 2]
