"""Our own programs: which run, whether the trader listens, and who guards the stops of what is held."""

import asyncio
import math

from cli.doctor.checkup import Checkup
from cli.doctor.lines import Line, error, ok, warning
from services.guardian_files import read_heartbeat, read_json, read_protection

OURS = frozenset({"guardian", "collector", "analyzer", "trader", "bot"})
FRESH_S = 15.0
UP = "./seohak up"


async def programs(world: Checkup) -> Line:
    """All, none, or only some: the last is how a start that half failed looks."""
    running = world.running() & OURS
    if not running:
        return ok(f"실행 중이 아닙니다 / nothing runs: {UP}")
    if running == OURS:
        return ok(f"{len(OURS)}개 모두 실행 중 / all {len(OURS)} run")
    return warning(
        f"일부만 실행 중 / not running: {', '.join(sorted(OURS - running))}",
        "./seohak logs로 까닭을 보고 고친 뒤 ./seohak up / ./seohak logs says why; mend it, then ./seohak up",
    )


async def trader(world: Checkup) -> Line:
    """A trader that runs beats once a second and answers on its socket."""
    if "trader" not in world.running():
        return ok("실행 중이 아닙니다 / not running")
    beat = read_heartbeat(world.state_dir, world.monotonic(), world.wall())
    if beat.age_s > FRESH_S:
        age = f"{beat.age_s:.0f} s" if math.isfinite(beat.age_s) else "?"
        return error(
            f"매매봇이 멈춰 있습니다 / the trader hangs: {age}",
            "./seohak guardian으로 감시견을 확인하고 ./seohak logs trader / look at the guardian and at the trader's log",
        )
    path = world.settings.socket("trader")
    try:
        async with asyncio.timeout(4):
            _, writer = await asyncio.open_unix_connection(str(path))
        writer.close()
    except (OSError, TimeoutError) as trouble:
        return error(
            f"명령 소켓에 연결할 수 없습니다 / the command socket does not answer: {type(trouble).__name__}",
            f"{path}의 권한을 확인하고 다시 시작하세요 / look at the permissions of {path} and start again",
        )
    return ok("응답함 / answers")


async def guard(world: Checkup) -> Line:
    """Who keeps the stops: the trader, the guardian, or nobody although something is held."""
    running, state_dir = world.running(), world.state_dir
    found = read_json(state_dir / "beats" / "guardian")
    beat = found if isinstance(found, dict) else {}
    written = (state_dir / "protect.json").exists()
    protection = read_protection(state_dir)
    if written and protection is None:
        return error(
            "protect.json의 서명이 맞지 않아 감시견이 믿지 않습니다 / protect.json is not genuine: the guardian ignores it",
            "매매봇을 켜면 새로 씁니다: ./seohak up / a trader that starts writes a new one",
        )
    held = len(protection.rows) if protection is not None else 0
    if "guardian" in running and _age_s(world, beat) <= FRESH_S:
        if beat.get("in_charge") == "True":
            keeps = " --handback" if beat.get("keeps") == "True" else ""
            return warning(
                f"감시견이 매매봇 대신 {held}종목을 지키는 중 / the guardian keeps the stops in the trader's place",
                f"./seohak logs trader를 본 뒤 ./seohak guardian{keeps} / read the trader's log first",
            )
        return ok(f"감시견 대기 중, 보유 {held}종목 / the guardian stands by, {held} held")
    if "trader" in running:
        return error(
            "감시견이 없습니다: 매매봇이 죽으면 손절할 사람이 없습니다 / no guardian: if the trader dies, nobody keeps the stops",
            UP,
        )
    if held:
        return error(
            f"보유 {held}종목의 손절을 아무도 지키지 않습니다 / {held} held, and nobody keeps the stops",
            f"{UP}, 또는 KIS 앱에서 직접 파세요 / or sell in the KIS app",
        )
    return ok("보유 종목 없음 / nothing is held")


def _age_s(world: Checkup, beat: dict[str, object]) -> float:
    try:
        age_s = world.monotonic() - float(str(beat.get("mono")))
    except ValueError:
        return math.inf
    # a beat from the future is one from before the machine started again
    return age_s if age_s >= 0 else math.inf
