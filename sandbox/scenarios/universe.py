"""Listed names for the background of every scenario: well-known companies, then invented ones."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.market import Instrument


@dataclass(frozen=True)
class Listing:
    """An instrument and how lively it trades (shares per regular minute)."""

    instrument: Instrument
    minute_volume: int


# symbol | name | Korean name | exchange | shares (millions) | price | shares per minute
_KNOWN = """
AAPL|Apple Inc.|애플|XNAS|14840|268.40|110000
ABNB|Airbnb, Inc.|에어비앤비|XNAS|430|121.60|9000
AMD|Advanced Micro Devices|어드밴스드 마이크로 디바이시스|XNAS|1628|231.70|95000
AMZN|Amazon.com, Inc.|아마존닷컴|XNAS|10690|226.10|90000
AVGO|Broadcom Inc.|브로드컴|XNAS|4722|344.20|45000
BA|Boeing Company|보잉|XNYS|760|189.30|15000
BAC|Bank of America Corp|뱅크오브아메리카|XNYS|7300|52.30|80000
BRK.B|Berkshire Hathaway Inc. Class B|버크셔 해서웨이 B|XNYS|1310|504.80|9000
COIN|Coinbase Global, Inc.|코인베이스 글로벌|XNAS|219|257.90|20000
CRWD|CrowdStrike Holdings|크라우드스트라이크|XNAS|251|521.40|6000
DIS|Walt Disney Company|월트 디즈니|XNYS|1790|106.20|20000
F|Ford Motor Company|포드 모터|XNYS|3980|13.05|120000
GM|General Motors Company|제너럴 모터스|XNYS|930|69.80|18000
GOOGL|Alphabet Inc. Class A|알파벳 A|XNAS|5820|286.60|70000
HOOD|Robinhood Markets, Inc.|로빈후드 마켓츠|XNAS|890|118.30|70000
INTC|Intel Corporation|인텔|XNAS|4770|34.70|170000
IONQ|IonQ, Inc.|아이온큐|XNYS|354|47.20|60000
JNJ|Johnson & Johnson|존슨앤존슨|XNYS|2410|198.60|18000
JPM|JPMorgan Chase & Co.|JP모간 체이스|XNYS|2720|303.40|22000
KO|Coca-Cola Company|코카콜라|XNYS|4300|71.40|35000
LCID|Lucid Group, Inc.|루시드 그룹|XNAS|324|13.70|20000
LLY|Eli Lilly and Company|일라이 릴리|XNYS|945|1025.30|9000
MARA|MARA Holdings, Inc.|마라 홀딩스|XNAS|378|11.80|100000
META|Meta Platforms, Inc.|메타 플랫폼스|XNAS|2168|597.70|45000
MSFT|Microsoft Corporation|마이크로소프트|XNAS|7432|493.80|50000
MSTR|Strategy Inc|스트래티지|XNAS|268|206.80|40000
MU|Micron Technology|마이크론 테크놀로지|XNAS|1123|228.50|55000
NFLX|Netflix, Inc.|넷플릭스|XNAS|4237|110.30|60000
NIO|NIO Inc. ADR|니오 ADR|XNYS|2240|6.05|100000
NKE|Nike, Inc. Class B|나이키|XNYS|1180|63.40|30000
NVDA|NVIDIA Corporation|엔비디아|XNAS|24300|186.50|450000
ORCL|Oracle Corporation|오라클|XNYS|2850|225.70|40000
PFE|Pfizer Inc.|화이자|XNYS|5690|25.10|90000
PLTR|Palantir Technologies Inc.|팔란티어 테크|XNAS|2290|167.30|110000
PYPL|PayPal Holdings, Inc.|페이팔 홀딩스|XNAS|936|61.50|30000
QCOM|QUALCOMM Incorporated|퀄컴|XNAS|1071|166.90|20000
RIVN|Rivian Automotive, Inc.|리비안 오토모티브|XNAS|1220|15.30|80000
SBUX|Starbucks Corporation|스타벅스|XNAS|1137|84.20|20000
SNAP|Snap Inc.|스냅|XNYS|1430|8.15|110000
SOFI|SoFi Technologies, Inc.|소파이 테크놀로지스|XNAS|1206|26.40|130000
T|AT&T Inc.|AT&T|XNYS|7090|25.60|90000
TSLA|Tesla, Inc.|테슬라|XNAS|3326|404.30|210000
TSM|Taiwan Semiconductor ADR|TSMC ADR|XNYS|5186|281.90|30000
UBER|Uber Technologies, Inc.|우버 테크놀로지스|XNYS|2078|91.50|45000
WMT|Walmart Inc.|월마트|XNYS|7970|101.10|35000
"""

_ADRS = frozenset({"NIO", "TSM"})

SPY = Listing(
    Instrument("SPY", "SPDR S&P 500 ETF Trust", "SPDR S&P 500 ETF", "XASE", None, 662.9, 70_000_000, "ETF"), 180_000
)

_FIRST = (
    "Aster",
    "Boreal",
    "Cobalt",
    "Delphi",
    "Ember",
    "Fjord",
    "Gale",
    "Harbor",
    "Ivory",
    "Juniper",
    "Kestrel",
    "Lumen",
)
_FIRST_KOREAN = (
    "애스터",
    "보리얼",
    "코발트",
    "델파이",
    "엠버",
    "피오르",
    "게일",
    "하버",
    "아이보리",
    "주니퍼",
    "케스트럴",
    "루멘",
)
_SECOND = (
    "Bio",
    "Energy",
    "Systems",
    "Therapeutics",
    "Materials",
    "Networks",
    "Foods",
    "Mining",
    "Capital",
    "Logistics",
)
_SECOND_KOREAN = (
    "바이오",
    "에너지",
    "시스템즈",
    "테라퓨틱스",
    "머티리얼즈",
    "네트웍스",
    "푸드",
    "마이닝",
    "캐피털",
    "로지스틱스",
)


def known_listings() -> list[Listing]:
    listings = [SPY]
    for line in _KNOWN.split("\n"):
        if not line:
            continue
        symbol, name, korean, exchange, millions, price, volume = line.split("|")
        kind = "ADRC" if symbol in _ADRS else "CS"
        instrument = Instrument(
            symbol, name, korean, exchange, int(millions) * 1_000_000, float(price), int(volume) * 390, kind
        )
        listings.append(Listing(instrument, int(volume)))
    return listings


def invented_listings(taken: frozenset[str]) -> Iterator[Listing]:
    """Endless small caps with four-letter symbols, the same on every run."""
    rng = random.Random("invented listings")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXY"
    for index, symbol_letters in enumerate(itertools.product("XYABCDEFGHIJKLMNOPQRSTUVW", letters, letters, letters)):
        symbol = "".join(symbol_letters)
        if symbol in taken:
            continue
        first, second = index % len(_FIRST), (index // len(_FIRST)) % len(_SECOND)
        instrument = Instrument(
            symbol,
            f"{_FIRST[first]} {_SECOND[second]} {index + 1}",
            f"{_FIRST_KOREAN[first]} {_SECOND_KOREAN[second]} {index + 1}",
            ("XNAS", "XNYS", "XASE")[index % 3],
            rng.randint(8, 400) * 1_000_000,
            round(rng.uniform(1.2, 90.0), 2),
            rng.randint(100_000, 3_000_000),
        )
        yield Listing(instrument, rng.randint(300, 8_000))


def background(count: int | None, taken: frozenset[str] = frozenset()) -> list[Listing]:
    """The known names, or exactly `count` listings; `taken` symbols are the scenario's own."""
    known = [listing for listing in known_listings() if listing.instrument.symbol not in taken]
    if count is None or count <= len(known):
        return known if count is None else known[: max(0, count)]
    symbols = taken | {listing.instrument.symbol for listing in known}
    return known + list(itertools.islice(invented_listings(symbols), count - len(known)))
