"""`./seohak go-live`: the checklist, the one-share check, and the typed words that open the real account."""

import argparse
import asyncio
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from adapters.calendar import load_calendar
from adapters.clock import AnyClock, clock_from
from cli.golive_checks import Check, World, check_all, world_of
from cli.live_check import LiveCheck, Report, Stopped
from config import environment, golive, logs
from config.environment import KisSettings
from config.files import put_in_place
from config.params import ConfigError
from config.yamlfile import set_value
from core.model.instrument import Exchange
from core.model.session import Phase
from ports.broker import Broker
from services.fence import hold_alone
from services.venues import kis_broker

WORDS = "실계좌로 전환", "GO LIVE"
FRESH = dt.timedelta(days=7)
MARKS = {True: "✓", False: "✗", None: "–"}
# what belongs to the account that is left
LEFT = ("journal.db", "journal.db-wal", "journal.db-shm", "protect.json", "guardian.ndjson")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--check", action="store_true", help="점검만 합니다 / the checklist only")
    parser.add_argument("--ticker", default="", help="1주를 사고팔 종목, $20 이하 / one share of it is bought and sold")
    parser.add_argument(
        "--exchange", choices=[e.value for e in Exchange], default="NASD", help="그 종목의 거래소 / its venue"
    )


def run(options: argparse.Namespace) -> int:
    """0 open (or all checks passed with --check), 1 not."""
    from cli.__main__ import COMMANDS

    env = environment.environment()
    clock = clock_from(env)
    world = world_of(env, clock.now(), frozenset(COMMANDS))
    if not _passed(check_all(world)):
        print(
            "\n먼저 ✗ 표시를 해결하세요. 아무것도 바뀌지 않았습니다. / fix what is marked; nothing was changed",
            file=sys.stderr,
        )
        return 1
    if options.check:
        return 0
    kis = environment.kis(env, "kis_real")
    # keys of this process only, and never in its output
    logs.set_up(world.settings.log_level, [kis.appkey, kis.appsecret, kis.account, kis.hts_id])
    try:
        report = _recent(world, kis) or _live(world, kis, clock, options)
        if report is None:
            return 1
        return _open(world, kis, report)
    except EOFError:
        print("\n터미널에서 직접 실행해 주세요. 아무것도 바뀌지 않았습니다. / run it in a terminal", file=sys.stderr)
        return 1


def _passed(checks: Sequence[Check]) -> bool:
    for check in checks:
        print(f"{MARKS[check.ok]} {check.text}")
        if check.remedy:
            print(f"    → {check.remedy}")
    return all(check.ok is not False for check in checks)


def _folder(world: World) -> Path:
    return world.settings.state_dir / golive.FOLDER


def _recent(world: World, kis: KisSettings) -> Path | None:
    """The report of a check that this account passed in the last days."""
    account = golive.fingerprint(kis.account, kis.appkey)
    for path in sorted(_folder(world).glob("check-*.json"), reverse=True):
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Report)
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            continue
        fresh = dt.timedelta(0) <= world.now - found.began_at <= FRESH
        if found.finished and not found.problems and found.account == account and fresh and found.host == kis.base_url:
            print(f"✓ 1주 점검을 마쳤습니다 / the one-share check has passed: {path.name}")
            return path
    return None


def _live(world: World, kis: KisSettings, clock: AnyClock, options: argparse.Namespace) -> Path | None:
    ticker = str(options.ticker).strip().upper()
    if not ticker:
        raise ConfigError(
            "--ticker가 필요합니다: $20 이하 종목 하나 / name a stock under $20, for example --ticker F --exchange NYSE"
        )
    calendar = load_calendar(world.settings.state_dir, world.now.date())
    if calendar.current_or_next(world.now).phase(world.now) is not Phase.REGULAR:
        raise ConfigError(
            "미국 정규장 시간에만 할 수 있습니다 / only while the US market is open (22:30 or 23:30 to 05:00 or 06:00 KST)"
        )
    print(
        f"\n1주 점검: {ticker} 1주를 사고팝니다 (수수료와 가격 차이만큼 듭니다). 주문마다 문장을 입력해야 나갑니다. 대상: {kis.base_url}\n"
        f"One share of {ticker} is bought and sold; each order leaves only after its words were typed. Ctrl-C stops."
    )
    broker = kis_broker(kis, clock, calendar, world.settings.state_dir)
    return asyncio.run(check_live(broker, clock, world, kis, ticker, Exchange(options.exchange)))


async def check_live(
    broker: Broker, clock: AnyClock, world: World, kis: KisSettings, ticker: str, exchange: Exchange
) -> Path | None:
    """The report's file where everything was as expected; closes the broker."""
    account = golive.fingerprint(kis.account, kis.appkey)
    report = Report(account=account, ticker=ticker, began_at=clock.now(), host=kis.base_url)
    path = _folder(world) / f"check-{report.began_at:%Y%m%d-%H%M%S}.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)

    def save() -> None:
        put_in_place(path, msgspec.json.format(msgspec.json.encode(report), indent=2), 0o600)

    check = LiveCheck(broker, clock, report, exchange, ask=input, say=print, save=save, sleep=clock.sleep)
    stopped = ""
    try:
        await check.run()
    except Stopped as why:
        stopped = str(why)
    finally:
        await broker.close()
        _tell_share(report)
    print(f"\n보고서 / report: {path}")
    if stopped or report.problems:
        for text in [stopped, *report.problems]:
            print(f"✗ {text}" if text else "", file=sys.stderr)
        return None
    return path


def _tell_share(report: Report) -> None:
    """A person must know of a share that is still there."""
    names = {step.name for step in report.steps}
    if "buy_sending" in names and "gone" not in names:
        print(
            f"⚠️ {report.ticker} 1주가 계좌에 남아 있을 수 있습니다. KIS 앱에서 확인하세요. / one share may still be in the account",
            file=sys.stderr,
        )


def _open(world: World, kis: KisSettings, report: Path) -> int:
    """Typed words, then everything under the trader's lock: nobody trades while the account changes."""
    trader = hold_alone(world.settings.state_dir, "trader")
    if trader is None:
        print(
            "매매봇이 실행 중입니다. 먼저 멈추세요: ./seohak down / the trader runs: stop Seohak first", file=sys.stderr
        )
        return 1
    with trader:
        print(f"\n계좌 ••••{kis.account[-5:]}에서 실제 돈으로 매매합니다. / real money from here on.")
        if " ".join(input(f"'{WORDS[0]}' 또는 '{WORDS[1]}' 입력 / type it: ").split()) not in WORDS:
            print("바꾸지 않았습니다 / nothing was changed", file=sys.stderr)
            return 1
        at = dt.datetime.now(dt.UTC)
        _put_aside(world.settings.state_dir, at)
        account = golive.fingerprint(kis.account, kis.appkey)
        set_value(world.settings.config_path, "trading.venue", "kis_real")
        # last: until now the trader refuses the real account, whatever happens here
        golive.open_door(
            world.settings.state_dir, golive.Opened(account=account, at=at.isoformat(), report=report.name)
        )
    print(
        "실계좌로 바꿨습니다. ./seohak up 으로 시작하세요. 되돌리기: config.yaml의 venue를 paper로. / "
        "the venue is kis_real: start with ./seohak up; back with venue: paper"
    )
    return 0


def _put_aside(state_dir: Path, at: dt.datetime) -> None:
    """The real account begins with a journal of its own; the old one is kept."""
    folder = state_dir / golive.FOLDER / f"before-{at:%Y%m%d-%H%M%S}"
    for name in LEFT:
        if (state_dir / name).exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            (state_dir / name).replace(folder / name)
