"""Polygon's stream, REST API and flat files on one port."""

from aiohttp import web

from sandbox.clock import SandboxClock
from sandbox.faults import Faults
from sandbox.market import Market
from sandbox.polygon.bulk import Bulk
from sandbox.polygon.flatfiles import FlatFiles
from sandbox.polygon.plans import PLANS
from sandbox.polygon.rest import Rest, fault_response, key_middleware
from sandbox.polygon.stream import Stream
from sandbox.wire import fault_middleware

DEFAULT_KEY = "sandbox-polygon-key"

__all__ = ["DEFAULT_KEY", "Stream", "create_polygon_app"]


def create_polygon_app(
    market: Market, clock: SandboxClock, faults: Faults, stream: Stream, key: str = DEFAULT_KEY, plan: str = "advanced"
) -> web.Application:
    """`plan` is what the key's REST requests get, a name of `PLANS`; for the stream see `Stream` and its faults."""
    app = web.Application(middlewares=[fault_middleware(faults, ("polygon",), fault_response), key_middleware(key)])
    app.add_routes(Rest(market, clock, PLANS[plan]).routes())
    app.add_routes(Bulk(market).routes())
    app.add_routes(FlatFiles(market, clock).routes())
    app.router.add_get("/stocks", stream.handle)
    return app
