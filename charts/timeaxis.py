"""Ticks of the index axis: round times or dates where bars exist, and where the day or year changes."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from charts.spec import IntArray, Zone

# a daily bar is named by its date, not by its end
BAR_MS: Mapping[str, int] = {"1m": 60_000, "5m": 300_000, "1d": 0}
_MAX_TICKS = 7
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a bar; `bar` is its index."""

    bar: int
    text: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The upper row of ticks, the lower row (dates, or years on a daily chart), and the last bar's time in words."""

    ticks: tuple[Tick, ...]
    dates: tuple[Tick, ...]
    last: str


def _changes(keys: Sequence[Hashable]) -> list[int]:
    return [i for i in range(1, len(keys)) if keys[i] != keys[i - 1]]


def _thin(places: Sequence[int], gap: float, taken: Sequence[int] = ()) -> list[int]:
    kept: list[int] = []
    for place in places:
        if all(abs(place - other) >= gap for other in (*taken, *kept)):
            kept.append(place)
    return kept


def _minutes(step: int) -> Callable[[datetime], Hashable]:
    return lambda t: (t.date(), (t.hour * 60 + t.minute) // step)


_INTRADAY = tuple(_minutes(step) for step in (1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720, 1440))
_DAILY: tuple[Callable[[datetime], Hashable], ...] = (
    lambda t: t.date(),
    lambda t: t.isocalendar()[:2],
    lambda t: (t.year, t.month, t.day > 15),
    lambda t: (t.year, t.month),
    lambda t: (t.year, (t.month - 1) // 2),
    lambda t: (t.year, (t.month - 1) // 3),
    lambda t: (t.year, (t.month - 1) // 6),
    lambda t: t.year,
)


def _best(times: Sequence[datetime], keys: Sequence[Callable[[datetime], Hashable]], gap: float) -> list[int]:
    """The finest rhythm that gives few enough ticks and loses few of them to crowding."""
    best: list[int] = []
    for key in keys:
        places = _changes([key(t) for t in times])
        kept = _thin(places, gap)
        if len(kept) <= _MAX_TICKS and len(kept) >= 0.7 * len(places):
            return kept or best
        if len(kept) <= _MAX_TICKS and len(kept) > len(best):
            best = kept
    return best


def zone_of(start_ms: IntArray, tz: Zone, *, daily: bool) -> tzinfo:
    """The zone to read bars in: daily bars stamped at UTC midnight stay on their own date everywhere."""
    if daily and not (start_ms % _DAY_MS).any():
        return UTC
    return ZoneInfo("America/New_York") if daily else ZoneInfo(tz)


def time_axis(start_ms: IntArray, tz: Zone, *, daily: bool, gap: float, bar_ms: int = 0) -> TimeAxis:
    """Ticks at least `gap` bars apart for bars starting at `start_ms`."""
    zone = zone_of(start_ms, tz, daily=daily)
    times = [datetime.fromtimestamp(ms / 1000, tz=zone) for ms in start_ms.tolist()]
    places = _best(times, _DAILY if daily else _INTRADAY, gap) or [0]
    if daily:
        dates = _changes([t.year for t in times])
        ticks = tuple(Tick(i, f"{times[i].month}/{times[i].day}") for i in places)
    else:
        dates = _changes([t.date() for t in times])
        ticks = tuple(Tick(i, f"{times[i]:%H:%M}") for i in places)
    marks = _thin(dates, gap)
    first = _thin([0], gap, marks)
    lower = tuple(
        Tick(i, f"{times[i].year}" if daily else f"{times[i].month}/{times[i].day}") for i in (*first, *marks)
    )
    zone_name = "" if daily else " KST" if tz == "Asia/Seoul" else " ET"
    # what is known is known as of the bar's end
    end = times[-1] + timedelta(milliseconds=bar_ms)
    last = f"{end:%Y-%m-%d}" if daily else f"{end:%Y-%m-%d %H:%M}{zone_name}"
    return TimeAxis(ticks, lower, last)
