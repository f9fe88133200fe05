"""What the running system decided on a recorded day against its replays, and what the world did in between.

A decision that the machines don't repeat in the order of arrival is a difference. One that only the backtest takes
otherwise is the world's where the recording shows what happened to that ticker; where it does not, it is a difference.
"""

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from backtest.lived import Lived
from backtest.parity import Decision, Decisions, lived, signalled
from core.model.bar import MINUTE_MS, Bar
from core.model.messages import Screened, Signal, message_id
from core.model.order import Purpose
from core.model.position import Plan, PlanState, RoundTrip
from core.model.recording import Arrived, BarsLost, Began, Entry, Found, HistoryCame, Holding, InstrumentCame, Watching
from core.model.session import MarketSession
from core.model.signal import SignalType
from core.rules.risk import RefusalReason
from core.rules.schedule import entry_window, order_phases

# a signal's bar is looked for so far back from when the signal was made
LONGEST_DELAY_MIN = 180
# between a bar's end and what the trader's clock says when it decides
EDGE = dt.timedelta(minutes=2)
# what a process that is told to stop may leave half done
STOPPING = dt.timedelta(seconds=10)
BEGUN = frozenset({PlanState.PROPOSED.value, PlanState.RUNNING.value})
BY_BARS = frozenset({Purpose.STOP.value, Purpose.TREND_BROKEN.value, Purpose.SIGNAL_SELL.value})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A signal as the database has it; `id` is that of the message."""

    id: str
    ticker: str
    signal: str
    confidence: float
    met: tuple[str, ...]
    at: dt.datetime


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the running system wrote down: the database's signals, the journal's verdicts, plans and round trips.

    `waiting` are tickers whose sale is under way, or that are frozen until a person has looked.
    """

    signals: tuple[Row, ...]
    verdicts: Mapping[str, str]
    plans: tuple[Plan, ...]
    trips: tuple[RoundTrip, ...]
    waiting: frozenset[str] = frozenset()


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """`differences`: decisions that differ, the earliest first. `world`: those that differ because of what happened.

    `counts` says of each kind how many the backtest and the running system took, `outside` what is no decision from bars.
    """

    counts: dict[str, tuple[int, int]]
    differences: tuple[str, ...]
    world: tuple[str, ...]
    outside: dict[str, int]
    gaps: tuple[str, ...]


class Cause(msgspec.Struct, frozen=True):
    """What happened to a ticker (all of them: empty), and from when on, at most until when, it may have changed a decision."""

    ticker: str
    since: dt.datetime
    words: str
    until: dt.datetime | None = None

    def touches(self, d: Decision) -> bool:
        """Whether a decision may be due to it."""
        at = dt.datetime.fromisoformat(d.at)
        return self.ticker in {"", d.ticker} and self.since <= at and (self.until is None or at <= self.until)


def compare(
    day: Lived,
    arrived: tuple[Sequence[Screened], Sequence[Signal]],
    backtest: Decisions,
    record: Record,
    session: MarketSession,
    entries: Iterable[Entry],
) -> Compared:
    """`arrived` is what the machines decide in the order of arrival; `entries` is read only where something differs."""
    found, judged = arrived[0], _once(arrived[1])
    rows = {_decided(row): row for row in record.signals}
    again, stored = lived(found, judged, (), ()), {row.id for row in record.signals}
    # an analyzer that is stopped may leave a signal unsaved that the trader has already decided on
    unsaved = [s for s in judged if s.id in record.verdicts and s.id not in stored]
    # what was decided while nothing was recorded has nothing to be compared with
    unknown = {d for d in set(rows) - set(again.signals) if _unrecorded(rows[d].at, day)}
    discoveries = set(lived(day.found, (), (), ()).discoveries)
    signals = (set(rows) - unknown) | set(lived((), unsaved, (), ()).signals)
    exact: list[tuple[Decision, str]] = []
    apart: list[tuple[Decision, str]] = []
    for kind, theirs in (("discoveries", discoveries), ("signals", signals)):
        mine, replay = set(getattr(again, kind)), set(getattr(backtest, kind))
        exact += [(d, f"{kind}: {who}") for d, who in _only(mine, theirs, "replay")]
        apart += [(d, f"{kind}: {who}") for d, who in _only(replay, mine, "backtest")]
    # a find that was being passed on when the collector stopped may have reached nobody
    cut = _last_words(found, judged, day) - discoveries - signals
    exact = [(d, words) for d, words in exact if d not in cut]
    known = {d for d, _ in exact} | cut
    world, unexplained = _explained([(d, who) for d, who in apart if d not in known], day, entries)
    entry_lines, entry_counts, proposals = _entries(day, judged, record, session)
    exit_lines, exit_counts, exits = _exits(day, judged, record, session)
    lines = [(d.at, f"{words}: {_told(d)}") for d, words in [*exact, *unexplained]] + entry_lines + exit_lines
    ours = {"signals that only the journal has": len(unsaved), "decided while nothing was recorded": len(unknown | cut)}
    return Compared(
        counts={
            "discoveries": (len(backtest.discoveries), len(discoveries)),
            "signals": (len(backtest.signals), len(signals)),
            "proposals": proposals,
            "exits": exits,
        },
        differences=tuple(line for _, line in sorted(lines)),
        world=tuple(line for _, line in sorted(world)),
        outside={**entry_counts, **exit_counts, **{words: count for words, count in ours.items() if count}},
        gaps=tuple(f"{a:%H:%M:%S} … {b:%H:%M:%S} UTC" for a, b in day.gaps),
    )


def _last_words(found: Sequence[Screened], judged: Sequence[Signal], day: Lived) -> set[Decision]:
    """What was decided in the last seconds before the collector stopped."""
    stops = [*(start for start, _ in day.gaps), day.ended_at]

    def last(at: dt.datetime) -> bool:
        return any(stop - STOPPING <= at <= stop for stop in stops)

    decided = lived([m for m in found if last(m.created_at)], [s for s in judged if last(s.created_at)], (), ())
    return {*decided.discoveries, *decided.signals}


def _once(signals: Iterable[Signal]) -> list[Signal]:
    """The first of each id: a revised bar is judged again, and only the first judgement is kept and acted upon."""
    found: dict[str, Signal] = {}
    for signal in signals:
        found.setdefault(signal.id, signal)
    return list(found.values())


def _explained(
    apart: list[tuple[Decision, str]], day: Lived, entries: Iterable[Entry]
) -> tuple[list[tuple[str, str]], list[tuple[Decision, str]]]:
    """What the world did, as lines with its reason, and the rest."""
    causes = list(causes_of({d.ticker for d, _ in apart}, day, entries)) if apart else []
    world, rest = [], []
    for d, words in apart:
        may = [cause for cause in causes if cause.touches(d)]
        if may:
            world.append((d.at, f"{words}: {_told(d)} ({max(may, key=lambda cause: cause.since).words})"))
        else:
            rest.append((d, words))
    return world, rest


def _only(mine: set[Decision], theirs: set[Decision], name: str) -> Iterator[tuple[Decision, str]]:
    yield from ((d, f"{name} only") for d in mine - theirs)
    yield from ((d, "live only") for d in theirs - mine)


def _told(d: Decision) -> str:
    return f"{d.at} {d.ticker} {d.kind} {d.detail}"


def _decided(row: Row) -> Decision:
    """A row of the database says when its signal was made; of which bar it is, its id says."""
    minute = int(row.at.timestamp() * 1000) // MINUTE_MS * MINUTE_MS
    starts = (minute - back * MINUTE_MS for back in range(LONGEST_DELAY_MIN))
    start = next((s for s in starts if message_id("signal", row.ticker, row.signal, s) == row.id), minute - MINUTE_MS)
    end_at = dt.datetime.fromtimestamp((start + MINUTE_MS) / 1000, dt.UTC)
    return signalled(end_at, row.ticker, row.signal, row.confidence, row.met)


def _unrecorded(at: dt.datetime, day: Lived) -> bool:
    return at < day.began.at or at > day.ended_at or any(start <= at <= end for start, end in day.gaps)


def causes_of(tickers: Collection[str], day: Lived, entries: Iterable[Entry]) -> Iterator[Cause]:
    """What the world did to these tickers."""
    newest = 0
    seen: dict[tuple[str, int], Bar] = {}
    latest: dict[str, dt.datetime] = {}
    held: set[str] = set()
    for entry in entries:
        match entry:
            case Arrived(bars=bars):
                for bar in bars.bars():
                    if bar.ticker not in tickers:
                        continue
                    before = seen.get((bar.ticker, bar.start_ms))
                    if before is not None and before != bar:
                        yield Cause(bar.ticker, bar.start_at, f"its bar of {bar.start_at:%H:%M} was revised")
                    if bar.start_ms < newest:
                        yield Cause(bar.ticker, bar.start_at, f"its bar of {bar.start_at:%H:%M} came late")
                    seen[bar.ticker, bar.start_ms] = bar
                    latest[bar.ticker] = max(latest.get(bar.ticker, bar.end_at), bar.end_at)
                newest = max(newest, int(bars.start_ms.max(initial=0)))
            case HistoryCame(ticker=ticker, bars=None) | InstrumentCame(ticker=ticker, failed=True) if (
                ticker in tickers
            ):
                yield Cause(ticker, entry.at - EDGE, f"the vendor did not answer about it at {entry.at:%H:%M:%S}")
            case Found(ticker=ticker, discovery=discovery) if ticker in tickers:
                since = discovery.bar_end_at
                if since < latest.get(ticker, since):
                    # a look-up took longer than a minute, or the bar itself came late
                    yield Cause(ticker, since, f"its find of {since:%H:%M} came late, at {entry.at:%H:%M:%S}")
            case Holding(positions=positions):
                now = {each.ticker for each in positions}
                for ticker in (now ^ held) & set(tickers):
                    words = f"it was bought or sold at {entry.at:%H:%M:%S}"
                    yield Cause(ticker, entry.at - EDGE, words, entry.at + EDGE)
                held = now
            case Watching(watch=watch):
                for ticker in set(watch.tickers) & set(tickers):
                    yield Cause(ticker, entry.at, f"it is watched since {entry.at:%H:%M:%S}")
            case BarsLost():
                yield Cause("", entry.at - EDGE, f"Redis was away at {entry.at:%H:%M:%S}")
            case Began(fresh=True) if newest:
                yield Cause("", entry.at, f"the collector started again at {entry.at:%H:%M:%S}")
            case _:
                pass
    for start, end in day.gaps:
        yield Cause("", start, f"nothing was received from {start:%H:%M:%S} to {end:%H:%M:%S}")


def _entries(
    day: Lived, judged: Sequence[Signal], record: Record, session: MarketSession
) -> tuple[list[tuple[str, str]], dict[str, int], tuple[int, int]]:
    """What became of each BUY: who approves, and what the account allows, is not decided by bars."""
    plans = {plan.signal_id: plan for plan in record.plans}
    lines, refused = [], Counter[str]()
    stored = {row.id for row in record.signals}
    buys = {s.id: s for s in judged if s.verdict.signal is SignalType.BUY and s.id in stored}
    mine = 0
    for signal in buys.values():
        at, made_at, params = signal.bar_end_at, signal.created_at, day.params_at(signal.created_at)
        trading = params.trading
        where = f"{at.isoformat(timespec='seconds')} {signal.ticker}"
        verdict, plan = record.verdicts.get(signal.id), plans.get(signal.id)
        opens, closes = entry_window(session, params.schedule)
        inside = opens + EDGE <= made_at < closes - EDGE
        outside = made_at < opens - EDGE or made_at >= closes + EDGE
        if verdict is None and plan is None:
            lines.append((at.isoformat(), f"proposals: the trader never decided: {where}"))
        elif plan is None:
            refused[f"not bought: {verdict}"] += 1
            if inside and verdict == RefusalReason.OUTSIDE_WINDOW.value:
                lines.append((at.isoformat(), f"proposals: refused inside the trading hours: {where}"))
        else:
            mine += 1
            if outside:
                lines.append((at.isoformat(), f"proposals: made outside of the trading hours: {where}"))
            if plan.tranches != trading.split_count or plan.budget_krw > trading.total_buy_amount:
                wanted = f"{trading.total_buy_amount} won in {trading.split_count} tranches"
                lines.append(
                    (
                        at.isoformat(),
                        f"proposals: {where}: {plan.budget_krw:f} won in {plan.tranches} tranches, the settings say {wanted}",
                    )
                )
    if by_hand := sum(1 for plan in record.plans if not plan.signal_id):
        refused["bought by hand"] += by_hand
    return lines, dict(refused), (mine, sum(1 for plan in record.plans if plan.signal_id))


def _exits(
    day: Lived, judged: Sequence[Signal], record: Record, session: MarketSession
) -> tuple[list[tuple[str, str]], dict[str, int], tuple[int, int]]:
    """Each sale with the lived purchase as given: its reason must be seen in the bars, and a reason in them must have sold."""
    lines: list[tuple[str, str]] = []
    others = Counter[str]()
    signals: dict[str, list[Signal]] = {}
    for signal in judged:
        if signal.verdict.signal in {SignalType.SELL, SignalType.STOP}:
            signals.setdefault(signal.ticker, []).append(signal)
    confirmed = decided = 0
    for trip in record.trips:
        at = trip.closed_at.isoformat()
        if trip.reason not in BY_BARS:
            others[f"sold: {trip.reason}"] += 1
            continue
        decided += 1
        mine = [s for s in signals.get(trip.ticker, ()) if trip.opened_at <= s.bar_end_at <= trip.closed_at + EDGE]
        if trip.reason == Purpose.SIGNAL_SELL.value and not mine:
            lines.append((at, f"exits: no bar says sell: {at} {trip.ticker} {trip.reason}"))
        elif trip.reason != Purpose.SIGNAL_SELL.value and not mine and not _touched(day, trip):
            # the trader looks at the broker's prices every two seconds; a bar of the vendor need not have seen them
            others[f"sold at a price that no bar has: {trip.reason}"] += 1
        else:
            confirmed += 1
    phases = order_phases(day.began.params.trading.venue)
    for ticker, since in sorted(_held_in_the_end(day).items()):
        due = [s for s in signals.get(ticker, ()) if s.bar_end_at > since and session.phase(s.bar_end_at) in phases]
        if due and due[0].bar_end_at + 5 * EDGE < min(day.ended_at, session.close_at):
            if ticker in record.waiting:
                others["held, a sale is under way or waits for a person"] += 1
                continue
            at = due[0].bar_end_at.isoformat(timespec="seconds")
            lines.append((at, f"exits: still held after {due[0].verdict.signal.value}: {at} {ticker}"))
    return lines, dict(others), (confirmed, decided)


def _held_in_the_end(day: Lived) -> dict[str, dt.datetime]:
    """Since when what is held at the end has been held."""
    held = {each.ticker: day.began.at for each in day.began.held}
    for change in day.changes:
        if isinstance(change, Holding):
            held = {each.ticker: held.get(each.ticker, change.at) for each in change.positions}
    return held


def _touched(day: Lived, trip: RoundTrip) -> bool:
    """Whether a bar around the sale reached the stop that was in force, or the target."""
    start_ms, end_ms = (int(at.timestamp() * 1000) for at in (trip.closed_at - EDGE, trip.closed_at + EDGE))
    bars = day.bars.only((trip.ticker,))
    near = (bars.start_ms >= start_ms) & (bars.start_ms < end_ms)
    if trip.reason == Purpose.TREND_BROKEN.value:
        target = float(trip.avg_price) * (1 + day.params_at(trip.closed_at).trading.take_profit_pct / 100)
        return bool((bars.high[near] >= target).any())
    stops = [
        float(each.stop_price)
        for change in day.changes
        if isinstance(change, Holding) and change.at <= trip.closed_at
        for each in change.positions
        if each.ticker == trip.ticker
    ]
    return bool(stops) and bool((bars.low[near] <= stops[-1]).any())
