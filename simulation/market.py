"""Prices on virtual time: a seeded walk with gaps, falls, rallies, halts, splits and prints that are simply wrong."""

from collections import deque
from decimal import ROUND_HALF_UP, Decimal
from random import Random

import msgspec

from simulation.faults import Faults

CENT = Decimal("0.01")
STEP_S = 1.0
# One bad print may not trigger a stop, so two within one watcher's interval would prove nothing.
SPIKE_APART_S = 12.0


class Move(msgspec.Struct, frozen=True):
    """From `at` on: jump by `jump`, then drift by `drift` per second until `until`."""

    at: float
    jump: float = 1.0
    drift: float = 0.0
    until: float = 0.0


class Stock:
    """One ticker. `price` is the true market; a print may lie once."""

    def __init__(self, ticker: str, start: float, moves: list[Move], random: Random) -> None:
        self.ticker = ticker
        self.price = Decimal(str(start)).quantize(CENT)
        self.halted_until = 0.0
        self._exact = start
        self._highs: deque[Decimal] = deque(maxlen=120)
        self._moves = sorted(moves, key=lambda move: move.at)
        self._active: list[Move] = []
        self._random = random
        self._spiked_at = -SPIKE_APART_S

    @property
    def bid(self) -> Decimal:
        """One cent of spread."""
        return self.price - CENT

    def step(self, now: float) -> None:
        """One second passes."""
        noise = self._random.gauss(0.0, 0.0004)
        self._highs.append(self.price)
        if now < self.halted_until:
            return
        factor = 1.0 + noise
        while self._moves and self._moves[0].at <= now:
            move = self._moves.pop(0)
            factor *= move.jump
            if move.drift:
                self._active.append(move)
        for move in self._active:
            factor *= 1.0 + move.drift
        self._active = [move for move in self._active if now < move.until]
        self._set(max(0.5, self._exact * factor))

    def follow(self, moves: list[Move]) -> None:
        """Another fate."""
        self._moves = sorted(moves, key=lambda move: move.at)

    def split(self, ratio: int) -> None:
        """One share becomes `ratio`."""
        self._set(self._exact / ratio)
        self._highs.clear()

    def highest(self, seconds: int) -> Decimal:
        """The highest price of the last seconds."""
        return max([*self._highs][-seconds:], default=self.price)

    def printed(self, now: float, faults: Faults) -> Decimal:
        """The last price as an answer shows it."""
        if faults.roll("spike", "spike") and now - self._spiked_at >= SPIKE_APART_S and now >= self.halted_until:
            self._spiked_at = now
            factor = Decimal(str(round(self._random.choice((0.5, 0.75, 1.5)), 2)))
            return (self.price * factor).quantize(CENT)
        return self.price

    def _set(self, exact: float) -> None:
        self._exact = exact
        self.price = Decimal(str(exact)).quantize(CENT, rounding=ROUND_HALF_UP)


def story_moves(faults: Faults, ends: float) -> list[Move]:
    """What this story's price does: mostly it falls to the stop, sometimes it reaches the target or goes nowhere."""
    random = faults.stream("market")
    moves: list[Move] = []
    if faults.roll("gap", "market"):
        moves.append(Move(random.uniform(30, ends), jump=random.choice((0.7, 0.8, 0.9, 1.1, 1.2))))
    kind, begins = random.random(), random.uniform(60, ends)
    if kind < 0.35:
        moves.append(Move(begins, jump=random.uniform(0.7, 0.84)))
    elif kind < 0.6:
        moves.append(Move(begins, drift=-random.uniform(0.002, 0.02), until=begins + 60))
    elif kind < 0.8:
        moves.append(Move(begins, drift=random.uniform(0.002, 0.01), until=begins + 60))
    return moves
