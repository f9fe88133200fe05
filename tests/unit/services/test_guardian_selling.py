"""The guardian sells at the stop: what is ours and not more, down the ladder, whatever the broker answers."""

from decimal import Decimal

import msgspec
import pytest

from services.guardian_broker import GuardianRefused, GuardianTrouble, OpenOrder
from services.protect import guardian_sales
from tests.unit.core.builders import NOON, TICKER, position
from tests.unit.services.guardian_post import AMD, Post


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
