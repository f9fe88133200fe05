"""What the guardian decides: pure rules on silence, prices and shares. Standard library only."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

HUNG_AFTER_S = 15.0
# we look ourselves, then we step in: one price that took its whole time-out is no reason to replace a trader
UNWATCHED_AFTER_S = 10.0
# So long the broker must have answered us: after an outage the trader needs a moment to look again.
ANSWERED_S = 8.0
APART_S = 1.0
LOCK_PATIENCE_S = 5.0
STEP_PATIENCE_S = 10.0
BUYS_EVERY_S = 10.0
LOST_PATIENCE_S, LAG_S = 3.0, 60.0
REFUSED_PAUSE_S, REFUSED_MOST_S = 2.0, 30.0
FLAP_TAKEOVERS, FLAP_WITHIN_S = 2, 600.0
LADDER_PCT = (Decimal("0.5"), Decimal(1), Decimal(2), Decimal(4), Decimal(7), Decimal(10))
SPLIT_ROOM = Decimal("1.6")
# the ratios of the trader's own rule: any other multiple is no split but shares from elsewhere
SPLITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)
# the list of orders is asked for so long before a sale goes by the shares alone
LIST_PATIENCE_S = 10.0
NEVER = float("-inf")


@dataclass(frozen=True)
class Listed:
    """An order of today or yesterday by its day and number, and how many of its shares are filled."""

    key: str
    ticker: str
    side: str
    filled: int
    by_hand: bool


@dataclass(frozen=True)
class Recount:
    """What the list of orders says now: the owner's `own` shares, ours that were `sold` by orders of the API, ours that are
    `gone` (taken back by the exchange, or sold by hand), and how many the account should hold in `all`.
    """

    own: int
    sold: int
    gone: int
    all: int


@dataclass(frozen=True)
class Protected:
    """One line of protect.json; `own` are the owner's own shares (None where the file does not say), never sold.

    `orders` are the orders of the ticker with the filled shares that `qty` and `own` count (None in old files);
    `selling` are shares in sales of the trader that may still be filled.
    """

    ticker: str
    exchange: str
    qty: int
    stop_price: Decimal
    own: int | None = None
    hold: bool = False
    orders: Mapping[str, int] | None = None
    selling: int = 0

    def recount(self, listed: Iterable[Listed]) -> "Recount | None":
        """What the list of orders shows more than was counted; None where it lacks orders it had.

        Sold by hand are the owner's own first. Purchases that nobody has booked are not ours to sell.
        """
        known = self.orders or {}
        rows = {o.key: o for o in listed if o.ticker == self.ticker}
        if known.keys() - rows.keys():
            return None
        own, sold, gone, bought = self.own or 0, 0, 0, 0
        for key, order in rows.items():
            more = order.filled - known.get(key, 0)
            if order.by_hand:
                own += more if order.side == "buy" else -more
            elif order.side == "sell":
                sold += max(0, more)
            else:
                gone, bought = gone - min(0, more), bought + max(0, more)
        return Recount(max(0, own), sold, gone - min(0, own), self.qty + own + bought - sold - gone)


@dataclass(frozen=True)
class Protection:
    """A genuine protect.json; `buying` are tickers of which an order to buy may live."""

    seq: int
    written_at: str
    venue: str
    rows: tuple[Protected, ...]
    buying: tuple[str, ...] = ()

    def older_than(self, other: "Protection") -> bool:
        """Whether this is a copy put back: fewer changes and no later date. A file begun anew has a later date."""
        return self.seq < other.seq and self.written_at <= other.written_at


@dataclass(frozen=True)
class Heartbeat:
    """What the trader said last, `age_s` seconds ago; `stops` (None in old beats) are the instants of the last looks."""

    age_s: float = math.inf
    pid: int = 0
    started: str = ""
    standby: bool = False
    fenced: bool = False
    market_open: bool = True
    stops: dict[str, float] | None = None

    @property
    def fresh(self) -> bool:
        """Whether the trader lives, as far as a heartbeat can tell."""
        return self.age_s <= HUNG_AFTER_S

    def unseen_s(self, ticker: str, since: float, now: float) -> float:
        """For how long a beating trader has not looked at a stop that it should look at; else 0.

        `since` counts for a ticker that it never named.
        """
        if self.stops is None or self.standby or not self.market_open:
            return 0.0
        seen = self.stops.get(ticker, since)
        return now - (seen if seen <= now else since)


@dataclass
class Watch:
    """What is known of one ticker since the guardian watches it.

    `left` of the `left_before` protected shares have not been seen to leave by the holdings; `sent` of ours may still turn out to be filled; `live` of
    them are believed to be in open sales, which the broker's list of shares has `reflected` or must reflect until
    `presumed_until`. `floor` is what a guardian before this one found to be the owner's, `own` what the
    list of orders says; since `list_since` it does not.
    """

    left: int
    left_before: int = 0
    listed: Recount | None = None
    own: int = 0
    inherited: bool = False
    list_since: float | None = None
    listed_at: float = NEVER
    floor: int = 0
    told: bool = False
    split: bool = False
    below_since: float | None = None
    breached: bool = False
    step: int = 0
    moved_at: float = NEVER
    not_before: float = NEVER
    refusals: int = 0
    held: int = 0
    low: int | None = None
    low_since: float = NEVER
    sent: int = 0
    live: int = 0
    bound_before: int = 0
    reflected: bool = False
    presumed_until: float = NEVER

    def observe(self, price: Decimal, stop: Decimal, now: float) -> bool:
        """Whether the stop is broken: two prices in a row at or under it, at least a second apart. It stays broken."""
        if self.breached:
            return True
        if price > stop:
            self.below_since = None
        elif self.below_since is None:
            self.below_since = now
        else:
            self.breached = now - self.below_since >= APART_S
        return self.breached

    def inherit(self, row: Protected, now: float) -> None:
        """The trader's sales that may still be filled are like ours whose answer was lost."""
        if self.inherited:
            return
        self.inherited, self.own = True, row.own or 0
        qty = min(row.selling, self.left)
        if qty:
            self.held, self.moved_at = self.left + self.own, now
            self.sent, self.live = self.sent + qty, self.live + qty
            self.presumed_until = now + patience_s(lost=True, others=self.own)

    def recounts(self, held: int, free: int, now: float) -> bool:
        """Whether to ask the list of orders: before each sale, and now and then where the owner's shares seem to bar one."""
        if now < self.not_before or self.ours <= self.live or free <= 0:
            return False
        due = self.wanted(held, free) > 0 or now - self.listed_at >= LIST_PATIENCE_S
        self.listed_at = now if due else self.listed_at
        return due

    def counted(self, found: Recount) -> None:
        """Take what the list of orders says."""
        self.listed, self.own, self.list_since = found, found.own, None

    @property
    def ours(self) -> int:
        """Shares that are certainly still ours. Holdings and list tell of the same sales: whichever shows more of them counts."""
        if self.listed is None:
            return self.left
        by_holdings = self.left_before - self.left
        return max(0, self.left - self.listed.gone - max(0, self.listed.sold - by_holdings))

    def list_missing(self, now: float) -> bool:
        """Whether to wait for a list of orders that can't be had: for a while."""
        if self.list_since is None:
            self.list_since = now
        return now - self.list_since < LIST_PATIENCE_S

    def stays(self, held: int) -> int:
        """How many shares of `held` are not ours to sell: the owner's, and whatever came on top of what is protected."""
        return max(self.floor, self.own, held - self.ours)

    def wanted(self, held: int, free: int) -> int:
        """How many shares to sell now: never beyond what is protected, sellable and not the owner's."""
        if self.low is not None:
            return 0
        return max(0, min(self.ours - self.live, free - self.stays(held)))

    def missing(self, held: int) -> bool:
        """Whether fewer shares are held than before although some of our sales may have been filled."""
        return self.sent > 0 and held < self.held

    def account(self, held: int, bound: int, now: float) -> int:
        """Take a reading of the shares; returns how many are now known to be sold.

        One low reading proves nothing (the list may be cut): only a second one, a second later, takes shares off `left`.
        What open sales bind (`bound`) is certainly held.
        """
        held = max(held, bound)
        if not self.missing(held):
            self.held, self.low = held, None
            return 0
        if self.low is None:
            self.low, self.low_since = held, now
            return 0
        self.low = max(self.low, held)
        if now - self.low_since < APART_S:
            return 0
        gone = min(self.held - self.low, self.sent)
        self.left, self.live = max(0, self.left - gone), max(0, self.live - gone)
        self.sent, self.held, self.low = self.sent - gone, self.low, None
        return gone

    def settle(self, held: int, free: int, now: float) -> None:
        """Compare open sales with the shares that the broker says are bound: released ones may be sold again."""
        bound = held - free - self.bound_before
        if bound >= self.live:
            self.reflected = True
        elif self.reflected:
            self.live = max(0, bound)
        elif now >= self.presumed_until:
            # the broker never had the order, or has dropped it
            self.live = 0

    def sold(self, qty: int, held: int, free: int, now: float, patience_s: float) -> None:
        """A sale was sent; for `patience_s` it is believed to live even where the list of shares does not show it."""
        self.bound_before = held - free - (self.live if self.reflected else 0)
        self.held = max(self.held, held)
        self.sent += qty
        self.live += qty
        self.reflected, self.presumed_until = False, now + patience_s
        self.moved_at, self.refusals = now, 0

    def refused(self, now: float, *, soon: bool) -> None:
        """A sale was refused: soon again where only the request was, else at growing intervals (a closed market)."""
        self.refusals = 0 if soon else self.refusals + 1
        self.not_before = now + min(REFUSED_MOST_S, REFUSED_PAUSE_S * 2 ** min(self.refusals, 10))

    def stuck(self, now: float) -> bool:
        """Whether the shares have been bound by an order for too long."""
        return now - self.moved_at > STEP_PATIENCE_S


def looks_split(row: Protected, held: int, last: Decimal, listed: int | None) -> bool:
    """Whether the shares were split: a multiple of what there was, at about that fraction of a price above the stop.

    Selling then would sell a part of the position at what only looks like a crash; a person must look first. Where the
    list of orders says what there should be (`listed`), the multiple alone is enough.
    """
    before = row.qty + (row.own or 0) if listed is None else listed
    ratio, rest = divmod(held, before) if before > 0 else (0, 0)
    if ratio not in SPLITS or rest:
        return False
    return listed is not None or row.stop_price <= last * ratio <= row.stop_price * SPLIT_ROOM


def patience_s(*, lost: bool, others: int) -> float:
    """How long a sale is believed in without a sign of it. Where `others` shares of the account could be hit, longer.

    Without such shares the broker itself refuses a second sale of the same ones.
    """
    if others > 0:
        return LAG_S
    return LOST_PATIENCE_S if lost else STEP_PATIENCE_S


def sell_limit(last: Decimal, step: int) -> str:
    """A marketable limit on KIS's grid: two decimals from one dollar up, four below."""
    wanted = last * (1 - LADDER_PCT[min(step, len(LADDER_PCT) - 1)] / 100)
    grid = Decimal("0.01") if wanted >= 1 else Decimal("0.0001")
    return str(max(wanted.quantize(grid, rounding=ROUND_FLOOR), grid))


def keeps_watch(takeovers: Iterable[float], now: float) -> bool:
    """Whether a takeover at `now` is one too many: after so many, a person decides when the trader gets its work back."""
    return sum(abs(now - at) < FLAP_WITHIN_S for at in takeovers) + 1 >= FLAP_TAKEOVERS
