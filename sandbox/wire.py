"""Faults of the HTTP exchange itself, as one middleware for every vendor."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandbox.faults import WIRE, Fault, Faults

Subject = tuple[str, str]
Render = Callable[[Fault, web.Request], web.Response]

MAINTENANCE = (
    "<!DOCTYPE html><html lang='ko'><head><meta charset='utf-8'><title>시스템 점검</title></head>"
    "<body><h1>시스템 점검 중입니다.</h1><p>이용에 불편을 드려 죄송합니다.</p></body></html>"
)
BAD_GATEWAY = 502


def cut(request: web.Request) -> web.Response:
    """Drops the TCP connection; the response that aiohttp needs goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _nobody(_request: web.Request) -> Subject:
    return "", ""


def fault_middleware(
    faults: Faults,
    links: tuple[str, ...],
    render: Render,
    subject: Callable[[web.Request], Awaitable[Subject]] = _nobody,
) -> Middleware:
    """`render` words an "error" in the vendor's own shape; `subject` says which (symbol, side) a request is about."""

    @web.middleware
    async def apply(request: web.Request, handler: Handler) -> web.StreamResponse:
        tr_id = request.headers.get("tr_id", "")
        waiting = faults.matching(links, WIRE, request.path, tr_id)
        if not waiting:
            return await handler(request)
        # the body is read early only for a fault that asks about it: a cut may come in its middle
        symbol, side = await subject(request) if any(fault.picky for fault in waiting) else ("", "")
        fault = faults.take(links, request.path, tr_id, WIRE, symbol=symbol, side=side)
        if fault is None:
            return await handler(request)
        if fault.when == "before":
            await asyncio.sleep(fault.delay_s)
            if fault.action in {"reset", "error", "html"}:
                return _answer(fault, request, render)
        response = await handler(request)
        if fault.when == "after":
            await asyncio.sleep(fault.delay_s)
        return _spoiled(fault, request, response, render)

    return apply


def _answer(fault: Fault, request: web.Request, render: Render) -> web.Response:
    if fault.action == "reset":
        return cut(request)
    if fault.action == "html":
        text = fault.message or MAINTENANCE
        return web.Response(text=text, status=fault.status or BAD_GATEWAY, content_type="text/html", charset="utf-8")
    return render(fault, request)


def _spoiled(fault: Fault, request: web.Request, response: web.StreamResponse, render: Render) -> web.StreamResponse:
    """What is left of an answer that the server did give."""
    if fault.action == "drop_reply":
        return cut(request)
    if fault.action in {"error", "html"}:
        return _answer(fault, request, render)
    if fault.action == "half_json" and isinstance(response, web.Response) and isinstance(response.body, bytes):
        response.body = response.body[: len(response.body) // 2]
    if fault.action == "content_type":
        response.headers["Content-Type"] = fault.content_type
    return response
