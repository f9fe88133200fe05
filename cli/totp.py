"""`./seohak totp`: enrol, remove or look at the second factor; its secret is shown in this terminal only."""

import argparse
import sys
from pathlib import Path

import pyotp
import segno

from config.environment import base, environment
from config.secondfactor import read_secret, remove_secret, secret_path, write_secret

TRIES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("what", choices=("enrol", "off", "status"), help="등록, 해제, 상태 / enrol, remove, look")


def run(options: argparse.Namespace) -> int:
    """0 done, 1 not done."""
    state_dir = base(environment()).state_dir
    try:
        if options.what == "enrol":
            return _enrol(state_dir)
        if options.what == "off":
            return _off(state_dir)
        on = read_secret(state_dir) is not None
        print(f"등록됨 / enrolled: {secret_path(state_dir)}" if on else "등록되어 있지 않습니다 / not enrolled")
    except EOFError:
        print("seohak totp: 터미널에서 직접 실행해 주세요 / run it in a terminal", file=sys.stderr)
        return 1
    except OSError as trouble:
        print(f"seohak totp: {trouble}", file=sys.stderr)
        return 1
    return 0


def _off(state_dir: Path) -> int:
    """Without a code, so that a lost phone locks nobody out: whoever has the server has the file anyway."""
    if not secret_path(state_dir).exists():
        print("등록되어 있지 않습니다 / not enrolled")
        return 0
    asked = input("해제하면 코드 없이 청산과 재개가 됩니다. yes 입력 / no codes any more; type yes: ")
    if asked.strip().lower() != "yes":
        print("그대로 두었습니다 / nothing changed", file=sys.stderr)
        return 1
    remove_secret(state_dir)
    print("해제했습니다 / removed")
    return 0


def _enrol(state_dir: Path) -> int:
    if secret_path(state_dir).exists():
        print(
            "이미 등록되어 있습니다. 먼저 ./seohak totp off / enrolled already: ./seohak totp off first",
            file=sys.stderr,
        )
        return 1
    secret = pyotp.random_base32()
    segno.make(pyotp.TOTP(secret).provisioning_uri(name="owner", issuer_name="Seohak"), error="l").terminal(
        compact=True
    )
    print(f"인증 앱으로 찍거나 직접 입력하세요 / scan it with an authenticator app, or type: {secret}")
    for _ in range(TRIES):
        if pyotp.TOTP(secret).verify(input("앱에 보이는 6자리 / the 6 digits it shows: ").strip(), valid_window=1):
            write_secret(state_dir, secret)
            print("등록했습니다. 봇이 바로 씁니다. / enrolled; the bot uses it at once")
            return 0
        print("코드가 맞지 않습니다 / that code is wrong")
    print("등록하지 않았습니다 / not enrolled", file=sys.stderr)
    return 1
