"""How a story ends: accidents stop, everything must become quiet in ten minutes, and then every number must agree."""

from typing import TYPE_CHECKING

from adapters.journal import SqliteJournal
from core.model.journal import LedgerKind
from core.model.order import IntentState

if TYPE_CHECKING:
    from simulation.story import Story

LIVENESS_S = 600.0
QUIET_S = 5
# after the last signal, how long a story without shares goes on: an order in doubt would show by then
EMPTY_S = 40.0
# how long a guardian that is alone gets to sell what is under its stop
ALONE_S = 90


class Ending:
    """Looks once a second from the end of the accidents on."""

    def __init__(self, story: "Story", accidents_end: float) -> None:
        self._story = story
        self.ends = accidents_end
        self._deadline = 0.0
        self._quiet = 0
        self.over = False

    def second(self) -> None:
        """One second passed."""
        story, now = self._story, self._story.loop.time()
        if self.over or (now < self.ends and not self._nothing_left(now)):
            return
        story.faults.on = False
        if story.stays_dead:
            if now >= self.ends + ALONE_S:
                self._alone()
                story.stays_dead = False
                story.start_trader()
            return
        visible = max((o.versions[-1][0] for o in story.account.orders), default=0.0)
        if story.line.in_flight or visible > now or not self._deadline:
            # accepted late or shown late: the accident lasts until then
            self._deadline = now + LIVENESS_S
        why = self.restless()
        self._quiet = 0 if why else self._quiet + 1
        if self._quiet >= QUIET_S:
            self.over = True
            self._agree()
            story.loop.stop()
        elif now > self._deadline:
            story.checks.fail("liveness", f"ten quiet minutes were not enough: {why}")

    def _nothing_left(self, now: float) -> bool:
        """Nothing is held and nothing more will be bought: the rest of the story would be empty."""
        story = self._story
        if now < story.last_signal_at + EMPTY_S or story.stays_dead or story.checks.booked.positions:
            return False
        return not self.restless()

    def _alone(self) -> None:
        """The trader has not come back: the guardian has sold what is under its stop."""
        story = self._story
        for ticker, (qty, stop) in story.checks.protection().items():
            if ticker in story.account.was_split:
                # its stop price means nothing: a person must look first
                continue
            left = qty - story.checks.sold_unbooked(ticker)
            if story.stocks[ticker].highest(ALONE_S // 2) <= stop and left > 0 and story.account.bot(ticker) > 0:
                story.checks.fail("guardian", f"{ticker} is under its stop {stop}, {left} shares are still there")

    def restless(self) -> str:
        """Why it is not quiet yet, or nothing."""
        story, booked = self._story, self._story.checks.booked
        if story.life is None or not story.life.up or story.guardian is None or story.guardian.in_charge:
            return "the trader is not in charge"
        if story.line.in_flight:
            return "an order is still on its way"
        live = [i for i in booked.live() if i.state is not IntentState.HUMAN]
        if live:
            return f"intent {live[0].id} is {live[0].state}"
        if any(o.from_api for o in story.account.open):
            return "an API order is open at the broker"
        if any(plan.open for plan in booked.plans.values()):
            return "a plan is open"
        if booked.exits:
            return f"a sale of {[*booked.exits]} is not over"
        for ticker, position in booked.positions.items():
            if story.stocks[ticker].price <= position.stop_price:
                return f"{ticker} is under its stop"
        for ticker in story.stocks:
            held = booked.positions.get(ticker)
            if (held.qty if held else 0) != story.account.bot(ticker):
                return f"{ticker}: {held.qty if held else 0} booked, {story.account.bot(ticker)} in the account"
            if held and held.own_qty != story.account.own[ticker]:
                return f"{ticker}: {held.own_qty} booked as the person's own, {story.account.own[ticker]} are"
        if story.life.owes():
            return "the outbox is not empty"
        return ""

    def _agree(self) -> None:
        """Quiet: now every number must be exact."""
        story, booked, checks = self._story, self._story.checks.booked, self._story.checks
        checks.files()
        sums = booked.sums
        if sums[LedgerKind.RESERVE] != sums[LedgerKind.POST] + sums[LedgerKind.VOID]:
            checks.fail("ledger", f"{sums}")
        with_file = SqliteJournal(story.state_dir / "journal.db")
        try:
            snapshot = with_file.load()
        finally:
            with_file.close()
        if {p.ticker: p for p in snapshot.positions} != booked.positions:
            checks.fail("journal", "the file holds other positions than were committed")
        if {i.id: i.state for i in snapshot.intents} != {i.id: i.state for i in booked.intents.values()}:
            checks.fail("journal", "the file holds other intents than were committed")
        told: dict[str, int] = {}
        for row in story.records.trades_by_key.values():
            told[row.side.value] = told.get(row.side.value, 0) + row.quantity
        if told != booked.fills:
            checks.fail("records", f"the table says {told}, the journal {booked.fills}")
