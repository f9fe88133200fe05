"""What must be true before real money: each check by itself, with what to do where it is not."""

import asyncio
import contextlib
import datetime as dt
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from adapters.db.chat import SqlChatStore
from adapters.db.engine import open_engine
from adapters.db.records import SqlRecordStore
from config import environment
from config.caps import CapsError, caps_path, load_caps
from config.environment import Base
from config.golive import fingerprint, opened
from config.params import ConfigError, load_params
from config.secondfactor import read_secret
from config.yamlfile import with_value
from core.model.messages import Value
from core.model.params import Params
from core.model.safety import Caps
from ports.store import RecordStore, StoreUnavailable
from services.guardian_drill import drill

PAPER_DAYS, LOOK_BACK = 10, 60
BACKUP_AGE = dt.timedelta(days=7)
NEEDED_CAPS = ("max_order_krw", "max_plan_krw", "max_day_krw", "max_positions", "max_daily_loss_krw")
DOCTOR_S = 120
OPEN = {
    "position": "SELECT count(*) FROM position",
    "plan": "SELECT count(*) FROM plan WHERE state IN ('PROPOSED', 'RUNNING')",
    "exit": "SELECT count(*) FROM exit_run",
    "outbox": "SELECT count(*) FROM outbox",
}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One line: `ok` is None where there is nothing to check."""

    name: str
    ok: bool | None
    text: str
    remedy: str = ""


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks look at."""

    env: Mapping[str, str]
    settings: Base
    params: Params
    now: dt.datetime
    root: Path
    commands: frozenset[str]


def check_all(world: World) -> list[Check]:
    """Every check, in order of effort."""
    checks: Sequence[Callable[[World], Check]] = (
        venue,
        mode,
        keys,
        caps,
        second_factor,
        guardian,
        backup,
        paper,
        left_over,
        doctor,
    )
    return [check(world) for check in checks]


def venue(world: World) -> Check:
    """Not open yet, and one line of config.yaml can open it."""
    now, path = world.params.trading.venue, world.settings.config_path
    if now == "kis_real" and _opened(world):
        return Check(name="venue", ok=False, text="이미 실계좌입니다 / the real account is open already")
    try:
        with_value(path.read_text(encoding="utf-8"), "trading.venue", "kis_real")
    except ConfigError as error:
        return Check(name="venue", ok=False, text=f"지금은 {now} / now {now}", remedy=str(error))
    return Check(name="venue", ok=True, text=f"지금은 {now} / now {now}")


def _opened(world: World) -> bool:
    try:
        kis = environment.kis(world.env, "kis_real")
    except ConfigError:
        return False
    return opened(world.settings.state_dir, fingerprint(kis.account, kis.appkey))


def mode(world: World) -> Check:
    """As it is in force: the chat may have changed it."""
    try:
        chosen = asyncio.run(_overrides(world)).get("trading.mode")
    except StoreUnavailable:
        chosen = None
    now = chosen or world.params.trading.mode
    return Check(
        name="mode",
        ok=now != "auto",
        text=f"매매 모드 {now} / trading.mode {now}",
        remedy="" if now != "auto" else "처음에는 승인 모드로: /mode approve / begin with approvals",
    )


async def _overrides(world: World) -> Mapping[str, Value]:
    engine = open_engine(world.settings.database_url)
    try:
        return await SqlChatStore(engine).overrides()
    finally:
        await engine.dispose()


def keys(world: World) -> Check:
    try:
        environment.kis(world.env, "kis_real")
    except ConfigError as error:
        return Check(name="keys", ok=False, text="실계좌 키 / keys of the real account", remedy=str(error))
    return Check(name="keys", ok=True, text="실계좌 키가 있습니다 / keys of the real account are set")


def caps(world: World) -> Check:
    path = caps_path(world.settings.config_path)
    try:
        found = load_caps(path)
    except CapsError as error:
        return Check(name="caps", ok=False, text="한도 파일 / caps", remedy=str(error))
    missing = [name for name in NEEDED_CAPS if getattr(found, name) is None]
    if missing:
        what = (
            "caps.toml이 없습니다 / no caps.toml" if found == Caps() else f"빠진 한도 / missing: {', '.join(missing)}"
        )
        return Check(
            name="caps", ok=False, text=what, remedy=f"caps.example.toml을 {path}로 복사해 고치세요 / copy and edit it"
        )
    return Check(name="caps", ok=True, text=f"한도가 있습니다 / caps are set: 1건 {found.max_order_krw:,}원")


def second_factor(world: World) -> Check:
    try:
        enrolled = read_secret(world.settings.state_dir) is not None
    except OSError as error:
        return Check(name="totp", ok=False, text="2차 인증 / second factor", remedy=str(error))
    return Check(
        name="totp",
        ok=enrolled,
        text="2차 인증 등록됨 / second factor enrolled" if enrolled else "2차 인증 없음 / no second factor",
        remedy="" if enrolled else "./seohak totp enrol",
    )


def guardian(world: World) -> Check:  # noqa: ARG001 - the drill touches nothing of ours
    found = drill()
    ok = found["ok"] is True
    text = (
        f"감시견 훈련 통과 / guardian drill passed ({found['seconds']} s)" if ok else "감시견 훈련 실패 / drill failed"
    )
    return Check(name="guardian", ok=ok, text=text, remedy="" if ok else "./seohak guardian --drill")


def backup(world: World) -> Check:
    files = sorted((world.settings.state_dir / "backups").glob("*.tar.gz"), key=lambda path: path.stat().st_mtime)
    age = world.now - dt.datetime.fromtimestamp(files[-1].stat().st_mtime, dt.UTC) if files else None
    if age is None or age > BACKUP_AGE:
        text = (
            "백업이 없습니다 / no backup"
            if age is None
            else f"백업이 {age.days}일 전 것 / backup of {age.days} days ago"
        )
        return Check(name="backup", ok=False, text=text, remedy="./seohak backup")
    return Check(name="backup", ok=True, text=f"백업 / backup: {files[-1].name}")


def paper(world: World) -> Check:
    """Days with a report, and a round trip: the whole way was seen with paper money."""
    try:
        days, trips = asyncio.run(_lived(world))
    except StoreUnavailable:
        return Check(
            name="paper",
            ok=False,
            text="기록을 읽지 못했습니다 / records can't be read",
            remedy="DATABASE_URL, ./seohak db upgrade",
        )
    ok = days >= PAPER_DAYS and trips > 0
    return Check(
        name="paper",
        ok=ok,
        text=f"모의 {days}일 / {PAPER_DAYS}일, 매매 {trips}건 / {days} of {PAPER_DAYS} paper days, {trips} round trips",
        remedy="" if ok else "paper나 kis_virtual로 더 지내 보세요 / live with paper or kis_virtual until then",
    )


async def _lived(world: World) -> tuple[int, int]:
    engine = open_engine(world.settings.database_url)
    try:
        records: RecordStore = SqlRecordStore(engine)
        last = world.now.date()
        days = [await records.report(last - dt.timedelta(days=n)) for n in range(LOOK_BACK)]
        trips = await records.round_trips(world.now - dt.timedelta(days=LOOK_BACK), world.now)
        return sum(day is not None for day in days), len(trips)
    finally:
        await engine.dispose()


def left_over(world: World) -> Check:
    """The journal of another account must hold nothing that the real one would be asked about."""
    path = world.settings.state_dir / "journal.db"
    if not path.exists():
        return Check(name="journal", ok=True, text="남은 것 없음 / nothing is left over")
    try:
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
            counts = {what: int(connection.execute(query).fetchone()[0]) for what, query in OPEN.items()}
    except sqlite3.Error as error:
        return Check(name="journal", ok=False, text="매매 일지 / journal", remedy=str(error))
    left = {what: count for what, count in counts.items() if count}
    if left:
        shown = ", ".join(f"{what} {count}" for what, count in left.items())
        return Check(
            name="journal",
            ok=False,
            text=f"모의 계좌에 남은 것 / left over: {shown}",
            remedy="모두 팔고 계획을 취소하세요: /panic 청산, /resume / sell everything and cancel the plans",
        )
    return Check(name="journal", ok=True, text="모의 계좌에 남은 것 없음 / nothing is left over on paper")


def doctor(world: World) -> Check:
    """The other command's verdict, in a process of its own."""
    if "doctor" not in world.commands:
        return Check(name="doctor", ok=None, text="doctor 명령이 없는 판 / this version has no doctor")
    remedy = "./seohak doctor"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cli", "doctor", "--json"],
            cwd=world.root,
            env=dict(world.env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DOCTOR_S,
            check=False,
        )
        found = json.loads(done.stdout)
        wrong = [str(each["text"]) for each in found["checks"] if each["level"] == "error"]
    except (subprocess.TimeoutExpired, OSError, ValueError, KeyError, TypeError):
        return Check(name="doctor", ok=False, text="doctor가 끝나지 못했습니다 / doctor did not finish", remedy=remedy)
    if wrong or found.get("errors") or done.returncode:
        return Check(name="doctor", ok=False, text=wrong[0] if wrong else "오류 / errors", remedy=remedy)
    return Check(name="doctor", ok=True, text="doctor: 오류 없음 / no errors")


def world_of(env: Mapping[str, str], now: dt.datetime, commands: frozenset[str]) -> World:
    """Raises ConfigError where the configuration itself can't be read."""
    settings = environment.base(env)
    params = load_params(settings.config_path)
    return World(env=env, settings=settings, params=params, now=now, root=environment.ROOT, commands=commands)
