"""`./seohak up` with real processes: whatever is killed comes back, there is never a second trader, and `down` leaves nothing."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import msgspec
import pytest
from system_world import OWNER, Chat, Json, body, leftovers, until

from benchmarks.postgres import Postgres, PostgresMissing
from cli.demo import BREAKOUT
from cli.demo_story import DemoOptions, Story, write_config
from cli.health import HEALTHY, gather
from cli.processes import Family
from cli.programs import ROOT, SUPERVISED, read_run
from cli.running import by_name, running

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("up")]
SERVICES = {p.name for p in SUPERVISED}
EVERYONE = SERVICES | {"guardian", "watch", "supervisord", "keeper"}


class Told(msgspec.Struct, kw_only=True):
    """What one life of the system showed."""

    first: Json = {}
    again: tuple[int, str] = (0, "")
    pids: dict[str, dict[str, int]] = {}
    most_traders: int = 0
    traders: list[str] = []
    messages: list[str] = []
    environments: dict[str, bytes] = {}
    down: tuple[int, str] = (0, "")
    after: tuple[int, str] = (0, "")
    left: list[str] = []
    files: list[str] = []
    conf: str = ""


class System:
    """The sandbox, and our own command line before it."""

    def __init__(self, state_dir: Path, database_url: str | None = None) -> None:
        options = DemoOptions(
            state_dir=state_dir.resolve(),
            origin=BREAKOUT,
            speed=1.0,
            port=0,
            seed=7,
            replay=None,
            day=None,
            seconds=None,
            approve_after_s=None,
            quiet=True,
            settings={"trading": {"venue": "paper"}},
        )
        self.state_dir, self.story = options.state_dir, Story(options)
        self.env = self.story.environment() | ({"DATABASE_URL": database_url} if database_url else {})
        self.options = options

    @contextlib.asynccontextmanager
    async def sandbox(self) -> AsyncIterator[Chat]:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        write_config(self.options)
        family = Family(self.state_dir.parent / "sandbox", self.env)
        try:
            self.story.sandbox = await self.story.sandbox_ready(family, await family.start("sandbox", "sandbox"))
            await self.story.greet()
            given = self.story.addresses("")
            secrets = self.state_dir.parent / "test.env"
            # as a person has them: in a file, and no keys of a broker
            lines = [
                f"{k}={v}\n"
                for k, v in given.items()
                if k != "REDIS_URL" and not k.startswith(("KIS_V", "KIS_A", "KIS_HTS"))
            ]
            secrets.write_text("".join(lines))
            self.env["SEOHAK_ENV_FILE"] = str(secrets)
            async with aiohttp.ClientSession() as http:
                yield Chat(http, self.story.sandbox["control"])
        finally:
            await family.stop()
            # whatever a failed test has left running
            for process in running(self.state_dir):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)

    async def command(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cli",
            *arguments,
            cwd=ROOT,
            env=self.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def pids(self) -> dict[str, int]:
        return {name: process.pid for name, process in by_name(running(self.state_dir)).items()}

    async def kill(self, *names: str) -> dict[str, int]:
        """SIGKILL them all at once, then wait until others stand in their places and everything is healthy."""
        before = self.pids()
        for name in names:
            os.kill(before[name], signal.SIGKILL)

        async def replaced() -> bool:
            now = self.pids()
            return now.keys() >= EVERYONE and all(now[name] != before[name] for name in names)

        await until(f"{names} again", replaced)

        async def healthy() -> bool:
            run = read_run(self.state_dir)
            assert run is not None
            rows = await asyncio.to_thread(gather, self.state_dir, run, memory=False)
            return all(row.state == HEALTHY for row in rows)

        await until("all healthy", healthy, every=0.3)
        return self.pids()


def trades(pid: int) -> bool:
    """Whether it is the trader itself; what it starts (the calendar's reckoning) has its environment too.

    A child has even its command line, for the moment before it becomes its own program.
    """
    with contextlib.suppress(OSError):
        parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return _is_trader(pid) and not _is_trader(parent)
    return False


def described(pid: int) -> str:
    """The kernel's line of a process: number, state, parent, start and the rest."""
    try:
        return Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return f"{pid} is gone"


def _is_trader(pid: int) -> bool:
    return b"services.trader" in Path(f"/proc/{pid}/cmdline").read_bytes()


async def live(state_dir: Path, database_url: str | None = None) -> Told:
    system, told = System(state_dir, database_url), Told()

    async def count_traders() -> None:
        while True:
            traders = [p for p in running(system.state_dir) if p.name == "trader" and trades(p.pid)]
            if len(traders) > told.most_traders:
                told.most_traders, told.traders = len(traders), [described(p.pid) for p in traders]
            await asyncio.sleep(0.1)

    async with system.sandbox() as chat:
        counting = asyncio.create_task(count_traders())
        code, output = await system.command("up")
        assert code == 0, output
        told.again = await system.command("up")
        told.first = json.loads((await system.command("status", "--json"))[1])
        told.pids["up"] = system.pids()
        told.environments = {n: Path(f"/proc/{pid}/environ").read_bytes() for n, pid in told.pids["up"].items()}
        told.conf = (system.state_dir / "supervisord.conf").read_text()
        told.pids["programs"] = await system.kill(*SERVICES, "guardian", "keeper")
        told.pids["supervisord"] = await system.kill("supervisord")
        # both at once: nobody is left to start anything, but the guardian watches until somebody does
        now = system.pids()
        for name in ("keeper", "supervisord"):
            os.kill(now[name], signal.SIGKILL)
        await until("the orphans are gone", lambda: _only(system, {"guardian"}))
        code, output = await system.command("up")
        assert code == 0, output
        told.pids["both"] = system.pids()
        told.messages = [body(m) for m in await chat.messages(OWNER)]
        told.down = await system.command("down")
        counting.cancel()
        told.left = [line for line in leftovers(system.state_dir) if not line.strip().endswith("-m sandbox")]
        told.after = await system.command("status")
        ends = (".sock", ".pid", "run.json")
        told.files = [str(p) for p in system.state_dir.rglob("*") if p.name.endswith(ends)]
    return told


async def _only(system: System, names: set[str]) -> bool:
    return set(system.pids()) == names


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return asyncio.run(live(tmp_path_factory.mktemp("up") / "state"))


def test_everything_is_healthy_after_up(told: Told) -> None:
    assert told.first["healthy"]
    assert {row["name"] for row in told.first["programs"]} == EVERYONE
    for row in told.first["programs"]:
        assert row["state"] == "healthy", row
        assert row["pid"]
        assert row["uptime_s"] >= 0
        assert row["memory_mb"] > 1


def test_a_second_up_is_refused_and_says_what_to_do(told: Told) -> None:
    code, output = told.again
    assert code == 1
    assert "already running" in output
    assert "./seohak down" in output


@pytest.mark.parametrize("name", sorted(SERVICES | {"guardian", "keeper"}))
def test_a_killed_program_comes_back(told: Told, name: str) -> None:
    assert told.pids["programs"][name] != told.pids["up"][name]


def test_a_new_keeper_disturbs_nobody(told: Told) -> None:
    for name in ("supervisord", "watch"):
        assert told.pids["programs"][name] == told.pids["up"][name]


def test_a_killed_supervisord_comes_back_with_new_programs_and_the_same_guardian(told: Told) -> None:
    before, after = told.pids["programs"], told.pids["supervisord"]
    assert {name for name in EVERYONE if before[name] != after[name]} == SERVICES | {"watch", "supervisord"}


def test_up_takes_over_from_a_dead_keeper_and_supervisord_and_keeps_the_guardian(told: Told) -> None:
    before, after = told.pids["supervisord"], told.pids["both"]
    assert after.keys() == EVERYONE
    assert before["guardian"] == after["guardian"]


def test_there_is_never_a_second_trader(told: Told) -> None:
    assert told.most_traders == 1, told.traders


def test_the_owner_is_told_that_supervisord_died(told: Told) -> None:
    assert any("supervisord died" in text for text in told.messages)


def test_each_program_has_its_own_secrets_only_and_the_configuration_has_none(told: Told) -> None:
    token, polygon = b"TELEGRAM_BOT_TOKEN=", b"POLYGON_API_KEY="
    holders = {name for name, env in told.environments.items() if token in env}
    assert holders == {"bot", "watch"}
    assert {name for name, env in told.environments.items() if polygon in env} == {"bot", "collector"}
    assert "TOKEN" not in told.conf
    assert "KEY" not in told.conf


def test_down_leaves_no_process_no_socket_and_no_pid_file(told: Told) -> None:
    code, output = told.down
    assert code == 0, output
    assert told.left == []
    assert told.files == []
    gone = [line.split()[0] for line in output.splitlines() if "멈춤" in line]
    assert gone.index("bot") < gone.index("trader") < gone.index("redis") < gone.index("guardian")
    assert told.after[0] == 1


def test_the_same_life_on_postgresql(tmp_path: Path) -> None:
    try:
        with Postgres.running() as server:
            told = asyncio.run(live(tmp_path / "state", server.url))
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    assert told.first["healthy"]
    assert told.most_traders == 1, told.traders
    assert (told.down[0], told.left, told.files) == (0, [], [])
    assert not (tmp_path / "state" / "seohak.db").exists()
