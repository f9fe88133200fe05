"""Looking: the whole state, every order, the bars."""

from aiohttp import web

from sandbox.bars import Bar
from sandbox.control.answers import Body, guarded, host_named, listed
from sandbox.kis import Host
from sandbox.kis.engine import Order
from sandbox.kis.rows import odno_text
from sandbox.world import World


class Looking:
    """Answers as plain data; nothing changes by asking."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/state", guarded(self.state)),
            web.get("/control/orders", guarded(self.orders)),
            web.get("/control/frames", guarded(self.frames)),
            web.get("/control/market/{symbol}/bars", guarded(self.bars)),
        ]

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
                "seconds_sent": counters.seconds_sent,
                "last_bar_end": counters.last_bar_end.isoformat() if counters.last_bar_end else None,
            },
            "replay_done": counters.replay_done,
            "kis": {"real": account_facts(world.real), "paper": account_facts(world.paper)},
            "faults": [fault.as_dict() for fault in world.faults.active()],
            "fault_hits": dict(world.faults.hits),
        }

    async def orders(self, request: web.Request) -> Body:
        """All of both hosts, or ?host=real|paper."""
        only = request.query.get("host")
        hosts = [host_named(self._world, only)] if only else [self._world.real, self._world.paper]
        found: list[Body] = []
        for host in hosts:
            host.now()
            found += [order_facts(host, order) for order in host.engine.orders.values()]
        return {"orders": found}

    async def frames(self, request: web.Request) -> Body:
        """When the frames of minute bars went out, oldest first; those of second bars with ?of=seconds."""
        stream = self._world.stream
        sent = stream.sent_seconds if request.query.get("of") == "seconds" else stream.sent
        return {"frames": [[f.end_ms, f.last_symbol, f.sent_at] for f in sent]}

    async def bars(self, request: web.Request) -> Body:
        """The day's closed minutes; ?all=1 also those to come."""
        world, symbol = self._world, request.match_info["symbol"]
        listed(world, symbol)
        series = world.market.series[symbol]
        if request.query.get("all") == "1":
            bars = [world.market.bar(symbol, row) for row in range(len(series.minutes))]
        else:
            bars = world.market.closed_bars(symbol, world.clock.now())
        return {"symbol": symbol, "bars": [_bar(bar) for bar in bars]}


def _bar(bar: Bar) -> Body:
    return {"t": bar.start_ms, "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": bar.volume}


def account_facts(host: Host) -> Body:
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


def order_facts(host: Host, order: Order) -> Body:
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
