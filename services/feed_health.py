"""The collector's look at its feed: what people hear of outages and delays, and what its heartbeat shows."""

import datetime as dt
from collections.abc import Sequence

from core.model.batch import BarBatch
from core.model.messages import Channel, Event, message_id
from core.rules.feed import FeedNews, FeedWatch
from ports.bus import BusUnavailable
from ports.market_data import BarStream, FeedStatus
from services.runtime import Runtime

LOOK_S = 10.0
KEPT = 20


class FeedHealth:
    """Tells what `core.rules.feed` decides; what can't be told now is told at the next look."""

    def __init__(self, runtime: Runtime, stream: BarStream) -> None:
        self._runtime, self._stream = runtime, stream
        self._watch = FeedWatch()
        self._untold: list[Event] = []
        self._told = 0

    async def status_changed(self, status: FeedStatus, at: dt.datetime) -> None:
        """The connection changed."""
        self._runtime.note(feed=status.key)
        await self.tell(self._watch.status(up=status.up, key=status.key, detail=status.detail, at=at), at)

    def bars_arrived(self, batch: BarBatch, at: dt.datetime) -> None:
        """A batch arrived."""
        self._watch.bars(int(batch.start_ms.max()), at)

    async def look_after(self) -> None:
        """Look every few seconds until the stop."""
        await self._runtime.every(LOOK_S, self.look, least_s=1.0)

    async def look(self) -> None:
        """Tell what has changed with time, and note delay and lag."""
        at, skew_s = self._runtime.clock.now(), await self._skew_s()
        limit_s = float(self._runtime.params.trading.max_data_age_sec)
        await self.tell(self._watch.look(at, limit_s, skew_s), at)
        delay_s = self._watch.delay_s(at, skew_s)
        shown = "" if delay_s is None else f"{delay_s:.1f}"
        self._runtime.note(delay_s=shown, delayed=self._watch.delayed, lag_s=f"{self._stream.lag_s():.1f}")

    async def _skew_s(self) -> float:
        """How far the broker's clock is ahead of ours, as the trader last saw it; 0 where that is unknown."""
        try:
            beats = await self._runtime.bus.heartbeats()
            return float(beats.get("trader", {}).get("skew_s", "") or 0.0) * self._runtime.clock.speed
        except (BusUnavailable, ValueError):
            return 0.0

    async def tell(self, news: Sequence[FeedNews], at: dt.datetime) -> None:
        """Tell people; what Redis does not take now is told later."""
        for each in news:
            self._told += 1
            key = message_id("collector", each.kind.value, at.isoformat(), self._told)
            self._untold.append(Event(id=key, kind=each.kind, at=at, values=dict(each.values)))
        del self._untold[:-KEPT]
        try:
            while self._untold:
                await self._runtime.bus.publish(Channel.EVENTS, self._untold[0])
                del self._untold[0]
        except BusUnavailable:
            return
