"""The analyzer: screened tickers, bars and questions in; signals and answers out."""

import asyncio
import logging
import sys
from collections import deque

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.records import SqlRecordStore
from core.model.messages import (
    AnyMessage,
    BarsClosed,
    Channel,
    HoldingsChanged,
    Screened,
    SettingsChanged,
    Signal,
    TrendAsked,
    WatchListChanged,
)
from core.stages.analyze import AnalyzeStage
from ports.bus import BusUnavailable
from ports.store import RecordStore, StoreUnavailable
from services.runtime import Runtime, run, until_stopped
from services.watched import load_watch_list

log = logging.getLogger(__name__)
CHANNELS = (Channel.TREND, Channel.SCREENED, Channel.BARS, Channel.CONTROL)
# enough to rebuild the bars of a whole day after a restart
HISTORY_MESSAGES = 2000
UNSAVED_LIMIT = 1000


class Analyzer:
    """Connects the bus to the stage; signals are published first, then recorded."""

    def __init__(self, runtime: Runtime, records: RecordStore, watched: WatchListChanged | None = None) -> None:
        """`watched` is the watch list at the start."""
        self._runtime = runtime
        self._records = records
        self._stage = AnalyzeStage(runtime.params.analyzer, runtime.params.scanner)
        if watched is not None:
            self._stage.watch_list_changed(watched)
        self._unsaved: deque[Signal] = deque(maxlen=UNSAVED_LIMIT)
        self._saving = asyncio.Event()
        self._signals = 0

    async def run(self) -> None:
        """Work until the stop."""
        await self._remember()
        await until_stopped(self._runtime, self._consume(), self._save())

    async def _remember(self) -> None:
        """Rebuild bars, discoveries and holdings from the streams, without judging again."""
        bus = self._runtime.bus
        try:
            past: list[AnyMessage] = [*await bus.history(Channel.SCREENED, HISTORY_MESSAGES)]
            past += await bus.history(Channel.BARS, HISTORY_MESSAGES)
            past += await bus.history(Channel.SIGNAL, HISTORY_MESSAGES)
            control = await bus.history(Channel.CONTROL, HISTORY_MESSAGES)
        except BusUnavailable:
            log.warning("Redis does not answer; starting without history")
            return
        kept = [m for m in past if isinstance(m, Screened | BarsClosed | Signal)]
        for message in sorted(kept, key=lambda m: m.created_at):
            self._stage.remember(message)
        for late in control:
            if isinstance(late, HoldingsChanged):
                self._stage.holdings_changed(late)
            elif isinstance(late, SettingsChanged):
                self._settings_changed(late)

    def _settings_changed(self, message: SettingsChanged) -> None:
        params = self._runtime.with_overrides(dict(message.overrides))
        self._stage.settings_changed(params.analyzer, params.scanner)

    async def _consume(self) -> None:
        bus = self._runtime.bus
        async for delivery in bus.consume("analyzer", CHANNELS):
            await self._handle(delivery.message)
            await bus.ack("analyzer", delivery)

    async def _handle(self, message: AnyMessage) -> None:
        now = self._runtime.clock.now()
        match message:
            case Screened():
                await self._publish(self._stage.screened(message, now))
            case BarsClosed():
                await self._publish(self._stage.bars_closed(message, now))
            case TrendAsked():
                try:
                    await self._runtime.bus.publish(Channel.TREND, self._stage.trend_asked(message, now))
                except BusUnavailable:
                    log.warning("an answer about %s was lost", message.ticker)
            case HoldingsChanged():
                self._stage.holdings_changed(message)
            case SettingsChanged():
                self._settings_changed(message)
            case WatchListChanged():
                self._stage.watch_list_changed(message)
            case _:
                pass

    async def _publish(self, signals: list[Signal]) -> None:
        for signal in signals:
            try:
                await self._runtime.bus.publish(Channel.SIGNAL, signal)
            except BusUnavailable:
                log.warning("signal %s %s was lost", signal.verdict.signal.value, signal.ticker)
            self._signals += 1
            self._unsaved.append(signal)
            self._saving.set()
        self._runtime.note(signals=self._signals, unsaved=len(self._unsaved))

    async def _save(self) -> None:
        while not self._runtime.stop.is_set():
            await self._saving.wait()
            self._saving.clear()
            while self._unsaved:
                try:
                    await self._records.add_signal(self._unsaved[0])
                    self._unsaved.popleft()
                except StoreUnavailable:
                    log.warning("the database does not answer; %d signals wait", len(self._unsaved))
                    await self._runtime.pause(5.0)


async def main(runtime: Runtime) -> None:
    """Wire the analyzer."""
    engine = open_engine(runtime.settings.database_url, runtime.name)
    chat, records = SqlChatStore(engine), SqlRecordStore(engine)
    await runtime.load_overrides(chat)
    try:
        await Analyzer(runtime, records, await load_watch_list(chat, records, runtime.clock.now())).run()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    sys.exit(run("analyzer", main))
