"""Access tokens: 24 hours, the same one inside six hours, one issue a minute."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.kis import refusals
from sandbox.kis.credentials import Credentials
from sandbox.kis.refusals import Refusal, RefusedError

VALID_FOR = timedelta(hours=24)
SAME_FOR = timedelta(hours=6)
ISSUE_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Token:
    text: str
    issued_at: datetime

    @property
    def expires_at(self) -> datetime:
        return self.issued_at + VALID_FOR


class TokenOffice:
    """One host's tokens. Times are market time."""

    def __init__(self, credentials: Credentials, host: str) -> None:
        self._credentials, self._host = credentials, host
        self._tokens: dict[str, Token] = {}
        self._dead: dict[str, Refusal] = {}
        self._last_issue: datetime | None = None
        self.issues = 0

    def issue(self, appkey: str, appsecret: str, grant_type: str, now: datetime) -> Token:
        """Raises RefusedError."""
        if grant_type != "client_credentials":
            raise RefusedError(refusals.BAD_GRANT)
        if appkey != self._credentials.appkey:
            raise RefusedError(refusals.BAD_APPKEY)
        if appsecret != self._credentials.appsecret:
            raise RefusedError(refusals.BAD_APPSECRET)
        if self._last_issue is not None and now - self._last_issue < ISSUE_EVERY:
            raise RefusedError(refusals.TOKEN_TOO_SOON)
        self._last_issue = now
        self.issues += 1
        newest = max(self._tokens.values(), key=lambda token: token.issued_at, default=None)
        if newest is None or now - newest.issued_at >= SAME_FOR:
            newest = Token(self._text(now), now)
            self._tokens[newest.text] = newest
        return newest

    def _text(self, now: datetime) -> str:
        digest = hashlib.sha512(f"{self._host} {now.isoformat()} {self.issues}".encode()).hexdigest()
        return f"eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzUxMiJ9.{digest}.{digest[:64]}"

    def check(self, authorization: str, now: datetime) -> None:
        """Raises RefusedError unless the header carries a living token of this host."""
        scheme, _, text = authorization.partition(" ")
        token = self._tokens.get(text.strip())
        if scheme == "Bearer" and text.strip() in self._dead:
            raise RefusedError(self._dead[text.strip()])
        if scheme != "Bearer" or token is None:
            raise RefusedError(refusals.TOKEN_INVALID)
        if now >= token.expires_at:
            raise RefusedError(refusals.TOKEN_EXPIRED)

    def revoke(self, text: str) -> bool:
        return self._tokens.pop(text, None) is not None

    def living(self) -> list[Token]:
        return list(self._tokens.values())

    def restore(self, tokens: list[Token]) -> None:
        self._tokens = {token.text: token for token in tokens}
        self._last_issue = max((token.issued_at for token in tokens), default=None)

    def revoke_all(self, words: Refusal = refusals.TOKEN_INVALID) -> int:
        """What KIS's maintenance does to tokens that are still in date: they answer with those words from now on."""
        count = len(self._tokens)
        self._dead |= dict.fromkeys(self._tokens, words)
        self._tokens.clear()
        return count
