"""One request with a deadline: status, JSON and the Date header, or that the service was not reached."""

import datetime as dt
import email.utils
import json
import time
from collections.abc import Callable, Mapping

import aiohttp
import msgspec

LARGEST = 1_000_000
CONNECT_S = 4.0


class Unreached(Exception):
    """No answer: the text names the kind of trouble, never an address."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back; `body` is the JSON object, empty where it was none. `sent_at` and `got_at` are epoch seconds."""

    status: int
    body: dict[str, object]
    date: dt.datetime | None
    sent_at: float
    got_at: float


async def ask(
    url: str,
    *,
    params: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 8.0,
    proxies: bool = False,
    wall: Callable[[], float] = time.time,
) -> Answer:
    """GET; redirects are not followed. Raises Unreached. `proxies`: as the environment says, which the bot's client obeys."""
    limit = aiohttp.ClientTimeout(total=timeout_s, connect=min(CONNECT_S, timeout_s))
    sent_at = wall()
    try:
        async with (
            aiohttp.ClientSession(timeout=limit, trust_env=proxies) as session,
            session.get(url, params=params, headers=headers, allow_redirects=False) as response,
        ):
            content = await response.content.read(LARGEST)
            while not response.content.at_eof() and len(content) < LARGEST:
                content += await response.content.read(LARGEST - len(content))
            return Answer(
                status=response.status,
                body=_object(content),
                date=_date(response.headers.get("Date")),
                sent_at=sent_at,
                got_at=wall(),
            )
    except TimeoutError:
        raise Unreached("timeout") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise Unreached(_kind(error)) from None


def _kind(error: BaseException) -> str:
    """A name that a person can look up: DNS, refused, certificate, or the exception's own."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "TLS"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "DNS"
    if isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, ConnectionRefusedError):
        return "connection refused"
    if isinstance(error, aiohttp.InvalidURL):
        return "invalid address"
    return type(error).__name__


def _object(content: bytes) -> dict[str, object]:
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _date(header: str | None) -> dt.datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(header or "")
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)
