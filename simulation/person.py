"""The person: answers what the chat asks, gives orders to the bot, and trades the same ticker by hand in the KIS app."""

from collections.abc import Callable
from decimal import Decimal

from core.model.commands import AdoptManual, AnyCommand, Approve, OwnOrder, Panic, Pause, Reply, Resume, Sell, Settle
from core.model.instrument import Exchange
from core.model.messages import AnyMessage, Event, EventKind
from core.model.order import OrderRequest, Side
from core.rules.pricing import round_limit
from simulation.clock import VirtualClock
from simulation.faults import Faults
from simulation.kis import PERSON, Account, Order
from simulation.market import Stock
from simulation.trace import Trace

Send = Callable[[AnyCommand, Callable[[Reply | None], None]], None]
RETRY_S = 3.0


class Person:
    """Acts on seeded impulses. `send` reaches the trader, or answers None where it can't."""

    def __init__(
        self,
        clock: VirtualClock,
        faults: Faults,
        trace: Trace,
        account: Account,
        stocks: dict[str, Stock],
        send: Send,
        lost: Callable[[str], bool | None],
    ) -> None:
        self._clock, self._faults, self._trace = clock, faults, trace
        self._account, self._stocks, self._send = account, stocks, send
        self._random = faults.stream("person")
        self._lost = lost
        self._trades = False
        self._tapped: set[str] = set()

    def plan(self, ends: float) -> None:
        """Draw what this person will do by itself until `ends`."""
        random, faults = self._random, self._faults
        self._trades = faults.roll("manual", "person")
        if self._trades:
            for _ in range(random.randrange(1, 4)):
                self._clock.later(random.uniform(20, ends), self._trade)
        impulse = random.random() if faults.rates.crash else 1.0
        at = random.uniform(20, ends - 60)
        if impulse < 0.06:
            self._clock.later(at, self.say, Pause(by="owner"))
            self._clock.later(at + random.uniform(20, 60), self.say, Resume(by="owner"))
        elif impulse < 0.1:
            self._clock.later(at, self.say, Panic(by="owner", liquidate=random.random() < 0.5))
            self._clock.later(at + random.uniform(20, 60), self.say, Resume(by="owner"))
        elif impulse < 0.18:
            percent = random.choice((30, 50, 100))
            self._clock.later(at, self.say, Sell(by="owner", ticker=random.choice([*self._stocks]), percent=percent))

    def say(self, command: AnyCommand, tries: int = 5) -> None:
        """Send a command; again after a while where nobody answered."""
        self._trace.say("person", "says", type(command).__name__)
        self._faults.hit(f"command_{type(command).__name__}")

        def answered(reply: Reply | None) -> None:
            self._trace.say("person", "hears", reply.key.value if reply else "nothing")
            if reply is None and tries > 0:
                self._clock.later(RETRY_S, self.say, command, tries - 1)

        self._send(command, answered)

    def hear(self, message: AnyMessage) -> None:
        """An event reached the chat."""
        if not isinstance(message, Event):
            return
        random = self._random
        if message.kind in {EventKind.PROPOSED, EventKind.PLAN_CHANGED}:
            nonce = str(message.values["nonce"])
            if nonce in self._tapped or random.random() < 0.05:
                return
            self._tapped.add(nonce)
            tap = Approve(by="owner", plan_id=message.subject, nonce=nonce)
            self._clock.later(random.uniform(0.5, 10.0), self.say, tap)
            if random.random() < 0.2:
                # a finger that taps twice
                self._clock.later(random.uniform(0.5, 10.0), self.say, tap)
        elif message.kind is EventKind.FROZEN and message.id not in self._tapped:
            self._tapped.add(message.id)
            self._clock.later(random.uniform(20.0, 60.0), self.say, Settle(by="owner", ticker=message.ticker))
        elif message.kind is EventKind.MANUAL_BOUGHT and random.random() < 0.5:
            answer = AdoptManual(by="owner", key=message.subject, adopt=random.random() < 0.5)
            self._clock.later(random.uniform(2.0, 30.0), self._adopt, answer, message.ticker)
        elif message.kind is EventKind.TROUBLE and message.values.get("what") == "several_orders_match":
            self._clock.later(random.uniform(10.0, 60.0), self._own_order, message.ticker)

    def _adopt(self, answer: AdoptManual, ticker: str) -> None:
        """Hand shares over, unless they have been split meanwhile: who sees that settles it first."""
        if ticker not in self._account.was_split:
            self.say(answer)

    def _own_order(self, ticker: str) -> None:
        """Look at the account and tell whether the lost buy has arrived."""
        asked = self._lost(ticker)
        if asked is not None:
            self.say(OwnOrder(by="owner", ticker=ticker, placed=asked))

    # -- the KIS app --------------------------------------------------------------------------------------------

    def mirror(self, request: OrderRequest) -> None:
        """The bot has just ordered: sometimes this person orders exactly the same, a moment later."""
        if self._trades and request.side is Side.BUY and self._random.random() < 0.2 and self._faults.on:
            self._faults.hit("manual_mirror")
            self._clock.later(self._random.uniform(0.0, 15.0), self._order, request)

    def _trade(self) -> None:
        """Buy or sell by hand."""
        random, account = self._random, self._account
        ticker = random.choice([*self._stocks])
        stock = self._stocks[ticker]
        if random.random() < 0.6 or not account.own[ticker]:
            self._order(_request(ticker, Side.BUY, random.randrange(1, 20), stock.price))
            return
        # its own shares only, bound ones excepted: what the bot bought is the bot's until this person says otherwise
        free = min(account.own[ticker], account.sellable(ticker))
        if free > 0:
            self._order(_request(ticker, Side.SELL, random.randrange(1, free + 1), stock.bid))

    def _order(self, request: OrderRequest) -> None:
        self._faults.hit(f"manual_{request.side.value.lower()}")
        order = self._account.arrive(request, PERSON)
        if isinstance(order, Order) and order.open:
            self._clock.later(self._random.uniform(5, 60), self._account.cancel, order.ref.odno)


def _request(ticker: str, side: Side, qty: int, price: Decimal) -> OrderRequest:
    return OrderRequest(ticker=ticker, exchange=Exchange.NASD, side=side, qty=qty, limit=round_limit(price, side))
