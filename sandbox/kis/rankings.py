"""KIS's US rankings, condition search and minute chart: the free real-time data, which sees half of the market's volume."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from sandbox.bars import MINUTE_MS, Bar
from sandbox.calendar import NEW_YORK
from sandbox.kis import refusals
from sandbox.kis.host import Body, Call, Host, Reply
from sandbox.kis.refusals import RefusedError
from sandbox.kis.rows import Row, kst
from sandbox.market import Instrument

SEEN = 2
MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120)
VOLUMES = (0, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)
MOST_ROWS = 100
CHART_ROWS = 120
KEYB = re.compile(r"\d{14}")
CONDITIONS = ("PRICECUR", "RATE", "VALX", "SHAR", "VOLUME", "AMT")
# KIS trades on these by day as well; none of them is a US venue of the rankings
OTHERS = frozenset({"HKS", "SHS", "SZS", "HSX", "HNX", "TSE"})
_OK = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}


def price_fluct(host: Host, call: Call) -> Reply:
    """Who rose (GUBN 1) or fell (0) most since MINX minutes ago."""
    minutes, least = _minutes(call), _least_volume(call)
    rising = _code(call, "GUBN", 2) == 1
    rows: list[tuple[float, Row]] = []
    for instrument in _listed(host, call):
        last = host.market.price_at(instrument.symbol, call.now)
        base = host.market.price_at(instrument.symbol, call.now - timedelta(minutes=minutes))
        grown = (last / base - 1) * 100
        if _volume(host, instrument.symbol, call.now) < least or (grown > 0) != rising or abs(grown) < 0.005:
            continue
        own = {"n_base": f"{base:.4f}", "n_diff": f"{abs(last - base):.4f}", "n_rate": f"{grown:+.2f}"}
        rows.append((abs(grown), _ranked(host, instrument, call.now, own)))
    return _ranking(rows)


def volume_surge(host: Host, call: Call) -> Reply:
    """Whose volume of the day grew most since MINX minutes ago."""
    minutes, least = _minutes(call), _least_volume(call)
    rows: list[tuple[float, Row]] = []
    for instrument in _listed(host, call):
        now = _volume(host, instrument.symbol, call.now)
        base = _volume(host, instrument.symbol, call.now - timedelta(minutes=minutes))
        if now < least or base in {now, 0}:
            continue
        grown = (now / base - 1) * 100
        own = {"n_tvol": str(base), "n_diff": str(now - base), "n_rate": f"{grown:+.2f}"}
        rows.append((grown, _ranked(host, instrument, call.now, own)))
    return _ranking(rows)


def search(host: Host, call: Call) -> Reply:
    """What meets every condition that is used, the most traded first."""
    found: list[tuple[float, Row]] = []
    for instrument in _listed(host, call):
        values = _measures(host, instrument, call.now)
        if values["VOLUME"] > 0 and all(_meets(call, name, values[name]) for name in CONDITIONS):
            found.append((values["VOLUME"], _matched(instrument, values)))
    found.sort(key=lambda pair: -pair[0])
    rows = [row | {"rank": str(place)} for place, (_, row) in enumerate(found[:MOST_ROWS], 1)]
    count = str(len(rows))
    output1 = {"zdiv": "4", "stat": "무료실시간", "crec": count, "trec": str(len(found)), "nrec": count}
    return _reply(output1, rows)


def minute_chart(host: Host, call: Call) -> Reply:
    """The newest 120 bars of NMIN minutes up to now, or up to KEYB; newest first, each by the beginning of its time."""
    width, count = _number(call, "NMIN", 1, 240), _number(call, "NREC", 1, CHART_ROWS)
    _code(call, "PINC", 2)
    further, keyb = call.fields["NEXT"], call.fields["KEYB"]
    if further not in {"", "1"} or (further == "1") != bool(keyb) or (keyb and not KEYB.fullmatch(keyb)):
        raise RefusedError(refusals.BAD_FIELD)
    code = _exchange(call)
    instrument = host.instrument(call.fields["SYMB"])
    if instrument is None or instrument.quote_code != code:
        return _reply({"rsym": "", "zdiv": "", "stim": "", "etim": "", "next": "", "more": "", "nrec": "0"}, [])
    bars = list(_so_far(host, instrument.symbol, call.now))
    if keyb:
        until = datetime.strptime(keyb, "%Y%m%d%H%M%S").replace(tzinfo=NEW_YORK)
        bars = [bar for bar in bars if bar.start_ms <= until.timestamp() * 1000]
    windows = _windows(bars, width)
    page = windows[::-1][:count]
    output1 = {
        "rsym": f"D{instrument.quote_code}{instrument.kis_symbol}",
        "zdiv": "4",
        "stim": "093000",
        "etim": "160000",
        "sktm": "233000",
        "ektm": "060000",
        "next": "1" if len(windows) > count else "0",
        "more": "0",
        "nrec": str(len(page)),
    }
    return _reply(output1, [_bar_row(bar) for bar in page])


# -- the rows --------------------------------------------------------------------------------------


def _reply(output1: Row, output2: list[Row]) -> Reply:
    body: Body = {"output1": output1, "output2": output2, **_OK}
    return Reply(body)


def _ranking(rows: list[tuple[float, Row]]) -> Reply:
    rows.sort(key=lambda pair: (-pair[0], pair[1]["symb"]))
    chosen = [row for _, row in rows[:MOST_ROWS]]
    return _reply({"zdiv": "4", "stat": "무료실시간", "nrec": str(len(chosen))}, chosen)


def _ranked(host: Host, instrument: Instrument, now: datetime, own: Row) -> Row:
    quote = host.market.quote_at(instrument.symbol, now)
    return {
        **_named(instrument, "knam", "enam"),
        **_moved(instrument, quote.last),
        "tvol": str(_volume(host, instrument.symbol, now)),
        "pask": f"{quote.ask:.4f}",
        "pbid": f"{quote.bid:.4f}",
        **own,
        "e_ordyn": "○",
    }


def _named(instrument: Instrument, korean: str, english: str) -> Row:
    return {
        "rsym": f"D{instrument.quote_code}{instrument.kis_symbol}",
        "excd": instrument.quote_code,
        "symb": instrument.kis_symbol,
        korean: instrument.korean_name,
        english: instrument.name.upper(),
    }


def _moved(instrument: Instrument, last: float) -> Row:
    difference = last - instrument.prev_close
    sign = "3" if abs(difference) < 0.00005 else "2" if difference > 0 else "5"
    rate = f"{(last / instrument.prev_close - 1) * 100:+.2f}"
    return {"last": f"{last:.4f}", "sign": sign, "diff": f"{abs(difference):.4f}", "rate": rate}


def _measures(host: Host, instrument: Instrument, now: datetime) -> dict[str, float]:
    last, volume = host.market.price_at(instrument.symbol, now), _volume(host, instrument.symbol, now)
    shares = instrument.shares_outstanding or 0
    return {
        "PRICECUR": last,
        "RATE": (last / instrument.prev_close - 1) * 100,
        "VALX": shares * last / 1000,
        "SHAR": shares / 1000,
        "VOLUME": volume,
        "AMT": volume * last / 1000,
    }


def _matched(instrument: Instrument, values: dict[str, float]) -> Row:
    """The market cap in thousands, the shares one by one: so are KIS's examples, whatever its table of fields says."""
    return {
        **_named(instrument, "name", "ename"),
        **_moved(instrument, values["PRICECUR"]),
        "tvol": str(int(values["VOLUME"])),
        "popen": f"{instrument.prev_close:.4f}",
        "phigh": f"{values['PRICECUR']:.4f}",
        "plow": f"{values['PRICECUR']:.4f}",
        "valx": str(int(values["VALX"])),
        "shar": str(int(values["SHAR"] * 1000)),
        "avol": str(int(values["AMT"])),
        "eps": "0.00",
        "per": "0.00",
        "e_ordyn": "○",
    }


def _meets(call: Call, name: str, value: float) -> bool:
    used = call.fields.get(f"CO_YN_{name}", "")
    if used not in {"", "0", "1"}:
        raise RefusedError(refusals.BAD_FIELD)
    if used != "1":
        return True
    try:
        least, most = (float(call.fields.get(f"CO_{end}_{name}", "")) for end in ("ST", "EN"))
    except ValueError:
        raise RefusedError(refusals.BAD_FIELD) from None
    return least <= value <= most


def _so_far(host: Host, symbol: str, now: datetime) -> Iterator[Bar]:
    """The day's bars with half of their volume, the running minute as it is so far."""
    market = host.market
    for bar in market.closed_bars(symbol, now):
        yield Bar(bar.start_ms, bar.open, bar.high, bar.low, bar.close, bar.volume // SEEN)
    minute = market.minute_of(now)
    running = market.bar_of_minute(symbol, minute)
    seconds = int((now - market.minute_at(minute)).total_seconds())
    if running is None or seconds <= 0:
        return
    prices = [running.open, *(running.price_after(second) for second in range(1, seconds + 1))]
    volume = market.printed(symbol, minute, seconds) // SEEN
    yield Bar(running.start_ms, prices[0], max(prices), min(prices), prices[-1], volume)


def _windows(bars: list[Bar], width: int) -> list[Bar]:
    if width == 1:
        return bars
    grouped: dict[int, list[Bar]] = {}
    for bar in bars:
        grouped.setdefault(bar.start_ms // (width * MINUTE_MS), []).append(bar)
    return [
        Bar(
            key * width * MINUTE_MS,
            members[0].open,
            max(b.high for b in members),
            min(b.low for b in members),
            members[-1].close,
            sum(b.volume for b in members),
        )
        for key, members in grouped.items()
    ]


def _bar_row(bar: Bar) -> Row:
    start = datetime.fromtimestamp(bar.start_ms / 1000, NEW_YORK)
    korean = kst(start)
    return {
        "tymd": start.strftime("%Y%m%d"),
        "xymd": start.strftime("%Y%m%d"),
        "xhms": start.strftime("%H%M%S"),
        "kymd": korean.strftime("%Y%m%d"),
        "khms": korean.strftime("%H%M%S"),
        "open": f"{bar.open:.4f}",
        "high": f"{bar.high:.4f}",
        "low": f"{bar.low:.4f}",
        "last": f"{bar.close:.4f}",
        "evol": str(bar.volume),
        "eamt": str(int(bar.vwap * bar.volume)),
    }


# -- the fields ------------------------------------------------------------------------------------


def _listed(host: Host, call: Call) -> list[Instrument]:
    code = _exchange(call)
    return [each for each in host.market.instruments.values() if each.quote_code == code]


def _exchange(call: Call) -> str:
    code = call.fields["EXCD"]
    if code not in {"NAS", "NYS", "AMS"} | OTHERS:
        raise RefusedError(refusals.BAD_MARKET)
    return code


def _code(call: Call, name: str, many: int) -> int:
    text = call.fields[name]
    if len(text) != 1 or not text.isdecimal() or int(text) >= many:
        raise RefusedError(refusals.BAD_FIELD)
    return int(text)


def _number(call: Call, name: str, least: int, most: int) -> int:
    text = call.fields[name]
    if not text.isdecimal() or not least <= int(text) <= most:
        raise RefusedError(refusals.BAD_FIELD)
    return int(text)


def _minutes(call: Call) -> int:
    return MINUTES[_code(call, "MINX", len(MINUTES))]


def _least_volume(call: Call) -> int:
    return VOLUMES[_code(call, "VOL_RANG", len(VOLUMES))]


def _volume(host: Host, symbol: str, at: datetime) -> int:
    return host.market.volume_at(symbol, at) // SEEN
