"""All processes at clock speed 1 with many positions, and the ways to break, look at and mend them."""

import asyncio
import datetime as dt
import os
import signal
import sqlite3
import time
import uuid
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import aiohttp
import asyncpg
import msgspec
import redis.asyncio

from adapters.control import SocketControl
from adapters.db.engine import upgrade
from adapters.redis.server import EmbeddedRedis
from benchmarks.postgres import Postgres
from benchmarks.stop_setup import OWN_EVERY, OWN_QTY, TICKERS, own_tickers, tickers, write_config
from cli.demo_story import OWNER, DemoOptions, Story
from cli.processes import Family
from core.model.commands import Approve, AskStatus, Buy, Reply, ReplyKey, Resume, TraderStatus
from core.model.position import PlanState
from ports.control import TraderUnreachable
from services.fence import request_handback
from services.guardian_files import parse, read_json, read_protection
from services.guardian_rules import Protected

# Wednesday 10:10 in New York: the entry window is open, and the close is almost six hours away
ORIGIN: Final = dt.datetime(2026, 11, 18, 15, 10, tzinfo=dt.UTC)
HANG: Final = Path(__file__).parent / "hang"
SERVICES: Final = (
    ("collector", "services.collector"),
    ("analyzer", "services.analyzer"),
    ("trader", "services.trader"),
    ("bot", "cli.bot"),
    ("guardian", "services.guardian"),
)
BUYING_AT_ONCE = 4
PATIENCE_S, LOOK_S, BEAT_FRESH_S = 60.0, 0.1, 3.0
Json = dict[str, Any]
T = TypeVar("T")


class WorldTrouble(Exception):
    """The world did not come to a state that it should have reached."""


async def until(
    what: str, look: Callable[[], Awaitable[T]], *, seconds: float = PATIENCE_S, every: float = LOOK_S
) -> T:
    """Ask until the answer is truthy, and return it. Raises WorldTrouble with the last answer's words."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise WorldTrouble(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(every)


class StopWorld(Story):
    """The sandbox and all processes of ours, on a real PostgreSQL, with positions bought through the trader's socket."""

    def __init__(self, state_dir: Path, *, positions: int, speed: float = 1.0) -> None:
        super().__init__(
            DemoOptions(
                state_dir=state_dir.resolve(),
                origin=ORIGIN,
                speed=speed,
                port=0,
                seed=7,
                replay=None,
                day=None,
                seconds=None,
                approve_after_s=None,
                quiet=True,
            )
        )
        self.state_dir, self.positions = state_dir.resolve(), positions
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.redis, self.postgres = EmbeddedRedis(self.state_dir), Postgres()
        self.control = SocketControl(self.state_dir / "trader.sock", timeout_s=5.0)
        self.unused = tickers()
        self.held_back: dict[str, list[str]] = {}

    # -- life --------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._env = self.environment() | {"PYTHONPATH": str(HANG), "DATABASE_URL": self.postgres.url}
        self.http = aiohttp.ClientSession()
        self.family = Family(self.state_dir, self._env)
        try:
            await self._open()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _open(self) -> None:
        write_config(self.state_dir, self.positions)
        arguments = ("--scenario", "calm", "--seed", "7", "--tickers", str(TICKERS), "--no-partial")
        child = await self.family.start("sandbox", "sandbox", *arguments)
        self.postgres.initialize()
        self.postgres.start()
        upgrade(self.postgres.url)
        self.redis.start()
        self.sandbox = await self.sandbox_ready(self.family, child)
        await self.post("/control/kis/cash", krw=500_000_000)
        for ticker in self.unused[::OWN_EVERY]:
            await self.post("/control/kis/shares", symbol=ticker, qty=OWN_QTY)
        await self.greet()
        self.family.share(self.addresses(self.redis.url))
        for name, module in SERVICES:
            await self.family.start(name, module)
        await self.bot_listens(self.http, self.family)
        await until("the trader may buy", self.ready)

    async def __aexit__(self, *_: object) -> None:
        for name in self.family.children:
            self.signal(name, signal.SIGCONT)
        self.signal("redis", signal.SIGCONT)
        self.signal("postgres", signal.SIGCONT)
        await self.family.stop()
        self.redis.stop()
        self.postgres.stop()
        await self.http.close()

    # -- breaking and mending ----------------------------------------------------------------------

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a child of the family, to Redis, or to PostgreSQL with all that it has forked."""
        if name == "postgres":
            self.postgres.signal(number)
        elif name == "redis":
            if (pid := self.redis.pid) is not None:
                os.kill(pid, number)
        else:
            process = self.family.children[name].process
            if process is not None and process.returncode is None:
                process.send_signal(number)

    def kill(self, name: str) -> None:
        """SIGKILL. A child of the family is started again a second later, like a stable one by a supervisor."""
        if name in self.family.children:
            # the pause before a restart grows with each death in a row; these deaths are not its own
            self.family.children[name].quick_deaths = -1
        self.signal(name, signal.SIGKILL)

    def kill_for_good(self, name: str) -> None:
        """SIGKILL, and what the family starts in its place does nothing, until `bring_back`."""
        child = self.family.children[name]
        self.held_back[name], child.argv = child.argv, ["/bin/sleep", "600"]
        self.kill(name)

    async def bring_back(self, name: str) -> None:
        """Let the family start the real program again."""
        child = self.family.children[name]
        child.argv = self.held_back.pop(name)
        before = child.restarts

        async def sleeps() -> bool:
            return child.process is not None and child.process.returncode is None

        await until(f"{name}'s place is taken", sleeps)
        self.kill(name)

        async def restarted() -> bool:
            return child.restarts > before and await sleeps()

        await until(f"{name} is back", restarted)

    def restart_server(self, name: str) -> None:
        """Start a killed Redis or PostgreSQL again. Blocks until it answers."""
        (self.redis if name == "redis" else self.postgres).start()

    def guardian_in_charge(self) -> bool:
        """By the guardian's own beat."""
        return self._beat("guardian").get("in_charge") == "True"

    def ask_for_the_orders(self) -> None:
        """As a person does where the guardian keeps the watch after its second takeover within ten minutes."""
        request_handback(self.state_dir)

    # -- the market --------------------------------------------------------------------------------

    async def get(self, path: str) -> Json:
        """Read a control route of the sandbox."""
        async with self.http.get(self.url(path)) as answer:
            found: Json = await answer.json()
            return found

    async def post(self, path: str, **fields: object) -> Json:
        """Write to a control route of the sandbox. Raises WorldTrouble where it refuses."""
        async with self.http.post(self.url(path), json=fields) as answer:
            found: Json = await answer.json()
            if answer.status != 200:
                raise WorldTrouble(f"{path}: {found.get('error')}")
            return found

    async def drop(self, ticker: str, pct: float) -> dt.datetime:
        """Move a price; returns the instant of the sandbox's clock from which on it holds."""
        moved = await self.post(f"/control/market/{ticker}/move", pct=pct)
        return dt.datetime.fromisoformat(moved["event"]["at"])

    async def account(self) -> Json:
        """The broker's own facts of the account."""
        found: Json = (await self.get("/control/state"))["kis"]["real"]
        return found

    async def holdings(self) -> dict[str, int]:
        """Shares by ticker, the owner's included."""
        return {h["symbol"]: h["qty"] for h in (await self.account())["holdings"] if h["qty"]}

    async def orders(self) -> list[Json]:
        """The broker's own list of orders, each with the microsecond at which its POST was handled."""
        found: list[Json] = (await self.get("/control/orders?host=real"))["orders"]
        return found

    def own(self, ticker: str) -> int:
        """The owner's shares of a ticker."""
        return OWN_QTY if ticker in own_tickers() else 0

    # -- buying ------------------------------------------------------------------------------------

    async def fill_up(self) -> None:
        """Buy until as many positions are held as the configuration allows."""
        await until("the trader may buy", self.ready)
        missing = self.positions - len(self.protected())
        chosen, self.unused = self.unused[:missing], self.unused[missing:]
        if len(chosen) < missing:
            raise WorldTrouble("no unused tickers are left in this world")
        few = asyncio.Semaphore(BUYING_AT_ONCE)

        async def buy(ticker: str) -> None:
            async with few:
                await self._buy(ticker)

        await asyncio.gather(*(buy(ticker) for ticker in chosen))

        async def held() -> bool:
            return set(chosen) <= set(self.protected())

        await until("the positions are bought and protected", held)
        await until("nothing is on its way", self.quiet)

    async def _buy(self, ticker: str) -> None:
        said: list[Reply | None] = []

        async def approved() -> bool:
            """An answer that came too late for us has proposed it all the same."""
            status = await self.status()
            plan = next((p for p in status.plans if p.ticker == ticker), None) if status else None
            if plan is not None and plan.state is PlanState.RUNNING:
                return True
            if plan is None:
                said[:] = [await self._asked(Buy(by=str(OWNER), ticker=ticker, nonce=uuid.uuid4().hex))]
                return False
            said[:] = [await self._asked(Approve(by=str(OWNER), plan_id=plan.id, nonce=plan.nonce))]
            return said[0] is not None and said[0].key is ReplyKey.APPROVED

        try:
            await until(f"{ticker} is proposed and approved", approved)
        except WorldTrouble as trouble:
            raise WorldTrouble(f"{trouble}, the trader says {said}") from None

    # -- looking -----------------------------------------------------------------------------------

    async def _asked(self, command: Approve | AskStatus | Buy | Resume) -> Reply | None:
        try:
            return await self.control.send(command)
        except TraderUnreachable:
            return None

    async def status(self) -> TraderStatus | None:
        """What the trader says of itself; None where it does not answer."""
        reply = await self._asked(AskStatus(by=str(OWNER)))
        return reply.status if reply is not None else None

    async def ready(self) -> bool:
        """Whether the trader may buy; a block that only a person lifts is lifted."""
        status = await self.status()
        if status is not None and status.blocks:
            await self._asked(Resume(by=str(OWNER)))
        return status is not None and status.entries_open and status.broker_ok

    async def quiet(self) -> bool:
        """Whether no order lives and no plan runs."""
        status = await self.status()
        return status is not None and not status.orders and not status.plans

    def protected(self) -> dict[str, Protected]:
        """What the guardian would protect now."""
        found = read_protection(self.state_dir)
        return {row.ticker: row for row in found.rows} if found is not None else {}

    def journal(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Read the trader's journal."""
        with closing(sqlite3.connect(f"file:{self.state_dir / 'journal.db'}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute(query, values).fetchall()

    def journal_positions(self) -> dict[str, int]:
        """Shares by ticker as the trader's journal has them."""
        held = {t: msgspec.json.decode(body)["qty"] for t, body in self.journal("SELECT ticker, body FROM position")}
        return {ticker: qty for ticker, qty in held.items() if qty}

    async def table_positions(self) -> dict[str, int] | None:
        """Shares by ticker as people read them in PostgreSQL; None where it does not answer."""
        try:
            connection = await asyncpg.connect(host=str(self.postgres.root), user="postgres", timeout=2)
            try:
                rows = await connection.fetch("SELECT ticker, quantity FROM positions WHERE quantity > 0", timeout=2)
            finally:
                await connection.close(timeout=2)
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return None
        return {row["ticker"]: row["quantity"] for row in rows}

    def guardian_events(self) -> list[Json]:
        """The guardian's journal, without lines that it has not finished."""
        try:
            lines = (self.state_dir / "guardian.ndjson").read_bytes().split(b"\n")
        except OSError:
            return []
        return [fields for line in lines if isinstance(fields := parse(line), dict)]

    def _beat(self, name: str) -> Json:
        found = read_json(self.state_dir / "beats" / name)
        return found if isinstance(found, dict) else {}

    def silent(self) -> list[str]:
        """Processes of ours that do not run or do not tell that they do."""
        found = []
        for name, _ in SERVICES:
            process, beat = self.family.children[name].process, self._beat(name)
            alive = process is not None and process.returncode is None and str(beat.get("pid")) == str(process.pid)
            if not alive or time.monotonic() - float(beat.get("mono", 0)) > BEAT_FRESH_S:
                found.append(name)
        return found

    async def redis_answers(self) -> bool:
        """Whether Redis does."""
        client = redis.asyncio.Redis.from_url(self.redis.url, socket_timeout=1, socket_connect_timeout=1)
        try:
            return bool(await client.ping())
        except (redis.RedisError, OSError, TimeoutError):
            return False
        finally:
            await client.aclose()

    def troubles(self) -> list[str]:
        """Lines of trouble in the logs of our processes."""
        return [
            f"{name}: {line[:200]}"
            for name, _ in SERVICES
            for line in self.family.log_lines(name)
            if " ERROR " in line or " CRITICAL " in line or line.startswith("Traceback")
        ]
