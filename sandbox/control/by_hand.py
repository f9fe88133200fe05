"""The account's owner on another device, and what the broker does to an account by itself."""

from datetime import datetime
from decimal import Decimal

from aiohttp import web

from sandbox.control.answers import (
    MAX_SHARES,
    SIDES,
    Body,
    InputError,
    amount,
    fields,
    guarded,
    host_named,
    listed,
    shares,
)
from sandbox.control.looking import order_facts
from sandbox.kis import Host, engine, surprises, trading
from sandbox.kis.engine import Order
from sandbox.kis.refusals import DEAD_TOKENS, RefusedError
from sandbox.world import World

MANUAL = "모바일"


class ByHand:
    """What is ordered here is marked as ordered on the telephone."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/kis/manual_order", guarded(self.order)),
            web.post("/control/kis/manual_cancel", guarded(self.cancel)),
            web.post("/control/kis/shares", guarded(self.shares)),
            web.post("/control/kis/bust", guarded(self.bust)),
            web.post("/control/kis/cash", guarded(self.cash)),
            web.post("/control/kis/revoke_tokens", guarded(self.revoke_tokens)),
        ]

    async def order(self, request: web.Request) -> Body:
        """{symbol, side, qty[, price, host]}; without a price at market."""
        body = await fields(request, "symbol", "side", "qty", "price", "host")
        host = host_named(self._world, body.get("host", "real"))
        instrument = self._world.market.instruments.get(str(body.get("symbol")))
        side = SIDES.get(str(body.get("side")))
        if instrument is None or side is None:
            raise InputError("send symbol, side (buy or sell), qty, and price for a limit order")
        qty = shares(body.get("qty"))
        price, division = Decimal(0), engine.BY_HAND_AT_MARKET
        if body.get("price") is not None:
            price, division = trading.limit_price(str(body["price"])), engine.LIMIT
        now = host.now()
        host.check_open(now)
        placed = trading.place(host, instrument, side, qty, price, division, now, MANUAL)
        self._count(host, "manual_order")
        return {"order": order_facts(host, placed)}

    async def cancel(self, request: web.Request) -> Body:
        """{odno[, qty, host]}: any order, those of the API too."""
        body = await fields(request, "odno", "qty", "host")
        host = host_named(self._world, body.get("host", "real"))
        now, target = self._target(host, body)
        host.check_open(now)
        qty = target.remaining if body.get("qty") is None else shares(body["qty"])
        if not 1 <= qty <= target.remaining:
            raise RefusedError(host.words.nothing_to_cancel)
        row = host.engine.cancel(target, qty, now, MANUAL)
        self._count(host, "manual_cancel")
        return {"order": order_facts(host, row)}

    async def shares(self, request: web.Request) -> Body:
        """{symbol, qty[, price, host]}: shares come (above zero) or go without an order; `price` is their cost."""
        body = await fields(request, "symbol", "qty", "price", "host")
        host = host_named(self._world, body.get("host", "real"))
        symbol = listed(self._world, body.get("symbol")).symbol
        qty = body.get("qty")
        if isinstance(qty, bool) or not isinstance(qty, int) or not 1 <= abs(qty) <= MAX_SHARES:
            raise InputError(f"qty must be a whole number up to {MAX_SHARES}, below zero for shares that go")
        now = host.now()
        at = body.get("price")
        price = Decimal(str(host.market.price_at(symbol, now))) if at is None else amount(at, "price")
        surprises.transfer(host, symbol, qty, price, now)
        self._count(host, "shares")
        return {"symbol": symbol, "qty": host.account.qty(symbol)}

    async def bust(self, request: web.Request) -> Body:
        """{odno[, qty, host]}: the newest fill, or so many of the newest shares, are taken back."""
        body = await fields(request, "odno", "qty", "host")
        host = host_named(self._world, body.get("host", "real"))
        _, target = self._target(host, body)
        if not target.fills:
            raise InputError("the order has no fill to take back")
        qty = target.fills[-1].qty if body.get("qty") is None else shares(body["qty"])
        surprises.bust(host, target, qty)
        self._count(host, "bust")
        return {"order": order_facts(host, target)}

    async def cash(self, request: web.Request) -> Body:
        """Sets {krw} and {usd} of a host."""
        body = await fields(request, "krw", "usd", "host")
        account = host_named(self._world, body.get("host", "real")).account
        if "krw" in body:
            account.krw = amount(body["krw"], "krw")
        if "usd" in body:
            account.usd = amount(body["usd"], "usd")
        return {"cash": {"krw": str(account.krw), "usd": str(account.usd)}}

    async def revoke_tokens(self, request: web.Request) -> Body:
        """What KIS's maintenance does: tokens in date stop working, with {code} (EGW00121, 00122 or 00123)."""
        body = await fields(request, "host", "code")
        words = DEAD_TOKENS.get(str(body.get("code", "EGW00121")))
        if words is None:
            raise InputError(f"code must be one of {', '.join(DEAD_TOKENS)}")
        host = host_named(self._world, body.get("host", "real"))
        revoked = host.tokens.revoke_all(words)
        self._count(host, "revoke_tokens")
        return {"revoked": revoked}

    def _target(self, host: Host, body: Body) -> tuple[datetime, Order]:
        now = host.now()
        target = engine.find(host.engine.orders.values(), str(body.get("odno")))
        if target is None:
            raise InputError(f"the {host.name} account has no order {body.get('odno')}")
        return now, target

    def _count(self, host: Host, name: str) -> None:
        self._world.faults.count(f"kis_{host.name}.{name}")
