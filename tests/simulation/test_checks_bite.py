"""Each promise can be broken: the product is sabotaged in one place, and the simulation names what broke."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from adapters.journal import SqliteJournal
from core.model.journal import AddFill, AddLedger, LedgerKind, PutPosition
from core.model.order import Intent
from core.model.signal import SignalType
from core.rules import reconcile
from core.rules.exit import ExitDecision
from core.rules.reconcile import Resolution
from core.stages.trade import entries, exits
from core.stages.trade.inputs import OrderSending, OrdersRead
from core.stages.trade.stage import TradeStage
from ports.broker import OrderUnknown
from services import trader
from services.guardian import Guardian
from services.guardian_rules import Watch
from services.order_desk import OrderDesk
from services.outbox import OutboxPump
from simulation.faults import CALM, Rates
from simulation.ports import MortalJournal
from simulation.run import run_seed
from simulation.story import Story

HASTY = Resolution(quarantine=dt.timedelta(0), buy_misses=1, miss_gap=dt.timedelta(0), one_shot=False)
# a second signal while the first order is still on its way
AGAIN: Rates = msgspec.structs.replace(CALM, late_accept=0.5, late_accept_s=(60.0, 200.0))
LATE: Rates = msgspec.structs.replace(CALM, late_accept=0.5)
BY_HAND: Rates = msgspec.structs.replace(CALM, manual=1.0, lost_request=0.5, late_accept=0.2)
ABANDONED: Rates = msgspec.structs.replace(CALM, crash=1.0, crashes=1, never_back=1.0)


def broken(
    rates: Rates,
    seeds: int,
    *,
    until: str = "",
    resolution: Resolution | None = None,
    prepare: Callable[[Story], None] | None = None,
) -> set[str]:
    """Names of the promises that broke, up to and with `until`."""
    found: set[str] = set()
    for seed in range(1, seeds + 1):
        result = run_seed(seed, rates, resolution=resolution, prepare=prepare)
        if result.violation is not None:
            found.add(result.violation.name)
        if until in found:
            break
    return found


def twice(story: Story) -> None:
    """The same ticker is signalled again and again, and its price stays."""
    for stock in story.stocks.values():
        stock.follow([])
    for at in (60.0, 100.0, 140.0):
        story.clock.later(at, story.signal, "AAA", SignalType.BUY)


def test_bytes_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    real = OrderDesk.place

    async def place(self: OrderDesk, intent: Intent) -> None:
        await self._broker.place(intent.request)
        await real(self, intent)

    monkeypatch.setattr(OrderDesk, "place", place)
    assert broken(CALM, 1) == {"write-ahead"}


def test_a_retry_below_the_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    class Retrying:
        def __init__(self, inner: object) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        async def place(self, request: object) -> object:
            try:
                return await self._inner.place(request)
            except OrderUnknown:
                return await self._inner.place(request)

    real = OrderDesk.__init__

    def begin(self: OrderDesk, broker: object, *more: object) -> None:
        real(self, Retrying(broker), *more)

    monkeypatch.setattr(OrderDesk, "__init__", begin)
    assert "second-post" in broken(LATE, 3, until="second-post")


def test_a_position_that_the_guardian_does_not_hear_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trader, "write_protection", lambda *_values, **_named: None)
    assert broken(CALM, 1) == {"unprotected"}


def test_an_order_of_the_person_taken_for_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    real = reconcile.matches

    def matches(intent: Intent, row: object, linked: object) -> bool:
        return real(intent, msgspec.structs.replace(row, from_api=True), linked)

    monkeypatch.setattr(reconcile, "matches", matches)
    assert "adopted" in broken(BY_HAND, 40, until="adopted")


def test_a_conclusion_from_not_found() -> None:
    assert "over-buy" in broken(AGAIN, 30, until="over-buy", resolution=HASTY, prepare=twice)


def test_a_buy_after_an_order_that_was_never_found() -> None:
    def strict(story: Story) -> None:
        twice(story)
        story.checks._one_shot = True

    assert "buy-after-unknown" in broken(AGAIN, 10, until="buy-after-unknown", resolution=HASTY, prepare=strict)


def test_a_sale_of_more_than_the_position(monkeypatch: pytest.MonkeyPatch) -> None:
    real = exits.sell_order

    def double(book: object, position: object, run: object, qty: int, limit: object) -> None:
        real(book, position, run, 2 * qty, limit)

    def generous(story: Story) -> None:
        for ticker in story.stocks:
            story.account.bring(ticker, 500)

    monkeypatch.setattr(exits, "sell_order", double)
    assert "oversell" in broken(CALM, 3, until="oversell", prepare=generous)


def test_fills_that_are_not_booked(monkeypatch: pytest.MonkeyPatch) -> None:
    real = TradeStage.handle

    def deaf(self: TradeStage, message: object) -> object:
        if isinstance(message, OrdersRead):
            message = msgspec.structs.replace(message, orders=())
        return real(self, message)

    monkeypatch.setattr(TradeStage, "handle", deaf)
    assert broken(CALM, 1) == {"unwatched"}


def test_a_price_that_nobody_looks_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guardian, "round", lambda _self: None)
    assert "unwatched" in broken(ABANDONED, 10, until="unwatched")


def test_more_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    real = entries.tranche_qty
    monkeypatch.setattr(entries, "tranche_qty", lambda *values: 2 * real(*values))
    monkeypatch.setattr(entries, "CENT", Decimal(1_000_000))
    assert broken(CALM, 1) == {"budget"}


def test_a_stop_that_never_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exits, "decide_exit", lambda *_values, **_named: ExitDecision.HOLD)
    assert "liveness" in broken(CALM, 3, until="liveness")


def test_a_guardian_that_does_not_sell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "observe", lambda *_values: False)
    assert "guardian" in broken(ABANDONED, 25, until="guardian")


def test_a_guardian_that_sells_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Watch.wanted
    monkeypatch.setattr(Watch, "wanted", lambda *values: 10 * real(*values))
    assert "guardian-oversell" in broken(ABANDONED, 25, until="guardian-oversell")


def test_reservations_that_are_not_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    real = MortalJournal.commit

    def commit(self: MortalJournal, changes: tuple[object, ...]) -> None:
        real(self, [c for c in changes if not (isinstance(c, AddLedger) and c.kind is LedgerKind.VOID)])

    monkeypatch.setattr(MortalJournal, "commit", commit)
    assert broken(CALM, 1) == {"ledger"}


def test_a_file_that_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    real = SqliteJournal.commit

    def commit(self: SqliteJournal, changes: tuple[object, ...]) -> None:
        real(self, [c for c in changes if not isinstance(c, PutPosition)])

    def steady(story: Story) -> None:
        for stock in story.stocks.values():
            stock.follow([])

    monkeypatch.setattr(SqliteJournal, "commit", commit)
    assert broken(CALM, 1, prepare=steady) == {"journal"}


def test_a_fill_that_the_table_never_hears_of(monkeypatch: pytest.MonkeyPatch) -> None:
    real = OutboxPump._deliver

    async def deliver(self: OutboxPump, item: object) -> None:
        if not isinstance(item, AddFill):
            await real(self, item)

    monkeypatch.setattr(OutboxPump, "_deliver", deliver)
    assert broken(CALM, 1) == {"records"}


def test_a_trader_that_falls_over(monkeypatch: pytest.MonkeyPatch) -> None:
    real = TradeStage.handle

    def fragile(self: TradeStage, message: object) -> object:
        assert not isinstance(message, OrderSending), "a bug"
        return real(self, message)

    monkeypatch.setattr(TradeStage, "handle", fragile)
    assert broken(CALM, 1) == {"fell"}


def test_an_answer_that_never_comes_to_a_conclusion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders stay in doubt for ever."""
    real = TradeStage.handle

    def silent(self: TradeStage, message: object) -> object:
        if isinstance(message, OrdersRead):
            message = msgspec.structs.replace(message, complete=False)
        return real(self, message)

    lost: Rates = msgspec.structs.replace(CALM, lost_request=1.0)
    assert not broken(lost, 2), "found to be lost after the quarantine"
    monkeypatch.setattr(TradeStage, "handle", silent)
    assert broken(lost, 2) <= {"liveness"}


def test_the_product_as_it_is_breaks_nothing_in_these_stories() -> None:
    for rates in (CALM, BY_HAND, ABANDONED):
        assert not broken(rates, 5)
