"""Telegram's Bot API over plain HTTP: the bot behind a token, webhook, other readers of its messages, pairing."""

import msgspec

from cli.probes.http import Answer, ask

HOST = "https://api.telegram.org"
MOST_UPDATES = 100


class Refused(Exception):
    """Telegram's no: its code and words."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Bot(msgspec.Struct, frozen=True, kw_only=True):
    """Who the token belongs to."""

    id: int
    username: str


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """A message that a person wrote to the bot in private."""

    update_id: int
    user_id: int
    name: str
    text: str


class BotApi:
    """Calls of one token; `base` is another server than Telegram's own, as in TELEGRAM_API_URL."""

    def __init__(self, token: str, base: str = "", *, timeout_s: float = 8.0) -> None:
        self._url = f"{(base or HOST).rstrip('/')}/bot{token}"
        self._proxies = not base
        self._timeout_s = timeout_s

    async def me(self) -> Bot:
        """Raises Refused (401, 404: no such token) or Unreached."""
        found = _fields(await self._call("getMe"))
        return Bot(id=_int(found.get("id")), username=str(found.get("username", "")))

    async def webhook(self) -> str:
        """Where Telegram delivers to; empty where the bot asks for its messages itself."""
        return str(_fields(await self._call("getWebhookInfo")).get("url", ""))

    async def remove_webhook(self) -> None:
        """What waits is kept."""
        await self._call("deleteWebhook")

    async def chat_known(self, user_id: int) -> bool:
        """Whether this person has ever written to the bot: it can't write to anybody else."""
        try:
            await self._call("getChat", chat_id=str(user_id))
        except Refused as refused:
            if refused.code in {400, 403}:
                return False
            raise
        return True

    async def only_reader(self, wait_s: int) -> bool:
        """Whether nobody else reads the bot's messages. None is confirmed, so none is lost; waits for at most `wait_s`."""
        try:
            await self._call("getUpdates", timeout=str(wait_s), limit="1", wait_s=wait_s)
        except Refused as refused:
            if refused.code == 409:
                return False
            raise
        return True

    async def written(self, after: int, wait_s: int) -> tuple[int, list[Written]]:
        """The next update to ask after, and what people wrote in private since; what is older is confirmed.

        Raises Refused, with 409 where another program reads the same bot.
        """
        found = await self._call(
            "getUpdates", offset=str(after), timeout=str(wait_s), allowed_updates='["message"]', wait_s=wait_s
        )
        updates = [u for u in found if isinstance(u, dict)] if isinstance(found, list) else []
        following = max((_int(u.get("update_id")) + 1 for u in updates), default=after)
        return following, [written for update in updates if (written := _private(update)) is not None]

    async def say(self, user_id: int, text: str) -> None:
        """A plain message."""
        await self._call("sendMessage", chat_id=str(user_id), text=text)

    async def _call(self, method: str, wait_s: int = 0, **params: str) -> object:
        answer: Answer = await ask(
            f"{self._url}/{method}", params=params, timeout_s=self._timeout_s + wait_s, proxies=self._proxies
        )
        if answer.status == 200 and answer.body.get("ok") is True:
            return answer.body.get("result")
        words = str(answer.body.get("description", "") or f"HTTP {answer.status}")
        raise Refused(_int(answer.body.get("error_code")) or answer.status, words)


def _private(update: dict[str, object]) -> Written | None:
    message = _fields(update.get("message"))
    sender, chat = _fields(message.get("from")), _fields(message.get("chat"))
    text, user_id = message.get("text"), _int(sender.get("id"))
    if chat.get("type") != "private" or sender.get("is_bot") is True or not isinstance(text, str) or user_id <= 0:
        return None
    name = str(sender.get("username") or sender.get("first_name") or "")
    return Written(update_id=_int(update.get("update_id")), user_id=user_id, name=name, text=text)


def _fields(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _int(value: object) -> int:
    return value if type(value) is int else 0
