"""The ledger of what was not bought on SQLite and on PostgreSQL, and every call of every store on both, and on none."""

import datetime as dt
import inspect
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.foregone import SqlForegone
from adapters.db.outgoing import SqlOutbox
from adapters.db.records import SqlRecordStore
from core.model.foregone import Cause, Ended, Foregone, Outcome
from core.model.instrument import Instrument
from ports.store import Card, DailyReport, Override, StoreUnavailable
from tests.integration.test_stores import MINUTE, NOW, out, position, signal_of, trade, trip

FOLLOWED = Outcome(
    high_pct=Decimal("12.345678901"),
    low_pct=Decimal("-3.2"),
    last_pct=Decimal("1.1"),
    ended=next(iter(Ended)),
    result_pct=Decimal("1.1"),
    bars=213,
)


def found(number: int, **changes: Any) -> Foregone:
    values: dict[str, Any] = {
        "key": f"f{number}",
        "ticker": "NVDA",
        "name": "NVIDIA Corp",
        "name_ko": "엔비디아",
        "cause": next(iter(Cause)),
        "at": NOW + number * MINUTE,
        "price": Decimal("142.5001"),
        "reason": "data_old",
    }
    return Foregone(**{**values, **changes})


@pytest.fixture
def ledger(engine: AsyncEngine) -> SqlForegone:
    return SqlForegone(engine)


async def test_a_find_is_kept_once_and_open_until_its_outcome_is_known(ledger: SqlForegone) -> None:
    for number in (2, 1, 1, 3):
        await ledger.add(found(number))
    await ledger.add(found(1, price=Decimal(9)))
    assert list(await ledger.open(NOW + 3 * MINUTE)) == [found(1), found(2)], "oldest first; an instant is excluded"
    await ledger.close("f1", FOLLOWED)
    await ledger.close("f2", None)
    await ledger.close("unheard of", FOLLOWED)
    assert list(await ledger.open(NOW + 9 * MINUTE)) == [found(3)]
    kept = await ledger.between(NOW + MINUTE, NOW + 3 * MINUTE)
    assert list(kept) == [(found(1), FOLLOWED), (found(2), None)]


async def test_a_find_that_is_told_again_after_its_outcome_stays_closed(ledger: SqlForegone) -> None:
    await ledger.add(found(1))
    await ledger.close("f1", FOLLOWED)
    await ledger.add(found(1))
    assert list(await ledger.open(NOW + 9 * MINUTE)) == []
    await ledger.close("f1", FOLLOWED)
    assert list(await ledger.between(NOW, NOW + 9 * MINUTE)) == [(found(1), FOLLOWED)]


REPORT = DailyReport(on=NOW.date(), total_trades=0, total_pnl=Decimal(0), win_rate=Decimal(0), details={})
OVERRIDE = Override(key="trading.split_count", old=10, new=5, by="7", at=NOW)
CALLS: dict[type, dict[str, Any]] = {
    SqlRecordStore: {
        "add_signal": lambda s: s.add_signal(signal_of(1)),
        "signals": lambda s: s.signals(limit=1),
        "add_trade": lambda s: s.add_trade(trade(1)),
        "trades": lambda s: s.trades(NOW, NOW),
        "put_position": lambda s: s.put_position(position()),
        "remove_position": lambda s: s.remove_position("NVDA"),
        "positions": lambda s: s.positions(),
        "add_round_trip": lambda s: s.add_round_trip("t", trip(1)),
        "round_trips": lambda s: s.round_trips(NOW, NOW),
        "put_report": lambda s: s.put_report(REPORT),
        "report": lambda s: s.report(NOW.date()),
        "put_instruments": lambda s: s.put_instruments([Instrument(ticker="NVDA", name="N")], NOW),
        "instruments": lambda s: s.instruments(),
    },
    SqlChatStore: {
        "put_card": lambda s: s.put_card(Card(key="k", kind="p", chat_id=1, message_id=1, state="open")),
        "cards": lambda s: s.cards("k"),
        "recent_cards": lambda s: s.recent_cards("p", limit=1),
        "audit": lambda s: s.audit(at=NOW, who="7", what="/x", allowed=True, detail=""),
        "audit_entries": lambda s: s.audit_entries(limit=1),
        "put_override": lambda s: s.put_override(OVERRIDE),
        "overrides": lambda s: s.overrides(),
        "override_history": lambda s: s.override_history(limit=1),
        "last_run": lambda s: s.last_run("j"),
        "ran": lambda s: s.ran("j", NOW),
        "preference": lambda s: s.preference(1, "k"),
        "set_preference": lambda s: s.set_preference(1, "k", "v"),
    },
    SqlOutbox: {
        "put": lambda s: s.put([out("a")]),
        "waiting": lambda s: s.waiting(),
        "handed_over": lambda s: s.handed_over([1]),
        "sent": lambda s: s.sent([1], 2, NOW + dt.timedelta(days=1)),
    },
    SqlForegone: {
        "add": lambda s: s.add(found(1)),
        "open": lambda s: s.open(NOW),
        "close": lambda s: s.close("f1", FOLLOWED),
        "between": lambda s: s.between(NOW, NOW),
    },
}


@pytest.mark.parametrize("kind", CALLS, ids=lambda kind: kind.__name__)
async def test_every_call_of_every_store_is_typed_when_the_server_is_away_and_works_on_a_real_one(
    kind: type, engine: AsyncEngine
) -> None:
    methods = {name for name, _ in inspect.getmembers(kind, inspect.iscoroutinefunction) if name[0] != "_"}
    assert methods == set(CALLS[kind]), "each call is tried"
    away = open_engine("postgresql://x@127.0.0.1:1/x")
    for call in CALLS[kind].values():
        with pytest.raises(StoreUnavailable):
            await call(kind(away))  # type: ignore[call-arg]
        await call(kind(engine))  # type: ignore[call-arg]
    await away.dispose()
