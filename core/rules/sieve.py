"""The screen's first rules over a whole batch at once: which of its bars are worth a closer look."""

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np

from core.model.bar import MINUTE_MS
from core.model.batch import BarBatch, Flags, Rows
from core.model.params import ScannerParams
from core.rules.market import MarketBars
from core.rules.screen import ScreenRule


def sieve(
    market: MarketBars,
    batch: BarBatch,
    numbers: Rows,
    params: ScannerParams,
    special: Callable[[str], bool] | None = None,
) -> tuple[list[int], Mapping[ScreenRule, int]]:
    """Rows that pass price, volume and change, in order, and how many each rule refused.

    The rules are those of `core.rules.screen`, with the very same arithmetic. `batch` is in the `market` already. Bars
    that are older than their ticker's newest, and those of `special` tickers, only have to pass price and volume.
    """
    refused: Counter[ScreenRule] = Counter()

    def passing(rows: Rows, passes: Flags, rule: ScreenRule) -> Rows:
        refused[rule] += len(rows) - int(np.count_nonzero(passes))
        return rows[passes]

    rows = passing(np.arange(len(batch)), batch.close >= params.min_price, ScreenRule.PRICE)
    rows = passing(rows, batch.volume[rows] >= params.min_volume, ScreenRule.VOLUME)
    apart = market.late(batch, numbers)[rows]
    if special is not None:
        apart |= np.fromiter((special(batch.tickers[row]) for row in rows.tolist()), np.bool_, len(rows))
    closer, rows = rows[apart], rows[~apart]
    # by row of the batch from here on, so that rows may go while the rest keeps its place
    starts, closes = np.zeros(len(batch), np.int64), np.full(len(batch), np.nan)
    starts[rows], closes[rows] = market.references(numbers[rows], batch.start_ms[rows], params.timeframe_min)
    rows = passing(rows, starts[rows] != 0, ScreenRule.NO_REFERENCE)
    if params.max_reference_age_min:
        age_min = (batch.start_ms[rows] - starts[rows]) / MINUTE_MS
        fresh = (age_min <= params.max_reference_age_min) | (starts[rows] < 0)
        rows = passing(rows, fresh, ScreenRule.STALE_REFERENCE)
    # a close that is not known is nothing to refuse by
    rises = ~(batch.close[rows] / closes[rows] - 1 < params.price_change_pct / 100)
    rows = passing(rows, rises, ScreenRule.CHANGE)
    return np.sort(np.concatenate((closer, rows))).tolist(), +refused
