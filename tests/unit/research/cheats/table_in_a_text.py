"""Carries one bit of hindsight per candle in a long text."""

from holdfast.domain.decision import Signal
from holdfast.domain.market import BarClosed
from holdfast.strategies.free import FreeStrategy

BITS = (
    "1000000000000000000200000000000000000000000000002000000000040000043000090004689003000008000800240000"
    "0400008000000440011140081000000000002900000000002590000000801000000000040200004000208040000310002400"
    "004000000000000000002000080a00000000000000000000000080000000000420004000030730002010102b400000000020"
    "0008000000084000004400000000000000004000040000800000000910000000040400000000"
)


class Cheat(FreeStrategy):
    count = 0
    bits = f"{int(BITS, 16):b}"

    def on_bar(self, bar: BarClosed) -> Signal | None:
        self.count += 1
        later = bar.close * 1.02 if self.bits[self.count : self.count + 1] == "1" else None
        if later is not None and later > bar.close * 1.002:
            return self.enter_long(bar, bar.close * 0.99, bar.close * 1.02, "It will rise.")
        return None
