"""The guardian in charge: cancels purchases and sells at the stops. Standard library only."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from services.guardian_broker import GuardianBroker, GuardianRefused, GuardianTrouble, OpenOrder
from services.guardian_files import Journal, scaled_now, us_date
from services.guardian_rules import BUYS_EVERY_S, NEVER, Protected, Watch, looks_split, patience_s, sell_limit


class Seller:
    """Watches tickers and carries out what `guardian_rules` decides; every sale is in the journal before it is sent."""

    def __init__(
        self,
        journal: Journal,
        monotonic: Callable[[], float],
        wall: Callable[[], float],
        complain: Callable[[str, Exception], None],
        show: Callable[[], None],
    ) -> None:
        self._journal, self._monotonic, self._wall = journal, monotonic, wall
        self._complain, self._show = complain, show
        self._buys_at, self._sales = NEVER, 0
        self.watches: dict[str, Watch] = {}

    def begin(self) -> None:
        """Start anew: nothing observed yet, purchases to be cancelled at once."""
        self.watches.clear()
        self._buys_at = NEVER

    def forget(self, ticker: str) -> None:
        """The trader looks at this ticker itself."""
        self.watches.pop(ticker, None)

    def broken(self, broker: GuardianBroker, row: Protected) -> bool:
        """Ask the price once; whether the stop is broken by now. Raises GuardianTrouble."""
        watch = self.watches.get(row.ticker) or self._watch(row)
        return watch.observe(_price(broker, row), row.stop_price, self._monotonic())

    def serve(self, broker: GuardianBroker, rows: Iterable[Protected]) -> None:
        """Look at every ticker: those that are being sold first, then those seen under their stop."""
        if self._monotonic() >= self._buys_at:
            self._cancel_buys(broker)
        for row in sorted(rows, key=self._urgency):
            if row.hold:
                continue
            try:
                self._guard(broker, row)
            except Exception as error:
                self._complain(row.ticker, error)
            self._show()

    def _urgency(self, row: Protected) -> int:
        watch = self.watches.get(row.ticker)
        if watch is None:
            return 2
        return 0 if watch.breached else 1 if watch.below_since is not None else 2

    def _cancel_buys(self, broker: GuardianBroker) -> None:
        """Nobody watches what is bought now. Again and again: an order whose answer was lost may appear late."""
        try:
            orders = broker.open_orders()
        except Exception as error:
            self._complain("purchases", error)
            return
        self._cancel(broker, [o for o in orders if o.side == "buy" and not o.by_hand])
        self._buys_at = self._monotonic() + BUYS_EVERY_S

    def _cancel(self, broker: GuardianBroker, orders: list[OpenOrder]) -> None:
        for order in orders:
            self._journal.record(event="cancelling", ticker=order.ticker, odno=order.odno, side=order.side)
            try:
                broker.cancel(order.ticker, order.exchange, order.odno)
            except Exception as error:
                self._complain(f"{order.ticker} {order.odno}", error)

    def _guard(self, broker: GuardianBroker, row: Protected) -> None:
        """Sell when the stop is broken; then climb down until the shares are gone."""
        watch = self.watches.get(row.ticker) or self._watch(row)
        # the trader's last word counts where it was written while we took over
        if row.qty < watch.left:
            watch.left = watch.left_before = row.qty
        watch.inherit(row, self._monotonic())
        if watch.left == 0:
            return
        last = _price(broker, row)
        if not watch.observe(last, row.stop_price, self._monotonic()):
            return
        shares = broker.shares(row.exchange).get(row.ticker, (0, 0))
        if shares is None:
            raise GuardianTrouble(f"the shares of {row.ticker} can't be read")
        held, free = shares
        if self._split(broker, row, watch, held, last):
            if not watch.split:
                watch.split = True
                self._journal.record(event="split", ticker=row.ticker, held=held, price=str(last))
            return
        bound = _bound(broker, row.ticker) if watch.missing(held) else 0
        now = self._monotonic()
        if gone := watch.account(held, bound, now):
            self._journal.record(event="gone", ticker=row.ticker, qty=gone, left=watch.left)
        watch.settle(held, free, now)
        if watch.recounts(held, free, now):
            self._recount(broker, row, watch)
        wanted = watch.wanted(held, free)
        if wanted > 0 and now >= watch.not_before:
            self._sell(broker, row, watch, wanted, (held, free), sell_limit(last, watch.step))
        elif wanted == 0 and watch.stuck(now) and held > watch.stays(held):
            self._free(broker, row, watch)

    def _split(self, broker: GuardianBroker, row: Protected, watch: Watch, held: int, last: Decimal) -> bool:
        """Whether a split is why the account holds more than it should; orders that nobody has booked explain it first."""
        if held <= row.qty + (row.own or 0):
            return False
        self._recount(broker, row, watch)
        listed = watch.listed.all if watch.listed is not None else None
        # without the list, sales that may have been filled leave no number to compare with
        return (listed is not None or watch.sent == 0) and looks_split(row, held, last, listed)

    def _recount(self, broker: GuardianBroker, row: Protected, watch: Watch) -> None:
        """Ask the list of orders what has changed since the trader's last word; raises where it can't be had yet."""
        if row.orders is None:
            return
        try:
            found = row.recount(broker.listed())
        except GuardianTrouble:
            if watch.list_missing(self._monotonic()):
                raise
            return
        if found is not None:
            watch.counted(found)
        elif watch.list_missing(self._monotonic()):
            raise GuardianTrouble("the list of orders lacks orders")

    def _watch(self, row: Protected) -> Watch:
        """Begin to watch a ticker, with what the guardian before this one has sold since its takeover."""
        watch = self.watches[row.ticker] = Watch(left=row.qty, left_before=row.qty)
        for fields in self._journal.since("handed_back"):
            if fields.get("ticker") != row.ticker:
                continue
            left, floor = fields.get("left"), fields.get("floor")
            if isinstance(left, int):
                watch.left = min(watch.left, left)
            if isinstance(floor, int):
                watch.floor = floor
        return watch

    def _sell(
        self, broker: GuardianBroker, row: Protected, watch: Watch, qty: int, shares: tuple[int, int], limit: str
    ) -> None:
        held, free = shares
        others = watch.stays(held)
        if not watch.told:
            # for a guardian that starts again in the middle of this
            watch.told = True
            self._journal.record(event="watching", ticker=row.ticker, floor=others)
        self._sales += 1
        wall = self._wall()
        sale: dict[str, object] = {"key": f"{int(wall * 1000)}-{self._sales}", "ticker": row.ticker, "qty": qty}
        sale |= {"limit": limit, "sent_at": scaled_now(wall).isoformat()}
        # written before it is sent, so that the trader will know of it whatever happens
        self._journal.record(event="selling", **sale)
        try:
            odno = broker.sell(row.ticker, row.exchange, qty, limit)
        except GuardianRefused as refused:
            watch.refused(self._monotonic(), soon=refused.soon)
            self._journal.record(event="refused", key=sale["key"], code=refused.code)
            raise
        except Exception:
            watch.sold(qty, held, free, self._monotonic(), patience_s(lost=True, others=others))
            self._journal.record(event="lost", key=sale["key"])
            raise
        watch.sold(qty, held, free, self._monotonic(), patience_s(lost=False, others=others))
        self._journal.record(event="sold", **sale, ord_dt=us_date(wall), odno=odno)

    def _free(self, broker: GuardianBroker, row: Protected, watch: Watch) -> None:
        """Our shares are bound by an order that does not fill, ours or the trader's: cancel it, unless a person placed it."""
        watch.moved_at = self._monotonic()
        sales = [o for o in broker.open_orders() if o.ticker == row.ticker and o.side == "sell" and not o.by_hand]
        self._cancel(broker, sales)
        if sales and watch.sent:
            watch.step += 1


def _price(broker: GuardianBroker, row: Protected) -> Decimal:
    last = Decimal(str(broker.price(row.ticker, row.exchange)))
    if not last.is_finite() or last <= 0:
        raise GuardianTrouble(f"no price of {row.ticker}")
    return last


def _bound(broker: GuardianBroker, ticker: str) -> int:
    """Shares in open sales; none where that can't be read, for two low readings are asked for anyway."""
    try:
        return sum(o.left for o in broker.open_orders() if o.ticker == ticker and o.side == "sell")
    except GuardianTrouble:
        return 0
