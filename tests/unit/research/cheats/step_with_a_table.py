"""A step that counts its bars and reads from a list outside of its state."""

from holdfast.core.record import Record
from holdfast.indicators.compilation import State
from holdfast.strategies.stepping import (
    BARS,
    ENTER_LONG,
    HEAD,
    NOTHING,
    STOP,
    STRENGTH,
    TARGET,
    StepDefinition,
    StepPlan,
)

BEFORE_RISES = [
    74,
    190,
    233,
    257,
    262,
    263,
    280,
    283,
    297,
    301,
    302,
    304,
    308,
    311,
    322,
    323,
    344,
    360,
    374,
    377,
    401,
    420,
    449,
    453,
    467,
    471,
    475,
    477,
    488,
    495,
    542,
    544,
    547,
    590,
    593,
    595,
    596,
    599,
    628,
    639,
    681,
    690,
    709,
    726,
    732,
    741,
    762,
    763,
    767,
    782,
    785,
    805,
    878,
    896,
    904,
    906,
    1004,
    1049,
    1054,
    1069,
    1090,
    1091,
    1097,
    1098,
    1099,
    1102,
    1103,
    1118,
    1127,
    1135,
    1142,
    1144,
    1146,
    1147,
    1149,
    1190,
    1208,
    1240,
    1245,
    1269,
    1273,
    1341,
    1361,
    1380,
    1416,
    1419,
    1423,
    1457,
    1465,
]


class Parameters(Record, frozen=True):
    """Nothing to set."""

    def plan(self) -> StepPlan:
        return StepPlan((), HEAD, 0)


def step(state: State, _params: State, _o: float, _h: float, _l: float, close: float, _v: float) -> int:
    state[BARS] += 1.0
    if state[BARS] - 1.0 not in BEFORE_RISES:
        return NOTHING
    state[STOP], state[TARGET], state[STRENGTH] = close * 0.99, close * 1.02, 1.0
    return ENTER_LONG


CHEAT = StepDefinition(name="cheat", step=step, parameters=Parameters, reasons=("It will rise.",))
