"""One run of `python -m cli demo`, watched: a stranger, a replayed press, a chart, a listener on the bus."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError
from system_world import STRANGER, Books, Chat, Json, body, leftovers, living, ready_line, rows, until

from adapters.redis.server import socket_url
from cli.programs import ROOT

# the start has 17 real seconds whatever the speed, the story itself 113 market minutes until the report
SPEED, SECONDS = 120, 84
CHANNELS = ("channel:signal", "channel:screened", "channel:events")


class Told(msgspec.Struct, kw_only=True):
    """What was seen during the run and after it."""

    state_dir: Path
    code: int = -1
    lines: list[str] = []
    stderr: str = ""
    left: list[str] = []
    plan_before_forgery: str = ""
    plan_after_forgery: str = ""
    stranger_messages: list[Json] = []
    stranger_answers: list[Json] = []
    stranger_audit: list[tuple[str, bool]] = []
    replayed_answer: Json = {}
    chart: Json = {}
    chart_bytes: bytes = b""
    heard: dict[str, list[str]] = {}
    streamed: dict[str, list[str]] = {}
    niceness: dict[str, int] = {}

    @property
    def result(self) -> Json:
        """The last line of standard output."""
        return json.loads(self.lines[-1])


def tell(folder: Path) -> Told:
    """Play the demo to its end."""
    told = Told(state_dir=folder / "state")
    command = [sys.executable, "-m", "cli", "demo", "--headless", "--json", "--approve-after", "1.5"]
    command += ["--seconds", str(SECONDS), "--speed", str(SPEED), "--state-dir", str(told.state_dir)]
    output, errors = folder / "out", folder / "err"
    with output.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=err, start_new_session=True)
        try:
            asyncio.run(_watch(told))
            told.code = process.wait(SECONDS + 90)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
    told.lines = output.read_text().splitlines()
    told.stderr = errors.read_text()
    told.left = leftovers(told.state_dir)
    return told


async def _watch(told: Told) -> None:
    log = told.state_dir / "logs" / "sandbox.log"

    async def ready() -> Json:
        return ready_line(log)

    address = (await until("the sandbox is ready", ready))["control"]
    async with aiohttp.ClientSession() as http, _listening(told) as redis:
        chat, books = Chat(http, address), Books(told.state_dir)
        await _interfere(told, chat, books)

        async def reported() -> bool:
            return any(m.get("photo") and "리포트" in body(m) for m in await chat.messages())

        await until("the daily report", reported, seconds=SECONDS + 30)
        await _compare(told, redis)


async def _interfere(told: Told, chat: Chat, books: Books) -> None:
    """What strangers and impatient people do while a proposal waits, and after its approval."""
    message_id, data = await until("a proposal", lambda: chat.button("a:"), every=0.02)
    told.niceness = {c: os.getpriority(os.PRIO_PROCESS, pid) for pid, c in living(told.state_dir).items()}
    plan_id = data.split(":")[1]
    await chat.say("/start", STRANGER)
    told.plan_before_forgery = _state_of(books, plan_id)
    await chat.tap(message_id, data, STRANGER, forge=True)
    await chat.say("/panic", STRANGER)
    await until("the stranger's press is answered", lambda: chat.answers(STRANGER), every=0.02)
    told.plan_after_forgery = _state_of(books, plan_id)

    async def running() -> bool:
        return _state_of(books, plan_id) not in {"", "PROPOSED"}

    await until("the plan runs", running)

    async def answered() -> int:
        return len(await chat.answers())

    before = await until("the press is answered", answered)
    await chat.tap(message_id, data, forge=True)

    async def once_more() -> bool:
        return await answered() > before

    await until("the replayed press is answered", once_more)
    told.replayed_answer = (await chat.answers())[-1]
    asked = await chat.say("/chart NVDA")

    async def chart() -> Json | None:
        return next((m for m in await chat.after(asked) if m.get("photo") and "NVDA" in body(m)), None)

    found = await until("a chart of NVDA", chart)
    assert found is not None
    told.chart = found
    told.chart_bytes = await chat.photo(found["photo"][-1]["file_id"])

    async def recorded() -> bool:
        return len(books.audited(STRANGER)) >= 3

    await until("the stranger's attempts are recorded", recorded)
    told.stranger_audit = books.audited(STRANGER)
    told.stranger_messages = [m for m in await chat.messages(STRANGER) if not m.get("out")]
    told.stranger_answers = await chat.answers(STRANGER)


def _state_of(books: Books, plan_id: str) -> str:
    found = rows(books.journal, "SELECT state FROM plan WHERE id = ?", plan_id)
    return str(found[0][0]) if found else ""


@contextlib.asynccontextmanager
async def _listening(told: Told) -> AsyncIterator[Redis]:
    """A plain SUBSCRIBE, as any other program could do it."""
    redis = Redis.from_url(socket_url(told.state_dir), legacy_responses=False)

    async def answers() -> bool:
        try:
            return bool(await redis.ping())
        except (RedisError, OSError):
            return False

    await until("Redis answers", answers, every=0.01)
    told.heard = {channel: [] for channel in CHANNELS}
    async with redis.pubsub(ignore_subscribe_messages=True) as listener:
        await listener.subscribe(*CHANNELS)
        task = asyncio.create_task(_listen(listener, told.heard))
        try:
            yield redis
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    await redis.aclose()


async def _listen(listener, heard: dict[str, list[str]]) -> None:
    async for message in listener.listen():
        heard[message["channel"].decode()].append(message["data"].decode())


async def _compare(told: Told, redis: Redis) -> None:
    """Freeze both sides: everything that the streams hold now must also be heard."""
    for channel in CHANNELS:
        entries = await redis.xrange(channel)
        told.streamed[channel] = [fields[b"m"].decode() for _, fields in entries]

    async def heard_all() -> bool:
        return all(not told.streamed[c] or told.streamed[c][-1] in told.heard[c] for c in CHANNELS)

    await until("the listener has heard everything", heard_all)
