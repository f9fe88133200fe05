"""How fast frames of the market are decoded and screened: `./seohak bench frames [--json]`.

Three ways over the same frames in interleaved rounds: the vendor's client as its documents use it (JSON, its model
objects, a screen in plain Python), the decoder alone, and ours.
"""

import argparse
import datetime as dt
import json
import logging
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from polygon.websocket.models import EquityAgg, Market, parse
from rich.console import Console
from rich.table import Table

from adapters.polygon import wire
from adapters.polygon.batches import Batches
from core.model.bar import MINUTE_MS
from core.model.instrument import Instrument
from core.model.messages import Screened
from core.model.params import ScannerParams
from core.rules.market import MARKET
from core.stages.collect import CollectStage, Publish

TICKERS, MINUTES, PER_FRAME, EVENTS = 8_000, 40, 100, 25
# the first minutes only fill the histories
WARM = 25
BEGINS_MS = 1_736_173_800_000
MINUTE_LIMIT_MS, LEAST_RATIO, LEAST_SHARE = 15.0, 8.0, 0.5
SUMMARY = "시장 전체의 분봉을 해독하고 거르는 속도 / how fast the market's bars are decoded and screened"
PARAMS = ScannerParams(unknown_market_cap="accept", security_types=())
Minute = list[str]
Hit = tuple[str, int]


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """Medians over the rounds; `minute_ms` is the slowest of the measured minutes' medians."""

    name: str
    events_per_s: float
    minute_ms: float
    hits: int


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """`ratio` to the vendor's client, `share` of what decoding alone reaches; `agrees`: both screens found the same."""

    events: int
    ways: list[Way]
    ratio: float
    share: float
    agrees: bool
    ok: bool


class _Aggregate(msgspec.Struct, gc=False):
    """All that a minute bar's event has on the wire."""

    ev: str
    sym: str
    v: float
    av: float
    op: float
    vw: float
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    a: float
    z: float
    s: int
    e: int
    dv: str
    dav: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--tickers", type=int, default=TICKERS, metavar="N", help=f"bars in a minute ({TICKERS})")
    parser.add_argument(
        "--per-frame", type=int, default=PER_FRAME, metavar="N", help=f"events in a frame ({PER_FRAME})"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="interleaved rounds (3)")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def frames(tickers: int, per_frame: int, minutes: int = MINUTES) -> list[Minute]:
    """A market in which every ticker prints every minute, as text frames; some of them jump in the measured minutes."""
    rng = np.random.default_rng(7)
    steps = rng.normal(0, 0.0008, (minutes, tickers))
    volume = rng.lognormal(8.5, 1.0, (minutes, tickers)).round() + 1
    for ticker in rng.choice(tickers, min(EVENTS, tickers), replace=False).tolist():
        minute = int(rng.integers(min(WARM, minutes - 1), minutes))
        steps[minute, ticker] += 0.08
        volume[minute, ticker] += 400_000
    close = np.exp(rng.normal(3, 0.8, tickers)) * np.exp(np.cumsum(steps, axis=0))
    opened = np.vstack((close[:1], close[:-1]))
    made = []
    for minute in range(minutes):
        start = BEGINS_MS + minute * MINUTE_MS
        events = [
            {
                "ev": "AM", "sym": f"T{n:05d}", "v": int(volume[minute, n]), "av": 9_470_157, "op": round(o, 4),
                "vw": round((o + c) / 2, 4), "o": round(o, 4), "c": round(c, 4), "h": round(max(o, c) + 0.01, 4),
                "l": round(min(o, c) * 0.999, 4), "a": round(c, 4), "z": 85, "s": start, "e": start + MINUTE_MS,
                "dv": f"{volume[minute, n]:.1f}", "dav": "9470157.0",
            }
            for n, (o, c) in enumerate(zip(opened[minute].tolist(), close[minute].tolist(), strict=True))
        ]  # fmt: skip
        parts = [events[at : at + per_frame] for at in range(0, tickers, per_frame)]
        made.append([json.dumps(part, separators=(",", ":")) for part in parts])
    return made


class Vendor:
    """The vendor's way: `json`, its model objects, and over them the rules one after the other as config.yaml has them."""

    def __init__(self) -> None:
        self._logger = logging.getLogger(__name__)
        self._bars: dict[str, deque[EquityAgg]] = {}
        self.hits: list[Hit] = []

    def minute(self, minute: Minute) -> None:
        """Parse and screen a minute's frames."""
        for frame in minute:
            events = json.loads(frame)
            # as the client's own loop does before it makes its objects
            for event in events:
                if event["ev"] == "status":
                    self._logger.debug("status: %s", event["message"])
            for bar in parse(events, self._logger, Market.Stocks):
                known = self._bars.setdefault(bar.symbol, deque(maxlen=120))
                known.append(bar)
                if self._passes(bar, known):
                    self.hits.append((bar.symbol, bar.start_timestamp))

    def _passes(self, bar: EquityAgg, known: deque[EquityAgg]) -> bool:
        if bar.close < PARAMS.min_price:
            return False
        start = bar.start_timestamp
        early = (each for each in reversed(known) if each.start_timestamp <= start - PARAMS.timeframe_min * MINUTE_MS)
        reference = next(early, None)
        if reference is None or bar.close / reference.close - 1 < PARAMS.price_change_pct / 100:
            return False
        since = start - PARAMS.volume_lookback * MINUTE_MS
        before = [each.volume for each in known if since <= each.start_timestamp < start]
        mean = sum(before) / PARAMS.volume_lookback
        grown = bar.volume >= (1 + PARAMS.volume_spike_pct / 100) * mean > 0
        return bool(known[0].start_timestamp <= since and grown and bar.volume >= PARAMS.min_volume)


class Decoder:
    """The decoder alone, into all fields that an event has."""

    def __init__(self) -> None:
        self._decoder = msgspec.json.Decoder(list[_Aggregate])
        self.hits: list[Hit] = []

    def minute(self, minute: Minute) -> None:
        """Decode a minute's frames."""
        for frame in minute:
            self._decoder.decode(frame)


class Ours:
    """What the collector does with frames that have arrived."""

    def __init__(self, tickers: int) -> None:
        self._stage = CollectStage(PARAMS, MARKET)
        self._batches = Batches()
        self._stage.know(Instrument(ticker=f"T{n:05d}", name="", shares_outstanding=1e9) for n in range(tickers))
        self.hits: list[Hit] = []

    def minute(self, minute: Minute) -> None:
        """Decode and screen a minute's frames, which were waiting together."""
        minutes: list[wire.Aggregate] = []
        for frame in minute:
            minutes += wire.MINUTES.decode(frame)[0]
        batch, _ = self._batches.batch_of(minutes)
        at = dt.datetime.fromtimestamp(int(batch.start_ms[0]) / 1000 + 61, dt.UTC)
        for effect in self._stage.bars_arrived(batch, at):
            if isinstance(effect, Publish) and isinstance(effect.message, Screened):
                self.hits.append((effect.message.ticker, effect.message.bars[-1].start_ms))


def measure(tickers: int, per_frame: int, rounds: int) -> Result:
    """Every way over the same frames, one after the other in each round."""
    made = frames(tickers, per_frame)
    ways: dict[str, Callable[[], Vendor | Decoder | Ours]] = {
        "polygon-api-client": Vendor,
        "msgspec, decoding only": Decoder,
        "seohak": lambda: Ours(tickers),
    }
    seconds: dict[str, list[list[float]]] = {name: [] for name in ways}
    hits: dict[str, list[Hit]] = {}
    for _ in range(rounds):
        for name, make in ways.items():
            engine = make()
            seconds[name].append([_timed(engine.minute, minute) for minute in made][WARM:])
            hits[name] = sorted(engine.hits)
    found = [_way(name, seconds[name], tickers, len(hits[name])) for name in ways]
    vendor, bare, ours = (way.events_per_s for way in found)
    agrees = hits["polygon-api-client"] == hits["seohak"]
    ratio, share = ours / vendor, ours / bare
    good = ratio >= LEAST_RATIO and share >= LEAST_SHARE and found[2].minute_ms < MINUTE_LIMIT_MS * tickers / TICKERS
    return Result(
        events=tickers * (MINUTES - WARM),
        ways=found,
        ratio=round(ratio, 2),
        share=round(share, 2),
        agrees=agrees,
        ok=good and agrees,
    )


def _timed(work: Callable[[Minute], None], minute: Minute) -> float:
    began = time.perf_counter()
    work(minute)
    return time.perf_counter() - began


def _way(name: str, rounds: Sequence[Sequence[float]], tickers: int, hits: int) -> Way:
    minutes = [statistics.median(times) for times in zip(*rounds, strict=True)]
    return Way(
        name=name,
        events_per_s=round(tickers / statistics.median(minutes)),
        minute_ms=round(max(minutes) * 1000, 1),
        hits=hits,
    )


def run(options: argparse.Namespace) -> int:
    """0 where the promises hold, 1 where one does not, 2 wrong input."""
    if min(options.tickers, options.per_frame, options.rounds) < 1:
        sys.stderr.write("seohak bench: --tickers, --per-frame and --rounds take 1 or more\n")
        return 2
    result = measure(options.tickers, options.per_frame, options.rounds)
    if options.json:
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
        return 0 if result.ok else 1
    table = Table(title=f"{options.tickers:,} bars a minute, {options.per_frame} in a frame", title_justify="left")
    for title in ("way", "events/s", "slowest minute", "found"):
        table.add_column(title, justify="left" if title == "way" else "right", no_wrap=True)
    for way in result.ways:
        found = f"{way.hits}" if way.hits else "-"
        table.add_row(way.name, f"{way.events_per_s:,.0f}", f"{way.minute_ms:.1f} ms", found)
    Console().print(table)
    words = f"{result.ratio:.1f} times the vendor's client (promised {LEAST_RATIO:g}), "
    words += f"{result.share:.2f} of decoding alone (promised {LEAST_SHARE:g})"
    sys.stdout.write((words if result.agrees else f"{words}; THE SCREENS DISAGREE") + "\n")
    return 0 if result.ok else 1
