"""Mutated messages on every channel: refused with the one documented error, or sound enough for the machines behind."""

import datetime as dt
import math
import random
from collections.abc import Iterator
from decimal import Decimal
from typing import get_args

import msgspec
import numpy as np
import pytest

from adapters.redis.codec import ACCEPTED, Undecodable, decode, encode
from core.model.bar import Bar
from core.model.instrument import Split
from core.model.messages import (
    AnyMessage,
    BarsClosed,
    Channel,
    Event,
    EventKind,
    HeldPosition,
    HoldingsChanged,
    Screened,
    SettingsChanged,
    Signal,
    SplitsOfDay,
    TrendAnswered,
    TrendAsked,
    WatchListChanged,
)
from core.model.params import AnalyzerParams, ScannerParams
from core.model.signal import Condition, Discovery, Indicators, SignalType, TrendState, Verdict
from core.stages.analyze import AnalyzeStage
from tests.fuzz.mutants import damaged, fuzz, mutate, wire
from tests.unit.core.builders import bars

NOW = dt.datetime(2026, 11, 17, 15, 30, tzinfo=dt.UTC)
START_MS = int(NOW.timestamp() * 1000) - 3_600_000
DISCOVERY = Discovery(
    price=1.1, change_pct=6.2, volume=15_200.0, volume_ratio_pct=312.0, market_cap=5e7, name="N", bar_end_at=NOW
)
VERDICT = Verdict(
    signal=SignalType.BUY,
    confidence=50.0,
    met=(Condition.UPTREND,),
    indicators=Indicators(close=1.1, rsi=61.0, bars=60),
)
HISTORY = tuple(bars([100 + n * 0.3 for n in range(40)]))
SAMPLES: tuple[tuple[Channel, AnyMessage], ...] = (
    (
        Channel.SCREENED,
        Screened(
            id="1", ticker="NVDA", discovery=DISCOVERY, reference_close=1.0, average_volume=10.0, bars=HISTORY[-6:],
            feed_delay_ms=5, created_at=NOW,
        ),
    ),
    (Channel.BARS, BarsClosed(id="2", bars=(HISTORY[-1], bars([90.0], ticker="GTE")[0]), created_at=NOW)),
    (
        Channel.SIGNAL,
        Signal(
            id="3", ticker="NVDA", verdict=VERDICT, bar_end_at=NOW, created_at=NOW, valid_until=NOW, feed_delay_ms=5,
            discovery=DISCOVERY,
        ),
    ),
    (Channel.TREND, TrendAsked(id="4", ticker="NVDA", asked_at=NOW)),
    (
        Channel.TREND,
        TrendAnswered(id="5", question="4", ticker="NVDA", state=TrendState.BROKEN, verdict=VERDICT, answered_at=NOW),
    ),
    (
        Channel.CONTROL,
        HoldingsChanged(id="6", positions=(HeldPosition(ticker="NVDA", qty=3, stop_price=Decimal("0.10")),), at=NOW),
    ),
    (Channel.CONTROL, WatchListChanged(id="7", tickers=("NVDA",), at=NOW)),
    (Channel.CONTROL, SettingsChanged(id="8", overrides={"trading.split_count": 5, "a": True}, at=NOW)),
    (Channel.CONTROL, SplitsOfDay(id="10", on=NOW.date(), splits=(Split(ticker="NVDA", on=NOW.date(), new=5, old=4),), at=NOW)),
    (Channel.EVENTS, Event(id="9", kind=EventKind.SOLD, at=NOW, values={"usd": "1.10", "won": 3, "none": None})),
)  # fmt: skip
WRITTEN = tuple((channel, message, encode(channel, message)) for channel, message in SAMPLES)
PLAIN = tuple((channel, msgspec.json.decode(body)) for channel, _, body in WRITTEN)


@pytest.fixture(autouse=True)
def large_numbers() -> Iterator[None]:
    """Overflow in an indicator is a warning that the machines live with."""
    with np.errstate(all="ignore"):
        yield


def parts(found: object) -> Iterator[object]:
    """Everything inside a message."""
    yield found
    if isinstance(found, msgspec.Struct):
        for name in found.__struct_fields__:
            yield from parts(getattr(found, name))
    elif isinstance(found, dict):
        for key, value in found.items():
            yield key
            yield from parts(value)
    elif isinstance(found, tuple | list):
        for value in found:
            yield from parts(value)


def demand_sound(message: AnyMessage) -> None:
    """What every machine may rely on in a message that came through."""
    assert message.v == 1
    for part in parts(message):
        if isinstance(part, dt.datetime):
            assert part.tzinfo is not None, "an instant without a zone can't be compared with ours"
        elif isinstance(part, float):
            assert math.isfinite(part), "a number that is none"
        elif isinstance(part, Decimal):
            assert part.is_finite(), "money that is no number"
            assert part > 0, "a stop that is no price"
        elif isinstance(part, Bar):
            assert 0 < part.low <= min(part.open, part.close) <= max(part.open, part.close) <= part.high
            assert part.volume >= 0
            assert 0 < part.start_ms < 253_402_300_800_000, "a bar at an instant that does not exist"
        elif isinstance(part, Verdict):
            assert 0 <= part.confidence <= 100
        elif isinstance(part, Split):
            assert 0 < part.ratio <= 100_000, "a split of no shares, or of more than there are"
        elif isinstance(part, HeldPosition):
            assert part.qty > 0, "a position of no shares"
        elif isinstance(part, Discovery):
            assert part.price > 0, "a find at no price"
            assert part.change_pct > -100, "a find that fell to nothing"
            assert part.volume >= 0
            assert part.volume_ratio_pct > 0, "a find without a volume to compare with"


def test_a_message_is_refused_or_sound_and_travels_on_unchanged() -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        pick = rng.randrange(len(PLAIN))
        channel, document = PLAIN[pick]
        for _ in range(rng.choice((0, 1, 1, 2))):
            document = mutate(rng, document)
        body = damaged(rng, wire(document), 0.25)
        if rng.random() < 0.1:
            channel = rng.choice(list(Channel))
        notes += [channel, body]
        try:
            message = decode(channel, body)
        except Undecodable as error:
            reason = str(error).split(":")[0]
            assert reason in {"json", "version", "schema", "channel"}
            assert body != WRITTEN[pick][2] or channel is not WRITTEN[pick][0], "a good message was refused"
            return
        assert isinstance(message, ACCEPTED[channel])
        demand_sound(message)
        assert decode(channel, encode(channel, message)) == message
        if document is PLAIN[pick][1] and body == wire(document):
            assert message == WRITTEN[pick][1]

    fuzz("messages", check)


def test_messages_of_every_class_are_in_the_samples() -> None:
    assert {type(message) for _, message in SAMPLES} == set(get_args(AnyMessage))


def travelled(rng: random.Random, number: int) -> AnyMessage | None:
    """A mutated message as the machine behind the bus gets it."""
    channel, document = PLAIN[number]
    for _ in range(rng.choice((0, 1, 1, 2))):
        document = mutate(rng, document)
    try:
        return decode(channel, wire(document))
    except Undecodable:
        return None


def test_the_analyzer_survives_whatever_came_through() -> None:
    params, scanner = AnalyzerParams(), ScannerParams()

    def feed(stage: AnalyzeStage, message: AnyMessage, rng: random.Random) -> list[object]:
        match message:
            case Screened() if rng.random() < 0.7:
                return [(Channel.SIGNAL, s) for s in stage.screened(message, NOW)]
            case BarsClosed() if rng.random() < 0.7:
                return [(Channel.SIGNAL, s) for s in stage.bars_closed(message, NOW)]
            case Screened() | BarsClosed() | Signal():
                stage.remember(message)
            case TrendAsked():
                return [(Channel.TREND, stage.trend_asked(message, NOW))]
            case HoldingsChanged():
                stage.holdings_changed(message)
            case _:
                pass
        return []

    def check(rng: random.Random, notes: list[object]) -> None:
        stage = AnalyzeStage(params, scanner)
        if rng.random() < 0.5:
            stage.remember(BarsClosed(id="0", bars=HISTORY[: rng.randint(1, 40)], created_at=NOW))
        for _ in range(3):
            message = travelled(rng, rng.choice((0, 0, 1, 1, 2, 3, 5)))
            if message is None:
                continue
            notes.append(message)
            for channel, said in feed(stage, message, rng):
                assert decode(channel, encode(channel, said)) == said, "the others can't read what the analyzer says"

    fuzz("analyzer", check)
