"""What the trader has committed, rebuilt outside of it from the changes: it survives every crash and judges them."""

from collections.abc import Sequence
from decimal import Decimal

from core.model.journal import (
    AddFill,
    AddLedger,
    Change,
    DropExit,
    DropPosition,
    Emit,
    LedgerKind,
    PutExit,
    PutIntent,
    PutLock,
    PutPlan,
    PutPosition,
    PutState,
)
from core.model.order import Intent, IntentState, Side
from core.model.position import ExitRun, Plan, Position

ZERO = Decimal(0)
PHASES = {
    IntentState.PREPARED: "prepared",
    IntentState.SENDING: "sent",
    IntentState.UNKNOWN: "sent",
    IntentState.ACKED: "acked",
    IntentState.WORKING: "acked",
    IntentState.PARTIAL: "partial",
    IntentState.CANCEL_REQ: "cancelling",
    IntentState.CANCEL_UNKNOWN: "cancelling",
    IntentState.HUMAN: "sent",
}


class Booked:
    """Intents, plans and positions as the journal has them, with running sums of the budget ledger."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.plans: dict[str, Plan] = {}
        self.positions: dict[str, Position] = {}
        self.exits: dict[str, ExitRun] = {}
        self.state: dict[str, str] = {}
        self.sums = dict.fromkeys(LedgerKind, ZERO)
        self.posted: dict[str, Decimal] = {}
        # order number → the intent it is booked on
        self.owner: dict[str, str] = {}
        self.fills: dict[str, int] = {}

    def apply(self, change: Change) -> None:
        """Take over one committed change."""
        match change:
            case PutIntent(intent):
                self.intents[intent.id] = intent
                if intent.ref is not None:
                    self.owner[intent.ref.odno] = intent.id
            case PutPlan(plan):
                self.plans[plan.id] = plan
            case PutPosition(position):
                self.positions[position.ticker] = position
            case DropPosition(ticker):
                self.positions.pop(ticker, None)
            case PutExit(run):
                self.exits[run.ticker] = run
            case DropExit(ticker):
                self.exits.pop(ticker, None)
            case PutState(key, value):
                self.state[key] = value
            case AddLedger(intent_id, kind, usd):
                self.sums[kind] += usd
                if kind is LedgerKind.POST:
                    plan_id = self.intents[intent_id].plan_id if intent_id in self.intents else ""
                    self.posted[plan_id] = self.posted.get(plan_id, ZERO) + usd
            case AddFill():
                self.fills[change.side.value] = self.fills.get(change.side.value, 0) + change.qty
            case _:
                pass

    def shares(self, odno: str, key: str) -> int:
        """Shares booked for a broker order that intent `key` sent, by its number or only by what the holdings showed."""
        found = 0
        for intent_id in (self.owner.get(odno), key):
            intent = self.intents.get(intent_id or "")
            if intent is not None and (intent.ref is None or intent.ref.odno == odno):
                found = max(found, intent.filled_qty)
        return found

    def live(self) -> list[Intent]:
        """Intents that are not final."""
        return [intent for intent in self.intents.values() if intent.live]

    def reserved(self, plan_id: str) -> Decimal:
        """Budget that a plan's orders hold."""
        return sum((i.reserved_usd for i in self.intents.values() if i.plan_id == plan_id), ZERO)

    def committed(self, plan_id: str) -> Decimal:
        """Reserved and posted of one plan."""
        return self.reserved(plan_id) + self.posted.get(plan_id, ZERO)

    def phase(self) -> str:
        """Where the newest live order is: the seven phases in which a process may die (reliability.md 5)."""
        live = self.live()
        if not live:
            return "idle"
        newest = max(live, key=lambda i: (i.created_at, i.id))
        return "exiting" if newest.request.side is Side.SELL else PHASES[newest.state]


def kind(changes: Sequence[Change]) -> str:
    """A short name for a commit: the order states in it, else the sorts of changes."""
    states = {f"{c.intent.request.side.value}={c.intent.state.value}" for c in changes if isinstance(c, PutIntent)}
    return "+".join(sorted(states or {type(c).__name__ for c in changes}))


def told(changes: Sequence[Change]) -> str:
    """One line of history for a commit."""
    words = []
    for change in changes:
        match change:
            case PutState("own", counted):
                words.append(f"counts {counted}")
            case PutIntent(intent):
                side, ref = intent.request.side.value, intent.ref.odno if intent.ref else "-"
                words.append(f"{side}:{intent.id[:4]}={intent.state.value}/{intent.filled_qty}/{ref}")
            case PutPosition(position):
                words.append(f"holds {position.qty} {position.ticker} stop {position.stop_price}")
            case PutPlan(plan):
                words.append(f"plan {plan.ticker} {plan.state.value} {plan.next_tranche} {plan.reason}")
            case AddFill():
                words.append(f"books {change.qty} of {change.ref.odno}")
            case Emit(event):
                words.append(f"({event.kind.value})")
            case PutLock(lock):
                words.append(f"locks {lock.ticker} {lock.reason}")
            case _:
                words.append(type(change).__name__)
    return ", ".join(words)
