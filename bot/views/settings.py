"""The settings conversation: sections, keys, values with unit and bounds, what a change does, why one was not taken."""

import datetime as dt
from collections.abc import Mapping, Sequence

import msgspec
from telegram import InlineKeyboardButton, InlineKeyboardMarkup

from bot import keyboards
from bot.i18n import Translator, mark
from bot.keyboards import Act, button
from bot.settings import Field, Problem
from bot.views.base import RULE, View, lines
from bot.views.keys import CHOICES, LABELS, ONE, SECTIONS, UNITS
from bot.views.meanings import MEANINGS
from bot.views.preview import effect
from config.caps import FILE
from core.model.messages import Value
from core.model.params import listed
from core.model.safety import CAPPED
from core.rules.preview import AT_RESTART, Fact

MOST_FOUND = 20

PROBLEMS: Mapping[str, str] = {
    "number": mark("“{given}” is not a number that fits here."),
    "range": mark("“{given}” is out of bounds."),
    "pattern": mark("“{given}” does not have the right form."),
    "choice": mark("“{given}” is not one of the choices."),
    "smaller": mark("It must stay smaller than {other}."),
    "seconds": mark("With bars made of seconds it must be at least {other}."),
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
    if field.kind == "list" and not value:
        return t.plain("all")
    if value == "":
        return t.plain("none")
    if isinstance(value, str):
        return t.plain(CHOICES[value]) if value in CHOICES else value
    if value is None:
        return t.plain("as in config.yaml")
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
    unit = t.plain(ONE[field.unit]) if value == 1 and field.unit in ONE else unit_of(field, t)
    gap = "" if t.locale == "ko" or unit == "%" else " "
    return f"{number}{gap}{unit}".rstrip()


def unit_of(field: Field, t: Translator) -> str:
    return t.plain(UNITS[field.unit]) if field.unit in UNITS else field.unit


def limits(field: Field, t: Translator) -> str | None:
    """What may be entered."""
    if field.low is not None and field.high is not None:
        # the unit once, at the end; a percent sign is part of the number
        unit = "%" if field.unit == "%" else ""
        low = shown(msgspec.structs.replace(field, unit=unit), _exact(field, field.low), t)
        return t("Allowed: {low} to {high}", low=low, high=shown(field, _exact(field, field.high), t))
    if options := _options(field):
        return t("Choices: {choices}", choices=", ".join(_typed(field, each, t) for each in options))
    if field.pattern:
        return t("Form: {form}", form=unit_of(field, t))
    return None


def _options(field: Field) -> tuple[str, ...]:
    return field.choices or (("on", "off") if field.kind == "bool" else ())


def _typed(field: Field, option: str, t: Translator) -> str:
    """What to type for a choice, and what that means where the one does not say the other."""
    name = shown_choice(field, option, t)
    return name if field.kind in {"bool", "list"} or option == name else f"{option} ({name})"


def _exact(field: Field, bound: float) -> Value:
    return int(bound) if field.kind == "int" else float(bound)


def sections(t: Translator, *, sought: str = "") -> View:
    """The first screen; `sought` are words that no key answers to."""
    first = [button(t.plain(name), Act.SETTINGS, "sec", key) for key, name in SECTIONS.items()]
    keyboard = keyboards.rows(
        first[:2], first[2:4], first[4:], [button(t.plain("📜 Changes"), Act.SETTINGS, "hist", "0"), close(t)]
    )
    return View(
        lines(
            t("⚙️ <b>Settings</b>"),
            t("No setting is called “{words}”.", words=sought[:40]) if sought else None,
            t("Which part would you like to change?"),
            t("Straight to one: <code>/settings stop loss</code>"),
        ),
        keyboard,
    )


def found(words: str, several: Sequence[Field], t: Translator) -> View:
    """Several keys answer to the words."""
    buttons = [button(label(f.key, t), Act.SETTINGS, "key", f.key) for f in several if not f.elsewhere][:MOST_FOUND]
    return View(
        lines(t("🔎 <b>{words}</b> · {count}", words=words[:40], count=len(buttons)), t("Which one do you mean?")),
        keyboards.rows(*_split(buttons, 2), [back(t, "top"), close(t)]),
    )


def _split(buttons: Sequence[InlineKeyboardButton], width: int) -> list[list[InlineKeyboardButton]]:
    return [list(buttons[i : i + width]) for i in range(0, len(buttons), width)]


def close(t: Translator) -> InlineKeyboardButton:
    return button(t.plain("Close"), Act.SETTINGS, "end")


def back(t: Translator, *args: str) -> InlineKeyboardButton:
    return button(t.plain("‹ Back"), Act.SETTINGS, *args)


def keys(section: str, fields: Sequence[Field], values: Mapping[str, Value], t: Translator) -> View:
    """The keys of a section with their present values; two buttons a row."""
    rows = [t("• {label}: <b>{value}</b>", label=label(f.key, t), value=shown(f, values[f.key], t)) for f in fields]
    buttons = [button(label(f.key, t), Act.SETTINGS, "key", f.key) for f in fields if not f.elsewhere]
    pairs = [buttons[i : i + 2] for i in range(0, len(buttons), 2)]
    title = t("<b>{section}</b>", section=t.plain(SECTIONS[section]))
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


def key(
    field: Field,
    value: Value,
    t: Translator,
    *,
    problem: Problem | None = None,
    cap: float | None = None,
    written: Value = None,
    chosen: str | None = None,
) -> View:
    """One key: what it does, present value, unit, bounds, the hard cap where there is one, and buttons where there are
    choices. `written` is config.yaml's value where the chat changed it; `chosen` are the ticks of a list so far.
    """
    choices = _choices(field, value if chosen is None else chosen, t)
    reset = (
        [
            button(
                t.plain("↺ As in config.yaml: {value}", value=shown(field, written, t)), Act.SETTINGS, "def", field.key
            )
        ]
        if written is not None
        else []
    )
    ask = t("Press the new value.") if choices else t("Type the new value.")
    return View(
        lines(
            *(trouble(problem, t) if problem else []),
            t("⚙️ <b>{label}</b>", label=label(field.key, t)),
            t("<code>{key}</code>", key=field.key),
            t(MEANINGS[field.key]),
            RULE,
            t("Now: <b>{value}</b>", value=shown(field, value, t)),
            t("Default: {value}", value=shown(field, field.default, t)),
            None if choices else limits(field, t),
            capped(field, cap, t) if cap is not None else None,
            RULE,
            t(ELSEWHERE[field.elsewhere]) if field.elsewhere else ask,
        ),
        keyboards.rows(*choices, reset, [back(t, "sec", field.section), close(t)]),
    )


def _choices(field: Field, now: Value, t: Translator) -> list[list[InlineKeyboardButton]]:
    """Rows of buttons; they carry the key, so that a restart does not make them useless."""
    if field.elsewhere:
        return []
    if field.kind == "list":
        ticked = listed(str(now))
        ticks = [
            button(f"{'✓ ' if o in ticked else ''}{shown(field, o, t)}", Act.SETTINGS, "tick", field.key, o)
            for o in field.choices
        ]
        return [*_split(ticks, 2), [button(t.plain("Done"), Act.SETTINGS, "list", field.key, style="success")]]
    named = [button(shown_choice(field, o, t), Act.SETTINGS, "val", field.key, o) for o in _options(field)]
    return _split(named, 3)


def shown_choice(field: Field, option: str, t: Translator) -> str:
    if field.kind == "bool":
        return t.plain("On") if option == "on" else t.plain("Off")
    return shown(field, option, t)


def trouble(problem: Problem, t: Translator) -> list[str]:
    """Names the key, the value and the bounds."""
    field = problem.field
    said = t(PROBLEMS[problem.kind], given=problem.given[:40], other=problem.other)
    return [t("⚠️ <code>{key}</code>: {said}", key=field.key, said=said), *filter(None, [limits(field, t)]), ""]


def _change(field: Field, before: Value, after: Value, t: Translator) -> str:
    return t("{before} → <b>{after}</b>", before=shown(field, before, t), after=shown(field, after, t))


def confirm(
    field: Field,
    before: Value,
    after: Value,
    t: Translator,
    *,
    token: str,
    now: dt.datetime,
    facts: Sequence[Fact] = (),
    risky: bool = False,
    was: Value = None,
) -> View:
    """Before and after, what the change would do, and the question. `was`: the value that was shown the first time."""
    same = before == after
    question = t("That is the present value already.") if same else t("Apply this now?")
    moved = t(
        "🔁 Somebody has changed this meanwhile: {was} → {now}", was=shown(field, was, t), now=shown(field, before, t)
    )
    apply = button(t.plain("⚠️ Apply") if risky else t.plain("✅ Apply"), Act.SETTINGS, "ok", token, style="success")
    return View(
        lines(
            moved if was is not None else None,
            t("⚙️ <b>{label}</b>", label=label(field.key, t)),
            t("<code>{key}</code>", key=field.key),
            RULE,
            _change(field, before, after, t),
            t("⚠️ <b>This allows more risk than before.</b>") if risky else None,
            *effect(facts, now, t),
            RULE if facts else None,
            question,
        ),
        keyboards.rows([] if same else [apply], [back(t, "key", field.key), close(t)]),
    )


def sure(field: Field, before: Value, after: Value, token: str, t: Translator) -> View:
    """The second question before a change that risks more."""
    return View(
        lines(
            t("⚠️ <b>Really?</b> · {label}", label=label(field.key, t)),
            RULE,
            _change(field, before, after, t),
            t("More can be lost or bought with this than before."),
        ),
        keyboards.rows(
            [button(t.plain("⚠️ Yes, take the risk"), Act.SETTINGS, "sure", token, style="danger")],
            [back(t, "key", field.key), close(t)],
        ),
    )


def applied(
    field: Field,
    before: Value,
    after: Value,
    stamp: str,
    t: Translator,
    *,
    following: Sequence[InlineKeyboardButton] = (),
) -> View:
    """The change is in force; undo is one tap. `following`: the way to the next change of a candidate."""
    return View(
        lines(
            t("✅ <b>Changed</b> · {label}", label=label(field.key, t)),
            _change(field, before, after, t),
            t("It is kept, and applies when the trader starts the next time.")
            if field.key in AT_RESTART
            else t("The running services take it over within 2 seconds."),
            t("It can be undone for 10 minutes."),
        ),
        _afterwards(field, stamp, t, following),
    )


def _afterwards(
    field: Field, stamp: str, t: Translator, following: Sequence[InlineKeyboardButton] = ()
) -> InlineKeyboardMarkup:
    return keyboards.rows(
        list(following),
        [
            button(t.plain("↩️ Undo"), Act.SETTINGS, "undo", stamp),
            button(t.plain("📜 Changes"), Act.SETTINGS, "hist", "0"),
        ],
        [back(t, "sec", field.section), close(t)],
    )


def undone(field: Field, before: Value, after: Value, stamp: str, t: Translator) -> View:
    """The value before is in force again; that can be undone as well."""
    done = t("↩️ <b>Undone</b> · {label}", label=label(field.key, t))
    return View(lines(done, _change(field, before, after, t)), _afterwards(field, stamp, t))


def timed_out(field: Field, t: Translator) -> View:
    """Nobody answered for long."""
    return View(
        t(
            "⏱ The settings closed because nothing came for 10 minutes. {label}: not changed.",
            label=label(field.key, t),
        )
    )
