"""What is wrong with rows and with days; nothing here drops anything, it says why it should be."""

import datetime as dt
import functools
from collections.abc import Iterator

import msgspec
import numpy as np
import numpy.typing as npt

from backtest.data.day import BoolArray, DayBars, IntArray
from backtest.data.rows import Action, Finding, Kind, Rows, first_rows
from core.model.bar import LEAST, MINUTE_MS, MOST, MOST_TICKER
from core.model.session import MarketSession
from core.rules.days import EASTERN

FIRST_ON, LAST_ON = dt.date(1980, 1, 1), dt.date(2100, 1, 1)
PRE_OPEN, POST_CLOSE = dt.time(4), dt.time(20)
# so many bars on a coarser grid are chance once in 2^30 (see `minutes_apart`)
CHANCE_BITS = 30
# a ticker with bars in this part of the session's minutes is expected in all of them
STEADY_SHARE = 0.95
SPLIT_RATIOS = (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 40, 50, 100)
# how far an overnight ratio may be from a whole one; below 2 stand only 3:2 splits, which ordinary news imitates
SPLIT_TOLERANCE = 0.06
# under this part of bars in the regular hours, the times are probably an hour or more off
REGULAR_SHARE = 0.3


class Refusals:
    """Reasons in order; a row keeps the first."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.refused = np.zeros(len(rows), np.bool_)
        self._kinds: list[tuple[Kind, IntArray]] = []

    def add(self, kind: Kind, mask: BoolArray) -> None:
        """Rows that are refused for this unless they already are."""
        fresh = np.flatnonzero(mask & ~self.refused)
        if len(fresh):
            self._kinds.append((kind, fresh))
            self.refused |= mask

    def findings(self) -> Iterator[Finding]:
        """One per row."""
        for kind, positions in self._kinds:
            for i in positions.tolist():
                yield row_finding(self._rows, i, Action.REFUSED, kind)


def row_finding(rows: Rows, i: int, action: Action, kind: Kind, count: int = 1) -> Finding:
    """A row as a line of the report, with the values that matter to its kind."""
    text = ""
    if kind in {Kind.PRICES, Kind.CONFLICT}:
        text = f"o={rows.open[i]:g} h={rows.high[i]:g} l={rows.low[i]:g} c={rows.close[i]:g} v={rows.volume[i]:g}"
    elif kind in {Kind.VOLUME, Kind.FRACTIONAL}:
        text = f"v={rows.volume[i]!r}"
    ticker = rows.names[rows.code[i]]
    shown = ticker if ticker.isprintable() else repr(ticker)
    return Finding(int(rows.line[i]), action, kind, shown[: MOST_TICKER + 8], int(rows.start_ms[i]), count, text)


def is_ticker(name: str) -> bool:
    """The rule of `core.model.bar.Bar`."""
    return 0 < len(name) <= MOST_TICKER and name.isascii() and name.isprintable() and " " not in name


def refusals(rows: Rows) -> Refusals:
    """Rows that are no minute bar of the US market."""
    found = Refusals(rows)
    bad = np.fromiter((not is_ticker(name) for name in rows.names), np.bool_, len(rows.names))
    found.add(Kind.TICKER, bad[rows.code] if len(bad) else found.refused)
    start = rows.start_ms
    starts, opens, closes = day_edges()
    found.add(Kind.TIME, (start < starts[0]) | (start >= starts[-1]))
    found.add(Kind.OFF_MINUTE, start % MINUTE_MS != 0)
    # written so that NaN fails (core.model.bar)
    prices = (
        (rows.low >= LEAST)
        & (rows.low <= rows.open)
        & (rows.open <= rows.high)
        & (rows.low <= rows.close)
        & (rows.close <= rows.high)
        & (rows.high <= MOST)
    )
    found.add(Kind.PRICES, ~prices)
    found.add(Kind.VOLUME, ~((rows.volume == 0) | ((rows.volume >= LEAST) & (rows.volume <= MOST))))
    inside = np.where(found.refused, starts[0], start)
    day = np.searchsorted(starts, inside, side="right") - 1
    found.add(Kind.OUTSIDE_HOURS, (inside < opens[day]) | (inside >= closes[day]))
    return found


def flags(rows: Rows) -> list[Finding]:
    """What is odd but kept, one finding per ticker; rows of one chunk in the order of the file."""
    found = []
    by_ticker = np.argsort(rows.code, kind="stable")
    code, start = rows.code[by_ticker], rows.start_ms[by_ticker]
    back = np.zeros(len(rows), np.bool_)
    back[1:] = (code[1:] == code[:-1]) & (start[1:] < start[:-1])
    marks = ((Kind.OUT_OF_ORDER, by_ticker[back]), (Kind.FRACTIONAL, np.flatnonzero(rows.volume % 1 != 0)))
    for kind, positions in marks:
        if not len(positions):
            continue
        first, count = first_rows(rows.code[positions])
        for i, n in zip(positions[first].tolist(), count.tolist(), strict=True):
            found.append(row_finding(rows, i, Action.FLAGGED, kind, n))
    return found


@functools.cache
def day_edges() -> tuple[IntArray, IntArray, IntArray]:
    """Midnight, 04:00 and 20:00 in New York of every date we can meet, in epoch milliseconds; the last is the end."""
    days = [FIRST_ON + dt.timedelta(days=i) for i in range((LAST_ON - FIRST_ON).days + 1)]

    def instants(at: dt.time) -> IntArray:
        return np.array([int(dt.datetime.combine(on, at, EASTERN).timestamp()) * 1000 for on in days], np.int64)

    return instants(dt.time()), instants(PRE_OPEN), instants(POST_CLOSE)


def days_of(start_ms: IntArray) -> IntArray:
    """Days since FIRST_ON in New York."""
    return np.searchsorted(day_edges()[0], start_ms, side="right") - 1


def date_of(day: int) -> dt.date:
    """The date of a number of `days_of`."""
    return FIRST_ON + dt.timedelta(days=day)


def minutes_apart(start_ms: IntArray) -> int:
    """The grid of one day's bars in minutes where it is surely coarser than one, else 1.

    Bars at n random minutes all lie on a grid of g minutes with a chance of g^-(n-1).
    """
    minutes = np.unique(start_ms) // MINUTE_MS
    if len(minutes) < 2:
        return 1
    grid = int(np.gcd.reduce(minutes[1:] - minutes[0]))
    return grid if grid > 1 and (len(minutes) - 1) * np.log2(grid) >= CHANCE_BITS else 1


# -- whole days ------------------------------------------------------------------------------------


class DayFlag(msgspec.Struct, frozen=True):
    """Something suspicious about a day as a whole, or about one ticker of it."""

    kind: str
    ticker: str
    start_ms: int | None
    text: str


def day_flags(day: DayBars, session: MarketSession | None, known: bool, before: dict[str, float]) -> list[DayFlag]:
    """What is suspicious about a day, `known` saying whether the calendar covers it.

    `before` has the last price of each ticker on the stored day before.
    """
    found: list[DayFlag] = []
    if known and session is None:
        found.append(DayFlag("no_session", "", None, f"the exchange was closed on {day.on}"))
    if session is not None:
        found += _gaps(day, session)
        regular = _regular(day, session)
        if len(day) >= 100 and np.count_nonzero(regular) < REGULAR_SHARE * len(day):
            share = np.count_nonzero(regular) / len(day)
            text = f"only {share:.0%} of the bars are in the regular hours: is the time zone right?"
            found.append(DayFlag("hours", "", None, text))
    return [*found, *_splits(day, before)]


def _regular(day: DayBars, session: MarketSession) -> BoolArray:
    opens, closes = (int(at.timestamp() * 1000) for at in (session.open_at, session.close_at))
    return (day.start_ms >= opens) & (day.start_ms < closes)


def _gaps(day: DayBars, session: MarketSession) -> Iterator[DayFlag]:
    """Minutes without a bar inside the regular session, of tickers that have one in nearly all others."""
    opens, closes = (int(at.timestamp() * 1000) for at in (session.open_at, session.close_at))
    length = (closes - opens) // MINUTE_MS
    regular = _regular(day, session)
    there = np.zeros((len(day.tickers), length), np.bool_)
    there[day.ticker[regular], (day.start_ms[regular] - opens) // MINUTE_MS] = True
    counts = there.sum(axis=1)
    for t in np.flatnonzero((counts >= STEADY_SHARE * length) & (counts < length)).tolist():
        absent = np.flatnonzero(~there[t])
        runs = np.split(absent, np.flatnonzero(np.diff(absent) > 1) + 1)
        for run in runs:
            minutes = "1 minute is" if len(run) == 1 else f"{len(run)} minutes are"
            yield DayFlag("gap", day.tickers[t], opens + int(run[0]) * MINUTE_MS, f"{minutes} missing")


def _splits(day: DayBars, before: dict[str, float]) -> Iterator[DayFlag]:
    """First prices that are a whole multiple or fraction of the last ones of the day before."""
    if not before or not len(day):
        return
    first, _ = first_rows(day.ticker)
    for t, i in zip(day.ticker[first].tolist(), first.tolist(), strict=True):
        last = before.get(day.tickers[t])
        if last is None:
            continue
        ratio = float(day.open[i]) / last
        if whole := near_ratio(ratio):
            found = f"1:{whole}" if ratio > 1 else f"{whole}:1"
            text = f"opens at {day.open[i]:g} after {last:g}: a {found} split?"
            yield DayFlag("split", day.tickers[t], int(day.start_ms[i]), text)


def near_ratio(ratio: float) -> int:
    """The whole number that a price ratio or its inverse is near, else 0."""
    size = max(ratio, 1 / ratio)
    return next((k for k in SPLIT_RATIOS if abs(size / k - 1) <= SPLIT_TOLERANCE), 0)


def last_prices(day: DayBars) -> dict[str, float]:
    """Each ticker's last close of a day."""
    if not len(day):
        return {}
    reverse: npt.NDArray[np.int32] = day.ticker[::-1]
    first, _ = first_rows(reverse)
    closes = day.close[::-1]
    return {day.tickers[t]: float(closes[i]) for t, i in zip(reverse[first].tolist(), first.tolist(), strict=True)}
