"""Time: this machine's clock against others, the zones, the calendar of sessions, the age of what is cached."""

import asyncio
import datetime as dt
import zoneinfo
from collections.abc import Mapping

import msgspec

from adapters.calendar import XnysCalendar
from adapters.kis.master import FILES
from cli.doctor.checkup import Checkup
from cli.doctor.examine import aside
from cli.doctor.lines import Line, error, ok, warning
from cli.probes import telegram
from cli.probes.http import Answer, Unreached, ask
from config import environment
from config.params import ConfigError
from core.model.session import MarketSession, Phase
from core.stages.trade.safety import ALARM_SKEW_S, MAX_SKEW_S
from ports.clock import CalendarRange

# the header has whole seconds, cut off
HALF_S = 0.5
SLOWEST_S = 2.0
REACH = dt.timedelta(days=30)
MASTER_OLD = dt.timedelta(days=3)
SEOUL, NEW_YORK = "Asia/Seoul", "America/New_York"
SYNC = "sudo timedatectl set-ntp true (또는 chrony 설치 / or install chrony)"
PHASES: Mapping[Phase, str] = {
    Phase.PRE: "프리마켓 / pre-market",
    Phase.REGULAR: "정규장 / regular session",
    Phase.POST: "애프터마켓 / after-market",
    Phase.CLOSED: "장 마감 / closed",
}


async def clock(world: Checkup) -> Line:
    """Against the Date header of two services; the one that agrees best counts, as a wrong one there is not our fault."""
    hosts = [world.env.get("TELEGRAM_API_URL") or telegram.HOST]
    try:
        hosts.append(environment.polygon(world.env).rest_url)
    except ConfigError:
        # a missing key has a line of its own
        hosts.append("https://api.polygon.io")
    answers = await asyncio.gather(*(ask(host, wall=world.wall) for host in hosts), return_exceptions=True)
    found = [s for answer in answers if isinstance(answer, Answer) and (s := _skew_s(answer)) is not None]
    if not found:
        kinds = ", ".join(sorted({str(a) for a in answers if isinstance(a, Unreached)})) or "no Date"
        return error(
            f"인터넷에 연결되지 않습니다 / the services are not reached: {kinds}",
            "네트워크와 DNS를 확인하세요: ping api.telegram.org / look at network and DNS",
        )
    skew_s = min(found, key=abs)
    told = f"시계 차이 {skew_s:+.1f}초 / this machine's clock is off by {skew_s:+.1f} s"
    if abs(skew_s) > ALARM_SKEW_S:
        return error(told, SYNC)
    if abs(skew_s) > MAX_SKEW_S:
        return warning(f"{told}: 2초를 넘으면 사지 않습니다 / nothing is bought beyond 2 s", SYNC)
    return ok(told)


def _skew_s(answer: Answer) -> float | None:
    """Seconds that the other clock is ahead of ours; None from an answer that was too slow to tell."""
    if answer.date is None or answer.got_at - answer.sent_at > SLOWEST_S:
        return None
    return answer.date.timestamp() + HALF_S - (answer.sent_at + answer.got_at) / 2


async def calendar(world: Checkup) -> Line:
    """The time zones, and what the stored calendar says of now."""
    try:
        seoul, _ = zoneinfo.ZoneInfo(SEOUL), zoneinfo.ZoneInfo(NEW_YORK)
    except zoneinfo.ZoneInfoNotFoundError:
        return error("시간대 자료가 없습니다 / this machine has no time zones", "apt install tzdata")
    path = world.state_dir / "calendar.json"
    try:
        sessions = msgspec.json.decode(await aside(path.read_bytes), type=list[MarketSession])
        present = XnysCalendar(sessions)
        session = present.current_or_next(world.clock.now())
    except FileNotFoundError:
        return ok("거래일 달력은 처음 시작할 때 만듭니다 / the calendar is made at the first start")
    except (OSError, ValueError, msgspec.MsgspecError, CalendarRange):
        return warning(
            "거래일 달력을 쓸 수 없습니다 / the calendar of sessions can't be used",
            f"rm {path} (다음 시작 때 새로 만듭니다 / the next start makes a new one)",
        )
    if sessions[-1].on - world.clock.now().date() < REACH:
        return warning(
            f"달력이 {sessions[-1].on}에 끝납니다 / the calendar ends then",
            "다시 시작하면 새로 만듭니다 / a restart makes a new one",
        )
    opens = session.open_at.astimezone(seoul)
    told = PHASES[session.phase(world.clock.now())]
    return ok(f"{told}; {opens:%m-%d %H:%M} KST 개장 / opens")


async def master(world: Checkup) -> Line:
    """KIS's symbol files are renewed daily by a collector that runs; old ones serve on, but new listings are unknown."""
    folder = world.state_dir / "master"
    found = [path for name in FILES if (path := folder / name).exists()]
    if not found:
        return ok("처음 시작할 때 내려받습니다 / downloaded at the first start")
    age = dt.timedelta(seconds=world.wall() - min(path.stat().st_mtime for path in found))
    if age > MASTER_OLD and "collector" in world.running():
        return warning(
            f"KIS 종목 파일이 {age.days}일째 갱신되지 않았습니다 / KIS's symbol files are {age.days} days old",
            "./seohak logs collector; KIS_MASTER_URL의 주소가 막혔는지 / whether the network lets it through",
        )
    return ok(f"{max(0, age.days)}일 전 / days old")
