"""Sending and editing: quiet or loud, photo or text, patient with a network that is down, deaf to edits that change nothing."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from telegram import InputFile, InputMediaPhoto, Message, ReplyParameters
from telegram.constants import ParseMode
from telegram.error import BadRequest, Forbidden, InvalidToken, NetworkError, RetryAfter
from telegram.ext import ExtBot

from bot.ratelimit import PRIORITY
from bot.views.base import CAPTION_LIMIT, TEXT_LIMIT, View, plain

log = logging.getLogger(__name__)
T = TypeVar("T")
UNREADABLE = ("can't parse entities", "message is too long")
FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 30.0


@dataclass(frozen=True, slots=True)
class Sent:
    """A message of ours; `photo` decides whether its caption or its text is edited."""

    chat_id: int
    message_id: int
    photo: bool = False


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG and the name it is sent under."""

    png: bytes
    name: str


@dataclass(frozen=True, slots=True)
class Document:
    """A file and the name it is sent under."""

    data: bytes
    name: str


class Messenger:
    """The bot's outgoing side."""

    def __init__(self, bot: ExtBot[Any], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._bot = bot
        self._sleep = sleep

    async def send(
        self,
        chat_id: int,
        view: View,
        *,
        picture: Picture | None = None,
        reply_to: int | None = None,
        quiet: bool = False,
        urgent: bool = False,
    ) -> Sent | None:
        """Send once; None where the person can't be reached or the message was refused."""
        reply = ReplyParameters(reply_to, allow_sending_without_reply=True) if reply_to else None
        lane = PRIORITY if urgent else None

        async def photo(shown: Picture) -> Message:
            return await self._bot.send_photo(
                chat_id,
                InputFile(shown.png, filename=shown.name),
                caption=view.text,
                reply_markup=view.keyboard,
                reply_parameters=reply,
                disable_notification=quiet,
                rate_limit_args=lane,
            )

        async def text(words: str, **form: Any) -> Message:
            return await self._bot.send_message(
                chat_id,
                words,
                **form,
                reply_markup=view.keyboard,
                reply_parameters=reply,
                disable_notification=quiet,
                rate_limit_args=lane,
            )

        try:
            if picture is not None and len(view.text) <= 2 * CAPTION_LIMIT:
                try:
                    return Sent(chat_id, (await photo(picture)).message_id, photo=True)
                except BadRequest as refusal:
                    log.warning("chat %s refused a picture: %s", chat_id, refusal.message)
            try:
                return Sent(chat_id, (await text(view.text)).message_id)
            except BadRequest as refusal:
                if not any(words in refusal.message.lower() for words in UNREADABLE):
                    raise
                # our mistake must not cost the person the message
                log.error("a message was refused and goes out as plain words: %s", refusal.message)
                return Sent(chat_id, (await text(plain(view.text)[:TEXT_LIMIT], parse_mode=None)).message_id)
        except (Forbidden, BadRequest) as refusal:
            log.warning("chat %s can't be written to: %s", chat_id, refusal.message)
            return None

    async def edit(self, sent: Sent, view: View) -> bool:
        """Rewrite a message with its keyboard; False where it can't be edited any more."""
        where: dict[str, Any] = {"chat_id": sent.chat_id, "message_id": sent.message_id, "reply_markup": view.keyboard}
        try:
            if sent.photo:
                await self._bot.edit_message_caption(caption=view.text, **where)
            else:
                await self._bot.edit_message_text(view.text, **where)
        except BadRequest as refusal:
            if "not modified" in refusal.message.lower():
                return True
            log.warning("message %s in %s can't be edited: %s", sent.message_id, sent.chat_id, refusal.message)
            return False
        except Forbidden as refusal:
            log.warning("chat %s can't be written to: %s", sent.chat_id, refusal.message)
            return False
        return True

    async def document(self, chat_id: int, view: View, document: Document, *, quiet: bool = False) -> Sent | None:
        """Send a file with its caption; None where the person can't be reached or the file was refused."""
        try:
            sent = await self._bot.send_document(
                chat_id,
                InputFile(document.data, filename=document.name),
                caption=view.text,
                reply_markup=view.keyboard,
                disable_notification=quiet,
            )
        except (Forbidden, BadRequest) as refusal:
            log.warning("chat %s can't be sent a file: %s", chat_id, refusal.message)
            return None
        return Sent(chat_id, sent.message_id)

    async def repaint(self, sent: Sent, view: View, picture: Picture) -> bool:
        """Put another picture, caption and keyboard into a message; False where it can't be edited any more."""
        media = InputMediaPhoto(
            InputFile(picture.png, filename=picture.name, attach=True), caption=view.text, parse_mode=ParseMode.HTML
        )
        try:
            await self._bot.edit_message_media(
                media, chat_id=sent.chat_id, message_id=sent.message_id, reply_markup=view.keyboard
            )
        except BadRequest as refusal:
            if "not modified" in refusal.message.lower():
                return True
            log.warning("message %s in %s can't be repainted: %s", sent.message_id, sent.chat_id, refusal.message)
            return False
        except Forbidden as refusal:
            log.warning("chat %s can't be written to: %s", sent.chat_id, refusal.message)
            return False
        return True

    async def pin(self, sent: Sent) -> None:
        """Pin a message without a sound; one that can't be pinned is only less easy to find."""
        try:
            await self._bot.pin_chat_message(sent.chat_id, sent.message_id, disable_notification=True)
        except (BadRequest, Forbidden, NetworkError, RetryAfter) as trouble:
            log.warning("message %s in %s is not pinned: %s", sent.message_id, sent.chat_id, type(trouble).__name__)

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat until Telegram can be reached: what people must hear waits rather than being dropped."""
        wait = FIRST_WAIT_S
        while True:
            try:
                return await call()
            except (BadRequest, Forbidden, InvalidToken):
                raise
            except (NetworkError, RetryAfter) as trouble:
                log.warning("Telegram can't be reached (%s), again in %.0f s", type(trouble).__name__, wait)
                await self._sleep(wait)
                wait = min(LONGEST_WAIT_S, wait * 2)
