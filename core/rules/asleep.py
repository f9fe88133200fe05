"""What happens to a proposal while the owner sleeps: his own written policy, in force in approve mode only."""

import datetime as dt
import enum
from decimal import Decimal
from zoneinfo import ZoneInfo

from core.model.params import TradingParams

KST = ZoneInfo("Asia/Seoul")


class Asleep(enum.StrEnum):
    """The owner's word for the night."""

    ASK = "ask"
    IGNORE = "ignore"
    SMALL = "small"
    AUTO = "auto"


def sleeping(at: dt.datetime, hours: str) -> bool:
    """Whether an instant lies in HH:MM-HH:MM of Korea, over midnight where the end is earlier; empty hours never do."""
    if not hours:
        return False
    start, end = (dt.time.fromisoformat(part) for part in hours.split("-"))
    return within(at, start, end)


def within(at: dt.datetime, start: dt.time, end: dt.time) -> bool:
    """Whether an instant lies between two times of day in Korea, the end excluded; over midnight where it is earlier."""
    now = at.astimezone(KST).time()
    return start <= now < end if start <= end else now >= start or now < end


def policy(at: dt.datetime, mode: str, params: TradingParams) -> Asleep:
    """What to do with a proposal now; by day, and in every mode but approve, as ever."""
    if mode != "approve" or not sleeping(at, params.asleep_hours):
        return Asleep.ASK
    return Asleep(params.asleep_policy)


def size(wanted_krw: Decimal, chosen: Asleep, params: TradingParams) -> Decimal:
    """The budget in KRW."""
    return wanted_krw * params.asleep_size_pct / 100 if chosen is Asleep.SMALL else wanted_krw
