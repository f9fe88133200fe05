"""The newest bars of the tickers people look at, and five-minute bars made of them."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from core.model.bar import MINUTE_MS, Bar
from core.rules.history import BarRows

# a regular session and some of the pre-market
KEEP = 480
TICKERS = 600


class BarMemory:
    """The newest bars per ticker, oldest first; a re-sent bar replaces the old one. Bounded in both directions."""

    def __init__(self, *, keep: int = KEEP, tickers: int = TICKERS) -> None:
        self._keep = keep
        self._tickers = tickers
        self._rows: OrderedDict[str, BarRows] = OrderedDict()

    def add(self, bars: Iterable[Bar]) -> None:
        for bar in bars:
            if bar.ticker not in self._rows:
                self._rows[bar.ticker] = BarRows(bar.ticker, self._keep)
            self._rows.move_to_end(bar.ticker)
            self._rows[bar.ticker].put(bar)
        while len(self._rows) > self._tickers:
            self._rows.popitem(last=False)

    def of(self, ticker: str) -> list[Bar]:
        return self._rows[ticker].bars() if ticker in self._rows else []


def five_minutes(bars: Sequence[Bar]) -> list[Bar]:
    """Minute bars folded into clock five minutes."""
    folded: dict[int, Bar] = {}
    for bar in bars:
        start = bar.start_ms - bar.start_ms % (5 * MINUTE_MS)
        so_far = folded.get(start)
        folded[start] = Bar(
            bar.ticker,
            start,
            so_far.open if so_far else bar.open,
            max(so_far.high, bar.high) if so_far else bar.high,
            min(so_far.low, bar.low) if so_far else bar.low,
            bar.close,
            bar.volume + (so_far.volume if so_far else 0),
        )
    return list(folded.values())
