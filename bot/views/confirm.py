"""What is said around a typed confirmation: the code of the second factor, or a word."""

from bot.i18n import Translator
from bot.secondfactor import Verdict
from bot.views.base import View, lines


def code_wanted(t: Translator) -> View:
    return View(
        lines(
            t("🔐 Please type the 6-digit code from your authenticator app."),
            t("It works once, for this action only, within a minute. I delete your message at once."),
        )
    )


def code_refused(verdict: Verdict, t: Translator) -> View:
    if verdict is Verdict.CLOSED:
        return View(t("🔒 Too many wrong codes: none is accepted for up to 15 minutes. Nothing was done."))
    return View(t("🔐 That code is wrong or was used already. Nothing was done. Please type the next one."))


def locked(t: Translator) -> View:
    return View(
        lines(
            t("🔒 <b>Five wrong codes</b>: none is accepted for 15 minutes."),
            t("If that was not you, somebody has your Telegram: end other sessions in Settings › Devices."),
        )
    )


def secret_unreadable(t: Translator) -> View:
    return View(t("🔐 The code can't be checked: see ./seohak totp status in a terminal. Nothing was done."))


def word_wrong(t: Translator) -> View:
    return View(t("That was not the word, so nothing was sold. /panic shows the button again."))
