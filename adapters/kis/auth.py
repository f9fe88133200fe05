"""KIS credentials and the access token: one private file and one issue a minute for all processes, renewed early."""

import contextlib
import datetime as dt
import enum
import logging
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from adapters.kis import codes
from adapters.kis.pace import Turn
from adapters.kis.ratefile import Held, LockedFile
from ports.broker import BrokerUnavailable
from ports.clock import Clock

log = logging.getLogger(__name__)

ISSUE_EVERY_S = 61.0
AFTER_FAILURE_S = 10.0
# How long an issue may take; one that takes longer belonged to a process that died.
FLIGHT_S = 20.0
# A token with less life than EARLY is renewed by the next call that can wait, and serves on until SPARE.
EARLY = dt.timedelta(hours=1)
EARLY_AGAIN = dt.timedelta(minutes=5)
EARLY_PATIENCE_S = 4.0
SPARE = dt.timedelta(minutes=1)
POLL_S = 0.05
RULE_WAIT_S = 1.0
HEADER = re.compile(r"[A-Za-z]+ [!-~]+", re.ASCII)
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
        dashed = f"{number[:8]}-{number[8:] or '01'}"
        keys = (self.appkey, self.appsecret, self.quote_appkey, self.quote_appsecret)
        return (*keys, self.account, number, dashed, number[:8], self.hts_id)


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

    @property
    def sendable(self) -> bool:
        """Whether it can stand in a header."""
        # a blank scheme or a blank inside would make a header that is never sent, for as long as the token lives
        return HEADER.fullmatch(self.header) is not None


def token_of(reply: TokenReply, now: dt.datetime) -> Token:
    """The token with the earlier of its two expiries. Raises ValueError where KIS's text is not a time."""
    until = dt.datetime.strptime(reply.access_token_token_expired, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SEOUL)
    ends = min(until, now + dt.timedelta(seconds=reply.expires_in))
    return Token(reply.access_token, reply.token_type, ends.astimezone(dt.UTC))


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """When KIS may be asked for a token; the content of the lock file. Epoch seconds of the market clock.

    `asked_at` is the last request that KIS may have honoured, `busy_until` that of a process that waits for its answer.
    """

    not_before: float = 0.0
    asked_at: float = 0.0
    busy_until: float = 0.0

    def sane(self, now: float) -> "Asking":
        """Without what a clock that was put back, or another program, left in the future."""
        return Asking(
            not_before=self.not_before if self.not_before <= now + ISSUE_EVERY_S else 0.0,
            asked_at=self.asked_at if self.asked_at <= now else 0.0,
            busy_until=self.busy_until if self.busy_until <= now + FLIGHT_S else 0.0,
        )


class Claim(enum.Enum):
    """Whether this process may ask for a token now."""

    OURS = enum.auto()
    BUSY = enum.auto()
    TOO_SOON = enum.auto()


class IssueRule:
    """One issue a minute and one at a time, over all processes that share the lock file, also after a restart."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._file, self._clock = LockedFile(path), clock
        # what this process knows by itself, for a disk that keeps nothing
        self._own = Asking()

    def claim(self) -> Claim:
        """Take the right to ask once; `settle` gives it back."""
        with self._file.hold(RULE_WAIT_S) as held:
            now = self._now()
            known = self._known(held, now)
            if now < known.busy_until:
                return Claim.BUSY
            if now < known.not_before:
                return Claim.TOO_SOON
            waits = now + AFTER_FAILURE_S
            self._keep(held, Asking(not_before=waits, asked_at=known.asked_at, busy_until=now + FLIGHT_S))
            return Claim.OURS

    def settle(self, code: str | None) -> None:
        """Keep what follows from the answer: None for a token, else the code of the failure."""
        with self._file.hold(RULE_WAIT_S) as held:
            now = self._now()
            before = self._known(held, now).asked_at
            recent = before if before > now - ISSUE_EVERY_S else now
            match code:
                case None:
                    kept = Asking(not_before=now + ISSUE_EVERY_S, asked_at=now)
                case codes.TOKEN_TOO_SOON:
                    kept = Asking(not_before=recent + ISSUE_EVERY_S, asked_at=before)
                case codes.LOST | codes.TIMED_OUT:
                    # KIS may have issued one: should it say so, the minute counts from here
                    kept = Asking(not_before=now + AFTER_FAILURE_S, asked_at=recent)
                case _:
                    kept = Asking(not_before=now + AFTER_FAILURE_S, asked_at=before)
            self._keep(held, kept)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _known(self, held: Held | None, now: float) -> Asking:
        if held is None:
            return self._own.sane(now)
        try:
            return msgspec.convert(held.read(), type=Asking).sane(now)
        except ValueError:
            return self._own.sane(now)

    def _keep(self, held: Held | None, asking: Asking) -> None:
        self._own = asking
        if held is not None:
            held.write(msgspec.to_builtins(asking))


class TokenKeeper:
    """One key's token. Thread-safe; `issue` performs the HTTP call and raises BrokerUnavailable."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        issue: Callable[[Turn], TokenReply],
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._path, self._clock, self._issue, self._sleep = path, clock, issue, sleep
        self._rule = IssueRule(path.with_suffix(".lock"), clock)
        self._fields = threading.Lock()
        self._flight = threading.Lock()
        self._token: Token | None = None
        self._dropped = ""
        self._renew_after = dt.datetime.min.replace(tzinfo=dt.UTC)
        self.issues = 0

    def token(self, turn: Turn, *, patient: bool = False) -> Token:
        """A living token: the one at hand, else the file's (another process may have renewed it), else a new one.

        A `patient` caller renews one that nears its end, and gets the old one where that fails. Raises BrokerUnavailable.
        """
        token = self._at_hand()
        if token is None:
            return self._awaited(turn)
        if patient and self._nears_its_end(token):
            self._renew(turn)
            return self._at_hand() or token
        return token

    def drop(self, text: str) -> None:
        """Forget a token that KIS refused, unless it has been replaced in the meantime."""
        with self._fields:
            if self._token is not None and self._token.text == text:
                self._token, self._dropped = None, text

    def _at_hand(self) -> Token | None:
        with self._fields:
            if not self._alive(self._token):
                self._token = self._stored()
            return self._token

    def _alive(self, token: Token | None) -> bool:
        if token is None or token.text == self._dropped or not token.sendable:
            return False
        return token.expires_at - self._clock.now() > SPARE

    def _nears_its_end(self, token: Token) -> bool:
        now = self._clock.now()
        return token.expires_at - now < EARLY and now >= self._renew_after

    def _stored(self) -> Token | None:
        try:
            token = msgspec.json.decode(self._path.read_bytes(), type=Token)
            return token if self._alive(token) else None
        except (OSError, ValueError, TypeError, OverflowError):
            return None

    def _awaited(self, turn: Turn) -> Token:
        """A new token, ours or that of whoever is asking for one now."""
        if not self._flight.acquire(timeout=turn.left_s):
            raise BrokerUnavailable("another call still waits for a token", code=codes.TOKEN_TOO_SOON)
        try:
            while True:
                # the call that had the flight before us may have brought it
                if (token := self._at_hand()) is not None:
                    return token
                claim = self._rule.claim()
                if claim is Claim.OURS:
                    return self._asked(turn)
                if claim is Claim.TOO_SOON or turn.left_s == 0:
                    if (token := self._at_hand()) is not None:
                        # saved between our look at the file and our look at the rule
                        return token
                    raise BrokerUnavailable("KIS issues one token a minute", code=codes.TOKEN_TOO_SOON)
                self._sleep(POLL_S)
        finally:
            self._flight.release()

    def _renew(self, turn: Turn) -> None:
        """Replace a token that still lives; failing is no trouble."""
        if not self._flight.acquire(blocking=False):
            return
        try:
            stored = self._stored()
            if stored is not None and not self._nears_its_end(stored):
                with self._fields:
                    self._token = stored
            elif self._rule.claim() is Claim.OURS:
                self._renew_after = self._clock.now() + EARLY_AGAIN
                patience = time.monotonic() + EARLY_PATIENCE_S
                self._asked(Turn(turn.rank, min(turn.until, patience)))
        except BrokerUnavailable as error:
            log.warning("KIS gave no new token yet: %s", error.code)
        finally:
            self._flight.release()

    def _asked(self, turn: Turn) -> Token:
        """Ask KIS; the claim is ours."""
        code: str | None = codes.LOST
        try:
            token = self._checked(self._issue(turn))
            # saved before the claim is given back, so that whoever waits for it finds it
            self._save(token)
            code = None
        except BrokerUnavailable as error:
            code = error.code
            raise
        finally:
            self._rule.settle(code)
        with self._fields:
            # KIS returns the same token within six hours, even one that it had refused before
            self._token, self._dropped = token, ""
        self.issues += 1
        return token

    def _checked(self, reply: TokenReply) -> Token:
        try:
            token = token_of(reply, self._clock.now())
        except (ValueError, OverflowError):
            raise BrokerUnavailable("KIS issued a token without an expiry", code=codes.BAD_ANSWER) from None
        if not token.sendable or token.expires_at - self._clock.now() <= SPARE:
            raise BrokerUnavailable("KIS issued a token that is not valid now", code=codes.BAD_ANSWER)
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
