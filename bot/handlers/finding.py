"""Finding: chart, signals, discoveries, why."""

from collections.abc import Sequence
from datetime import timedelta

import msgspec
from telegram import Update
from telegram.constants import ChatAction

from bot.board import CARD, decode
from bot.context import AppContext
from bot.handlers import ask
from bot.pictures import draw
from bot.views import chart as chart_views
from bot.views import discovery as discovery_views
from bot.views import help as help_views
from bot.views import report as views
from bot.views.base import View
from charts.spec import Timeframe
from core.model.bar import Bar
from core.model.position import Position
from core.model.signal import Verdict
from ports.store import StoreUnavailable

NEWEST = 10
FRESH = timedelta(minutes=3)


async def bars_of(context: AppContext, ticker: str) -> list[Bar]:
    """Bars from memory while they are fresh, else from the vendor, merged."""
    desk = context.desk
    known = desk.bars.of(ticker)
    if not known or desk.deps.clock.now() - known[-1].end_at > FRESH:
        desk.bars.add(await desk.deps.bars(ticker))
    return desk.bars.of(ticker)


async def _held(context: AppContext, ticker: str) -> Position | None:
    try:
        held = await context.desk.deps.records.positions()
    except StoreUnavailable:
        return None
    return next((p for p in held if p.ticker == ticker), None)


async def chart(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/chart NVDA [1m|5m]"""
    ticker = ask.ticker(args[0])
    timeframe: Timeframe = "5m" if len(args) > 1 and args[1].lower() in {"5m", "5min", "5분"} else "1m"
    if update.effective_chat is not None:
        await context.bot.send_chat_action(update.effective_chat.id, ChatAction.UPLOAD_PHOTO)
    bars = await bars_of(context, ticker)
    if not bars:
        await context.say(update, help_views.no_bars(ticker, context.t))
        return
    position = await _held(context, ticker)
    desk = context.desk
    picture = await draw(
        desk.deps,
        ticker,
        (position.name_ko or position.name) if position else "",
        bars,
        desk.params.analyzer,
        context.t,
        timeframe=timeframe,
        levels=chart_views.position_levels(position),
    )
    if picture is None:
        await context.say(update, help_views.charts_busy(context.t))
        return
    now = desk.deps.clock.now()
    caption = chart_views.caption(ticker, bars[-1], now, context.t)
    await context.say(update, View(caption), picture=picture)


async def signals(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/signals [NVDA]"""
    ticker = ask.ticker(args[0]) if args else ""
    rows = await context.desk.deps.records.signals(limit=NEWEST, ticker=ticker)
    await context.say(update, views.signals(rows, context.t))


async def discoveries(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """The newest cards of this chat."""
    chat = update.effective_chat
    records = await context.desk.deps.chat.recent_cards(CARD, limit=NEWEST * len(context.desk.deps.owners))
    mine = [model for r in records if chat and r.chat_id == chat.id and (model := decode(r)) is not None]
    rows = [discovery_views.row(m, m.discovery.bar_end_at if m.discovery else m.decided_at, context.t) for m in mine]
    await context.say(update, views.discoveries(rows[:NEWEST], context.t))


async def why(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/why NVDA: the newest signal's conditions with their values."""
    ticker = ask.ticker(args[0])
    rows = await context.desk.deps.records.signals(limit=1, ticker=ticker)
    if not rows:
        await context.say(update, help_views.no_signal(ticker, context.t))
        return
    verdict = msgspec.convert(rows[0].indicators, Verdict)
    now = context.desk.deps.clock.now()
    await context.say(update, views.why(ticker, verdict, rows[0].created_at, now, context.t))
