"""The nouns of the Telegram sandbox: people, files, messages, faults, logged calls."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from sandbox.telegram.entities import FormattedText

Json: TypeAlias = dict[str, Any]


class Clock(Protocol):
    """What gives the market instant."""

    def now(self) -> datetime:
        """Aware UTC datetime."""


@dataclass(frozen=True, slots=True)
class User:
    """A person or the bot."""

    id: int
    first_name: str
    language_code: str = ""
    username: str = ""
    is_bot: bool = False

    def __post_init__(self) -> None:
        if self.id <= 0 or not self.first_name:
            raise ValueError("a user needs a positive id and a first name")

    def to_wire(self) -> Json:
        """The Bot API's User."""
        wire: Json = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        if self.username:
            wire["username"] = self.username
        if self.language_code:
            wire["language_code"] = self.language_code
        return wire

    def to_chat(self) -> Json:
        """The Bot API's Chat of a private conversation with this person."""
        wire: Json = {"id": self.id, "type": "private", "first_name": self.first_name}
        if self.username:
            wire["username"] = self.username
        return wire


@dataclass(frozen=True, slots=True)
class Group:
    """A group, supergroup or channel: a negative id, and the ids of the people in it, the owner first."""

    id: int
    title: str
    members: tuple[int, ...]
    kind: str = "supergroup"

    def __post_init__(self) -> None:
        if self.id >= 0 or not self.title or not self.members or self.kind not in {"group", "supergroup", "channel"}:
            raise ValueError("a group needs a negative id, a title, members, and a kind that Telegram has")

    def to_chat(self) -> Json:
        """The Bot API's Chat."""
        return {"id": self.id, "type": self.kind, "title": self.title}


@dataclass(frozen=True, slots=True)
class StoredFile:
    """Bytes the bot uploaded; photos know their size in pixels."""

    file_id: str
    unique_id: str
    path: str
    name: str
    mime: str
    data: bytes
    width: int = 0
    height: int = 0

    @property
    def is_photo(self) -> bool:
        """A photo, as opposed to a document."""
        return self.width > 0

    def to_wire(self) -> Json:
        """PhotoSize or Document."""
        wire: Json = {"file_id": self.file_id, "file_unique_id": self.unique_id, "file_size": len(self.data)}
        if self.is_photo:
            return wire | {"width": self.width, "height": self.height}
        return wire | {"file_name": self.name, "mime_type": self.mime}


@dataclass(frozen=True, slots=True)
class Message:
    """One message; the body is a text, or the caption of `media`; `author` is who wrote it behind an anonymous sender."""

    message_id: int
    chat: User | Group
    sender: User
    date: int
    body: FormattedText
    media: StoredFile | None = None
    keyboard: Json | None = None
    reply_to: int | None = None
    quote: str = ""
    pinned_id: int | None = None
    forward_origin: Json | None = None
    group_id: str = ""
    caption_above: bool = False
    media_spoiler: bool = False
    silent: bool = False
    protected: bool = False
    edited: int = 0
    edits: int = 0
    author: int = 0
    sender_chat: Json | None = None
    via_bot: User | None = None
    service: Json | None = None
    lost_keyboard: Json | None = None

    @property
    def from_bot(self) -> bool:
        """Sent by the bot, not by a person, an anonymous one included."""
        return self.sender.is_bot and not self.author


@dataclass(frozen=True, slots=True)
class CallbackQuery:
    """A pressed button that waits for exactly one answer; `asked` is in monotonic seconds."""

    id: str
    user_id: int
    chat_id: int
    message_id: int
    data: str
    asked: float


@dataclass(frozen=True, slots=True)
class Fault:
    """An error to give `times` times to calls of `method` (`*`: all) whose parameters contain a text."""

    method: str
    code: int
    description: str
    retry_after: int | None = None
    times: int = 1
    contains: str = ""

    def __post_init__(self) -> None:
        if not 400 <= self.code <= 599 or not 1 <= self.times <= 1_000_000:
            raise ValueError("a fault needs a code in 400..599 and a positive number of times")


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One finished Bot API call."""

    seq: int
    at: str
    method: str
    params: Json
    ok: bool
    error_code: int = 0
    description: str = ""
    message_id: int | None = None
    result: Any = None

    def to_json(self) -> Json:
        """What /sim/outbox and the page show."""
        entry: Json = {"seq": self.seq, "at": self.at, "method": self.method, "params": self.params, "ok": self.ok}
        if not self.ok:
            entry |= {"error_code": self.error_code, "description": self.description}
        if self.message_id is not None:
            entry["message_id"] = self.message_id
        if self.ok:
            entry["result"] = self.result
        return entry


DEFAULT_USERS = (User(7001, "서학", "ko"), User(7002, "지민", "ko"), User(9009, "Eve", "en"))
DEFAULT_GROUPS = (Group(-1002026112801, "미국주식 스터디", (7001, 7002, 9009)),)
# Telegram's own accounts: who "sends" for anonymous administrators, and for posts that a channel copies to its group.
ANONYMOUS_ADMIN = User(1087968824, "Group", username="GroupAnonymousBot", is_bot=True)
DEFAULT_BOT = User(123456, "서학봇", username="seohak_demo_bot", is_bot=True)
DEFAULT_TOKEN = "123456:SANDBOX-TOKEN-not-a-real-one-000000"  # noqa: S105 - says itself that it is none
