"""`./seohak panic`: stop all buying without Telegram; with --liquidate also sell everything."""

import argparse
import asyncio
import sys

from adapters.control import SocketControl
from config.environment import base, environment
from core.model.commands import Panic
from ports.control import TraderUnreachable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--liquidate", action="store_true", help="보유 종목을 모두 팝니다 / sell everything too")
    parser.add_argument("--yes", action="store_true", help="묻지 않습니다 / do not ask")


def run(options: argparse.Namespace) -> int:
    """Write the HALT file first, then tell the trader."""
    settings = base(environment())
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    (settings.state_dir / "HALT").touch()
    print(f"HALT: {settings.state_dir / 'HALT'} (지우면 풀립니다 / remove it to lift)")
    if (
        options.liquidate
        and not options.yes
        and input("전부 매도하려면 PANIC 입력 / type PANIC to sell all: ") != "PANIC"
    ):
        print("매도하지 않았습니다 / nothing is sold")
        options.liquidate = False
    try:
        control = SocketControl(settings.socket("trader"))
        reply = asyncio.run(control.send(Panic(by="terminal", liquidate=options.liquidate)))
    except TraderUnreachable:
        print(
            "매매봇이 응답하지 않습니다. HALT 파일은 남아 매수를 막습니다. / the trader does not answer; HALT stays.",
            file=sys.stderr,
        )
        return 1
    print(f"중단 {reply.values.get('stopped', 0)}건 / stopped; 매도 {reply.values.get('selling', 0)}종목 / selling")
    return 0
