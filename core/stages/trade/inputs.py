"""What the trader's machine can be told. Each carries the instant it was read at."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.commands import AnyCommand
from core.model.instrument import Split
from core.model.messages import Signal, TrendAnswered
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Holding
from core.model.params import TradingParams
from core.model.quote import Quote


class Tick(msgspec.Struct, frozen=True, kw_only=True):
    """Time passes; `in_window` says whether entries are allowed, `market_open` whether the broker takes orders.

    `stale_after` is how old the price of a held ticker may grow before someone must be told.
    """

    at: dt.datetime
    in_window: bool
    market_open: bool
    halted: bool = False
    stale_after: dt.timedelta = dt.timedelta(seconds=15)


class SignalArrived(msgspec.Struct, frozen=True, kw_only=True):
    """A signal, with a fresh price and buying power where a BUY made the service fetch them."""

    at: dt.datetime
    signal: Signal
    quote: Quote | None = None
    power: BuyingPower | None = None


class CommandArrived(msgspec.Struct, frozen=True, kw_only=True):
    """A person's command, with a fresh price and buying power where it may buy."""

    at: dt.datetime
    command: AnyCommand
    quote: Quote | None = None
    power: BuyingPower | None = None
    exchange: str = ""
    name: str = ""
    name_ko: str = ""


class QuotesRead(msgspec.Struct, frozen=True, kw_only=True):
    """Fresh prices."""

    at: dt.datetime
    quotes: tuple[Quote, ...]


class TrendArrived(msgspec.Struct, frozen=True, kw_only=True):
    """The analyzer's answer, or UNKNOWN made by the service when the time was up."""

    at: dt.datetime
    answer: TrendAnswered


class OrderSending(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway is about to send: the baseline is read. The state must be committed before the first byte."""

    at: dt.datetime
    intent_id: str
    baseline: tuple[str, ...]


class OrderNotSent(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway gave up before the first byte; `sellable` is known where a sale found too few shares."""

    at: dt.datetime
    intent_id: str
    reason: str
    sellable: int | None = None


class OrderAcked(msgspec.Struct, frozen=True, kw_only=True):
    """The broker took the order."""

    at: dt.datetime
    intent_id: str
    ref: BrokerRef


class OrderWasRefused(msgspec.Struct, frozen=True, kw_only=True):
    """The broker definitely refused the order; `passing` where the reason goes away by itself (rate, token)."""

    at: dt.datetime
    intent_id: str
    code: str
    message: str
    passing: bool = False


class OrderLost(msgspec.Struct, frozen=True, kw_only=True):
    """No one knows whether the broker took the order."""

    at: dt.datetime
    intent_id: str
    reason: str


class CancelAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a cancel; never final by itself. `known` is False when it was lost."""

    at: dt.datetime
    intent_id: str
    known: bool
    code: str = ""


class OrdersRead(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's order list."""

    at: dt.datetime
    orders: tuple[BrokerOrder, ...]
    complete: bool


class HoldingsRead(msgspec.Struct, frozen=True, kw_only=True):
    """The broker's holdings; `asked_at` is when the question left: what was booked since is not in the answer."""

    at: dt.datetime
    holdings: tuple[Holding, ...]
    asked_at: dt.datetime


class PowerRead(msgspec.Struct, frozen=True, kw_only=True):
    """Buying power and exchange rate."""

    at: dt.datetime
    power: BuyingPower


class BrokerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the broker answers queries."""

    at: dt.datetime
    ok: bool
    detail: str = ""


class ClockRead(msgspec.Struct, frozen=True, kw_only=True):
    """How far the broker's clock is ahead of ours, in real seconds."""

    at: dt.datetime
    skew_s: float


class PricesApart(msgspec.Struct, frozen=True, kw_only=True):
    """The feed's bars and the broker's prices of a ticker have told different things for minutes."""

    at: dt.datetime
    ticker: str
    apart_pct: float


class SplitsTold(msgspec.Struct, frozen=True, kw_only=True):
    """All splits that take effect on a US date, as the market data vendor knows them."""

    at: dt.datetime
    on: dt.date
    splits: tuple[Split, ...]


class ParamsChanged(msgspec.Struct, frozen=True, kw_only=True):
    """New trading parameters."""

    at: dt.datetime
    params: TradingParams


class GuardianSold(msgspec.Struct, frozen=True, kw_only=True):
    """The guardian sold while this process was away; `ref` is None where the broker's answer was lost."""

    at: dt.datetime
    ticker: str
    key: str
    ref: BrokerRef | None
    qty: int
    limit: Decimal
    sent_at: dt.datetime


TradeInput = (
    Tick
    | SignalArrived
    | CommandArrived
    | QuotesRead
    | TrendArrived
    | OrderSending
    | OrderNotSent
    | OrderAcked
    | OrderWasRefused
    | OrderLost
    | CancelAnswered
    | OrdersRead
    | HoldingsRead
    | PowerRead
    | BrokerHealth
    | ClockRead
    | PricesApart
    | SplitsTold
    | ParamsChanged
    | GuardianSold
)
