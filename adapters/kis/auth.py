"""KIS credentials and the access token: kept in a private file, issued at most once a minute, dropped when it dies early."""

import contextlib
import datetime as dt
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from adapters.kis import codes
from ports.broker import BrokerUnavailable
from ports.clock import Clock

ISSUE_EVERY = dt.timedelta(seconds=61)
AFTER_FAILURE = dt.timedelta(seconds=10)
# A token with less life than this left is replaced before it can expire in the middle of a call.
SPARE = dt.timedelta(minutes=10)
SEOUL = dt.timezone(dt.timedelta(hours=9))


class KisCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """One account (12345678-01) and its application key; in paper, optionally a real key for quotes alone."""

    hts_id: str
    appkey: str
    appsecret: str
    account: str
    quote_appkey: str = ""
    quote_appsecret: str = ""

    def __repr__(self) -> str:
        return "KisCredentials(***)"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Everything that must appear in no message and no log."""
        number = self.account.replace("-", "")
        return (self.appkey, self.appsecret, self.quote_appkey, self.quote_appsecret, self.account, number, number[:8])


class TokenReply(msgspec.Struct, frozen=True):
    """KIS's answer to a token request (kis.md 3.1); the expiry is in Korean time."""

    access_token: str
    access_token_token_expired: str
    token_type: str = "Bearer"  # noqa: S105 - the scheme's name
    expires_in: int = 86_400

    def __repr__(self) -> str:
        return "TokenReply(***)"


class Token(msgspec.Struct, frozen=True):
    """A token and the end of its life; the content of the token file."""

    text: str
    scheme: str
    expires_at: dt.datetime

    def __repr__(self) -> str:
        return "Token(***)"

    @property
    def header(self) -> str:
        """The value of the Authorization header."""
        return f"{self.scheme} {self.text}"


def token_of(reply: TokenReply, now: dt.datetime) -> Token:
    """The token with the earlier of its two expiries. Raises ValueError where KIS's text is not a time."""
    until = dt.datetime.strptime(reply.access_token_token_expired, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SEOUL)
    ends = min(until, now + dt.timedelta(seconds=reply.expires_in))
    return Token(reply.access_token, reply.token_type, ends.astimezone(dt.UTC))


class TokenKeeper:
    """One key's token. Thread-safe; `issue` performs the HTTP call and raises BrokerUnavailable."""

    def __init__(self, path: Path, clock: Clock, issue: Callable[[], TokenReply]) -> None:
        self._path, self._clock, self._issue = path, clock, issue
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._dropped = ""
        self._not_before: dt.datetime | None = None
        self.issues = 0

    def token(self) -> Token:
        """A living token: the one at hand, else the file's (another process may have renewed it), else a new one."""
        with self._lock:
            if not self._alive(self._token):
                self._token = self._stored() or self._issued()
            assert self._token is not None
            return self._token

    def drop(self, text: str) -> None:
        """Forget a token that KIS refused, unless it has been replaced in the meantime."""
        with self._lock:
            if self._token is not None and self._token.text == text:
                self._token, self._dropped = None, text

    def _alive(self, token: Token | None) -> bool:
        if token is None or token.text == self._dropped:
            return False
        return token.expires_at - self._clock.now() > SPARE

    def _stored(self) -> Token | None:
        try:
            token = msgspec.json.decode(self._path.read_bytes(), type=Token)
            return token if self._alive(token) else None
        except (OSError, ValueError, TypeError):
            return None

    def _issued(self) -> Token:
        now = self._clock.now()
        if self._not_before is not None and now < self._not_before:
            raise BrokerUnavailable("KIS issues one token a minute", code=codes.TOKEN_TOO_SOON)
        self._not_before = now + AFTER_FAILURE
        reply = self._issue()
        try:
            token = token_of(reply, now)
        except (ValueError, OverflowError):
            raise BrokerUnavailable("KIS issued a token without an expiry", code=codes.BAD_ANSWER) from None
        # KIS returns the same token within six hours, even one that it had refused before.
        self._dropped = ""
        self._not_before = now + ISSUE_EVERY
        self.issues += 1
        if not self._alive(token):
            raise BrokerUnavailable("KIS issued a token that is not valid now", code=codes.BAD_ANSWER)
        self._save(token)
        return token

    def _save(self, token: Token) -> None:
        """Write the file so that it is never readable by others and never half written; a full disk is no reason to stop."""
        fresh = self._path.with_suffix(".new")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(token))
            fresh.replace(self._path)
