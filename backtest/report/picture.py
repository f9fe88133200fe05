"""The run as one picture for a chat: headline numbers, the curve in won, months or days, reasons, best and worst."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from backtest.report.metrics import Metrics
from backtest.report.tables import Row
from backtest.result import Result
from charts.cards import MAX_AMOUNTS, MAX_DAYS, Amount, Extras
from charts.equity import MAX_ROWS, ReportLabels, ReportSpec, RoundTrip, Stat, Tone
from charts.spec import IntArray, Theme

DASH = "–"
# the chart marks days at midnight UTC, which is the same date in its own zone, Seoul
MIDNIGHT = dt.time(tzinfo=dt.UTC)


def _reasons() -> Mapping[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class PictureWords:
    """Every word on the picture, English unless given. `reasons` names the purposes of sales; `more` takes {count}."""

    title: str = "Backtest"
    sessions: str = "{count} sessions"
    won_return: str = "Return"
    drawdown: str = "Max drawdown"
    win_rate: str = "Win rate"
    round_trips: str = "Round trips"
    profit_factor: str = "Profit factor"
    sharpe: str = "Sharpe"
    curve: str = "Result in won"
    tickers: str = "Best and worst tickers"
    months: str = "By month (US date)"
    days: str = "By day (US date)"
    by_reason: str = "By reason for selling"
    confidence: str = "By confidence"
    more: str = "{count} more"
    empty: str = "No trades"
    empty_hint: str = "Nothing was bought in this period."
    source: str = "A simulation on recorded prices; the past does not repeat."
    reasons: Mapping[str, str] = field(default_factory=_reasons)


# the reasons are called what the bot calls them (bot/views/words.py)
KOREAN = PictureWords(
    title="백테스트",
    sessions="{count}거래일",
    won_return="수익률",
    drawdown="최대 낙폭",
    win_rate="승률",
    round_trips="매매 건수",
    profit_factor="프로핏 팩터",
    sharpe="샤프 지수",
    curve="누적 손익(원)",
    tickers="가장 좋았던 종목과 나빴던 종목",
    months="월별 (미국 날짜)",
    days="일별 (미국 날짜)",
    by_reason="매도 사유별",
    confidence="신뢰도별",
    more="외 {count}건",
    empty="거래 없음",
    empty_hint="이 기간에는 매수가 없었어요.",
    source="과거 시세로 한 모의 결과예요. 미래 수익을 보장하지 않아요.",
    reasons={
        "STOP": "손절가 도달",
        "TREND_BROKEN": "추세 꺾임 감지",
        "SIGNAL_SELL": "매도 시그널",
        "COMMAND": "직접 매도",
        "PANIC": "긴급 전량 매도",
        "GUARD": "감시견 보호 매도",
        "MANUAL": "KIS 앱에서 직접 거래",
    },
)
ENGLISH = PictureWords(
    reasons={
        "STOP": "Stop price reached",
        "TREND_BROKEN": "Trend break detected",
        "SIGNAL_SELL": "Sell signal",
        "COMMAND": "Sold by hand",
        "PANIC": "Emergency liquidation",
        "GUARD": "Guardian's protective sell",
        "MANUAL": "Traded by hand in the KIS app",
    }
)


def picture(result: Result, metrics: Metrics, words: PictureWords = ENGLISH, *, theme: Theme = "dark") -> ReportSpec:
    """The picture as data; `charts.equity.render_report` or a `ChartWorker` draws it."""
    played = bool(result.days) and bool(result.filled or result.trips)
    at_ms = _instants(result) if played else np.empty(0, dtype=np.int64)
    curve = [0.0, *(float(day.equity_krw - result.cash_krw) for day in result.days)] if played else []
    return ReportSpec(
        title=words.title,
        date=f"{result.first} – {result.last} · {words.sessions.format(count=len(result.days))}",
        stats=_stats(metrics, words),
        at_ms=at_ms,
        pnl_krw=np.array(curve, dtype=np.float64),
        trips=_tickers(metrics.tables.by_ticker),
        extras=_extras(result, metrics, words) if played else Extras(),
        labels=ReportLabels(
            equity=words.curve,
            trips=words.tickers,
            more=words.more,
            empty=words.empty,
            empty_hint=words.empty_hint,
            source=words.source,
        ),
        theme=theme,
    )


def _stats(metrics: Metrics, words: PictureWords) -> tuple[Stat, ...]:
    equity, trips = metrics.equity, metrics.trips
    gained = equity.return_krw_pct
    tone: Tone = "neutral" if not gained else "up" if gained > 0 else "down"
    return (
        Stat(words.won_return, DASH if gained is None else f"{gained:+.2f}%", tone),
        Stat(words.drawdown, _number(equity.max_drawdown_pct, "%")),
        Stat(words.sharpe, _number(equity.sharpe)),
        Stat(words.round_trips, f"{trips.trips:,}"),
        Stat(words.win_rate, DASH if trips.win_rate_pct is None else f"{trips.win_rate_pct:.0f}%"),
        Stat(words.profit_factor, _number(trips.profit_factor)),
    )


def _number(value: float | None, unit: str = "") -> str:
    return DASH if value is None else f"{value:.2f}{unit}"


def _instants(result: Result) -> IntArray:
    """Midnight UTC of each session, and of the day before the first for the money at the start."""
    first = result.days[0].on - dt.timedelta(days=1)
    dates = [first, *(day.on for day in result.days)]
    return np.array([int(dt.datetime.combine(on, MIDNIGHT).timestamp() * 1000) for on in dates], dtype=np.int64)


def _tickers(rows: Sequence[Row]) -> tuple[RoundTrip, ...]:
    """The best and the worst, `MAX_ROWS` at most; rows come best first."""
    half = MAX_ROWS // 2
    kept = rows if len(rows) <= MAX_ROWS else (*rows[:half], *rows[-half:])
    return tuple(RoundTrip(row.key, float(row.pnl_krw), f"×{row.trips}") for row in kept)


def _extras(result: Result, metrics: Metrics, words: PictureWords) -> Extras:
    months = len(metrics.monthly) > 1
    bars = _months(result) if months else _days(result)
    reasons = metrics.tables.by_reason[:MAX_AMOUNTS]
    buckets = metrics.tables.by_confidence[-MAX_AMOUNTS:]
    return Extras(
        days=tuple(bars[-MAX_DAYS:]),
        reasons=tuple(Amount(words.reasons.get(r.key, r.key), float(r.pnl_krw), f"×{r.trips}") for r in reasons),
        held=tuple(Amount(r.key, float(r.pnl_krw), _won_share(r)) for r in buckets),
        days_title=words.months if months else words.days,
        reasons_title=words.by_reason,
        held_title=words.confidence,
    )


def _won_share(row: Row) -> str:
    return f"{row.wins}/{row.trips}"


def _days(result: Result) -> list[Amount]:
    before, found = float(result.cash_krw), []
    for day in result.days:
        found.append(Amount(f"{day.on:%m/%d}", float(day.equity_krw) - before))
        before = float(day.equity_krw)
    return found


def _months(result: Result) -> list[Amount]:
    ends: dict[str, float] = {}
    for day in result.days:
        ends[f"{day.on:%y/%m}"] = float(day.equity_krw)
    before, found = float(result.cash_krw), []
    for month, value in ends.items():
        found.append(Amount(month, value - before))
        before = value
    return found
