"""The Bot API over HTTP: decoding of every request form, faults, the log, long polling, downloads."""

import json
from typing import Any

from aiohttp import BodyPartReader, web

from sandbox.telegram.errors import WEBHOOK_ACTIVE, ApiError, bad_request, conflict
from sandbox.telegram.guard import loopback_only
from sandbox.telegram.methods import METHODS
from sandbox.telegram.model import Json
from sandbox.telegram.params import Params, Upload
from sandbox.telegram.state import TelegramState
from sandbox.telegram.updates import MAX_BATCH, MAX_TIMEOUT_S

MAX_REQUEST_BYTES = 64 * 1024 * 1024
# A held poll looks this often whether its client is still there.
_LOOK_S = 1.0
STATE = web.AppKey("telegram_state", TelegramState)


def create_bot_api_app(state: TelegramState) -> web.Application:
    """Routes /bot<token>/<method> and /file/bot<token>/<path>; the caller binds it to loopback."""
    app = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[loopback_only])
    app[STATE] = state
    app.router.add_route("GET", r"/bot{token:\d+:[^/]+}/{method}", _call)
    app.router.add_route("POST", r"/bot{token:\d+:[^/]+}/{method}", _call)
    app.router.add_get(r"/file/bot{token:\d+:[^/]+}/{path:.+}", _download)
    app.router.add_route("*", "/{rest:.*}", _nothing)
    app.on_shutdown.append(_end_poll)
    return app


async def _call(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    method = request.match_info["method"]
    params = Params()
    try:
        if request.match_info["token"] != state.token:
            raise ApiError(401, "Unauthorized")
        params = await _read(request)
        fault = state.take_fault(method, params)
        if fault is None and state.flood is not None:
            fault = state.flood.check(method, params)
        if fault is not None:
            raise fault
        result = await _run(state, request, method, params)
    except ApiError as error:
        if _connected(request):
            state.log(method, params, error, None)
        headers = {"Retry-After": str(error.retry_after)} if error.retry_after is not None else None
        return web.json_response(error.envelope(), status=error.code, headers=headers)
    if _connected(request):
        state.log(method, params, None, result)
    return web.json_response({"ok": True, "result": result})


async def _run(state: TelegramState, request: web.Request, method: str, params: Params) -> Any:
    if method.lower() == "getupdates":
        return await _get_updates(state, request, params)
    rule = METHODS.get(method.lower())
    if rule is None:
        raise ApiError(404, "Not Found: method not found")
    return rule(state, params)


async def _get_updates(state: TelegramState, request: web.Request, params: Params) -> list[Json]:
    """Confirm by offset, then hold the request until something comes or `timeout` real seconds pass."""
    if state.webhook:
        raise conflict(WEBHOOK_ACTIVE)
    limit = params.integer("limit", MAX_BATCH) or MAX_BATCH
    left = min(max(params.integer("timeout", 0) or 0, 0), MAX_TIMEOUT_S)
    state.updates.allow(params.sequence("allowed_updates"))
    state.updates.confirm(params.integer("offset", 0) or 0)
    poll = state.pollers.enter()
    state.emit("polling")
    ends = state.monotonic() + left
    try:
        while not state.updates.pending and (rest := ends - state.monotonic()) > 0 and _connected(request):
            await poll.wait(min(rest, _LOOK_S))
            if poll.closed:
                break
        return state.updates.batch(limit)
    finally:
        state.pollers.leave(poll)
        state.last_poll = state.monotonic()


async def _read(request: web.Request) -> Params:
    """Query string, form, multipart or JSON; the body's fields win over the query's."""
    fields: Json = dict(request.query)
    uploads: dict[str, Upload] = {}
    kind = request.content_type if request.can_read_body else ""
    try:
        if kind == "application/json":
            body = json.loads(await request.read())
            if not isinstance(body, dict):
                raise bad_request("object expected as the request body")
            fields |= body
        elif kind == "multipart/form-data":
            await _read_parts(request, fields, uploads)
        elif kind == "application/x-www-form-urlencoded":
            fields |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "Request Entity Too Large") from None
    except ValueError:
        raise bad_request("can't parse the request body") from None
    return Params(fields, uploads)


async def _read_parts(request: web.Request, fields: Json, uploads: dict[str, Upload]) -> None:
    """Parts with a file name are files, all others are fields, whatever their content type."""
    total = 0
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or not part.name:
            raise bad_request("can't parse the request body")
        data = bytes(await part.read(decode=True))
        total += len(data)
        if total > MAX_REQUEST_BYTES:
            raise ApiError(413, "Request Entity Too Large")
        if part.filename is None:
            fields[part.name] = data.decode()
        else:
            mime = part.headers.get("Content-Type", "application/octet-stream")
            uploads[part.name] = Upload(part.filename, mime, data)


async def _download(request: web.Request) -> web.StreamResponse:
    state = request.app[STATE]
    path = request.match_info["path"]
    file = next((one for one in state.files.values() if one.path == path), None)
    if request.match_info["token"] != state.token or file is None:
        return web.json_response(ApiError(404, "Not Found").envelope(), status=404)
    return web.Response(body=file.data, content_type="application/octet-stream")


async def _nothing(_request: web.Request) -> web.StreamResponse:
    return web.json_response(ApiError(404, "Not Found").envelope(), status=404)


async def _end_poll(app: web.Application) -> None:
    app[STATE].pollers.close()


def _connected(request: web.Request) -> bool:
    return request.transport is not None and not request.transport.is_closing()
