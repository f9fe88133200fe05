"""aiogram 3.31 as a second, independent client, and its pydantic models as the oracle of every answer."""

import json
from collections.abc import AsyncIterator

import pytest
from aiogram import Bot, methods
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import TelegramBadRequest, TelegramConflictError, TelegramRetryAfter
from aiogram.types import (
    BotCommand,
    BufferedInputFile,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputMediaPhoto,
    ReactionTypeEmoji,
)
from pydantic import TypeAdapter
from telegram_sandbox_support import EVE, OWNER, Sandbox, png
from telegram_schema import METHODS, unknown_keys

from sandbox.telegram import DEFAULT_TOKEN
from sandbox.telegram.methods import METHODS as KNOWN

KEYBOARD = {"inline_keyboard": [[{"text": "승인", "callback_data": "d:1:a", "style": "success"}]]}


@pytest.fixture
async def bot(sandbox: Sandbox) -> AsyncIterator[Bot]:
    bot = Bot(DEFAULT_TOKEN, session=AiohttpSession(api=TelegramAPIServer.from_base(sandbox.api)))
    yield bot
    await bot.session.close()


async def test_aiogram_works_as_a_second_client(sandbox: Sandbox, bot: Bot):
    """It uploads by attach://, which python-telegram-bot does for albums only."""
    await sandbox.act("send", user=OWNER, text="/start now")
    updates = await bot.get_updates(timeout=5)
    assert updates[0].message.entities[0].type == "bot_command"
    assert (await bot.me()).username == "seohak_demo_bot"
    button = InlineKeyboardButton(text="승인", callback_data="d:1:a")
    card = await bot.send_photo(
        OWNER,
        BufferedInputFile(png(), "차트.png"),
        caption="<b>카드</b>",
        parse_mode="HTML",
        reply_markup=InlineKeyboardMarkup(inline_keyboard=[[button]]),
    )
    await sandbox.act("tap", user=OWNER, message_id=card.message_id, label="승인")
    query = (await bot.get_updates(offset=updates[-1].update_id + 1))[0].callback_query
    assert query.message.message_id == card.message_id
    assert await query.as_(bot).answer("네", show_alert=True)
    with pytest.raises(TelegramBadRequest, match="query is too old"):
        await bot.answer_callback_query(query.id)
    media = InputMediaPhoto(media=BufferedInputFile(png(10, 10), "b.png"), caption="새 그림")
    edited = await bot.edit_message_media(media, chat_id=OWNER, message_id=card.message_id)
    assert edited.photo[-1].width == 10
    assert edited.reply_markup is None
    album = await bot.send_media_group(OWNER, [InputMediaPhoto(media=edited.photo[-1].file_id)] * 2)
    assert len(album) == 2
    downloaded = await bot.download(edited.photo[-1].file_id)
    assert downloaded.read() == png(10, 10)
    assert await bot.set_my_commands([BotCommand(command="panic", description="멈춤")], language_code="ko")
    assert await bot.set_message_reaction(OWNER, 1, [ReactionTypeEmoji(emoji="👀")])
    assert (await bot.get_chat(OWNER)).accent_color_id >= 0


async def test_errors_reach_aiogram_as_its_own_types(sandbox: Sandbox, bot: Bot):
    """HTTP status and parameters are what both clients decide by."""
    await sandbox.act("send", user=OWNER, text="hi")
    await sandbox.act("faults", method="sendMessage", code=429, retry_after=3)
    await sandbox.act("faults", method="getUpdates", code=409, description="Conflict: terminated")
    with pytest.raises(TelegramRetryAfter) as flood:
        await bot.send_message(OWNER, "x")
    assert flood.value.retry_after == 3
    with pytest.raises(TelegramConflictError):
        await bot.get_updates()


async def script(sandbox: Sandbox) -> list[tuple[str, dict]]:
    """One working call of every method, in an order that works."""
    await sandbox.act("send", user=OWNER, text="hi")
    _, text = await sandbox.call("sendMessage", chat_id=OWNER, text="a", reply_markup=KEYBOARD)
    photo = await sandbox.upload("sendPhoto", "photo", png(), "a.png")
    document = (await sandbox.upload("sendDocument", "document", b"1,2", "a.csv"))["document"]["file_id"]
    file_id = photo["photo"][-1]["file_id"]
    tapped = await sandbox.act("tap", user=OWNER, message_id=text["message_id"], data="d:1:a")
    at = {"chat_id": OWNER, "message_id": text["message_id"]}
    card = {"chat_id": OWNER, "message_id": photo["message_id"]}
    album = [{"type": "photo", "media": file_id}] * 2
    ko = {"language_code": "ko"}
    return [
        ("getMe", {}),
        ("getUpdates", {"timeout": 0, "allowed_updates": []}),
        ("getWebhookInfo", {}),
        ("deleteWebhook", {"drop_pending_updates": False}),
        ("setWebhook", {"url": ""}),
        ("setMyCommands", {"commands": [{"command": "a", "description": "b"}], "scope": {"type": "default"}, **ko}),
        ("getMyCommands", ko),
        ("deleteMyCommands", ko),
        *((f"{verb}My{what}", ko) for verb in ("set", "get") for what in ("Name", "Description", "ShortDescription")),
        ("setChatMenuButton", {"menu_button": {"type": "commands"}}),
        ("getChatMenuButton", {}),
        ("sendMessage", {"chat_id": OWNER, "text": "b", "reply_parameters": {"message_id": text["message_id"]}}),
        ("sendPhoto", {"chat_id": OWNER, "photo": file_id, "show_caption_above_media": True, "has_spoiler": True}),
        ("sendDocument", {"chat_id": OWNER, "document": document}),
        ("sendMediaGroup", {"chat_id": OWNER, "media": album}),
        ("sendChatAction", {"chat_id": OWNER, "action": "typing"}),
        ("answerCallbackQuery", {"callback_query_id": tapped["query_id"], "text": "ok"}),
        ("editMessageText", {**at, "text": "<i>c</i>", "parse_mode": "HTML"}),
        ("editMessageReplyMarkup", {**at, "reply_markup": KEYBOARD}),
        ("editMessageCaption", {**card, "caption": "d"}),
        ("editMessageMedia", {**card, "media": {"type": "photo", "media": file_id}}),
        ("setMessageReaction", {**at, "reaction": [{"type": "emoji", "emoji": "👍"}]}),
        ("pinChatMessage", at),
        ("getChat", {"chat_id": OWNER}),
        ("unpinChatMessage", at),
        ("unpinAllChatMessages", {"chat_id": OWNER}),
        ("getChatMember", {"chat_id": OWNER, "user_id": OWNER}),
        ("getFile", {"file_id": file_id}),
        ("deleteMessage", at),
        ("deleteMessages", {"chat_id": OWNER, "message_ids": [photo["message_id"]]}),
    ]


async def test_every_answer_fits_the_schema(sandbox: Sandbox):
    """All methods but leaveChat (always refused here) answer with what Bot API 10.3 describes, and nothing else."""
    done = set()
    for method, params in await script(sandbox):
        status, result = await sandbox.call(method, **params)
        assert status == 200, (method, result)
        answer = TypeAdapter(METHODS[method.lower()].__returning__).validate_python(result)
        assert unknown_keys(answer) == [], method
        done.add(method.lower())
    assert set(KNOWN) - done == {"leavechat"}


async def test_every_update_fits_the_schema(sandbox: Sandbox):
    """Messages, edits, forwards, blocks, taps on old and on missing messages."""
    await sandbox.act("send", user=OWNER, text="/start $NVDA #a https://a.example a@b.example @someone")
    await sandbox.act("edit", user=OWNER, message_id=1, text="edited")
    await sandbox.act("forward", user=EVE, message_id=1, from_user=OWNER)
    _, sent = await sandbox.call("sendMessage", chat_id=OWNER, text="x", reply_markup=KEYBOARD)
    await sandbox.act("tap", user=OWNER, message_id=sent["message_id"], label="승인")
    await sandbox.act("tap", user=EVE, message_id=sent["message_id"], data="d:1:a", forge=True)
    await sandbox.call("pinChatMessage", chat_id=OWNER, message_id=sent["message_id"])
    await sandbox.act("block", user=EVE, blocked=True)
    _, raw = await sandbox.call("getUpdates")
    updates = TypeAdapter(methods.GetUpdates.__returning__).validate_python(raw)
    assert [u.event_type for u in updates] == [
        "message",
        "edited_message",
        "message",
        "callback_query",
        "callback_query",
        "message",
        "my_chat_member",
    ]
    assert unknown_keys(updates) == []
    assert raw[4]["callback_query"]["message"]["date"] == 0
    assert raw[2]["message"]["forward_origin"]["sender_user"]["id"] == OWNER
    assert json.dumps(raw)
