"""KIS's view of the US market: rankings, condition search, minute chart and details, at the lowest rank (facts: polygon.md 8)."""

import datetime as dt
import logging
from collections.abc import Mapping
from typing import Protocol

import msgspec

from adapters.kis import parse, wire
from adapters.kis.answer import Answer
from adapters.kis.parse import BadRow, Row
from core.model.bar import Bar
from core.model.instrument import Exchange
from ports.broker import Urgency

log = logging.getLogger(__name__)

RANKING = "/uapi/overseas-stock/v1/ranking/"
RISERS, RISERS_TR = RANKING + "price-fluct", "HHDFS76260000"
SURGES, SURGES_TR = RANKING + "volume-surge", "HHDFS76270000"
SEARCH, SEARCH_TR = wire.QUOTES + "inquire-search", "HHDFS76410000"
CHART, CHART_TR = wire.QUOTES + "inquire-time-itemchartprice", "HHDFS76950200"
DETAIL, DETAIL_TR = wire.QUOTES + "price-detail", "HHDFS76200200"

# KIS's codes of "so many minutes ago" and of "at least so many shares", by their place in its lists
MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120)
VOLUMES = (0, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
CHART_ROWS = 120
SEARCHED = ("PRICECUR", "RATE", "VALX", "SHAR", "VOLUME", "AMT", "EPS", "PER")
MOST = "999999999999"
# The documents call both columns thousands; the example counts shares one by one. The market cap decides.
THOUSAND = 1_000
CAP_TOLERANCE = 3.0


class Gateway(Protocol):
    """The part of `adapters.kis.client.KisGateway` that is needed: nothing that could place an order."""

    async def query(
        self, path: str, tr_id: str, params: Mapping[str, str], urgency: Urgency, *, more: bool = ..., quote: bool = ...
    ) -> Answer:
        """One GET. Raises BrokerUnavailable."""
        ...


class Mover(msgspec.Struct, frozen=True, kw_only=True):
    """A row of a ranking; `grown_pct` is the growth of price or volume that it ranks by, or the day's in a search."""

    ticker: str
    exchange: Exchange
    last: float
    grown_pct: float
    name: str = ""
    name_ko: str = ""
    shares: float | None = None


class KisMarket:
    """One query per call; every method raises BrokerUnavailable."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.refused = 0

    async def risers(self, exchange: Exchange, minutes: int, least_volume: float) -> list[Mover]:
        """What rose most over the last minutes."""
        params = {"GUBN": "1", "MINX": minutes_code(minutes), "VOL_RANG": volume_code(least_volume)}
        return await self._ranked(RISERS, RISERS_TR, exchange, params)

    async def surges(self, exchange: Exchange, minutes: int, least_volume: float) -> list[Mover]:
        """Whose volume grew most over the last minutes."""
        params = {"MINX": minutes_code(minutes), "VOL_RANG": volume_code(least_volume)}
        return await self._ranked(SURGES, SURGES_TR, exchange, params)

    async def search(
        self, exchange: Exchange, *, least_price: float, least_rate: float, least_cap: float, least_volume: float
    ) -> list[Mover]:
        """At most 100 shares that meet all bounds (USD, % on the day, USD, shares), the most traded first; with share counts."""
        params = {"AUTH": "", "EXCD": exchange.quote_code, "KEYB": ""}
        for name in SEARCHED:
            params |= {f"CO_{part}_{name}": "" for part in ("YN", "ST", "EN")}
        bounds = {
            "PRICECUR": f"{least_price:.4f}",
            "RATE": f"{least_rate:.2f}",
            "VALX": str(int(least_cap / THOUSAND)),
            "VOLUME": str(int(least_volume)),
        }
        for name, least in bounds.items():
            params |= {f"CO_YN_{name}": "1", f"CO_ST_{name}": least, f"CO_EN_{name}": MOST}
        answer = await self._query(SEARCH, SEARCH_TR, params)
        return self._read(answer, exchange, growth="rate", korean="name", english="ename")

    async def bars(self, ticker: str, exchange: Exchange, *, before: dt.datetime | None = None) -> list[Bar]:
        """The newest 120 minute bars (or those before an instant), oldest first; the running minute is among them."""
        keyb = (
            ""
            if before is None
            else (before - dt.timedelta(minutes=1)).astimezone(wire.NEW_YORK).strftime("%Y%m%d%H%M%S")
        )
        params = {
            **wire.quote_params(ticker, exchange),
            "NMIN": "1",
            "PINC": "1",
            "NEXT": "1" if keyb else "",
            "NREC": str(CHART_ROWS),
            "FILL": "",
            "KEYB": keyb,
        }
        answer = await self._query(CHART, CHART_TR, params)
        bars: dict[int, Bar] = {}
        for row in parse.rows_of(answer.body.get("output2")):
            bar = bar_of(ticker, row)
            if bar is None:
                self.refused += 1
            else:
                bars[bar.start_ms] = bar
        return [bars[start_ms] for start_ms in sorted(bars)]

    async def shares(self, ticker: str, exchange: Exchange) -> float | None:
        """Shares outstanding; None where KIS does not tell."""
        answer = await self._query(DETAIL, DETAIL_TR, wire.quote_params(ticker, exchange))
        rows = parse.rows_of(answer.body.get("output"))
        return shares_of(rows[0], cap="tomv", unit=1) if rows else None

    async def _ranked(self, path: str, tr_id: str, exchange: Exchange, params: Mapping[str, str]) -> list[Mover]:
        answer = await self._query(path, tr_id, {"KEYB": "", "AUTH": "", "EXCD": exchange.quote_code, **params})
        return self._read(answer, exchange, growth="n_rate", korean="knam", english="enam")

    async def _query(self, path: str, tr_id: str, params: Mapping[str, str]) -> Answer:
        return await self._gateway.query(path, tr_id, params, Urgency.FEED, quote=True)

    def _read(self, answer: Answer, exchange: Exchange, *, growth: str, korean: str, english: str) -> list[Mover]:
        movers: list[Mover] = []
        for row in parse.rows_of(answer.body.get("output2")):
            try:
                ticker, last = parse.ticker_of(row, "symb"), float(parse.dollars(row, "last"))
                grown_pct = float(parse.number(row, growth))
            except BadRow as error:
                self.refused += 1
                log.debug("a KIS ranking row is not understood: %s", error)
                continue
            if not ticker or last <= 0:
                continue
            movers.append(
                Mover(
                    ticker=ticker,
                    exchange=exchange,
                    last=last,
                    grown_pct=grown_pct,
                    name=parse.text(row, english),
                    name_ko=parse.text(row, korean),
                    shares=shares_of(row, cap="valx", unit=THOUSAND),
                )
            )
        return movers


def minutes_code(minutes: int) -> str:
    """KIS's code of the longest look-back that is not longer than this."""
    return str(max((i for i, each in enumerate(MINUTES) if each <= minutes), default=0))


def volume_code(least: float) -> str:
    """KIS's code of the highest bound that leaves out nothing."""
    return str(max(i for i, bound in enumerate(VOLUMES) if bound <= max(0.0, least)))


def shares_of(row: Row, *, cap: str, unit: int) -> float | None:
    """Shares outstanding, in the unit (one or a thousand) that agrees with price and market cap; None where none does."""
    try:
        shares, last, worth = (float(parse.number(row, key)) for key in ("shar", "last", cap))
    except BadRow:
        return None
    if shares <= 0:
        return None
    if last <= 0 or worth <= 0:
        # nothing to tell the unit by: a company's shares are not counted in tens
        return shares
    for counted in (shares, shares * THOUSAND):
        if 1 / CAP_TOLERANCE <= counted * last / (worth * unit) <= CAP_TOLERANCE:
            return counted
    return None


def bar_of(ticker: str, row: Row) -> Bar | None:
    """A minute bar of the chart, whose time is New York's and the beginning of the minute; None where it can't be one."""
    try:
        written = parse.text(row, "xymd") + parse.text(row, "xhms")
        start_at = dt.datetime.strptime(written, "%Y%m%d%H%M%S").replace(tzinfo=wire.NEW_YORK)
        opening, high, low, close = (float(parse.dollars(row, key)) for key in ("open", "high", "low", "last"))
        volume = float(parse.number(row, "evol"))
        return Bar(ticker, int(start_at.timestamp() * 1000), opening, high, low, close, volume)
    except ValueError:
        return None
