"""New York sessions: extended hours, holidays, half days and the hours KIS accepts orders in."""

from datetime import UTC, date, datetime, time, timedelta
from enum import Enum
from zoneinfo import ZoneInfo

NEW_YORK = ZoneInfo("America/New_York")
SEOUL = ZoneInfo("Asia/Seoul")

OPEN_AT = time(4)
REGULAR_AT = time(9, 30)
CLOSE_AT = time(16)
HALF_DAY_CLOSE_AT = time(13)
END_AT = time(20)
DAY_MINUTES = 16 * 60
REGULAR_MINUTE = 330
CLOSE_MINUTE = 720
HALF_DAY_CLOSE_MINUTE = 540

HOLIDAYS = frozenset(
    date.fromisoformat(text)
    for text in [
        "2024-01-01",
        "2024-01-15",
        "2024-02-19",
        "2024-03-29",
        "2024-05-27",
        "2024-06-19",
        "2024-07-04",
        "2024-09-02",
        "2024-11-28",
        "2024-12-25",
        "2025-01-01",
        "2025-01-09",
        "2025-01-20",
        "2025-02-17",
        "2025-04-18",
        "2025-05-26",
        "2025-06-19",
        "2025-07-04",
        "2025-09-01",
        "2025-11-27",
        "2025-12-25",
        "2026-01-01",
        "2026-01-19",
        "2026-02-16",
        "2026-04-03",
        "2026-05-25",
        "2026-06-19",
        "2026-07-03",
        "2026-09-07",
        "2026-11-26",
        "2026-12-25",
        "2027-01-01",
        "2027-01-18",
        "2027-02-15",
        "2027-03-26",
        "2027-05-31",
        "2027-06-18",
        "2027-07-05",
        "2027-09-06",
        "2027-11-25",
        "2027-12-24",
    ]
)
HALF_DAYS = frozenset(
    date.fromisoformat(text)
    for text in [
        "2024-07-03",
        "2024-11-29",
        "2024-12-24",
        "2025-07-03",
        "2025-11-28",
        "2025-12-24",
        "2026-11-27",
        "2026-12-24",
        "2027-11-26",
    ]
)


class Session(Enum):
    CLOSED = "closed"
    PRE = "pre"
    REGULAR = "regular"
    AFTER = "after"


def is_trading_day(day: date) -> bool:
    return day.weekday() < 5 and day not in HOLIDAYS


def previous_trading_day(day: date) -> date:
    day -= timedelta(days=1)
    while not is_trading_day(day):
        day -= timedelta(days=1)
    return day


def session_day(instant: datetime) -> date:
    """The ET date of an instant, or the next trading day where that date has no session."""
    day = instant.astimezone(NEW_YORK).date()
    while not is_trading_day(day):
        day += timedelta(days=1)
    return day


def at(day: date, clock_time: time) -> datetime:
    return datetime.combine(day, clock_time, NEW_YORK).astimezone(UTC)


def regular_close(day: date) -> datetime:
    return at(day, HALF_DAY_CLOSE_AT if day in HALF_DAYS else CLOSE_AT)


def market_session(instant: datetime) -> Session:
    """The exchange's own session: extended hours end at 20:00 ET."""
    return _session(instant, END_AT)


def kis_session(instant: datetime) -> Session:
    """The session in which KIS takes orders: its after-market ends at 07:00 KST (17:00 EST, 18:00 EDT)."""
    local = instant.astimezone(NEW_YORK)
    summer = bool(local.dst())
    return _session(instant, time(18) if summer else time(17))


def _session(instant: datetime, end: time) -> Session:
    local = instant.astimezone(NEW_YORK)
    day, now = local.date(), local.time()
    if not is_trading_day(day) or now < OPEN_AT or now >= end:
        return Session.CLOSED
    if now < REGULAR_AT:
        return Session.PRE
    close = HALF_DAY_CLOSE_AT if day in HALF_DAYS else CLOSE_AT
    return Session.REGULAR if now < close else Session.AFTER
