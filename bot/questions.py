"""Questions to the owners: posts a card for what only a person can decide, and rewrites it when that is decided."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from bot.deps import BotDeps
from bot.i18n import Translator
from bot.messenger import Messenger
from bot.posts import Post, Posts
from bot.question import Kind, Question, Stage, asked, closed, key_of, with_more, with_order, with_reply
from bot.values import whole
from bot.views import questions as views
from core.model.commands import AskStatus, Reply
from core.model.messages import Event, EventKind
from core.model.order import Intent, IntentState
from ports.control import TraderUnreachable

Work = Coroutine[Any, Any, None]
# What ends a frozen ticker without an answer.
THAWS = {EventKind.UNFROZEN: Stage.RESOLVED, EventKind.SOLD: Stage.CLOSED}


class Questions:
    """The open questions and their cards; they survive a restart."""

    def __init__(self, deps: BotDeps, messenger: Messenger, speak: Callable[[int], Translator]) -> None:
        self._deps = deps
        self._messenger = messenger
        self._speak = speak
        self._posts = Posts(deps, messenger, speak, kind="question", shape=Question, view=views.question)

    async def event(self, event: Event) -> Work | None:
        """Take an event; the returned work sends or rewrites cards."""
        if event.kind in THAWS:
            return self._thaw(event, THAWS[event.kind])
        key = key_of(event)
        if key is None:
            return None
        known = await self._posts.find(key)
        if known is None:
            return self._ask(event, key)
        if event.kind is not EventKind.MANUAL_BOUGHT or event.id in known.model.events:
            # told before: the card is completed where a restart interrupted it
            return self.show(known)
        was_open = known.model.open
        known.model = with_more(known.model, event)
        return self.show(known) if was_open else self._tell_more(known, event)

    async def find(self, nonce: str) -> Post[Question] | None:
        """The card of a pressed button."""
        found = await self._posts.search(lambda q: q.nonce == nonce)
        return found[0] if found else None

    def take(self, post: Post[Question], answer: str, reply: Reply) -> None:
        """Take the trader's answer to a press on a card; `show` rewrites it then."""
        post.model = with_reply(post.model, answer, reply, self._deps.clock.now())

    async def show(self, post: Post[Question]) -> None:
        """Bring a card's messages up to date."""
        await self._posts.draw(post, urgent=post.model.kind is not Kind.MANUAL)

    async def _ask(self, event: Event, key: str) -> None:
        question = asked(event, key)
        if question.kind is Kind.MATCHING:
            question = with_order(question, await self._order(event.ticker))
        if question.kind is Kind.FROZEN:
            # a later reason replaces the card of an earlier one
            await self._thaw(event, Stage.CLOSED)
        await self.show(self._posts.add(Post(key, question)))

    async def _order(self, ticker: str) -> Intent | None:
        """The order of ours that waits for a person's word, as the trader sees it."""
        try:
            reply = await self._deps.control.send(AskStatus(by="bot"))
        except TraderUnreachable:
            return None
        orders = reply.status.orders if reply.status else ()
        return next((o for o in orders if o.request.ticker == ticker and o.state is IntentState.HUMAN), None)

    async def _thaw(self, event: Event, stage: Stage) -> None:
        found = await self._posts.search(
            lambda q: q.kind is Kind.FROZEN and q.open and q.ticker == event.ticker and q.at <= event.at
        )
        for post in found:
            if event.id in post.model.events:
                continue
            post.model = closed(post.model, stage, event.at)
            await self.show(post)

    async def _tell_more(self, post: Post[Question], event: Event) -> None:
        """The order was filled further after it was decided: those shares stay the owner's own."""
        for owner in sorted(self._deps.owners):
            view = views.more_bought(post.model, whole(event.values, "qty"), self._speak(owner))
            await self._messenger.patiently(partial(self._messenger.send, owner, view, quiet=True))
        await self._posts.keep(post)
