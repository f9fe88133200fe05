"""Fifty buys whose answer is lost: none is sent again, every share that arrived is found, booked and guarded."""

import asyncio
from pathlib import Path

import pytest
from system_world import Json

from benchmarks.postgres import PostgresMissing
from benchmarks.stop_world import OWNER, StopWorld, until
from core.model.commands import AskStatus, Buy

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("lost-replies")]
LOST, SPEED = 50, 20.0


async def lose(world: StopWorld, ticker: str) -> None:
    """Buy a ticker; the broker takes the order and the connection dies before the answer."""
    fault = {"link": "kis_real", "action": "drop_reply", "match": {"path_contains": "trading/order", "symbol": ticker}}
    await world.post("/control/faults", **fault, times=1)
    await world._buy(ticker)

    async def found() -> bool:
        rows = world.journal("SELECT state FROM intent WHERE ticker = ? AND side = 'BUY'", ticker)
        return bool(rows) and all(state == "FILLED" for (state,) in rows)

    await until(f"{ticker}'s order is found", found)
    # two orders with an unknown fate close the entries until a person has looked
    await until("the owner resumes", world.ready)


async def again(world: StopWorld, ticker: str) -> str:
    """Try to buy it a second time; returns why not."""
    reply = await world.control.send(Buy(by=str(OWNER), ticker=ticker, nonce=f"again-{ticker}"))
    assert not reply.ok
    return str(reply.values.get("detail") or reply.values.get("reason"))


async def play(folder: Path) -> tuple[list[str], list[Json], dict[str, int], dict[str, int], set[str], set[str], Json]:
    async with StopWorld(folder, positions=LOST, speed=SPEED) as world:
        tickers = world.unused[:LOST]
        for ticker in tickers:
            await lose(world, ticker)
        reply = await world.control.send(AskStatus(by=str(OWNER)))
        locked = {lock.ticker for lock in reply.status.locks if lock.reason == "order_unknown"}
        refused = {await again(world, ticker) for ticker in tickers[:5]}
        held = {t: q - world.own(t) for t, q in (await world.holdings()).items() if t in tickers}
        hits = (await world.get("/control/state"))["fault_hits"]
        guarded = {row.ticker for row in world.protected().values()}
        assert refused <= {"held", "order_unknown"}, refused
        return tickers, await world.orders(), held, world.journal_positions(), locked, guarded, hits


def test_fifty_lost_replies_never_lead_to_a_second_order(tmp_path: Path) -> None:
    try:
        tickers, orders, held, booked, locked, guarded, hits = asyncio.run(play(tmp_path))
    except PostgresMissing as missing:
        pytest.skip(str(missing))
    assert hits["kis_real.drop_reply"] == LOST
    sent = [o["symbol"] for o in orders if o["side"] == "buy" and o["kind"] == "new"]
    assert sorted(sent) == sorted(tickers), "one order each"
    assert booked == held
    assert guarded == set(tickers)
    assert locked == set(tickers)
