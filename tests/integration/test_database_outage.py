"""PostgreSQL goes away in the middle, with and without our noticing: the trader's outbox delivers later, once."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db.engine import POOLS, open_engine
from adapters.db.records import SqlRecordStore
from adapters.journal import SqliteJournal
from benchmarks.postgres import CRASH, FAST, Postgres
from config.environment import base
from core.model.journal import AddFill, AddTrip, Change, DropPosition, PutPosition
from core.model.order import BrokerRef, Purpose, Side
from core.model.params import Params
from ports.store import StoreUnavailable
from sandbox.proxy import Address, Proxy
from sandbox.toxics import parse
from services import outbox
from services.outbox import OutboxPump
from services.runtime import Runtime
from tests.integration.test_stores import NOW, position, trip
from tests.unit.services.conftest import FakeBus, StillClock

DAY = (NOW.replace(hour=0), NOW.replace(hour=23))


def fill(cum_qty: int) -> AddFill:
    return AddFill(
        intent_id="i",
        ref=BrokerRef("20261123", "B", "7"),
        ticker="NVDA",
        side=Side.BUY,
        purpose=Purpose.ENTRY,
        cum_qty=cum_qty,
        qty=1,
        usd=Decimal("143.20"),
        fee_usd=Decimal("0.36"),
        krw_per_usd=Decimal(1400),
        at=NOW,
    )


class Trading:
    """The trader's journal and its pump before a database."""

    def __init__(self, runtime: Runtime, journal: SqliteJournal, records: SqlRecordStore) -> None:
        self.runtime, self.journal, self.records = runtime, journal, records
        self.pump = OutboxPump(runtime, journal, runtime.bus, records)

    def commit(self, *changes: Change) -> None:
        self.journal.commit(changes)
        self.pump.wake.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(15):
            while not condition():
                await asyncio.sleep(0.005)

    async def delivered(self) -> None:
        await self.until(lambda: not self.journal.waiting())

    async def kept(self) -> Sequence[int]:
        """Each fill's quantity as the table has it; twice would show."""
        return [int(row.key.rsplit("-", 1)[1]) for row in await self.records.trades(*DAY)]


@asynccontextmanager
async def trading(url: str, folder: Path) -> AsyncIterator[tuple[Trading, AsyncEngine]]:
    engine = open_engine(url, "trader")
    journal = SqliteJournal(folder / "journal.db")
    runtime = Runtime(
        name="trader",
        settings=base({"SEOHAK_STATE_DIR": str(folder)}),
        params=Params(),
        clock=StillClock(),  # type: ignore[arg-type]
        bus=FakeBus(),  # type: ignore[arg-type]
        env={},
        stop=asyncio.Event(),
        progress={},
    )
    made = Trading(runtime, journal, SqlRecordStore(engine))
    task = asyncio.create_task(made.pump.run())
    try:
        yield made, engine
        assert not task.done(), "the pump outlives whatever the database does"
    finally:
        runtime.stop.set()
        await asyncio.gather(task, return_exceptions=True)
        await engine.dispose()
        journal.close()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "RETRY_S", 0.02)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short enough for a socket."""
    made = Path(tempfile.mkdtemp(prefix="seohak-pgp-"))
    yield made
    shutil.rmtree(made)


@asynccontextmanager
async def proxied(server: Postgres, folder: Path, name: str = "a") -> AsyncIterator[tuple[Proxy, str]]:
    """The server behind a proxy, with its address as SQLAlchemy's `host`."""
    proxy = Proxy(name, Address(path=str(server.root / ".s.PGSQL.5432")), Address(), lambda _: None)
    await proxy.start()
    try:
        yield proxy, str(proxy.listen)
    finally:
        await proxy.stop()


@pytest.fixture
async def emptied(migrated_postgres: str) -> str:
    engine = open_engine(migrated_postgres)
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE trades, positions, round_trips"))
    await engine.dispose()
    return migrated_postgres


@pytest.mark.parametrize("how", [FAST, CRASH], ids=["stopped", "crashed"])
async def test_a_database_that_stops_and_starts_loses_and_doubles_nothing(
    postgres: Postgres, emptied: str, folder: Path, how: int
) -> None:
    async with trading(emptied, folder) as (trader, _):
        trader.commit(fill(1))
        await trader.delivered()
        postgres.halt(how)
        try:
            trader.commit(fill(2), PutPosition(position(qty=2)), AddTrip("t", trip(1)), fill(3))
            await trader.until(lambda: trader.runtime.progress.get("outbox_waits_for") == "database")
            assert trader.runtime.progress["outbox"] == "4"
        finally:
            postgres.start()
        await trader.delivered()
        assert await trader.kept() == [1, 2, 3]
        assert [held.qty for held in await trader.records.positions()] == [2]
        await trader.until(lambda: trader.runtime.progress.get("outbox") == "0")
        assert trader.runtime.progress["outbox_waits_for"] == ""


async def test_a_lost_answer_to_each_commit_is_recorded_once(postgres: Postgres, emptied: str, folder: Path) -> None:
    """The row is there, we hear of a broken line: done again, it is still one row."""
    async with proxied(postgres, folder) as (proxy, address):
        url = f"postgresql://postgres@{address}/postgres"
        async with trading(url, folder) as (trader, engine):
            cuts = 0

            def cut(_: object) -> None:
                nonlocal cuts
                if cuts < 9:
                    cuts += 1
                    toxic = parse({"toxic": "cut_after_request", "times": 1})
                    asyncio.get_running_loop().create_task(proxy.poison(toxic))

            event.listen(engine.sync_engine, "commit", cut)
            trader.commit(fill(1), AddTrip("t", trip(1)), fill(2), PutPosition(position(qty=2)), fill(3))
            trader.commit(DropPosition("NVDA"), fill(4))
            await trader.delivered()
            assert proxy.hits["cut_after_request"] == 9
            assert await trader.kept() == [1, 2, 3, 4]
            assert len(await trader.records.round_trips(*DAY)) == 1
            assert await trader.records.positions() == []


async def test_a_second_server_takes_over_where_two_are_named(postgres: Postgres, emptied: str, folder: Path) -> None:
    async with proxied(postgres, folder) as (first, one), proxied(postgres, folder) as (_, two):
        url = f"postgresql://postgres@/postgres?host={one}&host={two}&target_session_attrs=read-write"
        async with trading(url, folder) as (trader, _):
            trader.commit(fill(1))
            await trader.delivered()
            await first.poison(parse({"toxic": "down"}))
            trader.commit(fill(2))
            await trader.delivered()
            assert first.accepted == 1
            assert await trader.kept() == [1, 2]


async def test_a_server_that_only_reads_is_waited_for_and_left(emptied: str, folder: Path) -> None:
    """After a failover the old connection may lead to a standby: nothing is lost, and a new connection is made."""

    async def set_read_only(*, on: bool) -> None:
        admin = open_engine(emptied)
        async with admin.connect() as connection:
            await connection.execution_options(isolation_level="AUTOCOMMIT")
            value = "on" if on else "off"
            await connection.execute(text("SET default_transaction_read_only = off"))
            await connection.execute(text(f"ALTER ROLE postgres SET default_transaction_read_only = {value}"))
        await admin.dispose()

    await set_read_only(on=True)
    try:
        async with trading(emptied, folder) as (trader, _):
            trader.commit(fill(1))
            await trader.until(lambda: trader.runtime.progress.get("outbox_waits_for") == "database")
            await set_read_only(on=False)
            await trader.delivered()
            assert await trader.kept() == [1]
    finally:
        await set_read_only(on=False)


@pytest.mark.parametrize("address", ["sqlite", "postgresql"])
async def test_a_database_without_our_tables_is_waited_for(
    address: str, request: pytest.FixtureRequest, folder: Path
) -> None:
    if address == "sqlite":
        url = f"sqlite:///{folder / 'empty.db'}"
    else:
        url = request.getfixturevalue("postgres").url_of("template1")
    async with trading(url, folder) as (trader, _):
        trader.commit(fill(1))
        await trader.until(lambda: trader.runtime.progress.get("outbox_waits_for") == "database")
        with pytest.raises(StoreUnavailable, match="db upgrade"):
            await trader.records.positions()


async def test_what_no_database_can_take_is_put_aside_and_holds_up_nobody(emptied: str, folder: Path) -> None:
    async with trading(emptied, folder) as (trader, _):
        trader.commit(AddTrip("no text\0", trip(1)), fill(1))
        await trader.delivered()
        assert await trader.kept() == [1]
        assert (folder / outbox.ASIDE).read_text().count("\n") == 1


@pytest.mark.parametrize("process", [*POOLS, ""])
async def test_each_process_shows_its_name_and_keeps_to_its_connections(migrated_postgres: str, process: str) -> None:
    engine = open_engine(migrated_postgres, process)
    try:

        async def ask() -> str:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(0.01)"))
                return str(await connection.scalar(text("SHOW application_name")))

        asked: list[Awaitable[str]] = [ask() for _ in range(12)]
        assert set(await asyncio.gather(*asked)) == {f"seohak-{process or 'command'}"}
        async with engine.connect() as connection:
            query = text("SELECT count(*) FROM pg_stat_activity WHERE application_name = :name")
            count = await connection.scalar(query, {"name": f"seohak-{process or 'command'}"})
        assert count == POOLS.get(process, 2)
    finally:
        await engine.dispose()


def test_all_processes_together_fit_the_smallest_server() -> None:
    assert sum(POOLS.values()) <= 12
