"""The steps of the market data: whose, and Polygon's key, with the truth about delays."""

import asyncio

from adapters.clock import AnyClock
from cli.init.answers import Answers
from cli.init.attempts import Verdict, settled
from cli.init.terminal import say
from cli.probes.http import Unreached
from cli.probes.polygon import FeedFound, KeyRefused, Plan, Refused, Vendor, fitting_stream
from config import environment

FEEDS = {"1": "polygon", "2": "kis"}
ABOUT_FEEDS = (
    "  1) polygon  모든 종목. Stocks Advanced $199/월이 실시간, $29·$79는 15분 지연이라 신호로 사지 않습니다",
    "              every stock; $199 a month is real time, $29 and $79 are 15 minutes late and never buy by signals",
    "  2) kis      무료 실시간. 거래량의 절반쯤, 순위에 오른 종목만 봅니다. 가상 매매여도 한국투자 실계좌의 앱키가 필요합니다",
    "              free, real time; about half of the volume, ranked stocks only; a REAL KIS account's key, on paper too",
)
ABOUT = (
    "  polygon.io(새 이름 massive.com)에 가입하고 Dashboard → Keys에서 키를 복사하세요.",
    "  Sign up at polygon.io (now massive.com) and copy the key from Dashboard → Keys.",
    "    Stocks Advanced  $199/월   실시간 / real time: 신호로 사려면 이것 / needed to buy by signals",
    "    Developer $79, Starter $29  15분 지연 / 15 minutes late: 서학은 지연된 시세로 사지 않습니다 / never buys",
    "    Basic 무료 / free          하루 한 번 / end of day: 동작하지 않습니다 / not enough",
)
SAID = {
    Plan.REAL_TIME: "  ✓ 실시간 요금제 / a real-time plan",
    Plan.DELAYED: "  ! 15분 지연 요금제: 발굴과 알림은 되지만 사지 않습니다 / 15 minutes late: finds and charts, no buying",
    Plan.END_OF_DAY: "  ! 무료 요금제: 장중 시세가 없습니다 / no data during the session with this plan",
    Plan.UNKNOWN: "  ✓ 키가 맞습니다 (요금제는 알 수 없음) / the key is known, its plan is not",
}
NAMES = ("POLYGON_API_KEY", "MASSIVE_API_KEY")


def set_key(answers: Answers, clock: AnyClock) -> None:
    """Ask for the key until Polygon knows it, under the name that it already has."""
    say(*ABOUT)
    name = next((n for n in NAMES if answers.get(n)), NAMES[0])

    plans = [Plan.UNKNOWN]

    def attempt(key: str) -> Verdict:
        settings = environment.polygon(answers.env(**{NAMES[0]: key}))
        try:
            found: FeedFound = asyncio.run(Vendor(key, settings.rest_url).look(clock.now()))
        except KeyRefused:
            say("  ✗ Polygon이 모르는 키입니다 / Polygon does not know this key")
            return Verdict.WRONG
        except (Unreached, Refused) as trouble:
            say(f"  ! Polygon에 확인하지 못했습니다 / Polygon could not be asked: {trouble}")
            return Verdict.UNKNOWN
        say(SAID[found.plan])
        plans.append(found.plan)
        return Verdict.GOOD

    key = settled("Polygon API 키 / key", answers.get(name), attempt)
    answers.keep(**{name: key})
    present = environment.polygon(answers.env()).ws_url
    if (wanted := fitting_stream(plans[-1], present)) != present:
        answers.keep(POLYGON_WS_URL=wanted)
        say(f"  ✓ 이 요금제의 서버 / the server of this plan: {wanted}")
