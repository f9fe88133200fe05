"""EMA 5/20 cross by nautilus_trader: one engine, a strategy per ticker, equal stakes, filled at the signal bar's close."""

from collections.abc import Sequence

import numpy as np
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig, RiskEngineConfig, StrategyConfig
from nautilus_trader.indicators import ExponentialMovingAverage
from nautilus_trader.model.currencies import USD
from nautilus_trader.model.data import Bar, BarType
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import Equity
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from benchmarks.peers.harness import CASH_USD, FAST, SLOW, WARM_BARS, Ticker, main

VENUE = Venue("XNYS")
MINUTE_MS, MS_NS = 60_000, 1_000_000


class Cross(Strategy):
    """Long only. Fills come at once, so the last bar gives no signal: the others could not fill it."""

    def __init__(self, instrument: Equity, bars: BarType, count: int) -> None:
        super().__init__(StrategyConfig(strategy_id=f"Cross-{instrument.id.symbol}"))
        self.instrument, self.bars, self.left = instrument, bars, count
        self.fast, self.slow = ExponentialMovingAverage(FAST), ExponentialMovingAverage(SLOW)
        self.seen = self.entries = 0
        self.was_above = False

    def on_start(self) -> None:
        self.register_indicator_for_bars(self.bars, self.fast)
        self.register_indicator_for_bars(self.bars, self.slow)
        self.subscribe_bars(self.bars)

    def on_bar(self, bar: Bar) -> None:
        self.seen += 1
        self.left -= 1
        above, was_above = self.fast.value > self.slow.value, self.was_above
        self.was_above = above
        if self.seen <= WARM_BARS or self.left == 0 or above == was_above:
            return
        flat = self.portfolio.is_flat(self.instrument.id)
        if above and flat:
            shares = int(CASH_USD * 0.95 / float(bar.close))
            self.submit_order(self.order_factory.market(self.instrument.id, OrderSide.BUY, Quantity.from_int(shares)))
        elif not above and not flat:
            self.close_all_positions(self.instrument.id)

    def on_position_opened(self, _event: object) -> None:
        self.entries += 1


def _equity(name: str) -> Equity:
    step = Price.from_str("0.01")
    place = InstrumentId(Symbol(name), VENUE)
    return Equity(place, Symbol(name), USD, 2, step, Quantity.from_int(1), ts_event=0, ts_init=0)


def simulate(tickers: Sequence[Ticker]) -> list[int]:
    # hundreds of stocks may cross in the minute after the opening
    risk = RiskEngineConfig(max_order_submit_rate="1000000/00:00:01")
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), risk_engine=risk))
    cash = Money(2 * CASH_USD * len(tickers), USD)
    engine.add_venue(VENUE, OmsType.NETTING, AccountType.CASH, [cash], base_currency=USD)
    strategies = []
    for ticker in tickers:
        instrument = _equity(ticker.name)
        kind = BarType.from_str(f"{instrument.id}-1-MINUTE-LAST-EXTERNAL")
        ended_ns = ((ticker.start_ms + MINUTE_MS) * MS_NS).astype(np.uint64)
        values = (ticker.open, ticker.high, ticker.low, ticker.close, ticker.volume)
        bars = Bar.from_raw_arrays_to_list(kind, 2, 0, *values, ended_ns, ended_ns)
        engine.add_instrument(instrument)
        engine.add_data(bars, sort=False)
        strategies.append(Cross(instrument, kind, len(bars)))
        engine.add_strategy(strategies[-1])
    engine.sort_data()
    engine.run()
    entries = [s.entries for s in strategies]
    engine.dispose()
    return entries


if __name__ == "__main__":
    main(simulate)
