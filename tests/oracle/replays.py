"""Real minute bars through the real collector."""

import csv
import datetime as dt
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path

import pyarrow.parquet as pq

from core.model.bar import Bar
from core.model.batch import batch_of
from core.model.instrument import Instrument
from core.model.params import ScannerParams
from core.stages.collect import CollectStage, Publish

# every rule as in the expected events: no limit on the reference's age, every security type
PARAMS = ScannerParams(max_reference_age_min=0, security_types=())
SETS = (
    "av_202012",
    "yahoo_2022_meme",
    "no_licence_stated/gappers_alpaca",
    "no_licence_stated/ibkr_202510",
    "no_licence_stated/smallcaps_av_202505",
)
Event = tuple[str, int]


def read_bars(path: Path) -> list[Bar]:
    """All possible bars of a file in order of time, then ticker; impossible ones are refused at birth."""
    table = pq.read_table(path).select(["ticker", "ts", "open", "high", "low", "close", "volume"])
    found = []
    for values in zip(*(column.to_pylist() for column in table.columns), strict=True):
        try:
            found.append(Bar(*values))
        except ValueError:
            continue
    return sorted(found, key=lambda b: (b.start_ms, b.ticker))


def expected(path: Path) -> set[Event]:
    """The clock events of a file."""
    with path.open() as file:
        return {(r["ticker"], int(r["ts"])) for r in csv.DictReader(file) if r["clock_event"] == "True"}


def batches(bars: Iterable[Bar], arrange: Callable[[list[Bar]], list[Bar]]) -> Iterable[tuple[int, list[Bar]]]:
    """The bars of each minute as they arrive."""
    for start_ms, minute in groupby(bars, key=lambda b: b.start_ms):
        yield start_ms, arrange(list(minute))


def screen(bars: list[Bar], arrange: Callable[[list[Bar]], list[Bar]] = lambda minute: minute) -> list[Event]:
    """What the collector publishes as screened, in order."""
    stage = CollectStage(PARAMS)
    tickers = {b.ticker for b in bars}
    stage.know(Instrument(ticker=t, name=t, shares_outstanding=1e12) for t in tickers)
    fired: list[Event] = []
    for start_ms, minute in batches(bars, arrange):
        at = dt.datetime.fromtimestamp(start_ms / 1000 + 61, dt.UTC)
        for effect in stage.bars_arrived(batch_of(minute), at):
            assert isinstance(effect, Publish), "nothing is unknown here"
            if hasattr(effect.message, "discovery"):
                fired.append((effect.message.ticker, effect.message.bars[-1].start_ms))
    return fired
