"""The demo day: HELI breaks out, climbs past +30 % and rolls over; QBIT breaks out and collapses; three more pass in part."""

from collections.abc import Callable
from datetime import date

import numpy as np

from sandbox import calendar
from sandbox.bars import Floats, Ints, Series
from sandbox.market import Instrument, Market
from sandbox.scenarios import shapes, universe

# 14:30 ET, the minute at which a demo starts; the comments' minutes count from it
START = 630
FIRST, LAST = calendar.REGULAR_MINUTE, calendar.DAY_MINUTES
_HERO_SEED = 20261118

HELI = Instrument("HELI", "Helios Robotics, Inc.", "헬리오스 로보틱스", "XNAS", 62_000_000, 14.12, 2_300_000)
QBIT = Instrument("QBIT", "Qubit Dynamics Corp.", "큐빗 다이내믹스", "XNYS", 118_000_000, 8.07, 2_900_000)
WAVE = Instrument("WAVE", "Wavecrest Energy Ltd.", "웨이브크레스트 에너지", "XNAS", 41_000_000, 6.92, 1_700_000)
TINY = Instrument("TINY", "Tinybrook Pharma, Inc.", "타이니브룩 파마", "XNAS", 4_000_000, 5.02, 900_000)
TEST = Instrument("ZVZZT", "NASDAQ TEST STOCK", "나스닥 테스트 종목", "XNAS", 50_000_000, 10.01, 400_000)
FUND = Instrument(
    "LEVU", "Leverline Daily 3X Uranium ETF", "레버라인 우라늄 3배 ETF", "XASE", 30_000_000, 21.40, 1_100_000, "ETF"
)

Points = list[tuple[float, float]]
# (minute, size as a fraction of the price) pairs, each valid until the next
Ripples = tuple[tuple[int, float], ...]
DAY_START = -START


def _from_start(points: Points) -> Points:
    return [(START + minute, price) for minute, price in points]


def _volumes(minutes: Ints, base: int, busy: dict[int, float], after: float, since: int) -> Floats:
    """Quiet volume, `after` times as much from minute `since` on, and multiples of the base at chosen minutes."""
    rng = np.random.default_rng([_HERO_SEED, base])
    curve = shapes.volume_curve(minutes)
    volumes: Floats = base * curve * rng.uniform(0.9, 1.1, len(minutes))
    volumes[(minutes >= START + since) & (minutes < calendar.CLOSE_MINUTE)] *= after
    for minute, multiple in busy.items():
        volumes[START + minute - FIRST] = base * multiple
    return volumes


def _ripple(minutes: Ints, ripples: Ripples) -> Floats:
    """A small repeating wobble that keeps drawn lines alive, of a given size from each minute on."""
    pattern: Floats = np.array([0.0, 0.6, 1.0, 0.3, -0.4, -1.0, -0.5, 0.4, -0.2, -0.7])
    size: Floats = np.zeros(len(minutes))
    for since, value in ripples:
        size[minutes >= START + since] = value
    wobble: Floats = size * pattern[(minutes - START - 4) % len(pattern)]
    return wobble


def _hero(instrument: Instrument, points: Points, ripples: Ripples, volumes: Floats, wick: float) -> Series:
    minutes = np.arange(FIRST, LAST, dtype=np.int64)
    closes = shapes.rounded(shapes.curve(points, minutes) * (1 + _ripple(minutes, ripples)))
    rng = shapes.generator(_HERO_SEED, instrument.symbol)
    return shapes.drawn(minutes, closes, volumes, rng, wick, instrument.prev_close)


def helios() -> Series:
    """Quiet to +6, breakout at +7, a climb that steepens a little all the way to +58, rolled over by +68."""
    minutes = np.arange(FIRST, LAST, dtype=np.int64)
    climb: Points = [(minute, 15.07 + 0.175 * (minute - 7) + 0.00055 * (minute - 7) ** 2) for minute in range(7, 59)]
    fall: Points = [(60, 23.95), (62, 22.75), (65, 22.35), (90, 21.9), (329, 21.4)]
    points: Points = [(FIRST, 14.10), (START - 120, 14.22), (START - 25, 14.24), (START + 6, 14.16)]
    points += _from_start(climb + fall)
    volumes = _volumes(minutes, 6500, {6: 1.2, 7: 8.2, 8: 3.2}, 2.4, 9)
    return _hero(HELI, points, ((DAY_START, 0.0009), (7, 0.0), (13, 0.004), (56, 0.0), (68, 0.0004)), volumes, 0.0005)


def qubit() -> Series:
    """Breakout at +16, sideways and slightly up, down a quarter inside minute +45."""
    minutes = np.arange(FIRST, LAST, dtype=np.int64)
    points: Points = [(FIRST, 8.05), (START - 60, 8.12), (START + 15, 8.06)]
    points += _from_start(
        [(16, 8.58), (17, 8.64), (20, 8.72), (44, 9.02), (45, 6.74), (48, 6.66), (90, 6.3), (329, 6.2)]
    )
    volumes = _volumes(minutes, 7800, {16: 8.4, 17: 2.6, 45: 22.0, 46: 9.0, 47: 5.0}, 1.8, 18)
    return _hero(QBIT, points, ((DAY_START, 0.0012), (16, 0.0), (19, 0.0018), (44, 0.0), (50, 0.0012)), volumes, 0.0004)


def wavecrest() -> Series:
    """A one-minute bounce at +25 inside a decline: screened, never in an uptrend."""
    minutes = np.arange(FIRST, LAST, dtype=np.int64)
    points: Points = [(FIRST, 6.90), (START - 30, 6.72)]
    points += _from_start([(24, 4.60), (25, 5.03), (26, 4.78), (30, 4.52), (90, 4.05), (329, 3.95)])
    volumes = _volumes(minutes, 5200, {25: 7.0, 26: 2.0}, 1.2, 27)
    return _hero(WAVE, points, ((DAY_START, 0.0008), (24, 0.0), (30, 0.0008)), volumes, 0.0006)


def _jumper(instrument: Instrument, minute: int, base: int, jump: float) -> Callable[[], Series]:
    def build() -> Series:
        minutes = np.arange(FIRST, LAST, dtype=np.int64)
        price = instrument.prev_close
        points: Points = [(FIRST, price), (START + minute - 1, price)]
        points += _from_start([(minute, price * (1 + jump)), (minute + 20, price * (1 + jump / 2)), (329, price)])
        volumes = _volumes(minutes, base, {minute: 8.0}, 1.3, minute + 1)
        return _hero(instrument, points, ((DAY_START, 0.0008), (minute, 0.0)), volumes, 0.0005)

    return build


CAST: tuple[tuple[Instrument, Callable[[], Series]], ...] = (
    (HELI, helios),
    (QBIT, qubit),
    (WAVE, wavecrest),
    (TINY, _jumper(TINY, 31, 4200, 0.075)),
    (TEST, _jumper(TEST, 20, 3000, 0.09)),
    (FUND, _jumper(FUND, 34, 3600, 0.065)),
)


def build(day: date, seed: int, tickers: int | None) -> Market:
    taken = frozenset(instrument.symbol for instrument, _ in CAST)
    wanted = None if tickers is None else max(0, tickers - len(CAST))
    listed = [(instrument, draw()) for instrument, draw in CAST]
    for listing in universe.background(wanted, taken):
        instrument = listing.instrument
        rng = shapes.generator(seed, instrument.symbol)
        listed.append((instrument, shapes.quiet_walk(rng, instrument.prev_close, listing.minute_volume, FIRST)))
    return Market(day, listed)
