"""US dates of instants: the day that bars, limits and sessions belong to."""

import datetime as dt
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
SEOUL = ZoneInfo("Asia/Seoul")
DAY_MS = 86_400_000


def us_date(at: dt.datetime) -> dt.date:
    """The calendar date in New York."""
    return at.astimezone(EASTERN).date()


def us_midnight_after(at: dt.datetime) -> dt.datetime:
    """The end of the New York calendar day that holds an instant, aware UTC."""
    day = us_date(at) + dt.timedelta(days=1)
    return dt.datetime.combine(day, dt.time(), EASTERN).astimezone(dt.UTC)


def us_day_bounds_ms(at_ms: int) -> tuple[int, int]:
    """Start and end (exclusive) of the New York calendar day that holds an epoch-millisecond instant."""
    day = dt.datetime.fromtimestamp(at_ms / 1000, EASTERN).date()
    start = dt.datetime.combine(day, dt.time(), EASTERN)
    end = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(), EASTERN)
    return int(start.timestamp() * 1000), int(end.timestamp() * 1000)
