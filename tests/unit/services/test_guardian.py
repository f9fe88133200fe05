"""The guardian: sells at the stop when the trader is silent, and only then."""

import json
import os
import time
from decimal import Decimal
from pathlib import Path

import pytest

from core.model.order import BrokerRef
from services import guardian as module
from services.guardian import Guardian, access_from, heartbeat_age_s, read_protection, sell_limit, us_date
from services.guardian_broker import GuardianTrouble
from services.protect import guardian_sales, write_protection
from tests.unit.core.builders import NOON, TICKER, position


class ObedientBroker:
    """A broker object with shares and a price."""

    def __init__(self) -> None:
        self.last = 80.0
        self.held = self.free = 10
        self.sales: list[tuple[int, str]] = []
        self.cancels: list[str] = []
        self.trouble: str = ""
        self.lose_reply = False

    def price(self, ticker: str, exchange: str) -> float:
        if self.trouble == ticker:
            raise GuardianTrouble("no price")
        return self.last

    def shares(self, exchange: str) -> dict[str, tuple[int, int]]:
        return {TICKER: (self.held, self.free), "AMD": (5, 5)}

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        assert qty <= self.shares(exchange)[ticker][1]
        self.sales.append((qty, limit))
        if ticker == TICKER:
            self.free -= qty
        if self.lose_reply:
            raise GuardianTrouble("order: TimeoutError")
        return str(len(self.sales))

    def open_sells(self, ticker: str) -> list[str]:
        return [str(len(self.sales))] if self.held > self.free else []

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:
        self.cancels.append(odno)
        self.free += self.sales[-1][0]


class Post:
    """A guardian, its state directory and its broker."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.broker = ObedientBroker()
        self.guardian = Guardian(state, self.broker)
        self.seconds = 1000.0
        (state / "beats").mkdir()
        self.protect()

    def protect(self, *positions: object, venue: str = "kis_virtual", seq: int = 1) -> None:
        write_protection(self.state, positions or (position(),), seq=seq, at="now", venue=venue)

    def beat(self, age_s: float = 0.0) -> None:
        path = self.state / "beats" / "trader"
        path.write_text(json.dumps({"pid": "999999999"}))
        stamp = time.time() - age_s
        os.utime(path, (stamp, stamp))

    def rounds(self, n: int = 1) -> None:
        for _ in range(n):
            self.guardian.round()

    @property
    def events(self) -> list[str]:
        path = self.state / "guardian.ndjson"
        return [json.loads(line)["event"] for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def post(tmp_path: Path) -> Post:
    return Post(tmp_path)


def test_a_living_trader_is_left_alone(post: Post) -> None:
    post.beat(age_s=5)
    post.rounds(5)
    assert post.broker.sales == []
    assert post.events == []


def test_a_silent_trader_is_replaced_and_the_breached_position_sold_after_two_observations(post: Post) -> None:
    post.beat(age_s=60)
    post.rounds(1)
    assert post.broker.sales == []
    post.rounds(3)
    assert post.broker.sales == [(10, "79.60")]
    assert post.events == ["took_over", "watching", "selling", "sold"]


def test_no_heartbeat_at_all_is_silence(post: Post) -> None:
    assert heartbeat_age_s(post.state) == float("inf")
    post.rounds(2)
    assert post.broker.sales


def test_a_price_above_the_stop_sells_nothing_and_starts_the_count_again(post: Post) -> None:
    for last in (80.0, 90.0, 80.0, 90.0):
        post.broker.last = last
        post.rounds(1)
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
    post.guardian = Guardian(post.state, post.broker)
    post.rounds(4)
    assert len(post.broker.sales) == 1


def test_the_ladder_steps_down_when_the_sale_hangs(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: post.seconds)
    post.rounds(2)
    post.seconds += 5
    post.rounds(2)
    assert post.broker.cancels == []
    post.seconds += 6
    post.rounds(2)
    assert post.broker.cancels == ["1"]
    assert post.broker.sales == [(10, "79.60"), (10, "79.20")]


def test_a_sale_whose_reply_was_lost_is_stepped_down_too(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "monotonic", lambda: post.seconds)
    post.broker.lose_reply = True
    post.rounds(2)
    post.broker.lose_reply = False
    post.broker.last = 60.0
    for _ in range(20):
        post.seconds += 2
        post.rounds(1)
    assert len(post.broker.sales) >= 2
    assert Decimal(post.broker.sales[-1][1]) < 60


def test_the_positions_are_handed_back_when_the_trader_lives_again(post: Post) -> None:
    post.rounds(1)
    assert post.guardian.in_charge
    post.beat()
    post.rounds(1)
    assert not post.guardian.in_charge
    assert post.events == ["took_over", "watching", "handed_back"]
    post.beat(age_s=60)
    post.rounds(1)
    assert post.broker.sales == [], "observations begin again"


def test_trouble_with_one_ticker_does_not_leave_the_others_unwatched(post: Post) -> None:
    post.protect(position(ticker="AMD"), position())
    post.broker.trouble = "AMD"
    post.rounds(2)
    assert post.broker.sales == [(10, "79.60")]


@pytest.mark.parametrize("venue", ["paper"])
def test_the_paper_account_needs_no_guardian(post: Post, venue: str) -> None:
    post.protect(venue=venue)
    post.rounds(4)
    assert post.broker.sales == []


def test_without_a_broker_or_a_file_nothing_happens(tmp_path: Path) -> None:
    Guardian(tmp_path, None).round()
    assert read_protection(tmp_path) == ("", [])


def test_a_forged_file_is_ignored_and_the_genuine_one_before_it_used(post: Post) -> None:
    post.protect(position(7), seq=2)
    path = post.state / "protect.json"
    body, digest, _ = path.read_bytes().split(b"\n")
    path.write_bytes(body.replace(b'"qty": 7', b'"qty": 999') + b"\n" + digest + b"\n")
    assert [p.qty for p in read_protection(post.state)[1]] == [10]


@pytest.mark.parametrize("cut", [0, 10, 60, -2, -1])
def test_a_torn_file_falls_back_to_the_one_before(post: Post, cut: int) -> None:
    post.protect(position(7), seq=2)
    path = post.state / "protect.json"
    path.write_bytes(path.read_bytes()[:cut])
    assert [p.qty for p in read_protection(post.state)[1]] == [10]


def test_a_file_that_is_missing_during_its_replacement_falls_back_too(post: Post) -> None:
    post.protect(position(7), seq=2)
    (post.state / "protect.json").unlink()
    assert [p.qty for p in read_protection(post.state)[1]] == [10]


def test_with_another_key_nothing_is_genuine(post: Post) -> None:
    (post.state / "protect.key").write_bytes(b"x" * 32)
    assert read_protection(post.state) == ("", [])


def test_the_key_is_private_and_stays(post: Post) -> None:
    path = post.state / "protect.key"
    before = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    post.protect()
    assert path.read_bytes() == before


def test_what_is_protected_comes_through_exactly(post: Post) -> None:
    post.protect(position(3, stop="121.72"))
    venue, (row,) = read_protection(post.state)
    assert (venue, row.ticker, row.exchange, row.qty, row.stop_price) == (
        "kis_virtual",
        TICKER,
        "NASD",
        3,
        Decimal("121.72"),
    )


def test_the_trader_adopts_the_guardians_sales_from_its_diary(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "us_date", lambda: "20261117")
    post.rounds(2)
    with (post.state / "guardian.ndjson").open("ab") as file:
        file.write(b'{"event": "sold", "tick')
    (sale,) = guardian_sales(post.state, NOON)
    assert (sale.ticker, sale.qty, sale.limit) == (TICKER, 10, Decimal("79.60"))
    assert sale.ref == BrokerRef("20261117", "", "1")


@pytest.mark.parametrize(
    ("last", "step", "limit"),
    [
        ("80", 0, "79.60"),
        ("80", 99, "72.00"),
        ("1.00", 0, "0.9950"),
        ("0.00012", 5, "0.0001"),
        ("0.00001", 0, "0.0001"),
    ],
)
def test_limits_are_on_kis_grid_and_never_zero(last: str, step: int, limit: str) -> None:
    assert sell_limit(Decimal(last), step) == limit


def test_the_us_date_follows_the_sandboxs_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.time, "time", lambda: 1_000.0)
    monkeypatch.setenv("SEOHAK_CLOCK_ORIGIN", "2026-11-18T03:00:00+00:00")
    monkeypatch.setenv("SEOHAK_CLOCK_STARTED", "1000")
    assert us_date() == "20261117"


KEYS = {f"{p}{n}": f"{p}{n}" for p in ("KIS_", "KIS_VIRTUAL_") for n in ("APPKEY", "APPSECRET", "ACCOUNT")}


def test_access_follows_the_venue() -> None:
    assert access_from({}) is None
    real = access_from(KEYS)
    assert real is not None
    assert (real.paper, real.appkey) == (False, "KIS_APPKEY")
    virtual = access_from({**KEYS, "SEOHAK_VENUE": "kis_virtual"})
    assert virtual is not None
    assert (virtual.paper, virtual.appkey) == (True, "KIS_VIRTUAL_APPKEY")
    assert "openapivts" in virtual.base_url
    assert "openapivts" not in virtual.quote_url
