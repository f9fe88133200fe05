"""What leaves this process for KIS: bounded HTTP adapters, the one-POST ticket, the request limiter and the scrubber."""

import collections
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import requests
from pykis.utils.rate_limit import RateLimiter  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter
from urllib3.exceptions import MaxRetryError, NewConnectionError

CONNECT_S = 3.0
POOL = 4


class NotSent(Exception):
    """The request never left: nothing can have happened at the broker."""


class Ticket:
    """The right to send one order POST. It can be used once, or voided before it is used, never both."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent = False
        self._void = False

    def spend(self) -> None:
        """Take the right to send. Raises NotSent when it was voided, or spent before."""
        with self._lock:
            if self._void or self._spent:
                raise NotSent("an order is sent at most once")
            self._spent = True

    def void(self) -> bool:
        """Forbid sending; True when nothing was sent and nothing will be."""
        with self._lock:
            self._void = True
            return not self._spent


class BoundedAdapter(HTTPAdapter):
    """Gives every request a time-out and never retries."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout = (CONNECT_S, timeout_s)
        super().__init__(pool_connections=1, pool_maxsize=POOL, max_retries=0)

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Send with our time-out where the caller (python-kis has none) gave no other."""
        return super().send(request, stream, timeout or self._timeout, verify, cert, proxies)


class OrderAdapter(BoundedAdapter):
    """The only way to the order endpoints: without this thread's unspent ticket nothing leaves.

    python-kis resends a POST for as long as KIS answers EGW00201 or EGW00123; here the second one meets a spent ticket.
    Each order opens a fresh connection, so that a kept-alive one that died in between cannot make an order ambiguous.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._tickets = threading.local()

    def arm(self, ticket: Ticket | None) -> None:
        """Give the present thread its ticket, or take it away."""
        self._tickets.ticket = ticket

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Spend the ticket, then send. Raises NotSent without one."""
        ticket: Ticket | None = getattr(self._tickets, "ticket", None)
        if ticket is None:
            raise NotSent("an order endpoint needs a ticket")
        self.poolmanager.clear()
        ticket.spend()
        return super().send(request, *args, **kwargs)


class SlidingLimiter(RateLimiter):  # type: ignore[misc] # python-kis ships no types
    """python-kis's limiter with an exact sliding window: its fixed one lets twice the rate through at a boundary."""

    __slots__ = ("_gate", "_passed", "_sleep", "_time")

    def __init__(
        self,
        rate: int,
        period: float,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(rate, period)
        self._gate = threading.Lock()
        self._passed: collections.deque[float] = collections.deque(maxlen=rate)
        self._time, self._sleep = monotonic, sleep

    def acquire(self, blocking: bool = True, blocking_callback: Callable[[], None] | None = None) -> bool:
        """Wait for a slot (or say False when not `blocking`)."""
        with self._gate:
            wait = self._passed[0] + self.period - self._time() if len(self._passed) == self.rate else 0.0
            if wait > 0:
                if not blocking:
                    return False
                if blocking_callback is not None:
                    blocking_callback()
                self._sleep(wait)
            self._passed.append(self._time())
            return True


class Scrubber:
    """Takes secrets and account numbers out of texts that may be shown or logged."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = frozenset(secret for secret in secrets if len(secret) >= 6)

    def add(self, secret: str) -> None:
        """Learn a secret that came later, such as a token."""
        if len(secret) >= 6:
            self._secrets |= {secret}

    def __call__(self, text: str) -> str:
        """`text` without anything secret, on one line and of bounded length."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return " ".join(text.split())[:200]


def never_connected(error: requests.RequestException) -> bool:
    """Whether a failed request provably sent no byte: no connection was ever made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def hush_libraries() -> None:
    """Stop python-kis from writing to stdout, and urllib3 from logging addresses that carry the account number."""
    library = logging.getLogger("pykis")
    library.handlers[:] = [logging.NullHandler()]
    library.propagate = False
    library.setLevel(logging.CRITICAL)
    logging.getLogger("urllib3").setLevel(logging.WARNING)
