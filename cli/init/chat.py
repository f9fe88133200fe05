"""The steps of the chat: the bot's token, and whose commands it obeys, found out by a code that only they can see."""

import asyncio
import re
import secrets
import time
from collections.abc import Callable

import msgspec
import segno

from cli.init.answers import Answers
from cli.init.attempts import Verdict, settled
from cli.init.terminal import ask, say, yes
from cli.probes.http import Unreached
from cli.probes.telegram import Bot, BotApi, Refused, Written

TOKEN = re.compile(r"\d{6,}:[A-Za-z0-9_-]{30,}", re.ASCII)
# without those that look alike; ten of thirty are 49 bits, and the code lives for five minutes
LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"
CODE_LENGTH = 10
CODE_LIFE_S = 300.0
POLL_S = 10
PREFIX = "pair-"
ABOUT_BOT = (
    "  텔레그램에서 @BotFather에게 /newbot을 보내고 이름을 정하면 토큰(123456:ABC…)을 줍니다.",
    "  Send /newbot to @BotFather in Telegram; it answers with a token (123456:ABC…).",
)
ABOUT_PAIRING = (
    "  봇은 주인의 말만 듣습니다. 휴대폰으로 QR을 찍거나 링크를 열어 '시작'을 누르세요. 코드를 직접 보내도 됩니다.",
    "  The bot obeys its owner alone. Scan the code or open the link and press Start; or send the bot the code.",
)
OTHER_READER = (
    "  다른 프로그램이 이 봇의 메시지를 읽고 있습니다(409). 실행 중인 서학을 먼저 끄세요: ./seohak down 또는 그 창에서 Ctrl-C",
    "  Another program reads this bot's messages (409). Stop the Seohak that runs first, here or on another machine.",
)
WEBHOOK = "다른 프로그램의 웹훅이 걸려 있습니다. 지울까요? / another program's webhook is set; remove it?"


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """One code, the messages that are looked at for it, and how long it counts."""

    code: str
    ends: float

    def fits(self, text: str) -> bool:
        """Whether a message is the code, as the link sends it (`/start pair-CODE`) or as a person types it."""
        last = text.rsplit(maxsplit=1)[-1].upper().removeprefix(PREFIX.upper()) if text.split() else ""
        return secrets.compare_digest(last.encode(), self.code.encode())


def new_pairing(now: float) -> Pairing:
    """A code that nobody can guess in its time."""
    code = "".join(secrets.choice(LETTERS) for _ in range(CODE_LENGTH))
    return Pairing(code=code, ends=now + CODE_LIFE_S)


async def wait_for(
    api: BotApi,
    pairing: Pairing,
    *,
    after: int = 0,
    poll_s: int = POLL_S,
    monotonic: Callable[[], float] = time.monotonic,
    other: Callable[[Written], None] = lambda _: None,
) -> Written | None:
    """Who sent the code; None where it has expired. What others write is told and forgotten.

    Raises Unreached, and Refused with 409 where somebody else reads the bot's messages.
    """
    while (left_s := pairing.ends - monotonic()) > 0:
        after, messages = await api.written(after, min(poll_s, int(left_s) + 1))
        for message in messages:
            if pairing.fits(message.text):
                # so that the bot does not find the code again when it starts
                await api.written(after, 0)
                return message
            other(message)
    return None


def set_token(answers: Answers) -> BotApi:
    """Ask for the token until Telegram knows it. Returns the bot's line."""
    say(*ABOUT_BOT)
    base = answers.env().get("TELEGRAM_API_URL", "")

    def attempt(token: str) -> Verdict:
        if not TOKEN.fullmatch(token):
            say("  ✗ 토큰은 123456:ABC… 모양입니다 / a token looks like 123456:ABC…")
            return Verdict.WRONG
        try:
            bot = asyncio.run(BotApi(token, base).me())
        except Unreached as trouble:
            say(f"  ! 텔레그램에 연결할 수 없습니다 / Telegram is not reached: {trouble}")
            return Verdict.UNKNOWN
        except Refused as refused:
            if refused.code not in {401, 404}:
                say(f"  ! 텔레그램 / Telegram: {refused}")
                return Verdict.UNKNOWN
            say("  ✗ 텔레그램이 모르는 토큰입니다 / Telegram does not know it: @BotFather → /token")
            return Verdict.WRONG
        say(f"  ✓ @{bot.username}")
        return Verdict.GOOD

    token = settled("봇 토큰 / bot token", answers.get("TELEGRAM_BOT_TOKEN"), attempt)
    answers.keep(TELEGRAM_BOT_TOKEN=token)
    return BotApi(token, base)


def set_owners(answers: Answers, api: BotApi) -> None:
    """Keep, add to or replace the people whose commands count."""
    present = answers.get("TELEGRAM_OWNER_IDS")
    added = ""
    if present:
        say(f"  지금 주인 / owners now: {present}")
        choice = ask("Enter = 유지 / keep, a = 추가 / add one, r = 새로 / replace").lower()
        if choice not in {"a", "r"}:
            return
        added = present if choice == "a" else ""
    say(*ABOUT_PAIRING)
    person = _paired(api)
    people = [*(p for p in added.replace(" ", "").split(",") if p), str(person)]
    answers.keep(TELEGRAM_OWNER_IDS=",".join(dict.fromkeys(people)))


def _paired(api: BotApi) -> int:
    """The id of a person who sent the code, or one that was typed."""
    while True:
        try:
            found = asyncio.run(_pair(api))
        except Refused as refused:
            if _mended(api, refused):
                continue
            found = None
        except Unreached as trouble:
            say(f"  ! 텔레그램에 연결할 수 없습니다 / Telegram is not reached: {trouble}")
            found = None
        if found is not None and yes(f"{found.name} ({found.user_id}), 맞습니까? / is this you?", default=True):
            asyncio.run(_greet(api, found.user_id))
            return found.user_id
        typed = ask("Enter = 새 코드 / a new code, 또는 숫자 ID 직접 입력 / or type the numeric id")
        if typed.isascii() and typed.isdigit() and int(typed) > 0:
            return int(typed)


def _mended(api: BotApi, refused: Refused) -> bool:
    """Say why Telegram refuses; True where the reason is gone now."""
    if refused.code != 409:
        say(f"  ✗ 텔레그램 / Telegram: {refused}")
    elif "webhook" not in str(refused):
        say(*OTHER_READER)
    elif yes(WEBHOOK, default=False):
        try:
            asyncio.run(api.remove_webhook())
        except (Refused, Unreached) as trouble:
            say(f"  ✗ 텔레그램 / Telegram: {trouble}")
        else:
            return True
    return False


async def _pair(api: BotApi) -> Written | None:
    bot: Bot = await api.me()
    pairing = new_pairing(time.monotonic())
    link = f"https://t.me/{bot.username}?start={PREFIX}{pairing.code}"
    segno.make(link, error="l").terminal(compact=True)
    say(
        f"  {link}",
        f"  코드 / code: {pairing.code}  (5분 / 5 minutes, @{bot.username})",
        "  기다리는 중입니다… / waiting…",
    )
    found = await wait_for(
        api, pairing, other=lambda m: say(f"  · {m.name}: 코드가 아닌 메시지 / a message that is not the code")
    )
    if found is None:
        say("  ! 코드가 만료되었습니다 / the code has expired")
    return found


async def _greet(api: BotApi, user_id: int) -> None:
    try:
        await api.say(user_id, "✅ 서학과 연결되었습니다. / This chat is now paired with Seohak.")
    except (Refused, Unreached):
        # the pairing stands without a greeting
        return
