"""A price as the broker shows it at one instant."""

import datetime as dt
from decimal import Decimal

import msgspec

# a price that is the market data's own, not the broker's
FEED_SOURCE = "feed"


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """Last price in USD, with bid and ask where the source has them; `at` is when it was read."""

    ticker: str
    last: Decimal
    at: dt.datetime
    bid: Decimal | None = None
    ask: Decimal | None = None
    source: str = ""

    def __post_init__(self) -> None:
        for value in (self.last, self.bid, self.ask):
            if value is not None and not (value.is_finite() and value > 0):
                raise ValueError(f"{self.ticker}: impossible quote {value}")

    @property
    def buy_reference(self) -> Decimal:
        """What a buyer pays now: the ask, else the last price."""
        return self.ask or self.last

    @property
    def sell_reference(self) -> Decimal:
        """What a seller gets now: the bid, else the last price."""
        return self.bid or self.last
