"""What is broken while a price falls, how it is mended, and how long the first protective sale may take."""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from benchmarks.stop_world import StopWorld, until

TRADER, GUARDIAN = "trader", "guardian"
ALIVE_LIMIT_S, DEAD_LIMIT_S = 10.0, 30.0
OTHERS: Final = ("analyzer", "collector", "bot")
SERVERS: Final = ("redis", "postgres")


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table. `sellers` are those who may send the sale: in a race either is right."""

    name: str
    about: str
    limit_s: float
    sellers: tuple[str, ...]
    strike: Callable[[StopWorld], None]
    mend: Callable[[StopWorld], Awaitable[None]]


async def _nothing(_world: StopWorld) -> None:
    """The family itself starts a dead child again."""


def _stopped(*who: str) -> tuple[Callable[[StopWorld], None], Callable[[StopWorld], Awaitable[None]]]:
    def strike(world: StopWorld) -> None:
        for name in who:
            world.signal(name, signal.SIGSTOP)

    async def mend(world: StopWorld) -> None:
        for name in who:
            world.signal(name, signal.SIGCONT)

    return strike, mend


def _killed(*who: str) -> tuple[Callable[[StopWorld], None], Callable[[StopWorld], Awaitable[None]]]:
    def strike(world: StopWorld) -> None:
        for name in who:
            world.kill(name)

    async def mend(world: StopWorld) -> None:
        for name in who:
            if name in SERVERS:
                world.restart_server(name)

    return strike, mend


async def _orders_come_back(world: StopWorld) -> None:
    """The trader waits in standby; after a second takeover within ten minutes a person has to say so."""

    async def given_back() -> bool:
        if world.guardian_in_charge():
            world.ask_for_the_orders()
        return not world.guardian_in_charge() and "trader" not in world.silent()

    await until("the orders are the trader's again", given_back, every=0.25)


def _gone(world: StopWorld) -> None:
    world.kill_for_good("trader")


async def _return(world: StopWorld) -> None:
    await world.bring_back("trader")
    await _orders_come_back(world)


def _hung(world: StopWorld) -> None:
    # the family starts another one when the guardian has killed this one
    world.family.children["trader"].quick_deaths = -1
    world.signal("trader", signal.SIGSTOP)


def _busy(world: StopWorld) -> None:
    world.family.children["trader"].quick_deaths = -1
    world.signal("trader", signal.SIGUSR2)


def _dead(world: StopWorld) -> None:
    for name in ("trader", *OTHERS):
        world.kill_for_good(name)
    for name in SERVERS:
        world.kill(name)


async def _rise(world: StopWorld) -> None:
    for name in SERVERS:
        world.restart_server(name)
    await asyncio.gather(*(world.bring_back(name) for name in (*OTHERS, "trader")))
    await _orders_come_back(world)


def _restarts_alone(world: StopWorld) -> None:
    for name in (*OTHERS, *SERVERS):
        world.signal(name, signal.SIGSTOP)
    world.kill("trader")


async def _thaw(world: StopWorld) -> None:
    for name in (*OTHERS, *SERVERS):
        world.signal(name, signal.SIGCONT)
    await _orders_come_back(world)


def _faults() -> dict[str, Fault]:
    rows: list[Fault] = []

    def add(
        name: str,
        about: str,
        limit_s: float,
        sellers: tuple[str, ...],
        acts: tuple[Callable[[StopWorld], None], Callable[[StopWorld], Awaitable[None]]],
    ) -> None:
        rows.append(Fault(name=name, about=about, limit_s=limit_s, sellers=sellers, strike=acts[0], mend=acts[1]))

    alive, either = (TRADER,), (TRADER, GUARDIAN)
    add("none", "nothing is broken", ALIVE_LIMIT_S, alive, _stopped())
    for name in (*OTHERS, *SERVERS):
        add(f"{name}-kill", f"kill -9 of {name}", ALIVE_LIMIT_S, alive, _killed(name))
        add(f"{name}-stop", f"SIGSTOP of {name}", ALIVE_LIMIT_S, alive, _stopped(name))
    everyone = (*OTHERS, *SERVERS)
    add("all-kill", "kill -9 of all five", ALIVE_LIMIT_S, alive, _killed(*everyone))
    add("all-stop", "SIGSTOP of all five", ALIVE_LIMIT_S, alive, _stopped(*everyone))
    add(
        "trader-kill",
        "kill -9 of the trader, which is started again",
        DEAD_LIMIT_S,
        either,
        (_killed("trader")[0], _orders_come_back),
    )
    add("trader-kill-all-stop", "the same while all five are stopped", DEAD_LIMIT_S, either, (_restarts_alone, _thaw))
    add("trader-gone", "kill -9 of the trader, which does not come back", DEAD_LIMIT_S, (GUARDIAN,), (_gone, _return))
    add("trader-stop", "SIGSTOP of the trader", DEAD_LIMIT_S, either, (_hung, _orders_come_back))
    add("trader-busy", "the trader spins in a loop", DEAD_LIMIT_S, either, (_busy, _orders_come_back))
    add("dead", "kill -9 of everything but guardian and broker", DEAD_LIMIT_S, (GUARDIAN,), (_dead, _rise))
    return {row.name: row for row in rows}


FAULTS: Final = _faults()
