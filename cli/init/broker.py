"""The step of the broker: the account and its application key, tried by reading the holdings once."""

import asyncio
from pathlib import Path

from adapters.clock import AnyClock
from adapters.kis import codes
from cli.init.answers import Answers
from cli.init.attempts import Verdict, unproven
from cli.init.terminal import ask, ask_secret, masked, say
from cli.probes.kis import AccountRefused, advice, read_account, wrong_shape
from config import environment

ABOUT = {
    "kis_virtual": (
        "  1) 한국투자 홈페이지에서 해외주식 모의투자를 신청합니다 / apply for paper trading of foreign shares",
        "  2) KIS Developers(apiportal.koreainvestment.com) → API 신청 → 모의투자 계좌 → 앱키·앱시크릿 복사",
        "     At KIS Developers, apply with the paper account and copy the app key and secret (they live a year)",
    ),
    "kis_real": (
        "  1) 계좌에 해외주식 거래신청이 되어 있어야 합니다 / the account must be open for foreign shares",
        "  2) KIS Developers(apiportal.koreainvestment.com) → API 신청 → 실전 계좌 → 앱키·앱시크릿 복사",
        "     At KIS Developers, apply with the real account and copy the app key and secret (they live a year)",
    ),
}
ABOUT_TOKEN = (
    "  확인할 때 접근토큰을 받습니다. KIS가 카카오톡 알림을 보내며, 매매봇이 이 토큰을 이어서 씁니다.",
    "  Trying it asks KIS for a token (they send a KakaoTalk notice); the trader goes on with the same one.",
)
FIELDS = ("ACCOUNT", "APPKEY", "APPSECRET")
PATIENCE, PAUSE_S = 14, 5.0


def set_account(answers: Answers, venue: str, state_dir: Path, clock: AnyClock) -> None:
    """Ask until KIS shows the account; all of it is kept at once, as its parts mean nothing alone."""
    say(*ABOUT[venue], *ABOUT_TOKEN)
    prefix = "KIS_VIRTUAL_" if venue == "kis_virtual" else "KIS_"
    present = {"KIS_HTS_ID": answers.get("KIS_HTS_ID")} | {prefix + f: answers.get(prefix + f) for f in FIELDS}
    while True:
        given = _asked(present, prefix)
        verdict = _tried(answers, given, venue, prefix, state_dir, clock)
        if verdict is Verdict.GOOD or (verdict is Verdict.UNKNOWN and unproven()):
            answers.keep(**given)
            return
        present = given


def _asked(present: dict[str, str], prefix: str) -> dict[str, str]:
    account = prefix + "ACCOUNT"
    return {
        "KIS_HTS_ID": _visible("HTS ID (한국투자 로그인 아이디 / your login id)", present["KIS_HTS_ID"]),
        account: _dashed(_visible("계좌번호 / account, 12345678-01", present[account])),
        prefix + "APPKEY": _hidden("앱키 / app key, 36자", present[prefix + "APPKEY"]),
        prefix + "APPSECRET": _hidden("앱시크릿 / app secret, 180자", present[prefix + "APPSECRET"]),
    }


def _visible(question: str, present: str) -> str:
    offer = f" [Enter = {masked(present) if len(present) > 8 else present}]" if present else ""
    while not (given := ask(question + offer) or present):
        say("  비어 있습니다 / nothing was typed")
    return given


def _hidden(question: str, present: str) -> str:
    offer = f" [Enter = {masked(present)}]" if present else ""
    while not (given := ask_secret(question + offer) or present):
        say("  비어 있습니다 / nothing was typed")
    return given


def _dashed(account: str) -> str:
    """1234567801 is 12345678-01."""
    digits = account.replace("-", "").replace(" ", "")
    return f"{digits[:8]}-{digits[8:]}" if digits.isdigit() and len(digits) == 10 else account


def _tried(
    answers: Answers, given: dict[str, str], venue: str, prefix: str, state_dir: Path, clock: AnyClock
) -> Verdict:
    if wrong := wrong_shape(given[prefix + "APPKEY"], given[prefix + "APPSECRET"], given[prefix + "ACCOUNT"]):
        say(f"  ✗ {wrong}")
        return Verdict.WRONG
    settings = environment.kis(answers.env(**given), venue)
    say("  KIS에 확인하는 중입니다… / asking KIS…")
    try:
        asyncio.run(_read(settings, state_dir, clock))
    except AccountRefused as refused:
        say(f"  ✗ {refused.code} {refused}", f"    → {advice(refused.code)}")
        # a reason by name is the keys' or the account's fault; anything else may be KIS's own
        return Verdict.WRONG if codes.reason_of(refused.code) else Verdict.UNKNOWN
    say("  ✓ 계좌를 읽었습니다 / the account was read")
    return Verdict.GOOD


async def _read(settings: environment.KisSettings, state_dir: Path, clock: AnyClock) -> None:
    """Read the account; while KIS or our own rule lets nobody ask for a token, wait for at most a minute or so."""
    for attempt in range(PATIENCE):
        try:
            await read_account(settings, state_dir, clock)
        except AccountRefused as refused:
            if refused.code != codes.TOKEN_TOO_SOON or attempt == PATIENCE - 1:
                raise
            if attempt == 0:
                say("  KIS는 토큰을 1분에 한 번만 줍니다. 기다립니다… / KIS issues one token a minute; waiting…")
            await clock.sleep(PAUSE_S)
        else:
            return
