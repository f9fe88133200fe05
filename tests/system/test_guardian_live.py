"""The trader is gone and does not come back: the guardian keeps the stop, and the trader books it when it returns."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
from system_world import OWNER, Json, Live, until

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("guardian")]
TICKER = "QBIT"


async def replace_trader(world: Live, argv: list[str]) -> list[str]:
    """Kill the trader; what is started in its place is `argv`. Returns what was started before."""
    child = world.family.children["trader"]
    before, child.argv = child.argv, argv
    await world.kill("trader")
    return before


def guardian_events(world: Live) -> list[Json]:
    path = world.options.state_dir / "guardian.ndjson"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


async def play(folder: Path) -> tuple[list[Json], dict[str, int], Json, dict[str, int], list[Json]]:
    async with Live(folder) as world:
        found = await until("a proposal", lambda: world.chat.button("a:", TICKER), seconds=60)
        await world.chat.tap(*found, OWNER)

        async def half_bought() -> bool:
            return len([i for i in world.books.intents(TICKER) if i["state"] == "FILLED"]) >= 5

        await until("half of the tranches", half_bought, seconds=60)
        trader = await replace_trader(world, [sys.executable, "-c", "import time; time.sleep(1000)"])

        async def sold() -> bool:
            return TICKER not in {t for t, qty in (await world.chat.holdings()).items() if qty}

        await until("the guardian has sold", sold, seconds=90)
        events = guardian_events(world)
        holdings = await world.chat.holdings()
        await replace_trader(world, trader)

        async def booked() -> bool:
            return not world.books.journal_positions().get(TICKER) and not world.books.table_positions().get(TICKER)

        await until("the trader has booked the sale", booked, seconds=60)
        return events, holdings, world.books.plan(TICKER), world.books.table_positions(), world.books.trips()


def test_the_guardian_sells_at_the_stop_and_the_trader_books_it(tmp_path: Path) -> None:
    events, holdings, plan, table, trips = asyncio.run(play(tmp_path))
    kinds = [e["event"] for e in events]
    assert kinds[0] == "took_over"
    assert "sold" in kinds
    assert not holdings.get(TICKER)
    assert TICKER not in table
    assert plan["state"] == "STOPPED", "no further tranche after a protective sale"
    (trip,) = [t for t in trips if t["ticker"] == TICKER]
    assert trip["reason"] == "GUARD"
    assert trip["buy_qty"] == trip["sell_qty"]
