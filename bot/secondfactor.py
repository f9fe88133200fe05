"""The second factor: a time-based code, each good once, and a lock after five wrong ones that survives a restart."""

import datetime as dt
import enum
import hmac
import logging
import re
from collections.abc import Awaitable, Callable

import pyotp

from ports.clock import Clock
from ports.store import ChatStore, StoreUnavailable

log = logging.getLogger(__name__)
STEP_S = 30
WINDOW = (-1, 0, 1)
MOST_FAILURES = 5
LOCKED_FOR = dt.timedelta(minutes=15)
KEPT = "second_factor"
CODE = re.compile(r"\s*\d{3}\s?\d{3}\s*")
HIDDEN = "******"


class Verdict(enum.Enum):
    """What became of a code; LOCKED is the failure that closes, CLOSED any try while it is closed."""

    GOOD = "good"
    WRONG = "wrong"
    LOCKED = "locked"
    CLOSED = "closed"


def masked(text: str) -> str:
    """What may be recorded of a message: never anything that looks like a code."""
    return HIDDEN if CODE.fullmatch(text) else text


def step_of(secret: str, code: str, at: dt.datetime, after: int) -> int | None:
    """The time step of a code near `at` and later than `after`, compared in constant time; None where it has none."""
    totp = pyotp.TOTP(secret, interval=STEP_S)
    now = int(at.timestamp()) // STEP_S
    found = None
    for shift in WINDOW:
        same = hmac.compare_digest(totp.generate_otp(now + shift).encode(), code.encode())
        if same and now + shift > after:
            found = now + shift
    return found


class SecondFactor:
    """Checks codes. `secret` reads the enrolled secret, None without enrolment, and raises OSError.

    The last accepted step, the failures and the lock are kept in the database, and in memory for when that is away.
    """

    def __init__(self, secret: Callable[[], Awaitable[str | None]] | None, chat: ChatStore, clock: Clock) -> None:
        self._secret = secret
        self._chat = chat
        self._clock = clock
        self._last, self._failures, self._locked_until = 0, 0, 0

    async def enrolled(self) -> bool:
        """Whether a code is needed; a secret that can't be read counts as one."""
        try:
            return self._secret is not None and await self._secret() is not None
        except OSError:
            log.exception("the second factor's secret can't be read")
            return True

    async def check(self, text: str) -> Verdict:
        """Judge a typed code; raises OSError where the secret can't be read."""
        at = self._clock.now()
        await self._load()
        if at.timestamp() < self._locked_until:
            return Verdict.CLOSED
        secret = await self._secret() if self._secret is not None else None
        code = "".join(text.split())
        plausible = secret is not None and CODE.fullmatch(text) is not None and code.isascii()
        step = step_of(secret, code, at, self._last) if secret is not None and plausible else None
        if step is not None:
            self._last, self._failures = step, 0
            await self._keep()
            return Verdict.GOOD
        self._failures += 1
        locked = self._failures >= MOST_FAILURES
        if locked:
            self._failures, self._locked_until = 0, int((at + LOCKED_FOR).timestamp())
        await self._keep()
        return Verdict.LOCKED if locked else Verdict.WRONG

    async def _load(self) -> None:
        try:
            kept = await self._chat.preference(0, KEPT)
        except StoreUnavailable as trouble:
            log.warning("the second factor goes by memory: %s", trouble)
            return
        if kept is None:
            return
        last, failures, locked_until = (int(part) for part in kept.split(","))
        if (last, locked_until) >= (self._last, self._locked_until):
            self._failures = max(failures, self._failures)
        self._last, self._locked_until = max(last, self._last), max(locked_until, self._locked_until)

    async def _keep(self) -> None:
        try:
            await self._chat.set_preference(0, KEPT, f"{self._last},{self._failures},{self._locked_until}")
        except StoreUnavailable as trouble:
            log.warning("the second factor's state is not kept: %s", trouble)
