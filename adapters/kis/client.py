"""The one gateway to KIS: python-kis's account, keys, sessions and limiter, with our deadlines and one POST per order."""

import asyncio
import contextlib
import functools
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import msgspec
import requests

from adapters.kis import codes, wire
from adapters.kis.answer import Answer
from adapters.kis.auth import KisCredentials, Token, TokenKeeper, TokenReply
from adapters.kis.lanes import Busy, Lane
from adapters.kis.library import open_library
from adapters.kis.pace import PriorityLimiter, Turn, rank_of
from adapters.kis.ratefile import SharedWindow, fingerprint, rate_path
from adapters.kis.skew import SkewMeter
from adapters.kis.transport import (
    CONNECT_S,
    BoundedAdapter,
    NotSent,
    OrderAdapter,
    Scrubber,
    Ticket,
    hush_libraries,
    never_connected,
    read_body,
)
from ports.broker import BrokerUnavailable, OrderRefused, OrderUnknown, Urgency
from ports.clock import Clock

log = logging.getLogger(__name__)

REAL_RATE = 18
PAPER_RATE = 1
# Paper was seen to refuse the second call after less than 1.1 s; the slack is for jitter on a scaled clock.
PERIOD_S = 1.1
SLACK_S = 0.01
TRIES = 3
PAUSE_S = 0.15
# An order that can't leave within this time is not sent at all; what is left of the deadline is for the answer.
ORDER_WAIT_S = 8.0
# Exits have threads of their own, so that neither a slow list nor a slow purchase is ever in front of them. What a
# purchase has to know comes in one go: price, bid and ask, buying power.
EXIT_QUERIES, OTHER_QUERIES, EXIT_ORDERS, ENTRY_ORDERS = 2, 3, 3, 1
# A price that comes later than this is none; the next one is asked for instead.
EXIT_QUERY_S = 5.0
T = TypeVar("T")


class KisGateway:
    """Calls to one KIS account, exits first, inside one limit for all processes that use the same key."""

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
        hush_libraries(credentials.secrets)
        self.paper = paper
        self.scrub = Scrubber(credentials.secrets)
        self.skew = SkewMeter(speed)
        self._clock = clock
        self._timeout_s = timeout_s
        self._deadline_s = CONNECT_S + timeout_s + ORDER_WAIT_S
        self._kis = open_library(credentials, paper=paper)
        self._domain = "virtual" if paper else "real"
        own_quotes = bool(paper and credentials.quote_appkey and quote_base_url)
        self._quote_domain = "real" if own_quotes else self._domain
        # KIS serves no order book to paper keys
        self.has_order_book = not paper or own_quotes
        self._bases = {self._domain: base_url.rstrip("/")}
        self._bases.setdefault(self._quote_domain, quote_base_url.rstrip("/"))
        self._orders = OrderAdapter(timeout_s)
        self._tokens: dict[str, TokenKeeper] = {}
        self._limiters: dict[str, PriorityLimiter] = {}
        for domain in ("real", "virtual"):
            self._session(domain).adapters.clear()
        for domain, base in self._bases.items():
            rate = PAPER_RATE if domain == "virtual" else min(REAL_RATE, rate_per_s)
            self._set_up(domain, base, token_dir, rate, speed)
        self._queries = {True: Lane("exit-query", EXIT_QUERIES), False: Lane("query", OTHER_QUERIES)}
        self._posts = {True: Lane("exit-order", EXIT_ORDERS), False: Lane("order", ENTRY_ORDERS)}

    def _set_up(self, domain: str, base: str, folder: Path, per_s: float, speed: float) -> None:
        """Limits, token, and adapters for our own address alone: no other host can be reached through python-kis."""
        calls, appkey = max(1, int(per_s)), self._key(domain)["appkey"]
        period_s = PERIOD_S * max(1.0, calls / per_s) / speed + SLACK_S
        limiter = PriorityLimiter(SharedWindow(rate_path(folder, base, appkey), calls, period_s))
        self._limiters[domain] = self._kis._rate_limiters[domain] = limiter  # noqa: SLF001 - python-kis offers no setting
        # the guardian computes the same name for its own look at the file
        path = folder / f"kis-token-{fingerprint(base, appkey)}.json"
        self._tokens[domain] = TokenKeeper(path, self._clock, functools.partial(self._issue, domain))
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

    # -- threads -----------------------------------------------------------------------------------

    async def call(self, fn: Callable[[], T], urgency: Urgency = Urgency.ENTRY) -> T:
        """Run a blocking query. Raises BrokerUnavailable on the deadline; the thread ends by its own HTTP time-outs."""
        try:
            future = self._queries[urgency is Urgency.EXIT].submit(urgency, fn)
            return await asyncio.wait_for(_watched(future), self._deadline_s)
        except Busy as busy:
            raise BrokerUnavailable(f"KIS is too busy: {busy}", code=codes.TIMED_OUT) from None
        except TimeoutError:
            raise BrokerUnavailable("KIS did not answer in time", code=codes.TIMED_OUT) from None

    async def query(
        self,
        path: str,
        tr_id: str,
        params: Mapping[str, str],
        urgency: Urgency,
        *,
        more: bool = False,
        quote: bool = False,
    ) -> Answer:
        """One GET, repeated at most twice on throttling, a dead token or a cut connection. Raises BrokerUnavailable."""
        patience_s = min(EXIT_QUERY_S, self._deadline_s) if urgency is Urgency.EXIT else self._deadline_s
        turn = Turn(rank_of(urgency), time.monotonic() + patience_s)
        return await self.call(lambda: self._get(path, tr_id, params, turn, more=more, quote=quote), urgency)

    async def order(self, path: str, tr_id: str, body: Mapping[str, str], urgency: Urgency) -> Answer:
        """One POST, at most once. Raises OrderRefused (definitely not taken) or OrderUnknown; never leaves silently."""
        ticket = Ticket()
        turn = Turn(rank_of(urgency, order=True), time.monotonic() + ORDER_WAIT_S)
        try:
            lane = self._posts[urgency is Urgency.EXIT]
            future = lane.submit(urgency, lambda: self._post(ticket, path, tr_id, body, turn))
        except Busy as busy:
            raise not_sent(f"not sent: {busy}") from None
        try:
            return await asyncio.wait_for(asyncio.shield(_watched(future)), self._deadline_s)
        except Busy as busy:
            raise not_sent(f"not sent: {busy}") from None
        except TimeoutError:
            future.cancel()
            if ticket.void():
                raise not_sent("not sent: KIS was too busy") from None
            raise OrderUnknown("KIS did not answer the order in time", code=codes.TIMED_OUT) from None
        except asyncio.CancelledError:
            future.cancel()
            if ticket.void():
                raise
            raise OrderUnknown("cancelled while the order was on its way", code=codes.CANCELLED) from None

    async def close(self) -> None:
        """Let the calls under way end by their time-outs, then release connections and threads."""
        loop = asyncio.get_running_loop()
        for lane in (*self._posts.values(), *self._queries.values()):
            await loop.run_in_executor(None, lane.close)
        self._kis.close()

    # -- what the threads do -----------------------------------------------------------------------

    def _headers(self, domain: str, tr_id: str, token: Token) -> dict[str, str]:
        self._learn(token.text)
        return {
            **self._key(domain),
            "Content-Type": "application/json; charset=utf-8",
            "Authorization": token.header,
            "tr_id": tr_id,
            "custtype": "P",
        }

    def _learn(self, secret: str) -> None:
        """Hide a token from now on."""
        self.scrub.add(secret)
        hush_libraries([secret])

    def _account(self) -> dict[str, str]:
        account: dict[str, str] = self._kis.primary.build({})
        return account

    def _get(self, path: str, tr_id: str, params: Mapping[str, str], turn: Turn, *, more: bool, quote: bool) -> Answer:
        domain = self._quote_domain if quote else self._domain
        filled = dict(params) if quote else {**self._account(), **params}
        failure = BrokerUnavailable("KIS is too busy", code=codes.TIMED_OUT)
        for attempt in range(TRIES):
            if attempt:
                time.sleep(PAUSE_S * attempt)
            if turn.left_s == 0:
                break
            token = self._tokens[domain].token(turn, patient=turn.rank.patient)
            headers = self._headers(domain, tr_id, token) | ({"tr_cont": "N"} if more else {})
            try:
                answer = self._send(domain, "GET", path, headers, turn, turn.until, params=filled)
            except NotSent:
                break
            except requests.Timeout:
                raise BrokerUnavailable("KIS did not answer in time", code=codes.TIMED_OUT) from None
            except (OSError, ValueError) as error:
                failure = BrokerUnavailable(f"KIS was not reached: {type(error).__name__}", code=codes.LOST)
                continue
            if answer.ok:
                return answer
            failure = BrokerUnavailable(self._words(answer), code=answer.code or codes.BAD_ANSWER)
            if answer.token_dead:
                self._tokens[domain].drop(token.text)
            elif answer.code not in codes.WORTH_REPEATING:
                break
        raise failure from None

    def _post(self, ticket: Ticket, path: str, tr_id: str, body: Mapping[str, str], turn: Turn) -> Answer:
        domain = self._domain
        answer_by = turn.until + CONNECT_S + self._timeout_s
        try:
            token = self._tokens[domain].token(turn)
            self._orders.arm(ticket)
            filled = {**self._account(), **body}
            answer = self._send(domain, "POST", path, self._headers(domain, tr_id, token), turn, answer_by, json=filled)
        except BrokerUnavailable as error:
            ticket.void()
            raise not_sent(f"not sent: {error}") from None
        except NotSent:
            raise not_sent("not sent: it came too late") from None
        except requests.RequestException as error:
            if never_connected(error):
                raise not_sent("not sent: KIS was not reached") from None
            code = codes.TIMED_OUT if isinstance(error, requests.Timeout) else codes.LOST
            raise self._fate(ticket, error, code) from None
        except Exception as error:
            # whatever else a library raises, the question is only whether the order may have left
            raise self._fate(ticket, error, codes.LOST) from None
        finally:
            self._orders.arm(None)
        if answer.ok:
            return answer
        if answer.token_dead:
            self._tokens[domain].drop(token.text)
        refused = str(answer.body.get("rt_cd", "")).strip() != "0"
        if refused and codes.refusal(answer.status, answer.code) is not None:
            raise OrderRefused(self._words(answer), code=answer.code, passing=codes.passes(answer.code))
        raise OrderUnknown(self._words(answer), code=answer.code or codes.BAD_ANSWER)

    @staticmethod
    def _fate(ticket: Ticket, error: Exception, code: str) -> OrderRefused | OrderUnknown:
        """What became of an order whose POST failed: an unspent ticket proves that it never left."""
        if ticket.void():
            return not_sent(f"not sent: {type(error).__name__}")
        return OrderUnknown(f"the answer was lost: {type(error).__name__}", code=code)

    def _words(self, answer: Answer) -> str:
        """KIS's words that may be shown, or the HTTP status where it has none."""
        return self.scrub(answer.text) or f"HTTP {answer.status}"

    def _issue(self, domain: str, turn: Turn) -> TokenReply:
        body = {"grant_type": "client_credentials", **self._key(domain)}
        headers = {"Content-Type": "application/json; charset=utf-8"}
        try:
            answer = self._send(domain, "POST", wire.TOKEN_PATH, headers, turn, turn.until, json=body)
        except NotSent:
            raise BrokerUnavailable("KIS is too busy for a token", code=codes.NOT_SENT) from None
        except (OSError, ValueError) as error:
            code = codes.NOT_SENT if never_connected(error) else codes.LOST
            words = f"KIS was not reached for a token: {type(error).__name__}"
            raise BrokerUnavailable(words, code=code) from None
        reply = None
        with contextlib.suppress(ValueError):
            reply = msgspec.convert(answer.body, type=TokenReply, strict=False)
        if answer.status == 200 and reply is not None and reply.access_token:
            self._learn(reply.access_token)
            return reply
        words = f"KIS gave no token: {answer.code} {self._words(answer)}"
        raise BrokerUnavailable(words, code=answer.code or codes.BAD_ANSWER)

    def _send(
        self,
        domain: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        turn: Turn,
        answer_by: float,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request through the limiter and python-kis's session; redirects are not followed, a POST least of all.

        Raises NotSent where its turn did not come before its deadline.
        """
        if not self._limiters[domain].admit(turn):
            raise NotSent("no room within KIS's limit before the deadline")
        left_s = max(0.05, answer_by - time.monotonic())
        before, sent_at = time.monotonic(), self._clock.now()
        with self._session(domain).request(
            method,
            self._bases[domain] + path,
            headers=dict(headers),
            params=params,
            json=json,
            timeout=(min(CONNECT_S, left_s), min(self._timeout_s, left_s)),
            allow_redirects=False,
            stream=True,
        ) as response:
            got_at, took_s = self._clock.now(), time.monotonic() - before
            content = read_body(response, answer_by)
        self.skew.see(response.headers.get("Date"), sent_at, got_at, took_s)
        return self._understood(response, content)

    def _understood(self, response: requests.Response, content: bytes) -> Answer:
        """What is no JSON object, such as a page about maintenance, counts as empty."""
        try:
            body = msgspec.json.decode(content, type=dict[str, object])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            body = {}
        code = self.scrub(str(body.get("msg_cd") or body.get("error_code") or ""))[:16]
        tr_cont = response.headers.get("tr_cont", "").strip()
        return Answer(status=response.status_code, body=body, code=code, tr_cont=tr_cont)


def not_sent(words: str) -> OrderRefused:
    """An order that certainly never left; the same thing may be tried again."""
    return OrderRefused(words, code=codes.NOT_SENT, passing=True)


def _watched(future: "Future[T]") -> "asyncio.Future[T]":
    """The future for this loop; a result that nobody waits for any more is retrieved and logged without its content."""
    wrapped = asyncio.wrap_future(future)

    def settle(done: "asyncio.Future[T]") -> None:
        if not done.cancelled() and (error := done.exception()) is not None:
            log.debug("a KIS call ended with %s %s", type(error).__name__, getattr(error, "code", ""))

    wrapped.add_done_callback(settle)
    return wrapped
