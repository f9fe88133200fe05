"""Requests per market second, counted over a sliding window."""

from collections import deque
from datetime import datetime, timedelta

WINDOW = timedelta(seconds=1)


class RateLimit:
    """Refused requests do not count: KIS lets a rejected call be sent again at once."""

    def __init__(self, per_second: int) -> None:
        self.per_second = per_second
        self._passed: deque[datetime] = deque()
        self.refused = 0

    def admit(self, now: datetime) -> bool:
        while self._passed and now - self._passed[0] >= WINDOW:
            self._passed.popleft()
        if len(self._passed) >= self.per_second:
            self.refused += 1
            return False
        self._passed.append(now)
        return True
