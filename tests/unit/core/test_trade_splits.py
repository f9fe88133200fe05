"""A split that is known: neither a fall nor a gain, until the account shows the new shares."""

import datetime as dt
from decimal import Decimal
from fractions import Fraction

import pytest

from core.model.commands import Sell, Settle
from core.model.instrument import Split
from core.model.messages import EventKind
from core.model.order import Side
from core.model.signal import TrendState
from core.rules.days import us_date
from core.rules.shares import Own, moves_price, split_into
from core.stages.trade.gaps import pending_split
from core.stages.trade.inputs import SplitsTold
from core.stages.trade.outcome import Protect
from tests.unit.core.builders import TICKER
from tests.unit.core.harness import World

D = Decimal


def next_day(world: World) -> None:
    world.at += dt.timedelta(hours=21)
    world.stage.book.at = world.at


def tell(world: World, new: float, old: float, *, on: dt.date | None = None) -> None:
    on = on or us_date(world.at)
    splits = (Split(ticker=TICKER, on=on, new=new, old=old), Split(ticker="OTHER", on=on, new=2, old=1))
    world.tell(SplitsTold(at=world.at, on=on, splits=splits))


def split(world: World, new: int, old: int, price: str) -> int:
    """The morning of a known split: the price is new already, the account is not. Returns the shares before it."""
    ours = world.held()
    next_day(world)
    tell(world, new, old)
    world.move(price)
    return ours


@pytest.mark.parametrize(("new", "old", "price"), [(5, 4, "80.00"), (3, 2, "66.70"), (2, 1, "50.00"), (10, 1, "10.00")])
def test_a_known_split_is_no_fall_to_the_stop_however_long_the_account_takes(
    holding: World, new: int, old: int, price: str
) -> None:
    ours = split(holding, new, old, price)
    holding.run(600, every=10)
    assert not holding.broker.sent(Side.SELL)
    assert holding.held() == ours
    (told,) = holding.events(EventKind.FROZEN)
    assert (told["reason"], told["held"], told["expected"]) == ("known_split", ours, ours * new // old)


@pytest.mark.parametrize(("new", "old", "price"), [(1, 2, "200.00"), (1, 10, "1000.00")])
def test_a_known_reverse_split_takes_no_profit(holding: World, new: int, old: int, price: str) -> None:
    holding.trend = TrendState.BROKEN
    split(holding, new, old, price)
    holding.run(120)
    assert not holding.asked, "old shares at the price of new ones are no gain"
    assert not holding.broker.sent(Side.SELL)
    assert not holding.events(EventKind.HOLDING_WINNER)


def test_a_trend_that_was_asked_for_before_the_split_sells_nothing_after_it(holding: World) -> None:
    holding.move("140.00")
    holding.run(4)
    question = holding.asked[-1]
    split(holding, 1, 2, "280.00")
    for state in (TrendState.INTACT, TrendState.BROKEN):
        holding.book.trend_question[TICKER] = question.question_id
        holding.answer(question, state)
    assert not holding.broker.sent(Side.SELL)
    assert not holding.events(EventKind.HOLDING_WINNER)


@pytest.mark.parametrize(
    ("new", "old", "price", "stop", "target"),
    [(5, 4, "80.00", "68", "104"), (2, 1, "50.00", "42.5", "65"), (1, 2, "200.00", "170", "260")],
)
def test_the_new_shares_in_the_account_convert_the_stop_which_guards_again(
    holding: World, new: int, old: int, price: str, stop: str, target: str
) -> None:
    ours = split(holding, new, old, price)
    holding.run(60)
    paid = holding.book.positions[TICKER].cost_usd
    holding.broker.shares[TICKER] = ours * new // old
    holding.run(50)
    assert holding.book.positions[TICKER].frozen == "split", "a few readings prove nothing yet"
    holding.run(30)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.frozen, position.cost_usd) == (ours * new // old, "", paid)
    assert (position.stop_price, position.target_price) == (D(stop), D(target))
    assert holding.book.counted(TICKER).qty == 0
    (told,) = holding.events(EventKind.UNFROZEN)
    assert (told["qty"], D(str(told["stop_price"]))) == (position.qty, D(stop))
    tell(holding, new, old)
    assert len(holding.events(EventKind.FROZEN)) == 1, "it is counted by now"
    holding.move(str(D(stop) - 1))
    holding.run(30)
    assert holding.held() == 0
    assert holding.broker.shares[TICKER] == 0


@pytest.mark.parametrize(("new", "old"), [(10, 1), (1, 4)])
def test_new_shares_before_the_first_new_price_are_neither_a_gain_nor_a_fall(
    holding: World, new: int, old: int
) -> None:
    """The paper account counts at once; the last price is still one of old shares then."""
    ours = holding.held()
    holding.trend = TrendState.BROKEN
    next_day(holding)
    tell(holding, new, old)
    holding.broker.shares[TICKER] = ours * new // old
    holding.prices = lambda: None  # type: ignore[method-assign]
    holding.run(200, every=10)
    position = holding.book.positions[TICKER]
    assert (position.frozen, position.qty) == ("", ours * new // old)
    assert position.last_price == D(100) * old / new
    assert not holding.broker.sent(Side.SELL)
    assert not holding.asked


def test_a_split_of_days_before_that_is_heard_of_late_is_counted_all_the_same(holding: World) -> None:
    ours = holding.held()
    for _ in range(3):
        next_day(holding)
    holding.broker.shares[TICKER] = 2 * ours
    holding.move("50.00")
    tell(holding, 2, 1, on=us_date(holding.at) - dt.timedelta(days=2))
    holding.run(90)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.frozen, position.stop_price) == (2 * ours, "", D("42.5"))
    assert not holding.broker.sent(Side.SELL)


def test_what_is_bought_on_the_day_of_the_split_is_guarded_as_always(auto: World) -> None:
    tell(auto, 5, 4)
    auto.bought_position()
    tell(auto, 5, 4)
    assert not auto.events(EventKind.FROZEN)
    auto.move("84.00")
    auto.run(30)
    assert auto.held() == 0


def test_a_split_that_hardly_moves_the_price_changes_nothing(holding: World) -> None:
    split(holding, 21, 20, "84.00")
    holding.run(30)
    assert not holding.events(EventKind.FROZEN)
    assert holding.held() == 0


def test_it_survives_a_restart_and_days_without_a_word(holding: World) -> None:
    ours = split(holding, 5, 4, "80.00")
    holding.restart()
    holding.run(120)
    next_day(holding)
    holding.tell(SplitsTold(at=holding.at, on=us_date(holding.at), splits=()))
    holding.restart()
    holding.run(120)
    assert not holding.broker.sent(Side.SELL)
    holding.broker.shares[TICKER] = ours * 5 // 4
    holding.run(90)
    assert holding.book.positions[TICKER].stop_price == D(68)
    assert len(holding.events(EventKind.FROZEN)) == 1


def test_the_same_told_again_writes_nothing(holding: World) -> None:
    split(holding, 5, 4, "80.00")
    commits = holding.journal.commits
    tell(holding, 5, 4)
    assert holding.journal.commits == commits


def test_a_split_that_the_vendor_takes_back_holds_nothing_back(holding: World) -> None:
    split(holding, 5, 4, "80.00")
    holding.tell(SplitsTold(at=holding.at, on=us_date(holding.at), splits=()))
    holding.run(60)
    assert holding.events(EventKind.UNFROZEN)
    assert holding.held() == 0


def test_a_split_of_tomorrow_does_not_count_today(holding: World) -> None:
    next_day(holding)
    tell(holding, 5, 4, on=us_date(holding.at) + dt.timedelta(days=1))
    assert not holding.events(EventKind.FROZEN)


def test_the_guardian_is_told_in_the_same_step(holding: World) -> None:
    next_day(holding)
    on = us_date(holding.at)
    told = SplitsTold(at=holding.at, on=on, splits=(Split(ticker=TICKER, on=on, new=5, old=4),))
    assert Protect() in holding.stage.handle(told).actions


def test_a_stop_that_waited_over_night_is_called_off(holding: World) -> None:
    holding.market_open = False
    holding.move("84.00")
    holding.run(10)
    assert TICKER in holding.book.exits
    split(holding, 5, 4, "80.00")
    holding.market_open = True
    holding.run(60)
    assert TICKER not in holding.book.exits
    assert not holding.broker.sent(Side.SELL)


def test_shares_that_were_credited_before_the_date_are_ours_and_not_the_owners(holding: World) -> None:
    ours = holding.held()
    holding.broker.shares[TICKER] = ours * 5 // 4
    holding.run(120)
    assert holding.book.counted(TICKER).qty == ours // 4
    split(holding, 5, 4, "80.00")
    holding.run(120)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty, position.stop_price) == (ours * 5 // 4, 0, D(68))
    assert holding.book.counted(TICKER) == Own()


def test_the_owners_own_shares_are_split_and_stay_the_owners(holding: World) -> None:
    ours = holding.held()
    holding.broker.by_hand(Side.BUY, 4, holding.at)
    holding.run(10)
    split(holding, 5, 4, "80.00")
    holding.broker.shares[TICKER] = (ours + 4) * 5 // 4
    holding.run(120)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.own_qty) == (ours * 5 // 4, (ours + 4) * 5 // 4 - ours * 5 // 4)


def test_a_count_that_is_not_the_splits_is_left_to_a_person(holding: World) -> None:
    ours = split(holding, 5, 4, "80.00")
    holding.broker.shares[TICKER] = ours - 1
    holding.run(180)
    assert holding.book.positions[TICKER].frozen == "split"
    assert not holding.broker.sent(Side.SELL)
    holding.command(Settle(by="owner", ticker=TICKER))
    holding.run(60)
    assert holding.held() == 0, "there was no split: the old stop counts"


def test_where_the_count_can_not_tell_the_button_converts_the_stop(holding: World) -> None:
    holding.command(Sell(by="owner", ticker=TICKER, percent=50))
    holding.run(30)
    while holding.held() > 3:
        holding.broker.by_hand(Side.SELL, 1, holding.at)
        holding.run(10)
    sold = len(holding.broker.sent(Side.SELL))
    split(holding, 5, 4, "80.00")
    holding.run(120)
    assert holding.book.positions[TICKER].frozen == "split"
    holding.command(Settle(by="owner", ticker=TICKER))
    position = holding.book.positions[TICKER]
    assert (position.qty, position.frozen, position.stop_price) == (3, "", D(68))
    holding.run(60)
    assert len(holding.broker.sent(Side.SELL)) == sold


def test_a_sale_that_a_person_asks_for_goes_on_with_the_new_shares(holding: World) -> None:
    ours = split(holding, 5, 4, "80.00")
    holding.broker.shares[TICKER] = ours * 5 // 4
    holding.run(4)
    holding.command(Sell(by="owner", ticker=TICKER, percent=100))
    holding.run(60)
    assert (holding.held(), holding.broker.shares[TICKER]) == (0, 0)


def test_a_card_by_size_is_closed_when_the_split_turns_out_to_be_known(holding: World) -> None:
    ours = holding.held()
    next_day(holding)
    holding.move("50.00")
    holding.broker.shares[TICKER] = 2 * ours
    holding.run(30)
    assert [e["reason"] for e in holding.events(EventKind.FROZEN)] == ["split"]
    tell(holding, 2, 1)
    holding.run(90)
    position = holding.book.positions[TICKER]
    assert (position.qty, position.frozen, position.stop_price) == (2 * ours, "", D("42.5"))


def test_what_a_person_has_settled_already_is_not_asked_again(holding: World) -> None:
    ours = holding.held()
    next_day(holding)
    holding.move("50.00")
    holding.broker.shares[TICKER] = 2 * ours
    holding.run(30)
    holding.command(Settle(by="owner", ticker=TICKER))
    tell(holding, 2, 1)
    assert pending_split(holding.book, holding.book.positions[TICKER]) is None
    assert holding.book.positions[TICKER].frozen == ""


@pytest.mark.parametrize(
    ("ratio", "moves"),
    [("5/4", True), ("11/10", False), ("10/9", True), ("9/10", True), ("10/11", True), ("11/12", False), ("1", False)],
)
def test_only_a_split_that_moves_the_price_by_a_tenth_is_held_back(ratio: str, moves: bool) -> None:
    assert moves_price(Fraction(ratio)) is moves


@pytest.mark.parametrize(
    ("before", "held", "ratio", "fits"),
    [(10, 12, "5/4", True), (10, 13, "5/4", True), (10, 14, "5/4", False), (10, 10, "5/4", False), (3, 3, "5/4", True),
     (15, 1, "1/10", True), (15, 2, "1/10", True), (15, 3, "1/10", False), (5, 0, "1/10", False)],
)  # fmt: skip
def test_what_does_not_divide_is_paid_out_or_rounded_up(before: int, held: int, ratio: str, fits: bool) -> None:
    assert split_into(before, held, Fraction(ratio)) is fits
