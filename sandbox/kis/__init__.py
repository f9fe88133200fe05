"""KIS's Open API: a real-account host and a paper host, two listeners with different rules."""

from aiohttp import web

from sandbox.faults import Fault, Faults, fault_middleware
from sandbox.kis import master
from sandbox.kis.credentials import PAPER, REAL
from sandbox.kis.gateway import Gateway, json_reply
from sandbox.kis.host import Host, create_host

__all__ = ["PAPER", "REAL", "Gateway", "Host", "create_host", "create_kis_app"]

LINKS = {False: ("kis", "kis_real"), True: ("kis", "kis_paper")}


def _injected(fault: Fault) -> web.Response:
    body = {"rt_cd": "1", "msg_cd": fault.code or "EGW00001", "msg1": fault.message or "일시적 오류가 발생했습니다."}
    return json_reply(body, fault.status)


def create_kis_app(host: Host, faults: Faults) -> web.Application:
    app = web.Application(middlewares=[fault_middleware(faults, LINKS[host.paper], _injected)])
    others = REAL.appkey if host.paper else PAPER.appkey
    app.add_routes(master.routes(host.market))
    app.add_routes(Gateway(host, others).routes())
    return app
