"""/alerts: each notice on, silent or off, quiet hours, and when chatter becomes a digest; every person's own."""

from collections.abc import Callable, Sequence

import msgspec
from telegram import Update

from bot.alerts import BUDGETS, CHOICES, Alerts, Topic, quiet_hours
from bot.context import AppContext, answer
from bot.i18n import Translator
from bot.keyboards import decode
from bot.views import alerts as views
from bot.views.base import View
from bot.views.replies import stale_button


async def alerts(update: Update, context: AppContext, args: Sequence[str]) -> None:
    """/alerts [23:00-07:00]"""
    desk = context.desk
    said = None
    if args:
        span = quiet_hours(" ".join(args))
        if span is None:
            said = views.bad_hours(" ".join(args), context.t)
        else:
            await desk.set_alerts(context.who, msgspec.structs.replace(desk.alerts(context.who), quiet=span))
    await context.say(update, views.alerts(desk.alerts(context.who), context.t, said=said))


async def pressed(update: Update, context: AppContext) -> None:
    """`e:next:<topic>`, `e:quiet:<HHMM-HHMM|none>`, `e:budget:<n>`, and the ways between the screens."""
    query, desk, t = update.callback_query, context.desk, context.t
    press = decode(query.data if query else None)
    chosen = desk.alerts(context.who)
    changed = chosen
    build: Callable[[Alerts, Translator], View] = views.alerts
    match press.args if press else ():
        case ("next", topic) if topic in set(Topic) and len(CHOICES[Topic(topic)]) > 1:
            changed = chosen.with_next(Topic(topic))
        case ("quiet", "none"):
            changed = msgspec.structs.replace(chosen, quiet=None)
        case ("quiet", span) if (found := quiet_hours(_timed(span))) is not None:
            changed = msgspec.structs.replace(chosen, quiet=found)
        case ("budget", count) if count.isdecimal() and int(count) in BUDGETS:
            changed = msgspec.structs.replace(chosen, budget=int(count))
        case ("hours",):
            build = views.quiet_choice
        case ("budgets",):
            build = views.budget_choice
        case ("top",):
            pass
        case _:
            await answer(query, stale_button(t), alert=True)
            return
    await answer(query)
    if changed is not chosen:
        await desk.set_alerts(context.who, changed)
    await context.show(update, build(changed, t))


def _timed(span: str) -> str:
    """2300-0700 as a button carries it."""
    start, _, end = span.partition("-")
    return f"{start[:2]}:{start[2:]}-{end[:2]}:{end[2:]}"
