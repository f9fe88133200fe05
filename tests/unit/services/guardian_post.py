"""A guardian with its state directory, a broker that obeys, and a clock that the test moves."""

import json
import os
from pathlib import Path

from services.fence import OrdersLock, process_started
from services.guardian import ROUND_S, Guardian
from services.guardian_broker import OpenOrder
from services.guardian_rules import Listed
from services.protect import write_protection
from tests.unit.core.builders import NOON, TICKER, position

WALL = NOON.timestamp()
AMD = "AMD"


class ObedientBroker:
    """A broker object with shares and a price."""

    def __init__(self) -> None:
        self.last: float | str = 80.0
        self.held = self.free = 10
        self.sales: list[tuple[int, str]] = []
        self.cancels: list[str] = []
        self.orders: list[OpenOrder] = []
        # what the list of orders shows beside the guardian's own sales, and how often it was asked for
        self.listing: list[Listed] = []
        self.filled: dict[str, int] = {}
        self.lists = 0
        self.prices: list[str] = []
        self.trouble: dict[str, Exception] = {}
        self.fills = False

    def _fail(self, *names: str) -> None:
        for name in names:
            if name in self.trouble:
                raise self.trouble[name]

    def price(self, ticker: str, exchange: str) -> float | str:
        self.prices.append(ticker)
        self._fail("price", ticker)
        return self.last

    def shares(self, exchange: str) -> dict[str, tuple[int, int] | None]:
        self._fail("shares")
        return {TICKER: (self.held, self.free), AMD: (5, 5)}

    def sell(self, ticker: str, exchange: str, qty: int, limit: str) -> str:
        assert qty <= self.free
        self.sales.append((qty, limit))
        odno = str(len(self.sales))
        self._fail("sell")
        if ticker == TICKER:
            self.filled[odno] = 0
            self.free -= qty
            if self.fills:
                self.held -= qty
                self.filled[odno] = qty
            else:
                self.orders.append(OpenOrder(odno, ticker, exchange, "sell", qty))
        self._fail("reply")
        return odno

    def open_orders(self) -> list[OpenOrder]:
        self._fail("orders")
        return list(self.orders)

    def listed(self) -> list[Listed]:
        self.lists += 1
        self._fail("listed")
        ours = [Listed(f"20261117-{odno}", TICKER, "sell", filled, False) for odno, filled in self.filled.items()]
        return [*self.listing, *ours]

    def cancel(self, ticker: str, exchange: str, odno: str) -> None:
        self.cancels.append(odno)
        self._fail("cancel", odno)
        for order in [o for o in self.orders if o.odno == odno]:
            self.orders.remove(order)
            self.free += order.left if order.side == "sell" else 0


class Post:
    """A guardian, its state directory, its broker and its clock."""

    def __init__(self, state: Path) -> None:
        self.state, self.broker, self.now, self.step = state, ObedientBroker(), 1000.0, ROUND_S
        self.killed: list[int] = []
        self.lock = OrdersLock(state, "trader", monotonic=lambda: self.now)
        (state / "beats").mkdir()
        self.protect()
        self.start()

    def start(self, broker: object = True, **fields: object) -> None:
        """A guardian, the old one having been killed."""
        if hasattr(self, "guardian"):
            self.guardian._lock.release()
        self.guardian = Guardian(
            self.state,
            self.broker if broker else None,
            monotonic=lambda: self.now,
            wall=lambda: WALL + self.now,
            kill=self.kill,
            **fields,
        )

    def kill(self, pid: int) -> None:
        self.killed.append(pid)
        self.lock.release()

    def protect(self, *positions: object, venue: str = "kis_virtual", seq: int = 1, **fields: object) -> None:
        write_protection(self.state, positions or (position(),), seq=seq, at="now", venue=venue, **fields)

    def beat(self, age_s: float = 0.0, **fields: object) -> None:
        facts = {"pid": "999999999", "mono": str(self.now - age_s), **{k: str(v) for k, v in fields.items()}}
        (self.state / "beats" / "trader").write_text(json.dumps(facts))

    def live(self, age_s: float = 0.0, **fields: object) -> None:
        """A trader of today's format: this very process."""
        pid = os.getpid()
        self.beat(age_s, pid=pid, started=process_started(pid), epoch="1 trader", standby="no", **fields)

    def standby(self) -> None:
        self.beat(standby="yes")

    def rounds(self, n: int = 1) -> None:
        for _ in range(n):
            self.guardian.round()
            self.now += self.step

    @property
    def journal(self) -> list[dict[str, object]]:
        path = self.state / "guardian.ndjson"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def events(self) -> list[str]:
        return [str(fields["event"]) for fields in self.journal]

    @property
    def shown(self) -> dict[str, str]:
        return json.loads((self.state / "beats" / "guardian").read_text())


def flap(post: Post, times: int = 2) -> None:
    for _ in range(times):
        post.beat(age_s=60)
        post.rounds(1)
        post.standby()
        post.rounds(1)
