"""Takes down what happens in a run: discoveries, signals, proposals, fills, round trips, refusals, each day's equity."""

from collections.abc import Iterable, Mapping

from backtest.result import Day, Filled, Found, Judged, Proposed, Trip
from core.model.bar import Bar
from core.model.journal import AddFill, AddTrip, Change, Emit, PutPlan
from core.model.messages import EventKind, Screened, Signal
from core.model.position import Plan, PlanState, Position, RoundTrip


class Recorder:
    """Takes the trader's journal changes as they are committed."""

    def __init__(self) -> None:
        self.found: list[Found] = []
        self.judged: list[Judged] = []
        self.proposed: list[Proposed] = []
        self.filled: list[Filled] = []
        self.trips: list[Trip] = []
        self.refused: dict[str, int] = {}
        self.events: dict[str, int] = {}
        self.days: list[Day] = []
        self._plans: dict[str, Plan] = {}
        self._extremes: dict[str, tuple[float, float]] = {}

    def screened(self, message: Screened) -> None:
        found = message.discovery
        self.found.append(
            Found(
                ticker=message.ticker,
                at=found.bar_end_at,
                price=found.price,
                change_pct=found.change_pct,
                volume_ratio_pct=found.volume_ratio_pct,
                announce=found.announce,
            )
        )

    def signalled(self, signal: Signal) -> None:
        verdict = signal.verdict
        self.judged.append(
            Judged(
                ticker=signal.ticker,
                at=signal.bar_end_at,
                signal=verdict.signal.value,
                confidence=verdict.confidence,
                price=verdict.indicators.close,
                met=verdict.met,
            )
        )

    def traded_between(self, held: Mapping[str, Position], bar: Bar) -> None:
        """A bar of a ticker: how far it went against and for a position in it."""
        if bar.ticker in held:
            worst, best = self._extremes.get(bar.ticker, (bar.low, bar.high))
            self._extremes[bar.ticker] = (min(worst, bar.low), max(best, bar.high))

    def committed(self, changes: Iterable[Change]) -> list[Plan]:
        """Take what the machine has written down; returns the plans that wait for a person."""
        waiting = []
        for change in changes:
            match change:
                case PutPlan(plan):
                    waiting += self._plan(plan)
                case AddFill():
                    self._fill(change)
                case AddTrip(_, trip):
                    self._trip(trip)
                case Emit(event):
                    self.events[event.kind.value] = self.events.get(event.kind.value, 0) + 1
                    if event.kind is EventKind.PLAN_REFUSED:
                        reason = str(event.values.get("reason", ""))
                        self.refused[reason] = self.refused.get(reason, 0) + 1
                case _:
                    pass
        return waiting

    def _plan(self, plan: Plan) -> list[Plan]:
        if plan.id not in self._plans:
            self.proposed.append(
                Proposed(
                    ticker=plan.ticker,
                    at=plan.created_at,
                    price=plan.reference_price,
                    budget_krw=plan.budget_krw,
                    tranches=plan.tranches,
                    confidence=plan.confidence,
                )
            )
        self._plans[plan.id] = plan
        return [plan] if plan.state is PlanState.PROPOSED else []

    def _fill(self, fill: AddFill) -> None:
        self.filled.append(
            Filled(
                ticker=fill.ticker,
                at=fill.at,
                side=fill.side.value,
                purpose=fill.purpose.value,
                qty=fill.qty,
                usd=fill.usd,
                fee_usd=fill.fee_usd,
            )
        )

    def _trip(self, trip: RoundTrip) -> None:
        average = float(trip.avg_price) or 1.0
        low, high = self._extremes.pop(trip.ticker, (average, average))
        plans = [p for p in self._plans.values() if p.ticker == trip.ticker and p.created_at <= trip.opened_at]
        self.trips.append(
            Trip(
                trip=trip,
                confidence=plans[-1].confidence if plans else 0.0,
                mae_pct=min(0.0, (low / average - 1) * 100),
                mfe_pct=max(0.0, (high / average - 1) * 100),
            )
        )
