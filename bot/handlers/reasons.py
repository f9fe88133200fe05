"""/why: the moment of a decision, seen again."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from telegram import Update

from bot.board import CARD, RECENT, decode
from bot.card import CardModel
from bot.context import AppContext
from bot.handlers import ask
from bot.handlers.finding import held, theme_of
from bot.messenger import Picture
from bot.pictures import draw
from bot.views import chart as chart_views
from bot.views import help as help_views
from bot.views import why as views
from bot.views.base import CAPTION_LIMIT, View, lines
from core.model.bar import Bar
from core.model.signal import Verdict
from ports.market_data import ReferenceUnavailable
from ports.store import SignalRow, StoreUnavailable

# a delayed feed's signal is this much younger than its bar
DELAY = dt.timedelta(minutes=25)
HISTORY = dt.timedelta(minutes=45)
MOST_SEEN = 1_000


async def why(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/why NVDA"""
    meant = await ask.ticker(update, context, args, "why")
    if meant is None:
        return
    ticker, _ = meant
    desk, t = context.desk, context.t
    rows = await desk.deps.records.signals(limit=1, ticker=ticker)
    if not rows:
        await context.say(update, help_views.no_signal(ticker, t))
        return
    row = rows[0]
    verdict = msgspec.convert(row.indicators, Verdict)
    picture = await _picture(context, row, verdict)
    story = await _story(context, row, verdict)
    if picture is None:
        story.append(t(views.NO_PICTURE))
    view = views.why(ticker, verdict, row.created_at, desk.deps.clock.now(), desk.params.analyzer, story, t)
    if picture is not None and len(view.text) > CAPTION_LIMIT:
        await context.say(update, View(lines(*view.text.split("\n")[:3])), picture=picture)
        picture = None
    await context.say(update, view, picture=picture)


def until_signal(bars: Sequence[Bar], row: SignalRow, close: float) -> list[Bar]:
    """The bars that the decision saw: up to the one with the signal's own close, else up to the signal."""
    seen = [bar for bar in bars if bar.end_at <= row.created_at][-MOST_SEEN:]
    recent = [i for i, bar in enumerate(seen) if row.created_at - bar.end_at <= DELAY and bar.close == close]
    return seen[: recent[-1] + 1] if recent else seen


async def _picture(context: AppContext, row: SignalRow, verdict: Verdict) -> Picture | None:
    desk = context.desk
    bars: Sequence[Bar] = desk.bars.of(row.ticker)
    if not bars or bars[0].start_at > row.created_at - HISTORY:
        try:
            bars = await desk.deps.bars(row.ticker, row.created_at) or bars
        except ReferenceUnavailable:
            pass
    seen = until_signal(bars, row, verdict.indicators.close)
    if not seen:
        return None
    known = desk.tickers.known(row.ticker)
    t = context.t
    name = ((known.name_ko if t.locale == "ko" else "") or known.name) if known else ""
    return await draw(
        desk.deps,
        row.ticker,
        name,
        seen,
        desk.params.analyzer,
        t,
        markers=chart_views.signal_marker(seen[-1], verdict.signal, t),
        theme=await theme_of(context),
        age=t.age(seen[-1].end_at, desk.deps.clock.now()),
    )


async def _card(context: AppContext, row: SignalRow) -> CardModel | None:
    """The card of this signal: of its ticker, found in the bar that the signal judged."""
    try:
        records = await context.desk.deps.chat.recent_cards(CARD, limit=RECENT)
    except StoreUnavailable:
        return None
    for record in records:
        model = decode(record)
        if model is None or model.ticker != row.ticker or model.discovery is None:
            continue
        if dt.timedelta(0) <= row.created_at - model.discovery.bar_end_at <= DELAY:
            return model
    return None


async def _story(context: AppContext, row: SignalRow, verdict: Verdict) -> list[str]:
    desk, t = context.desk, context.t
    now = desk.deps.clock.now()
    card = await _card(context, row)
    told = views.decision(card, desk.deps.owners, t) if row.signal_type == "BUY" or card is not None else []
    try:
        trips = await desk.deps.records.round_trips(row.created_at, now + dt.timedelta(seconds=1))
    except StoreUnavailable:
        trips = ()
    later = [bar for bar in desk.bars.of(row.ticker) if bar.end_at > row.created_at]
    after = views.afterwards(
        verdict.indicators.close,
        [trip for trip in trips if trip.ticker == row.ticker],
        await held(context, row.ticker),
        later[-1].close if later else None,
        t,
    )
    return [*told, *([after] if after else [])]
