"""Sockets: request forms, long polling, the page, its feed, and who is refused."""

import asyncio

import aiohttp
import pytest
from telegram_sandbox_support import EVE, OWNER, Sandbox, png

from sandbox.telegram import DEFAULT_TOKEN


async def test_every_request_form_means_the_same(sandbox: Sandbox):
    """GET, form, JSON, and multipart with or without a content type on its fields."""
    await sandbox.act("send", user=OWNER, text="hi")
    url = f"{sandbox.api}/bot{DEFAULT_TOKEN}/sendMessage"
    fields = {"chat_id": str(OWNER), "text": "한글 & <b>", "disable_notification": "true"}
    multipart = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        multipart.add_field(name, value, content_type="text/plain")
    requests = [
        sandbox.http.get(url, params=fields),
        sandbox.http.post(url, data=fields),
        sandbox.http.post(url, json=fields | {"chat_id": OWNER, "disable_notification": True}),
        sandbox.http.post(url, data=multipart),
        sandbox.http.post(url.replace("sendMessage", "SENDMESSAGE"), params=fields),
    ]
    for request in requests:
        async with request as answer:
            body = await answer.json()
            assert body["result"]["text"] == "한글 & <b>"
    assert all(m["silent"] for m in (await sandbox.look("chat", user=OWNER))["messages"] if not m["out"])


async def test_broken_bodies_and_unknown_places_are_refused(sandbox: Sandbox):
    """As JSON envelopes, never as a crash."""
    url = f"{sandbox.api}/bot{DEFAULT_TOKEN}/sendMessage"
    for body in ("{", "[]", '"x"'):
        async with sandbox.http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
            assert (answer.status, (await answer.json())["error_code"]) == (400, 400)
    for path in ("/", "/bot/getMe", f"/file/bot{DEFAULT_TOKEN}/photos/none.png"):
        async with sandbox.http.get(sandbox.api + path) as answer:
            assert (answer.status, (await answer.json())["ok"]) == (404, False)
    async with sandbox.http.get(f"{sandbox.api}/bot123456:wrong/getMe") as answer:
        assert (answer.status, (await answer.json())["description"]) == (401, "Unauthorized")
    assert await sandbox.call("sendDice", chat_id=OWNER) == (404, "Not Found: method not found")


async def test_a_held_poll_ends_at_the_next_update(sandbox: Sandbox):
    """The update is delivered at once, and again until confirmed."""
    poll = asyncio.create_task(sandbox.call("getUpdates", timeout=30))
    await sandbox.until(lambda: sandbox.state.pollers.active)
    sent = await sandbox.act("send", user=OWNER, text="hi")
    _, updates = await poll
    assert [u["update_id"] for u in updates] == [sent["update_id"]]
    assert (await sandbox.call("getUpdates"))[1] == updates
    assert (await sandbox.call("getUpdates", offset=sent["update_id"] + 1))[1] == []


async def test_a_client_that_goes_away_loses_nothing(sandbox: Sandbox):
    """PTB cancels its open poll when it stops."""
    poll = asyncio.create_task(sandbox.call("getUpdates", timeout=30))
    await sandbox.until(lambda: sandbox.state.pollers.active)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await sandbox.act("send", user=OWNER, text="hi")
    _, updates = await sandbox.call("getUpdates", timeout=30)
    assert updates[0]["message"]["text"] == "hi"


async def test_the_second_poller_wins_and_the_first_gets_409(sandbox: Sandbox):
    """With Telegram's words."""
    first = asyncio.create_task(sandbox.call("getUpdates", timeout=30))
    await sandbox.until(lambda: sandbox.state.pollers.active)
    await sandbox.call("getUpdates", timeout=0)
    status, words = await first
    assert status == 409
    assert words.startswith("Conflict: terminated by other getUpdates request; make sure")


async def test_the_feed_tells_every_change(sandbox: Sandbox):
    """Message, press, edit, answer, pin, action, delete, outbox: in order."""
    async with sandbox.http.ws_connect(f"{sandbox.page}/sim/ws") as feed:
        assert (await feed.receive_json())["type"] == "hello"
        await sandbox.act("send", user=OWNER, text="hi")
        keyboard = {"inline_keyboard": [[{"text": "승인", "callback_data": "a"}]]}
        _, sent = await sandbox.call("sendMessage", chat_id=OWNER, text="x", reply_markup=keyboard)
        at = {"chat_id": OWNER, "message_id": sent["message_id"]}
        tapped = await sandbox.act("tap", user=OWNER, message_id=sent["message_id"], label="승인")
        await sandbox.call("answerCallbackQuery", callback_query_id=tapped["query_id"], text="네", show_alert=True)
        await sandbox.call("editMessageText", **at, text="y")
        await sandbox.call("sendChatAction", chat_id=OWNER, action="upload_photo")
        await sandbox.call("pinChatMessage", **at)
        await sandbox.call("deleteMessage", **at)
        seen = []
        while "delete" not in [event["type"] for event in seen]:
            seen.append(await feed.receive_json(timeout=10))
    kinds = [event["type"] for event in seen if event["type"] != "outbox"]
    assert kinds == ["message", "message", "pressed", "answer", "edit", "action", "message", "pins", "pins", "delete"]
    assert next(e for e in seen if e["type"] == "answer")["answer"]["show_alert"] is True
    outbox = (await sandbox.look("outbox", since=2))["calls"]
    assert [c["method"] for c in outbox] == ["editMessageText", "sendChatAction", "pinChatMessage", "deleteMessage"]


async def test_the_page_and_its_files_carry_a_strict_policy(sandbox: Sandbox):
    """Nothing from outside, no inline script."""
    for path in ("/", "/page/app.js", "/page/style.css", "/page/bot.svg"):
        async with sandbox.http.get(sandbox.page + path) as answer:
            assert answer.status == 200
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'")
            text = await answer.text()
            assert "innerHTML" not in text
            assert "http://" not in text.replace("http://www.w3.org", "")


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Host": "[::1"}, {"Origin": "null"}]
)
async def test_other_sites_are_refused(sandbox: Sandbox, headers):
    """DNS rebinding and cross-site requests, for both servers and the feed."""
    for url in (f"{sandbox.page}/sim/state", f"{sandbox.page}/sim/ws", f"{sandbox.api}/bot{DEFAULT_TOKEN}/getMe"):
        async with sandbox.http.get(url, headers=headers) as answer:
            assert answer.status in {400, 403}


async def test_photos_come_back_to_the_person(sandbox: Sandbox):
    """Byte for byte, as an image; documents only as downloads."""
    await sandbox.act("send", user=OWNER, text="hi")
    photo = await sandbox.upload("sendPhoto", "photo", png(), "a.png")
    file_id = photo["photo"][-1]["file_id"]
    async with sandbox.http.get(f"{sandbox.page}/sim/photo/{file_id}") as answer:
        assert (answer.content_type, await answer.read()) == ("image/png", png())
    page = await sandbox.upload("sendDocument", "document", b"<script>", "a.html")
    file_id = page["document"]["file_id"]
    async with sandbox.http.get(f"{sandbox.page}/sim/document/{file_id}") as answer:
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.content_type == "application/octet-stream"
    async with sandbox.http.get(f"{sandbox.page}/sim/photo/{file_id}") as answer:
        assert answer.status == 404


async def test_the_person_side_explains_mistakes(sandbox: Sandbox):
    """400 with a sentence; reset empties, but ids go on."""
    await sandbox.act("send", user=EVE, text="hi")
    for what, body in (
        ("send", {"user": 5, "text": "x"}),
        ("send", {"user": EVE}),
        ("send", {"user": "x", "text": "x"}),
        ("tap", {"user": EVE, "message_id": 1, "label": "승인"}),
        ("faults", {"code": 200}),
    ):
        async with sandbox.http.post(f"{sandbox.page}/sim/{what}", json=body) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]
    before = (await sandbox.call("getUpdates"))[1][-1]["update_id"]
    await sandbox.act("reset")
    assert (await sandbox.look("state"))["counts"]["messages"] == 0
    assert (await sandbox.act("send", user=EVE, text="hi"))["update_id"] > before
    assert (await sandbox.look("chat", user=EVE))["messages"][0]["message_id"] == 2
