"""Alarms that need neither bot nor database: what deserves one, and the Telegram message itself. Standard library only."""

import http.client
import json
import logging
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping

log = logging.getLogger("alarms")
WINDOW_S, OFTEN, AGAIN_S, STEADY_S = 600.0, 3, 1800.0, 300.0
MOST_WAITING, RETRY_S, CALL_S = 20, 30.0, 8.0


class Deaths:
    """Which programs die too often. Every alarm is told once, again after half an hour, and taken back when it is over."""

    def __init__(self) -> None:
        self._deaths: dict[str, deque[float]] = {}
        self._told: dict[str, float] = {}

    def died(self, name: str, now: float) -> int:
        """Count a death; how many there were lately if that must be told now, else 0."""
        recent = self._deaths.setdefault(name, deque(maxlen=1000))
        recent.append(now)
        while recent and now - recent[0] > WINDOW_S:
            recent.popleft()
        return len(recent) if len(recent) >= OFTEN and self.may_tell(name, now) else 0

    def may_tell(self, name: str, now: float) -> bool:
        """Whether an alarm about a program is due; remembers that it was told."""
        told = self._told.get(name)
        if told is not None and now - told < AGAIN_S:
            return False
        self._told[name] = now
        return True

    def steady(self, now: float) -> list[str]:
        """Programs that were told of and have not died since for a while."""
        over = [
            name for name, told in self._told.items() if now - max(told, *self._deaths.get(name, ()), told) >= STEADY_S
        ]
        for name in over:
            del self._told[name]
        return over


class Telegram:
    """Messages straight to the owners, in order; what can't be sent now waits (bounded, the oldest goes first)."""

    def __init__(self, env: Mapping[str, str], post: Callable[[str, bytes], None] | None = None) -> None:
        token = env.get("TELEGRAM_BOT_TOKEN", "").strip()
        owners = env.get("TELEGRAM_OWNER_IDS", "").replace(" ", "").split(",")
        self._owners = [int(owner) for owner in owners if owner.isdigit()] if token else []
        server = (env.get("TELEGRAM_API_URL") or "https://api.telegram.org").rstrip("/")
        self._url = f"{server}/bot{token}/sendMessage"
        self._post = post or _post
        self._waiting: deque[tuple[int, str]] = deque(maxlen=MOST_WAITING)
        self._not_before = 0.0

    def say(self, text: str) -> None:
        """Queue a message to every owner."""
        log.error("%s", text.replace("\n", " | "))
        self._waiting.extend((owner, text) for owner in self._owners)

    def send(self, now: float) -> None:
        """Send what waits; after a failure not before half a minute has passed. Never raises."""
        while self._waiting and now >= self._not_before:
            owner, text = self._waiting[0]
            try:
                self._post(self._url, json.dumps({"chat_id": owner, "text": text}).encode())
            except urllib.error.HTTPError as error:
                # a person who has blocked the bot, or a wrong token: repeating helps nobody
                log.error("an alarm was refused: HTTP %d", error.code)
                if error.code == 429 or error.code >= 500:
                    self._not_before = now + RETRY_S
                    return
            except (OSError, http.client.HTTPException, ValueError) as error:
                # only the kind: the address holds the token
                log.error("an alarm waits: %s", type(error).__name__)
                self._not_before = now + RETRY_S
                return
            self._waiting.popleft()


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(url, body, {"content-type": "application/json"})  # noqa: S310 - from .env
    with urllib.request.urlopen(request, timeout=CALL_S) as answer:  # noqa: S310
        answer.read(4096)
