"""Polygon's look-ups as `ports.market_data.ReferenceData`, on the vendor's client in a few threads."""

import asyncio
import concurrent.futures
import datetime as dt
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec
import urllib3

from adapters.polygon.library import load, scrubbed
from adapters.polygon.parse import bar_of, instrument_of, shares_by_cap, shares_by_float, shares_of, split_of
from core.model.bar import Bar
from core.model.instrument import Instrument, Split
from ports.clock import Clock
from ports.market_data import NotInPlan, ReferenceUnavailable

PAGE = 1000
BARS_PAGE = 50_000
RETRIES = 2
# The whole market's share counts, the fewest calls first; which plan has which is only known by asking (polygon.md 4.5).
RATIOS, RATIOS_PAGE = "/stocks/financials/v1/ratios", 50_000
FLOAT, FLOAT_PAGE = "/stocks/vX/float", 5_000
SPLITS, SPLITS_PAGE = "/stocks/v1/splits", 5_000
MOST_PAGES = 50
NOT_IN_PLAN = (403, 404)
T = TypeVar("T")


class _Json:
    """The client's JSON, except that a broken body is an error: the client itself would call it the end of the list."""

    dumps = staticmethod(json.dumps)

    @staticmethod
    def loads(text: str) -> Any:
        try:
            return json.loads(text)
        except ValueError:
            raise ReferenceUnavailable("the vendor's answer is not JSON") from None


class PolygonReference:
    """Look-ups with a deadline of our own: the vendor's client (1.16.3) ignores its read time-out.

    `base` is `https://api.polygon.io` or a local server; `list_deadline_s` is for the listing of the whole market.
    """

    def __init__(
        self,
        key: str,
        base: str,
        *,
        clock: Clock,
        package: str = "",
        deadline_s: float = 15.0,
        list_deadline_s: float = 120.0,
        threads: int = 4,
    ) -> None:
        self._vendor = load(package)
        self._key, self._base, self._clock = key, base.rstrip("/"), clock
        self._deadline_s, self._list_deadline_s = deadline_s, list_deadline_s
        self._clients = threading.local()
        self._made: list[Any] = []
        self._pool = concurrent.futures.ThreadPoolExecutor(max_workers=threads, thread_name_prefix="polygon")
        self.refused = 0

    async def instrument(self, ticker: str) -> Instrument | None:
        """One security with its share count; None where it is unknown or listed where KIS does not trade."""
        details = await self._run(lambda client: self._details(client, ticker), self._deadline_s)
        if details is None:
            return None
        shares = shares_of(
            getattr(details, "share_class_shares_outstanding", None),
            getattr(details, "weighted_shares_outstanding", None),
        )
        return instrument_of(
            getattr(details, "ticker", None) or ticker,
            getattr(details, "name", None),
            getattr(details, "type", None),
            getattr(details, "primary_exchange", None),
            active=getattr(details, "active", True),
            shares=shares,
        )

    async def instruments(self) -> Sequence[Instrument]:
        """All active US securities that KIS could trade, without share counts. An empty list counts as no answer."""

        def read(client: Any) -> list[Any]:
            return list(client.list_tickers(market="stocks", active=True, limit=PAGE))

        records = await self._run(read, self._list_deadline_s)
        found = [instrument_of(r.ticker, r.name, r.type, r.primary_exchange, active=r.active) for r in records]
        listed = [instrument for instrument in found if instrument is not None]
        if not listed:
            raise ReferenceUnavailable("the vendor listed no securities")
        return listed

    async def minute_bars(self, ticker: str, start: dt.datetime, end: dt.datetime) -> Sequence[Bar]:
        """Closed unadjusted minute bars with `start <= bar start < end`, oldest first; impossible ones are left out."""
        first, after = int(start.timestamp() * 1000), int(end.timestamp() * 1000)

        def read(client: Any) -> list[Any]:
            symbol = quote(ticker, safe="")
            pages = client.list_aggs(symbol, 1, "minute", first, after - 1, adjusted=False, sort="asc", limit=BARS_PAGE)
            return list(pages)

        if after <= first:
            return []
        records = await self._run(read, self._deadline_s)
        bars = [bar_of(ticker, r.timestamp, r.open, r.high, r.low, r.close, r.volume) for r in records]
        self.refused += bars.count(None)
        now_ms = self._clock.now().timestamp() * 1000
        wanted = {b.start_ms: b for b in bars if b is not None and first <= b.start_ms < after and b.end_ms <= now_ms}
        return [wanted[start_ms] for start_ms in sorted(wanted)]

    async def daily_bars(self, ticker: str, first_on: dt.date, last_on: dt.date) -> Sequence[Bar]:
        """Split-adjusted days, oldest first; impossible ones are left out. Today's is what the vendor has of it so far."""

        def read(client: Any) -> list[Any]:
            symbol = quote(ticker, safe="")
            span = (first_on.isoformat(), last_on.isoformat())
            return list(client.list_aggs(symbol, 1, "day", *span, adjusted=True, sort="asc", limit=BARS_PAGE))

        if last_on < first_on:
            return []
        records = await self._run(read, self._deadline_s)
        bars = [bar_of(ticker, r.timestamp, r.open, r.high, r.low, r.close, r.volume) for r in records]
        self.refused += bars.count(None)
        wanted = {b.start_ms: b for b in bars if b is not None}
        return [wanted[start_ms] for start_ms in sorted(wanted)]

    async def share_counts(self) -> Mapping[str, float]:
        """Shares outstanding by market cap and price, or by the free float. Raises NotInPlan where the plan has neither."""
        try:
            rows = await self._rows(RATIOS, {"limit": RATIOS_PAGE}, self._list_deadline_s)
            found = {str(row.get("ticker")): shares_by_cap(row) for row in rows}
        except NotInPlan:
            rows = await self._rows(FLOAT, {"limit": FLOAT_PAGE}, self._list_deadline_s)
            found = {str(row.get("ticker")): shares_by_float(row) for row in rows}
        return {ticker: shares for ticker, shares in found.items() if shares is not None}

    async def splits(self, on: dt.date) -> Sequence[Split]:
        """The splits that take effect on a US date; rows that are none are left out."""
        params: dict[str, object] = {"execution_date": on.isoformat(), "limit": SPLITS_PAGE}
        rows = await self._rows(SPLITS, params, self._deadline_s)
        found = [split_of(row) for row in rows]
        self.refused += found.count(None)
        return [split for split in found if split is not None and split.on == on]

    async def _rows(self, path: str, params: dict[str, object], deadline_s: float) -> list[dict[str, object]]:
        """All pages of an endpoint that the vendor's client, in its older version, does not know."""
        return await self._run(lambda client: list(self._pages(client, path, params)), deadline_s)

    def _pages(self, client: Any, path: str, params: dict[str, object]) -> Iterator[dict[str, object]]:
        headers = {"Authorization": f"Bearer {self._key}"}
        for _ in range(MOST_PAGES):
            answer = client.client.request("GET", self._base + path, fields=params, headers=headers)
            if answer.status in NOT_IN_PLAN:
                raise NotInPlan(f"the plan does not have {path} (HTTP {answer.status})")
            if answer.status != 200:
                raise ReferenceUnavailable(f"HTTP {answer.status}")
            body = _Json.loads(answer.data.decode())
            rows = body["results"]
            yield from (row for row in rows if isinstance(row, dict))
            if not body.get("next_url"):
                return
            # the address names another host than ours where a sandbox or a proxy is between: only its path counts
            following = urlsplit(str(body["next_url"]))
            path, params = f"{following.path}?{following.query}", {}
        raise ReferenceUnavailable("the list does not end")

    async def close(self) -> None:
        """Release connections and threads; look-ups under way end by their own time-outs."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for client in self._made:
            client.client.clear()

    async def _run(self, read: Callable[[Any], T], deadline_s: float) -> T:
        """One look-up in a thread. Raises ReferenceUnavailable for whatever goes wrong, without addresses or keys."""
        future = asyncio.wrap_future(self._pool.submit(lambda: read(self._client())))
        try:
            return await asyncio.wait_for(future, deadline_s)
        except TimeoutError:
            raise ReferenceUnavailable(f"no answer within {deadline_s:g} s") from None
        except ReferenceUnavailable:
            raise
        except (self._vendor.auth_error, self._vendor.bad_response) as error:
            raise ReferenceUnavailable(scrubbed(_words(error), self._key)) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ReferenceUnavailable(f"not reached: {type(error).__name__}") from None
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            # the client's own models stumble over answers of an unexpected shape
            raise ReferenceUnavailable(f"an answer we can't read: {type(error).__name__}") from None

    def _details(self, client: Any, ticker: str) -> Any:
        try:
            details = client.get_ticker_details(quote(ticker, safe=""))
        except self._vendor.bad_response as error:
            if _body(error).get("status") == "NOT_FOUND":
                return None
            raise
        if isinstance(details, list):
            raise ReferenceUnavailable("the vendor's answer has no result")
        return details

    def _client(self) -> Any:
        """This thread's client: the vendor's keeps one connection, so sharing it would reconnect all the time."""
        client = getattr(self._clients, "client", None)
        if client is None:
            client = self._vendor.rest(self._key, base=self._base, retries=RETRIES, num_pools=1, custom_json=_Json)
            timeout = urllib3.Timeout(connect=3.0, read=self._deadline_s / (RETRIES + 1))
            client.client.connection_pool_kw["timeout"] = timeout
            self._clients.client = client
            self._made.append(client)
        return client


def _body(error: Exception) -> dict[str, object]:
    try:
        return msgspec.json.decode(str(error), type=dict[str, object])
    except msgspec.MsgspecError:
        return {}


def _words(error: Exception) -> object:
    body = _body(error)
    return body.get("error") or body.get("message") or body.get("status") or type(error).__name__
