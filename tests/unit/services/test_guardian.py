"""The guardian: takes over when the trader is silent or looks away, sells at the stop, and gives the orders back."""

import json
import logging
import os
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from services.fence import OrdersLock, process_started, read_epoch, request_handback
from services.guardian import ROUND_S, Guardian, access_from, kill_trader
from services.guardian_broker import GuardianRefused, GuardianTrouble, OpenOrder
from services.protect import guardian_sales, write_protection
from tests.unit.core.builders import NOON, TICKER, position

WALL = NOON.timestamp()
AMD = "AMD"


class ObedientBroker:
    """A broker object with shares and a price."""

    def __init__(self) -> None:
        self.last: float | str = 80.0
        self.held = self.free = 10
        self.sales: list[tuple[int, str]] = []
        self.cancels: list[str] = []
        self.orders: list[OpenOrder] = []
        self.prices: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.fills = False

    def _fail(self, *names: str) -> None:
        for name in names:
            if name in self.trouble:
                raise self.trouble[name]

    def price(self, ticker: str, exchange: str) -> float | str:
        self.prices.append(ticker)
        self._fail("price", ticker)
        return self.last

    def shares(self, exchange: str) -> dict[str, tuple[int, int] | None]:
        self._fail("shares")
        return {TICKER: (self.held, self.free), AMD: (5, 5)}

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        assert qty <= self.free
        self.sales.append((qty, limit))
        odno = str(len(self.sales))
        self._fail("sell")
        if ticker == TICKER:
            self.free -= qty
            if self.fills:
                self.held -= qty
            else:
                self.orders.append(OpenOrder(odno, ticker, exchange, "sell", qty))
        self._fail("reply")
        return odno

    def open_orders(self) -> list[OpenOrder]:
        self._fail("orders")
        return list(self.orders)

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:
        self.cancels.append(odno)
        self._fail("cancel", odno)
        for order in [o for o in self.orders if o.odno == odno]:
            self.orders.remove(order)
            self.free += order.left if order.side == "sell" else 0


class Post:
    """A guardian, its state directory, its broker and its clock."""

    def __init__(self, state: Path) -> None:
        self.state, self.broker, self.now, self.step = state, ObedientBroker(), 1000.0, ROUND_S
        self.killed: list[int] = []
        self.lock = OrdersLock(state, "trader", monotonic=lambda: self.now)
        (state / "beats").mkdir()
        self.protect()
        self.start()

    def start(self, broker: object = True, **fields: object) -> None:
        """A guardian, the old one having been killed."""
        if hasattr(self, "guardian"):
            self.guardian._lock.release()
        self.guardian = Guardian(
            self.state,
            self.broker if broker else None,
            monotonic=lambda: self.now,
            wall=lambda: WALL + self.now,
            kill=self.kill,
            **fields,
        )

    def kill(self, pid: int) -> None:
        self.killed.append(pid)
        self.lock.release()

    def protect(self, *positions: object, venue: str = "kis_virtual", seq: int = 1, **fields: object) -> None:
        write_protection(self.state, positions or (position(),), seq=seq, at="now", venue=venue, **fields)

    def beat(self, age_s: float = 0.0, **fields: object) -> None:
        facts = {"pid": "999999999", "mono": str(self.now - age_s), **{k: str(v) for k, v in fields.items()}}
        (self.state / "beats" / "trader").write_text(json.dumps(facts))

    def live(self, age_s: float = 0.0, **fields: object) -> None:
        """A trader of today's format: this very process."""
        pid = os.getpid()
        self.beat(age_s, pid=pid, started=process_started(pid), epoch="1 trader", standby="no", **fields)

    def standby(self) -> None:
        self.beat(standby="yes")

    def rounds(self, n: int = 1) -> None:
        for _ in range(n):
            self.guardian.round()
            self.now += self.step

    @property
    def journal(self) -> list[dict[str, object]]:
        path = self.state / "guardian.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def events(self) -> list[str]:
        return [str(fields["event"]) for fields in self.journal]

    @property
    def shown(self) -> dict[str, str]:
        return json.loads((self.state / "beats" / "guardian").read_text())


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


# -- whether to take over ------------------------------------------------------------------------------


def test_a_living_trader_is_left_alone_and_costs_no_request(post: Post) -> None:
    for _ in range(5):
        post.live(age_s=5, stops=json.dumps({TICKER: post.now}))
        post.rounds()
    assert (post.broker.sales, post.broker.prices, post.events) == ([], [], [])
    assert post.shown["in_charge"] == "False"


@pytest.mark.parametrize(("age_s", "taken"), [(15.0, False), (15.1, True)])
def test_a_trader_is_replaced_after_fifteen_silent_seconds(post: Post, age_s: float, taken: bool) -> None:
    post.beat(age_s=age_s)
    post.rounds()
    assert post.guardian.in_charge is taken


def test_a_silent_trader_is_replaced_and_the_breached_position_sold_after_two_observations(post: Post) -> None:
    post.beat(age_s=60)
    post.rounds(1)
    assert post.broker.sales == []
    post.rounds(3)
    assert post.broker.sales == [(10, "79.60")]
    assert post.events == ["took_over", "watching", "selling", "sold"]
    assert post.journal[0] | {"wall": 0} == {
        "event": "took_over",
        "reason": "silent",
        "epoch": "1 guardian",
        "heartbeat_age_s": 60.0,
        "positions": 1,
        "locked": True,
        "keeps": False,
        "wall": 0,
    }


def test_no_heartbeat_at_all_is_silence(post: Post) -> None:
    post.rounds(2)
    assert post.broker.sales
    assert post.journal[0]["heartbeat_age_s"] is None


def test_a_trader_that_starts_beside_us_gets_its_time(post: Post) -> None:
    post.start(grace_s=15.0)
    post.rounds(8)
    assert not post.guardian.in_charge
    post.rounds(1)
    assert post.guardian.in_charge


def test_a_beating_trader_that_looks_away_is_replaced_once_the_stop_is_broken(post: Post) -> None:
    looked = post.now
    post.now += 12.1
    for _ in range(5):
        post.live(stops=json.dumps({TICKER: looked}))
        post.rounds()
    assert post.journal[0]["event"] == "killed"
    assert post.journal[1]["reason"] == "neglected"
    assert post.killed == [os.getpid()]
    post.rounds(1)
    assert post.broker.sales


@pytest.mark.parametrize(("ago_s", "asked"), [(10.0, 0), (10.1, 1)])
def test_the_guardian_looks_itself_after_ten_seconds(post: Post, ago_s: float, asked: int) -> None:
    post.live(stops=json.dumps({TICKER: post.now - ago_s}))
    post.rounds()
    assert len(post.broker.prices) == asked


@pytest.mark.parametrize(("rounds", "taken"), [(4, False), (5, True)])
def test_the_broker_must_have_answered_for_a_while(post: Post, rounds: int, taken: bool) -> None:
    """Two seconds a round: after an outage the trader needs a moment to look again, and is no reason to be killed."""
    post.broker.trouble["price"] = GuardianTrouble("no price")
    post.live(stops=json.dumps({TICKER: post.now - 60}))
    post.rounds(5)
    post.broker.trouble.clear()
    for _ in range(rounds):
        post.live(stops=json.dumps({TICKER: post.now - 60}))
        post.rounds()
    assert bool(post.killed) is taken


def test_a_split_is_left_to_a_person(post: Post) -> None:
    post.broker.last, post.broker.held, post.broker.free = 25.0, 40, 40
    post.rounds(5)
    assert post.broker.sales == []
    assert post.events == ["took_over", "split"]
    post.broker.held = post.broker.free = 10
    post.rounds(1)
    assert post.broker.sales == [(10, "24.87")]


def test_a_neglected_ticker_above_its_stop_is_no_reason(post: Post) -> None:
    post.broker.last = 95.0
    looked = post.now
    for _ in range(15):
        post.live(stops=json.dumps({TICKER: looked}))
        post.rounds()
    assert not post.guardian.in_charge
    assert 1 < len(post.broker.prices) < 15


def test_a_look_of_the_trader_begins_the_observations_again(post: Post) -> None:
    post.now += 20
    post.live(stops=json.dumps({TICKER: post.now - 11}))
    post.rounds()
    post.live(stops=json.dumps({TICKER: post.now}))
    post.rounds()
    post.live(stops=json.dumps({TICKER: post.now - 11}))
    post.rounds()
    assert not post.guardian.in_charge


def test_trouble_with_a_price_is_no_observation(post: Post) -> None:
    post.broker.trouble["price"] = GuardianTrouble("no price")
    for _ in range(15):
        post.live(stops="{}")
        post.rounds()
    assert not post.guardian.in_charge
    assert post.broker.prices


@pytest.mark.parametrize("venue", ["paper"])
def test_the_paper_account_needs_no_guardian(post: Post, venue: str) -> None:
    post.protect(venue=venue, seq=2)
    post.rounds(4)
    assert (post.broker.sales, post.events) == ([], [])


def test_without_a_broker_or_a_file_nothing_happens(tmp_path: Path) -> None:
    Guardian(tmp_path, None).round()
    assert not (tmp_path / "guardian.ndjson").exists()


def test_without_positions_a_silent_trader_is_its_own_business(post: Post) -> None:
    write_protection(post.state, (), seq=2, at="now", venue="kis_virtual")
    post.rounds(3)
    assert post.events == []


def test_a_purchase_on_its_way_is_reason_enough(post: Post) -> None:
    write_protection(post.state, (), seq=2, at="now", venue="kis_virtual", buying=[TICKER])
    post.broker.orders = [OpenOrder("7", TICKER, "NASD", "buy", 3)]
    post.rounds(1)
    assert post.broker.cancels == ["7"]


# -- fencing and killing -------------------------------------------------------------------------------


def test_the_epoch_is_raised_before_the_trader_is_killed(post: Post) -> None:
    assert post.lock.take()
    seen: list[str] = []

    def kill(pid: int) -> None:
        seen.append(read_epoch(post.state))
        post.kill(pid)

    post.guardian._kill_process = kill
    post.live(age_s=20)
    post.rounds(1)
    assert seen == ["2 guardian"]
    assert post.guardian.in_charge
    assert not post.lock.may_send(selling=True)


def test_another_process_of_the_same_number_is_not_killed(post: Post) -> None:
    post.beat(age_s=20, pid=os.getpid(), started="1", epoch="1 trader")
    post.rounds(1)
    assert post.killed == []
    assert post.guardian.in_charge


def test_the_holder_of_the_lock_is_killed_where_the_heartbeat_names_nobody(post: Post) -> None:
    assert post.lock.take()
    post.now += 15.1
    post.rounds(1)
    assert post.killed == [os.getpid()]


def test_a_holder_that_has_just_begun_is_not_killed(post: Post) -> None:
    assert post.lock.take()
    post.now += 15
    post.rounds(1)
    assert post.killed == []
    assert not post.guardian.in_charge


def test_a_lock_that_does_not_come_free_is_waited_for_five_seconds_and_then_done_without(post: Post) -> None:
    assert post.lock.take()
    post.guardian._kill_process = lambda pid: None
    post.live(age_s=20)
    post.step = 2.5
    post.rounds(3)
    assert not post.guardian.in_charge
    assert post.guardian.pause_s < 1
    post.rounds(1)
    assert post.guardian.in_charge
    assert post.guardian.pause_s == ROUND_S
    assert post.journal[-1]["locked"] is False
    post.lock.release()
    post.rounds(1)
    assert not post.lock.take()


def test_a_trader_that_appears_during_the_takeover_keeps_its_orders(post: Post) -> None:
    post.guardian._kill_process = lambda pid: None
    assert post.lock.take()
    post.live(age_s=20)
    post.rounds(1)
    post.beat(pid=12345, started="77", epoch="2 trader", standby="no")
    post.rounds(5)
    assert post.guardian.taking is None
    assert not post.guardian.in_charge


def test_a_trader_that_cannot_be_killed_is_complained_of_and_done_without(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(pid: int) -> None:
        raise PermissionError

    post.guardian._kill_process = refuse
    post.live(age_s=20)
    post.rounds(1)
    assert post.guardian.in_charge
    assert "kill" in caplog.text


def test_an_epoch_that_cannot_be_written_does_not_stop_the_takeover(post: Post) -> None:
    (post.state / "epoch").mkdir()
    post.rounds(2)
    assert post.broker.sales


def test_our_own_process_is_no_traders_process() -> None:
    kill_trader(os.getpid())


def test_a_trader_stuck_in_standby_without_anybody_in_charge_is_helped(post: Post) -> None:
    for _ in range(8):
        post.standby()
        post.rounds()
    assert not post.guardian.in_charge
    post.standby()
    post.rounds()
    assert post.guardian.in_charge
    post.standby()
    post.rounds()
    assert not post.guardian.in_charge


# -- selling -------------------------------------------------------------------------------------------


def test_a_price_above_the_stop_sells_nothing_and_starts_the_count_again(post: Post) -> None:
    for last in (80.0, 90.01, 80.0, 90.01):
        post.broker.last = last
        post.rounds(1)
    assert post.broker.sales == []


@pytest.mark.parametrize("last", [0, -1.0, "nan", "inf", "-inf", "x"])
def test_a_price_that_is_none_sells_nothing(post: Post, last: float | str) -> None:
    post.broker.last = last
    post.rounds(4)
    assert post.broker.sales == []


def test_never_more_than_is_sellable(post: Post) -> None:
    post.broker.free = 4
    post.rounds(4)
    assert post.broker.sales == [(4, "79.60")]


def test_the_owners_own_shares_of_the_ticker_stay_also_after_a_restart(post: Post) -> None:
    post.broker.held = post.broker.free = 1010
    post.rounds(2)
    assert post.broker.sales == [(10, "79.60")]
    post.broker.held = 1000
    post.start()
    post.rounds(40)
    assert len(post.broker.sales) == 1


def test_what_the_owner_buys_in_the_middle_stays(post: Post) -> None:
    post.rounds(2)
    post.broker.held, post.broker.free = 15, 5
    post.rounds(30)
    assert all(qty == 10 for qty, _ in post.broker.sales)


def test_a_filled_sale_is_proved_twice_and_then_over(post: Post) -> None:
    post.broker.fills = True
    post.rounds(2)
    post.rounds(2)
    (gone,) = [f for f in post.journal if f["event"] == "gone"]
    assert (gone["ticker"], gone["qty"], gone["left"]) == (TICKER, 10, 0)
    asked = len(post.broker.prices)
    post.broker.held = post.broker.free = 10
    post.rounds(30)
    assert len(post.broker.sales) == 1, "the owner has bought ten shares himself"
    assert len(post.broker.prices) == asked


def test_a_guardian_that_starts_again_knows_what_is_sold(post: Post) -> None:
    post.broker.fills = True
    post.rounds(4)
    post.start()
    post.broker.held = post.broker.free = 10
    post.rounds(5)
    assert len(post.broker.sales) == 1


def test_what_the_trader_knows_of_own_shares_counts(post: Post) -> None:
    post.protect(msgspec.structs.replace(position(), own_qty=5), seq=2)
    post.broker.held = post.broker.free = 5
    post.rounds(4)
    assert post.broker.sales == [], "the trader's own sale was filled before it died"


def test_a_position_that_a_person_must_look_at_is_left_alone(post: Post) -> None:
    post.protect(msgspec.structs.replace(position(), frozen="split"), seq=2)
    post.rounds(4)
    assert post.guardian.in_charge
    assert (post.broker.sales, post.broker.prices) == ([], [])


def test_the_ladder_steps_down_when_the_sale_hangs(post: Post) -> None:
    post.rounds(2)
    post.step = 5
    post.rounds(2)
    assert post.broker.cancels == []
    post.rounds(1)
    assert post.broker.cancels == ["1"]
    post.rounds(1)
    assert post.broker.sales == [(10, "79.60"), (10, "79.20")]


def test_an_order_of_the_dead_trader_that_binds_the_shares_is_cancelled_without_a_step(post: Post) -> None:
    post.broker.orders = [OpenOrder("55", TICKER, "NASD", "sell", 10), OpenOrder("56", AMD, "NASD", "sell", 5)]
    post.broker.free = 0
    post.rounds(4)
    assert post.broker.cancels == ["55"]
    assert post.broker.sales == [(10, "79.60")]


def test_an_order_placed_by_hand_is_never_cancelled(post: Post) -> None:
    post.broker.orders = [
        OpenOrder("55", TICKER, "NASD", "sell", 10, by_hand=True),
        OpenOrder("56", TICKER, "NASD", "buy", 10, by_hand=True),
    ]
    post.broker.free = 0
    post.rounds(20)
    assert (post.broker.cancels, post.broker.sales) == ([], [])


def test_purchases_are_cancelled_at_once_and_looked_for_again_each_ten_seconds(post: Post) -> None:
    post.broker.orders = [OpenOrder("7", AMD, "NYSE", "buy", 3), OpenOrder("8", TICKER, "NASD", "sell", 3)]
    post.rounds(1)
    assert post.broker.cancels == ["7"]
    post.broker.orders.append(OpenOrder("9", AMD, "NYSE", "buy", 3))
    post.broker.last = 95
    post.rounds(4)
    assert post.broker.cancels == ["7"]
    post.rounds(1)
    assert post.broker.cancels == ["7", "9"]


def test_a_purchase_that_cannot_be_cancelled_holds_up_nothing(post: Post) -> None:
    post.broker.trouble["7"] = GuardianTrouble("lost")
    post.broker.orders = [OpenOrder("7", AMD, "NYSE", "buy", 3), OpenOrder("9", AMD, "NYSE", "buy", 3)]
    post.rounds(2)
    assert post.broker.cancels == ["7", "9"]
    assert post.broker.sales


def test_an_unreadable_order_list_is_read_again_in_the_next_round(post: Post) -> None:
    post.broker.trouble["orders"] = GuardianTrouble("down")
    post.rounds(2)
    assert post.broker.sales
    del post.broker.trouble["orders"]
    post.broker.orders.append(OpenOrder("7", AMD, "NYSE", "buy", 3))
    post.rounds(1)
    assert post.broker.cancels == ["7"]


def test_a_sale_whose_reply_was_lost_is_written_down_and_stepped_down_too(post: Post) -> None:
    post.broker.trouble["reply"] = GuardianTrouble("order: TimeoutError")
    post.rounds(2)
    assert post.events == ["took_over", "watching", "selling", "lost"]
    post.broker.trouble.clear()
    post.broker.last = 60.0
    post.rounds(20)
    assert len(post.broker.sales) >= 2
    assert Decimal(post.broker.sales[-1][1]) < 60
    lost = next(guardian_sales(post.state, NOON))
    assert lost.ref is None


def test_a_sale_that_never_arrived_is_repeated_after_three_seconds(post: Post) -> None:
    post.broker.trouble["sell"] = GuardianTrouble("order: TimeoutError")
    post.step = 1.0
    post.rounds(2)
    post.broker.trouble.clear()
    post.rounds(2)
    assert len(post.broker.sales) == 1
    post.rounds(1)
    assert len(post.broker.sales) == 2


def test_a_refused_sale_is_none_and_tried_again_later(post: Post) -> None:
    post.broker.trouble["sell"] = GuardianRefused("APBK0918")
    post.rounds(2)
    assert post.events == ["took_over", "watching", "selling", "refused"]
    assert list(guardian_sales(post.state, NOON)) == []
    post.rounds(1)
    assert len(post.broker.sales) == 1
    post.rounds(1)
    assert len(post.broker.sales) == 2
    assert post.events.count("watching") == 1


def test_a_refusal_for_the_limit_of_requests_is_repeated_at_once(post: Post) -> None:
    post.broker.trouble["sell"] = GuardianRefused("EGW00201")
    post.rounds(3)
    assert len(post.broker.sales) == 2


def test_trouble_with_one_ticker_does_not_leave_the_others_unwatched(post: Post) -> None:
    post.protect(position(ticker=AMD), position(), seq=2)
    post.broker.trouble[AMD] = RuntimeError("a bug")
    post.rounds(2)
    assert post.broker.sales == [(10, "79.60")]


def test_a_list_that_hides_our_shares_is_seen_through_by_the_open_sale(post: Post) -> None:
    post.rounds(2)
    post.broker.held = 0
    post.rounds(3)
    assert "gone" not in post.events
    post.broker.held = 10
    post.rounds(4)
    assert [qty for qty, _ in post.broker.sales] == [10, 10], "the ladder goes on"


def test_orders_of_others_do_not_hide_that_ours_is_filled(post: Post) -> None:
    post.broker.fills = True
    post.rounds(2)
    post.broker.orders = [
        OpenOrder("70", AMD, "NASD", "sell", 50),
        OpenOrder("71", TICKER, "NASD", "buy", 50, by_hand=True),
    ]
    post.rounds(2)
    assert post.events[-1] == "gone"


def test_a_fill_is_proved_without_the_list_of_orders_too(post: Post) -> None:
    post.broker.fills = True
    post.rounds(2)
    post.broker.trouble["orders"] = GuardianTrouble("down")
    post.rounds(2)
    (gone,) = [f for f in post.journal if f["event"] == "gone"]
    assert gone["qty"] == 10


def test_each_step_of_the_ladder_is_one_step(post: Post) -> None:
    post.rounds(16)
    assert [limit for _, limit in post.broker.sales] == ["79.60", "79.20", "78.40"]


def test_the_heart_beats_between_two_tickers(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    """With many tickers and a slow broker a round takes longer than people wait for a sign of life."""
    post.protect(position(ticker=AMD, stop="1"), position(stop="1"), seq=2)
    shown: list[str] = []
    price = post.broker.price

    def slow(ticker: str, exchange: str) -> float | str:
        path = post.state / "beats" / "guardian"
        shown.append(post.shown["mono"] if path.exists() else "")
        post.now += 5
        return price(ticker, exchange)

    monkeypatch.setattr(post.broker, "price", slow)
    post.rounds(1)
    assert shown == ["", "1005.0"]


def test_trouble_with_a_cancel_or_a_list_is_told(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.broker.trouble["7"] = GuardianTrouble("lost")
    post.broker.orders = [OpenOrder("7", AMD, "NYSE", "buy", 3)]
    post.rounds(1)
    assert "AMD 7: lost" in caplog.text
    post.broker.trouble["orders"] = GuardianTrouble("down")
    post.rounds(6)
    assert "purchases: down" in caplog.text


def test_what_is_being_sold_is_looked_at_first(post: Post) -> None:
    post.protect(position(ticker=AMD, stop="1"), position(), seq=2)
    post.rounds(1)
    assert post.broker.prices == [AMD, TICKER]
    post.rounds(1)
    assert post.broker.prices[2:] == [TICKER, AMD]


def test_shares_that_cannot_be_read_are_not_sold(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post.broker, "shares", lambda exchange: {TICKER: None})
    post.rounds(4)
    assert post.broker.sales == []
    monkeypatch.setattr(post.broker, "shares", lambda exchange: {})
    post.rounds(4)
    assert post.broker.sales == []


def test_a_newer_file_with_fewer_shares_counts_and_one_with_more_does_not(post: Post) -> None:
    post.rounds(1)
    post.protect(position(7), seq=2)
    post.rounds(1)
    assert post.broker.sales == [(7, "79.60")]
    post.protect(position(10), seq=3)
    post.rounds(6)
    assert len(post.broker.sales) == 1


def test_the_same_trouble_is_told_once_a_minute(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.broker.trouble["price"] = GuardianTrouble("no price of it")
    post.rounds(30)
    assert caplog.text.count("no price of it") == 1
    post.rounds(1)
    assert caplog.text.count("no price of it") == 2


def test_of_an_unforeseen_error_only_the_kind_is_told(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.broker.trouble["price"] = ValueError("CANARY")
    post.rounds(2)
    assert "ValueError" in caplog.text
    assert "CANARY" not in caplog.text


# -- files that fail -----------------------------------------------------------------------------------


def test_a_full_disk_does_not_stop_a_sale_and_the_journal_catches_up(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    real = os.write
    monkeypatch.setattr(os, "write", full)
    post.rounds(3)
    assert post.broker.sales == [(10, "79.60")]
    assert post.events == []
    monkeypatch.setattr(os, "write", real)
    post.rounds(1)
    assert post.events == ["took_over", "watching", "selling", "sold"]


def test_files_that_vanish_leave_what_is_known(post: Post) -> None:
    post.beat()
    post.rounds(1)
    for name in ("protect.json", "protect.key"):
        (post.state / name).unlink()
    (post.state / "protect.previous.json").unlink(missing_ok=True)
    post.now += 20
    post.rounds(2)
    assert post.broker.sales


def test_a_file_put_back_is_not_believed(post: Post) -> None:
    old = (post.state / "protect.json").read_bytes()
    post.protect(position(3), seq=2)
    post.beat()
    post.rounds(1)
    (post.state / "protect.json").write_bytes(old)
    post.now += 20
    post.rounds(2)
    assert post.broker.sales == [(3, "79.60")]


def test_nothing_in_the_world_makes_a_round_raise(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("trader", "guardian"):
        (post.state / "beats" / name).mkdir()
    os.utime(post.state / "beats" / "trader", (0, 0))
    (post.state / "locks").write_text("")
    (post.state / "HANDBACK").mkdir()
    (post.state / "guardian.ndjson").mkdir()
    post.start()
    post.step = 3
    post.rounds(4)
    assert post.broker.sales
    assert "the order lock can't be opened" in caplog.text


def test_a_bug_in_a_round_is_told_and_the_next_one_comes(
    post: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("services.guardian.read_heartbeat", lambda *_: 1 / 0)
        post.rounds(1)
    assert "ZeroDivisionError" in caplog.text
    post.rounds(2)
    assert post.broker.sales


# -- handing back --------------------------------------------------------------------------------------


def test_the_positions_are_handed_back_to_a_trader_that_waits(post: Post) -> None:
    post.rounds(1)
    assert post.guardian.in_charge
    assert not post.lock.take()
    post.standby()
    post.rounds(1)
    assert not post.guardian.in_charge
    assert post.journal[-1] | {"wall": 0} == {"event": "handed_back", "by": "trader", "wall": 0}
    assert post.lock.take()
    post.live(age_s=60)
    post.rounds(1)
    assert post.broker.sales == [], "observations begin again"


def test_a_trader_of_the_first_version_gets_its_work_back_without_asking(post: Post) -> None:
    post.rounds(1)
    post.beat()
    post.rounds(1)
    assert post.events == ["took_over", "handed_back"]


def test_a_trader_that_should_be_dead_is_killed_again(post: Post) -> None:
    post.live(age_s=20)
    post.rounds(1)
    post.live()
    post.rounds(1)
    assert post.guardian.in_charge
    assert post.killed == [os.getpid()] * 2


def test_nothing_left_to_protect_ends_the_watch(post: Post) -> None:
    post.rounds(1)
    write_protection(post.state, (), seq=2, at="now", venue="kis_virtual")
    post.rounds(1)
    assert post.journal[-1]["by"] == "nothing"
    assert not post.guardian.in_charge


def flap(post: Post, times: int = 2) -> None:
    for _ in range(times):
        post.beat(age_s=60)
        post.rounds(1)
        post.standby()
        post.rounds(1)


def test_after_the_second_takeover_within_ten_minutes_a_person_decides(post: Post) -> None:
    flap(post)
    assert post.guardian.in_charge
    assert post.shown["keeps"] == "True"
    request_handback(post.state)
    post.standby()
    post.rounds(1)
    assert not post.guardian.in_charge
    assert post.journal[-1]["by"] == "command"
    assert not (post.state / "HANDBACK").exists()
    assert post.shown["keeps"] == "False"
    post.beat(age_s=60)
    post.rounds(1)
    assert not post.guardian.keeps, "a person's word begins the count again"


def test_the_watch_is_kept_across_a_restart(post: Post) -> None:
    flap(post)
    post.start()
    post.standby()
    post.rounds(2)
    assert post.guardian.in_charge
    assert post.guardian.keeps
    assert "resumed" in post.events


def test_a_person_may_ask_before_the_trader_waits(post: Post) -> None:
    flap(post)
    request_handback(post.state)
    post.beat(age_s=60)
    post.rounds(2)
    assert post.guardian.in_charge
    assert (post.state / "HANDBACK").exists()
    post.standby()
    post.rounds(1)
    assert not post.guardian.in_charge


def test_takeovers_further_apart_are_no_flapping(post: Post) -> None:
    flap(post, 1)
    post.now += 600
    flap(post, 1)
    assert not post.guardian.in_charge


def test_a_handback_that_nobody_needs_is_forgotten(post: Post) -> None:
    request_handback(post.state)
    post.beat()
    post.rounds(1)
    assert not (post.state / "HANDBACK").exists()


# -- our own death -------------------------------------------------------------------------------------


def test_a_guardian_killed_in_charge_stays_in_charge_when_it_starts_again(post: Post) -> None:
    post.rounds(1)
    post.start(grace_s=60.0)
    post.rounds(2)
    assert post.guardian.in_charge
    assert post.events[:2] == ["took_over", "resumed"]
    assert read_epoch(post.state) == "2 guardian"
    post.rounds(1)
    assert post.broker.sales == [(10, "79.60")]


def test_a_guardian_that_starts_again_beside_a_working_trader_leaves_it_alone(post: Post) -> None:
    post.rounds(1)
    post.start()
    post.live()
    assert post.lock.take()
    post.rounds(2)
    assert not post.guardian.in_charge
    assert post.events == ["took_over", "handed_back"]
    assert post.killed == []


def test_a_trader_that_was_faster_than_the_restarted_guardian_keeps_its_orders(post: Post) -> None:
    post.rounds(1)
    post.start()
    assert post.lock.take()
    post.beat(age_s=16)
    post.rounds(1)
    assert post.guardian.taking is not None
    post.beat(pid=12345, started="77", epoch="2 trader", standby="no")
    post.rounds(1)
    assert post.events == ["took_over", "handed_back"]


def test_a_guardian_killed_while_it_took_over_begins_again(post: Post) -> None:
    assert post.lock.take()
    post.guardian._kill_process = lambda pid: None
    post.live(age_s=20)
    post.rounds(1)
    assert not post.guardian.in_charge
    post.start()
    post.rounds(1)
    assert post.guardian.in_charge
    assert post.events == ["killed", "killed", "took_over"]


def test_the_trader_adopts_the_guardians_sales_from_its_diary(post: Post) -> None:
    post.rounds(2)
    with (post.state / "guardian.ndjson").open("ab") as file:
        file.write(b'{"event": "sold", "tick')
    (sale,) = guardian_sales(post.state, NOON)
    assert (sale.ticker, sale.qty, sale.limit) == (TICKER, 10, Decimal("79.60"))
    assert sale.ref is not None
    assert (sale.ref.ord_dt, sale.ref.odno) == ("20261117", "1")
    assert sale.sent_at.timestamp() == WALL + 1002.0
    assert sale.key == f"{int((WALL + 1002.0) * 1000)}-1"


def test_adopted_sales_leave_the_journal_once_the_trader_works(post: Post) -> None:
    from services.protect import acknowledge_sales

    post.rounds(2)
    acknowledge_sales(post.state, [s.key for s in guardian_sales(post.state, NOON)])
    post.rounds(1)
    assert "sold" in post.events, "not while we are in charge"
    post.standby()
    post.rounds(2)
    assert "sold" not in post.events
    assert list(guardian_sales(post.state, NOON)) == []
    assert post.events == ["took_over", "watching", "handed_back"]


# -- settings ------------------------------------------------------------------------------------------

KEYS = {f"{p}{n}": f"{p}{n}" for p in ("KIS_", "KIS_VIRTUAL_") for n in ("APPKEY", "APPSECRET", "ACCOUNT")}


def test_access_follows_the_venue() -> None:
    assert access_from({}) is None
    real = access_from(KEYS)
    assert real is not None
    assert (real.paper, real.appkey, real.appsecret, real.account) == (
        False,
        "KIS_APPKEY",
        "KIS_APPSECRET",
        "KIS_ACCOUNT",
    )
    assert "openapi.koreainvestment.com:9443" in real.base_url
    virtual = access_from({**KEYS, "SEOHAK_VENUE": "kis_virtual"})
    assert virtual is not None
    assert (virtual.paper, virtual.appkey) == (True, "KIS_VIRTUAL_APPKEY")
    assert "openapivts" in virtual.base_url
    assert virtual.quote_url == virtual.base_url, "the real host refuses paper keys"
    only_paper = access_from({k: v for k, v in KEYS.items() if "VIRTUAL" in k})
    assert only_paper is not None
    assert only_paper.paper


def test_access_needs_all_three(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert access_from({**KEYS, "KIS_ACCOUNT": ""}) is None


@pytest.mark.parametrize(("text", "rate"), [("3", 3.0), ("x", 1.0), ("0", 0.1), ("-5", 0.1)])
def test_the_rate_setting_is_the_traders(text: str, rate: float) -> None:
    access = access_from({**KEYS, "KIS_RATE_PER_S": text})
    assert access is not None
    assert access.rate_per_s == rate
    default = access_from({**KEYS, "KIS_BASE_URL": "http://a", "KIS_VIRTUAL_BASE_URL": "http://b"})
    assert default is not None
    assert (default.rate_per_s, default.base_url) == (15.0, "http://a")
