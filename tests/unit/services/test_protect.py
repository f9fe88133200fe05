"""The trader's side: what it leaves the guardian, what it reads from it, and how it waits for the orders."""

import asyncio
import datetime as dt
import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.model.order import BrokerRef
from services import protect
from services.fence import OrdersLock
from services.guardian_files import read_protection
from services.protect import acknowledge_sales, guardian_sales, take_orders_lock, write_protection
from services.runtime import Runtime
from tests.unit.core.builders import NOON, TICKER, position

SENT = "2026-11-17T15:00:00+00:00"


def write(state: Path, *positions: object, seq: int = 1, at: str = "now", **fields: object) -> None:
    write_protection(state, positions or (position(),), seq=seq, at=at, venue="kis_virtual", **fields)


def test_what_is_protected_comes_through_exactly(tmp_path: Path) -> None:
    write(tmp_path, msgspec.structs.replace(position(3, stop="121.72"), own_qty=7), buying=["B", "A"])
    found = read_protection(tmp_path)
    assert found is not None
    (row,) = found.rows
    assert (found.venue, found.seq, found.written_at, found.buying) == ("kis_virtual", 1, "now", ("A", "B"))
    assert (row.ticker, row.exchange, row.qty, row.stop_price, row.own, row.hold) == (
        TICKER,
        "NASD",
        3,
        Decimal("121.72"),
        7,
        False,
    )


def test_the_orders_that_are_counted_and_the_sales_that_live_come_through_by_ticker(tmp_path: Path) -> None:
    orders = {TICKER: {"20261117-1": 3, "20261117-2": 1}, "AMD": {"20261117-9": 9}}
    write(tmp_path, position(3), position(ticker="TSLA"), orders=orders, selling={TICKER: 2, "AMD": 1})
    found = read_protection(tmp_path)
    assert found is not None
    assert [(r.ticker, r.orders, r.selling) for r in found.rows] == [(TICKER, orders[TICKER], 2), ("TSLA", {}, 0)]


@pytest.mark.parametrize(("frozen", "hold"), [("split", True), ("", False), ("shares_missing", False)])
def test_only_a_split_keeps_the_guardian_from_selling(tmp_path: Path, frozen: str, hold: bool) -> None:
    write(tmp_path, msgspec.structs.replace(position(), frozen=frozen))
    found = read_protection(tmp_path)
    assert found is not None
    assert [row.hold for row in found.rows] == [hold]


def test_the_number_grows_from_process_to_process(tmp_path: Path) -> None:
    write(tmp_path, seq=5)
    write(tmp_path, seq=1)
    found = read_protection(tmp_path)
    assert found is not None
    assert found.seq == 6
    write(tmp_path, seq=60)
    found = read_protection(tmp_path)
    assert found is not None
    assert found.seq == 60


def test_the_version_before_is_kept(tmp_path: Path) -> None:
    write(tmp_path, position(10))
    write(tmp_path, position(7))
    (tmp_path / "protect.json").write_bytes(b"torn")
    found = read_protection(tmp_path)
    assert found is not None
    assert [row.qty for row in found.rows] == [10]


def test_a_file_system_without_second_names_keeps_no_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write(tmp_path, position(10))
    write(tmp_path, position(7))
    found = read_protection(tmp_path)
    assert found is not None
    assert [row.qty for row in found.rows] == [7]


def test_the_key_is_private_and_stays(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "protect.key"
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(before) == 32
    write(tmp_path)
    assert path.read_bytes() == before


# -- the guardian's sales ------------------------------------------------------------------------------


def line(event: str, key: str | None = "k1", **fields: object) -> dict[str, object]:
    facts: dict[str, object] = {"event": event, "ticker": TICKER, "qty": 10, "limit": "79.60", "sent_at": SENT}
    return facts | ({} if key is None else {"key": key}) | fields


SOLD = {"ord_dt": "20261117", "odno": "1"}


def sales(state: Path, *lines: dict[str, object] | bytes) -> list[protect.GuardianSold]:
    raw = [entry if isinstance(entry, bytes) else json.dumps(entry).encode() for entry in lines]
    (state / "guardian.ndjson").write_bytes(b"\n".join(raw) + b"\n")
    return list(guardian_sales(state, NOON))


def test_no_journal_no_sales(tmp_path: Path) -> None:
    assert list(guardian_sales(tmp_path, NOON)) == []


def test_a_sale_comes_once_with_its_order(tmp_path: Path) -> None:
    (sale,) = sales(tmp_path, line("selling"), line("sold", **SOLD))
    assert sale == protect.GuardianSold(
        at=NOON,
        ticker=TICKER,
        key="k1",
        ref=BrokerRef("20261117", "", "1"),
        qty=10,
        limit=Decimal("79.60"),
        sent_at=dt.datetime.fromisoformat(SENT),
    )
    (again,) = sales(tmp_path, line("selling"), line("sold", **SOLD), line("selling"), line("sold", **SOLD))
    assert again == sale


def test_a_sale_without_an_answer_comes_without_an_order(tmp_path: Path) -> None:
    first, second = sales(tmp_path, line("selling"), line("lost"), line("selling", "k2"), line("sold", "k2", **SOLD))
    assert (first.key, first.ref) == ("k1", None)
    assert second.ref is not None


def test_a_refused_sale_is_none(tmp_path: Path) -> None:
    assert sales(tmp_path, line("selling"), {"event": "refused", "key": "k1"}) == []


def test_an_order_of_the_first_version_is_known_by_its_number(tmp_path: Path) -> None:
    (sale,) = sales(
        tmp_path, line("selling", None), {k: v for k, v in line("sold", None, **SOLD).items() if k != "sent_at"}
    )
    assert (sale.key, sale.sent_at) == ("20261117:1", NOON)


@pytest.mark.parametrize(
    "bad",
    [
        b'{"event": "sold", "tick',
        b"",
        b"[1, 2]",
        b"\xff\xfe",
        b"[" * 100_000,
        line("selling", "bad", qty="x"),
        line("selling", "bad", qty=0),
        line("selling", "bad", qty=-1),
        line("selling", "bad", limit="NaN"),
        line("selling", "bad", limit="Infinity"),
        line("selling", "bad", limit="0"),
        line("selling", "bad", limit="x"),
        line("selling", "bad", ticker=None),
        line("selling", "bad", sent_at="yesterday"),
        line("selling", "bad", sent_at="2026-11-17T15:00:00"),
        {"event": "selling", "key": "bad"},
        line("sold", "bad", odno="1"),
        line("took_over", "bad"),
        line("selling", ""),
    ],
)
def test_a_line_that_makes_no_sense_costs_no_other(tmp_path: Path, bad: dict[str, object] | bytes) -> None:
    (sale,) = sales(tmp_path, bad, line("sold", **SOLD), bad)
    assert sale.key == "k1"


def test_a_senseless_sale_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert sales(tmp_path, line("selling", "odd", qty=-1)) == []
    assert "odd" in caplog.text


def test_a_senseless_answer_leaves_the_sale_open(tmp_path: Path) -> None:
    (sale,) = sales(tmp_path, line("selling"), line("sold", odno="1"))
    assert sale.ref is None


def test_adopted_sales_are_acknowledged_in_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    acknowledge_sales(tmp_path, ["b", "a"])
    assert json.loads((tmp_path / "guardian.adopted").read_text()) == ["a", "b"]
    acknowledge_sales(tmp_path / "nowhere", ["a"])
    assert "can't be told" in caplog.text


# -- waiting for the orders ----------------------------------------------------------------------------


def trader_beat(runtime: Runtime) -> dict[str, str]:
    return json.loads((runtime.settings.state_dir / "beats" / "test").read_text())


def guardian_beat(runtime: Runtime, age_s: float, **fields: str) -> None:
    path = runtime.settings.state_dir / "beats" / "guardian"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"in_charge": "True", "mono": str(runtime.monotonic() - age_s), **fields}))


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protect, "STANDBY_S", 0.001)


async def test_free_orders_are_taken_at_once(runtime: Runtime) -> None:
    lock = await take_orders_lock(runtime)
    assert lock is not None
    assert lock.may_send(selling=False)
    assert trader_beat(runtime)["standby"] == "no"
    assert trader_beat(runtime)["epoch"] == lock.epoch == "1 test"
    lock.release()


async def wait_in_standby(runtime: Runtime) -> "asyncio.Task[OrdersLock | None]":
    task = asyncio.create_task(take_orders_lock(runtime))
    path = runtime.settings.state_dir / "beats" / "test"
    async with asyncio.timeout(5):
        while not path.exists():
            await asyncio.sleep(0.001)
    assert trader_beat(runtime)["standby"] == "yes"
    return task


async def test_a_trader_waits_with_a_beating_heart_until_the_guardian_lets_go(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    guardian = OrdersLock(runtime.settings.state_dir, "guardian")
    assert guardian.take()
    task = await wait_in_standby(runtime)
    before = trader_beat(runtime)["mono"]
    async with asyncio.timeout(5):
        while trader_beat(runtime)["mono"] == before:
            await asyncio.sleep(0.001)
    assert not task.done()
    guardian.release()
    lock = await task
    assert lock is not None
    assert lock.epoch == "2 test"
    assert caplog.text.count("waiting until it gives them back") == 1
    lock.release()


async def test_a_stop_ends_the_waiting(runtime: Runtime) -> None:
    guardian = OrdersLock(runtime.settings.state_dir, "guardian")
    guardian.take()
    task = await wait_in_standby(runtime)
    runtime.stop.set()
    assert await task is None
    guardian.release()


async def test_a_guardian_that_has_just_died_in_charge_is_waited_for(runtime: Runtime) -> None:
    guardian_beat(runtime, 14.0)
    task = await wait_in_standby(runtime)
    guardian_beat(runtime, 15.5)
    lock = await task
    assert lock is not None
    lock.release()


@pytest.mark.parametrize(
    "fields", [{"in_charge": "False"}, {"mono": "x"}, {"mono": "nan"}, {"mono": "1e18"}, {"mono": ""}]
)
async def test_a_guardian_not_in_charge_is_not_waited_for(runtime: Runtime, fields: dict[str, str]) -> None:
    guardian_beat(runtime, 1.0, **fields)
    lock = await take_orders_lock(runtime)
    assert lock is not None
    lock.release()
