"""Periods, sessions with their results, fills with their round trips, settlement dates, and cells of a spreadsheet."""

import datetime as dt
from decimal import Decimal
from zoneinfo import ZoneInfo

import msgspec
import pytest
from bot_samples import NOW, trip

from bot.reporting import EPOCH, bounds, by_day, grouped, latest_session, settles_on, span_bounds, tax_estimate
from bot.views.export import cell, table
from core.model.order import Side
from core.model.params import TaxParams
from core.model.session import MarketSession
from ports.clock import CalendarRange
from ports.store import TradeRow

ET = ZoneInfo("America/New_York")
D = Decimal
HOUR = dt.timedelta(hours=1)
THANKSGIVING = dt.date(2026, 11, 26)


class Weekdays:
    """Sessions on weekdays but for one holiday, known for one year only."""

    def session_on(self, on: dt.date) -> MarketSession | None:
        if on.year != 2026:
            raise CalendarRange(str(on))
        if on.weekday() >= 5 or on == THANKSGIVING:
            return None

        def at(hour):
            return dt.datetime(on.year, on.month, on.day, hour, tzinfo=ET).astimezone(dt.UTC)

        return MarketSession(on=on, pre_open_at=at(4), open_at=at(10), close_at=at(16), post_close_at=at(20))

    def current_or_next(self, at: dt.datetime) -> MarketSession:
        raise NotImplementedError

    def previous(self, at: dt.datetime) -> MarketSession:
        raise NotImplementedError


CALENDAR = Weekdays()
FRIDAY = CALENDAR.session_on(dt.date(2026, 11, 20))
assert FRIDAY is not None


def row(side: Side, at: dt.datetime, rate: str | None = "1400", **changes) -> TradeRow:
    values = {
        "key": f"{side}{at}",
        "ticker": "NVDA",
        "side": side,
        "quantity": 1,
        "price": D(100),
        "total_amount": D(100),
        "signal_type": "BUY",
        "created_at": at,
        "usd": D(100),
        "fee_usd": D(0),
        "krw_per_usd": None if rate is None else D(rate),
    }
    return TradeRow(**(values | changes))


def test_a_week_has_its_sessions_and_nothing_else():
    made = [trip(at=NOW), trip("AMD", -50_000, at=NOW), trip("TSLA", 7, at=NOW - dt.timedelta(days=3))]
    days = by_day(made, *bounds(FRIDAY, "week"), CALENDAR)
    assert [on.day for on, _ in days] == [16, 17, 18, 19, 20]
    assert [won for _, won in days] == [0, 7, 0, 0, 267_200]


def test_a_month_over_a_daylight_saving_switch_has_thirty_days():
    days = by_day([], *bounds(FRIDAY, "month"), CALENDAR)
    assert days[0][0] == dt.date(2026, 10, 22)
    assert days[-1][0] == FRIDAY.on


def test_a_year_begins_with_its_first_day_and_all_with_everything():
    assert span_bounds(FRIDAY, "year")[0] == dt.datetime(2026, 1, 1, tzinfo=ET)
    assert span_bounds(FRIDAY, "all")[0] == EPOCH
    assert span_bounds(FRIDAY, "week") == bounds(FRIDAY, "week")


def test_two_round_trips_of_a_ticker_keep_their_own_fills():
    first = msgspec.structs.replace(trip(at=NOW - 5 * HOUR), opened_at=NOW - 6 * HOUR)
    second = msgspec.structs.replace(trip(at=NOW - HOUR), opened_at=NOW - 2 * HOUR)
    fills = [row(Side.BUY, NOW - hours * HOUR) for hours in (6, 5, 2, 1, 0)]
    groups = grouped(fills, [first, second])
    assert [(group.trip, len(group.fills)) for group in groups] == [(None, 1), (second, 2), (first, 2)]


@pytest.mark.parametrize(
    ("traded", "days", "settled"),
    [
        ((2026, 11, 20), 1, (2026, 11, 23)),
        ((2026, 11, 25), 1, (2026, 11, 27)),
        ((2026, 11, 25), 0, (2026, 11, 25)),
        ((2026, 12, 31), 1, (2027, 1, 1)),
        ((2019, 3, 1), 2, (2019, 3, 5)),
    ],
    ids=["over the weekend", "over a holiday", "same day", "beyond the calendar", "before the calendar"],
)
def test_settlement_counts_trading_days(traded, days, settled):
    at = dt.datetime(*traded, 15, tzinfo=dt.UTC)
    assert settles_on(at, days, CALENDAR) == dt.date(*settled)


def test_the_settlement_dates_rate_is_used_where_something_was_filled_on_it():
    """Bought Thursday at 1,400, settles Friday, when the rate was 1,410; sold Friday, settles Monday at an unknown rate."""
    fills = [row(Side.BUY, NOW - dt.timedelta(days=1)), row(Side.SELL, NOW, "1410", usd=D(200))]
    (sale,) = tax_estimate(fills, 2026, TaxParams(), CALENDAR).sales
    assert (sale.cost_krw, sale.proceeds_krw, sale.estimated) == (141_000, 282_000, True)
    later = row(Side.BUY, NOW + dt.timedelta(days=3), "1420")
    (sale,) = tax_estimate([*fills, later], 2026, TaxParams(), CALENDAR).sales
    assert (sale.cost_krw, sale.proceeds_krw, sale.estimated) == (141_000, 284_000, False)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1"])
def test_outside_text_never_becomes_a_formula(text):
    assert cell(text) == f"'{text}"


def test_numbers_stay_numbers_and_instants_are_korean_with_seconds():
    assert cell(D("-1234.50")) == "-1234.50"
    assert cell(D("1E+6")) == "1000000"
    assert cell(7) == "7"
    assert cell(None) == ""
    assert cell("BRK.B") == "BRK.B"
    assert cell(NOW) == "2026-11-21 00:31:00"
    assert cell(NOW.date()) == "2026-11-20"


def test_a_file_begins_with_the_mark_and_quotes_what_needs_it():
    assert table(["이름"], [['a"b,c']]) == b"\xef\xbb\xbf" + '이름\r\n"a""b,c"\r\n'.encode()


def test_the_latest_session_is_the_running_one():
    class Running(Weekdays):
        def current_or_next(self, at):
            return FRIDAY

        def previous(self, at):
            return CALENDAR.session_on(dt.date(2026, 11, 19))

    assert latest_session(Running(), FRIDAY.pre_open_at) is FRIDAY
    assert latest_session(Running(), FRIDAY.pre_open_at - HOUR).on.day == 19
