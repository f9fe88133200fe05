"""Polygon's lists of the whole market: splits, financial ratios, free floats."""

from aiohttp import web

from sandbox.market import Market
from sandbox.polygon.paging import MAX_LIMIT, Body, json_reply, next_address, page_cursor, page_limit, request_id


class Bulk:
    """Handlers; register with `routes()`."""

    def __init__(self, market: Market) -> None:
        self._market = market

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/stocks/v1/splits", self.splits),
            web.get("/v3/reference/splits", self.splits),
            web.get("/stocks/financials/v1/ratios", self.ratios),
            web.get("/stocks/vX/float", self.floats),
        ]

    async def splits(self, request: web.Request) -> web.Response:
        """Newest first, as at Polygon; only those that somebody made."""
        ticker, results = request.query.get("ticker"), []
        for index, split in enumerate(self._market.splits):
            row: Body = {
                "id": f"split-{index}",
                "ticker": split.symbol,
                "execution_date": str(split.on),
                "split_from": split.old,
                "split_to": split.new,
            }
            if request.path.startswith("/stocks/"):
                kind = "forward_split" if split.new > split.old else "reverse_split"
                row |= {"adjustment_type": kind, "historical_adjustment_factor": split.old / split.new}
            results.append(row)
        on = request.query.get("execution_date")
        page_limit(request, 100, 5000)
        chosen = [
            row for row in reversed(results) if ticker in {None, row["ticker"]} and on in {None, row["execution_date"]}
        ]
        return json_reply({"results": chosen, "status": "OK", "request_id": request_id(request)})

    async def ratios(self, request: web.Request) -> web.Response:
        """Companies only, as of the last close."""
        limit, market = page_limit(request, 100, MAX_LIMIT), self._market
        rows: list[Body] = []
        for instrument in market.instruments.values():
            if instrument.shares_outstanding is None or instrument.type != "CS":
                continue
            cap = instrument.shares_outstanding * instrument.prev_close
            rows.append(
                {
                    "ticker": instrument.symbol,
                    "date": str(market.day),
                    "price": instrument.prev_close,
                    "market_cap": cap,
                }
            )
        return self._page(request, rows, limit)

    async def floats(self, request: web.Request) -> web.Response:
        """Nine in ten shares are free."""
        limit = page_limit(request, 100, 5000)
        rows: list[Body] = [
            {
                "ticker": instrument.symbol,
                "effective_date": str(self._market.day),
                "free_float": instrument.shares_outstanding * 9 // 10,
                "free_float_percent": 90,
            }
            for instrument in self._market.instruments.values()
            if instrument.shares_outstanding is not None
        ]
        return self._page(request, rows, limit)

    def _page(self, request: web.Request, rows: list[Body], limit: int) -> web.Response:
        skip = int(page_cursor(request) or 0)
        page = rows[skip : skip + limit]
        body: Body = {"status": "OK", "request_id": request_id(request), "count": len(page), "results": page}
        if skip + limit < len(rows):
            body["next_url"] = next_address(request, str(skip + limit))
        return json_reply(body)
