"""Redis and the database in words: what is told when they fail, and their lines in /health."""

import math
from collections.abc import Mapping

import msgspec

from bot.i18n import Translator, mark
from bot.views.base import View
from bot.views.words import PLACES, word
from ports.bus import BusState

LOST = "redis_lost"
MANY_PCT = 80
MB = 1_000_000
# all processes together, on the small server that is recommended
MOST_MB = 500
LATE_LOOK_S = 10
LATE_READER_S = 10

BEGUN: Mapping[str, str] = {
    "redis_away": mark(
        "🔴 <b>Redis does not answer.</b> Nothing new is found or bought; stops and sells go on without it. "
        "Please look at /health, and at the log of redis in the state directory."
    ),
    "redis_full": mark(
        "🔴 <b>Redis is full.</b> Nothing new is found or bought; stops and sells go on without it. "
        "Please give it more memory (maxmemory) or look what else is kept there."
    ),
    "database_away": mark(
        "🟠 <b>The database does not answer.</b> Trading goes on; fills and reports wait in the trader's journal and are "
        "recorded once it is back. Please look at DATABASE_URL and the server."
    ),
    LOST: mark(
        "🟠 <b>Redis has lost its data.</b> Signals on their way are gone and none is acted on twice; stops, holdings and "
        "orders do not depend on it. Finds begin anew by themselves."
    ),
}
OVER: Mapping[str, str] = {
    "redis_away": mark("🟢 Redis answers again. Finding and buying go on."),
    "redis_full": mark("🟢 Redis has room again. Finding and buying go on."),
    "database_away": mark("🟢 The database answers again. What waited is being recorded."),
}


def told(what: str, *, over: bool, t: Translator) -> View:
    """What people hear when a server fails, and when it is well again."""
    return View(t((OVER if over else BEGUN)[what]))


def redis_line(state: BusState | None, t: Translator) -> str:
    """Redis in /health, with what would hurt later."""
    if state is None:
        return t("🔴 Message bus: no answer")
    if state.full:
        return t("🔴 Message bus: full, nothing can be passed on")
    used, most = state.used_bytes, state.most_bytes
    if most and used * 100 >= most * MANY_PCT:
        return t("🟠 Message bus: its memory is used up to {pct}%", pct=used * 100 // most)
    if state.evicts:
        return t("🟠 Message bus: would throw messages away when full (set maxmemory-policy noeviction)")
    if not state.durable:
        return t("🟠 Message bus: forgets everything at its restart (set appendonly yes)")
    return t("🟢 Message bus: OK · {mb} MB", mb=used // MB) if used else t("🟢 Message bus: OK")


def database_line(trader: Mapping[str, str], *, answers: bool, t: Translator) -> str:
    """The database in /health, with what waits for it in the trader's journal."""
    waiting = trader.get("outbox", "")
    if not answers:
        if waiting not in {"", "0"}:
            return t("🔴 Database: no answer · waiting: {count}", count=waiting)
        return t("🔴 Database: no answer")
    if trader.get("outbox_waits_for") == "database":
        return t("🟠 Database: answers here, not to the trader · waiting: {count}", count=waiting)
    return t("🟢 Database: OK")


def readers_line(state: BusState | None, t: Translator) -> str | None:
    """Who reads behind the newest message."""
    if state is None or not state.lags:
        return None
    worst = max(state.lags, key=lambda lag: lag.behind_s)
    if worst.behind_s <= LATE_READER_S:
        return t("🟢 Messages: read at once")
    return t(
        "🟠 Messages: {who} is {seconds} s behind ({channel})",
        who=word(PLACES, worst.group, t),
        seconds=round(worst.behind_s),
        channel=worst.channel.removeprefix("channel:"),
    )


def stops_line(trader: Mapping[str, str], t: Translator) -> str | None:
    """The stop that was looked at longest ago; nothing where none is guarded or the market is closed."""
    try:
        looks = msgspec.json.decode(trader.get("stops", "{}"), type=dict[str, float]).values()
        beaten = float(trader.get("mono", ""))
    except (msgspec.DecodeError, msgspec.ValidationError, ValueError):
        return None
    if not looks or trader.get("market_open") != "True" or not math.isfinite(beaten):
        return None
    age_s = max(0.0, beaten - min(looks))
    if age_s > LATE_LOOK_S:
        return t("🔴 Stops: one was last looked at {seconds} s ago", seconds=round(age_s))
    return t("🟢 Stops: each looked at within {seconds} s · {count}", seconds=max(1, round(age_s)), count=len(looks))


def memory_line(beats: Mapping[str, Mapping[str, str]], guardian_mb: float | None, t: Translator) -> str | None:
    """What all processes take together."""
    known = {"guardian": guardian_mb or 0.0}
    for name, beat in beats.items():
        try:
            known[name] = float(beat.get("pss_mb", ""))
        except ValueError:
            continue
    total = sum(size for size in known.values() if math.isfinite(size))
    if not total:
        return None
    if total <= MOST_MB:
        return t("🟢 Memory: {mb} MB", mb=round(total))
    name = max(known, key=lambda each: known[each])
    largest = word(PLACES, name, t)
    return t("🟠 Memory: {mb} MB · most: {who} {size} MB", mb=round(total), who=largest, size=round(known[name]))
