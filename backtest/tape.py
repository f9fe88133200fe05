"""One recorded day by ticker: what the machines can be shown of it, and no more than has closed."""

import functools

import numpy as np

from backtest.data.day import DayBars
from backtest.screening import ByTicker
from core.model.bar import Bar, BarColumns

NOTHING = BarColumns(np.zeros(0, np.int64), *(np.zeros(0) for _ in range(5)))


class Tape:
    """The bars of a day; `names` are the tickers that have any, with their number."""

    def __init__(self, bars: DayBars) -> None:
        self.bars = bars
        self.layout = ByTicker(bars)
        self.names = {name: i for i, name in enumerate(bars.tickers)}
        self.columns = functools.cache(self._columns)

    def _columns(self, ticker: str) -> BarColumns:
        if ticker not in self.names:
            return NOTHING
        number, bars, layout = self.names[ticker], self.bars, self.layout
        rows, place = layout.rows(number), layout.place(number)
        opened, high, low = bars.open[rows], bars.high[rows], bars.low[rows]
        return BarColumns(layout.start_ms[place], opened, high, low, layout.close[place], layout.volume[place])

    def bar(self, ticker: str, index: int) -> Bar:
        """The ticker's bar by its place in the day."""
        return self.columns(ticker).bar(ticker, index)

    def at(self, ticker: str, start_ms: int) -> Bar | None:
        """The ticker's bar with this start."""
        starts = self.columns(ticker).start_ms
        index = int(starts.searchsorted(start_ms))
        return self.bar(ticker, index) if index < len(starts) and starts[index] == start_ms else None


class TapeHistories:
    """The analyzer's memory, read off the tape: windows end at bars that were handed over, never behind them."""

    def __init__(self) -> None:
        self._tape: Tape | None = None
        self._upto: dict[str, int] = {}

    def load(self, tape: Tape) -> None:
        """Another day."""
        self._tape = tape
        self._upto.clear()

    def clear(self) -> None:
        """Nothing of the day was handed over yet."""
        self._upto.clear()

    def put(self, bar: Bar) -> bool:
        """Hand over a bar; whether it is the newest of its ticker."""
        fresh = bar.start_ms >= self._upto.get(bar.ticker, 0)
        if fresh:
            self._upto[bar.ticker] = bar.start_ms
        return fresh

    def window(self, ticker: str, upto_ms: int | None, count: int) -> BarColumns:
        """At most `count` bars up to the start of one that was handed over."""
        newest = self._upto.get(ticker)
        if self._tape is None or newest is None:
            return NOTHING
        mine = self._tape.columns(ticker)
        end = int(mine.start_ms.searchsorted(newest if upto_ms is None else min(upto_ms, newest), side="right"))
        return mine.cut(slice(max(0, end - count), end))
