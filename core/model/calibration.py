"""What became of past signals by their confidence: a table that a backtest makes and the discovery card quotes."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import Meta

from core.model.params import AnalyzerParams, Params

LEAST_CASES = 30
VERSION = 1
Confidence = Annotated[float, Meta(ge=0.0, le=100.0)]
Count = Annotated[int, Meta(ge=0)]


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Cases with low <= confidence < high (the last bin holds 100 too). Percentages are None below the fewest cases.

    `low_pct` and `high_pct` are Wilson's 95 % interval of the rate.
    """

    low: Confidence
    high: Confidence
    cases: Count
    won: Count
    rate_pct: float | None = None
    low_pct: float | None = None
    high_pct: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high or self.won > self.cases:
            raise ValueError(f"bin {self.low}-{self.high}: {self.won} of {self.cases} cases make no sense")


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Bins in ascending order, and the run they come from. A case is a round trip, won if its result was above zero."""

    v: Annotated[int, Meta(ge=VERSION, le=VERSION)] = VERSION
    first: dt.date
    last: dt.date
    data_hash: str
    config_hash: str
    analyzer: AnalyzerParams
    take_profit_pct: float
    stop_loss_pct: float
    least_cases: Annotated[int, Meta(ge=1)] = LEAST_CASES
    bins: tuple[Bin, ...]

    def __post_init__(self) -> None:
        edges = [edge for each in self.bins for edge in (each.low, each.high)]
        if edges != sorted(edges):
            raise ValueError("bins overlap or are out of order")

    def applies_to(self, params: Params) -> bool:
        """Whether signals are judged and sold now as they were then."""
        trading = params.trading
        levels = (trading.take_profit_pct, trading.stop_loss_pct)
        return params.analyzer == self.analyzer and levels == (self.take_profit_pct, self.stop_loss_pct)

    def like(self, confidence: float) -> Bin | None:
        """The past cases of a confidence; None where there are too few to say anything."""
        for each in self.bins:
            if each.low <= confidence < each.high or confidence == each.high == 100:
                return each if each.cases >= self.least_cases else None
        return None
