"""What a run leaves behind, as plain values: the report, the optimiser and the parity check read nothing else."""

import datetime as dt
from decimal import Decimal

import msgspec

from backtest.execution import Execution
from core.model.params import Params
from core.model.position import Position, RoundTrip

# a note that the chat words in its own language
UNCHECKED = "market cap and type of what was found are unknown and were not checked: --instruments FILE"


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A bar that passed the screen."""

    ticker: str
    at: dt.datetime
    price: float
    change_pct: float
    volume_ratio_pct: float
    announce: bool


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A signal of the analyzer."""

    ticker: str
    at: dt.datetime
    signal: str
    confidence: float
    price: float
    met: tuple[str, ...]


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """A plan to buy, at its birth."""

    ticker: str
    at: dt.datetime
    price: Decimal
    budget_krw: Decimal
    tranches: int
    confidence: float


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """Newly filled shares of an order; `usd` before the fee."""

    ticker: str
    at: dt.datetime
    side: str
    purpose: str
    qty: int
    usd: Decimal
    fee_usd: Decimal


class Trip(msgspec.Struct, frozen=True, kw_only=True):
    """A round trip with its excursions: the worst and best price while it was held, in percent of the average price."""

    trip: RoundTrip
    confidence: float
    mae_pct: float
    mfe_pct: float


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One session's end: everything marked to the last prices."""

    on: dt.date
    equity_usd: Decimal
    equity_krw: Decimal
    invested_usd: Decimal
    positions: int
    bars: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One run. `market` is the close of SPY at each session's end where the data have it.

    `data_hash` is of the bars, `config_hash` of the parameters and the assumptions: the same two and the same
    `version` give the same result.
    """

    first: dt.date
    last: dt.date
    params: Params
    execution: Execution
    data_hash: str
    config_hash: str
    version: str
    cash_krw: int
    bars: int
    seconds: float
    found: tuple[Found, ...]
    judged: tuple[Judged, ...]
    proposed: tuple[Proposed, ...]
    filled: tuple[Filled, ...]
    trips: tuple[Trip, ...]
    held: tuple[Position, ...]
    days: tuple[Day, ...]
    refused: dict[str, int]
    events: dict[str, int]
    market: dict[dt.date, float] = {}
    notes: tuple[str, ...] = ()
