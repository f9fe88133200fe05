"""Files for a spreadsheet: CSV with a byte order mark, so that Excel shows Hangul, and cells that can't become formulas."""

import csv
import datetime as dt
import io
from collections.abc import Sequence
from decimal import Decimal

from bot.i18n import KST, Translator
from bot.messenger import Document
from bot.views.base import View
from bot.views.words import PURPOSES, SIGNALS, plain_word
from core.model.order import Side
from core.model.position import RoundTrip
from core.rules.tax import TaxEstimate
from ports.store import TradeRow

Cell = str | int | Decimal | dt.datetime | dt.date | None
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Cell) -> str:
    """Numbers stay numbers, instants are Korean time with seconds, and text never begins like a formula."""
    match value:
        case None:
            return ""
        case dt.datetime():
            return f"{value.astimezone(KST):%Y-%m-%d %H:%M:%S}"
        case dt.date():
            return value.isoformat()
        case Decimal():
            return f"{value:f}"
        case int():
            return str(value)
        case str():
            # a space first does not keep a spreadsheet from seeing the sign behind it
            return f"'{value}" if value.lstrip(" ").startswith(DANGEROUS) else value


def table(header: Sequence[str], rows: Sequence[Sequence[Cell]]) -> bytes:
    """The file's bytes: UTF-8 with a byte order mark, CRLF as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def _name(stem: str, year: int | None, t: Translator) -> str:
    return f"{stem}_{year if year is not None else t.plain('all')}.csv"


def trades(rows: Sequence[TradeRow], year: int | None, t: Translator) -> Document:
    """Every fill, oldest first."""
    header = [
        t.plain("Filled at (KST)"),
        t.plain("Ticker"),
        t.plain("Side"),
        t.plain("Quantity"),
        t.plain("Price (USD)"),
        t.plain("Amount (USD)"),
        t.plain("Fee (USD)"),
        t.plain("KRW per USD"),
        t.plain("Amount (KRW)"),
        t.plain("Signal"),
    ]
    data = []
    for row in rows:
        amount = row.usd if row.usd is not None else row.total_amount
        side = t.plain("Buy") if row.side is Side.BUY else t.plain("Sell")
        won = None if row.krw_per_usd is None else (amount * row.krw_per_usd).quantize(Decimal(1))
        signal = plain_word({**SIGNALS, **PURPOSES}, row.signal_type, t)
        data.append(
            (
                row.created_at,
                row.ticker,
                side,
                row.quantity,
                row.price,
                amount,
                row.fee_usd,
                row.krw_per_usd,
                won,
                signal,
            )
        )
    return Document(table(header, data), _name(t.plain("fills"), year, t))


def pnl(trips: Sequence[RoundTrip], year: int | None, t: Translator) -> Document:
    """Every round trip in parts; unknown parts stay empty."""
    header = [
        t.plain("Opened at (KST)"),
        t.plain("Closed at (KST)"),
        t.plain("Ticker"),
        t.plain("Name"),
        t.plain("Quantity"),
        t.plain("Average price (USD)"),
        t.plain("Sell price (USD)"),
        t.plain("Return (%)"),
        t.plain("Result (USD)"),
        t.plain("Result (KRW)"),
        t.plain("Shares (KRW)"),
        t.plain("Exchange rate (KRW)"),
        t.plain("Fees (KRW)"),
        t.plain("Fees (USD)"),
        t.plain("Rate bought"),
        t.plain("Rate sold"),
        t.plain("Reason"),
    ]
    data = []
    for trip in trips:
        parts = trip.parts
        name = (trip.name_ko if t.locale == "ko" else "") or trip.name
        cells: list[Cell] = [
            trip.opened_at,
            trip.closed_at,
            trip.ticker,
            name,
            trip.sell_qty,
            trip.avg_price,
            trip.sell_price,
            trip.pnl_pct,
            trip.pnl_usd,
            trip.pnl_krw,
            trip.stock_krw,
            parts.fx_krw if parts else None,
            parts.fee_krw if parts else None,
            parts.fees_usd if parts else None,
            _rate(parts.cost_krw, parts.cost_usd) if parts else None,
            _rate(parts.sold_krw, trip.sell_price * trip.sell_qty) if parts else None,
            plain_word(PURPOSES, trip.reason, t),
        ]
        data.append(cells)
    return Document(table(header, data), _name(t.plain("results"), year, t))


def _rate(won: Decimal, dollars: Decimal) -> Decimal | None:
    return (won / dollars).quantize(Decimal("0.01")) if dollars else None


def tax(found: TaxEstimate, t: Translator) -> Document:
    """Every sale that settled in the year."""
    header = [
        t.plain("Settled on"),
        t.plain("Filled at (KST)"),
        t.plain("Ticker"),
        t.plain("Quantity"),
        t.plain("Proceeds (KRW)"),
        t.plain("Cost (KRW)"),
        t.plain("Fees (KRW)"),
        t.plain("Gain (KRW)"),
        t.plain("Rates"),
    ]
    data = [
        (
            sale.settles_on,
            sale.at,
            sale.ticker,
            sale.qty,
            sale.proceeds_krw,
            sale.cost_krw,
            sale.fees_krw,
            sale.gain_krw,
            t.plain("fill day (estimate)") if sale.estimated else t.plain("settlement date"),
        )
        for sale in found.sales
    ]
    return Document(table(header, data), _name(t.plain("tax"), found.year, t))


def caption(count: int, t: Translator) -> View:
    return View(t("📄 {count} rows · opens in Excel", count=count))


def nothing(year: int | None, t: Translator) -> View:
    if year is None:
        return View(t("📄 There is nothing to export yet."))
    return View(t("📄 There is nothing to export for {year}.", year=year))
