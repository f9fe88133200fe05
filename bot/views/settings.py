"""The settings conversation: sections, keys, values with unit and bounds, what a change does, why one was not taken."""

from collections.abc import Mapping, Sequence

from telegram import InlineKeyboardButton

from bot import keyboards
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.settings import Field, Problem
from bot.views.base import RULE, View, lines
from bot.views.keys import CHOICES, LABELS, SECTIONS, UNITS
from config.caps import FILE
from core.model.messages import Value
from core.model.safety import CAPPED
from ports.store import Override

PROBLEMS: Mapping[str, str] = {
    "number": mark("“{given}” is not a number that fits here."),
    "range": mark("“{given}” is out of bounds."),
    "pattern": mark("“{given}” does not have the right form."),
    "choice": mark("“{given}” is not one of the choices."),
    "smaller": mark("It must stay smaller than {other}."),
    "cap": mark("“{given}” is looser than your hard cap."),
    "invalid": mark("“{given}” does not fit the other settings."),
}
ELSEWHERE: Mapping[str, str] = {
    "terminal": mark("For safety this can only be changed in a terminal (./seohak go-live)."),
    "/mode": mark("This is changed with /mode."),
    "file": mark("This can only be changed in config.yaml."),
}


def label(key: str, t: Translator) -> str:
    return t.plain(LABELS[key]) if key in LABELS else key


def shown(field: Field, value: Value, t: Translator) -> str:
    """A value with its unit, as people write it."""
    if isinstance(value, bool):
        return t.plain("on") if value else t.plain("off")
    if value == "":
        return t.plain("none")
    if isinstance(value, str):
        return t.plain(CHOICES[value]) if value in CHOICES else value
    if value is None:
        return t.plain("default")
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
    unit = unit_of(field, t)
    gap = "" if t.locale == "ko" or unit == "%" else " "
    return f"{number}{gap}{unit}".rstrip()


def unit_of(field: Field, t: Translator) -> str:
    return t.plain(UNITS[field.unit]) if field.unit in UNITS else field.unit


def limits(field: Field, t: Translator) -> str | None:
    """What may be entered."""
    if field.low is not None and field.high is not None:
        # a note such as "(0 = none)" belongs to the unit: once is enough
        unit = unit_of(field, t)
        note = unit[unit.index(" (") :] if " (" in unit else ""
        low, high = (shown(field, _exact(field, bound), t).removesuffix(note) for bound in (field.low, field.high))
        return t("Allowed: {low} to {high}", low=low, high=high + note)
    if field.choices or field.kind == "bool":
        names = field.choices or ("on", "off")
        return t("Choices: {choices}", choices=", ".join(names))
    if field.pattern:
        return t("Form: {form}", form=unit_of(field, t))
    return None


def _exact(field: Field, bound: float) -> Value:
    return int(bound) if field.kind == "int" else float(bound)


def sections(t: Translator) -> View:
    """The first screen."""
    first = [button(t.plain(name), Act.SETTINGS, "sec", key) for key, name in SECTIONS.items()]
    keyboard = keyboards.rows(first[:2], first[2:4], first[4:], [close(t)])
    return View(lines(t("⚙️ <b>Settings</b>"), t("Which part would you like to change?")), keyboard)


def close(t: Translator) -> InlineKeyboardButton:
    return button(t.plain("Close"), Act.SETTINGS, "end")


def back(t: Translator, *args: str) -> InlineKeyboardButton:
    return button(t.plain("‹ Back"), Act.SETTINGS, *args)


def keys(section: str, fields: Sequence[Field], values: Mapping[str, Value], t: Translator) -> View:
    """The keys of a section with their present values; two buttons a row."""
    rows = [t("• {label}: <b>{value}</b>", label=label(f.key, t), value=shown(f, values[f.key], t)) for f in fields]
    buttons = [button(label(f.key, t), Act.SETTINGS, "key", f.key) for f in fields if not f.elsewhere]
    pairs = [buttons[i : i + 2] for i in range(0, len(buttons), 2)]
    title = t("⚙️ <b>{section}</b>", section=t.plain(SECTIONS[section]))
    return View(lines(title, RULE, *rows), keyboards.rows(*pairs, [back(t, "top"), close(t)]))


def capped(field: Field, cap: float, t: Translator) -> str:
    """The hard cap by name and file, and who can move it."""
    name = CAPPED[field.key.removeprefix("trading.")]
    return t(
        "Hard cap: {value} (<code>{name}</code> in <code>{file}</code>). Only the file on the server can loosen it.",
        value=shown(field, _exact(field, cap), t),
        name=name,
        file=FILE,
    )


def key(field: Field, value: Value, t: Translator, *, problem: Problem | None = None, cap: float | None = None) -> View:
    """One key: present value, unit, bounds, the hard cap where there is one, and buttons where there are choices."""
    options = () if field.elsewhere else field.choices or (("on", "off") if field.kind == "bool" else ())
    buttons = [button(shown_choice(field, option, t), Act.SETTINGS, "val", option) for option in options]
    triples = [buttons[i : i + 3] for i in range(0, len(buttons), 3)]
    ask = t("Press the new value.") if options else t("Type the new value.")
    return View(
        lines(
            *(trouble(problem, t) if problem else []),
            t("⚙️ <b>{label}</b>", label=label(field.key, t)),
            t("<code>{key}</code>", key=field.key),
            RULE,
            t("Now: <b>{value}</b>", value=shown(field, value, t)),
            t("Default: {value}", value=shown(field, field.default, t)),
            limits(field, t),
            capped(field, cap, t) if cap is not None else None,
            RULE,
            t(ELSEWHERE[field.elsewhere]) if field.elsewhere else ask,
        ),
        keyboards.rows(*triples, [back(t, "sec", field.section), close(t)]),
    )


def shown_choice(field: Field, option: str, t: Translator) -> str:
    return shown(field, option == "on", t) if field.kind == "bool" else shown(field, option, t)


def trouble(problem: Problem, t: Translator) -> list[str]:
    """Names the key, the value and the bounds."""
    field = problem.field
    said = t(PROBLEMS[problem.kind], given=problem.given[:40], other=problem.other)
    return [t("⚠️ <code>{key}</code>: {said}", key=field.key, said=said), *filter(None, [limits(field, t)]), ""]


def confirm(field: Field, before: Value, after: Value, t: Translator) -> View:
    """Before and after, and the question."""
    same = before == after
    return View(
        lines(
            t("⚙️ <b>{label}</b>", label=label(field.key, t)),
            t("<code>{key}</code>", key=field.key),
            RULE,
            t("{before} → <b>{after}</b>", before=shown(field, before, t), after=shown(field, after, t)),
            t("That is the present value already.") if same else t("Apply this now?"),
        ),
        keyboards.rows(
            [] if same else [button(t.plain("✅ Apply"), Act.SETTINGS, "ok", style="success")],
            [back(t, "key", field.key), close(t)],
        ),
    )


def applied(field: Field, before: Value, after: Value, stamp: str, t: Translator) -> View:
    """The change is in force; undo is one tap."""
    return View(
        lines(
            t("✅ <b>Changed</b> · {label}", label=label(field.key, t)),
            t("{before} → <b>{after}</b>", before=shown(field, before, t), after=shown(field, after, t)),
            t("The running services take it over within 2 seconds."),
        ),
        keyboards.rows(
            [button(t.plain("↩️ Undo"), Act.SETTINGS, "undo", stamp)],
            [back(t, "sec", field.section), close(t)],
        ),
    )


def undone(field: Field, before: Value, after: Value, t: Translator) -> View:
    change = t("{before} → <b>{after}</b>", before=shown(field, before, t), after=shown(field, after, t))
    return View(lines(t("↩️ <b>Undone</b> · {label}", label=label(field.key, t)), change))


def undo_gone(t: Translator) -> str:
    return t.plain("This key was changed again since then. Nothing was undone.")


def closed(history: Sequence[Override], t: Translator) -> View:
    """The last screen: the newest changes."""
    rows = [
        t(
            "• {time} <code>{key}</code> {old} → {new}",
            time=Markup(t.when(entry.at)),
            key=entry.key,
            old=_raw(entry.old),
            new=_raw(entry.new),
        )
        for entry in history
    ]
    return View(lines(t("⚙️ Settings closed."), *([t("Newest changes"), *rows] if rows else [])))


def _raw(value: Value) -> str:
    return "-" if value is None else str(value)
