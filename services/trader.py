"""The trader: one mailbox, one machine, one journal; everything else only feeds it or carries out what it says."""

import asyncio
import contextlib
import itertools
import logging
import sys
from asyncio import AbstractServer
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path

from adapters.calendar import load_calendar
from adapters.control import Handler, serve_control
from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.records import SqlRecordStore
from adapters.journal import SqliteJournal
from core.model.commands import AnyCommand, Approve, Buy, Panic, Pause, Reply
from core.model.instrument import Exchange
from core.model.order import Side
from core.rules.reconcile import Resolution
from core.rules.schedule import entry_window, order_phases
from core.stages.trade import (
    AskTrend,
    CancelOrder,
    Outcome,
    PlaceOrder,
    Protect,
    PublishHoldings,
    ReadHoldings,
    TradeStage,
)
from core.stages.trade.inputs import (
    CommandArrived,
    Tick,
    TradeInput,
)
from ports.broker import Broker
from ports.clock import Calendar
from ports.journal import Journal
from ports.store import RecordStore, StoreUnavailable
from services.broker_watch import BrokerWatch
from services.bus_side import BusSide
from services.fence import OrdersLock
from services.order_desk import MaySend, OrderDesk
from services.outbox import OutboxPump
from services.protect import acknowledge_sales, guardian_sales, take_orders_lock, write_protection
from services.runtime import Runtime, run, until_stopped
from services.venues import PriceBoard, open_broker

log = logging.getLogger(__name__)
URGENT, NORMAL = 0, 1
TICK_S, PRICES_S = 1.0, 30.0
# longer than one call to the broker may take
DRAIN_S = 10.0
DATABASE_S = 5.0
SECRETS = (
    "KIS_APPKEY",
    "KIS_APPSECRET",
    "KIS_ACCOUNT",
    "KIS_HTS_ID",
    "KIS_VIRTUAL_APPKEY",
    "KIS_VIRTUAL_APPSECRET",
    "KIS_VIRTUAL_ACCOUNT",
)

Serve = Callable[[Path, Handler], Awaitable[AbstractServer]]


class Trader:
    """Handles inputs one at a time: decide, commit, act. A failed commit ends the process, which starts again."""

    def __init__(
        self,
        runtime: Runtime,
        *,
        broker: Broker,
        journal: Journal,
        records: RecordStore,
        calendar: Calendar,
        board: PriceBoard,
        may_send: MaySend = lambda _selling: True,
        resolution: Resolution | None = None,
    ) -> None:
        self._runtime = runtime
        self._broker = broker
        self._journal = journal
        self._records = records
        self._calendar = calendar
        self._board = board
        now = runtime.clock.now()
        self._stage = TradeStage(runtime.params.trading, journal.load(), now, resolution)
        self._mail: asyncio.PriorityQueue[tuple[int, int, TradeInput, asyncio.Future[Reply | None]]]
        self._mail = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._may_send = may_send
        self._desk = OrderDesk(broker, runtime.clock, self.tell, self._allowed)
        self._watch = BrokerWatch(runtime, broker, self._stage, self.tell, board)
        self._bus_side = BusSide(runtime, self._stage, self._watch, board, tell=self.tell, start=self._start)
        self._pump = OutboxPump(runtime, journal, runtime.bus, records)
        self._protect_seq = 0
        self._closed = False

    async def run(self, serve: Serve = serve_control) -> None:
        """Recover, then answer commands and work until the stop."""
        now = self._runtime.clock.now()
        await self._settle(self._stage.recover(now))
        sales = list(guardian_sales(self._runtime.settings.state_dir, now))
        for sale in sales:
            await self._settle(self._stage.handle(sale))
        acknowledge_sales(self._runtime.settings.state_dir, (sale.key for sale in sales))
        server = await serve(self._runtime.settings.socket("trader"), self.command)
        processor = asyncio.create_task(self._process())
        try:
            await until_stopped(
                self._runtime,
                _follow(processor),
                self._tick(),
                self._watch.quotes(),
                self._watch.orders(),
                self._watch.reconcile(),
                self._watch.power(),
                self._bus_side.consume(),
                self._pump.run(),
                self._bus_side.repeat_holdings(),
                self._record_prices(),
            )
        finally:
            server.close()
            self._runtime.settings.socket("trader").unlink(missing_ok=True)
            await self._drain(processor)

    async def _drain(self, processor: asyncio.Task[None]) -> None:
        """Let orders on their way report and be written down; what is left is in the journal and recovered from it."""
        if self._tasks and not processor.done():
            await asyncio.wait(self._tasks, timeout=DRAIN_S)
        self._closed = True
        for task in (*self._tasks, processor):
            task.cancel()
        while not self._mail.empty():
            self._mail.get_nowait()[3].cancel()
        await asyncio.gather(*self._tasks, processor, return_exceptions=True)

    async def tell(self, message: TradeInput, *, urgent: bool = False) -> Reply | None:
        """Put an input into the mailbox and wait until its outcome is committed."""
        if self._closed:
            raise asyncio.CancelledError
        done: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        await self._mail.put((URGENT if urgent else NORMAL, next(self._numbers), message, done))
        return await done

    async def command(self, command: AnyCommand) -> Reply:
        """Answer one command of the bot or the terminal; protective ones overtake everything."""
        quote = power = None
        exchange = Exchange.NASD
        name, name_ko = self._board.names(getattr(command, "ticker", ""))
        match command:
            case Approve(plan_id=plan_id):
                plan = self._stage.book.plans.get(plan_id)
                if plan is not None and plan.open:
                    quote, power = await self._watch.entry_facts(plan.ticker, plan.exchange, near=plan.reference_price)
            case Buy(ticker=ticker):
                exchange = self._board.exchange(ticker) or command.exchange or Exchange.NASD
                name, name_ko = name or command.name, name_ko or command.name_ko
                quote, power = await self._watch.entry_facts(ticker, exchange)
            case _:
                pass
        message = CommandArrived(
            at=self._runtime.clock.now(),
            command=command,
            quote=quote,
            power=power,
            exchange=exchange.value,
            name=name,
            name_ko=name_ko,
        )
        reply = await self.tell(message, urgent=isinstance(command, Panic | Pause))
        assert reply is not None
        return reply

    async def _process(self) -> None:
        while True:
            _, _, message, done = await self._mail.get()
            try:
                await self._settle(outcome := self._stage.handle(message))
            except BaseException as error:
                if not done.done():
                    done.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
                raise
            if not done.done():
                done.set_result(outcome.reply)

    async def _settle(self, outcome: Outcome) -> None:
        """Commit first; only then act. The guardian's file comes before: who dies between the two must not leave shares unwatched."""
        if Protect() in outcome.actions:
            self._protect()
        self._journal.commit(outcome.changes)
        if outcome.changes:
            self._pump.wake.set()
        for action in outcome.actions:
            match action:
                case PlaceOrder(intent_id):
                    self._start(self._desk.place(self._stage.book.intents[intent_id]))
                    self._watch.orders_wanted.set()
                case CancelOrder(intent_id):
                    self._begin_cancel(intent_id)
                case AskTrend(question_id, ticker):
                    self._start(self._bus_side.ask_trend(question_id, ticker))
                case ReadHoldings():
                    self._watch.holdings_wanted.set()
                case Protect():
                    # done
                    pass
                case PublishHoldings():
                    self._start(self._bus_side.publish_holdings())

    def _begin_cancel(self, intent_id: str) -> None:
        outcome = self._stage.begin_cancel(intent_id, self._runtime.clock.now())
        if outcome is not None:
            self._journal.commit(outcome.changes)
            self._start(self._desk.cancel(self._stage.book.intents[intent_id]))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the trader failed", exc_info=error)
            self._runtime.stop.set()

    def _protect(self) -> None:
        """The guardian must know a position and its stop in the same instant as we do."""
        self._protect_seq += 1
        book = self._stage.book
        write_protection(
            self._runtime.settings.state_dir,
            book.positions.values(),
            seq=self._protect_seq,
            at=self._runtime.clock.now().isoformat(),
            venue=self._runtime.params.trading.venue,
            buying={i.request.ticker for i in book.live_intents(side=Side.BUY)},
            orders=book.counted_orders(),
            selling=book.selling(),
        )

    def _allowed(self, selling: bool) -> bool:
        """Ask the fence; a trader that may not send any more ends, and waits its turn after the restart."""
        if self._may_send(selling):
            return True
        log.error("somebody else was put in charge of the orders; this trader ends")
        self._runtime.stop.set()
        return False

    async def _record_prices(self) -> None:
        """Keep the prices of the `positions` table fresh for people."""

        async def record() -> None:
            for position in list(self._stage.book.positions.values()):
                try:
                    await self._records.put_position(position)
                    if position.ticker not in self._stage.book.positions:
                        await self._records.remove_position(position.ticker)
                except StoreUnavailable:
                    return

        await self._runtime.every(PRICES_S, record, least_s=1.0)

    async def _tick(self) -> None:
        halt = self._runtime.settings.state_dir / "HALT"

        async def tick() -> None:
            now = self._runtime.clock.now()
            session = self._calendar.current_or_next(now)
            start, end = entry_window(session, self._runtime.params.schedule)
            open_phases = order_phases(self._runtime.params.trading.venue)
            await self.tell(
                Tick(
                    at=now,
                    in_window=start <= now < end,
                    market_open=session.phase(now) in open_phases,
                    halted=halt.exists(),
                    stale_after=self._watch.stale_after,
                )
            )
            book = self._stage.book
            self._runtime.note(market_open=book.market_open)
            self._runtime.note(positions=len(book.positions), plans=len(book.open_plans()), evaluated=now.isoformat())
            self._runtime.note(venue=self._runtime.params.trading.venue, state=book.trading_state.value)
            self._runtime.note(blocks=",".join(sorted(b.reason for b in book.standing())), broker_ok=book.broker_ok)

        await self._runtime.every(TICK_S, tick)


async def _follow(task: asyncio.Task[None]) -> None:
    """End when the task ends, with its error; being cancelled does not cancel it."""
    await asyncio.shield(task)


async def main(runtime: Runtime) -> None:
    """Wire the trader."""
    settings = runtime.settings
    engine = open_engine(settings.database_url, runtime.name)
    with contextlib.suppress(TimeoutError):
        # a database that hangs must not keep a trader with positions from starting
        async with asyncio.timeout(DATABASE_S):
            await runtime.load_overrides(SqlChatStore(engine))
    board = PriceBoard()
    calendar = load_calendar(settings.state_dir, runtime.clock.now().date())
    broker = open_broker(runtime, board, calendar)
    try:
        # last, because a trader that holds the orders must not be silent
        orders = await take_orders_lock(runtime)
        if orders is not None:
            await _trade(runtime, broker, SqlRecordStore(engine), calendar, board, orders)
    finally:
        await broker.close()
        await engine.dispose()


async def _trade(
    runtime: Runtime,
    broker: Broker,
    records: RecordStore,
    calendar: Calendar,
    board: PriceBoard,
    orders: OrdersLock,
) -> None:
    journal = SqliteJournal(runtime.settings.state_dir / "journal.db")
    try:
        trader = Trader(
            runtime,
            broker=broker,
            journal=journal,
            records=records,
            calendar=calendar,
            board=board,
            may_send=lambda selling: orders.may_send(selling=selling),
        )
        await trader.run()
    finally:
        journal.close()
        orders.release()


if __name__ == "__main__":
    sys.exit(run("trader", main, secrets=SECRETS))
