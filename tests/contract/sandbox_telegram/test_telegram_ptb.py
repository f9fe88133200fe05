"""python-telegram-bot 22.8 as the client the product uses."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from aiogram import methods as aiogram_methods
from telegram import (
    BotCommand,
    BotCommandScopeAllPrivateChats,
    BotCommandScopeChat,
    InlineKeyboardButton,
    InlineKeyboardMarkup,
    InputFile,
    InputMediaPhoto,
    LinkPreviewOptions,
    MenuButtonCommands,
    ReplyKeyboardMarkup,
    ReplyParameters,
    Update,
)
from telegram.error import BadRequest, Conflict, Forbidden, RetryAfter
from telegram.ext import Application, CallbackQueryHandler, CommandHandler, ContextTypes
from telegram.request import HTTPXRequest
from telegram_sandbox_support import EVE, OWNER, Sandbox, png

from sandbox.telegram import DEFAULT_TOKEN

BUTTONS = InlineKeyboardMarkup(
    [
        [
            InlineKeyboardButton("✅ 매수 승인", callback_data="d:1:a", style="success"),
            InlineKeyboardButton("🚫 무시", callback_data="d:1:i", style="danger"),
        ]
    ]
)


async def start(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    await update.effective_chat.send_action("upload_photo")
    await update.effective_message.reply_photo(
        InputFile(png(), "NVDA_3M.png"),
        caption="<b>🔍 종목 발굴</b>\n현재가: <code>$142.50</code>",
        parse_mode="HTML",
        reply_markup=BUTTONS,
    )


async def approve(update: Update, context: ContextTypes.DEFAULT_TYPE) -> None:
    await update.callback_query.answer("승인했습니다")
    await update.callback_query.edit_message_caption("<b>✅ 승인됨</b> · 22:31", parse_mode="HTML")


@contextlib.asynccontextmanager
async def running(sandbox: Sandbox) -> AsyncIterator[Application]:
    """The manual lifecycle the product uses."""
    request = {"httpx_kwargs": {"trust_env": False}}
    app = (
        Application.builder()
        .token(DEFAULT_TOKEN)
        .base_url(f"{sandbox.api}/bot")
        .base_file_url(f"{sandbox.api}/file/bot")
        .request(HTTPXRequest(connection_pool_size=8, **request))
        .get_updates_request(HTTPXRequest(connection_pool_size=1, **request))
        .build()
    )
    app.add_handler(CommandHandler("start", start))
    app.add_handler(CallbackQueryHandler(approve, pattern="^d:"))
    async with app:
        await app.start()
        await app.updater.start_polling(timeout=10, allowed_updates=["message", "callback_query", "my_chat_member"])
        try:
            yield app
        finally:
            await app.updater.stop()
            await app.stop()


def calls(sandbox: Sandbox, method: str) -> int:
    return sum(entry.method == method and entry.ok for entry in sandbox.state.outbox)


async def test_start_photo_tap_answer_edit(sandbox: Sandbox):
    """The whole journey of a discovery card."""
    async with running(sandbox):
        await sandbox.act("send", user=OWNER, text="/start")
        await sandbox.until(lambda: calls(sandbox, "sendPhoto") == 1)
        text = await sandbox.look("chat", user=OWNER, format="text")
        assert "[photo 320x180]" in text
        assert "현재가: $142.50" in text
        assert "  [✅ 매수 승인] [🚫 무시]" in text
        card = (await sandbox.look("chat", user=OWNER))["messages"][-1]
        await sandbox.act("tap", user=OWNER, message_id=card["message_id"], label="매수 승인")
        await sandbox.until(lambda: calls(sandbox, "editMessageCaption") == 1)
        chat = await sandbox.look("chat", user=OWNER)
        assert chat["answers"][0]["text"] == "승인했습니다"
        assert chat["pending"] == []
        final = chat["messages"][-1]
        assert final["caption"] == "✅ 승인됨 · 22:31"
        assert final["edits"] == 1
        assert "reply_markup" not in final
        assert (await sandbox.look("state"))["polling"] is True
    assert not sandbox.state.updates.pending


async def test_every_method_of_the_contract_is_readable_by_ptb(sandbox: Sandbox):
    """A missing field would be a TypeError inside PTB."""
    await sandbox.act("send", user=OWNER, text="hi")
    async with running(sandbox) as app:
        bot = app.bot
        await exercise_profile(bot)
        await exercise_messages(bot)
        await exercise_chat(bot)
    sent = {entry.method: set() for entry in sandbox.state.outbox}
    for entry in sandbox.state.outbox:
        sent[entry.method] |= {name for name in entry.params if not name.startswith("attached")}
    models = {name.lower(): model for name, model in vars(aiogram_methods).items() if isinstance(model, type)}
    unknown = {m: names - set(models[m.lower()].model_fields) for m, names in sent.items()}
    assert not {method: names for method, names in unknown.items() if names}


async def exercise_profile(bot) -> None:
    for code in ("", "ko", "en"):
        commands = [BotCommand("panic", "즉시 중지")]
        assert await bot.set_my_commands(commands, BotCommandScopeAllPrivateChats(), code)
    await bot.set_my_commands([BotCommand("start", "시작")], BotCommandScopeChat(OWNER), "ko")
    assert (await bot.get_my_commands(BotCommandScopeChat(OWNER), "ko"))[0].command == "start"
    assert await bot.delete_my_commands(BotCommandScopeChat(OWNER), "ko")
    await bot.set_my_description("설명", "ko")
    await bot.set_my_short_description("짧게", "ko")
    assert (await bot.get_my_description("ko")).description == "설명"
    assert (await bot.get_my_short_description("ko")).short_description == "짧게"
    await bot.set_chat_menu_button(OWNER, MenuButtonCommands())
    assert (await bot.get_chat_menu_button(OWNER)).type == "commands"
    assert (await bot.get_webhook_info()).url == ""


async def exercise_messages(bot) -> None:
    sent = await bot.send_message(
        OWNER,
        'a <a href="https://x.example/">b</a> <pre><code class="language-python">x</code></pre>',
        parse_mode="HTML",
        link_preview_options=LinkPreviewOptions(is_disabled=True),
        reply_parameters=ReplyParameters(1),
        disable_notification=True,
        protect_content=True,
    )
    assert [e.type for e in sent.entities] == ["text_link", "pre"]
    assert sent.reply_to_message.text == "hi"
    album = await bot.send_media_group(OWNER, [InputMediaPhoto(png(shade=n), f"c{n}") for n in (1, 2)])
    assert len({m.media_group_id for m in album}) == 1
    edited = await bot.edit_message_media(InputMediaPhoto(png(64, 64), "새 차트"), OWNER, sent.message_id)
    assert edited.photo[-1].width == 64
    again = await bot.send_photo(OWNER, edited.photo[-1].file_id, reply_markup=BUTTONS)
    assert again.reply_markup == BUTTONS
    assert await bot.edit_message_reply_markup(OWNER, again.message_id, reply_markup=None)
    file = await bot.get_file(again.photo[-1].file_id)
    assert bytes(await file.download_as_bytearray()) == png(64, 64)
    csv = await bot.send_document(OWNER, InputFile("종목,수량\n".encode("utf-8-sig"), "체결내역.csv"), caption="표")
    assert csv.document.file_name == "체결내역.csv"
    assert await bot.set_message_reaction(OWNER, 1, "👍")
    assert await bot.pin_chat_message(OWNER, csv.message_id)
    assert (await bot.get_chat(OWNER)).pinned_message.message_id == csv.message_id
    assert await bot.unpin_chat_message(OWNER, csv.message_id)
    assert await bot.unpin_all_chat_messages(OWNER)
    keyboard = ReplyKeyboardMarkup([["포트폴리오", "차트 NVDA"]], resize_keyboard=True)
    text = await bot.send_message(OWNER, "메뉴", reply_markup=keyboard)
    assert (await bot.edit_message_text("메뉴 2", OWNER, text.message_id)).text == "메뉴 2"
    assert await bot.delete_message(OWNER, text.message_id)
    assert await bot.delete_messages(OWNER, [m.message_id for m in album])


async def exercise_chat(bot) -> None:
    assert (await bot.get_chat_member(OWNER, OWNER)).status == "member"
    with pytest.raises(BadRequest, match=r"(?i)can't leave private chats"):
        await bot.leave_chat(OWNER)
    with pytest.raises(Forbidden, match="bot can't initiate conversation"):
        await bot.send_message(EVE, "hello")
    with pytest.raises(BadRequest, match=r"(?i)chat not found"):
        await bot.send_message(5, "hello")
    with pytest.raises(BadRequest, match=r"(?i)wrong file identifier"):
        await bot.send_photo(OWNER, "AgACnothing")
    with pytest.raises(BadRequest, match=r"(?i)IMAGE_PROCESS_FAILED"):
        await bot.send_photo(OWNER, b"not an image")


async def test_faults_come_before_the_method(sandbox: Sandbox, monkeypatch):
    """429 carries retry_after, a fault is used up, and it can pick calls by their content."""
    await sandbox.act("send", user=OWNER, text="hi")
    monkeypatch.setenv("PTB_TIMEDELTA", "1")
    fault = {"method": "sendMessage", "code": 429, "retry_after": 2, "contains": "표시"}
    await sandbox.act("faults", **fault)
    async with running(sandbox) as app:
        await app.bot.send_message(OWNER, "다른 글")
        with pytest.raises(RetryAfter):
            await app.bot.send_message(OWNER, "표시")
        assert (await app.bot.send_message(OWNER, "표시")).text == "표시"


async def test_second_poller_ends_the_first(sandbox: Sandbox):
    """Telegram's words reach the bot's error callback."""
    conflict: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
    async with running(sandbox) as app:
        await app.updater.stop()
        await app.updater.start_polling(
            timeout=10, error_callback=lambda error: None if conflict.done() else conflict.set_result(error)
        )
        await sandbox.until(lambda: sandbox.state.pollers.active)
        status, _ = await sandbox.call("getUpdates", timeout=0)
        assert status == 200
        async with asyncio.timeout(10):
            assert isinstance(await conflict, Conflict)
