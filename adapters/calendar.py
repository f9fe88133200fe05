"""The XNYS calendar as plain session times.

exchange_calendars needs pandas (116 MB), so a short-lived process computes two years of sessions once and leaves them
in a JSON file; the long-running processes read only that.
"""

import bisect
import datetime as dt
import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec

from core.model.session import MarketSession
from ports.clock import CalendarRange

EASTERN = ZoneInfo("America/New_York")
PRE_OPEN, POST_CLOSE, HALF_DAY_POST_CLOSE = dt.time(4), dt.time(20), dt.time(17)


class XnysCalendar:
    """Sessions in order; implements ports.clock.Calendar."""

    def __init__(self, sessions: list[MarketSession]) -> None:
        if not sessions:
            raise ValueError("a calendar needs sessions")
        self._sessions = sessions
        self._by_date = {s.on: s for s in sessions}

    def session_on(self, on: dt.date) -> MarketSession | None:
        """The session of a US date, or None on weekends and holidays."""
        if not self._sessions[0].on <= on <= self._sessions[-1].on:
            raise CalendarRange(f"the calendar covers {self._sessions[0].on} to {self._sessions[-1].on}, not {on}")
        return self._by_date.get(on)

    def current_or_next(self, at: dt.datetime) -> MarketSession:
        """The session whose post-market has not ended at `at`, else the next one."""
        index = bisect.bisect_right(self._sessions, at, key=lambda s: s.post_close_at)
        if index == len(self._sessions):
            raise CalendarRange(f"the calendar ends on {self._sessions[-1].on}")
        return self._sessions[index]

    def previous(self, at: dt.datetime) -> MarketSession:
        """The last session whose regular close is at or before `at`."""
        index = bisect.bisect_right(self._sessions, at, key=lambda s: s.close_at)
        if index == 0:
            raise CalendarRange(f"the calendar begins on {self._sessions[0].on}")
        return self._sessions[index - 1]


def compute(start: dt.date, end: dt.date) -> list[MarketSession]:
    """Sessions from `start` to `end` by exchange_calendars; pre-market 04:00, post-market to 20:00 (half days 17:00)."""
    import exchange_calendars

    schedule = exchange_calendars.get_calendar("XNYS", start=start.isoformat(), end=end.isoformat()).schedule
    sessions = []
    for stamp, row in schedule.iterrows():
        on = stamp.date()
        opens, closes = row["open"].to_pydatetime(), row["close"].to_pydatetime()
        half = closes.astimezone(EASTERN).time() < dt.time(16)
        post = HALF_DAY_POST_CLOSE if half else POST_CLOSE
        sessions.append(
            MarketSession(
                on=on,
                pre_open_at=dt.datetime.combine(on, PRE_OPEN, EASTERN).astimezone(dt.UTC),
                open_at=opens,
                close_at=closes,
                post_close_at=dt.datetime.combine(on, post, EASTERN).astimezone(dt.UTC),
                half_day=half,
            )
        )
    return sessions


def load_calendar(state_dir: Path, around: dt.date) -> XnysCalendar:
    """Read the cached sessions, computing them first where the file is absent or does not reach far enough."""
    path = state_dir / "calendar.json"
    sessions = _read(path)
    margin = dt.timedelta(days=60)
    if not sessions or sessions[0].on > around - margin or sessions[-1].on < around + margin:
        start, end = around - dt.timedelta(days=400), around + dt.timedelta(days=300)
        command = [sys.executable, "-m", "adapters.calendar", start.isoformat(), end.isoformat(), str(path)]
        subprocess.run(command, check=True, cwd=Path(__file__).parent.parent)  # noqa: S603  (our own module)
        sessions = _read(path)
    return XnysCalendar(sessions)


def _read(path: Path) -> list[MarketSession]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[MarketSession])
    except (OSError, msgspec.MsgspecError):
        return []


def _write(path: Path, sessions: list[MarketSession]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{dt.datetime.now(dt.UTC).timestamp()}.tmp")
    partial.write_bytes(msgspec.json.encode(sessions))
    partial.replace(path)


if __name__ == "__main__":
    _write(Path(sys.argv[3]), compute(dt.date.fromisoformat(sys.argv[1]), dt.date.fromisoformat(sys.argv[2])))
