"""One-time tokens for confirmations: bound to a user, good once, for a minute unless said otherwise."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LIFETIME_S = 60.0
MOST = 256


@dataclass(frozen=True, slots=True)
class _Pending:
    user_id: int
    payload: tuple[str, ...]
    until: float


class Nonces:
    """Pending confirmations in memory; a restart forgets them, which is the safe side."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._pending: dict[str, _Pending] = {}

    def issue(self, user_id: int, *payload: str, lifetime_s: float = LIFETIME_S) -> str:
        while len(self._pending) >= MOST:
            del self._pending[next(iter(self._pending))]
        nonce = secrets.token_hex(8)
        self._pending[nonce] = _Pending(user_id, payload, self._now() + lifetime_s)
        return nonce

    def take(self, user_id: int, nonce: str) -> tuple[str, ...] | None:
        """The payload, once, for the same user, in time."""
        found = self._pending.get(nonce)
        if found is None or found.user_id != user_id:
            return None
        del self._pending[nonce]
        return found.payload if self._now() <= found.until else None
