"""What became of finds that were not bought: the morning's card and the week's."""

from collections.abc import Mapping, Sequence

from bot import keyboards
from bot.i18n import Markup, Translator, mark
from bot.keyboards import Act, button
from bot.views.base import RULE, View, bounded, lines, titled
from bot.views.words import REFUSALS, word
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.rules.foregone import tally

Entries = Sequence[tuple[Foregone, Outcome | None]]
CAUSES: Mapping[Cause, str] = {
    Cause.EXPIRED: mark("⌛ Asked, no answer"),
    Cause.IGNORED: mark("🚫 Ignored"),
    Cause.REFUSED: mark("⛔ Stopped by a rule"),
    Cause.WATCHED: mark("👀 Only watched"),
}
ENDS: Mapping[Ended, str] = {
    Ended.TARGET: mark("🎯 target reached"),
    Ended.STOP: mark("🛑 stopped out"),
    Ended.CLOSE: mark("at the close"),
}
ROWS = 10


def row(found: Foregone, outcome: Outcome | None, t: Translator) -> str:
    """22:41 NVDA 엔비디아 $142.50 → +3.1% at the close (high +6.0%, low -1.2%)"""
    head = t(
        "• {time} {title} {price}",
        time=t.clock(found.at),
        title=titled(found.ticker, found.name, found.name_ko, t),
        price=t.usd(found.price),
    )
    why = t(" · {reason}", reason=word(REFUSALS, found.reason, t)) if found.reason else ""
    if outcome is None:
        return lines(head + why, t("   not followed yet"))
    return lines(
        head + why,
        t(
            "   <b>{result}</b> {end} (high {high}, low {low})",
            result=t.pct(outcome.result_pct),
            end=t(ENDS[outcome.ended]),
            high=t.pct(outcome.high_pct),
            low=t.pct(outcome.low_pct),
        ),
    )


def summary(cause: Cause, mine: Entries, t: Translator) -> str:
    """One line per cause."""
    numbers = tally([o for _, o in mine if o is not None])
    name = t(CAUSES[cause])
    if numbers is None:
        return t("{cause}: {count}", cause=name, count=len(mine))
    return t(
        "{cause}: {count} · mean {mean} · up {rose} · target reached {targets} · stopped out {stops}",
        cause=name,
        count=len(mine),
        mean=t.pct(numbers.mean_pct),
        rose=numbers.rose,
        targets=numbers.targets,
        stops=numbers.stops,
    )


def _small_print(t: Translator) -> str:
    return t(
        "<i>As if bought at once at the price of the decision, with today's target and stop, without costs. "
        "Past results say nothing about the next one.</i>"
    )


def _body(title: Markup, entries: Entries, t: Translator) -> str:
    by_cause = {c: [e for e in entries if e[0].cause is c] for c in CAUSES}
    sums = [summary(c, mine, t) for c, mine in by_cause.items() if mine]
    # what a person could have decided comes first, the biggest moves on top
    shown = sorted(
        entries,
        key=lambda e: (e[0].cause not in {Cause.EXPIRED, Cause.IGNORED}, -abs(e[1].result_pct) if e[1] else 0),
    )
    rows = [row(found, outcome, t) for found, outcome in shown]
    return lines(title, RULE, *sums, RULE, *bounded(rows, t, ROWS), RULE, _small_print(t))


def morning(entries: Entries, t: Translator) -> View | None:
    """What the night asked in vain; None where nobody was asked."""
    asked = [e for e in entries if e[0].cause in {Cause.EXPIRED, Cause.IGNORED} or e[0].reason == "asleep"]
    if not asked:
        return None
    return View(_body(t("🌅 <b>Not bought last night, and what became of it</b>"), asked, t))


def week(entries: Entries, t: Translator) -> View:
    """Everything that was found and not bought in seven days."""
    title = t("🧭 <b>Finds not bought, last 7 days</b> · {count}", count=len(entries))
    if not entries:
        return View(lines(title, RULE, t("Everything that was found was bought, or nothing was found.")))
    return View(_body(title, entries, t), keyboards.rows([button(t.plain("🔄 Refresh"), Act.REFRESH, "missed")]))
