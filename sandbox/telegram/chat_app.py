"""The person's side over HTTP: the chat page, its live feed, and /sim, all in JSON."""

import asyncio
import base64
import json
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.telegram import person
from sandbox.telegram.errors import SimError
from sandbox.telegram.guard import Handler, loopback_only, page_headers
from sandbox.telegram.model import Fault, Json
from sandbox.telegram.state import TelegramState
from sandbox.telegram.transcript import chat_json, chat_text, state_json

PAGE = Path(__file__).with_name("page")
# the letters of the charts, so that Hangul is drawn on a machine without Korean fonts too
FONTS = Path(__file__).parents[2] / "charts" / "fonts"
MAX_FEED = 2_000
MAX_BODY = 16 * 1024 * 1024
STATE = web.AppKey("telegram_state", TelegramState)
FEEDS = web.AppKey("telegram_feeds", set[web.WebSocketResponse])
_MISSING: Any = object()


def create_chat_app(state: TelegramState) -> web.Application:
    """The page at /, its files under /page, the person's API under /sim; the caller binds it to loopback."""
    app = web.Application(client_max_size=MAX_BODY, middlewares=[page_headers, loopback_only, _errors])
    app[STATE] = state
    app[FEEDS] = set()
    app.router.add_get("/", _index)
    app.router.add_static("/page", PAGE)
    app.router.add_static("/fonts", FONTS)
    for path, act in _ACTIONS.items():
        app.router.add_post(f"/sim/{path}", _posted(act))
    app.router.add_delete("/sim/faults", _clear_faults)
    app.router.add_get("/sim/chat", _chat)
    app.router.add_get("/sim/outbox", _outbox)
    app.router.add_get("/sim/state", _state)
    app.router.add_get("/sim/faults", _faults)
    app.router.add_get("/sim/photo/{file_id}", _photo)
    app.router.add_get("/sim/document/{file_id}", _document)
    app.router.add_get("/sim/ws", _feed)
    app.on_shutdown.append(_close_feeds)
    return app


class Body:
    """The JSON object of a request, read with plain complaints."""

    def __init__(self, fields: Json) -> None:
        """Already decoded."""
        self.fields = fields

    def integer(self, name: str, default: Any = _MISSING) -> Any:
        """A whole number."""
        value = self.fields.get(name, default)
        if value is default and default is not _MISSING:
            return default
        if isinstance(value, bool) or not str(value).lstrip("-").isdigit():
            raise SimError(f"{name}: a whole number is needed")
        return int(value)

    def text(self, name: str, default: Any = _MISSING) -> str:
        """A string."""
        value = self.fields.get(name, default)
        if not isinstance(value, str):
            raise SimError(f"{name}: a text is needed")
        return value

    def flag(self, name: str) -> bool:
        """True only when it says true."""
        return self.fields.get(name) is True


def _where(body: Body) -> person.Where:
    return person.Where(
        body.integer("chat", None), body.integer("reply_to", None), body.flag("anonymous"), body.text("via_bot", "")
    )


def _send(state: TelegramState, body: Body) -> Json:
    return person.send_text(state, body.integer("user"), body.text("text"), where=_where(body))


def _send_photo(state: TelegramState, body: Body) -> Json:
    try:
        data = base64.b64decode(body.text("data"), validate=True)
    except ValueError:
        raise SimError("data: a picture in base64 is needed") from None
    return person.send_photo(state, body.integer("user"), data, body.text("caption", ""), _where(body))


def _post(state: TelegramState, body: Body) -> Json:
    return person.post(state, body.integer("user"), body.integer("chat"), body.text("text"))


def _tap(state: TelegramState, body: Body) -> Json:
    press = person.Tap(body.integer("message_id"), body.text("label", ""), body.text("data", ""), body.flag("forge"))
    return person.tap(state, body.integer("user"), press, body.integer("chat", None))


def _edit(state: TelegramState, body: Body) -> Json:
    message_id, text = body.integer("message_id"), body.text("text")
    return person.edit_text(state, body.integer("user"), message_id, text, body.integer("chat", None))


def _forward(state: TelegramState, body: Body) -> Json:
    message_id, source = body.integer("message_id"), body.integer("from_user", None)
    return person.forward(state, body.integer("user"), message_id, source, _where(body))


def _add_bot(state: TelegramState, body: Body) -> Json:
    return person.add_bot(state, body.integer("user"), body.integer("chat"))


def _block(state: TelegramState, body: Body) -> Json:
    return person.set_blocked(state, body.integer("user"), body.fields.get("blocked", True) is True)


def _fault(state: TelegramState, body: Body) -> Json:
    code = body.integer("code")
    retry_after = body.integer("retry_after", 1 if code == 429 else None)
    try:
        phrase = HTTPStatus(code).phrase
        words = f"{phrase}: retry after {retry_after}" if code == 429 else phrase
        fault = Fault(
            method=body.text("method", "*"),
            code=code,
            description=body.text("description", words),
            retry_after=retry_after,
            times=body.integer("times", 1),
            contains=body.text("contains", ""),
        )
    except ValueError as error:
        raise SimError(str(error)) from None
    state.add_fault(fault)
    return {"faults": len(state.faults)}


def _reset(state: TelegramState, _body: Body) -> Json:
    state.reset()
    return {}


_ACTIONS: dict[str, Callable[[TelegramState, Body], Json]] = {
    "send": _send,
    "send_photo": _send_photo,
    "post": _post,
    "add_bot": _add_bot,
    "tap": _tap,
    "edit": _edit,
    "forward": _forward,
    "block": _block,
    "faults": _fault,
    "reset": _reset,
}


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except SimError as error:
        return web.json_response({"ok": False, "error": str(error)}, status=400)


def _posted(act: Callable[[TelegramState, Body], Json]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        try:
            fields = json.loads(raw) if raw else {}
        except ValueError:
            raise SimError("the body is not JSON") from None
        if not isinstance(fields, dict):
            raise SimError("the body is not a JSON object")
        return web.json_response({"ok": True, **act(request.app[STATE], Body(fields))})

    return handle


async def _index(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(PAGE / "index.html")


async def _chat(request: web.Request) -> web.StreamResponse:
    query = Body(dict(request.query))
    user_id, chat_id = query.integer("user"), query.integer("chat", None)
    if request.query.get("format") == "text":
        return web.Response(text=chat_text(request.app[STATE], user_id, chat_id))
    return web.json_response(chat_json(request.app[STATE], user_id, chat_id))


async def _outbox(request: web.Request) -> web.StreamResponse:
    since = Body(dict(request.query)).integer("since", 0)
    calls = [entry.to_json() for entry in request.app[STATE].outbox if entry.seq > since]
    return web.json_response({"calls": calls})


async def _state(request: web.Request) -> web.StreamResponse:
    return web.json_response(state_json(request.app[STATE]))


async def _faults(request: web.Request) -> web.StreamResponse:
    names = ("method", "code", "description", "retry_after", "times", "contains")
    return web.json_response({"faults": [{n: getattr(fault, n) for n in names} for fault in request.app[STATE].faults]})


async def _clear_faults(request: web.Request) -> web.StreamResponse:
    request.app[STATE].faults.clear()
    return web.json_response({"ok": True})


async def _photo(request: web.Request) -> web.StreamResponse:
    file = request.app[STATE].files.get(request.match_info["file_id"])
    if file is None or not file.is_photo:
        raise web.HTTPNotFound
    return web.Response(body=file.data, content_type=file.mime)


async def _document(request: web.Request) -> web.StreamResponse:
    file = request.app[STATE].files.get(request.match_info["file_id"])
    if file is None or file.is_photo:
        raise web.HTTPNotFound
    # Always a download: the bot's bytes must never run as a page of this origin.
    headers = {"Content-Disposition": "attachment"}
    return web.Response(body=file.data, content_type="application/octet-stream", headers=headers)


async def _feed(request: web.Request) -> web.StreamResponse:
    """Push every change; a page that cannot follow is cut off and loads anew."""
    state = request.app[STATE]
    queue: asyncio.Queue[Json] = asyncio.Queue(MAX_FEED)
    socket = web.WebSocketResponse(heartbeat=30)
    await socket.prepare(request)
    request.app[FEEDS].add(socket)

    def push(event: Json) -> None:
        try:
            queue.put_nowait(event)
        except asyncio.QueueFull:
            stop()
            writer.cancel()

    stop = state.listen(push)
    writer = asyncio.create_task(_write(socket, queue))
    try:
        async for message in socket:
            if message.type is WSMsgType.ERROR:
                break
    finally:
        stop()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        request.app[FEEDS].discard(socket)
    return socket


async def _write(socket: web.WebSocketResponse, queue: asyncio.Queue[Json]) -> None:
    try:
        await socket.send_json({"type": "hello"})
        while True:
            await socket.send_json(await queue.get())
    except ConnectionError:
        return
    finally:
        await socket.close()


async def _close_feeds(app: web.Application) -> None:
    feeds = app[FEEDS]
    for socket in tuple(feeds):
        await socket.close()
