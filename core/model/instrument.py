"""What can be traded: a US security and where it is listed."""

import datetime as dt
import enum
from fractions import Fraction

import msgspec


class Exchange(enum.StrEnum):
    """KIS's three trading codes for US venues; the quote code of each is `quote_code`."""

    NASD = "NASD"
    NYSE = "NYSE"
    AMEX = "AMEX"

    @property
    def quote_code(self) -> str:
        """The code that KIS's quotation endpoints use for this venue (facts: kis.md section 7)."""
        return {"NASD": "NAS", "NYSE": "NYS", "AMEX": "AMS"}[self.value]


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """How the broker knows a security: its venue, which decides where an order goes, and its Korean name."""

    ticker: str
    exchange: Exchange
    name_ko: str = ""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """`new` shares for `old` from the opening of a US date on."""

    ticker: str
    on: dt.date
    new: float
    old: float

    def __post_init__(self) -> None:
        if not (0 < self.new < 1e9 and 0 < self.old < 1e9 and 1e-5 <= self.new / self.old <= 1e5):
            raise ValueError(f"{self.ticker}: a split is of positive numbers of shares, not {self.new} for {self.old}")

    @property
    def ratio(self) -> Fraction:
        """New shares per old one."""
        return (Fraction(self.new) / Fraction(self.old)).limit_denominator(100_000)


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """A listed security; `shares_outstanding` is None where the data vendor does not know it."""

    ticker: str
    name: str
    name_ko: str = ""
    exchange: Exchange = Exchange.NASD
    security_type: str = ""
    active: bool = True
    shares_outstanding: float | None = None

    def __post_init__(self) -> None:
        if not 0 < len(self.ticker) <= 12 or not self.ticker.isascii() or not self.ticker.isprintable():
            raise ValueError(f"not a ticker: {self.ticker!r}")
        if self.shares_outstanding is not None and self.shares_outstanding <= 0:
            raise ValueError(f"{self.ticker}: shares outstanding must be positive")

    def market_cap(self, close: float) -> float | None:
        """Shares outstanding times the close in USD, or None where the share count is unknown."""
        return None if self.shares_outstanding is None else self.shares_outstanding * close
