"""The guardian outlives its files and its own death."""

import os
from decimal import Decimal

import pytest

from services.fence import read_epoch
from services.protect import guardian_sales
from tests.unit.core.builders import NOON, TICKER, position
from tests.unit.services.guardian_post import WALL, Post

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
