"""Groups and a person's photos over HTTP, and the schema of what the bot gets from them."""

import base64

from aiogram import methods
from pydantic import TypeAdapter
from telegram_sandbox_support import EVE, OWNER, Sandbox, png
from telegram_schema import unknown_keys

CLUB = -1002026112801
KEYBOARD = {"inline_keyboard": [[{"text": "승인", "callback_data": "a:1"}]]}


async def test_every_group_update_fits_the_schema(sandbox: Sandbox):
    """Commands, anonymous administrators, photos, presses, edits and coming back."""
    await sandbox.act("send", user=EVE, chat=CLUB, text="/status@seohak_demo_bot")
    await sandbox.act("send", user=OWNER, chat=CLUB, text="/panic", anonymous=True)
    data = base64.b64encode(png()).decode()
    sent = await sandbox.act("send_photo", user=EVE, chat=CLUB, data=data, caption="/chart", via_bot="gif")
    await sandbox.act("edit", user=EVE, chat=CLUB, message_id=sent["message_id"], text="/chart NVDA")
    _, card = await sandbox.call("sendMessage", chat_id=CLUB, text="card", reply_markup=KEYBOARD)
    await sandbox.act("tap", user=EVE, chat=CLUB, message_id=card["message_id"], label="승인")
    await sandbox.call("leaveChat", chat_id=CLUB)
    await sandbox.act("add_bot", user=OWNER, chat=CLUB)
    _, raw = await sandbox.call("getUpdates")
    found = TypeAdapter(methods.GetUpdates.__returning__).validate_python(raw)
    assert [one.event_type for one in found] == [
        "message",
        "message",
        "message",
        "edited_message",
        "callback_query",
        "message",
    ]
    assert unknown_keys(found) == []
    assert found[1].message.sender_chat.id == CLUB
    assert found[4].callback_query.message.chat.type == "supergroup"


async def test_group_answers_fit_the_schema(sandbox: Sandbox):
    """getChat and getChatMember of a group, leaveChat."""
    models = {"getChat": methods.GetChat, "getChatMember": methods.GetChatMember, "leaveChat": methods.LeaveChat}
    for method, fields in (("getChat", {}), ("getChatMember", {"user_id": OWNER}), ("leaveChat", {})):
        status, result = await sandbox.call(method, chat_id=CLUB, **fields)
        assert status == 200
        assert unknown_keys(TypeAdapter(models[method].__returning__).validate_python(result)) == []


async def test_the_page_sees_people_groups_and_who_pressed(sandbox: Sandbox):
    """State, one group as each member sees it, and the feed's presser."""
    state = await sandbox.look("state")
    assert [user["id"] for user in state["users"]] == [OWNER, 7002, EVE]
    assert state["groups"][0]["members"] == [OWNER, 7002, EVE]
    assert state["clock"] == {"speed": None, "paused": None, "adjustable": None}
    async with sandbox.http.ws_connect(f"{sandbox.page}/sim/ws") as feed:
        await feed.receive_json()
        _, card = await sandbox.call("sendMessage", chat_id=CLUB, text="card", reply_markup=KEYBOARD)
        await sandbox.act("tap", user=EVE, chat=CLUB, message_id=card["message_id"], data="a:1")
        seen = [await feed.receive_json(timeout=10) for _ in range(3)]
    press = next(event for event in seen if event["type"] == "pressed")
    assert (press["chat"], press["user"]) == (CLUB, EVE)
    assert len((await sandbox.look("chat", user=EVE, chat=CLUB))["pending"]) == 1
    assert "card" in await sandbox.look("chat", user=OWNER, chat=CLUB, format="text")


async def test_bad_pictures_and_foreign_chats_are_explained(sandbox: Sandbox):
    """400 with a sentence."""
    for what, body in (
        ("send_photo", {"user": EVE, "data": "%"}),
        ("send_photo", {"user": EVE, "data": base64.b64encode(b"GIF").decode()}),
        ("send", {"user": EVE, "chat": OWNER, "text": "x"}),
        ("add_bot", {"user": EVE, "chat": CLUB}),
        ("post", {"user": EVE, "chat": CLUB, "text": "x"}),
    ):
        async with sandbox.http.post(f"{sandbox.page}/sim/{what}", json=body) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]
