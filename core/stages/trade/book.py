"""The trader's state in memory; every write is also recorded as a journal change."""

import datetime as dt
from decimal import Decimal

import msgspec

from core.model.commands import Lock, Reply
from core.model.instrument import Split
from core.model.journal import (
    Change,
    DayCounters,
    DropExit,
    DropLock,
    DropPosition,
    Emit,
    PutExit,
    PutIntent,
    PutLock,
    PutManual,
    PutPlan,
    PutPosition,
    PutState,
    Snapshot,
)
from core.model.messages import Event, EventKind, HeldPosition, Value, message_id
from core.model.money import ZERO
from core.model.order import BrokerOrder, BrokerRef, BuyingPower, Intent, IntentState, ManualOrder, Purpose, Side
from core.model.params import TradingParams
from core.model.position import ExitRun, Plan, PlanState, Position
from core.model.quote import Quote
from core.model.safety import Block, TradingState
from core.rules.costs import with_commission
from core.rules.days import us_date, us_midnight_after
from core.rules.reconcile import Resolution
from core.rules.shares import Jump, Own, Shortage, Suspicion
from core.stages.trade.living import Intents, plans
from core.stages.trade.outcome import Outcome, Protect, PublishHoldings, TradeAction

MINUTE = dt.timedelta(minutes=1)


class Book:
    """Plans, positions, orders and switches of one account."""

    def __init__(self, params: TradingParams, snapshot: Snapshot, at: dt.datetime, resolution: Resolution) -> None:
        self.params = params
        # the US date is looked at again from `_date_until` on
        self.at = self.started_at = self._date_until = at
        self.opened_at: dt.datetime | None = None
        self.resolution = resolution
        self.plans = plans(snapshot.plans)
        self.positions = {p.ticker: p for p in snapshot.positions}
        self.exits = {e.ticker: e for e in snapshot.exits}
        self.intents = Intents(snapshot.intents)
        self.locks = {lock.ticker: lock for lock in snapshot.locks}
        self.decisions = set(snapshot.decisions)
        self.seen: set[BrokerRef] = set(snapshot.seen)
        self.manual = {o.ref: o for o in snapshot.manual}
        self.state = dict(snapshot.state)
        self.blocks = msgspec.json.decode(self.state.get("blocks", "{}"), type=dict[str, Block])
        day = self.state.get("day")
        self.day = msgspec.json.decode(day, type=DayCounters) if day else DayCounters(on=us_date(at))
        self.quotes: dict[str, Quote] = {}
        # when the price of a held ticker was asked for last
        self.looked_at: dict[str, dt.datetime] = {}
        self.power: BuyingPower | None = None
        self.in_window = self.market_open = self.halted = False
        self.orders_reconciled = self.holdings_reconciled = False
        self.shares: dict[str, int] = {}
        self.shares_asked_at: dt.datetime | None = None
        # the first reading of the holdings after the last long time without any
        self.rested_at: dt.datetime | None = None
        own = self.state.get("own")
        # a journal from before this count has the numbers in its positions
        before = {p.ticker: Own(qty=p.own_qty) for p in snapshot.positions if p.own_qty}
        self.own = msgspec.json.decode(own, type=dict[str, Own]) if own else before
        # known splits that held shares have not been counted by yet
        self.splits = msgspec.json.decode(self.state.get("splits", "{}"), type=dict[str, Split])
        # by intent, how many shares fewer than were booked the list shows, and since when
        self.shortages: dict[str, Shortage] = {}
        # since a sale's answer was lost, the fewest shares beside the owner's own that the account has shown
        self.fewest: dict[str, int] = {}
        # sales of which that was told
        self.told_short: set[str] = set()
        self.suspicions: dict[str, Suspicion] = {}
        self.touched: dict[str, dt.datetime] = {}
        self.filled_at: dict[str, dt.datetime] = {}
        self.jumps: dict[str, Jump] = {}
        self.rows: dict[BrokerRef, BrokerOrder] = {}
        self.vanished: dict[BrokerRef, dt.datetime] = {}
        self.clock_skewed = False
        self.unwatched: set[str] = set()
        self.broker_ok = True
        self.broker_checked_at: dt.datetime | None = None
        # the last complete order list
        self.listed_at: dt.datetime | None = None
        # orders, of the last minute at least
        self.sent_at: list[dt.datetime] = []
        self.below_stop: dict[str, dt.datetime] = {}
        self.trend_minute: dict[str, int] = {}
        self.trend_question: dict[str, str] = {}
        self.last_miss_at: dict[str, dt.datetime] = {}
        self._changes: list[Change] = []
        self._actions: list[TradeAction] = []
        self._events = 0

    # -- switches -----------------------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        """What happens to BUY signals: the chat's choice, else the configuration's."""
        return self.state.get("mode", self.params.mode)

    @property
    def paused(self) -> bool:
        """Whether the owner stopped new buys."""
        return self.state.get("paused") == "yes"

    @property
    def panicked(self) -> bool:
        """Whether /panic is in force."""
        return self.state.get("panicked") == "yes"

    @property
    def trading_state(self) -> TradingState:
        """Whether entries are open as far as people and standing blocks are concerned."""
        if self.panicked or self.halted:
            return TradingState.HALTED
        return TradingState.REDUCING if self.paused or self.standing() else TradingState.ACTIVE

    def standing(self) -> list[Block]:
        """The blocks in force now."""
        return [b for b in self.blocks.values() if b.until is None or b.until > self.at]

    @property
    def reconciled(self) -> bool:
        """Whether the broker's orders and holdings have been read completely since the start."""
        return self.orders_reconciled and self.holdings_reconciled

    @property
    def krw_per_usd(self) -> Decimal:
        """The broker's exchange rate as last read, also across restarts; 0 before the first reading."""
        if self.power is not None:
            return self.power.krw_per_usd
        return Decimal(self.state.get("krw_per_usd", "0"))

    # -- one input ----------------------------------------------------------------------------------------------

    def begin(self, at: dt.datetime) -> None:
        """Start handling an input at `at`; a new US date resets the daily counters."""
        self.at = at
        self._changes, self._actions = [], []
        if at >= self._date_until:
            self._date_until = us_midnight_after(at)
            if (on := us_date(at)) > self.day.on:
                self.put_day(DayCounters(on=on))

    def outcome(self, reply: Reply | None = None) -> Outcome:
        """What the input led to."""
        return Outcome(changes=tuple(self._changes), actions=tuple(self._actions), reply=reply)

    def change(self, change: Change) -> None:
        """Record a journal change that has no state in memory."""
        self._changes.append(change)

    def act(self, action: TradeAction) -> None:
        """Request an action after the commit; asking for the same one twice is asking once."""
        if action not in self._actions:
            self._actions.append(action)

    def put_state(self, key: str, value: str) -> None:
        """Set one named value."""
        self.state[key] = value
        self.change(PutState(key, value))

    def put_day(self, day: DayCounters) -> None:
        """Replace the daily counters."""
        self.day = day
        self.put_state("day", msgspec.json.encode(day).decode())

    def put_plan(self, plan: Plan) -> None:
        """Insert or replace a plan."""
        self.plans[plan.id] = plan
        self.change(PutPlan(plan))

    def put_position(self, position: Position) -> None:
        """Insert or replace a position; the others hear of it when shares or stop changed."""
        before = self.positions.get(position.ticker)
        self.positions[position.ticker] = position
        self.change(PutPosition(position))
        if before is None or _protection(before) != _protection(position):
            self._tell_others()

    def drop_position(self, ticker: str) -> None:
        """The position is gone; what the account still holds of it is the owner's own."""
        del self.positions[ticker]
        self.looked_at.pop(ticker, None)
        self.below_stop.pop(ticker, None)
        self.trend_minute.pop(ticker, None)
        self.trend_question.pop(ticker, None)
        self.change(DropPosition(ticker))
        self._tell_others()

    def _tell_others(self) -> None:
        """The guardian first: Redis may be slow."""
        self.act(Protect())
        self.act(PublishHoldings())

    def put_exit(self, run: ExitRun) -> None:
        """Insert or replace a sale in progress."""
        self.exits[run.ticker] = run
        self.change(PutExit(run))

    def drop_exit(self, ticker: str) -> None:
        """The sale is over."""
        if self.exits.pop(ticker, None):
            self.change(DropExit(ticker))

    def put_intent(self, intent: Intent) -> None:
        """Insert or replace an intent."""
        self.intents[intent.id] = intent
        self.change(PutIntent(intent))

    def put_manual(self, order: ManualOrder) -> None:
        """Insert or replace an order that is not ours."""
        self.manual[order.ref] = order
        self.change(PutManual(order))

    def put_blocks(self, blocks: dict[str, Block], *, before: TradingState | None) -> None:
        """Replace what holds entries back; the owner hears when that changes the state from what it was `before`, if given."""
        gone = sorted(set(self.blocks) - set(blocks))
        self.blocks = blocks
        self.put_state("blocks", msgspec.json.encode(blocks).decode())
        if before is not None and self.trading_state is not before:
            reason = ",".join(sorted(b.reason for b in self.standing()) or gone)
            self.emit(EventKind.STATE_CHANGED, state=self.trading_state.value, before=before.value, reason=reason)

    def put_own(self, ticker: str, own: Own) -> None:
        """What is known of the owner's own shares of a ticker, which are never sold by us; kept over a restart."""
        if self.own.get(ticker, Own()) == own:
            return
        self.own[ticker] = own
        self.put_state("own", msgspec.json.encode(self.own).decode())
        held = self.positions.get(ticker)
        if held is not None and held.own_qty != self.own_qty(ticker):
            self.put_position(msgspec.structs.replace(held, own_qty=self.own_qty(ticker)))

    def lock(self, ticker: str, reason: str, until: dt.datetime) -> None:
        """Close a ticker for entries, never shortening an existing lock."""
        present = self.locks.get(ticker)
        if present is None or present.until < until:
            self.locks[ticker] = Lock(ticker=ticker, reason=reason, until=until)
            self.change(PutLock(self.locks[ticker]))

    def unlock(self, ticker: str) -> bool:
        """Open a ticker; False when it was not locked."""
        if self.locks.pop(ticker, None) is None:
            return False
        self.change(DropLock(ticker))
        return True

    def emit(self, kind: EventKind, *, ticker: str = "", subject: str = "", **values: Value | Decimal) -> None:
        """Tell the others. Decimals become strings; the id is unique per trader and instant."""
        self._events += 1
        plain: dict[str, Value] = {k: str(v) if isinstance(v, Decimal) else v for k, v in values.items()}
        key = message_id("event", kind.value, ticker, subject, self.at.isoformat(), self._events)
        self.change(Emit(Event(id=key, kind=kind, at=self.at, ticker=ticker, subject=subject, values=plain)))

    # -- questions ----------------------------------------------------------------------------------------------

    def live_intents(self, ticker: str = "", side: Side | None = None) -> list[Intent]:
        """Orders that may still fill, oldest first."""
        found = [
            i
            for i in self.intents.live.values()
            if (not ticker or i.request.ticker == ticker) and (side is None or i.request.side is side)
        ]
        return sorted(found, key=lambda i: i.created_at) if len(found) > 1 else found

    def counted(self, ticker: str) -> Own:
        """The owner's own shares of a ticker by the orders."""
        return self.own.get(ticker, Own())

    def sent_last_minute(self) -> list[dt.datetime]:
        """When each order of the last minute was sent."""
        since = self.at - MINUTE
        return [at for at in self.sent_at if at > since]

    def own_qty(self, ticker: str) -> int:
        """The owner's own shares of a ticker, which no sale of ours may take."""
        return max(0, self.counted(ticker).qty)

    def certain_qty(self, position: Position) -> int:
        """Shares of ours that nothing speaks against: neither a sale by hand nor a fill that the list shows smaller."""
        buys = (i for i in self.intents.values() if i.request.ticker == position.ticker and i.request.side is Side.BUY)
        short = sum(self.shortages[i.id].qty for i in buys if i.id in self.shortages)
        certain = position.qty + min(0, self.counted(position.ticker).qty) - short
        if self.lost_sale(position.ticker) is not None:
            certain = min(certain, self.fewest.get(position.ticker, certain))
        return max(0, certain)

    def lost_sale(self, ticker: str) -> Intent | None:
        """The newest sale of a ticker whose answer was lost, and of which the list may still tell."""
        waiting = {IntentState.UNKNOWN, IntentState.NOT_PLACED}
        since = self.at - self.resolution.quarantine
        lost = [
            i
            for i in self.intents.values()
            if i.request.ticker == ticker
            and i.request.side is Side.SELL
            and i.state in waiting
            and i.ref is None
            and (i.sent_at or i.created_at) > since
        ]
        return max(lost, key=lambda i: i.sent_at or i.created_at, default=None)

    def saw_fewer(self, ticker: str, ours: int, asked_at: dt.datetime) -> None:
        """A reading of the account: what a lost sale may have sold is gone, whatever the owner buys afterwards."""
        lost = self.lost_sale(ticker)
        if lost is None:
            self.fewest.pop(ticker, None)
        elif asked_at >= (lost.sent_at or lost.created_at):
            self.fewest[ticker] = min(ours, self.fewest.get(ticker, ours))

    def expected_shares(self, ticker: str) -> int:
        """Shares that the account should hold: ours and the owner's own."""
        held = self.positions.get(ticker)
        return (held.qty if held is not None else 0) + self.counted(ticker).qty

    def open_plans(self) -> list[Plan]:
        """Plans that may still buy."""
        return list(self.plans.live.values())

    def running_plan(self, ticker: str) -> Plan | None:
        """The plan that is buying this ticker."""
        return next((p for p in self.running_plans() if p.ticker == ticker), None)

    def running_plans(self) -> list[Plan]:
        """The plans that are buying."""
        return [p for p in self.plans.live.values() if p.state is PlanState.RUNNING]

    def spent_usd(self, plan_id: str) -> Decimal:
        """What a plan has spent on fills, commission included."""
        return self.intents.bought_usd(plan_id) * with_commission(self.params.commission_pct)

    def committed_usd(self, plan_id: str) -> Decimal:
        """What a plan has spent or reserved."""
        return self.spent_usd(plan_id) + sum((i.reserved_usd for i in self.intents.buys(plan_id)), ZERO)

    def seen_recently(self) -> set[BrokerRef]:
        """Orders of today and yesterday (US dates) that the broker's list has shown."""
        since = self.yesterday()
        return {ref for ref in self.seen if ref.ord_dt >= since}

    def yesterday(self) -> str:
        """The US date before this one as the broker writes it: its list goes back so far."""
        return (us_date(self.at) - dt.timedelta(days=1)).strftime("%Y%m%d")

    def holdings(self) -> tuple[HeldPosition, ...]:
        """What the others need to know of the positions."""
        return tuple(
            HeldPosition(ticker=p.ticker, qty=p.qty, stop_price=p.stop_price, exchange=p.exchange.value)
            for p in self.positions.values()
        )

    def counted_orders(self) -> dict[str, dict[str, int]]:
        """By held ticker, the orders of today and yesterday that shares were counted from, with how many."""
        since = self.yesterday()
        found: dict[str, dict[str, int]] = {ticker: {} for ticker in self.positions}
        filled = [(i.request.ticker, i.ref, i.filled_qty) for i in self.intents.values() if i.ref is not None]
        filled += [(o.ticker, o.ref, o.filled_qty) for o in self.manual.values()]
        for ticker, ref, qty in filled:
            if ticker in found and qty and ref.ord_dt >= since and not ref.odno.startswith("?"):
                found[ticker][f"{ref.ord_dt}-{ref.odno}"] = qty
        return found

    def selling(self) -> dict[str, int]:
        """By ticker, shares in sales that may still be filled."""
        found: dict[str, int] = {}
        for intent in self.live_intents(side=Side.SELL):
            if intent.state is not IntentState.PREPARED:
                found[intent.request.ticker] = found.get(intent.request.ticker, 0) + intent.remaining
        return found

    def quoted_tickers(self) -> list[str]:
        """Tickers whose price must be fresh: exits first, then positions, then plans that buy."""
        running = (p.ticker for p in self.running_plans())
        return list(dict.fromkeys((*self.exits, *self.positions, *running)))


def _protection(position: Position) -> tuple[int, Decimal, int, str]:
    """What the guardian and the others must hear of when it changes."""
    return position.qty, position.stop_price, position.own_qty, position.frozen


PROTECTIVE = frozenset({Purpose.STOP, Purpose.PANIC, Purpose.GUARD})
