"""Polygon's samples become bars and instruments; nonsense becomes nothing."""

import json

import pytest

from adapters.polygon import parse, wire
from adapters.polygon.batches import Batches
from adapters.polygon.library import scrubbed, stream_address
from core.model.bar import SECOND_MS, Bar
from core.model.instrument import Exchange

# the official sample (polygon.md 1.6) and the live one with decimal strings
SAMPLE = '{"ev":"AM","sym":"GTE","v":4110,"av":9470157,"op":0.4372,"vw":0.4488,"o":0.4488,"c":0.4486,"h":0.4489,"l":0.4486,"a":0.4352,"z":685,"s":1610144640000,"e":1610144700000}'
BAR = Bar("GTE", 1610144640000, 0.4488, 0.4489, 0.4486, 0.4486, 4110.0)


def bars_of(text: str) -> tuple[list[Bar], int]:
    """The bars of one event, and how many were none or unreadable."""
    minutes, others, dropped = wire.MINUTES.decode(f"[{text}]")
    assert others == []
    batch, refused = Batches().batch_of(minutes)
    return batch.bars(), dropped + refused


def test_the_official_sample():
    assert bars_of(SAMPLE) == ([BAR], 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"z": 12.5}, {"av": 4332125.03836, "dv": "4110.0", "dav": "4332125.038360"}, {"op": None}, {"otc": True},
        {"z": "many"}, {"dv": 4110}, {"op": "?"}, {"s": 1610144640000.0}, {"e": None},
    ],
)  # fmt: skip
def test_fields_may_be_fractional_absent_or_odd(changes):
    assert bars_of(json.dumps(json.loads(SAMPLE) | changes)) == ([BAR], 0)


def test_an_end_that_is_left_off_is_no_harm():
    event = json.loads(SAMPLE)
    del event["e"]
    assert bars_of(json.dumps(event)) == ([BAR], 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"h": 0.1}, {"l": 0}, {"l": -1}, {"v": -5}, {"sym": ""}, {"s": 0}, {"e": 1610144760000}, {"o": None}, {"v": None},
        {"v": "many"},
    ],
)  # fmt: skip
def test_impossible_bars_are_none(changes):
    assert bars_of(json.dumps(json.loads(SAMPLE) | changes)) == ([], 1)


def test_good_bars_beside_impossible_ones_keep_their_order():
    texts = [
        json.dumps(json.loads(SAMPLE) | changes)
        for changes in ({}, {"h": 0.1}, {"sym": "A"}, {"sym": "a b"}, {"sym": "B"})
    ]
    found, lost = bars_of(",".join(texts))
    assert ([bar.ticker for bar in found], lost) == (["GTE", "A", "B"], 2)


def test_a_ticker_is_one_string_in_all_batches():
    """A minute of the market is 7,000 bars, and minutes wait to be written: names of their own would be most of it."""
    batches = Batches()
    first, again = (batches.batch_of(wire.MINUTES.decode(f"[{SAMPLE}]")[0])[0] for _ in range(2))
    assert first.tickers[0] is again.tickers[0]


@pytest.mark.parametrize(
    ("frame", "events", "dropped"),
    [
        ("", 0, 1), ("[]", 0, 0), ("{}", 0, 1), ("null", 0, 1), ('[{"ev":"AM","o":1e999}]', 0, 1), (b"\xff", 0, 1),
        (f'[{SAMPLE},{{"ev":"T","sym":"X","c":[1]}},{SAMPLE}]', 2, 0), (f"[{SAMPLE},5]", 1, 1),
        (f'[{{"ev":"AM","sym":5}},{SAMPLE}]', 1, 1), ("[" * 100_000, 0, 1),
    ],
)  # fmt: skip
def test_one_bad_event_never_loses_the_frame(frame, events, dropped):
    minutes, others, bad = wire.MINUTES.decode(frame)
    assert (len(minutes) + len(others), bad) == (events, dropped)


# the official sample of a second (polygon.md 1.6)
SECOND = '{"ev":"A","sym":"SPCE","v":200,"av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"c":25.39,"h":25.39,"l":25.39,"a":25.3714,"z":50,"s":1610144868000,"e":1610144869000}'


def test_the_official_sample_of_a_second():
    seconds, others, dropped = wire.SECONDS.decode(f"[{SECOND}]")
    assert (others, dropped) == ([], 0)
    batch, refused = Batches(SECOND_MS).batch_of(seconds)
    assert (batch.bars(), refused) == ([Bar("SPCE", 1610144868000, 25.39, 25.39, 25.39, 25.39, 200.0)], 0)
    assert Batches().batch_of(seconds)[1] == 1, "it is no minute"


def test_who_reads_seconds_takes_no_minute_for_one_and_no_harm_from_it():
    mixed = f'[{SAMPLE},{SECOND},{{"ev":"status","status":"success"}},{{"ev":"A","v":"many"}}]'
    seconds, others, dropped = wire.SECONDS.decode(mixed)
    assert ([type(each) for each in seconds], len(others), dropped) == ([wire.Second], 1, 1)
    minutes, others, dropped = wire.MINUTES.decode(mixed)
    assert ([type(each) for each in minutes], len(others), dropped) == ([wire.Minute], 1, 0)


@pytest.mark.parametrize(
    ("venue", "exchange"),
    [("XNAS", "NASD"), ("XNYS", "NYSE"), ("XASE", "AMEX"), ("ARCX", "AMEX"), ("BATS", "AMEX")],
)
def test_venues(venue, exchange):
    found = parse.instrument_of("SPY", "SPDR", "ETF", venue, shares=None)
    assert (found.exchange, found.security_type, found.shares_outstanding) == (Exchange(exchange), "ETF", None)


@pytest.mark.parametrize(
    "record", [("X", "x", "CS", None), ("X", "x", "CS", "OTCM"), (None, "x", "CS", "XNAS"), ("", "x", "CS", "XNAS")]
)
def test_what_kis_could_not_trade_is_none(record):
    assert parse.instrument_of(*record) is None


def test_share_counts():
    assert parse.shares_of(None, 16334371000) == 16334371000.0
    assert parse.shares_of(5, 7) == 5.0
    assert parse.shares_of(0, -1, None, "7", True, float("nan"), float("inf")) is None


@pytest.mark.parametrize(
    ("address", "secure", "expected"),
    [
        ("wss://socket.polygon.io/stocks", False, ("socket.polygon.io", True)),
        ("ws://127.0.0.1:8765/stocks", True, ("127.0.0.1:8765", False)),
        ("wss://delayed.massive.com", True, ("delayed.massive.com", True)),
        ("127.0.0.1:8765", False, ("127.0.0.1:8765", False)),
    ],
)
def test_addresses(address, secure, expected):
    assert stream_address(address, secure=secure) == expected


def test_the_vendors_words_lose_the_key():
    assert scrubbed("bad\n key K123", "K123") == "bad key ***"
    assert len(scrubbed("x" * 999, "")) == 200


@pytest.mark.parametrize(
    ("changes", "halt"),
    [
        ({}, (True, 1601316752683)),
        ({"i": [18]}, (False, 1601316752683)),
        ({"t": 1788877046310003385}, (True, 1788877046310)),
        ({"t": 1788877046310}, (True, 1788877046310)),
        ({"t": 12}, (True, None)),
        ({"t": None}, (True, None)),
        ({"i": [21]}, None),
        ({"i": None}, None),
        ({"T": ""}, None),
        ({"T": "X" * 33}, None),
    ],
)
def test_a_halt_is_told_by_its_indicator_and_its_time_by_its_size(changes, halt):
    """The ticker is under T; the documents say milliseconds, the sample has micro-, the wire nanoseconds."""
    sample = {"ev": "LULD", "T": "MSFT", "h": 218.96, "l": 198.11, "i": [17], "z": 3, "t": 1601316752683746, "q": 29}
    _, (event,), dropped = wire.MINUTES.decode(f"[{json.dumps(sample | changes)}]")
    found = parse.halt_of(event)
    assert dropped == 0
    assert (None if found is None else (found.halted, found.at_ms)) == halt
