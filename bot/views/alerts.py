"""What is told and how loud: the screen of /alerts, the digest of many notices, and the mark of a repetition."""

import datetime as dt
from collections.abc import Mapping, Sequence

from telegram import InlineKeyboardButton

from bot import keyboards
from bot.alerts import BUDGETS, CHOICES, Alerts, Level, QuietHours, Topic
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.views.base import RULE, View, clip, lines, plain

TOPICS: Mapping[Topic, str] = {
    Topic.PROPOSAL: mark("Buy proposals"),
    Topic.DISCOVERY: mark("Finds without a proposal"),
    Topic.BUY: mark("Buy complete"),
    Topic.SELL: mark("Sold"),
    Topic.STOP: mark("Stopped out"),
    Topic.PROGRESS: mark("Steps of buying and selling"),
    Topic.ORDERS: mark("Order trouble"),
    Topic.CONNECTION: mark("Data and broker lost or back"),
    Topic.STATE: mark("Mode and pause"),
    Topic.SCHEDULE: mark("Open, close, holidays"),
    Topic.REPORT: mark("Reports"),
    Topic.ALARM: mark("Safety alarms"),
}
LEVELS: Mapping[Level, str] = {Level.ON: mark("🔔 on"), Level.SILENT: mark("🔕 silent"), Level.OFF: mark("⛔ off")}
HOURS = ("23:00-07:00", "00:00-07:00", "01:00-08:00")
LINE = 90


def hours(quiet: QuietHours | None, t: Translator) -> str:
    """23:00–07:00 KST"""
    return t.plain("none") if quiet is None else f"{quiet.start:%H:%M}–{quiet.end:%H:%M} KST"


def budget_text(budget: int, t: Translator) -> str:
    if not budget:
        return t.plain("never put together")
    return t.plain("more than {count} in 10 minutes become one message", count=budget)


def alerts(chosen: Alerts, t: Translator, *, said: str | None = None) -> View:
    """Every topic with its level; a tap on it chooses the next. `said` is what was wrong with the last input."""
    rows = [
        t("{level} · {topic}", level=t.plain(LEVELS[chosen.level(topic)]), topic=t.plain(name))
        + (t.plain(" (always)") if len(CHOICES[topic]) == 1 else "")
        for topic, name in TOPICS.items()
    ]
    buttons = [
        button(f"{t.plain(LEVELS[chosen.level(topic)]).split()[0]} {t.plain(name)}", Act.ALERTS, "next", topic.value)
        for topic, name in TOPICS.items()
        if len(CHOICES[topic]) > 1
    ]
    pairs = [buttons[i : i + 2] for i in range(0, len(buttons), 2)]
    more = [button(t.plain("🌙 Quiet hours"), Act.ALERTS, "hours"), button(t.plain("📚 Digest"), Act.ALERTS, "budgets")]
    return View(
        lines(
            said,
            t("🔔 <b>Alerts</b>"),
            RULE,
            *rows,
            RULE,
            t("🌙 Quiet hours: {hours}", hours=hours(chosen.quiet, t)),
            t("📚 Digest: {budget}", budget=budget_text(chosen.budget, t)),
            t("Stops and safety alarms are always heard."),
        ),
        keyboards.rows(*pairs, more),
    )


def quiet_choice(chosen: Alerts, t: Translator) -> View:
    spans = [button(span.replace("-", "–"), Act.ALERTS, "quiet", span.replace(":", "")) for span in HOURS]
    return View(
        lines(
            t("🌙 <b>Quiet hours</b> · {hours}", hours=hours(chosen.quiet, t)),
            RULE,
            t("Messages arrive without a sound then; stops and safety alarms are heard all the same."),
            t("Other times: <code>/alerts 23:30-06:30</code>"),
        ),
        keyboards.rows(spans, [button(t.plain("No quiet hours"), Act.ALERTS, "quiet", "none"), _back(t)]),
    )


def budget_choice(chosen: Alerts, t: Translator) -> View:
    """How much chatter arrives one by one."""
    options = [
        button(t.plain("Never") if not n else t.plain("Over {count}", count=n), Act.ALERTS, "budget", str(n))
        for n in BUDGETS
    ]
    return View(
        lines(
            t("📚 <b>Digest</b> · {budget}", budget=budget_text(chosen.budget, t)),
            RULE,
            t("When much happens at once, what is not about money comes as one message. Nothing is left out."),
        ),
        keyboards.rows(options[:2], options[2:], [_back(t)]),
    )


def _back(t: Translator) -> InlineKeyboardButton:
    return button(t.plain("‹ Back"), Act.ALERTS, "top")


def bad_hours(given: str, t: Translator) -> str:
    return t("⚠️ “{given}” is no span of time. Write it like 23:00-07:00.", given=clip(given, 40))


def digest(told: Sequence[tuple[dt.datetime, str]], t: Translator) -> View:
    """Many notices as one message: the first line of each, with its time."""
    rows = [t("• {time} {line}", time=t.clock(at), line=headline(text)) for at, text in told]
    return View(lines(t("📚 <b>Digest</b> · {count} (KST)", count=len(told)), RULE, *rows))


def headline(text: str) -> str:
    """The first line of a message as plain text."""
    return clip(plain(text.split("\n", 1)[0]), LINE)


def repeated(view: View, t: Translator) -> View:
    """Telegram's answer was lost: the person may have the message already."""
    return View(lines(Markup(view.text), t("🔁 Sent again: you may have had it already.")), view.keyboard)
