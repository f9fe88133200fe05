"""`./seohak init`: the way of a new user from nothing to a tested .env."""

import argparse
import sys
from pathlib import Path

from adapters.clock import clock_from
from cli import totp
from cli.init import broker, chat, feed
from cli.init.answers import Answers
from cli.init.terminal import Ended, ask, head, is_terminal, say, yes
from config.environment import base, env_file
from config.params import ConfigError, load_params
from config.secondfactor import secret_path
from config.venue import with_venue
from services.fence import replace

VENUES = {"1": "paper", "2": "kis_virtual", "3": "kis_real"}
WELCOME = (
    "서학 설정을 시작합니다. 키를 하나씩 묻고 바로 확인합니다. 확인된 답은 그때마다 .env(0600)에 저장되므로",
    "Ctrl-C로 멈춰도 잃지 않고, 다시 실행하면 이어집니다.",
    "Each key is tried at once and then kept in .env (0600): Ctrl-C loses no confirmed answer, and you can go on later.",
)
ABOUT_VENUE = (
    "  1) paper        실제 시세로 가상 매매, 증권 계좌가 필요 없습니다 (추천) / no broker account (recommended)",
    "  2) kis_virtual  한국투자 모의투자 계좌 / KIS's paper account",
    "  3) kis_real     한국투자 실계좌: go-live 절차가 나오기 전까지 주문은 잠겨 있습니다 / real, locked until go-live",
)
DONE = (
    "",
    "끝났습니다. 다음 명령 / done; next:",
    "  ./seohak doctor   모든 것이 맞는지 / checks everything",
    "  ./seohak up       시작 / starts it",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: a person is asked."""
    parser.description = f"{parser.description}. 터미널에서 묻습니다 / asks in the terminal"


def run(_options: argparse.Namespace) -> int:
    """0 done, 1 not written, 2 nobody can be asked, 130 stopped."""
    if not is_terminal():
        print(
            "seohak init: 터미널에서 직접 실행하세요. 사람이 없으면: cp .env.example .env && chmod 600 .env, 채운 뒤 ./seohak doctor"
            " / needs a terminal; without one fill in .env from .env.example, then ./seohak doctor",
            file=sys.stderr,
        )
        return 2
    path = env_file()
    try:
        answers = Answers(path)
        _steps(answers)
    except (KeyboardInterrupt, Ended):
        say("", f"멈췄습니다. 확인된 답은 {path}에 있습니다 / stopped; what was confirmed is kept: ./seohak init")
        return 130
    except (OSError, ValueError) as trouble:
        print(
            f"seohak init: {path}을 읽거나 쓰지 못했습니다 / could not be read or written: {trouble}", file=sys.stderr
        )
        return 1
    say(*DONE)
    return 0


def _steps(answers: Answers) -> None:
    settings, clock = base(answers.env()), clock_from(answers.env())
    say(*WELCOME)
    if answers.existed:
        say(f"{answers.path}: 있는 값은 Enter로 유지합니다 / Enter keeps what is there")
    if overruled := answers.overruled():
        say(f"! 환경 변수가 .env보다 우선합니다 / the environment overrules .env: {', '.join(overruled)}")
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config_path = settings.config_path
    present = load_params(config_path).trading.venue
    steps = 4
    head(1, steps, "어디서 매매할까요? / where to trade")
    venue = _set_venue(config_path, present)
    steps += venue != "paper"
    head(2, steps, "텔레그램 봇 / Telegram bot")
    api = chat.set_token(answers)
    head(3, steps, "주인 연결 / whose commands count")
    chat.set_owners(answers, api)
    head(4, steps, "시세 / market data: Polygon.io (Massive)")
    feed.set_key(answers, clock)
    if venue != "paper":
        head(5, steps, "한국투자증권 / KIS")
        broker.set_account(answers, venue, settings.state_dir, clock)
    _second_factor(settings.state_dir)


def _set_venue(path: Path, present: str) -> str:
    """Write the choice into config.yaml where it differs."""
    say(*ABOUT_VENUE)
    number = next(n for n, venue in VENUES.items() if venue == present)
    while (choice := ask(f"1, 2, 3 [Enter = {number}, {present}]") or number) not in VENUES:
        say("  1, 2, 3 중에서 / one of 1, 2, 3")
    venue = VENUES[choice]
    if venue != present:
        try:
            changed = with_venue(path.read_text(encoding="utf-8"), venue)
        except ConfigError as refused:
            say(f"  ! {refused}")
        else:
            replace(path.resolve(), changed.encode(), path.stat().st_mode & 0o777)
            say(f"  ✓ {path.name}: venue: {venue}")
    return venue


def _second_factor(state_dir: Path) -> None:
    """Offered once."""
    if secret_path(state_dir).exists():
        return
    say("", "2차 인증: 청산과 재개에 인증 앱의 6자리를 묻습니다 / a code of an authenticator app for what is risky")
    if yes("지금 등록할까요? / enrol now?", default=False):
        totp.run(argparse.Namespace(what="enrol"))
