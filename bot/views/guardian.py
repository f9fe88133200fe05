"""The guardian: who guards the stops now, what is promised and what is not, and giving the watch back."""

import datetime as dt
from collections.abc import Mapping

from bot.beats import Beats, Guard
from bot.i18n import Markup, Translator, mark
from bot.views import buttons
from bot.views.base import RULE, View, lines
from bot.views.pinned import Standing, rows

NOW: Mapping[Guard, str] = {
    Guard.TRADER: mark("🟢 The trader guards the stops; the guardian stands by."),
    Guard.GUARDIAN: mark("🛡 The guardian has taken over and guards the stops. Nothing is bought."),
    Guard.GUARDIAN_KEEPS: mark("🛡 The guardian keeps the watch until you give it back. Nothing is bought."),
    Guard.TRADER_ALONE: mark("🟠 The trader guards the stops, but the guardian does not answer: nobody would step in."),
    Guard.NOT_TAKEN: mark("🔴 The trader does not answer, and the guardian has not taken over."),
    Guard.NOBODY: mark("🔴 Neither trader nor guardian answers. Nobody guards the stops."),
}


def _seconds(age_s: float | None, t: Translator) -> Markup:
    if age_s is None or age_s > 86_400:
        return t("no sign of life")
    if age_s >= 120:
        return t("{span} ago", span=t.span(dt.timedelta(seconds=age_s)))
    return t("{count} s ago", count=round(age_s))


def promises(t: Translator) -> list[str]:
    """What holds at which failure, without a word more than is true."""
    return [
        t("<b>L0 · One process dies</b>"),
        t("Started again within 5 seconds; stops are watched again within 10."),
        t("<b>L1 · Redis, database, feed or Telegram fail; the trader hangs or dies</b>"),
        t(
            "The trader guards the stops without any of these. Where it falls silent itself, the guardian takes over "
            "after 15 seconds and sends the first protective sale within 30. It never buys."
        ),
        t("<b>L2 · The whole server, its disk or its network fails</b>"),
        t("Automatic stops are <b>not</b> guaranteed, and this bot can't warn you either."),
        t("The pinned message keeps your holdings and stops: please guard them yourself in the KIS app."),
        t("<b>L3 · Broker or exchange failure, trading halt, price gap</b>"),
        t("Can't be prevented. I tell you and go on trying. A sale may fill far below the stop."),
        t("In the built-in paper trading no order goes to a broker, so the guardian sends none."),
    ]


def guardian(beats: Beats | None, guard: Guard | None, t: Translator) -> View:
    """The present state, then the graded promise."""
    present: list[str] = [t("The guardian can't be seen from here.")]
    if beats is not None:
        present = [
            t(NOW[guard]) if guard is not None else t("🟡 Changing hands: please look again in a few seconds."),
            t("Trader: {age}", age=_seconds(beats.trader_age_s, t))
            + (t(" · waits for the watch") if beats.standby else ""),
            t("Guardian: {age}", age=_seconds(beats.guardian_age_s, t)),
        ]
    keeps = guard is Guard.GUARDIAN_KEEPS
    text = lines(t("🛡 <b>Guardian</b>"), RULE, *present, RULE, t("<b>What is promised</b>"), *promises(t))
    return View(text, buttons.guardian(t, keeps=keeps))


def line(guard: Guard | None, t: Translator) -> str:
    """The guardian's row of /health."""
    return t(NOW[guard]) if guard is not None else t("🟡 Changing hands: please look again in a few seconds.")


def _held(standing: Standing | None, now: dt.datetime, t: Translator) -> list[str]:
    """What is held and where its stop lies, with its age: what a person needs to act by hand."""
    if standing is None:
        return [t("I don't know what is held now: please look in the KIS app.")]
    if not standing.held:
        return [t("Nothing was held as of {time} ({age}).", time=t.time(standing.at), age=t.age(standing.at, now))]
    return [
        RULE,
        t("Holdings and stops as of {time} ({age})", time=t.time(standing.at), age=t.age(standing.at, now)),
        *rows(standing.held, t),
    ]


def by_hand(t: Translator) -> list[str]:
    """What the owner does where no program can."""
    return [
        t("What you can do: watch the price in the KIS app and sell by hand at or below the stop."),
        t("(A plain limit sell at the stop price, entered while the price is above it, may be filled at once.)"),
    ]


def changed(last: Guard, now: Guard, standing: Standing | None, at: dt.datetime, t: Translator) -> View:
    """The message of a change, or of an alarm that still stands."""
    match now:
        case Guard.NOBODY | Guard.NOT_TAKEN if standing is not None and not standing.held:
            return View(
                lines(
                    t("🔴 <b>The trader does not answer</b>, so nothing is bought. Nothing is held either."),
                    *_held(standing, at, t),
                    t("Please check the server now."),
                )
            )
        case Guard.NOBODY | Guard.NOT_TAKEN:
            title = (
                t("🚨🚨 <b>Nobody guards the stops</b> · neither trader nor guardian answers")
                if now is Guard.NOBODY
                else t("🚨🚨 <b>Nobody guards the stops</b> · the guardian has not taken over")
            )
            return View(lines(title, *_held(standing, at, t), RULE, *by_hand(t), t("Please check the server now.")))
        case Guard.GUARDIAN:
            return View(
                lines(
                    t("🛡 <b>The guardian took over</b> · {time}", time=t.time(at)),
                    t("The trader does not answer, so the guardian watches the stops and sells where one is reached."),
                    t("It cancels open buys and never buys. Sales are told here once the trader is back."),
                    *_held(standing, at, t),
                )
            )
        case Guard.GUARDIAN_KEEPS:
            return View(
                lines(
                    t("🛡 <b>The guardian keeps the watch</b> · {time}", time=t.time(at)),
                    t("It took over twice within ten minutes, so it does not give the watch back by itself."),
                    t("Stops are guarded; buying stays closed until you give the watch back."),
                    t("Please see first why the trader failed: /health, and the log on the server."),
                ),
                buttons.handback_ask(t),
            )
        case Guard.TRADER_ALONE:
            return View(
                lines(
                    t("🟠 <b>The guardian does not answer</b>"),
                    t("The trader guards the stops as always. But if it failed now, nobody would step in."),
                    t("Please check the server: /health, ./seohak up"),
                )
            )
        case Guard.TRADER:
            return View(_all_clear(last, t))


def _all_clear(last: Guard, t: Translator) -> str:
    if last in {Guard.GUARDIAN, Guard.GUARDIAN_KEEPS}:
        return lines(
            t("🟢 <b>The trader has the watch again</b>"),
            t("It guards the stops, and the guardian stands by. /status shows whether buying is open."),
        )
    if last is Guard.TRADER_ALONE:
        return t("🟢 The guardian answers again and stands by.")
    return t("🟢 <b>The stops are guarded again</b> by the trader; the guardian stands by.")


def handback_question(nonce: str, t: Translator) -> View:
    """Asked before the watch is given back."""
    return View(
        lines(
            t("🤝 <b>Give the watch back to the trader?</b>"),
            t("The trader guards the stops then. If it fails again, the guardian takes over again."),
            t("The button works once, for a minute."),
        ),
        buttons.handback_confirm(t, nonce),
    )


def handback_asked(t: Translator) -> View:
    return View(
        lines(
            t("🤝 Asked. The guardian gives the watch back as soon as the trader is ready."),
            t("I tell you when that has happened. /resume allows buying again if it stays closed."),
        )
    )


def handback_failed(t: Translator) -> View:
    return View(
        t("⚠️ The request could not be written. Please create the file HANDBACK in the state directory on the server.")
    )


def nothing_kept(t: Translator) -> View:
    return View(t("🛡 The guardian does not keep the watch: there is nothing to give back. /guardian shows the state."))
