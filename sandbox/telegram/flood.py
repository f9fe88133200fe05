"""Flood limits as Telegram enforces them: about one message a second into a chat, twenty a minute into a group, thirty a second in all, short bursts borne."""

import math
from dataclasses import dataclass, field

from sandbox.telegram.errors import ApiError
from sandbox.telegram.model import Clock
from sandbox.telegram.params import Params

CHAT_PER_S, CHAT_BURST = 1.0, 5.0
GROUP_PER_S, GROUP_BURST = 20 / 60, 20.0
ALL_PER_S, ALL_BURST = 30.0, 30.0
MOST_CHATS = 1_000
SENDS = ("send", "copy", "forward")
# shown for seconds or seen by nobody: Telegram does not count them as messages
FREE = frozenset({"sendchataction", "sendmessagedraft"})


@dataclass(slots=True)
class _Bucket:
    per_s: float
    burst: float
    left: float
    at: float

    def wait(self, now: float) -> float:
        """Seconds until there is room for one more."""
        self.left = min(self.burst, self.left + max(0.0, now - self.at) * self.per_s)
        self.at = now
        return 0.0 if self.left >= 1 else (1 - self.left) / self.per_s


@dataclass(slots=True)
class Flood:
    """Counts by the sandbox's own clock, so that a fast session has a fast chat. `refused` is how often it said no."""

    clock: Clock
    refused: int = 0
    _chats: dict[tuple[str, str], _Bucket] = field(default_factory=dict)
    _all: _Bucket | None = None

    def check(self, method: str, params: Params) -> ApiError | None:
        """The refusal of a call that comes too soon; an allowed one is counted."""
        name = method.lower()
        kind = "send" if name.startswith(SENDS) else "edit" if name.startswith("edit") else ""
        if not kind or name in FREE:
            return None
        now = self.clock.now().timestamp()
        self._all = self._all or _Bucket(ALL_PER_S, ALL_BURST, ALL_BURST, now)
        chat_id = params.text("chat_id")
        per_s, burst = (GROUP_PER_S, GROUP_BURST) if chat_id.startswith("-") else (CHAT_PER_S, CHAT_BURST)
        chat = self._chats.setdefault((kind, chat_id), _Bucket(per_s, burst, burst, now))
        while len(self._chats) > MOST_CHATS:
            del self._chats[next(iter(self._chats))]
        wait = max(chat.wait(now), self._all.wait(now))
        if wait > 0:
            self.refused += 1
            seconds = max(1, math.ceil(wait))
            return ApiError(429, f"Too Many Requests: retry after {seconds}", seconds)
        chat.left -= 1
        self._all.left -= 1
        return None
