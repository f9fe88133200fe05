"""Quotations: price, price detail and the order book."""

from datetime import datetime

from sandbox.bars import tick_decimals
from sandbox.kis import rows
from sandbox.kis.host import Body, Call, Host, Reply
from sandbox.kis.rows import Row
from sandbox.market import Instrument

LEVELS = 10
_OK = {"rt_cd": "0", "msg_cd": "MCA00000", "msg1": "정상처리 되었습니다."}

_PRICE_FIELDS = ["rsym", "zdiv", "base", "pvol", "last", "sign", "diff", "rate", "tvol", "tamt", "ordy"]
_DETAIL_FIELDS = [
    "rsym",
    "zdiv",
    "curr",
    "vnit",
    "open",
    "high",
    "low",
    "last",
    "base",
    "pvol",
    "pamt",
    "uplp",
    "dnlp",
    "h52p",
    "h52d",
    "l52p",
    "l52d",
    "perx",
    "pbrx",
    "epsx",
    "bpsx",
    "shar",
    "mcap",
    "tomv",
    "t_xprc",
    "t_xdif",
    "t_xrat",
    "p_xprc",
    "p_xdif",
    "p_xrat",
    "t_rate",
    "p_rate",
    "t_xsgn",
    "p_xsng",
    "e_ordyn",
    "e_hogau",
    "e_icod",
    "e_parp",
    "tvol",
    "tamt",
    "etyp_nm",
]


def _found(host: Host, call: Call) -> Instrument | None:
    """None when that exchange does not list the symbol: KIS then answers with empty strings."""
    instrument = host.instrument(call.fields["SYMB"])
    if instrument is None or instrument.quote_code != call.fields["EXCD"]:
        return None
    return instrument


def _reply(**outputs: object) -> Reply:
    body: Body = {**outputs, **_OK}
    return Reply(body)


def _change(last: float, base: float) -> tuple[str, str, str]:
    """(sign, unsigned difference, signed rate) in KIS's notation."""
    difference, rate = last - base, (last / base - 1) * 100
    if abs(difference) < 0.00005:
        return "3", "0.0000", " 0.00"
    return ("2" if difference > 0 else "5"), f"{abs(difference):.4f}", f"{rate:+.2f}"


def _turnover(host: Host, symbol: str, now: datetime) -> tuple[int, int]:
    """(shares, dollars) of the day so far."""
    volume = host.market.volume_at(symbol, now)
    series = host.market.series[symbol]
    counted, value = series.accumulated(series.rows_before(host.market.minute_of(now)))
    return volume, int(value + (volume - counted) * host.market.price_at(symbol, now))


def price(host: Host, call: Call) -> Reply:
    instrument = _found(host, call)
    if instrument is None:
        return _reply(output=dict.fromkeys(_PRICE_FIELDS, ""))
    last = host.market.price_at(instrument.symbol, call.now)
    sign, difference, rate = _change(last, instrument.prev_close)
    volume, amount = _turnover(host, instrument.symbol, call.now)
    output: Row = {
        "rsym": f"D{instrument.quote_code}{instrument.kis_symbol}",
        "zdiv": "4",
        "base": f"{instrument.prev_close:.4f}",
        "pvol": str(instrument.prev_volume),
        "last": f"{last:.4f}",
        "sign": sign,
        "diff": difference,
        "rate": rate,
        "tvol": str(volume),
        "tamt": str(amount),
        "ordy": "매도불가",
    }
    return _reply(output=output)


def price_detail(host: Host, call: Call) -> Reply:
    instrument = _found(host, call)
    if instrument is None:
        return _reply(output=dict.fromkeys(_DETAIL_FIELDS, ""))
    market, fx = host.market, float(host.account.fx)
    last, base = market.price_at(instrument.symbol, call.now), instrument.prev_close
    day = market.day_range(instrument.symbol, call.now)
    shares = instrument.shares_outstanding or 0
    sign, difference, rate = _change(last, base)
    volume, amount = _turnover(host, instrument.symbol, call.now)
    values: Row = {
        "rsym": f"D{instrument.quote_code}{instrument.kis_symbol}",
        "zdiv": "4",
        "curr": "USD",
        "vnit": "1",
        "open": f"{day.open if day else 0:.4f}",
        "high": f"{max(day.high, last) if day else 0:.4f}",
        "low": f"{min(day.low, last) if day else 0:.4f}",
        "last": f"{last:.4f}",
        "base": f"{base:.4f}",
        "pvol": str(instrument.prev_volume),
        "pamt": str(int(instrument.prev_volume * base)),
        "uplp": "0.0000",
        "dnlp": "0.0000",
        "h52p": f"{base * 1.6:.4f}",
        "l52p": f"{base * 0.55:.4f}",
        "h52d": "20260318",
        "l52d": "20260807",
        "perx": "0.00",
        "pbrx": "0.00",
        "epsx": "0.00",
        "bpsx": "0.00",
        "shar": str(shares),
        "mcap": "0",
        "tomv": str(int(shares * last)),
        "t_xprc": str(int(last * fx)),
        "t_xdif": str(int(float(difference) * fx)),
        "t_xrat": rate,
        "p_xprc": "0",
        "p_xdif": "0",
        "p_xrat": " 0.00",
        "t_rate": f"{fx:.2f}",
        "t_xsgn": sign,
        "p_xsng": "3",
        "e_ordyn": "매매 가능",
        "e_hogau": "0.0100" if tick_decimals(last) == 2 else "0.0001",
        "e_parp": "0.0000",
        "tvol": str(volume),
        "tamt": str(amount),
    }
    return _reply(output={name: values.get(name, "") for name in _DETAIL_FIELDS})


def asking_price(host: Host, call: Call) -> Reply:
    instrument = _found(host, call)
    if instrument is None:
        return _reply(output1={}, output2={}, output3={})
    market = host.market
    quote = market.quote_at(instrument.symbol, call.now)
    day = market.day_range(instrument.symbol, call.now)
    at = rows.kst(call.now)
    book = _book(quote.bid, quote.ask, market.volume_at(instrument.symbol, call.now))
    output1: Row = {
        "rsym": f"D{instrument.quote_code}{instrument.kis_symbol}",
        "zdiv": "4",
        "curr": "USD",
        "base": f"{instrument.prev_close:.4f}",
        "open": f"{day.open if day else 0:.4f}",
        "high": f"{day.high if day else 0:.4f}",
        "low": f"{day.low if day else 0:.4f}",
        "last": f"{quote.last:.4f}",
        "dymd": at.strftime("%Y%m%d"),
        "dhms": at.strftime("%H%M%S"),
        "bvol": str(sum(int(book[f"vbid{level}"]) for level in range(1, LEVELS + 1))),
        "avol": str(sum(int(book[f"vask{level}"]) for level in range(1, LEVELS + 1))),
        "bdvl": "0",
        "advl": "0",
        "code": instrument.kis_symbol,
        "ropen": "",
        "rhigh": "",
        "rlow": "",
        "rclose": _change(quote.last, instrument.prev_close)[2],
    }
    output3 = dict.fromkeys(("vstm", "vetm", "csbp", "cshi", "cslo", "iep", "iev"), "")
    return _reply(output1=output1, output2=book, output3=output3)


def _book(bid: float, ask: float, seed: int) -> Row:
    """Ten levels a tick apart; sizes vary with the day's volume but not with chance."""
    book: Row = {}
    bid_tick, ask_tick = 10.0 ** -tick_decimals(bid), 10.0 ** -tick_decimals(ask)
    for level in range(1, LEVELS + 1):
        away = level - 1
        book[f"pbid{level}"] = f"{max(0.0, bid - away * bid_tick):.4f}"
        book[f"pask{level}"] = f"{ask + away * ask_tick:.4f}"
        book[f"vbid{level}"] = str(100 + (seed * 7 + level * 131) % 900)
        book[f"vask{level}"] = str(100 + (seed * 3 + level * 197) % 900)
        book[f"dbid{level}"] = "0"
        book[f"dask{level}"] = "0"
    return book
