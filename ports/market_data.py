"""What the collector needs from a market data vendor."""

import datetime as dt
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Protocol

import msgspec

from core.model.bar import Bar
from core.model.batch import BarBatch
from core.model.instrument import Instrument, Split


class FeedStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the connection: `key` is machine-readable, `detail` the vendor's words."""

    up: bool
    key: str
    detail: str = ""


class HaltChange(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange halts a ticker, or lets it trade again; `at_ms` is None where the vendor's instant is unreadable."""

    ticker: str
    halted: bool
    at_ms: int | None


Feed = BarBatch | FeedStatus | HaltChange


class Fold(Protocol):
    """Makes closed minute bars of second bars (`core.rules.folding`); `at_ms` is our clock in epoch milliseconds."""

    def begin(self, at_ms: int) -> None:
        """The connection is there, or is not any more."""
        ...

    def take(self, seconds: BarBatch, at_ms: int) -> list[BarBatch]:
        """Second bars that arrived together; returns the minutes that are closed, or corrected, by them."""
        ...

    def tick(self, at_ms: int) -> list[BarBatch]:
        """Time passes and nothing comes."""
        ...


class BarStream(Protocol):
    """A supervised stream of closed minute bars: it reconnects by itself and reports what happened."""

    def events(self) -> AsyncGenerator[Feed, None]:
        """Batches of bars in order of arrival, and changes of the connection and of halts between them."""
        ...

    def lag_s(self) -> float:
        """How many real seconds the reader is behind what has arrived."""
        ...

    async def close(self) -> None:
        """Disconnect."""
        ...


class ReferenceData(Protocol):
    """Look-ups over REST. Every method raises ReferenceUnavailable when the vendor can't answer now."""

    async def instrument(self, ticker: str) -> Instrument | None:
        """One security with its share count, or None where the vendor does not know the ticker."""
        ...

    async def instruments(self) -> Sequence[Instrument]:
        """All active US securities, without share counts."""
        ...

    async def minute_bars(self, ticker: str, start: dt.datetime, end: dt.datetime) -> Sequence[Bar]:
        """Closed unadjusted minute bars with `start <= bar start < end`, oldest first."""
        ...

    async def daily_bars(self, ticker: str, first_on: dt.date, last_on: dt.date) -> Sequence[Bar]:
        """One split-adjusted bar per US date, oldest first, each starting at midnight in New York; today's as it is so far."""
        ...

    async def share_counts(self) -> Mapping[str, float]:
        """Shares outstanding of the whole market by ticker, in few calls. Raises NotInPlan where there is no such thing."""
        ...

    async def splits(self, on: dt.date) -> Sequence[Split]:
        """The stock splits that take effect on a US date. Raises NotInPlan where the vendor lists none."""
        ...


class ReferenceUnavailable(Exception):
    """The vendor did not answer a look-up; try again later."""


class NotInPlan(ReferenceUnavailable):
    """The vendor, or the plan, does not have this at all: trying again the same day is of no use."""
