"""One run: break, drop, measure, mend, and compare what broker, journal and database say afterwards."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import os
import time

import msgspec

from benchmarks.stop_faults import Fault
from benchmarks.stop_world import Json, StopWorld, WorldTrouble, until
from cli.programs import ROOT

DROP_PCT = -25.0
MEASURED = ("adapters", "bot", "charts", "cli", "config", "core", "ports", "sandbox", "services")
# a sale that is late by this much is a failure whose time is still worth knowing
SALE_PATIENCE_S, WELL_PATIENCE_S = 90.0, 120.0


class Run(msgspec.Struct, kw_only=True):
    """`seconds` from the drop to the sale's POST at the broker; None where none came. `troubles` are broken promises."""

    ticker: str
    qty: int = 0
    seconds: float | None = None
    by: str = ""
    mended_s: float = 0.0
    load: float = 0.0
    clock_moved_ms: float = 0.0
    code: str = ""
    troubles: list[str] = []


class Before(msgspec.Struct, kw_only=True):
    """What was there when the fault struck."""

    at: dt.datetime
    posts: int
    orders: set[str]
    wall: float
    positions: dict[str, int]
    intents: set[str]


async def play(world: StopWorld, fault: Fault, ticker: str) -> Run:
    """Carry out one run on one held ticker; what goes wrong is in its troubles, and the world is then of no more use."""
    qty = world.protected()[ticker].qty
    run = Run(ticker=ticker, qty=qty, load=os.getloadavg()[0], code=code_digest(), troubles=[])
    orders, account = await world.orders(), await world.account()
    offset, wall = time.time() - time.monotonic(), time.time()
    fault.strike(world)
    moved_at = await world.drop(ticker, DROP_PCT)
    before = Before(
        at=moved_at,
        posts=account["order_posts"],
        orders={o["odno"] for o in orders},
        wall=wall,
        positions=world.journal_positions(),
        intents={i for (i,) in world.journal("SELECT id FROM intent")},
    )
    sale = await _first_sale(world, ticker, len(orders), before)
    if sale is None:
        run.troubles.append(f"no sale within {SALE_PATIENCE_S:.0f} s")
    else:
        # both instants are the sandbox's own, on the wall clock; what that was set by meanwhile is taken out
        run.clock_moved_ms = (time.time() - time.monotonic() - offset) * 1000
        run.seconds = (dt.datetime.fromisoformat(sale["placed_at"]) - moved_at).total_seconds()
        run.seconds = round(run.seconds - run.clock_moved_ms / 1000, 3)
    began = time.monotonic()
    try:
        await _sold(world, ticker)
        began = time.monotonic()
        await fault.mend(world)
        await well(world, ticker)
    except WorldTrouble as trouble:
        run.troubles.append(str(trouble))
    run.mended_s = round(time.monotonic() - began, 1)
    run.troubles += await _broken_promises(world, fault, run, before)
    return run


def code_digest() -> str:
    """Names the version of our programs that was measured, committed or not."""
    digest = hashlib.sha256()
    for folder in MEASURED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            # someone may be editing the tree
            with contextlib.suppress(OSError):
                digest.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]


async def _first_sale(world: StopWorld, ticker: str, known: int, before: Before) -> Json | None:
    """The first order to sell the ticker; the list is only read when its length has changed, for it is long."""

    async def look() -> Json | None:
        if (await world.account())["orders"] <= known:
            return None
        return next((o for o in await world.orders() if _is_new(o, before) and o["symbol"] == ticker), None)

    try:
        return await until(f"a sale of {ticker}", look, seconds=SALE_PATIENCE_S)
    except WorldTrouble:
        return None


def _is_new(order: Json, before: Before) -> bool:
    return order["kind"] == "new" and order["side"] == "sell" and order["odno"] not in before.orders


async def _sold(world: StopWorld, ticker: str) -> None:
    async def gone() -> bool:
        return (await world.holdings()).get(ticker, 0) <= world.own(ticker)

    await until(f"{ticker} is sold", gone)


async def well(world: StopWorld, ticker: str) -> None:
    """Wait until all processes beat, the trader has booked the sale and may buy, and journal and database agree."""
    missing: list[str] = []

    async def look() -> bool:
        missing[:] = [f"{name} is silent" for name in world.silent()]
        if not missing:
            missing[:] = await _differences(world, ticker)
        return not missing

    try:
        await until("the world is well again", look, seconds=WELL_PATIENCE_S, every=0.25)
    except WorldTrouble as trouble:
        raise WorldTrouble(f"{trouble}: {'; '.join(missing)}") from None


async def _differences(world: StopWorld, ticker: str) -> list[str]:
    journal = world.journal_positions()
    ready, quiet, answers, table = await asyncio.gather(
        world.ready(), world.quiet(), world.redis_answers(), world.table_positions()
    )
    checks = {
        "the trader may not buy": ready,
        "an order lives": quiet,
        "Redis does not answer": answers,
        "the guardian is in charge": not world.guardian_in_charge(),
        f"{ticker} is still in the journal": ticker not in journal,
        "the database differs from the journal": table == journal,
    }
    return [what for what, fine in checks.items() if not fine]


async def _broken_promises(world: StopWorld, fault: Fault, run: Run, before: Before) -> list[str]:
    """What must hold after a run; the ticker's own sale first, then everybody else's peace."""
    orders = [o for o in await world.orders() if o["odno"] not in before.orders]
    # adopted sales leave the guardian's journal, its takeovers stay
    events = [e for e in world.guardian_events() if e.get("wall", 0.0) >= before.wall]
    run.by = _seller(world, run.ticker)
    sales = [o for o in orders if o["kind"] == "new" and o["side"] == "sell"]
    ours = [o for o in sales if o["symbol"] == run.ticker]
    found = []
    if [(o["qty"], o["filled"]) for o in ours] != [(run.qty, run.qty)]:
        found.append(f"sales of {run.qty} protected shares: {[(o['qty'], o['filled'], o['state']) for o in ours]}")
    if run.seconds is not None and run.by not in fault.sellers:
        found.append(f"sold by the {run.by}")
    if buys := [o["symbol"] for o in orders if o["side"] == "buy"]:
        found.append(f"bought or cancelled a purchase meanwhile: {buys}")
    strangers = {o["symbol"] for o in sales} - {run.ticker} - _signalled(world, before)
    if strangers:
        found.append(f"sold beside it: {sorted(strangers)}")
    posts = (await world.account())["order_posts"] - before.posts
    if posts != len([o for o in orders if o["kind"] == "new"]):
        found.append(f"{posts} POSTs made {len(orders)} orders")
    if fault.sellers == ("trader",) and any(e["event"] == "took_over" for e in events):
        found.append("the guardian took over from a living trader")
    return found + await _books(world, run, before)


async def _books(world: StopWorld, run: Run, before: Before) -> list[str]:
    """Broker, journal and the finished round trip, share by share."""
    found = []
    holdings, journal = await world.holdings(), world.journal_positions()
    expected = {t: q + world.own(t) for t, q in journal.items()}
    expected |= {t: world.own(t) for t in holdings if t not in journal}
    if holdings != expected:
        apart = {t for t in {*holdings, *expected} if holdings.get(t) != expected.get(t)}
        found.append(f"journal and broker differ: {[(t, holdings.get(t), expected.get(t)) for t in sorted(apart)]}")
    if holdings.get(run.ticker, 0) != world.own(run.ticker):
        found.append(
            f"{holdings.get(run.ticker, 0)} shares of {run.ticker} are left, the owner's are {world.own(run.ticker)}"
        )
    left = {t for t in before.positions if t != run.ticker} - set(journal)
    if unexpected := left - _signalled(world, before):
        found.append(f"positions ended: {sorted(unexpected)}")
    trips = [msgspec.json.decode(body) for (body,) in world.journal("SELECT body FROM trip")]
    mine = [(t["buy_qty"], t["sell_qty"], t["reason"]) for t in trips if t["ticker"] == run.ticker]
    reason = "GUARD" if run.by == "guardian" else "STOP"
    if mine != [(run.qty, run.qty, reason)]:
        found.append(f"round trips booked: {mine}, not {(run.qty, run.qty, reason)}")
    return found


def _seller(world: StopWorld, ticker: str) -> str:
    """Who sent the sale, by the purpose under which the trader has booked it."""
    bodies = world.journal("SELECT body FROM intent WHERE side = 'SELL' AND ticker = ?", ticker)
    purposes = {msgspec.json.decode(body)["purpose"] for (body,) in bodies}
    return "guardian" if "GUARD" in purposes else "trader" if purposes else ""


def _signalled(world: StopWorld, before: Before) -> set[str]:
    """Tickers that the analyzer's own signals have sold meanwhile; nothing is wrong with that."""
    rows = world.journal("SELECT id, body FROM intent WHERE side = 'SELL'")
    intents = [msgspec.json.decode(body) for number, body in rows if number not in before.intents]
    return {i["request"]["ticker"] for i in intents if i["purpose"] == "SIGNAL_SELL"}
