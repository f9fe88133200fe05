"""The trader's SQLite journal."""

import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapters.journal import JournalCorrupt, SqliteJournal
from core.model.commands import Lock
from core.model.instrument import Exchange
from core.model.journal import (
    AddFill,
    AddLedger,
    Change,
    DropExit,
    DropLock,
    DropPosition,
    Emit,
    LedgerKind,
    PutDecision,
    PutExit,
    PutIntent,
    PutLock,
    PutManual,
    PutPlan,
    PutPosition,
    PutState,
    SawOrders,
)
from core.model.messages import Event, EventKind
from core.model.order import BrokerRef, IntentState, ManualOrder, Purpose, Side
from core.model.position import ExitRun, Plan, PlanState
from ports.journal import JournalConflict
from tests.unit.core.builders import NOON, TICKER, intent, position, request, seconds

REF = BrokerRef("20261117", "B", "1")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    opened = SqliteJournal(path)
    yield opened
    opened.close()


def event(number: int) -> Emit:
    return Emit(Event(id=str(number), kind=EventKind.PAUSED, at=NOON))


def fill(cum: int = 3) -> AddFill:
    return AddFill(
        intent_id="i",
        ref=REF,
        ticker=TICKER,
        side=Side.BUY,
        purpose=Purpose.ENTRY,
        cum_qty=cum,
        qty=3,
        usd=Decimal("300.0001"),
        fee_usd=Decimal("0.75"),
        krw_per_usd=Decimal(1400),
        at=NOON,
    )


MANUAL = ManualOrder(
    ref=BrokerRef("20261117", "", "9"),
    ticker=TICKER,
    exchange=Exchange.NASD,
    side=Side.BUY,
    filled_qty=3,
    filled_usd=Decimal("300.5"),
    seen_at=NOON,
)
PLAN = Plan(
    id="p",
    nonce="n",
    signal_id="s",
    ticker=TICKER,
    exchange=Exchange.NASD,
    name="",
    name_ko="",
    state=PlanState.DONE,
    budget_krw=Decimal(1),
    budget_usd=Decimal(1),
    krw_per_usd=Decimal(1),
    reference_price=Decimal(1),
    tranches=1,
    interval_s=1,
    created_at=NOON,
    expires_at=NOON,
)
EVERYTHING: list[Change] = [
    PutIntent(intent(IntentState.ACKED, ref=REF)),
    PutPosition(position()),
    PutExit(ExitRun(ticker=TICKER, purpose=Purpose.STOP, target_qty=10, started_at=NOON)),
    PutDecision("s1", "PROPOSED", NOON),
    PutState("mode", "auto"),
    PutLock(Lock(ticker=TICKER, reason="cooldown", until=NOON)),
    SawOrders((REF,), NOON),
    PutManual(MANUAL),
    fill(),
    AddLedger("i", LedgerKind.RESERVE, Decimal("1.25"), NOON),
    event(1),
]


def test_a_new_journal_is_empty(journal: SqliteJournal) -> None:
    assert journal.load().intents == ()
    assert journal.outbox(10) == []


def test_what_was_committed_is_there_after_a_crash(journal: SqliteJournal, path: Path) -> None:
    """The first connection is never closed: the file is opened again as after a kill."""
    journal.commit(EVERYTHING)
    again = SqliteJournal(path)
    assert again.load() == journal.load()
    assert again.outbox(10) == journal.outbox(10)
    found = again.load()
    assert found.positions == (position(),)
    assert found.intents[0].ref == REF
    assert found.seen == {REF}
    assert found.manual == (MANUAL,)
    assert found.state == {"mode": "auto"}
    assert found.decisions == {"s1"}
    again.close()


def test_dropped_things_are_gone(journal: SqliteJournal) -> None:
    journal.commit(EVERYTHING)
    journal.commit([DropPosition(TICKER), DropExit(TICKER), DropLock(TICKER)])
    found = journal.load()
    assert (found.positions, found.exits, found.locks) == ((), (), ())


@pytest.mark.parametrize(
    "refused",
    [
        PutDecision("s1", "again", NOON),
        PutIntent(intent(key="k2")),
        PutIntent(intent(IntentState.VOIDED, key="k1", id="other")),
        fill(),
    ],
    ids=["decided-twice", "second-live-order", "same-dedup-key", "fill-booked-twice"],
)
def test_a_conflict_writes_nothing_at_all(journal: SqliteJournal, refused: Change) -> None:
    journal.commit(EVERYTHING)
    before = journal.load()
    with pytest.raises(JournalConflict):
        journal.commit([PutState("mode", "watch"), event(2), refused])
    assert journal.load() == before
    assert len(journal.outbox(10)) == 3


def test_a_failure_in_the_middle_writes_nothing(journal: SqliteJournal) -> None:
    with pytest.raises(AttributeError):
        journal.commit([PutState("mode", "watch"), PutIntent(None)])
    assert journal.load().state == {}
    journal.commit([PutState("mode", "auto")])


def test_one_live_order_per_ticker_and_side(journal: SqliteJournal) -> None:
    journal.commit([PutIntent(intent(IntentState.WORKING))])
    journal.commit([PutIntent(intent(key="s", order=request(Side.SELL)))])
    journal.commit([PutIntent(intent(key="o", order=request(ticker="AMD")))])
    with pytest.raises(JournalConflict):
        journal.commit([PutIntent(intent(IntentState.UNKNOWN, key="k2"))])
    journal.commit([PutIntent(intent(IntentState.FILLED)), PutIntent(intent(key="k2"))])


def test_the_same_intent_moves_on(journal: SqliteJournal) -> None:
    for state in (IntentState.PREPARED, IntentState.SENDING, IntentState.ACKED):
        journal.commit([PutIntent(intent(state))])
    assert [i.state for i in journal.load().intents] == [IntentState.ACKED]


def test_the_outbox_keeps_order_and_forgets_what_was_delivered(journal: SqliteJournal, path: Path) -> None:
    for number in range(5):
        journal.commit([event(number), PutPosition(position(number + 1))])
    items = journal.outbox(4)
    assert [type(item).__name__ for _, item in items] == ["Emit", "PutPosition"] * 2
    assert [seq for seq, _ in items] == sorted(seq for seq, _ in items)
    journal.delivered(items[2][0])
    again = SqliteJournal(path)
    assert again.outbox(1)[0] == items[3]
    again.close()


def test_sequence_numbers_are_never_used_again(journal: SqliteJournal) -> None:
    journal.commit([event(1)])
    last = journal.outbox(1)[0][0]
    journal.delivered(last)
    journal.commit([event(2)])
    assert journal.outbox(1)[0][0] > last


def test_an_answer_about_a_manual_order_replaces_the_question(journal: SqliteJournal) -> None:
    answered = msgspec.structs.replace(MANUAL, adopted=True)
    journal.commit([PutIntent(intent()), PutManual(MANUAL), PutManual(answered)])
    assert journal.load().manual == (answered,)


def test_old_finished_orders_stay_in_the_file_and_live_ones_are_always_loaded(journal: SqliteJournal) -> None:
    old, new = NOON - seconds(10 * 86_400), NOON
    journal.commit([PutIntent(intent(IntentState.FILLED, key="done", updated_at=old))])
    journal.commit([PutIntent(intent(IntentState.UNKNOWN, key="live", updated_at=old))])
    journal.commit([PutIntent(intent(IntentState.FILLED, key="new", updated_at=new))])
    assert {i.dedup_key for i in journal.load().intents} == {"live", "new"}


@pytest.mark.parametrize("newest", ["intent", "plan", "order", "manual"])
def test_old_is_what_is_older_than_the_newest_of_any_table(journal: SqliteJournal, newest: str) -> None:
    """An account that only its owner trades in has no order of ours to tell the time by."""
    old = NOON - seconds(9 * 86_400 + 1)
    kept = BrokerRef("20261108", "", "8")
    forgotten = msgspec.structs.replace(MANUAL, ref=kept, seen_at=old)
    recent = msgspec.structs.replace(MANUAL, ref=BrokerRef("20261109", "", "7"), seen_at=old + seconds(1))
    journal.commit(
        [PutManual(forgotten), PutManual(recent), SawOrders((kept,), old), SawOrders((REF,), old + seconds(1))]
    )
    change: dict[str, Change] = {
        "intent": PutIntent(intent(IntentState.FILLED)),
        "plan": PutPlan(PLAN),
        "order": SawOrders((MANUAL.ref,), NOON),
        "manual": PutManual(MANUAL),
    }
    journal.commit([change[newest]])
    found = journal.load()
    assert forgotten not in found.manual
    assert recent in found.manual
    assert (kept in found.seen, REF in found.seen) == (False, True)


def test_nothing_to_write_is_no_transaction(journal: SqliteJournal) -> None:
    journal.commit([])


def test_commits_survive_a_power_cut(journal: SqliteJournal) -> None:
    assert journal._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert journal._db.execute("PRAGMA synchronous").fetchone()[0] == 2


def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(JournalCorrupt, match="newer"):
        SqliteJournal(path)


def test_a_damaged_file_is_refused(journal: SqliteJournal, path: Path) -> None:
    journal.commit([PutState(f"k{i}", "x" * 500) for i in range(400)])
    journal.close()
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 6] = b"\xff" * 4096 * 3
    path.write_bytes(content)
    with pytest.raises((JournalCorrupt, sqlite3.DatabaseError)):
        SqliteJournal(path)
