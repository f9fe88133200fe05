"""The demo's stage manager: starts everything in order, presses the button if nobody does, counts what happened."""

import asyncio
import contextlib
import datetime as dt
import os
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import yaml

from adapters.db.engine import upgrade
from adapters.redis.bus import RedisBus
from adapters.redis.server import EmbeddedRedis
from cli.demo_progress import Commentary
from cli.processes import Child, Family
from cli.programs import ROOT, SERVICES
from config.params import ConfigError
from core.model.messages import Channel, Screened

OWNER = 7001
READY_TIMEOUT_S = 40.0
STEP_S = 0.5
MANY, RECENT = 5000, 50
# At many times the real speed a second of this machine is minutes of the market's: limits of age grow with it.
SLOW_MACHINE_S = 5.0


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to play."""

    state_dir: Path
    origin: dt.datetime
    speed: float
    port: int
    seed: int
    replay: Path | None
    day: dt.date | None
    seconds: float | None
    approve_after_s: float | None
    quiet: bool
    settings: dict[str, dict[str, Any]] = {}


class Trip(msgspec.Struct, kw_only=True):
    """One finished position."""

    ticker: str
    buy_qty: int
    avg_price: float
    sell_price: float
    pnl_pct: float
    tranches: int
    reason: str


class DemoResult(msgspec.Struct, kw_only=True):
    """The last line of `--json`."""

    discoveries: int = 0
    proposals: int = 0
    signals: dict[str, int] = {}
    orders: int = 0
    fills: int = 0
    round_trips: list[Trip] = []
    messages: int = 0
    photos: int = 0
    report: bool = False
    errors: int = 0
    screened: int = 0
    troubles: list[str] = []


class Story:
    """One run of the demo."""

    def __init__(self, options: DemoOptions) -> None:
        self._options = options
        self.env: dict[str, str] = {}
        self.sandbox: dict[str, Any] = {}
        self._waiting_since: dict[tuple[int, str], float] = {}

    def _say(self, text: str) -> None:
        if not self._options.quiet:
            print(text, flush=True)
        else:
            print(text, file=sys.stderr, flush=True)

    async def tell(self, stop: asyncio.Event) -> DemoResult:
        """Play until the time is up, the replay is over or `stop` is set."""
        options = self._options
        began = time.monotonic()
        self.env = self.environment()
        redis = EmbeddedRedis(options.state_dir)
        family = Family(options.state_dir, self.env)
        try:
            family = await self.start(family, redis)
            async with aiohttp.ClientSession() as http:
                await self.bot_listens(http, family)
                self._say(
                    f"\n  채팅 페이지를 여세요 / open the chat page:  {self.sandbox['chat_url']}\n  끝내려면 Ctrl-C / Ctrl-C stops\n"
                )
                bus = RedisBus(redis.url, consumer="demo")
                try:
                    await self._play(http, bus, family, stop, began)
                    screened = [m for m in await bus.history(Channel.SCREENED, MANY) if isinstance(m, Screened)]
                finally:
                    await bus.close()
                sandbox = await self._sandbox_facts(http)
        finally:
            await family.stop()
            redis.stop()
        return self._count(sandbox, screened, family)

    def environment(self) -> dict[str, str]:
        """The demo's own clock and places; nothing of the person's own .env may leak in."""
        options = self._options
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith(("KIS_", "POLYGON_", "MASSIVE_", "TELEGRAM_", "SEOHAK_"))
        }
        kept.pop("DATABASE_URL", None)
        kept.pop("REDIS_URL", None)
        return kept | {
            "SEOHAK_CLOCK_ORIGIN": options.origin.isoformat(),
            "SEOHAK_CLOCK_STARTED": repr(time.time()),
            "SEOHAK_CLOCK_SPEED": repr(options.speed),
            "SEOHAK_CONFIG": str(options.state_dir / "config.yaml"),
            "SEOHAK_STATE_DIR": str(options.state_dir),
            "SEOHAK_ENV_FILE": str(options.state_dir / "none.env"),
            "SEOHAK_VENUE": "kis_real",
        }

    async def start(self, family: Family, redis: EmbeddedRedis) -> Family:
        options = self._options
        write_config(options)
        self._say("샌드박스를 여는 중 / opening the sandbox")
        arguments = ["--seed", str(options.seed), "--control-port", str(options.port)]
        if options.replay is not None:
            arguments += ["--replay", str(options.replay.resolve()), "--day", str(options.day)]
        else:
            arguments += ["--scenario", "story"]
        child = await family.start("sandbox", "sandbox", *arguments)
        self.sandbox = await self.sandbox_ready(family, child)
        await self.greet()
        upgrade(f"sqlite+aiosqlite:///{options.state_dir / 'seohak.db'}")
        redis.start()
        self._say("프로그램을 시작하는 중 / starting the programs")
        family.share(self.addresses(redis.url))
        for program in SERVICES:
            await family.start(program.name, program.module)
        return family

    def addresses(self, redis_url: str) -> dict[str, str]:
        ready = self.sandbox
        kis = ready["credentials"]["kis"]
        return {
            "REDIS_URL": redis_url,
            "POLYGON_API_KEY": ready["credentials"]["polygon_key"],
            "POLYGON_WS_URL": f"ws://{ready['polygon']}/stocks",
            "POLYGON_REST_URL": f"http://{ready['polygon']}",
            "KIS_BASE_URL": f"http://{ready['kis']}",
            "KIS_VIRTUAL_BASE_URL": f"http://{ready['kis_paper']}",
            "KIS_MASTER_URL": f"http://{ready['kis']}",
            "KIS_HTS_ID": kis["hts_id"],
            "KIS_ACCOUNT": kis["account"],
            "KIS_APPKEY": kis["appkey"],
            "KIS_APPSECRET": kis["appsecret"],
            "TELEGRAM_BOT_TOKEN": ready["credentials"]["telegram_token"],
            "TELEGRAM_API_URL": f"http://{ready['telegram']}",
            "TELEGRAM_OWNER_IDS": str(OWNER),
        }

    async def sandbox_ready(self, family: Family, child: Child) -> dict[str, Any]:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            for line in family.log_lines("sandbox"):
                if line.startswith('{"ready"'):
                    ready: dict[str, Any] = msgspec.json.decode(line)
                    return ready
            if child.process is not None and child.process.returncode == 2:
                raise ConfigError(family.last_words("sandbox"))
            await asyncio.sleep(0.05)
        raise ConfigError(f"the sandbox did not start: {family.last_words('sandbox')}")

    async def greet(self) -> None:
        """A bot can't write first: the owner's /start waits for it."""
        async with aiohttp.ClientSession() as http:
            await http.post(self.url("/sim/send"), json={"user": OWNER, "text": "/start"})

    async def bot_listens(self, http: aiohttp.ClientSession, family: Family) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            state = await self.ask(http, "/sim/state")
            if state.get("polling"):
                return
            if refused := family.refused():
                raise ConfigError(family.last_words(refused.name))
            await asyncio.sleep(0.1)
        raise ConfigError(f"the bot did not start: {family.last_words('bot')}")

    def url(self, path: str) -> str:
        """Of the sandbox's control API."""
        return f"http://{self.sandbox['control']}{path}"

    async def ask(self, http: aiohttp.ClientSession, path: str) -> dict[str, Any]:
        async with http.get(self.url(path)) as answer:
            found: dict[str, Any] = await answer.json()
            return found

    async def _play(
        self, http: aiohttp.ClientSession, bus: RedisBus, family: Family, stop: asyncio.Event, began: float
    ) -> None:
        options, commentary = self._options, Commentary()
        while not stop.is_set():
            if options.seconds is not None and time.monotonic() - began >= options.seconds:
                return
            if refused := family.refused():
                raise ConfigError(family.last_words(refused.name))
            state = await self.ask(http, "/control/state")
            if options.replay is not None and state.get("replay_done"):
                await asyncio.sleep(3.0)
                return
            for channel in (Channel.SCREENED, Channel.EVENTS):
                for line in commentary.lines(await bus.history(channel, RECENT)):
                    self._say(line)
            if options.approve_after_s is not None:
                await self._press(http)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STEP_S):
                    await stop.wait()

    async def _press(self, http: aiohttp.ClientSession) -> None:
        """Approve what waits longer than a viewer needs; the button is the one that a person would press."""
        chat = await self.ask(http, f"/sim/chat?user={OWNER}")
        now = time.monotonic()
        for message in chat["messages"]:
            for button in _buttons(message):
                label = button.get("text", "")
                if "승인" not in label or not str(button.get("callback_data", "")).startswith("a:"):
                    continue
                key = (message["message_id"], button["callback_data"])
                waiting = self._waiting_since.setdefault(key, now)
                if now - waiting >= (self._options.approve_after_s or 0.0):
                    self._waiting_since[key] = now + 5.0
                    tap = {"user": OWNER, "message_id": message["message_id"], "data": button["callback_data"]}
                    await http.post(self.url("/sim/tap"), json=tap)

    async def _sandbox_facts(self, http: aiohttp.ClientSession) -> dict[str, Any]:
        return {
            "orders": await self.ask(http, "/control/orders"),
            "state": await self.ask(http, "/sim/state"),
        }

    def _count(self, sandbox: dict[str, Any], screened: list[Screened], family: Family) -> DemoResult:
        """Read what the programs left behind: database, journal, logs, sandbox."""
        result = DemoResult()
        state_dir = self._options.state_dir
        with contextlib.closing(sqlite3.connect(state_dir / "seohak.db")) as db:
            counted = dict(db.execute("SELECT signal_type, count(*) FROM signals GROUP BY signal_type"))
            result.signals = {kind: counted.get(kind, 0) for kind in ("BUY", "SELL", "STOP", "WATCH")}
            result.fills = db.execute("SELECT count(*) FROM trades").fetchone()[0]
            result.report = db.execute("SELECT count(*) FROM daily_reports").fetchone()[0] > 0
        with contextlib.closing(sqlite3.connect(state_dir / "journal.db")) as journal:
            result.proposals = journal.execute("SELECT count(*) FROM plan").fetchone()[0]
            for (body,) in journal.execute("SELECT body FROM trip ORDER BY rowid"):
                result.round_trips.append(_trip(msgspec.json.decode(body)))
        orders = sandbox["orders"]["orders"]
        result.orders = len(orders)
        counts = sandbox["state"]["counts"]
        result.messages, result.photos = counts["messages"], counts["photos"]
        result.screened = len(screened)
        result.discoveries = sum(1 for message in screened if message.discovery.announce)
        for name, child in family.children.items():
            if child.restarts:
                result.troubles.append(f"{name}: restarted {child.restarts} times")
            result.troubles += [
                f"{name}: {line[:200]}" for line in family.log_lines(name) if " ERROR " in line or " CRITICAL " in line
            ]
        result.errors = len(result.troubles)
        return result


def _buttons(message: dict[str, Any]) -> list[dict[str, Any]]:
    markup = message.get("reply_markup") or {}
    return [button for row in markup.get("inline_keyboard", []) for button in row]


def _trip(body: dict[str, Any]) -> Trip:
    return Trip(
        ticker=body["ticker"],
        buy_qty=body["buy_qty"],
        avg_price=float(body["avg_price"]),
        sell_price=float(body["sell_price"]),
        pnl_pct=float(body["pnl_pct"]),
        tranches=body["tranches"],
        reason=body["reason"],
    )


def write_config(options: DemoOptions) -> None:
    """The project's own config.yaml with the sandbox's venue and limits of age that fit the clock's speed."""
    document = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    patience = int(min(3600, SLOW_MACHINE_S * options.speed))
    document["trading"] |= {
        "venue": "kis_real",
        "max_data_age_sec": max(90, patience),
        "approval_ttl_sec": max(600, 4 * patience),
        # a person's few seconds are many market minutes here
        "approval_drift_pct": 50.0,
    }
    document["analyzer"]["signal_valid_sec"] = max(45, patience)
    if options.replay is not None:
        # the whole recorded day, with the reference rule that the recorded events were computed with
        document["schedule"]["rest_when_closed"] = False
        document["scanner"] |= {"max_reference_age_min": 0, "security_types": []}
    for section, values in options.settings.items():
        document[section] |= values
    (options.state_dir / "config.yaml").write_text(yaml.safe_dump(document, allow_unicode=True), encoding="utf-8")
