"""Updates that must not act: every command, button and other shape, from everybody who is not an owner in private."""

import itertools

from bot_world import EVE, NOW, OWNER

from bot.keyboards import CHANGING, Act
from bot.registry import COMMANDS
from sandbox.telegram.model import Json

VIEWER, GROUP, BOT = 8008, -100_500, 123456
ANONYMOUS = 1_087_968_824
LONG_AGO = 3_600
PERSON = {"is_bot": False, "first_name": "x"}
_ids = itertools.count(900_000_001)


def message(text: str, user: int = OWNER, *, age_s: int = 0, chat: Json | None = None, **more) -> Json:
    """A text message as the Bot API sends it."""
    made = {
        "message_id": next(_ids),
        "date": int(NOW.timestamp()) - age_s,
        "from": {"id": user, **PERSON},
        "chat": chat or {"id": user, "type": "private", "first_name": "x"},
        "text": text,
    }
    if text.startswith("/"):
        length = len(text.split(maxsplit=1)[0])
        made["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
    return made | more


def captioned(made: Json) -> Json:
    """The same words under a photo."""
    photo = [{"file_id": "f", "file_unique_id": "u", "width": 9, "height": 9}]
    rest = {k: v for k, v in made.items() if k not in {"text", "entities"}}
    return rest | {"photo": photo, "caption": made["text"], "caption_entities": made.get("entities", [])}


def press(data: str, user: int, *, chat: Json | None = None) -> Json:
    """A pressed button under a message of the bot's."""
    under = message("?", user, chat=chat) | {"from": {"id": BOT, "is_bot": True, "first_name": "b"}}
    return {
        "id": str(next(_ids)),
        "from": {"id": user, **PERSON},
        "chat_instance": "1",
        "message": under,
        "data": data,
    }


def texts() -> list[str]:
    """Each changing command by name and by word, with arguments; dialogue input; a start with payload; typed words."""
    found = []
    for spec in COMMANDS:
        if spec.changes:
            tail = {"mode": " auto", "buy": " NVDA 500000"}.get(spec.name, " NVDA" if spec.needs else "")
            found += [f"/{spec.name}{tail}", f"/{spec.name.upper()}@seohak_demo_bot{tail}", f"{spec.words[0]}{tail}"]
    return [*found, "7", "청산", "LIQUIDATE", "123456", "/start panic", "/start approve_plan1_n1"]


def data(nonces: dict[str, str]) -> list[str]:
    """Plausible, foreign and garbage data for each act; `nonces` are live ones of the owner's."""
    made = []
    for act in Act:
        args = ["", ":", ":plan1:n1", ":deadbeefdeadbeef", ":..:..", ":y"]
        args += [f":{nonce}" for nonce in nonces.values()]
        args += {
            Act.MODE: [":auto"],
            Act.SETTINGS: [":ok", ":key:trading.max_positions", ":sec:trading", ":undo:1"],
            Act.LANGUAGE: [":en"],
        }.get(act, [])
        made += [act.value + arg for arg in args]
    return [*made, "zz", "\u0000", "'; DROP TABLE cards;--", "가" * 21, "{}"]


def changing(presses: list[str]) -> list[str]:
    """Those that are not only looking."""
    acts = {act.value for act in CHANGING}
    return [each for each in presses if each.split(":")[0] in acts]


def attacks(presses: list[str]) -> list[tuple[str, Json]]:
    """(who, update) for every shape times every sender that must not act."""
    group = {"id": GROUP, "type": "supergroup", "title": "g"}
    channel = {"id": GROUP - 1, "type": "channel", "title": "c"}
    bot = {"id": 77, "is_bot": True, "first_name": "via"}
    origin = {"type": "user", "date": int(NOW.timestamp()), "sender_user": {"id": OWNER, **PERSON}}
    found: list[tuple[str, Json]] = []
    for text in texts():
        urgent = text.lower().startswith("/panic") or text == "패닉"
        found += [
            ("stranger", {"message": message(text, EVE)}),
            ("viewer", {"message": message(text, VIEWER)}),
            ("group", {"message": message(text, OWNER, chat=group)}),
            ("anonymous", {"message": message(text, ANONYMOUS, chat=group, sender_chat=group)}),
            ("anonymous", {"message": message(text, OWNER, sender_chat=channel)}),
            ("channel", {"channel_post": message(text, OWNER, chat=channel)}),
            ("edited", {"edited_message": message(text, OWNER) | {"edit_date": int(NOW.timestamp())}}),
            ("forwarded", {"message": message(text, OWNER, forward_origin=origin)}),
            ("via_bot", {"message": message(text, OWNER, via_bot=bot)}),
            ("business", {"business_message": message(text, OWNER, business_connection_id="b")}),
            ("business", {"message": message(text, OWNER, business_connection_id="b")}),
            ("caption", {"message": captioned(message(text, OWNER))}),
            ("caption", {"message": captioned(message(text, EVE))}),
        ]
        if not urgent:
            found.append(("stale", {"message": message(text, OWNER, age_s=LONG_AGO)}))
    for each in presses:
        found += [("stranger", {"callback_query": press(each, EVE)})]
    for each in changing(presses):
        found += [("group", {"callback_query": press(each, OWNER, chat=group)})]
        found += [("viewer", {"callback_query": press(each, VIEWER)})]
    inline = {"id": "9", "from": {"id": OWNER, **PERSON}, "chat_instance": "1", "inline_message_id": "i", "data": "P"}
    found.append(("inline", {"callback_query": inline}))
    return [(who, {"update_id": next(_ids)} | update) for who, update in found]


def forged() -> list[Json]:
    """What an owner's own client could send: acts with tokens that were never given or are used up."""
    made = [d for d in changing(data({})) if not d.startswith(("m:auto", "s:key", "s:sec", "a:plan1:n1", "i:plan1:n1"))]
    return [{"update_id": next(_ids), "callback_query": press(each, OWNER)} for each in made]
