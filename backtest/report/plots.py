"""The plots of the HTML report: equity with the market, drawdown, excursions against results, and reliability."""

from collections.abc import Sequence

import numpy as np

from backtest.report import svg
from backtest.report.equity import Curve, equity_curve, market_closes
from backtest.report.metrics import Metrics
from backtest.report.numbers import HUNDRED
from backtest.result import Result, Trip
from charts.spec import FloatArray, IntArray

DATES = 4
MOST_DOTS = 1_500


def equity_plot(result: Result) -> str:
    """Equity in USD over sessions; SPY, where it is known, as if the money had been put into it."""
    curve = equity_curve(result)
    market = _market(result, curve)
    every = np.concatenate([curve.values, market[np.isfinite(market)]])
    scale = svg.axis(every, curve.usd[0])
    kept = svg.thinned(len(curve.usd))
    x, ours = _across(kept, len(curve.usd)), scale.at(curve.values[kept])
    theirs = market[kept]
    known = np.isfinite(theirs)
    body = [svg.level(float(scale.at(np.array([curve.usd[0]]))[0]))]
    if known.any():
        body.append(svg.curve(x[known], scale.at(theirs[known]), "theirs"))
    body.append(svg.curve(x, ours, "ours"))
    return svg.plot(
        "equity", body, left=svg.ticks(scale, 5, "$"), below=_dates(curve), title="Equity at sessions' ends"
    )


def drawdown_plot(result: Result) -> str:
    """How far equity lies below its high."""
    curve = equity_curve(result)
    depths = -curve.drawdowns * HUNDRED
    scale = svg.axis(depths, 0.0, tight=True)
    kept = svg.thinned(len(curve.usd))
    x, y = _across(kept, len(curve.usd)), scale.at(depths[kept])
    top = float(scale.at(np.array([0.0]))[0])
    body = [svg.area(x, y, top, "under"), svg.curve(x, y, "below-high")]
    ticks = svg.ticks(scale, 3, "%")
    return svg.plot("drawdown", body, left=ticks, below=_dates(curve), title="Drawdown from the high", high_px=130)


def excursion_plot(result: Result, side: str) -> str:
    """Result of each round trip over its worst (`mae`) or best (`mfe`) price, in percent of the average price."""
    trips = _some(result.trips)
    reach = np.array([each.mae_pct if side == "mae" else each.mfe_pct for each in trips], dtype=np.float64)
    ended = np.array([float(each.trip.pnl_pct) for each in trips], dtype=np.float64)
    won = np.array([each.trip.pnl_krw > 0 for each in trips], dtype=np.bool_)
    trading = result.params.trading
    mark = trading.stop_loss_pct if side == "mae" else trading.take_profit_pct
    across, up = svg.axis(reach, 0.0, mark), svg.axis(ended, 0.0)
    x, y = across.at(reach), up.at(ended)
    body = [
        svg.level(float(up.at(np.array([0.0]))[0])),
        svg.upright(float(across.at(np.array([mark]))[0])),
        svg.dots(x[~won], y[~won], "lost"),
        svg.dots(x[won], y[won], "won"),
    ]
    title = "Result over the worst price" if side == "mae" else "Result over the best price"
    return svg.plot(side, body, left=svg.ticks(up, 5, "%"), below=svg.ticks(across, 4, "%"), title=title)


def reliability_plot(metrics: Metrics) -> str:
    """Hit rate of each bin with its interval; bins with too few cases are left out."""
    bins = [each for each in metrics.reliability.bins if each.rate_pct is not None]
    body = []
    for each in bins:
        x = (each.low + each.high) / 200
        low, high = (each.low_pct or 0.0) / HUNDRED, (each.high_pct or 0.0) / HUNDRED
        body.append(svg.curve(np.array([x, x]), np.array([low, high]), "bar"))
        body.append(svg.dots(np.array([x]), np.array([(each.rate_pct or 0.0) / HUNDRED]), "point"))
    left = [(n / 100, f"{n}%") for n in range(0, 101, 25)]
    below = [(n / 100, f"{n}") for n in range(0, 101, 20)]
    return svg.plot("reliability", body, left=left, below=below, title="Hit rate by confidence", high_px=200)


def _some(trips: Sequence[Trip]) -> Sequence[Trip]:
    """All, or evenly chosen ones where there are more than a page can hold."""
    if len(trips) <= MOST_DOTS:
        return trips
    return [trips[place] for place in np.linspace(0, len(trips) - 1, MOST_DOTS).astype(int).tolist()]


def _across(kept: IntArray, count: int) -> FloatArray:
    found: FloatArray = kept / max(count - 1, 1)
    return found


def _dates(curve: Curve) -> list[tuple[float, str]]:
    """The first and the last session and some between."""
    count = len(curve.on)
    places = sorted({round(n * (count - 1) / (DATES - 1)) for n in range(DATES)})
    return [(place / max(count - 1, 1), f"{curve.on[place]:%y-%m-%d}") for place in places]


def _market(result: Result, curve: Curve) -> FloatArray:
    """SPY scaled to our equity at its first known close; NaN where its close is not known."""
    values = np.array([np.nan if close is None else close for close in market_closes(result)], dtype=np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < 2:
        return np.full(len(values), np.nan)
    scaled: FloatArray = values / values[known[0]] * curve.usd[known[0]]
    return scaled
