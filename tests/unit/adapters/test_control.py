"""The trader's Unix socket."""

import asyncio
import stat
from pathlib import Path

import msgspec
import pytest

from adapters.control import SocketControl, serve_control
from core.model.commands import AnyCommand, Approve, Panic, Reply, ReplyKey, Sell
from ports.control import TraderUnreachable


@pytest.fixture
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s") / "t.sock"


async def echo(command: AnyCommand) -> Reply:
    return Reply(ok=True, key=ReplyKey.DONE, values={"kind": type(command).__name__, "by": command.by})


async def test_a_command_goes_there_and_its_answer_comes_back(path: Path) -> None:
    async with await serve_control(path, echo):
        control = SocketControl(path)
        for command in (Panic(by="a", liquidate=True), Sell(by="b", ticker="X"), Approve(by="c", plan_id="p")):
            reply = await control.send(command)
            assert reply.values == {"kind": type(command).__name__, "by": command.by}


async def test_only_the_owner_of_the_account_may_connect(path: Path) -> None:
    async with await serve_control(path, echo):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "line", [b"nonsense\n", b"{}\n", b'{"command":"sell","by":"a","ticker":"X","percent":0}\n', b'{"command":"x"}\n']
)
async def test_an_invalid_line_is_answered_and_the_connection_stays(path: Path, line: bytes) -> None:
    async with await serve_control(path, echo):
        reader, writer = await asyncio.open_unix_connection(str(path))
        for sent, key in ((line, ReplyKey.INVALID), (msgspec.json.encode(Panic(by="a")) + b"\n", ReplyKey.DONE)):
            writer.write(sent)
            assert msgspec.json.decode(await reader.readline(), type=Reply).key is key
        writer.close()
        await writer.wait_closed()


async def test_no_trader_is_unreachable(path: Path) -> None:
    with pytest.raises(TraderUnreachable):
        await SocketControl(path).send(Panic(by="a"))


async def test_a_trader_that_says_nothing_is_unreachable(path: Path) -> None:
    release = asyncio.Event()

    async def silent(_: AnyCommand) -> Reply:
        await release.wait()
        return Reply(ok=True, key=ReplyKey.DONE)

    async with await serve_control(path, silent):
        with pytest.raises(TraderUnreachable, match="TimeoutError"):
            await SocketControl(path, timeout_s=0.01).send(Panic(by="a"))
        release.set()


async def test_a_socket_left_by_a_dead_trader_is_replaced(path: Path) -> None:
    path.write_bytes(b"")
    async with await serve_control(path, echo):
        assert (await SocketControl(path).send(Panic(by="a"))).ok
