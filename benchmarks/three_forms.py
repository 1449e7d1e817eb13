"""Shows that a strategy's three forms give the same bits, and how fast each is; one JSON line per strategy.

    python benchmarks/three_forms.py --cases 10000

A case is a random market (gaps, flat stretches, silent volume, false prints) with random parameters. Compared
are every signal with its levels, reason and evidence, every trail, and the whole final state: plain Python bar by bar,
compiled and called once per bar, a plain loop, a compiled loop. Speed is CPU time, best of several runs, over one long
market.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
import numpy as np

from holdfast.core.errors import ConfigurationError
from holdfast.domain.market import BarClosed, BarFlag, BarSeries, Timeframe
from holdfast.domain.values import InstrumentId
from holdfast.strategies.registry import BUILT_IN
from holdfast.strategies.series import StepRun, run_series
from holdfast.strategies.stepping import Parameters, StepDefinition, StepStrategy

SEED = 20251120
INSTRUMENT = InstrumentId("A/B.TEST")
BARS_PER_CASE = (1, 260)
# Long windows would never warm up within a case.
LENGTH_MAX = 40
SPEED_BARS = 200_000
SPEED_REPEATS = 5


@dataclass(frozen=True)
class Case:
    """One market and one set of parameters."""

    parameters: Parameters
    series: BarSeries


@dataclass(frozen=True)
class Comparison:
    """How many signals there were, and what differs between the forms; nothing should."""

    signals: int
    differences: tuple[str, ...]


def random_series(random: np.random.Generator, length: int) -> BarSeries:
    """Give a random market that also does what real ones do at their worst."""
    scale = 10.0 ** random.uniform(-4, 5)
    moves = random.normal(scale=10.0 ** random.uniform(-4, -1.3), size=length)
    moves[random.random(length) < random.choice([0.0, 0.3])] = 0.0
    close = scale * np.exp(np.cumsum(moves))
    gaps = np.where(random.random(length) < 0.03, random.normal(1.0, 0.02, length), 1.0)
    opened = np.concatenate([[scale], close[:-1]]) * gaps
    wick = 10.0 ** random.uniform(-4, -2)
    high = np.maximum(opened, close) * (1 + wick * random.random(length))
    low = np.minimum(opened, close) * (1 - wick * random.random(length))
    volume = random.exponential(100.0, length) * (random.random(length) > 0.05)
    flags = np.where(random.random(length) < 0.02, int(BarFlag.SUSPECT), 0).astype(np.uint8)
    ts = np.arange(length, dtype=np.int64) * Timeframe.M1.nanos
    return BarSeries(INSTRUMENT, Timeframe.M1, ts, (opened, high, low, close), volume, flags)


def random_parameters(random: np.random.Generator, definition: StepDefinition) -> Parameters:
    """Give parameters from all over the allowed ranges; those that contradict each other are drawn again."""
    while True:
        try:
            return msgspec.convert(_drawn(random, definition), definition.parameters)
        except ConfigurationError:
            continue


def _drawn(random: np.random.Generator, definition: StepDefinition) -> dict[str, object]:
    kind = msgspec.inspect.type_info(definition.parameters)
    assert isinstance(kind, msgspec.inspect.StructType)
    values: dict[str, object] = {}
    for field in kind.fields:
        given = field.type
        if isinstance(given, msgspec.inspect.BoolType):
            values[field.name] = bool(random.random() < 0.5)
        elif isinstance(given, msgspec.inspect.IntType):
            high = min(given.le or LENGTH_MAX, LENGTH_MAX)
            values[field.name] = int(random.integers(given.ge or 0, high + 1))
        elif random.random() < 0.5:
            values[field.name] = field.default
        else:
            assert isinstance(given, msgspec.inspect.FloatType)
            low = given.ge if given.ge is not None else (given.gt or 0.0) + 1e-3
            high_given = given.le if given.le is not None else (given.lt or 1.0) - 1e-3
            values[field.name] = float(random.uniform(low, min(high_given, 20.0 * max(low, 0.25))))
    return values


def cases(definition: StepDefinition, count: int, seed: int = SEED) -> Iterator[Case]:
    """Give `count` cases, the same ones for the same seed."""
    random = np.random.default_rng([seed, len(definition.name), count])
    for _ in range(count):
        length = int(random.integers(*BARS_PER_CASE))
        yield Case(random_parameters(random, definition), random_series(random, length))


def bars_of(series: BarSeries) -> list[BarClosed]:
    """Give the bars one by one."""
    columns = (series.ts_close, series.open, series.high, series.low, series.close, series.volume, series.flags)
    return [BarClosed(series.instrument_id, *row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def compare(definition: StepDefinition, case: Case) -> Comparison:
    """Run a case in all forms."""
    bars = bars_of(case.series)
    plain = StepStrategy(definition, INSTRUMENT, case.parameters)
    fast = StepStrategy(definition, INSTRUMENT, case.parameters, accelerate=True)
    loops = [run_series(definition, case.parameters, case.series, accelerate=how) for how in (False, True)]
    found = []
    for i, bar in enumerate(bars):
        signal = plain.on_bar(bar)
        if signal != fast.on_bar(bar):
            found.append(f"bar {i}: the compiled step gives another signal")
        if plain.trail.hex() != fast.trail.hex():
            found.append(f"bar {i}: the compiled step gives another trail")
        for name, loop in zip(("plain", "compiled"), loops, strict=True):
            if (loop.code[i] != 0.0) != (signal is not None) or float(loop.trail[i]).hex() != plain.trail.hex():
                found.append(f"bar {i}: the {name} loop gives another code or trail")
            if signal is not None and signal.stop and (loop.stop[i], loop.target[i]) != (signal.stop, signal.target):
                found.append(f"bar {i}: the {name} loop gives other levels")
    states = [np.array(state).tobytes() for state in (plain.snapshot(), fast.snapshot(), *(x.state for x in loops))]
    if len(set(states)) != 1:
        found.append("the final states differ")
    columns = ("code", "stop", "target", "trail", "strength")
    found += [f"the loops differ in {name}" for name in columns if not _is_same(name, *loops)]
    return Comparison(int(np.count_nonzero(loops[0].code)), tuple(found))


def _is_same(name: str, one: StepRun, other: StepRun) -> bool:
    return bool(getattr(one, name).tobytes() == getattr(other, name).tobytes())


def best(action: Callable[[], object]) -> float:
    """Give the least CPU time of several runs, in seconds; the first one compiles and does not count."""
    action()
    times = []
    for _ in range(SPEED_REPEATS):
        start = time.process_time()
        action()
        times.append(time.process_time() - start)
    return min(times)


def speeds(definition: StepDefinition) -> dict[str, float]:
    """Give millions of bars per second for each form, with default parameters."""
    series = random_series(np.random.default_rng(SEED), SPEED_BARS)
    bars, parameters = bars_of(series), definition.parameters()

    def stream(accelerate: bool) -> None:
        strategy = StepStrategy(definition, INSTRUMENT, parameters, accelerate=accelerate)
        for bar in bars:
            strategy.on_bar(bar)

    step, plan = definition.step, parameters.plan()
    columns = [c.tolist() for c in (series.open, series.high, series.low, series.close, series.volume)]

    def bare() -> None:
        state, params = [0.0] * plan.slots, list(plan.vector)
        for row in zip(*columns, strict=True):
            step(state, params, *row)

    seconds = {
        "step_plain": best(bare),
        "on_bar_plain": best(lambda: stream(False)),
        "on_bar_compiled": best(lambda: stream(True)),
        "loop_compiled": best(lambda: run_series(definition, parameters, series, accelerate=True)),
    }
    return {f"{name}_mbars_per_s": round(SPEED_BARS / value / 1e6, 3) for name, value in seconds.items()}


def main() -> int:
    """Compare and time every built-in strategy; fail if any bit differs."""
    parser = argparse.ArgumentParser(description="Compare the three forms of each strategy, bit by bit.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--strategy", action="append", choices=sorted(BUILT_IN))
    arguments = parser.parse_args()
    failed = 0
    for name in arguments.strategy or BUILT_IN:
        definition = BUILT_IN[name]
        signals = 0
        wrong: list[str] = []
        for number, case in enumerate(cases(definition, arguments.cases)):
            compared = compare(definition, case)
            wrong += [f"case {number}: {text}" for text in compared.differences]
            signals += compared.signals
        row = {"strategy": name, "cases": arguments.cases, "signals": signals, "differences": len(wrong)}
        print(json.dumps({**row, **speeds(definition)}), flush=True)
        print(*wrong[:5], sep="\n", file=sys.stderr, end="" if not wrong else "\n")
        failed += len(wrong)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
