"""The guardian at its edges: whom it watches, what it says of trouble, and what the trader's side accepts of its journal."""

import json
import logging
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.model.order import BrokerRef
from services import protect
from services.fence import HANDBACK
from services.guardian import ROUND_S
from services.guardian_broker import GuardianRefused, GuardianTrouble
from services.guardian_files import MOST_QTY, MOST_USD
from services.guardian_rules import ANSWERED_S, HUNG_AFTER_S
from services.protect import acknowledge_sales, guardian_sales, take_orders_lock
from services.runtime import Runtime
from tests.unit.core.builders import NOON, TICKER, position
from tests.unit.services.guardian_post import AMD, Post

SALE = {
    "event": "sold",
    "key": "k1",
    "ticker": TICKER,
    "qty": 1,
    "limit": "0.50",
    "ord_dt": "20261117",
    "odno": "7",
    "sent_at": "2026-11-17T15:00:00+00:00",
}


def looks(post: Post, **ages: float) -> None:
    """A working trader's beat; it looked at each ticker so many seconds ago."""
    post.live(stops=json.dumps({ticker: post.now - age for ticker, age in ages.items()}))


# -- whom it watches -------------------------------------------------------------------------------------------------


def test_a_ticker_that_the_trader_watches_hides_none_that_it_neglects(post: Post) -> None:
    post.protect(position(ticker=AMD), position())
    for _ in range(9):
        looks(post, **{AMD: 0.0, TICKER: post.now})
        post.rounds()
        assert AMD not in post.broker.prices or post.guardian.in_charge
    assert post.guardian.in_charge


def test_a_second_neglected_ticker_that_is_well_does_not_excuse_the_first(post: Post) -> None:
    """One is under its stop, the other, which comes after it, is not."""
    post.protect(position(), position(ticker=AMD, stop="50.00"))
    for _ in range(9):
        looks(post, **{TICKER: post.now, AMD: post.now})
        post.rounds()
    assert post.guardian.in_charge


def test_what_the_guardian_saw_is_forgotten_once_the_trader_looks_again(post: Post) -> None:
    for _ in range(3):
        looks(post, **{TICKER: 11.0})
        post.rounds()
    assert post.guardian._seller.watches
    looks(post, **{TICKER: 0.0})
    post.rounds()
    assert post.guardian._seller.watches == {}
    looks(post, **{TICKER: 0.0})
    post.rounds()
    assert not post.guardian.in_charge


def test_nothing_seen_is_nothing_to_forget(post: Post) -> None:
    looks(post, **{TICKER: 0.0})
    post.rounds(3)
    assert post.broker.prices == []


def test_two_neglected_tickers_are_counted_from_their_own_first_sight(post: Post) -> None:
    post.protect(position(stop="50.00"))
    for _ in range(20):
        looks(post)
        post.rounds()
    post.protect(position(stop="50.00"), position(ticker=AMD), seq=2)
    before = len(post.broker.prices)
    looks(post)
    post.rounds()
    assert set(post.broker.prices[before:]) == {TICKER}, "a new ticker has its time"


# -- what it says ----------------------------------------------------------------------------------------------------


def test_trouble_with_the_world_is_a_warning_in_its_own_words(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    post.guardian._complain("NVDA", GuardianTrouble("no price of NVDA"))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [("WARNING", "NVDA: no price of NVDA")]


def test_a_bug_is_an_error_with_its_kind_and_line_and_nothing_else(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def deep() -> None:
        raise KeyError("CANARY")

    try:
        deep()
    except KeyError as error:
        line = deep.__code__.co_firstlineno + 1
        post.guardian._complain("round", error)
    post.guardian._complain("elsewhere", ValueError("CANARY"))
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        ("ERROR", f"round: KeyError in line {line}"),
        ("ERROR", "elsewhere: ValueError in line 0"),
    ]


def test_trouble_with_a_neglected_ticker_is_told_under_its_name(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    post.broker.trouble[TICKER] = GuardianTrouble("no price of it")
    for _ in range(4):
        looks(post, **{TICKER: 12.0})
        post.rounds()
    assert f"{TICKER}: no price of it" in caplog.messages


def test_a_handback_obeyed_removes_the_request_and_none_is_needed(post: Post) -> None:
    post.beat(age_s=16.0)
    post.rounds(2)
    assert post.guardian.in_charge
    (post.state / HANDBACK).touch()
    post.standby()
    assert post.guardian._hand_back("command") is True
    assert not (post.state / HANDBACK).exists()
    assert post.guardian._hand_back("command") is True


# -- the trader's side -----------------------------------------------------------------------------------------------


def sold(state: Path, **changes: object) -> list[protect.GuardianSold]:
    (state / "guardian.ndjson").write_text(json.dumps(SALE | changes) + "\n")
    return list(guardian_sales(state, NOON))


@pytest.mark.parametrize(
    "changes",
    [{}, {"qty": MOST_QTY}, {"limit": "0.0001"}, {"limit": str(MOST_USD)}, {"odno": "1234567890"}],
    ids=["one-share", "most-shares", "cheapest", "dearest", "long-number"],
)
def test_a_sale_at_the_edge_of_sense_is_taken(tmp_path: Path, changes: dict[str, object]) -> None:
    (sale,) = sold(tmp_path, **changes)
    fields = SALE | changes
    assert (sale.qty, sale.limit) == (fields["qty"], Decimal(str(fields["limit"])))
    assert sale.ref == BrokerRef("20261117", "", str(fields["odno"]))


@pytest.mark.parametrize(
    "changes",
    [
        {"qty": MOST_QTY + 1},
        {"limit": str(MOST_USD + 1)},
        {"odno": "7x"},
        {"odno": "٧"},
        {"ord_dt": "2026111x"},
        {"ord_dt": "٢٠٢٦١١١٧"},
    ],
    ids=["too-many", "too-dear", "number", "foreign-number", "date", "foreign-date"],
)
def test_a_sale_beyond_sense_is_left_out_and_told(
    tmp_path: Path, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    assert sold(tmp_path, **changes) == []
    assert caplog.messages == ["a sale in the guardian's journal makes no sense: k1"]


def test_a_sale_without_a_number_needs_no_date(tmp_path: Path) -> None:
    fields = {k: v for k, v in SALE.items() if k not in {"odno", "ord_dt"}}
    (tmp_path / "guardian.ndjson").write_text(json.dumps(fields) + "\n")
    (sale,) = guardian_sales(tmp_path, NOON)
    assert sale.ref is None


def test_a_refusal_of_a_sale_that_nobody_knows_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "guardian.ndjson").write_text(json.dumps({"event": "refused", "key": "k9"}) + "\n" + json.dumps(SALE))
    assert [s.key for s in guardian_sales(tmp_path, NOON)] == ["k1"]


def test_the_file_says_what_to_do_with_each_row_and_is_the_same_for_the_same_positions(tmp_path: Path) -> None:
    protect.write_protection(tmp_path, [position()], seq=0, at="now", venue="kis_virtual", buying=("B", "A"))
    body = (tmp_path / "protect.json").read_bytes().splitlines()[0]
    document = json.loads(body)
    assert document == {
        "seq": 0,
        "written_at": "now",
        "venue": "kis_virtual",
        "buying": ["A", "B"],
        "positions": [
            {
                "ticker": TICKER,
                "exchange": "NASD",
                "qty": 10,
                "stop_price": "85.00",
                "own": 0,
                "orders": {},
                "selling": 0,
                "policy": "stop",
            }
        ],
    }
    assert body == json.dumps(document, sort_keys=True).encode()


def test_a_guardian_that_cannot_be_told_is_written_down_with_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    acknowledge_sales(tmp_path / "nowhere", ["a"])
    assert caplog.messages == ["the guardian can't be told of the adopted sales: No such file or directory"]


async def test_taking_the_orders_is_written_down_with_the_epoch(
    runtime: Runtime, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger=protect.__name__)
    lock = await take_orders_lock(runtime)
    assert lock is not None
    assert "orders are ours, epoch 1 test" in caplog.messages
    assert json.loads((runtime.settings.state_dir / "locks" / "orders.lock").read_bytes())["mono"] > 0
    lock.release()


@pytest.mark.parametrize(
    ("age_s", "in_charge"), [(0.0, True), (0.5, True), (HUNG_AFTER_S, True), (15.001, False), (-0.001, False)]
)
def test_a_guardian_is_in_charge_for_as_long_as_its_beat_is_fresh(
    tmp_path: Path, age_s: float, in_charge: bool
) -> None:
    (tmp_path / "beats").mkdir()
    (tmp_path / "beats" / "guardian").write_text(json.dumps({"in_charge": "True", "mono": str(1000.0 - age_s)}))
    assert protect._guardian_in_charge(tmp_path, 1000.0) is in_charge


# -- how long the broker must have answered --------------------------------------------------------------------------


def neglect(post: Post, rounds: int, **ages: float) -> bool:
    """Rounds in which the trader beats, and looked at each ticker so long ago; whether the guardian took over."""
    for _ in range(rounds):
        looks(post, **ages)
        post.rounds()
    return post.guardian.in_charge


ENOUGH = int(ANSWERED_S // ROUND_S) + 1


def test_the_broker_must_have_answered_for_a_while(post: Post) -> None:
    assert not neglect(post, ENOUGH - 1, **{TICKER: 11.0})
    assert neglect(post, 1, **{TICKER: 11.0})


def test_a_look_of_the_trader_starts_the_while_again(post: Post) -> None:
    neglect(post, ENOUGH - 1, **{TICKER: 11.0})
    neglect(post, 1, **{TICKER: 0.0})
    assert not neglect(post, ENOUGH - 1, **{TICKER: 11.0})
    assert neglect(post, 1, **{TICKER: 11.0})


def test_an_outage_of_the_broker_starts_the_while_again(post: Post) -> None:
    neglect(post, ENOUGH - 1, **{TICKER: 11.0})
    post.broker.trouble[TICKER] = GuardianTrouble("no price of it")
    neglect(post, 1, **{TICKER: 11.0})
    post.broker.trouble.clear()
    assert not neglect(post, ENOUGH - 1, **{TICKER: 11.0})
    assert neglect(post, 1, **{TICKER: 11.0})


def test_each_ticker_has_its_own_while(post: Post) -> None:
    """One is neglected above its stop for long; that says nothing about the other one."""
    post.protect(position(ticker=AMD, stop="50.00"), position())
    neglect(post, 3 * ENOUGH, **{AMD: 11.0, TICKER: 0.0})
    assert not neglect(post, ENOUGH - 1, **{AMD: 11.0, TICKER: 11.0})
    assert neglect(post, 1, **{AMD: 11.0, TICKER: 11.0})


# -- what it writes of its sales -------------------------------------------------------------------------------------


def in_charge(post: Post) -> None:
    """The trader is silent, and the stop is broken by two observations; the third round sells."""
    post.beat(age_s=16.0)
    post.rounds(2)
    assert post.guardian.in_charge


def lines(post: Post, event: str) -> list[dict[str, object]]:
    return [fields for fields in post.journal if fields["event"] == event]


def test_a_refused_sale_is_written_down_with_its_key_and_kis_code(post: Post) -> None:
    post.broker.trouble["sell"] = GuardianRefused("APBK0919", "closed")
    in_charge(post)
    post.rounds(3)
    assert [f["code"] for f in lines(post, "refused")] == ["APBK0919"] * len(lines(post, "selling"))
    assert [f["key"] for f in lines(post, "refused")] == [f["key"] for f in lines(post, "selling")]
    assert lines(post, "refused")


def test_a_lost_sale_is_written_down_with_its_key(post: Post) -> None:
    post.broker.trouble["reply"] = GuardianTrouble("lost")
    in_charge(post)
    post.rounds(2)
    assert [f["key"] for f in lines(post, "lost")] == [f["key"] for f in lines(post, "selling")]
    assert lines(post, "lost")


def test_two_sales_of_one_instant_have_two_keys(post: Post) -> None:
    post.protect(position(), position(5, ticker=AMD))
    post.step = 0.0
    in_charge(post)
    post.step = 1.0
    post.rounds(2)
    keys = [f["key"] for f in lines(post, "selling")]
    assert len(keys) == len(set(keys)) == 2
    assert len({str(key).split("-")[0] for key in keys}) == 1, "at the same instant"


@pytest.mark.parametrize(
    ("own", "lost", "believed_s"), [(0, False, 10.0), (0, True, 3.0), (4, False, 60.0), (4, True, 60.0)]
)
def test_how_long_a_sale_is_believed_in_depends_on_its_answer_and_on_other_shares(
    post: Post, own: int, lost: bool, believed_s: float
) -> None:
    post.broker.held = post.broker.free = 10 + own
    post.protect(msgspec.structs.replace(position(), own_qty=own))
    if lost:
        post.broker.trouble["reply"] = GuardianTrouble("lost")
    in_charge(post)
    while not lines(post, "selling"):
        post.rounds()
    sent_at = post.now - post.step
    assert post.guardian._seller.watches[TICKER].presumed_until == sent_at + believed_s


def test_the_owners_shares_are_written_down_for_a_guardian_that_starts_again(post: Post) -> None:
    post.broker.held = post.broker.free = 10
    post.protect(msgspec.structs.replace(position(6), own_qty=4))
    in_charge(post)
    post.rounds(2)
    assert [(f["ticker"], f["floor"]) for f in lines(post, "watching")] == [(TICKER, 4)]
    assert [f["qty"] for f in lines(post, "selling")] == [6]
