"""One reading of the KIS account, or of its market data, with the trader's own gateway: the same token file, lock and rate window."""

import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from adapters.clock import AnyClock
from adapters.kis import codes, wire
from adapters.kis.auth import KisCredentials
from adapters.kis.client import KisGateway
from adapters.kis.market import KisMarket
from adapters.kis.ratefile import fingerprint
from config.environment import KisSettings
from core.model.instrument import Exchange
from ports.broker import BrokerUnavailable, Urgency

TIMEOUT_S = 6.0
# a code of KIS's list
RANKED_MIN = 5


class AccountFound(msgspec.Struct, frozen=True, kw_only=True):
    """The account answered. `skew_s`: real seconds that KIS's clock is ahead of ours, None where that was not measured."""

    paper: bool
    skew_s: float | None
    sandbox: bool


class AccountRefused(Exception):
    """Not read: `code` is KIS's or one of `adapters.kis.codes`, the text has no secret in it."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


def wrong_shape(appkey: str, appsecret: str, account: str) -> str:
    """What is wrong with KIS's keys before anybody is asked, empty where nothing is."""
    if len(appkey) != 36:
        return f"KIS 앱키는 36자인데 {len(appkey)}자입니다 / KIS's app key has 36 characters, not {len(appkey)}"
    if len(appsecret) != 180:
        return f"KIS 앱시크릿은 180자인데 {len(appsecret)}자입니다 / the app secret has 180 characters, not {len(appsecret)}"
    if not re.fullmatch(r"\d{8}-?\d{2}", account):
        return "KIS 계좌번호는 12345678-01 형식입니다 / the account reads 12345678-01"
    return ""


def token_path(settings: KisSettings, state_dir: Path) -> Path:
    """The file in which all processes keep this key's token."""
    return state_dir / "tokens" / f"kis-token-{fingerprint(settings.base_url, settings.appkey)}.json"


async def read_account(settings: KisSettings, state_dir: Path, clock: AnyClock) -> AccountFound:
    """Read the holdings once. A token that lives is used; a new one is asked for under the trader's own rule.

    Raises AccountRefused, also for keys of the wrong shape.
    """
    service = wire.PAPER if settings.paper else wire.REAL
    async with _gateway(settings, state_dir, clock) as gateway:
        await gateway.query(wire.BALANCE, service.balance, wire.balance_params(Exchange.NASD), Urgency.RECONCILE)
    local = urlsplit(settings.base_url).hostname in {"127.0.0.1", "localhost", "::1"}
    return AccountFound(paper=settings.paper, skew_s=gateway.skew.skew_s(), sandbox=local)


async def read_rankings(settings: KisSettings, state_dir: Path, clock: AnyClock) -> int:
    """Read one ranking once, at the collector's rank, under the same rule; how many stocks it has. Raises AccountRefused."""
    async with _gateway(settings, state_dir, clock) as gateway:
        return len(await KisMarket(gateway).risers(Exchange.NASD, RANKED_MIN, 0))


@contextlib.asynccontextmanager
async def _gateway(settings: KisSettings, state_dir: Path, clock: AnyClock) -> AsyncIterator[KisGateway]:
    """The gateway for one question; what KIS refuses, and keys that have no shape, is AccountRefused."""
    try:
        gateway = KisGateway(
            KisCredentials(
                hts_id=settings.hts_id,
                account=settings.account,
                appkey=settings.appkey,
                appsecret=settings.appsecret,
            ),
            settings.base_url,
            paper=settings.paper,
            clock=clock,
            token_dir=state_dir / "tokens",
            rate_per_s=settings.rate_per_s,
            timeout_s=min(TIMEOUT_S, settings.timeout_s),
            speed=clock.speed,
        )
    except ValueError as error:
        raise AccountRefused(codes.BAD_REQUEST, str(error)) from None
    try:
        yield gateway
    except BrokerUnavailable as error:
        raise AccountRefused(error.code, str(error)) from None
    finally:
        await gateway.close()


def market_advice(code: str) -> str:
    """The same for market data, which only a real account's key may read: KIS's real host does not know another."""
    return NOT_REAL if code in MIXED_CODES or codes.reason_of(code) is codes.Reason.KEY else advice(code)


def advice(code: str) -> str:
    """What a person can do about a code, in both languages."""
    reason = codes.reason_of(code)
    return ADVICE.get(code) or (ADVICE_BY_REASON.get(reason) if reason else None) or UNREACHED


UNREACHED = (
    "KIS 점검 시간(대개 새벽)일 수 있습니다. 잠시 뒤 다시 실행하고, 9443·29443 포트가 막혔는지 확인하세요"
    " / KIS may be under maintenance: try again later, and see that ports 9443 and 29443 are open"
)
REAPPLY = (
    "KIS Developers(apiportal.koreainvestment.com)에서 앱키를 확인하거나 다시 발급받아 ./seohak init"
    " / look at the key at KIS Developers or issue a new one (they live a year), then ./seohak init"
)
MIXED = (
    "실전용 키와 모의투자용 키가 바뀌었습니다. trading.venue에 맞는 키로 ./seohak init"
    " / a real key for a paper venue, or the reverse: ./seohak init with the key of trading.venue"
)
WAIT = "토큰은 1분에 한 번만 나옵니다. 1분 뒤 다시 실행하세요 / KIS issues one token a minute: run again in a minute"
ACCOUNT = (
    "계좌번호는 12345678-01 형식이고, 앱키를 신청한 그 계좌여야 합니다. ./seohak init"
    " / the account reads 12345678-01 and must be the one the key was issued for: ./seohak init"
)
NOT_REAL = (
    "시세에는 실계좌의 앱키가 필요합니다(모의투자 키에는 순위가 없습니다). KIS Developers에서 확인하고 ./seohak init"
    " / market data needs the real account's key (paper keys have no rankings): look at KIS Developers, then ./seohak init"
)
MIXED_CODES = frozenset({"EGW02004", "EGW02007"})
ADVICE = {
    codes.TOKEN_TOO_SOON: WAIT,
    codes.BAD_REQUEST: (
        "앱키 36자, 앱시크릿 180자, 계좌 12345678-01 형식입니다. ./seohak init"
        " / the key has 36 characters, the secret 180, the account reads 12345678-01: ./seohak init"
    ),
    **dict.fromkeys(MIXED_CODES, MIXED),
    "40910000": (
        "KIS 모의투자 참가 신청이 끝났거나 없습니다. 홈페이지에서 해외주식 모의투자를 신청하세요"
        " / paper trading is not applied for or has expired: apply for it on KIS's site"
    ),
    "EGW00207": ("KIS Developers에 이 서버의 IP를 등록하세요 / register this server's IP address at KIS Developers"),
}
ADVICE_BY_REASON = {
    codes.Reason.KEY: REAPPLY,
    codes.Reason.PERMISSION: REAPPLY,
    codes.Reason.ACCOUNT: ACCOUNT,
    codes.Reason.TOKEN: WAIT,
    codes.Reason.RATE: ("호출이 많았습니다. 잠시 뒤 다시 실행하세요 / too many calls at once: run again in a moment"),
}
