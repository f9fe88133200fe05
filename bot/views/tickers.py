"""Which security do you mean: the question with its buttons."""

from collections.abc import Sequence

from bot import keyboards
from bot.i18n import Translator
from bot.keyboards import Act, button
from bot.views.base import View, clip, titled
from core.model.instrument import Instrument


def choose(text: str, choices: Sequence[Instrument], nonce: str, t: Translator) -> View:
    """One button for each security that it may be."""
    shown = clip(text, 24)
    if not choices:
        return View(t("I know no stock called {text}. Please try the ticker, such as NVDA.", text=shown))
    lines = [[button(titled(c.ticker, c.name, c.name_ko, t), Act.PICK, nonce, c.ticker)] for c in choices]
    return View(t("Which one do you mean by {text}?", text=shown), keyboards.rows(*lines))


def chosen(ticker: str, instrument: Instrument | None, t: Translator) -> View:
    """The question after it was answered."""
    title = titled(ticker, instrument.name, instrument.name_ko, t) if instrument else ticker
    return View(t("👉 {title}", title=title))
