"""The trader's machine with the simulated account for a broker: what the live order desk and watch do, on event time."""

import datetime as dt
from collections.abc import Callable

import msgspec

from backtest.exchange import Refusal, SimulatedAccount
from backtest.recorder import Recorder
from core.model.bar import Bar
from core.model.commands import Approve, Reply, ReplyKey
from core.model.journal import Snapshot
from core.model.messages import HoldingsChanged, Signal, TrendAnswered, TrendAsked, message_id
from core.model.order import Side
from core.model.params import TradingParams
from core.model.position import Plan
from core.model.signal import SignalType
from core.rules.shares import JUMP
from core.stages.trade import (
    AskTrend,
    CancelOrder,
    Outcome,
    PlaceOrder,
    Protect,
    PublishHoldings,
    ReadHoldings,
    TradeStage,
)
from core.stages.trade.gaps import PAUSE
from core.stages.trade.inputs import (
    CancelAnswered,
    CommandArrived,
    HoldingsRead,
    OrderAcked,
    OrderNotSent,
    OrderSending,
    OrdersRead,
    OrderWasRefused,
    PowerRead,
    QuotesRead,
    SignalArrived,
    Tick,
    TradeInput,
    TrendArrived,
)

PERSON = "backtest"
# a person who is told that price or budget moved looks again, but not for ever
MOST_TAPS = 5
# a price is looked at once a minute at least
STALE_AFTER = dt.timedelta(minutes=2)


class Clock(msgspec.Struct, frozen=True):
    """What the time of day allows: new buys, and orders at all."""

    in_window: bool
    market_open: bool


class Desk:
    """`ask_trend` answers for the analyzer, `hold` tells collector and analyzer what is held."""

    def __init__(
        self,
        params: TradingParams,
        account: SimulatedAccount,
        recorder: Recorder,
        *,
        at: dt.datetime,
        approve_after_s: int,
        ask_trend: Callable[[TrendAsked, dt.datetime], TrendAnswered],
        hold: Callable[[HoldingsChanged], None],
    ) -> None:
        self.stage = TradeStage(params, Snapshot(), at)
        self.book = self.stage.book
        self._account = account
        self._recorder = recorder
        self._approve_after = dt.timedelta(seconds=approve_after_s)
        self._approves = approve_after_s >= 0
        self._ask_trend = ask_trend
        self._hold = hold
        self._waiting: dict[str, tuple[Plan, dt.datetime]] = {}
        # the account's revision when orders and shares were read last
        self._seen_revision = self._counted_revision = -1
        self._settle(self.stage.recover(at), at)

    @property
    def active(self) -> bool:
        """Whether time alone may change anything: something is held, planned, ordered or sold."""
        book = self.book
        return bool(book.positions or book.exits or self._waiting or book.open_plans() or book.live_intents())

    def interest(self) -> list[str]:
        """Tickers whose prices matter now; a person who decides sees the price of that moment."""
        return list(dict.fromkeys([*self._quoted(), *(plan.ticker for plan, _ in self._waiting.values())]))

    def _quoted(self) -> list[str]:
        """What the live trader asks prices for."""
        return list(dict.fromkeys([*self.book.positions, *self.book.quoted_tickers()]))

    def idle(self, bar: Bar) -> bool:
        """Whether looking at the ticker inside this bar changes nothing that a look at its close does not.

        So it is where no order of it works, nothing is being sold, and the bar has neither its stop nor its target nor
        a jump in it, of which the machine would take note.
        """
        book, held = self.book, self.book.positions.get(bar.ticker)
        if self._account.working(bar.ticker) or book.exits or book.live_intents(side=Side.SELL):
            return False
        if held is None:
            return True
        if bar.ticker in book.below_stop or bar.end_at - book.looked_at.get(bar.ticker, held.priced_at) >= PAUSE:
            return False
        last = float(held.last_price)
        between = float(held.stop_price) < bar.low and bar.high < float(held.target_price)
        return between and min(bar.low, last) > float(JUMP) * max(bar.high, last)

    def begin(self, at: dt.datetime) -> None:
        """A session begins: everything is read that the live trader polls."""
        self._seen_revision = self._counted_revision = -1
        self.read_orders(at)
        self.read_holdings(at)
        self.tell(PowerRead(at=at, power=self._account.power()))

    def read_orders(self, at: dt.datetime) -> None:
        """The order list, where it can tell anything new: it changed, or an order is on its way."""
        if self._seen_revision != self._account.revision or self.book.live_intents():
            self._seen_revision = self._account.revision
            self.tell(OrdersRead(at=at, orders=self._account.rows(), complete=True))

    def read_holdings(self, at: dt.datetime) -> None:
        """The shares, where they may have changed."""
        if self._counted_revision != self._account.revision:
            self._counted_revision = self._account.revision
            self.tell(HoldingsRead(at=at, holdings=self._account.holdings(), asked_at=at))

    def quote(self, ticker: str, at: dt.datetime) -> None:
        """A price is looked at."""
        quote = self._account.quote(ticker, at)
        if quote is not None:
            self.tell(QuotesRead(at=at, quotes=(quote,)))

    def look(self, at: dt.datetime, clock: Clock) -> None:
        """The end of a minute: orders and prices are read, time passes, people who think it over come to a decision."""
        self.read_orders(at)
        self.read_holdings(at)
        for ticker in self._quoted():
            self.quote(ticker, at)
        self.tell(Tick(at=at, in_window=clock.in_window, market_open=clock.market_open, stale_after=STALE_AFTER))
        self._decide(at)

    def signal(self, signal: Signal, at: dt.datetime) -> bool:
        """A signal with the facts that the live trader would fetch for it; whether something has begun with it."""
        self._recorder.signalled(signal)
        quote = power = None
        if signal.verdict.signal is SignalType.BUY:
            quote, power = self._account.quote(signal.ticker, at), self._account.power()
        self.tell(SignalArrived(at=at, signal=signal, quote=quote, power=power))
        self._decide(at)
        return self.book.running_plan(signal.ticker) is not None or signal.ticker in self.book.exits

    def tell(self, message: TradeInput) -> Reply | None:
        """One input, and all that follows from it at the same instant."""
        outcome = self.stage.handle(message)
        self._settle(outcome, message.at)
        return outcome.reply

    def _settle(self, outcome: Outcome, at: dt.datetime) -> None:
        for plan in self._recorder.committed(outcome.changes):
            if self._approves:
                self._waiting[plan.id] = (plan, plan.created_at + self._approve_after)
        for action in outcome.actions:
            match action:
                case PlaceOrder(intent_id):
                    self._place(intent_id, at)
                case CancelOrder(intent_id):
                    self._cancel(intent_id, at)
                case AskTrend(question_id, ticker):
                    asked = TrendAsked(id=question_id, ticker=ticker, asked_at=at)
                    self.tell(TrendArrived(at=at, answer=self._ask_trend(asked, at)))
                case ReadHoldings():
                    self._counted_revision = -1
                    self.read_holdings(at)
                case PublishHoldings():
                    held = self.book.holdings()
                    self._hold(HoldingsChanged(id=message_id("holdings", at.isoformat()), positions=held, at=at))
                case Protect():
                    # nobody dies here
                    pass

    def _place(self, intent_id: str, at: dt.datetime) -> None:
        """As the live order desk does it: a sale asks what is sellable, SENDING is committed before the order leaves."""
        request = self.book.intents[intent_id].request
        if request.side is Side.SELL:
            held = {h.ticker: h.sellable_qty for h in self._account.holdings()}
            if (sellable := held.get(request.ticker, 0)) < request.qty:
                reason = f"only {sellable} sellable"
                self.tell(OrderNotSent(at=at, intent_id=intent_id, reason=reason, sellable=sellable))
                return
        reply = self.tell(OrderSending(at=at, intent_id=intent_id, baseline=()))
        if reply is not None and not reply.ok:
            return
        try:
            ref = self._account.place(request, at)
        except Refusal as refused:
            self.tell(OrderWasRefused(at=at, intent_id=intent_id, code=refused.code, message=str(refused)))
            return
        self.tell(OrderAcked(at=at, intent_id=intent_id, ref=ref))

    def _cancel(self, intent_id: str, at: dt.datetime) -> None:
        outcome = self.stage.begin_cancel(intent_id, at)
        if outcome is None:
            return
        self._settle(outcome, at)
        ref = self.book.intents[intent_id].ref
        done = ref is not None and self._account.cancel(ref)
        self.tell(CancelAnswered(at=at, intent_id=intent_id, known=True, code="" if done else "APBK1016"))

    def _decide(self, at: dt.datetime) -> None:
        for plan in [plan for plan, due in self._waiting.values() if due <= at]:
            self._approve(plan, at)

    def _approve(self, plan: Plan, at: dt.datetime) -> None:
        """A person taps, and taps again where price or budget moved in the meantime."""
        del self._waiting[plan.id]
        for _ in range(MOST_TAPS):
            now = self.book.plans.get(plan.id)
            if now is None:
                return
            command = Approve(by=PERSON, plan_id=plan.id, nonce=now.nonce)
            quote, power = self._account.quote(plan.ticker, at), self._account.power()
            reply = self.tell(CommandArrived(at=at, command=command, quote=quote, power=power))
            if reply is None or reply.key is not ReplyKey.CHANGED:
                break
        self._waiting.pop(plan.id, None)
