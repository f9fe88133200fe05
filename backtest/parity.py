"""The same day lived and replayed: the decisions of both, and the first one that differs."""

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

import msgspec

from backtest.result import Result
from core.model.messages import Screened, Signal
from core.model.position import Plan, RoundTrip
from core.model.recording import Found


class Decision(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One decision: when it fell (the end of its bar), what it was about, and all of it that must be the same."""

    at: str
    ticker: str
    kind: str
    detail: str


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """Each kind in the order of time and ticker."""

    discoveries: tuple[Decision, ...]
    signals: tuple[Decision, ...]
    proposals: tuple[Decision, ...]
    exits: tuple[Decision, ...]


def _made(decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    return tuple(sorted(decisions))


def _at(instant: dt.datetime) -> str:
    return instant.astimezone(dt.UTC).isoformat(timespec="seconds")


def _discovery(at: dt.datetime, ticker: str, price: float, change: float, ratio: float, *, announce: bool) -> Decision:
    detail = (
        f"{price!r} {change!r} % in five minutes, volume {ratio!r} %, {'announced' if announce else 'cooling down'}"
    )
    return Decision(at=_at(at), ticker=ticker, kind="discovery", detail=detail)


def signalled(at: dt.datetime, ticker: str, signal: str, confidence: float, met: Iterable[str]) -> Decision:
    """A signal as a decision."""
    return Decision(at=_at(at), ticker=ticker, kind=signal, detail=f"{confidence!r} % {' '.join(met)}")


def _proposal(signalled_at: str, ticker: str, budget_krw: Decimal, tranches: int) -> Decision:
    detail = f"{budget_krw:f} won in {tranches} tranches"
    return Decision(at=signalled_at, ticker=ticker, kind="proposal", detail=detail)


def _exit(position: int, trip: RoundTrip) -> Decision:
    return Decision(at=f"{position:04}", ticker=trip.ticker, kind="exit", detail=f"{trip.reason}")


def replayed(result: Result) -> Decisions:
    """The decisions of a backtest."""
    signals = _made(signalled(s.at, s.ticker, s.signal, s.confidence, s.met) for s in result.judged)
    return Decisions(
        discoveries=_made(
            _discovery(f.at, f.ticker, f.price, f.change_pct, f.volume_ratio_pct, announce=f.announce)
            for f in result.found
        ),
        signals=signals,
        proposals=_made(_proposal(_at(p.at), p.ticker, p.budget_krw, p.tranches) for p in result.proposed),
        exits=_exits([t.trip for t in result.trips]),
    )


def lived(
    screened: Sequence[Screened | Found], signals: Sequence[Signal], plans: Sequence[Plan], trips: Sequence[RoundTrip]
) -> Decisions:
    """The decisions of the live processes; a proposal is told by the bar of its signal, whenever the trader read it."""
    bars = {s.id: s.bar_end_at for s in signals}
    return Decisions(
        discoveries=_made(
            _discovery(
                m.discovery.bar_end_at,
                m.ticker,
                m.discovery.price,
                m.discovery.change_pct,
                m.discovery.volume_ratio_pct,
                announce=m.discovery.announce,
            )
            for m in screened
        ),
        signals=_made(
            signalled(
                s.bar_end_at, s.ticker, s.verdict.signal.value, s.verdict.confidence, (c.value for c in s.verdict.met)
            )
            for s in signals
        ),
        proposals=_made(
            _proposal(_at(bars.get(p.signal_id, p.created_at)), p.ticker, p.budget_krw, p.tranches) for p in plans
        ),
        exits=_exits(trips),
    )


def _exits(trips: Sequence[RoundTrip]) -> tuple[Decision, ...]:
    """In the order in which the positions were opened: a sale takes seconds in the one and none in the other."""
    ordered = sorted(trips, key=lambda t: (_at(t.opened_at)[:16], t.ticker))
    return tuple(_exit(i, trip) for i, trip in enumerate(ordered))


def differences(one: Decisions, other: Decisions) -> list[str]:
    """What only one of the two decided, the earliest first; the one is the backtest, the other the live day."""
    found = []
    for kind in ("discoveries", "signals", "proposals", "exits"):
        mine, theirs = set(getattr(one, kind)), set(getattr(other, kind))
        only = [(d, "backtest only") for d in mine - theirs] + [(d, "live only") for d in theirs - mine]
        found += [(d.at, f"{kind}: {who}: {d.at} {d.ticker} {d.kind} {d.detail}") for d, who in only]
    return [line for _, line in sorted(found)]
