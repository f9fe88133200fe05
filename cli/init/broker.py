"""The step of the broker: the account and its application key, tried by reading the holdings or a ranking once."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from adapters.clock import AnyClock
from adapters.kis import codes
from cli.init.answers import Answers
from cli.init.attempts import Verdict, unproven
from cli.init.terminal import ask, ask_secret, masked, say
from cli.probes.kis import AccountRefused, advice, market_advice, read_account, read_rankings, wrong_shape
from config import environment

ABOUT = {
    "kis_virtual": (
        "  · 한국투자 홈페이지에서 해외주식 모의투자를 신청합니다 / apply for paper trading of foreign shares",
        "  · KIS Developers(apiportal.koreainvestment.com) → API 신청 → 모의투자 계좌 → 앱키·앱시크릿 복사",
        "    At KIS Developers, apply with the paper account and copy the app key and secret (they live a year)",
    ),
    "kis_real": (
        "  · 계좌에 해외주식 거래신청이 되어 있어야 합니다 / the account must be open for foreign shares",
        "  · KIS Developers(apiportal.koreainvestment.com) → API 신청 → 실전 계좌 → 앱키·앱시크릿 복사",
        "    At KIS Developers, apply with the real account and copy the app key and secret (they live a year)",
    ),
}
ABOUT_FEED = (
    "  무료 시세를 실계좌의 앱키로 읽습니다. 모의투자 키에는 순위가 없습니다. 이 키로 주문하려면 ./seohak go-live가 필요합니다.",
    "  Free market data is read with the real account's key; paper keys have no rankings. Orders need ./seohak go-live first.",
)
ABOUT_TOKEN = (
    "  확인할 때 접근토큰을 받습니다. KIS가 카카오톡 알림을 보내며, 매매봇이 이 토큰을 이어서 씁니다.",
    "  Trying it asks KIS for a token (they send a KakaoTalk notice); the trader goes on with the same one.",
)
FIELDS = ("ACCOUNT", "APPKEY", "APPSECRET")
PATIENCE, PAUSE_S = 14, 5.0


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """One question to KIS: what is said where it answers, and what can be done where it refuses."""

    read: Callable[[environment.KisSettings, Path, AnyClock], Awaitable[object]]
    well: str
    advice: Callable[[str], str]


_ACCOUNT = Try(read=read_account, well="  ✓ 계좌를 읽었습니다 / the account was read", advice=advice)
_RANKINGS = Try(read=read_rankings, well="  ✓ 시세 순위를 읽었습니다 / the rankings were read", advice=market_advice)


def set_account(
    answers: Answers, venue: str, state_dir: Path, clock: AnyClock, *, orders: bool = True, feed: bool = False
) -> None:
    """Ask until KIS shows what is needed; all of it is kept at once, as its parts mean nothing alone.

    `venue` names whose keys: with `orders` the account is read, with `feed` a ranking.
    """
    about = ABOUT[venue] if orders else ABOUT[venue][1:]
    say(*(ABOUT_FEED if feed else ()), *about, *ABOUT_TOKEN)
    tries = [t for t, wanted in ((_ACCOUNT, orders), (_RANKINGS, feed)) if wanted]
    prefix = "KIS_VIRTUAL_" if venue == "kis_virtual" else "KIS_"
    present = {"KIS_HTS_ID": answers.get("KIS_HTS_ID")} | {prefix + f: answers.get(prefix + f) for f in FIELDS}
    while True:
        given = _asked(present, prefix)
        verdict = _tried(environment.kis(answers.env(**given), venue), tries, state_dir, clock)
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


def _tried(settings: environment.KisSettings, tries: Sequence[Try], state_dir: Path, clock: AnyClock) -> Verdict:
    if wrong := wrong_shape(settings.appkey, settings.appsecret, settings.account):
        say(f"  ✗ {wrong}")
        return Verdict.WRONG
    say("  KIS에 확인하는 중입니다… / asking KIS…")
    for each in tries:
        try:
            asyncio.run(_read(functools.partial(each.read, settings, state_dir, clock), clock))
        except AccountRefused as refused:
            say(f"  ✗ {refused.code} {refused}", f"    → {each.advice(refused.code)}")
            # a reason by name is the keys' or the account's fault; anything else may be KIS's own
            return Verdict.WRONG if codes.reason_of(refused.code) else Verdict.UNKNOWN
        say(each.well)
    return Verdict.GOOD


async def _read(read: Callable[[], Awaitable[object]], clock: AnyClock) -> None:
    """Read once; while KIS or our own rule lets nobody ask for a token, wait for at most a minute or so."""
    for attempt in range(PATIENCE):
        try:
            await read()
        except AccountRefused as refused:
            if refused.code != codes.TOKEN_TOO_SOON or attempt == PATIENCE - 1:
                raise
            if attempt == 0:
                say("  KIS는 토큰을 1분에 한 번만 줍니다. 기다립니다… / KIS issues one token a minute; waiting…")
            await clock.sleep(PAUSE_S)
        else:
            return
