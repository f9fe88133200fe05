"""The watch list in chat: add, take away, show."""

from collections.abc import Sequence

from telegram import Update

from bot.context import AppContext
from bot.handlers import ask
from bot.views import watching as views
from bot.watchlist import MOST


async def watch(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/watch [NVDA]"""
    if not args:
        await _show(update, context)
        return
    meant = await ask.ticker(update, context, args, "watch")
    if meant is None:
        return
    ticker, _ = meant
    desk = context.desk
    title = views.title(ticker, desk.tickers.known(ticker), context.t)
    tickers, added = await desk.watched.change(lambda now: now if ticker in now or len(now) >= MOST else (*now, ticker))
    if added:
        await context.say(update, views.added(title, len(tickers), MOST, context.t))
    elif ticker in tickers:
        await context.say(update, views.already(title, context.t))
    else:
        await context.say(update, views.full(MOST, context.t))


async def unwatch(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/unwatch NVDA"""
    meant = await ask.ticker(update, context, args, "unwatch")
    if meant is None:
        return
    ticker, _ = meant
    desk = context.desk
    title = views.title(ticker, desk.tickers.known(ticker), context.t)
    _, removed = await desk.watched.change(lambda now: tuple(each for each in now if each != ticker))
    await context.say(update, views.removed(title, context.t) if removed else views.absent(title, context.t))


async def _show(update: Update, context: AppContext) -> None:
    desk = context.desk
    tickers = await desk.watched.tickers()
    await desk.tickers.index()
    rows: list[views.Row] = []
    for each in tickers:
        bars = desk.bars.of(each)
        rows.append((each, desk.tickers.known(each), bars[-1] if bars else None))
    await context.say(update, views.listed(rows, MOST, desk.deps.clock.now(), context.t))
