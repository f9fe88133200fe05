"""A running sandbox world with our real processes, driven by a test through the routes that people and faults use."""

import asyncio
import datetime as dt
import json
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
import msgspec

from adapters.redis.server import EmbeddedRedis
from cli.demo import BREAKOUT, START_S
from cli.demo_story import OWNER, DemoOptions, Story
from cli.processes import Family

STRANGER = 9009
DEADLINE_S = 90.0
Json = dict[str, Any]


T = TypeVar("T")


async def until(what: str, look: Callable[[], Awaitable[T]], *, seconds: float = DEADLINE_S, every: float = 0.05) -> T:
    """Ask until the answer is truthy, and return it; the deadline is for a machine that does other things as well."""
    deadline = time.monotonic() + seconds
    while True:
        found = await look()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {seconds:.0f} s")
        await asyncio.sleep(every)


def rows(path: Path, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What a database file holds now; nothing where the table is not there yet."""
    if not path.exists():
        return []
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as database:
            return database.execute(query, values).fetchall()
    except sqlite3.OperationalError:
        return []


class Chat:
    """The person's side of the sandbox's Telegram, and its control API."""

    def __init__(self, http: aiohttp.ClientSession, address: str) -> None:
        self.url = f"http://{address}"
        self._http = http

    async def get(self, path: str) -> Json:
        async with self._http.get(self.url + path) as answer:
            return await answer.json()

    async def post(self, path: str, **fields: object) -> Json:
        async with self._http.post(self.url + path, json=fields) as answer:
            return await answer.json()

    async def photo(self, file_id: str) -> bytes:
        async with self._http.get(f"{self.url}/sim/photo/{file_id}") as answer:
            return await answer.read()

    async def say(self, text: str, user: int = OWNER) -> int:
        """Send a message; returns its number."""
        return (await self.post("/sim/send", user=user, text=text))["message_id"]

    async def tap(self, message_id: int, data: str, user: int = OWNER, *, forge: bool = False) -> Json:
        return await self.post("/sim/tap", user=user, message_id=message_id, data=data, forge=forge)

    async def messages(self, user: int = OWNER) -> list[Json]:
        return (await self.get(f"/sim/chat?user={user}"))["messages"]

    async def answers(self, user: int = OWNER) -> list[Json]:
        return (await self.get(f"/sim/chat?user={user}"))["answers"]

    async def after(self, message_id: int, user: int = OWNER) -> list[Json]:
        """What the bot wrote after a message."""
        return [m for m in await self.messages(user) if m["message_id"] > message_id and not m.get("out")]

    async def button(self, head: str, ticker: str = "") -> tuple[int, str] | None:
        """Message and data of the first button whose data begins with `head`, on a card of `ticker`."""
        for message in await self.messages():
            if ticker and ticker not in body(message):
                continue
            for button in buttons(message):
                if str(button.get("callback_data", "")).startswith(head):
                    return message["message_id"], button["callback_data"]
        return None

    async def state(self) -> Json:
        return await self.get("/control/state")

    async def orders(self, ticker: str = "") -> list[Json]:
        """The broker's own list of orders."""
        found = (await self.get("/control/orders?host=real"))["orders"]
        return [order for order in found if not ticker or order["symbol"] == ticker]

    async def holdings(self) -> dict[str, int]:
        return {h["symbol"]: h["qty"] for h in (await self.state())["kis"]["real"]["holdings"] if h["qty"]}


def body(message: Json) -> str:
    return str(message.get("text") or message.get("caption") or "")


def buttons(message: Json) -> list[Json]:
    markup = message.get("reply_markup") or {}
    return [button for row in markup.get("inline_keyboard", []) for button in row]


class Books:
    """Our own files of one state directory, read only."""

    def __init__(self, state_dir: Path) -> None:
        self.journal = state_dir / "journal.db"
        self.records = state_dir / "seohak.db"

    def plan(self, ticker: str) -> Json:
        """The ticker's plan as the journal has it; empty while there is none."""
        found = rows(self.journal, "SELECT body FROM plan WHERE ticker = ?", ticker)
        return json.loads(found[0][0]) if found else {}

    def intents(self, ticker: str = "") -> list[Json]:
        found = rows(self.journal, "SELECT body FROM intent ORDER BY rowid")
        intents = [json.loads(body) for (body,) in found]
        return [i for i in intents if not ticker or i["request"]["ticker"] == ticker]

    def trips(self) -> list[Json]:
        """Finished round trips, oldest first."""
        return [json.loads(row[0]) for row in rows(self.journal, "SELECT body FROM trip ORDER BY rowid")]

    def journal_positions(self) -> dict[str, int]:
        found = rows(self.journal, "SELECT ticker, body FROM position")
        return {ticker: json.loads(body)["qty"] for ticker, body in found if json.loads(body)["qty"]}

    def table_positions(self) -> dict[str, int]:
        return dict(rows(self.records, "SELECT ticker, quantity FROM positions WHERE quantity > 0"))

    def state(self) -> dict[str, str]:
        return dict(rows(self.journal, "SELECT key, value FROM state"))

    def audited(self, who: int) -> list[tuple[str, bool]]:
        """What a person tried, and whether it was allowed."""
        found = rows(self.records, "SELECT what, allowed FROM audit WHERE who = ? ORDER BY id", str(who))
        return [(what, bool(allowed)) for what, allowed in found]


class Live:
    """All processes of the demo, started by the demo's own stage manager; `family` kills and restarts them."""

    def __init__(
        self,
        state_dir: Path,
        *,
        speed: float = 60.0,
        origin: dt.datetime | None = None,
        replay: Path | None = None,
        day: dt.date | None = None,
    ) -> None:
        self.options = DemoOptions(
            state_dir=state_dir.resolve(),
            # HELI breaks out as many real seconds after the start as in the demo, enough for a busy machine
            origin=origin or BREAKOUT - dt.timedelta(seconds=START_S * speed),
            speed=speed,
            port=0,
            seed=7,
            replay=replay,
            day=day,
            seconds=None,
            approve_after_s=None,
            quiet=True,
        )
        self.story = Story(self.options)
        self.books = Books(self.options.state_dir)
        self.redis = EmbeddedRedis(self.options.state_dir)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        self.story.env = self.story.environment()
        self.family = Family(self.options.state_dir, self.story.env)
        try:
            await self._start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def _start(self) -> None:
        assert self._http is not None
        await self.story.start(self.family, self.redis)
        self.chat = Chat(self._http, self.story.sandbox["control"])
        await self.story.bot_listens(self._http, self.family)

    async def __aexit__(self, *_: object) -> None:
        await self.family.stop()
        self.redis.stop()
        if self._http is not None:
            await self._http.close()

    @property
    def url(self) -> str:
        return self.story.sandbox["chat_url"]

    async def kill(self, name: str) -> None:
        """SIGKILL, then wait until another process has taken the dead one's place."""
        child = self.family.children[name]
        before = child.restarts
        # the pause before a restart grows with each death in a row; a test has no time for that
        child.quick_deaths = -1
        self.family.kill(name)

        async def again() -> bool:
            process = child.process
            return child.restarts > before and process is not None and process.returncode is None

        await until(f"{name} starts again", again)

    def errors(self) -> list[str]:
        """Lines of trouble in the logs of all processes."""
        return [
            f"{name}: {line}"
            for name in self.family.children
            for line in self.family.log_lines(name)
            if " ERROR " in line or " CRITICAL " in line or line.startswith("Traceback")
        ]


class Alone(Live):
    """Sandbox, Redis and one of our programs, nothing else."""

    program: tuple[str, str]

    async def _start(self) -> None:
        from adapters.db.engine import upgrade
        from cli.demo_story import write_config

        assert self._http is not None
        options = self.options
        write_config(options)
        child = await self.family.start("sandbox", "sandbox", *self._sandbox_arguments())
        self.story.sandbox = await self.story.sandbox_ready(self.family, child)
        self.chat = Chat(self._http, self.story.sandbox["control"])
        await self.story.greet()
        upgrade(f"sqlite+aiosqlite:///{options.state_dir / 'seohak.db'}")
        self.redis.start()
        self.family.share(self.story.addresses(self.redis.url))
        await self.family.start(*self.program)

    def _sandbox_arguments(self) -> list[str]:
        return []


class CollectorOnly(Alone):
    """A recorded day before the collector."""

    program = ("collector", "services.collector")

    def _sandbox_arguments(self) -> list[str]:
        return ["--replay", str(self.options.replay), "--day", str(self.options.day)]


class BotOnly(Alone):
    """A chat with nothing but the bot behind it."""

    program = ("bot", "cli.bot")

    async def _start(self) -> None:
        await super()._start()
        assert self._http is not None
        await self.story.bot_listens(self._http, self.family)


def ready_line(log: Path) -> Json:
    """Where the sandbox of a demo listens; empty until it says so."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return {}
    return next((msgspec.json.decode(line) for line in lines if line.startswith('{"ready"')), {})


def leftovers(state_dir: Path) -> list[str]:
    """Command lines of processes that belong to a state directory."""
    return list(living(state_dir).values())


def living(state_dir: Path) -> dict[int, str]:
    """The processes that belong to a state directory: process number and command line."""
    mark = str(state_dir.resolve()).encode()
    found = {}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if mark in command or mark in environment:
            found[int(process.name)] = command.replace(b"\0", b" ").decode(errors="replace")
    return found
