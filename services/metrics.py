"""Prometheus metrics out of heartbeats, journal, Redis and the rate file: what is measured, and how it is read.

Reads files that the processes leave anyway, so a metric costs them nothing and is there while Redis is away.
"""

import contextlib
import datetime as dt
import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from core.model.safety import TradingState
from ports.bus import BusState
from ports.clock import Clock

PROCESSES = ("collector", "analyzer", "trader", "bot", "guardian")
ALIVE_S = 15.0
MOST_BYTES = 262_144
PREFIX = "seohak_"


class Meaning(msgspec.Struct, frozen=True):
    """One metric: what it says, how it is labelled, and for those read from a heartbeat, whose and which field."""

    help: str
    kind: Literal["gauge", "counter"] = "gauge"
    labels: tuple[str, ...] = ()
    process: str = ""
    field: str = ""


def _beat(process: str, field: str, text: str, kind: Literal["gauge", "counter"] = "gauge") -> Meaning:
    return Meaning(text, kind, process=process, field=field)


METRICS: Mapping[str, Meaning] = {
    "up": Meaning("1 while the process beats", labels=("process",)),
    "heartbeat_age_seconds": Meaning("Since the last heartbeat, real time", labels=("process",)),
    "memory_bytes": Meaning("Memory of the process, shared pages in proportion (PSS)", labels=("process",)),
    "loop_longest_seconds": Meaning("Longest round of the event loop since the start", labels=("process",)),
    "feed_up": Meaning("1 while the market data feed is connected"),
    "feed_delayed": _beat("collector", "delayed", "1 while data is too late to buy by"),
    "feed_delay_seconds": _beat("collector", "delay_s", "From the end of a minute to its first bar"),
    "feed_reader_lag_seconds": _beat("collector", "lag_s", "How far the reader is behind the socket"),
    "feed_gaps": _beat("collector", "gaps", "Gaps of the feed since the start"),
    "bars_age_seconds": Meaning("Since the last bars came, market time"),
    "bars_total": _beat("collector", "bars", "Minute bars received", "counter"),
    "found_total": _beat("collector", "found", "Bars that passed the screen", "counter"),
    "refused_total": Meaning("Bars that a rule of the screen refused", "counter", ("rule",)),
    "published_total": _beat("collector", "published", "Messages that Redis took from the collector", "counter"),
    "publish_lost_total": _beat("collector", "lost", "Messages that Redis did not take", "counter"),
    "lookups": _beat("collector", "lookups", "Histories and securities being looked up"),
    "signals_total": _beat("analyzer", "signals", "Signals given", "counter"),
    "signals_unsaved": _beat("analyzer", "unsaved", "Signals that wait for the database"),
    "stage_behind_seconds": Meaning("From a reader's place to the newest message", labels=("channel", "group")),
    "stage_pending": Meaning("Messages read and not acknowledged", labels=("channel", "group")),
    "redis_up": Meaning("1 while Redis answers"),
    "redis_full": Meaning("1 while Redis refuses messages for want of memory"),
    "redis_used_bytes": Meaning("Memory that Redis uses"),
    "redis_limit_bytes": Meaning("Memory that Redis may use, 0 for no bound"),
    "database_up": Meaning("1 while the database answers"),
    "outbox_items": _beat("trader", "outbox", "Committed facts that wait for Redis or the database"),
    "positions": _beat("trader", "positions", "Stocks held by the bot"),
    "plans": _beat("trader", "plans", "Plans that wait or buy"),
    "market_open": _beat("trader", "market_open", "1 while orders are taken"),
    "broker_up": _beat("trader", "broker_ok", "1 while the broker answers"),
    "broker_failures": _beat("trader", "broker_failures", "Failed readings in a row"),
    "clock_skew_seconds": _beat("trader", "skew_s", "How far the broker's clock is ahead"),
    "stop_look_age_seconds": Meaning("Since the stop that was looked at longest ago was looked at, real time"),
    "trading_state": Meaning("1 for the state in force", labels=("state",)),
    "alarm": Meaning("1 for each reason that holds entries back or each watch that failed", labels=("reason",)),
    "orders": Meaning("Order intents in the trader's journal", labels=("state",)),
    "decisions_total": Meaning("Signals decided, by verdict", "counter", ("verdict",)),
    "kis_peak_requests_per_second": Meaning("Most requests to KIS in one of the last seconds", labels=("key",)),
    "kis_limit_requests_per_second": _beat("trader", "rate_per_s", "What we allow ourselves"),
    "guardian_in_charge": _beat("guardian", "in_charge", "1 while the guardian guards the stops"),
    "guardian_keeps": _beat("guardian", "keeps", "1 while it gives the watch back only when asked"),
    "guardian_protected": _beat("guardian", "protected", "Positions in protect.json"),
    "trader_silence_seconds": _beat(
        "guardian", "trader_age_s", "Age of the trader's heartbeat, as the guardian sees it"
    ),
}
"""Without the prefix; a counter's name ends in _total."""

Value = tuple[tuple[str, ...], float]


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one moment. `bus` and `database` come from whoever can ask them."""

    beats: Mapping[str, Mapping[str, str]]
    mono: float
    now: dt.datetime
    bus: BusState | None
    database: bool
    orders: Mapping[str, int]
    decisions: Mapping[str, int]
    requests: Mapping[str, float]


def read(state_dir: Path, clock: Clock, bus: BusState | None, *, database: bool) -> Readings:
    """Read the files; blocks for some milliseconds. What is not there or not ours is left out."""
    journal = state_dir / "journal.db"
    mono = time.monotonic()
    return Readings(
        beats={name: _fields(state_dir / "beats" / name) for name in PROCESSES},
        mono=mono,
        now=clock.now(),
        bus=bus,
        database=database,
        orders=_counts(journal, "SELECT state, count(*) FROM intent GROUP BY state"),
        decisions=_counts(journal, "SELECT verdict, count(*) FROM decision GROUP BY verdict"),
        requests={
            path.stem.rpartition("-")[2]: _peak(path, mono) for path in (state_dir / "tokens").glob("kis-rate-*.json")
        },
    )


def _fields(path: Path) -> Mapping[str, str]:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def _counts(journal: Path, query: str) -> Mapping[str, int]:
    if not journal.exists():
        return {}
    try:
        with contextlib.closing(sqlite3.connect(f"{journal.as_uri()}?mode=ro", uri=True, timeout=0.5)) as connection:
            return dict(connection.execute(query))
    except sqlite3.Error:
        return {}


def _peak(path: Path, mono: float) -> float:
    """The most requests within one second, among those that the shared window remembers of the last minute."""
    try:
        found = json.loads(path.read_bytes()[:MOST_BYTES])
    except (OSError, ValueError, RecursionError):
        return 0.0
    instants = [t for t in found if isinstance(t, float) and mono - 60 <= t <= mono] if isinstance(found, list) else []
    return float(max((sum(1 for t in instants if at <= t < at + 1) for at in instants), default=0))


def _number(text: str) -> float | None:
    if text in {"True", "False"}:
        return float(text == "True")
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def values(found: Readings) -> Iterator[tuple[str, Value]]:
    """Each metric with its labels' values; one that is not known now is left out."""
    for name, meaning in METRICS.items():
        value = _number(found.beats.get(meaning.process, {}).get(meaning.field, "")) if meaning.field else None
        if value is not None:
            yield name, ((), value)
    for process, beat in found.beats.items():
        yield from _process(process, beat, found.mono)
    yield from _collector(found)
    yield from _servers(found)
    yield from _trader(found)


def _process(process: str, beat: Mapping[str, str], mono: float) -> Iterator[tuple[str, Value]]:
    age_s = _age_s(beat, mono)
    yield "up", ((process,), float(age_s is not None and age_s <= ALIVE_S))
    if age_s is not None:
        yield "heartbeat_age_seconds", ((process,), age_s)
    if (megabytes := _number(beat.get("pss_mb", ""))) is not None:
        yield "memory_bytes", ((process,), megabytes * 1e6)
    if (longest_ms := _number(beat.get("loop_longest_ms", ""))) is not None:
        yield "loop_longest_seconds", ((process,), longest_ms / 1000)


def _age_s(beat: Mapping[str, str], mono: float) -> float | None:
    """None where there is no beat, or one from before the machine's start."""
    beaten = _number(beat.get("mono", ""))
    return mono - beaten if beaten is not None and beaten <= mono else None


def _collector(found: Readings) -> Iterator[tuple[str, Value]]:
    beat = found.beats["collector"]
    if feed := beat.get("feed"):
        yield "feed_up", ((), float(feed in {"connected", "overrun"}))
    with contextlib.suppress(ValueError):
        came_at = dt.datetime.fromisoformat(beat.get("bars_at", ""))
        yield "bars_age_seconds", ((), (found.now - came_at).total_seconds())
    for rule, count in _decoded(beat.get("refused", "")).items():
        yield "refused_total", ((rule,), count)


def _servers(found: Readings) -> Iterator[tuple[str, Value]]:
    yield "database_up", ((), float(found.database))
    yield "redis_up", ((), float(found.bus is not None))
    if found.bus is None:
        return
    yield "redis_full", ((), float(found.bus.full))
    yield "redis_used_bytes", ((), found.bus.used_bytes)
    yield "redis_limit_bytes", ((), found.bus.most_bytes)
    for lag in found.bus.lags:
        yield "stage_behind_seconds", ((lag.channel, lag.group), lag.behind_s)
        yield "stage_pending", ((lag.channel, lag.group), lag.pending)


def _trader(found: Readings) -> Iterator[tuple[str, Value]]:
    beat = found.beats["trader"]
    looks = _decoded(beat.get("stops", "")).values()
    if looks:
        yield "stop_look_age_seconds", ((), max(0.0, found.mono - min(looks)))
    for state in TradingState if beat.get("state") else ():
        yield "trading_state", ((state.value,), float(beat["state"] == state))
    alarms = {reason for reason in beat.get("blocks", "").split(",") if reason}
    if beat.get("outbox_waits_for"):
        alarms.add(f"outbox_waits_for_{beat['outbox_waits_for']}")
    if found.beats["guardian"].get("in_charge") == "True":
        alarms.add("guardian_in_charge")
    for reason in sorted(alarms):
        yield "alarm", ((reason,), 1.0)
    for state_name, count in found.orders.items():
        yield "orders", ((state_name,), count)
    for verdict, count in found.decisions.items():
        yield "decisions_total", ((verdict,), count)
    for key, peak in found.requests.items():
        yield "kis_peak_requests_per_second", ((key,), peak)


def _decoded(text: str) -> Mapping[str, float]:
    try:
        return msgspec.json.decode(text, type=dict[str, float])
    except (msgspec.DecodeError, msgspec.ValidationError):
        return {}


class _Families:
    def __init__(self, found: Iterable[tuple[str, Value]]) -> None:
        self._found: dict[str, list[Value]] = {}
        for name, value in found:
            self._found.setdefault(name, []).append(value)

    def collect(self) -> Iterator[Metric]:
        for name, found in self._found.items():
            meaning = METRICS[name]
            family = CounterMetricFamily if meaning.kind == "counter" else GaugeMetricFamily
            made = family(PREFIX + name, meaning.help, labels=meaning.labels)
            for labels, value in found:
                made.add_metric(labels, value)
            yield made


def exposition(found: Readings) -> bytes:
    """The page that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Families(values(found)))
    return generate_latest(registry)
