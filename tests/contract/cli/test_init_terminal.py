"""`./seohak init` in a real terminal, against the sandbox: what a new user types, and what is left on the disk."""

import asyncio
import contextlib
import os
import pty
import re
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dotenv import dotenv_values

from config.environment import ROOT
from sandbox.clock import SandboxClock
from sandbox.polygon import DEFAULT_KEY
from sandbox.telegram import DEFAULT_TOKEN, person
from tests.contract.cli.conftest import ORIGIN, SPEED, serving

PATIENCE_S = 20.0
# a session's leader takes the terminal on its standard input, as a login shell does
RUN = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "from cli.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
FEED_ASKED = "1, 2 [Enter = 1, polygon]"
HIDDEN = "not shown): "


class Terminal:
    """Both ends of a pseudo-terminal: what the program writes, what a person types."""

    def __init__(self, process: asyncio.subprocess.Process, descriptor: int) -> None:
        self.process, self._descriptor = process, descriptor
        self.screen = ""
        self._seen = 0
        self._news = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, 65_536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self._descriptor)
        self.screen += data.decode(errors="replace")
        self._news.set()

    async def sees(self, words: str) -> None:
        """Wait for words after those that were waited for before."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := self.screen.find(words, self._seen)) < 0:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            pytest.fail(f"{words!r} never came; the screen:\n{self.screen[-1500:]}")
        self._seen = found + len(words)

    def types(self, text: str) -> None:
        os.write(self._descriptor, text.encode() + b"\n")

    async def answers(self, words: str, text: str) -> None:
        await self.sees(words)
        self.types(text)

    async def ends(self) -> int:
        async with asyncio.timeout(PATIENCE_S):
            return await self.process.wait()

    def stop(self) -> None:
        asyncio.get_running_loop().remove_reader(self._descriptor)
        if self.process.returncode is None:
            self.process.kill()


@contextlib.asynccontextmanager
async def init(services, home: Path, **env: str) -> AsyncIterator[Terminal]:
    ours, theirs = pty.openpty()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KIS_", "POLYGON_", "TELEGRAM_", "SEOHAK_"))}
    places = {
        "SEOHAK_ENV_FILE": str(home / ".env"),
        "SEOHAK_CONFIG": str(home / "config.yaml"),
        "SEOHAK_STATE_DIR": str(home / "state"),
        "PYTHONPATH": str(ROOT),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", RUN, "init",
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=ROOT, start_new_session=True,
        env=kept | places | services.variables | services.clock_variables | env,
    )  # fmt: skip
    os.close(theirs)
    terminal = Terminal(process, ours)
    try:
        yield terminal
    finally:
        terminal.stop()
        await process.wait()
        os.close(ours)


async def pair(terminal: Terminal, services) -> None:
    """The code of the screen, sent by the owner's phone, after a stranger has tried."""
    await terminal.sees("waiting…")
    code = re.search(r"start=pair-([A-Z2-9]{10})\r?\n", terminal.screen)
    assert code is not None
    person.send_text(services.telegram, 9009, "/start pair-AAAAAAAAAA")
    await terminal.sees("Eve")
    person.send_text(services.telegram, 7001, f"/start pair-{code.group(1)}")
    await terminal.answers("is this you?", "")


async def test_a_new_user_gets_from_nothing_to_a_tested_env_file(services, home):
    """Wrong answers on the way are told and asked again; nothing secret is ever on the screen."""
    keys = services.keys
    async with init(services, home) as terminal:
        await terminal.answers("1, 2, 3 [Enter", "2")
        await terminal.sees("venue: kis_virtual")
        await terminal.answers(FEED_ASKED, "")
        await terminal.answers(HIDDEN, "123456:no-such-token-but-of-the-right-shape")
        await terminal.sees("does not know it")
        await terminal.answers(HIDDEN, DEFAULT_TOKEN)
        await terminal.sees("@seohak_demo_bot")
        await pair(terminal, services)
        await terminal.answers(HIDDEN, "wrong-key")
        await terminal.sees("does not know this key")
        await terminal.answers(HIDDEN, DEFAULT_KEY)
        await terminal.sees("a real-time plan")
        await terminal.answers("HTS ID", keys["KIS_HTS_ID"])
        await terminal.answers("12345678-01", keys["KIS_VIRTUAL_ACCOUNT"].replace("-", ""))
        await terminal.answers(HIDDEN, keys["KIS_VIRTUAL_APPKEY"])
        await terminal.answers(HIDDEN, "s" * 180)
        await terminal.sees("EGW00105")
        await terminal.answers("HTS ID", "")
        await terminal.answers("12345678-01", "")
        await terminal.answers(HIDDEN, "")
        await terminal.answers(HIDDEN, keys["KIS_VIRTUAL_APPSECRET"])
        await terminal.sees("the account was read")
        await terminal.answers("enrol now?", "")
        await terminal.sees("./seohak doctor")
        await terminal.sees("./seohak up")
        assert await terminal.ends() == 0
        screen = terminal.screen
    path = home / ".env"
    written = {name: value for name, value in dotenv_values(path).items() if value}
    wanted = {n: v for n, v in keys.items() if n == "KIS_HTS_ID" or not n.startswith("KIS_") or "VIRTUAL" in n}
    assert written == wanted
    assert path.stat().st_mode & 0o777 == 0o600
    assert "BotFather" in path.read_text()
    assert "  venue: kis_virtual           # paper | kis_virtual" in (home / "config.yaml").read_text()
    assert (home / "state").stat().st_mode & 0o777 == 0o700
    assert len(list((home / "state" / "tokens").glob("kis-token-*.json"))) == 1
    secret = [v for n, v in keys.items() if n.endswith(("TOKEN", "KEY", "SECRET"))]
    assert not [value for value in secret if value in screen]
    assert not services.telegram.updates.pending
    greeting = [call for call in services.telegram.outbox if call.method == "sendMessage"]
    assert [call.params["chat_id"] for call in greeting] == ["7001"]


async def test_ctrl_c_loses_no_confirmed_answer_and_enter_keeps_what_is_there(services, home):
    """Comments and unknown lines survive; the terminal shows the ends of keys only."""
    wrong, path = "123456:a-token-that-was-revoked-last-year-at-botfather", home / ".env"
    path.write_text(f"# mine\nTELEGRAM_BOT_TOKEN={wrong} # my bot\nOTHER=kept\n")
    async with init(services, home) as terminal:
        await terminal.answers("1, 2, 3 [Enter = 1", "")
        await terminal.answers(FEED_ASKED, "")
        await terminal.sees(f"••••{wrong[-4:]}")
        await terminal.answers(HIDDEN, "")
        await terminal.sees("does not know it")
        await terminal.answers(HIDDEN, DEFAULT_TOKEN)
        await terminal.sees("waiting…")
        terminal.process.send_signal(signal.SIGINT)
        await terminal.sees("what was confirmed is kept")
        assert await terminal.ends() == 130
    confirmed = f"# mine\nTELEGRAM_BOT_TOKEN={DEFAULT_TOKEN} # my bot\nOTHER=kept\n"
    assert path.read_text() == confirmed
    path.write_text(confirmed + "TELEGRAM_OWNER_IDS=7001\n")
    async with init(services, home) as terminal:
        await terminal.answers("1, 2, 3 [Enter = 1", "")
        await terminal.answers(FEED_ASKED, "")
        await terminal.sees(f"••••{DEFAULT_TOKEN[-4:]}")
        await terminal.answers(HIDDEN, "")
        await terminal.answers("keep, a = ", "")
        await terminal.answers(HIDDEN, DEFAULT_KEY)
        await terminal.answers("enrol now?", "")
        assert await terminal.ends() == 0
        assert DEFAULT_TOKEN not in terminal.screen
    assert path.read_text() == f"{confirmed}TELEGRAM_OWNER_IDS=7001\nPOLYGON_API_KEY={DEFAULT_KEY}\n"


async def test_another_reader_is_explained_an_id_can_be_typed_and_a_late_plan_gets_its_server(market, home):
    path = home / ".env"
    path.write_text(f"TELEGRAM_BOT_TOKEN={DEFAULT_TOKEN}\n")
    async with serving(market, SandboxClock(ORIGIN, time.time(), SPEED), plan="starter") as services:
        services.telegram.webhook = "https://elsewhere.example/hook"
        polled = asyncio.Event()
        services.telegram.listen(lambda event: polled.set() if event["type"] == "polling" else None)
        async with init(services, home) as terminal:
            await terminal.answers("1, 2, 3", "")
            await terminal.answers(FEED_ASKED, "")
            await terminal.answers(HIDDEN, "")
            await terminal.answers("webhook is set", "y")
            await polled.wait()
            services.telegram.pollers.enter()
            await terminal.sees("409")
            await terminal.answers("a new code", "7001")
            await terminal.answers(HIDDEN, DEFAULT_KEY)
            await terminal.sees("15 minutes late: finds and charts, no buying")
            await terminal.answers("enrol now?", "n")
            assert await terminal.ends() == 0
        assert services.telegram.webhook == ""
    written = dotenv_values(path)
    assert written["TELEGRAM_OWNER_IDS"] == "7001"
    assert written["POLYGON_WS_URL"] == "wss://delayed.polygon.io/stocks"


async def test_with_kis_as_the_feed_polygon_is_skipped_and_the_real_accounts_key_is_tried(services, home):
    """A paper account's key is refused and asked again; orders stay on paper, and go-live alone opens the real account."""
    keys, path = services.keys, home / ".env"
    path.write_text(f"TELEGRAM_BOT_TOKEN={DEFAULT_TOKEN}\nTELEGRAM_OWNER_IDS=7001\n")
    before = (home / "config.yaml").read_text()
    async with init(services, home) as terminal:
        await terminal.sees("./seohak go-live")
        await terminal.answers("1, 2, 3 [Enter = 1", "")
        await terminal.sees("about half of the volume")
        await terminal.answers(FEED_ASKED, "3")
        await terminal.sees("one of 1, 2")
        await terminal.answers(FEED_ASKED, "2")
        await terminal.sees("feed: kis")
        await terminal.answers(HIDDEN, "")
        await terminal.answers("keep, a = ", "")
        await terminal.sees("[5/5] 한국투자증권 실계좌")
        await terminal.answers("HTS ID", keys["KIS_HTS_ID"])
        await terminal.answers("12345678-01", keys["KIS_ACCOUNT"])
        await terminal.answers(HIDDEN, keys["KIS_VIRTUAL_APPKEY"])
        await terminal.answers(HIDDEN, keys["KIS_VIRTUAL_APPSECRET"])
        await terminal.sees("market data needs the real account's key")
        await terminal.answers("HTS ID", "")
        await terminal.answers("12345678-01", "")
        await terminal.answers(HIDDEN, keys["KIS_APPKEY"])
        await terminal.answers(HIDDEN, keys["KIS_APPSECRET"])
        await terminal.sees("the rankings were read")
        await terminal.answers("enrol now?", "")
        assert await terminal.ends() == 0
        assert "Polygon API" not in terminal.screen
        assert "the account was read" not in terminal.screen
    written = {name: value for name, value in dotenv_values(path).items() if value}
    assert written == {n: v for n, v in keys.items() if not n.startswith("POLYGON_") and "VIRTUAL" not in n}
    after = (home / "config.yaml").read_text()
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert [(b.split("#")[0].split(), a.split("#")[1] == b.split("#")[1]) for a, b in changed] == [
        (["feed:", "kis"], True)
    ]


async def test_the_real_account_is_prepared_and_the_venue_left_to_go_live(services, home):
    """One step for account and feed; a config.yaml of another shape is the person's to change."""
    keys, path = services.keys, home / "config.yaml"
    path.write_text("scanner: {feed: polygon}\ntrading:\n  venue: paper # mine\n")
    (home / ".env").write_text(f"TELEGRAM_BOT_TOKEN={DEFAULT_TOKEN}\nTELEGRAM_OWNER_IDS=7001\n")
    async with init(services, home) as terminal:
        await terminal.answers("1, 2, 3 [Enter = 1", "3")
        await terminal.sees("it stays until ./seohak go-live")
        await terminal.answers(FEED_ASKED, "2")
        await terminal.sees("write 'feed: kis' below 'scanner:'")
        await terminal.answers(HIDDEN, "")
        await terminal.answers("keep, a = ", "")
        await terminal.sees("[5/5] 한국투자증권 실계좌")
        await terminal.answers("HTS ID", keys["KIS_HTS_ID"])
        await terminal.answers("12345678-01", keys["KIS_ACCOUNT"])
        await terminal.answers(HIDDEN, keys["KIS_APPKEY"])
        await terminal.answers(HIDDEN, keys["KIS_APPSECRET"])
        await terminal.sees("the account was read")
        await terminal.sees("the rankings were read")
        await terminal.answers("enrol now?", "")
        assert await terminal.ends() == 0
    assert path.read_text() == "scanner: {feed: polygon}\ntrading:\n  venue: paper # mine\n"
    assert dotenv_values(home / ".env")["KIS_APPKEY"] == keys["KIS_APPKEY"]
    assert services.hosts["kis"].tokens.issues == 1
