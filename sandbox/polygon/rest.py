"""Polygon's REST routes over the market, as of the clock's now."""

from datetime import UTC, date, datetime, timedelta

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox import calendar
from sandbox.bars import MINUTE_MS, Bar
from sandbox.calendar import Session
from sandbox.clock import SandboxClock
from sandbox.faults import Fault
from sandbox.market import Instrument, Market
from sandbox.polygon.days import daily_bars, within
from sandbox.polygon.paging import (
    MAX_LIMIT,
    Body,
    error_reply,
    json_reply,
    next_address,
    page_cursor,
    page_limit,
    request_id,
)
from sandbox.polygon.plans import NOT_ENTITLED, DelayedClock, Plan
from sandbox.polygon.protocol import trade_count

SPANS_MIN = {"minute": 1, "hour": 60}


def fault_response(fault: Fault, _request: web.Request) -> web.Response:
    if fault.status == 429:
        text = (
            "You've exceeded the maximum requests per minute, please wait or upgrade your subscription to continue. "
            "https://polygon.io/pricing"
        )
        return json_reply({"status": "ERROR", "error": fault.message or text}, 429)
    return json_reply({"status": fault.code or "ERROR", "error": fault.message or "injected"}, fault.status or 500)


def key_middleware(key: str) -> Middleware:
    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        # the stream asks for the key itself, flat files for a signature
        if request.path == "/stocks" or request.path.split("/")[1] == "flatfiles":
            return await handler(request)
        header = request.headers.get("Authorization", "")
        given = header.removeprefix("Bearer ") if header.startswith("Bearer ") else request.query.get("apiKey", "")
        if not given:
            return error_reply(request, 401, "API Key was not provided")
        if given != key:
            return error_reply(request, 401, "Unknown API Key")
        return await handler(request)

    return check


class Rest:
    """Handlers; register with `routes()`."""

    def __init__(self, market: Market, clock: SandboxClock, plan: Plan) -> None:
        self._market, self._plan, self._present = market, plan, clock
        self._clock = DelayedClock(clock, plan.delay)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v2/snapshot/locale/us/markets/stocks/tickers", self.snapshot),
            web.get("/v2/snapshot/locale/us/markets/stocks/tickers/{ticker}", self.snapshot_one),
            web.get("/v3/snapshot", self.unified),
            web.get("/v2/aggs/grouped/locale/us/market/stocks/{date}", self.grouped),
            web.get("/v2/aggs/ticker/{ticker}/prev", self.previous),
            web.get("/v2/aggs/ticker/{ticker}/range/{multiplier}/{span}/{start}/{end}", self.aggregates),
            web.get("/v3/reference/tickers", self.tickers),
            web.get("/v3/reference/tickers/{ticker}", self.ticker),
            web.get("/v1/marketstatus/now", self.status),
            web.get("/v1/marketstatus/upcoming", self.upcoming),
        ]

    # -- snapshots ---------------------------------------------------------------------------------

    async def unified(self, request: web.Request) -> web.Response:
        """The snapshot of every market, stocks only: it says whether the plan is late."""
        if not self._plan.snapshots:
            return self._not_entitled(request)
        now = self._clock.now()
        results: list[Body] = []
        for symbol in [s for s in request.query.get("ticker.any_of", "").split(",") if s]:
            instrument = self._market.instruments.get(symbol)
            if instrument is None:
                results.append({"ticker": symbol, "error": "NOT_FOUND", "message": "Ticker not found."})
                continue
            results.append(
                {
                    "ticker": symbol,
                    "type": "stocks",
                    "name": instrument.name,
                    "market_status": market_word(self._present.now()),
                    "timeframe": self._plan.timeframe,
                    "session": {"price": self._market.quote_at(symbol, now).last},
                }
            )
        return json_reply({"request_id": request_id(request), "status": "OK", "results": results})

    def _not_entitled(self, request: web.Request) -> web.Response:
        body = {"status": "NOT_AUTHORIZED", "request_id": request_id(request), "message": NOT_ENTITLED}
        return json_reply(body, 403)

    async def snapshot(self, request: web.Request) -> web.Response:
        if not self._plan.snapshots:
            return self._not_entitled(request)
        wanted = request.query.get("tickers", "")
        symbols = [s for s in wanted.split(",") if s in self._market.instruments] if wanted else self._market.symbols
        now = self._clock.now()
        rows = [self._snapshot(symbol, now) for symbol in symbols]
        return json_reply({"count": len(rows), "status": "OK", "tickers": rows})

    async def snapshot_one(self, request: web.Request) -> web.Response:
        if not self._plan.snapshots:
            return self._not_entitled(request)
        symbol = request.match_info["ticker"]
        if symbol not in self._market.instruments:
            return self._not_found(request)
        row = self._snapshot(symbol, self._clock.now())
        return json_reply({"request_id": request_id(request), "status": "OK", "ticker": row})

    def _snapshot(self, symbol: str, now: datetime) -> Body:
        market, instrument = self._market, self._market.instruments[symbol]
        series = market.series[symbol]
        rows = series.rows_before(market.minute_of(now))
        day = market.day_range(symbol, now)
        quote = market.quote_at(symbol, now)
        updated = int(now.timestamp() * 1000) * 1_000_000
        change = quote.last - instrument.prev_close
        body: Body = {
            "ticker": symbol,
            "todaysChange": round(change, 4),
            "todaysChangePerc": round(change / instrument.prev_close * 100, 4),
            "updated": updated,
            "day": _day(day) if day else {"o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0},
            "min": _last_minute(market, symbol, rows),
            "prevDay": _previous(instrument),
        }
        if rows:
            trade = {"c": [14, 41], "i": str(updated // 1000), "p": quote.last, "s": 100, "t": updated, "x": 4}
            body["lastTrade"] = trade | {"ds": "100.0"}
            body["lastQuote"] = {"P": quote.ask, "S": 3, "p": quote.bid, "s": 2, "t": updated}
        return body

    # -- aggregates --------------------------------------------------------------------------------

    async def grouped(self, request: web.Request) -> web.Response:
        try:
            day = date.fromisoformat(request.match_info["date"])
        except ValueError:
            return error_reply(request, 400, "Could not parse the date")
        rows = [{"T": symbol} | bar for symbol in self._market.symbols if (bar := self._daily(symbol, day))]
        return json_reply(
            {
                "adjusted": request.query.get("adjusted", "true") == "true",
                "queryCount": len(rows),
                "results": rows,
                "resultsCount": len(rows),
                "request_id": request_id(request),
                "status": "OK",
            }
        )

    def _daily(self, symbol: str, day: date) -> Body | None:
        """The day's bar: yesterday's, or today's once the regular session has closed."""
        market = self._market
        start = int(calendar.at(day, calendar.CLOSE_AT).timestamp()) * 1000
        if day == calendar.previous_trading_day(market.day):
            return _previous(market.instruments[symbol]) | {"t": start, "n": 1000}
        if day != market.day or self._clock.now() < calendar.regular_close(day):
            return None
        bar = market.day_range(symbol, self._clock.now())
        return _day(bar) | {"t": start, "n": trade_count(bar.volume)} if bar else None

    async def previous(self, request: web.Request) -> web.Response:
        symbol = request.match_info["ticker"]
        if symbol not in self._market.instruments:
            return json_reply(_aggregates(request, symbol, []))
        bar = self._daily(symbol, calendar.previous_trading_day(self._market.day)) or {}
        return json_reply(_aggregates(request, symbol, [{"T": symbol} | bar]))

    async def aggregates(self, request: web.Request) -> web.Response:
        info, market = request.match_info, self._market
        symbol = info["ticker"]
        try:
            multiplier, start_ms = int(info["multiplier"]), _moment(info["start"], end=False)
            end_ms = _moment(info["end"], end=True)
        except ValueError:
            return error_reply(request, 400, "Could not parse the time parameter: use YYYY-MM-DD or Unix milliseconds")
        daily = info["span"] == "day" and multiplier == 1
        if not daily and (info["span"] not in SPANS_MIN or multiplier < 1):
            return error_reply(request, 400, "This sandbox has minute, hour and single day windows only")
        limit = page_limit(request, 5000, MAX_LIMIT)
        if symbol not in market.instruments:
            return json_reply(_aggregates(request, symbol, []))
        if daily:
            return self._days(request, symbol, (start_ms, end_ms), limit)
        bars = [b for b in market.closed_bars(symbol, self._clock.now()) if start_ms <= b.start_ms <= end_ms]
        if request.query.get("sort", "asc") == "desc":
            bars.reverse()
        skip = int(page_cursor(request) or 0)
        page = bars[skip : skip + limit]
        results = _windows(page, multiplier * SPANS_MIN[info["span"]])
        body = _aggregates(request, symbol, results, len(page))
        if skip + limit < len(bars):
            body["next_url"] = next_address(request, str(skip + limit))
        return json_reply(body)

    def _days(self, request: web.Request, symbol: str, span: tuple[int, int], limit: int) -> web.Response:
        rows = within(daily_bars(self._market, symbol, self._clock.now()), *span)
        if request.query.get("sort", "asc") == "desc":
            rows.reverse()
        skip = int(page_cursor(request) or 0)
        page = rows[skip : skip + limit]
        body = _aggregates(request, symbol, page)
        if skip + limit < len(rows):
            body["next_url"] = next_address(request, str(skip + limit))
        return json_reply(body)

    # -- reference ---------------------------------------------------------------------------------

    async def tickers(self, request: web.Request) -> web.Response:
        query, limit = request.query, page_limit(request, 100, 1000)
        active = query.get("active", "true") == "true"
        after = page_cursor(request)
        chosen = [
            instrument
            for symbol, instrument in self._market.instruments.items()
            if symbol > after and instrument.active == active
            and query.get("market", "stocks") == "stocks"
            and query.get("type", instrument.type) == instrument.type
            and query.get("ticker", symbol) == symbol
            and query.get("exchange", instrument.primary_exchange) == instrument.primary_exchange
        ]  # fmt: skip
        results = [self._listed(instrument) for instrument in chosen[:limit]]
        body: Body = {
            "results": results,
            "status": "OK",
            "request_id": request_id(request),
            "count": len(results),
        }
        if len(chosen) > limit:
            body["next_url"] = next_address(request, chosen[limit - 1].symbol)
        return json_reply(body)

    def _listed(self, instrument: Instrument) -> Body:
        return {
            "ticker": instrument.symbol,
            "name": instrument.name,
            "market": "stocks",
            "locale": "us",
            "primary_exchange": instrument.primary_exchange,
            "type": instrument.type,
            "active": instrument.active,
            "currency_name": "usd",
            "last_updated_utc": f"{self._market.day}T00:00:00Z",
        }

    async def ticker(self, request: web.Request) -> web.Response:
        instrument = self._market.instruments.get(request.match_info["ticker"])
        if instrument is None:
            return self._not_found(request)
        shares = instrument.shares_outstanding
        results = self._listed(instrument) | {"ticker_root": instrument.symbol.split(".")[0], "round_lot": 100}
        results.pop("last_updated_utc")
        if shares is not None:
            results["share_class_shares_outstanding"] = shares
            results["weighted_shares_outstanding"] = shares
            results["market_cap"] = round(shares * instrument.prev_close, 2)
        return json_reply({"request_id": request_id(request), "results": results, "status": "OK"})

    def _not_found(self, request: web.Request) -> web.Response:
        body = {"status": "NOT_FOUND", "request_id": request_id(request), "message": "Ticker not found."}
        return json_reply(body, 404)

    # -- calendar ----------------------------------------------------------------------------------

    async def status(self, _request: web.Request) -> web.Response:
        now = self._present.now()
        session, word = calendar.market_session(now), market_word(now)
        return json_reply(
            {
                "market": word,
                "earlyHours": session is Session.PRE,
                "afterHours": session is Session.AFTER,
                "serverTime": now.astimezone(calendar.NEW_YORK).isoformat(timespec="seconds"),
                "exchanges": {"nyse": word, "nasdaq": word, "otc": word},
                "currencies": {"fx": "open", "crypto": "open"},
            }
        )

    async def upcoming(self, _request: web.Request) -> web.Response:
        today = self._clock.now().astimezone(calendar.NEW_YORK).date()
        rows: list[Body] = []
        for day in sorted(d for d in calendar.HOLIDAYS | calendar.HALF_DAYS if d >= today)[:12]:
            for exchange in ("NYSE", "NASDAQ"):
                row: Body = {"date": str(day), "exchange": exchange, "name": "Holiday", "status": "closed"}
                if day in calendar.HALF_DAYS:
                    row["status"] = "early-close"
                    row["open"] = _iso(calendar.at(day, calendar.REGULAR_AT))
                    row["close"] = _iso(calendar.regular_close(day))
                rows.append(row)
        return json_reply(rows)


def market_word(now: datetime) -> str:
    """Polygon's name of the session."""
    words = {Session.REGULAR: "open", Session.CLOSED: "closed"}
    return words.get(calendar.market_session(now), "extended-hours")


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _moment(text: str, *, end: bool) -> int:
    """A date or Unix milliseconds, as milliseconds; a date means its first or last moment in New York."""
    if text.isdigit():
        return int(text)
    midnight = datetime.combine(date.fromisoformat(text), datetime.min.time(), calendar.NEW_YORK)
    if end:
        midnight += timedelta(days=1)
    return int(midnight.timestamp()) * 1000 - int(end)


def _day(bar: Bar) -> Body:
    return {
        "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close,
        "v": bar.volume, "vw": bar.vwap, "dv": f"{bar.volume}.0",
    }  # fmt: skip


def _previous(instrument: Instrument) -> Body:
    close = instrument.prev_close
    return {
        "o": round(close * 0.996, 4), "h": round(close * 1.008, 4), "l": round(close * 0.991, 4), "c": close,
        "v": instrument.prev_volume, "vw": round(close * 0.999, 4),
    }  # fmt: skip


def _last_minute(market: Market, symbol: str, rows: int) -> Body:
    if not rows:
        return {"av": 0, "dav": "0.0", "t": 0, "n": 0, "o": 0, "h": 0, "l": 0, "c": 0, "v": 0, "vw": 0, "dv": "0.0"}
    bar = market.bar(symbol, rows - 1)
    total, _ = market.series[symbol].accumulated(rows)
    return _day(bar) | {"av": total, "dav": f"{total}.0", "t": bar.start_ms, "n": trade_count(bar.volume)}


def _aggregates(request: web.Request, symbol: str, results: list[Body], base: int | None = None) -> Body:
    body: Body = {
        "ticker": symbol,
        "queryCount": len(results) if base is None else base,
        "resultsCount": len(results),
        "adjusted": request.query.get("adjusted", "true") == "true",
        "status": "OK",
        "request_id": request_id(request),
        "count": len(results),
    }
    if results:
        body["results"] = results
    return body


def _windows(bars: list[Bar], minutes: int) -> list[Body]:
    """Bars merged into windows aligned to the epoch, in the order given."""
    width = minutes * MINUTE_MS
    grouped: dict[int, list[Bar]] = {}
    for bar in bars:
        grouped.setdefault(bar.start_ms // width * width, []).append(bar)
    rows: list[Body] = []
    for start, members in grouped.items():
        members.sort(key=lambda bar: bar.start_ms)
        volume = sum(bar.volume for bar in members)
        value = sum(bar.vwap * bar.volume for bar in members)
        rows.append({
            "o": members[0].open, "h": max(b.high for b in members), "l": min(b.low for b in members),
            "c": members[-1].close, "v": volume, "vw": round(value / volume, 4) if volume else members[-1].close,
            "t": start, "n": trade_count(volume),
        })  # fmt: skip
    return rows
