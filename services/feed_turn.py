"""One collector per market data key: the feed of the process whose turn it is; the others wait and say so."""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from ports.lock import Held, SharedLock
from ports.market_data import BarStream, Feed, FeedStatus

log = logging.getLogger(__name__)
RENEW_S = 4.0
AGAIN_S = 1.0
BOOT = Path("/proc/sys/kernel/random/boot_id")
WAITING = {
    Held.TAKEN: FeedStatus(up=False, key="another_collector"),
    Held.UNKNOWN: FeedStatus(up=False, key="no_lock"),
}


def holder_of(state_dir: Path) -> str:
    """The name of this installation while this machine runs, the same after a restart of the process.

    The kernel's lock on the state directory lets one collector at a time use it; a copy of the directory, on another
    machine or in another container, is another holder.
    """
    try:
        boot = BOOT.read_text().strip()
    except OSError:
        boot = secrets.token_hex(16)
    found = state_dir.stat()
    parts = (boot, socket.gethostname(), str(state_dir), found.st_dev, found.st_ino)
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]


class TurnedFeed:
    """A `BarStream` that connects only while the lock is ours.

    Redis away while we hold it: the feed goes on. Nobody can take the lock meanwhile, and ending the feed would only add
    a gap; if the lock turns out to be another's when Redis is back, the connection is closed. Redis away before we hold
    it: we wait, because without Redis nothing that we see could reach anybody.
    """

    def __init__(
        self,
        make: Callable[[], BarStream],
        lock: SharedLock,
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`make` gives a new stream for each turn; `pause` waits real seconds, like the lock's expiry."""
        self._make, self._lock, self._pause = make, lock, pause
        self._stream: BarStream | None = None
        self._closed = False

    async def events(self) -> AsyncGenerator[Feed, None]:
        """Wait for the turn, pass on what the stream says, begin again when the turn is lost."""
        told = Held.MINE
        while not self._closed:
            held = await self._lock.claim()
            if held is Held.MINE:
                async with contextlib.aclosing(self._turn()) as turn:
                    async for item in turn:
                        yield item
                told = held
                continue
            if held is not told:
                told = held
                log.warning("feed: not connecting: %s", WAITING[held].key)
                yield WAITING[held]
            await self._pause(RENEW_S if held is Held.TAKEN else AGAIN_S)

    async def _turn(self) -> AsyncGenerator[Feed, None]:
        stream = self._stream = self._make()
        keeper = asyncio.create_task(self._keep(stream))
        try:
            async with contextlib.aclosing(stream.events()) as events:
                async for item in events:
                    yield item
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)
            await stream.close()
            self._stream = None

    async def _keep(self, stream: BarStream) -> None:
        """Renew until the lock is somebody else's; then the connection goes."""
        while True:
            await self._pause(RENEW_S)
            if await self._lock.claim() is Held.TAKEN:
                log.error("feed: another collector took over this key; disconnecting")
                await stream.close()
                return

    def lag_s(self) -> float:
        """How far the reader is behind the stream of this turn."""
        return self._stream.lag_s() if self._stream else 0.0

    async def close(self) -> None:
        """Disconnect and give the turn back."""
        self._closed = True
        if self._stream is not None:
            await self._stream.close()
        await self._lock.release()
