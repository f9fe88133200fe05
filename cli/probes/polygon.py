"""What a market data key may see: whether it is known, how late its plan is, and how late the data is that comes."""

import datetime as dt
import enum
from urllib.parse import urlencode, urlsplit

import msgspec

from cli.probes.http import Answer, ask

# traded in every minute of every session
WITNESS = "SPY"
LOOK_BACK = dt.timedelta(minutes=45)
MINUTE_MS = 60_000


class KeyRefused(Exception):
    """Polygon does not know the key."""


class Refused(Exception):
    """Another refusal, with its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class Plan(enum.Enum):
    """What Polygon says of the data that this key gets."""

    REAL_TIME = "real-time"
    DELAYED = "15 minutes delayed"
    END_OF_DAY = "end of day only"
    UNKNOWN = "unknown"


class FeedFound(msgspec.Struct, frozen=True, kw_only=True):
    """`delay_s`: how long ago the newest minute bar ended, None while the market rests; `market` is Polygon's word."""

    plan: Plan
    market: str
    delay_s: float | None = None


def fitting_stream(plan: Plan, ws_url: str) -> str:
    """The stream's address for a plan: the vendor has one host for real-time plans and one for those that are late."""
    host = urlsplit(ws_url).hostname or ""
    if plan is Plan.DELAYED and host.startswith("socket."):
        return ws_url.replace("socket.", "delayed.", 1)
    if plan is Plan.REAL_TIME and host.startswith("delayed."):
        return ws_url.replace("delayed.", "socket.", 1)
    return ws_url


class Vendor:
    """Questions with one key to one REST host."""

    def __init__(self, key: str, base: str, *, timeout_s: float = 8.0) -> None:
        self._base, self._timeout_s = base.rstrip("/"), timeout_s
        self._headers = {"Authorization": f"Bearer {key}"}

    async def look(self, now: dt.datetime) -> FeedFound:
        """Three small requests. Raises KeyRefused, Refused or Unreached.

        The stream is left alone: Polygon allows a key one connection, and ours would end that of a running collector.
        """
        status = await self._get("/v1/marketstatus/now")
        market = str(status.body.get("market", ""))
        plan = await self._plan()
        moving = market == "open" and plan is not Plan.END_OF_DAY
        return FeedFound(plan=plan, market=market, delay_s=await self._delay_s(now) if moving else None)

    async def known(self) -> None:
        """Raises KeyRefused, Refused or Unreached."""
        await self._get("/v1/marketstatus/now")

    async def _plan(self) -> Plan:
        try:
            answer = await self._get("/v3/snapshot", **{"ticker.any_of": WITNESS})
        except Refused as refused:
            if refused.status == 403:
                return Plan.END_OF_DAY
            raise
        rows = answer.body.get("results")
        first = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else {}
        return {"REAL-TIME": Plan.REAL_TIME, "DELAYED": Plan.DELAYED}.get(str(first.get("timeframe")), Plan.UNKNOWN)

    async def _delay_s(self, now: dt.datetime) -> float | None:
        """How old the end of the newest minute bar is."""
        ends, starts = int(now.timestamp() * 1000), int((now - LOOK_BACK).timestamp() * 1000)
        path = f"/v2/aggs/ticker/{WITNESS}/range/1/minute/{starts}/{ends}"
        try:
            answer = await self._get(path, sort="desc", limit="1", adjusted="false")
        except Refused:
            return None
        rows = answer.body.get("results")
        newest = rows[0].get("t") if isinstance(rows, list) and rows and isinstance(rows[0], dict) else None
        if not isinstance(newest, int | float):
            return None
        return max(0.0, (ends - newest - MINUTE_MS) / 1000)

    async def _get(self, path: str, **params: str) -> Answer:
        query = f"?{urlencode(params)}" if params else ""
        answer = await ask(f"{self._base}{path}{query}", headers=self._headers, timeout_s=self._timeout_s)
        if answer.status == 401:
            raise KeyRefused
        if answer.status != 200:
            raise Refused(answer.status)
        return answer
