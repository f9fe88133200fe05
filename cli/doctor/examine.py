"""Runs the checks side by side: each has its own time, and one that fails is a line like any other."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import msgspec

from cli.doctor.checkup import Checkup
from cli.doctor.lines import Level, Line, error, skipped
from config.logs import Redactor

T = TypeVar("T")
Look = Callable[[Checkup], Awaitable[Line]]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `words` say in both languages what it looks at; `net`: it asks somebody outside."""

    name: str
    words: str
    look: Look
    net: bool = False
    limit_s: float = 12.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    name: str
    words: str
    line: Line


async def examine(world: Checkup, checks: Sequence[Check], *, offline: bool = False) -> list[Result]:
    """All checks at once, in the order of the table. No line shows a secret, whoever wrote it."""
    hide = Redactor(world.secrets()).redact
    lines = await asyncio.gather(*(_line(world, check, offline=offline) for check in checks))
    return [
        Result(name=check.name, words=check.words, line=Line(line.level, hide(line.text), hide(line.remedy)))
        for check, line in zip(checks, lines, strict=True)
    ]


async def _line(world: Checkup, check: Check, *, offline: bool) -> Line:
    if offline and check.net:
        return skipped("--offline")
    try:
        async with asyncio.timeout(check.limit_s):
            return await check.look(world)
    except TimeoutError:
        return error(
            f"{check.limit_s:g}초 안에 끝나지 않았습니다 / no answer within {check.limit_s:g} s",
            "네트워크와 디스크를 확인하고 다시 실행하세요 / look at the network and the disk, then run it again",
        )
    except Exception as trouble:
        first = (str(trouble).splitlines() or [""])[0][:200]
        return error(
            f"확인하지 못했습니다 / could not be checked: {type(trouble).__name__}: {first}",
            f"./seohak doctor --offline, ./seohak doctor {check.name}",
        )


async def aside(work: Callable[[], T]) -> T:
    """Run what blocks in a thread that the end of the program does not wait for: a dead disk must not hold the doctor."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, trouble: BaseException | None) -> None:
        if future.done():
            return
        if trouble is not None:
            future.set_exception(trouble)
        else:
            future.set_result(result)  # type: ignore[arg-type]  # None only where T allows it

    def run() -> None:
        result, trouble = None, None
        try:
            result = work()
        except Exception as caught:
            trouble = caught
        try:
            loop.call_soon_threadsafe(settle, result, trouble)
        except RuntimeError:
            # the loop is closed: nobody waits any more
            return

    threading.Thread(target=run, daemon=True).start()
    return await future


def verdict(results: Sequence[Result]) -> int:
    """The exit code: 1 where there is an error."""
    return int(any(result.line.level is Level.ERROR for result in results))
