"""When entries are allowed, from the session and the owner's schedule."""

import datetime as dt

from core.model.params import ScheduleParams
from core.model.session import MarketSession, Phase
from core.rules.days import SEOUL


def kst_instant(kst: str, near: dt.datetime) -> dt.datetime:
    """The instant of a KST wall-clock time that lies nearest to `near`."""
    hour, minute = (int(part) for part in kst.split(":"))
    local = near.astimezone(SEOUL)
    same_day = local.replace(hour=hour, minute=minute, second=0, microsecond=0)
    candidates = (same_day + dt.timedelta(days=d) for d in (-1, 0, 1))
    return min(candidates, key=lambda c: abs(c - near)).astimezone(dt.UTC)


def entry_window(session: MarketSession, schedule: ScheduleParams) -> tuple[dt.datetime, dt.datetime]:
    """The span in which buys are allowed: from `active_trading_after` to the regular close."""
    after = schedule.active_trading_after
    if after.startswith("open+"):
        start = session.open_at + dt.timedelta(minutes=int(after[5:-1]))
    else:
        start = max(session.open_at, kst_instant(after, session.open_at))
    return start, session.close_at


def order_phases(venue: str) -> frozenset[Phase]:
    """When the broker takes orders: the real account before and after hours as well."""
    return frozenset({Phase.REGULAR, Phase.PRE, Phase.POST}) if venue == "kis_real" else frozenset({Phase.REGULAR})


def collecting(at: dt.datetime, schedule: ScheduleParams, report_time: str) -> bool:
    """Whether the collector is awake: from `start_time` to the report time of the next KST morning."""
    if not schedule.rest_when_closed:
        return True
    local = at.astimezone(SEOUL)
    minutes = local.hour * 60 + local.minute
    start, end = _minutes(schedule.start_time), _minutes(report_time)
    return minutes >= start or minutes < end if start > end else start <= minutes < end


def _minutes(kst: str) -> int:
    hour, minute = kst.split(":")
    return int(hour) * 60 + int(minute)
