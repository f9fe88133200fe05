"""Everything the Telegram sandbox remembers; the rules live in the neighbouring modules."""

import base64
import hashlib
import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from sandbox.telegram.errors import ApiError, SimError
from sandbox.telegram.flood import Flood
from sandbox.telegram.model import (
    DEFAULT_BOT,
    DEFAULT_GROUPS,
    DEFAULT_TOKEN,
    DEFAULT_USERS,
    CallbackQuery,
    Clock,
    Fault,
    Group,
    Json,
    Message,
    OutboxEntry,
    StoredFile,
    User,
)
from sandbox.telegram.params import Params
from sandbox.telegram.updates import Pollers, UpdateQueue

MAX_MESSAGES = 10_000
MAX_FILES = 3_000
MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_OUTBOX = 5_000
MAX_QUERIES = 1_000
MAX_FAULTS = 100
Listener = Callable[[Json], None]
MAX_RESULT = 16_384
_TOKEN = re.compile(r"\d+:[A-Za-z0-9_-]+")


@dataclass(slots=True)
class Conversation:
    """The private chat of one person with the bot, or a group; the bot may have `left` the latter."""

    peer: User | Group
    opened: bool = False
    blocked: bool = False
    left: bool = False
    messages: dict[int, Message] = field(default_factory=dict)
    pinned: list[int] = field(default_factory=list)
    reactions: dict[int, list[Json]] = field(default_factory=dict)
    reply_keyboard: Json | None = None
    menu_button: Json | None = None
    answers: deque[Json] = field(default_factory=lambda: deque(maxlen=MAX_QUERIES))

    @property
    def id(self) -> int:
        """The chat's id: the person's own in a private chat."""
        return self.peer.id

    @property
    def members(self) -> tuple[int, ...]:
        """Ids of the people in it."""
        return self.peer.members if isinstance(self.peer, Group) else (self.peer.id,)

    def keep(self, message: Message) -> None:
        """Store a new or changed message; the oldest go when there are too many."""
        self.messages[message.message_id] = message
        while len(self.messages) > MAX_MESSAGES:
            self.messages.pop(next(iter(self.messages)))


@dataclass(slots=True)
class Profile:
    """What the bot has told Telegram about itself, by language and scope."""

    commands: dict[tuple[str, str], list[Json]] = field(default_factory=dict)
    texts: dict[tuple[str, str], str] = field(default_factory=dict)
    menu_button: Json = field(default_factory=lambda: {"type": "commands"})


class TelegramState:
    """One bot, its people, and the log of what happened; used from one event loop."""

    def __init__(
        self,
        clock: Clock,
        token: str = DEFAULT_TOKEN,
        users: Iterable[User] = DEFAULT_USERS,
        bot: User = DEFAULT_BOT,
        monotonic: Callable[[], float] = time.monotonic,
        flood: Flood | None = None,
        groups: Iterable[Group] = DEFAULT_GROUPS,
    ) -> None:
        """`monotonic` (real seconds) ages callback queries: a fast market clock must not. Without `flood` all may flood."""
        if not _TOKEN.fullmatch(token):
            raise ValueError("a bot token looks like 123456:letters")
        self.clock = clock
        self.token = token
        self.bot = replace(bot, id=int(token.split(":", maxsplit=1)[0]))
        self.monotonic = monotonic
        self.flood = flood
        self.users = {user.id: user for user in users}
        self.chats = {user.id: Conversation(user) for user in self.users.values()}
        self.chats |= {
            group.id: Conversation(group, opened=True) for group in groups if set(group.members) <= set(self.users)
        }
        self.profile = Profile()
        self.updates = UpdateQueue()
        self.pollers = Pollers()
        # another program's: nothing is delivered to it, but getUpdates is refused while it stands
        self.webhook = ""
        self.last_poll: float | None = None
        self.files: dict[str, StoredFile] = {}
        self.queries: dict[str, CallbackQuery] = {}
        self.faults: list[Fault] = []
        self.outbox: deque[OutboxEntry] = deque(maxlen=MAX_OUTBOX)
        self.edits = 0
        self.photos = 0
        self._message_id = 0
        self._seq = 0
        self._serial = 0
        self._file_bytes = 0
        self._listeners: set[Listener] = set()

    def now_s(self) -> int:
        """The clock in whole Unix seconds, Telegram's `date`."""
        return int(self.clock.now().timestamp())

    def next_message_id(self) -> int:
        """Message ids grow through all chats of the bot."""
        self._message_id += 1
        return self._message_id

    def unique(self, prefix: str) -> str:
        """An opaque id that never repeats within the life of this state."""
        self._serial += 1
        digest = hashlib.sha256(f"{prefix}{self._serial}".encode()).digest()
        return prefix + base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def user(self, user_id: int) -> User:
        """A known person; SimError for anybody else."""
        try:
            return self.users[user_id]
        except KeyError:
            raise SimError(f"no user {user_id}; known: {sorted(self.users)}") from None

    def conversation(self, user_id: int, chat_id: int | None = None) -> Conversation:
        """The person's private chat, or the named chat that the person is in; SimError for anything else."""
        user = self.user(user_id)
        chat = self.chats.get(user.id if chat_id is None else chat_id)
        if chat is None or user.id not in chat.members:
            raise SimError(f"user {user_id} is in no chat {chat_id}")
        return chat

    def groups(self) -> list[Conversation]:
        """Every chat that is not private."""
        return [chat for chat in self.chats.values() if isinstance(chat.peer, Group)]

    def store(self, file: StoredFile) -> StoredFile:
        """Keep an uploaded file; the oldest go when there are too many."""
        self.files[file.file_id] = file
        self.photos += file.is_photo
        self._file_bytes += len(file.data)
        while len(self.files) > 1 and (len(self.files) > MAX_FILES or self._file_bytes > MAX_FILE_BYTES):
            self._file_bytes -= len(self.files.pop(next(iter(self.files))).data)
        return file

    def keep_query(self, query: CallbackQuery) -> None:
        """Remember a pressed button until it is answered."""
        self.queries[query.id] = query
        while len(self.queries) > MAX_QUERIES:
            self.queries.pop(next(iter(self.queries)))

    def push_update(self, kind: str, payload: Json) -> int | None:
        """Queue an update for the bot and wake its poll."""
        update_id = self.updates.add(kind, payload)
        if update_id is not None:
            self.pollers.wake()
        return update_id

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` with every change; returns how to stop."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def emit(self, kind: str, **details: object) -> None:
        """Tell the pages what changed."""
        for listener in tuple(self._listeners):
            listener({"type": kind, **details})

    def log(self, method: str, params: Params, error: ApiError | None, result: object) -> None:
        """Add a finished call to the outbox."""
        self._seq += 1
        at = self.clock.now().isoformat(timespec="milliseconds")
        message_id = result.get("message_id") if isinstance(result, dict) else None
        entry = OutboxEntry(
            seq=self._seq,
            at=at,
            method=method,
            params=params.summary(),
            ok=error is None,
            error_code=error.code if error else 0,
            description=error.description if error else "",
            message_id=message_id,
            result=_shown(result) if error is None else None,
        )
        self.outbox.append(entry)
        self.emit("outbox", entry=entry.to_json())

    def add_fault(self, fault: Fault) -> None:
        """Arm a fault; the list is bounded."""
        if len(self.faults) >= MAX_FAULTS:
            raise SimError(f"more than {MAX_FAULTS} faults")
        self.faults.append(fault)

    def take_fault(self, method: str, params: Params) -> ApiError | None:
        """The error of the first armed fault that fits this call, used up by one."""
        for index, fault in enumerate(self.faults):
            if fault.method.lower() not in {"*", method.lower()}:
                continue
            if fault.contains and fault.contains not in json.dumps(params.summary(), ensure_ascii=False):
                continue
            if fault.times > 1:
                self.faults[index] = replace(fault, times=fault.times - 1)
            else:
                del self.faults[index]
            return ApiError(fault.code, fault.description, fault.retry_after)
        return None

    def reset(self) -> None:
        """Empty chats, files, faults, log and queue; ids go on growing and the bot's profile stays."""
        self.chats = {one: Conversation(chat.peer, opened=chat.id < 0) for one, chat in self.chats.items()}
        self.updates.pending.clear()
        self.files.clear()
        self.queries.clear()
        self.faults.clear()
        self.outbox.clear()
        self.edits = self.photos = self._file_bytes = 0
        self.emit("reset")


def _shown(result: object) -> object:
    """A result for the log: long ones are cut to text."""
    text = json.dumps(result, ensure_ascii=False)
    return result if len(text) <= MAX_RESULT else text[:MAX_RESULT] + "…"
