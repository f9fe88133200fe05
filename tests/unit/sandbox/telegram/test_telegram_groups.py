"""Groups: who is in, what the bot gets to see there, who may press, and how it leaves."""

from datetime import UTC, datetime

import pytest
from test_telegram_rules import png

from sandbox.telegram import ApiError, Group, SimError, TelegramState, person
from sandbox.telegram.flood import Flood
from sandbox.telegram.methods import METHODS
from sandbox.telegram.methods.profile import commands_for
from sandbox.telegram.model import ANONYMOUS_ADMIN, DEFAULT_USERS
from sandbox.telegram.params import Params
from sandbox.telegram.person import Tap, Where
from sandbox.telegram.transcript import chat_json, chat_text

OWNER, GUEST, EVE = 7001, 7002, 9009
CLUB = -1002026112801
NEWS = -1002026112802
KEYBOARD = {"inline_keyboard": [[{"text": "승인", "callback_data": "a:1"}]]}


class Clock:
    def now(self) -> datetime:
        return datetime(2026, 11, 20, 14, 30, tzinfo=UTC)


@pytest.fixture
def state() -> TelegramState:
    groups = (Group(CLUB, "스터디", (OWNER, EVE)), Group(NEWS, "소식", (OWNER,), "channel"))
    return TelegramState(Clock(), groups=groups)


def call(state: TelegramState, method: str, uploads: dict | None = None, **fields):
    return METHODS[method.lower()](state, Params({"chat_id": CLUB, **fields}, uploads or {}))


def refusal(state: TelegramState, method: str, **fields) -> str:
    with pytest.raises(ApiError) as error:
        call(state, method, **fields)
    return error.value.description


def updates(state: TelegramState) -> list[dict]:
    return list(state.updates.pending)


@pytest.mark.parametrize("text", ["/status", "/status@seohak_demo_bot now", "/status@SEOHAK_DEMO_BOT"])
def test_the_bot_gets_commands_meant_for_it(state, text):
    person.send_text(state, EVE, text, where=Where(CLUB))
    message = updates(state)[0]["message"]
    assert message["chat"] == {"id": CLUB, "type": "supergroup", "title": "스터디"}
    assert message["from"]["id"] == EVE
    assert message["text"] == text


@pytest.mark.parametrize("text", ["hello", "/status@other_bot", "@seohak_demo_bot hi"])
def test_privacy_mode_keeps_the_rest_from_the_bot(state, text):
    assert person.send_text(state, EVE, text, where=Where(CLUB))["update_id"] is None
    assert updates(state) == []
    assert text in chat_text(state, OWNER, CLUB)


def test_a_reply_to_the_bot_reaches_it(state):
    sent = call(state, "sendMessage", text="안녕")
    person.send_text(state, EVE, "네", where=Where(CLUB, reply_to=sent["message_id"]))
    assert updates(state)[0]["message"]["reply_to_message"]["text"] == "안녕"


def test_any_member_may_press_and_only_the_presser_gets_the_answer(state):
    sent = call(state, "sendMessage", text="x", reply_markup=KEYBOARD)
    query = person.tap(state, EVE, Tap(sent["message_id"], label="승인"), CLUB)["query_id"]
    update = updates(state)[0]["callback_query"]
    assert (update["from"]["id"], update["message"]["chat"]["id"]) == (EVE, CLUB)
    assert [len(chat_json(state, who, CLUB)["pending"]) for who in (EVE, OWNER)] == [1, 0]
    call(state, "answerCallbackQuery", callback_query_id=query, text="안 됩니다", show_alert=True)
    assert state.chats[CLUB].answers[0]["user"] == EVE


def test_a_forwarded_card_loses_its_buttons_but_a_forged_press_arrives(state):
    person.send_text(state, OWNER, "/start")
    card = call(state, "sendMessage", chat_id=OWNER, text="card", reply_markup=KEYBOARD)
    copy = person.forward(state, OWNER, card["message_id"], where=Where(CLUB))["message_id"]
    shown = chat_json(state, EVE, CLUB)["messages"][0]
    assert "reply_markup" not in shown
    assert shown["lost_keyboard"] == KEYBOARD
    with pytest.raises(SimError, match="no such button"):
        person.tap(state, EVE, Tap(copy, data="a:1"), CLUB)
    person.tap(state, EVE, Tap(copy, data="a:1", forge=True), CLUB)
    press = updates(state)[-1]["callback_query"]
    assert (press["from"]["id"], press["data"]) == (EVE, "a:1")
    assert "lost_keyboard" not in press["message"]


def test_strangers_to_a_group_cannot_write_read_or_press_in_it(state):
    for act in (
        lambda: person.send_text(state, GUEST, "/status", where=Where(CLUB)),
        lambda: person.tap(state, GUEST, Tap(1, data="a", forge=True), CLUB),
        lambda: chat_json(state, GUEST, CLUB),
        lambda: person.send_text(state, EVE, "/status", where=Where(OWNER)),
    ):
        with pytest.raises(SimError, match="is in no chat"):
            act()


def test_the_owner_can_write_as_the_group(state):
    person.send_text(state, OWNER, "/panic", where=Where(CLUB, anonymous=True))
    message = updates(state)[0]["message"]
    assert message["from"] == ANONYMOUS_ADMIN.to_wire()
    assert message["sender_chat"]["id"] == CLUB
    assert "7001" not in str(message)
    with pytest.raises(SimError, match="only the owner"):
        person.send_text(state, EVE, "/panic", where=Where(CLUB, anonymous=True))


def test_photos_inline_results_and_edits_carry_their_marks(state):
    sent = person.send_photo(state, EVE, png(), "/status 사진", Where(CLUB, via_bot="gif"))["message_id"]
    message = updates(state)[0]["message"]
    assert message["caption"] == "/status 사진"
    assert message["photo"][0]["width"] == 8
    assert message["via_bot"]["username"] == "gif"
    person.edit_text(state, EVE, sent, "/help", CLUB)
    assert updates(state)[1]["edited_message"]["caption"] == "/help"
    with pytest.raises(SimError, match="only own messages"):
        person.edit_text(state, OWNER, sent, "x", CLUB)
    with pytest.raises(SimError, match="IMAGE_PROCESS_FAILED"):
        person.send_photo(state, EVE, b"GIF89a")


def test_a_channel_posts_from_nobody(state):
    person.post(state, OWNER, NEWS, "소식입니다")
    post = updates(state)[0]["channel_post"]
    assert "from" not in post
    assert post["sender_chat"]["type"] == post["chat"]["type"] == "channel"
    with pytest.raises(SimError, match="only channels"):
        person.post(state, OWNER, CLUB, "x")


def test_a_bot_that_left_hears_and_says_nothing_until_it_is_brought_back(state):
    assert call(state, "leaveChat") is True
    words = "Forbidden: bot is not a member of the supergroup chat"
    assert refusal(state, "sendMessage", text="x") == refusal(state, "leaveChat") == words
    assert person.send_text(state, EVE, "/status", where=Where(CLUB))["update_id"] is None
    assert call(state, "getChatMember", user_id=state.bot.id)["status"] == "left"
    with pytest.raises(SimError, match="not in this chat"):
        person.tap(state, EVE, Tap(1, data="a", forge=True), CLUB)
    person.add_bot(state, OWNER, CLUB)
    assert updates(state)[0]["message"]["new_chat_members"][0]["id"] == state.bot.id
    assert call(state, "sendMessage", text="x")


def test_a_private_chat_cannot_be_left(state):
    person.send_text(state, OWNER, "/start")
    assert refusal(state, "leaveChat", chat_id=OWNER) == "Bad Request: can't leave private chats"


def test_a_plain_member_may_not_pin_or_delete_what_others_wrote(state):
    theirs = person.send_text(state, EVE, "/status", where=Where(CLUB))["message_id"]
    own = call(state, "sendMessage", text="x")["message_id"]
    assert "not enough rights" in refusal(state, "pinChatMessage", message_id=own)
    assert refusal(state, "deleteMessage", message_id=theirs) == "Bad Request: message can't be deleted"
    assert call(state, "deleteMessage", message_id=own) is True


def test_members_have_their_roles(state):
    roles = [call(state, "getChatMember", user_id=who)["status"] for who in (OWNER, EVE, state.bot.id)]
    assert roles == ["creator", "member", "member"]
    assert refusal(state, "getChatMember", user_id=GUEST) == "Bad Request: member not found"
    assert call(state, "getChat")["title"] == "스터디"


def test_groups_have_their_own_command_menus(state):
    def put(name: str, **scope) -> None:
        call(state, "setMyCommands", commands=[{"command": name, "description": "d"}], scope=scope)

    put("all", type="default")
    put("private", type="all_private_chats")
    put("group", type="all_group_chats")
    assert commands_for(state, EVE, CLUB)[0]["command"] == "group"
    put("eve", type="chat_member", chat_id=CLUB, user_id=EVE)
    assert [commands_for(state, who, CLUB)[0]["command"] for who in (EVE, OWNER)] == ["eve", "group"]
    assert commands_for(state, EVE)[0]["command"] == "private"


def test_groups_take_twenty_messages_a_minute():
    flood = Flood(Clock())
    refused = [flood.check("sendMessage", Params({"chat_id": CLUB})) for _ in range(21)]
    assert [one is not None for one in refused] == [False] * 20 + [True]
    assert refused[-1].retry_after == 3


def test_a_reset_keeps_groups_and_their_members(state):
    call(state, "sendMessage", text="x")
    call(state, "leaveChat")
    state.reset()
    assert state.chats[CLUB].members == (OWNER, EVE)
    assert not state.chats[CLUB].messages
    assert not state.chats[CLUB].left


def test_the_log_keeps_results_and_cuts_long_ones(state):
    state.log("sendMessage", Params(), None, {"message_id": 1})
    state.log("getUpdates", Params(), None, ["x" * 9000])
    state.log("sendMessage", Params(), ApiError(400, "no"), None)
    first, long, failed = (entry.to_json() for entry in state.outbox)
    assert first["result"] == {"message_id": 1}
    assert len(long["result"]) < 5000
    assert "result" not in failed


def test_impossible_groups_are_refused():
    for wrong in ({"id": 5}, {"title": ""}, {"members": ()}, {"kind": "club"}):
        with pytest.raises(ValueError, match="a group needs"):
            Group(**{"id": -5, "title": "x", "members": (1,), **wrong})
    assert [user.id for user in DEFAULT_USERS] == [OWNER, GUEST, EVE]
