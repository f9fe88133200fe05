"""The guardian takes over when the trader is silent or looks away, and makes sure that the trader sends no more."""

import json
import os
from pathlib import Path

import pytest

from services.fence import read_epoch
from services.guardian import ROUND_S, Guardian, kill_trader
from services.guardian_broker import GuardianTrouble, OpenOrder
from services.protect import write_protection
from tests.unit.core.builders import TICKER
from tests.unit.services.guardian_post import Post

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
