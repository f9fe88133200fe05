"""EMA 5/20 cross by backtrader: one Cerebro per ticker, 95 % of the money, filled at the next open."""

from collections.abc import Sequence

import backtrader as bt
import pandas as pd

from benchmarks.peers.harness import CASH_USD, FAST, SLOW, WARM_BARS, Ticker, main


class Cross(bt.Strategy):
    """Long only."""

    def __init__(self) -> None:
        self.fast = bt.indicators.EMA(self.data.close, period=FAST)
        self.slow = bt.indicators.EMA(self.data.close, period=SLOW)
        self.entries = 0

    def next(self) -> None:
        if len(self) <= WARM_BARS:
            return
        above, was_above = self.fast[0] > self.slow[0], self.fast[-1] > self.slow[-1]
        if above and not was_above and not self.position:
            self.buy()
        elif was_above and not above and self.position:
            self.close()

    def notify_order(self, order: bt.Order) -> None:
        if order.status == order.Completed and order.isbuy():
            self.entries += 1


def simulate(tickers: Sequence[Ticker]) -> list[int]:
    entries = []
    for ticker in tickers:
        columns = {name: getattr(ticker, name) for name in ("open", "high", "low", "close", "volume")}
        frame = pd.DataFrame(columns, index=pd.to_datetime(ticker.start_ms, unit="ms"))
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.adddata(bt.feeds.PandasData(dataname=frame))
        cerebro.addstrategy(Cross)
        # all of it, at the close, would be refused whenever the next open is higher
        cerebro.addsizer(bt.sizers.PercentSizerInt, percents=95)
        cerebro.broker.setcash(CASH_USD)
        entries.append(cerebro.run()[0].entries)
    return entries


if __name__ == "__main__":
    main(simulate)
