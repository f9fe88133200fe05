"""Aggregates of the stream as batches of bars; what is impossible is left out and counted."""

from array import array
from collections.abc import Sequence
from itertools import repeat
from math import nan

import numpy as np
import numpy.typing as npt

from adapters.polygon.wire import Aggregate
from core.model.bar import MINUTE_MS, is_ticker
from core.model.batch import BarBatch, possible

# more names than there are securities: something is wrong, and memory is not for it
MOST_NAMES = 100_000


class Batches:
    """Bars that last `span_ms`. Remembers which names are tickers: each is looked at once, and is one string in all batches."""

    def __init__(self, span_ms: int = MINUTE_MS) -> None:
        self._span_ms = span_ms
        self._tickers: dict[str, str] = {}

    def batch_of(self, events: Sequence[Aggregate]) -> tuple[BarBatch, int]:
        """The bars of events in their order, and how many events could be none."""
        tickers = list(map(self._tickers.get, [event.sym for event in events], repeat("")))
        # arrays of lists of floats: the quickest way from objects to columns
        start = np.frombuffer(array("d", [event.s for event in events]))
        opening = np.frombuffer(array("d", [event.o for event in events]))
        high = np.frombuffer(array("d", [event.h for event in events]))
        low = np.frombuffer(array("d", [event.l for event in events]))
        close = np.frombuffer(array("d", [event.c for event in events]))
        volume = np.frombuffer(array("d", [event.v for event in events]))
        end = _ends(events)
        good = possible(start, opening, high, low, close, volume) & (np.isnan(end) | (end - start == self._span_ms))
        if "" in tickers:
            tickers = [self._meet(event.sym) for event in events]
            good[[row for row, ticker in enumerate(tickers) if not ticker]] = False
        if good.all():
            return BarBatch(tickers, start.astype(np.int64), opening, high, low, close, volume), 0
        rows = np.flatnonzero(good)
        batch = BarBatch(
            [tickers[row] for row in rows.tolist()],
            start[rows].astype(np.int64),
            opening[rows],
            high[rows],
            low[rows],
            close[rows],
            volume[rows],
        )
        return batch, len(events) - len(batch)

    def _meet(self, ticker: str) -> str:
        """The ticker as it is kept, empty where it is none."""
        if ticker in self._tickers:
            return self._tickers[ticker]
        if not is_ticker(ticker):
            return ""
        if len(self._tickers) >= MOST_NAMES:
            self._tickers.clear()
        self._tickers[ticker] = ticker
        return ticker


def _ends(events: Sequence[Aggregate]) -> npt.NDArray[np.float64]:
    """NaN where an event has none."""
    try:
        return np.frombuffer(array("d", [event.e for event in events]))  # type: ignore[type-var] # None is the TypeError
    except TypeError:
        return np.frombuffer(array("d", [nan if event.e is None else event.e for event in events]))
