"""How far KIS's clock is from ours, by the Date header of its answers."""

import collections
import datetime as dt
import email.utils
import statistics

# The header has whole seconds, cut off.
HALF = dt.timedelta(seconds=0.5)
KEPT = 5
# A slower answer says too little about when the header was written.
SLOWEST_S = 1.0


class SkewMeter:
    """The median of the last few answers; `speed` is that of both clocks. Thread-safe."""

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._seen: collections.deque[float] = collections.deque(maxlen=KEPT)

    def see(self, header: str | None, sent_at: dt.datetime, got_at: dt.datetime, took_s: float) -> None:
        """Take one answer: our instants before and after it, and how many real seconds it took."""
        if not header or took_s > SLOWEST_S:
            return
        try:
            theirs = email.utils.parsedate_to_datetime(header)
        except (ValueError, TypeError, IndexError, OverflowError):
            return
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=dt.UTC)
        ours = sent_at + (got_at - sent_at) / 2
        self._seen.append((theirs + HALF - ours).total_seconds() / self._speed)

    def skew_s(self) -> float | None:
        """Real seconds that KIS is ahead of us, to about a second; None before the first answer."""
        seen = tuple(self._seen)
        return statistics.median(seen) if seen else None
