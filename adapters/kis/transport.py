"""What leaves this process for KIS: bounded HTTP adapters, the one-POST ticket and the scrubber of texts and logs."""

import logging
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError, ReadTimeoutError

CONNECT_S = 3.0
POOL = 4
CHUNK = 65_536
LARGEST = 4_000_000
# The loggers of urllib3 that write addresses; KIS's carry the account number.
URLLIB3_LOGGERS = (
    "urllib3",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.poolmanager",
    "urllib3.response",
    "urllib3.util.retry",
)


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


class OrderAdapter(BaseAdapter):
    """The only way to the order endpoints: without this thread's unspent ticket nothing leaves.

    python-kis resends a POST for as long as KIS answers EGW00201 or EGW00123; here the second one meets a spent ticket.
    Each order opens a connection of its own, so that a kept-alive one that died in between cannot make it ambiguous.
    """

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s
        self._tickets = threading.local()

    def arm(self, ticket: Ticket | None) -> None:
        """Give the present thread its ticket, or take it away."""
        self._tickets.ticket = ticket

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Spend the ticket, then send. Raises NotSent without one."""
        ticket: Ticket | None = getattr(self._tickets, "ticket", None)
        if ticket is None:
            raise NotSent("an order endpoint needs a ticket")
        own = BoundedAdapter(self._timeout_s)
        ticket.spend()
        try:
            return own.send(request, *args, **kwargs)
        finally:
            # what is under way stays open until its answer has been read
            own.close()

    def close(self) -> None:
        """Nothing to release: no connection is kept."""


class Scrubber:
    """Takes secrets and account numbers out of texts that may be shown or logged, also where they are percent-encoded."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self.add(*secrets)

    def add(self, *secrets: str) -> None:
        """Learn secrets that came later, such as a token."""
        known = [secret for secret in secrets if len(secret) >= 6]
        self._secrets |= {*known, *(quote(secret, safe="") for secret in known)}

    def __call__(self, text: str) -> str:
        """`text` without anything secret, on one line and of bounded length."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        return " ".join(text.split())[:200]


class _LogFilter(logging.Filter):
    """Lets warnings of a library through without secrets and tracebacks, and nothing less than a warning."""

    def __init__(self) -> None:
        super().__init__()
        self.scrub = Scrubber()

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record in place."""
        record.msg, record.args = self.scrub(record.getMessage()), ()
        record.exc_info = record.exc_text = record.stack_info = None
        return record.levelno >= logging.WARNING


_LOG_FILTER = _LogFilter()


def never_connected(error: Exception) -> bool:
    """Whether a failed request provably sent no byte: no connection was ever made."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def read_body(response: requests.Response, until: float) -> bytes:
    """The body, read no longer than to the monotonic instant `until`: a trickle resets the time-out of each read.

    Raises requests' own errors, as for a body that breaks off or has another length than it said.
    """
    found = bytearray()
    try:
        while data := response.raw.read1(CHUNK, decode_content=True):
            found += data
            if len(found) > LARGEST or time.monotonic() > until:
                raise requests.ReadTimeout("the body does not end")
    except ReadTimeoutError:
        raise requests.ReadTimeout("the body stopped") from None
    except (HTTPError, OSError) as error:
        if isinstance(error, requests.RequestException):
            raise
        raise requests.exceptions.ChunkedEncodingError(type(error).__name__) from None
    return bytes(found)


def hush_libraries(secrets: Iterable[str] = ()) -> None:
    """Stop python-kis from writing to stdout, and urllib3 from logging addresses that carry the account number."""
    library = logging.getLogger("pykis")
    library.handlers[:] = [logging.NullHandler()]
    library.propagate = False
    library.setLevel(logging.CRITICAL)
    _LOG_FILTER.scrub.add(*secrets)
    for name in URLLIB3_LOGGERS:
        # the same filter is added once only
        logging.getLogger(name).addFilter(_LOG_FILTER)
