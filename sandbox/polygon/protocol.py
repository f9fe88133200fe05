"""Polygon's stream protocol as pure functions: status messages, topics, AM and A events."""

from datetime import datetime, timedelta

from sandbox import calendar
from sandbox.bars import PATH_AT, Bar
from sandbox.market import Market

Event = dict[str, object]

STREAMED = frozenset({"AM", "A"})
# exist at Polygon, but this key's plan does not include them
UNENTITLED = frozenset({"T", "Q", "LULD", "NOI", "FMV"})

MAX_CONNECTIONS_TEXT = (
    "Maximum number of websocket connections exceeded. You have reached the connection limit for your account. "
    "Please contact support at https://polygon.io/contact to increase your limit."
)


def status(name: str, message: str) -> Event:
    return {"ev": "status", "status": name, "message": message}


CONNECTED = status("connected", "Connected Successfully")
AUTH_SUCCESS = status("auth_success", "authenticated")
AUTH_FAILED = status("auth_failed", "authentication failed")
AUTH_TIMEOUT = status("auth_timeout", "No authentication request received.")
NOT_AUTHORIZED = status("error", "not authorized")
MAX_CONNECTIONS = status("max_connections", MAX_CONNECTIONS_TEXT)


def topics(params: str) -> list[str]:
    return [topic for topic in params.split(",") if topic]


def answer(topic: str, action: str, entitled: frozenset[str] = STREAMED) -> Event | None:
    """The server's word on one topic of a subscribe or unsubscribe; an unknown prefix gets none."""
    prefix, dot, symbol = topic.partition(".")
    if not dot or not symbol:
        return None
    if prefix in entitled:
        return status("success", f"{action}d to: {topic}")
    return NOT_AUTHORIZED if prefix in UNENTITLED | STREAMED else None


def halt_event(symbol: str, at: datetime, *, halted: bool) -> Event:
    """LULD has the ticker under T and, on the wire, nanoseconds; 17 is a halt, 18 its end."""
    return {
        "ev": "LULD",
        "T": symbol,
        "h": 218.96,
        "l": 198.11,
        "i": [17 if halted else 18],
        "z": 3,
        "t": int(at.timestamp() * 1000) * 1_000_000,
        "q": 290317,
    }


def trade_count(volume: int) -> int:
    return max(1, volume // 85)


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _official_open(market: Market, symbol: str, minute: int) -> float | None:
    series = market.series[symbol]
    row = series.rows_before(calendar.REGULAR_MINUTE)
    if row >= len(series.minutes) or int(series.minutes[row]) > minute:
        return None
    return float(series.prices[row][0])


def minute_event(market: Market, symbol: str, row: int, *, early: bool = False) -> Event:
    """The AM event of one bar; `early` = as first published, before a late print completed it."""
    series = market.series[symbol]
    bar = market.bar(symbol, row)
    volume = max(1, bar.volume * 97 // 100) if early else bar.volume
    day_volume, day_value = series.accumulated(row + 1)
    missing = bar.volume - volume
    event = _aggregate("AM", symbol, bar, volume, day_volume - missing, day_value - missing * bar.vwap)
    opening = _official_open(market, symbol, int(series.minutes[row]))
    if opening is not None:
        event["op"] = opening
    return event


def _aggregate(kind: str, symbol: str, bar: Bar, volume: int, day_volume: int, day_value: float) -> Event:
    return {
        "ev": kind,
        "sym": symbol,
        "v": volume,
        "av": day_volume,
        "dv": f"{volume}.0",
        "dav": f"{day_volume}.0",
        "vw": bar.vwap,
        "o": bar.open,
        "c": bar.close,
        "h": bar.high,
        "l": bar.low,
        "a": round(day_value / day_volume, 4) if day_volume else bar.vwap,
        "z": _number(round(volume / trade_count(volume), 1)),
        "s": bar.start_ms,
        "e": bar.end_ms,
    }


def second_event(market: Market, symbol: str, second_at: datetime, *, early: bool = False) -> Event | None:
    """The A event of the second that starts then; None where no share printed in it.

    Its prices are those since the last second with prints, so that the seconds of a minute are its bar. `early`: as
    first published.
    """
    minute = market.minute_of(second_at)
    series = market.series[symbol]
    row = series.row(minute)
    if row is None:
        return None
    bar = market.bar(symbol, row)
    second = int((second_at - market.minute_at(minute)).total_seconds())
    before, so_far = market.printed(symbol, minute, second), market.printed(symbol, minute, second + 1)
    if so_far == before:
        return None
    prices = _prices(market, symbol, minute, second, bar, before)
    volume = so_far - before
    if early:
        volume = max(1, volume * 97 // 100)
        so_far = before + volume
    day_volume, day_value = series.accumulated(row)
    start_ms = int(second_at.timestamp() * 1000)
    inside = Bar(start_ms, prices[0], max(prices), min(prices), prices[-1], volume)
    event = _aggregate("A", symbol, inside, volume, day_volume + so_far, day_value + so_far * bar.vwap)
    event["e"] = start_ms + 1000
    opening = _official_open(market, symbol, minute)
    if opening is not None:
        event["op"] = opening
    return event


def _prices(market: Market, symbol: str, minute: int, second: int, bar: Bar, before: int) -> list[float]:
    """The prices of a second, first and last at the ends; seconds without prints before it belong to it."""
    last = market.price_before(symbol, minute, second + 1)
    if market.touched(symbol):
        return [market.price_at(symbol, market.minute_at(minute) + timedelta(seconds=second)), last]
    since = second
    while since > 0 and bar.volume_until(since - 1) == before:
        since -= 1
    turns = [at for at in PATH_AT if since < at <= second]
    return [*(bar.price_after(at) for at in (since, *turns)), last]


# what no client may stumble over: an object, text, an unknown type, odd fields, an array of nothing
GARBLED = (
    b'{"ev":"status","status":"success","message":"not an array"}',
    b"not json at all",
    b'[{"ev":"XYZ","sym":"HELI","v":"?"},null,17,[]]',
    b'[{"ev":"AM","sym":"HELI","v":"many","o":null}]',
    b"[]",
)


def big_frame(size: int) -> bytes:
    """A frame of at least so many bytes of events that nobody asked for."""
    event = b'{"ev":"XYZ","sym":"HELI","p":"' + b"0" * 4000 + b'"}'
    return b"[" + b",".join([event] * (size // len(event) + 1)) + b"]"
