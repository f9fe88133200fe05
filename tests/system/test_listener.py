"""Anybody may listen on the Redis channels: SUBSCRIBE carries the same JSON as the streams."""

import json

import pytest
from demo_run import CHANNELS, Told

pytestmark = pytest.mark.xdist_group("demo")


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_subscriber_hears_exactly_what_the_stream_holds(demo: Told, channel: str) -> None:
    """Same bytes, same order, nothing between them lost, from the first message heard on."""
    heard, streamed = demo.heard[channel], demo.streamed[channel]
    assert heard
    first = streamed.index(heard[0])
    assert streamed[first:] == heard[: len(streamed) - first]


@pytest.mark.parametrize("channel", ["channel:signal", "channel:screened"])
def test_a_subscriber_from_the_start_misses_no_signal(demo: Told, channel: str) -> None:
    """The listener joined before the market moved, so it heard all of it."""
    assert demo.heard[channel][: len(demo.streamed[channel])] == demo.streamed[channel]


def test_signals_are_plain_json_that_others_can_read(demo: Told) -> None:
    """Ticker, kind, version and a deterministic id stand in each message."""
    signals = [json.loads(text) for text in demo.heard["channel:signal"]]
    kinds = {(s["ticker"], s["verdict"]["signal"]) for s in signals}
    assert {("HELI", "BUY"), ("QBIT", "BUY"), ("WAVE", "WATCH"), ("HELI", "SELL")} <= kinds
    assert all(s["type"] == "signal" and s["v"] == 1 and len(s["id"]) == 32 for s in signals)
    assert len({s["id"] for s in signals}) == len(signals)
