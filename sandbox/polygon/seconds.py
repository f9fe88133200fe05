"""The A events of a market's day, second by second."""

from collections import deque
from collections.abc import Iterator
from datetime import datetime, timedelta

import msgspec

from sandbox.market import Market
from sandbox.polygon import protocol

Encoded = tuple[str, bytes]
# tickers whose events are made and sent together
TOGETHER = 550
REVISED_AFTER = timedelta(seconds=75)


class SecondFeed:
    """With `revise_every` each so-many-th event is short of volume at first and comes whole when its minute is over."""

    def __init__(self, market: Market, revise_every: int = 0) -> None:
        self._market, self._revise_every = market, revise_every
        self._events = 0
        self._revisions: deque[tuple[datetime, str, datetime]] = deque()

    def parts(self, second: datetime) -> Iterator[list[Encoded]]:
        """The events of one second, and what is due of earlier ones."""
        if revisions := self._due(second):
            yield revisions
        symbols = self._market.symbols
        for first in range(0, len(symbols), TOGETHER):
            together = symbols[first : first + TOGETHER]
            yield [encoded for symbol in together if (encoded := self._event(symbol, second)) is not None]

    def _event(self, symbol: str, second: datetime) -> Encoded | None:
        event = protocol.second_event(self._market, symbol, second)
        if event is None:
            return None
        self._events += 1
        if self._revise_every > 0 and self._events % self._revise_every == 0:
            self._revisions.append((second + REVISED_AFTER, symbol, second))
            event = protocol.second_event(self._market, symbol, second, early=True)
        return symbol, msgspec.json.encode(event)

    def _due(self, second: datetime) -> list[Encoded]:
        found = []
        while self._revisions and self._revisions[0][0] <= second:
            _, symbol, at = self._revisions.popleft()
            found.append((symbol, msgspec.json.encode(protocol.second_event(self._market, symbol, at))))
        return found
