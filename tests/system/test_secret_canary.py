"""Marked secrets through a world full of faults, and through every broker error: they turn up nowhere."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from system_world import OWNER, Json, Live, until

from cli.programs import ROOT
from sandbox.kis import REAL
from sandbox.polygon import DEFAULT_KEY
from sandbox.telegram.model import DEFAULT_TOKEN

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("canary")]
TICKER = "QBIT"
HTS_ID = "canaryHTS4711x"
NUMBER = REAL.account.replace("-", "")
# a part of a long secret is a leak as well
PART = 24
SERVICES = ("collector", "analyzer", "trader", "bot", "guardian")
Canaries = Mapping[str, bytes]


def marked(tokens: set[str]) -> Canaries:
    """Every secret of the world in the forms in which it could show."""
    secrets = {
        "app key": REAL.appkey,
        "app secret": REAL.appsecret,
        "app secret's beginning": REAL.appsecret[:PART],
        "account": REAL.account,
        "account without dash": NUMBER,
        "account's number": NUMBER[:8],
        "HTS id": HTS_ID,
        "bot token": DEFAULT_TOKEN,
        "bot token, encoded": quote(DEFAULT_TOKEN, safe=""),
        "bot token's second half": DEFAULT_TOKEN.split(":")[1],
        "Polygon key": DEFAULT_KEY,
    }
    for number, token in enumerate(sorted(tokens)):
        # the first part of a token says only how it was signed
        secrets[f"token {number}"] = token
        secrets[f"token {number}'s middle"] = token.split(".")[1][:PART]
    return {name: secret.encode() for name, secret in secrets.items()}


def found_in(content: bytes, canaries: Canaries) -> list[str]:
    """The names of the secrets that some bytes show."""
    return [name for name, secret in canaries.items() if secret in content]


def files_of(state_dir: Path) -> Iterator[Path]:
    """What our processes leave behind; the sandbox's own log says its keys, and token files hold what they are for."""
    for path in sorted(state_dir.rglob("*")):
        kept = path.parent.name == "tokens" and path.name.startswith("kis-token-") and path.suffix == ".json"
        if path.is_file() and not kept and path != state_dir / "logs" / "sandbox.log":
            yield path


def search(state_dir: Path, canaries: Canaries) -> dict[str, list[str]]:
    """Each file that shows a secret, and which."""
    shown = {str(path.relative_to(state_dir)): found_in(path.read_bytes(), canaries) for path in files_of(state_dir)}
    return {name: found for name, found in shown.items() if found}


class Marked(Live):
    """The demo's world with a marked HTS id, every log line, and an eye on each child's command line and tokens."""

    def __init__(self, state_dir: Path) -> None:
        super().__init__(state_dir)
        self.command_lines: set[bytes] = set()
        self.tokens: set[str] = set()
        self.env: dict[str, str] = {}

    async def _start(self) -> None:
        addresses = self.story.addresses

        def with_marks(redis_url: str) -> dict[str, str]:
            self.env = {**addresses(redis_url), "KIS_HTS_ID": HTS_ID, "SEOHAK_LOG_LEVEL": "DEBUG"}
            return self.env

        self.story.addresses = with_marks
        await super()._start()
        self._eye = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(0.1)

    def look(self) -> None:
        """Note command lines of all our processes, and tokens as they come."""
        for name, child in self.family.children.items():
            if name != "sandbox" and child.process is not None:
                with contextlib.suppress(OSError):
                    self.command_lines.add(Path(f"/proc/{child.process.pid}/cmdline").read_bytes())
        for path in (self.options.state_dir / "tokens").glob("kis-token-*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                self.tokens.add(json.loads(path.read_bytes())["text"])

    async def __aexit__(self, *failure: object) -> None:
        with contextlib.suppress(AttributeError):
            self._eye.cancel()
        await super().__aexit__(*failure)


class Seen(msgspec.Struct, kw_only=True):
    """What a world with faults left behind."""

    state_dir: Path
    canaries: Canaries
    command_lines: set[bytes]
    chat: bytes
    refusals: dict[str, bytes]
    modes: dict[str, int]
    hits: dict[str, int]
    restarts: dict[str, int]
    debug_lines: int
    scrubbed: int


def troubles(words: str, key: str) -> list[Json]:
    """Faults on every link: the other side repeats all secrets that it was ever told."""
    orders, lists = {"path_contains": "/trading/order"}, {"path_contains": "inquire"}
    prices = {"path_contains": "quotations"}
    kis = {"link": "kis_real"}
    return [
        {**kis, "action": "error", "code": "EGW00001", "status": 500, "message": words, "match": lists, "times": 12},
        {**kis, "action": "error", "code": "EGW00001", "status": 500, "message": words, "shape": "plain", "match": lists, "times": 12},
        {**kis, "action": "error", "code": "EGW00133", "message": words, "shape": "oauth", "match": {"path_contains": "tokenP"}, "times": 6},
        {**kis, "action": "error", "code": "EGW00123", "message": words, "match": lists, "times": 4},
        {**kis, "action": "html", "match": lists, "times": 2},
        {**kis, "action": "half_json", "match": lists, "times": 2},
        {**kis, "action": "drop_reply", "match": lists, "times": 2},
        {**kis, "action": "reset", "match": prices, "times": 3},
        {**kis, "action": "error", "code": "EGW00201", "message": words, "match": prices, "times": 9},
        {**kis, "action": "error", "code": "APBK0918", "message": words, "match": orders},
        {**kis, "action": "error", "code": "EGW00301", "message": words, "match": orders},
        {**kis, "action": "drop_reply", "match": orders},
        {"link": "polygon", "action": "error", "status": 401, "message": key, "times": 3},
        {"link": "polygon", "action": "reset", "times": 2},
        {"link": "polygon", "action": "half_json", "times": 2},
        {"link": "polygon_ws", "action": "auth_fail", "message": key},
        {"link": "polygon_ws", "action": "close"},
    ]  # fmt: skip


def chat_troubles(words: str) -> list[Json]:
    """Telegram's own errors."""
    return [
        {"method": "sendMessage", "code": 429, "description": "Too Many Requests", "retry_after": 1},
        {"method": "sendMessage", "code": 400, "description": f"Bad Request: {words}"},
        {"method": "sendPhoto", "code": 500, "description": words},
        {"method": "editMessageText", "code": 403, "description": words},
        {"method": "getUpdates", "code": 502, "description": words},
        {"method": "answerCallbackQuery", "code": 400, "description": words},
    ]


async def trouble(world: Marked) -> None:
    """Everything that can go wrong at once, while a plan is being bought."""
    words = f"{min(world.tokens)} {REAL.appkey} {REAL.appsecret} {REAL.account} {NUMBER} {HTS_ID}"
    faults = troubles(words, DEFAULT_KEY)
    spoken = [fault for fault in faults if words in fault.get("message", "")]
    for fault in spoken:
        assert "error" not in await world.chat.post("/control/faults", **fault)

    async def heard() -> bool:
        return any("***" in line for line in world.family.log_lines("trader"))

    # the trader tells of the first failure of a row only: that one must be one with words
    await until("KIS's words in the trader's log", heard, seconds=30)
    async with world.chat._http.delete(world.chat.url + "/control/faults") as cleared:
        assert cleared.ok
    for fault in [fault for fault in faults if fault not in spoken] + spoken[-2:]:
        answer = await world.chat.post("/control/faults", **fault)
        assert "error" not in answer, answer
    for fault in chat_troubles(f"bot{DEFAULT_TOKEN}"):
        answer = await world.chat.post("/sim/faults", **fault)
        assert "error" not in answer, answer
    for text in (
        "/buy NOSUCH",
        f"/sell {TICKER} 999%",
        "/chart ZZZZ",
        f"/why {TICKER}",
        "/status",
        "/health",
        "/panic",
    ):
        await world.chat.say(text)
    await world.chat.post("/control/kis/revoke_tokens", code="EGW00123")
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_unix_connection(str(world.options.state_dir / "trader.sock"))
        writer.write(b'{"command": "sell", "by": 5}\nno json at all\n')
        await writer.drain()
        assert b"invalid" in await reader.readline()
        writer.close()


def refuse(world: Marked, module: str, **wrong: str) -> bytes:
    """What a process with wrong settings says, in a state directory of its own."""
    folder = world.options.state_dir.parent / f"wrong-{module.rsplit('.', 1)[1]}"
    folder.mkdir(exist_ok=True)
    env = {**world.story.env, **world.env, "SEOHAK_STATE_DIR": str(folder), **wrong}
    done = subprocess.run(
        [sys.executable, "-m", module], cwd=ROOT, env=env, capture_output=True, timeout=40, check=False
    )
    assert done.returncode in {1, 2}, done.stderr[-500:]
    return done.stdout + done.stderr


async def play(folder: Path) -> Seen:
    async with Marked(folder / "state") as world:
        await until("a token", lambda: asyncio.sleep(0, bool(world.tokens)))
        found = await until("a proposal", lambda: world.chat.button("a:", TICKER))
        await world.chat.tap(*found, OWNER)
        await trouble(world)
        asked = {
            "trader": ("services.trader", {"KIS_APPKEY": REAL.appkey[:-1]}),
            "bot": ("cli.bot", {"TELEGRAM_BOT_TOKEN": DEFAULT_TOKEN.replace(":", "-")}),
        }
        said = {
            name: await asyncio.to_thread(refuse, world, module, **wrong) for name, (module, wrong) in asked.items()
        }
        for name in SERVICES:
            await world.kill(name)

        async def weathered() -> bool:
            hits = (await world.chat.get("/control/faults"))["hits"]
            return sum(hits.values()) >= 20

        # those that wait for an order may wait for ever: the panic came first
        with contextlib.suppress(AssertionError):
            await until("the faults", weathered, seconds=15)
        world.look()
        calls = (await world.chat.get("/sim/outbox"))["calls"]
        # what the bot sent; the answers are Telegram's words
        chat = json.dumps(
            [await world.chat.get(f"/sim/chat?user={OWNER}"), [(c["method"], c["params"]) for c in calls]]
        )
        hits = (await world.chat.get("/control/faults"))["hits"]
        modes = {
            str(path.relative_to(folder / "state")): path.stat().st_mode & 0o777
            for path in [*(folder / "state" / "tokens").iterdir(), *(folder / "state").glob("protect.key")]
        }
        restarts = {name: child.restarts for name, child in world.family.children.items()}
        debug = sum(" DEBUG " in line for name in SERVICES for line in world.family.log_lines(name))
        scrubbed = sum("***" in line for line in world.family.log_lines("trader"))
        tokens, lines = world.tokens, world.command_lines
    return Seen(
        state_dir=folder / "state", canaries=marked(tokens), command_lines=lines, chat=chat.encode(), refusals=said,
        modes=modes, hits=hits, restarts=restarts, debug_lines=debug,
        scrubbed=scrubbed,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """One world for all promises."""
    return asyncio.run(play(tmp_path_factory.mktemp("canary")))


def test_the_world_was_troubled_and_talkative(seen: Seen) -> None:
    """Else the search would prove nothing."""
    assert sum(seen.hits.values()) >= 12, seen.hits
    assert {"kis_real.error", "kis_real.html", "kis_real.half_json"} <= set(seen.hits)
    assert all(seen.restarts[name] >= 1 for name in SERVICES), seen.restarts
    assert seen.debug_lines > 20
    assert seen.scrubbed, "KIS's words never came as far as a log of the trader"
    assert any(name.startswith("token ") for name in seen.canaries)
    assert len(seen.command_lines) >= len(SERVICES)
    assert b"sendMessage" in seen.chat


def test_no_file_of_the_state_directory_shows_a_secret(seen: Seen) -> None:
    """Logs, databases, journals, beats, Redis's file: all but the token files."""
    assert search(seen.state_dir, seen.canaries) == {}


def test_no_message_and_no_call_to_telegram_shows_a_secret(seen: Seen) -> None:
    """What the owner reads, and what the bot's calls carried."""
    assert found_in(seen.chat, seen.canaries) == []


def test_no_command_line_shows_a_secret(seen: Seen) -> None:
    """Every user of the machine can read them."""
    assert [line for line in seen.command_lines if found_in(line, seen.canaries)] == []


def test_a_refused_start_says_what_is_wrong_without_repeating_it(seen: Seen) -> None:
    """The wrong values were secrets with one character missing or changed."""
    almost = {
        "app key, almost": REAL.appkey[:-1].encode(),
        "bot token, almost": DEFAULT_TOKEN.replace(":", "-").encode(),
    }
    shown = {name: found_in(text, {**seen.canaries, **almost}) for name, text in seen.refusals.items()}
    assert shown == {"trader": [], "bot": []}
    assert all(seen.refusals.values())


def test_token_files_and_the_signing_key_are_private(seen: Seen) -> None:
    """Nobody but the owner of the process may read them."""
    assert any(name.startswith("tokens/kis-token-") for name in seen.modes)
    assert {name: oct(mode) for name, mode in seen.modes.items() if mode != 0o600} == {}


def test_the_search_has_teeth(seen: Seen, tmp_path: Path) -> None:
    """A planted secret is found in a log, in a database and in a corner of the directory; the real token files hold one."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "trader.log").write_text(f"2026 DEBUG x: Authorization: {min(world_tokens(seen))}\n")
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        database.execute("CREATE TABLE state (key TEXT, value TEXT)")
        database.execute("INSERT INTO state VALUES ('x', ?)", (f"said by {REAL.account}",))
        database.commit()
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "core").write_bytes(os.urandom(5000) + REAL.appsecret.encode() + os.urandom(5000))
    (tmp_path / "clean").write_text("nothing here")
    shown = search(tmp_path, seen.canaries)
    assert set(shown) == {"logs/trader.log", "journal.db", "deep/er/core"}
    assert {"account", "account's number"} <= set(shown["journal.db"])
    tokens = list((seen.state_dir / "tokens").glob("kis-token-*.json"))
    assert any(found_in(path.read_bytes(), seen.canaries) for path in tokens)
    assert set(found_in((seen.state_dir / "logs" / "sandbox.log").read_bytes(), seen.canaries)) >= {
        "app key",
        "account",
    }


def world_tokens(seen: Seen) -> list[str]:
    """The tokens that the world's broker gave."""
    return [value.decode() for name, value in seen.canaries.items() if name.startswith("token ") and "'" not in name]
