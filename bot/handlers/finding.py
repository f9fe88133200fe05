"""Finding: signals, discoveries, charts."""

import datetime as dt
from collections.abc import Sequence

from telegram import Update
from telegram.constants import ChatAction

from bot import keyboards
from bot.board import CARD, decode
from bot.context import AppContext, answer
from bot.handlers import ask
from bot.keyboards import decode as decode_press
from bot.messenger import Picture, Sent
from bot.pictures import draw
from bot.views import buttons
from bot.views import chart as chart_views
from bot.views import discovery as discovery_views
from bot.views import help as help_views
from bot.views import report as views
from bot.views.base import View
from bot.views.replies import stale_button
from charts.overlays import nearest, parse
from charts.spec import Marker, Theme, Timeframe
from core.model.bar import Bar
from core.model.position import Position
from ports.market_data import ReferenceUnavailable
from ports.store import StoreUnavailable

NEWEST = 10
FRESH = dt.timedelta(minutes=3)
MOST_OVERLAYS = 3
TIMEFRAMES: dict[str, Timeframe] = {
    "1m": "1m", "1min": "1m", "1분": "1m", "1분봉": "1m", "분봉": "1m",
    "5m": "5m", "5min": "5m", "5분": "5m", "5분봉": "5m",
    "1d": "1d", "day": "1d", "daily": "1d", "일봉": "1d", "일": "1d",
}  # fmt: skip
THEMES: dict[str, Theme] = {"l": "light", "d": "dark", "light": "light", "dark": "dark"}
THEME = "theme"


async def bars_of(context: AppContext, ticker: str) -> list[Bar]:
    """Bars from memory while they are fresh, else merged with the vendor's; ReferenceUnavailable where there are none."""
    desk = context.desk
    known = desk.bars.of(ticker)
    now = desk.deps.clock.now()
    if not known or now - known[-1].end_at > FRESH:
        try:
            desk.bars.add(await desk.deps.bars(ticker, now))
        except ReferenceUnavailable:
            if not known:
                raise
    return desk.bars.of(ticker)


async def days_of(context: AppContext, ticker: str) -> list[Bar]:
    """Daily bars; none where nothing serves them."""
    days = context.desk.deps.days
    return list(await days(ticker)) if days is not None else []


async def held(context: AppContext, ticker: str) -> Position | None:
    try:
        positions = await context.desk.deps.records.positions()
    except StoreUnavailable:
        return None
    return next((p for p in positions if p.ticker == ticker), None)


async def theme_of(context: AppContext) -> Theme:
    """The person's own, dark while the database is away."""
    try:
        return THEMES.get(await context.desk.deps.chat.preference(context.who, THEME) or "", "dark")
    except StoreUnavailable:
        return "dark"


def timeframe_and_overlays(args: Sequence[str]) -> tuple[Timeframe, tuple[str, ...]]:
    """What follows the ticker, in any order."""
    frames = [TIMEFRAMES[a.lower()] for a in args if a.lower() in TIMEFRAMES]
    names = [a.lower().strip(",") for a in args if a.lower() not in TIMEFRAMES]
    return (frames[-1] if frames else "1m"), tuple(dict.fromkeys(name for name in names if name))


async def chart(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/chart NVDA [1m|5m|1d] [overlay…]"""
    meant = await ask.ticker(update, context, args, "chart")
    if meant is None:
        return
    ticker, rest = meant
    timeframe, overlays = timeframe_and_overlays(rest)
    if update.effective_chat is not None:
        await context.bot.send_chat_action(update.effective_chat.id, ChatAction.UPLOAD_PHOTO)
    view, picture = await _chart(context, ticker, timeframe, overlays, await theme_of(context))
    await context.say(update, view, picture=picture)


async def chart_pressed(update: Update, context: AppContext) -> None:
    """`c:<ticker>:<timeframe>:<overlays>:<theme>`: another picture in the same message."""
    query = update.callback_query
    press = decode_press(query.data if query else None, count=4)
    message = query.message if query else None
    if press is None or message is None or press.args[1] not in keyboards.TIMEFRAMES:
        await answer(query, stale_button(context.t), alert=True)
        return
    await answer(query)
    ticker, frame, carried, colours = press.args
    theme = THEMES.get(colours) or await theme_of(context)
    if colours:
        try:
            await context.desk.deps.chat.set_preference(context.who, THEME, theme)
        except StoreUnavailable:
            await context.say(update, chart_views.theme_not_kept(context.t))
    await context.bot.send_chat_action(message.chat.id, ChatAction.UPLOAD_PHOTO)
    overlays = keyboards.carried(carried)
    view, picture = await _chart(context, ticker, TIMEFRAMES[frame], overlays, theme)
    if picture is None:
        await context.say(update, view)
        return
    sent = Sent(message.chat.id, message.message_id, photo=True)
    await context.desk.messenger.repaint(sent, view, picture)


def _refusal(overlays: Sequence[str], context: AppContext) -> View | None:
    """What is wrong with the overlays asked for."""
    if len(overlays) > MOST_OVERLAYS:
        return chart_views.too_many_overlays(MOST_OVERLAYS, context.t)
    for each in overlays:
        try:
            parse(each)
        except ValueError:
            return chart_views.unknown_overlay(each, nearest(each), context.t)
    return None


async def _chart(
    context: AppContext, ticker: str, timeframe: Timeframe, overlays: tuple[str, ...], theme: Theme
) -> tuple[View, Picture | None]:
    """The caption with its buttons and the picture, or words where there is no picture."""
    desk, t = context.desk, context.t
    feed = desk.deps.params.scanner.feed
    if (refused := _refusal(overlays, context)) is not None:
        return refused, None
    days: list[Bar] = []
    try:
        days = await days_of(context, ticker)
    except ReferenceUnavailable:
        if timeframe == "1d":
            return help_views.vendor_away(ticker, t, feed), None
    try:
        bars = days if timeframe == "1d" else await bars_of(context, ticker)
    except ReferenceUnavailable:
        return help_views.vendor_away(ticker, t, feed), None
    if not bars and timeframe == "1d" and desk.deps.days is None:
        return help_views.vendor_away(ticker, t, feed), None
    if not bars:
        return help_views.no_bars(ticker, t), None
    now = desk.deps.clock.now()
    position = await held(context, ticker)
    known = desk.tickers.known(ticker) or position
    name = ((known.name_ko if t.locale == "ko" else "") or known.name) if known else ""
    before = chart_views.previous_close(days, bars[-1])
    shown_at = now if timeframe == "1d" else bars[-1].end_at
    try:
        picture = await draw(
            desk.deps,
            ticker,
            name,
            bars,
            desk.params.analyzer,
            t,
            timeframe=timeframe,
            levels=chart_views.position_levels(position),
            markers=await _fills(context, ticker, bars),
            overlays=overlays,
            theme=theme,
            previous_close=before,
            age=t.age(shown_at, now),
        )
    except ValueError:
        return chart_views.overlay_failed(overlays, len(bars), t), None
    if picture is None:
        return help_views.charts_busy(t), None
    keyboard = buttons.chart(t, ticker, timeframe, overlays, theme)
    return View(chart_views.caption(ticker, name, bars[-1], before, shown_at, now, t, source=feed), keyboard), picture


async def _fills(context: AppContext, ticker: str, bars: Sequence[Bar]) -> list[Marker]:
    """Our own fills in the time the chart shows."""
    deps = context.desk.deps
    try:
        rows = await deps.records.trades(bars[0].start_at, deps.clock.now() + dt.timedelta(seconds=1))
    except StoreUnavailable:
        return []
    return chart_views.fill_markers([row for row in rows if row.ticker == ticker])


async def signals(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/signals [NVDA]"""
    meant = await ask.ticker(update, context, args, "signals") if args else ("", ())
    if meant is None:
        return
    rows = await context.desk.deps.records.signals(limit=NEWEST, ticker=meant[0])
    await context.say(update, views.signals(rows, context.t))


async def discoveries(update: Update, context: AppContext, _args: Sequence[str]) -> None:
    """The newest cards of this chat."""
    chat = update.effective_chat
    records = await context.desk.deps.chat.recent_cards(CARD, limit=NEWEST * len(context.desk.deps.owners))
    mine = [model for r in records if chat and r.chat_id == chat.id and (model := decode(r)) is not None]
    rows = [discovery_views.row(m, m.discovery.bar_end_at if m.discovery else m.decided_at, context.t) for m in mine]
    await context.say(update, views.discoveries(rows[:NEWEST], context.t))
