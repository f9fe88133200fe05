"""EMA 5/20 cross by backtesting.py: one run per ticker, all-in, filled at the next open."""

from collections.abc import Sequence

import pandas as pd
from backtesting import Backtest, Strategy

from benchmarks.peers.harness import CASH_USD, FAST, SLOW, WARM_BARS, Ticker, main


def _ema(close: pd.Series, span: int) -> pd.Series:
    return pd.Series(close).ewm(span=span, adjust=False).mean()


class Cross(Strategy):
    """Long only."""

    def init(self) -> None:
        self.fast = self.I(_ema, self.data.Close, FAST)
        self.slow = self.I(_ema, self.data.Close, SLOW)

    def next(self) -> None:
        if len(self.data) <= WARM_BARS:
            return
        above, was_above = self.fast[-1] > self.slow[-1], self.fast[-2] > self.slow[-2]
        if above and not was_above and not self.position:
            self.buy()
        elif was_above and not above and self.position:
            self.position.close()


def simulate(tickers: Sequence[Ticker]) -> list[int]:
    entries = []
    for ticker in tickers:
        columns = {name.title(): getattr(ticker, name) for name in ("open", "high", "low", "close", "volume")}
        frame = pd.DataFrame(columns, index=pd.to_datetime(ticker.start_ms, unit="ms"))
        stats = Backtest(frame, Cross, cash=CASH_USD, finalize_trades=True).run()
        entries.append(stats["# Trades"])
    return entries


if __name__ == "__main__":
    main(simulate)
