"""The settings' history: who changed what and when, what can still be taken back, and why something can't."""

from collections.abc import Collection, Mapping, Sequence

from bot import keyboards
from bot.history import Refusal, stamp
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.settings import fields
from bot.views import settings
from bot.views.base import RULE, View, lines
from core.model.messages import Value
from ports.store import Override

PAGE = 6
REFUSALS: Mapping[Refusal, str] = {
    Refusal.GONE: mark("This key was changed again since then. Nothing was undone."),
    Refusal.LATE: mark("A change can be undone for 10 minutes only. Please set the value again in /settings."),
}


def refused(refusal: Refusal, t: Translator) -> str:
    return t.plain(REFUSALS[refusal])


def history(changes: Sequence[Override], page: int, undoable: Collection[str], me: str, t: Translator) -> View:
    """One page of the changes, newest first, with the buttons that take the young ones back."""
    pages = max(1, -(-len(changes) // PAGE))
    page = min(page, pages - 1)
    shown = changes[page * PAGE : (page + 1) * PAGE]
    rows = [line for change in shown for line in _entry(change, me, t)]
    undo = [
        [button(t.plain("↩️ Undo: {label}", label=settings.label(c.key, t)), Act.SETTINGS, "undo", stamp(c))]
        for c in shown
        if stamp(c) in undoable
    ]
    turn = [
        *([button(t.plain("‹ Newer"), Act.SETTINGS, "hist", str(page - 1))] if page else []),
        *([button(t.plain("Older ›"), Act.SETTINGS, "hist", str(page + 1))] if page + 1 < pages else []),
    ]
    return View(
        lines(
            t("📜 <b>Changes</b> · {page}/{pages}", page=page + 1, pages=pages),
            RULE,
            *(rows or [t("Nothing was changed in the chat so far.")]),
        ),
        keyboards.rows(*undo, turn, [settings.back(t, "top"), settings.close(t)]),
    )


def _entry(change: Override, me: str, t: Translator) -> list[str]:
    who = t.plain("you") if change.by == me else t.plain("user {id}", id=change.by)
    return [
        t(
            "• <b>{label}</b> {old} → {new}",
            label=settings.label(change.key, t),
            old=value(change.key, change.old, t),
            new=value(change.key, change.new, t),
        ),
        t("  {time} · {who}", time=Markup(t.when(change.at)), who=who),
    ]


def value(key: str, kept: Value, t: Translator) -> str:
    """A kept value in words; nothing kept means that config.yaml decides."""
    if kept is None:
        return t.plain("as in config.yaml")
    return settings.shown(fields()[key], kept, t) if key in fields() else str(kept)


def closed(changes: Sequence[Override], t: Translator, *, by_command: bool = False) -> View:
    """The last screen: the newest changes; who typed /cancel may have meant something else."""
    rows = [
        t(
            "• <b>{label}</b> {old} → {new} · {time}",
            label=settings.label(change.key, t),
            time=Markup(t.when(change.at)),
            old=value(change.key, change.old, t),
            new=value(change.key, change.new, t),
        )
        for change in changes
    ]
    meant = t("Open buys are as they were: /cancel once more cancels them.") if by_command else None
    return View(lines(t("⚙️ Settings closed."), meant, *([t("Newest changes"), *rows] if rows else [])))
