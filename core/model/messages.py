"""What travels between the processes: one schema class per message, versioned, JSON by msgspec.

Instants are aware UTC, money is a decimal string, ids are deterministic (same bar, same rule: same id), so that a
redelivered or re-computed message is recognised as the one already handled.
"""

import datetime as dt
import enum
import hashlib
from decimal import Decimal
from typing import Annotated

import msgspec

from core.model.bar import Bar
from core.model.instrument import Instrument, Split
from core.model.signal import Discovery, TrendState, Verdict

VERSION = 1
Instant = Annotated[dt.datetime, msgspec.Meta(tz=True)]
Version = Annotated[int, msgspec.Meta(ge=VERSION, le=VERSION)]


class Channel(enum.StrEnum):
    """Stream keys, which are also the PUBLISH channels."""

    SCREENED = "channel:screened"
    BARS = "channel:bars"
    SIGNAL = "channel:signal"
    TREND = "channel:trend"
    EVENTS = "channel:events"
    CONTROL = "channel:control"


def message_id(*parts: object) -> str:
    """A deterministic id of 32 hex digits from the parts."""
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:32]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every message carries."""

    id: str
    v: Version = VERSION


class Screened(Message, frozen=True, kw_only=True, tag="screened"):
    """A bar passed the screen; `bars` are the ticker's last 120 minute bars of the day, this one included."""

    ticker: str
    discovery: Discovery
    reference_close: float
    average_volume: float
    bars: tuple[Bar, ...]
    feed_delay_ms: int
    created_at: Instant

    def __post_init__(self) -> None:
        if not self.bars or any(bar.ticker != self.ticker for bar in self.bars):
            raise ValueError(f"{self.ticker}: a find needs bars of its own ticker")


class BarsClosed(Message, frozen=True, kw_only=True, tag="bars"):
    """Closed bars of the watched, screened and held tickers.

    `past` are bars that a gap of the feed had swallowed: to be known, not to be judged. `holed` names the tickers whose
    gap could not be filled: nothing is bought by their bars.
    """

    bars: tuple[Bar, ...]
    created_at: Instant
    past: tuple[Bar, ...] = ()
    holed: tuple[str, ...] = ()


class Signal(Message, frozen=True, kw_only=True, tag="signal"):
    """The analyzer's judgement of one closed bar."""

    ticker: str
    verdict: Verdict
    bar_end_at: Instant
    created_at: Instant
    valid_until: Instant
    feed_delay_ms: int
    discovery: Discovery | None = None


class TrendAsked(Message, frozen=True, kw_only=True, tag="trend_asked"):
    """The trader asks whether a trend is intact."""

    ticker: str
    asked_at: Instant


class TrendAnswered(Message, frozen=True, kw_only=True, tag="trend_answered"):
    """The analyzer's answer to `TrendAsked.id`."""

    question: str
    ticker: str
    state: TrendState
    verdict: Verdict | None
    answered_at: Instant


class HeldPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What the others need to know of a position."""

    ticker: str
    qty: int
    stop_price: Decimal
    exchange: str = "NASD"

    def __post_init__(self) -> None:
        if self.qty <= 0 or not (self.stop_price.is_finite() and self.stop_price > 0):
            raise ValueError(f"{self.ticker}: a position has shares and a stop, not {self.qty} and {self.stop_price}")


class HoldingsChanged(Message, frozen=True, kw_only=True, tag="holdings"):
    """The trader's positions, complete; sent on each change and every half minute. `planned` is what may be bought next."""

    positions: tuple[HeldPosition, ...]
    at: Instant
    planned: tuple[str, ...] = ()


class WatchListChanged(Message, frozen=True, kw_only=True, tag="watch_list"):
    """The tickers the owner watches, complete, and what is known of them: without its venue nothing is bought."""

    tickers: tuple[str, ...]
    securities: tuple[Instrument, ...] = ()
    at: Instant


class SplitsOfDay(Message, frozen=True, kw_only=True, tag="splits"):
    """The splits of the whole market that take effect on a US date, complete; repeated every minute for some days."""

    on: dt.date
    splits: tuple[Split, ...]
    at: Instant

    def __post_init__(self) -> None:
        if any(split.on != self.on for split in self.splits):
            raise ValueError(f"a split of another date than {self.on}")


class SettingsChanged(Message, frozen=True, kw_only=True, tag="settings"):
    """Overrides of config.yaml, complete: dotted key to JSON value."""

    overrides: dict[str, int | float | str | bool]
    at: Instant


Value = str | int | float | bool | None


class EventKind(enum.StrEnum):
    """What a person should hear of. The bot owns the words."""

    PROPOSED = "proposed"
    PLAN_STARTED = "plan_started"
    PLAN_REFUSED = "plan_refused"
    PLAN_CHANGED = "plan_changed"
    PLAN_IGNORED = "plan_ignored"
    PLAN_EXPIRED = "plan_expired"
    PLAN_STOPPED = "plan_stopped"
    TRANCHE_FILLED = "tranche_filled"
    BUY_COMPLETE = "buy_complete"
    HOLDING_WINNER = "holding_winner"
    SELL_STARTED = "sell_started"
    SOLD = "sold"
    ORDER_REJECTED = "order_rejected"
    ORDER_UNKNOWN = "order_unknown"
    MODE_CHANGED = "mode_changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    PANICKED = "panicked"
    GUARDIAN_TOOK_OVER = "guardian_took_over"
    MANUAL_BOUGHT = "manual_bought"
    MANUAL_SOLD = "manual_sold"
    FROZEN = "frozen"
    UNFROZEN = "unfrozen"
    STATE_CHANGED = "state_changed"
    UNWATCHED = "unwatched"
    WATCHED = "watched"
    EXIT_WAITS = "exit_waits"
    LIQUIDATION = "liquidation"
    FEED_DELAYED = "feed_delayed"
    FEED_TIMELY = "feed_timely"
    SPLIT_TODAY = "split_today"
    TICKER_HALTED = "ticker_halted"
    TICKER_RESUMED = "ticker_resumed"
    FEED_DOWN = "feed_down"
    FEED_UP = "feed_up"
    BROKER_DOWN = "broker_down"
    BROKER_UP = "broker_up"
    TROUBLE = "trouble"


class Event(Message, frozen=True, kw_only=True, tag="event"):
    """A key and typed values, never prose. `subject` is the plan or position it belongs to."""

    kind: EventKind
    at: Instant
    ticker: str = ""
    subject: str = ""
    values: dict[str, Value] = {}


AnyMessage = (
    Screened
    | BarsClosed
    | Signal
    | TrendAsked
    | TrendAnswered
    | HoldingsChanged
    | WatchListChanged
    | SplitsOfDay
    | SettingsChanged
    | Event
)
