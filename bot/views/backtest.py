"""/backtest: what runs, what came of it, and what makes the figures weak."""

import datetime as dt
from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.i18n import Markup, Translator, mark
from bot.views import buttons
from bot.views.base import RULE, View, clip, lines
from core.model.backtested import FEW_TRIPS, Caution, RunSummary
from ports.research import Why

DASH = "–"
LONGEST_DETAIL = 200
CAUTIONS: Mapping[Caution, str] = {
    Caution.NO_SESSION: mark("no session was played: there is nothing to measure"),
    Caution.IDLE: mark("nothing was bought in the first sessions ({number})"),
    Caution.FEW_SESSIONS: mark("few sessions ({number}): another month may look quite different"),
    Caution.FEW_TRIPS: mark("few round trips ({number}): under {few} rates are mostly chance"),
    Caution.ONE_TRIP: mark("one round trip made {number} percent of all gains"),
    Caution.STILL_OPEN: mark("still open at the end: {number}, at the last price"),
    Caution.NO_BARS: mark("sessions without any bars: {number}"),
    Caution.UNCHECKED: mark("market cap and type of stock were not checked"),
}
FAILURES: Mapping[Why, str] = {
    Why.BUSY: mark("⏳ Another backtest is running. Please try again when it is done."),
    Why.STOPPED: mark("⏹ The backtest was stopped. There is no result."),
    Why.SLOW: mark("⌛ The backtest was ended after {detail} minutes. Please ask for fewer sessions: /backtest 5"),
    Why.REFUSED: mark("⚠️ The backtest can't run: {detail}"),
    Why.FAILED: mark("⚠️ The backtest broke off ({detail}). Please try fewer sessions: /backtest 5"),
}


def period(first: dt.date, last: dt.date) -> str:
    """2026-11-02 – 2026-11-20"""
    return f"{first}" if first == last else f"{first} – {last}"


def running(first: dt.date, last: dt.date, count: int, token: str, t: Translator) -> View:
    """It has begun."""
    return View(
        lines(
            t("🧪 <b>Backtest is running</b>"),
            t("{period} · sessions: {count}", period=period(first, last), count=count),
            t("It uses the settings in force now and slows nothing down. The picture comes when it is done."),
        ),
        buttons.backtest_stop(t, token),
    )


def finished(first: dt.date, last: dt.date, t: Translator) -> View:
    return View(t("✅ Backtest done · {period}", period=period(first, last)))


def over(t: Translator) -> View:
    """The stop button of a run that is gone."""
    return View(t("This backtest is over already."))


def failed(why: Why, detail: str, t: Translator) -> View:
    """No result, and what to do."""
    return View(t(FAILURES[why], detail=clip(detail, LONGEST_DETAIL)))


def percent(value: float | None, t: Translator) -> str:
    return DASH if value is None else t.pct(value)


def _share(value: float | None, form: str) -> str:
    return DASH if value is None else f"{value:{form}}%"


def result(found: RunSummary, t: Translator) -> View:
    """The caption of the picture: the decisive figures, then what to be careful about."""
    return View(
        lines(
            t("🧪 <b>Backtest</b> · {period}", period=period(found.first, found.last)),
            t("Sessions: {count} · settings in force now", count=found.sessions),
            RULE,
            t(
                "Return after costs: <b>{pct}</b> ({amount})",
                pct=percent(found.return_krw_pct, t),
                amount=t.krw_signed(Decimal(found.result_krw)),
            ),
            t("Max drawdown: {pct}", pct=_share(found.max_drawdown_pct, ".1f")),
            t("Round trips: {count} · won {rate}", count=found.trips, rate=_share(found.win_rate_pct, ".0f")),
            t("SPY in the same time: {pct}", pct=t.pct(found.market_pct)) if found.market_pct is not None else None,
            RULE,
            *(t("⚠️ {words}", words=words) for words in careful(found, t)),
            approval(found, t),
            t("Recorded prices, no orders. The past does not repeat."),
        )
    )


def careful(found: RunSummary, t: Translator) -> Iterable[Markup]:
    """What makes the figures weaker than they look."""
    for each in found.cautions:
        yield t(CAUTIONS[each.what], number=f"{each.number:.0f}", few=FEW_TRIPS)


def approval(found: RunSummary, t: Translator) -> Markup | None:
    """What was assumed of the person, who is not in the recorded prices."""
    if found.mode == "approve":
        return t("🙋 As if you had approved every proposal at once.")
    return t("👀 Watch mode buys nothing, so there is nothing to see.") if found.mode == "watch" else None


def usage(text: str, most: int, t: Translator) -> View:
    return View(
        t(
            "I don't understand {text}. Try /backtest, /backtest 5 (sessions, up to {most}) or "
            "/backtest 2026-11-01 2026-11-20.",
            text=text[:40],
            most=most,
        )
    )


def no_data(t: Translator) -> View:
    """Nothing was ever stored."""
    return View(
        lines(
            t("🧪 There are no recorded prices yet."),
            t("On the server: <code>./seohak data download</code> (Polygon) or <code>./seohak data import FILE</code>"),
        )
    )


def no_days(first: dt.date, last: dt.date, count: int, t: Translator) -> View:
    """Nothing of the days that were asked for."""
    return View(
        lines(
            t("🧪 There are no recorded prices of these days."),
            t("Stored: {period}, days: {count}", period=period(first, last), count=count),
            t("More: <code>./seohak data download</code> or <code>./seohak data import FILE</code>"),
        )
    )


def damaged(trouble: str, t: Translator) -> View:
    """The store can't be read."""
    return View(t("⚠️ The recorded prices can't be read: {trouble}", trouble=clip(trouble, LONGEST_DETAIL)))


def unavailable(t: Translator) -> View:
    return View(t("Backtests are not available in this bot."))
