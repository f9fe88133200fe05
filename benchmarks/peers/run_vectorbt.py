"""EMA 5/20 cross by vectorbt: all tickers as columns of one array, all-in, filled at the next open."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import vectorbt as vbt

from benchmarks.peers.harness import CASH_USD, FAST, SLOW, WARM_BARS, Ticker, main


def simulate(tickers: Sequence[Ticker]) -> list[int]:
    index = pd.to_datetime(tickers[0].start_ms, unit="ms")
    names = [t.name for t in tickers]
    close = pd.DataFrame(np.column_stack([t.close for t in tickers]), index=index, columns=names)
    opened = pd.DataFrame(np.column_stack([t.open for t in tickers]), index=index, columns=names)
    fast = vbt.MA.run(close, FAST, ewm=True).ma.to_numpy()
    slow = vbt.MA.run(close, SLOW, ewm=True).ma.to_numpy()
    above = fast > slow
    up, down = np.zeros(above.shape, bool), np.zeros(above.shape, bool)
    # a bar's signal is the next bar's order
    up[WARM_BARS + 1 :] = above[WARM_BARS:-1] & ~above[WARM_BARS - 1 : -2]
    down[WARM_BARS + 1 :] = ~above[WARM_BARS:-1] & above[WARM_BARS - 1 : -2]
    account = vbt.Portfolio.from_signals(close, up, down, price=opened, init_cash=CASH_USD, freq="1min")
    return account.trades.count().tolist()


if __name__ == "__main__":
    main(simulate)
