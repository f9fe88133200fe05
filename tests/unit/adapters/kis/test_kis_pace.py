"""Who goes next: sales first, nobody starved, nobody waiting for ever."""

import threading
import time

import pytest

from adapters.kis.pace import YIELD_AFTER, PriorityLimiter, Rank, Turn, kept_from_feed, rank_of, spare_of
from adapters.kis.ratefile import SharedWindow
from adapters.kis.transport import NotSent
from ports.broker import Urgency

SOON_S = 20.0


class Street:
    """A limiter of one call at a time on a clock that only `open` moves, and the order in which calls left."""

    def __init__(self, path, rate: int = 1) -> None:
        self.at = 1000.0
        self.limiter = PriorityLimiter(SharedWindow(path, rate, 1.0, monotonic=lambda: self.at))
        self.left: list[str] = []
        self.threads: list[threading.Thread] = []

    def arrive(self, name: str, rank: Rank) -> None:
        def wait() -> None:
            if self.limiter.admit(Turn(rank, time.monotonic() + SOON_S)):
                # before the next one can leave
                self.left.append(name)

        thread = threading.Thread(target=wait)
        before = len(self.limiter._waiting)
        thread.start()
        self.threads.append(thread)
        until(lambda: len(self.limiter._waiting) == before + 1)

    def open(self, slots: int = 1) -> None:
        for _ in range(slots):
            gone = len(self.left)
            self.at += 1.0
            with self.limiter._changed:
                self.limiter._changed.notify_all()
            until(lambda gone=gone: len(self.left) == gone + 1)


def until(holds) -> None:
    give_up = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.001)


@pytest.fixture
def street(tmp_path):
    found = Street(tmp_path / "rate")
    assert found.limiter.admit(Turn(Rank.ENTRY, time.monotonic() + 1))
    yield found
    found.open(len(found.threads) - len(found.left))
    for thread in found.threads:
        thread.join(SOON_S)


def test_an_exit_that_arrives_behind_ten_entries_goes_next(street):
    for number in range(10):
        street.arrive(f"entry {number}", Rank.ENTRY)
    street.arrive("reconcile", Rank.RECONCILE)
    street.arrive("price", Rank.EXIT)
    street.arrive("sale", Rank.EXIT_ORDER)
    street.open(4)
    assert street.left == ["sale", "price", "reconcile", "entry 0"]


def test_equals_go_in_the_order_of_their_arrival(street):
    for number in range(5):
        street.arrive(f"entry {number}", Rank.ENTRY)
    street.open(5)
    assert street.left == [f"entry {number}" for number in range(5)]


def test_prices_of_exits_do_not_starve_the_order_list(street):
    street.arrive("fills", Rank.RECONCILE)
    for number in range(2 * YIELD_AFTER):
        street.arrive(f"price {number}", Rank.EXIT)
    street.open(YIELD_AFTER + 1)
    assert street.left == [*(f"price {n}" for n in range(YIELD_AFTER)), "fills"]


def test_a_sale_never_yields(street):
    street.arrive("fills", Rank.RECONCILE)
    for number in range(YIELD_AFTER + 3):
        street.arrive(f"sale {number}", Rank.EXIT_ORDER)
    street.open(YIELD_AFTER + 3)
    assert "fills" not in street.left


def test_exits_alone_do_not_count_as_passing_anybody(street):
    for number in range(YIELD_AFTER + 2):
        street.arrive(f"price {number}", Rank.EXIT)
    street.open(YIELD_AFTER + 2)
    street.arrive("fills", Rank.RECONCILE)
    street.arrive("price", Rank.EXIT)
    street.open(1)
    assert street.left[-1] == "price"


def test_a_burst_of_entries_leaves_slots_for_exits(tmp_path):
    """18 a second: fifteen entries use up what is theirs, and three exits still leave at once."""
    at = 1000.0
    limiter = PriorityLimiter(SharedWindow(tmp_path / "rate", 18, 1.1, monotonic=lambda: at))
    now = Turn(Rank.ENTRY, time.monotonic() + 0.05)
    assert [limiter.admit(Turn(Rank.ENTRY, time.monotonic() + 0.05)) for _ in range(16)] == [True] * 15 + [False]
    began = time.monotonic()
    assert all(limiter.admit(Turn(rank, began + 1)) for rank in (Rank.EXIT, Rank.EXIT_ORDER, Rank.EXIT))
    assert time.monotonic() - began < 1
    assert not limiter.admit(now)


def test_market_data_fills_half_a_window_and_leaves_the_rest_to_the_account(tmp_path):
    at = 1000.0
    limiter = PriorityLimiter(SharedWindow(tmp_path / "rate", 15, 1.1, monotonic=lambda: at))

    def leaves(rank: Rank) -> bool:
        return limiter.admit(Turn(rank, time.monotonic() + 0.03))

    assert [leaves(Rank.FEED) for _ in range(8)] == [True] * 7 + [False]
    assert [leaves(Rank.ENTRY) for _ in range(6)] == [True] * 6
    assert all(leaves(Rank.EXIT) for _ in range(2))


def test_what_the_account_uses_slows_market_data_down(tmp_path):
    at = 1000.0
    limiter = PriorityLimiter(SharedWindow(tmp_path / "rate", 15, 1.1, monotonic=lambda: at))
    other = PriorityLimiter(SharedWindow(tmp_path / "rate", 15, 1.1, monotonic=lambda: at))
    assert all(other.admit(Turn(Rank.RECONCILE, time.monotonic() + 1)) for _ in range(8))
    assert not limiter.admit(Turn(Rank.FEED, time.monotonic() + 0.03))


def test_exits_that_yield_do_not_yield_to_market_data(street):
    street.arrive("chart", Rank.FEED)
    for number in range(YIELD_AFTER + 2):
        street.arrive(f"price {number}", Rank.EXIT)
    street.open(YIELD_AFTER + 2)
    assert "chart" not in street.left


@pytest.mark.parametrize(("rate", "kept"), [(1, 1), (3, 2), (15, 8), (18, 9)])
def test_slots_kept_from_market_data(rate, kept):
    assert kept_from_feed(rate) == kept


@pytest.mark.parametrize(("rate", "spare"), [(1, 0), (2, 0), (3, 1), (15, 2), (18, 3)])
def test_slots_kept_for_exits(rate, spare):
    assert spare_of(rate) == spare


def test_a_call_that_cannot_leave_before_its_deadline_does_not_leave(street):
    began = time.monotonic()
    assert not street.limiter.admit(Turn(Rank.EXIT_ORDER, began + 0.02))
    assert not street.limiter.admit(Turn(Rank.EXIT_ORDER, began - 1))
    assert time.monotonic() - began < SOON_S / 2
    assert street.limiter._waiting == []
    street.at += 1.0
    assert street.limiter.admit(Turn(Rank.ENTRY, time.monotonic() + 1)), "the one that gave up took no slot"


def test_waiting_is_left_to_the_window_and_never_longer_than_it_says(tmp_path):
    limiter = PriorityLimiter(SharedWindow(tmp_path / "rate", 1, 0.03, monotonic=time.monotonic))
    began = time.monotonic()
    assert all(limiter.admit(Turn(Rank.ENTRY, time.monotonic() + SOON_S)) for _ in range(4))
    assert 0.09 <= time.monotonic() - began < SOON_S


def test_python_kis_own_way_in_is_the_last_in_the_queue(tmp_path, monkeypatch):
    at = 1000.0
    limiter = PriorityLimiter(SharedWindow(tmp_path / "rate", 1, 1.0, monotonic=lambda: at))
    called = []
    assert limiter.acquire(blocking_callback=lambda: called.append(1))
    assert called == [1]
    assert not limiter.acquire(blocking=False)
    monkeypatch.setattr("adapters.kis.pace.LONGEST_S", 0.01)
    with pytest.raises(NotSent):
        limiter.acquire()


def test_ranks():
    assert [rank_of(u, order=True) for u in Urgency] == [Rank.EXIT_ORDER, Rank.RECONCILE, Rank.ENTRY, Rank.FEED]
    assert [rank_of(u) for u in Urgency] == [Rank.EXIT, Rank.RECONCILE, Rank.ENTRY, Rank.FEED]
    assert [rank.patient for rank in Rank] == [False, False, True, True, True]
