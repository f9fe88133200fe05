"""Tranches, limit prices, costs and the exit decision."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from core.model.bar import Bar
from core.model.instrument import Instrument
from core.model.money import krw_to_usd, price
from core.model.order import Side
from core.model.quote import Quote
from core.model.signal import TrendState
from core.rules.costs import fee_usd, realized
from core.rules.exit import ExitDecision, decide_exit
from core.rules.pricing import EXIT_LADDER_PCT, entry_limit, exit_limit, round_limit, stop_and_target, tick
from core.rules.tranches import planned_schedule, tranche_qty
from tests.unit.core.builders import NOON, position, quote, request

D = Decimal


def test_a_143_dollar_stock_gets_six_shares_of_a_million_won_instead_of_none() -> None:
    budget = krw_to_usd(D(1_000_000), D(1000))
    schedule = planned_schedule(budget, 10, D(143))
    assert sum(schedule) == 6
    assert max(schedule) == 1
    assert schedule[0] == 0, "the first tenth buys nothing and is carried over"


def test_a_cheap_stock_is_bought_evenly() -> None:
    assert planned_schedule(D(1000), 10, D("10.00")) == (10,) * 10


def test_what_was_spent_is_taken_off() -> None:
    assert tranche_qty(D(1000), 10, 5, D(500), D(10)) == 0
    assert tranche_qty(D(1000), 10, 5, D(499), D(1)) == 1
    assert tranche_qty(D(1000), 10, 5, D(900), D(1)) == 0


@pytest.mark.parametrize("tranche", [0, 11])
def test_there_is_no_such_tranche(tranche: int) -> None:
    with pytest.raises(ValueError, match="tranche"):
        tranche_qty(D(1000), 10, tranche, D(0), D(1))


@pytest.mark.parametrize(
    ("value", "side", "limit"),
    [
        ("10.001", Side.BUY, "10.01"),
        ("10.009", Side.SELL, "10.00"),
        ("1.00", Side.BUY, "1.00"),
        ("0.99999", Side.BUY, "1.0000"),
        ("0.12341", Side.BUY, "0.1235"),
        ("0.12349", Side.SELL, "0.1234"),
        ("0.00001", Side.SELL, "0.0001"),
    ],
)
def test_limits_are_on_kis_grid_and_stay_marketable(value: str, side: Side, limit: str) -> None:
    assert round_limit(D(value), side) == D(limit)


def test_two_decimals_from_one_dollar_up_four_below() -> None:
    assert (tick(D("1.00")), tick(D("0.9999"))) == (D("0.01"), D("0.0001"))


def entry(ask: str, reference: str) -> Decimal | None:
    return entry_limit(D(ask), D(reference), slippage_pct=D("0.5"), collar_pct=D(2))


def test_an_entry_pays_a_little_above_the_ask() -> None:
    assert entry("100.00", "100.00") == D("100.50")


def test_an_entry_never_pays_more_than_the_collar() -> None:
    assert entry("101.99", "100.00") == D("102.00")
    assert entry("102.00", "100.00") == D("102.00")
    assert entry("102.01", "100.00") is None


def test_rounding_up_does_not_leave_the_collar() -> None:
    limit = entry("2.05", "2.02")
    assert limit is not None
    assert limit <= D("2.02") * D("1.02")


def test_the_exit_ladder_goes_down_and_its_last_step_repeats() -> None:
    limits = [exit_limit(D("200.00"), step) for step in range(8)]
    assert limits[:3] == [D("199.00"), D("198.00"), D("196.00")]
    assert limits == sorted(limits, reverse=True)
    assert limits[-1] == limits[len(EXIT_LADDER_PCT) - 1] == D("180.00")


def test_stop_and_target_of_the_card() -> None:
    assert stop_and_target(D("143.20"), -15.0, 30.0) == (D("121.72"), D("186.16"))
    assert stop_and_target(D("0.5000"), -15.0, 30.0) == (D("0.4250"), D("0.6500"))


def test_fees() -> None:
    assert fee_usd(D(1000), Side.BUY, 0.25) == D("2.50")
    assert fee_usd(D(100_000), Side.SELL, 0.25) == D("252.78")


def test_a_result_has_both_currencies_fees_and_the_fx_part() -> None:
    pnl = realized(
        qty=10, sold_usd=D(1100), cost_usd=D(1000), fees_usd=D(5), cost_krw=D(1_300_000), krw_per_usd=D(1400)
    )
    assert pnl == (D("95.00"), D(1095 * 1400 - 1_300_000), D("10.0"))
    with pytest.raises(ValueError, match="shares"):
        realized(qty=0, sold_usd=D(1), cost_usd=D(1), fees_usd=D(0), cost_krw=D(1), krw_per_usd=D(1))


@pytest.mark.parametrize(
    ("last", "below_s", "trend", "decision"),
    [
        ("85.01", 5, None, ExitDecision.HOLD),
        ("85.00", None, None, ExitDecision.SUSPECT_STOP),
        ("85.00", 0, None, ExitDecision.SUSPECT_STOP),
        ("85.00", 0.999, None, ExitDecision.SUSPECT_STOP),
        ("85.00", 1, None, ExitDecision.STOP),
        ("10.00", 1, TrendState.INTACT, ExitDecision.STOP),
        ("129.99", None, None, ExitDecision.HOLD),
        ("130.00", None, None, ExitDecision.ASK_TREND),
        ("130.00", None, TrendState.INTACT, ExitDecision.HOLD),
        ("130.00", None, TrendState.BROKEN, ExitDecision.TREND_BROKEN),
        ("130.00", None, TrendState.UNKNOWN, ExitDecision.TREND_BROKEN),
    ],
)
def test_exit_decisions(last: str, below_s: float | None, trend: TrendState | None, decision: ExitDecision) -> None:
    below_for = None if below_s is None else dt.timedelta(seconds=below_s)
    assert decide_exit(position(), D(last), below_for=below_for, trend=trend) is decision


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", float("nan")])
def test_a_price_is_a_positive_number(value: str | float) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        price(value)


@pytest.mark.parametrize(
    ("qty", "limit"), [(0, "1.00"), (-1, "1.00"), (1, "0"), (1, "NaN"), (1, "1.001"), (1, "0.12345")]
)
def test_a_nonsense_order_is_refused_at_birth(qty: int, limit: str) -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        request(qty=qty, limit=limit)


@pytest.mark.parametrize(
    "values",
    [
        ("", 1, 1, 1, 1, 1, 1),
        ("A", 0, 1, 1, 1, 1, 1),
        ("A", 1, 2, 1, 1, 1, 1),
        ("A", 1, 1, 1, 1, 2, 1),
        ("A", 1, 0, 1, 0, 1, 1),
        ("A", 1, 1, float("inf"), 1, 1, 1),
        ("A", 1, float("nan"), 1, 1, 1, 1),
        ("A", 1, 1, 1, 1, 1, -1),
        ("A", 1, 1, 1, 1, 1, float("nan")),
    ],
)
def test_an_impossible_bar_is_refused_at_birth(values: tuple[object, ...]) -> None:
    with pytest.raises(ValueError):
        Bar(*values)


def test_other_nouns_refuse_nonsense() -> None:
    with pytest.raises(ValueError, match="quote"):
        Quote(ticker="A", last=D(0), at=NOON)
    with pytest.raises(ValueError, match="ticker"):
        Instrument(ticker="", name="x")
    with pytest.raises(ValueError, match="positive"):
        Instrument(ticker="A", name="x", shares_outstanding=0)
    with pytest.raises(ValueError, match="long"):
        msgspec.structs.replace(position(), qty=-1)


def test_bid_and_ask_are_preferred_to_the_last_price() -> None:
    spread = msgspec.structs.replace(quote(), bid=D(99), ask=D(101))
    assert (spread.sell_reference, spread.buy_reference) == (99, 101)
    assert quote().sell_reference == quote().buy_reference == 100


def test_a_limit_at_the_ceiling_is_rounded_down_never_to_the_nearest() -> None:
    assert entry("2.33", "2.30") == D("2.34"), "the ceiling is 2.346"


def test_the_ceiling_of_the_cheapest_stock_is_one_step() -> None:
    assert entry("0.00005", "0.00005") == D("0.0001")


def test_an_entry_below_a_dollar_is_on_the_fine_grid() -> None:
    assert entry("0.5000", "0.5000") == D("0.5025")
    assert entry("0.5099", "0.5000") == D("0.5100")


def test_a_sale_at_a_ladder_step_is_rounded_down() -> None:
    assert exit_limit(D("10.01"), 0) == D("9.95"), "9.95995 rounds down"
    assert [exit_limit(D(100), step) for step in range(6)] == [D(n) for n in ("99.5", "99", "98", "96", "93", "90")]


@pytest.mark.parametrize(("tranche", "qty"), [(1, 10), (10, 100)])
def test_the_first_and_the_last_tranche_exist(tranche: int, qty: int) -> None:
    assert tranche_qty(D(1000), 10, tranche, D(0), D(10)) == qty


def test_a_tranche_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"^tranche 11 of 10$"):
        tranche_qty(D(1000), 10, 11, D(0), D(1))


def test_what_is_left_for_a_tranche_may_be_less_than_a_dollar() -> None:
    assert tranche_qty(D(10), 10, 1, D("0.50"), D("0.25")) == 2
    assert tranche_qty(D(10), 10, 1, D("0.99"), D("0.01")) == 1
    assert tranche_qty(D(10), 10, 1, D(1), D("0.01")) == 0


def test_an_entry_between_two_steps_is_rounded_up() -> None:
    assert entry("100.01", "100.00") == D("100.52"), "100.51005 rounds up"
