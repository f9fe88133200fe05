"""The Bot API's rules on a state without sockets: limits, keyboards, edits, callbacks, faults, scopes."""

import struct
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.telegram import ApiError, Fault, SimError, TelegramState, person
from sandbox.telegram.methods import METHODS
from sandbox.telegram.methods.profile import commands_for
from sandbox.telegram.params import Params, Upload
from sandbox.telegram.transcript import chat_text

OWNER = 7001
EVE = 9009


def png(width: int = 8, height: int = 8) -> bytes:
    return (
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + b"\x08" * 9 + b"\0\0\0\0IEND\xaeB`\x82"
    )


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
        self.real = 1000.0

    def now(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> TelegramState:
    state = TelegramState(clock, monotonic=lambda: clock.real)
    person.send_text(state, OWNER, "/start")
    return state


def call(state: TelegramState, method: str, uploads: dict | None = None, **fields):
    return METHODS[method.lower()](state, Params({"chat_id": OWNER, **fields}, uploads or {}))


def refusal(state: TelegramState, method: str, uploads: dict | None = None, **fields) -> str:
    with pytest.raises(ApiError) as error:
        call(state, method, uploads, **fields)
    return error.value.description


def buttons(*rows: list[dict]) -> dict:
    return {"inline_keyboard": list(rows)}


APPROVE = {"text": "✅ 승인", "callback_data": "d:1:a"}


def test_text_limits_count_after_the_entities_are_parsed(state):
    assert call(state, "sendMessage", text="<b>" + "가" * 4096 + "</b>", parse_mode="HTML")
    assert refusal(state, "sendMessage", text="가" * 4097) == "Bad Request: message is too long"
    assert refusal(state, "sendMessage", text=" <b> </b> ", parse_mode="HTML") == "Bad Request: message text is empty"
    assert refusal(state, "sendMessage", text="*a*", parse_mode="MarkdownV2") == "Bad Request: unsupported parse_mode"
    photo = {"photo": Upload("a.png", "image/png", png())}
    assert call(state, "sendPhoto", photo, caption="a" * 1024)
    assert refusal(state, "sendPhoto", photo, caption="a" * 1025) == "Bad Request: message caption is too long"


@pytest.mark.parametrize(
    ("button", "words"),
    [
        ({"text": "a", "callback_data": "가" * 22}, "BUTTON_DATA_INVALID"),
        ({"text": "a", "callback_data": ""}, "BUTTON_DATA_INVALID"),
        ({"text": "a"}, "Text buttons are not allowed in the inline keyboard"),
        ({"text": "a", "callback_data": "x", "url": "https://a.example"}, "BUTTON_TYPE_INVALID"),
        ({"text": "a", "url": "javascript:alert(1)"}, "BUTTON_URL_INVALID"),
        ({"text": "a", "callback_data": "x", "style": "pink"}, "invalid button style specified"),
    ],
)
def test_buttons_telegram_would_not_take(state, button, words):
    assert refusal(state, "sendMessage", text="x", reply_markup=buttons([button])) == f"Bad Request: {words}"


def test_sixty_four_bytes_of_callback_data_are_fine(state):
    sent = call(state, "sendMessage", text="x", reply_markup=buttons([{"text": "a", "callback_data": "가" * 21 + "b"}]))
    assert sent["reply_markup"]["inline_keyboard"][0][0]["text"] == "a"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "file must be non-empty"),
        (b"GIF89a", "IMAGE_PROCESS_FAILED"),
        (png()[:-12], "IMAGE_PROCESS_FAILED"),
        (png(9000, 2000), "PHOTO_INVALID_DIMENSIONS"),
        (png(2100, 100), "PHOTO_INVALID_DIMENSIONS"),
    ],
)
def test_photos_telegram_would_not_take(state, data, words):
    photo = {"photo": Upload("a.png", "image/png", data)}
    assert refusal(state, "sendPhoto", photo) == f"Bad Request: {words}"


def test_jpeg_sizes_are_read_from_the_frame_header(state):
    app0 = b"\xff\xe0\x00\x04ab"
    jpeg = b"\xff\xd8" + app0 + b"\xff\xc2\x00\x11\x08" + struct.pack(">HH", 30, 40) + b"\0" * 12
    sent = call(state, "sendPhoto", {"photo": Upload("a.jpg", "image/jpeg", jpeg)})
    assert (sent["photo"][0]["width"], sent["photo"][0]["height"]) == (40, 30)


def test_an_edit_without_markup_removes_the_keyboard(state):
    sent = call(state, "sendMessage", text="x", reply_markup=buttons([APPROVE]))
    at = {"message_id": sent["message_id"]}
    assert "not modified" in refusal(state, "editMessageText", **at, text="x", reply_markup=buttons([APPROVE]))
    edited = call(state, "editMessageText", **at, text="x")
    assert "reply_markup" not in edited
    assert edited["edit_date"] == edited["date"]
    assert "not modified" in refusal(state, "editMessageText", **at, text="x")
    assert "reply_markup" in call(state, "editMessageReplyMarkup", **at, reply_markup=buttons([APPROVE]))


def test_only_the_bots_own_messages_can_be_edited(state):
    words = "Bad Request: message can't be edited"
    assert refusal(state, "editMessageText", message_id=1, text="x") == words
    words = "Bad Request: message to edit not found"
    assert refusal(state, "editMessageText", message_id=99, text="x") == words


def test_the_same_picture_again_is_no_change(state):
    first = {"photo": Upload("a.png", "image/png", png())}
    sent = call(state, "sendPhoto", first, caption="c")
    again = {"x": Upload("b.png", "image/png", png())}
    media = {"type": "photo", "media": "attach://x", "caption": "c"}
    assert "not modified" in refusal(state, "editMessageMedia", again, message_id=sent["message_id"], media=media)
    other = {"x": Upload("b.png", "image/png", png(9, 9))}
    assert call(state, "editMessageMedia", other, message_id=sent["message_id"], media=media)["photo"][0]["width"] == 9
    assert state.photos == 2


def test_a_callback_takes_exactly_one_answer_in_time(state, clock):
    sent = call(state, "sendMessage", text="x", reply_markup=buttons([APPROVE]))
    press = person.Tap(sent["message_id"], label="승인")
    query = person.tap(state, OWNER, press)["query_id"]
    clock.at += timedelta(hours=5)
    assert call(state, "answerCallbackQuery", callback_query_id=query, text="ok") is True
    assert "query is too old" in refusal(state, "answerCallbackQuery", callback_query_id=query)
    late = person.tap(state, OWNER, press)["query_id"]
    clock.real += 31
    assert "query is too old" in refusal(state, "answerCallbackQuery", callback_query_id=late)


def test_buttons_are_found_by_label_and_forged_data_needs_to_say_so(state):
    sent = call(
        state, "sendMessage", text="x", reply_markup=buttons([APPROVE, {"text": "🚫 무시", "callback_data": "i"}])
    )
    at = sent["message_id"]
    with pytest.raises(SimError, match="no such button; buttons: ✅ 승인, 🚫 무시"):
        person.tap(state, OWNER, person.Tap(at, label="매도"))
    with pytest.raises(SimError, match="no such button"):
        person.tap(state, OWNER, person.Tap(at, data="d:2:a"))
    person.tap(state, EVE, person.Tap(at, data="d:1:a", forge=True))
    query = state.updates.pending[-1]["callback_query"]
    assert (query["from"]["id"], query["message"]["date"]) == (EVE, 0)


def test_who_can_be_written_to(state):
    assert refusal(state, "sendMessage", chat_id=5, text="x") == "Bad Request: chat not found"
    assert refusal(state, "sendMessage", chat_id="", text="x") == "Bad Request: chat_id is empty"
    assert refusal(state, "sendMessage", chat_id=EVE, text="x").startswith("Forbidden: bot can't initiate conversation")
    assert refusal(state, "getChat", chat_id=EVE) == "Bad Request: chat not found"
    person.set_blocked(state, OWNER, blocked=True)
    assert refusal(state, "sendMessage", text="x") == "Forbidden: bot was blocked by the user"


def test_replies_need_their_target(state):
    assert refusal(state, "sendMessage", text="x", reply_parameters={"message_id": 77}).endswith("replied not found")
    loose = {"message_id": 77, "allow_sending_without_reply": True}
    assert "reply_to_message" not in call(state, "sendMessage", text="x", reply_parameters=loose)
    assert call(state, "sendMessage", text="x", reply_to_message_id="1")["reply_to_message"]["text"] == "/start"


def test_messages_older_than_two_days_stay(state, clock):
    clock.at += timedelta(hours=49)
    assert refusal(state, "deleteMessage", message_id=1).endswith("can't be deleted for everyone")
    assert refusal(state, "deleteMessage", message_id=50).endswith("message to delete not found")


def test_reply_keyboards_are_kept_until_removed(state):
    keyboard = {"keyboard": [["포트폴리오", {"text": "차트"}]], "one_time_keyboard": True}
    assert "reply_markup" not in call(state, "sendMessage", text="x", reply_markup=keyboard)
    assert state.chats[OWNER].reply_keyboard["keyboard"] == [[{"text": "포트폴리오"}, {"text": "차트"}]]
    person.send_text(state, OWNER, "다른 말")
    assert state.chats[OWNER].reply_keyboard is not None
    person.send_text(state, OWNER, "차트")
    assert state.chats[OWNER].reply_keyboard is None
    call(state, "sendMessage", text="x", reply_markup=keyboard)
    call(state, "sendMessage", text="x", reply_markup={"remove_keyboard": True})
    assert state.chats[OWNER].reply_keyboard is None


def test_faults_fit_by_method_and_content_and_are_used_up(state):
    state.add_fault(Fault("sendMessage", 429, "slow", retry_after=2, times=2, contains="NVDA"))
    params = Params({"text": "NVDA"})
    assert state.take_fault("sendPhoto", params) is None
    assert state.take_fault("sendMessage", Params({"text": "AMD"})) is None
    assert state.take_fault("SENDMESSAGE", params).envelope()["parameters"] == {"retry_after": 2}
    assert state.take_fault("sendMessage", params).code == 429
    assert state.take_fault("sendMessage", params) is None


def test_the_narrowest_scope_and_the_own_language_win(state):
    def put(name: str, **where) -> None:
        call(state, "setMyCommands", commands=[{"command": name, "description": "x"}], **where)

    for step, where in (
        ("default", {}),
        ("korean", {"language_code": "ko"}),
        ("private", {"scope": {"type": "all_private_chats"}}),
        ("own", {"scope": {"type": "chat", "chat_id": OWNER}}),
    ):
        put(step, **where)
        assert commands_for(state, OWNER)[0]["command"] == step
    assert commands_for(state, EVE)[0]["command"] == "private"
    for name in ("시작", "Start", "a b", ""):
        command = [{"command": name, "description": "x"}]
        assert refusal(state, "setMyCommands", commands=command) == "Bad Request: BOT_COMMAND_INVALID"


def test_pinning_tells_the_chat_and_the_bot(state):
    sent = call(state, "sendMessage", text="상태판")
    call(state, "pinChatMessage", message_id=sent["message_id"])
    notice = state.updates.pending[-1]["message"]
    assert (notice["from"]["is_bot"], notice["pinned_message"]["text"]) == (True, "상태판")
    call(state, "deleteMessage", message_id=sent["message_id"])
    assert state.chats[OWNER].pinned == []


def test_the_transcript_can_be_grepped(state):
    photo = {"photo": Upload("a.png", "image/png", png(40, 30))}
    sent = call(state, "sendPhoto", photo, caption="카드", reply_markup=buttons([APPROVE]))
    call(state, "setMessageReaction", message_id=1, reaction=[{"type": "emoji", "emoji": "👀"}])
    lines = chat_text(state, OWNER).splitlines()
    assert f"#{sent['message_id']} bot 2026-11-20 23:30:00 KST [photo 40x30]" in lines
    assert "  [✅ 승인]" in lines
    assert lines[0] == "#1 서학 2026-11-20 23:30:00 KST [reaction 👀]"


@pytest.mark.parametrize("reaction", [[{"type": "emoji", "emoji": "✅"}], [{"type": "paid"}], ["👍"]])
def test_reactions_outside_the_list_are_refused(state, reaction):
    assert refusal(state, "setMessageReaction", message_id=1, reaction=reaction) == "Bad Request: REACTION_INVALID"


@pytest.mark.parametrize("count", [0, 1, 11])
def test_albums_have_two_to_ten_items_and_leave_nothing_behind_when_refused(state, count):
    photo = {"p": Upload("a.png", "image/png", png())}
    refusal(state, "sendMediaGroup", photo, media=[{"type": "photo", "media": "attach://p"}] * count)
    media = [{"type": "photo", "media": "attach://p"}, {"type": "photo", "media": "attach://q"}]
    assert refusal(state, "sendMediaGroup", photo, media=media).endswith("wrong file identifier/HTTP URL specified")
    assert len(state.chats[OWNER].messages) == 1
    assert not state.files
