"""The bars of a day that the machines have to see, minute by minute."""

import heapq
from collections.abc import Iterator, Mapping
from typing import Protocol

from backtest.screening import Indices
from backtest.tape import Tape
from core.model.bar import MINUTE_MS, Bar
from core.model.messages import Signal
from core.model.signal import SignalType


class Interested(Protocol):
    """Whoever holds or trades something."""

    @property
    def active(self) -> bool:
        """Whether time alone may change anything."""
        ...

    def interest(self) -> list[str]:
        """Tickers whose prices matter now."""
        ...


class Feed:
    """All bars of the `screened` tickers, of others those in `possible` (places in the day, ascending) until one is bought."""

    def __init__(
        self, tape: Tape, screened: set[str], possible: Mapping[str, Indices], *, first_ms: int, last_ms: int
    ) -> None:
        """Bars that start from `first_ms` on and before `last_ms` are shown; what lies before is history."""
        self.screened = screened
        self._tape = tape
        self._first_ms, self._last_ms = first_ms, last_ms
        self._bought: set[str] = set()
        self._places = {ticker: iter(places.tolist()) for ticker, places in possible.items()}
        # (start, ticker, place): the next bar of each ticker
        self._next: list[tuple[int, str, int]] = []
        for ticker in self._places:
            self._advance(ticker)
        for ticker in screened:
            self._places[ticker] = iter(range(len(tape.columns(ticker).start_ms)))
            self._advance(ticker)

    def signalled(self, signal: Signal) -> None:
        """A watched ticker is offered once a day."""
        if signal.verdict.signal is SignalType.BUY:
            self._bought.add(signal.ticker)

    def history(self, ticker: str, from_ms: int, until_ms: int) -> list[Bar]:
        """The ticker's bars of a span, the end exclusive."""
        starts = self._tape.columns(ticker).start_ms
        places = range(*starts.searchsorted([from_ms, until_ms]).tolist())
        return [self._tape.bar(ticker, place) for place in places]

    def minutes(self, trader: Interested) -> Iterator[tuple[int, list[Bar]]]:
        """Starts in order with their bars, by ticker; while something is under way, minutes without a bar as well."""
        start_ms = None
        while True:
            following = self._following(start_ms, active=trader.active)
            if following is None:
                return
            start_ms = following
            found = {bar.ticker: bar for bar in self._due(start_ms)}
            for ticker in trader.interest():
                if ticker not in found and (bar := self._tape.at(ticker, start_ms)) is not None:
                    found[ticker] = bar
            yield start_ms, [found[ticker] for ticker in sorted(found)]

    def _following(self, start_ms: int | None, *, active: bool) -> int | None:
        planned = self._next[0][0] if self._next else None
        if not active:
            return planned
        first = max(self._first_ms, int(self._tape.bars.start_ms[0])) if start_ms is None else start_ms + MINUTE_MS
        if planned is not None and planned <= first:
            return planned
        return first if first < self._last_ms else planned

    def _due(self, start_ms: int) -> Iterator[Bar]:
        while self._next and self._next[0][0] == start_ms:
            _, ticker, place = heapq.heappop(self._next)
            if ticker in self.screened or ticker not in self._bought:
                yield self._tape.bar(ticker, place)
                self._advance(ticker)

    def _advance(self, ticker: str) -> None:
        starts = self._tape.columns(ticker).start_ms
        for place in self._places[ticker]:
            start_ms = int(starts[place])
            if start_ms >= self._last_ms:
                return
            if start_ms >= self._first_ms:
                heapq.heappush(self._next, (start_ms, ticker, place))
                return
