"""The trader's side of Redis: signals, trend answers and settings in; holdings and trend questions out."""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal

from core.model.instrument import Exchange
from core.model.messages import (
    BarsClosed,
    Channel,
    HoldingsChanged,
    Screened,
    SettingsChanged,
    Signal,
    SplitsOfDay,
    TrendAnswered,
    TrendAsked,
    message_id,
)
from core.model.signal import SignalType, TrendState
from core.stages.trade import TradeStage
from core.stages.trade.inputs import ParamsChanged, SignalArrived, SplitsTold, TradeInput, TrendArrived
from ports.bus import BusUnavailable, Delivery
from services.broker_watch import BrokerWatch
from services.runtime import Runtime
from services.venues import PriceBoard

log = logging.getLogger(__name__)
REPEAT_HOLDINGS_S = 30.0


class BusSide:
    """`tell` commits what follows from a message; `start` runs work beside the mailbox. Redis protects nothing."""

    def __init__(
        self,
        runtime: Runtime,
        stage: TradeStage,
        watch: BrokerWatch,
        board: PriceBoard,
        *,
        tell: Callable[[TradeInput], Awaitable[object]],
        start: Callable[[Coroutine[object, object, None]], None],
    ) -> None:
        self._runtime = runtime
        self._stage = stage
        self._watch = watch
        self._board = board
        self._tell = tell
        self._start = start

    async def consume(self) -> None:
        channels = [Channel.SIGNAL, Channel.TREND, Channel.CONTROL, Channel.SCREENED, Channel.BARS]
        async for delivery in self._runtime.bus.consume("trader", channels):
            self._start(self._handle(delivery)) if _slow(delivery) else await self._handle(delivery)

    async def _handle(self, delivery: Delivery) -> None:
        now = self._runtime.clock.now()
        message = delivery.message
        match message:
            case Signal():
                await self._signal(message)
            case TrendAnswered():
                await self._tell(TrendArrived(at=now, answer=message))
            case SplitsOfDay():
                self._board.see(message, now)
                await self._tell(SplitsTold(at=now, on=message.on, splits=message.splits))
            case SettingsChanged():
                params = self._runtime.with_overrides(dict(message.overrides))
                await self._tell(ParamsChanged(at=now, params=params.trading))
            case Screened() | BarsClosed():
                self._board.see(message, now)
            case _:
                pass
        await self._runtime.bus.ack("trader", delivery)

    async def _signal(self, signal: Signal) -> None:
        quote = power = None
        now = self._runtime.clock.now()
        fresh = signal.id not in self._stage.book.decisions and now <= signal.valid_until
        if signal.verdict.signal is SignalType.BUY and fresh:
            exchange = Exchange(signal.discovery.exchange) if signal.discovery else Exchange.NASD
            close = Decimal(str(signal.verdict.indicators.close))
            quote, power = await self._watch.entry_facts(signal.ticker, exchange, near=close)
        await self._tell(SignalArrived(at=now, signal=signal, quote=quote, power=power))

    async def ask_trend(self, question_id: str, ticker: str) -> None:
        """Ask over Redis; no answer in time is the answer UNKNOWN. The machine ignores whichever comes second."""
        clock = self._runtime.clock
        try:
            await self._runtime.bus.publish(
                Channel.TREND, TrendAsked(id=question_id, ticker=ticker, asked_at=clock.now())
            )
            await self._runtime.pause(self._runtime.params.trading.trend_timeout_sec)
        except BusUnavailable:
            log.warning("the analyzer can't be asked about %s", ticker)
        now = clock.now()
        answer = TrendAnswered(
            id=message_id("timeout", question_id),
            question=question_id,
            ticker=ticker,
            state=TrendState.UNKNOWN,
            verdict=None,
            answered_at=now,
        )
        await self._tell(TrendArrived(at=now, answer=answer))

    async def publish_holdings(self) -> None:
        now = self._runtime.clock.now()
        held = self._stage.book.holdings()
        planned = tuple(plan.ticker for plan in self._stage.book.open_plans())
        key = message_id("holdings", now.isoformat(), *held)
        message = HoldingsChanged(id=key, positions=held, planned=planned, at=now)
        try:
            await self._runtime.bus.publish(Channel.CONTROL, message)
        except BusUnavailable:
            log.warning("the others do not hear of the holdings yet; they are repeated")

    async def repeat_holdings(self) -> None:
        await self._runtime.every(REPEAT_HOLDINGS_S, self.publish_holdings, least_s=0.5)


def _slow(delivery: Delivery) -> bool:
    """A BUY needs the broker's answers first and must not hold up a SELL behind it."""
    message = delivery.message
    return isinstance(message, Signal) and message.verdict.signal is SignalType.BUY
