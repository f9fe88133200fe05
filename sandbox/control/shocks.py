"""Shocks to the market: a price moves, a symbol is halted and resumes, shares are split."""

import re
from datetime import datetime

from aiohttp import web

from sandbox.control.answers import Body, InputError, fields, finite, guarded, listed
from sandbox.kis import surprises
from sandbox.world import World

PENNY = 0.01
MAX_PRICE = 1_000_000
KEPT = 1_000
RATIO = re.compile(r"([1-9]\d{0,3}):([1-9]\d{0,3})")


class Shocks:
    """Everything happens at the clock's now, and holds from then on."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._events: list[Body] = []

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/market", guarded(self.events)),
            web.post("/control/market/{symbol}/move", guarded(self.move)),
            web.post("/control/market/{symbol}/halt", guarded(self.halt)),
            web.post("/control/market/{symbol}/resume", guarded(self.resume)),
            web.post("/control/market/{symbol}/split", guarded(self.split)),
        ]

    async def events(self, _request: web.Request) -> Body:
        now, market = self._world.clock.now(), self._world.market
        halted = sorted({str(e["symbol"]) for e in self._events if market.halted(str(e["symbol"]), now)})
        return {"events": self._events, "halted": halted}

    async def move(self, request: web.Request) -> Body:
        """{pct} or {price}: every price from now on is multiplied, so that now's is what was asked for."""
        body = await fields(request, "pct", "price")
        if len(body) != 1:
            raise InputError("send pct or price")
        symbol, now = self._begin(request)
        before = self._world.market.price_at(symbol, now)
        wanted = finite(body.get("price", body.get("pct")), next(iter(body)))
        after = float(wanted) if "price" in body else before * float(1 + wanted / 100)
        if not PENNY <= after <= MAX_PRICE:
            raise InputError(f"the price would be {after:.4f}; it must lie between {PENNY} and {MAX_PRICE}")
        self._world.market.move(symbol, now, after / before)
        return self._done(symbol, "move", now, before)

    async def halt(self, request: web.Request) -> Body:
        """No prints and no fills; orders are taken and rest."""
        return self._switch(request, "halt")

    async def resume(self, request: web.Request) -> Body:
        """Where its day would be by now, with the moves made meanwhile."""
        return self._switch(request, "resume")

    async def split(self, request: web.Request) -> Body:
        """{ratio}: "2:1" is two new for one old, "1:10" a reverse split. Both hosts' open orders are cancelled."""
        ratio = RATIO.fullmatch(str((await fields(request, "ratio")).get("ratio")))
        new, old = (int(part) for part in ratio.groups()) if ratio else (1, 1)
        if new == old:
            raise InputError('ratio must read like "2:1" or "1:10"')
        symbol, now = self._begin(request)
        before = self._world.market.price_at(symbol, now)
        if not PENNY <= before * old / new <= MAX_PRICE:
            raise InputError(
                f"a share would cost {before * old / new:.4f}; it must lie between {PENNY} and {MAX_PRICE}"
            )
        self._world.market.split(symbol, new, old)
        for host in (self._world.real, self._world.paper):
            surprises.split(host, symbol, new, old, now)
        return self._done(symbol, "split", now, before)

    def _switch(self, request: web.Request, kind: str) -> Body:
        symbol, now = self._begin(request)
        market = self._world.market
        before = market.price_at(symbol, now)
        try:
            (market.halt if kind == "halt" else market.resume)(symbol, now)
            self._world.stream.halt_changed(symbol, halted=kind == "halt")
        except ValueError as error:
            raise InputError(f"{symbol}: {error}") from error
        return self._done(symbol, kind, now, before)

    def _begin(self, request: web.Request) -> tuple[str, datetime]:
        """The symbol and now, with both books matched up to it at the prices of before. Nothing may wait after it."""
        if len(self._events) >= KEPT:
            raise InputError(f"at most {KEPT} shocks in one run")
        symbol = listed(self._world, request.match_info["symbol"]).symbol
        self._world.paper.now()
        return symbol, self._world.real.now()

    def _done(self, symbol: str, kind: str, now: datetime, before: float) -> Body:
        after = self._world.market.price_at(symbol, now)
        event: Body = {"symbol": symbol, "kind": kind, "at": now.isoformat(), "before": before, "after": after}
        self._events.append(event)
        self._world.faults.count(f"market.{kind}")
        return {"event": event}
