"""A ticker's bars as a plain list: what the compact memories are compared with."""

import bisect

from core.model.bar import Bar


def put(bars: list[Bar], bar: Bar) -> None:
    """Insert in order, or replace the bar with the same start."""
    at = bisect.bisect_left(bars, bar.start_ms, key=lambda b: b.start_ms)
    bars[at : at + (at < len(bars) and bars[at].start_ms == bar.start_ms)] = [bar]
