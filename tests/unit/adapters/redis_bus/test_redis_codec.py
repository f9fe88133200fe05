"""The codec: what each channel accepts, how money and instants travel, and why bytes are refused."""

import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from adapters.redis import codec, keys
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
from core.model.signal import Discovery, Indicators, SignalType, TrendState, Verdict

NOW = dt.datetime(2026, 11, 23, 15, 0, tzinfo=dt.UTC)
BAR = Bar("NVDA", 1_795_446_000_000, 1.0, 1.2, 0.9, 1.1, 5000.0)
DISCOVERY = Discovery(
    price=1.1, change_pct=6.2, volume=15_200.0, volume_ratio_pct=312.0, market_cap=None, bar_end_at=NOW
)
VERDICT = Verdict(signal=SignalType.SELL, confidence=50.0, met=(), indicators=Indicators(close=1.1))
SPLIT = Split(ticker="NVDA", on=NOW.date(), new=5, old=4)

SAMPLES: list[tuple[Channel, AnyMessage]] = [
    (
        Channel.SCREENED,
        Screened(
            id="1",
            ticker="NVDA",
            discovery=DISCOVERY,
            reference_close=1.0,
            average_volume=10.0,
            bars=(BAR,),
            feed_delay_ms=5,
            created_at=NOW,
        ),
    ),
    (Channel.BARS, BarsClosed(id="2", bars=(BAR, BAR), created_at=NOW)),
    (
        Channel.SIGNAL,
        Signal(
            id="3",
            ticker="NVDA",
            verdict=VERDICT,
            bar_end_at=NOW,
            created_at=NOW,
            valid_until=NOW,
            feed_delay_ms=5,
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
    (Channel.CONTROL, SplitsOfDay(id="10", on=NOW.date(), splits=(SPLIT,), at=NOW)),
    (Channel.EVENTS, Event(id="9", kind=EventKind.SOLD, at=NOW, values={"usd": "1.10", "won": 3, "none": None})),
]


def test_every_message_type_and_every_channel_has_a_sample() -> None:
    assert {type(message) for _, message in SAMPLES} == set(AnyMessage.__args__)
    assert {channel for channel, _ in SAMPLES} == set(Channel) == set(codec.ACCEPTED) == {*keys.LIMITS, *keys.KEPT_S}
    assert not keys.LIMITS.keys() & keys.KEPT_S.keys(), "XADD trims in one way"


@pytest.mark.parametrize(("channel", "message"), SAMPLES, ids=lambda value: type(value).__name__)
def test_a_message_comes_back_equal(channel: Channel, message: AnyMessage) -> None:
    assert codec.decode(channel, codec.encode(channel, message)) == message


@pytest.mark.parametrize(("channel", "message"), SAMPLES, ids=lambda value: type(value).__name__)
def test_a_message_is_refused_on_every_other_channel(channel: Channel, message: AnyMessage) -> None:
    body = codec.encode(channel, message)
    for other in set(Channel) - {channel}:
        with pytest.raises(codec.Undecodable, match=r"^channel"):
            codec.decode(other, body)
        with pytest.raises(AssertionError):
            codec.encode(other, message)


def test_decimals_travel_as_strings_and_instants_as_utc() -> None:
    holdings = SAMPLES[5][1]
    raw = msgspec.json.decode(codec.encode(Channel.CONTROL, holdings))
    assert raw["positions"][0]["stop_price"] == "0.10"
    assert raw["at"] == "2026-11-23T15:00:00Z"
    assert (raw["type"], raw["v"]) == ("holdings", 1)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"\xff", "json"),
        (b'"text"', "schema"),
        (b"[]", "schema"),
        (b'{"id":"1","v":1}', "schema"),
        (b'{"type":"event","id":"1","v":0}', "version: 0"),
        (b'{"type":"brand_new","id":"1","v":2}', "version: 2"),
        (b'{"type":"event","id":"1","v":"1"}', "version: '1'"),
        (
            b'{"type":"bars","id":"1","bars":[["A",1,5.0,1.0,1.0,1.0,1.0]],"created_at":"2026-11-23T15:00:00Z"}',
            "schema",
        ),
    ],
)
def test_the_reason_of_a_refusal_is_named(body: bytes, reason: str) -> None:
    with pytest.raises(codec.Undecodable, match=f"^{reason}"):
        codec.decode(Channel.EVENTS, body)


def test_only_signals_and_trend_questions_forget_the_past() -> None:
    assert {channel for channel in Channel if keys.start_id(channel) == "$"} == {Channel.SIGNAL, Channel.TREND}
