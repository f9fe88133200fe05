"""The guardian gives the orders back: to a trader that waits, and after the second takeover only to a person."""

import os

from services.fence import request_handback
from services.protect import write_protection
from tests.unit.services.guardian_post import Post, flap


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
