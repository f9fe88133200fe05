"""Faults by request: put on, listed with their hits, taken off."""

from aiohttp import web

from sandbox import faults
from sandbox.control.answers import Body, InputError, fields, guarded
from sandbox.world import World


class Trouble:
    """The faults of KIS and Polygon; Telegram's are under /sim, the wire's under /control/proxies."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/control/faults", guarded(self.listing)),
            web.post("/control/faults", guarded(self.add)),
            web.delete("/control/faults", guarded(self.clear)),
            web.delete("/control/faults/{id}", guarded(self.remove)),
        ]

    async def listing(self, _request: web.Request) -> Body:
        registry = self._world.faults
        return {
            "faults": [fault.as_dict() for fault in registry.active()],
            "spent": [fault.as_dict() for fault in registry.spent()],
            "hits": dict(registry.hits),
        }

    async def add(self, request: web.Request) -> Body:
        """A stream fault meets open connections now; refusals of future ones wait in the registry."""
        fault = faults.parse(await fields(request))
        symbol = fault.match.get("symbol")
        if symbol is not None and symbol not in self._world.market.instruments:
            raise InputError(f"match names {symbol}, which is not listed")
        stream, registry = self._world.stream, self._world.faults
        waits = fault.action in {*faults.ENTRY, "delayed", "paced"} or (
            fault.action == "max_connections" and not stream.connections
        )
        if fault.link == "polygon_ws" and not waits:
            struck = len(stream.connections)
            stream.strike(fault)
            registry.count(f"{fault.link}.{fault.action}", struck)
            return {"fault": fault.as_dict(), "struck": struck}
        return {"fault": registry.add(fault).as_dict()}

    async def clear(self, _request: web.Request) -> Body:
        self._world.faults.clear()
        self._world.stream.relent()
        return {"faults": []}

    async def remove(self, request: web.Request) -> Body:
        number = request.match_info["id"]
        if not number.isdecimal():
            raise InputError("a fault's id is a whole number")
        self._world.faults.remove(int(number))
        return {"faults": [fault.as_dict() for fault in self._world.faults.active()]}
