"""The guardian's HTTP to KIS: one request at a time, the token and the limit shared with the trader. Standard library only."""

import contextlib
import datetime as dt
import functools
import http.client
import json
import math
import os
import re
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from adapters.kis import codes
from adapters.kis.ratefile import LockedFile, SharedWindow, fingerprint, rate_path
from services.fence import replace
from services.guardian_files import parse, read_json, scaled_now

TIMEOUT_S, CALL_S, QUEUE_S, MOST_BYTES = 5.0, 8.0, 6.0, 2_000_000
REAL_RATE, PAPER_RATE, PERIOD_S, SLACK_S = 18.0, 1.0, 1.1, 0.01
ISSUE_EVERY_S, AFTER_FAILURE_S, FLIGHT_S, LIFE_S = 61.0, 10.0, 20.0, 86_400.0
# refused for how or when it was asked, not for what: the next one may pass
SOON = codes.TOKEN_DEAD | codes.RATE_LIMITED | {codes.NOT_SENT}
CODE = re.compile(r"[A-Z]{0,4}[0-9]{4,8}", re.ASCII)
Row = dict[str, object]


class GuardianTrouble(Exception):
    """A call failed, or nobody knows; the guardian tries again in its next round. The text holds no secrets."""


class GuardianRefused(GuardianTrouble):
    """KIS definitely did not take an order; `soon` where the same order may pass in the next round."""

    def __init__(self, code: str, text: str = "") -> None:
        super().__init__(f"{code} {text}".strip())
        self.code, self.soon = code, code in SOON


@dataclass(frozen=True, repr=False)
class Access:
    """Host and credentials; `paper` selects the transaction ids of 모의투자."""

    base_url: str
    quote_url: str
    appkey: str
    appsecret: str
    account: str
    paper: bool
    rate_per_s: float = 15.0

    def __repr__(self) -> str:
        return "Access(***)"


@dataclass(frozen=True)
class Answer:
    """KIS's answer; an unreadable one has no body."""

    status: int
    body: Row
    more: bool

    @property
    def code(self) -> str:
        """KIS's message code; the HTTP status where there is nothing that looks like one."""
        code = str(self.body.get("msg_cd") or self.body.get("error_code") or "").strip()
        return code if CODE.fullmatch(code) else f"HTTP{self.status}"

    @property
    def ok(self) -> bool:
        """Whether KIS did what it was asked."""
        return self.status == 200 and str(self.body.get("rt_cd", "")).strip() == "0"

    @property
    def token_dead(self) -> bool:
        """Whether KIS refused the token, by its code or, without one, in words."""
        words = f"{self.body.get('msg1', '')} {self.body.get('error_description', '')}"
        return self.code in codes.TOKEN_DEAD or (
            self.code.startswith("HTTP") and codes.speaks_of_token(self.status, words)
        )


class Session:
    """Authorised requests to one account. What was refused before it left is GuardianRefused, what may have arrived is not."""

    def __init__(self, access: Access, token_dir: Path, wall: Callable[[], float]) -> None:
        self._access, self._wall = access, wall
        number = access.account.replace("-", "")
        self.account = {"CANO": number[:8], "ACNT_PRDT_CD": number[8:] or "01"}
        self._secrets: list[str] = [access.appkey, access.appsecret, access.account, number, number[:8]]
        base = access.base_url.rstrip("/")
        self._token_file = token_dir / f"kis-token-{fingerprint(base, access.appkey)}.json"
        self._rule = LockedFile(self._token_file.with_suffix(".lock"))
        self._refused: set[str] = set()
        self._token, self._not_before = "", 0.0
        rate = PAPER_RATE if access.paper else min(REAL_RATE, access.rate_per_s)
        calls = max(1, int(rate))
        period_s = PERIOD_S * max(1.0, calls / rate) / float(os.environ.get("SEOHAK_CLOCK_SPEED", "1")) + SLACK_S
        self._window = SharedWindow(rate_path(token_dir, base, access.appkey), calls, period_s)

    def words(self, answer: Answer) -> str:
        """KIS's code and text without secrets."""
        # scrubbed before it is cut: half a secret would not be recognised
        return self._scrubbed(f"{answer.code} {str(answer.body.get('msg1', '')).strip()}")[:200]

    def _scrubbed(self, text: str) -> str:
        for secret in filter(None, self._secrets):
            text = text.replace(secret, "***")
        return text

    def call(
        self, method: str, base: str, path: str, tr_id: str, fields: dict[str, str], *, more: bool = False
    ) -> Answer:
        """One authorised request. Raises GuardianRefused where it did not leave, GuardianTrouble where its answer was lost."""
        token = self._bearer()
        headers = {
            "content-type": "application/json; charset=utf-8",
            "authorization": f"Bearer {token}",
            "appkey": self._access.appkey,
            "appsecret": self._access.appsecret,
            "tr_id": tr_id,
            "custtype": "P",
            **({"tr_cont": "N"} if more else {}),
        }
        answer = self._sent(method, base, path, headers, fields)
        if answer.token_dead:
            self._refused.add(token)
            self._token = ""
        return answer

    def _sent(self, method: str, base: str, path: str, headers: dict[str, str], fields: dict[str, str]) -> Answer:
        """One request in its turn. Raises GuardianRefused where it certainly did not leave, else GuardianTrouble."""
        name = path.rsplit("/", 1)[1]
        if not self._window.acquire(QUEUE_S):
            raise GuardianRefused(codes.NOT_SENT, f"{name}: the limit of requests is used up")
        target = f"{path}?{urlencode(fields)}" if method == "GET" else path
        body = None if method == "GET" else json.dumps(fields)
        connection: http.client.HTTPConnection | None = None
        left = False
        try:
            connection = _connection(base)
            connection.connect()
            left = True
            connection.request(method, target, body=body, headers=headers)
            return _read(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            words = f"{name}: {type(error).__name__}"
            raise (GuardianTrouble(words) if left else GuardianRefused(codes.NOT_SENT, words)) from None
        finally:
            if connection is not None:
                connection.close()

    def _bearer(self) -> str:
        """Our token, else the one the trader keeps, else a new one (KIS allows one issue a minute to both of us)."""
        kept = read_json(self._token_file)
        text = kept.get("text") if isinstance(kept, dict) else None
        if isinstance(text, str) and text.isascii() and text.isprintable() and text and text not in self._refused:
            self._token = text
        elif not self._token:
            self._token = self._issue()
        if self._token not in self._secrets:
            self._secrets.append(self._token)
        return self._token

    def _issue(self) -> str:
        """Ask for a token under the trader's rule (adapters.kis.auth): a shared file says when it may be asked for."""
        now = self._claim()
        body = {"grant_type": "client_credentials", "appkey": self._access.appkey, "appsecret": self._access.appsecret}
        headers = {"content-type": "application/json"}
        try:
            answer = self._sent("POST", self._access.base_url, "/oauth2/tokenP", headers, body)
        except GuardianTrouble as trouble:
            self._settle(now, AFTER_FAILURE_S)
            raise GuardianRefused(codes.NOT_SENT, f"no token: {trouble}") from None
        token = answer.body.get("access_token")
        issued = isinstance(token, str) and bool(token)
        self._settle(now, ISSUE_EVERY_S if issued or answer.code == codes.TOKEN_TOO_SOON else AFTER_FAILURE_S)
        if not issued:
            raise GuardianRefused(codes.NOT_SENT, f"no token: {self._scrubbed(answer.code)}")
        # KIS gives the same token again within six hours, even one that it has refused
        self._refused.clear()
        self._keep(str(token), _instant(answer.body.get("expires_in")) or LIFE_S)
        return str(token)

    def _claim(self) -> float:
        """The present instant, when it is our turn to ask. Raises GuardianRefused."""
        now = scaled_now(self._wall()).timestamp()
        with self._rule.hold() as held:
            found = held.read() if held is not None else None
            known = found if isinstance(found, dict) else {}
            busy, waits = _instant(known.get("busy_until")), _instant(known.get("not_before"))
            # what lies further in the future was left by another clock
            shared = now < busy <= now + FLIGHT_S or now < waits <= now + ISSUE_EVERY_S
            if shared or now < self._not_before <= now + ISSUE_EVERY_S:
                raise GuardianRefused(codes.NOT_SENT, "waiting before asking for another token")
            self._not_before = now + AFTER_FAILURE_S
            if held is not None:
                held.write({"not_before": self._not_before, "asked_at": now, "busy_until": now + FLIGHT_S})
        return now

    def _settle(self, asked_at: float, pause_s: float) -> None:
        self._not_before = asked_at + pause_s
        with self._rule.hold() as held:
            if held is not None:
                held.write({"not_before": self._not_before, "asked_at": asked_at, "busy_until": 0.0})

    def _keep(self, token: str, lives_s: float) -> None:
        """Put the token where the trader, and this process after a restart, find it."""
        ends = scaled_now(self._wall()) + dt.timedelta(seconds=min(lives_s, LIFE_S))
        kept = json.dumps({"text": token, "scheme": "Bearer", "expires_at": ends.isoformat()}).encode()
        with contextlib.suppress(OSError):
            replace(self._token_file, kept, mode=0o600)


@functools.cache
def _trust() -> ssl.SSLContext:
    return ssl.create_default_context()


def _connection(base: str) -> http.client.HTTPConnection:
    address = urlsplit(base)
    if address.scheme == "https":
        return http.client.HTTPSConnection(address.netloc, timeout=TIMEOUT_S, context=_trust())
    return http.client.HTTPConnection(address.netloc, timeout=TIMEOUT_S)


def _read(connection: http.client.HTTPConnection) -> Answer:
    """The answer, if it comes in time and is not too long; redirects are not followed."""
    until, content = time.monotonic() + CALL_S, b""
    response = connection.getresponse()
    while chunk := response.read1(65_536):
        content += chunk
        if len(content) > MOST_BYTES or time.monotonic() > until:
            raise TimeoutError
    body = parse(content)
    more = (response.getheader("tr_cont") or "").strip() in {"F", "M"}
    return Answer(response.status, body if isinstance(body, dict) else {}, more)


def _instant(value: object) -> float:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else 0.0
