"""Mutated Polygon frames and records: possible bars and securities or None, and a bad event never hides a good one."""

import math
import random
import re

import msgspec

from adapters.polygon import wire
from adapters.polygon.batches import Batches
from adapters.polygon.parse import instrument_of, shares_of
from tests.fuzz.mutants import damaged, fuzz, mutate, mutated
from tests.fuzz.mutants import wire as written

BAR = {
    "ev": "AM", "sym": "GTE", "v": 4110, "av": 9470157, "op": 0.4372, "vw": 0.4488, "o": 0.4488, "c": 0.4486,
    "h": 0.4489, "l": 0.4486, "a": 0.4352, "z": 685, "s": 1610144640000, "e": 1610144700000, "dv": "4110.5", "otc": False,
}  # fmt: skip
STATUS = {"ev": "status", "status": "auth_success", "message": "authenticated"}
TRADE = {
    "ev": "T", "sym": "AAPL", "i": "5096", "x": 10, "p": 161.87, "s": 300, "c": [14, 41], "t": 1651684192462, "z": 3,
}  # fmt: skip
QUOTE = {"ev": "Q", "sym": "MSFT", "bx": 4, "bp": 114.125, "ap": 114.128, "c": 0, "i": [604], "t": 1536036818784}
FRAMES: tuple[list[dict[str, object]], ...] = (
    [STATUS],
    [BAR, {**BAR, "sym": "SPCE", "o": 25.39, "c": 25.39, "h": 25.39, "l": 25.39}],
    [STATUS, BAR, TRADE, QUOTE],
)
RECORD = {
    "ticker": "AAPL", "name": "Apple Inc.", "type": "CS", "primary_exchange": "XNAS", "active": True,
    "share_class_shares_outstanding": 14_900_000_000, "weighted_shares_outstanding": 14_900_000_000,
}  # fmt: skip
# epoch milliseconds of the year 10000: no instant of ours can be later
LAST_MS = 253_402_300_800_000
# what Python writes and JSON does not know, and numbers that no float holds
LOOSE = re.compile(rb"NaN|Infinity|\xed[\xa0-\xbf]|\d{40}")


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf


def possible(event: object) -> bool:
    """Whether an event is a minute bar that a market can have printed."""
    if not isinstance(event, dict) or event.get("ev") != "AM" or not isinstance(event.get("sym"), str):
        return False
    values = [number(event.get(key)) for key in "ohlcvs"]
    if any(value is None or not math.isfinite(value) for value in values) or not event["sym"]:
        return False
    o, h, low, c, v, start = (value or 0.0 for value in values)
    end = event.get("e")
    if end is not None and number(end) != start + 60_000:
        return False
    return 1e-12 <= low <= o <= h <= 1e48 and low <= c <= h and (v == 0 or 1e-12 <= v <= 1e48) and 0 < start < LAST_MS


def test_frames_give_possible_bars_and_lose_no_good_one() -> None:
    batches = Batches()

    def check(rng: random.Random, notes: list[object]) -> None:
        frame: object = list(rng.choice(FRAMES))
        for _ in range(rng.choice((0, 1, 1, 2))):
            frame = mutate(rng, frame)
        content = written(frame)
        hurt = damaged(rng, content, 0.3)
        notes.append(hurt)
        minutes, _, unreadable = wire.MINUTES.decode(hurt if rng.random() < 0.5 else _text(hurt))
        assert unreadable >= 0
        bars = batches.batch_of(minutes)[0].bars()
        for bar in bars:
            assert all(math.isfinite(x) for x in (bar.open, bar.high, bar.low, bar.close, bar.volume))
            assert 0 < bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
            assert bar.volume >= 0
            assert type(bar.start_ms) is int
            assert 0 < bar.start_ms < LAST_MS, "a bar at an instant that does not exist"
            assert bar.ticker
            assert re.fullmatch(r"[!-~]{1,32}", bar.ticker), "a ticker that is none"
            assert bar.end_at > bar.start_at
        if hurt is content and isinstance(frame, list) and not LOOSE.search(content):
            wanted = [e for e in frame if possible(e) and _plain(e)]
            got = {(bar.ticker, bar.start_ms, bar.close) for bar in bars}
            for event in wanted:
                assert (event["sym"], int(event["s"]), float(event["c"])) in got, "a good bar was lost"

    fuzz("polygon frames", check)


def _text(content: bytes) -> str:
    return content.decode(errors="replace")


def _plain(event: dict[str, object]) -> bool:
    """Whether its numbers are of a size that floats hold exactly enough, and its ticker is one."""
    whole = all(abs(number(event.get(key)) or 0) < 1e15 for key in "ohlcvs")
    return whole and re.fullmatch(r"[A-Za-z0-9./]{1,12}", str(event["sym"])) is not None


def test_records_give_tradable_securities_or_none() -> None:
    def check(rng: random.Random, notes: list[object]) -> None:
        record = mutated(rng, RECORD)
        try:
            found = msgspec.json.decode(written(record))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return
        notes.append(found)
        if not isinstance(found, dict):
            return
        get = found.get
        shares = shares_of(get("share_class_shares_outstanding"), get("weighted_shares_outstanding"))
        assert shares is None or (math.isfinite(shares) and shares > 0)
        security = instrument_of(
            get("ticker"), get("name"), get("type"), get("primary_exchange"), active=get("active"), shares=shares
        )
        if security is None:
            assert record is not RECORD
            return
        assert 0 < len(security.ticker) <= 12
        assert security.ticker.isascii(), "a ticker that is none"
        assert security.ticker.isprintable(), "a ticker that is none"
        assert security.shares_outstanding is None or security.shares_outstanding > 0
        assert security.exchange.value in {"NASD", "NYSE", "AMEX"}

    fuzz("polygon records", check)
