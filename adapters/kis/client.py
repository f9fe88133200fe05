"""The one gateway to KIS: python-kis's account, keys, sessions and limiter, with our deadlines and one POST per order."""

import asyncio
import concurrent.futures
import contextlib
import functools
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import msgspec
import requests
from pykis import KisAuth, PyKis  # type: ignore[import-untyped]

from adapters.kis import codes, wire
from adapters.kis.auth import KisCredentials, Token, TokenKeeper, TokenReply
from adapters.kis.transport import (
    CONNECT_S,
    BoundedAdapter,
    NotSent,
    OrderAdapter,
    Scrubber,
    SlidingLimiter,
    Ticket,
    hush_libraries,
    never_connected,
)
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown
from ports.clock import Clock

log = logging.getLogger(__name__)

REAL_RATE = 18
PAPER_RATE = 1
# Paper was seen to refuse the second call after less than 1.1 s; the slack is for jitter on a scaled clock.
PERIOD_S = 1.1
SLACK_S = 0.01
TRIES = 3
PAUSE_S = 0.15
SPARE_S = 5.0
T = TypeVar("T")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What KIS answered: HTTP status, JSON body and whether pages follow (tr_cont F or M)."""

    status: int
    body: dict[str, object]
    tr_cont: str = ""

    @property
    def code(self) -> str:
        """KIS's message code."""
        return str(self.body.get("msg_cd") or self.body.get("error_code") or "").strip()

    @property
    def text(self) -> str:
        """KIS's words, unscrubbed."""
        return str(self.body.get("msg1") or self.body.get("error_description") or "").strip()

    @property
    def ok(self) -> bool:
        """Whether KIS did what it was asked."""
        return self.status == 200 and str(self.body.get("rt_cd", "")).strip() == "0"


class KisGateway:
    """Calls to one KIS account. Queries run one at a time, so that one of the two threads is always free for an order."""

    def __init__(
        self,
        credentials: KisCredentials,
        base_url: str,
        *,
        paper: bool,
        clock: Clock,
        token_dir: Path,
        quote_base_url: str = "",
        rate_per_s: float = REAL_RATE,
        timeout_s: float = 10.0,
        speed: float = 1.0,
    ) -> None:
        """`quote_base_url` is used in paper when the credentials have a real key for quotes; `speed` is that of KIS's clock."""
        hush_libraries()
        self.paper = paper
        self.scrub = Scrubber(credentials.secrets)
        self._timeout_s = timeout_s
        self._deadline_s = CONNECT_S + timeout_s + SPARE_S
        self._kis = _library(credentials, paper=paper)
        self._domain = "virtual" if paper else "real"
        own_quotes = bool(paper and credentials.quote_appkey and quote_base_url)
        self._quote_domain = "real" if own_quotes else self._domain
        # KIS serves no order book to paper keys
        self.has_order_book = not paper or own_quotes
        self._bases = {self._domain: base_url.rstrip("/")}
        self._bases.setdefault(self._quote_domain, quote_base_url.rstrip("/"))
        self._orders = OrderAdapter(timeout_s)
        self._tokens: dict[str, TokenKeeper] = {}
        for domain in ("real", "virtual"):
            self._session(domain).adapters.clear()
        for domain, base in self._bases.items():
            rate = PAPER_RATE if domain == "virtual" else min(REAL_RATE, rate_per_s)
            self._set_up(domain, base, rate, speed)
            path = token_dir / f"kis-token-{self._fingerprint(domain, base)}.json"
            self._tokens[domain] = TokenKeeper(path, clock, functools.partial(self._issue, domain))
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=2, thread_name_prefix="kis")
        self._one_query = asyncio.Semaphore(1)

    def _set_up(self, domain: str, base: str, per_s: float, speed: float) -> None:
        """Limits, and adapters for our own address alone: no other host can be reached through python-kis."""
        calls = max(1, int(per_s))
        limiter = SlidingLimiter(calls, PERIOD_S * max(1.0, calls / per_s) / speed + SLACK_S)
        self._kis._rate_limiters[domain] = limiter  # noqa: SLF001 - python-kis offers no setting
        session = self._session(domain)
        session.trust_env = False
        session.mount(base + "/", BoundedAdapter(self._timeout_s))
        session.mount(base + wire.ORDER, self._orders)

    def _session(self, domain: str) -> requests.Session:
        session: requests.Session = self._kis._sessions[domain]  # noqa: SLF001 - python-kis offers no accessor
        return session

    def _key(self, domain: str) -> dict[str, str]:
        key = self._kis.virtual_appkey if domain == "virtual" else self._kis.appkey
        assert key is not None
        built: dict[str, str] = key.build({})
        return built

    def _fingerprint(self, domain: str, base: str) -> str:
        """Names the token file; the guardian computes the same name for its own look at it."""
        return hashlib.sha256(f"{base} {self._key(domain)['appkey']}".encode()).hexdigest()[:16]

    # -- threads -----------------------------------------------------------------------------------

    async def call(self, fn: Callable[[], T]) -> T:
        """Run a blocking query. Raises BrokerUnavailable on the deadline; the thread ends by its own HTTP time-outs."""
        try:
            await asyncio.wait_for(self._one_query.acquire(), self._deadline_s)
        except TimeoutError:
            raise BrokerUnavailable("KIS is too busy", code=codes.TIMED_OUT) from None
        loop = asyncio.get_running_loop()
        future = self._pool.submit(fn)

        def release(_: object) -> None:
            # the loop may be gone by the time a late thread ends
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._one_query.release)

        future.add_done_callback(release)
        try:
            return await asyncio.wait_for(_watched(future), self._deadline_s)
        except TimeoutError:
            raise BrokerUnavailable("KIS did not answer in time", code=codes.TIMED_OUT) from None

    async def query(
        self, path: str, tr_id: str, params: Mapping[str, str], *, more: bool = False, quote: bool = False
    ) -> Answer:
        """One GET, repeated at most twice on throttling, a dead token or a cut connection. Raises BrokerUnavailable."""
        give_up = time.monotonic() + self._deadline_s
        return await self.call(lambda: self._get(path, tr_id, params, more=more, quote=quote, give_up=give_up))

    async def order(self, path: str, tr_id: str, body: Mapping[str, str]) -> Answer:
        """One POST, at most once. Raises OrderRefused (definitely not taken) or OrderUnknown; never leaves silently."""
        ticket = Ticket()
        try:
            future = self._pool.submit(self._post, ticket, path, tr_id, body)
        except RuntimeError:
            raise OrderRefused("not sent: the gateway is closed", code=codes.NOT_SENT) from None
        try:
            return await asyncio.wait_for(asyncio.shield(_watched(future)), self._deadline_s)
        except TimeoutError:
            if ticket.void():
                raise OrderRefused("not sent: KIS was too busy", code=codes.NOT_SENT) from None
            raise OrderUnknown("KIS did not answer the order in time", code=codes.TIMED_OUT) from None
        except asyncio.CancelledError:
            if ticket.void():
                raise
            raise OrderUnknown("cancelled while the order was on its way", code=codes.CANCELLED) from None

    async def close(self) -> None:
        """Let the calls under way end by their time-outs, then release connections and threads."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        self._kis.close()

    # -- what the threads do -----------------------------------------------------------------------

    def _headers(self, domain: str, tr_id: str, token: Token) -> dict[str, str]:
        self.scrub.add(token.text)
        return {
            **self._key(domain),
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": token.header,
            "tr_id": tr_id,
            "custtype": "P",
        }

    def _account(self) -> dict[str, str]:
        account: dict[str, str] = self._kis.primary.build({})
        return account

    def _get(
        self, path: str, tr_id: str, params: Mapping[str, str], *, more: bool, quote: bool, give_up: float
    ) -> Answer:
        domain = self._quote_domain if quote else self._domain
        filled = dict(params) if quote else {**self._account(), **params}
        failure = BrokerUnavailable("KIS did not answer", code=codes.LOST)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_S * attempt)
            if time.monotonic() > give_up:
                break
            token = self._tokens[domain].token()
            headers = self._headers(domain, tr_id, token)
            if more:
                headers["tr_cont"] = "N"
            try:
                answer = self._send(domain, "GET", path, headers, params=filled)
            except requests.Timeout:
                raise BrokerUnavailable("KIS did not answer in time", code=codes.TIMED_OUT) from None
            except requests.RequestException as error:
                failure = BrokerUnavailable(f"KIS was not reached: {type(error).__name__}", code=codes.LOST)
                continue
            if answer.ok:
                return answer
            failure = BrokerUnavailable(
                self.scrub(f"{answer.code} {answer.text}"), code=answer.code or codes.BAD_ANSWER
            )
            if answer.code in codes.TOKEN_DEAD:
                self._tokens[domain].drop(token.text)
            elif answer.code not in codes.RATE_LIMITED:
                break
        raise failure from None

    def _post(self, ticket: Ticket, path: str, tr_id: str, body: Mapping[str, str]) -> Answer:
        domain = self._domain
        try:
            token = self._tokens[domain].token()
        except BrokerUnavailable as error:
            ticket.void()
            raise OrderRefused(f"not sent: {error}", code=codes.NOT_SENT) from None
        self._orders.arm(ticket)
        try:
            filled = {**self._account(), **body}
            answer = self._send(domain, "POST", path, self._headers(domain, tr_id, token), json=filled)
        except NotSent:
            raise OrderRefused("not sent: it came too late", code=codes.NOT_SENT) from None
        except requests.RequestException as error:
            if never_connected(error):
                raise OrderRefused("not sent: KIS was not reached", code=codes.NOT_SENT) from None
            code = codes.TIMED_OUT if isinstance(error, requests.Timeout) else codes.LOST
            raise OrderUnknown(f"the answer was lost: {type(error).__name__}", code=code) from None
        except Exception as error:
            # whatever else a library raises, the question is only whether the order may have left
            if ticket.void():
                raise OrderRefused(f"not sent: {type(error).__name__}", code=codes.NOT_SENT) from None
            raise OrderUnknown(f"the answer was lost: {type(error).__name__}", code=codes.LOST) from None
        finally:
            self._orders.arm(None)
        if answer.ok:
            return answer
        if answer.code in codes.TOKEN_DEAD:
            self._tokens[domain].drop(token.text)
        words = self.scrub(answer.text) or f"HTTP {answer.status}"
        refused = str(answer.body.get("rt_cd", "")).strip() != "0"
        if refused and codes.refusal(answer.status, answer.code) is not None:
            raise OrderRefused(words, code=answer.code)
        raise OrderUnknown(words, code=answer.code or codes.BAD_ANSWER)

    def _issue(self, domain: str) -> TokenReply:
        body = {"grant_type": "client_credentials", **self._key(domain)}
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            answer = self._send(domain, "POST", wire.TOKEN_PATH, headers, json=body)
        except requests.RequestException as error:
            words = f"KIS was not reached for a token: {type(error).__name__}"
            raise BrokerUnavailable(words, code=codes.LOST) from None
        try:
            reply = msgspec.convert(answer.body, type=TokenReply, strict=False)
        except ValueError:
            reply = None
        if answer.status == 200 and reply is not None and reply.access_token:
            self.scrub.add(reply.access_token)
            return reply
        words = self.scrub(f"KIS gave no token: {answer.code} {answer.text}")
        raise BrokerUnavailable(words, code=answer.code or codes.BAD_ANSWER)

    def _send(
        self,
        domain: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request through python-kis's limiter and session; redirects are not followed, a POST least of all."""
        self._kis._rate_limiters[domain].acquire()  # noqa: SLF001 - python-kis offers no accessor
        response = self._session(domain).request(
            method,
            self._bases[domain] + path,
            headers=dict(headers),
            params=params,
            json=json,
            allow_redirects=False,
        )
        try:
            body = msgspec.json.decode(response.content, type=dict[str, object])
        except msgspec.MsgspecError:
            body = {}
        return Answer(status=response.status_code, body=body, tr_cont=response.headers.get("tr_cont", "").strip())


def _watched(future: "concurrent.futures.Future[T]") -> "asyncio.Future[T]":
    """The future for this loop; a result that nobody waits for any more is retrieved and logged without its content."""
    wrapped = asyncio.wrap_future(future)

    def settle(done: "asyncio.Future[T]") -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.debug("a KIS call ended with %s %s", type(error).__name__, getattr(error, "code", ""))

    wrapped.add_done_callback(settle)
    return wrapped


def _library(credentials: KisCredentials, *, paper: bool) -> PyKis:
    """python-kis's object. It always wants a real key: in paper without one it gets the paper key and is never asked."""
    own = KisAuth(
        id=credentials.hts_id,
        appkey=credentials.appkey,
        secretkey=credentials.appsecret,
        account=credentials.account,
        virtual=paper,
    )
    quotes = KisAuth(
        id=credentials.hts_id,
        appkey=credentials.quote_appkey or credentials.appkey,
        secretkey=credentials.quote_appsecret or credentials.appsecret,
        account=credentials.account,
        virtual=False,
    )
    try:
        # PyKis itself must not fail: its destructor would complain about what its constructor did not reach
        checked = (own.key, own.account_number, quotes.key)
        assert all(checked)
        return PyKis(quotes, own, use_websocket=False) if paper else PyKis(own, use_websocket=False)
    except ValueError:
        # python-kis's own message repeats the account number
        raise ValueError(
            "KIS credentials: the key has 36 characters, the secret 180, the account is 12345678-01"
        ) from None
