"""One ticker's bars of a day, oldest first, each start once."""

import bisect
from collections.abc import Sequence

from core.model.bar import Bar


def put(bars: list[Bar], bar: Bar) -> None:
    """Insert in order, or replace the bar with the same start."""
    if not bars or bar.start_ms > bars[-1].start_ms:
        bars.append(bar)
        return
    at = bisect.bisect_left(bars, bar.start_ms, key=lambda b: b.start_ms)
    if bars[at].start_ms == bar.start_ms:
        bars[at] = bar
    else:
        bars.insert(at, bar)


def at_start(bars: Sequence[Bar], start_ms: int) -> Bar | None:
    """The bar with this start."""
    at = bisect.bisect_left(bars, start_ms, key=lambda b: b.start_ms)
    return bars[at] if at < len(bars) and bars[at].start_ms == start_ms else None


def newest(bars: Sequence[Bar], upto_ms: int, count: int) -> Sequence[Bar]:
    """At most `count` bars, the last of which starts at or before `upto_ms`."""
    end = bisect.bisect_right(bars, upto_ms, key=lambda b: b.start_ms)
    return bars[max(0, end - count) : end]
