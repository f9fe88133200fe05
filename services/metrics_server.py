"""The page for Prometheus: on 127.0.0.1 only, inside an event loop that is there anyway."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
TIMEOUT_S = 5.0
MOST_HEADERS = 100
# a page of the web that resolves its own name to 127.0.0.1 must not read this one
HOSTS = frozenset({"127.0.0.1", "localhost"})
TEXT = "text/plain; version=0.0.4; charset=utf-8"


async def serve_metrics(port: int, page: Callable[[], Awaitable[bytes]]) -> asyncio.Server | None:
    """Listen until the server is closed; None where the port can't be had, which ends nothing else."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                status = await _request(reader)
                body = await page() if status is HTTPStatus.OK else f"{status.phrase}\n".encode()
                head = f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {TEXT}\r\n"
                writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
                await writer.drain()
        except (TimeoutError, OSError, ValueError, asyncio.IncompleteReadError):
            pass
        except Exception:
            log.exception("the metrics could not be shown")
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    try:
        return await asyncio.start_server(answer, HOST, port)
    except OSError as error:
        log.error("monitoring.metrics_port: %s:%d can't be had: %s", HOST, port, error.strerror)
        return None


async def _request(reader: asyncio.StreamReader) -> HTTPStatus:
    """What the request deserves. Raises ValueError for a line that is too long."""
    method, _, rest = (await reader.readline()).decode("latin-1").partition(" ")
    path = rest.partition(" ")[0].partition("?")[0]
    host = ""
    for _ in range(MOST_HEADERS):
        name, _, value = (await reader.readline()).decode("latin-1").partition(":")
        if not name.strip():
            break
        if name.strip().lower() == "host":
            host = value.strip().rpartition(":")[0] if value.count(":") else value.strip()
    if host not in HOSTS:
        return HTTPStatus.FORBIDDEN
    if method != "GET":
        return HTTPStatus.METHOD_NOT_ALLOWED
    return HTTPStatus.OK if path == "/metrics" else HTTPStatus.NOT_FOUND
