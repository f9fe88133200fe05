"""One KIS host: the market, an account, its rules, and what an endpoint gets and gives."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sandbox import calendar
from sandbox.calendar import Session
from sandbox.clock import SandboxClock
from sandbox.faults import Fault, Faults
from sandbox.kis import refusals
from sandbox.kis.account import Account, Side
from sandbox.kis.credentials import PAPER, REAL, Credentials
from sandbox.kis.engine import Engine
from sandbox.kis.limits import RateLimit
from sandbox.kis.refusals import RefusedError, Wording
from sandbox.kis.tokens import TokenOffice
from sandbox.market import Instrument, Market

Body = dict[str, object]


@dataclass(frozen=True)
class Call:
    """A request that passed the gateway."""

    tr_id: str
    fields: Mapping[str, str]
    more: bool
    now: datetime
    path: str = ""


@dataclass(frozen=True)
class Reply:
    """The JSON body and the tr_cont header: F or M with more pages to come, D or E on the last, empty without pages.

    A lost one never arrives: the connection is cut instead.
    """

    body: Body
    tr_cont: str = ""
    lost: bool = False


@dataclass
class Host:
    """Everything behind one listener."""

    name: str
    paper: bool
    market: Market
    clock: SandboxClock
    engine: Engine
    credentials: Credentials
    tokens: TokenOffice
    limit: RateLimit
    # how often the same order body arrived, to show a client that sends twice; and which body made an order
    order_posts: dict[tuple[str, ...], int] = field(default_factory=dict)
    order_keys: dict[int, tuple[str, ...]] = field(default_factory=dict)
    faults: Faults = field(default_factory=Faults)

    @property
    def account(self) -> Account:
        return self.engine.account

    @property
    def words(self) -> Wording:
        return refusals.PAPER if self.paper else refusals.REAL

    @property
    def links(self) -> tuple[str, str]:
        """The names by which faults mean this host."""
        return "kis", f"kis_{self.name}"

    def fault(self, call: Call, actions: str | Collection[str], symbol: str, side: Side) -> Fault | None:
        """The fault that an order of this call suffers, used up by one."""
        return self.faults.take(self.links, call.path, call.tr_id, actions, symbol=symbol, side=side.word)

    def now(self) -> datetime:
        """The clock's now, with every order matched up to it."""
        now = self.clock.now()
        self.engine.advance(now)
        return now

    def check_open(self, now: datetime) -> None:
        """Raises RefusedError outside the hours in which this host takes orders."""
        session = calendar.kis_session(now)
        if session is Session.REGULAR or (session is not Session.CLOSED and not self.paper):
            return
        local = now.astimezone(calendar.NEW_YORK)
        if not calendar.is_trading_day(local.date()):
            raise RefusedError(self.words.no_session)
        early = local.time() < calendar.REGULAR_AT
        raise RefusedError(self.words.too_early if early else self.words.too_late)

    def instrument(self, kis_symbol: str) -> Instrument | None:
        return self.market.instruments.get(kis_symbol.strip().replace("/", "."))

    def success(self, **body: object) -> Body:
        code, text = self.words.inquired
        return body | {"rt_cd": "0", "msg_cd": code, "msg1": text.ljust(80)}


Endpoint = Callable[[Host, Call], Reply]


def create_host(
    market: Market, clock: SandboxClock, *, paper: bool, account: Account | None = None, share: float | None = 0.1
) -> Host:
    engine = Engine(market, account or Account(), paper=paper, share=share, first_odno=40840 if paper else 30138001)
    credentials = PAPER if paper else REAL
    name = "paper" if paper else "real"
    office = TokenOffice(credentials, name)
    return Host(name, paper, market, clock, engine, credentials, office, RateLimit(1 if paper else 18))
