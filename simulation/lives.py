"""One life of the trader: the real process, wired as its `main` does, on ports that die with it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

from adapters.control import Handler
from adapters.journal import SqliteJournal
from config.environment import base
from core.model.commands import AnyCommand, Reply
from core.model.params import Params
from core.rules.reconcile import Resolution
from ports.store import RecordStore
from services.fence import OrdersLock, read_epoch
from services.protect import take_orders_lock
from services.runtime import Runtime
from services.trader import Trader
from services.venues import PriceBoard
from simulation.broker import Line, TraderBroker
from simulation.checks import Checks
from simulation.clock import OneSession, VirtualClock
from simulation.hooks import Hooks
from simulation.loop import Killed, Process, VirtualLoop
from simulation.ports import MortalJournal, SimBus, SimRecords, Streams


class Door(asyncio.AbstractServer):
    """The control socket that is none."""

    def close(self) -> None:
        """Nothing listens."""

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop that runs."""
        return asyncio.get_running_loop()

    def is_serving(self) -> bool:
        """Never by a socket."""
        return False

    async def start_serving(self) -> None:
        """Nothing to do."""

    async def serve_forever(self) -> None:
        """Nothing to do."""

    async def wait_closed(self) -> None:
        """Nothing to wait for."""


class Surroundings:
    """What all lives share: the machine with its files, the network, the broker, the judge."""

    def __init__(
        self,
        *,
        loop: VirtualLoop,
        clock: VirtualClock,
        line: Line,
        checks: Checks,
        streams: Streams,
        records: SimRecords,
        params: Params,
        state_dir: Path,
        resolution: Resolution,
    ) -> None:
        self.loop, self.clock, self.line, self.checks = loop, clock, line, checks
        self.streams, self.records, self.params, self.state_dir = streams, records, params, state_dir
        self.resolution = resolution


class TraderLife:
    """From start to death. `over` is called when it ends, with what it raised if it fell by itself."""

    def __init__(self, around: Surroundings, over: Callable[["TraderLife", BaseException | None], None]) -> None:
        self.process = Process("trader", around.loop)
        self.hooks = Hooks(self.process)
        self.handler: Handler | None = None
        self.since = around.clock.seconds()
        self._around, self._over = around, over
        self._stop = asyncio.Event()
        self._journal: SqliteJournal | None = None
        self.orders: OrdersLock | None = None
        self.process.on_death = self._died

    def start(self) -> None:
        """Begin; it recovers by itself."""
        self._around.checks.reborn()
        main = self.process.spawn(self._main())
        main.add_done_callback(self._ended, context=self._around.loop.world)

    @property
    def up(self) -> bool:
        """Whether it lives, moves and has the orders."""
        return self.process.alive and not self.process.frozen and self.handler is not None

    def owes(self) -> bool:
        """Whether something that others should hear of still waits."""
        return self._journal is None or bool(self._journal.outbox(1))

    async def _main(self) -> None:
        around = self._around
        runtime = Runtime(
            name="trader",
            settings=base({"SEOHAK_STATE_DIR": str(around.state_dir)}),
            params=around.params,
            clock=around.clock,
            bus=SimBus(around.streams, self.hooks),
            env={},
            stop=self._stop,
            progress={},
            monotonic=around.loop.time,
        )
        orders = self.orders = await take_orders_lock(runtime)
        assert orders is not None
        self._journal = SqliteJournal(around.state_dir / "journal.db")
        trader = Trader(
            runtime,
            broker=TraderBroker(around.line, self.hooks, around.checks),
            journal=MortalJournal(self._journal, self.hooks, around.checks),
            records=cast("RecordStore", around.records),
            calendar=OneSession(),
            board=PriceBoard(),
            may_send=lambda selling: orders.may_send(selling=selling),
            resolution=around.resolution,
        )
        await trader.run(self._serve)

    async def _serve(self, _path: Path, handler: Handler) -> asyncio.AbstractServer:
        self.handler = handler
        return Door()

    def command(self, command: AnyCommand, answered: Callable[[Reply | None], None]) -> None:
        """A person sends a command; None where nobody answers."""
        if self.handler is None or not self.process.alive:
            answered(None)
            return
        handler = self.handler

        async def ask() -> Reply:
            return await handler(command)

        def done(task: "asyncio.Task[Reply]") -> None:
            answered(None if task.cancelled() or task.exception() else task.result())

        self.process.spawn(ask()).add_done_callback(done, context=self._around.loop.world)

    def _died(self) -> None:
        self.close()
        self._over(self, None)

    def _ended(self, main: "asyncio.Task[None]") -> None:
        """The process came to an end without having been killed."""
        if not self.process.alive:
            return
        error = asyncio.CancelledError() if main.cancelled() else main.exception()
        if isinstance(error, Killed):
            return
        self.process.on_death = None
        self.process.die()
        fenced = self.orders is not None and read_epoch(self._around.state_dir) != self.orders.epoch
        self.close()
        if error is None and not fenced:
            error = RuntimeError("the trader stopped by itself")
        self._over(self, error)

    def close(self) -> None:
        """What the kernel does for a dead process."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
        if self.orders is not None:
            self.orders.release()
