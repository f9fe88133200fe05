"""KIS's Open API: a real-account host and a paper host, two listeners with different rules."""

from aiohttp import web

from sandbox.faults import Faults
from sandbox.kis import faults as kis_faults
from sandbox.kis import master
from sandbox.kis.credentials import PAPER, REAL
from sandbox.kis.gateway import Gateway
from sandbox.kis.host import Host, create_host
from sandbox.wire import Subject, fault_middleware

__all__ = ["PAPER", "REAL", "Gateway", "Host", "create_host", "create_kis_app"]


def create_kis_app(host: Host, faults: Faults) -> web.Application:
    """The host takes its faults from that registry from now on."""
    host.faults = faults

    async def subject(request: web.Request) -> Subject:
        return await kis_faults.subject(host, request)

    app = web.Application(middlewares=[fault_middleware(faults, host.links, kis_faults.injected, subject)])
    kis_faults.date_answers(app, host, faults)
    others = REAL.appkey if host.paper else PAPER.appkey
    app.add_routes(master.routes(host.market))
    app.add_routes(Gateway(host, others).routes())
    return app
