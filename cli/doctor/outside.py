"""The services with our keys: the bot, who reads it, its owners, the market data plan, the KIS account."""

import datetime as dt

import msgspec

from adapters.kis import codes
from adapters.kis.auth import Token
from cli.doctor.checkup import Checkup
from cli.doctor.examine import aside
from cli.doctor.lines import Line, error, ok, skipped, warning
from cli.doctor.setup import INIT
from cli.probes import kis as kis_probe
from cli.probes import polygon as polygon_probe
from cli.probes.http import Unreached
from cli.probes.polygon import KeyRefused, Plan, Vendor
from cli.probes.telegram import BotApi, Refused
from config import environment
from config.params import ConfigError
from core.stages.trade.safety import MAX_SKEW_S

NO_KEY = "키가 없습니다 / no key"
NETWORK = "네트워크와 방화벽을 확인하고 다시 / look at the network and the firewall, then again"
LATE_S = 120.0
UPGRADE = (
    "polygon.io에서 Stocks Advanced($199)로 바꾸면 실시간입니다. 지연된 시세로는 사지 않습니다"
    " / Stocks Advanced ($199) is real time; delayed data never buys"
)
PLANS = {
    Plan.REAL_TIME: "실시간 / real time",
    Plan.DELAYED: "15분 지연 요금제(Starter·Developer) / a plan that is 15 minutes late",
    Plan.END_OF_DAY: "하루 한 번 시세(Basic) / end of day only",
    Plan.UNKNOWN: "요금제를 알 수 없음 / unknown plan",
}


def _unreached(trouble: Unreached) -> Line:
    return error(f"연결할 수 없습니다 / not reached: {trouble}", NETWORK)


def _bot(world: Checkup) -> BotApi | None:
    token = world.env.get("TELEGRAM_BOT_TOKEN", "").strip()
    return BotApi(token, world.env.get("TELEGRAM_API_URL", "")) if token else None


def _telegram_refused(refused: Refused) -> Line:
    if refused.code in {401, 404}:
        return error(
            "텔레그램이 봇 토큰을 모릅니다 / Telegram does not know this bot token",
            f"@BotFather의 /token으로 확인하고 {INIT} / ask @BotFather with /token",
        )
    if refused.code == 429:
        return warning("텔레그램이 잠시 기다리라고 합니다 / Telegram asks to wait", "1분 뒤 다시 / again in a minute")
    return error(f"텔레그램 / Telegram: {refused.code} {refused}", "잠시 뒤 다시 / run again in a moment")


async def bot(world: Checkup) -> Line:
    """Whose token it is."""
    api = _bot(world)
    if api is None:
        return skipped(NO_KEY)
    try:
        me = await api.me()
    except Unreached as trouble:
        return _unreached(trouble)
    except Refused as refused:
        return _telegram_refused(refused)
    return ok(f"@{me.username}")


async def reader(world: Checkup) -> Line:
    """Telegram gives a bot's messages to one reader. Our own bot, where it runs, is not disturbed."""
    api = _bot(world)
    if api is None:
        return skipped(NO_KEY)
    if "bot" in world.running():
        return ok("우리 봇이 받고 있습니다 / our own bot reads them")
    try:
        if await api.webhook():
            return error(
                "다른 프로그램이 웹훅으로 이 봇의 메시지를 받습니다 / another program gets this bot's messages by webhook",
                "그 프로그램을 끄거나 @BotFather에서 새 봇을 만드세요 / stop it, or make a bot of its own with @BotFather",
            )
        if not await api.only_reader(world.poll_s):
            return error(
                "다른 프로그램이 이 봇의 메시지를 읽고 있습니다(409) / another program reads this bot's messages",
                "다른 서버의 서학이나 봇을 끄세요 / stop the other Seohak or bot that uses this token",
            )
    except Unreached as trouble:
        return _unreached(trouble)
    except Refused as refused:
        return _telegram_refused(refused)
    return ok("다른 프로그램이 읽지 않습니다 / nobody else reads them")


async def owners(world: Checkup) -> Line:
    """The bot can write to whom it may obey."""
    try:
        settings = environment.telegram(world.env)
    except ConfigError:
        # the line of the keys says what is wrong
        return skipped(NO_KEY)
    api, strangers = BotApi(settings.token, settings.api_url), []
    try:
        strangers = [person for person in sorted(settings.owners) if not await api.chat_known(person)]
    except Unreached as trouble:
        return _unreached(trouble)
    except Refused as refused:
        return _telegram_refused(refused)
    if strangers:
        return warning(
            f"봇에게 말을 건 적 없는 주인 / owners who never wrote to the bot: {', '.join(map(str, strangers))}",
            "텔레그램에서 봇에게 /start를 보내세요; 숫자가 틀렸으면 ./seohak init"
            " / send /start to the bot; ./seohak init where the number is wrong",
        )
    return ok(f"주인 {len(settings.owners)}명 / owners: {', '.join(map(str, sorted(settings.owners)))}")


async def feed(world: Checkup) -> Line:
    """The feed of `scanner.feed`, asked once with its key."""
    return await (_rankings(world) if world.feed == "kis" else _polygon(world))


async def _rankings(world: Checkup) -> Line:
    """One of KIS's rankings, by the gateway, token and pace that the collector uses as well."""
    try:
        settings = environment.kis_market(world.env)
    except ConfigError:
        return skipped(NO_KEY)
    if world.owner:
        return _not_ours(world, "polygon")
    try:
        ranked = await kis_probe.read_rankings(settings, world.state_dir, world.clock)
    except kis_probe.AccountRefused as refused:
        return _kis_refused(refused, kis_probe.market_advice(refused.code))
    return ok(f"KIS 순위를 읽었습니다: {ranked}종목 / KIS's ranking was read: {ranked} stocks")


async def _polygon(world: Checkup) -> Line:
    """Whether the key is known, and how late its data is: said by Polygon, and measured while the market is open."""
    try:
        settings = environment.polygon(world.env)
    except ConfigError:
        return skipped(NO_KEY)
    try:
        found = await Vendor(settings.key, settings.rest_url).look(world.clock.now())
    except Unreached as trouble:
        return _unreached(trouble)
    except KeyRefused:
        return error("Polygon이 키를 모릅니다 / Polygon does not know this key", f"polygon.io/dashboard/keys, {INIT}")
    except polygon_probe.Refused as refused:
        if refused.status == 429:
            return warning(
                "Polygon 호출이 많았습니다(무료는 분당 5회) / too many calls (the free plan has 5 a minute)",
                "1분 뒤 다시 / again in a minute",
            )
        return error(f"Polygon / HTTP {refused.status}", "잠시 뒤 다시 / run again in a moment")
    measured = (
        ""
        if found.delay_s is None
        else f"; 최신 분봉 {found.delay_s:.0f}초 전 / newest minute bar ended {found.delay_s:.0f} s ago"
    )
    told = PLANS[found.plan] + measured
    if found.plan is Plan.END_OF_DAY:
        return error(f"{told}: 장중 시세가 없습니다 / no data during the session", UPGRADE)
    wanted = polygon_probe.fitting_stream(found.plan, settings.ws_url)
    if wanted != settings.ws_url:
        remedy = f".env: POLYGON_WS_URL={wanted}"
        if found.plan is Plan.DELAYED:
            return error(f"{told}: 실시간 서버는 거절합니다 / the real-time server refuses it", remedy)
        return warning(f"{told}, 그러나 지연 서버에 연결합니다 / but the delayed server is asked", remedy)
    late = found.delay_s is not None and found.delay_s > LATE_S
    return warning(told, UPGRADE) if late or found.plan is Plan.DELAYED else ok(told)


async def kis_token(world: Checkup) -> Line:
    """The stored token; its text stays where it is."""
    if not world.accounts:
        return skipped("venue: paper")
    try:
        settings = environment.kis(world.env, world.accounts[0])
    except ConfigError:
        return skipped(NO_KEY)
    path = kis_probe.token_path(settings, world.state_dir)
    try:
        token = msgspec.json.decode(await aside(path.read_bytes), type=Token)
    except FileNotFoundError:
        return ok("아직 없습니다; 처음 쓸 때 받습니다 / none yet, it is asked for when first needed")
    except (OSError, ValueError, msgspec.MsgspecError):
        return warning("토큰 파일을 읽을 수 없습니다 / the token file can't be read", f"rm {path}")
    left = token.expires_at - world.clock.now()
    if left <= dt.timedelta():
        return ok("만료됨; 다음에 쓸 때 새로 받습니다 / expired, the next use gets a new one")
    return ok(f"{left.total_seconds() / 3600:.0f}시간 남음 / hours left")


def _not_ours(world: Checkup, check: str) -> Line:
    return warning(
        f"토큰 파일이 {world.owner} 사용자의 것이라 묻지 않습니다 / not asked: the token file is {world.owner}'s",
        f"sudo -u {world.owner} ./seohak doctor {check}",
    )


def _kis_refused(refused: kis_probe.AccountRefused, advice: str) -> Line:
    told = f"KIS: {refused.code} {refused}"
    return warning(told, advice) if refused.code == codes.TOKEN_TOO_SOON else error(told, advice)


async def kis(world: Checkup) -> Line:
    """The account, read once by the trader's own gateway: the stored token, else a new one that the trader will find."""
    if world.venue == "paper":
        return skipped("venue: paper, KIS 계좌를 쓰지 않습니다 / no KIS account is used")
    try:
        settings = environment.kis(world.env, world.venue)
    except ConfigError as refused:
        return error(str(refused), INIT)
    if world.owner:
        return _not_ours(world, "kis")
    try:
        found = await kis_probe.read_account(settings, world.state_dir, world.clock)
    except kis_probe.AccountRefused as refused:
        return _kis_refused(refused, kis_probe.advice(refused.code))
    kind = "모의투자 / paper" if found.paper else "실계좌 / real account"
    if found.skew_s is not None and abs(found.skew_s) > MAX_SKEW_S:
        return warning(
            f"{kind}: KIS 시계와 {found.skew_s:+.1f}초 차이, 2초를 넘으면 사지 않습니다 / KIS's clock differs",
            "sudo timedatectl set-ntp true",
        )
    return ok(f"{kind}, 계좌를 읽었습니다 / the account was read")
