"""Messages that are edited in place until their subject is over: one per owner, kept across restarts."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import partial
from typing import Generic, TypeVar

import msgspec

from bot.deps import BotDeps
from bot.i18n import Translator
from bot.messenger import Messenger, Sent
from bot.views.base import View
from ports.store import Card, StoreUnavailable

log = logging.getLogger(__name__)
M = TypeVar("M", bound=msgspec.Struct)
MOST = 500
RECENT = 200


class Post(Generic[M]):
    """A subject and the messages that show it; `drawn` is what they show now."""

    def __init__(self, key: str, model: M) -> None:
        self.key = key
        self.model = model
        self.posted: dict[int, Sent] = {}
        self.drawn: M | None = None
        self.lock = asyncio.Lock()

    def shows(self, chat_id: int, message_id: int) -> bool:
        """Whether this is one of its messages."""
        sent = self.posted.get(chat_id)
        return sent is not None and sent.message_id == message_id


class Posts(Generic[M]):
    """All posts of one kind. `shape` is their model, `view` their words; `renew` sends a deleted message again."""

    def __init__(
        self,
        deps: BotDeps,
        messenger: Messenger,
        speak: Callable[[int], Translator],
        *,
        kind: str,
        shape: type[M],
        view: Callable[[M, Translator], View],
        renew: bool = False,
    ) -> None:
        self._deps = deps
        self._messenger = messenger
        self._speak = speak
        self._kind = kind
        self._shape = shape
        self._view = view
        self._renew = renew
        self._known: OrderedDict[str, Post[M]] = OrderedDict()

    def add(self, post: Post[M]) -> Post[M]:
        """Remember a post; the one that is known already wins."""
        known = self._known.setdefault(post.key, post)
        self._known.move_to_end(post.key)
        while len(self._known) > MOST:
            self._known.popitem(last=False)
        return known

    async def find(self, key: str) -> Post[M] | None:
        """A post by its key: in memory, else from its records."""
        if key in self._known:
            return self._known[key]
        try:
            records = await self._deps.chat.cards(key)
        except StoreUnavailable as trouble:
            log.warning("records can't be read: %s", trouble)
            return None
        return self._restore(key, records)

    async def search(self, wanted: Callable[[M], bool]) -> list[Post[M]]:
        """The posts whose model is wanted, newest first, also those of before a restart."""
        try:
            records = await self._deps.chat.recent_cards(self._kind, limit=RECENT)
        except StoreUnavailable as trouble:
            log.warning("records can't be read: %s", trouble)
            records = ()
        for key in dict.fromkeys(r.key for r in records):
            if key not in self._known:
                self._restore(key, [r for r in records if r.key == key])
        return [post for post in reversed(self._known.values()) if wanted(post.model)]

    def _restore(self, key: str, records: Iterable[Card]) -> Post[M] | None:
        post: Post[M] | None = None
        for record in records:
            if record.kind != self._kind:
                continue
            try:
                model = msgspec.json.decode(str(record.data.get("model", "")), type=self._shape)
            except (msgspec.DecodeError, ValueError):
                # an older version wrote it differently
                continue
            post = post or Post(key, model)
            post.drawn = model
            post.posted[record.chat_id] = Sent(record.chat_id, record.message_id)
        return self.add(post) if post is not None else None

    async def draw(
        self, post: Post[M], *, owners: frozenset[int] | None = None, quiet: bool = False, urgent: bool = False
    ) -> list[Sent]:
        """Bring every message up to the model; `owners` (all unless named) who have none get one. Returns the new ones."""
        made: list[Sent] = []
        wanted = self._deps.owners if owners is None else owners
        async with post.lock:
            tried: set[int] = set()
            while post.drawn != post.model or wanted - tried - post.posted.keys():
                drawn, model = post.drawn, post.model
                for owner in sorted(self._deps.owners):
                    if owner in post.posted:
                        await self._edit(post, owner, drawn, model)
                    if owner not in post.posted and owner in wanted - tried:
                        tried.add(owner)
                        sent = await self._send(owner, self._view(model, self._speak(owner)), quiet, urgent)
                        if sent is not None:
                            post.posted[owner] = sent
                            made.append(sent)
                post.drawn = model
                await self.keep(post)
        return made

    async def _send(self, owner: int, view: View, quiet: bool, urgent: bool) -> Sent | None:
        return await self._messenger.patiently(partial(self._messenger.send, owner, view, quiet=quiet, urgent=urgent))

    async def _edit(self, post: Post[M], owner: int, drawn: M | None, model: M) -> None:
        t = self._speak(owner)
        view = self._view(model, t)
        if drawn is not None and view == self._view(drawn, t):
            return
        edited = await self._messenger.patiently(partial(self._messenger.edit, post.posted[owner], view))
        if not edited and self._renew:
            del post.posted[owner]

    async def keep(self, post: Post[M]) -> None:
        """Write down what its messages show; a database that is away costs only the memory of a restart."""
        data = msgspec.json.encode(post.model).decode()
        try:
            for sent in post.posted.values():
                record = Card(
                    key=post.key,
                    kind=self._kind,
                    chat_id=sent.chat_id,
                    message_id=sent.message_id,
                    state=self._kind,
                    data={"model": data},
                )
                await self._deps.chat.put_card(record)
        except StoreUnavailable as trouble:
            log.warning("%s %s is not kept: %s", self._kind, post.key, trouble)
