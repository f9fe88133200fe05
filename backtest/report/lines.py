"""The figures as lines with label and definition: terminal, HTML and docs/backtest.md say the same."""

import datetime as dt
from decimal import Decimal
from typing import Literal

import msgspec

from backtest.report.metrics import Metrics

DASH = "–"
Unit = Literal["%", "+%", "USD", "+USD", "KRW", "+KRW", "", "count", "days", "minutes", "date"]
Value = int | float | Decimal | dt.date | None


class Field(msgspec.Struct, frozen=True):
    """Where a figure stands in `Metrics` (dotted), what it is called, its unit and its definition."""

    path: str
    label: str
    korean: str
    unit: Unit
    definition: str


class Line(msgspec.Struct, frozen=True):
    """A figure to be shown; `value` is a dash where it is undefined."""

    key: str
    label: str
    korean: str
    value: str
    definition: str


class Section(msgspec.Struct, frozen=True):
    """Lines under a title."""

    title: str
    korean: str
    lines: tuple[Line, ...]


RETURN = (
    Field("equity.start_usd", "Start", "시작 금액", "USD", "The won of `paper_cash`, changed to dollars at the spread"),
    Field("equity.end_usd", "End", "마지막 금액", "USD", "Cash, proceeds under way and shares at their last prices"),
    Field("equity.return_pct", "Return", "수익률", "+%", "End / start - 1, in dollars"),
    Field(
        "equity.return_krw_pct",
        "Return in won",
        "원화 수익률",
        "+%",
        "Everything changed back to won / won at the start - 1",
    ),
    Field("equity.cagr_pct", "CAGR", "연평균 수익률", "+%", "(End / start) ^ (252 / sessions) - 1"),
    Field("market.market_return_pct", "SPY", "SPY 수익률", "+%", "SPY over the sessions whose close is known"),
    Field("market.excess_pct", "Excess over SPY", "SPY 대비", "+%", "Own return - SPY's, over the same sessions"),
    Field("market.alpha_pct", "Alpha", "알파", "+%", "(Mean daily return - beta x SPY's mean) x 252"),
    Field("market.beta", "Beta", "베타", "", "Covariance with SPY's daily returns / their variance"),
    Field("market.correlation", "Correlation", "상관계수", "", "Of the daily returns with SPY's"),
)
RISK = (
    Field("equity.volatility_pct", "Volatility", "변동성", "%", "Standard deviation (n - 1) of daily returns x sqrt(252)"),
    Field("equity.sharpe", "Sharpe", "샤프", "", "Mean daily return / standard deviation x sqrt(252), cash earns nothing"),
    Field("equity.psr_pct", "PSR", "샤프 > 0 확률", "%", "Probabilistic Sharpe: how sure it is that the true Sharpe is above 0, with skew and kurtosis"),
    Field("equity.sortino", "Sortino", "소르티노", "", "Mean daily return / sqrt(mean(min(return, 0)^2)) x sqrt(252)"),
    Field("equity.calmar", "Calmar", "칼마", "", "CAGR / max drawdown"),
    Field("equity.max_drawdown_pct", "Max drawdown", "최대 낙폭", "%", "The deepest fall from a high, at sessions' ends"),
    Field("equity.drawdown.peak_on", "Drawdown from", "낙폭 시작", "date", "The session of the high before it"),
    Field("equity.drawdown.low_on", "Drawdown to", "낙폭 저점", "date", "The session of its low"),
    Field("equity.drawdown.fall_days", "Fall", "하락 기간", "days", "Sessions from the high to the low"),
    Field("equity.drawdown.recovery_days", "Recovery", "회복 기간", "days", "Sessions from the low back to the high; a dash where it never came back"),
    Field("equity.longest_underwater_days", "Longest underwater", "최장 미회복", "days", "The most sessions in a row that ended below the high"),
    Field("equity.best_day_pct", "Best day", "최고의 날", "+%", "The highest daily return"),
    Field("equity.worst_day_pct", "Worst day", "최악의 날", "+%", "The lowest daily return"),
    Field("equity.days_up_pct", "Days up", "상승한 날", "%", "Sessions that ended higher than the one before"),
)  # fmt: skip
TRIPS = (
    Field("trips.trips", "Round trips", "매매 건수", "count", "Positions from first buy to last sale; open ones don't count"),
    Field("trips.wins", "Won", "수익", "count", "Result above zero after the fees of both sides"),
    Field("trips.win_rate_pct", "Win rate", "승률", "%", "Won / round trips"),
    Field("trips.pnl_usd", "Realised", "실현손익", "+USD", "Sum of all results after fees"),
    Field("trips.pnl_krw", "Realised in won", "실현손익(원)", "+KRW", "The same in won, before changing back"),
    Field("trips.payoff", "Payoff", "손익비", "", "Average win / average loss"),
    Field("trips.profit_factor", "Profit factor", "프로핏 팩터", "", "Sum of wins / sum of losses"),
    Field("trips.expectancy_usd", "Expectancy", "거래당 기대값", "+USD", "Average result of a round trip"),
    Field("trips.expectancy_r", "Expectancy in R", "기대값(R)", "", "Average result / what the stop risked (cost x stop %)"),
    Field("trips.sqn", "SQN", "SQN", "", "sqrt(round trips) x mean R / standard deviation of R"),
    Field("trips.best_pct", "Best", "최고 거래", "+%", "Highest result of the share price, before fees"),
    Field("trips.worst_pct", "Worst", "최악 거래", "+%", "Lowest result of the share price, before fees"),
    Field("trips.holding_minutes", "Holding time", "평균 보유", "minutes", "Average from first buy to last sale, nights included"),
    Field("trips.longest_wins", "Longest winning streak", "최다 연승", "count", "Won in a row, by time of exit"),
    Field("trips.longest_losses", "Longest losing streak", "최다 연패", "count", "Lost in a row, by time of exit"),
    Field("trips.best_share_pct", "Best one's share", "1위 비중", "%", "Part of all gains that the best round trip made"),
    Field("trips.few_share_pct", "Best five's share", "상위 5개 비중", "%", "Part of all gains that the best five made"),
    Field("trips.without_best_usd", "Without the best", "1위 제외 손익", "+USD", "Realised less the best round trip"),
    Field("trips.ticker_share_pct", "Largest ticker", "최대 종목 비중", "%", "Largest part of all purchases in one ticker"),
)  # fmt: skip
EXITS = (
    Field("trips.mae_pct", "MAE", "평균 최대 역행", "+%", "Average worst price while held, from the average price paid"),
    Field("trips.mfe_pct", "MFE", "평균 최대 순행", "+%", "Average best price while held, from the average price paid"),
    Field("trips.given_back_pct", "Given back", "되돌려준 이익", "%", "Average of best price - exit, in points of the average price"),
    Field("trips.tranches", "Tranches used", "평균 분할 횟수", "", "Average number of tranches bought"),
    Field("trips.full_pct", "Bought in full", "전량 매수 비율", "%", "Round trips that reached the last tranche (`split_count`)"),
    Field("trips.stop_outs", "Stop-outs", "손절", "count", "Sold at the stop, by the trader or the guardian"),
    Field("trips.stop_gap_pct", "Gap below the stop", "손절가 아래 평균", "%", "Average points sold below the stop level"),
    Field("trips.worst_gap_pct", "Worst gap", "손절가 아래 최대", "%", "Most points sold below the stop level"),
    Field("trips.gap_loss_usd", "Gap loss", "갭 손실", "USD", "What selling below the stop level cost"),
    Field("trips.reached_target", "Reached the target", "목표 도달", "count", "Best price at `take_profit_pct` or above"),
    Field("trips.target_minutes", "Time to target", "목표 거래 보유", "minutes", "Of those, the median from first buy to last sale"),
)  # fmt: skip
ACCOUNT = (
    Field("equity.sessions", "Sessions", "거래일", "count", "Trading days played"),
    Field("account.found", "Finds", "발굴", "count", "Bars that passed the screen"),
    Field("account.buy_signals", "Buy signals", "매수 신호", "count", "BUY judgements of the analyzer"),
    Field("account.proposed", "Proposals", "매수 제안", "count", "Plans that were made"),
    Field("account.refused", "Refused", "거절", "count", "Buys that a rule refused, see the table"),
    Field("account.fills", "Fills", "체결", "count", "Fills of orders, parts counted"),
    Field("equity.exposure_pct", "Exposure", "투자 비중", "%", "Average of shares / equity at sessions' ends"),
    Field("account.days_traded_pct", "Days in the market", "보유한 날", "%", "Sessions in which shares were held at some time"),
    Field("account.idle_days", "Idle at the start", "첫 매수 전", "days", "Sessions before the first fill"),
    Field("account.most_positions", "Most positions", "최다 보유", "count", "At a session's end"),
    Field("account.turnover", "Turnover", "회전율", "", "(Bought + sold) / 2 / average equity, over the whole run"),
    Field("account.fees_usd", "Fees", "수수료", "USD", "Commission and SEC fee of every fill"),
    Field("account.fees_pct", "Fees of the start", "수수료 비율", "%", "Fees / start"),
    Field("account.fx_cost_krw", "Exchange cost", "환전 비용", "KRW", "Spread for changing to dollars and back"),
    Field("account.open_positions", "Still open", "미청산", "count", "Positions at the end"),
    Field("account.open_usd", "Unrealised", "평가손익", "+USD", "Theirs at the last prices, before fees"),
)  # fmt: skip
CHANCE = (
    Field("monte_carlo.shuffle_drawdown.p50", "Drawdown, shuffled: median", "순서 섞기 낙폭 중앙값", "%", "Same round trips in another order"),
    Field("monte_carlo.shuffle_drawdown.p95", "Drawdown, shuffled: 95%", "순서 섞기 낙폭 95%", "%", "Only 5 of 100 orders are worse"),
    Field("monte_carlo.drawdown_pct", "Drawdown as it was", "실제 순서 낙폭", "%", "By round trips, in the order they were closed"),
    Field("monte_carlo.shuffle_return.p50", "Return, shuffled", "순서 섞기 수익률", "+%", "The same in every order, as nothing compounds"),
    Field("monte_carlo.bootstrap_return.p5", "Return, drawn: 5%", "다시 뽑기 수익률 5%", "+%", "Round trips drawn with replacement: 5 of 100 are worse"),
    Field("monte_carlo.bootstrap_return.p50", "Return, drawn: median", "다시 뽑기 수익률 중앙값", "+%", "Half of the draws are worse"),
    Field("monte_carlo.bootstrap_return.p95", "Return, drawn: 95%", "다시 뽑기 수익률 95%", "+%", "5 of 100 are better"),
    Field("monte_carlo.bootstrap_drawdown.p50", "Drawdown, drawn: median", "다시 뽑기 낙폭 중앙값", "%", "Half of the draws are worse"),
    Field("monte_carlo.bootstrap_drawdown.p95", "Drawdown, drawn: 95%", "다시 뽑기 낙폭 95%", "%", "5 of 100 are worse"),
    Field("monte_carlo.losing_pct", "Draws that lose", "손실 확률", "%", "Draws that end below the start"),
)  # fmt: skip
SECTIONS = (
    ("Return", "수익", RETURN),
    ("Risk", "위험", RISK),
    ("Round trips", "매매", TRIPS),
    ("Entries and exits", "매수와 매도", EXITS),
    ("Account", "계좌", ACCOUNT),
    ("Chance (Monte Carlo)", "우연의 몫", CHANCE),
)


def sections(metrics: Metrics) -> tuple[Section, ...]:
    """Every figure as a line, in the order of the report."""
    return tuple(
        Section(title, korean, tuple(_line(metrics, field) for field in fields)) for title, korean, fields in SECTIONS
    )


def _line(metrics: Metrics, field: Field) -> Line:
    return Line(
        field.path, field.label, field.korean, shown(value_at(metrics, field.path), field.unit), field.definition
    )


def value_at(metrics: Metrics, path: str) -> Value:
    """The figure at a dotted path; None where a part of the way is missing."""
    found: object = metrics
    for name in path.split("."):
        found = getattr(found, name) if found is not None else None
    assert found is None or isinstance(found, int | float | Decimal | dt.date)
    return found


def shown(value: Value, unit: Unit) -> str:
    """A figure as people read it; a dash where it is undefined."""
    if value is None:
        return DASH
    if isinstance(value, dt.date):
        return value.isoformat()
    sign = "+" if unit.startswith("+") else ""
    match unit.removeprefix("+"):
        case "%":
            return f"{value:{sign},.2f}%"
        case "USD":
            return _money(value, "$", 2, sign)
        case "KRW":
            return _money(value, "₩", 0, sign)
        case "minutes":
            return span(float(value))
        case "days":
            return f"{value} {'day' if value == 1 else 'days'}"
        case "count":
            return f"{value:,}"
        case _:
            return f"{value:,.2f}"


def _money(value: float | Decimal, symbol: str, places: int, sign: str) -> str:
    amount = f"{abs(value):,.{places}f}"
    nothing = not amount.strip("0,.")
    before = "" if nothing else "-" if value < 0 else sign
    return f"{before}{symbol}{amount}"


def span(minutes: float) -> str:
    """A duration: 45 min, 3 h 20 min, 2 d 4 h."""
    whole = round(minutes)
    if whole < 60:
        return f"{whole} min"
    hours, rest = divmod(whole, 60)
    if hours < 24:
        return f"{hours} h {rest} min"
    return f"{hours // 24} d {hours % 24} h"
