"""One entrance: every input goes through `handle`, which changes the book and says what to write and do."""

import datetime as dt
from typing import assert_never

from core.model.commands import Reply
from core.model.journal import Snapshot
from core.model.messages import EventKind
from core.model.money import ZERO
from core.model.order import BuyingPower, IntentState
from core.model.params import TradingParams
from core.model.signal import SignalType
from core.rules.reconcile import Resolution
from core.stages.trade import commands, entries, exits, guarded, holdings, listing, orders, safety
from core.stages.trade.book import Book
from core.stages.trade.inputs import (
    BrokerHealth,
    CancelAnswered,
    ClockRead,
    CommandArrived,
    GuardianSold,
    HoldingsRead,
    OrderAcked,
    OrderLost,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    ParamsChanged,
    PowerRead,
    PricesApart,
    QuotesRead,
    SignalArrived,
    SplitsTold,
    Tick,
    TradeInput,
    TrendArrived,
)
from core.stages.trade.outcome import Outcome, Protect, PublishHoldings

# The broker's list goes back over a long weekend; an order of ours that we had forgotten would look like a stranger's.
KEPT = dt.timedelta(days=8)
FORGETS_EVERY = dt.timedelta(hours=1)


class TradeStage:
    """Deterministic: the same snapshot and the same inputs give the same outcomes."""

    def __init__(
        self, params: TradingParams, snapshot: Snapshot, at: dt.datetime, resolution: Resolution | None = None
    ) -> None:
        self.book = Book(params, snapshot, at, resolution or Resolution())
        self._forgot_at = at - FORGETS_EVERY

    def recover(self, at: dt.datetime) -> Outcome:
        """The first step after a start: what was never sent is void, what was being sent is unknown."""
        book = self.book
        book.begin(at)
        for intent in book.live_intents():
            if intent.state is IntentState.PREPARED:
                orders.on_not_sent(book, OrderNotSent(at=at, intent_id=intent.id, reason=orders.RESTART))
            elif intent.state is IntentState.SENDING:
                orders.on_lost(book, OrderLost(at=at, intent_id=intent.id, reason=orders.RESTART))
        book.act(Protect())
        book.act(PublishHoldings())
        return book.outcome()

    def handle(self, message: TradeInput) -> Outcome:
        """Handle one input."""
        book = self.book
        book.begin(message.at)
        reply: Reply | None = None
        match message:
            case Tick():
                self._tick(message)
            case SignalArrived():
                self._signal(message)
            case CommandArrived():
                self._power(message.power)
                reply = commands.on_command(book, message)
            case QuotesRead():
                exits.on_quotes(book, message)
            case TrendArrived():
                exits.on_trend(book, message)
            case OrderSending():
                reply = orders.on_sending(book, message)
            case OrderNotSent():
                orders.on_not_sent(book, message)
            case OrderAcked():
                orders.on_acked(book, message)
            case OrderWasRefused():
                orders.on_refused(book, message)
            case OrderLost():
                orders.on_lost(book, message)
            case CancelAnswered():
                orders.on_cancel_answered(book, message)
            case OrdersRead():
                listing.on_orders_read(book, message)
                exits.drive(book)
            case HoldingsRead():
                holdings.on_holdings_read(book, message)
            case PowerRead():
                self._power(message.power)
            case BrokerHealth():
                self._health(message)
            case ClockRead():
                safety.on_clock_read(book, message)
            case PricesApart():
                safety.on_prices_apart(book, message)
            case SplitsTold():
                holdings.on_splits_told(book, message)
            case ParamsChanged():
                book.params = message.params
            case GuardianSold():
                guarded.on_guardian_sold(book, message)
            case _ as never:
                assert_never(never)
        return book.outcome(reply)

    def begin_cancel(self, intent_id: str, at: dt.datetime) -> Outcome | None:
        """Write that a cancel is about to be sent; None when there is nothing to cancel."""
        self.book.begin(at)
        return self.book.outcome() if orders.cancel_asked(self.book, intent_id) else None

    def _tick(self, message: Tick) -> None:
        book = self.book
        safety.on_tick(book, message)
        entries.run_plans(book)
        exits.drive(book)
        self._forget()

    def _signal(self, message: SignalArrived) -> None:
        self._power(message.power)
        match message.signal.verdict.signal:
            case SignalType.BUY:
                entries.on_buy_signal(self.book, message)
            case SignalType.WATCH:
                entries.on_watch_signal(self.book, message.signal)
            case SignalType.SELL | SignalType.STOP:
                exits.on_exit_signal(self.book, message.signal)

    def _power(self, power: BuyingPower | None) -> None:
        if power is None:
            return
        book = self.book
        if power.krw_per_usd > ZERO and str(power.krw_per_usd) != book.state.get("krw_per_usd"):
            book.put_state("krw_per_usd", str(power.krw_per_usd))
        book.power = power

    def _health(self, message: BrokerHealth) -> None:
        book = self.book
        if message.ok != book.broker_ok:
            book.broker_ok = message.ok
            kind = EventKind.BROKER_UP if message.ok else EventKind.BROKER_DOWN
            book.emit(kind, detail=message.detail)

    def _forget(self) -> None:
        """Old finished orders and plans leave the memory; the journal keeps them."""
        book = self.book
        if book.at - self._forgot_at < FORGETS_EVERY:
            return
        self._forgot_at = book.at
        before = book.at - KEPT
        for intent in [i for i in book.intents.values() if not i.live and i.updated_at < before]:
            del book.intents[intent.id]
        for ref in [r for r, o in book.manual.items() if o.seen_at < before]:
            del book.manual[ref]
        for plan in [p for p in book.plans.values() if not p.open and p.created_at < before]:
            del book.plans[plan.id]
