"""The buttons under messages: what they are called; their data are `bot.keyboards`'."""

from collections.abc import Sequence

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot.i18n import Translator
from bot.keyboards import TIMEFRAMES, Act, button, carry, rows


def approve(t: Translator, plan_id: str, nonce: str, ticker: str) -> InlineKeyboardMarkup:
    """Approve mode: buy, ignore, or hear no more of the ticker today."""
    return rows(
        [
            button(t.plain("✅ Approve buy"), Act.APPROVE, plan_id, nonce, style="success"),
            button(t.plain("🚫 Ignore"), Act.IGNORE, plan_id, nonce),
        ],
        [mute_button(t, ticker)],
    )


def mute_button(t: Translator, ticker: str) -> InlineKeyboardButton:
    return button(t.plain("🔇 {ticker}: no more today", ticker=ticker), Act.MUTE, ticker)


def auto_running(t: Translator, plan_id: str, nonce: str) -> InlineKeyboardMarkup:
    """Auto mode: the first button tells the progress, the second stops what is left."""
    return rows(
        [
            button(t.plain("⏳ Auto-buy in progress"), Act.INFO, plan_id),
            button(t.plain("🚫 Ignore"), Act.IGNORE, plan_id, nonce),
        ]
    )


def running(t: Translator, plan_id: str, nonce: str) -> InlineKeyboardMarkup:
    """An approved plan: stop the tranches that are left."""
    return rows([button(t.plain("🚫 Stop remaining tranches"), Act.IGNORE, plan_id, nonce)])


def refresh(t: Translator, what: str) -> InlineKeyboardMarkup:
    return rows([button(t.plain("🔄 Refresh"), Act.REFRESH, what)])


def panic_first(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """After everything stopped: the way to selling it all."""
    return rows([button(t.plain("🚨 Preview selling everything"), Act.PANIC_PREVIEW, nonce, style="danger")])


def panic_second(t: Translator) -> InlineKeyboardMarkup:
    """The way back; going on takes typing, so that a slip of the finger sells nothing."""
    return rows([button(t.plain("Keep the shares"), Act.DISMISS)])


def sell_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows(
        [
            button(t.plain("💰 Sell now"), Act.SELL, nonce, style="danger"),
            button(t.plain("Cancel"), Act.DISMISS),
        ]
    )


def resume_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows([button(t.plain("▶️ Allow buying again"), Act.RESUME, nonce), button(t.plain("Cancel"), Act.DISMISS)])


def manual(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """Shares bought by hand: guard them like ours, or leave them alone."""
    return rows(
        [
            button(t.plain("🤖 Let the bot guard them"), Act.ANSWER, nonce, "y", style="success"),
            button(t.plain("🙋 Leave them alone"), Act.ANSWER, nonce, "n"),
        ]
    )


def frozen(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """A frozen ticker: go on with the broker's number of shares."""
    return rows([button(t.plain("Take the broker's share count"), Act.ANSWER, nonce, "y")])


def matching(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    """Several orders look like ours."""
    return rows(
        [
            button(t.plain("It is the bot's order"), Act.ANSWER, nonce, "y"),
            button(t.plain("No, it is not"), Act.ANSWER, nonce, "n"),
        ]
    )


def handback_ask(t: Translator) -> InlineKeyboardMarkup:
    """The way to giving the watch back; the question that follows carries the one-time token."""
    return rows([button(t.plain("🤝 Give the watch back"), Act.HANDBACK_ASK)])


def handback_confirm(t: Translator, nonce: str) -> InlineKeyboardMarkup:
    return rows(
        [
            button(t.plain("🤝 Yes, give it back"), Act.HANDBACK, nonce),
            button(t.plain("Cancel"), Act.DISMISS),
        ]
    )


def guardian(t: Translator, *, keeps: bool) -> InlineKeyboardMarkup:
    """Under the guardian's state."""
    ask = [button(t.plain("🤝 Give the watch back"), Act.HANDBACK_ASK)] if keeps else []
    return rows(ask, [button(t.plain("🔄 Refresh"), Act.REFRESH, "guardian")])


def periods(t: Translator, chosen: str) -> InlineKeyboardMarkup:
    """Under a report: day, week, month in the same message; the one that is shown is renewed."""
    labels = {"day": t.plain("Day"), "week": t.plain("Week"), "month": t.plain("Month")}
    return rows([button(f"🔄 {label}" if key == chosen else label, Act.REPORT, key) for key, label in labels.items()])


def chart(t: Translator, ticker: str, timeframe: str, overlays: Sequence[str], theme: str) -> InlineKeyboardMarkup:
    """Under a chart: the timeframes with the present one marked, the other theme, the same again.

    Everything is in the data, so that the buttons outlive the bot: `c:<ticker>:<timeframe>:<overlays>:<theme>`.
    """
    names = {"1m": t.plain("1 min"), "5m": t.plain("5 min"), "1d": t.plain("Daily")}
    carried = carry(overlays)

    def press(label: str, frame: str, colours: str = "") -> InlineKeyboardButton:
        return button(label, Act.CHART, ticker, frame, carried, colours)

    frames = [press(f"• {names[f]} •" if f == timeframe else names[f], f) for f in TIMEFRAMES]
    other = "light" if theme == "dark" else "dark"
    label = t.plain("☀️ Light") if other == "light" else t.plain("🌙 Dark")
    return rows(frames, [press(label, timeframe, other[0]), press("🔄", timeframe)])


def backtest_stop(t: Translator, token: str) -> InlineKeyboardMarkup:
    return rows([button(t.plain("⏹ Stop"), Act.BACKTEST, token)])


def candidate(t: Translator, candidate_id: str, *, shadowed: bool, possible: bool) -> InlineKeyboardMarkup:
    """Under a candidate: take it, try it beside the present settings, or leave it."""
    take = button(t.plain("✅ Apply"), Act.SETTINGS, "cand", candidate_id, style="success")
    leave = button(t.plain("🚫 Ignore"), Act.CANDIDATE, "drop", candidate_id)
    if not possible:
        return rows([leave])
    if shadowed:
        return rows([take, button(t.plain("⏹ End the shadow"), Act.CANDIDATE, "end", candidate_id)])
    return rows([take, button(t.plain("👥 Try as a shadow"), Act.CANDIDATE, "shadow", candidate_id)], [leave])
