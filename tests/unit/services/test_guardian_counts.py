"""The guardian alone with an account that somebody else trades in: it sells what is ours by the list, and not more."""

import hmac
import json

import msgspec
import pytest

from services.guardian_broker import GuardianTrouble, OpenOrder
from services.guardian_rules import Listed
from services.protect import protection_key
from tests.unit.core.builders import TICKER, position
from tests.unit.services.guardian_post import Post

BOUGHT, OWNED, SOLD = "20261117-71", "20261116-72", "20261117-73"


def protects(post: Post, own: int = 0, *, selling: int = 0, **orders: int) -> None:
    """Ten of ours from order 71 and the owner's from order 72."""
    counted = {BOUGHT: 10, **({OWNED: own} if own else {}), **orders}
    held = msgspec.structs.replace(position(), own_qty=own)
    post.protect(held, seq=2, orders={TICKER: counted}, selling={TICKER: selling} if selling else None)


def lists(post: Post, bought: int = 10, own: int = 0, *more: Listed) -> None:
    """What the list shows of those orders now."""
    post.broker.listing = [Listed(BOUGHT, TICKER, "buy", bought, by_hand=False)]
    if own:
        post.broker.listing.append(Listed(OWNED, TICKER, "buy", own, by_hand=True))
    post.broker.listing += more


def account(post: Post, held: int, free: int | None = None) -> None:
    post.broker.held, post.broker.free = held, held if free is None else free


def hand(side: str, filled: int) -> Listed:
    return Listed(SOLD, TICKER, side, filled, by_hand=True)


def api(side: str, filled: int) -> Listed:
    return Listed(SOLD, TICKER, side, filled, by_hand=False)


def sold(post: Post) -> list[int]:
    return [qty for qty, _ in post.broker.sales]


def test_the_list_is_asked_for_once_before_a_sale_and_not_before_the_stop_is_broken(post: Post) -> None:
    protects(post)
    lists(post)
    post.rounds(1)
    assert post.broker.lists == 0
    post.rounds(1)
    assert (post.broker.lists, sold(post)) == (1, [10])


@pytest.mark.parametrize("held", [11, 15], ids=["holdings-agree", "holdings-lag"])
def test_a_fill_of_ours_that_is_taken_back_is_not_sold_from_the_owners_shares(post: Post, held: int) -> None:
    protects(post, own=5)
    lists(post, 6, 5)
    account(post, held)
    post.rounds(2)
    assert sold(post) == [6]


@pytest.mark.parametrize(
    ("by_hand", "held", "ours"),
    [(3, 12, 10), (5, 10, 10), (8, 7, 7), (8, 15, 7), (15, 0, None), (15, 15, None)],
    ids=["some-of-his", "all-of-his", "some-of-ours", "holdings-lag", "everything", "everything-and-lag"],
)
def test_the_owner_sells_by_hand_while_the_guardian_is_alone(
    post: Post, by_hand: int, held: int, ours: int | None
) -> None:
    protects(post, own=5)
    lists(post, 10, 5, hand("sell", by_hand))
    account(post, held)
    post.rounds(2)
    assert sold(post) == ([] if ours is None else [ours])


@pytest.mark.parametrize("seen", [True, False])
def test_the_owner_buys_by_hand_while_the_guardian_is_alone(post: Post, seen: bool) -> None:
    protects(post, own=5)
    lists(post, 10, 5, *([hand("buy", 4)] if seen else []))
    account(post, 19)
    post.rounds(2)
    assert sold(post) == [10]


def test_a_purchase_that_nobody_has_booked_is_not_sold(post: Post) -> None:
    protects(post)
    lists(post, 10, 0, api("buy", 3))
    account(post, 13)
    post.rounds(2)
    assert sold(post) == [10]


def test_a_sale_of_the_traders_that_nobody_has_booked_is_not_sold_again_from_the_owners_shares(post: Post) -> None:
    protects(post, own=5)
    lists(post, 10, 5, api("sell", 4))
    account(post, 11)
    post.rounds(2)
    assert sold(post) == [6]


def test_an_order_of_ours_that_was_counted_is_not_counted_again(post: Post) -> None:
    protects(post, 0, **{SOLD: 4})
    lists(post, 10, 0, api("sell", 4))
    post.rounds(2)
    assert sold(post) == [10]


# -- a sale in flight ------------------------------------------------------------------------------------------------


def test_a_sale_in_flight_that_was_filled_in_part_leaves_the_rest(post: Post) -> None:
    protects(post, selling=10)
    lists(post, 10, 0, api("sell", 4))
    account(post, 6)
    post.rounds(2)
    assert sold(post) == [], "one low reading proves nothing"
    post.rounds(2)
    assert sold(post) == [6]


def test_a_sale_in_flight_that_never_arrived_is_done_again_after_three_seconds(post: Post) -> None:
    protects(post, selling=10)
    lists(post)
    post.step = 1.5
    post.rounds(2)
    assert sold(post) == []
    post.rounds(1)
    assert sold(post) == [10]


def test_beside_the_owners_shares_it_is_done_again_after_a_minute(post: Post) -> None:
    protects(post, own=5, selling=10)
    lists(post, 10, 5)
    account(post, 15)
    post.rounds(30)
    assert sold(post) == []
    post.rounds(1)
    assert sold(post) == [10]


def test_a_sale_in_flight_that_was_filled_takes_nothing_of_the_owners(post: Post) -> None:
    protects(post, own=5, selling=10)
    lists(post, 10, 5, api("sell", 10))
    account(post, 5)
    post.rounds(40)
    assert sold(post) == []


def test_a_sale_in_flight_that_rests_is_cancelled_and_goes_one_step_lower(post: Post) -> None:
    protects(post, own=5, selling=10)
    lists(post, 10, 5)
    account(post, 15, 5)
    post.broker.orders = [OpenOrder("55", TICKER, "NASD", "sell", 10)]
    post.rounds(6)
    assert (post.broker.cancels, sold(post)) == ([], [])
    post.rounds(2)
    assert (post.broker.cancels, post.broker.sales) == (["55"], [(10, "79.20")])


def test_only_a_part_of_the_position_was_being_sold(post: Post) -> None:
    protects(post, own=5, selling=4)
    lists(post, 10, 5)
    account(post, 15)
    post.rounds(2)
    assert sold(post) == [6]


# -- a list that can't be had ----------------------------------------------------------------------------------------


def test_a_list_that_lacks_an_order_is_waited_for_ten_seconds_and_then_the_shares_count(
    post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    protects(post)
    post.broker.listing = []
    post.rounds(6)
    assert sold(post) == []
    assert f"{TICKER}: the list of orders lacks orders" in caplog.text
    post.rounds(1)
    assert sold(post) == [10]


def test_a_list_that_cannot_be_read_is_waited_for_ten_seconds_too(post: Post, caplog: pytest.LogCaptureFixture) -> None:
    protects(post)
    lists(post)
    post.broker.trouble["listed"] = GuardianTrouble("inquire-ccnl: down")
    post.rounds(6)
    assert sold(post) == []
    assert f"{TICKER}: inquire-ccnl: down" in caplog.text
    post.rounds(1)
    assert sold(post) == [10]


@pytest.mark.parametrize("trouble", [True, False])
def test_a_list_that_comes_in_time_counts(post: Post, trouble: bool) -> None:
    protects(post, own=5)
    account(post, 11)
    if trouble:
        post.broker.trouble["listed"] = GuardianTrouble("down")
    post.rounds(4)
    post.broker.trouble.clear()
    lists(post, 6, 5)
    post.rounds(1)
    assert sold(post) == [6]


def test_what_a_list_once_said_goes_on_counting_where_the_next_one_cannot_be_had(post: Post) -> None:
    protects(post, own=5)
    lists(post, 6, 5)
    account(post, 11, 0)
    post.rounds(2)
    account(post, 11)
    post.rounds(1)
    assert sold(post) == [6]
    post.broker.trouble["listed"] = GuardianTrouble("down")
    post.rounds(45)
    assert all(qty == 6 for qty in sold(post))
    assert len(sold(post)) > 1


def test_an_old_file_goes_by_the_shares_alone(post: Post) -> None:
    path = post.state / "protect.json"
    document = json.loads(path.read_bytes().splitlines()[0]) | {"seq": 9}
    for entry in document["positions"]:
        del entry["orders"], entry["selling"]
    body = json.dumps(document).encode()
    digest = hmac.new(protection_key(post.state), body, "sha256").hexdigest().encode()
    path.write_bytes(body + b"\n" + digest + b"\n")
    post.rounds(2)
    assert (post.broker.lists, sold(post)) == (0, [10])


def test_shares_that_seem_to_be_the_owners_are_looked_up_now_and_then(post: Post) -> None:
    """The file says that twelve are the owner's; he has sold them, and later we hear of it."""
    protects(post, own=12)
    lists(post, 10, 12)
    account(post, 10)
    post.rounds(6)
    assert (post.broker.lists, sold(post)) == (1, [])
    lists(post, 10, 12, hand("sell", 12))
    post.rounds(1)
    assert (post.broker.lists, sold(post)) == (2, [10])


# -- a guardian that starts again ------------------------------------------------------------------------------------


def test_what_a_guardian_before_has_sold_is_subtracted_once(post: Post) -> None:
    """The holdings and the list both tell of its sale."""
    protects(post)
    lists(post)
    account(post, 10, 4)
    post.broker.fills = True
    post.rounds(4)
    assert (sold(post), post.broker.held) == ([4], 6)
    post.start()
    account(post, 6)
    post.rounds(2)
    assert sold(post) == [4, 6]


def test_fewer_protected_shares_in_a_newer_file_count_from_its_own_orders(post: Post) -> None:
    """The trader's last file, written while we took over, knows of a sale that the list shows too."""
    protects(post)
    post.rounds(1)
    held = position(6)
    post.protect(held, seq=3, orders={TICKER: {BOUGHT: 10, SOLD: 4}})
    lists(post, 10, 0, api("sell", 4))
    account(post, 6)
    post.rounds(1)
    assert sold(post) == [6]


# -- splits ----------------------------------------------------------------------------------------------------------


def test_a_purchase_that_nobody_has_booked_is_no_split(post: Post) -> None:
    protects(post)
    lists(post, 10, 0, api("buy", 10))
    account(post, 20)
    post.broker.last = 45.0
    post.rounds(2)
    assert ("split" in post.events, sold(post)) == (False, [10])


def test_a_split_beside_orders_that_nobody_has_booked_is_still_one(post: Post) -> None:
    """Four of ten were sold unseen; the six that are left became twelve."""
    protects(post)
    lists(post, 10, 0, api("sell", 4))
    account(post, 12)
    post.broker.last = 45.0
    post.rounds(4)
    assert (post.events.count("split"), sold(post)) == (1, [])


def test_a_split_is_seen_although_a_sale_is_in_flight_where_the_list_says_what_there_is(post: Post) -> None:
    protects(post, selling=4)
    lists(post)
    account(post, 20)
    post.broker.last = 45.0
    post.rounds(3)
    assert (post.events.count("split"), sold(post)) == (1, [])


def test_without_the_list_a_sale_in_flight_leaves_nothing_to_tell_a_split_by(post: Post) -> None:
    protects(post, selling=4)
    post.broker.trouble["listed"] = GuardianTrouble("down")
    account(post, 20)
    post.broker.last = 45.0
    post.rounds(12)
    assert "split" not in post.events
    assert sum(sold(post)) <= 10


def test_as_many_shares_as_there_should_be_need_no_look_at_the_list_for_a_split(post: Post) -> None:
    protects(post, own=5)
    lists(post, 10, 5)
    account(post, 15, 0)
    post.rounds(2)
    assert post.broker.lists == 0
    account(post, 16, 0)
    post.rounds(1)
    assert post.broker.lists == 1
