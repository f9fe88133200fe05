"""The trader's Unix socket: one JSON line in, one JSON line out."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from core.model.commands import AnyCommand, Reply, ReplyKey
from ports.control import TraderUnreachable

log = logging.getLogger(__name__)
LINE_LIMIT = 1 << 20
_commands = msgspec.json.Decoder(AnyCommand)
_replies = msgspec.json.Decoder(Reply)
Handler = Callable[[AnyCommand], Awaitable[Reply]]


class SocketControl:
    """Client side; implements ports.control.TraderControl."""

    def __init__(self, path: Path, *, timeout_s: float = 15.0) -> None:
        self._path = path
        self._timeout_s = timeout_s

    async def send(self, command: AnyCommand) -> Reply:
        """Deliver one command and return the trader's answer."""
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await asyncio.open_unix_connection(str(self._path), limit=LINE_LIMIT)
                try:
                    writer.write(msgspec.json.encode(command) + b"\n")
                    await writer.drain()
                    line = await reader.readline()
                finally:
                    writer.close()
                    await writer.wait_closed()
            return _replies.decode(line)
        except (OSError, TimeoutError, msgspec.MsgspecError, ValueError) as error:
            raise TraderUnreachable(type(error).__name__) from error


async def serve_control(path: Path, handler: Handler) -> asyncio.Server:
    """Listen on `path` (mode 0600); each line is one command for `handler`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(msgspec.json.encode(await _answer(line, handler)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            log.warning("a control connection broke")
        finally:
            writer.close()

    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(serve, str(path), limit=LINE_LIMIT)
    path.chmod(0o600)
    return server


async def _answer(line: bytes, handler: Handler) -> Reply:
    try:
        command = _commands.decode(line)
    except (msgspec.MsgspecError, ValueError) as error:
        return Reply(ok=False, key=ReplyKey.INVALID, values={"detail": str(error)})
    return await handler(command)
