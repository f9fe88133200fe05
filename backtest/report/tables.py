"""Round trips in groups: by reason of the exit, hour of the entry, confidence, ticker and month."""

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec

from backtest.report.numbers import mean, percent
from backtest.result import Result, Trip
from core.rules.days import EASTERN
from core.rules.results import results

BIN = 10


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One group of round trips."""

    key: str
    trips: int
    wins: int
    win_rate_pct: float | None
    pnl_usd: Decimal
    pnl_krw: Decimal
    average_pct: float | None
    profit_factor: float | None


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """How often something happened."""

    key: str
    count: int


class Tables(msgspec.Struct, frozen=True, kw_only=True):
    """Hours and months are New York's; a round trip's month is that of its exit."""

    by_reason: tuple[Row, ...]
    by_hour: tuple[Row, ...]
    by_confidence: tuple[Row, ...]
    by_ticker: tuple[Row, ...]
    by_month: tuple[Row, ...]
    refused: tuple[Count, ...]
    events: tuple[Count, ...]


def tables(result: Result) -> Tables:
    """All tables; reasons and tickers come best first, hours, confidence and months in their order."""
    trips = result.trips
    return Tables(
        by_reason=_best_first(grouped(trips, lambda each: each.trip.reason)),
        by_hour=grouped(trips, lambda each: f"{each.trip.opened_at.astimezone(EASTERN):%H}:00"),
        by_confidence=grouped(trips, lambda each: bucket(each.confidence)),
        by_ticker=_best_first(grouped(trips, lambda each: each.trip.ticker)),
        by_month=grouped(trips, lambda each: f"{each.trip.closed_at.astimezone(EASTERN):%Y-%m}"),
        refused=_counts(result.refused),
        events=_counts(result.events),
    )


def bucket(confidence: float) -> str:
    """Ten points wide; the last one holds 100."""
    low = min(int(confidence // BIN) * BIN, 100 - BIN)
    return f"{low:02d}-{low + BIN}"


def grouped(trips: Sequence[Trip], key: Callable[[Trip], str]) -> tuple[Row, ...]:
    """Rows in the order of their keys."""
    groups: dict[str, list[Trip]] = {}
    for each in trips:
        groups.setdefault(key(each), []).append(each)
    return tuple(_row(name, groups[name]) for name in sorted(groups))


def _row(key: str, trips: Sequence[Trip]) -> Row:
    sums = results([each.trip for each in trips])
    return Row(
        key=key,
        trips=sums.trips,
        wins=sums.wins,
        win_rate_pct=percent(sums.wins, sums.trips),
        pnl_usd=sums.pnl_usd,
        pnl_krw=sums.pnl_krw,
        average_pct=mean([float(each.trip.pnl_pct) for each in trips]),
        profit_factor=None if sums.profit_factor is None else float(sums.profit_factor),
    )


def _best_first(rows: tuple[Row, ...]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.pnl_usd, row.key)))


def _counts(counts: dict[str, int]) -> tuple[Count, ...]:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(Count(key=key, count=count) for key, count in ordered)
