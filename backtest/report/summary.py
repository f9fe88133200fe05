"""A run in the few figures that the chat tells."""

from backtest.report.metrics import Metrics
from backtest.result import Result
from core.model.backtested import RunSummary


def summary(result: Result, metrics: Metrics) -> RunSummary:
    """Every figure is the report's own."""
    equity, trips, market = metrics.equity, metrics.trips, metrics.market
    end = result.days[-1].equity_krw if result.days else result.cash_krw
    return RunSummary(
        first=result.days[0].on if result.days else result.first,
        last=result.days[-1].on if result.days else result.last,
        sessions=equity.sessions,
        trips=trips.trips,
        wins=trips.wins,
        return_krw_pct=equity.return_krw_pct,
        result_krw=round(end - result.cash_krw),
        max_drawdown_pct=equity.max_drawdown_pct,
        win_rate_pct=trips.win_rate_pct,
        market_pct=None if market is None else market.market_return_pct,
        mode=result.params.trading.mode,
        data_hash=result.data_hash,
        config_hash=result.config_hash,
        cautions=metrics.cautions,
    )
