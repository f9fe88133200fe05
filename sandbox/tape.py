"""What is done to one symbol while its day runs: moves and halts, and the bars and prices that follow from them."""

import math
from dataclasses import dataclass, field

import numpy as np

from sandbox.bars import MINUTE_S, PATH_AT, Bar, Floats, Ints, Series, tick_decimals

LOWEST = 0.0001
# just before a second's end: what happens at the end itself belongs to the next one
EARLIER_S = 1e-6


def _rounded(price: float) -> float:
    return max(LOWEST, round(price, tick_decimals(price)))


def _scaled(prices: Floats, factors: Floats) -> Floats:
    """(n, 4) prices times (n,) factors, on the tick; rows whose factor is 1 stay as they are."""
    # numpy rounds halves another way than Python, and a bar must touch the prices of its own path
    rows = [
        row if factor == 1 else [_rounded(price * factor) for price in row]
        for row, factor in zip(prices.tolist(), factors.tolist(), strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


@dataclass
class Tape:
    """All times are seconds since 04:00 ET. `base` is the day as it was written, `seen` the day as it goes."""

    base: Series
    prev_close: float
    # (second, factor): from that second on every price is multiplied
    moves: list[tuple[float, float]] = field(default_factory=list)
    # [from, until), until infinity while it lasts; they never overlap
    halts: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.seen = self.base

    # -- what is done ------------------------------------------------------------------------------

    def move(self, at_s: float, factor: float) -> None:
        self.moves.append((at_s, factor))
        self._rewrite()

    def halt(self, at_s: float) -> None:
        """Raises ValueError when it is halted already."""
        if self.halted_since(at_s) is not None:
            raise ValueError("it is halted already")
        self.halts.append((at_s, math.inf))
        self._rewrite()

    def resume(self, at_s: float) -> None:
        """Raises ValueError when it is not halted."""
        if self.halted_since(at_s) is None:
            raise ValueError("it is not halted")
        self.halts[-1] = (self.halts[-1][0], at_s)
        self._rewrite()

    def split(self, new: int, old: int) -> None:
        """Shares times new / old, prices divided by it, the day's past included."""
        factors = np.full(len(self.base.minutes), old / new)
        volumes = self.base.volumes * new // old
        self.base = Series(self.base.minutes, _scaled(self.base.prices, factors), np.maximum(volumes, 1))
        self.prev_close = _rounded(self.prev_close * old / new)
        self._rewrite()

    # -- what follows ------------------------------------------------------------------------------

    def halted_since(self, at_s: float) -> float | None:
        return next((start for start, end in self.halts if start <= at_s < end), None)

    def price(self, at_s: float) -> float:
        """Last price: on the path while a bar runs, else the last print and the moves since; in a halt the one before."""
        halted = self.halted_since(at_s)
        at_s = at_s if halted is None else halted
        minute, second = math.floor(at_s / MINUTE_S), at_s % MINUTE_S
        running = self._base_bar(minute)
        if running is not None:
            return self._adjusted(running.price_after(second), self._factor(at_s))
        rows = self.seen.rows_before(minute)
        if not rows:
            return self._adjusted(self.prev_close, self._factor(at_s))
        printed_until = self._segments(int(self.seen.minutes[rows - 1]))[-1][1]
        return self._adjusted(float(self.seen.prices[rows - 1][3]), self._factor(at_s, since_s=printed_until))

    def price_before(self, at_s: float) -> float:
        return self.price(at_s - EARLIER_S)

    def printed(self, minute: int, second: int) -> int:
        """Shares printed in the minute's first `second` seconds."""
        bar = self._base_bar(minute)
        if bar is None:
            return 0
        start = minute * MINUTE_S
        traded = sum(max(0.0, min(end, start + second) - begin) for begin, end in self._segments(minute))
        return int(bar.volume * traded) // MINUTE_S

    # -- rewriting ---------------------------------------------------------------------------------

    def _adjusted(self, price: float, factor: float) -> float:
        return price if factor == 1 else _rounded(price * factor)

    def _factor(self, at_s: float, since_s: float = -math.inf) -> float:
        return math.prod(factor for second, factor in self.moves if since_s <= second <= at_s)

    def _base_bar(self, minute: int) -> Bar | None:
        row = self.base.row(minute)
        if row is None:
            return None
        o, h, low, c = (float(price) for price in self.base.prices[row])
        return Bar(0, o, h, low, c, int(self.base.volumes[row]))

    def _segments(self, minute: int) -> list[tuple[float, float]]:
        """The minute's trading time: what halts leave of it, cut again where a move happens."""
        start, end = float(minute * MINUTE_S), float((minute + 1) * MINUTE_S)
        pieces = [(start, end)]
        for begin, until in self.halts:
            left = [(a, min(b, begin)) for a, b in pieces] + [(max(a, until), b) for a, b in pieces]
            pieces = sorted((a, b) for a, b in left if a < b)
        for second, _ in self.moves:
            pieces = [part for a, b in pieces for part in ([(a, second), (second, b)] if a < second < b else [(a, b)])]
        return pieces

    def _special(self) -> set[int]:
        edges = [second for second, _ in self.moves] + [second for halt in self.halts for second in halt]
        return {math.floor(second / MINUTE_S) for second in edges if second != math.inf}

    def _rewrite(self) -> None:
        minutes = self.base.minutes
        factors: Floats = np.array([self._factor(float(minute) * MINUTE_S) for minute in minutes], dtype=np.float64)
        prices = _scaled(self.base.prices, factors)
        volumes: Ints = self.base.volumes.copy()
        for begin, until in self.halts:
            volumes[(minutes * MINUTE_S >= begin) & ((minutes + 1) * MINUTE_S <= until)] = 0
        for minute in self._special():
            row = self.base.row(minute)
            if row is not None and (segments := self._segments(minute)):
                prices[row], volumes[row] = self._cut_bar(minute, segments), self.printed(minute, MINUTE_S)
        kept = volumes > 0
        self.seen = Series(minutes[kept], prices[kept], volumes[kept])

    def _cut_bar(self, minute: int, segments: list[tuple[float, float]]) -> tuple[float, float, float, float]:
        """Open, high, low, close of a minute in which something happens: the path, sampled where it can turn."""
        bar = self._base_bar(minute)
        assert bar is not None
        start, path = minute * MINUTE_S, []
        for begin, end in segments:
            factor = self._factor(begin)
            turns = [begin, *(start + at for at in PATH_AT if begin < start + at < end), end]
            path += [self._adjusted(bar.price_after(turn - start), factor) for turn in turns]
        return path[0], max(path), min(path), path[-1]
