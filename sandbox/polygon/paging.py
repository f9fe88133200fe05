"""How Polygon's REST API answers: JSON, request ids, limits and cursors."""

import base64
import hashlib

import msgspec
from aiohttp import web

Body = dict[str, object]

MAX_LIMIT = 50_000


def json_reply(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")


def request_id(request: web.Request) -> str:
    # Deterministic, so that a recorded run can be compared with another.
    return hashlib.md5(str(request.rel_url).encode(), usedforsecurity=False).hexdigest()


def error_reply(request: web.Request, status: int, text: str) -> web.Response:
    return json_reply({"status": "ERROR", "request_id": request_id(request), "error": text}, status)


def page_limit(request: web.Request, default: int, most: int) -> int:
    text = request.query.get("limit", str(default))
    if not text.isdigit() or not 1 <= int(text) <= most:
        raise web.HTTPBadRequest(
            body=msgspec.json.encode({"status": "ERROR", "error": f"limit must be between 1 and {most}"}),
            content_type="application/json",
        )
    return int(text)


def page_cursor(request: web.Request) -> str:
    text = request.query.get("cursor", "")
    return base64.urlsafe_b64decode(text.encode()).decode() if text else ""


def next_address(request: web.Request, marker: str) -> str:
    kept = {name: value for name, value in request.query.items() if name not in {"cursor", "apiKey"}}
    kept["cursor"] = base64.urlsafe_b64encode(marker.encode()).decode()
    return str(request.url.with_query(kept))
