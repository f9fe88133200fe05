"""The stores keep the same promises on SQLite and on PostgreSQL."""

import asyncio
import datetime as dt
import os
import signal
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.db import tables
from adapters.db.chat import SqlChatStore
from adapters.db.engine import PAGE_CACHE_KB, open_engine
from adapters.db.outgoing import SqlOutbox
from adapters.db.records import SqlRecordStore
from adapters.db.work import UnitOfWork
from core.model.instrument import Exchange, Instrument
from core.model.messages import Signal
from core.model.order import Side
from core.model.position import Position, RoundTrip
from core.model.signal import Condition, Indicators, SignalType, Verdict
from ports.store import Card, DailyReport, OutMessage, Override, StoreUnavailable, TradeRow

NOW = dt.datetime(2026, 11, 23, 15, 0, 0, 123456, tzinfo=dt.UTC)
KST = dt.timezone(dt.timedelta(hours=9))
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture
def records(engine: AsyncEngine) -> SqlRecordStore:
    return SqlRecordStore(engine)


@pytest.fixture
def outbox(engine: AsyncEngine) -> SqlOutbox:
    return SqlOutbox(engine)


@pytest.fixture
def chat(engine: AsyncEngine) -> SqlChatStore:
    return SqlChatStore(engine)


def signal_of(number: int, ticker: str = "NVDA") -> Signal:
    verdict = Verdict(
        signal=SignalType.BUY,
        confidence=87.25,
        met=(Condition.UPTREND,),
        unmet=(Condition.VOLUME_SURGE,),
        indicators=Indicators(close=142.5, ema_fast=141.9, bars=120),
    )
    at = NOW + number * MINUTE
    return Signal(
        id=f"s{number}",
        ticker=ticker,
        verdict=verdict,
        bar_end_at=at,
        created_at=at,
        valid_until=at + MINUTE,
        feed_delay_ms=180,
    )


def trade(number: int, **changes: object) -> TradeRow:
    values: dict[str, object] = {
        "key": f"intent-{number}:1",
        "ticker": "NVDA",
        "side": Side.BUY,
        "quantity": 7,
        "price": Decimal("143.2001"),
        "total_amount": Decimal("1002.40"),
        "signal_type": "BUY",
        "created_at": NOW + number * MINUTE,
    }
    return TradeRow(**{**values, **changes})  # type: ignore[arg-type]


def position(ticker: str = "NVDA", **changes: object) -> Position:
    values: dict[str, object] = {
        "ticker": ticker,
        "exchange": Exchange.NASD,
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "qty": 7,
        "cost_usd": Decimal("1002.4000001"),
        "fees_usd": Decimal("0.25"),
        "cost_krw": Decimal(1_402_400),
        "bought_qty": 7,
        "bought_usd": Decimal("1002.4000001"),
        "buy_count": 7,
        "target_count": 10,
        "stop_price": Decimal("121.72"),
        "target_price": Decimal("186.16"),
        "opened_at": NOW,
        "plan_id": "plan-1",
        "last_price": Decimal("150.1234"),
        "priced_at": NOW + MINUTE,
    }
    return Position(**{**values, **changes})  # type: ignore[arg-type]


def trip(number: int) -> RoundTrip:
    return RoundTrip(
        ticker="NVDA",
        name="NVIDIA Corp",
        name_ko="엔비디아",
        buy_qty=7,
        sell_qty=7,
        avg_price=Decimal("143.2000"),
        sell_price=Decimal(1319) / 7,
        pnl_usd=Decimal("317.123456789"),
        pnl_krw=Decimal("443200.5"),
        pnl_pct=Decimal("31.6"),
        tranches=10,
        reason="TREND_BROKEN",
        opened_at=NOW,
        closed_at=NOW + number * MINUTE,
    )


async def test_a_fill_keeps_amount_fee_and_rate_to_the_last_digit(records: SqlRecordStore) -> None:
    exact = {"usd": Decimal("1002.4007"), "fee_usd": Decimal("2.51"), "krw_per_usd": Decimal("1398.123456")}
    await records.add_trade(trade(1, **exact))
    await records.add_trade(trade(2))
    first, old = await records.trades(NOW, NOW + 3 * MINUTE)
    assert (first.usd, first.fee_usd, first.krw_per_usd) == tuple(exact.values())
    assert (old.usd, old.fee_usd, old.krw_per_usd) == (None, None, None)


async def test_a_row_of_an_older_version_has_no_rate(records: SqlRecordStore, engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO trades (ticker, side, quantity, price, total_amount, created_at) "
                "VALUES ('NVDA', 'BUY', 7, '143.2000', '1002.40', '2026-11-20 15:00:00')"
            )
        )
    (row,) = await records.trades(dt.datetime(2026, 11, 20, tzinfo=dt.UTC), dt.datetime(2026, 11, 22, tzinfo=dt.UTC))
    assert row.krw_per_usd is None


async def test_signals_are_kept_once_and_told_newest_first(records: SqlRecordStore) -> None:
    for number, ticker in ((1, "NVDA"), (2, "AAPL"), (3, "NVDA"), (3, "NVDA")):
        await records.add_signal(signal_of(number, ticker))
    assert [row.created_at for row in await records.signals(limit=9)] == [NOW + n * MINUTE for n in (3, 2, 1)]
    assert [row.ticker for row in await records.signals(limit=1)] == ["NVDA"]
    (newest, _) = await records.signals(limit=9, ticker="NVDA")
    assert newest.confidence == Decimal("87.25")
    assert newest.signal_type == "BUY"
    assert newest.indicators["indicators"]["close"] == 142.5  # type: ignore[index]
    assert newest.indicators["met"] == ["uptrend"]


async def test_trades_are_kept_once_and_exact(records: SqlRecordStore, engine: AsyncEngine) -> None:
    for number in (2, 1, 1, 3):
        await records.add_trade(trade(number))
    assert list(await records.trades(NOW + MINUTE, NOW + 3 * MINUTE)) == [trade(1), trade(2)], "until is excluded"
    await records.add_trade(trade(1, quantity=9))
    assert (await records.trades(NOW, NOW + 2 * MINUTE))[0].quantity == 7, "the first write of a key stays"


async def test_money_is_exact_where_floats_are_not(records: SqlRecordStore) -> None:
    """Ten times ten cents is one dollar, and digits beyond a float's reach survive."""
    for number in range(10):
        await records.add_trade(trade(number, price=Decimal("0.1"), total_amount=Decimal("0.10")))
    await records.add_trade(trade(20, price=Decimal("12345678.9012"), total_amount=Decimal("1234567890123.45")))
    rows = await records.trades(NOW, NOW + 60 * MINUTE)
    assert sum(row.total_amount for row in rows[:10]) == Decimal("1.00")
    assert rows[10].price == Decimal("12345678.9012")
    assert rows[10].total_amount == Decimal("1234567890123.45")


async def test_money_is_rounded_half_up_to_the_column_and_never_cut(records: SqlRecordStore) -> None:
    await records.add_trade(trade(1, total_amount=Decimal("0.125"), price=Decimal("1.00005")))
    (row,) = await records.trades(NOW, NOW + 2 * MINUTE)
    assert (row.total_amount, row.price) == (Decimal("0.13"), Decimal("1.0001"))


async def test_instants_are_utc_whatever_zone_they_came_in(records: SqlRecordStore) -> None:
    await records.add_trade(trade(1, created_at=NOW.astimezone(KST)))
    (row,) = await records.trades(NOW.astimezone(KST), NOW + MINUTE)
    assert row.created_at == NOW
    assert row.created_at.utcoffset() == dt.timedelta(0)


async def test_a_row_inserted_by_hand_with_the_users_columns_only_is_read(
    records: SqlRecordStore, engine: AsyncEngine
) -> None:
    """The defaults of the user's own SQL hold: NOW(), and nothing technical is required."""
    async with engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO trades (ticker, side, quantity, price) VALUES ('NVDA', 'BUY', 2, 10.5)")
        )
        await connection.execute(text("INSERT INTO positions (ticker, quantity, avg_price) VALUES ('NVDA', 2, 10.5)"))
        row = (await connection.execute(select(tables.positions))).mappings().one()
        assert (row["buy_count"], row["target_count"]) == (0, 10)
        assert row["created_at"].utcoffset() == dt.timedelta(0)
    (kept,) = await records.trades(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    assert (kept.price, kept.total_amount) == (Decimal("10.5"), Decimal("21.0"))
    assert await records.positions() == []


async def test_positions_come_back_whole_and_show_the_users_columns(
    records: SqlRecordStore, engine: AsyncEngine
) -> None:
    await records.put_position(position())
    await records.put_position(position("AAPL"))
    changed = position(qty=5, last_price=Decimal("121.5"), holding_winner=True)
    await records.put_position(changed)
    assert list(await records.positions()) == [position("AAPL"), changed]
    async with engine.connect() as connection:
        query = select(tables.positions).where(tables.positions.c.ticker == "NVDA")
        row = (await connection.execute(query)).mappings().one()
    assert row["quantity"] == 5
    assert row["avg_price"] == changed.avg_price
    assert row["current_price"] == Decimal("121.5")
    assert row["unrealized_pnl"] == Decimal("-394.90")
    assert (row["stop_loss_price"], row["take_profit_price"]) == (Decimal("121.72"), Decimal("186.16"))
    assert (row["created_at"], row["updated_at"]) == (NOW, NOW + MINUTE)
    await records.remove_position("NVDA")
    await records.remove_position("NVDA")
    assert [held.ticker for held in await records.positions()] == ["AAPL"]


async def test_round_trips_are_kept_once_and_exact(records: SqlRecordStore) -> None:
    for number in (2, 1, 1):
        await records.add_round_trip(f"trip-{number}", trip(number))
    assert list(await records.round_trips(NOW, NOW + 2 * MINUTE)) == [trip(1)]
    assert list(await records.round_trips(NOW, NOW + 3 * MINUTE)) == [trip(1), trip(2)]


async def test_a_report_is_replaced_by_its_newer_self(records: SqlRecordStore) -> None:
    on = dt.date(2026, 11, 23)
    assert await records.report(on) is None
    first = DailyReport(on=on, total_trades=1, total_pnl=Decimal("-5000.00"), win_rate=Decimal("0.00"), details={})
    second = DailyReport(
        on=on,
        total_trades=3,
        total_pnl=Decimal("317200.00"),
        win_rate=Decimal("66.67"),
        details={"best": "NVDA", "fees_usd": Decimal("1.10"), "at": NOW},
    )
    await records.put_report(first)
    await records.put_report(second)
    kept = await records.report(on)
    assert kept is not None
    assert (kept.total_trades, kept.total_pnl, kept.win_rate) == (3, Decimal(317200), Decimal("66.67"))
    assert kept.details["fees_usd"] == "1.10", "decimals in JSON are strings"


async def test_the_whole_market_of_instruments_goes_in_and_out(records: SqlRecordStore) -> None:
    market = [
        Instrument(ticker=f"T{number:05}", name=f"Company {number}", shares_outstanding=1e9 + number)
        for number in range(3000)
    ]
    await records.put_instruments(market, NOW)
    renamed = Instrument(ticker="T00001", name="New", name_ko="새", exchange=Exchange.NYSE, active=False)
    await records.put_instruments([renamed], NOW + MINUTE)
    await records.put_instruments([], NOW)
    kept = await records.instruments()
    assert len(kept) == 3000
    assert kept[0] == (market[0], NOW)
    assert kept[1] == (renamed, NOW + MINUTE)


async def test_a_card_is_a_message_and_is_found_by_what_it_shows(chat: SqlChatStore) -> None:
    first = Card(key="plan-1", kind="proposal", chat_id=-100_123_456_789_012, message_id=5, state="open")
    second = Card(key="plan-1", kind="proposal", chat_id=7, message_id=5, state="open", data={"usd": "1.5", "n": None})
    other = Card(key="NVDA", kind="position", chat_id=7, message_id=6, state="open")
    for card in (first, second, other):
        await chat.put_card(card)
    done = Card(key="plan-1", kind="proposal", chat_id=first.chat_id, message_id=5, state="done")
    await chat.put_card(done)
    assert list(await chat.cards("plan-1")) == [done, second]
    assert list(await chat.recent_cards("proposal", limit=1)) == [second]
    assert list(await chat.cards("unheard of")) == []


async def test_the_audit_keeps_every_line(chat: SqlChatStore) -> None:
    for number in range(3):
        await chat.audit(at=NOW, who="7", what="/panic", allowed=number == 2, detail=f"#{number}")
    assert list(await chat.audit_entries(limit=2)) == [
        (NOW, "7", "/panic", True, "#2"),
        (NOW, "7", "/panic", False, "#1"),
    ]


async def test_settings_changed_in_chat_have_a_value_in_force_and_a_history(chat: SqlChatStore) -> None:
    changes = [
        Override(key="trading.split_count", old=10, new=5, by="7", at=NOW),
        Override(key="trading.stop_loss_pct", old=-15.0, new=-12.5, by="7", at=NOW),
        Override(key="trading.split_count", old=5, new=10, by="7", at=NOW + MINUTE),
        Override(key="notification.alert_on_buy", old=True, new=False, by="8", at=NOW + MINUTE),
        Override(key="schedule.start_time", old="18:00", new=None, by="8", at=NOW + MINUTE),
    ]
    for change in changes:
        await chat.put_override(change)
    await chat.put_override(changes[0])
    assert await chat.overrides() == {
        "trading.split_count": 10,
        "trading.stop_loss_pct": -12.5,
        "notification.alert_on_buy": False,
        "schedule.start_time": None,
    }
    assert list(await chat.override_history(limit=9)) == changes[::-1]


async def test_jobs_and_preferences_are_replaced(chat: SqlChatStore) -> None:
    assert await chat.last_run("report") is None
    await chat.ran("report", NOW)
    await chat.ran("report", NOW + MINUTE)
    assert await chat.last_run("report") == NOW + MINUTE
    assert await chat.preference(7, "language") is None
    await chat.set_preference(7, "language", "ko")
    await chat.set_preference(7, "language", "en")
    await chat.set_preference(5_000_000_000, "language", "ko")
    assert await chat.preference(7, "language") == "en"
    assert await chat.preference(5_000_000_000, "language") == "ko"


async def test_many_writers_wait_their_turn(records: SqlRecordStore) -> None:
    """BEGIN IMMEDIATE on SQLite: no writer fails because another was first."""
    await asyncio.gather(*(records.add_trade(trade(number)) for number in range(60)))
    assert len(await records.trades(NOW, NOW + 60 * MINUTE)) == 60


async def test_a_transaction_whose_connection_breaks_is_done_again_as_a_whole(engine: AsyncEngine) -> None:
    """The first attempt's half is rolled back; the second writes all of it."""
    work, calls = UnitOfWork(engine), 0
    first = work.insert_once(tables.job_runs, "job").values(job="one", at=NOW)

    async def broken_once(connection: AsyncConnection) -> None:
        nonlocal calls
        calls += 1
        await connection.execute(first)
        if calls == 1:
            raise ConnectionResetError("cable")

    await work.write(broken_once)
    assert calls == 2
    assert len(await work.rows(select(tables.job_runs))) == 1


async def test_a_lost_answer_to_a_commit_neither_hides_nor_doubles(
    chat: SqlChatStore, outbox: SqlOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transaction was committed, we never heard of it and did it again: still once, and still to be sent."""
    once, calls = UnitOfWork._once, 0

    async def deaf(self: UnitOfWork, work: Any, *, read_only: bool) -> Any:
        nonlocal calls
        calls += 1
        answer = await once(self, work, read_only=read_only)
        if calls % 2:
            raise ConnectionResetError("cable")
        return answer

    with monkeypatch.context() as patch:
        patch.setattr(UnitOfWork, "_once", deaf)
        assert [m.key for m in await outbox.put([out("a")])] == ["a"]
        await chat.audit(at=NOW, who="7", what="/status", allowed=True, detail="")
    assert len(await chat.audit_entries(limit=9)) == len(await outbox.waiting()) == 1


async def test_a_connection_that_stays_broken_is_the_store_being_unavailable(engine: AsyncEngine) -> None:
    async def broken(connection: AsyncConnection) -> None:
        raise ConnectionResetError("cable")

    with pytest.raises(StoreUnavailable):
        await UnitOfWork(engine).write(broken)


async def test_a_bug_is_not_taken_for_an_outage(engine: AsyncEngine) -> None:
    with pytest.raises(IntegrityError):
        await UnitOfWork(engine).execute(tables.trades.insert().values(ticker="NVDA"))


async def test_an_unreachable_database_is_typed(tmp_path: Path) -> None:
    nowhere = tmp_path / "blocked"
    nowhere.write_text("a file where a directory should be")
    for url in (f"postgresql://x@/x?host={tmp_path}", "postgresql://x@127.0.0.1:1/x"):
        engine = open_engine(url)
        with pytest.raises(StoreUnavailable):
            await SqlRecordStore(engine).positions()
        with pytest.raises(StoreUnavailable):
            await SqlChatStore(engine).last_run("e")
        await engine.dispose()


async def test_postgresql_connections_that_were_cut_are_replaced_unnoticed(migrated_postgres: str) -> None:
    """A server that drops our connection costs one retry, not an error."""
    engine = open_engine(migrated_postgres)
    try:
        store = SqlChatStore(engine)
        await store.ran("job", NOW)
        async with engine.connect() as connection:
            pid = int(str(await connection.scalar(text("SELECT pg_backend_pid()"))))
        os.kill(pid, signal.SIGTERM)
        await store.ran("job", NOW + MINUTE)
        assert await store.last_run("job") == NOW + MINUTE
    finally:
        await engine.dispose()


async def test_postgresql_limits_are_in_force(migrated_postgres: str) -> None:
    engine = open_engine(migrated_postgres)
    try:
        async with engine.connect() as connection:
            names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
            assert [await connection.scalar(text(f"SHOW {name}")) for name in names] == ["5s", "2s", "10s"]
    finally:
        await engine.dispose()


async def test_sqlite_settings_are_in_force(migrated_sqlite: str) -> None:
    engine = open_engine(migrated_sqlite)
    try:
        async with engine.connect() as connection:
            names = ("journal_mode", "synchronous", "busy_timeout", "foreign_keys", "cache_size")
            found = [await connection.scalar(text(f"PRAGMA {name}")) for name in names]
        assert found == ["wal", 1, 5000, 1, -PAGE_CACHE_KB]
    finally:
        await engine.dispose()


def out(key: str, chat_id: int = 1, **changes: Any) -> OutMessage:
    return OutMessage(
        key=key, chat_id=chat_id, topic="sell", thread="NVDA", text="<b>팔았습니다</b>", at=NOW, **changes
    )


async def test_a_message_is_kept_once_per_chat_until_it_is_sent(outbox: SqlOutbox) -> None:
    kept = await outbox.put([out("a"), out("a", 2), out("b", keyboard="{}", quiet=True)])
    assert [(m.key, m.chat_id) for m in kept] == [("a", 1), ("a", 2), ("b", 1)]
    assert len({m.id for m in kept}) == 3
    assert list(await outbox.put([out("a")])) == [kept[0]]
    await outbox.sent([kept[0].id], 77, NOW)
    assert list(await outbox.put([out("a"), out("c")])) == [m for m in await outbox.waiting() if m.key == "c"]
    assert [m.key for m in await outbox.waiting()] == ["a", "b", "c"]


async def test_what_was_handed_over_is_unsure_after_a_restart(outbox: SqlOutbox) -> None:
    first, second, third = await outbox.put([out("a"), out("b"), out("c")])
    await outbox.handed_over([first.id, second.id])
    await outbox.sent([first.id], None, NOW)
    found = await outbox.waiting()
    assert [(m.key, m.unsure) for m in found] == [("b", True), ("c", False)]
    assert third in found


async def test_what_was_sent_is_forgotten_after_a_month(outbox: SqlOutbox) -> None:
    (old,) = await outbox.put([out("old")])
    await outbox.sent([old.id], 7, NOW)
    (new,) = await outbox.put([out("new")])
    await outbox.sent([new.id], 8, NOW + dt.timedelta(days=31))
    assert list(await outbox.put([out("new")])) == []
    assert [m.key for m in await outbox.put([out("old")])] == ["old"]
