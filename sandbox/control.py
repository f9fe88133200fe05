"""The control API: look at everything, cause faults, act as the account's owner on another device."""

from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation

import msgspec
from aiohttp import web

from sandbox import faults
from sandbox.kis import Host, engine, trading
from sandbox.kis.account import Side
from sandbox.kis.engine import Order
from sandbox.kis.refusals import RefusedError
from sandbox.kis.rows import odno_text
from sandbox.market import Bar
from sandbox.world import World

Body = dict[str, object]
Answer = Callable[[web.Request], Awaitable[object]]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MANUAL = "모바일"
SIDES = {"buy": Side.BUY, "sell": Side.SELL}


class _InputError(Exception):
    """What is wrong with the request, in one line."""


def setup_control(app: web.Application, world: World) -> None:
    """Adds the /control routes; they answer on loopback names only and take JSON bodies only."""
    control = Control(world)
    app.add_routes(
        [
            web.get("/control/state", _guarded(control.state)),
            web.get("/control/orders", _guarded(control.orders)),
            web.get("/control/faults", _guarded(control.list_faults)),
            web.post("/control/faults", _guarded(control.add_fault)),
            web.delete("/control/faults", _guarded(control.clear_faults)),
            web.post("/control/kis/manual_order", _guarded(control.manual_order)),
            web.post("/control/kis/cash", _guarded(control.cash)),
            web.post("/control/kis/revoke_tokens", _guarded(control.revoke_tokens)),
            web.get("/control/market/{symbol}/bars", _guarded(control.bars)),
        ]
    )


def _reply(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def _guarded(answer: Answer) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        if (request.url.host or "") not in LOOPBACK:
            return _reply({"error": "loopback only"}, 403)
        # a page on another site cannot send this content type without asking first
        if request.method == "POST" and request.content_type != "application/json":
            return _reply({"error": "send application/json"}, 415)
        try:
            return _reply(await answer(request))
        except (_InputError, ValueError) as error:
            return _reply({"error": str(error)}, 400)
        except RefusedError as error:
            return _reply({"error": error.refusal.text, "code": error.refusal.code}, 409)

    return handle


async def _json(request: web.Request) -> Body:
    try:
        return msgspec.json.decode(await request.read(), type=dict[str, object])
    except msgspec.DecodeError:
        raise _InputError("the body must be a JSON object") from None


def _decimal(value: object, name: str) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _InputError(f"{name} must be a number") from None
    if not number.is_finite() or number < 0:
        raise _InputError(f"{name} must be zero or more")
    return number


class Control:
    """Answers as plain data."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def state(self, _request: web.Request) -> Body:
        world = self._world
        counters, stream = world.stream.counters, world.stream
        return {
            "clock": {
                "now": world.clock.now().isoformat(),
                "origin": world.clock.origin.isoformat(),
                "started": world.clock.started,
                "speed": world.clock.speed,
            },
            "scenario": world.scenario,
            "day": str(world.market.day),
            "tickers": len(world.market.symbols),
            "polygon": {
                "connections": len(stream.connections),
                "subscribed": sorted({topic for connection in stream.connections for topic in connection.topics}),
                "connections_opened": counters.opened,
                "connections_refused": counters.refused,
                "bars_sent": counters.bars_sent,
                "last_bar_end": counters.last_bar_end.isoformat() if counters.last_bar_end else None,
            },
            "replay_done": counters.replay_done,
            "kis": {"real": _account(world.real), "paper": _account(world.paper)},
            "faults": [fault.as_dict() for fault in world.faults.active()],
        }

    async def orders(self, request: web.Request) -> Body:
        """All of both hosts, or ?host=real|paper."""
        only = request.query.get("host")
        hosts = [self._host(only)] if only else [self._world.real, self._world.paper]
        found: list[Body] = []
        for host in hosts:
            host.now()
            found += [_order(host, order) for order in host.engine.orders.values()]
        return {"orders": found}

    async def list_faults(self, _request: web.Request) -> Body:
        return {"faults": [fault.as_dict() for fault in self._world.faults.active()]}

    async def add_fault(self, request: web.Request) -> Body:
        """A stream fault meets open connections now; refusals of future ones wait in the registry."""
        fault = faults.parse(await _json(request))
        stream = self._world.stream
        waits = fault.action == "auth_fail" or (fault.action == "max_connections" and not stream.connections)
        if fault.link == "polygon_ws" and not waits:
            stream.strike(fault)
            return {"fault": fault.as_dict(), "struck": len(stream.connections)}
        return {"fault": self._world.faults.add(fault).as_dict()}

    async def clear_faults(self, _request: web.Request) -> Body:
        self._world.faults.clear()
        self._world.stream.relent()
        return {"faults": []}

    async def manual_order(self, request: web.Request) -> Body:
        """An order that the owner enters in the broker's own app: {symbol, side, qty, price[, host]}."""
        body = await _json(request)
        host = self._host(body.get("host", "real"))
        instrument = self._world.market.instruments.get(str(body.get("symbol")))
        side, qty = SIDES.get(str(body.get("side"))), body.get("qty")
        if instrument is None or side is None or not isinstance(qty, int) or qty < 1:
            raise _InputError("send symbol, side (buy or sell), qty from 1 and price")
        price = trading.limit_price(str(body.get("price")))
        now = host.now()
        host.check_open(now)
        placed = trading.place(host, instrument, side, qty, price, engine.LIMIT, now, MANUAL)
        return {"order": _order(host, placed)}

    async def cash(self, request: web.Request) -> Body:
        """Sets {krw} and {usd} of a host."""
        body = await _json(request)
        account = self._host(body.get("host", "real")).account
        if "krw" in body:
            account.krw = _decimal(body["krw"], "krw")
        if "usd" in body:
            account.usd = _decimal(body["usd"], "usd")
        return {"cash": {"krw": str(account.krw), "usd": str(account.usd)}}

    async def revoke_tokens(self, request: web.Request) -> Body:
        """What KIS's maintenance does: tokens in date stop working (EGW00121)."""
        body = await _json(request)
        return {"revoked": self._host(body.get("host", "real")).tokens.revoke_all()}

    async def bars(self, request: web.Request) -> Body:
        """The day's closed minutes; ?all=1 also those to come."""
        world, symbol = self._world, request.match_info["symbol"]
        if symbol not in world.market.instruments:
            raise _InputError(f"{symbol} is not listed")
        series = world.market.series[symbol]
        if request.query.get("all") == "1":
            bars = [world.market.bar(symbol, row) for row in range(len(series.minutes))]
        else:
            bars = world.market.closed_bars(symbol, world.clock.now())
        return {"symbol": symbol, "bars": [_bar(bar) for bar in bars]}

    def _host(self, name: object) -> Host:
        try:
            return self._world.host(str(name))
        except KeyError:
            raise _InputError("host must be real or paper") from None


def _bar(bar: Bar) -> Body:
    return {"t": bar.start_ms, "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": bar.volume}


def _account(host: Host) -> Body:
    now = host.now()
    account, engine_ = host.account, host.engine
    return {
        "cash": {"krw": str(account.krw), "usd": str(account.usd), "fx": str(account.fx)},
        "holdings": [
            {
                "symbol": symbol,
                "qty": holding.qty,
                "average": str(round(holding.average, 6)),
                "price": host.market.price_at(symbol, now),
            }
            for symbol, holding in sorted(account.holdings.items())
        ],
        "orders": len(engine_.orders),
        "open_orders": len(engine_.working()),
        "order_posts": sum(host.order_posts.values()),
        "fills": len(account.fills),
        "realised_usd": str(account.realised_usd),
        "fees_usd": str(account.fees_usd),
        "rate_limit_refusals": host.limit.refused,
        "token_issues": host.tokens.issues,
    }


def _order(host: Host, order: Order) -> Body:
    key = host.order_keys.get(order.odno)
    return {
        "host": host.name,
        "odno": odno_text(order.odno),
        "original": odno_text(order.original) if order.original else None,
        "kind": order.kind.name.lower(),
        "symbol": order.symbol,
        "side": order.side.name.lower(),
        "qty": order.qty,
        "price": str(order.price),
        "division": order.division,
        "medium": order.medium,
        "state": order.state.value,
        "reason": order.reason,
        "filled": order.filled,
        "remaining": order.remaining,
        "average": str(round(order.average, 6)),
        "placed_at": order.placed_at.isoformat(),
        "posts": host.order_posts.get(key, 0) if key else 0,
        "fills": [
            {"qty": fill.qty, "price": str(fill.price), "fee": str(fill.fee), "at": fill.at.isoformat()}
            for fill in order.fills
        ],
    }
