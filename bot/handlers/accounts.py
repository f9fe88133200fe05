"""Accounts: fills by round trip, results in parts, the tax estimate, files for a spreadsheet."""

import datetime as dt
import re
from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext
from bot.handlers import ask
from bot.i18n import KST
from bot.messenger import Document
from bot.reporting import EPOCH, WORDS, grouped, latest_session, span_bounds, tax_estimate
from bot.views import accounts as views
from bot.views import export as files
from core.rules.results import results
from ports.store import TradeRow

DEFAULT_FILLS, MOST_FILLS = 12, 40
FIRST_YEAR = 2000
KINDS = {
    **{kind: kind for kind in ("trades", "pnl", "tax", "all")},
    **dict.fromkeys(("체결", "체결내역"), "trades"),
    **dict.fromkeys(("손익", "수익"), "pnl"),
    **dict.fromkeys(("세금", "양도세"), "tax"),
    **dict.fromkeys(("전체", "모두"), "all"),
}


def _now(context: AppContext) -> dt.datetime:
    return context.desk.deps.clock.now()


async def _fills(context: AppContext) -> Sequence[TradeRow]:
    """Everything that was ever filled, oldest first."""
    return await context.desk.deps.records.trades(EPOCH, _now(context) + dt.timedelta(seconds=1))


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4


async def trades(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/trades [NVDA] [n]"""
    ticker, count, rest = "", DEFAULT_FILLS, tuple(args)
    if rest and not _is_count(rest[0]):
        meant = await ask.ticker(update, context, rest, "trades")
        if meant is None:
            return
        ticker, rest = meant
    if rest:
        if len(rest) > 1 or not _is_count(rest[0]) or not 1 <= int(rest[0]) <= MOST_FILLS:
            await context.say(update, views.trades_usage(rest[0], MOST_FILLS, context.t))
            return
        count = int(rest[0])
    rows = [row for row in await _fills(context) if ticker in {"", row.ticker}]
    newest = sorted(rows, key=lambda row: row.created_at)[-count:]
    trips = await context.desk.deps.records.round_trips(EPOCH, _now(context) + dt.timedelta(seconds=1))
    await context.say(update, views.trades(grouped(newest, trips), len(rows), ticker, context.t))


async def pnl(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/pnl [day|week|month|year|all]"""
    span = WORDS.get(args[0].lower()) if args else "month"
    if span is None:
        await context.say(update, views.pnl_usage(args[0], context.t))
        return
    deps = context.desk.deps
    session = latest_session(deps.calendar, deps.clock.now())
    trips = await deps.records.round_trips(*span_bounds(session, span))
    await context.say(update, views.pnl(span, context.t.day(session.on), results(trips), context.t))


def year_of(text: str, now: dt.datetime) -> int | None:
    """A year that may have been lived in already."""
    digits = text.removesuffix("년")
    if not re.fullmatch(r"[0-9]{4}", digits):
        return None
    return int(digits) if FIRST_YEAR <= int(digits) <= last_year(now) else None


def last_year(now: dt.datetime) -> int:
    """The newest year that a sale may settle in: what is sold on New Year's Eve settles in the next."""
    return now.astimezone(KST).year + 1


async def tax(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/tax [year]"""
    now, params = _now(context), context.desk.params.tax
    year = year_of(args[0], now) if args else now.astimezone(KST).year
    if year is None:
        await context.say(update, views.year_usage(args[0], FIRST_YEAR, last_year(now), context.t))
        return
    found = tax_estimate(await _fills(context), year, params, context.desk.deps.calendar)
    await context.say(update, views.tax(found, params, context.t))


async def export(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/export [trades|pnl|tax|all] [year]"""
    kind, year = "all", None
    for arg in args:
        if arg.lower() in KINDS:
            kind = KINDS[arg.lower()]
        elif re.fullmatch(r"[0-9]+년?", arg):
            year = year_of(arg, _now(context))
            if year is None:
                await context.say(update, views.year_usage(arg, FIRST_YEAR, last_year(_now(context)), context.t))
                return
        else:
            await context.say(update, views.export_usage(arg, context.t))
            return
    chat = update.effective_chat
    made = await _files(context, kind, year)
    if not made:
        await context.say(update, files.nothing(year, context.t))
    elif chat is not None:
        for document, count in made:
            await context.desk.messenger.document(chat.id, files.caption(count, context.t), document)


async def _files(context: AppContext, kind: str, year: int | None) -> list[tuple[Document, int]]:
    """The files that have rows; years are Korean calendar years, for the tax that of the settlement."""
    t, now = context.t, _now(context)
    fills = await _fills(context)
    found: list[tuple[Document, int]] = []

    def wanted(at: dt.datetime) -> bool:
        return year is None or at.astimezone(KST).year == year

    if kind in {"trades", "all"} and (rows := [row for row in fills if wanted(row.created_at)]):
        found.append((files.trades(rows, year, t), len(rows)))
    if kind in {"pnl", "all"}:
        trips = await context.desk.deps.records.round_trips(EPOCH, now + dt.timedelta(seconds=1))
        if chosen := [trip for trip in trips if wanted(trip.closed_at)]:
            found.append((files.pnl(chosen, year, t), len(chosen)))
    if kind in {"tax", "all"}:
        params = context.desk.params.tax
        estimate = tax_estimate(fills, year or now.astimezone(KST).year, params, context.desk.deps.calendar)
        if estimate.sales:
            found.append((files.tax(estimate, t), len(estimate.sales)))
    return found
