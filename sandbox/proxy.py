"""TCP and Unix-socket proxies on the loopback, one per link, with faults that come and go while they run."""

import asyncio
import contextlib
import re
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.pipe import Connection, Streams, abort
from sandbox.toxics import DOWN, UP, Toxic

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
LISTEN_ON = "127.0.0.1"
UNIX = "unix:"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
MAX_PROXIES = 32
MAX_CONNECTIONS = 512
ALIASES = {"kis_real": "kis"}


@dataclass(frozen=True)
class Address:
    """A TCP port of this machine, or the path of a Unix socket."""

    host: str = LISTEN_ON
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return UNIX + self.path if self.path else f"{self.host}:{self.port}"


def address(text: str) -> Address:
    """Raises ValueError for anything that is not on this machine."""
    if text.startswith(UNIX):
        path = Path(text.removeprefix(UNIX))
        if not path.is_absolute():
            raise ValueError("a Unix socket needs an absolute path, like unix:/tmp/redis.sock")
        return Address(path=str(path))
    host, colon, port = text.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdecimal() or int(port) > 65_535:
        raise ValueError(f"{text} is no address: send host:port or unix:/path")
    if host not in LOOPBACK:
        raise ValueError(f"{host} is not on this machine; only 127.0.0.1, localhost and ::1 are")
    return Address(host, int(port))


class Proxy:
    """One listener, one upstream, at most one toxic of each kind."""

    def __init__(self, name: str, upstream: Address, listen: Address, count: Callable[[str], None]) -> None:
        self.name, self.upstream, self.listen = name, upstream, listen
        self.toxics: dict[str, Toxic] = {}
        self.hits: Counter[str] = Counter()
        self.accepted = self.refused = 0
        self._bytes = {UP: 0, DOWN: 0}
        self._count = count
        self._change = asyncio.Event()
        self._connections: dict[Connection, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None
        self._holder: socket.socket | None = None

    # -- listening ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Raises OSError when the address cannot be had."""
        if self.listen.path:
            self._server = await asyncio.start_unix_server(self._accept, self.listen.path)
            return
        self._release()
        self._server = await asyncio.start_server(self._accept, self.listen.host, self.listen.port)
        if not self.listen.port:
            self.listen = Address(self.listen.host, self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        self._close_listener()
        self._release()
        tasks = list(self._connections.values())
        self._abort_all()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.listen.path:
            Path(self.listen.path).unlink(missing_ok=True)

    def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _refuse(self) -> None:
        """Stops listening; a bound socket that does not listen keeps the port and refuses."""
        self._close_listener()
        if not self.listen.path:
            family = socket.AF_INET6 if self.listen.host == "::1" else socket.AF_INET
            self._holder = socket.socket(family, socket.SOCK_STREAM)
            self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._holder.bind((self.listen.host, self.listen.port))
        self._abort_all()

    def _release(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        reset = self.toxic("reset")
        if len(self._connections) >= MAX_CONNECTIONS or reset is not None or self.toxic("down") is not None:
            if reset is not None:
                self.use(reset)
            self.refused += 1
            abort(writer)
            return
        connection = Connection(self, (reader, writer))
        task = asyncio.get_running_loop().create_task(connection.run())
        self._connections[connection] = task
        task.add_done_callback(lambda _: self._connections.pop(connection, None))

    def _abort_all(self) -> None:
        for connection in list(self._connections):
            self._abort(connection)

    def _abort(self, connection: Connection) -> None:
        connection.abort()
        self._connections[connection].cancel()

    # -- toxics ------------------------------------------------------------------------------------

    async def poison(self, toxic: Toxic) -> None:
        """Meets the open connections as well; a second one of a kind replaces the first."""
        was_down = "down" in self.toxics
        self.toxics[toxic.name] = toxic
        for connection in self._connections:
            connection.mark(toxic)
        if toxic.name == "down" and not was_down:
            self.use(toxic, max(1, len(self._connections)))
            self._refuse()
        elif toxic.name == "reset":
            for connection in list(self._connections):
                if self.toxics.get("reset") is toxic:
                    self.use(toxic)
                    self._abort(connection)
        self._tell()

    async def cure(self, name: str | None = None) -> None:
        """One kind, or all. Raises OSError when a port that was down cannot be had again."""
        gone = [name] if name else list(self.toxics)
        was_down = "down" in self.toxics and "down" in gone
        for kind in gone:
            self.toxics.pop(kind, None)
        if was_down:
            await self.start()
        self._tell()

    def _tell(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    # -- what connections ask ----------------------------------------------------------------------

    def toxic(self, name: str, direction: str = "") -> Toxic | None:
        found = self.toxics.get(name)
        return found if found is not None and (not direction or found.concerns(direction)) else None

    def use(self, toxic: Toxic, hits: int = 1) -> None:
        toxic.hits += hits
        self.hits[toxic.name] += hits
        for _ in range(hits):
            self._count(f"proxy_{self.name}.{toxic.name}")
        if toxic.times is not None:
            toxic.times -= 1
            if toxic.times <= 0 and self.toxics.get(toxic.name) is toxic:
                del self.toxics[toxic.name]

    async def changed(self) -> None:
        await self._change.wait()

    def passed(self, direction: str, size: int) -> None:
        self._bytes[direction] += size

    async def connect(self) -> Streams:
        if self.upstream.path:
            return await asyncio.open_unix_connection(self.upstream.path)
        return await asyncio.open_connection(self.upstream.host, self.upstream.port)

    def as_dict(self) -> dict[str, object]:
        return {
            "name": self.name,
            "address": str(self.listen),
            "upstream": str(self.upstream),
            "toxics": [toxic.as_dict() for toxic in self.toxics.values()],
            "hits": dict(self.hits),
            "accepted": self.accepted,
            "refused": self.refused,
            "open": len(self._connections),
            "bytes_up": self._bytes[UP],
            "bytes_down": self._bytes[DOWN],
        }


class Proxies:
    """All proxies of one sandbox by name; `addresses` are its own listeners, which have names as upstreams."""

    def __init__(self, count: Callable[[str], None], addresses: Mapping[str, str]) -> None:
        self._count, self._addresses = count, addresses
        self._proxies: dict[str, Proxy] = {}

    def all(self) -> list[Proxy]:
        return list(self._proxies.values())

    def get(self, name: str) -> Proxy:
        """Raises ValueError for an unknown name."""
        if name not in self._proxies:
            raise ValueError(f"there is no proxy {name}")
        return self._proxies[name]

    async def create(self, name: str, upstream: str, listen: str = "") -> Proxy:
        """Raises ValueError with what is wrong."""
        if not NAME.fullmatch(name):
            raise ValueError("name must be small letters, digits, _ or -, at most 32")
        if name in self._proxies:
            raise ValueError(f"there is a proxy {name} already")
        if len(self._proxies) >= MAX_PROXIES:
            raise ValueError(f"at most {MAX_PROXIES} proxies")
        own = self._addresses.get(ALIASES.get(upstream, upstream), upstream)
        proxy = Proxy(name, address(own), address(listen) if listen else Address(), self._count)
        try:
            await proxy.start()
        except OSError as error:
            raise ValueError(f"{listen}: {error.strerror or error}") from error
        self._proxies[name] = proxy
        return proxy

    async def remove(self, name: str) -> None:
        proxy = self.get(name)
        del self._proxies[name]
        await proxy.stop()

    async def stop(self) -> None:
        for name in list(self._proxies):
            with contextlib.suppress(OSError):
                await self.remove(name)
