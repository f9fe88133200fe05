"""Help, greeting, usage and everything said about what could not be understood or is not allowed."""

import datetime as dt
from collections.abc import Mapping, Sequence

from bot import keyboards
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.spec import CommandSpec, Group
from bot.views.base import View, lines

GROUPS: Mapping[Group, str] = {
    Group.STATE: mark("📊 State"),
    Group.FINDING: mark("🔍 Finding"),
    Group.TRADING: mark("💰 Trading"),
    Group.EMERGENCY: mark("🛑 Emergency"),
    Group.RESULTS: mark("📈 Results"),
    Group.SETTINGS: mark("⚙️ Settings"),
}


def start(t: Translator) -> View:
    return View(
        lines(
            t("👋 <b>Welcome to Seohak.</b>"),
            t("I watch the whole US market, tell you what I find and why, and buy in tranches once you approve."),
            "",
            t("/status shows the present state, /help lists every command."),
            t("In an emergency /panic stops all buying at once."),
        )
    )


def help_(specs: Sequence[CommandSpec], t: Translator) -> View:
    """Every command by group."""
    shown: list[str] = []
    for group, title in GROUPS.items():
        shown += ["", t("<b>{title}</b>", title=t.plain(title))]
        shown += [_line(spec, t) for spec in specs if spec.group is group]
    words = t("Korean words work too: {words}", words=", ".join(_examples(specs)))
    return View(lines(t("❓ <b>Help</b>"), *shown, "", words))


def _line(spec: CommandSpec, t: Translator) -> str:
    hint = f" {spec.hint}" if spec.hint else ""
    return t("/{name}{hint} · {text}", name=spec.name, hint=hint, text=t.plain(spec.description))


def _examples(specs: Sequence[CommandSpec]) -> list[str]:
    return [spec.words[0] for spec in specs if spec.words][:6]


def usage(spec: CommandSpec, t: Translator) -> View:
    return View(t("Usage: /{name} {hint}", name=spec.name, hint=spec.hint))


def unknown(suggestion: str | None, t: Translator) -> View:
    if suggestion:
        return View(t("I don't know that. Did you mean /{name}?", name=suggestion))
    return View(t("I don't know that. /help lists every command."))


def language_choice(t: Translator) -> View:
    row = [button("한국어", Act.LANGUAGE, "ko"), button("English", Act.LANGUAGE, "en")]
    return View(t("🌐 Which language?"), keyboards.rows(row))


def language_set(t: Translator) -> View:
    return View(t("🌐 I speak English with you now."))


def not_allowed(t: Translator) -> str:
    return t.plain("You are not allowed to do this.")


def owners_only(t: Translator) -> View:
    return View(t("👀 You may look at everything here, but only an owner may do this. /help lists your commands."))


def owners_only_toast(t: Translator) -> str:
    return t.plain("Only an owner may do this.")


def forwarded(t: Translator) -> View:
    return View(t("↪️ A forwarded message changes nothing. Please type the command yourself."))


def stale(age: dt.timedelta, t: Translator) -> View:
    return View(
        lines(
            t("⌛ That message is {span} old, so I did nothing.", span=Markup(t.span(age))),
            t("Please send it again if you still want it."),
        )
    )


def failed(reference: str, t: Translator) -> View:
    return View(
        lines(
            t("😵 That did not work. The trouble is in the log as <code>{reference}</code>.", reference=reference),
            t("Trading is not affected."),
        )
    )


def storage_down(t: Translator) -> View:
    return View(t("🗄 The database does not answer. Trading is not affected. Please try again later."))


def bus_down(t: Translator) -> View:
    return View(t("📮 The message bus does not answer, so the services could not be told. Nothing was changed."))


def no_bars(ticker: str, t: Translator) -> View:
    return View(t("There are no bars for {ticker}. Is the ticker right?", ticker=ticker))


def vendor_away(ticker: str, t: Translator, feed: str = "polygon") -> View:
    """No bars from whoever serves them."""
    if feed == "kis":
        return View(
            t(
                "{ticker}: no such chart. With KIS's free data there are minute charts only, of what is found, watched or held today.",
                ticker=ticker,
            )
        )
    return View(
        t("Polygon does not answer, so there is no chart of {ticker}. Please try again in a moment.", ticker=ticker)
    )


def charts_busy(t: Translator) -> View:
    return View(t("Many charts are waiting already. Please try again in a moment."))


def no_signal(ticker: str, t: Translator) -> View:
    return View(t("There is no signal for {ticker} yet.", ticker=ticker))


def no_plan(ticker: str, t: Translator) -> View:
    return View(t("Nothing of {ticker} is being bought or waiting for approval.", ticker=ticker))


def menu_text(spec: CommandSpec, t: Translator) -> str:
    """The line in Telegram's own command menu."""
    return t.plain(spec.description)[:256]
