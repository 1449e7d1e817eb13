"""A short name of the world that a seed draws, so that a seed can be seen to draw the world that it once failed in."""

from hashlib import sha256

import msgspec

from holdfast.core.record import encode
from holdfast.testing.scenario import Scenario

WHAT_TO_DO = """seed {seed} draws another world ({found}) than the one that it once failed in ({pinned}).
This test would be green over something else. Either keep what is drawn as it was: throw new dice behind all others, and
add nothing to what they choose from. Or, if worlds have to change, find a seed in which the old fault shows again:
plant it (see the docstring of this test and tests/simulation/planted/bugs.py), run `make sim SEEDS=10000`, and put the
seed that fails, with the name of its world, in the place of this one."""


def drawn(record: msgspec.Struct) -> dict[str, str]:
    """What differs from the defaults: a setting that is new, and not drawn, makes no other world."""
    return {
        field.name: str(value)
        for field in msgspec.structs.fields(record)
        if (value := getattr(record, field.name)) != field.default
    }


def name_of(world: Scenario) -> str:
    plan = world.plan
    parts = [repr(plan.timeframe), world.strategy, repr((world.acts, world.restore_after, world.kills))]
    parts += [repr(drawn(part)) for part in (plan.engine, plan.risk, plan.exits, plan.matching, *plan.instruments)]
    digest = sha256("\n".join([*parts, str(world.checkpoint_every)]).encode())
    strategies = {item.id: world.factory(item.id) for item in plan.instruments} if world.strategy == "random" else {}
    for group in world.groups:
        for bar in group:
            digest.update(encode(bar))
            if bar.instrument_id in strategies:
                signal = strategies[bar.instrument_id].on_bar(bar)
                digest.update(repr(signal and drawn(signal)).encode())
    return digest.hexdigest()[:12]
