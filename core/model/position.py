"""What we hold and what we plan to buy."""

import datetime as dt
import enum
from decimal import Decimal

import msgspec

from core.model.instrument import Exchange
from core.model.money import PRICE_STEP, ZERO
from core.model.order import Purpose
from core.model.signal import Condition, Discovery, Indicators


class ResultParts(msgspec.Struct, frozen=True, kw_only=True):
    """What sold shares had cost and brought, with the rates in it, so that their won result can be told in parts.

    `cost_krw` values each purchase at the rate of its fill, `sold_krw` each sale at the rate of its own. `fx_krw` is
    what the rate did to the dollars that were invested, `fee_krw` (zero or less) the fees of both sides.
    """

    cost_usd: Decimal = ZERO
    cost_krw: Decimal = ZERO
    sold_krw: Decimal = ZERO
    fees_usd: Decimal = ZERO
    fx_krw: Decimal = ZERO
    fee_krw: Decimal = ZERO


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of one ticker bought by the bot.

    `qty` and `cost_usd`/`cost_krw` are what is held now; `bought_*` and `sold_*` run from the first buy, so that the
    round trip can be told at the end. Fees are kept apart from cost. `own_qty` are the owner's own shares of the same
    ticker, never sold by us; `frozen` says why a person must look at the position before anything is bought or sold
    automatically. `parts` tells the realised result in parts; None where nothing is sold yet, or where an older version
    sold before parts were kept. `counted_at` is when the shares were last counted anew after a split.
    """

    ticker: str
    exchange: Exchange
    name: str
    name_ko: str
    qty: int
    cost_usd: Decimal
    fees_usd: Decimal
    cost_krw: Decimal
    bought_qty: int
    bought_usd: Decimal
    buy_count: int
    target_count: int
    stop_price: Decimal
    target_price: Decimal
    opened_at: dt.datetime
    plan_id: str
    last_price: Decimal
    priced_at: dt.datetime
    holding_winner: bool = False
    sold_qty: int = 0
    sold_usd: Decimal = ZERO
    realized_usd: Decimal = ZERO
    realized_krw: Decimal = ZERO
    own_qty: int = 0
    frozen: str = ""
    parts: ResultParts | None = None
    counted_at: dt.datetime | None = None

    def __post_init__(self) -> None:
        if self.qty < 0 or self.cost_usd < 0:
            raise ValueError(f"{self.ticker}: a position is long or empty")

    @property
    def avg_price(self) -> Decimal:
        """Average price paid per share in USD."""
        return (self.cost_usd / self.qty).quantize(PRICE_STEP) if self.qty else ZERO

    @property
    def pnl_pct(self) -> Decimal:
        """Unrealised result at the last price, in percent of the average price."""
        return (self.last_price / self.avg_price - 1) * 100 if self.qty else ZERO

    @property
    def unrealized_usd(self) -> Decimal:
        """Unrealised result at the last price in USD, before fees."""
        return self.last_price * self.qty - self.cost_usd


class PlanState(enum.StrEnum):
    """Life of an entry plan."""

    PROPOSED = "PROPOSED"
    RUNNING = "RUNNING"
    DONE = "DONE"
    STOPPED = "STOPPED"
    IGNORED = "IGNORED"
    EXPIRED = "EXPIRED"
    REFUSED = "REFUSED"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal to buy one ticker in tranches, and its progress once approved."""

    id: str
    nonce: str
    signal_id: str
    ticker: str
    exchange: Exchange
    name: str
    name_ko: str
    state: PlanState
    budget_krw: Decimal
    budget_usd: Decimal
    krw_per_usd: Decimal
    reference_price: Decimal
    tranches: int
    interval_s: int
    created_at: dt.datetime
    expires_at: dt.datetime
    next_tranche: int = 1
    next_at: dt.datetime | None = None
    confidence: float = 0.0
    discovery: Discovery | None = None
    indicators: Indicators | None = None
    decided_by: str = ""
    reason: str = ""

    @property
    def open(self) -> bool:
        """Whether this plan may still buy."""
        return self.state in {PlanState.PROPOSED, PlanState.RUNNING}


class RoundTrip(msgspec.Struct, frozen=True, kw_only=True):
    """A position from its first buy to its last sale; `parts` is None in records older than parts."""

    ticker: str
    name: str
    name_ko: str
    buy_qty: int
    sell_qty: int
    avg_price: Decimal
    sell_price: Decimal
    pnl_usd: Decimal
    pnl_krw: Decimal
    pnl_pct: Decimal
    tranches: int
    reason: str
    opened_at: dt.datetime
    closed_at: dt.datetime
    parts: ResultParts | None = None

    @property
    def stock_krw(self) -> Decimal | None:
        """The part of the result that the share price made: what exchange rate and fees leave of the whole."""
        return None if self.parts is None else self.pnl_krw - self.parts.fx_krw - self.parts.fee_krw


class ExitRun(msgspec.Struct, frozen=True, kw_only=True):
    """A sale in progress: it climbs down the price ladder until `target_qty` shares are gone."""

    ticker: str
    purpose: Purpose
    target_qty: int
    started_at: dt.datetime
    step: int = 0
    sold_qty: int = 0
    attempts: int = 0
    waiting: bool = False
    retry_at: dt.datetime | None = None
    conditions: tuple[Condition, ...] = ()
    by: str = ""
