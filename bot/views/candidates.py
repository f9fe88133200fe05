"""A candidate's card: what would change, its figures, what speaks against it, its shadow; and the list of them."""

import html
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from telegram import InlineKeyboardButton

from bot import keyboards
from bot.candidates import Obstacle, Refused
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.settings import Field, fields
from bot.views import buttons
from bot.views.accounts import cells
from bot.views.backtest import approval, percent, period
from bot.views.base import RULE, View, bounded, clip, lines
from bot.views.settings import PROBLEMS, label, limits, shown
from core.model.backtested import FEW_TRIPS, RunSummary
from core.model.candidate import Candidate, Change, Doubt, Pair, Shadow, Stage, Stance
from core.model.messages import Value
from ports.research import Why

GOALS: Mapping[str, str] = {
    "expectancy": mark("mean result of a round trip in %"),
    "return": mark("return in %"),
    "sharpe": mark("Sharpe ratio"),
    "calmar": mark("yearly return / deepest drawdown"),
}
DOUBTS: Mapping[Doubt, str] = {
    Doubt.NOTHING_OUTSIDE: mark("it was not checked on other days: how much of it is chance nobody knows"),
    Doubt.DISAGREES: mark("searched and checked days disagree: it fits the past more than the market"),
    Doubt.PRESENT_AS_GOOD: mark("on the checked days the present settings did as well or better"),
    Doubt.ORDER_IS_CHANCE: mark("what was better where it was searched was not better on the checked days"),
    Doubt.ONE_WINDOW: mark("there was only one period to search and check in"),
    Doubt.FEW_TRIPS: mark("few round trips on the checked days ({trips}): a mean of so few is chance"),
    Doubt.NOTHING_BETTER: mark("nothing better than the present settings was found"),
    Doubt.FEW_TRIALS: mark("few settings were compared ({trials})"),
}
OBSTACLES: Mapping[Obstacle, str] = {
    Obstacle.UNKNOWN: mark("there is no such setting"),
    Obstacle.ELSEWHERE: mark("it can't be changed in the chat"),
    Obstacle.BOUNDS: mark("the value is not allowed"),
    Obstacle.TOGETHER: mark("the values don't fit together"),
}
STAGES: Mapping[Stage, str] = {
    Stage.OPEN: mark("waits for you"),
    Stage.SHADOW: mark("as a shadow"),
    Stage.APPLIED: mark("applied"),
    Stage.DROPPED: mark("ignored"),
}
TROUBLES: Mapping[str, str] = {
    Why.SLOW: mark("⌛ The last replay took too long and was ended."),
    Why.REFUSED: mark("⚠️ The last replay could not run with the settings in force now."),
    Why.FAILED: mark("⚠️ The last replay broke off."),
}
NUMBER, GAP = 8, "  "
RECENT = 5


def _value(key: str, value: Value, t: Translator) -> str:
    return shown(fields()[key], value, t) if key in fields() else clip(f"{value}")


def _change(change: Change, t: Translator) -> Markup:
    return t(
        "• {label}: {old} → <b>{new}</b>",
        label=label(change.key, t),
        old=_value(change.key, change.old, t),
        new=_value(change.key, change.new, t),
    )


def _table(head: tuple[str, str], rows: Iterable[tuple[str, str, str]]) -> Markup:
    """Two columns of numbers, words last: Hangul of any width then moves nothing."""
    every = [(*head, ""), *rows]
    wide = [max(NUMBER, *(cells(row[i]) for row in every)) for i in (0, 1)]
    padded = ([" " * (w - cells(each)) + each for w, each in zip(wide, row[:2], strict=True)] for row in every)
    shown_rows = (GAP.join([*numbers, row[2]]).rstrip() for numbers, row in zip(padded, every, strict=True))
    return Markup(f"<pre>{html.escape(chr(10).join(shown_rows), quote=False)}</pre>")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _figures(candidate: Candidate, t: Translator) -> Markup:
    def row(pair: Pair, name: str) -> tuple[str, str, str]:
        return _figure(pair.inside), _figure(pair.outside), name

    found = candidate.found
    return _table(
        (t.plain("searched"), t.plain("checked")),
        (
            row(candidate.present, t.plain("then")),
            row(found, t.plain("candidate")),
            (f"{found.trips_inside:,}", f"{found.trips_outside:,}", t.plain("round trips")),
        ),
    )


def card(
    candidate: Candidate,
    stance: Stance,
    t: Translator,
    *,
    moved: Sequence[Change] = (),
    refused: Sequence[Refused] = (),
    acting: bool = True,
) -> View:
    """How it stands. `moved` settings are others than the figures were made with, `refused` changes are impossible."""
    live = stance.stage in {Stage.OPEN, Stage.SHADOW}
    said = [t(DOUBTS[d], trips=candidate.found.trips_outside, trials=candidate.trials) for d in candidate.doubts]
    keyboard = buttons.candidate(t, candidate.id, shadowed=stance.stage is Stage.SHADOW, possible=not refused)
    return View(
        lines(
            t("💡 <b>Settings candidate</b> · {stage}", stage=t(STAGES[stance.stage])),
            RULE,
            *(_change(change, t) for change in candidate.changes),
            RULE,
            t(GOALS[candidate.goal]) if candidate.goal in GOALS else t("{goal}", goal=clip(candidate.goal)),
            _figures(candidate, t),
            *(t("⚠️ {words}", words=words) for words in said),
            *_moved(moved, t),
            *(_obstacle(no, t) for no in refused),
            *(_shadow(stance.shadow, t) if stance.shadow is not None else ()),
            RULE,
            t(
                "{period} · settings compared: {trials}",
                period=period(candidate.first, candidate.last),
                trials=candidate.trials,
            ),
            t("<code>{study}</code> · data {data}", study=clip(candidate.study), data=candidate.data_hash[:12]),
        ),
        keyboard if live and acting else None,
    )


def _moved(moved: Sequence[Change], t: Translator) -> list[Markup]:
    if not moved:
        return []
    rows = [_change(change, t) for change in moved]
    return [
        t("🔁 The figures were made with other settings than the present ones (then → now):"),
        *(Markup(row) for row in bounded(rows, t, RECENT)),
    ]


def _obstacle(no: Refused, t: Translator) -> Markup:
    problem = no.problem
    words = t(OBSTACLES[no.why])
    if problem is not None:
        words = t(PROBLEMS[problem.kind], given=problem.given[:40], other=problem.other)
        # a hard cap is tighter than what the key allows
        allowed = limits(problem.field, t) if problem.kind != "cap" else None
        words = t("{said} {allowed}", said=words, allowed=Markup(allowed)) if allowed else words
    return t("⛔ <code>{key}</code>: {words}", key=no.change.key, words=words)


def _shadow(shadow: Shadow, t: Translator) -> list[Markup]:
    """The replay so far; differences, never a verdict."""
    head = [RULE, t("👥 <b>Shadow</b> · from session {day} on", day=t.day(shadow.since))]
    if shadow.trouble:
        head.append(t(TROUBLES.get(shadow.trouble, TROUBLES[Why.FAILED])))
    found, present = shadow.candidate, shadow.present
    if found is None or present is None:
        return [*head, t("No session yet. It is replayed after each session whose prices are stored.")]
    few = min(found.trips, present.trips) < FEW_TRIPS
    careful = t("Too few round trips for a verdict: under {few} the difference may be chance.", few=FEW_TRIPS)
    assumed = approval(found, t)
    return [
        *head,
        t("Sessions: {count} · last {day}", count=found.sessions, day=t.day(found.last)),
        _compared(present, found, t),
        *([careful] if few else []),
        *([assumed] if assumed is not None else []),
        t("Replayed on stored prices; a shadow sends no orders."),
    ]


def _compared(present: RunSummary, found: RunSummary, t: Translator) -> Markup:
    def won(run: RunSummary) -> str:
        return t.krw_signed(Decimal(run.result_krw))

    rows = [
        (won(present), won(found), t.plain("result")),
        (percent(present.return_krw_pct, t), percent(found.return_krw_pct, t), t.plain("after costs")),
        (f"{present.trips}", f"{found.trips}", t.plain("round trips")),
    ]
    gap = Decimal(found.result_krw - present.result_krw)
    rows.append(("", t.krw_signed(gap), t.plain("difference")))
    return _table((t.plain("present"), t.plain("candidate")), rows)


def moved_first(candidate: Candidate, moved: Sequence[Change], t: Translator) -> View:
    """Before anything is applied: the figures were made with other settings."""
    return View(
        lines(
            *_moved(moved, t),
            RULE,
            t("With the present settings the candidate may do worse than it says. A shadow would show it."),
        ),
        keyboards.rows(
            [button(t.plain("Go on all the same"), Act.SETTINGS, "next", candidate.id)],
            [button(t.plain("‹ Back"), Act.CANDIDATE, "show", candidate.id)],
        ),
    )


def next_button(candidate: Candidate, field: Field, left: int, t: Translator) -> InlineKeyboardButton:
    """To the next change."""
    words = t.plain("➡️ Next: {label} (left: {left})", label=label(field.key, t), left=left)
    return button(words, Act.SETTINGS, "next", candidate.id)


def in_force(candidate: Candidate, t: Translator) -> View:
    """Nothing is left to apply."""
    return View(
        lines(t("✅ Every setting of this candidate is in force."), *(_change(each, t) for each in candidate.changes))
    )


def gone(t: Translator) -> View:
    return View(t("This candidate is not there any more. /candidates shows what there is."))


def unreadable(trouble: str, t: Translator) -> View:
    return View(t("⚠️ The candidates can't be read or kept now: {trouble}. Nothing was changed.", trouble=trouble))


def listed(
    live: Sequence[tuple[Candidate, Stance]],
    known: Sequence[tuple[Candidate, Stance]],
    t: Translator,
    *,
    acting: bool = True,
) -> View:
    """Those that wait, with a button each; else the newest that were decided, and how to get one."""
    rows = [_row(candidate, stance, t) for candidate, stance in (live or known)]
    shows = [
        [button(t.plain("💡 Candidate {number}", number=number), Act.CANDIDATE, "show", candidate.id)]
        for number, (candidate, _) in enumerate(live[:RECENT], 1)
    ]
    how = t("A search proposes one: <code>./seohak optimize … --propose</code> on the server")
    return View(
        lines(
            t("💡 <b>Settings candidates</b>"),
            RULE,
            t("Nothing waits for you.") if not live else None,
            *bounded([f"{number}. {row}" for number, row in enumerate(rows, 1)], t, RECENT),
            how if not live else None,
        ),
        keyboards.rows(*shows) if shows and acting else None,
    )


def _row(candidate: Candidate, stance: Stance, t: Translator) -> Markup:
    names = ", ".join(label(change.key, t) for change in candidate.changes)
    return t(
        "{day} · {names} · {stage}",
        day=t.day(candidate.made_at.date()),
        names=clip(names),
        stage=t(STAGES[stance.stage]),
    )
