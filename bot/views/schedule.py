"""The day's times in Korea: /schedule and the notices of open, close, holiday and daylight saving."""

import datetime as dt

from bot.i18n import Translator
from bot.views.base import RULE, View, lines
from core.model.params import Params
from core.model.session import MarketSession


def session_times(session: MarketSession, window_at: dt.datetime, report_at: dt.datetime, t: Translator) -> list[str]:
    """One session as lines of KST times."""
    return [
        t("{time} Pre-market", time=t.clock(session.pre_open_at)),
        t("{time} Open", time=t.clock(session.open_at)),
        t("{time} Auto-trading window opens", time=t.clock(window_at)),
        t("{time} Close (half day)", time=t.clock(session.close_at))
        if session.half_day
        else t("{time} Close", time=t.clock(session.close_at)),
        t("{time} Daily report", time=t.clock(report_at)),
    ]


def schedule(
    session: MarketSession,
    window_at: dt.datetime,
    report_at: dt.datetime,
    now: dt.datetime,
    params: Params,
    t: Translator,
) -> View:
    """The present or next session."""
    current = session.pre_open_at <= now
    first, *later = session_times(session, window_at, report_at, t)
    watch = t("{time} Watch begins", time=params.schedule.start_time)
    title = t("📅 <b>Today's session</b>") if current else t("📅 <b>Next session</b>")
    return View(
        lines(
            title,
            t("US session of {day} · times in Korea", day=t.day(session.on)),
            RULE,
            # in summer the pre-market begins before the watch
            *sorted((first, watch)),
            *later,
        )
    )


def watch_started(session: MarketSession, t: Translator) -> View:
    return View(
        lines(t("🌙 <b>Watching the pre-market</b>"), t("The US market opens at {time}.", time=t.time(session.open_at)))
    )


def session_opened(session: MarketSession, window_at: dt.datetime, t: Translator) -> View:
    half = t("Half day today: the market closes early.") if session.half_day else None
    return View(
        lines(
            t("🔔 <b>The US market is open</b>"),
            t("Auto-trading from {start}, close at {end}", start=t.time(window_at), end=t.time(session.close_at)),
            half,
        )
    )


def window_opened(mode: str, t: Translator) -> View:
    return View(lines(t("🟢 <b>The auto-trading window is open</b>"), t("Trading mode: {mode}", mode=mode)))


def session_closed(report_at: dt.datetime, t: Translator) -> View:
    return View(
        lines(t("🔕 <b>The US market has closed</b>"), t("The report comes at {time}.", time=t.time(report_at)))
    )


def holiday(on: dt.date, following: MarketSession, t: Translator) -> View:
    return View(
        lines(
            t("🏖 <b>No US trading today</b> · {day}", day=t.day(on)),
            t("Next open: {time}", time=t.when(following.open_at)),
        )
    )


def daylight_saving(following: MarketSession, *, begins: bool, t: Translator) -> View:
    title = t("⏰ <b>US daylight saving time begins</b>") if begins else t("⏰ <b>US daylight saving time ends</b>")
    return View(
        lines(
            title,
            t(
                "From {day} the market is open {start} to {end} in Korea.",
                day=t.day(following.on),
                start=t.clock(following.open_at),
                end=t.clock(following.close_at),
            ),
        )
    )
