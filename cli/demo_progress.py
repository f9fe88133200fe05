"""The demo's running commentary in the terminal: one line for each thing that happens."""

from collections.abc import Iterator, Sequence

from core.model.messages import AnyMessage, Event, EventKind, Screened
from core.rules.days import SEOUL

WORDS = {
    EventKind.PROPOSED: "승인을 기다림 / waits for approval",
    EventKind.PLAN_STARTED: "분할 매수 시작 / buying in tranches",
    EventKind.TRANCHE_FILLED: "매수 {tranche}/{of} · {qty}주 · ${price}",
    EventKind.BUY_COMPLETE: "매수 완료 {qty}주 · 평균 ${avg_price} / bought",
    EventKind.PLAN_IGNORED: "무시 / ignored",
    EventKind.PLAN_EXPIRED: "승인 시간이 지남 / expired",
    EventKind.PLAN_STOPPED: "남은 분할 중단 / stopped",
    EventKind.HOLDING_WINNER: "+{pnl_pct} % 도달, 추세가 살아 있어 보유 / holds: the trend is intact",
    EventKind.SOLD: "매도 {qty}주 · ${sell_price} · {pnl_pct} % · {reason} / sold",
    EventKind.PANICKED: "긴급 정지 / panic",
}


class Commentary:
    """Turns messages into lines, each message once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def lines(self, messages: Sequence[AnyMessage]) -> Iterator[str]:
        """The lines of what has not been told yet, in order."""
        for message in messages:
            if message.id in self._told:
                continue
            self._told.add(message.id)
            if isinstance(message, Screened) and message.discovery.announce:
                found = message.discovery
                at = found.bar_end_at.astimezone(SEOUL)
                yield f"  {at:%H:%M} KST  {message.ticker:<6} 발굴 ${found.price:.2f} · {found.change_pct:+.1f} % / found"
            elif isinstance(message, Event) and message.kind in WORDS:
                text = WORDS[message.kind].format_map(_Blank(message.values))
                yield f"  {message.at.astimezone(SEOUL):%H:%M} KST  {message.ticker:<6} {text}"


class _Blank(dict[str, object]):
    """A missing value leaves a gap, not an error."""

    def __missing__(self, key: str) -> str:
        return ""
