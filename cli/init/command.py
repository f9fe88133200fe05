"""`./seohak init`: the way of a new user from nothing to a tested .env."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.clock import clock_from
from cli import totp
from cli.init import broker, chat, feed
from cli.init.answers import Answers
from cli.init.terminal import Ended, ask, head, is_terminal, say, yes
from config.environment import base, env_file
from config.params import ConfigError, load_params
from config.secondfactor import secret_path
from config.yamlfile import set_value

VENUES = {"1": "paper", "2": "kis_virtual", "3": "kis_real"}
WELCOME = (
    "서학 설정을 시작합니다. 키를 하나씩 묻고 바로 확인합니다. 확인된 답은 그때마다 .env(0600)에 저장되므로",
    "Ctrl-C로 멈춰도 잃지 않고, 다시 실행하면 이어집니다.",
    "Each key is tried at once and then kept in .env (0600): Ctrl-C loses no confirmed answer, and you can go on later.",
)
ABOUT_VENUE = (
    "  1) paper        실제 시세로 가상 매매, 증권 계좌가 필요 없습니다 (추천) / no broker account (recommended)",
    "  2) kis_virtual  한국투자 모의투자 계좌 / KIS's paper account",
    "  3) kis_real     한국투자 실계좌: 키만 준비합니다. ./seohak go-live의 점검과 1주 시험 뒤에 열립니다",
    "                  real: the keys only; it opens after the checks and the one-share test of ./seohak go-live",
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
    params = load_params(config_path)
    # the fewest that there are, until the first two answers say how many
    steps = 5
    head(1, steps, "어디서 매매할까요? / where to trade")
    venue = _set_venue(config_path, params.trading.venue)
    head(2, steps, "시세를 어디서 받을까요? / whose market data")
    by_kis = _set_feed(config_path, params.scanner.feed) == "kis"
    real = by_kis or venue == "kis_real"
    steps = 4 + (not by_kis) + (venue == "kis_virtual") + real
    head(3, steps, "텔레그램 봇 / Telegram bot")
    api = chat.set_token(answers)
    head(4, steps, "주인 연결 / whose commands count")
    chat.set_owners(answers, api)
    if not by_kis:
        head(5, steps, "시세 / market data: Polygon.io (Massive)")
        feed.set_key(answers, clock)
    if venue == "kis_virtual":
        head(5 + (not by_kis), steps, "한국투자증권 모의투자 / KIS, the paper account")
        broker.set_account(answers, venue, settings.state_dir, clock)
    if real:
        head(steps, steps, "한국투자증권 실계좌 / KIS, the real account")
        broker.set_account(answers, "kis_real", settings.state_dir, clock, orders=venue == "kis_real", feed=by_kis)
    _second_factor(settings.state_dir)


def _set_venue(path: Path, present: str) -> str:
    """Where orders go; the real account's line of config.yaml is left to go-live."""
    venue = _chosen(ABOUT_VENUE, VENUES, present)
    if venue == present:
        return venue
    if venue == "kis_real":
        say(f"  · {path.name}: venue: {present}, 여는 것은 ./seohak go-live / it stays until ./seohak go-live")
        return venue
    _write(path, "trading.venue", venue)
    return venue


def _set_feed(path: Path, present: str) -> str:
    """Whose bars are screened."""
    chosen = _chosen(feed.ABOUT_FEEDS, feed.FEEDS, present)
    if chosen != present:
        _write(path, "scanner.feed", chosen)
    return chosen


def _chosen(about: Sequence[str], choices: Mapping[str, str], present: str) -> str:
    """One of a few by its number; Enter keeps the present one."""
    say(*about)
    numbers = ", ".join(choices)
    number = next(n for n, choice in choices.items() if choice == present)
    while (given := ask(f"{numbers} [Enter = {number}, {present}]") or number) not in choices:
        say(f"  {numbers} 중에서 / one of {numbers}")
    return choices[given]


def _write(path: Path, key: str, value: str) -> None:
    """Into config.yaml, or say how a person does it."""
    try:
        set_value(path, key, value)
    except ConfigError as refused:
        say(f"  ! {refused}")
    else:
        say(f"  ✓ {path.name}: {key.split('.')[1]}: {value}")


def _second_factor(state_dir: Path) -> None:
    """Offered once."""
    if secret_path(state_dir).exists():
        return
    say("", "2차 인증: 청산과 재개에 인증 앱의 6자리를 묻습니다 / a code of an authenticator app for what is risky")
    if yes("지금 등록할까요? / enrol now?", default=False):
        totp.run(argparse.Namespace(what="enrol"))
