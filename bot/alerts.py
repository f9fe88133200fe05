"""Which notices a person wants, how loud, and when it should be quiet: data and pure decisions."""

import datetime as dt
import enum
import re
from collections.abc import Mapping

import msgspec

from core.rules.asleep import within

KEPT = "alerts"
BUDGET = 20
BUDGETS = (0, 10, 20, 40)
BUDGET_SPAN = dt.timedelta(minutes=10)
_HOURS = re.compile(r"([01]?\d|2[0-3])(?::([0-5]\d))?\s*[-~–]\s*([01]?\d|2[0-3])(?::([0-5]\d))?")


class Topic(enum.StrEnum):
    """What a notice is about."""

    PROPOSAL = "proposal"
    DISCOVERY = "discovery"
    BUY = "buy"
    SELL = "sell"
    STOP = "stop"
    PROGRESS = "progress"
    ORDERS = "orders"
    CONNECTION = "connection"
    STATE = "state"
    SCHEDULE = "schedule"
    REPORT = "report"
    ALARM = "alarm"


class Level(enum.StrEnum):
    """How a topic arrives."""

    ON = "on"
    SILENT = "silent"
    OFF = "off"


# Money at stake is always told and always heard; a question may be silent but not unasked.
CHOICES: Mapping[Topic, tuple[Level, ...]] = {topic: tuple(Level) for topic in Topic} | {
    Topic.STOP: (Level.ON,),
    Topic.ALARM: (Level.ON,),
    Topic.PROPOSAL: (Level.ON, Level.SILENT),
}
# What may be put together into one message when there is much of it.
CHATTER = frozenset({Topic.DISCOVERY, Topic.PROGRESS, Topic.CONNECTION, Topic.STATE, Topic.SCHEDULE})


class QuietHours(msgspec.Struct, frozen=True):
    """From one time of day in Korea to another, over midnight where the end is earlier."""

    start: dt.time
    end: dt.time

    def __post_init__(self) -> None:
        if self.start == self.end:
            raise ValueError("quiet hours: begin and end are the same")

    def cover(self, at: dt.datetime) -> bool:
        """Whether an instant lies in them."""
        return within(at, self.start, self.end)


def quiet_hours(text: str) -> QuietHours | None:
    """23:00-07:00 or 23-7; None where it is no such span."""
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        return None
    start, end = (dt.time(int(match[i]), int(match[i + 1] or 0)) for i in (1, 3))
    return QuietHours(start, end) if start != end else None


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """One person's choices. `budget` is how many pieces of chatter arrive one by one in ten minutes, 0 for all."""

    levels: dict[Topic, Level] = {}
    quiet: QuietHours | None = None
    budget: int = BUDGET

    def level(self, topic: Topic) -> Level:
        chosen = self.levels.get(topic, Level.ON)
        return chosen if chosen in CHOICES[topic] else Level.ON

    def with_next(self, topic: Topic) -> "Alerts":
        """The next choice of a topic, round and round."""
        choices = CHOICES[topic]
        following = choices[(choices.index(self.level(topic)) + 1) % len(choices)]
        return msgspec.structs.replace(self, levels={**self.levels, topic: following})

    def muffled(self, topic: Topic, at: dt.datetime) -> bool:
        """Whether a notice arrives without a sound whatever its own loudness is."""
        if len(CHOICES[topic]) == 1:
            return False
        return self.level(topic) is Level.SILENT or (self.quiet is not None and self.quiet.cover(at))


def decode(kept: str | None) -> Alerts:
    """What was kept; the defaults where an older version wrote it differently."""
    if not kept:
        return Alerts()
    try:
        return msgspec.json.decode(kept, type=Alerts)
    except (msgspec.DecodeError, ValueError):
        return Alerts()


def encode(alerts: Alerts) -> str:
    return msgspec.json.encode(alerts).decode()
