"""Faults on request: what the next matching request, or the stream, shall suffer."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

REST_ACTIONS = frozenset({"delay", "drop_reply", "reset", "error"})
STREAM_ACTIONS = frozenset({"close", "silent", "auth_fail", "max_connections"})
# "kis" is both hosts; "kis_real" and "kis_paper" are one each
LINKS = MappingProxyType(
    {
        "kis": REST_ACTIONS,
        "kis_real": REST_ACTIONS,
        "kis_paper": REST_ACTIONS,
        "polygon": REST_ACTIONS,
        "polygon_ws": STREAM_ACTIONS,
    }
)
MAX_FAULTS = 100
MAX_DELAY_S = 300.0


@dataclass
class Fault:
    """`times` counts down; None lasts until the registry is cleared. `delay_s` is wall seconds."""

    link: str
    action: str
    match: Mapping[str, str] = field(default_factory=dict)
    status: int = 500
    code: str = ""
    message: str = ""
    delay_s: float = 0.0
    times: int | None = 1
    id: int = 0

    def hits(self, path: str, tr_id: str) -> bool:
        if self.match.get("path_contains", "") not in path:
            return False
        wanted = self.match.get("tr_id")
        return wanted is None or wanted == tr_id

    def as_dict(self) -> dict[str, object]:
        return {
            "id": self.id,
            "link": self.link,
            "action": self.action,
            "match": dict(self.match),
            "status": self.status,
            "code": self.code,
            "message": self.message,
            "delay_s": self.delay_s,
            "times": self.times,
        }


def parse(body: Mapping[str, object]) -> Fault:
    """A fault from the control API's JSON; raises ValueError with what is wrong."""
    link, action = str(body.get("link", "")), str(body.get("action", ""))
    if link not in LINKS:
        raise ValueError(f"link must be one of {', '.join(LINKS)}")
    if action not in LINKS[link]:
        raise ValueError(f"action on {link} must be one of {', '.join(sorted(LINKS[link]))}")
    unknown = set(body) - set(Fault.__dataclass_fields__) | ({"id"} & set(body))
    if unknown:
        raise ValueError(f"unknown field {', '.join(sorted(unknown))}")
    match = body.get("match") or {}
    if not isinstance(match, Mapping) or set(match) - {"path_contains", "tr_id"}:
        raise ValueError("match knows path_contains and tr_id")
    times, delay = body.get("times", 1), body.get("delay_s", 0.0)
    if times is not None and (not isinstance(times, int) or times < 1):
        raise ValueError("times must be a whole number from 1, or null")
    if not isinstance(delay, int | float) or not 0 <= delay <= MAX_DELAY_S:
        raise ValueError(f"delay_s must lie between 0 and {MAX_DELAY_S:g}")
    status = body.get("status", 500)
    if not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError("status must be an HTTP status")
    texts = {str(key): str(value) for key, value in match.items()}
    code, message = str(body.get("code", "")), str(body.get("message", ""))
    return Fault(link, action, texts, status, code, message, float(delay), times)


class Faults:
    """The registry; taking a fault uses up one of its times."""

    def __init__(self) -> None:
        self._active: list[Fault] = []
        self._ids = itertools.count(1)

    def add(self, fault: Fault) -> Fault:
        if len(self._active) >= MAX_FAULTS:
            raise ValueError(f"at most {MAX_FAULTS} faults at a time")
        fault.id = next(self._ids)
        self._active.append(fault)
        return fault

    def clear(self) -> None:
        self._active.clear()

    def active(self) -> list[Fault]:
        return list(self._active)

    def take(self, links: tuple[str, ...], path: str = "", tr_id: str = "", action: str | None = None) -> Fault | None:
        for fault in self._active:
            wanted = fault.link in links and (action is None or fault.action == action)
            if not wanted or not fault.hits(path, tr_id):
                continue
            if fault.times is not None:
                fault.times -= 1
                if fault.times == 0:
                    self._active.remove(fault)
            return fault
        return None


def cut(request: web.Request) -> web.Response:
    """Drops the TCP connection; the response that aiohttp needs goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def fault_middleware(faults: Faults, links: tuple[str, ...], render: Callable[[Fault], web.Response]) -> Middleware:
    """Applies REST faults of the links; `render` words an "error" in the vendor's own shape."""

    @web.middleware
    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = faults.take(links, request.path, request.headers.get("tr_id", ""))
        if fault is None:
            return await handler(request)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.action == "reset":
            return cut(request)
        if fault.action == "error":
            return render(fault)
        response = await handler(request)
        return cut(request) if fault.action == "drop_reply" else response

    return apply
