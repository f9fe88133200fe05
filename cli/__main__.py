"""Dispatch: `./seohak COMMAND …`."""

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module

from config.params import ConfigError

# command → (module, one line of help)
COMMANDS = {
    "demo": ("cli.demo", "샌드박스에서 전체 이야기를 보여 줍니다 / the whole story in a browser, no account"),
    "init": ("cli.init.command", "키를 묻고 확인해 .env를 씁니다 / asks for the keys, tries each, writes .env"),
    "doctor": ("cli.doctor.command", "무엇이 잘못되었고 어떻게 고치는지 / what is wrong, and what to do about it"),
    "test": ("cli.test", "모든 검사를 실행합니다 / run all checks and tests"),
    "up": ("cli.up", "모든 프로세스를 시작합니다 / run every process, restart what dies"),
    "down": ("cli.down", "모든 프로세스를 멈춥니다 / stop every process in order"),
    "status": ("cli.status", "프로세스의 상태 / how every process is"),
    "logs": ("cli.logs", "프로그램의 로그 / what the programs wrote"),
    "restart": ("cli.restart", "프로그램 하나를 다시 시작합니다 / stop a program and start it again"),
    "backup": ("cli.backup", "데이터베이스와 매매 일지를 한 파일로 / database and journal into one file"),
    "restore": ("cli.restore", "백업에서 되살립니다 / bring a backup back"),
    "panic": ("cli.panic", "모든 매수를 멈춥니다 / stop all buying, also without Telegram"),
    "totp": ("cli.totp", "인증 앱의 6자리 코드 (2차 인증) / the second factor: enrol, off, status"),
    "guardian": ("cli.guardian", "감시견의 상태, 감시 돌려받기, 훈련 / the guardian: state, hand-back, drill"),
    "db": ("cli.db", "데이터베이스 구조: 올리기, 내리기, 상태 / schema: upgrade, downgrade, status"),
    "bench": ("cli.bench", "시뮬레이션으로 약속을 시험합니다 / try the promises on simulated accidents"),
    "data": ("cli.data", "백테스트용 분봉: 가져오기, 내려받기, 검사 / minute bars: import, download, list, verify"),
    "backtest": (
        "cli.backtest",
        "저장된 분봉으로 매매 규칙을 시험합니다 / trade recorded days with the very same rules",
    ),
    "optimize": ("cli.optimize", "저장된 분봉으로 좋은 설정값을 찾습니다 / search settings on recorded days"),
    "docs": ("cli.docs", "코드에서 그린 문서를 새로 씁니다 / rewrite the documents that are drawn from the code"),
    "config": ("cli.config", "설정을 검사합니다 / check config.yaml"),
}


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed, 2 wrong input."""
    parser = argparse.ArgumentParser(prog="seohak", description="서학: 텔레그램 미국주식 자동매매")
    parsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    runners: dict[str, Callable[[argparse.Namespace], int]] = {}
    chosen = arguments[0] if arguments and arguments[0] in COMMANDS else None
    for name, (module, help_text) in COMMANDS.items():
        sub = parsers.add_parser(name, help=help_text, description=help_text)
        # only the chosen command's module is imported: the others may be slow
        if name == chosen:
            loaded = import_module(module)
            loaded.add_arguments(sub)
            runners[name] = loaded.run
    options = parser.parse_args(arguments)
    try:
        return runners[options.command](options)
    except ConfigError as error:
        print(f"seohak {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # whoever reads (`| head`) has seen enough; nothing may be written at the exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
